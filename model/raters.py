"""Agreement of any number of coders on the same turns, where some may have left turns out.

The coders' codes of a turn are summed up in two kinds of numbers that add over turns, so that a
bootstrap over sessions is one call: *coincidences* for Krippendorff's α, and :class:`Pairings` for
Gwet's AC1 and AC2. Codes are integers from 0; any negative number stands for "not coded". Where
codes have an order, weights say how near two of them are (:func:`weights_of`).

Sources: Krippendorff 2011, "Computing Krippendorff's alpha-reliability" (departmental paper,
University of Pennsylvania); Gwet 2014, "Handbook of inter-rater reliability", 4th edition,
chapters 2 and 3 (raters in any number, weights, missing codes).
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from alliance.model.arrays import Floats, Ints, ratio

__all__ = [
    "Order",
    "Pairings",
    "coincidences",
    "gwet",
    "krippendorff_alpha",
    "pairings",
    "percent_agreement",
    "weighted_kappa",
    "weights_of",
]


class Order(StrEnum):
    """How near two different codes are to each other.

    ``none``: not at all (labels). ``linear``, ``quadratic``: by their distance, or its square, in
    the order of the codes (ratings in equal steps). ``ordinal``: by how many codes lie between
    them (Gwet 2014, chapter 3: pairs of codes in between).
    """

    NONE = "none"
    LINEAR = "linear"
    QUADRATIC = "quadratic"
    ORDINAL = "ordinal"


def weights_of(order: Order, classes: int) -> Floats:
    """Agreement credited to each pair of codes (0-1; 1 on the diagonal), shape (k, k)."""
    distance = np.abs(np.subtract.outer(np.arange(classes), np.arange(classes))).astype(np.float64)
    most = max(1, classes - 1)
    match order:
        case Order.NONE:
            return np.eye(classes)
        case Order.LINEAR:
            return np.asarray(1.0 - distance / most)
        case Order.QUADRATIC:
            return np.asarray(1.0 - (distance / most) ** 2)
        case Order.ORDINAL:
            pairs = distance * (distance + 1) / 2  # pairs among the codes from one to the other
            return np.asarray(1.0 - pairs / max(1.0, most * (most + 1) / 2))


def weighted_kappa(confusion: Floats | Ints, weights: Floats) -> Floats:
    """Cohen's weighted κ (Cohen 1968) of two coders, from stacked confusion matrices (..., k, k).

    With the weights of :attr:`Order.NONE` it is Cohen's κ. nan if there are no turns, or chance
    agreement is certain.
    """
    counts = np.asarray(confusion, dtype=np.float64)
    total = counts.sum(axis=(-2, -1))
    observed = ratio((counts * weights).sum(axis=(-2, -1)), total)
    expected = counts.sum(axis=-1)[..., :, np.newaxis] * counts.sum(axis=-2)[..., np.newaxis, :]
    chance = ratio((expected * weights).sum(axis=(-2, -1)), total**2)
    return ratio(observed - chance, 1.0 - chance)


def _counts(codes: Ints, classes: int) -> Floats:
    """How many coders gave each turn each code, shape (turns, k)."""
    if codes.ndim != 2:
        raise ValueError(f"expected a row of codes for each coder, got shape {codes.shape}")
    if codes.size and codes.max() >= classes:
        raise ValueError(f"a code lies outside 0-{classes - 1}")
    return np.asarray((codes[:, :, np.newaxis] == np.arange(classes)).sum(axis=0), dtype=np.float64)


def coincidences(codes: Ints, group: Ints, *, groups: int, classes: int) -> Floats:
    """Krippendorff's coincidence matrix of each session; they add up to that of all sessions.

    Args:
        codes: one row per coder, shape (coders, turns).
        group: the session of each turn, 0 to ``groups`` − 1.
        groups: the number of sessions.
        classes: the number of codes.

    Returns:
        Shape (groups, k, k). Turns with fewer than two codes add nothing.

    Raises:
        ValueError: if codes have not this shape or lie outside their range.
    """
    counts = _counts(codes, classes)
    coded = counts.sum(axis=1)
    kept = coded >= 2
    counts, coded, where = counts[kept], coded[kept], group[kept]
    scaled = counts / (coded - 1)[:, np.newaxis]
    out = np.zeros((groups, classes, classes))
    for code in range(classes):
        # Pairs with this code on one side; a coder is not paired with himself.
        pairs = counts[:, code, np.newaxis] * scaled
        pairs[:, code] -= scaled[:, code]
        np.add.at(out[:, code], where, pairs)
    return out


def krippendorff_alpha(coincidence: Floats, *, order: Order = Order.NONE) -> Floats:
    """Krippendorff's α from stacked coincidence matrices (..., k, k).

    Args:
        coincidence: from :func:`coincidences`, summed over sessions.
        order: ``none`` for nominal α, ``ordinal`` for Krippendorff's ordinal metric (by the codes'
            frequencies), ``quadratic`` for his interval metric.

    Returns:
        One value per matrix; nan if no turn has two codes, or only one code occurs.

    Raises:
        ValueError: for ``linear``, which is none of his metrics.
    """
    n = coincidence.sum(axis=-1)
    total = n.sum(axis=-1)
    classes = coincidence.shape[-1]
    codes = np.arange(classes)
    match order:
        case Order.NONE:
            distance = np.broadcast_to(1.0 - np.eye(classes), coincidence.shape)
        case Order.QUADRATIC:
            squared = np.subtract.outer(codes, codes).astype(np.float64) ** 2
            distance = np.broadcast_to(squared, coincidence.shape)
        case Order.ORDINAL:
            # Codes from one to the other, the two outermost counted half.
            up_to = np.cumsum(n, axis=-1) - n / 2
            distance = (up_to[..., :, np.newaxis] - up_to[..., np.newaxis, :]) ** 2
        case Order.LINEAR:
            raise ValueError("α has no linear metric; take none, ordinal or quadratic")
    observed = (coincidence * distance).sum(axis=(-2, -1))
    expected = ratio(
        (n[..., :, np.newaxis] * n[..., np.newaxis, :] * distance).sum(axis=(-2, -1)), total - 1
    )
    return np.where(total >= 2, 1.0 - ratio(observed, expected), np.nan)


@dataclass(frozen=True, slots=True, eq=False)
class Pairings:
    """What Gwet's coefficients are made of, per session; all of it adds up over sessions.

    Attributes:
        agreement: sum over turns with two codes or more of their weighted agreement (0-1).
        paired: the number of those turns.
        shares: sum over turns with any code of the share of their codes that each code has,
            shape (groups, k).
        coded: the number of those turns.
    """

    agreement: Floats
    paired: Floats
    shares: Floats
    coded: Floats

    def drawn(self, times: Floats) -> "Pairings":
        """The sums when each session counts so many times; ``times`` has shape (rows, groups)."""
        return Pairings(
            times @ self.agreement, times @ self.paired, times @ self.shares, times @ self.coded
        )


def pairings(codes: Ints, group: Ints, *, groups: int, classes: int, weights: Floats) -> Pairings:
    """The sums for :func:`gwet` and :func:`percent_agreement`.

    Args:
        codes: one row per coder, shape (coders, turns); negative for not coded.
        group: the session of each turn, 0 to ``groups`` − 1.
        groups: the number of sessions.
        classes: the number of codes.
        weights: from :func:`weights_of`.

    Raises:
        ValueError: if codes have not this shape or lie outside their range.
    """
    counts = _counts(codes, classes)
    coded = counts.sum(axis=1)
    near = counts @ weights  # each code with what agrees with it in part
    agreeing = (counts * (near - 1.0)).sum(axis=1)
    agreement = np.where(coded >= 2, ratio(agreeing, coded * (coded - 1)), 0.0)
    shares = np.nan_to_num(ratio(counts, coded[:, np.newaxis]))

    def summed(values: Floats) -> Floats:
        return np.bincount(group, weights=values, minlength=groups).astype(np.float64)

    return Pairings(
        agreement=summed(agreement),
        paired=summed((coded >= 2).astype(np.float64)),
        shares=np.stack([summed(column) for column in shares.T], axis=-1),
        coded=summed((coded >= 1).astype(np.float64)),
    )


def percent_agreement(sums: Pairings) -> Floats:
    """The share (0-1) of pairs of coders that agree on a turn, weighted; nan without such turns."""
    return ratio(sums.agreement, sums.paired)


def gwet(sums: Pairings, weights: Floats) -> Floats:
    """Gwet's AC1, or AC2 where the weights give credit to codes that are near each other.

    (p_a − p_e) / (1 − p_e), with p_e = T·Σπ(1 − π) / (k(k − 1)); π is a code's mean share and T
    the sum of all weights. nan if no turn has two codes.
    """
    classes = len(weights)
    share = ratio(sums.shares, sums.coded[..., np.newaxis])
    chance = weights.sum() * (share * (1.0 - share)).sum(axis=-1) / (classes * (classes - 1))
    return ratio(percent_agreement(sums) - chance, 1.0 - chance)
