"""Agreement between two labellings of the same turns, with intervals over whole sessions.

Labels are integers in the order of ``codebook.LABELS`` (any other number of classes works too).
The statistics, all of them importable from here, live in modules of their own: ``confusion`` (of
decided labels), ``ranking`` and ``forecast`` (of probabilities), ``coverage`` (of abstention) and
``icc`` (of session counts). Each can be taken of many resamples in one call.

Nothing is undefined in silence: a statistic that has no value is nan, and each function says when
that is. Turns of one session are not independent, so intervals come from resampling whole
sessions (percentile bootstrap: Efron & Tibshirani 1993, chapter 13; sessions as the clusters:
Davison & Hinkley 1997, section 3.8).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from alliance.model.arrays import Bools, Counts, Floats, Ints
from alliance.model.confusion import (
    ac1,
    accuracy,
    balanced_accuracy,
    confusion_by_group,
    confusion_matrix,
    f1,
    kappa,
    macro_f1,
    precision,
    recall,
)
from alliance.model.coverage import (
    certainty_within_labels,
    coverage_confusions,
    most_certain,
    share_kept,
)
from alliance.model.forecast import (
    brier_skill,
    calibration_sums,
    equal_mass_bins,
    equal_width_bins,
    expected_calibration_error,
    reliability_curve,
    reliability_sums,
    squared_errors,
)
from alliance.model.icc import icc_2_1, icc_2_k
from alliance.model.ranking import auroc, average_precision, ranking_areas

__all__ = [
    "Bools",
    "Counts",
    "Difference",
    "Floats",
    "Interval",
    "Ints",
    "ac1",
    "accuracy",
    "auroc",
    "average_precision",
    "balanced_accuracy",
    "bootstrap",
    "brier_skill",
    "calibration_sums",
    "certainty_within_labels",
    "confusion_by_group",
    "confusion_matrix",
    "coverage_confusions",
    "equal_mass_bins",
    "equal_width_bins",
    "expected_calibration_error",
    "f1",
    "icc_2_1",
    "icc_2_k",
    "kappa",
    "macro_f1",
    "most_certain",
    "paired_difference",
    "precision",
    "ranking_areas",
    "recall",
    "reliability_curve",
    "reliability_sums",
    "share_kept",
    "squared_errors",
]

_CHUNK: Final = 250  # resamples at once: 250 × 16,000 turns of weights are 32 MB
_MOST_UNDEFINED: Final = 0.05


@dataclass(frozen=True, slots=True)
class Interval:
    """A percentile interval.

    Attributes:
        low: the lower bound; nan if there is no interval.
        high: the upper bound; nan with ``low``.
        undefined: the share of resamples (0-1) in which the statistic had no value. They are
            left out; when they are more than 5%, or there is one session only, there is no
            interval.
    """

    low: float
    high: float
    undefined: float


def bootstrap(
    statistic: Callable[[Floats], Floats],
    groups: int,
    *,
    resamples: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> list[Interval]:
    """Percentile intervals from resampling whole groups (sessions) with replacement.

    Args:
        statistic: takes an array ``(rows, groups)`` that says how often each group was drawn in
            each resample, and returns ``(rows,)`` or ``(rows, m)`` for m statistics at once, nan
            where there is no value. For a function of confusion matrices:
            ``lambda drawn: kappa(np.tensordot(drawn, confusion_by_group(...), 1))``.
        groups: the number of groups.
        resamples: how many resamples to draw.
        seed: the same seed gives the same resamples.
        level: the share of resamples inside the interval.

    Returns:
        One interval per statistic.
    """
    generator = np.random.default_rng(seed)
    rows: list[Floats] = []
    for start in range(0, resamples if groups else 0, _CHUNK):
        size = (min(_CHUNK, resamples - start), groups)
        picks = generator.integers(groups, size=size) + groups * np.arange(size[0])[:, None]
        drawn = np.bincount(picks.ravel(), minlength=size[0] * groups).reshape(size)
        values = np.asarray(statistic(drawn.astype(np.float64)), dtype=np.float64)
        rows.append(values.reshape(size[0], -1))
    if not rows:
        return [Interval(np.nan, np.nan, 1.0)]
    tail = (1.0 - level) / 2
    return [_interval(column, tail, enough=groups > 1) for column in np.concatenate(rows).T]


def _interval(values: Floats, tail: float, *, enough: bool) -> Interval:
    defined = values[~np.isnan(values)]
    undefined = 1.0 - len(defined) / len(values)
    if not enough or undefined > _MOST_UNDEFINED:
        return Interval(np.nan, np.nan, undefined)
    low, high = np.quantile(defined, [tail, 1.0 - tail])
    return Interval(float(low), float(high), undefined)


@dataclass(frozen=True, slots=True)
class Difference:
    """How much better the second of two labellings of the same turns is.

    Attributes:
        estimate: statistic of the second minus that of the first, on all sessions.
        interval: its interval over resampled sessions.
    """

    estimate: float
    interval: Interval

    @property
    def excludes_zero(self) -> bool:
        """Whether there is an interval and 0 lies outside it."""
        return self.interval.low > 0.0 or self.interval.high < 0.0


def paired_difference(
    statistic: Callable[[Floats], Floats],
    gold: Ints,
    first: Ints,
    second: Ints,
    group: Ints,
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> Difference:
    """Compares two labellings of the same turns with the same gold labels, session by session.

    Args:
        statistic: a function of stacked confusion matrices, e.g. :func:`macro_f1`.
        gold: the labels to find, shape ``(n,)``.
        first: what the rival says.
        second: what is to be compared with it.
        group: the session of each turn; any integers.
        resamples: how many resamples to draw; each counts both labellings on the same sessions.
        seed: the same seed gives the same resamples.
    """
    names, index = np.unique(group, return_inverse=True)
    groups = len(names)
    pair = [
        confusion_by_group(gold, labels, index, groups=groups).astype(np.float64)
        for labels in (first, second)
    ]

    def difference(drawn: Floats) -> Floats:
        before, after = (statistic(np.tensordot(drawn, counts, 1)) for counts in pair)
        return after - before

    (interval,) = bootstrap(difference, groups, resamples=resamples, seed=seed)
    return Difference(float(difference(np.ones((1, groups)))[0]), interval)
