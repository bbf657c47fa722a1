from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alliance.model.codebook import Label, Marker, Role
from alliance.model.episodes import Kind, Outcome, RuptureEpisode, find_episodes
from alliance.model.labelled import LabelledSession, LabelledTurn

Sketch = Callable[..., LabelledSession]

TURNS = "tN cN tN cN tN cN tPR tPB cPB cPR cW2 cC1 tCT tWT cW2? cPB? tPR? tN? _ o cW2@.9 cC1@.5"
WORDS = st.sampled_from(TURNS.split())
SESSIONS = st.lists(WORDS, max_size=60)
SETTINGS = st.tuples(st.integers(0, 5), st.integers(1, 6)).map(lambda t: (t[0], t[0] + t[1]))
QUICK = settings(max_examples=100, deadline=None)


def episodes_of(
    session: LabelledSession, gap_turns: int = 3, repair_turns: int = 6
) -> tuple[RuptureEpisode, ...]:
    return find_episodes(session.turns, gap_turns=gap_turns, repair_turns=repair_turns)


def only(session: LabelledSession) -> RuptureEpisode:
    (episode,) = episodes_of(session)
    return episode


# Worked by hand.


def test_a_session_without_ruptures_has_no_episode(sketch: Sketch) -> None:
    assert episodes_of(sketch("tN cN tPB cPB _ o")) == ()
    assert episodes_of(sketch("")) == ()


def test_every_fact_of_an_episode(sketch: Sketch) -> None:
    words = "tN cN tN cW2@.6 tCT@.8 cN tPR cC1@.8 tPR cN cPB tN cN tN cN"
    episode = only(sketch(words, timed=True))
    assert episode.intensity == pytest.approx(0.8 + 0.2 / 3)
    assert replace(episode, intensity=0.5) == RuptureEpisode(
        rupture_turns=(3, 4, 7),
        peak=4,
        intensity=0.5,
        kind=Kind.MIXED,
        speakers=(Role.CLIENT, Role.THERAPIST),
        markers=(Marker.W2, Marker.CT, Marker.C1),
        start_ms=30_000,
        peak_ms=40_000,
        end_ms=78_000,
        window_end=13,
        repair_attempts=(6, 8),
        positive_client_turns=(10,),
        outcome=Outcome.REPAIR_SIGNAL,
    )


def test_derived_facts(sketch: Sketch) -> None:
    episode = only(sketch("tN cW2 tN cW2"))
    assert (episode.onset, episode.last, episode.trigger) == (1, 3, 0)
    assert not episode.repair_attempted
    assert only(sketch("cW2 tN")).trigger is None


def test_the_trigger_is_the_turn_before_whoever_spoke(sketch: Sketch) -> None:
    assert only(sketch("tN o cW2")).trigger == 1


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("cW2 tN cW3", Kind.WITHDRAWAL),
        ("cC1 tCT", Kind.CONFRONTATION),
        ("cC1 tWT", Kind.MIXED),
        ("cC1 cW2?", Kind.CONFRONTATION),
    ],
)
def test_kind(sketch: Sketch, words: str, kind: Kind) -> None:
    assert only(sketch(words)).kind is kind


@pytest.mark.parametrize(
    ("between", "episodes"),
    [
        ("", 1),
        ("tN cN tN", 1),
        ("tN cN tN cN", 2),
        ("tN cPB tPR cN", 2),  # positive turns are turns like others
        ("tN _ cN o _ tN", 1),  # turns without a label are not counted
        ("tN cW2? tN cN", 2),  # an abstained rupture does not bridge the gap ...
        ("tN cW2? tN", 1),  # ... and counts as a labelled turn
        ("tN _ cN o cN? tN", 2),
    ],
)
def test_the_gap_rule(sketch: Sketch, between: str, episodes: int) -> None:
    assert len(episodes_of(sketch(f"tN cW2 {between} cC1 tN"))) == episodes


