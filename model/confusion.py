"""Confusion matrices of two labellings of the same turns, and the statistics that follow from them.

The statistics take a stack of matrices, ``(..., k, k)``, so that a bootstrap is one call. Nothing
is undefined in silence: a statistic that has no value is nan, and each function says when.
"""

import numpy as np

from alliance.model.arrays import Counts, Floats, Ints, ratio
from alliance.model.codebook import LABELS

__all__ = [
    "ac1",
    "accuracy",
    "balanced_accuracy",
    "confusion_by_group",
    "confusion_matrix",
    "f1",
    "kappa",
    "macro_f1",
    "precision",
    "recall",
]


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


def _hits(confusion: Counts) -> Floats:
    return np.diagonal(confusion, axis1=-2, axis2=-1).astype(np.float64)
