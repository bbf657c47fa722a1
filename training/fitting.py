"""Fits calibration and decision thresholds to turns that the model was not trained on."""

from collections.abc import Iterator
from itertools import product
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, logit

from alliance.model.calibration import Calibration, Floats, by_label
from alliance.model.codebook import LABELS, Label
from alliance.model.decision import DecisionPolicy, DecisionRule
from alliance.model.labelled import Purpose

Places = NDArray[np.int64]
"""Places of labels in ``LABELS``, one per turn."""

ABSTAIN_SHARES: Final = {
    Purpose.SCREENING: 0.0,
    Purpose.RESEARCH: 0.2,
    Purpose.TEACHING: 0.4,
}
"""Share (0-1) of the decisions for a label, the least certain, on which the model abstains; of
those for a rupture it is half as much."""

SCREENING_PRECISION: Final = 0.25
"""Screening takes all the recall of ruptures to be had at this precision or above."""

TEACHING_RECALL: Final = 0.3
"""Teaching takes all the precision of ruptures to be had at this recall or above."""

RUPTURE_TRUST: Final = 0.73
"""Share (0-1) of a rupture's probability that is expected to hold good; chosen on dev folds."""

# Ridge on all that is fitted: a label with a dozen instances must not be moved by chance alone.
_RIDGE: Final = 1e-3
_RUPTURES: Final = [place for place, label in enumerate(LABELS) if label.is_rupture]
_GRID: Final = np.exp(np.linspace(np.log(1 / 12), np.log(12), 41))


def fit(probabilities: Floats, gold: Places) -> tuple[Calibration, DecisionPolicy]:
    """Calibration and thresholds from what a model says of turns it was not trained on.

    Args:
        probabilities: uncalibrated, shape (turns, 4).
        gold: places of the settled labels in ``LABELS``, shape (turns,).
    """
    calibration = fit_calibration(probabilities, gold)
    return calibration, fit_decision(calibration(probabilities), gold)


def fit_calibration(probabilities: Floats, gold: Places) -> Calibration:
    """Temperature, biases and trust that minimise the log loss at the prevalence of these turns.

    Trust is fitted for the two ruptures alone, from ``RUPTURE_TRUST`` as what is expected: a
    development fold holds too few of their surest turns to say it by itself.

    Args:
        probabilities: uncalibrated, shape (turns, 4).
        gold: places of the settled labels in ``LABELS``, shape (turns,).
    """
    rows = np.arange(len(gold))
    labels = len(LABELS)
    counts = np.bincount(gold, minlength=labels) + 1.0  # what does not occur here may elsewhere
    prevalence = counts / counts.sum()

    def calibration(parameters: Floats) -> Calibration:
        bias = parameters[1 : 1 + labels]
        trust = np.ones(labels)
        trust[_RUPTURES] = expit(logit(RUPTURE_TRUST) + parameters[1 + labels :])
        return Calibration(
            temperature=float(np.exp(parameters[0])),
            bias=by_label(bias - bias.mean()),  # only differences of biases matter
            trust=by_label(trust),
            prevalence=by_label(prevalence),
        )

    def loss(parameters: Floats) -> float:
        likely = calibration(parameters)(probabilities)[rows, gold]
        return float(-np.log(likely).mean() + _RIDGE * (parameters**2).sum())

    start = np.zeros(1 + labels + len(_RUPTURES))
    return calibration(minimize(loss, start, method="L-BFGS-B").x)


def fit_decision(probabilities: Floats, gold: Places) -> DecisionPolicy:
    """Thresholds for each purpose.

    *Research* maximises the expected macro-F1. *Screening* starts from it and raises both
    ruptures' weight as far as the precision of "rupture or not" stays at
    ``SCREENING_PRECISION``; *teaching* lowers it as far as the recall stays at
    ``TEACHING_RECALL``.

    Args:
        probabilities: calibrated, shape (turns, 4).
        gold: places of the settled labels, shape (turns,).
    """
    research = research_weights(probabilities)
    weights = {
        Purpose.RESEARCH: research,
        Purpose.SCREENING: _shifted(probabilities, gold, research, Purpose.SCREENING),
        Purpose.TEACHING: _shifted(probabilities, gold, research, Purpose.TEACHING),
    }
    rules = {}
    for purpose in Purpose:
        rule = DecisionRule(weights=_named(weights[purpose]))
        decided, score = rule.scores(probabilities)
        least = [
            _quantile(
                score[decided == place],
                ABSTAIN_SHARES[purpose] * (0.5 if label.is_rupture else 1.0),
            )
            for place, label in enumerate(LABELS)
        ]
        rules[purpose] = DecisionRule(weights=rule.weights, abstain_below=_named(np.array(least)))
    return DecisionPolicy(rules)


def research_weights(probabilities: Floats) -> Floats:
    """Weights of the four labels (neutral 1) that maximise the macro-F1 to be expected.

    Takes the calibrated probabilities at their word: a label's expected F1 is twice the summed
    probability of the turns decided for it, over their number plus the label's summed probability
    (plug-in rule, e.g. Ye et al. 2012, "Optimizing F-measures"). Counting hits on the codes
    themselves would follow the luck of the few rare turns of a development fold.

    Args:
        probabilities: calibrated, shape (turns, 4).
    """
    weights = np.ones(len(LABELS))
    movable = [place for place, label in enumerate(LABELS) if label is not Label.NEUTRAL]
    for _, place in product(range(4), movable):
        values = np.empty(len(_GRID))
        for step, weight in enumerate(_GRID):
            trial = weights.copy()
            trial[place] = weight
            values[step] = _expected_macro_f1(probabilities, trial)
        weights[place] = _GRID[int(values.argmax())]
    return weights


def _expected_macro_f1(probabilities: Floats, weights: Floats) -> float:
    decided = np.eye(len(LABELS))[(probabilities * weights).argmax(axis=1)]
    hits = (probabilities * decided).sum(axis=0)
    total = decided.sum(axis=0) + probabilities.sum(axis=0)
    return float((2 * hits / np.maximum(total, 1e-12)).mean())


def _shifted(probabilities: Floats, gold: Places, research: Floats, purpose: Purpose) -> Floats:
    """Research weights with both ruptures' multiplied by one factor, chosen for the purpose."""
    rupture = np.array([label.is_rupture for label in LABELS])
    truth = rupture[gold]
    kept = research
    for factor in _factors(purpose):
        trial = np.where(rupture, research * factor, research)
        found = rupture[(probabilities * trial).argmax(axis=1)]
        hits = float((truth & found).sum())
        if purpose is Purpose.SCREENING:
            good = hits / max(1, found.sum()) >= SCREENING_PRECISION
        else:
            good = hits / max(1, truth.sum()) >= TEACHING_RECALL
        if not good:
            break
        kept = trial
    return kept


def _factors(purpose: Purpose) -> Iterator[float]:
    steps = np.exp(np.linspace(0.1, 2.5, 25))
    yield from (steps if purpose is Purpose.SCREENING else 1 / steps).tolist()


def _quantile(values: Floats, share: float) -> float:
    return float(np.quantile(values, share)) if share > 0 and len(values) else 0.0


def _named(values: Floats) -> dict[Label, float]:
    return {label: float(value) for label, value in zip(LABELS, values, strict=True)}
