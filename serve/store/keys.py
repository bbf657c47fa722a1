"""The ring of API keys that the store keeps: digests, never keys."""

import datetime as dt
from collections.abc import Iterable, Sequence

from sqlalchemy import select

from alliance.serve.http.keys import ApiKey, Scope, new_key
from alliance.serve.store.audit import Action, Service, now, record
from alliance.serve.store.database import Database
from alliance.serve.store.tables import KeyRow

__all__ = ["StoredKeys"]

_CONSOLE = "console"


class StoredKeys:
    """The API keys of a store, as a :class:`~alliance.serve.http.keys.KeyRing`.

    Args:
        database: where they lie.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, key_id: str) -> ApiKey | None:
        """The key of that id, revoked ones included."""
        with self._database.reading() as db:
            row = db.get(KeyRow, key_id)
            return None if row is None else _key(row)

    def all(self) -> Sequence[ApiKey]:
        """Every key, revoked ones included, in the order they were made."""
        with self._database.reading() as db:
            rows = db.scalars(select(KeyRow).order_by(KeyRow.created_at, KeyRow.id))
            return [_key(row) for row in rows]

    def add(self, *, group: str, scopes: Iterable[Scope]) -> tuple[ApiKey, str]:
        """Make a key; the second value is the whole key, which is told this once."""
        moment = now()
        key, token = new_key(group=group, scopes=scopes, created=_text(moment))
        with self._database.transaction() as db:
            db.add(
                KeyRow(
                    id=key.id,
                    group=group,
                    digest=key.digest,
                    scopes=",".join(sorted(scope.value for scope in key.scopes)),
                    created_at=moment,
                )
            )
            record(db, Service(group, _CONSOLE), Action.KEY_ADDED, subject=key.id)
        return key, token

    def revoke(self, key_id: str) -> bool:
        """Stop a key at once; False if there is none of that id."""
        with self._database.transaction() as db:
            row = db.get(KeyRow, key_id)
            if row is None:
                return False
            if row.revoked_at is None:
                row.revoked_at = now()
                record(db, Service(row.group, _CONSOLE), Action.KEY_REVOKED, subject=key_id)
            return True


def _key(row: KeyRow) -> ApiKey:
    return ApiKey(
        row.id,
        row.digest,
        row.group,
        frozenset(Scope(scope) for scope in row.scopes.split(",") if scope),
        _text(row.created_at),
        None if row.revoked_at is None else _text(row.revoked_at),
    )


def _text(moment: dt.datetime) -> str:
    return moment.isoformat(timespec="seconds")
