"""Who may call: keys, scopes, rate limits."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from starlette.requests import HTTPConnection

from alliance.serve.http.keys import Scope
from alliance.serve.http.problems import Problem

__all__ = ["LOCAL", "Caller", "authenticate", "require"]


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


def authenticate(connection: HTTPConnection, token: str | None = None) -> Caller:
    """The caller of a request or socket.

    Args:
        connection: the request or the socket.
        token: a whole key that came another way than by the bearer header, e.g. in the first
            message of a socket.

    Raises:
        Problem: 401 without a valid key where one is asked for, 429 above the key's rate.
    """
    return LOCAL


def require(scope: Scope | str) -> Callable[[HTTPConnection], Caller]:
    """A dependency of a route: the caller, who must have the scope.

    Raises:
        Problem: 403 if the caller's key lacks it.
    """
    wanted = Scope(scope)

    def dependency(connection: HTTPConnection) -> Caller:
        caller: Caller = connection.state.caller
        if not caller.may(wanted):
            raise Problem(
                403,
                "Scope missing",
                f"expected a key with the scope {wanted}, found one without; ask for another key",
            )
        return caller

    return dependency
