"""How good probabilities are as probabilities: calibration, reliability, Brier score and skill.

Sums are kept per group (session), so that a bootstrap over sessions only adds them up anew.
"""

from typing import Any

import numpy as np

from alliance.model.arrays import Bools, Floats, Ints, ratio

__all__ = [
    "brier_skill",
    "calibration_sums",
    "equal_mass_bins",
    "equal_width_bins",
    "expected_calibration_error",
    "reliability_curve",
    "reliability_sums",
    "squared_errors",
]


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


def brier_skill(squared: Floats, support: Floats) -> Floats:
    """1 − Brier score / Brier score of a forecast that always gives the labels' prevalences.

    The skill score with the sample's own climatology as the reference (Murphy 1973, "A new vector
    partition of the probability score"; Wilks 2011, Statistical Methods in the Atmospheric
    Sciences, section 8.2). The reference scores 1 − Σ π² per turn.

    Args:
        squared: Σ over turns of :func:`squared_errors`, shape ``(...)``.
        support: gold turns of each label, shape ``(..., k)``. For one label against the rest:
            two columns, and ``squared`` sums 2·(probability − outcome)².

    Returns:
        1 for certain and right, 0 for no better than the prevalences, below 0 for worse; nan
        where no turn counts or all carry one label.
    """
    turns = support.sum(axis=-1)
    spread = 1.0 - ratio((support**2).sum(axis=-1), turns**2)
    # Rounding leaves a trace of spread where there is none.
    return 1.0 - ratio(squared, np.where(spread > 1e-12, turns * spread, 0.0))


def equal_width_bins(probability: Floats, bins: int) -> Ints:
    """The bin (0 to ``bins - 1``) of each probability, bins equally wide between 0 and 1."""
    return np.minimum((probability * bins).astype(np.int64), bins - 1)


def equal_mass_bins(probability: Floats, bins: int) -> Ints:
    """The bin of each probability, low to high, bins holding equally many turns.

    Equal probabilities share a bin: all go where the middle one of them belongs, so a bin may
    hold more or fewer turns, or none.
    """
    if not len(probability):
        return np.zeros(0, dtype=np.int64)
    _, index, count = np.unique(probability, return_inverse=True, return_counts=True)
    middle = np.cumsum(count) - count / 2  # of each distinct probability's ranks
    place = (middle * bins / len(probability)).astype(np.int64)
    return np.asarray(np.minimum(place, bins - 1)[index], dtype=np.int64)


def reliability_sums(
    truth: Bools, probability: Floats, place: Ints, group: Ints, *, groups: int, bins: int
) -> Floats:
    """What :func:`reliability_curve` needs, summed per group and bin.

    Args:
        truth: whether what was forecast came true, shape ``(n,)``.
        probability: the forecast, 0-1, shape ``(n,)``.
        place: each turn's bin, from :func:`equal_width_bins` or :func:`equal_mass_bins`.
        group: the group (session) of each turn, ``0..groups-1``.
        groups: how many there are.
        bins: how many bins.

    Returns:
        Shape ``(groups, 3, bins)``: turns, Σ probability, and turns where it came true.
    """
    cell, size = place + group * bins, groups * bins
    sums: list[Any] = [
        np.bincount(cell, weights=weights, minlength=size).reshape(groups, bins)
        for weights in (np.ones(len(cell)), probability, truth.astype(np.float64))
    ]
    return np.stack(sums, axis=1)


def reliability_curve(sums: Floats) -> tuple[Floats, Floats]:
    """Per bin, the mean probability and the share that came true.

    The reliability diagram of Murphy & Winkler 1977 ("Reliability of subjective probability
    forecasts"); on equal-mass bins see Nguyen & O'Connor 2015.

    Args:
        sums: from :func:`reliability_sums`, added up over groups: shape ``(..., 3, bins)``.

    Returns:
        Two arrays of shape ``(..., bins)``; nan for a bin without turns.
    """
    turns = sums[..., 0, :]
    return ratio(sums[..., 1, :], turns), ratio(sums[..., 2, :], turns)
