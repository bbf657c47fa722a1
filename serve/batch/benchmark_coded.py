"""Coded sessions, and how well labels repeat their codes: what the benchmark compares forms by."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alliance.model.codebook import LABELS, Marker
from alliance.model.confusion import confusion_matrix, f1, macro_f1
from alliance.model.labelled import LabelledTurn
from alliance.model.session import Session, Turn

__all__ = ["CodedSessions", "read_coded"]

Places = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class CodedSessions:
    """Sessions whose turns have codes.

    Attributes:
        sessions: the sessions.
        gold: for each turn of each session, the place of its label in ``LABELS``; -1 for none.
        unseen: whether the network was not trained on them.
    """

    sessions: tuple[Session, ...]
    gold: tuple[Places, ...]
    unseen: bool = False

    @property
    def turns(self) -> int:
        """Turns in all."""
        return sum(len(session.turns) for session in self.sessions)

    def compare(self, labels: Sequence[Places], reference: Sequence[Places]) -> dict[str, Any]:
        """Labels beside the codes, and beside the labels of the reference form.

        Args:
            labels: for each session, the place of each turn's label, -1 for none.
            reference: the same of the reference form.
        """
        gold, found, expected = (np.concatenate(each) for each in (self.gold, labels, reference))
        coded = (gold >= 0) & (found >= 0)
        each = f1(confusion_matrix(gold[coded], found[coded]))
        before = f1(confusion_matrix(gold[coded], expected[coded]))
        return {
            "macro_f1": round(float(macro_f1(confusion_matrix(gold[coded], found[coded]))), 4),
            "f1": {label.value: round(float(each[n]), 4) for n, label in enumerate(LABELS)},
            "largest_f1_difference": round(float(np.nanmax(np.abs(each - before))), 4),
            "agreement": round(float((found == expected)[found >= 0].mean()), 5),
        }


def read_coded(path: Path, *, limit: int | None = None, unseen: bool = False) -> CodedSessions:
    """JSON lines of sessions whose turns have a ``code``, such as ``authored.jsonl``.

    Args:
        path: the file.
        limit: how many sessions to take, evenly from the file; None for all.
        unseen: whether the network was not trained on them.
    """
    lines = path.read_text(encoding="utf-8").splitlines()
    if limit is not None and limit < len(lines):
        lines = [lines[n * len(lines) // limit] for n in range(limit)]
    sessions, gold = [], []
    for line in lines:
        data = json.loads(line)
        turns = tuple(Turn(turn["speaker"], turn["text"]) for turn in data["turns"])
        sessions.append(Session(data["id"], turns))
        gold.append(np.array([_place(turn.get("code")) for turn in data["turns"]]))
    return CodedSessions(tuple(sessions), tuple(gold), unseen)


def places(turns: Sequence[LabelledTurn]) -> Places:
    """The places of labels in ``LABELS``, -1 for none."""
    return np.array([-1 if turn.label is None else LABELS.index(turn.label) for turn in turns])


def _place(code: str | None) -> int:
    return -1 if not code else LABELS.index(Marker(code).label)
