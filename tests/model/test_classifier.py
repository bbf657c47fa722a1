import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alliance.model.backend import Logits, OnnxBackend
from alliance.model.calibration import Calibration
from alliance.model.classifier import RuptureClassifier
from alliance.model.codebook import LABELS, MARKER_ORDER, Label, Marker, Role
from alliance.model.decision import DecisionPolicy, DecisionRule
from alliance.model.labelled import LabelledTurn, ModelInfo, Purpose, UnlabelledReason
from alliance.model.packing import choose_windows, plan_windows
from alliance.model.scores import pool_turns
from alliance.model.session import Session, Turn
from alliance.model.text import has_words
from alliance.model.tokens import TokenIds, TurnTokenizer

WORDS = ["fine", "dunno", "useless", "must", "thanks", "sorry", "so", "well", "the", "bus"]


def session(*said: str) -> Session:
    """Turns as `speaker: words`."""
    parts = (line.partition(": ") for line in said)
    return Session("s", tuple(Turn(speaker, text) for speaker, _, text in parts))


def long_session(turns: int = 60, *, seed: int = 0) -> Session:
    """A session of several windows, no two turns alike in length and words."""
    draw = np.random.default_rng(seed)
    said = [
        Turn(
            ["therapist", "client", "Mother"][int(draw.integers(3))],
            " ".join(draw.choice(WORDS, size=draw.integers(0, 40))),
        )
        for _ in range(turns)
    ]
    return Session(f"long-{seed}", tuple(said))


@pytest.mark.parametrize(
    ("turn", "label", "marker"),
    [
        ("client: I dunno", Label.WITHDRAWAL, Marker.W2),
        ("client: WHATEVER you say", Label.WITHDRAWAL, Marker.W5),
        ("therapist: Some weather today", Label.WITHDRAWAL, Marker.WT),
        ("client: This is useless.", Label.CONFRONTATION, Marker.C3),
        ("client: You are not listening!", Label.CONFRONTATION, Marker.C1),
        ("therapist: You must stop", Label.CONFRONTATION, Marker.CT),
        ("therapist: sorry about that", Label.ALLIANCE_POSITIVE, Marker.PR),
        ("client: thanks", Label.ALLIANCE_POSITIVE, Marker.PB),
        ("client: It was Tuesday.", Label.NEUTRAL, Marker.N),
        # Codes of the other speaker are not to be had, whatever the network says.
        ("client: You must stop", Label.NEUTRAL, Marker.N),
        ("therapist: useless", Label.NEUTRAL, Marker.N),
    ],
)
def test_known_words_have_known_labels(
    classifier: RuptureClassifier, turn: str, label: Label, marker: Marker
) -> None:
    (labelled,) = classifier.label(session(turn)).turns
    assert (labelled.label, labelled.marker) == (label, marker)
    assert labelled.probabilities is not None
    assert labelled.p_marker is not None
    assert 0.25 < labelled.p_marker <= labelled.probabilities.of(label)


def test_what_made_the_labels_is_written_down(classifier: RuptureClassifier) -> None:
    labelled = classifier.label(session("client: I dunno"), purpose=Purpose.TEACHING)
    assert labelled.model == ModelInfo("stub-1", Purpose.TEACHING)
    assert classifier.label(session()).model.purpose is Purpose.RESEARCH


def test_turns_that_get_no_label_keep_their_place(classifier: RuptureClassifier) -> None:
    labelled = classifier.label(
        session("client: [inaudible]", "Mother: useless", "client: ", "Mother: ...", "client: No.")
    )
    assert [turn.unlabelled_reason for turn in labelled] == [
        UnlabelledReason.NO_WORDS,
        UnlabelledReason.ROLE_OTHER,
        UnlabelledReason.NO_WORDS,
        UnlabelledReason.ROLE_OTHER,
        None,
    ]
    assert [turn.label for turn in labelled] == [None, None, None, None, Label.NEUTRAL]


def test_an_empty_session_has_no_labels(classifier: RuptureClassifier) -> None:
    assert classifier.label(Session("empty", ())).turns == ()
    scores = classifier.score(Session("empty", ()))
    assert scores.logits.shape == (0, len(MARKER_ORDER))
    assert (scores.truncated, scores.input_tokens, scores.encoded_tokens) == ((), 0, 0)


