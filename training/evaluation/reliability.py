"""Reliability curves: whether turns given a probability carry the label as often as it says."""

from typing import Any, Final

import numpy as np

from alliance.model import agreement
from alliance.model.agreement import Bools, Floats, Ints
from alliance.model.codebook import LABELS
from alliance.model.estimates import estimates
from alliance.training.evaluation.block import named
from alliance.training.evaluation.predictions import Predictions

__all__ = ["LIKELY", "LIKELY_BINS", "reliability_figures"]

LIKELY: Final = 0.2
"""From this p(withdrawal) + p(confrontation) on, a turn is worth a look."""

LIKELY_BINS: Final = 5

_BINS: Final = 10
_RUPTURES: Final = [place for place, label in enumerate(LABELS) if label.is_rupture]


def reliability_figures(
    part: Predictions, *, resamples: int = 2000, seed: int = 0
) -> dict[str, Any]:
    """Reliability of each label's probability and of "a rupture of either kind", ready for JSON.

    Args:
        part: what was predicted, beside the codes.
        resamples: how many times the sessions are drawn anew.
        seed: the same seed gives the same intervals.

    Returns:
        Under each label and ``rupture`` (p_withdrawal + p_confrontation), a list of bins under
        ``equal_width`` and one under ``equal_mass`` (ten each). A bin holds ``turns``,
        ``predicted`` (mean probability; null in an empty bin) and ``observed`` (the share of turns
        that carry the label), an estimate with its interval; empty bins of equal mass are left
        out. ``likely_ruptures`` holds the turns with p_rupture of :data:`LIKELY` or more alone, in
        :data:`LIKELY_BINS` equal-mass ``bins``, with their number of ``turns`` and
        ``largest_gap``, the largest |predicted − observed| of the bins, or null without turns.
    """
    truth = np.isin(part.gold, _RUPTURES)
    probability = part.probabilities[:, _RUPTURES].sum(axis=1)
    forecasts = {
        label.value: (part.gold == place, part.probabilities[:, place])
        for place, label in enumerate(LABELS)
    }
    out: dict[str, Any] = {}
    for name, (true, stated) in {**forecasts, "rupture": (truth, probability)}.items():
        out[name] = {
            "equal_width": _curve(
                true,
                stated,
                part.session,
                agreement.equal_width_bins(np.minimum(stated, 1.0), _BINS),
                _BINS,
                resamples=resamples,
                seed=seed,
            ),
            "equal_mass": _curve(
                true,
                stated,
                part.session,
                agreement.equal_mass_bins(stated, _BINS),
                _BINS,
                resamples=resamples,
                seed=seed,
            ),
        }
        out[name]["equal_mass"] = [bin_ for bin_ in out[name]["equal_mass"] if bin_["turns"]]
    likely = probability >= LIKELY
    bins = _curve(
        truth[likely],
        probability[likely],
        part.session[likely],
        agreement.equal_mass_bins(probability[likely], LIKELY_BINS),
        LIKELY_BINS,
        resamples=resamples,
        seed=seed,
    )
    filled = [bin_ for bin_ in bins if bin_["turns"]]
    out["likely_ruptures"] = {
        "from": LIKELY,
        "turns": int(likely.sum()),
        "bins": filled,
        "largest_gap": max(
            (round(abs(bin_["predicted"] - bin_["observed"]["value"]), 6) for bin_ in filled),
            default=None,
        ),
    }
    return out


def _curve(
    truth: Bools,
    probability: Floats,
    session: Ints,
    place: Ints,
    bins: int,
    *,
    resamples: int,
    seed: int,
) -> list[dict[str, Any]]:
    sessions, index = np.unique(session, return_inverse=True)
    groups = len(sessions)
    sums = agreement.reliability_sums(
        truth, probability, place, index.astype(np.int64), groups=groups, bins=bins
    )

    def statistic(drawn: Floats) -> dict[str, Floats]:
        _, observed = agreement.reliability_curve(np.tensordot(drawn, sums, 1))
        return {f"{number}/observed": observed[:, number] for number in range(bins)}

    found = estimates(statistic, groups, resamples=resamples, seed=seed)
    whole = sums.sum(axis=0)
    predicted, _ = agreement.reliability_curve(whole)
    return [
        {
            "turns": int(whole[0, number]),
            "predicted": None
            if np.isnan(predicted[number])
            else round(float(predicted[number]), 6),
            **named(found, str(number)),
        }
        for number in range(bins)
    ]
