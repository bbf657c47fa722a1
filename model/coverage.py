"""What is left of the errors, and of the ruptures, when the least certain turns are set aside."""

from collections.abc import Sequence

import numpy as np

from alliance.model.arrays import Bools, Counts, Floats, Ints, ratio
from alliance.model.codebook import LABELS
from alliance.model.confusion import confusion_by_group

__all__ = ["certainty_within_labels", "coverage_confusions", "most_certain", "share_kept"]


def most_certain(certainty: Floats, coverage: float) -> Bools:
    """Which turns are kept when a share of them, the most certain, is.

    Args:
        certainty: of each turn's label, higher is surer; any scale.
        coverage: the share to keep, 0-1. A turn as certain as the last one kept is kept too, so
            that the order of turns does not matter.
    """
    keep = round(coverage * len(certainty))
    if keep <= 0:
        return np.zeros(len(certainty), dtype=np.bool_)
    least = np.sort(certainty)[len(certainty) - keep]
    return np.asarray(certainty >= least)


def certainty_within_labels(predicted: Ints, probabilities: Floats) -> Floats:
    """How certain each decision is among the decisions for the same label, 0-1.

    Its rank by the score that the product abstains by (:class:`alliance.model.DecisionRule`): a
    rupture's probability, or what the label has of neutral and alliance-positive together. Rare
    labels never reach the probabilities of common ones; one bar for all labels would set them
    aside first. So the product abstains label by label, from ruptures half as often as from the
    rest: of a rupture's rank r, r (2 - r) is taken, about twice as much where it is low.

    Args:
        predicted: the decided labels, shape ``(n,)``.
        probabilities: of the labels, shape ``(n, 4)``.
    """
    certainty = np.zeros(len(predicted))
    own = probabilities[np.arange(len(predicted)), predicted]
    rupture = np.array([label.is_rupture for label in LABELS])
    own = np.where(
        rupture[predicted], own, own / np.maximum(probabilities[:, ~rupture].sum(axis=1), 1e-12)
    )
    for label in np.unique(predicted):
        chosen = np.flatnonzero(predicted == label)
        _, index, count = np.unique(own[chosen], return_inverse=True, return_counts=True)
        rank = ((np.cumsum(count) - count / 2) / len(chosen))[index]
        certainty[chosen] = rank * (2 - rank) if rupture[label] else rank
    return certainty


def coverage_confusions(
    gold: Ints,
    predicted: Ints,
    certainty: Floats,
    coverages: Sequence[float],
    group: Ints,
    *,
    groups: int = 1,
    classes: int = len(LABELS),
) -> Ints:
    """The confusion matrices of the turns kept at each coverage, per group (session).

    Any statistic of them over the coverages is a risk-coverage curve (El-Yaniv & Wiener 2010, "On
    the foundations of noise-free selective classification"; Geifman & El-Yaniv 2017). The
    bars are set on all turns and stay where they are when groups are resampled, as the bars of a
    model in use do.

    Args:
        gold: labels, shape ``(n,)``.
        predicted: the decided labels.
        certainty: of each decision (:func:`most_certain`).
        coverages: shares to keep, 0-1, m of them.
        group: the group (session) of each turn, ``0..groups-1``.
        groups: how many there are.
        classes: how many labels there are.

    Returns:
        Shape ``(groups, m, classes, classes)``; rows are gold labels.
    """
    stack = []
    for coverage in coverages:
        kept = most_certain(certainty, coverage)
        stack.append(
            confusion_by_group(
                gold[kept], predicted[kept], group[kept], groups=groups, classes=classes
            )
        )
    return np.stack(stack, axis=1)


def share_kept(confusion: Counts, support: Counts) -> Floats:
    """Per label, the share of its gold turns that are kept, rightly labelled or not.

    Args:
        confusion: of the kept turns, shape ``(..., k, k)``.
        support: gold turns of each label, kept or not, shape ``(..., k)``.

    Returns:
        Shape ``(..., k)``; nan for a label without gold turns.
    """
    return ratio(confusion.sum(axis=-1), support)
