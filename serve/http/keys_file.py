"""A ring of API keys in a JSON file, for a server without a store."""

import datetime as dt
import json
import os
import secrets
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, Final

from alliance.model.errors import ConfigError
from alliance.serve.http.keys import ApiKey, Scope, new_key

__all__ = ["KeysFile"]

_FORMAT: Final = 1


class KeysFile:
    """Keys in a file that only its owner can read; it holds hashes, no keys.

    The file is looked at whenever a key is asked for and read again when it has changed, so a key
    that another process revokes stops working at once. A missing file holds no keys.

    Args:
        path: the file; the first key makes it.

    Raises:
        ConfigError: at any call, if the file is not one of keys.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._seen: tuple[int, int, int] | None = None
        self._keys: dict[str, ApiKey] = {}

    def get(self, key_id: str) -> ApiKey | None:
        """The key of that id, revoked ones included."""
        return self._read().get(key_id)

    def all(self) -> Sequence[ApiKey]:
        """Every key, revoked ones included, in the order they were made."""
        return tuple(self._read().values())

    def add(self, *, group: str, scopes: Iterable[Scope]) -> tuple[ApiKey, str]:
        """Make a key; the second value is the whole key, which is told this once."""
        key, token = new_key(group=group, scopes=scopes, created=_now())
        with self._changing() as keys:
            keys[key.id] = key
        return key, token

    def revoke(self, key_id: str) -> bool:
        """Stop a key; False if there is none of that id."""
        with self._changing() as keys:
            key = keys.get(key_id)
            if key is not None and key.revoked is None:
                keys[key_id] = replace(key, revoked=_now())
        return key is not None

    def _read(self) -> dict[str, ApiKey]:
        with self._lock:
            try:
                facts = self._path.stat()
            except FileNotFoundError:
                self._seen, self._keys = None, {}
                return self._keys
            now = (facts.st_mtime_ns, facts.st_size, facts.st_ino)
            if now != self._seen:
                self._keys = _parse(self._path)
                self._seen = now
            return self._keys

    @contextmanager
    def _changing(self) -> Iterator[dict[str, ApiKey]]:
        # Without a lock two commands at once could bring a revoked key back.
        with self._path.with_suffix(".lock").open("ab") as lock:
            _lock(lock)
            keys = dict(_parse(self._path)) if self._path.exists() else {}
            yield keys
            self._write(keys)

    def _write(self, keys: dict[str, ApiKey]) -> None:
        temporary = self._path.with_name(f".{self._path.name}-{secrets.token_hex(6)}")
        text = json.dumps({"format": _FORMAT, "keys": [_to_dict(key) for key in keys.values()]})
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._path)
        finally:
            temporary.unlink(missing_ok=True)


def _lock(file: IO[bytes]) -> None:
    """Held until the file is closed; a system without such locks goes without."""
    try:
        import fcntl
    except ModuleNotFoundError:
        return
    fcntl.flock(file, fcntl.LOCK_EX)


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")


def _to_dict(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "sha256": key.digest,
        "group": key.group,
        "scopes": sorted(key.scopes),
        "created": key.created,
        "revoked": key.revoked,
    }


def _parse(path: Path) -> dict[str, ApiKey]:
    content = path.read_bytes()
    try:
        data = json.loads(content)
        if data["format"] != _FORMAT:
            raise ValueError
        keys = [
            ApiKey(
                str(key["id"]),
                str(key["sha256"]),
                str(key["group"]),
                frozenset(Scope(scope) for scope in key["scopes"]),
                str(key["created"]),
                key["revoked"],
            )
            for key in data["keys"]
        ]
    except (ValueError, LookupError, TypeError) as error:
        raise ConfigError(
            f"{path}: expected a file of API keys, found something else; name the file that "
            f"`alliance keys add` wrote"
        ) from error
    return {key.id: key for key in keys}
