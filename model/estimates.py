"""Estimates with their intervals over whole sessions, in the form that reports hold.

An estimate is ``{"value", "low", "high"}``: a figure on all sessions, and its 95% interval
(:func:`alliance.model.agreement.bootstrap`); null where it is undefined.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from alliance.model import agreement
from alliance.model.agreement import Floats, Interval

__all__ = ["LEVEL", "UNDEFINED", "Estimate", "estimate", "estimates", "nested"]

LEVEL: Final = 0.95
"""How sure the intervals are meant to be."""

Estimate = dict[str, float | None]

UNDEFINED: Final[Mapping[str, None]] = {"value": None, "low": None, "high": None}
"""An estimate of what cannot be estimated."""


def estimates(
    statistic: Callable[[Floats], Mapping[str, Floats]],
    groups: int,
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> dict[str, Estimate]:
    """Named statistics on all groups, each with its interval.

    Args:
        statistic: takes an array ``(rows, groups)`` that says how often each group counts in each
            row, and returns ``(rows,)`` for each name; the names never change.
        groups: the number of groups (sessions).
        resamples: how many times the groups are drawn anew.
        seed: the same seed gives the same intervals.
    """
    point = statistic(np.ones((1, groups)))
    if not groups or not point:
        return {name: dict(UNDEFINED) for name in point}
    intervals = agreement.bootstrap(
        lambda drawn: np.stack(list(statistic(drawn).values()), axis=1),
        groups,
        resamples=resamples,
        seed=seed,
    )
    return {
        name: estimate(float(value[0]), interval)
        for (name, value), interval in zip(point.items(), intervals, strict=True)
    }


def estimate(value: float, interval: Interval) -> Estimate:
    """A figure with its interval, ready for JSON."""
    return {"value": _json(value), "low": _json(interval.low), "high": _json(interval.high)}


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """``{"a/b": 1, "a/c": 2}`` as ``{"a": {"b": 1, "c": 2}}``."""
    tree: dict[str, Any] = {}
    for name, value in flat.items():
        *branches, leaf = name.split("/")
        at = tree
        for branch in branches:
            at = at.setdefault(branch, {})
        at[leaf] = value
    return tree


def _json(value: float) -> float | None:
    # Rounded so that the same figures give the same file on every machine.
    return None if np.isnan(value) else round(float(value), 6)
