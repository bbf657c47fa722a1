"""What people say of the turns of stored sessions, beside what the model says, never over it."""

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session as Transaction

from alliance.model.codebook import MARKER_ORDER, Label, Marker, Role, check_marker
from alliance.serve.store.audit import Action, Actor, now, record
from alliance.serve.store.cipher import DataKey, StoreKey
from alliance.serve.store.database import Database
from alliance.serve.store.errors import StoreBusyError
from alliance.serve.store.sessions import data_key_of, row_of, turn_of
from alliance.serve.store.tables import AnnotationRow

__all__ = ["Annotation", "Annotations", "Judgement", "annotations_of"]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a person says of a turn.

    Attributes:
        label: the label.
        marker: the fine code, one of the label's, if the person gave one.
        note: a remark, in words.

    Raises:
        ValueError: if the marker is not one of the label's.
    """

    label: Label
    marker: Marker | None = None
    note: str = ""

    def __post_init__(self) -> None:
        check_marker(self.label, self.marker)

    def check(self, role: Role) -> None:
        """Make sure that the codebook allows this of a turn.

        Args:
            role: of the turn's speaker.

        Raises:
            ValueError: if it does not.
        """
        if self.marker is not None and not self.marker.may_be_said_by(role):
            raise ValueError(
                f"expected a marker that the codebook allows for a turn of role {role.value}, "
                f"found {self.marker.value}; choose another"
            )
        if not _codes(self.label, role):
            raise ValueError(
                "expected a turn of the client or the therapist, found one of another speaker, "
                "which the codebook does not label; leave it out"
            )

    def code(self, role: Role) -> Marker | None:
        """The code that this comes to: the marker, or the only one that label and role allow."""
        if self.marker is not None:
            return self.marker
        codes = _codes(self.label, role)
        return codes[0] if len(codes) == 1 else None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return {
            "label": self.label.value,
            "marker": None if self.marker is None else self.marker.value,
            "note": self.note,
        }


@dataclass(frozen=True, slots=True)
class Annotation:
    """A person's judgement of a turn.

    Attributes:
        turn: the turn's place in the session, counted from 0.
        who: whose judgement it is.
        judgement: what they say.
        created_at: when they first said something of this turn, in UTC.
        changed_at: when they said this.
    """

    turn: int
    who: str
    judgement: Judgement
    created_at: dt.datetime
    changed_at: dt.datetime

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return {
            "turn": self.turn,
            "who": self.who,
            **self.judgement.to_dict(),
            "created_at": self.created_at.isoformat(),
            "changed_at": self.changed_at.isoformat(),
        }


class Annotations:
    """The annotations of a store: one per turn and person.

    Args:
        database: where they lie.
        store_key: what wraps the sessions' keys.
    """

    def __init__(self, database: Database, store_key: StoreKey) -> None:
        self._database = database
        self._store_key = store_key

    def put(
        self, actor: Actor, session_id: str, turn: int, judgement: Judgement, *, who: str
    ) -> Annotation | None:
        """Set what a person says of a turn; what they said before goes into the audit.

        Args:
            actor: the key that sends it.
            session_id: the session's opaque id.
            turn: the turn's place, counted from 0.
            judgement: what they say; the same again changes nothing.
            who: whose judgement it is.

        Returns:
            The annotation, or None if the group has no such session or it has no such turn.

        Raises:
            ValueError: if the codebook does not allow this of the turn.
        """
        try:
            return self._put(actor, session_id, turn, judgement, who)
        except IntegrityError:
            raise StoreBusyError(
                "expected one annotation at a time of a turn by one person, found two at once; try "
                "again"
            ) from None

    def _put(
        self, actor: Actor, session_id: str, turn: int, judgement: Judgement, who: str
    ) -> Annotation | None:
        with self._database.transaction() as db:
            session = row_of(db, actor, session_id)
            if session is None:
                return None
            key = data_key_of(session, self._store_key)
            labelled = turn_of(db, session, key, turn)
            if labelled is None:
                return None
            judgement.check(labelled.turn.role)
            coder = key.fingerprint(who, what="coder")
            row = db.scalar(
                select(AnnotationRow)
                .where(
                    AnnotationRow.session_id == session_id,
                    AnnotationRow.n == turn,
                    AnnotationRow.coder == coder,
                )
                .with_for_update()
            )
            before = None if row is None else _annotation(row, key)
            if before is not None and before.judgement == judgement:
                return before
            moment = now()
            if row is None:
                row = AnnotationRow(session_id=session_id, n=turn, coder=coder, created_at=moment)
                db.add(row)
            row.changed_at = moment
            content = json.dumps({"who": who, **judgement.to_dict()})
            row.content = key.seal(content.encode(), place=_place(row))
            record(
                db,
                actor,
                Action.ANNOTATION_CREATED if before is None else Action.ANNOTATION_CHANGED,
                subject=session_id,
                turn=turn,
                value={
                    "who": who,
                    "before": None if before is None else before.judgement.to_dict(),
                    "after": judgement.to_dict(),
                },
                key=key,
            )
            return Annotation(turn, who, judgement, row.created_at, moment)

    def of(self, actor: Actor, session_id: str) -> list[Annotation]:
        """All annotations of a session, by turn, the first coder's first; not audited by itself."""
        with self._database.reading() as db:
            session = row_of(db, actor, session_id)
            if session is None:
                return []
            return annotations_of(db, session_id, data_key_of(session, self._store_key))


def annotations_of(db: Transaction, session_id: str, key: DataKey) -> list[Annotation]:
    """All annotations of a session, by turn, then in the order in which they were made."""
    rows = db.scalars(
        select(AnnotationRow)
        .where(AnnotationRow.session_id == session_id)
        .order_by(AnnotationRow.n, AnnotationRow.created_at, AnnotationRow.coder)
    )
    return [_annotation(row, key) for row in rows]


def _annotation(row: AnnotationRow, key: DataKey) -> Annotation:
    content = json.loads(key.open(row.content, place=_place(row)))
    marker = content["marker"]
    judgement = Judgement(
        Label(content["label"]), None if marker is None else Marker(marker), content["note"]
    )
    return Annotation(row.n, content["who"], judgement, row.created_at, row.changed_at)


def _codes(label: Label, role: Role) -> Sequence[Marker]:
    return [code for code in MARKER_ORDER if code.label is label and code.may_be_said_by(role)]


def _place(row: AnnotationRow) -> str:
    return f"annotations/{row.session_id}/{row.n}/{row.coder}/content"
