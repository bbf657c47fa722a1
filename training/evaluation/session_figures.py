"""Figures of a model about whole sessions: episodes, counts, segments, outside criteria."""

from collections.abc import Mapping, Sequence
from typing import Any

from alliance.model.timeline import DEFAULT_CONFIG
from alliance.training.corpora import CodedSession
from alliance.training.evaluation.episode_scores import episode_figures
from alliance.training.evaluation.outside import quality_figures, rating_figures
from alliance.training.evaluation.predictions import Predictions
from alliance.training.evaluation.ratings import Ratings
from alliance.training.evaluation.segment_scores import SEGMENT_TURNS, segment_figures
from alliance.training.evaluation.session_counts import count_figures

__all__ = ["session_figures"]


def session_figures(
    predictions: Predictions,
    *,
    sessions: Sequence[CodedSession] | None = None,
    quality: Mapping[str, str] | None = None,
    ratings: Ratings | None = None,
    rivals: Mapping[str, Predictions] | None = None,
    gap_turns: int = DEFAULT_CONFIG.gap_turns,
    segment_turns: int = SEGMENT_TURNS,
    resamples: int = 2000,
    seed: int = 0,
) -> dict[str, Any]:
    """All figures about whole sessions, ready for JSON.

    Every estimate is ``{"value", "low", "high"}``, as in
    :func:`~alliance.training.evaluation.figures.figures`. An abstained turn is no rupture turn
    here, by the product's own rule, while figures about turns count it with its label.

    Args:
        predictions: what was predicted, beside the codes.
        sessions: the transcripts, for the times of turns.
        quality: ``high`` or ``low`` by session id
            (:func:`alliance.training.corpora.annomi_quality`).
        ratings: of turns (:func:`alliance.training.evaluation.ratings.read_ratings`).
        rivals: further predictions on the same sessions, by name, for the outside criteria.
        gap_turns: of the episode rule.
        segment_turns: length of a segment, where times are not known.
        resamples: how many times the sessions are drawn anew.
        seed: the same seed gives the same intervals.

    Returns:
        ``episodes``, ``counts``, ``segments``, and, where they are known, ``quality`` and
        ``ratings``: what :func:`~alliance.training.evaluation.episode_scores.episode_figures`,
        :func:`~alliance.training.evaluation.session_counts.count_figures`,
        :func:`~alliance.training.evaluation.segment_scores.segment_figures`,
        :func:`~alliance.training.evaluation.outside.quality_figures` and
        :func:`~alliance.training.evaluation.outside.rating_figures` return.
    """
    draw: dict[str, Any] = {"resamples": resamples, "seed": seed}
    report = {
        "model": predictions.model,
        **draw,
        "episodes": episode_figures(predictions, gap_turns=gap_turns, **draw),
        "counts": count_figures(predictions, gap_turns=gap_turns, **draw),
        "segments": segment_figures(
            predictions, sessions=sessions, segment_turns=segment_turns, **draw
        ),
    }
    if quality:
        report["quality"] = quality_figures(predictions, quality, rivals=rivals, **draw)
    if ratings:
        report["ratings"] = rating_figures(predictions, ratings, rivals=rivals, **draw)
    return report
