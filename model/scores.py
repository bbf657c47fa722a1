"""What the network says of turns, before calibration and decision."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from alliance.model.backend import Features, Logits
from alliance.model.codebook import MARKER_ORDER
from alliance.model.packing import SessionPlan

__all__ = ["SessionScores", "chosen_rows", "joined", "pool_turns", "scores_of"]


@dataclass(frozen=True, slots=True)
class SessionScores:
    """What the network says of a session, before calibration and decision.

    Attributes:
        logits: one row per turn, shape (turns, 21), in the order of ``MARKER_ORDER``; in causal
            mode 0 for turns that get no label.
        truncated: one flag per turn, shape (turns,).
        input_tokens: tokens of the turns.
        encoded_tokens: tokens run through the encoder; its ratio to ``input_tokens`` is what
            overlapping windows cost.
    """

    logits: Logits
    truncated: tuple[bool, ...]
    input_tokens: int
    encoded_tokens: int


def chosen_rows(plan: SessionPlan, pooled: Sequence[Features]) -> Features:
    """A session's rows from those of its windows: each turn's from the window chosen for it.

    Args:
        plan: the session's windows.
        pooled: the rows of each window's turns, windows in order.

    Returns:
        Shape (turns, 21), or (turns, features); without turns always the former.
    """
    width = pooled[0].shape[1] if pooled else len(MARKER_ORDER)
    rows = np.zeros((len(plan.encoded), width), dtype=np.float32)
    for turn, number in enumerate(plan.chosen):
        rows[turn] = pooled[number][turn - plan.windows[number].first]
    return rows


def scores_of(plan: SessionPlan, logits: Logits) -> SessionScores:
    """A session's scores.

    Args:
        plan: the session's windows.
        logits: one row per turn, shape (turns, 21).
    """
    input_tokens = sum(len(turn.ids) for turn in plan.encoded)
    # Every window has an opening and a closing token of its own.
    encoded_tokens = sum(sum(plan.lengths(n)) + 2 for n in range(len(plan.windows)))
    return SessionScores(
        logits=logits,
        truncated=tuple(turn.truncated for turn in plan.encoded),
        input_tokens=input_tokens,
        encoded_tokens=encoded_tokens,
    )


def joined(rows: Sequence[SessionScores]) -> SessionScores:
    """The scores of turns that were scored one by one."""
    nothing = np.zeros((0, len(MARKER_ORDER)), dtype=np.float32)
    return SessionScores(
        logits=np.concatenate([nothing, *(row.logits for row in rows)]),
        truncated=tuple(flag for row in rows for flag in row.truncated),
        input_tokens=sum(row.input_tokens for row in rows),
        encoded_tokens=sum(row.encoded_tokens for row in rows),
    )


def pool_turns(logits: Features, lengths: Sequence[int]) -> Features:
    """A turn's row is the mean of its tokens' rows.

    Args:
        logits: of one window's tokens, opening and closing token included, shape (tokens, 21), or
            (tokens, features).
        lengths: tokens of each of the window's turns.

    Returns:
        Shape (turns, 21), or (turns, features).
    """
    starts = np.concatenate([[0], np.cumsum(lengths[:-1])]).astype(np.intp)
    sums = np.add.reduceat(logits[1:-1], starts, axis=0)
    return np.asarray(sums / np.asarray(lengths, dtype=np.float32)[:, np.newaxis])
