"""Jobs that arrive piece by piece, so that no more of one than a piece is ever held in memory.

What has come is sealed and stored at once, in short transactions, under a job that no worker sees
and no client knows of. When all of it is there, one transaction makes it a job like any other.
What a client that dropped out, or a server that died, has left behind is erased.
"""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import delete, select

from alliance.serve.store.audit import Action, Actor, now, opaque_id, record
from alliance.serve.store.cipher import StoreKey
from alliance.serve.store.database import Database
from alliance.serve.store.errors import GoneError
from alliance.serve.store.idempotency import Idempotency, made_once
from alliance.serve.store.job import (
    JobState,
    StoredJob,
    item_place,
    key_place,
    options_place,
)
from alliance.serve.store.jobs import Jobs
from alliance.serve.store.tables import JobItemRow, JobRow

__all__ = ["JobUpload", "JobUploads"]

_ABANDONED_AFTER: Final = dt.timedelta(minutes=15)
"""Since its last piece; a client that is so slow has been cut off long before."""


class JobUploads:
    """The jobs of a store that are being sent.

    Args:
        database: where they lie.
        store_key: what wraps their keys.
        jobs: the jobs that they become.
    """

    def __init__(self, database: Database, store_key: StoreKey, jobs: Jobs) -> None:
        self._database = database
        self._store_key = store_key
        self._jobs = jobs

    def begin(self, actor: Actor, options: Mapping[str, Any]) -> "JobUpload":
        """A job of which nothing has come yet.

        Args:
            actor: who sends it.
            options: how its sessions are to be labelled, as JSON.
        """
        return JobUpload(self._database, self._store_key, self._jobs, actor, options)

    def erase_abandoned(self) -> int:
        """Erase what was left behind; returns of how many jobs. Nobody had been told of them."""
        with self._database.transaction() as db:
            ids = db.scalars(
                select(JobRow.id).where(
                    JobRow.state == JobState.RECEIVING.value, JobRow.leased_until < now()
                )
            ).all()
            db.execute(delete(JobItemRow).where(JobItemRow.job_id.in_(ids)))
            db.execute(delete(JobRow).where(JobRow.id.in_(ids)))
        if ids:
            self._database.sweep()
        return len(ids)


class JobUpload:
    """One job while it is being sent; made by :meth:`JobUploads.begin`."""

    def __init__(
        self,
        database: Database,
        store_key: StoreKey,
        jobs: Jobs,
        actor: Actor,
        options: Mapping[str, Any],
    ) -> None:
        self._database = database
        self._jobs = jobs
        self._actor = actor
        self._key = store_key.make()
        self._id = opaque_id("job")
        self.items = 0
        """Sessions that have come."""
        with database.transaction() as db:
            db.add(
                JobRow(
                    id=self._id,
                    group=actor.group,
                    state=JobState.RECEIVING.value,
                    created_at=now(),
                    leased_until=now() + _ABANDONED_AFTER,
                    attempts=0,
                    items=0,
                    options=self._key.seal(
                        json.dumps(options).encode(), place=options_place(self._id)
                    ),
                    data_key=store_key.wrap(self._key, place=key_place(self._id)),
                )
            )

    def add(self, payloads: Sequence[Mapping[str, Any]]) -> None:
        """Store the next sessions.

        Raises:
            GoneError: if it has been taken for abandoned.
        """
        rows = [
            JobItemRow(
                job_id=self._id,
                n=n,
                payload=self._key.seal(
                    json.dumps(payload).encode(), place=item_place(self._id, n, "payload")
                ),
            )
            for n, payload in enumerate(payloads, start=self.items)
        ]
        with self._database.transaction() as db:
            row = db.get(JobRow, self._id, with_for_update=True)
            if row is None:
                raise GoneError(_TOO_LATE)
            row.leased_until = now() + _ABANDONED_AFTER
            db.add_all(rows)
        self.items += len(rows)

    def accept(self, idempotency: Idempotency | None = None) -> StoredJob:
        """Make it a job; once this returns it is not lost.

        Args:
            idempotency: to find the job again when the same request comes twice.

        Returns:
            The job, or the one that the same request had made before; then this one is erased.

        Raises:
            IdempotencyError: if the idempotency key came with another body before.
            GoneError: if it has been taken for abandoned.
        """
        job = made_once(
            idempotency,
            find=lambda key: self._jobs.of_request(self._actor, key),
            make=lambda: self._accept(idempotency),
        )
        if job.id != self._id:
            self.erase()
        return job

    def _accept(self, idempotency: Idempotency | None) -> StoredJob:
        with self._database.transaction() as db:
            row = db.get(JobRow, self._id, with_for_update=True)
            if row is None:
                raise GoneError(_TOO_LATE)
            row.state = JobState.QUEUED.value
            row.leased_until = None
            row.items = self.items
            if idempotency is not None:
                row.idempotency = idempotency.digest
                row.body_digest = idempotency.body_digest(self._key)
            record(db, self._actor, Action.JOB_CREATED, subject=self._id)
        return StoredJob.of(row, done=0)

    def erase(self) -> None:
        """Erase what has come, if it has not become a job."""
        with self._database.transaction() as db:
            row = db.get(JobRow, self._id, with_for_update=True)
            if row is None or row.state != JobState.RECEIVING.value:
                return
            db.execute(delete(JobItemRow).where(JobItemRow.job_id == self._id))
            db.delete(row)
        self._database.sweep()


_TOO_LATE: Final = "expected a job that is still being sent, found it given up; send it anew"
