"""Risk against coverage: what is gained, and which ruptures are lost, by answering less often."""

from typing import Any, Final

import numpy as np

from alliance.model import agreement
from alliance.model.agreement import Floats
from alliance.model.codebook import LABELS
from alliance.model.estimates import estimates
from alliance.training.evaluation.block import named
from alliance.training.evaluation.predictions import Predictions

__all__ = ["COVERAGES", "abstention_figures"]

COVERAGES: Final = tuple(percent / 100 for percent in range(5, 101, 5))
"""The shares of turns kept, low to high."""

_STATED: Final = 0.8


def abstention_figures(
    part: Predictions,
    *,
    certainty: Floats | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> dict[str, Any]:
    """The risk-coverage curve of a set of turns, ready for JSON.

    Args:
        part: what was predicted, beside the codes.
        certainty: of each turn's label, shape ``(n,)``, higher is surer; by default its rank
            among the decisions for the same label, as the product abstains
            (:func:`alliance.model.agreement.certainty_within_labels`).
        resamples: how many times the sessions are drawn anew.
        seed: the same seed gives the same intervals.

    Returns:
        ``curve``, one point for each of :data:`COVERAGES`: ``coverage`` (the share kept, in
        truth), ``macro_f1``, and for each label under ``labels`` its ``f1`` and ``kept``, the
        share of its gold turns among those kept, rightly labelled or not. ``at_80`` holds the
        same for 80% coverage as estimates with intervals, and beside them ``full`` (the figure
        without abstention) and ``gain`` (the paired difference) for ``f1`` and ``macro_f1``.
    """
    if certainty is None:
        certainty = agreement.certainty_within_labels(part.predicted, part.probabilities)
    sessions, index = np.unique(part.session, return_inverse=True)
    stack = agreement.coverage_confusions(
        part.gold,
        part.predicted,
        certainty,
        COVERAGES,
        index.astype(np.int64),
        groups=len(sessions),
    )
    whole = stack.sum(axis=0)
    support = whole[-1].sum(axis=-1)
    macro, f1 = agreement.macro_f1(whole), agreement.f1(whole)
    kept = agreement.share_kept(whole, support)
    curve = [
        {
            "coverage": round(float(counts.sum() / max(1, len(part))), 6),
            "macro_f1": _json(macro[row]),
            "labels": {
                label.value: {"f1": _json(f1[row, place]), "kept": _json(kept[row, place])}
                for place, label in enumerate(LABELS)
            },
        }
        for row, counts in enumerate(whole)
    ]
    return {
        "curve": curve,
        "at_80": _stated(stack.astype(np.float64), curve, resamples=resamples, seed=seed),
    }


def _stated(
    stack: Floats, curve: list[dict[str, Any]], *, resamples: int, seed: int
) -> dict[str, Any]:
    """The point of the curve at the coverage that is reported with intervals."""
    row = COVERAGES.index(_STATED)

    def statistic(drawn: Floats) -> dict[str, Floats]:
        some = np.tensordot(drawn, stack[:, row], 1)
        every = np.tensordot(drawn, stack[:, -1], 1)
        kept = agreement.share_kept(some, every.sum(axis=-1))
        out = _beside("macro/", agreement.macro_f1(some), agreement.macro_f1(every))
        for place, label in enumerate(LABELS):
            f1 = agreement.f1(some)[:, place], agreement.f1(every)[:, place]
            out |= _beside(f"{label.value}/", *f1)
            out[f"{label.value}/kept"] = kept[:, place]
        return out

    found = estimates(statistic, len(stack), resamples=resamples, seed=seed)
    return {
        "coverage": curve[row]["coverage"],
        "macro_f1": named(found, "macro"),
        "labels": {label.value: named(found, label.value) for label in LABELS},
    }


def _beside(prefix: str, some: Floats, every: Floats) -> dict[str, Floats]:
    return {f"{prefix}f1": some, f"{prefix}full": every, f"{prefix}gain": some - every}


def _json(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 6)
