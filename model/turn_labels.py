"""From logits of the codes to labelled turns: calibrate, decide, name the likeliest code."""

from collections.abc import Sequence

import numpy as np

from alliance.model.backend import Logits
from alliance.model.calibration import (
    LABEL_OF_CODE,
    Floats,
    code_probabilities,
    label_probabilities,
    legal_codes,
)
from alliance.model.codebook import LABELS, MARKER_ORDER
from alliance.model.decision import Rules
from alliance.model.labelled import LabelledTurn, Probabilities, Purpose, unlabelled_reason
from alliance.model.session import Turn

__all__ = ["label_turns"]


def label_turns(
    turns: Sequence[Turn],
    logits: Logits,
    truncated: Sequence[bool],
    *,
    rules: Rules,
    purpose: Purpose,
    first: int = 0,
) -> list[LabelledTurn]:
    """Label turns by their logits.

    Args:
        turns: the turns; who says them decides which codes they may carry.
        logits: of the codes, shape (turns, 21).
        truncated: whether each was too long to be read whole.
        rules: calibration and thresholds.
        purpose: whose thresholds decide.
        first: place of the first of them in its session, from 0.

    Returns:
        One for each turn. Turns without words and turns of other speakers carry no label and the
        reason.
    """
    roles = [turn.role for turn in turns]
    legal = legal_codes(roles)
    codes = code_probabilities(logits, roles)
    raw = label_probabilities(codes)
    calibrated = rules.calibration(raw)
    decided, abstained = rules.decision.rule(purpose)(calibrated)
    labelled = []
    for row, turn in enumerate(turns):
        reason = unlabelled_reason(turn)
        if reason is not None:
            labelled.append(
                LabelledTurn(first + row, turn, truncated=truncated[row], unlabelled_reason=reason)
            )
            continue
        place = int(decided[row])
        share = np.where((place == LABEL_OF_CODE) & legal[row], codes[row], -1.0)
        best = int(share.argmax())
        labelled.append(
            LabelledTurn(
                first + row,
                turn,
                label=LABELS[place],
                probabilities=_probabilities(calibrated[row]),
                marker=MARKER_ORDER[best],
                p_marker=_within(share[best], raw[row, place]) * float(calibrated[row, place]),
                abstained=bool(abstained[row]),
                truncated=truncated[row],
            )
        )
    return labelled


def _probabilities(row: Floats) -> Probabilities:
    alliance_positive, withdrawal, confrontation, neutral = (float(p) for p in row)
    return Probabilities(alliance_positive, withdrawal, confrontation, neutral)


def _within(part: float, whole: float) -> float:
    """A code's share of its label (0-1), also where both have underflowed to zero."""
    return float(min(1.0, part / whole)) if whole > 0 else 0.0
