"""A rival that is our own model: shown only so many turns of the session at a time.

What such a rival loses is what the model gets from reading turns together. It is the model as
trained on packed windows, not one trained for the narrow view, and is named so.
"""

import dataclasses

from alliance.model.labelled import (
    LabelledSession,
    LabelledTurn,
    ModelInfo,
    Purpose,
    unlabelled_reason,
)
from alliance.model.session import Session
from alliance.training.evaluation.predictions import Classifier

__all__ = ["ShownTurns"]


class ShownTurns:
    """Labels each turn from a window of its own: the turn and a few before it, none after.

    Args:
        classifier: the model; it labels each window as if it were a session.
        before: how many turns before the one to be labelled are shown, 0 or more.

    Raises:
        ValueError: if ``before`` is negative.
    """

    def __init__(self, classifier: Classifier, *, before: int = 0) -> None:
        if before < 0:
            raise ValueError(f"turns before the one to be labelled: 0 or more, got {before}")
        self._classifier = classifier
        self._before = before
        shown = f"one turn and the {before} before it" if before else "one turn"
        self.name = f"{classifier.name}, shown {shown} at a time"

    def label(self, session: Session, *, purpose: Purpose = Purpose.RESEARCH) -> LabelledSession:
        """Labels every turn with words; the encoder runs once per turn."""
        turns = []
        for index, turn in enumerate(session.turns):
            reason = unlabelled_reason(turn)
            if reason is not None:
                turns.append(LabelledTurn(index, turn, unlabelled_reason=reason))
                continue
            window = session.turns[max(0, index - self._before) : index + 1]
            labelled = self._classifier.label(Session(session.id, window), purpose=purpose)
            turns.append(dataclasses.replace(labelled.turns[-1], index=index))
        return LabelledSession(session, tuple(turns), ModelInfo(self.name, purpose))
