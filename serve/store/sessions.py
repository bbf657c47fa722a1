"""Stored sessions: the transcript with the labels that the model gave it, encrypted."""

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session as Transaction

from alliance.model.labelled import LabelledSession, LabelledTurn, ModelInfo
from alliance.model.session import Session
from alliance.serve.store.audit import (
    Action,
    Actor,
    AuditEntry,
    Service,
    audit_trail,
    blank,
    now,
    opaque_id,
    record,
)
from alliance.serve.store.cipher import DataKey, StoreKey
from alliance.serve.store.database import Database
from alliance.serve.store.errors import StoreDamagedError
from alliance.serve.store.idempotency import Idempotency, made_once
from alliance.serve.store.tables import AnnotationRow, SessionRow, TurnRow

__all__ = [
    "Sessions",
    "StoredSession",
    "data_key_of",
    "facts_of",
    "labelled_of",
    "row_of",
    "turn_of",
]


@dataclass(frozen=True, slots=True)
class StoredSession:
    """What is told of a stored session without its words.

    Attributes:
        id: the opaque id that the store made.
        created_at: when it was stored, in UTC.
        expires_at: when the retention period ends and it is erased; None for never.
        turns: how many turns it has.
        annotated_turns: how many of them somebody has annotated.
        given_id: the id that its sender gave it, where that was asked for; may hold a name.
    """

    id: str
    created_at: dt.datetime
    expires_at: dt.datetime | None
    turns: int
    annotated_turns: int = 0
    given_id: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values, all but the given id."""
        return {
            "id": self.id,
            "created_at": self.created_at.isoformat(),
            "expires_at": None if self.expires_at is None else self.expires_at.isoformat(),
            "turn_count": self.turns,
            "annotated_turns": self.annotated_turns,
        }


class Sessions:
    """The sessions of a store. Nobody sees those of another group: for them they do not exist.

    Args:
        database: where they lie.
        store_key: what wraps their keys.
        retention: how long one is kept; None for until it is deleted.
    """

    def __init__(
        self, database: Database, store_key: StoreKey, *, retention: dt.timedelta | None
    ) -> None:
        self._database = database
        self._store_key = store_key
        self._retention = retention

    def add(
        self, actor: Actor, labelled: LabelledSession, *, idempotency: Idempotency | None = None
    ) -> StoredSession:
        """Store a labelled session.

        Args:
            actor: who stores it; it will belong to the actor's group.
            labelled: the session with the model's labels. Its own id is kept as a fact; the
                stored session gets a new one.
            idempotency: to find the stored session again when the same request comes twice.

        Returns:
            What was stored, or what the same request had stored before.

        Raises:
            IdempotencyError: if the idempotency key came with another body before.
        """
        return made_once(
            idempotency,
            find=lambda key: self.of_request(actor, key),
            make=lambda: self._add(actor, labelled, idempotency),
        )

    def _add(
        self, actor: Actor, labelled: LabelledSession, idempotency: Idempotency | None
    ) -> StoredSession:
        key = self._store_key.make()
        new_id, moment = opaque_id("ses"), now()
        facts = {**labelled.session.to_dict(), "model": labelled.model.to_dict()}
        del facts["turns"]
        row = SessionRow(
            id=new_id,
            group=actor.group,
            created_at=moment,
            expires_at=None if self._retention is None else moment + self._retention,
            turns=len(labelled),
            data_key=self._store_key.wrap(key, place=_key_place(new_id)),
            facts=key.seal(_json(facts), place=f"sessions/{new_id}/facts"),
            idempotency=None if idempotency is None else idempotency.digest,
            body_digest=None if idempotency is None else idempotency.body_digest(key),
        )
        with self._database.transaction() as db:
            db.add(row)
            db.flush()
            db.add_all(
                TurnRow(
                    session_id=new_id,
                    n=turn.index,
                    content=key.seal(_json(turn.to_dict()), place=_turn_place(new_id, turn.index)),
                )
                for turn in labelled
            )
            record(db, actor, Action.SESSION_CREATED, subject=new_id)
        return _told(row)

    def of_request(self, actor: Actor, idempotency: Idempotency) -> StoredSession | None:
        """What a request with this idempotency key has stored.

        Raises:
            IdempotencyError: if that request had another body.
        """
        with self._database.reading() as db:
            row = db.scalar(select(SessionRow).where(SessionRow.idempotency == idempotency.digest))
            if row is None or row.group != actor.group:
                return None
            idempotency.check_body(row.body_digest, data_key_of(row, self._store_key))
            return _told(row, _annotated(db, row.id))

    def page(
        self, actor: Actor, *, after: str = "", limit: int = 100, given_ids: bool = False
    ) -> list[StoredSession]:
        """The group's sessions, the oldest first.

        Args:
            actor: who asks.
            after: the last id of the page before.
            limit: how many at most.
            given_ids: whether the ids that their senders gave them are decrypted too.

        Raises:
            StoreDamagedError: if a given id is asked for and does not authenticate.
        """
        annotated = (
            select(
                AnnotationRow.session_id,
                func.count(AnnotationRow.n.distinct()).label("turns"),
            )
            .group_by(AnnotationRow.session_id)
            .subquery()
        )
        query = (
            select(SessionRow, annotated.c.turns)
            .outerjoin(annotated, annotated.c.session_id == SessionRow.id)
            .where(SessionRow.group == actor.group, SessionRow.id > after)
            .order_by(SessionRow.id)
            .limit(limit)
        )
        with self._database.transaction() as db:
            record(db, actor, Action.SESSIONS_LISTED)
            return [
                _told(row, count or 0, given_id=self._given_id(row) if given_ids else None)
                for row, count in db.execute(query)
            ]

    def _given_id(self, row: SessionRow) -> str:
        given: str = facts_of(row, data_key_of(row, self._store_key))["id"]
        return given

    def get(
        self, actor: Actor, session_id: str, *, action: Action = Action.SESSION_READ
    ) -> tuple[StoredSession, LabelledSession, str] | None:
        """A stored session with its words and the model's labels.

        Args:
            actor: who reads it.
            session_id: the opaque id.
            action: what the audit says of it.

        Returns:
            What is told of it; the labelled session, whose id is the opaque one; and the id that
            its sender gave it. None if the group has no such session.

        Raises:
            StoreDamagedError: if what is stored does not authenticate.
        """
        with self._database.transaction() as db:
            row = row_of(db, actor, session_id)
            if row is None:
                return None
            record(db, actor, action, subject=row.id)
            key = data_key_of(row, self._store_key)
            labelled, given_id = labelled_of(db, row, key)
            return _told(row, _annotated(db, row.id)), labelled, given_id

    def erase(self, actor: Actor, session_id: str) -> bool:
        """Erase a session, its annotations and what the audit remembers of its changes.

        The audit's entries stay: who did what when to which opaque id.

        Returns:
            Whether the group had such a session.
        """
        with self._database.transaction() as db:
            row = row_of(db, actor, session_id)
            if row is None:
                return False
            _erase(db, row.id)
            record(db, actor, Action.SESSION_ERASED, subject=session_id)
        self._database.sweep()
        return True

    def erase_expired(self) -> int:
        """Erase the sessions whose retention period has ended; returns how many."""
        with self._database.transaction() as db:
            rows = db.scalars(select(SessionRow).where(SessionRow.expires_at <= now())).all()
            for row in rows:
                _erase(db, row.id)
                record(db, Service(row.group), Action.SESSION_EXPIRED, subject=row.id)
        if rows:
            self._database.sweep()
        return len(rows)

    def audit(self, actor: Actor, session_id: str) -> list[AuditEntry]:
        """What was done to a session, the oldest first; also after it has been erased.

        Returns:
            The entries; none if the group never had such a session.
        """
        with self._database.transaction() as db:
            row = row_of(db, actor, session_id)
            key = None if row is None else data_key_of(row, self._store_key)
            entries = audit_trail(db, actor.group, session_id, key)
            if entries:
                record(db, actor, Action.AUDIT_READ, subject=session_id)
            return entries

    def rewrap(self) -> int:
        """Wrap the keys of all sessions with the newest store key; returns how many."""
        with self._database.transaction() as db:
            rows = db.scalars(select(SessionRow)).all()
            for row in rows:
                key = data_key_of(row, self._store_key)
                row.data_key = self._store_key.wrap(key, place=_key_place(row.id))
        if rows:
            self._database.sweep()
        return len(rows)


def row_of(db: Transaction, actor: Actor, session_id: str) -> SessionRow | None:
    """The row of a session of the actor's group, or None."""
    return db.scalar(
        select(SessionRow).where(SessionRow.id == session_id, SessionRow.group == actor.group)
    )


