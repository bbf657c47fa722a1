"""Who may call: keys, scopes, rate limits, and the checks of where a request comes from.

Over loopback no keys are asked for unless some were made. What keeps web pages out then is the
``Host`` header, which names this server only if the browser was really sent here (a page that
rebinds its own name to 127.0.0.1 still sends that name), and the ``Origin`` header, which browsers
put on every socket and on whatever changes something.
"""

import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.requests import HTTPConnection

from alliance.model.errors import ConfigError
from alliance.serve.http.keys import ApiKey, KeyRing, Scope, verify
from alliance.serve.http.login import Login, Logins, same_token
from alliance.serve.http.problems import Problem
from alliance.serve.http.settings import Settings

__all__ = [
    "COOKIE",
    "CSRF_HEADER",
    "LOCAL",
    "STATIC",
    "Access",
    "Caller",
    "authenticate",
    "is_public",
    "require",
]

COOKIE: Final = "alliance_login"
CSRF_HEADER: Final = "X-CSRF-Token"
STATIC: Final = "/static/"
"""Where the page's files lie, which are the same for everybody."""

_PUBLIC: Final = frozenset({"/livez", "/v1/login", "/"})

_LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever makes a request.

    Attributes:
        key_id: the public part of the key, ``local`` without keys.
        group: whose stored sessions the caller sees.
        scopes: what the caller may do.
    """

    key_id: str
    group: str
    scopes: frozenset[Scope]

    def may(self, scope: Scope | str) -> bool:
        """Whether the caller has a scope; ``admin`` has all."""
        return Scope.ADMIN in self.scopes or Scope(scope) in self.scopes


LOCAL: Final = Caller("local", "local", frozenset(Scope))
"""Whoever calls over loopback where no keys are asked for."""


def is_public(path: str) -> bool:
    """Whether a path answers without a key: health, the login, and the page with its files.

    The page holds no session; what it shows it asks for with the login's cookie.
    """
    return path in _PUBLIC or path.startswith(STATIC)


class Access:
    """Decides who a caller is and whether the request may come in.

    Args:
        settings: what was set.
        keys: the ring of keys, or None if there is none.

    Raises:
        ConfigError: if the server would listen beyond this machine without a key, or the rate
            limit cannot be read.
    """

    def __init__(self, settings: Settings, keys: KeyRing | None) -> None:
        made = [] if keys is None else keys.all()
        if settings.require_keys is None:
            self.asks_for_keys = not settings.is_loopback or bool(made)
        else:
            self.asks_for_keys = settings.require_keys
        live = any(key.revoked is None for key in made)
        if not settings.is_loopback and not (live and self.asks_for_keys):
            raise ConfigError(
                f"expected an API key before listening on {settings.host}, which other machines "
                f"reach, found none: anybody there could read and label transcripts; make one "
                f"with `alliance keys add` and name its file with --keys-file, or stay on 127.0.0.1"
            )
        self.logins = Logins(settings.login_seconds)
        self._keys = keys
        self._settings = settings
        try:
            self._rate = parse(settings.rate_limit)
        except ValueError as error:
            raise ConfigError(
                f"expected a rate such as 600/minute, found '{settings.rate_limit}'; correct "
                f"--rate-limit"
            ) from error
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def caller(self, connection: HTTPConnection, token: str | None = None) -> Caller:
        """The caller of a request or socket; see :func:`authenticate`. Reads the ring of keys."""
        if not self.asks_for_keys:
            return LOCAL
        key = self._key(connection, token)
        if key is None:
            raise Problem(
                401,
                "Key missing or not valid",
                "expected a valid API key, found none; send it as 'Authorization: Bearer KEY'",
                {"WWW-Authenticate": "Bearer"},
            )
        if not self._limiter.hit(self._rate, key.id):
            reset = self._limiter.get_window_stats(self._rate, key.id).reset_time
            wait = max(1, math.ceil(reset - time.time()))
            raise Problem(
                429,
                "Too many requests",
                f"expected at most {self._rate.amount} requests in "
                f"{self._rate.get_expiry()} s of one key, found more; try again in {wait} s",
                {"Retry-After": str(wait)},
            )
        return Caller(key.id, key.group, key.scopes)

    def key(self, token: str) -> ApiKey | None:
        """The live key that a client sent, or None."""
        return None if self._keys is None else verify(self._keys, token)

    def login(self, connection: HTTPConnection) -> Login | None:
        """The login whose cookie the connection carries."""
        return self.logins.get(connection.cookies.get(COOKIE, ""))

    def _key(self, connection: HTTPConnection, token: str | None) -> ApiKey | None:
        scheme, _, sent = connection.headers.get("authorization", "").partition(" ")
        if token is not None or scheme:
            bearer = sent.strip() if scheme.lower() == "bearer" else ""
            return self.key(token if token is not None else bearer)
        login = self.login(connection)
        if login is None or self._keys is None:
            return None
        if connection.scope.get("method", "GET") not in _SAFE_METHODS:
            check_csrf(connection, login)
        key = self._keys.get(login.key_id)
        return key if key is not None and key.revoked is None else None

    def check_source(self, connection: HTTPConnection) -> None:
        """Refuse what a web page of another site sent.

        Raises:
            Problem: 421 for another host's name, 403 for another site's origin.
        """
        host = connection.headers.get("host", "")
        named = {name.lower() for name in self._settings.allowed_hosts}
        if not self.asks_for_keys:
            named |= _LOOPBACK_NAMES | {self._settings.host.lower()}
        if named and _name(host) not in named and host.lower() not in named:
            raise Problem(
                421,
                "Wrong host",
                "expected a Host header that names this server, found another; use localhost, or "
                "allow the name with --allowed-host",
            )
        origin = connection.headers.get("origin")
        if origin is None or origin in self._settings.cors_origins:
            return
        # Behind a proxy that ends TLS the scheme differs, so the host alone is compared.
        if urlsplit(origin).netloc.lower() != host.lower():
            raise Problem(
                403,
                "Wrong origin",
                "expected a page of this server, found one of another site; allow its origin with "
                "--cors-origin",
            )


def check_csrf(connection: HTTPConnection, login: Login) -> None:
    """Refuse a change that a logged-in page did not send itself.

    Raises:
        Problem: 403 without the login's token.
    """
    if not same_token(connection.headers.get(CSRF_HEADER, ""), login.csrf):
        raise Problem(
            403,
            "CSRF token missing",
            f"expected the login's token in the header {CSRF_HEADER}, found none or another; take "
            f"it from the login's reply",
        )


def authenticate(connection: HTTPConnection, token: str | None = None) -> Caller:
    """The caller of a request or socket.

    Requests have been through this before they reach a route; a socket whose key comes in its
    first message calls it itself (in a thread, since the ring of keys may be a database).

    Args:
        connection: the request or the socket.
        token: a whole key that came another way than by the bearer header.

    Raises:
        Problem: 401 without a valid key where one is asked for, 429 above the key's rate.
    """
    access: Access = connection.app.state.access
    return access.caller(connection, token)


def require(scope: Scope | str) -> Callable[[HTTPConnection], Awaitable[Caller]]:
    """A dependency of a route: the caller, who must have the scope.

    Raises:
        Problem: 403 if the caller's key lacks it.
    """
    wanted = Scope(scope)

    async def dependency(connection: HTTPConnection) -> Caller:
        caller: Caller = connection.state.caller
        if not caller.may(wanted):
            raise Problem(
                403,
                "Scope missing",
                f"expected a key with the scope {wanted}, found one without; ask for another key",
            )
        return caller

    return dependency


def _name(host: str) -> str:
    """The name in a ``Host`` header, without the port."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.rpartition(":")[0].lower() if ":" in host else host.lower()
