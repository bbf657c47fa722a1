from collections.abc import Callable
from dataclasses import replace

import pytest

from alliance.model.codebook import Label
from alliance.model.explanation import TurnExplanation, WordEffect
from alliance.model.labelled import LabelledSession, Purpose
from alliance.model.timeline import timeline
from alliance.serve.report.names import Names, shown_names
from alliance.serve.report.view import Piece, TimelineView, showable

Sketch = Callable[..., LabelledSession]


def one(labelled: LabelledSession, **options: object) -> TimelineView:
    return TimelineView.from_timelines([timeline(labelled)], **options)  # type: ignore[arg-type]


def test_letters_say_label_abstention_and_silence(sketch: Sketch) -> None:
    view = one(sketch("tN cPB cW2 cC1? _ o"))
    assert view.labelling.letters == "NPWc--"
    assert view.chosen is Purpose.RESEARCH


def test_an_episode_knows_its_kind_course_and_markers(view: TimelineView) -> None:
    first, second, third = view.labelling.episodes
    assert (first.letters, second.letters, third.letters) == ("WC", "C", "W")
    assert [marker.value for marker, _ in first.markers] == ["W2", "W5", "C1"]
    assert first.course == "NWNWNCPNPNnN"
    assert [episode.episode.outcome.value for episode in view.labelling.episodes] == [
        "repair_signal",
        "none_seen",
        "open",
    ]


def test_each_purpose_has_its_own_episodes(view: TimelineView) -> None:
    counts = {purpose: len(one.episodes) for purpose, one in view.labellings.items()}
    assert counts == {Purpose.SCREENING: 4, Purpose.RESEARCH: 3, Purpose.TEACHING: 2}


def test_names_are_hidden_unless_kept(sketch: Sketch) -> None:
    labelled = sketch("tN cN o")
    assert [speaker.name for speaker in one(labelled).speakers] == [
        "Client",
        "Therapist",
        "Other 1",
    ]
    kept = one(labelled, names=Names.KEEP)
    assert [speaker.name for speaker in kept.speakers] == ["Client", "Therapist", "Mother"]
    assert [speaker.key for speaker in kept.speakers] == ["client", "therapist", "other1"]


def test_other_speakers_are_counted_in_order_of_appearance() -> None:
    said = ["Bo", "therapist", "Al", "Bo", "other"]
    assert shown_names(said, Names.HIDE) == {
        "therapist": "Therapist",
        "Bo": "Other 1",
        "Al": "Other 2",
        "other": "Other 3",
    }


def test_marked_words_are_cut_where_python_counts_them(sketch: Sketch) -> None:
    text = "I 😀 am 👩‍👧 fine\u202e now"
    start = text.index("fine")
    labelled = sketch("cW1@.8", text=text)
    explanation = TurnExplanation(
        0, Label.WITHDRAWAL, 0.8, words=(WordEffect(start, start + 4, 0.3), WordEffect(0, 1, 0.1))
    )
    made = timeline(labelled, explanations=[explanation])
    view = TimelineView.from_timelines([made])
    assert [piece.text for piece in view.turns[0].pieces if piece.why] == ["I", "fine"]
    assert view.turns[0].text == text
    hidden = TimelineView.from_timelines([made], include_text=False)
    assert hidden.turns[0].pieces == ()


def test_words_that_overlap_are_marked_once(sketch: Sketch) -> None:
    labelled = sketch("cW1@.8", text="not at all")
    words = (WordEffect(0, 6, 0.3), WordEffect(4, 10, 0.2))
    made = timeline(labelled, explanations=[TurnExplanation(0, Label.WITHDRAWAL, 0.8, words=words)])
    assert TimelineView.from_timelines([made]).turns[0].pieces == (
        Piece("not at", why=True),
        Piece(" all", why=True),
    )


def test_what_html_cannot_hold_is_replaced_one_for_one() -> None:
    assert showable("a\x00b\x1b\ud83dc\td\ne") == "a\ufffdb\ufffd\ufffdc\td\ne"


def test_a_clock_needs_every_start_in_order(sketch: Sketch) -> None:
    timed, untimed = sketch("tN cN", timed=True), sketch("tN cN")
    assert one(timed).has_clock
    assert not one(untimed).has_clock
    assert not one(untimed).has_times
    late = replace(timed.turns[0].turn, start_ms=50_000, end_ms=60_000)
    turns = (replace(timed.turns[0], turn=late), timed.turns[1])
    session = replace(timed.session, turns=tuple(turn.turn for turn in turns))
    backwards = one(replace(timed, session=session, turns=turns))
    assert not backwards.has_clock
    assert backwards.has_times


def test_the_level_is_drawn_to_the_least_quarter_that_holds_it(sketch: Sketch) -> None:
    assert one(sketch("cPB@.99 " * 30)).level_scale == 1.0
    assert one(sketch(("cN@.99 " * 40).strip())).level_scale == 0.25


def test_timelines_must_be_of_one_session_and_differ_in_purpose(sketch: Sketch) -> None:
    made = timeline(sketch("tN cN"))
    with pytest.raises(ValueError, match="at least one"):
        TimelineView.from_timelines([])
    with pytest.raises(ValueError, match="one timeline for each purpose"):
        TimelineView.from_timelines([made, made])
    with pytest.raises(ValueError, match="a timeline for teaching"):
        TimelineView.from_timelines([made], chosen=Purpose.TEACHING)
    other = timeline(sketch("tN cPB"))
    other = replace(other, model=replace(other.model, purpose=Purpose.TEACHING))
    with pytest.raises(ValueError, match="of one session"):
        TimelineView.from_timelines([made, other])
