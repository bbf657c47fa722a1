import dataclasses
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alliance.model import occlusion as occlusion_module
from alliance.model.backend import Logits
from alliance.model.calibration import Floats
from alliance.model.classifier import RuptureClassifier, shipped_weights
from alliance.model.codebook import LABELS, Label
from alliance.model.explain import (
    AFTER,
    BEFORE,
    LEAST_EFFECT,
    WORD_READINGS,
    explain,
    explain_turn,
    neighbours,
    words_of,
)
from alliance.model.explanation import TurnEffect, TurnExplanation, WordEffect
from alliance.model.labelled import LabelledSession
from alliance.model.occlusion import Occlusion
from alliance.model.packing import Window
from alliance.model.schema import timeline_schema
from alliance.model.session import Session, Turn
from alliance.model.timeline import Timeline, timeline
from alliance.model.tokens import TokenIds

QUICK = settings(max_examples=25, deadline=None)

# A word that votes for each label, words without a vote, and a transcriber's note.
WORDS = st.sampled_from(["useless", "dunno", "thanks", "well", "😀", "[pause]"])
TURNS = st.builds(
    Turn,
    st.sampled_from(["client", "therapist", "Mother"]),
    st.lists(WORDS, max_size=12).map(" ".join),
)
SESSIONS = st.lists(TURNS, max_size=14).map(lambda turns: Session("s", tuple(turns)))

ReadAround = Callable[..., RuptureClassifier]


@pytest.fixture
def contextual(classifier: RuptureClassifier) -> RuptureClassifier:
    """The stub, but a token hears what is said elsewhere in its window as well."""
    inner = classifier._backend

    def backend(ids: TokenIds) -> Logits:
        votes = inner(ids)
        return np.asarray(votes + 2 * votes.mean(axis=0, keepdims=True), dtype=np.float32)

    return RuptureClassifier(
        classifier.name,
        tokenizer=classifier._tokenizer,
        backend=backend,
        packing=classifier.packing,
    )


def said(session: Session, explanation: TurnExplanation) -> list[str]:
    text = session.turns[explanation.turn].text
    return [text[word.start : word.end] for word in explanation.words]


def talk(*lines: str) -> Session:
    speakers = {"t": "therapist", "c": "client", "m": "Mother"}
    return Session("s", tuple(Turn(speakers[line[0]], line[2:].strip()) for line in lines))


# What is found.


def test_the_word_that_made_the_label_is_named(classifier: RuptureClassifier) -> None:
    session = talk("t: How was it?", "c: 😀 It was useless, you see.", "t: thanks")
    (found,) = explain(classifier, classifier.label(session))
    assert (found.turn, found.label) == (1, Label.CONFRONTATION)
    assert said(session, found) == ["useless,"]
    assert found.words[0].start == 9, "an emoji is one character"
    assert found.neighbours == (), "the stub hears nothing of other turns"
    assert found.words_together == pytest.approx(found.words[0].effect)
    assert found.p > 0.8
    assert found.words[0].effect > 0.5


def test_words_that_say_the_same_are_weighed_together(classifier: RuptureClassifier) -> None:
    # Each leaves two others to say so; without all of them nothing is left of the label.
    session = talk("c:  useless useless useless")
    (found,) = explain(classifier, classifier.label(session))
    assert said(session, found) == ["useless useless useless"]
    assert found.words_together == found.words[0].effect > 0.7
    # Here each is missed a little, both together much.
    session = talk("c: useless useless well well well well well well well")
    (found,) = explain(classifier, classifier.label(session))
    assert said(session, found)[:2] == ["useless", "useless"]
    assert found.words_together > found.words[0].effect + found.words[1].effect


def test_a_word_that_speaks_against_the_label_is_not_named(classifier: RuptureClassifier) -> None:
    session = talk("c: useless useless thanks")
    (found,) = explain(classifier, classifier.label(session))
    assert found.label is Label.CONFRONTATION
    assert "thanks" not in said(session, found)


def test_the_neighbour_that_made_the_label_is_named(contextual: RuptureClassifier) -> None:
    session = talk("t: well", "c: useless useless useless", "t: well", "c: well", "c: thanks")
    labelled = contextual.label(session)
    assert labelled.turns[3].label is Label.CONFRONTATION
    (found,) = explain(contextual, labelled, turns=[3])
    assert [turn.turn for turn in found.neighbours] == [1]
    assert found.neighbours_together == pytest.approx(found.neighbours[0].effect)
    assert found.p - contextual.label(
        replace(session, turns=(*session.turns[:1], Turn("client", ""), *session.turns[2:]))
    ).turns[3].probabilities.confrontation == pytest.approx(found.neighbours[0].effect)  # type: ignore[union-attr]