def data_key_of(row: SessionRow, store_key: StoreKey) -> DataKey:
    """The data key of a session.

    Raises:
        StoreDamagedError: if the store's key does not open it.
    """
    return store_key.unwrap(row.data_key, place=_key_place(row.id))


def facts_of(row: SessionRow, key: DataKey) -> Mapping[str, Any]:
    """What is stored of a session apart from its turns: given id, date, model and the like."""
    facts: Mapping[str, Any] = json.loads(key.open(row.facts, place=f"sessions/{row.id}/facts"))
    return facts


def labelled_of(db: Transaction, row: SessionRow, key: DataKey) -> tuple[LabelledSession, str]:
    """The labelled session under its opaque id, and the id that its sender gave it."""
    facts = facts_of(row, key)
    stored = db.scalars(select(TurnRow).where(TurnRow.session_id == row.id).order_by(TurnRow.n))
    turns = tuple(
        LabelledTurn.from_dict(json.loads(key.open(one.content, place=_turn_place(row.id, one.n))))
        for one in stored
    )
    if len(turns) != row.turns:
        raise StoreDamagedError(
            "expected all turns of a stored session, found some missing; restore the store from a "
            "backup"
        )
    session = Session.from_dict({**facts, "id": row.id, "turns": ()})
    session = Session(
        session.id,
        tuple(turn.turn for turn in turns),
        session.client_id,
        session.date,
        session.number,
    )
    return LabelledSession(session, turns, ModelInfo.from_dict(facts["model"])), facts["id"]


