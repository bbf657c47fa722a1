import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alliance.model.backend import Logits
from alliance.model.calibration import (
    LABEL_OF_CODE,
    Calibration,
    Floats,
    code_probabilities,
    label_probabilities,
    legal_codes,
)
from alliance.model.codebook import LABELS, MARKER_ORDER, Label, Marker, Role
from alliance.model.errors import ConfigError

CODES = len(MARKER_ORDER)
biases = st.tuples(*[st.floats(-4, 4)] * 4)
trusts = st.tuples(*[st.floats(0.1, 1)] * 4)
calibrations = st.builds(
    Calibration,
    temperature=st.floats(0.2, 5),
    bias=biases,
    trust=trusts,
    prevalence=st.just((0.2, 0.05, 0.05, 0.7)),
)


@st.composite
def drawn_logits(draw: st.DrawFn) -> tuple[Logits, list[Role]]:
    roles: list[Role] = draw(st.lists(st.sampled_from(Role), max_size=5))
    values = st.floats(-500, 500, width=32)
    rows = [draw(st.lists(values, min_size=CODES, max_size=CODES)) for _ in roles]
    logits: Logits = np.array(rows, dtype=np.float32).reshape(-1, CODES)
    return logits, roles


@st.composite
def drawn_probabilities(draw: st.DrawFn) -> Floats:
    row = st.lists(st.floats(1e-6, 1), min_size=4, max_size=4)
    rows = np.array(draw(st.lists(row, min_size=1, max_size=5)))
    return np.asarray(rows / rows.sum(axis=1, keepdims=True))


@settings(max_examples=60, deadline=None)
@given(drawn_logits())
def test_illegal_codes_get_nothing_and_the_rest_sums_to_one(
    drawn: tuple[Logits, list[Role]],
) -> None:
    logits, roles = drawn
    codes = code_probabilities(logits, roles)
    assert codes.shape == (len(roles), CODES)
    assert codes.sum(axis=1) == pytest.approx(np.ones(len(roles)))
    for row, role in zip(codes, roles, strict=True):
        for p, code in zip(row, MARKER_ORDER, strict=True):
            assert p >= 0
            assert p == 0 or role is Role.OTHER or code.may_be_said_by(role)
    labels = label_probabilities(codes)
    assert labels.sum(axis=1) == pytest.approx(np.ones(len(roles)))
    for place, label in enumerate(LABELS):
        own = [code.label is label for code in MARKER_ORDER]
        assert labels[:, place] == pytest.approx(codes[:, own].sum(axis=1))


def test_who_may_carry_what() -> None:
    therapist, client, other = legal_codes([Role.THERAPIST, Role.CLIENT, Role.OTHER])
    assert [code for code, legal in zip(MARKER_ORDER, therapist, strict=True) if legal] == [
        Marker.WT, Marker.CT, Marker.PB, Marker.PT, Marker.PG, Marker.PR, Marker.N
    ]  # fmt: skip
    assert [code for code, legal in zip(MARKER_ORDER, client, strict=True) if not legal] == [
        Marker.WT, Marker.CT
    ]  # fmt: skip
    assert other.all()
    assert legal_codes([]).shape == (0, CODES)


def test_codes_by_hand() -> None:
    logits = np.full((2, CODES), -np.inf)
    for code, weight in ((Marker.WT, 6), (Marker.C1, 2), (Marker.N, 1), (Marker.PB, 1)):
        logits[:, MARKER_ORDER.index(code)] = np.log(weight)
    by_label = label_probabilities(code_probabilities(logits, [Role.THERAPIST, Role.CLIENT]))
    assert by_label == pytest.approx(np.array([[1 / 8, 6 / 8, 0, 1 / 8], [1 / 4, 0, 2 / 4, 1 / 4]]))


def test_the_label_of_each_code() -> None:
    assert [LABELS[place] for place in LABEL_OF_CODE] == [code.label for code in MARKER_ORDER]


@settings(max_examples=60, deadline=None)
@given(drawn_probabilities())
def test_the_identity_changes_nothing(probabilities: Floats) -> None:
    assert Calibration()(probabilities) == pytest.approx(probabilities)


@settings(max_examples=60, deadline=None)
@given(drawn_probabilities(), calibrations)
def test_calibrated_probabilities_sum_to_one(
    probabilities: Floats, calibration: Calibration
) -> None:
    calibrated = calibration(probabilities)
    assert calibrated.sum(axis=1) == pytest.approx(np.ones(len(probabilities)))
    assert ((calibrated >= 0) & (calibrated <= 1)).all()


