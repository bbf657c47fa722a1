"""The figures of one set of turns (a speaker's, or both): every statistic with its interval."""

from typing import Any, Final

import numpy as np

from alliance.model import agreement
from alliance.model.agreement import Bools, Floats, Ints
from alliance.model.codebook import LABELS
from alliance.model.estimates import Estimate, estimates
from alliance.training.evaluation.predictions import NONE, Predictions

__all__ = ["FEW", "block_figures", "named"]

FEW: Final = 20
"""A figure of a label with fewer gold turns than this is marked: it says next to nothing."""

_BINS: Final = 15


def block_figures(part: Predictions, *, resamples: int, seed: int) -> dict[str, Any]:
    """All figures of a block, as :func:`~alliance.training.evaluation.figures.figures` tells."""
    block = _Block(part)
    found = estimates(block, block.groups, resamples=resamples, seed=seed)
    support = np.bincount(part.gold, minlength=len(LABELS))
    predicted = np.bincount(part.predicted, minlength=len(LABELS))
    overall = {name: value for name, value in found.items() if "/" not in name}
    return {
        "turns": len(part),
        "sessions": block.groups,
        "labels": {
            label.value: {
                "support": int(support[place]),
                "predicted": int(predicted[place]),
                "few": bool(support[place] < FEW),
                **named(found, label.value),
            }
            for place, label in enumerate(LABELS)
        },
        **overall,
        "coders_turns": block.coders_turns,
        "majority": {"label": block.majority_label.value, **named(found, "majority")},
    }


def named(found: dict[str, Estimate], prefix: str) -> dict[str, Estimate]:
    """The estimates whose names begin with ``prefix/``, without it."""
    start = f"{prefix}/"
    return {
        name.removeprefix(start): value for name, value in found.items() if name.startswith(start)
    }


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
        self.truth = [part.gold == place for place in range(len(LABELS))]
        self.calibration = [
            self._calibration(truth, part.probabilities[:, place])
            for place, truth in enumerate(self.truth)
        ]
        self.sums = np.stack(
            [
                self._sum(part.abstained.astype(np.float64)),
                self._sum(agreement.squared_errors(part.gold, part.probabilities)),
                *(
                    self._sum(2 * (part.probabilities[:, place] - truth) ** 2)
                    for place, truth in enumerate(self.truth)
                ),
            ],
            axis=1,
        )

    def __call__(self, drawn: Floats) -> dict[str, Floats]:
        """Every statistic for each row of ``drawn``, shape (rows, sessions)."""
        counts = np.tensordot(drawn, self.counts, 1)
        coders = np.tensordot(drawn, self.coders, 1)
        first, second = (np.tensordot(drawn, matrix, 1) for matrix in self.against)
        majority = np.tensordot(drawn, self.majority, 1)
        abstained, squared, *squared_of_label = np.tensordot(drawn, self.sums, 1).T
        support = counts.sum(axis=-1)
        turns = support.sum(axis=-1)
        out = {
            "macro_f1": agreement.macro_f1(counts),
            "kappa": agreement.kappa(counts),
            "ac1": agreement.ac1(counts),
            "accuracy": agreement.accuracy(counts),
            "balanced_accuracy": agreement.balanced_accuracy(counts),
            "ece": self._ece(drawn, self.surest),
            "brier": _per_turn(squared, turns),
            "brier_skill": agreement.brier_skill(squared, support),
            "abstained": _per_turn(abstained, turns),
            "coders_macro_f1": agreement.macro_f1(coders),
            "coders_kappa": agreement.kappa(coders),
            "coders_ac1": agreement.ac1(coders),
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
            out[f"{label.value}/auprc"], out[f"{label.value}/auroc"] = agreement.ranking_areas(
                self.truth[place], self.part.probabilities[:, place], weights=weights
            )
            out[f"{label.value}/ece"] = self._ece(drawn, self.calibration[place])
            carried = np.stack([support[:, place], turns - support[:, place]], axis=1)
            out[f"{label.value}/brier_skill"] = agreement.brier_skill(
                squared_of_label[place], carried
            )
        return out

    def _confusions(self, rows: Ints, columns: Ints, chosen: Any = slice(None)) -> Floats:
        counts = agreement.confusion_by_group(
            rows[chosen], columns[chosen], self.index[chosen], groups=self.groups
        )
        return counts.astype(np.float64)

    def _calibration(self, correct: Bools, confidence: Floats) -> Floats:
        return agreement.calibration_sums(
            correct, confidence, self.index, groups=self.groups, bins=_BINS
        )

    def _ece(self, drawn: Floats, sums: Floats) -> Floats:
        return agreement.expected_calibration_error(np.tensordot(drawn, sums, 1))

    def _sum(self, values: Floats) -> Floats:
        total = np.bincount(self.index, weights=values, minlength=self.groups)
        return total.astype(np.float64)


def _per_turn(total: Floats, turns: Floats) -> Floats:
    out: Floats = np.full(total.shape, np.nan)
    np.divide(total, turns, out=out, where=turns > 0)
    return out
