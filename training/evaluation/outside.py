"""Outside criteria: whether predicted ruptures go with what others made of the session.

Two facts that no coder of ours supplied: AnnoMI's own experts rated each session's quality high or
low, and the help seekers of FailedESConv rated the talk as it went. A score of a unit (a session;
a stretch of turns) is held against the two-valued outcome by the area under the ROC curve. A model
can reach no more than the codes do, so each score's paired difference from the settled codes
stands beside it; and trivial rivals stand beside both, since with so few poor sessions almost
anything that goes along with them looks good.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from alliance.model.agreement import Bools, Floats, Ints, auroc
from alliance.model.estimates import estimates
from alliance.training.evaluation.predictions import NONE, Predictions
from alliance.training.evaluation.ratings import Ratings
from alliance.training.evaluation.session_turns import (
    POSITIVE,
    SPEAKERS,
    SessionTurns,
    by_session,
    is_rupture,
)

__all__ = [
    "BAD_RATING",
    "REFERENCE",
    "RIVAL",
    "RIVAL_P",
    "WINDOW_TURNS",
    "criterion",
    "quality_figures",
    "rating_figures",
]

REFERENCE: Final = "settled"
"""Name of the score that the others are held against: rupture share by the settled codes."""

WINDOW_TURNS: Final = 5
"""A rating is held against so many turns: those up to and including the rated one."""

RIVAL: Final = "rival "
RIVAL_P: Final = ", p"
"""A rival's scores are named ``rival NAME`` and, from its probabilities, ``rival NAME, p``."""

BAD_RATING: Final = 2
"""A rating (1-5) up to this counts as a bad one."""


