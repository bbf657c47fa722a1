import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alliance.model import agreement as ag

sklearn = pytest.importorskip("sklearn.metrics", reason="compares with scikit-learn ([train])")

# Hand-worked: rows gold, columns predicted.
#           predicted   0  1  2
CONFUSION = np.array([[5, 1, 0],
                      [2, 3, 1],
                      [0, 0, 8]])  # fmt: skip


def test_hand_worked_figures() -> None:
    assert ag.precision(CONFUSION).tolist() == [5 / 7, 3 / 4, 8 / 9]
    assert ag.recall(CONFUSION).tolist() == [5 / 6, 3 / 6, 1.0]
    assert ag.f1(CONFUSION) == pytest.approx([10 / 13, 6 / 10, 16 / 17])
    assert ag.macro_f1(CONFUSION) == pytest.approx((10 / 13 + 6 / 10 + 16 / 17) / 3)
    assert ag.accuracy(CONFUSION) == 16 / 20
    # chance: (6·7 + 6·4 + 8·9) / 400 = 138 / 400
    assert ag.kappa(CONFUSION) == pytest.approx((0.8 - 0.345) / (1 - 0.345))
    assert ag.balanced_accuracy(CONFUSION) == pytest.approx((5 / 6 + 3 / 6 + 1) / 3)


@pytest.mark.parametrize(
    ("table", "kappa", "ac1"),
    [
        # Gwet 2002, "Kappa statistic is not satisfactory", table 2: the paradox in 125 subjects.
        ([[118, 5], [2, 0]], -0.0234, 0.9408),
        # Gwet 2014, Handbook of Inter-Rater Reliability, two abstractors (irrCAC's numbers).
        ([[13, 0, 0], [0, 20, 7], [0, 4, 56]], 0.7964094, 0.8493305),
    ],
)
def test_ac1_of_published_tables(table: list[list[int]], kappa: float, ac1: float) -> None:
    digits = 5e-5 if len(table) == 2 else 5e-8
    assert ag.kappa(np.array(table)) == pytest.approx(kappa, abs=digits)
    assert ag.ac1(np.array(table)) == pytest.approx(ac1, abs=digits)
    # Which side stands in the rows does not matter, and a stack is its tables one by one.
    stack = np.stack([np.array(table), np.array(table).T])
    assert ag.ac1(stack) == pytest.approx([ac1, ac1], abs=digits)


def test_the_confusion_matrix_counts_gold_in_rows() -> None:
    gold, predicted = np.array([0, 0, 1, 3]), np.array([0, 2, 1, 3])
    matrix = ag.confusion_matrix(gold, predicted)
    assert matrix.shape == (4, 4)
    assert (matrix[0, 0], matrix[0, 2], matrix[2, 0], matrix.sum()) == (1, 1, 0, 4)
    by_group = ag.confusion_by_group(gold, predicted, np.array([0, 2, 2, 0]), groups=3)
    assert by_group.sum(axis=(1, 2)).tolist() == [2, 0, 2]
    assert (by_group.sum(axis=0) == matrix).all()


