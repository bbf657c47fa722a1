"""What plots are drawn from and tables do not hold: confusion counts, precision-recall curves."""

from typing import Any, Final

import numpy as np

from alliance.model import agreement
from alliance.model.agreement import Bools, Floats
from alliance.model.codebook import LABELS
from alliance.training.evaluation.predictions import ROLES, Predictions

__all__ = ["POINTS", "curves"]

POINTS: Final = 50
"""A precision-recall curve is kept at so many steps of recall."""


def curves(predictions: Predictions) -> dict[str, Any]:
    """Confusion counts and precision-recall curves, ready for JSON.

    Args:
        predictions: what was predicted, beside the codes.

    Returns:
        For ``client``, ``therapist`` and ``pooled``: ``confusion``, turns by settled label (rows)
        and decided label (columns) in the order of ``codebook.LABELS``; and ``precision_recall``:
        for each label points ``[recall, precision]``, from the surest turns to all. One point is
        kept for each 1/:data:`POINTS` of recall, the best precision of those reached there;
        empty for a label that no turn carries. The area under the whole curve is the ``auprc`` of
        :func:`alliance.training.evaluation.figures.figures`.
    """
    parts = {role.value: predictions.said_by(role) for role in ROLES}
    parts["pooled"] = predictions
    return {
        name: {
            "confusion": agreement.confusion_matrix(part.gold, part.predicted).tolist(),
            "precision_recall": {
                label.value: _curve(part.gold == place, part.probabilities[:, place])
                for place, label in enumerate(LABELS)
            },
        }
        for name, part in parts.items()
    }


def _curve(truth: Bools, score: Floats) -> list[list[float]]:
    if not truth.any():
        return []
    order = np.argsort(-score, kind="stable")
    # Turns of equal score are taken together: no order among them is the model's.
    last = np.append(np.diff(score[order]) != 0, True)
    hits = np.cumsum(truth[order])[last]
    recall = hits / truth.sum()
    precision = hits / (np.flatnonzero(last) + 1)
    step = np.ceil(recall * POINTS - 1e-9).astype(np.int64)
    points = []
    for number in np.unique(step[hits > 0]):
        of_step = np.flatnonzero(step == number)
        best = of_step[precision[of_step].argmax()]
        points.append([round(float(recall[best]), 4), round(float(precision[best]), 4)])
    return points
