"""Calibration and thresholds do what their names say."""

import numpy as np
import pytest

from alliance.model.agreement import confusion_matrix, macro_f1
from alliance.model.codebook import LABELS, Label
from alliance.model.labelled import Purpose
from alliance.training.fitting import (
    SCREENING_PRECISION,
    TEACHING_RECALL,
    fit_calibration,
    fit_decision,
)

RUPTURE = np.array([label.is_rupture for label in LABELS])


def _made(turns: int = 6000, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """True probabilities of turns with natural prevalence, and labels drawn from them."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(size=(turns, 4)) * 1.5 + np.log([0.12, 0.03, 0.04, 0.81])
    truth = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    gold = np.array([generator.choice(4, p=row) for row in truth])
    return truth, gold


def test_calibration_undoes_overconfidence_and_rebalancing() -> None:
    truth, gold = _made()
    distorted = np.log(truth) * 2.0 + np.array([1.0, 2.0, 2.0, 0.0])
    distorted = np.exp(distorted) / np.exp(distorted).sum(axis=1, keepdims=True)
    calibration = fit_calibration(distorted, gold)
    assert calibration.temperature == pytest.approx(2.0, abs=0.2)
    restored = calibration(distorted)
    assert restored.mean(axis=0) == pytest.approx(np.bincount(gold, minlength=4) / 6000, abs=0.01)
    assert np.abs(restored - truth).mean() < 0.02


def test_calibration_sees_that_even_the_surest_ruptures_are_often_none() -> None:
    truth, gold = _made(30_000)
    generator = np.random.default_rng(1)
    neutral = LABELS.index(Label.NEUTRAL)
    missed = RUPTURE[gold] & (generator.random(len(gold)) < 0.4)
    found = fit_calibration(truth, np.where(missed, neutral, gold))
    trust = dict(zip(LABELS, found.trust, strict=True))
    assert trust[Label.WITHDRAWAL] == pytest.approx(0.6, abs=0.1)
    assert trust[Label.CONFRONTATION] == pytest.approx(0.6, abs=0.1)
    assert trust[Label.NEUTRAL] == trust[Label.ALLIANCE_POSITIVE] == 1.0


def test_research_weights_beat_the_largest_probability_on_rare_labels() -> None:
    truth, gold = _made()
    research, _ = fit_decision(truth, gold).rule(Purpose.RESEARCH)(truth)
    assert macro_f1(confusion_matrix(gold, research)) > macro_f1(
        confusion_matrix(gold, truth.argmax(axis=1))
    )


def test_research_weights_do_not_follow_the_luck_of_a_few_turns() -> None:
    truth, gold = _made(400)
    other = gold.copy()
    other[gold == LABELS.index(Label.WITHDRAWAL)] = LABELS.index(Label.NEUTRAL)
    weights = [fit_decision(truth, codes).rule(Purpose.RESEARCH).weights for codes in (gold, other)]
    assert weights[0] == weights[1]


def test_screening_finds_more_ruptures_and_teaching_is_surer() -> None:
    truth, gold = _made()
    policy = fit_decision(truth, gold)
    found = {p: RUPTURE[policy.rule(p)(truth)[0]] for p in Purpose}
    true = RUPTURE[gold]

    def recall(purpose: Purpose) -> float:
        return float((found[purpose] & true).sum() / true.sum())

    def precision(purpose: Purpose) -> float:
        return float((found[purpose] & true).sum() / found[purpose].sum())

    assert recall(Purpose.SCREENING) > recall(Purpose.RESEARCH) > recall(Purpose.TEACHING)
    assert precision(Purpose.SCREENING) < precision(Purpose.RESEARCH) < precision(Purpose.TEACHING)
    assert precision(Purpose.SCREENING) >= SCREENING_PRECISION
    assert recall(Purpose.TEACHING) >= TEACHING_RECALL


def test_abstention_takes_half_as_large_a_share_of_ruptures() -> None:
    truth, gold = _made()
    policy = fit_decision(truth, gold)
    decided, abstained = policy.rule(Purpose.RESEARCH)(truth)
    for place, label in enumerate(LABELS):
        share = 0.1 if label.is_rupture else 0.2
        assert abstained[decided == place].mean() == pytest.approx(share, abs=0.02)
    assert not policy.rule(Purpose.SCREENING)(truth)[1].any()


def test_a_label_without_instances_is_survived() -> None:
    truth, gold = _made(500)
    gold[gold == LABELS.index(Label.WITHDRAWAL)] = LABELS.index(Label.NEUTRAL)
    calibration = fit_calibration(truth, gold)
    policy = fit_decision(calibration(truth), gold)
    decided, _ = policy.rule(Purpose.RESEARCH)(calibration(truth))
    assert len(decided) == 500
