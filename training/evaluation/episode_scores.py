"""Whether a model finds the rupture episodes that the coders' labels make.

Episodes are made from labels by the product's own rule
(:func:`alliance.model.episodes.group_ruptures`), from the codes and from the predictions alike. A
gold episode is *found* when a predicted one answers it, each answering one at most (as many
matches as possible; of equally many, those whose onsets lie nearest). What counts as an answer is
told by two rules, each with k = 1, 3 and 5:

``onset``
    the predicted episode begins at most k turns before or after the gold episode's onset;
``onset_or_overlap``
    it does, or the two share a turn between onset and last turn.

Turns are turns of the transcript. Where a transcript gives some turns no label, they count here
between two onsets, but not in the gap of the episode rule.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import numpy as np

from alliance.model.agreement import Floats, Ints
from alliance.model.arrays import ratio
from alliance.model.episode_matching import Span, match_episodes
from alliance.model.episodes import group_ruptures
from alliance.model.timeline import DEFAULT_CONFIG
from alliance.training.evaluation.predictions import Predictions
from alliance.training.evaluation.session_turns import (
    SPEAKERS,
    Pair,
    SessionTurns,
    beside_coders,
    by_session,
    is_rupture,
)

__all__ = ["NEAR_TURNS", "RULES", "episode_figures", "spans"]

NEAR_TURNS: Final = (1, 3, 5)
"""How far a predicted onset may lie from the gold one, in turns."""

RULES: Final = {"onset": False, "onset_or_overlap": True}
"""Name of each rule, and whether an overlap is an answer too."""


def spans(
    session: SessionTurns,
    labels: Ints,
    *,
    role: int | None = None,
    gap_turns: int = DEFAULT_CONFIG.gap_turns,
) -> list[Span]:
    """The episodes that a labelling makes of a session, in order.

    Args:
        session: the session.
        labels: one per scored turn, -1 for none.
        role: count only rupture turns of this role (a place in ``ROLES``); the other's turns
            still count in the gap.
        gap_turns: of the episode rule.
    """
    ruptures = is_rupture(labels) & session.said_by(role)
    return [
        Span(int(session.turn[group[0]]), int(session.turn[group[-1]]))
        for group in group_ruptures(ruptures.tolist(), gap_turns=gap_turns)
    ]


class _Scores:
    """Episode scores of a pair of labellings as a function of how often a session is drawn."""

    def __init__(self, pairs: Sequence[Pair], role: int | None, gap_turns: int) -> None:
        self.counts = np.zeros((len(pairs), 2))
        self.matched = {rule: np.zeros((len(pairs), len(NEAR_TURNS))) for rule in RULES}
        errors: dict[tuple[str, int], list[tuple[int, int]]] = {
            (rule, near): [] for rule in RULES for near in NEAR_TURNS
        }
        for place, pair in enumerate(pairs):
            gold, found = (
                spans(pair.session, labels, role=role, gap_turns=gap_turns)
                for labels in (pair.first, pair.second)
            )
            self.counts[place] = len(gold), len(found)
            for rule, overlap in RULES.items():
                for column, near in enumerate(NEAR_TURNS):
                    matches = match_episodes(gold, found, near=near, overlap=overlap)
                    self.matched[rule][place, column] = len(matches)
                    errors[rule, near] += [
                        (place, found[b].onset - gold[a].onset) for a, b in matches
                    ]
        self.errors = {
            key: np.array(sorted(values, key=lambda item: abs(item[1])), dtype=np.int64).reshape(
                -1, 2
            )
            for key, values in errors.items()
        }

    @property
    def totals(self) -> dict[str, int]:
        gold, found = self.counts.sum(axis=0)
        return {"gold": int(gold), "found": int(found)}

    def __call__(self, drawn: Floats) -> dict[str, Floats]:
        gold, found = (drawn @ self.counts).T
        out: dict[str, Floats] = {}
        for rule in RULES:
            matched = drawn @ self.matched[rule]
            for column, near in enumerate(NEAR_TURNS):
                hits = matched[:, column]
                start = f"{rule}/{near}"
                out[f"{start}/precision"] = ratio(hits, found)
                out[f"{start}/recall"] = ratio(hits, gold)
                out[f"{start}/f1"] = ratio(2 * hits, gold + found)
                where, error = self.errors[rule, near].T
                weights = drawn[:, where]
                out[f"{start}/onset_error_median"] = _median(np.abs(error), weights)
                out[f"{start}/onset_error_mean"] = ratio(weights @ np.abs(error), hits)
                out[f"{start}/onset_lag_mean"] = ratio(weights @ error, hits)
        return out


def episode_figures(
    predictions: Predictions,
    *,
    gap_turns: int = DEFAULT_CONFIG.gap_turns,
    resamples: int = 2000,
    seed: int = 0,
) -> dict[str, Any]:
    """Episode scores for client, therapist and both, beside the coders', ready for JSON.

    Args:
        predictions: what was predicted, beside the codes; abstained turns are no rupture turns.
        gap_turns: of the episode rule.
        resamples: how many times the sessions are drawn anew.
        seed: the same seed gives the same intervals.

    Returns:
        For each of ``speakers`` the blocks of
        :func:`~alliance.training.evaluation.session_turns.beside_coders`. A block holds the number
        of episodes (``gold`` and ``found``) and, for each rule and k, estimates of ``precision``,
        ``recall``, ``f1``, ``onset_error_median`` and ``onset_error_mean`` (of the absolute
        error of the matched episodes, in turns), and ``onset_lag_mean`` (above 0: found too
        late).
    """
    sessions = by_session(predictions)
    return {
        "gap_turns": gap_turns,
        "near_turns": list(NEAR_TURNS),
        "speakers": {
            name: beside_coders(
                partial(_Scores, role=role, gap_turns=gap_turns),
                sessions,
                resamples=resamples,
                seed=seed,
            )
            for name, role in SPEAKERS.items()
        },
    }


def _median(values: Ints, weights: Floats) -> Floats:
    """The median of sorted values that count ``weights`` times, one row per resample."""
    if not len(values):
        return np.full(len(weights), np.nan)
    counted = np.cumsum(weights, axis=1)
    half = counted[:, -1:] / 2
    lower = (counted >= half).argmax(axis=1)
    upper = np.minimum((counted > half).argmax(axis=1), len(values) - 1)
    middle = (values[lower] + values[upper]) / 2
    return np.where(half[:, 0] > 0, middle, np.nan)
