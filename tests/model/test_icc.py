import numpy as np
import pytest

from alliance.model import agreement as ag

# Shrout & Fleiss 1979, table 2: six targets, four judges.
RATINGS = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]],
    dtype=np.float64,
)


def test_the_published_example() -> None:
    # Table 4 of the paper says .29 and .62; the further digits follow from its mean squares
    # (table 3): BMS 11.24, JMS 32.49, EMS 1.02.
    assert ag.icc_2_1(RATINGS) == pytest.approx(0.29, abs=0.005)
    assert ag.icc_2_k(RATINGS) == pytest.approx(0.62, abs=0.005)
    one = (11.24 - 1.02) / (11.24 + 3 * 1.02 + 4 * (32.49 - 1.02) / 6)
    assert ag.icc_2_1(RATINGS) == pytest.approx(one, abs=1e-3)
    assert ag.icc_2_k(RATINGS) == pytest.approx(
        (11.24 - 1.02) / (11.24 + (32.49 - 1.02) / 6), abs=1e-3
    )


def test_a_subject_of_weight_two_is_there_twice() -> None:
    draw = np.random.default_rng(0)
    weights = draw.integers(0, 4, size=(5, 6)).astype(np.float64)
    copies = [RATINGS[np.repeat(np.arange(6), row.astype(int))] for row in weights]
    for statistic in (ag.icc_2_1, ag.icc_2_k):
        expected = [float(statistic(copy)) for copy in copies]
        assert statistic(RATINGS, weights=weights) == pytest.approx(expected)
        assert statistic(RATINGS, weights=weights[0]) == pytest.approx(expected[0])


def test_a_rater_who_counts_more_disagrees() -> None:
    first = np.arange(8.0)
    assert ag.icc_2_1(np.stack([first, first], axis=1)) == pytest.approx(1.0)
    # Perfectly correlated, and always three more.
    assert ag.icc_2_1(np.stack([first, first + 3], axis=1)) < 0.7
    assert ag.icc_2_1(np.stack([first, first[::-1]], axis=1)) < 0


def test_without_differences_there_is_no_value() -> None:
    same = np.full((5, 2), 0.1)
    one = np.array([[0.1, 0.7], [0.3, 0.2]])
    for statistic in (ag.icc_2_1, ag.icc_2_k):
        assert np.isnan(statistic(same))
        assert np.isnan(statistic(one[:1]))
        assert np.isnan(statistic(one[:0]))
        # The first subject alone, or none: no value; both: there is one.
        found = statistic(one, weights=np.array([[1.0, 0.0], [0.0, 0.0], [1.0, 1.0]]))
        assert np.isnan(found[:2]).all()
    # Drawn three times over, a subject on whom all agree leaves no variance but rounding's.
    assert np.isnan(ag.icc_2_1(np.array([[0.1, 0.1], [0.3, 0.2]]), weights=np.array([3.0, 0.0])))


def test_ratings_that_are_missing_are_refused() -> None:
    with pytest.raises(ValueError, match="two or more raters"):
        ag.icc_2_1(RATINGS[:, :1])
    with pytest.raises(ValueError, match="found one missing"):
        ag.icc_2_k(np.array([[1.0, np.nan], [2.0, 3.0]]))