@pytest.mark.parametrize(
    ("gold", "predicted", "message"),
    [
        ([0, -1], [0, 0], "gold label lies outside 0-3"),
        ([0, 1], [0, 4], "predicted label lies outside 0-3"),
        ([0], [0, 0], "found 1, 2 and 1"),
    ],
)
def test_labels_out_of_range_are_refused(
    gold: list[int], predicted: list[int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        ag.confusion_matrix(np.array(gold), np.array(predicted))


def test_what_is_undefined_is_nan() -> None:
    nothing = np.zeros((4, 4), dtype=np.int64)
    assert np.isnan(ag.f1(nothing)).all()
    assert np.isnan([ag.macro_f1(nothing), ag.accuracy(nothing), ag.kappa(nothing)]).all()
    assert np.isnan([ag.ac1(nothing), ag.balanced_accuracy(nothing)]).all()
    # Gold 0, 0, 0; said 0, 0, 1: label 1 has no gold turn, label 2 and 3 occur nowhere.
    matrix = ag.confusion_matrix(np.array([0, 0, 0]), np.array([0, 0, 1]))
    assert ag.precision(matrix) == pytest.approx([1, 0, np.nan, np.nan], nan_ok=True)
    assert ag.recall(matrix) == pytest.approx([2 / 3, np.nan, np.nan, np.nan], nan_ok=True)
    assert ag.f1(matrix) == pytest.approx([0.8, 0, np.nan, np.nan], nan_ok=True)
    assert ag.macro_f1(matrix) == pytest.approx(0.4)
    one_label = ag.confusion_matrix(np.array([3, 3]), np.array([3, 3]))
    assert np.isnan(ag.kappa(one_label))
    assert (ag.ac1(one_label), ag.balanced_accuracy(one_label)) == (1.0, 1.0)
    truth, score = np.array([False, False]), np.array([0.1, 0.2])
    assert np.isnan(ag.average_precision(truth, score))
    assert np.isnan(ag.auroc(truth, score))
    assert np.isnan(ag.auroc(~truth, score))
    assert np.isnan(ag.average_precision(truth[:0], score[:0]))
    assert np.isnan(ag.auroc(truth[:0], score[:0]))


labels = st.integers(0, 3)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(labels, labels), min_size=1, max_size=40))
def test_label_statistics_are_those_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    gold, predicted = np.array(pairs).T
    matrix = ag.confusion_matrix(gold, predicted)
    every = range(4)
    assert (matrix == sklearn.confusion_matrix(gold, predicted, labels=every)).all()
    p, r, f, _ = sklearn.precision_recall_fscore_support(
        gold, predicted, labels=every, zero_division=np.nan
    )
    assert ag.precision(matrix) == pytest.approx(p, nan_ok=True)
    assert ag.recall(matrix) == pytest.approx(r, nan_ok=True)
    assert ag.f1(matrix) == pytest.approx(f, nan_ok=True)
    macro = sklearn.f1_score(gold, predicted, average="macro", zero_division=0.0)
    assert ag.macro_f1(matrix) == pytest.approx(macro)
    assert ag.accuracy(matrix) == pytest.approx(sklearn.accuracy_score(gold, predicted))
    # scikit-learn's own balanced accuracy warns of a label that is predicted and never gold.
    macro_recall = sklearn.recall_score(
        gold, predicted, labels=np.unique(gold), average="macro", zero_division=0.0
    )
    assert ag.balanced_accuracy(matrix) == pytest.approx(macro_recall)
    if len({*gold.tolist(), *predicted.tolist()}) > 1:
        expected = sklearn.cohen_kappa_score(gold, predicted)
        assert ag.kappa(matrix) == pytest.approx(expected, abs=1e-12)


# Few distinct scores, so that ties are common.
scored = st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.25, 0.7, 1.0]), st.integers(0, 3))


@settings(max_examples=60, deadline=None)
@given(st.lists(scored, min_size=2, max_size=30))
def test_ranking_statistics_are_those_of_scikit_learn(
    turns: list[tuple[bool, float, int]],
) -> None:
    truth = np.array([turn[0] for turn in turns])
    score = np.array([turn[1] for turn in turns])
    weights = np.array([float(turn[2]) for turn in turns])
    if truth.any():
        expected = sklearn.average_precision_score(truth, score)
        assert ag.average_precision(truth, score) == pytest.approx(expected)
    if truth.any() and not truth.all():
        assert ag.auroc(truth, score) == pytest.approx(sklearn.roc_auc_score(truth, score))
    # A turn of weight k is the turn k times over, one row of weights at a time.
    stacked = np.stack([weights, np.ones_like(weights)])
    for statistic in (ag.average_precision, ag.auroc):
        copies = np.repeat(np.arange(len(turns)), weights.astype(int))
        expected = [statistic(truth[copies], score[copies]), statistic(truth, score)]
        found = statistic(truth, score, weights=stacked)
        assert found == pytest.approx(np.array(expected), nan_ok=True)
    areas = ag.ranking_areas(truth, score, weights=stacked)
    for area, statistic in zip(areas, (ag.average_precision, ag.auroc), strict=True):
        assert np.array_equal(area, statistic(truth, score, weights=stacked), equal_nan=True)


def test_average_precision_worked_by_hand() -> None:
    # Ranked: true, false, true, false. Recall steps of 1/2 at precision 1 and 2/3.
    truth, score = np.array([True, True, False, False]), np.array([0.9, 0.4, 0.6, 0.1])
    assert ag.average_precision(truth, score) == pytest.approx((1 + 2 / 3) / 2)
    assert ag.auroc(truth, score) == pytest.approx(3 / 4)


