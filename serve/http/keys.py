"""API keys: what a key is, and the ring that holds them.

A key is shown once, when it is made. What is kept is its SHA-256, which is enough for 256 random
bits: there is nothing to guess that a slow hash would protect.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

__all__ = ["ApiKey", "KeyRing", "Scope", "new_key", "parse_token", "verify"]

_PREFIX: Final = "alliance"


class Scope(StrEnum):
    """What a key may do; ``admin`` may do everything."""

    LABEL = "label"
    READ = "read"
    ANNOTATE = "annotate"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it is kept.

    Attributes:
        id: its public part, to name it in lists and to revoke it; not secret.
        digest: SHA-256 of the secret part, hexadecimal.
        group: whose sessions it sees.
        scopes: what it may do.
        created: when it was made, ISO 8601 in UTC.
        revoked: when it stopped working, or None.
    """

    id: str
    digest: str
    group: str
    scopes: frozenset[Scope]
    created: str
    revoked: str | None = None


class KeyRing(Protocol):
    """Where keys are kept: a file (:mod:`alliance.serve.http.keys_file`) or the store.

    A change shows at the next call, whoever made it: a revoked key stops working at once.
    """

    def get(self, key_id: str) -> ApiKey | None:
        """The key of that id, revoked ones included."""
        ...

    def all(self) -> Sequence[ApiKey]:
        """Every key, revoked ones included, in the order they were made."""
        ...

    def add(self, *, group: str, scopes: Iterable[Scope]) -> tuple[ApiKey, str]:
        """Make a key; the second value is the whole key, which is told this once."""
        ...

    def revoke(self, key_id: str) -> bool:
        """Stop a key; False if there is none of that id."""
        ...


def new_key(*, group: str, scopes: Iterable[Scope], created: str) -> tuple[ApiKey, str]:
    """A fresh key and the whole of it, as the client sends it."""
    key_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    key = ApiKey(key_id, _digest(secret), group, frozenset(scopes), created)
    return key, f"{_PREFIX}_{key_id}_{secret}"


def parse_token(token: str) -> tuple[str, str] | None:
    """The id and the secret of a whole key, or None if it is not of that form."""
    prefix, _, rest = token.partition("_")
    key_id, _, secret = rest.partition("_")
    return (key_id, secret) if prefix == _PREFIX and key_id and secret else None


def verify(ring: KeyRing, token: str) -> ApiKey | None:
    """The live key that a client sent, or None.

    The comparison takes the same time whether the id is unknown or the secret wrong.
    """
    key_id, secret = parse_token(token) or ("", "")
    key = ring.get(key_id)
    same = hmac.compare_digest(_digest(secret), key.digest if key is not None else "0" * 64)
    return key if same and key is not None and key.revoked is None else None


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
