"""Intraclass correlations: how far two raters' numbers for the same sessions agree.

Two-way random effects, absolute agreement: raters are a sample of raters, and a rater who counts
more throughout disagrees (Shrout & Fleiss 1979, "Intraclass correlations: uses in assessing rater
reliability", Psychological Bulletin 86, cases (2,1) and (2,k); McGraw & Wong 1996).
"""

from typing import Final

import numpy as np

from alliance.model.arrays import Floats, ratio

__all__ = ["icc_2_1", "icc_2_k"]

# Below this share of the numbers' own size a variance is what rounding leaves of none.
_NOTHING: Final = 1e-12


def icc_2_1(ratings: Floats, *, weights: Floats | None = None) -> Floats:
    """ICC(2,1): the reliability of one rater's numbers.

    (MSR − MSE) / (MSR + (k − 1)·MSE + k·(MSC − MSE)/n) with the mean squares of n subjects (R),
    of k raters (C) and of the rest (E).

    Args:
        ratings: one row per subject (session), one column per rater, shape ``(n, k)``, k ≥ 2.
        weights: how often each subject counts, shape ``(n,)`` or ``(resamples, n)``.

    Returns:
        One value, or one per resample, 1 at most; below 0 if raters differ more within subjects
        than subjects differ. nan where fewer than two subjects count or no number differs from
        another.

    Raises:
        ValueError: if there are fewer than two raters, or a rating is missing (nan).
    """
    subjects, raters, rest, n, size = _mean_squares(ratings, weights)
    k = ratings.shape[1]
    whole = subjects + (k - 1) * rest + k * ratio(raters - rest, n)
    return ratio(subjects - rest, np.where(whole > size, whole, 0.0))


def icc_2_k(ratings: Floats, *, weights: Floats | None = None) -> Floats:
    """ICC(2,k): the reliability of the mean of the k raters' numbers.

    (MSR − MSE) / (MSR + (MSC − MSE)/n); arguments and the rest as :func:`icc_2_1`. nan also where
    the denominator is not positive, so that the estimated variance of the mean is none.
    """
    subjects, raters, rest, n, size = _mean_squares(ratings, weights)
    whole = subjects + ratio(raters - rest, n)
    return ratio(subjects - rest, np.where(whole > size, whole, 0.0))


def _mean_squares(
    ratings: Floats, weights: Floats | None
) -> tuple[Floats, Floats, Floats, Floats, float]:
    """MSR, MSC, MSE, n of each resample, and what counts as no variance."""
    if ratings.ndim != 2 or ratings.shape[1] < 2:
        raise ValueError(f"expected a column for each of two or more raters, got {ratings.shape}")
    if np.isnan(ratings).any():
        raise ValueError("expected a rating of every subject by every rater, found one missing")
    subjects, k = ratings.shape
    counted = np.ones(subjects) if weights is None else np.asarray(weights, dtype=np.float64)
    n = counted.sum(axis=-1)
    # Differences from the mean are taken before they are squared: sums of squares would cancel.
    by_rater = ratio(counted @ ratings, n[..., None])
    mean = by_rater.mean(axis=-1)
    by_subject = ratings.mean(axis=1)
    rest = (
        ratings - by_subject[:, None] - by_rater[..., None, :] + mean[..., None, None]
    )  # (..., n, k)
    within = (counted * (rest**2).sum(axis=-1)).sum(axis=-1)
    between = k * (counted * (by_subject - mean[..., None]) ** 2).sum(axis=-1)
    across = n * ((by_rater - mean[..., None]) ** 2).sum(axis=-1)
    degrees = np.maximum(n - 1, 0)
    return (
        ratio(between, degrees),
        across / (k - 1),
        ratio(within, degrees * (k - 1)),
        n,
        _NOTHING * float((ratings**2).max(initial=0.0)),
    )
