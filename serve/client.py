"""A client of the service: sessions in, timelines out, as typed objects.

>>> with Client("http://127.0.0.1:8642") as client:  # doctest: +SKIP
...     made = client.timeline([("T", "How has the week been?"), ("C", "Fine, I guess.")])
...     for episode in made.episodes:
...         print(episode.kind, episode.onset, episode.outcome)

Live sessions have a client of their own (:mod:`alliance.serve.live_client`).
"""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import httpx

from alliance.model.codebook import Role
from alliance.model.labelled import Purpose
from alliance.model.session import Session, Turn
from alliance.model.timeline import Timeline

__all__ = ["Client", "ServiceError"]

_TRY_AGAIN: Final = frozenset({429, 503})
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


class Client:
    """Calls one server; use it in a ``with`` statement. One client serves many threads.

    Args:
        url: where the server is.
        key: an API key, if the server asks for one.
        timeout: seconds that one answer may take.
        retries: how often a request is sent again that the server was too busy for (503, 429),
            after the time that it names.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8642",
        *,
        key: str | None = None,
        timeout: float = 60.0,
        retries: int = 3,
    ) -> None:
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        # Transcripts go to the server that was named: not through a proxy that happens to be set.
        self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout, trust_env=False)
        self._retries = retries

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def timeline(
        self,
        session: Turns,
        *,
        roles: Mapping[str, Role | str] | None = None,
        purpose: Purpose | str = Purpose.RESEARCH,
        include_text: bool = False,
    ) -> Timeline:
        """The timeline of one session.

        Args:
            session: the session or its turns.
            roles: speaker's name to role, where the name is not well known.
            purpose: what the labels are for.
            include_text: whether the answer repeats what was said.

        Raises:
            ServiceError: if the service cannot label it.
            httpx.HTTPError: if the service cannot be reached.
        """
        body = {"session": _session(session), **_options(roles, purpose, include_text)}
        return Timeline.from_dict(self._post("/v1/timelines", json=body))

    def timelines(
        self,
        sessions: Sequence[Turns],
        *,
        roles: Mapping[str, Role | str] | None = None,
        purpose: Purpose | str = Purpose.RESEARCH,
        include_text: bool = False,
    ) -> list[Timeline | ServiceError]:
        """The timelines of several sessions, in their order; an error for one that has none.

        Arguments and errors are those of :meth:`timeline`.
        """
        body = {
            "sessions": [_session(session) for session in sessions],
            **_options(roles, purpose, include_text),
        }
        return _results(self._post("/v1/timelines", json=body))

    def timelines_of_file(
        self,
        path: str | Path,
        *,
        roles: Mapping[str, Role | str] | None = None,
        columns: Mapping[str, str] | None = None,
        format: str | None = None,  # noqa: A002  # as in read_sessions
        encoding: str | None = None,
        purpose: Purpose | str = Purpose.RESEARCH,
        include_text: bool = False,
    ) -> list[Timeline | ServiceError]:
        """The timelines of the sessions in a transcript file.

        Args:
            path: the file, in any format that ``alliance label`` reads.
            roles: speaker's name to role, where the name is not well known.
            columns: what a column of a table holds, to its name.
            format: the format, where the file's name does not tell it.
            encoding: the encoding, where it is not UTF-8 or UTF-16.
            purpose: what the labels are for.
            include_text: whether the answer repeats what was said.

        Raises:
            ServiceError: if the service cannot read the file.
            OSError: if this program cannot.
            httpx.HTTPError: if the service cannot be reached.
        """
        path = Path(path)
        fields = {
            "purpose": str(purpose),
            "include_text": str(include_text).lower(),
            **({"roles": json.dumps(_roles(roles))} if roles else {}),
            **({"columns": json.dumps(dict(columns))} if columns else {}),
            **({"format": format} if format else {}),
            **({"encoding": encoding} if encoding else {}),
        }
        sent = {"file": (path.name, path.read_bytes(), "application/octet-stream")}
        return _results(self._post("/v1/timelines", files=sent, data=fields))

    def model(self) -> dict[str, Any]:
        """What the model is, its figures and its limits (``/v1/model``)."""
        return self._answer(self._http.get("/v1/model"))

    def ready(self) -> bool:
        """Whether the server answers and its model is warm."""
        try:
            return self._http.get("/readyz").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def _post(self, path: str, **content: Any) -> dict[str, Any]:
        for _ in range(self._retries):
            response = self._http.post(path, **content)
            if response.status_code not in _TRY_AGAIN:
                return self._answer(response)
            time.sleep(_wait(response))
        return self._answer(self._http.post(path, **content))

    def _answer(self, response: httpx.Response) -> dict[str, Any]:
        try:
            body = response.json()
        except ValueError:
            body = {"status": response.status_code, "title": "No JSON in the answer"}
        if response.is_error or not isinstance(body, dict):
            raise ServiceError(body if isinstance(body, dict) else {})
        return body


def _session(given: Turns) -> dict[str, Any]:
    if isinstance(given, Session):
        turns = [turn.to_dict() for turn in given.turns]
        return {"id": given.id, "turns": turns}
    return {
        "turns": [
            turn.to_dict() if isinstance(turn, Turn) else {"speaker": turn[0], "text": turn[1]}
            for turn in given
        ]
    }


def _options(
    roles: Mapping[str, Role | str] | None, purpose: Purpose | str, include_text: bool
) -> dict[str, Any]:
    return {"roles": _roles(roles), "purpose": str(purpose), "include_text": include_text}


def _roles(roles: Mapping[str, Role | str] | None) -> dict[str, str]:
    return {name: str(role) for name, role in (roles or {}).items()}


def _results(body: Mapping[str, Any]) -> list[Timeline | ServiceError]:
    return [
        Timeline.from_dict(result) if "turns" in result else ServiceError(result)
        for result in body["results"]
    ]


def _wait(response: httpx.Response) -> float:
    try:
        return min(_LONGEST_WAIT, float(response.headers.get("Retry-After", "1")))
    except ValueError:
        return 1.0
