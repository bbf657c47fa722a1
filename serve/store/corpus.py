"""Annotated sessions as a corpus: the JSON lines that ``alliance train`` and ``evaluate`` read."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import select

from alliance.model.codebook import Marker, Role
from alliance.model.labelled import LabelledSession
from alliance.serve.store.annotations import Annotation, Judgement, annotations_of
from alliance.serve.store.audit import Action, Actor, record
from alliance.serve.store.cipher import StoreKey
from alliance.serve.store.database import Database
from alliance.serve.store.sessions import data_key_of, labelled_of, row_of
from alliance.serve.store.tables import AnnotationRow, SessionRow

__all__ = ["coded_session", "export"]


def export(database: Database, store_key: StoreKey, actor: Actor) -> Iterator[str]:
    """The group's annotated sessions, one JSON line each, the oldest first.

    Each session is read, and audited, when its line is asked for: nothing is held in memory, and
    one that is erased meanwhile is left out.

    Args:
        database: where they lie.
        store_key: what wraps their keys.
        actor: who exports them.
    """
    with database.reading() as db:
        ids = db.scalars(
            select(SessionRow.id)
            .where(
                SessionRow.group == actor.group,
                SessionRow.id.in_(select(AnnotationRow.session_id)),
            )
            .order_by(SessionRow.id)
        ).all()
    for session_id in ids:
        with database.transaction() as db:
            row = row_of(db, actor, session_id)
            if row is None:
                continue
            record(db, actor, Action.SESSION_EXPORTED, subject=session_id)
            key = data_key_of(row, store_key)
            labelled, _ = labelled_of(db, row, key)
            annotations = annotations_of(db, session_id, key)
        yield json.dumps(coded_session(labelled, annotations), ensure_ascii=False) + "\n"


def coded_session(labelled: LabelledSession, annotations: Sequence[Annotation]) -> dict[str, Any]:
    """A session as one line of a coded corpus.

    A turn's ``code`` is settled by votes: first on the label, then among the codes that the coders
    of that label gave; on a tie, what the first of them says holds. ``coder_a`` and ``coder_b`` are
    the session's first two coders, in the order in which they began. A judgement without a marker
    comes to a code where label and speaker leave only one (neutral; a therapist's ruptures). Else
    it votes for its label, but has no code to give, since the corpus form knows codes alone: where
    nobody of that label gave one, the turn counts as not coded, and never as what the others say.
    All judgements stand in ``annotations``, which readers of the form pass over.

    Args:
        labelled: the session; what the model said of it is not exported as anyone's coding.
        annotations: what people say of it.
    """
    coders = list(
        dict.fromkeys(
            one.who for one in sorted(annotations, key=lambda one: (one.created_at, one.turn))
        )
    )
    turns = []
    for turn in labelled:
        said = {one.who: one.judgement for one in annotations if one.turn == turn.index}
        role = turn.turn.role
        codes = [said[who].code(role) if who in said else None for who in coders]
        turns.append(
            {
                **turn.turn.to_dict(),
                "code": _value(_settled([said[who] for who in coders if who in said], role)),
                "coder_a": _value(codes[0] if codes else None),
                "coder_b": _value(codes[1] if len(codes) > 1 else None),
                "annotations": [
                    {"who": who, **said[who].to_dict()} for who in coders if who in said
                ],
            }
        )
    return {**labelled.session.to_dict(), "turns": turns}


def _settled(judgements: Sequence[Judgement], role: Role) -> Marker | None:
    # most_common keeps the order of first occurrence among equals, which is that of the coders
    labels = Counter(one.label for one in judgements).most_common(1)
    codes = [one.code(role) for one in judgements if one.label is labels[0][0]]
    given = Counter(code for code in codes if code is not None).most_common(1)
    return given[0][0] if given else None


def _value(code: Marker | None) -> str | None:
    return None if code is None else code.value
