"""Figures by groups of sessions: good and poor ones, settings, styles of transcript."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np

from alliance.model import agreement
from alliance.model.agreement import Floats
from alliance.model.codebook import LABELS
from alliance.model.estimates import estimates
from alliance.training.corpora import CodedSession
from alliance.training.evaluation.block import FEW, named
from alliance.training.evaluation.predictions import ROLES, Predictions

__all__ = ["OTHERS", "Groups", "group_figures", "session_groups"]

Groups = Mapping[str, Mapping[str, str]]
"""From the name of a fact (``quality``) to each session's value of it (``high``), by session id."""

OTHERS: Final = "(others)"
"""The group of sessions whose value of a fact too few share."""

_LEAST: Final = 8
_SERIES: Final = re.compile(r"[A-Za-z]+(?=[-_]?\d)")


def session_groups(sessions: Iterable[CodedSession], *, least: int = _LEAST) -> Groups:
    """What can be told apart by the facts of the sessions, and by the series of their ids.

    Args:
        sessions: the coded sessions.
        least: values that fewer sessions share go to :data:`OTHERS`.

    Returns:
        Each fact with two such values or more; ``series`` is the letters before an id's number.
    """
    values: dict[str, dict[str, str]] = {}
    for coded in sessions:
        series = _SERIES.match(coded.id)
        facts = {**coded.facts, **({"series": series[0]} if series else {})}
        for name, value in facts.items():
            values.setdefault(name, {})[coded.id] = value
    groups = {}
    for name, of_session in values.items():
        counts = Counter(of_session.values())
        common = {value for value, count in counts.items() if count >= least}
        if len(common) > 1:
            groups[name] = {
                session: value if value in common else OTHERS
                for session, value in of_session.items()
            }
    return groups


def group_figures(
    predictions: Predictions, groups: Groups, *, resamples: int = 2000, seed: int = 0
) -> dict[str, Any]:
    """The main figures for each group of sessions, ready for JSON.

    Args:
        predictions: what was predicted, beside the codes.
        groups: facts and their values by session id; sessions without a value are left out of
            that fact's figures.
        resamples: how many times a group's sessions are drawn anew.
        seed: the same seed gives the same intervals.

    Returns:
        Fact → value → speaker (``client``, ``therapist``, ``pooled``) → ``turns``, ``sessions``,
        ``macro_f1``, ``kappa``, ``ac1`` and ``labels``: of each ``support``, ``few``, ``f1`` and
        ``coders_f1``. Macro-F1 is over the labels that occur in the group.
    """
    out: dict[str, Any] = {}
    for fact, of_session in groups.items():
        value_of = np.array([of_session.get(name, "") for name in predictions.session_ids] or [""])
        out[fact] = {}
        for value in sorted(set(of_session.values()), key=lambda name: (name == OTHERS, name)):
            chosen = (value_of == value)[predictions.session]
            part = predictions.where(chosen)
            if not len(part):
                continue
            speakers = {role.value: part.said_by(role) for role in ROLES}
            out[fact][value] = {
                name: _figures(of, resamples=resamples, seed=seed)
                for name, of in {**speakers, "pooled": part}.items()
            }
    return {fact: values for fact, values in out.items() if values}


def _figures(part: Predictions, *, resamples: int, seed: int) -> dict[str, Any]:
    sessions, place_of = np.unique(part.session, return_inverse=True)
    index = place_of.astype(np.int64)
    groups = len(sessions)
    counts = agreement.confusion_by_group(part.gold, part.predicted, index, groups=groups)
    both = (part.coder_a >= 0) & (part.coder_b >= 0)
    coders = agreement.confusion_by_group(
        part.coder_a[both], part.coder_b[both], index[both], groups=groups
    )

    def statistic(drawn: Floats) -> dict[str, Floats]:
        model = np.tensordot(drawn, counts, 1)
        f1, coders_f1 = agreement.f1(model), agreement.f1(np.tensordot(drawn, coders, 1))
        out = {
            "macro_f1": agreement.macro_f1(model),
            "kappa": agreement.kappa(model),
            "ac1": agreement.ac1(model),
        }
        for place, label in enumerate(LABELS):
            out[f"{label.value}/f1"] = f1[:, place]
            out[f"{label.value}/coders_f1"] = coders_f1[:, place]
        return out

    found = estimates(statistic, groups, resamples=resamples, seed=seed)
    support = np.bincount(part.gold, minlength=len(LABELS))
    return {
        "turns": len(part),
        "sessions": groups,
        **{name: value for name, value in found.items() if "/" not in name},
        "labels": {
            label.value: {
                "support": int(support[place]),
                "few": bool(support[place] < FEW),
                **named(found, label.value),
            }
            for place, label in enumerate(LABELS)
        },
    }
