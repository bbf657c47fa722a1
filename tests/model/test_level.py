import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alliance.model.labelled import LabelledSession
from alliance.model.level import AllianceLevel, LevelSeries, alliance_level

Sketch = Callable[..., LabelledSession]

TURNS = "tN cN tPB cPB cW2 cC1 cC1@1 cPB@1 cN@1 cW2? tCT@.4 _ o"
WORDS = st.sampled_from(TURNS.split())
SESSIONS = st.lists(WORDS, max_size=40)
QUICK = settings(max_examples=100, deadline=None)


def test_one_turn_is_its_own_level(sketch: Sketch) -> None:
    level = alliance_level(sketch("cPB@.9").turns, half_life_turns=10)
    mean = 0.9 - 0.2 / 3
    deviation = math.sqrt(0.9 + 0.2 / 3 - mean**2)
    value, low, high = level.client.final or (math.nan,) * 3
    assert value == pytest.approx(mean)
    assert low == pytest.approx(mean - 1.959964 * deviation)
    assert high == 1.0  # cut: .83 + 1.02
    assert level.together == level.client
    assert level.therapist.final is None


def test_worked_by_hand(sketch: Sketch) -> None:
    # half-life one turn: weights 1/4, 1/2, 1 for +1, a sure neutral and -1
    level = alliance_level(sketch("cPB@1 tN@1 cC1@1").turns, half_life_turns=1)
    assert level.together.value == pytest.approx((1, 1 / 3, (0.25 - 1) / 1.75))
    assert level.client.value == pytest.approx((1, 1, (0.25 - 1) / 1.25))
    assert level.therapist.value == (None, 0, 0)
    assert level.together.low == level.together.value  # sure labels leave nothing open


def test_turns_without_a_label_repeat_the_level_and_do_not_age_it(sketch: Sketch) -> None:
    plain = alliance_level(sketch("cPB tN cC1").turns, half_life_turns=2)
    broken = alliance_level(sketch("_ cPB o _ tN _ cC1 o").turns, half_life_turns=2)
    assert broken.together.value[0] is None
    assert broken.together.value[2] == broken.together.value[1] == plain.together.value[0]
    assert broken.together.final == plain.together.final
    assert broken.client.final == plain.client.final


def test_an_abstained_turn_counts_with_its_probabilities(sketch: Sketch) -> None:
    sure = alliance_level(sketch("cPB cC1").turns, half_life_turns=10)
    unsure = alliance_level(sketch("cPB cC1?").turns, half_life_turns=10)
    assert sure == unsure


def test_no_turns(sketch: Sketch) -> None:
    level = alliance_level(sketch("").turns, half_life_turns=10)
    assert len(level) == 0
    assert level.together.final is None


def test_a_turns_weight_halves_in_a_half_life(sketch: Sketch) -> None:
    words = " ".join(["cPB@1", *["tN@1"] * 10])
    ten = alliance_level(sketch(words).turns, half_life_turns=10).together.value
    weights = [0.5 ** (age / 10) for age in range(11)]
    assert ten[-1] == pytest.approx(0.5 / sum(weights))


@QUICK
@given(words=SESSIONS, half_life=st.floats(0.1, 100))
def test_it_is_the_weighted_mean_and_its_variance(
    sketch: Sketch, words: list[str], half_life: float
) -> None:
    session = sketch(" ".join(words))
    level = alliance_level(session.turns, half_life_turns=half_life)
    labelled = [turn for turn in session.turns if turn.probabilities is not None]
    for series, roles in (
        (level.client, {"client"}),
        (level.therapist, {"therapist"}),
        (level.together, {"client", "therapist"}),
    ):
        final = series.final
        if not any(turn.turn.speaker in roles for turn in labelled):
            assert final is None
            continue
        age = np.arange(len(labelled))[::-1]
        own = np.array([turn.turn.speaker in roles for turn in labelled])
        weights = np.where(own, 0.5 ** ((age - age[own].min()) / half_life), 0.0)
        p = np.array([t.probabilities.as_tuple() for t in labelled if t.probabilities])
        mean = p[:, 0] - p[:, 1] - p[:, 2]
        variance = p[:, :3].sum(axis=1) - mean**2
        value = (weights * mean).sum() / weights.sum()
        half = 1.959964 * np.sqrt(max(0.0, (weights**2 * variance).sum())) / weights.sum()
        assert final is not None
        assert final[0] == pytest.approx(value, abs=1e-6)
        assert final[1] == pytest.approx(max(-1, value - half), abs=1e-6)
        assert final[2] == pytest.approx(min(1, value + half), abs=1e-6)


@QUICK
@given(words=SESSIONS, half_life=st.floats(1e-3, 1e6), data=st.data())
def test_bounds_and_prefixes(
    sketch: Sketch, words: list[str], half_life: float, data: st.DataObject
) -> None:
    session = sketch(" ".join(words))
    level = alliance_level(session.turns, half_life_turns=half_life)
    length = data.draw(st.integers(0, len(words)))
    so_far = alliance_level(session.turns[:length], half_life_turns=half_life)
    for whole, part in (
        (level.client, so_far.client),
        (level.therapist, so_far.therapist),
        (level.together, so_far.together),
    ):
        assert len(whole) == len(words)
        assert part.value == whole.value[:length]
        assert part.high == whole.high[:length]
        for value, low, high in zip(whole.value, whole.low, whole.high, strict=True):
            if value is not None and low is not None and high is not None:
                assert -1 <= low <= value <= high <= 1
        begun = [value is not None for value in whole.value]
        assert begun == sorted(begun)
    assert AllianceLevel.from_dict(level.to_dict()) == level


def test_the_interval_covers_what_it_says(sketch: Sketch) -> None:
    # All 3^7 outcomes of seven turns, each with its probability: how much lies inside.
    session = sketch("cPB tN cW2@.5 tPB@.6 cN@.5 tCT@.4 cPB@.45")
    value, low, high = alliance_level(session.turns, half_life_turns=10).together.final or (0, 0, 0)
    weights = [0.5 ** (age / 10) for age in reversed(range(7))]
    chances = [
        (t.probabilities.alliance_positive, t.p_rupture, t.probabilities.neutral)
        for t in session.turns
        if t.probabilities is not None
    ]
    inside = mean = 0.0
    for outcome in itertools.product(range(3), repeat=7):
        chance = math.prod(chances[turn][what] for turn, what in enumerate(outcome))
        total = sum(w * (1, -1, 0)[what] for w, what in zip(weights, outcome, strict=True))
        mean += chance * total / sum(weights)
        inside += chance * (low <= total / sum(weights) <= high)
    assert mean == pytest.approx(value)
    assert 0.93 < inside < 0.97


@pytest.mark.parametrize(
    ("value", "low", "high", "message"),
    [
        ((0.5,), (0.1,), (), "one value, low and high per turn"),
        ((None,), (0.1,), (0.2,), "begin at the same turn"),
        ((0.5,), (0.6,), (0.7,), "low <= value <= high"),
        ((0.5,), (0.1,), (1.5,), "low <= value <= high"),
        ((math.nan,), (0.1,), (1.0,), "low <= value <= high"),
    ],
)
def test_contradictions(
    value: tuple[float | None, ...], low: tuple[float, ...], high: tuple[float, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        LevelSeries(value, low, high)


def test_the_three_series_are_of_one_session() -> None:
    none, one = LevelSeries((), (), ()), LevelSeries((0.0,), (0.0,), (0.0,))
    with pytest.raises(ValueError, match="one entry per turn"):
        AllianceLevel(none, one, one)
