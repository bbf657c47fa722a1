"""Jobs: many sessions to be labelled when there is time, and their results, for a day.

A job's sessions are items of their own. An item's result is stored in the transaction that
renews the worker's lease, and takes the place of what was sent: a worker that dies loses the item
in hand and no other, and one that has lost its lease can no longer write.
"""

import datetime as dt
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.orm import Session as Transaction

from alliance.serve.store.audit import Action, Actor, Service, blank, now, opaque_id, record
from alliance.serve.store.cipher import DataKey, StoreKey
from alliance.serve.store.database import Database
from alliance.serve.store.errors import GoneError
from alliance.serve.store.idempotency import Idempotency, made_once
from alliance.serve.store.job import (
    ClaimedJob,
    JobState,
    StoredJob,
    item_place,
    key_place,
    options_place,
)
from alliance.serve.store.tables import JobItemRow, JobRow

__all__ = ["Jobs"]

_FORGOTTEN_AFTER: Final = dt.timedelta(days=30)  # until then a late caller hears 410, not 404


class Jobs:
    """The jobs of a store.

    Args:
        database: where they lie.
        store_key: what wraps their keys.
        kept: how long a result is kept once it is whole.
    """

    def __init__(self, database: Database, store_key: StoreKey, *, kept: dt.timedelta) -> None:
        self._database = database
        self._store_key = store_key
        self._kept = kept

    def add(
        self,
        actor: Actor,
        payloads: Sequence[Mapping[str, Any]],
        options: Mapping[str, Any],
        *,
        idempotency: Idempotency | None = None,
    ) -> StoredJob:
        """Accept a job; once this returns it is not lost.

        Args:
            actor: who sends it.
            payloads: one for each session, as JSON.
            options: how they are to be labelled, as JSON.
            idempotency: to find the job again when the same request comes twice.

        Returns:
            The job, or the one that the same request had made before.

        Raises:
            IdempotencyError: if the idempotency key came with another body before.
        """
        return made_once(
            idempotency,
            find=lambda key: self.of_request(actor, key),
            make=lambda: self._add(actor, payloads, options, idempotency),
        )

    def _add(
        self,
        actor: Actor,
        payloads: Sequence[Mapping[str, Any]],
        options: Mapping[str, Any],
        idempotency: Idempotency | None,
    ) -> StoredJob:
        key = self._store_key.make()
        new_id = opaque_id("job")
        row = JobRow(
            id=new_id,
            group=actor.group,
            state=JobState.QUEUED.value,
            created_at=now(),
            attempts=0,
            items=len(payloads),
            options=key.seal(_json(options), place=options_place(new_id)),
            data_key=self._store_key.wrap(key, place=key_place(new_id)),
            idempotency=None if idempotency is None else idempotency.digest,
            body_digest=None if idempotency is None else idempotency.body_digest(key),
        )
        with self._database.transaction() as db:
            db.add(row)
            db.flush()
            db.add_all(
                JobItemRow(
                    job_id=new_id,
                    n=n,
                    payload=key.seal(_json(payload), place=item_place(new_id, n, "payload")),
                )
                for n, payload in enumerate(payloads)
            )
            record(db, actor, Action.JOB_CREATED, subject=new_id)
        return StoredJob.of(row, done=0)

    def of_request(self, actor: Actor, idempotency: Idempotency) -> StoredJob | None:
        """The job that a request with this idempotency key has made.

        Raises:
            IdempotencyError: if that request had another body.
        """
        with self._database.reading() as db:
            row = db.scalar(select(JobRow).where(JobRow.idempotency == idempotency.digest))
            if row is None or row.group != actor.group:
                return None
            idempotency.check_body(row.body_digest, self._key(row))
            return StoredJob.of(row, done=_done(db, row.id))

    def get(self, actor: Actor, job_id: str) -> StoredJob | None:
        """How a job is getting on; None if the group has no such job."""
        with self._database.reading() as db:
            row = _row(db, actor, job_id)
            return None if row is None else StoredJob.of(row, done=_done(db, row.id))

    def results(self, actor: Actor, job_id: str) -> Iterator[dict[str, Any]] | None:
        """The results of a job that is done, one per session, in the order they were sent.

        Returns:
            The results, each read when it is asked for; None if the group has no such job, or it
            is not done.

        Raises:
            GoneError: if it has expired or was erased.
        """
        with self._database.transaction() as db:
            row = _row(db, actor, job_id)
            if row is None:
                return None
            if row.state == JobState.EXPIRED.value:
                raise GoneError("expected a result that is still kept, found it gone; send it anew")
            if row.state != JobState.DONE.value:
                return None
            record(db, actor, Action.JOB_RESULT_READ, subject=job_id)
            key, count = self._key(row), row.items
        return self._results(job_id, key, count)

    def _results(self, job_id: str, key: DataKey, count: int) -> Iterator[dict[str, Any]]:
        for n in range(count):
            with self._database.reading() as db:
                row = db.get(JobItemRow, (job_id, n))
                sealed = None if row is None else row.result
            if sealed is None:
                raise GoneError("expected a result that is still kept, found it gone; send it anew")
            found: dict[str, Any] = json.loads(
                key.open(sealed, place=item_place(job_id, n, "result"))
            )
            yield found

    # What the worker does

    def claim(self, lease: dt.timedelta) -> ClaimedJob | None:
        """Take the oldest job that waits, or that a worker has left lying.

        Args:
            lease: for how long, unless it is renewed.
        """
        moment = now()
        waiting = (
            select(JobRow)
            .where(
                JobRow.state.in_([JobState.QUEUED.value, JobState.RUNNING.value]),
                or_(JobRow.leased_until.is_(None), JobRow.leased_until < moment),
            )
            .order_by(JobRow.id)
            .limit(1)
        )
        with self._database.reading() as db:  # mostly there is none, and asking for it is cheap
            if db.scalar(waiting) is None:
                return None
        with self._database.transaction() as db:
            row = db.scalar(waiting.with_for_update(skip_locked=True))
            if row is None or row.options is None:
                return None
            row.state = JobState.RUNNING.value
            row.lease = opaque_id("lea")
            row.leased_until = moment + lease
            row.attempts += 1
            key = self._key(row)
            options = json.loads(key.open(row.options, place=options_place(row.id)))
            return ClaimedJob(row.id, row.lease, row.attempts, options, key)

    def renew(self, job: ClaimedJob, lease: dt.timedelta) -> bool:
        """Keep a job in hand for longer; False if it is no longer this worker's."""
        with self._database.transaction() as db:
            return _renewed(db, job, leased_until=now() + lease)

    def give_back(self, job: ClaimedJob) -> None:
        """Let another worker, or the next start of this one, go on with a job at once."""
        with self._database.transaction() as db:
            _renewed(db, job, leased_until=None, attempts=0)

    def next_item(self, job: ClaimedJob) -> tuple[int, dict[str, Any]] | None:
        """The first session of a job that has no result yet, with its place; None if all have."""
        with self._database.reading() as db:
            row = db.scalar(
                select(JobItemRow)
                .where(JobItemRow.job_id == job.id, JobItemRow.result.is_(None))
                .order_by(JobItemRow.n)
                .limit(1)
            )
            if row is None or row.payload is None:
                return None
            payload: dict[str, Any] = json.loads(
                job.key.open(row.payload, place=item_place(job.id, row.n, "payload"))
            )
            return row.n, payload

    def finish_item(
        self, job: ClaimedJob, n: int, result: Mapping[str, Any], lease: dt.timedelta
    ) -> bool:
        """Store what came of a session, in place of what was sent.

        Returns:
            False if the job is no longer this worker's; nothing is stored then.
        """
        sealed = job.key.seal(_json(result), place=item_place(job.id, n, "result"))
        with self._database.transaction() as db:
            if not _renewed(db, job, leased_until=now() + lease, attempts=0):
                return False
            db.execute(
                update(JobItemRow)
                .where(JobItemRow.job_id == job.id, JobItemRow.n == n, JobItemRow.result.is_(None))
                .values(result=sealed, payload=None)
            )
            return True

    def finish(self, job: ClaimedJob) -> bool:
        """Say that all sessions of a job have their results; False if it is not ours any more."""
        moment = now()
        with self._database.transaction() as db:
            return _renewed(
                db,
                job,
                leased_until=None,
                state=JobState.DONE.value,
                finished_at=moment,
                expires_at=moment + self._kept,
                lease=None,
            )

    # What ends a job

    def erase(self, actor: Actor, job_id: str) -> bool:
        """Erase what was sent and what came of it; a worker at it stops.

        Returns:
            Whether the group had such a job.
        """
        with self._database.transaction() as db:
            row = _row(db, actor, job_id)
            if row is None:
                return False
            _erase(db, row)
            record(db, actor, Action.JOB_ERASED, subject=job_id)
        self._database.sweep()
        return True

    def erase_expired(self) -> int:
        """Erase the jobs whose results have been kept long enough; returns how many."""
        moment = now()
        with self._database.transaction() as db:
            rows = db.scalars(
                select(JobRow).where(
                    JobRow.state == JobState.DONE.value, JobRow.expires_at <= moment
                )
            ).all()
            for row in rows:
                _erase(db, row)
                record(db, Service(row.group), Action.JOB_EXPIRED, subject=row.id)
            db.execute(
                delete(JobRow).where(
                    JobRow.state == JobState.EXPIRED.value,
                    JobRow.expires_at <= moment - _FORGOTTEN_AFTER,
                )
            )
        if rows:
            self._database.sweep()
        return len(rows)

    def rewrap(self) -> int:
        """Wrap the keys of all jobs with the newest store key; returns how many."""
        with self._database.transaction() as db:
            rows = db.scalars(select(JobRow).where(JobRow.data_key.is_not(None))).all()
            for row in rows:
                row.data_key = self._store_key.wrap(self._key(row), place=key_place(row.id))
        return len(rows)

    def _key(self, row: JobRow) -> DataKey:
        if row.data_key is None:
            raise GoneError("expected a job that is still kept, found it gone; send it anew")
        return self._store_key.unwrap(row.data_key, place=key_place(row.id))


def _row(db: Transaction, actor: Actor, job_id: str) -> JobRow | None:
    return db.scalar(select(JobRow).where(JobRow.id == job_id, JobRow.group == actor.group))


def _renewed(db: Transaction, job: ClaimedJob, **values: Any) -> bool:
    changed = db.execute(
        update(JobRow)
        .where(
            JobRow.id == job.id,
            JobRow.lease == job.lease,
            JobRow.state == JobState.RUNNING.value,
        )
        .values(**values)
        .returning(JobRow.id)
    )
    return changed.first() is not None


def _erase(db: Transaction, row: JobRow) -> None:
    db.execute(delete(JobItemRow).where(JobItemRow.job_id == row.id))
    row.state = JobState.EXPIRED.value
    row.expires_at = now()
    row.lease = row.leased_until = row.options = row.data_key = None
    row.idempotency = row.body_digest = None
    blank(db, row.id)


def _done(db: Transaction, job_id: str) -> int:
    return (
        db.scalar(
            select(func.count())
            .select_from(JobItemRow)
            .where(JobItemRow.job_id == job_id, JobItemRow.result.is_not(None))
        )
        or 0
    )


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value).encode()
