import dataclasses
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alliance.model import occlusion as occlusion_module
from alliance.model.classifier import RuptureClassifier, shipped_weights
from alliance.model.codebook import Label
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
from alliance.model.session import Session, Turn

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
Talk = Callable[..., Session]


def said(session: Session, explanation: TurnExplanation) -> list[str]:
    text = session.turns[explanation.turn].text
    return [text[word.start : word.end] for word in explanation.words]


# What is found.


def test_the_word_that_made_the_label_is_named(classifier: RuptureClassifier, talk: Talk) -> None:
    session = talk("t: How was it?", "c: 😀 It was useless, you see.", "t: thanks")
    (found,) = explain(classifier, classifier.label(session))
    assert (found.turn, found.label) == (1, Label.CONFRONTATION)
    assert said(session, found) == ["useless,"]
    assert found.words[0].start == 9, "an emoji is one character"
    assert found.neighbours == (), "the stub hears nothing of other turns"
    assert found.words_together == pytest.approx(found.words[0].effect)
    assert found.p > 0.8
    assert found.words[0].effect > 0.5


def test_words_that_say_the_same_are_weighed_together(
    classifier: RuptureClassifier, talk: Talk
) -> None:
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


def test_a_word_that_speaks_against_the_label_is_not_named(
    classifier: RuptureClassifier, talk: Talk
) -> None:
    session = talk("c: useless useless thanks")
    (found,) = explain(classifier, classifier.label(session))
    assert found.label is Label.CONFRONTATION
    assert "thanks" not in said(session, found)


def test_the_neighbour_that_made_the_label_is_named(
    contextual: RuptureClassifier, talk: Talk
) -> None:
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
    classifier: RuptureClassifier, count: int, place: int, talk: Talk
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


def test_all_ruptures_are_explained_by_default(classifier: RuptureClassifier, talk: Talk) -> None:
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
    classifier: RuptureClassifier, talk: Talk
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


def test_what_it_costs(classifier: RuptureClassifier, talk: Talk) -> None:
    session = talk(*["t: one two three", "c: well this is useless"] * 10)
    labelled = classifier.label(session)
    occlusion = Occlusion(classifier, labelled)
    explain_turn(occlusion, 9)
    whole, words, together = 1, 4, 2
    assert occlusion.readings <= whole + words + len(neighbours(occlusion, 9)) + together
    first = occlusion.readings
    explain_turn(occlusion, 9)
    assert occlusion.readings == first, "what was read is remembered"


def test_a_cut_middle_has_no_effect_and_costs_nothing(
    classifier: RuptureClassifier, talk: Talk
) -> None:
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


def test_turns_without_a_label_are_refused(classifier: RuptureClassifier, talk: Talk) -> None:
    labelled = classifier.label(talk("t: thanks", "m: secret", "c: [pause]"))
    for turn in (1, 2):
        with pytest.raises(ValueError, match=f"with a label, found none on turn {turn}") as caught:
            explain(classifier, labelled, turns=[turn])
        assert "secret" not in str(caught.value)
    for turn in (-1, 3):
        with pytest.raises(ValueError, match=f"the session's 3, found turn {turn}"):
            explain(classifier, labelled, turns=[turn])


def test_labels_of_another_model_are_refused(
    classifier: RuptureClassifier, contextual: RuptureClassifier, talk: Talk
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


def test_readings_do_not_pile_up(
    classifier: RuptureClassifier, monkeypatch: pytest.MonkeyPatch, talk: Talk
) -> None:
    monkeypatch.setattr(occlusion_module, "_KEPT", 3)
    session = talk("t: one two three", "c: well this is useless")
    labelled = classifier.label(session)
    occlusion = Occlusion(classifier, labelled)
    assert explain_turn(occlusion, 1) == explain_turn(Occlusion(classifier, labelled), 1)
    assert len(occlusion._known) == 3


# The weights that ship.


@pytest.mark.skipif(
    not (shipped_weights() / "model.onnx").exists(),
    reason="no weights have been built into model/weights",
)
def test_the_shipped_model_is_explained_by_its_own_window(talk: Talk) -> None:
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
