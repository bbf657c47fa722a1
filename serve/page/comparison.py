"""Two people's codings of one session side by side, and the model's: agreement and differences."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

import numpy as np

from alliance.model.agreement import ac1, accuracy, confusion_matrix, kappa
from alliance.model.codebook import LABELS, Label, Marker, check_marker

__all__ = ["Agreement", "CodedTurn", "Coding", "Comparison", "Difference", "compare"]


@dataclass(frozen=True, slots=True)
class CodedTurn:
    """What somebody says of a turn: its label, and the marker where one was given.

    Raises:
        ValueError: if the marker is not one of the label's.
    """

    label: Label
    marker: Marker | None = None

    def __post_init__(self) -> None:
        check_marker(self.label, self.marker)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        marker = None if self.marker is None else self.marker.value
        return {"label": self.label.value, "marker": marker}


Coding = Mapping[int, CodedTurn]
"""Somebody's coding of a session: the coded turns by their places, counted from 0."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far two codings of a session agree, on the turns that both coded.

    Attributes:
        first: whose coding the one is.
        second: whose the other.
        turns: how many turns both coded.
        same: the share of them with the same label (0-1); None without a turn.
        kappa: Cohen's κ of the four labels; None where it has no value: no turns, or one and the
            same label throughout.
        ac1: Gwet's AC1 of the four labels; None without a turn.
        rupture_kappa: Cohen's κ of rupture or not; None as for ``kappa``.
        marker_turns: turns with the same label and a marker from both; neutral ones are left
            out, whose only code would always agree.
        same_marker: the share of those with the same marker (0-1); None without such a turn.
    """

    first: str
    second: str
    turns: int
    same: float | None
    kappa: float | None
    ac1: float | None
    rupture_kappa: float | None
    marker_turns: int
    same_marker: float | None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Difference:
    """A turn on whose label or marker two codings differ.

    Attributes:
        turn: its place, counted from 0.
        said: what each coding says of it, by the coding's name.
    """

    turn: int
    said: Mapping[str, CodedTurn]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return {
            "turn": self.turn,
            "said": {name: coded.to_dict() for name, coded in self.said.items()},
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """Codings of one session, compared.

    Attributes:
        agreements: one for each two codings, the first coding's first.
        differences: the turns on which not all say the same, in order.
    """

    agreements: tuple[Agreement, ...]
    differences: tuple[Difference, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return {
            "agreements": [one.to_dict() for one in self.agreements],
            "differences": [one.to_dict() for one in self.differences],
        }


_PLACE: Final = {label: place for place, label in enumerate(LABELS)}


def compare(codings: Mapping[str, Coding]) -> Comparison:
    """Compare codings of one session, each with each.

    The statistics are of single turns of one session, so they have no interval: turns of a
    session are not independent, and one session is no sample.

    Args:
        codings: each coding by a name; the first is the one that differences are told of: only
            turns that it codes are told.
    """
    (first, *_) = codings
    return Comparison(
        tuple(
            _agreement(one, other, codings[one], codings[other])
            for one, other in combinations(codings, 2)
        ),
        tuple(
            Difference(turn, said)
            for turn in sorted(codings[first])
            if _differ(said := {name: c[turn] for name, c in codings.items() if turn in c})
        ),
    )


def _differ(said: Mapping[str, CodedTurn]) -> bool:
    labels = {coded.label for coded in said.values()}
    markers = {coded.marker for coded in said.values() if coded.marker is not None}
    return len(labels) > 1 or len(markers) > 1


def _agreement(first: str, second: str, one: Coding, other: Coding) -> Agreement:
    both = sorted(one.keys() & other.keys())
    pairs = [(one[turn], other[turn]) for turn in both]
    labels = _confusion([(a.label, b.label) for a, b in pairs])
    ruptures = [(int(a.label.is_rupture), int(b.label.is_rupture)) for a, b in pairs]
    marked = [
        a.marker is b.marker
        for a, b in pairs
        if a.label is b.label is not Label.NEUTRAL and a.marker is not None and b.marker is not None
    ]
    return Agreement(
        first,
        second,
        turns=len(both),
        same=_value(accuracy(labels)),
        kappa=_value(kappa(labels)),
        ac1=_value(ac1(labels)),
        rupture_kappa=_value(kappa(_counts(ruptures, classes=2))),
        marker_turns=len(marked),
        same_marker=sum(marked) / len(marked) if marked else None,
    )


def _confusion(pairs: Sequence[tuple[Label, Label]]) -> Any:
    return _counts([(_PLACE[a], _PLACE[b]) for a, b in pairs], classes=len(LABELS))


def _counts(pairs: Sequence[tuple[int, int]], *, classes: int) -> Any:
    table = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return confusion_matrix(table[:, 0], table[:, 1], classes=classes)


def _value(statistic: Any) -> float | None:
    value = float(statistic)
    return None if math.isnan(value) else value
