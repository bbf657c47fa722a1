"""The client's jobs: many sessions, labelled by the service when there is time.

Users import from :mod:`alliance.serve.client`; the service needs ``--store``.
"""

import datetime as dt
import json
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from alliance.model.codebook import Role
from alliance.model.labelled import Purpose
from alliance.model.timeline import Timeline
from alliance.serve.service_calls import (
    Calls,
    ServiceError,
    Turns,
    options_body,
    result_of,
    session_body,
    wait_of,
)
from alliance.serve.stored_client import moment

__all__ = ["Job", "Jobs"]

_DONE = frozenset({"done", "expired"})


@dataclass(frozen=True, slots=True)
class Job:
    """A job and how it is getting on.

    Attributes:
        id: the id that the server made.
        state: ``queued``, ``running``, ``done`` or ``expired``.
        created_at: when it was accepted, in UTC.
        finished_at: when its last session was done.
        expires_at: when its result goes.
        sessions: how many it has.
        sessions_done: how many of them are done.
    """

    id: str
    state: str
    created_at: dt.datetime
    finished_at: dt.datetime | None
    expires_at: dt.datetime | None
    sessions: int
    sessions_done: int

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Job":
        """From the service's JSON."""
        return cls(
            data["id"],
            data["state"],
            dt.datetime.fromisoformat(data["created_at"]),
            moment(data["finished_at"]),
            moment(data["expires_at"]),
            data["sessions"],
            data["sessions_done"],
        )

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self.state in _DONE


class Jobs:
    """The jobs of the key's group. Every method raises what :meth:`submit` raises.

    Args:
        calls: to the service.
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def submit(
        self,
        sessions: Iterable[Turns],
        *,
        roles: Mapping[str, Role | str] | None = None,
        purpose: Purpose | str = Purpose.RESEARCH,
        include_text: bool = False,
        idempotency_key: str | None = None,
    ) -> Job:
        """Send sessions to be labelled in the background; once this returns they are not lost.

        They are sent one by one as JSON lines, so an iterator may make more of them than fit the
        memory; but what an iterator has given cannot be sent again if the service is too busy.

        Args:
            sessions: the sessions or their turns, at most 20,000.
            roles: speaker's name to role, where the name is not well known.
            purpose: what the labels are for.
            include_text: whether the result repeats what was said.
            idempotency_key: a word of your own that is new for each job: sent again with the same
                sessions it makes no second one. Else one is made for this call.

        Raises:
            ServiceError: if the service cannot do it; 404 for an id that is not one of the group.
            httpx.HTTPError: if the service cannot be reached.
        """
        headers = {
            "Content-Type": "application/x-ndjson",
            "Idempotency-Key": idempotency_key or uuid.uuid4().hex,
        }

        def lines() -> Iterator[bytes]:
            yield _line(options_body(roles, purpose, include_text))
            for session in sessions:
                yield _line(session_body(session))

        retries = None if iter(sessions) is not sessions else 0
        made = self._calls.json(
            "POST", "/v1/jobs", lambda: {"content": lines(), "headers": headers}, retries=retries
        )
        return Job.from_dict(made)

    def get(self, job_id: str) -> Job:
        """How a job is getting on."""
        return Job.from_dict(self._calls.json("GET", _path(job_id)))

    def wait(self, job_id: str, *, timeout: float | None = None) -> Job:
        """Wait until a job is done, asking as often as the service wants to be asked.

        Args:
            job_id: the job.
            timeout: seconds to wait at most; None for as long as it takes.

        Raises:
            TimeoutError: if it is not done by then; it goes on.
        """
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            response = self._calls.send("GET", _path(job_id))
            job = Job.from_dict(response.json())
            if job.has_ended:
                return job
            wait = wait_of(response)
            if until is not None:
                left = until - time.monotonic()
                if left <= 0:
                    raise TimeoutError(
                        f"expected the job to be done within {timeout:g} s, found "
                        f"{job.sessions_done} of {job.sessions} sessions done; wait again"
                    )
                wait = min(wait, left)
            time.sleep(wait)

    def result(self, job_id: str) -> Iterator[Timeline | ServiceError]:
        """What came of a job that is done, session by session, in the order they were sent.

        Yields:
            A session's timeline, or the error of one that has none.
        """
        with self._calls.streaming(f"{_path(job_id)}/result") as response:
            for line in response.iter_lines():
                yield result_of(json.loads(line))

    def delete(self, job_id: str) -> None:
        """Erase what was sent and what came of it; a job at work stops."""
        self._calls.send("DELETE", _path(job_id))


def _line(data: Mapping[str, Any]) -> bytes:
    return json.dumps(data).encode() + b"\n"


def _path(job_id: str) -> str:
    return f"/v1/jobs/{quote(job_id, safe='')}"