@pytest.mark.parametrize("place", [0, 7, 40, 41, 59])
@pytest.mark.parametrize("count", [17, 60])
def test_one_word_of_a_long_turn_is_found_in_pieces(
    classifier: RuptureClassifier, count: int, place: int
) -> None:
    roomy = dataclasses.replace(classifier.packing, max_tokens=200, max_turn_tokens=100)
    classifier = RuptureClassifier(
        "roomy",
        tokenizer=classifier._tokenizer,
        backend=classifier._backend,
        packing=roomy,
    )
    place %= count
    words = ["well"] * count
    words[place] = "useless"
    session = talk("c: " + " ".join(words))
    labelled = classifier.label(session)
    occlusion = Occlusion(classifier, labelled)
    found = explain_turn(occlusion, 0)
    assert occlusion.readings <= WORD_READINGS + 2
    assert found.label is Label.CONFRONTATION
    assert said(session, found)[0].split().count("useless") == 1
    assert len(said(session, found)[0].split()) <= 2
    for one, after in pairwise(found.words):
        assert one.effect >= after.effect
    spans = sorted((word.start, word.end) for word in found.words)
    assert all(a[1] <= b[0] for a, b in pairwise(spans))


def test_all_ruptures_are_explained_by_default(classifier: RuptureClassifier) -> None:
    session = talk("t: thanks", "c: useless", "m: useless", "c: [pause]", "c: dunno", "t: well")
    labelled = classifier.label(session)
    doubtful = replace(labelled.turns[4], abstained=True)
    turns = (*labelled.turns[:4], doubtful, labelled.turns[5])
    labelled = LabelledSession(session, turns, labelled.model)
    assert [found.turn for found in explain(classifier, labelled)] == [1, 4]
    assert [found.turn for found in explain(classifier, labelled, turns=[4, 0, 4])] == [0, 4]
    assert explain(classifier, labelled, turns=[]) == ()


# What it rests on.


@QUICK
@given(session=SESSIONS, causal=st.booleans())
def test_with_nothing_left_out_it_is_the_label_that_was_given(
    classifier: RuptureClassifier, session: Session, causal: bool
) -> None:
    labelled = classifier.label(session, causal=causal)
    occlusion = Occlusion(classifier, labelled)
    for turn in labelled:
        if turn.label is not None and turn.probabilities is not None:
            given_p = turn.probabilities.of(turn.label)
            assert occlusion.probability(turn.index) == pytest.approx(given_p, abs=1e-9)


@QUICK
@given(session=SESSIONS, causal=st.booleans())
def test_an_explanation_keeps_its_promises(
    classifier: RuptureClassifier, session: Session, causal: bool
) -> None:
    labelled = classifier.label(session, causal=causal)
    made = explain(classifier, labelled)
    assert made == explain(classifier, labelled)
    assert [found.turn for found in made] == [
        turn.index for turn in labelled if turn.label is not None and turn.label.is_rupture
    ]
    for found in made:
        text = session.turns[found.turn].text
        spans = words_of(text)
        for word in found.words:
            # A short turn's words are tried one by one, and all at once if none is missed.
            whole = (spans[0][0], spans[-1][1])
            assert (word.start, word.end) in ([whole] if len(found.words) == 1 else []) + spans
            assert word.effect >= LEAST_EFFECT
            # The offsets point into the text as it was read: leave the word out by hand.
            without = replace(session.turns[found.turn], text=text[: word.start] + text[word.end :])
            turns = (*session.turns[: found.turn], without, *session.turns[found.turn + 1 :])
            again = classifier.label(Session("s", turns), causal=causal).turns[found.turn]
            left = 0.0 if again.probabilities is None else again.probabilities.of(found.label)
            if again.probabilities is not None:
                assert found.p - left == pytest.approx(word.effect, abs=1e-6)


@QUICK
@given(session=SESSIONS, later=st.lists(TURNS, max_size=4))
def test_nothing_later_is_used_in_causal_mode(
    classifier: RuptureClassifier, session: Session, later: list[Turn]
) -> None:
    longer = replace(session, turns=(*session.turns, *later))
    before = explain(classifier, classifier.label(session, causal=True))
    after = explain(classifier, classifier.label(longer, causal=True))
    assert after[: len(before)] == before