def test_calibration_error_worked_by_hand() -> None:
    # Two bins: 0.2 (right: 1 of 2) and 0.8 (right: 1 of 1), 1.0 falls into the last bin.
    correct = np.array([True, False, True, True])
    confidence = np.array([0.2, 0.2, 0.8, 1.0])
    sums = ag.calibration_sums(correct, confidence, np.zeros(4, int), groups=1, bins=2)
    assert ag.expected_calibration_error(sums[0]) == pytest.approx((abs(1 - 0.4) + 0.2) / 4)
    assert np.isnan(ag.expected_calibration_error(np.zeros((2, 15))))
    split = ag.calibration_sums(correct, confidence, np.array([0, 1, 0, 1]), groups=2, bins=2)
    assert split.sum(axis=0) == pytest.approx(sums[0])


def test_brier_score_runs_from_0_to_2() -> None:
    sure = np.eye(4)[[0, 0]]
    assert ag.squared_errors(np.array([0, 1]), sure).tolist() == [0.0, 2.0]
    even = np.full((1, 4), 0.25)
    assert ag.squared_errors(np.array([2]), even)[0] == pytest.approx(0.75**2 + 3 * 0.25**2)


def random_turns(seed: int, n: int = 300, groups: int = 12) -> tuple[np.ndarray, ...]:
    generator = np.random.default_rng(seed)
    gold = generator.integers(4, size=n)
    predicted = np.where(generator.random(n) < 0.6, gold, generator.integers(4, size=n))
    return gold, predicted, generator.integers(groups, size=n)


def test_the_bootstrap_is_that_of_a_plain_loop() -> None:
    gold, predicted, group = random_turns(1)
    counts = ag.confusion_by_group(gold, predicted, group, groups=12)

    def statistic(drawn: np.ndarray) -> np.ndarray:
        total = np.tensordot(drawn, counts, 1)
        return np.stack([ag.macro_f1(total), ag.kappa(total)], axis=1)

    macro, kappa = ag.bootstrap(statistic, 12, resamples=600, seed=3)
    members = [np.flatnonzero(group == g) for g in range(12)]
    generator = np.random.default_rng(99)
    values = []
    for _ in range(600):
        turns = np.concatenate([members[g] for g in generator.integers(12, size=12)])
        values.append(
            (
                sklearn.f1_score(gold[turns], predicted[turns], average="macro"),
                sklearn.cohen_kappa_score(gold[turns], predicted[turns]),
            )
        )
    for interval, column in zip((macro, kappa), np.array(values).T, strict=True):
        low, high = np.quantile(column, [0.025, 0.975])
        assert interval.undefined == 0.0
        assert (interval.low, interval.high) == pytest.approx((low, high), abs=0.012)


def test_the_bootstrap_draws_each_resample_whole_and_by_its_seed() -> None:
    seen = []

    def statistic(drawn: np.ndarray) -> np.ndarray:
        seen.append(drawn)
        return drawn[:, 0]

    first = ag.bootstrap(statistic, 7, resamples=301, seed=5)
    drawn = np.concatenate(seen)
    assert drawn.shape == (301, 7)
    assert (drawn.sum(axis=1) == 7).all()
    assert first == ag.bootstrap(statistic, 7, resamples=301, seed=5)
    assert drawn.mean(axis=0) == pytest.approx(np.ones(7), abs=0.25)


def test_an_interval_without_enough_sessions_or_values_is_nan() -> None:
    (one,) = ag.bootstrap(lambda drawn: drawn[:, 0], 1)
    (none,) = ag.bootstrap(lambda drawn: drawn[:, 0], 0)
    (often,) = ag.bootstrap(lambda drawn: np.where(drawn[:, 0] > 0, 1.0, np.nan), 10)
    assert all(np.isnan([i.low, i.high]).all() for i in (one, none, often))
    assert 0.25 < often.undefined < 0.45  # (1 - 1/10)^10 = .349
    assert none.undefined == 1.0


def test_the_paired_difference_sees_what_separate_intervals_hide() -> None:
    gold, predicted, group = random_turns(2)
    better = predicted.copy()
    wrong = np.flatnonzero(better != gold)
    better[wrong[::4]] = gold[wrong[::4]]
    difference = ag.paired_difference(ag.macro_f1, gold, predicted, better, group * 10 + 3)
    expected = ag.macro_f1(ag.confusion_matrix(gold, better)) - ag.macro_f1(
        ag.confusion_matrix(gold, predicted)
    )
    assert difference.estimate == pytest.approx(expected)
    assert difference.excludes_zero
    assert difference.interval.low < difference.estimate < difference.interval.high
    same = ag.paired_difference(ag.kappa, gold, predicted, predicted, group, resamples=50)
    assert (same.estimate, same.interval.low, same.interval.high) == (0.0, 0.0, 0.0)
    assert not same.excludes_zero