@pytest.mark.parametrize(
    ("after", "outcome", "positive"),
    [
        ("tN cN tN cN tN cPB", Outcome.REPAIR_SIGNAL, (7,)),
        ("tN cN tN cN tN tN cPB", Outcome.NONE_SEEN, ()),  # the seventh: too late
        ("tN _ cN o tN cN tN cPB", Outcome.REPAIR_SIGNAL, (9,)),  # the sixth labelled one
        ("cPB tN cPB", Outcome.REPAIR_SIGNAL, (2, 4)),
        ("tN cN tN cN tN", Outcome.OPEN, ()),
        ("tN cN tN cN tN cN", Outcome.NONE_SEEN, ()),
        ("tN cN tN cN tN _ _ _", Outcome.OPEN, ()),
        ("", Outcome.OPEN, ()),
        ("tPR tPB tPB tPB tPB tPB", Outcome.NONE_SEEN, ()),  # the therapist's do not count
        ("tN cPB? tN cN tN cN", Outcome.NONE_SEEN, ()),  # nor where the model abstains
    ],
)
def test_outcomes(sketch: Sketch, after: str, outcome: Outcome, positive: tuple[int, ...]) -> None:
    episode = only(sketch(f"tN cC1 {after}"))
    assert (episode.outcome, episode.positive_client_turns) == (outcome, positive)


def test_a_positive_turn_between_ruptures_is_no_outcome(sketch: Sketch) -> None:
    assert only(sketch("cC1 tN cPB tN cC1 tN")).outcome is Outcome.OPEN


def test_the_next_onset_ends_the_window(sketch: Sketch) -> None:
    first, second = episodes_of(sketch("tN cC1 tN cN tN tN cC1 cPB tPR"))
    assert (first.last, first.window_end, first.outcome) == (1, 5, Outcome.NONE_SEEN)
    assert first.repair_attempts == ()
    assert (second.outcome, second.repair_attempts) == (Outcome.REPAIR_SIGNAL, (8,))


@pytest.mark.parametrize(
    ("words", "attempts"),
    [
        ("tPR cC1 tN", ()),  # before the onset
        ("tN cC1 tPR cC1 tN", (2,)),  # between two rupture turns
        ("tN cC1 tN cN tN cN tN tPR", (7,)),  # the last turn of the window
        ("tN cC1 tN cN tN cN tN cN tPR", ()),  # the window has ended
        ("tN cC1 cPR tPB", ()),  # a client's repair turn, a therapist's bond turn
        ("tN cC1 tPR? tN", ()),  # the model abstains
    ],
)
def test_repair_attempts(sketch: Sketch, words: str, attempts: tuple[int, ...]) -> None:
    episode = only(sketch(words))
    assert episode.repair_attempts == attempts
    assert episode.repair_attempted == bool(attempts)


def test_the_earlier_of_equal_peaks(sketch: Sketch) -> None:
    assert only(sketch("tN cC1@.5 cC1@.7 cC1@.7 cC1@.6")).peak == 2
    # p_withdrawal + p_confrontation counts, not the label's own probability
    assert only(sketch("cW2@.7 cC1@.7")).peak == 0


def test_times_that_are_not_known(sketch: Sketch) -> None:
    episode = only(sketch("tN cC1 tN"))
    assert (episode.start_ms, episode.peak_ms, episode.end_ms) == (None, None, None)


def test_one_line_without_text(sketch: Sketch) -> None:
    session = sketch("tN cC1 cW2 tPR cPB", text="secret words")
    assert str(only(session)) == (
        "mixed rupture, turns 1-2, intensity 0.80; complaint about the therapist, "
        "minimal response; repair attempted; client turned positive"
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rupture_turns": ()}, "places in the session"),
        ({"rupture_turns": (3, 2)}, "places in the session"),
        ({"peak": 9}, "peak is one of"),
        ({"intensity": 1.2}, "between 0 and 1, got 1.2"),
        ({"speakers": ()}, "has a speaker"),
        ({"window_end": 0}, "ends at 1 or later, got 0"),
        ({"repair_attempts": (1,)}, "repair attempts lie after turn 1"),
        ({"positive_client_turns": (99,)}, "up to 4"),
        ({"positive_client_turns": ()}, "outcome repair_signal with positive client turns"),
    ],
)
def test_contradictions(sketch: Sketch, change: dict[str, object], message: str) -> None:
    episode = only(sketch("tN cC1 tPR cPB tN"))
    with pytest.raises(ValueError, match=message):
        replace(episode, **change)  # type: ignore[arg-type]


# What holds for every session.


