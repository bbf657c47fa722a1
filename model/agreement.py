"""Agreement between two labellings of the same turns, with intervals over whole sessions.

Labels are integers in the order of ``codebook.LABELS`` (any other number of classes works too).
Most statistics are functions of a confusion matrix and take a stack of them, ``(..., k, k)``, so
that a bootstrap is one call. The ranking statistics take weights for the same reason.

Nothing is undefined in silence: a statistic that has no value is nan, and each function says when
that is. Turns of one session are not independent, so intervals come from resampling whole
sessions (percentile bootstrap: Efron & Tibshirani 1993, chapter 13; sessions as the clusters:
Davison & Hinkley 1997, section 3.8).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from alliance.model.arrays import Bools, Counts, Floats, Ints, ratio
from alliance.model.codebook import LABELS
from alliance.model.icc import icc_2_1, icc_2_k

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
    "calibration_sums",
    "confusion_by_group",
    "confusion_matrix",
    "expected_calibration_error",
    "f1",
    "icc_2_1",
    "icc_2_k",
    "kappa",
    "macro_f1",
    "paired_difference",
    "precision",
    "recall",
    "squared_errors",
]

_CHUNK: Final = 250  # resamples at once: 250 × 16,000 turns of weights are 32 MB
_MOST_UNDEFINED: Final = 0.05


def confusion_matrix(gold: Ints, predicted: Ints, *, classes: int = len(LABELS)) -> Ints:
    """How often each pair of labels meets; rows are ``gold``, columns ``predicted``.

    Raises:
        ValueError: if the two differ in length or a label lies outside ``0..classes-1``; leave
            turns without a label out first.
    """
    one = np.zeros(len(gold), dtype=np.int64)
    counts: Ints = confusion_by_group(gold, predicted, one, classes=classes)[0]
    return counts


def confusion_by_group(
    gold: Ints, predicted: Ints, group: Ints, *, groups: int = 1, classes: int = len(LABELS)
) -> Ints:
    """One confusion matrix per group (session); shape ``(groups, classes, classes)``.

    Raises:
        ValueError: as :func:`confusion_matrix`, or if a group lies outside ``0..groups-1``.
    """
    if not len(gold) == len(predicted) == len(group):
        raise ValueError(
            f"expected one gold label, prediction and group per turn, found {len(gold)}, "
            f"{len(predicted)} and {len(group)}"
        )
    for name, values, size in (
        ("gold label", gold, classes),
        ("predicted label", predicted, classes),
        ("group", group, groups),
    ):
        if len(values) and not 0 <= values.min() <= values.max() < size:
            raise ValueError(f"a {name} lies outside 0-{size - 1}")
    cell = (group * classes + gold) * classes + predicted
    counts = np.bincount(cell, minlength=groups * classes * classes)
    return counts.reshape(groups, classes, classes).astype(np.int64)


def precision(confusion: Counts) -> Floats:
    """Per label, the share of its predictions that are right; nan if it was never predicted."""
    return ratio(_hits(confusion), confusion.sum(axis=-2))


def recall(confusion: Counts) -> Floats:
    """Per label, the share of its gold turns that were found; nan if there are none."""
    return ratio(_hits(confusion), confusion.sum(axis=-1))


def f1(confusion: Counts) -> Floats:
    """Per label, 2·TP / (2·TP + FP + FN); nan if the label is in neither labelling.

    A label that one side uses and the other never does has F1 = 0. Symmetric in the two sides.
    """
    return ratio(2 * _hits(confusion), confusion.sum(axis=-2) + confusion.sum(axis=-1))


def macro_f1(confusion: Counts) -> Floats:
    """The mean F1 of the labels that occur in either labelling; nan if there are no turns.

    The labels that occur in neither are left out, as in scikit-learn.
    """
    values = f1(confusion)
    defined = ~np.isnan(values)
    return ratio(np.where(defined, values, 0.0).sum(axis=-1), defined.sum(axis=-1))


def accuracy(confusion: Counts) -> Floats:
    """The share of turns labelled alike; nan if there are no turns."""
    return ratio(_hits(confusion).sum(axis=-1), confusion.sum(axis=(-2, -1)))


def kappa(confusion: Counts) -> Floats:
    """Cohen's κ (Cohen 1960), unweighted.

    nan if there are no turns, or if both sides use one and the same label throughout: agreement
    by chance is then certain, and κ has no value.
    """
    total = confusion.sum(axis=(-2, -1))
    observed = ratio(_hits(confusion).sum(axis=-1), total)
    chance = ratio(
        (confusion.sum(axis=-1) * confusion.sum(axis=-2)).sum(axis=-1), total.astype(float) ** 2
    )
    return ratio(observed - chance, 1.0 - chance)


def ac1(confusion: Counts) -> Floats:
    """Gwet's AC1: agreement beyond chance, steady where one label is far commoner than the others.

    (p_a − p_e) / (1 − p_e) with p_e = Σ π(1 − π) / (k − 1), where π is the mean share of a label
    on the two sides and k counts all labels that may be given, used or not (Gwet 2008, "Computing
    inter-rater reliability and its variance in the presence of high agreement", British Journal
    of Mathematical and Statistical Psychology 61). nan if there are no turns.
    """
    total = confusion.sum(axis=(-2, -1))
    share = ratio(confusion.sum(axis=-2) + confusion.sum(axis=-1), 2.0 * total[..., np.newaxis])
    chance = (share * (1.0 - share)).sum(axis=-1) / (confusion.shape[-1] - 1)
    return ratio(accuracy(confusion) - chance, 1.0 - chance)


def balanced_accuracy(confusion: Counts) -> Floats:
    """The mean recall of the labels that have gold turns; nan if there are no turns.

    Brodersen et al. 2010, "The balanced accuracy and its posterior distribution"; the labels
    without gold turns are left out, as in scikit-learn. Guessing one label reaches 1/k.
    """
    values = recall(confusion)
    defined = ~np.isnan(values)
    return ratio(np.where(defined, values, 0.0).sum(axis=-1), defined.sum(axis=-1))


def average_precision(truth: Bools, score: Floats, *, weights: Floats | None = None) -> Floats:
    """Area under the precision-recall curve as Σ (Rₙ − Rₙ₋₁)·Pₙ, without interpolation.

    The sum runs over the distinct scores, high to low (scikit-learn's definition; Boyd, Eng &
    Page 2013 on why not to interpolate). Chance level is the share of true turns.

    Args:
        truth: which turns carry the label, shape ``(n,)``.
        score: the model's probability of the label, shape ``(n,)``.
        weights: how often each turn counts, shape ``(n,)`` or ``(resamples, n)``.

    Returns:
        One value, or one per resample; nan where no turn carries the label.
    """
    true, false = _cumulated(truth, score, weights)
    at = true + false
    # Where no turn has been counted yet no recall is gained, so the precision does not matter.
    shares = np.divide(true, at, out=np.zeros_like(true), where=at > 0)
    return ratio((np.diff(true) * shares[..., 1:]).sum(axis=-1), true[..., -1])


def auroc(truth: Bools, score: Floats, *, weights: Floats | None = None) -> Floats:
    """Area under the ROC curve: how often a true turn outscores a false one, ties half.

    Arguments as :func:`average_precision`. nan where the turns are all true or all false.
    """
    true, false = _cumulated(truth, score, weights)
    area = (np.diff(false) * (true[..., 1:] + true[..., :-1]) / 2).sum(axis=-1)
    return ratio(area, true[..., -1] * false[..., -1])


def calibration_sums(
    correct: Bools, confidence: Floats, group: Ints, *, groups: int, bins: int = 15
) -> Floats:
    """What :func:`expected_calibration_error` needs, summed per group and bin.

    Args:
        correct: whether what the confidence is about was true, shape ``(n,)``.
        confidence: a probability, 0-1, shape ``(n,)``.
        group: the group (session) of each turn, ``0..groups-1``.
        groups: how many there are.
        bins: how many bins of equal width between 0 and 1.

    Returns:
        Shape ``(groups, 2, bins)``: the number of turns, and Σ (correct − confidence).
    """
    place = np.minimum((confidence * bins).astype(np.int64), bins - 1) + group * bins
    size = groups * bins
    counts = np.bincount(place, minlength=size)
    gaps = np.bincount(place, weights=correct - confidence, minlength=size)
    return np.stack([counts.reshape(groups, bins), gaps.reshape(groups, bins)], axis=1)


def expected_calibration_error(sums: Floats) -> Floats:
    """Σ over bins of |mean correct − mean confidence|, weighted by the turns in the bin.

    Guo et al. 2017 ("On calibration of modern neural networks"), 15 bins of equal width. With the
    largest of the four probabilities as the confidence it is the usual ECE; with one label's
    probability it is that label's (the classwise form of Kull et al. 2019).

    Args:
        sums: from :func:`calibration_sums`, added up over groups: shape ``(..., 2, bins)``.

    Returns:
        A value of 0 (calibrated) to 1; nan if there are no turns.
    """
    return ratio(np.abs(sums[..., 1, :]).sum(axis=-1), sums[..., 0, :].sum(axis=-1))


def squared_errors(gold: Ints, probabilities: Floats) -> Floats:
    """Per turn, Σ over labels of (probability − outcome)². Their mean is the Brier score.

    Brier 1950, in its original form for several classes: 0 (certain and right) to 2 (certain and
    wrong).

    Args:
        gold: labels, shape ``(n,)``.
        probabilities: shape ``(n, k)``.
    """
    outcome = np.eye(probabilities.shape[1])[gold]
    return np.asarray(((probabilities - outcome) ** 2).sum(axis=1), dtype=np.float64)


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


def _hits(confusion: Counts) -> Floats:
    return np.diagonal(confusion, axis1=-2, axis2=-1).astype(np.float64)


def _cumulated(truth: Bools, score: Floats, weights: Floats | None) -> tuple[Floats, Floats]:
    """Counted true and false turns at or above each distinct score, high to low, from 0 up."""
    order = np.argsort(-score, kind="stable")
    last = np.flatnonzero(np.diff(score[order], append=-np.inf))  # the last turn of each score
    counted = np.ones(len(score)) if weights is None else weights[..., order]
    hits = np.where(truth[order], counted, 0.0)
    start = np.zeros((*counted.shape[:-1], 1))

    def at_scores(values: Floats) -> Floats:
        return np.concatenate([start, np.cumsum(values, axis=-1)[..., last]], axis=-1)

    return at_scores(hits), at_scores(counted - hits)
