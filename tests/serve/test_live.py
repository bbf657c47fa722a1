import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alliance.model.backend import Logits, OnnxBackend
from alliance.model.classifier import RuptureClassifier, shipped_weights
from alliance.model.codebook import Label
from alliance.model.episodes import find_episodes
from alliance.model.errors import InputError
from alliance.model.labelled import LabelledTurn, Purpose
from alliance.model.session import Session, Turn
from alliance.model.timeline import DEFAULT_CONFIG, timeline
from alliance.model.tokens import TokenIds, TurnTokenizer
from alliance.serve.live import LiveAnswer, LiveRevision, LiveSession
from alliance.serve.remembering import RememberingClassifier

STUB = Path(__file__).parents[1] / "data" / "stub_model"
WORDS = ["fine", "dunno", "useless", "must", "thanks", "sorry", "so", "well", "the", "bus"]


class Counting:
    """A network that heeds every token of the window and its place in it, and counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, ids: TokenIds) -> Logits:
        self.calls += 1
        whole = int(ids @ np.arange(1, len(ids) + 1)) + len(ids)
        draw = np.random.default_rng(whole).normal(size=(len(ids), 21)) * 3
        return draw.astype(np.float32)


def model_of(backend: Counting) -> RuptureClassifier:
    return RuptureClassifier(
        "heedful",
        tokenizer=TurnTokenizer.from_file(STUB / "tokenizer.json"),
        backend=backend,
        packing=RuptureClassifier.load(STUB).packing,
    )


@pytest.fixture(scope="module")
def stub_model() -> RuptureClassifier:
    return RuptureClassifier.load(STUB)


@pytest.fixture(scope="module")
def heedful() -> RuptureClassifier:
    return model_of(Counting())


def turns_of(count: int, *, seed: int = 0) -> list[Turn]:
    """Turns of all lengths; a session of some windows."""
    draw = np.random.default_rng(seed)
    return [
        Turn(
            ["therapist", "client", "client", "Mother"][int(draw.integers(4))],
            " ".join(draw.choice(WORDS, size=draw.integers(0, 40))),
        )
        for _ in range(count)
    ]


def decided(turns: Sequence[LabelledTurn]) -> list[tuple[object, ...]]:
    return [(turn.index, turn.turn, turn.label, turn.marker, turn.abstained) for turn in turns]


some_turn = st.builds(
    Turn,
    st.sampled_from(["therapist", "client", "Mother"]),
    st.lists(st.sampled_from([*WORDS, "[laughs]", ""]), max_size=40).map(" ".join),
    st.none() | st.integers(0, 10_000),
)
# Each step appends a turn, and then revises it some times.
steps = st.lists(st.tuples(some_turn, st.lists(some_turn, max_size=2)), max_size=14)


class Client:
    """Somebody who takes in whatever is told, in order, and checks what it is."""

    def __init__(self, model: RuptureClassifier, purpose: Purpose = Purpose.RESEARCH) -> None:
        self.model, self.purpose = model, purpose
        self.held: list[LabelledTurn] = []
        self.best: list[LabelledTurn] = []
        self.said: dict[int, tuple[Turn, ...]] = {}  # the turns so far, after each message
        self.revisions = 0

    def hear(self, told: LiveAnswer | LiveRevision) -> None:
        session = Session("s", self.said[told.seq])
        if isinstance(told, LiveAnswer):
            causal = self.model.label(session, causal=True, purpose=self.purpose)
            assert told.newest == causal.turns[-1]
            for known in (self.held, self.best):
                known[told.newest.index :] = [told.newest]
        else:
            full = self.model.label(session, purpose=self.purpose)
            for revision in told.revisions:
                assert decided([self.held[revision.index]]) != decided([revision])
                assert revision == full.turns[revision.index]
                self.held[revision.index] = revision
                self.revisions += 1
            for now in full:
                if now.turn == self.held[now.index].turn:
                    self.best[now.index] = now
        expected = find_episodes(
            self.best,
            gap_turns=DEFAULT_CONFIG.gap_turns,
            repair_turns=DEFAULT_CONFIG.repair_turns,
        )
        assert told.episodes == expected


@settings(max_examples=60, deadline=None)
@given(
    steps=steps,
    looks=st.lists(st.booleans(), min_size=1, max_size=8),
    purpose=st.sampled_from(Purpose),
    use_stub=st.booleans(),
)
def test_answers_are_causal_and_with_a_full_view_they_add_up_to_full(
    stub_model: RuptureClassifier,
    heedful: RuptureClassifier,
    steps: list[tuple[Turn, list[Turn]]],
    looks: list[bool],
    purpose: Purpose,
    use_stub: bool,
) -> None:
    model = stub_model if use_stub else heedful
    client = Client(model, purpose)
    live = LiveSession(model, session_id="s", purpose=purpose, tell=client.hear)
    so_far: list[Turn] = []
    seq = 0
    for turn, corrections in steps:
        for revised, said in enumerate([turn, *corrections]):
            so_far[len(so_far) - (revised > 0) :] = [said]
            seq += 1
            client.said[seq] = tuple(so_far)
            answer = live.revise_last(said) if revised else live.add(said)
            assert (answer.seq, answer.newest.index) == (seq, len(so_far) - 1)
            assert live.behind
            if looks[seq % len(looks)]:
                view = live.look()
                assert view is not None
                assert view.seq == seq
                full = model.label(Session("s", tuple(so_far)), purpose=purpose)
                assert live.labelled == full
                assert decided(client.held) == decided(full.turns)
                assert view.episodes == timeline(full).episodes
                assert live.look() is None
            assert live.told == tuple(client.held)
    whole = model.label(Session("s", tuple(so_far)), purpose=purpose)
    assert live.end() == timeline(whole)
    assert live.look() is None


def test_what_is_said_during_a_full_view_is_answered_at_once_and_kept() -> None:
    class Slow(Counting):
        """The first full view waits in its window, whatever is said."""

        def __init__(self) -> None:
            super().__init__()
            self.begun, self.go = threading.Event(), threading.Event()
            self.go.set()

        def __call__(self, ids: TokenIds) -> Logits:
            if threading.current_thread().name == "view":
                self.begun.set()
                assert self.go.wait(20)
            return super().__call__(ids)

    backend = Slow()
    model = model_of(Counting())
    for corrected in (False, True):
        client = Client(model)
        live = LiveSession(model_of(backend), session_id="s", tell=client.hear)
        turns = turns_of(30, seed=4)
        for seq, turn in enumerate(turns, 1):
            client.said[seq] = tuple(turns[:seq])
            live.add(turn)
        backend.begun.clear()
        backend.go.clear()
        viewing = threading.Thread(target=live.look, name="view")
        viewing.start()
        assert backend.begun.wait(20)
        said = Turn("client", "so it was useless")
        whole = (*turns[:-1], said) if corrected else (*turns, said)
        client.said[31] = whole
        answer = live.revise_last(said) if corrected else live.add(said)
        assert answer.seq == 31
        assert client.revisions == 0
        backend.go.set()
        viewing.join()
        # The view is of the session as it was; nothing of it overrides what came after.
        assert client.revisions
        assert client.held[-1] == answer.newest
        assert live.behind
        view = live.look()
        assert view is not None
        assert view.seq == 31
        assert decided(client.held) == decided(model.label(Session("s", whole)).turns)
        assert live.end() == timeline(model.label(Session("s", whole)))


@settings(max_examples=40, deadline=None)
@given(steps=steps)
def test_remembered_windows_give_the_same_numbers_bit_for_bit(
    heedful: RuptureClassifier, steps: list[tuple[Turn, list[Turn]]]
) -> None:
    remembering = RememberingClassifier(heedful)
    so_far: list[Turn] = []
    for turn, corrections in steps:
        for revised, said in enumerate([turn, *corrections]):
            so_far[len(so_far) - (revised > 0) :] = [said]
            session = Session("s", tuple(so_far))
            fresh, kept = heedful.score(session), remembering.score(session)
            assert kept.logits.tobytes() == fresh.logits.tobytes()
            assert (kept.truncated, kept.input_tokens) == (fresh.truncated, fresh.input_tokens)
            assert remembering.label(session) == heedful.label(session)
    session = Session("s", tuple(so_far))
    causal = heedful.score(session, causal=True).logits
    assert remembering.score(session, causal=True).logits.tobytes() == causal.tobytes()


@settings(max_examples=40, deadline=None)
@given(steps=steps)
def test_a_turn_costs_one_window_and_a_full_view_of_one_turn_more_two(
    steps: list[tuple[Turn, list[Turn]]],
) -> None:
    backend = Counting()
    live = LiveSession(model_of(backend))
    for turn, corrections in steps:
        for revised, said in enumerate([turn, *corrections]):
            before = backend.calls
            live.revise_last(said) if revised else live.add(said)
            assert backend.calls - before <= 1
            before = backend.calls
            live.look()
            assert backend.calls - before <= 2
    before = backend.calls
    live.end()
    assert backend.calls == before


def test_the_cost_of_a_turn_does_not_grow_with_the_session() -> None:
    backend = Counting()
    live, turns = LiveSession(model_of(backend)), turns_of(120)
    for turn in turns:
        live.add(turn)
        live.look()
    # Were every window read again, it would be more than twenty a turn by the end.
    assert backend.calls < 2.5 * len(turns)
    afresh = Counting()
    model_of(afresh).label(Session("s", tuple(turns)))
    assert afresh.calls > 20


def test_one_full_view_takes_in_all_turns_since_the_last() -> None:
    backend = Counting()
    live, turns = LiveSession(model_of(backend)), turns_of(60)
    for turn in turns:
        live.add(turn)
    before = backend.calls
    view = live.look()
    assert view is not None
    assert view.seq == 60
    afresh = Counting()
    model_of(afresh).label(Session("s", tuple(turns)))
    assert backend.calls - before == afresh.calls


def test_windows_are_forgotten_with_the_words_they_hold(heedful: RuptureClassifier) -> None:
    remembering = RememberingClassifier(heedful)
    turns = turns_of(40)
    for text in ("so it was useless", "so it was the bus"):
        session = Session("s", (*turns, Turn("client", text)))
        remembering.score(session)
    held = str(remembering._encoded.keys()) + str(remembering._windows.keys())
    assert "so it was the bus" in held
    assert "so it was useless" not in held
    assert len(remembering._encoded) <= 41
    # An hour's windows are some; those of each step before would be hundreds.
    assert len(remembering._windows) < 41


def test_sessions_share_the_model_but_nothing_else(heedful: RuptureClassifier) -> None:
    one, other = LiveSession(heedful), LiveSession(heedful)
    for first, second in zip(turns_of(12), turns_of(12, seed=1), strict=True):
        one.add(first)
        other.add(second)
    one.look()
    assert one.labelled.turns == heedful.label(Session("live", tuple(turns_of(12)))).turns
    assert other.turns == tuple(turns_of(12, seed=1))


def test_a_later_turn_revises_an_earlier_label(heedful: RuptureClassifier) -> None:
    # So the property above is not true of no revisions at all.
    live = LiveSession(heedful)
    earlier = []
    for turn in turns_of(40):
        newest = live.add(turn).newest
        view = live.look()
        assert view is not None
        earlier += [(newest.index, revision.index) for revision in view.revisions]
    assert any(place < newest for newest, place in earlier)
    assert view.episodes


def test_a_known_session(stub_model: RuptureClassifier) -> None:
    live = LiveSession(stub_model, session_id="first", purpose=Purpose.TEACHING)
    assert live.add(Turn("therapist", "Shall we try it?")).newest.label is Label.ALLIANCE_POSITIVE
    assert live.add(Turn("client", "It is use")).newest.label is Label.NEUTRAL
    answer = live.revise_last(Turn("client", "It is useless."))
    assert answer.newest.label is Label.CONFRONTATION
    # A rupture is told of with its turn, before the whole is looked at.
    assert [episode.rupture_turns for episode in answer.episodes] == [(1,)]
    assert not live.revise_last(Turn("client", "It is used.")).episodes
    ended = live.end()
    assert (ended.session_id, ended.model.purpose) == ("first", Purpose.TEACHING)
    assert not ended.model.causal
    assert [turn.turn.text for turn in ended.turns] == ["Shall we try it?", "It is used."]


def test_the_shipped_model_says_live_what_causal_evaluation_says() -> None:
    # As the service has it: live turns by an encoder with two threads, views by one with one.
    weights = shipped_weights()
    bare = RuptureClassifier.load()
    fast = OnnxBackend(weights / "model.onnx", threads=2, spinning=False)
    said = [
        ("therapist", "How have things been since we last spoke?"),
        ("client", "You would know if you had listened the last time."),
        ("therapist", "I am sorry. It sounds as if I missed something that matters to you."),
        ("client", "Whatever. It is fine."),
        ("client", "[sighs]"),
        ("client", "Thank you for saying that, though. It helps."),
    ]
    turns = [Turn(speaker, text) for speaker, text in said]
    live = LiveSession(bare.with_backend(fast), session_id="s")
    answers = [live.add(turn).newest for turn in turns]
    assert tuple(answers) == bare.label(Session("s", tuple(turns)), causal=True).turns
    slow = RuptureClassifier.load(threads=1)
    assert live.end() == timeline(slow.label(Session("s", tuple(turns))))


def test_what_is_against_the_rules_changes_nothing(stub_model: RuptureClassifier) -> None:
    live = LiveSession(stub_model, max_turns=2, max_characters=20)
    with pytest.raises(InputError, match="expected a turn before its revision, found none"):
        live.revise_last(Turn("client", "So."))
    live.add(Turn("client", "So it was."))
    with pytest.raises(InputError, match=r"at most 20 characters .* found 21"):
        live.add(Turn("therapist", "x" * 11))
    live.add(Turn("therapist", "x" * 10))
    with pytest.raises(InputError, match=r"at most 20 characters .* found 21"):
        live.revise_last(Turn("therapist", "x" * 11))
    with pytest.raises(InputError, match="at most 2 turns in a live session"):
        live.add(Turn("client", ""))
    assert [len(turn.text) for turn in live.turns] == [10, 10]
    assert not live.ended
    ended = live.end()
    assert live.ended
    assert live.end() == ended
    for change in (live.add, live.revise_last):
        with pytest.raises(InputError, match="expected an open live session"):
            change(Turn("client", "So."))


def test_a_failing_network_leaves_the_session_as_it_was() -> None:
    class Failing(Counting):
        failing = False

        def __call__(self, ids: TokenIds) -> Logits:
            if self.failing:
                raise RuntimeError("out of memory")
            return super().__call__(ids)

    backend = Failing()
    live = LiveSession(model_of(backend), session_id="s")
    turns = turns_of(12)
    for turn in turns[:8]:
        live.add(turn)
    live.look()
    live.add(turns[8])
    before = (live.turns, live.told, live.labelled, live.behind)
    backend.failing = True
    for change in (live.add, live.revise_last):
        with pytest.raises(RuntimeError):
            change(Turn("client", "so that was it"))
    for whole in (live.look, live.end):
        with pytest.raises(RuntimeError):
            whole()
    assert (live.turns, live.told, live.labelled, live.behind) == before
    assert not live.ended
    backend.failing = False
    for turn in turns[9:]:
        live.add(turn)
    assert live.end() == timeline(model_of(Counting()).label(Session("s", tuple(turns))))


def test_an_empty_session_ends(stub_model: RuptureClassifier) -> None:
    ended = LiveSession(stub_model, session_id="s").end()
    assert ended == timeline(stub_model.label(Session("s", ())))