def test_neighbours_are_near_said_something_and_share_the_window(
    classifier: RuptureClassifier,
) -> None:
    session = talk(*["t: well", "c: useless"] * 10)
    labelled = classifier.label(session)
    occlusion = Occlusion(classifier, labelled)
    window = occlusion.window(9)
    assert neighbours(occlusion, 9) == [
        place
        for place in range(9 - BEFORE, 9 + AFTER + 1)
        if place != 9 and window.first <= place < window.stop
    ]
    assert 8 in neighbours(occlusion, 9)
    assert neighbours(occlusion, 0)[:1] == [1]
    live = Occlusion(classifier, classifier.label(session, causal=True))
    assert max(neighbours(live, 9)) == 8
    quiet = talk("t: well", "t:  ", "c: useless")
    assert neighbours(Occlusion(classifier, classifier.label(quiet)), 2) == [0]


def test_what_it_costs(classifier: RuptureClassifier) -> None:
    session = talk(*["t: one two three", "c: well this is useless"] * 10)
    labelled = classifier.label(session)
    occlusion = Occlusion(classifier, labelled)
    explain_turn(occlusion, 9)
    whole, words, together = 1, 4, 2
    assert occlusion.readings <= whole + words + len(neighbours(occlusion, 9)) + together
    first = occlusion.readings
    explain_turn(occlusion, 9)
    assert occlusion.readings == first, "what was read is remembered"


def test_a_cut_middle_has_no_effect_and_costs_nothing(classifier: RuptureClassifier) -> None:
    budget = classifier.packing.max_turn_tokens
    session = talk("c: " + " ".join(["useless"] * (budget * 3)))
    labelled = classifier.label(session)
    assert labelled.turns[0].truncated
    occlusion = Occlusion(classifier, labelled)
    explain_turn(occlusion, 0)
    # All its words are alike, so leaving some out leaves what is read the same: the turn is read
    # whole, and once more without any of them.
    assert occlusion.readings == 2


# What is refused.


def test_turns_without_a_label_are_refused(classifier: RuptureClassifier) -> None:
    labelled = classifier.label(talk("t: thanks", "m: secret", "c: [pause]"))
    for turn in (1, 2):
        with pytest.raises(ValueError, match=f"with a label, found none on turn {turn}") as caught:
            explain(classifier, labelled, turns=[turn])
        assert "secret" not in str(caught.value)
    for turn in (-1, 3):
        with pytest.raises(ValueError, match=f"the session's 3, found turn {turn}"):
            explain(classifier, labelled, turns=[turn])


