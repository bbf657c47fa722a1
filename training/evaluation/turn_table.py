"""Out-of-fold predictions as a table: for who would compute figures of their own."""

import csv
import io
from collections.abc import Sequence
from typing import Final

import numpy as np

from alliance.model.agreement import Ints
from alliance.model.codebook import LABELS
from alliance.training.evaluation.predictions import NONE, ROLES, Predictions

__all__ = ["turn_table"]

_DIGITS: Final = 4


def turn_table(full: Predictions, causal: Predictions | None = None) -> str:
    """One row a scored turn, as CSV, without words.

    Columns: ``session``, ``turn`` (counted from 0), ``speaker``, the labels by the settled code
    and by each coder, the probabilities (0-1, calibrated) and the decided label in full mode and
    whether the model abstained, and probabilities and label in causal mode.

    Args:
        full: predictions in full mode.
        causal: of the same turns in causal mode.

    Raises:
        ValueError: if the two are not of the same turns.
    """
    names = [label.value for label in LABELS]
    columns: list[tuple[str, Sequence[object]]] = [
        ("session", [full.session_ids[place] for place in full.session]),
        ("turn", full.turn.tolist()),
        ("speaker", [ROLES[role].value for role in full.role]),
        ("settled", _labels(full.gold)),
        ("coder_a", _labels(full.coder_a)),
        ("coder_b", _labels(full.coder_b)),
        *_said(full, names, ""),
        ("abstained", full.abstained.astype(int).tolist()),
    ]
    if causal is not None:
        same = np.array_equal(full.turn, causal.turn) and np.array_equal(full.gold, causal.gold)
        if not same or full.session_ids != causal.session_ids:
            raise ValueError("the predictions in full and in causal mode are of other turns")
        columns += _said(causal, names, "causal_")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([name for name, _ in columns])
    writer.writerows(zip(*(values for _, values in columns), strict=True))
    return text.getvalue()


def _said(
    predictions: Predictions, names: list[str], prefix: str
) -> list[tuple[str, Sequence[object]]]:
    rounded = [
        (f"{prefix}p_{name}", [f"{value:.{_DIGITS}f}" for value in values])
        for name, values in zip(names, predictions.probabilities.T, strict=True)
    ]
    return [*rounded, (f"{prefix}predicted", _labels(predictions.predicted))]


def _labels(places: Ints) -> list[str]:
    return ["" if place == NONE else LABELS[place].value for place in places.tolist()]
