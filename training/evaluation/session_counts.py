"""Whether sessions are told apart by how many ruptures they hold: frequencies and their ICC."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from alliance.model.agreement import Floats, icc_2_1
from alliance.model.codebook import LABELS, RUPTURE_LABELS
from alliance.model.timeline import DEFAULT_CONFIG
from alliance.training.evaluation.episode_scores import spans
from alliance.training.evaluation.predictions import Predictions
from alliance.training.evaluation.session_turns import (
    SPEAKERS,
    Pair,
    SessionTurns,
    beside_coders,
    by_session,
    is_rupture,
)

__all__ = ["Frequencies", "count_figures"]


class Frequencies:
    """How far two labellings' numbers per session agree, as a function of the draw.

    Args:
        numbers: one row per session, one column per labelling, shape (sessions, 2).
        there: which sessions have turns to count; the others are left out.
    """

    def __init__(self, numbers: Floats, there: Sequence[bool]) -> None:
        self._chosen = np.flatnonzero(there)
        self._numbers = numbers[self._chosen]

    @property
    def totals(self) -> dict[str, int]:
        """The sessions that count, and what is counted in all of them by each labelling."""
        gold, found = self._numbers.sum(axis=0)
        return {"sessions": len(self._numbers), "gold": int(gold), "found": int(found)}

    def __call__(self, drawn: Floats) -> dict[str, Floats]:
        """ICC(2,1) of the numbers."""
        return {"icc": icc_2_1(self._numbers, weights=drawn[:, self._chosen])}


def count_figures(
    predictions: Predictions,
    *,
    gap_turns: int = DEFAULT_CONFIG.gap_turns,
    resamples: int = 2000,
    seed: int = 0,
) -> dict[str, Any]:
    """Counts per session against the codes' by ICC(2,1), for each speaker, ready for JSON.

    Args:
        predictions: what was predicted, beside the codes; abstained turns are not counted.
        gap_turns: of the episode rule.
        resamples: how many times the sessions are drawn anew.
        seed: the same seed gives the same intervals.

    Returns:
        For each of ``speakers`` and each count (``episodes``, ``rupture_turns``,
        ``withdrawal_turns``, ``confrontation_turns``) the blocks of
        :func:`~alliance.training.evaluation.session_turns.beside_coders`; a block holds an
        estimate of ``icc``, the number of ``sessions`` in which the speaker has a scored turn,
        and what both labellings count in all of them (``gold``, ``found``).
    """
    sessions = by_session(predictions)

    def make(
        count: Callable[[SessionTurns, Any, int | None], int], role: int | None
    ) -> Callable[[Sequence[Pair]], Frequencies]:
        def of(pairs: Sequence[Pair]) -> Frequencies:
            numbers = [
                [count(pair.session, labels, role) for labels in (pair.first, pair.second)]
                for pair in pairs
            ]
            there = [bool(pair.session.said_by(role).any()) for pair in pairs]
            return Frequencies(np.array(numbers, dtype=np.float64).reshape(-1, 2), there)

        return of

    def episodes(session: SessionTurns, labels: Any, role: int | None) -> int:
        return len(spans(session, labels, role=role, gap_turns=gap_turns))

    counts = {"episodes": episodes, **_TURNS}
    return {
        "speakers": {
            name: {
                what: beside_coders(make(count, role), sessions, resamples=resamples, seed=seed)
                for what, count in counts.items()
            }
            for name, role in SPEAKERS.items()
        }
    }


def _turns_of(place: int) -> Callable[[SessionTurns, Any, int | None], int]:
    def count(session: SessionTurns, labels: Any, role: int | None) -> int:
        return int(((labels == place) & session.said_by(role)).sum())

    return count


def _rupture_turns(session: SessionTurns, labels: Any, role: int | None) -> int:
    return int((is_rupture(labels) & session.said_by(role)).sum())


_TURNS: Final = {
    "rupture_turns": _rupture_turns,
    **{f"{label.value}_turns": _turns_of(LABELS.index(label)) for label in RUPTURE_LABELS},
}