@settings(max_examples=60, deadline=None)
@given(drawn_probabilities(), st.floats(1.05, 5))
def test_a_temperature_above_one_makes_less_sure(probabilities: Floats, temperature: float) -> None:
    surest, least_sure = probabilities.max(axis=1), probabilities.min(axis=1)
    warm, cold = Calibration(temperature), Calibration(1 / temperature)
    slack = 1e-12
    assert (warm(probabilities).max(axis=1) <= surest + slack).all()
    assert (warm(probabilities).min(axis=1) >= least_sure - slack).all()
    assert (cold(probabilities).max(axis=1) >= surest - slack).all()
    assert cold(warm(probabilities)) == pytest.approx(probabilities)


def test_temperature_and_bias_by_hand() -> None:
    probabilities = np.array([[0.64, 0.16, 0.16, 0.04]])
    # Square roots .8, .4, .4, .2, shared out.
    assert Calibration(2.0)(probabilities)[0] == pytest.approx(np.array([4, 2, 2, 1]) / 9)
    # Odds of withdrawal four times as large: .64 : .64 : .16 : .04.
    biased = Calibration(bias=(0.0, float(np.log(4)), 0.0, 0.0))(probabilities)
    assert biased[0] == pytest.approx(np.array([64, 64, 16, 4]) / 148)


@settings(max_examples=60, deadline=None)
@given(drawn_probabilities(), st.sampled_from(Label), st.floats(0.01, 4))
def test_a_bias_raises_its_label_and_lowers_the_others(
    probabilities: Floats, label: Label, amount: float
) -> None:
    place = LABELS.index(label)
    positive, withdrawal, confrontation, neutral = (amount * (name is label) for name in LABELS)
    calibration = Calibration(bias=(positive, withdrawal, confrontation, neutral))
    change = calibration(probabilities) - probabilities
    assert (change[:, place] >= 0).all()
    assert (np.delete(change, place, axis=1) <= 1e-12).all()


def test_a_probability_of_zero_stays_finite_and_small() -> None:
    calibrated = Calibration()(np.array([[0.0, 0.0, 0.0, 1.0]]))
    assert calibrated[0] == pytest.approx([0, 0, 0, 1])
    assert Calibration(0.1)(np.zeros((0, 4))).shape == (0, 4)


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_a_temperature_is_positive(temperature: float) -> None:
    with pytest.raises(ConfigError, match=f"temperature must be positive, got {temperature}"):
        Calibration(temperature)


@pytest.mark.parametrize("name", ["bias", "trust", "prevalence"])
def test_there_is_one_number_per_label(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"{name}: one per label \(4\), got 3"):
        Calibration(**{name: (0.5, 0.25, 0.25)})  # type: ignore[arg-type]


def test_trust_by_hand() -> None:
    calibration = Calibration(trust=(1.0, 0.5, 0.75, 1.0), prevalence=(0.2, 0.1, 0.1, 0.6))
    # Half of .4 and a quarter of .4 are taken away, .3 in all.
    calibrated = calibration(np.array([[0.1, 0.4, 0.4, 0.1]]))
    assert calibrated[0] == pytest.approx([0.1 + 0.06, 0.2 + 0.03, 0.3 + 0.03, 0.1 + 0.18])


def test_a_label_that_is_not_trusted_cannot_be_sure() -> None:
    calibration = Calibration(trust=(1.0, 0.7, 1.0, 1.0), prevalence=(0.1, 0.05, 0.05, 0.8))
    sure = calibration(np.array([[0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]]))
    assert sure[:, 1:3] == pytest.approx(np.array([[0.715, 0.015], [0.0, 1.0]]))


@pytest.mark.parametrize("trust", [0.0, -0.5, 1.5, float("nan")])
def test_trust_is_a_share(trust: float) -> None:
    with pytest.raises(ConfigError, match="trust lies above 0 and at most at 1"):
        Calibration(trust=(1.0, trust, 1.0, 1.0))


@pytest.mark.parametrize("prevalence", [(0.5, 0.5, 0.5, 0.5), (-0.1, 0.1, 0.5, 0.5)])
def test_prevalence_is_shares_of_the_whole(prevalence: tuple[float, ...]) -> None:
    with pytest.raises(ConfigError, match="prevalence is not negative and sums to 1"):
        Calibration(prevalence=prevalence)  # type: ignore[arg-type]


def test_a_calibration_without_trust_trusts_all() -> None:
    data = Calibration(2.0).to_dict()
    del data["trust"], data["prevalence"]
    assert Calibration.from_dict(data) == Calibration(2.0)


@settings(max_examples=30, deadline=None)
@given(calibrations)
def test_a_calibration_comes_back_from_json(calibration: Calibration) -> None:
    data = json.loads(json.dumps(calibration.to_dict()))
    assert Calibration.from_dict(data) == calibration
    assert data["bias"][Label.CONFRONTATION] == calibration.bias[2]
