"""Coded and predicted turns, session by session: what figures about whole sessions start from."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np

from alliance.model.agreement import Bools, Floats, Ints
from alliance.model.codebook import LABELS, Label
from alliance.model.estimates import estimates, nested
from alliance.training.evaluation.predictions import NONE, ROLES, Predictions

__all__ = [
    "POSITIVE",
    "SPEAKERS",
    "Pair",
    "SessionTurns",
    "beside_coders",
    "by_session",
    "is_rupture",
]

SPEAKERS: Final[dict[str, int | None]] = {
    **{role.value: place for place, role in enumerate(ROLES)},
    "pooled": None,
}
"""Whose turns figures are about, in the order of reports: place in ``ROLES``, or None for all."""

POSITIVE: Final = LABELS.index(Label.ALLIANCE_POSITIVE)

_RUPTURES: Final = [place for place, label in enumerate(LABELS) if label.is_rupture]


@dataclass(frozen=True, slots=True, eq=False)
class SessionTurns:
    """The scored turns of one session, in order. Arrays have one entry per scored turn.

    Labels are places in ``codebook.LABELS``; -1 stands for none.

    Attributes:
        id: the session's identifier.
        turn: the turn's place in the transcript, from 0.
        role: its speaker, a place in ``ROLES``.
        settled: the label of the settled code.
        coder_a: the first coder's label, or -1.
        coder_b: the second coder's, or -1.
        model: the decided label, or -1 where the model abstains: by the product's own rule
            (:mod:`alliance.model.episodes`) such a turn is no evidence of anything.
        p_rupture: p(withdrawal) + p(confrontation), abstained or not.
    """

    id: str
    turn: Ints
    role: Ints
    settled: Ints
    coder_a: Ints
    coder_b: Ints
    model: Ints
    p_rupture: Floats

    def __len__(self) -> int:
        return len(self.turn)

    def said_by(self, role: int | None) -> Bools:
        """Which turns are of one role (a place in ``ROLES``); all of them for None."""
        return np.ones(len(self), dtype=np.bool_) if role is None else self.role == role

    def where(self, chosen: Bools) -> "SessionTurns":
        """Only the chosen turns."""
        return SessionTurns(
            self.id,
            self.turn[chosen],
            self.role[chosen],
            self.settled[chosen],
            self.coder_a[chosen],
            self.coder_b[chosen],
            self.model[chosen],
            self.p_rupture[chosen],
        )

    def coded_by_both(self) -> "SessionTurns":
        """Only the turns that both coders coded."""
        return self.where((self.coder_a != NONE) & (self.coder_b != NONE))


def by_session(predictions: Predictions) -> list[SessionTurns]:
    """The sessions that have a scored turn, in the order of ``predictions``."""
    if not len(predictions):
        return []
    order = np.lexsort((predictions.turn, predictions.session))
    places, starts = np.unique(predictions.session[order], return_index=True)
    model = np.where(predictions.abstained, NONE, predictions.predicted)
    p_rupture = predictions.probabilities[:, _RUPTURES].sum(axis=1)
    return [
        SessionTurns(
            predictions.session_ids[place],
            predictions.turn[rows],
            predictions.role[rows],
            predictions.gold[rows],
            predictions.coder_a[rows],
            predictions.coder_b[rows],
            model[rows],
            p_rupture[rows],
        )
        for place, rows in zip(places, np.split(order, starts[1:]), strict=True)
    ]


def is_rupture(labels: Ints) -> Bools:
    """Which labels are withdrawal or confrontation."""
    return np.isin(labels, _RUPTURES)


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """Two labellings of one session's turns; the first is what the second is held against."""

    session: SessionTurns
    first: Ints
    second: Ints


class Statistic(Protocol):
    """Figures of two labellings, one of which is held against the other."""

    @property
    def totals(self) -> Mapping[str, int]:
        """Numbers that are counted, not estimated."""
        ...

    def __call__(self, drawn: Floats) -> Mapping[str, Floats]:
        """Named figures, as :func:`alliance.model.estimates.estimates` takes them."""
        ...


def beside_coders(
    make: Callable[[Sequence[Pair]], Statistic],
    sessions: Sequence[SessionTurns],
    *,
    resamples: int,
    seed: int,
) -> dict[str, Any]:
    """One statistic of two labellings, for the model and for the coders, by the same rule.

    Args:
        make: makes the statistic of a pair of labellings per session.
        sessions: the sessions that are drawn anew.
        resamples: how many times.
        seed: of the draw.

    Returns:
        ``model``: the model against the settled codes. On the turns that both coders coded,
        ``coders``: B against A, the ceiling, and ``against_coders``: the mean of the model's
        figures against A and against B, the fair comparison with ``coders``. Totals stand in
        the first two.
    """
    both = [session.coded_by_both() for session in sessions]
    model = make([Pair(one, one.settled, one.model) for one in sessions])
    coders = make([Pair(one, one.coder_a, one.coder_b) for one in both])
    against_a = make([Pair(one, one.coder_a, one.model) for one in both])
    against_b = make([Pair(one, one.coder_b, one.model) for one in both])

    def statistic(drawn: Floats) -> dict[str, Floats]:
        with_a, with_b = against_a(drawn), against_b(drawn)
        return {
            **{f"model/{name}": values for name, values in model(drawn).items()},
            **{f"coders/{name}": values for name, values in coders(drawn).items()},
            **{f"against_coders/{name}": (with_a[name] + with_b[name]) / 2 for name in with_a},
        }

    found = estimates(statistic, len(sessions), resamples=resamples, seed=seed)
    counted = {
        f"{name}/{what}": number
        for name, pairing in (("model", model), ("coders", coders))
        for what, number in pairing.totals.items()
    }
    return nested({**counted, **found})