def turn_of(db: Transaction, row: SessionRow, key: DataKey, n: int) -> LabelledTurn | None:
    """One labelled turn of a session, or None if it has no such turn."""
    stored = db.get(TurnRow, (row.id, n))
    if stored is None:
        return None
    return LabelledTurn.from_dict(
        json.loads(key.open(stored.content, place=_turn_place(row.id, n)))
    )


def _erase(db: Transaction, session_id: str) -> None:
    db.execute(delete(AnnotationRow).where(AnnotationRow.session_id == session_id))
    db.execute(delete(TurnRow).where(TurnRow.session_id == session_id))
    db.execute(delete(SessionRow).where(SessionRow.id == session_id))
    blank(db, session_id)


def _annotated(db: Transaction, session_id: str) -> int:
    count = select(func.count(AnnotationRow.n.distinct())).where(
        AnnotationRow.session_id == session_id
    )
    return db.scalar(count) or 0


def _told(row: SessionRow, annotated: int = 0, *, given_id: str | None = None) -> StoredSession:
    return StoredSession(
        row.id, row.created_at, row.expires_at, row.turns, annotated, given_id=given_id
    )


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def _key_place(session_id: str) -> str:
    return f"sessions/{session_id}/data_key"


def _turn_place(session_id: str, n: int) -> str:
    return f"turns/{session_id}/{n}/content"
