import numpy as np
import pytest

from alliance.model import agreement as ag


def test_brier_skill_worked_by_hand() -> None:
    # Prevalences 3/4 and 1/4: always giving them scores 1 - 10/16 = .375 per turn.
    gold = np.array([0, 0, 0, 1])
    support = np.array([3.0, 1.0])
    prevalence = np.tile([0.75, 0.25], (4, 1))
    assert ag.squared_errors(gold, prevalence).mean() == pytest.approx(0.375)
    assert ag.brier_skill(ag.squared_errors(gold, prevalence).sum(), support) == pytest.approx(0)
    even = ag.squared_errors(gold, np.full((4, 2), 0.5)).sum()  # .5 per turn
    assert ag.brier_skill(even, support) == pytest.approx(1 - 0.5 / 0.375)
    assert ag.brier_skill(np.array(0.0), support) == 1.0
    # A stack, as a bootstrap has it; without spread, or without turns, there is no skill.
    stack = np.array([support, [4.0, 0.0], [0.0, 0.0]])
    found = ag.brier_skill(np.array([even, 1.0, 0.0]), stack)
    assert found[0] == pytest.approx(1 - 0.5 / 0.375)
    assert np.isnan(found[1:]).all()


def test_bins_of_equal_width() -> None:
    place = ag.equal_width_bins(np.array([0.0, 0.19, 0.2, 0.99, 1.0]), 5)
    assert place.tolist() == [0, 0, 1, 4, 4]


def test_bins_of_equal_mass_hold_equally_many_and_keep_ties_together() -> None:
    draw = np.random.default_rng(0)
    probability = draw.random(103)
    place = ag.equal_mass_bins(probability, 5)
    assert set(np.bincount(place)) <= {20, 21}
    assert (np.diff(place[np.argsort(probability)]) >= 0).all()
    tied = ag.equal_mass_bins(np.array([0.5, 0.1, 0.5, 0.9, 0.5, 0.5]), 3)
    assert tied.tolist() == [1, 0, 1, 2, 1, 1]
    assert ag.equal_mass_bins(np.zeros(0), 5).tolist() == []
    assert ag.equal_mass_bins(np.full(7, 0.3), 5).tolist() == [2] * 7


def test_a_reliability_curve_worked_by_hand() -> None:
    truth = np.array([True, False, True, True])
    probability = np.array([0.2, 0.1, 0.8, 0.9])
    place = ag.equal_width_bins(probability, 3)
    sums = ag.reliability_sums(truth, probability, place, np.array([0, 1, 0, 1]), groups=2, bins=3)
    predicted, observed = ag.reliability_curve(sums.sum(axis=0))
    assert predicted == pytest.approx([0.15, np.nan, 0.85], nan_ok=True)
    assert observed == pytest.approx([0.5, np.nan, 1.0], nan_ok=True)
    # Resamples: the first session twice.
    predicted, observed = ag.reliability_curve(np.tensordot(np.array([[2.0, 0.0]]), sums, 1))
    assert predicted[0] == pytest.approx([0.2, np.nan, 0.8], nan_ok=True)
    assert observed[0] == pytest.approx([1.0, np.nan, 1.0], nan_ok=True)


def test_calibrated_forecasts_lie_on_the_diagonal_and_others_do_not() -> None:
    draw = np.random.default_rng(1)
    probability = draw.random(20_000)
    truth = draw.random(20_000) < probability
    one = np.zeros(20_000, dtype=np.int64)
    for place in (ag.equal_width_bins(probability, 10), ag.equal_mass_bins(probability, 10)):
        sums = ag.reliability_sums(truth, probability, place, one, groups=1, bins=10)[0]
        predicted, observed = ag.reliability_curve(sums)
        assert np.abs(predicted - observed).max() < 0.03
        sums = ag.reliability_sums(truth, probability**2, place, one, groups=1, bins=10)[0]
        predicted, observed = ag.reliability_curve(sums)
        assert np.abs(predicted - observed).max() > 0.2
