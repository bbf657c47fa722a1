"""Figures of a model on coded sessions, each with an interval over whole sessions.

The figures are for the client's turns, the therapist's and both pooled, in this order. Abstained
turns keep their label and count with it. What a model is measured against is itself uncertain, so
the two coders' agreement on the same turns, and the model's with each of them, stand beside it.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from alliance.model import agreement
from alliance.model.agreement import Floats, Interval, Ints
from alliance.model.codebook import CODEBOOK_VERSION, LABELS, MARKER_ORDER
from alliance.training.predictions import (
    NONE,
    ROLES,
    Classifier,
    Predictions,
    collect,
    concatenate,
)

__all__ = [
    "FEW",
    "Classifier",
    "Predictions",
    "collect",
    "comparison",
    "concatenate",
    "figures",
]

FEW: Final = 20
"""A figure of a label with fewer gold turns than this is marked: it says next to nothing."""

LEVEL: Final = 0.95

_BINS: Final = 15


def figures(predictions: Predictions, *, resamples: int = 2000, seed: int = 0) -> dict[str, Any]:
    """All figures, ready for JSON.

    Every estimate is ``{"value", "low", "high"}``: the figure on all turns, and its 95% interval
    (:func:`alliance.model.agreement.bootstrap`); null where it is undefined.

    Args:
        predictions: what was predicted, beside the codes.
        resamples: how many times the sessions are drawn anew.
        seed: the same seed gives the same intervals.

    Returns:
        ``speakers`` holds one block for ``client``, ``therapist`` and ``pooled``. In a block,
        ``labels`` gives for each label ``support`` (gold turns), ``predicted`` (turns),
        ``few`` (support below :data:`FEW`), ``precision``, ``recall``, ``f1``, ``auprc``, ``ece``
        (of its probability), ``coders_f1`` (of coder B's against coder A's labels) and
        ``f1_against_coders`` (mean of the model's F1 against A and against B). The rest concerns
        all labels: ``macro_f1``, ``kappa``, ``accuracy``, ``ece`` (of the largest probability),
        ``brier``, ``abstained`` (share of turns), ``coders_macro_f1``, ``coders_kappa`` and
        ``macro_f1_against_coders`` on the turns that both coded (``coders_turns``), and
        ``majority``: the figures of a model that always gives the commonest label.
        ``markers`` holds precision, recall and F1 of the codes with :data:`FEW` turns or more.
    """
    blocks = {role.value: predictions.said_by(role) for role in ROLES}
    return {
        "format": 1,
        "model": predictions.model,
        "codebook": CODEBOOK_VERSION,
        "sessions": len(predictions.session_ids),
        "turns": len(predictions),
        "no_words": predictions.no_words,
        "resamples": resamples,
        "seed": seed,
        "level": LEVEL,
        "speakers": {
            name: _block(part, resamples=resamples, seed=seed)
            for name, part in {**blocks, "pooled": predictions}.items()
        },
        "markers": _markers(predictions, resamples=resamples, seed=seed),
    }


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
            speakers[name][statistic.__name__] = _estimate(difference.estimate, difference.interval)
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


class _Block:
    """The statistics of a set of turns as one function of how often each session is drawn."""

    def __init__(self, part: Predictions) -> None:
        sessions, index = np.unique(part.session, return_inverse=True)
        self.part = part
        self.groups = len(sessions)
        self.index = index.astype(np.int64)
        self.counts = self._confusions(part.gold, part.predicted)
        both = (part.coder_a != NONE) & (part.coder_b != NONE)
        self.coders_turns = int(both.sum())
        self.coders = self._confusions(part.coder_a, part.coder_b, both)
        self.against = [
            self._confusions(coder, part.predicted, both) for coder in (part.coder_a, part.coder_b)
        ]
        commonest = int(np.bincount(part.gold, minlength=len(LABELS)).argmax())
        self.majority_label = LABELS[commonest]
        self.majority = self._confusions(part.gold, np.full_like(part.gold, commonest))
        surest = part.probabilities.argmax(axis=1)
        self.surest = self._calibration(
            part.gold == surest, part.probabilities.max(axis=1, initial=0.0)
        )
        self.calibration = [
            self._calibration(part.gold == place, part.probabilities[:, place])
            for place in range(len(LABELS))
        ]
        self.sums = np.stack(
            [
                self._sum(np.ones(len(part))),
                self._sum(agreement.squared_errors(part.gold, part.probabilities)),
                self._sum(part.abstained.astype(np.float64)),
            ],
            axis=1,
        )

    def __call__(self, drawn: Floats) -> dict[str, Floats]:
        """Every statistic for each row of ``drawn``, shape (rows, sessions)."""
        counts = np.tensordot(drawn, self.counts, 1)
        coders = np.tensordot(drawn, self.coders, 1)
        first, second = (np.tensordot(drawn, matrix, 1) for matrix in self.against)
        majority = np.tensordot(drawn, self.majority, 1)
        turns, squared, abstained = np.tensordot(drawn, self.sums, 1).T
        out = {
            "macro_f1": agreement.macro_f1(counts),
            "kappa": agreement.kappa(counts),
            "accuracy": agreement.accuracy(counts),
            "ece": self._ece(drawn, self.surest),
            "brier": _per_turn(squared, turns),
            "abstained": _per_turn(abstained, turns),
            "coders_macro_f1": agreement.macro_f1(coders),
            "coders_kappa": agreement.kappa(coders),
            "macro_f1_against_coders": (agreement.macro_f1(first) + agreement.macro_f1(second)) / 2,
            "majority/macro_f1": agreement.macro_f1(majority),
            "majority/accuracy": agreement.accuracy(majority),
        }
        weights = drawn[:, self.index]
        by_label = {
            "precision": agreement.precision(counts),
            "recall": agreement.recall(counts),
            "f1": agreement.f1(counts),
            "coders_f1": agreement.f1(coders),
            "f1_against_coders": (agreement.f1(first) + agreement.f1(second)) / 2,
        }
        for place, label in enumerate(LABELS):
            for name, values in by_label.items():
                out[f"{label.value}/{name}"] = values[:, place]
            out[f"{label.value}/auprc"] = agreement.average_precision(
                self.part.gold == place, self.part.probabilities[:, place], weights=weights
            )
            out[f"{label.value}/ece"] = self._ece(drawn, self.calibration[place])
        return out

    def _confusions(self, rows: Ints, columns: Ints, chosen: Any = slice(None)) -> Floats:
        counts = agreement.confusion_by_group(
            rows[chosen], columns[chosen], self.index[chosen], groups=self.groups
        )
        return counts.astype(np.float64)

    def _calibration(self, correct: Any, confidence: Floats) -> Floats:
        return agreement.calibration_sums(
            correct, confidence, self.index, groups=self.groups, bins=_BINS
        )

    def _ece(self, drawn: Floats, sums: Floats) -> Floats:
        return agreement.expected_calibration_error(np.tensordot(drawn, sums, 1))

    def _sum(self, values: Floats) -> Floats:
        total = np.bincount(self.index, weights=values, minlength=self.groups)
        return total.astype(np.float64)


def _block(part: Predictions, *, resamples: int, seed: int) -> dict[str, Any]:
    block = _Block(part)
    estimates = _estimates(block, block.groups, resamples=resamples, seed=seed)
    support = np.bincount(part.gold, minlength=len(LABELS))
    predicted = np.bincount(part.predicted, minlength=len(LABELS))
    overall = {name: value for name, value in estimates.items() if "/" not in name}
    return {
        "turns": len(part),
        "sessions": block.groups,
        "labels": {
            label.value: {
                "support": int(support[place]),
                "predicted": int(predicted[place]),
                "few": bool(support[place] < FEW),
                **_within(estimates, label.value),
            }
            for place, label in enumerate(LABELS)
        },
        **overall,
        "coders_turns": block.coders_turns,
        "majority": {"label": block.majority_label.value, **_within(estimates, "majority")},
    }


def _estimates(
    statistic: Any, groups: int, *, resamples: int, seed: int
) -> dict[str, dict[str, float | None]]:
    point = statistic(np.ones((1, groups)))
    intervals = agreement.bootstrap(
        lambda drawn: np.stack(list(statistic(drawn).values()), axis=1),
        groups,
        resamples=resamples,
        seed=seed,
    )
    if not groups:
        intervals = intervals * len(point)
    return {
        name: _estimate(float(value[0]), interval)
        for (name, value), interval in zip(point.items(), intervals, strict=True)
    }


def _markers(part: Predictions, *, resamples: int, seed: int) -> dict[str, Any]:
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
    estimates = _estimates(statistic, len(sessions), resamples=resamples, seed=seed)
    return {
        MARKER_ORDER[place].value: {
            "support": int(support[place]),
            **_within(estimates, MARKER_ORDER[place].value),
        }
        for place in frequent
    }


def _within(estimates: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    start = f"{prefix}/"
    return {
        name.removeprefix(start): value
        for name, value in estimates.items()
        if name.startswith(start)
    }


def _per_turn(total: Floats, turns: Floats) -> Floats:
    out: Floats = np.full(total.shape, np.nan)
    np.divide(total, turns, out=out, where=turns > 0)
    return out


def _estimate(value: float, interval: Interval) -> dict[str, float | None]:
    return {"value": _json(value), "low": _json(interval.low), "high": _json(interval.high)}


def _json(value: float) -> float | None:
    # Rounded so that the same figures give the same file on every machine.
    return None if np.isnan(value) else round(float(value), 6)
