"""How the client calls the service: requests that are sent again when told to, errors, sessions.

Users import from :mod:`alliance.serve.client`.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import httpx

from alliance.model.codebook import Role
from alliance.model.labelled import Purpose
from alliance.model.session import Session, Turn
from alliance.model.timeline import Timeline

__all__ = [
    "Calls",
    "ServiceError",
    "Turns",
    "options_body",
    "result_of",
    "roles_body",
    "session_body",
]

_TRY_AGAIN: Final = frozenset({429, 503})
_STILL_ANSWERED: Final = 409  # with Retry-After: the same request, sent before, is being answered
_LONGEST_WAIT: Final = 60.0  # seconds

Turns = Session | Iterable[Turn | tuple[str, str]]
"""A session, or its turns: :class:`Turn` objects or pairs of speaker and text."""


class ServiceError(Exception):
    """The service answered with a problem.

    Attributes:
        status: the HTTP status.
        title: the kind of problem.
        detail: what was expected, what was found, what to do.
        errors: single faults of the input: where (``loc``), ``type`` and ``msg``.
        session_id: of which session of the request, where there were several.
    """

    def __init__(self, problem: Mapping[str, Any]) -> None:
        self.status = int(problem.get("status", 500))
        self.title = str(problem.get("title", "Problem"))
        self.detail = str(problem.get("detail", ""))
        self.errors: list[dict[str, Any]] = list(problem.get("errors", ()))
        self.session_id: str | None = problem.get("session_id")
        super().__init__(f"{self.status} {self.title}: {self.detail}")


class Calls:
    """Requests to one server.

    Args:
        http: the connections.
        retries: how often a request is sent again that the server was too busy for, after the
            time that it names.
    """

    def __init__(self, http: httpx.Client, *, retries: int) -> None:
        self.http = http
        self._retries = retries

    def send(
        self,
        method: str,
        path: str,
        content: Callable[[], Mapping[str, Any]] = dict,
        *,
        retries: int | None = None,
    ) -> httpx.Response:
        """Send a request until the server is not too busy for it.

        Args:
            method: of HTTP.
            path: under the server's address.
            content: makes what httpx takes beside them, anew for each time it is sent.
            retries: how often it may be sent again; None for as often as any request.

        Raises:
            ServiceError: if the service answers with a problem.
            httpx.HTTPError: if the service cannot be reached.
        """
        for _ in range(self._retries if retries is None else retries):
            response = self.http.request(method, path, **content())
            if not _asks_to_wait(response):
                return _checked(response)
            time.sleep(wait_of(response))
        return _checked(self.http.request(method, path, **content()))

    def json(
        self,
        method: str,
        path: str,
        content: Callable[[], Mapping[str, Any]] = dict,
        *,
        retries: int | None = None,
    ) -> dict[str, Any]:
        """As :meth:`send`; the answer's JSON object."""
        response = self.send(method, path, content, retries=retries)
        body = _body(response)
        if body is None:
            raise ServiceError({"status": response.status_code, "title": _NO_JSON})
        return body

    @contextmanager
    def streaming(self, path: str) -> Iterator[httpx.Response]:
        """A long answer, to be read piece by piece; errors as in :meth:`send`."""
        with self.http.stream("GET", path) as response:
            if response.is_error:
                response.read()
            yield _checked(response)


_NO_JSON: Final = "No JSON in the answer"


def _checked(response: httpx.Response) -> httpx.Response:
    if not response.is_error:
        return response
    raise ServiceError(_body(response) or {"status": response.status_code, "title": _NO_JSON})


def _body(response: httpx.Response) -> dict[str, Any] | None:
    try:
        body = response.json()
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _asks_to_wait(response: httpx.Response) -> bool:
    if response.status_code == _STILL_ANSWERED:
        return "Retry-After" in response.headers
    return response.status_code in _TRY_AGAIN


def wait_of(response: httpx.Response) -> float:
    """Seconds after which the server wants to be asked again, at most a minute."""
    try:
        return min(_LONGEST_WAIT, float(response.headers.get("Retry-After", "1")))
    except ValueError:
        return 1.0


def session_body(given: Turns) -> dict[str, Any]:
    """A session as the service takes it."""
    if isinstance(given, Session):
        return {"id": _sendable(given.id), "turns": [_turn_body(turn) for turn in given.turns]}
    return {
        "turns": [_turn_body(turn if isinstance(turn, Turn) else Turn(*turn)) for turn in given]
    }


def _turn_body(turn: Turn) -> dict[str, Any]:
    return {
        key: _sendable(value) if isinstance(value, str) else value
        for key, value in turn.to_dict().items()
    }


def _sendable(text: str) -> str:
    """Half a surrogate pair, which a file may hold, has no UTF-8 form; ``?`` replaces it."""
    return text.encode("utf-8", "replace").decode()


def options_body(
    roles: Mapping[str, Role | str] | None, purpose: Purpose | str, include_text: bool
) -> dict[str, Any]:
    """How sessions are to be labelled, as the service takes it."""
    return {"roles": roles_body(roles), "purpose": str(purpose), "include_text": include_text}


def roles_body(roles: Mapping[str, Role | str] | None) -> dict[str, str]:
    """Who is who, as the service takes it."""
    return {name: str(role) for name, role in (roles or {}).items()}


def result_of(body: Mapping[str, Any]) -> Timeline | ServiceError:
    """What became of one session of several: its timeline, or why it has none."""
    return Timeline.from_dict(body) if "turns" in body else ServiceError(body)