def test_an_over_long_turn_is_flagged(classifier: RuptureClassifier) -> None:
    budget = classifier.packing.max_turn_tokens - 1
    fits, cut = "so " * budget, "so " * (budget + 1)
    labelled = classifier.label(session(f"client: {fits}", f"client: {cut}", f"Mother: {cut}"))
    assert [turn.truncated for turn in labelled] == [False, True, True]
    # What stands in the middle is lost; what stands at the head or the tail is not.
    middle = f"{'so ' * budget} useless {'so ' * budget}"
    assert classifier.label(session(f"client: {middle}")).turns[0].label is Label.NEUTRAL
    for edge in (f"useless {middle}", f"{middle} useless"):
        assert classifier.label(session(f"client: {edge}")).turns[0].label is Label.CONFRONTATION


def test_a_turns_logits_are_the_mean_of_its_tokens(
    classifier: RuptureClassifier, stub: Path
) -> None:
    # The stub's logits do not depend on the window, so each turn can be run by itself.
    backend = OnnxBackend(stub / "model.onnx")
    whole = long_session()
    encoded = classifier.encode(whole.turns)
    windows = plan_windows([len(turn.ids) for turn in encoded], classifier.packing)
    assert len(windows) > 5
    scores = classifier.score(whole)
    for turn, row in zip(encoded, scores.logits, strict=True):
        assert row == pytest.approx(backend(turn.ids).mean(axis=0), abs=1e-4)
    assert scores.input_tokens == sum(len(turn.ids) for turn in encoded)
    shared = scores.encoded_tokens - 2 * len(windows) - scores.input_tokens
    assert shared == sum(
        len(encoded[place].ids) * (sum(w.first <= place < w.stop for w in windows) - 1)
        for place in range(len(encoded))
    )


def test_pooling_by_hand() -> None:
    logits = np.arange(7, dtype=np.float32)[:, np.newaxis] * np.ones(21, dtype=np.float32)
    assert pool_turns(logits, [1, 3, 1])[:, 0].tolist() == [1.0, 3.0, 5.0]
    assert pool_turns(logits, [5])[:, 20].tolist() == [3.0]


def test_a_turn_is_taken_from_the_window_chosen_for_it(stub: Path) -> None:
    calls: list[TokenIds] = []

    def window_number(ids: TokenIds) -> Logits:
        calls.append(ids)
        return np.full((len(ids), len(MARKER_ORDER)), len(calls) - 1, dtype=np.float32)

    loaded = RuptureClassifier.load(stub)
    counting = RuptureClassifier(
        "counting",
        tokenizer=TurnTokenizer.from_file(stub / "tokenizer.json"),
        backend=window_number,
        packing=loaded.packing,
    )
    whole = long_session()
    lengths = [len(turn.ids) for turn in counting.encode(whole.turns)]
    windows = plan_windows(lengths, counting.packing)
    scores = counting.score(whole)
    assert scores.logits[:, 0].tolist() == choose_windows(lengths, windows)
    assert len(calls) == len(windows)
    assert scores.encoded_tokens == sum(map(len, calls))


def test_a_result_depends_on_its_session_alone(classifier: RuptureClassifier, stub: Path) -> None:
    subject, others = long_session(), [long_session(20, seed=seed) for seed in (1, 2)]
    alone = RuptureClassifier.load(stub).label(subject)
    first = classifier.score(subject).logits
    for other in others:
        classifier.label(other)
    # Floats are compared exactly: bit for bit the same.
    assert classifier.label(subject) == alone
    assert classifier.score(subject).logits.tobytes() == first.tobytes()
    assert RuptureClassifier.load(stub, threads=1).label(subject) == alone
    assert RuptureClassifier.load(stub, threads=1).score(subject).logits.tobytes() == (
        first.tobytes()
    )


def test_sessions_may_be_labelled_at_once(classifier: RuptureClassifier) -> None:
    sessions = [long_session(20, seed=seed) for seed in range(6)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(classifier.label, sessions))
    assert together == [classifier.label(one) for one in sessions]


# --- causal mode


@pytest.fixture(scope="module")
def heedful(stub: Path) -> RuptureClassifier:
    """The stub with a network that heeds every token of the window and its place in it."""

    def heed(ids: TokenIds) -> Logits:
        whole = int(ids @ np.arange(1, len(ids) + 1)) + len(ids)
        return np.random.default_rng(whole).normal(size=(len(ids), 21)).astype(np.float32)

    return RuptureClassifier(
        "heedful",
        tokenizer=TurnTokenizer.from_file(stub / "tokenizer.json"),
        backend=heed,
        packing=RuptureClassifier.load(stub).packing,
    )


