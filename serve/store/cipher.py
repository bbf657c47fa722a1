"""Encryption at rest: AES-256-GCM under a key of each row's own, wrapped by the store's key.

Every session and every job has a random key of its own (the *data key*), which lies beside it
wrapped by the store's key. All its ciphertexts are made with it, so that losing one small value
makes all of them unreadable, wherever copies of them lie (the audit, the write-ahead log, free
pages), and so that a new store key means wrapping the data keys anew and touching nothing else.

Each ciphertext is bound to its place (table, row, column) as associated data: moved elsewhere, it
does not authenticate. The cipher is that of the ``cryptography`` library; nothing is home-made but
the frame: one byte for the scheme, the nonce, then what the cipher gives.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from alliance.serve.store.errors import StoreDamagedError, StoreKeyError

__all__ = ["KEY_VARIABLE", "UNENCRYPTED", "DataKey", "StoreKey", "new_key"]

KEY_VARIABLE: Final = "ALLIANCE_STORE_KEY"
"""The environment variable that holds the store's key."""

UNENCRYPTED: Final = "unencrypted"
"""In place of a key: keep everything readable, e.g. on a disk that is itself encrypted."""

_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12  # what GCM wants; random, since a data key makes few thousand of them
_PLAIN: Final = b"\x00"
_AES_GCM: Final = b"\x01"


def new_key() -> str:
    """A fresh store key: 32 random bytes in URL-safe base64."""
    return base64.urlsafe_b64encode(secrets.token_bytes(_KEY_BYTES)).decode()


class DataKey:
    """The key of one session or job: seals and opens its values.

    Args:
        raw: 32 bytes.
        encrypting: whether values are encrypted; False in an unencrypted store.
    """

    def __init__(self, raw: bytes, *, encrypting: bool = True) -> None:
        self._raw = raw
        self._encrypting = encrypting

    @classmethod
    def make(cls, *, encrypting: bool = True) -> "DataKey":
        """A fresh random key."""
        return cls(secrets.token_bytes(_KEY_BYTES), encrypting=encrypting)

    def seal(self, value: bytes, *, place: str) -> bytes:
        """The value encrypted and bound to its place."""
        if not self._encrypting:
            return _PLAIN + value
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return _AES_GCM + nonce + AESGCM(self._raw).encrypt(nonce, value, place.encode())

    def open(self, sealed: bytes, *, place: str) -> bytes:
        """The inverse of :meth:`seal`.

        Raises:
            StoreDamagedError: if it was not sealed with this key for this place.
        """
        scheme, rest = sealed[:1], sealed[1:]
        # An encrypting store opens nothing that is not encrypted, or a forger would just write it.
        if scheme != (_AES_GCM if self._encrypting else _PLAIN):
            raise StoreDamagedError(_DAMAGED)
        if not self._encrypting:
            return rest
        nonce, ciphertext = rest[:_NONCE_BYTES], rest[_NONCE_BYTES:]
        try:
            return AESGCM(self._raw).decrypt(nonce, ciphertext, place.encode())
        except (InvalidTag, ValueError):  # ValueError: too short to hold a nonce
            raise StoreDamagedError(_DAMAGED) from None

    def fingerprint(self, value: str | bytes, *, what: str) -> str:
        """A digest (64 hex digits) to find a value again without keeping it.

        Keyed, so that a short value cannot be guessed from it.

        Args:
            value: what is to be found again.
            what: the kind of value; digests of different kinds do not compare.
        """
        value = value.encode() if isinstance(value, str) else value
        subkey = hmac.digest(self._raw, b"fingerprint of " + what.encode(), hashlib.sha256)
        return hmac.new(subkey, value, hashlib.sha256).hexdigest()


_DAMAGED: Final = (
    "expected stored values as they were written, found one that does not authenticate; restore "
    "the store from a backup"
)


class StoreKey:
    """The store's own key, or several: the first wraps, any of them unwraps.

    Args:
        keys: 32 bytes each; none for an unencrypted store.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = tuple(DataKey(key) for key in keys)

    @classmethod
    def parse(cls, text: str | None) -> "StoreKey":
        """The key as it stands in ``ALLIANCE_STORE_KEY``.

        Args:
            text: 32 bytes in base64; or several of them with commas between, the newest first; or
                ``unencrypted``.

        Raises:
            StoreKeyError: if there is none or it is malformed.
        """
        if text is None or not text.strip():
            raise StoreKeyError(
                f"expected the key that encrypts the store in {KEY_VARIABLE}, found none; make one "
                f"with `alliance store new-key`, keep it apart from the store (without it nothing "
                f"in the store can be read), and set {KEY_VARIABLE} to it"
            )
        if text.strip() == UNENCRYPTED:
            return cls(())
        return cls([_parsed(part.strip()) for part in text.split(",")])

    @property
    def encrypting(self) -> bool:
        """Whether there is a key at all."""
        return bool(self._keys)

    def make(self) -> DataKey:
        """A fresh data key."""
        return DataKey.make(encrypting=self.encrypting)

    def wrap(self, key: DataKey, *, place: str) -> bytes:
        """The data key as it may be stored."""
        master = self._keys[0] if self._keys else _NO_KEY
        return master.seal(key._raw, place=place)

    def unwrap(self, wrapped: bytes, *, place: str) -> DataKey:
        """The inverse of :meth:`wrap`.

        Raises:
            StoreDamagedError: if none of the keys has wrapped it for this place.
        """
        if not self._keys:
            return DataKey(_NO_KEY.open(wrapped, place=place), encrypting=False)
        for master in self._keys:
            try:
                return DataKey(master.open(wrapped, place=place))
            except StoreDamagedError:
                continue
        raise StoreDamagedError(_DAMAGED)


_NO_KEY: Final = DataKey(b"", encrypting=False)


def _parsed(text: str) -> bytes:
    try:
        raw = base64.b64decode(text, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != _KEY_BYTES:
        # Never the value: a key that is wrong in one letter is still nearly the key.
        raise StoreKeyError(
            f"expected {KEY_VARIABLE} to hold {_KEY_BYTES} bytes in base64, found something else; "
            f"make a key with `alliance store new-key`"
        )
    return raw
