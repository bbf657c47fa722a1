"""The store: opened by its URL and key, with its tables up to date."""

import datetime as dt
from collections.abc import Iterator
from typing import Final, Self

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from alliance.serve.store.annotations import Annotations
from alliance.serve.store.audit import Actor
from alliance.serve.store.cipher import KEY_VARIABLE, UNENCRYPTED, DataKey, StoreKey
from alliance.serve.store.corpus import export
from alliance.serve.store.database import Database
from alliance.serve.store.errors import StoreDamagedError, StoreKeyError
from alliance.serve.store.idempotency import Idempotency
from alliance.serve.store.job_uploads import JobUploads
from alliance.serve.store.jobs import Jobs
from alliance.serve.store.keys import StoredKeys
from alliance.serve.store.migrating import upgrade
from alliance.serve.store.sessions import Sessions
from alliance.serve.store.tables import MetaRow

__all__ = ["Store"]

_INDEX_KEY: Final = "index_key"
_DAY: Final = dt.timedelta(days=1)


class Store:
    """Stored sessions, their annotations, the audit, jobs and keys of one service.

    All methods are blocking and may be called from any thread. Made by :meth:`open`.

    Attributes:
        sessions: the stored sessions.
        annotations: what people say of their turns.
        jobs: the jobs.
        job_uploads: the jobs that are being sent.
        keys: the API keys.
    """

    def __init__(
        self,
        database: Database,
        store_key: StoreKey,
        *,
        retention: dt.timedelta | None = None,
        jobs_kept: dt.timedelta = _DAY,
    ) -> None:
        self.database = database
        self._store_key = store_key
        self._index_key = _index_key(database, store_key)
        self.sessions = Sessions(database, store_key, retention=retention)
        self.annotations = Annotations(database, store_key)
        self.jobs = Jobs(database, store_key, kept=jobs_kept)
        self.job_uploads = JobUploads(database, store_key, self.jobs)
        self.keys = StoredKeys(database)

    @classmethod
    def open(
        cls,
        url: str,
        *,
        key: str | None,
        retention: dt.timedelta | None = None,
        jobs_kept: dt.timedelta = _DAY,
    ) -> Self:
        """Open a store, make it if it is not there, and bring its tables up to date.

        Args:
            url: ``sqlite:///PATH`` or ``postgresql://USER@HOST/DATABASE``.
            key: as in ``ALLIANCE_STORE_KEY`` (:meth:`StoreKey.parse`).
            retention: how long sessions are kept; None for until they are deleted.
            jobs_kept: how long the results of jobs are kept.

        Raises:
            StoreUrlError: if the URL names no database we know.
            StoreKeyError: if there is no key, or it is not this store's.
            StoreError: if the database cannot be used.
        """
        store_key = StoreKey.parse(key)  # first: without a key nothing is made
        database = Database(url)
        try:
            upgrade(database)
            return cls(database, store_key, retention=retention, jobs_kept=jobs_kept)
        except BaseException:
            database.close()
            raise

    def close(self) -> None:
        """Close all connections."""
        self.database.close()

    def ping(self) -> None:
        """Ask the database for an answer.

        Raises:
            StoreError: if there is none.
        """
        self.database.ping()

    def idempotency(self, actor: Actor, kind: str, key: str, body: bytes) -> Idempotency:
        """A request's idempotency key and body as the store compares them.

        Args:
            actor: who sends it; keys of different groups are different keys.
            kind: of request, e.g. ``job``.
            key: the header's value.
            body: the request's body.
        """
        what = f"idempotency key\n{kind}\n{actor.group}"
        return Idempotency(self._index_key.fingerprint(key, what=what), body)

    def export(self, actor: Actor) -> Iterator[str]:
        """The group's annotated sessions as JSON lines (:mod:`alliance.serve.store.corpus`)."""
        return export(self.database, self._store_key, actor)

    def tidy(self) -> int:
        """Erase what has been kept long enough; returns how many sessions and jobs."""
        erased = self.sessions.erase_expired() + self.jobs.erase_expired()
        self.job_uploads.erase_abandoned()
        self.database.catch_up()
        return erased

    def rotate(self) -> int:
        """Wrap all data keys with the newest store key; returns how many.

        After it, the older keys can be taken out of ``ALLIANCE_STORE_KEY``.
        """
        with self.database.transaction() as db:
            row = db.get(MetaRow, _INDEX_KEY)
            assert row is not None  # made when the store was opened
            row.value = self._store_key.wrap(self._index_key, place=_INDEX_PLACE)
        return self.sessions.rewrap() + self.jobs.rewrap()


_INDEX_PLACE: Final = f"meta/{_INDEX_KEY}/value"


def _index_key(database: Database, store_key: StoreKey) -> DataKey:
    """The key of the store's digests; that it opens shows that the store's key is the right one."""
    made = store_key.make()
    try:
        with database.transaction() as db:
            row = db.scalar(select(MetaRow).where(MetaRow.name == _INDEX_KEY))
            if row is None:
                db.add(MetaRow(name=_INDEX_KEY, value=store_key.wrap(made, place=_INDEX_PLACE)))
                return made
            wrapped = row.value
    except IntegrityError:  # another process has just made the store
        return _index_key(database, store_key)
    try:
        return store_key.unwrap(wrapped, place=_INDEX_PLACE)
    except StoreDamagedError:
        found = "another key" if store_key.encrypting else f"'{UNENCRYPTED}'"
        raise StoreKeyError(
            f"expected in {KEY_VARIABLE} the key that this store was made with (or "
            f"'{UNENCRYPTED}', if it was made without), found {found}; set that one"
        ) from None
