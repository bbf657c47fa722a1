"""The audit: who did what to which stored thing, and when; reads included."""

import datetime as dt
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from alliance.serve.store.cipher import DataKey
from alliance.serve.store.tables import AuditRow

__all__ = ["Action", "Actor", "AuditEntry", "Service", "audit_trail", "now", "opaque_id", "record"]


class Actor(Protocol):
    """Who acts: an API key, by its id, and the group whose sessions it may see."""

    @property
    def key_id(self) -> str:
        """The key's id; ``local`` for a service without keys."""
        ...

    @property
    def group(self) -> str:
        """The group that the key belongs to."""
        ...


@dataclass(frozen=True, slots=True)
class Service:
    """The service itself as the actor, e.g. when a retention period ends.

    Attributes:
        group: whose thing it acts on.
        key_id: its name in the audit.
    """

    group: str
    key_id: str = "service"


class Action(StrEnum):
    """What can be done to stored things; the words of the audit."""

    SESSION_CREATED = "session.created"
    SESSIONS_LISTED = "sessions.listed"
    SESSION_READ = "session.read"
    TIMELINE_READ = "timeline.read"
    SESSION_EXPORTED = "session.exported"
    SESSION_ERASED = "session.erased"
    SESSION_EXPIRED = "session.expired"
    ANNOTATION_CREATED = "annotation.created"
    ANNOTATION_CHANGED = "annotation.changed"
    AUDIT_READ = "audit.read"
    JOB_CREATED = "job.created"
    JOB_RESULT_READ = "job.result_read"
    JOB_ERASED = "job.erased"
    JOB_EXPIRED = "job.expired"
    KEY_ADDED = "key.added"
    KEY_REVOKED = "key.revoked"


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One entry of the audit.

    Attributes:
        id: its place in the order of events.
        at: when, in UTC.
        actor: the key's id.
        action: what was done.
        subject: the opaque id of what it was done to, if it was one thing.
        turn: the turn's place in the session, counted from 0.
        value: what changed; None if nothing did or the session has been erased since.
    """

    id: int
    at: dt.datetime
    actor: str
    action: Action
    subject: str | None = None
    turn: int | None = None
    value: Mapping[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return {
            "id": self.id,
            "at": self.at.isoformat(),
            "actor": self.actor,
            "action": self.action.value,
            "subject": self.subject,
            "turn": self.turn,
            "value": None if self.value is None else dict(self.value),
        }


def now() -> dt.datetime:
    """The present moment, in UTC."""
    return dt.datetime.now(dt.UTC)


def opaque_id(kind: str) -> str:
    """An id that says nothing but when it was made, so that ids sort by age and fit an index.

    Args:
        kind: a short word in front, e.g. ``ses``. 80 random bits follow the milliseconds.
    """
    return f"{kind}_{int(time.time() * 1000):012x}{secrets.token_hex(10)}"


def record(
    db: Session,
    actor: Actor,
    action: Action,
    *,
    subject: str | None = None,
    turn: int | None = None,
    value: Mapping[str, Any] | None = None,
    key: DataKey | None = None,
) -> None:
    """Append an entry, in the transaction of what it tells.

    Args:
        db: the transaction.
        actor: who.
        action: what.
        subject: to which stored thing.
        turn: to which of its turns.
        value: what changed, as JSON; needs ``key``.
        key: the data key of the subject.
    """
    row = AuditRow(
        at=now(),
        actor=actor.key_id,
        group=actor.group,
        action=action.value,
        subject=subject,
        turn=turn,
    )
    if value is not None and key is not None:
        row.value = key.seal(json.dumps(value).encode(), place=_place(row))
    db.add(row)


def audit_trail(db: Session, group: str, subject: str, key: DataKey | None) -> list[AuditEntry]:
    """All entries about one thing, the oldest first.

    Args:
        db: the transaction.
        group: whose entries.
        subject: the thing's id.
        key: its data key, to read what changed; None once it has been erased.
    """
    rows = db.scalars(
        select(AuditRow)
        .where(AuditRow.subject == subject, AuditRow.group == group)
        .order_by(AuditRow.id)
    )
    return [
        AuditEntry(
            row.id,
            row.at,
            row.actor,
            Action(row.action),
            row.subject,
            row.turn,
            None
            if row.value is None or key is None
            else json.loads(key.open(row.value, place=_place(row))),
        )
        for row in rows
    ]


def blank(db: Session, subject: str) -> None:
    """Forget what changed, in all entries about one thing; the entries stay."""
    db.execute(update(AuditRow).where(AuditRow.subject == subject).values(value=None))


def _place(row: AuditRow) -> str:
    # Not the entry's own id, which the database gives after the value has been sealed.
    return f"audit/{row.subject}/{row.action}/{row.turn}/{row.at.isoformat()}/value"
