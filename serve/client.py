"""A client of the service: sessions in, timelines out, as typed objects.

>>> with Client("http://127.0.0.1:8642") as client:  # doctest: +SKIP
...     made = client.timeline([("T", "How has the week been?"), ("C", "Fine, I guess.")])
...     for episode in made.episodes:
...         print(episode.kind, episode.onset, episode.outcome)

Of a service with a store, ``client.sessions`` are the stored sessions and ``client.jobs`` the jobs.
Live sessions have a client of their own (:mod:`alliance.serve.live_client`).
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from alliance.model.codebook import Role
from alliance.model.labelled import Purpose
from alliance.model.timeline import Timeline
from alliance.serve.job_client import Job, Jobs
from alliance.serve.service_calls import (
    Calls,
    ServiceError,
    Turns,
    options_body,
    result_of,
    roles_body,
    session_body,
)
from alliance.serve.stored_client import (
    Annotation,
    AuditEntry,
    StoredSession,
    StoredSessions,
    StoredTranscript,
)

__all__ = [
    "Annotation",
    "AuditEntry",
    "Client",
    "Job",
    "Jobs",
    "ServiceError",
    "StoredSession",
    "StoredSessions",
    "StoredTranscript",
    "Turns",
]


class Client:
    """Calls one server; use it in a ``with`` statement. One client serves many threads.

    Args:
        url: where the server is.
        key: an API key, if the server asks for one.
        timeout: seconds that one answer may take.
        retries: how often a request is sent again that the server was too busy for (503, 429),
            after the time that it names.

    Attributes:
        sessions: the stored sessions of the key's group, where the service has a store.
        jobs: the jobs of the key's group, where the service has a store.
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
        self._calls = Calls(self._http, retries=retries)
        self.sessions = StoredSessions(self._calls)
        self.jobs = Jobs(self._calls)

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
        body = {"session": session_body(session), **options_body(roles, purpose, include_text)}
        return Timeline.from_dict(self._post(json=body))

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
            "sessions": [session_body(session) for session in sessions],
            **options_body(roles, purpose, include_text),
        }
        return [result_of(result) for result in self._post(json=body)["results"]]

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
            **({"roles": json.dumps(roles_body(roles))} if roles else {}),
            **({"columns": json.dumps(dict(columns))} if columns else {}),
            **({"format": format} if format else {}),
            **({"encoding": encoding} if encoding else {}),
        }
        sent = {"file": (path.name, path.read_bytes(), "application/octet-stream")}
        made = self._post(files=sent, data=fields)
        return [result_of(result) for result in made["results"]]

    def model(self) -> dict[str, Any]:
        """What the model is, its figures and its limits (``/v1/model``)."""
        return self._calls.json("GET", "/v1/model")

    def ready(self) -> bool:
        """Whether the server answers and its model is warm."""
        try:
            return self._http.get("/readyz").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def _post(self, **content: Any) -> dict[str, Any]:
        return self._calls.json("POST", "/v1/timelines", lambda: content)
