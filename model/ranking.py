"""How well probabilities rank turns: areas under curves, without any threshold."""

import numpy as np

from alliance.model.arrays import Bools, Floats, ratio

__all__ = ["auroc", "average_precision", "ranking_areas"]


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
    return _precision_area(*_cumulated(truth, score, weights))


def auroc(truth: Bools, score: Floats, *, weights: Floats | None = None) -> Floats:
    """Area under the ROC curve: how often a true turn outscores a false one, ties half.

    Arguments as :func:`average_precision`. nan where the turns are all true or all false.
    """
    return _roc_area(*_cumulated(truth, score, weights))


def ranking_areas(
    truth: Bools, score: Floats, *, weights: Floats | None = None
) -> tuple[Floats, Floats]:
    """:func:`average_precision` and :func:`auroc` of one ranking, sorted once."""
    true, false = _cumulated(truth, score, weights)
    return _precision_area(true, false), _roc_area(true, false)


def _precision_area(true: Floats, false: Floats) -> Floats:
    at = true + false
    # Where no turn has been counted yet no recall is gained, so the precision does not matter.
    shares = np.divide(true, at, out=np.zeros_like(true), where=at > 0)
    return ratio((np.diff(true) * shares[..., 1:]).sum(axis=-1), true[..., -1])


def _roc_area(true: Floats, false: Floats) -> Floats:
    area = (np.diff(false) * (true[..., 1:] + true[..., :-1]) / 2).sum(axis=-1)
    return ratio(area, true[..., -1] * false[..., -1])


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