@QUICK
@given(words=SESSIONS, rule=SETTINGS)
def test_invariants(sketch: Sketch, words: list[str], rule: tuple[int, int]) -> None:
    gap_turns, repair_turns = rule
    session = sketch(" ".join(words))
    episodes = episodes_of(session, gap_turns, repair_turns)
    ruptures = [turn.index for turn in session.turns if turn.is_rupture]
    place = {
        turn.index: number
        for number, turn in enumerate(turn for turn in session.turns if turn.label is not None)
    }

    assert [turn for episode in episodes for turn in episode.rupture_turns] == ruptures
    for episode in episodes:
        for turn, next_turn in pairwise(episode.rupture_turns):
            assert place[next_turn] - place[turn] - 1 <= gap_turns
        assert episode.last <= episode.window_end < len(session)
        assert place[episode.window_end] - place[episode.last] <= repair_turns
        inside = session.turns[episode.onset + 1 : episode.window_end + 1]
        assert list(episode.repair_attempts) == [
            t.index
            for t in inside
            if t.marker is Marker.PR and t.turn.speaker == "therapist" and not t.abstained
        ]
        assert list(episode.positive_client_turns) == [
            t.index
            for t in inside
            if t.label is Label.ALLIANCE_POSITIVE
            and t.turn.speaker == "client"
            and not t.abstained
            and t.index > episode.last
        ]
        assert episode.intensity == max(session.turns[t].p_rupture for t in episode.rupture_turns)
    for one, after in pairwise(episodes):
        assert place[after.onset] - place[one.last] - 1 > gap_turns
        assert one.window_end < after.onset
        assert one.outcome is not Outcome.OPEN


@QUICK
@given(words=SESSIONS, more=st.integers(0, 12))
def test_neutral_turns_at_the_end_change_no_episode_but_its_outcome(
    sketch: Sketch, words: list[str], more: int
) -> None:
    before = episodes_of(sketch(" ".join(words)))
    after = episodes_of(sketch(" ".join([*words, *["tN"] * more])))
    assert len(after) == len(before)
    assert after[:-1] == before[:-1]
    for old, new in zip(before[-1:], after[-1:], strict=True):
        assert replace(new, outcome=old.outcome, window_end=old.window_end) == old
        if old.outcome is not Outcome.OPEN:
            assert new.outcome is old.outcome
        elif more >= 6:
            assert new.outcome is Outcome.NONE_SEEN


@QUICK
@given(words=SESSIONS, places=st.lists(st.tuples(st.integers(0, 60), st.sampled_from("_o"))))
def test_turns_without_a_label_change_nothing_but_the_numbers(
    sketch: Sketch, words: list[str], places: list[tuple[int, str]]
) -> None:
    longer = list(words)
    for place, word in places:
        longer.insert(place, word)

    def told(words: list[str]) -> list[tuple[object, ...]]:
        session = sketch(" ".join(words))
        number: dict[int, int] = {}
        for turn in session.turns:
            if turn.label is not None:
                number[turn.index] = len(number)
        return [
            (
                [number[t] for t in e.rupture_turns],
                [number[t] for t in e.repair_attempts],
                [number[t] for t in e.positive_client_turns],
                number[e.peak],
                number[e.window_end],
                e.kind,
                e.markers,
                e.outcome,
            )
            for e in episodes_of(session)
        ]

    assert told(longer) == told(words)


@QUICK
@given(words=SESSIONS, data=st.data())
def test_a_session_so_far_tells_what_the_whole_tells(
    sketch: Sketch, words: list[str], data: st.DataObject
) -> None:
    length = data.draw(st.integers(0, len(words)))
    so_far = episodes_of(sketch(" ".join(words[:length])))
    whole = episodes_of(sketch(" ".join(words)))
    # Only the last episode can still change: it may grow, or what follows it may.
    assert whole[: len(so_far)][:-1] == so_far[:-1]
    if so_far:
        last, same = so_far[-1], whole[len(so_far) - 1]
        assert same.rupture_turns[: len(last.rupture_turns)] == last.rupture_turns
        assert same.repair_attempts[: len(last.repair_attempts)] == last.repair_attempts
        if last.outcome is Outcome.NONE_SEEN:
            assert same == last


@QUICK
@given(words=SESSIONS, rule=SETTINGS)
def test_json_round_trip(sketch: Sketch, words: list[str], rule: tuple[int, int]) -> None:
    for episode in episodes_of(sketch(" ".join(words), timed=True), *rule):
        assert RuptureEpisode.from_dict(episode.to_dict()) == episode


def test_markers_may_be_missing(sketch: Sketch) -> None:
    turns: list[LabelledTurn] = list(sketch("tN cW tN").turns)
    assert turns[1].marker is None
    assert find_episodes(turns, gap_turns=3, repair_turns=6)[0].markers == ()
