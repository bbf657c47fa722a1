"""Agreement of several coders: published examples, reference implementations, bootstraps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alliance.model.agreement import ac1, accuracy, confusion_matrix, kappa
from alliance.model.arrays import Floats, Ints
from alliance.model.raters import (
    Order,
    Pairings,
    coincidences,
    gwet,
    krippendorff_alpha,
    pairings,
    percent_agreement,
    weighted_kappa,
    weights_of,
)

# Krippendorff 2011, section C (four observers, twelve units, codes 1-5); the same data are
# irrCAC's cac.raw4raters. Codes here count from 0; -1 is not coded.
PUBLISHED = (
    np.array(
        [
            [1, 2, 3, 3, 2, 1, 4, 1, 2, 0, 0, 0],
            [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, 0, 3],
            [0, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 0],
            [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, 0],
        ]
    )
    - 1
)


def _alpha(codes: Ints, order: Order, classes: int = 5) -> float:
    one = np.zeros(codes.shape[1], dtype=np.int64)
    matrix = coincidences(codes, one, groups=1, classes=classes)[0]
    return float(krippendorff_alpha(matrix, order=order))


def _gwet(codes: Ints, order: Order, classes: int = 5) -> float:
    weights = weights_of(order, classes)
    sums = _pairings(codes, weights)
    return float(gwet(sums, weights)[0])


def _pairings(codes: Ints, weights: Floats) -> Pairings:
    one = np.zeros(codes.shape[1], dtype=np.int64)
    return pairings(codes, one, groups=1, classes=len(weights), weights=weights)


@pytest.mark.parametrize(
    ("order", "published"), [(Order.NONE, 0.743), (Order.ORDINAL, 0.815), (Order.QUADRATIC, 0.849)]
)
def test_alpha_of_the_published_example(order: Order, published: float) -> None:
    assert _alpha(PUBLISHED, order) == pytest.approx(published, abs=5e-4)


def test_alpha_is_that_of_the_reference_implementation() -> None:
    # krippendorff 0.9.0 (PyPI)
    assert _alpha(PUBLISHED, Order.NONE) == pytest.approx(0.743421052631579)
    assert _alpha(PUBLISHED, Order.ORDINAL) == pytest.approx(0.8153875037548814)
    assert _alpha(PUBLISHED, Order.QUADRATIC) == pytest.approx(0.8491071428571428)


@pytest.mark.parametrize(
    ("order", "reference"),
    [
        (Order.NONE, 0.77544407),  # AC1; also the value in irrCAC's manual for R
        (Order.LINEAR, 0.85873914),
        (Order.QUADRATIC, 0.91400072),
        (Order.ORDINAL, 0.89893977),
    ],
)
def test_gwets_coefficients_are_those_of_the_reference_implementation(
    order: Order, reference: float
) -> None:
    # irrCAC 0.4.4 (PyPI), with categories=[1, 2, 3, 4, 5]: left to itself it takes nan for a sixth.
    assert _gwet(PUBLISHED, order) == pytest.approx(reference, abs=1e-8)


def test_coders_who_left_turns_out(three_coders: Ints) -> None:
    # krippendorff 0.9.0, irrCAC 0.4.4 and scikit-learn 1.9.1 on the same codes.
    assert _alpha(three_coders, Order.NONE, 4) == pytest.approx(REFERENCE["alpha"])
    assert _alpha(three_coders, Order.ORDINAL, 4) == pytest.approx(REFERENCE["alpha_ordinal"])
    for order in (Order.NONE, Order.LINEAR, Order.QUADRATIC):
        assert _gwet(three_coders, order, 4) == pytest.approx(
            REFERENCE[f"gwet_{order.value}"], abs=1e-8
        )
    first, second = three_coders[:2, (three_coders[:2] >= 0).all(axis=0)]
    for order in (Order.NONE, Order.LINEAR, Order.QUADRATIC):
        found = weighted_kappa(confusion_matrix(first, second), weights_of(order, 4))
        assert found == pytest.approx(REFERENCE[f"kappa_{order.value}"])


REFERENCE = {
    "alpha": 0.5326409495548963,
    "alpha_ordinal": 0.5705217391304348,
    "gwet_none": 0.56973879,
    "gwet_linear": 0.61183064,
    "gwet_quadratic": 0.66368806,
    "kappa_none": 0.5495495495495495,
    "kappa_linear": 0.4970414201183433,
    "kappa_quadratic": 0.46254071661237783,
}


@pytest.fixture
def three_coders() -> Ints:
    generator = np.random.default_rng(5)
    truth = generator.integers(0, 4, 40)
    wrong = generator.random((3, 40)) < 0.3
    codes = np.where(wrong, generator.integers(0, 4, (3, 40)), truth)
    codes[generator.random((3, 40)) < 0.1] = -1
    return codes.astype(np.int64)


codings = st.integers(2, 4).flatmap(
    lambda coders: st.lists(
        st.lists(st.integers(-1, 3), min_size=coders, max_size=coders), min_size=1, max_size=30
    )
)


@settings(max_examples=100, deadline=None)
@given(codings, st.permutations(range(4)))
def test_nominal_figures_do_not_depend_on_the_codes_names(
    rows: list[list[int]], names: list[int]
) -> None:
    codes = np.array(rows, dtype=np.int64).T
    renamed = np.where(codes < 0, codes, np.array(names)[codes])
    for figure in (_alpha, _gwet):
        assert figure(codes, Order.NONE, 4) == pytest.approx(
            figure(renamed, Order.NONE, 4), nan_ok=True
        )


@settings(max_examples=100, deadline=None)
@given(codings)
def test_figures_do_not_depend_on_the_order_of_coders(rows: list[list[int]]) -> None:
    codes = np.array(rows, dtype=np.int64).T
    for order in (Order.NONE, Order.ORDINAL):
        assert _alpha(codes, order, 4) == pytest.approx(_alpha(codes[::-1], order, 4), nan_ok=True)
        assert _gwet(codes, order, 4) == pytest.approx(_gwet(codes[::-1], order, 4), nan_ok=True)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40))
def test_two_coders_are_the_case_of_a_confusion_matrix(pairs: list[tuple[int, int]]) -> None:
    codes = np.array(pairs, dtype=np.int64).T
    matrix = confusion_matrix(codes[0], codes[1])
    weights = weights_of(Order.NONE, 4)
    sums = _pairings(codes, weights)
    assert gwet(sums, weights)[0] == pytest.approx(ac1(matrix), nan_ok=True)
    assert percent_agreement(sums)[0] == pytest.approx(accuracy(matrix))
    assert weighted_kappa(matrix, weights) == pytest.approx(kappa(matrix), nan_ok=True)


def test_sessions_add_up(three_coders: Ints) -> None:
    session = np.arange(three_coders.shape[1]) % 5
    weights = weights_of(Order.LINEAR, 4)
    parts = pairings(three_coders, session, groups=5, classes=4, weights=weights)
    matrices = coincidences(three_coders, session, groups=5, classes=4)
    assert krippendorff_alpha(matrices.sum(axis=0)) == pytest.approx(
        _alpha(three_coders, Order.NONE, 4)
    )
    whole = parts.drawn(np.ones((1, 5)))
    assert gwet(whole, weights)[0] == pytest.approx(_gwet(three_coders, Order.LINEAR, 4))
    # A session drawn twice counts as two.
    twice = parts.drawn(np.array([[2.0, 1.0, 1.0, 1.0, 1.0]]))
    again = np.concatenate([three_coders, three_coders[:, session == 0]], axis=1)
    assert gwet(twice, weights)[0] == pytest.approx(_gwet(again, Order.LINEAR, 4))


def test_nothing_is_undefined_in_silence() -> None:
    nobody = np.full((2, 3), -1, dtype=np.int64)
    alone = np.array([[0, 1, 2], [-1, -1, -1]])
    same = np.zeros((2, 3), dtype=np.int64)
    for codes in (nobody, alone):
        assert np.isnan(_alpha(codes, Order.NONE, 4))
        assert np.isnan(_gwet(codes, Order.NONE, 4))
    assert np.isnan(_alpha(same, Order.NONE, 4))
    assert _gwet(same, Order.NONE, 4) == 1.0


def test_codes_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="outside 0-3"):
        _alpha(np.array([[4], [0]]), Order.NONE, 4)
    with pytest.raises(ValueError, match="a row of codes for each coder"):
        coincidences(np.zeros(3, dtype=np.int64), np.zeros(3, dtype=np.int64), groups=1, classes=4)
    with pytest.raises(ValueError, match="no linear metric"):
        _alpha(PUBLISHED, Order.LINEAR)


def test_weights() -> None:
    assert weights_of(Order.NONE, 3).tolist() == np.eye(3).tolist()
    assert weights_of(Order.LINEAR, 3)[0].tolist() == [1, 0.5, 0]
    assert weights_of(Order.QUADRATIC, 3)[0].tolist() == [1, 0.75, 0]
    assert weights_of(Order.ORDINAL, 3)[0] == pytest.approx([1, 1 - 1 / 3, 0])
