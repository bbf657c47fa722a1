"""What a label rests on where a layer reads the whole session."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from alliance.model.calibration import Floats
from alliance.model.classifier import RuptureClassifier
from alliance.model.codebook import LABELS, Label
from alliance.model.explain import (
    AFTER,
    BEFORE,
    WORD_READINGS,
    explain,
    explain_turn,
    neighbours,
)
from alliance.model.labelled import LabelledSession
from alliance.model.occlusion import Occlusion
from alliance.model.packing import Window
from alliance.model.session import Session

Talk = Callable[..., Session]


@pytest.fixture(scope="module")
def over_session(layered: Path) -> RuptureClassifier:
    return RuptureClassifier.load(layered, threads=1)


@pytest.fixture
def occlusion(over_session: RuptureClassifier, long_session: Callable[..., Session]) -> Occlusion:
    return Occlusion(over_session, over_session.label(long_session(60)))


def by_hand(
    classifier: RuptureClassifier, labelled: LabelledSession, others: dict[int, str]
) -> list[Floats]:
    """Probabilities where turns say something else, in the windows of what was said."""
    session = labelled.session
    turns = tuple(
        replace(turn, text=others.get(place, turn.text)) for place, turn in enumerate(session.turns)
    )
    encoded = tuple(classifier.encode(turns))
    plan = replace(classifier.plan(session), encoded=encoded)
    pooled = [classifier.run_window(plan, number) for number in range(len(plan.windows))]
    logits = classifier.scores(replace(session, turns=turns), plan, pooled).logits
    return list(classifier.probabilities(logits, turns))


def labels(labelled: LabelledSession) -> Iterator[tuple[int, Label, float]]:
    for turn in labelled:
        if turn.label is not None and turn.probabilities is not None:
            yield turn.index, turn.label, turn.probabilities.of(turn.label)


@pytest.mark.parametrize("causal", [False, True])
def test_under_a_layer_with_nothing_left_out_it_is_the_label_that_was_given(
    over_session: RuptureClassifier, long_session: Callable[..., Session], causal: bool
) -> None:
    labelled = over_session.label(long_session(40), causal=causal)
    occlusion = Occlusion(over_session, labelled)
    for turn, _, given_p in labels(labelled):
        assert occlusion.probability(turn) == pytest.approx(given_p, abs=1e-9)


def test_under_a_layer_all_windows_count_that_hold_what_is_left_out(
    over_session: RuptureClassifier, occlusion: Occlusion
) -> None:
    labelled = occlusion.labelled
    session = labelled.session
    plan = over_session.plan(session)
    holding = [
        sum(window.first <= place < window.stop for window in plan.windows) for place in range(60)
    ]
    twice = holding.index(2)
    for turn, label, given_p in list(labels(labelled))[::7]:
        for other in (twice, 0, 59, max(0, turn - 1)):
            if other == turn:
                continue
            left = by_hand(over_session, labelled, {other: ""})[turn][LABELS.index(label)]
            assert occlusion.probability(turn, turns=[other]) == pytest.approx(left, abs=1e-9)
        text = session.turns[turn].text
        start = text.find(" ") + 1
        left = by_hand(over_session, labelled, {turn: text[:start]})[turn][LABELS.index(label)]
        words = [(start, len(text))]
        assert occlusion.probability(turn, words=words) == pytest.approx(left, abs=1e-9)
        assert given_p == pytest.approx(occlusion.probability(turn))


def test_under_a_layer_what_a_turn_costs(
    over_session: RuptureClassifier, occlusion: Occlusion
) -> None:
    index = [turn for turn, _, _ in labels(occlusion.labelled)][20]
    found = explain_turn(occlusion, index)
    before = len(over_session.plan(occlusion.labelled.session).windows)
    assert before < occlusion.readings <= before + 2 * (WORD_READINGS + BEFORE + AFTER + 3)
    first = occlusion.readings
    assert explain_turn(occlusion, index) == found
    assert occlusion.readings == first, "what was read is remembered"
    assert occlusion.reach(index) == Window(0, 60)
    assert max(neighbours(occlusion, index)) > index


def test_under_a_layer_turns_beyond_the_window_are_tried(
    over_session: RuptureClassifier, talk: Talk
) -> None:
    budget = over_session.packing.max_turn_tokens - 1
    session = talk(*["c: " + "useless " * budget, "t: " + "must " * budget] * 4)
    labelled = over_session.label(session)
    occlusion = Occlusion(over_session, labelled)
    assert len(occlusion.window(4)) == 1
    assert neighbours(occlusion, 4) == [0, 1, 2, 3, 5, 6]
    assert occlusion.probability(4, turns=[3]) != occlusion.probability(4)


def test_under_a_layer_nothing_later_is_used_in_causal_mode(
    over_session: RuptureClassifier, long_session: Callable[..., Session]
) -> None:
    longer = long_session(30)
    session = replace(longer, turns=longer.turns[:20])
    before = explain(over_session, over_session.label(session, causal=True))
    after = explain(over_session, over_session.label(longer, causal=True))
    assert before
    assert after[: len(before)] == before
