"""Figures of a model on coded sessions, each with an interval over whole sessions.

The figures are for the client's turns, the therapist's and both pooled, in this order. Abstained
turns keep their label and count with it. What a model is measured against is itself uncertain, so
the two coders' agreement on the same turns, and the model's with each of them, stand beside it.
"""

from typing import Any

import numpy as np

from alliance.model import agreement
from alliance.model.agreement import Floats
from alliance.model.codebook import CODEBOOK_VERSION, MARKER_ORDER
from alliance.model.estimates import LEVEL, estimates
from alliance.training.evaluation.abstention import abstention_figures
from alliance.training.evaluation.block import FEW, block_figures, named
from alliance.training.evaluation.comparison import comparison
from alliance.training.evaluation.groups import Groups, group_figures
from alliance.training.evaluation.predictions import (
    NONE,
    ROLES,
    Classifier,
    Predictions,
    collect,
    concatenate,
)
from alliance.training.evaluation.reliability import reliability_figures

__all__ = [
    "FEW",
    "LEVEL",
    "Classifier",
    "Predictions",
    "collect",
    "comparison",
    "concatenate",
    "figures",
]


def figures(
    predictions: Predictions,
    *,
    groups: Groups | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> dict[str, Any]:
    """All figures, ready for JSON.

    Every estimate is ``{"value", "low", "high"}``: the figure on all turns, and its 95% interval
    (:func:`alliance.model.agreement.bootstrap`); null where it is undefined.

    Args:
        predictions: what was predicted, beside the codes.
        groups: facts of the sessions by which the main figures are told apart, e.g.
            ``{"quality": {session_id: "high"}}``.
        resamples: how many times the sessions are drawn anew.
        seed: the same seed gives the same intervals.

    Returns:
        ``speakers`` holds one block for ``client``, ``therapist`` and ``pooled``. In a block,
        ``labels`` gives for each label ``support`` (gold turns), ``predicted`` (turns),
        ``few`` (support below :data:`FEW`), ``precision``, ``recall``, ``f1``, ``auprc``,
        ``auroc``, ``ece`` and ``brier_skill`` (of its probability), ``coders_f1`` (of coder B's
        against coder A's labels) and ``f1_against_coders`` (mean of the model's F1 against A and
        against B). The rest concerns all labels: ``macro_f1``, ``kappa``, ``ac1``, ``accuracy``,
        ``balanced_accuracy``, ``ece`` (of the largest probability), ``brier``, ``brier_skill``
        (against the labels' prevalences), ``abstained`` (share of turns), ``coders_macro_f1``,
        ``coders_kappa``, ``coders_ac1`` and ``macro_f1_against_coders`` on the turns that both
        coded (``coders_turns``), and ``majority``: the figures of a model that always gives the
        commonest label.
        ``reliability`` and ``risk_coverage`` hold, for the same speakers, what
        :mod:`~alliance.training.evaluation.reliability` and
        :mod:`~alliance.training.evaluation.abstention` describe.
        ``groups``, if any are given, is that of :mod:`alliance.training.evaluation.groups`.
        ``markers`` holds precision, recall and F1 of the codes with :data:`FEW` turns or more.
    """
    parts = {role.value: predictions.said_by(role) for role in ROLES}
    parts["pooled"] = predictions
    drawn = {"resamples": resamples, "seed": seed}
    report = {
        "format": 1,
        "model": predictions.model,
        "codebook": CODEBOOK_VERSION,
        "sessions": len(predictions.session_ids),
        "turns": len(predictions),
        "no_words": predictions.no_words,
        "resamples": resamples,
        "seed": seed,
        "level": LEVEL,
        "speakers": {name: block_figures(part, **drawn) for name, part in parts.items()},
        "markers": _markers(predictions, **drawn),
        "reliability": {name: reliability_figures(part, **drawn) for name, part in parts.items()},
        "risk_coverage": {
            name: abstention_figures(part, resamples=resamples, seed=seed)
            for name, part in parts.items()
        },
    }
    return report | ({"groups": group_figures(predictions, groups, **drawn)} if groups else {})


def _markers(part: Predictions, *, resamples: int, seed: int) -> dict[str, Any]:
    part = part.where(part.gold_marker != NONE)  # some codings name labels alone
    sessions, index = np.unique(part.session, return_inverse=True)
    support = np.bincount(part.gold_marker, minlength=len(MARKER_ORDER))
    # A prediction without a marker meets no gold code: a class of its own, never scored.
    nothing = len(MARKER_ORDER)
    counts = agreement.confusion_by_group(
        part.gold_marker,
        np.where(part.predicted_marker == NONE, nothing, part.predicted_marker),
        index.astype(np.int64),
        groups=len(sessions),
        classes=nothing + 1,
    ).astype(np.float64)
    frequent = [place for place in range(nothing) if support[place] >= FEW]

    def statistic(drawn: Floats) -> dict[str, Floats]:
        total = np.tensordot(drawn, counts, 1)
        return {
            f"{MARKER_ORDER[place].value}/{measure.__name__}": measure(total)[:, place]
            for place in frequent
            for measure in (agreement.precision, agreement.recall, agreement.f1)
        }

    if not frequent:
        return {}
    found = estimates(statistic, len(sessions), resamples=resamples, seed=seed)
    return {
        MARKER_ORDER[place].value: {
            "support": int(support[place]),
            **named(found, MARKER_ORDER[place].value),
        }
        for place in frequent
    }
