"""The alliance level: how much of the recent talk builds the collaboration, less what strains it.

Each labelled turn is worth +1 if it is alliance-positive, -1 if it is a rupture and 0 if it is
neutral. What it is, the model knows only with probabilities, so the turn is a variable with mean
m = p_P - (p_W + p_C) and variance p_P + (p_W + p_C) - m². The level is the exponentially weighted
mean of the m, a turn's weight halving with every ``half_life_turns`` labelled turns of the session
that follow it, whoever speaks. With weights w the variance of the mean is sum(w²·var) / sum(w)²,
turns taken as independent given their probabilities; the interval is the mean ± 1.96 standard
deviations (normal approximation, 95%), cut to -1..1.

So the interval says how far the *labels* leave the level open, if the probabilities are calibrated.
It says nothing of how well a session's words tell its alliance, and early in a session, where few
turns carry it, it is rough. Turns on which the model abstains count with their probabilities.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from alliance.model.codebook import Role
from alliance.model.labelled import LabelledTurn

__all__ = ["INTERVAL", "AllianceLevel", "LevelSeries", "alliance_level"]

INTERVAL: Final = 0.95
"""Coverage of the intervals."""

_DEVIATIONS: Final = 1.959963984540054  # the normal's 97.5% point


@dataclass(frozen=True, slots=True)
class LevelSeries:
    """A level after each turn of the session; one entry per turn.

    Entries are None before the first labelled turn that counts; a turn that does not count (no
    label, or another speaker's) repeats the entry before it.

    Attributes:
        value: the level (-1 to 1).
        low: lower end of the 95% interval (-1 to 1).
        high: upper end of the 95% interval (-1 to 1).

    Raises:
        ValueError: if the three differ in length or in where they begin, or are out of order.
    """

    value: tuple[float | None, ...]
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]

    def __post_init__(self) -> None:
        if not len(self.value) == len(self.low) == len(self.high):
            raise ValueError(
                f"one value, low and high per turn, got {len(self.value)}, {len(self.low)} and "
                f"{len(self.high)}"
            )
        for value, low, high in zip(self.value, self.low, self.high, strict=True):
            if value is None or low is None or high is None:
                if (value, low, high) != (None, None, None):
                    raise ValueError("value, low and high begin at the same turn")
            elif not -1.0 <= low <= value <= high <= 1.0:
                raise ValueError(
                    f"expected -1 <= low <= value <= high <= 1, got {low, value, high}"
                )

    def __len__(self) -> int:
        return len(self.value)

    @property
    def final(self) -> tuple[float, float, float] | None:
        """Value, low and high at the session's end; None if no turn counted."""
        if not self.value:
            return None
        value, low, high = self.value[-1], self.low[-1], self.high[-1]
        return None if value is None or low is None or high is None else (value, low, high)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return {"value": list(self.value), "low": list(self.low), "high": list(self.high)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "LevelSeries":
        """The inverse of :meth:`to_dict`."""
        return cls(value=tuple(data["value"]), low=tuple(data["low"]), high=tuple(data["high"]))


@dataclass(frozen=True, slots=True)
class AllianceLevel:
    """The running alliance level of a session (see the module for the method).

    Attributes:
        client: from the client's turns alone.
        therapist: from the therapist's turns alone.
        together: from the turns of both.

    Raises:
        ValueError: if the series differ in length.
    """

    client: LevelSeries
    therapist: LevelSeries
    together: LevelSeries

    def __post_init__(self) -> None:
        if not len(self.client) == len(self.therapist) == len(self.together):
            raise ValueError("the three series have one entry per turn of the session")

    def __len__(self) -> int:
        return len(self.together)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return {
            "client": self.client.to_dict(),
            "therapist": self.therapist.to_dict(),
            "together": self.together.to_dict(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "AllianceLevel":
        """The inverse of :meth:`to_dict`."""
        return cls(
            client=LevelSeries.from_dict(data["client"]),
            therapist=LevelSeries.from_dict(data["therapist"]),
            together=LevelSeries.from_dict(data["together"]),
        )


def alliance_level(turns: Sequence[LabelledTurn], *, half_life_turns: float) -> AllianceLevel:
    """The level after each turn, per speaker and together.

    Args:
        turns: all turns of the session, in order, those without a label included.
        half_life_turns: labelled turns after which a turn's weight has halved; positive.
    """
    return AllianceLevel(
        client=_series(turns, (Role.CLIENT,), half_life_turns),
        therapist=_series(turns, (Role.THERAPIST,), half_life_turns),
        together=_series(turns, (Role.CLIENT, Role.THERAPIST), half_life_turns),
    )


def _series(
    turns: Sequence[LabelledTurn], roles: tuple[Role, ...], half_life_turns: float
) -> LevelSeries:
    decay = 0.5 ** (1.0 / half_life_turns)
    # Running sums over the turns that count: weights, weight·mean, weight²·variance. They are
    # brought up to date only when a turn counts (`age` turns late): in between, ageing changes
    # numerator and denominator alike.
    weights = means = variances = 0.0
    age = 0
    entry: tuple[float | None, float | None, float | None] = (None, None, None)
    entries = []
    for turn in turns:
        if turn.probabilities is not None:
            age += 1
            if turn.turn.role in roles:
                positive, rupture = turn.probabilities.alliance_positive, turn.p_rupture
                mean = positive - rupture
                fade = decay**age
                weights = weights * fade + 1.0
                means = means * fade + mean
                variances = variances * fade**2 + max(0.0, positive + rupture - mean**2)
                age = 0
                value = max(-1.0, min(1.0, means / weights))
                half = _DEVIATIONS * math.sqrt(variances) / weights
                entry = (value, max(-1.0, value - half), min(1.0, value + half))
        entries.append(entry)
    values, lows, highs = zip(*entries, strict=True) if entries else ((), (), ())
    return LevelSeries(value=tuple(values), low=tuple(lows), high=tuple(highs))
