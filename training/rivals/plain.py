"""The plainest rival, always the commonest label; and labels from plain probabilities."""

from collections.abc import Sequence

import numpy as np

from alliance.model.agreement import Floats
from alliance.model.codebook import LABELS
from alliance.model.labelled import (
    LabelledSession,
    LabelledTurn,
    ModelInfo,
    Probabilities,
    Purpose,
    unlabelled_reason,
)
from alliance.model.session import Session
from alliance.training.corpora import CodedSession

__all__ = ["Majority", "labelled_by_largest"]


class Majority:
    """Gives every turn the commonest label of the training sessions, and their shares.

    Args:
        sessions: the training sessions; one coded turn at least.
    """

    name = "majority"

    def __init__(self, sessions: Sequence[CodedSession]) -> None:
        counts = np.zeros(len(LABELS))
        for coded in sessions:
            for label in coded.labels:
                if label is not None:
                    counts[LABELS.index(label)] += 1
        if not counts.any():
            raise ValueError("the commonest label needs a coded turn, found none")
        self._shares = counts / counts.sum()

    def label(self, session: Session, *, purpose: Purpose = Purpose.RESEARCH) -> LabelledSession:
        """Labels every turn with words alike, whatever the purpose."""
        rows = np.tile(self._shares, (len(session.turns), 1))
        return labelled_by_largest(session, rows, name=self.name, purpose=purpose)


def labelled_by_largest(
    session: Session, probabilities: Floats, *, name: str, purpose: Purpose
) -> LabelledSession:
    """A session whose turns carry the label of the largest probability; no markers.

    Args:
        session: the session.
        probabilities: one row per turn, shape (turns, 4).
        name: of what made them.
        purpose: written down, though it decides nothing here.
    """
    turns = []
    for index, turn in enumerate(session.turns):
        reason = unlabelled_reason(turn)
        if reason is not None:
            turns.append(LabelledTurn(index, turn, unlabelled_reason=reason))
            continue
        row = probabilities[index]
        turns.append(
            LabelledTurn(
                index,
                turn,
                label=LABELS[int(row.argmax())],
                probabilities=Probabilities(*(float(value) for value in row)),
            )
        )
    return LabelledSession(session, tuple(turns), ModelInfo(name, purpose))