def test_labels_of_another_model_are_refused(
    classifier: RuptureClassifier, contextual: RuptureClassifier
) -> None:
    labelled = classifier.label(talk("t: thanks", "c: useless well well well"))
    with pytest.raises(ValueError, match=r"as stub-1 labelled it, .* label the session with it"):
        explain(contextual, labelled)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: WordEffect(3, 3, 0.1), "characters? from|are none"),
        (lambda: TurnEffect(-1, 0.1), "count from 0"),
        (
            lambda: TurnExplanation(1, Label.WITHDRAWAL, 0.5, (WordEffect(0, 1, 0.0),)),
            "raise the label",
        ),
        (
            lambda: TurnExplanation(
                1, Label.WITHDRAWAL, 0.5, (WordEffect(0, 1, 0.1), WordEffect(2, 3, 0.2))
            ),
            "greatest effect first",
        ),
        (
            lambda: TurnExplanation(1, Label.WITHDRAWAL, 0.5, (), (TurnEffect(1, 0.2),)),
            "no neighbour of its own",
        ),
    ],
)
def test_contradictions(made: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        made()


# In the timeline.


def explained(contextual: RuptureClassifier) -> Timeline:
    session = talk("t: well", "c: useless secret", "m: useless", "c: dunno", "t: thanks")
    labelled = contextual.label(session)
    return timeline(labelled, explanations=explain(contextual, labelled))


def test_json_round_trip_and_schema(contextual: RuptureClassifier) -> None:
    made = explained(contextual)
    validator = jsonschema.Draft202012Validator(timeline_schema())
    data = json.loads(json.dumps(made.to_dict(), allow_nan=False))
    validator.validate(data)
    assert Timeline.from_dict(data) == made
    assert [turn["turn"] for turn in data["turns"] if "why" in turn] == [1, 3]
    why = data["turns"][3]["why"]
    assert list(why) == ["words", "turns", "words_together", "turns_together"]
    assert {k: why["words"][0][k] for k in ("start", "end")} == {"start": 0, "end": 5}

    hidden = json.loads(json.dumps(made.to_dict(include_text=False)))
    validator.validate(hidden)
    assert "secret" not in json.dumps(hidden)
    assert Timeline.from_dict(hidden).explanations == made.explanations


def test_nothing_is_said_unless_it_was_asked_for(contextual: RuptureClassifier) -> None:
    made = explained(contextual)
    plain = replace(made, explanations=())
    assert "why" not in json.dumps(plain.to_dict())
    assert (
        timeline(
            LabelledSession(Session("s", tuple(t.turn for t in made.turns)), made.turns, made.model)
        )
        == plain
    )


def test_the_schema_knows_no_reason_without_a_label(contextual: RuptureClassifier) -> None:
    data = explained(contextual).to_dict()
    validator = jsonschema.Draft202012Validator(timeline_schema())
    for place, change in ((2, data["turns"][1]["why"]), (1, {"words": []})):
        odd = json.loads(json.dumps(data))
        odd["turns"][place]["why"] = change
        assert not validator.is_valid(odd)


def test_explanations_fit_their_timeline(contextual: RuptureClassifier) -> None:
    made = explained(contextual)
    first, second = made.explanations
    for wrong, message in (
        ((second, first), "in the order of the turns"),
        ((first, first), "one explanation of a turn"),
        ((replace(first, turn=9, neighbours=()),), "names a turn that is not one of"),
        ((replace(first, neighbours=(TurnEffect(9, 0.1),)),), "names a turn that is not one of"),
        ((replace(first, label=Label.WITHDRAWAL),), "of another label"),
    ):
        with pytest.raises(ValueError, match=message):
            replace(made, explanations=wrong)


# The weights that ship.


@pytest.mark.skipif(
    not (shipped_weights() / "model.onnx").exists(),
    reason="no weights have been built into model/weights",
)
def test_the_shipped_model_is_explained_by_its_own_window() -> None:
    classifier = RuptureClassifier.load()
    session = talk(
        "t: I've been wondering how it felt when I was late last week.",
        "c: You're always late, and you never listen to what I say.",
        "t: Tell me more about that.",
        "c: I don't know. It's fine. Whatever.",
    )
    labelled = classifier.label(session)
    occlusion = Occlusion(classifier, labelled)
    for turn in labelled:
        assert turn.label is not None
        assert turn.probabilities is not None
        given_p = turn.probabilities.of(turn.label)
        assert occlusion.probability(turn.index) == pytest.approx(given_p, abs=1e-6)
    found = explain_turn(occlusion, 3)
    assert found.words
    assert found == explain_turn(Occlusion(classifier, labelled), 3)


# A model with a layer over the session.


@pytest.fixture(scope="module")
def over_session(layered: Path) -> RuptureClassifier:
    return RuptureClassifier.load(layered, threads=1)


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
    over_session: RuptureClassifier, long_session: Callable[..., Session]
) -> None:
    session = long_session(60)
    labelled = over_session.label(session)
    plan = over_session.plan(session)
    occlusion = Occlusion(over_session, labelled)
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
    over_session: RuptureClassifier, long_session: Callable[..., Session]
) -> None:
    session = long_session(60)
    labelled = over_session.label(session)
    plan = over_session.plan(session)
    occlusion = Occlusion(over_session, labelled)
    index = [turn for turn, _, _ in labels(labelled)][20]
    found = explain_turn(occlusion, index)
    before = len(plan.windows)
    assert before < occlusion.readings <= before + 2 * (WORD_READINGS + BEFORE + AFTER + 3)
    first = occlusion.readings
    assert explain_turn(occlusion, index) == found
    assert occlusion.readings == first, "what was read is remembered"
    assert occlusion.reach(index) == Window(0, 60)
    assert max(neighbours(occlusion, index)) > index


def test_under_a_layer_turns_beyond_the_window_are_tried(
    over_session: RuptureClassifier,
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


def test_readings_do_not_pile_up(
    classifier: RuptureClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(occlusion_module, "_KEPT", 3)
    session = talk("t: one two three", "c: well this is useless")
    labelled = classifier.label(session)
    occlusion = Occlusion(classifier, labelled)
    assert explain_turn(occlusion, 1) == explain_turn(Occlusion(classifier, labelled), 1)
    assert len(occlusion._known) == 3