some_turns = st.lists(
    st.builds(
        Turn,
        st.sampled_from(["therapist", "client", "Mother"]),
        st.lists(st.sampled_from([*WORDS, "[laughs]", ""]), max_size=40).map(" ".join),
    ),
    max_size=8,
)


@settings(max_examples=60, deadline=None)
@given(until=some_turns, later=some_turns, other=some_turns)
def test_what_is_said_later_changes_no_causal_label(
    heedful: RuptureClassifier, until: list[Turn], later: list[Turn], other: list[Turn]
) -> None:
    first, second, short = (
        Session("s", tuple(until + rest)) for rest in (later, other, list[Turn]())
    )
    alone = heedful.label(short, causal=True)
    for longer in (first, second):
        assert heedful.label(longer, causal=True).turns[: len(until)] == alone.turns
    scores = heedful.score(first, causal=True)
    assert scores.logits[: len(until)].tobytes() == (
        heedful.score(short, causal=True).logits.tobytes()
    )


def test_what_is_said_later_changes_labels_in_full_mode(heedful: RuptureClassifier) -> None:
    # So the network would have shown it in causal mode too.
    short, longer = session("client: so it was"), session("client: so it was", "client: fine")
    assert heedful.label(short).turns[0] != heedful.label(longer).turns[0]


@pytest.mark.parametrize("name", ["heedful", "classifier"])
def test_live_and_causal_labels_are_the_same(name: str, request: pytest.FixtureRequest) -> None:
    model: RuptureClassifier = request.getfixturevalue(name)
    whole = long_session(40)
    causal = model.label(whole, causal=True, purpose=Purpose.SCREENING)
    scores = model.score(whole, causal=True)
    input_tokens = encoded_tokens = 0
    for index in range(len(whole.turns)):
        so_far = whole.turns[: index + 1]
        assert model.label_last(so_far, purpose=Purpose.SCREENING) == causal.turns[index]
        last = model.score_last(so_far)
        assert last.logits.tobytes() == scores.logits[[index]].tobytes()
        assert last.truncated == scores.truncated[index : index + 1]
        input_tokens += last.input_tokens
        encoded_tokens += last.encoded_tokens
    assert (scores.input_tokens, scores.encoded_tokens) == (input_tokens, encoded_tokens)
    assert scores.input_tokens == model.score(whole).input_tokens


def test_a_causal_window_ends_with_its_turn_and_is_filled_backwards(
    heedful: RuptureClassifier,
) -> None:
    whole = long_session(40)
    encoded = heedful.encode(whole.turns)
    room = heedful.packing.causal_room
    seen = heedful.score(whole, causal=True).logits
    silent = 0
    for index, turn in enumerate(whole.turns):
        if turn.role is Role.OTHER or not has_words(turn.text):
            silent += 1
            assert not seen[index].any()
            continue
        first = index
        while first and sum(len(one.ids) for one in encoded[first - 1 : index + 1]) <= room:
            first -= 1
        if sum(len(one.ids) for one in encoded[: index + 1]) > room:
            assert first > 0
        # The same turn in a session that starts with its window.
        alone = heedful.score_last(whole.turns[first : index + 1])
        assert alone.logits.tobytes() == seen[[index]].tobytes()
    assert 0 < silent < 30


def test_causal_labels_say_so(classifier: RuptureClassifier) -> None:
    said = session("client: I dunno", "Mother: useless")
    causal = classifier.label(said, causal=True)
    assert causal.model == ModelInfo("stub-1", causal=True)
    # The stub's network sees one token at a time, so that both modes agree.
    assert causal.turns == classifier.label(said).turns
    assert classifier.label(Session("empty", ()), causal=True).turns == ()
    with pytest.raises(ValueError, match="the newest last; found none"):
        classifier.label_last([])


def with_rules(stub: Path, **rules: DecisionRule) -> RuptureClassifier:
    loaded = RuptureClassifier.load(stub)
    loaded.decision = DecisionPolicy(
        {purpose: rules.get(purpose.value, DecisionRule()) for purpose in Purpose}
    )
    return loaded


def test_the_purpose_decides_the_label_and_not_the_probabilities(stub: Path) -> None:
    eager = DecisionRule(
        weights=dict.fromkeys(LABELS, 1.0) | {Label.WITHDRAWAL: 1e6},
    )
    wary = DecisionRule(abstain_below=dict.fromkeys(LABELS, 1.0))
    loaded = with_rules(stub, screening=eager, teaching=wary)
    said = session("client: so it was the bus")
    (research,) = loaded.label(said)
    (screening,) = loaded.label(said, purpose=Purpose.SCREENING)
    (teaching,) = loaded.label(said, purpose=Purpose.TEACHING)
    assert (research.label, research.abstained) == (Label.NEUTRAL, False)
    assert screening.label is Label.WITHDRAWAL
    assert (teaching.label, teaching.abstained) == (Label.NEUTRAL, True)
    assert research.probabilities == screening.probabilities == teaching.probabilities
    assert screening.marker is not None
    assert screening.marker.label is Label.WITHDRAWAL


