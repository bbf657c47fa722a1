"""What a job is, to its sender and to the worker that has it in hand, and where its parts lie."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from alliance.serve.store.cipher import DataKey
from alliance.serve.store.tables import JobRow

__all__ = ["ClaimedJob", "JobState", "StoredJob", "item_place", "key_place", "options_place"]


class JobState(StrEnum):
    """Where a job stands. One that is still being sent is nobody's yet, and told to no one."""

    RECEIVING = "receiving"
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class StoredJob:
    """What is told of a job.

    Attributes:
        id: its opaque id.
        state: where it stands.
        created_at: when it was accepted, in UTC.
        finished_at: when its last session was done.
        expires_at: when its result goes.
        items: how many sessions it has.
        items_done: how many of them are done.
    """

    id: str
    state: JobState
    created_at: dt.datetime
    finished_at: dt.datetime | None
    expires_at: dt.datetime | None
    items: int
    items_done: int

    @classmethod
    def of(cls, row: JobRow, *, done: int) -> "StoredJob":
        """What is told of a job's row.

        Args:
            row: the row.
            done: how many of its sessions are done.
        """
        return cls(
            row.id,
            JobState(row.state),
            row.created_at,
            row.finished_at,
            row.expires_at,
            row.items,
            done,
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return {
            "id": self.id,
            "state": self.state.value,
            "created_at": self.created_at.isoformat(),
            "finished_at": None if self.finished_at is None else self.finished_at.isoformat(),
            "expires_at": None if self.expires_at is None else self.expires_at.isoformat(),
            "sessions": self.items,
            "sessions_done": self.items_done,
        }


@dataclass(frozen=True, slots=True)
class ClaimedJob:
    """A job in a worker's hands.

    Attributes:
        id: its opaque id.
        lease: proof that it is this worker's.
        attempts: how often it was claimed since its last item was done, this time included.
        options: how its sessions are to be labelled.
        key: its data key.
    """

    id: str
    lease: str
    attempts: int
    options: Mapping[str, Any]
    key: DataKey


def key_place(job_id: str) -> str:
    """What a job's wrapped data key is bound to."""
    return f"jobs/{job_id}/data_key"


def options_place(job_id: str) -> str:
    """What a job's sealed options are bound to."""
    return f"jobs/{job_id}/options"


def item_place(job_id: str, n: int, column: str) -> str:
    """What a sealed value of one of a job's sessions is bound to."""
    return f"job_items/{job_id}/{n}/{column}"
