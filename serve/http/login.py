"""Logins of the page: a key is exchanged for a cookie that scripts cannot read."""

import hashlib
import hmac
import secrets
import threading
import time
from dataclasses import dataclass
from typing import Final

__all__ = ["Login", "Logins"]

_MOST: Final = 10_000


@dataclass(frozen=True, slots=True)
class Login:
    """A page that is logged in.

    Attributes:
        key_id: the key it logged in with; the login ends when that is revoked.
        csrf: what the page must send in ``X-CSRF-Token`` with whatever changes something.
        until: when it ends, on the monotonic clock, in seconds.
    """

    key_id: str
    csrf: str
    until: float


class Logins:
    """The logins of one server, in memory: a restart ends them.

    Args:
        seconds: how long a login lasts.
    """

    def __init__(self, seconds: int) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._logins: dict[str, Login] = {}

    def open(self, key_id: str) -> tuple[str, Login]:
        """A new login; the first value is the cookie's."""
        cookie = secrets.token_urlsafe(32)
        login = Login(key_id, secrets.token_urlsafe(32), time.monotonic() + self._seconds)
        with self._lock:
            self._drop_ended()
            while len(self._logins) >= _MOST:
                del self._logins[next(iter(self._logins))]
            self._logins[_digest(cookie)] = login
        return cookie, login

    def get(self, cookie: str) -> Login | None:
        """The login of a cookie, or None if there is none or it has ended."""
        # A digest as the key: how long the look-up takes says nothing about the cookie.
        login = self._logins.get(_digest(cookie))
        return login if login is not None and login.until > time.monotonic() else None

    def close(self, cookie: str) -> None:
        """End a login."""
        with self._lock:
            self._logins.pop(_digest(cookie), None)

    def _drop_ended(self) -> None:
        now = time.monotonic()
        for digest in [d for d, login in self._logins.items() if login.until <= now]:
            del self._logins[digest]


def same_token(one: str, other: str) -> bool:
    """Whether two tokens are equal; takes the same time wherever they differ."""
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode("utf-8", "replace"))


def _digest(cookie: str) -> str:
    return hashlib.sha256(cookie.encode("utf-8", "surrogatepass")).hexdigest()