def criterion(
    scores: Mapping[str, Floats],
    outcome: Bools,
    groups: Sequence[Any] | Ints,
    *,
    reference: str | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> dict[str, Any]:
    """How well scores of units tell a two-valued outcome, each with an interval over groups.

    Args:
        scores: for each name one number per unit, higher where the outcome is expected; nan where
            a unit has none. A score that no unit has is left out; a unit that lacks one of the
            other scores is left out of all, so that all are compared on the same units.
        outcome: which units have the outcome.
        groups: which session each unit belongs to; sessions are what is drawn anew.
        reference: name of the score that the others are compared with.
        resamples: how many times.
        seed: the same seed gives the same intervals.

    Returns:
        The numbers of ``units``, ``positive`` (units with the outcome), ``groups`` and
        ``left_out`` (units). ``scores``: for each name ``auc`` (how often a unit with the outcome
        outscores one without, ties half) and, for all but the reference, ``difference``: its AUC
        minus the reference's on the same units and resamples.

    Raises:
        ValueError: if scores, outcomes and groups differ in number.
    """
    for name, values in scores.items():
        if not len(values) == len(outcome) == len(groups):
            raise ValueError(
                f"expected a score, an outcome and a group for each unit, found {len(values)} "
                f"({name}), {len(outcome)} and {len(groups)}"
            )
    known = {name: values for name, values in scores.items() if not np.isnan(values).all()}
    kept = np.ones(len(outcome), dtype=np.bool_)
    for values in known.values():
        kept &= ~np.isnan(values)
    names, index = np.unique(np.asarray(groups)[kept], return_inverse=True)
    truth = outcome[kept]

    def statistic(drawn: Floats) -> dict[str, Floats]:
        weights = drawn[:, index]
        areas = {
            name: auroc(truth, values[kept], weights=weights) for name, values in known.items()
        }
        out = {f"{name}/auc": area for name, area in areas.items()}
        if reference in areas:
            out.update(
                (f"{name}/difference", area - areas[reference])
                for name, area in areas.items()
                if name != reference
            )
        return out

    found = estimates(statistic, len(names), resamples=resamples, seed=seed) if known else {}
    return {
        "units": int(kept.sum()),
        "positive": int(truth.sum()),
        "groups": len(names),
        "left_out": int((~kept).sum()),
        "scores": {
            name: {
                what: found[f"{name}/{what}"]
                for what in ("auc", "difference")
                if f"{name}/{what}" in found
            }
            for name in known
        },
    }


def quality_figures(
    predictions: Predictions,
    quality: Mapping[str, str],
    *,
    rivals: Mapping[str, Predictions] | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> dict[str, Any]:
    """Predicted ruptures against the experts' rating of the session, ready for JSON.

    Args:
        predictions: what was predicted, for sessions that the model was not trained on.
        quality: ``high`` or ``low`` for each session's id; other sessions are left out.
        rivals: further predictions on the same sessions, by name.
        resamples: how many times the sessions are drawn anew.
        seed: the same seed gives the same intervals.

    Raises:
        ValueError: if a rival lacks a session.

    Returns:
        For each of ``speakers`` a block of :func:`criterion`; the outcome is low quality. The
        scores, of the speaker's turns: share of rupture turns as decided (``model``), mean of
        p_withdrawal + p_confrontation (``model_p``), the share by the codes (``settled``,
        ``coder_a``, ``coder_b``), the share of positive turns, negated, as decided and by the
        codes (``fewer_positive``, ``fewer_positive_settled``), the number of turns, negated
        (``shorter``), and for each rival ``rival NAME`` and ``rival NAME, p``.
    """
    sessions = [one for one in by_session(predictions) if one.id in quality]
    outcome = np.array([quality[one.id] == "low" for one in sessions], dtype=np.bool_)
    others = {
        name: [turns[one.id] for one in sessions]
        for name, turns in _same_sessions(sessions, rivals).items()
    }
    return {
        "outcome": "low quality by AnnoMI's experts",
        "reference": REFERENCE,
        "speakers": {
            name: criterion(
                _scores(sessions, others, role=role, length=True),
                outcome,
                [one.id for one in sessions],
                reference=REFERENCE,
                resamples=resamples,
                seed=seed,
            )
            for name, role in SPEAKERS.items()
        },
    }


def rating_figures(
    predictions: Predictions,
    ratings: Ratings,
    *,
    rivals: Mapping[str, Predictions] | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> dict[str, Any]:
    """Predicted ruptures in the turns before a rating against the rating, ready for JSON.

    A unit is the :data:`WINDOW_TURNS` turns of the transcript up to and including a rated one
    (fewer at the session's start), the outcome a rating of 1 to :data:`BAD_RATING`.

    Args:
        predictions: what was predicted.
        ratings: of the sessions' turns; ratings of other sessions are not used.
        rivals: further predictions on the same sessions, by name.
        resamples: how many times the sessions are drawn anew.
        seed: the same seed gives the same intervals.

    Raises:
        ValueError: if a rival lacks a session.

    Returns:
        As :func:`quality_figures`, without ``shorter``.
    """
    whole = {one.id: one for one in by_session(predictions)}
    rated = [key for key in ratings if key[0] in whole]

    def windows(of: Mapping[str, SessionTurns]) -> list[SessionTurns]:
        return [
            of[name].where((of[name].turn <= turn) & (of[name].turn > turn - WINDOW_TURNS))
            for name, turn in rated
        ]

    others = {
        name: windows(turns) for name, turns in _same_sessions(list(whole.values()), rivals).items()
    }
    outcome = np.array([ratings[key] <= BAD_RATING for key in rated], dtype=np.bool_)
    units = windows(whole)
    return {
        "outcome": f"a rating of 1-{BAD_RATING} by the help seeker",
        "reference": REFERENCE,
        "window_turns": WINDOW_TURNS,
        "speakers": {
            name: criterion(
                _scores(units, others, role=role, length=False),
                outcome,
                [key[0] for key in rated],
                reference=REFERENCE,
                resamples=resamples,
                seed=seed,
            )
            for name, role in SPEAKERS.items()
        },
    }


def _same_sessions(
    sessions: Sequence[SessionTurns], rivals: Mapping[str, Predictions] | None
) -> dict[str, dict[str, SessionTurns]]:
    """The rivals' turns by rival and session id."""
    out = {}
    for name, rival in (rivals or {}).items():
        out[name] = {one.id: one for one in by_session(rival)}
        missing = [one.id for one in sessions if one.id not in out[name]]
        if missing:
            raise ValueError(f"the rival {name!r} has no predictions on session {missing[0]}")
    return out


def _scores(
    units: Sequence[SessionTurns],
    rivals: Mapping[str, Sequence[SessionTurns]],
    *,
    role: int | None,
    length: bool,
) -> dict[str, Floats]:
    """The scores of :func:`quality_figures`, one number per unit."""

    def mean(of: Sequence[SessionTurns], values: Sequence[Any], sign: float = 1.0) -> Floats:
        chosen = [value[one.said_by(role)] for one, value in zip(of, values, strict=True)]
        return np.array(
            [sign * float(value.mean()) if len(value) else np.nan for value in chosen],
            dtype=np.float64,
        )

    def coder(labels: Sequence[Ints]) -> Floats:
        # A unit counts for a coder if all its turns were coded.
        whole = [bool((value != NONE).all()) for value in labels]
        return np.where(whole, mean(units, [is_rupture(value) for value in labels]), np.nan)

    scores = {
        "model": mean(units, [is_rupture(one.model) for one in units]),
        "model_p": mean(units, [one.p_rupture for one in units]),
        "settled": mean(units, [is_rupture(one.settled) for one in units]),
        "coder_a": coder([one.coder_a for one in units]),
        "coder_b": coder([one.coder_b for one in units]),
        "fewer_positive": mean(units, [one.model == POSITIVE for one in units], -1.0),
        "fewer_positive_settled": mean(units, [one.settled == POSITIVE for one in units], -1.0),
    }
    if length:
        counts = [int(one.said_by(role).sum()) for one in units]
        scores["shorter"] = np.array([-n if n else np.nan for n in counts], dtype=np.float64)
    for name, of in rivals.items():
        scores[f"{RIVAL}{name}"] = mean(of, [is_rupture(one.model) for one in of])
        scores[f"{RIVAL}{name}{RIVAL_P}"] = mean(of, [one.p_rupture for one in of])
    return scores
