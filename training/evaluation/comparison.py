"""Two models on the same turns: how much better is the one, session by session."""

from typing import Any

import numpy as np

from alliance.model import agreement
from alliance.model.agreement import Ints
from alliance.model.estimates import LEVEL, estimate
from alliance.training.evaluation.predictions import ROLES, Predictions

__all__ = ["comparison"]


def comparison(
    rival: Predictions, predictions: Predictions, *, resamples: int = 2000, seed: int = 0
) -> dict[str, Any]:
    """How much better ``predictions`` are than a rival's on the same turns, ready for JSON.

    The difference in macro-F1 and in κ for client, therapist and pooled, with a paired interval:
    each resample draws sessions and counts both on them.

    Raises:
        ValueError: if the two were not made on the same turns and codes.
    """
    keys, rivals_keys = _keys(predictions), _keys(rival)
    order, other = _order(keys), _order(rivals_keys)
    gold = predictions.gold
    if sorted(keys) != sorted(rivals_keys) or not np.array_equal(gold[order], rival.gold[other]):
        raise ValueError("the two sets of predictions are not on the same turns and codes")
    session, role = predictions.session[order], predictions.role[order]
    speakers: dict[str, Any] = {}
    for name, chosen in (
        *((role_.value, role == place) for place, role_ in enumerate(ROLES)),
        ("pooled", np.ones(len(role), dtype=np.bool_)),
    ):
        speakers[name] = {}
        for statistic in (agreement.macro_f1, agreement.kappa):
            difference = agreement.paired_difference(
                statistic,
                gold[order][chosen],
                rival.predicted[other][chosen],
                predictions.predicted[order][chosen],
                session[chosen],
                resamples=resamples,
                seed=seed,
            )
            speakers[name][statistic.__name__] = estimate(difference.estimate, difference.interval)
    return {
        "rival": rival.model,
        "model": predictions.model,
        "turns": len(predictions),
        "resamples": resamples,
        "seed": seed,
        "level": LEVEL,
        "speakers": speakers,
    }


def _keys(predictions: Predictions) -> list[tuple[str, int]]:
    return [
        (predictions.session_ids[session], int(turn))
        for session, turn in zip(predictions.session, predictions.turn, strict=True)
    ]


def _order(keys: list[tuple[str, int]]) -> Ints:
    return np.array(sorted(range(len(keys)), key=keys.__getitem__), dtype=np.int64)