def test_labelling_for_all_purposes_is_labelling_for_each(classifier: RuptureClassifier) -> None:
    made = classifier.label_for(long_session())
    assert made == {
        purpose: classifier.label(long_session(), purpose=purpose) for purpose in Purpose
    }
    assert list(classifier.label_for(long_session(), purposes=[])) == []


def test_the_calibration_is_applied(stub: Path) -> None:
    loaded = RuptureClassifier.load(stub)
    (before,) = loaded.label(session("client: so"))
    loaded.calibration = Calibration(bias=(0.0, 0.0, 50.0, 0.0))
    (after,) = loaded.label(session("client: so"))
    assert (before.label, after.label) == (Label.NEUTRAL, Label.CONFRONTATION)
    assert after.p_marker is not None
    assert after.probabilities is not None
    # All seven client codes are alike to the stub; they share the calibrated probability.
    assert after.p_marker == pytest.approx(after.probabilities.confrontation / 7)


@pytest.mark.parametrize(("speaker", "marker"), [("therapist", Marker.WT), ("client", Marker.W1)])
def test_a_marker_is_legal_even_where_all_have_underflowed(
    stub: Path, speaker: str, marker: Marker
) -> None:
    def certain(ids: TokenIds) -> Logits:
        logits = np.full((len(ids), len(MARKER_ORDER)), -1e6, dtype=np.float32)
        logits[:, MARKER_ORDER.index(Marker.N)] = 0.0
        return logits

    sure = RuptureClassifier(
        "sure",
        tokenizer=TurnTokenizer.from_file(stub / "tokenizer.json"),
        backend=certain,
        packing=RuptureClassifier.load(stub).packing,
        calibration=Calibration(bias=(0.0, 90.0, 0.0, 0.0)),
    )
    (turn,) = sure.label(session(f"{speaker}: so"))
    assert (turn.label, turn.marker, turn.p_marker) == (Label.WITHDRAWAL, marker, 0.0)


texts = st.text(st.characters(exclude_categories=()), max_size=30) | st.lists(
    st.sampled_from([*WORDS, "[CLIENT]", "[SEP]", "[laughs]", "xxx", "😀", "\ud83d"]), max_size=45
).map(" ".join)
speakers = st.sampled_from(["therapist", "client", "Mother", "[CLIENT]"])


@settings(max_examples=60, deadline=None)
@given(
    turns=st.lists(st.builds(Turn, speakers, texts), max_size=12), purpose=st.sampled_from(Purpose)
)
def test_any_session_gets_one_sound_labelled_turn_per_turn(
    classifier: RuptureClassifier, turns: list[Turn], purpose: Purpose
) -> None:
    labelled = classifier.label(Session("s", tuple(turns)), purpose=purpose)
    assert [one.turn for one in labelled] == turns
    assert [one.index for one in labelled] == list(range(len(turns)))
    for one in labelled:
        assert_sound(one)


def assert_sound(one: LabelledTurn) -> None:
    silent = not has_words(one.turn.text)
    other = one.turn.speaker not in ("therapist", "client")
    assert (one.label is None) == (silent or other)
    if one.label is None:
        expected = UnlabelledReason.ROLE_OTHER if other else UnlabelledReason.NO_WORDS
        assert one.unlabelled_reason is expected
        return
    assert one.probabilities is not None
    assert one.marker is not None
    assert one.p_marker is not None
    assert math.fsum(one.probabilities.as_tuple()) == pytest.approx(1.0)
    assert one.marker.label is one.label
    assert one.marker.may_be_said_by(one.turn.role)
    assert 0 <= one.p_marker <= one.probabilities.of(one.label)


def test_the_same_model_may_have_another_way_to_its_encoder(
    classifier: RuptureClassifier,
) -> None:
    read: list[int] = []

    def counting(ids: TokenIds) -> Logits:
        read.append(len(ids))
        return classifier.backend(ids)

    subject = session("client: useless", "therapist: I see.")
    assert classifier.with_backend(counting).label(subject) == classifier.label(subject)
    assert len(read) == 1
    assert classifier.with_backend(counting).tokenizer is classifier.tokenizer
