"""Presence in segments: 3RS-informed, not a 3RS rating."""

from collections.abc import Callable

import numpy as np
import pytest

from alliance.model.codebook import Marker
from alliance.model.session import Session, Turn
from alliance.training.corpora import CodedSession
from alliance.training.evaluation.predictions import Predictions
from alliance.training.evaluation.segment_scores import segment_figures, segments
from alliance.training.evaluation.session_turns import by_session

Draw = Callable[..., Predictions]


@pytest.fixture
def neutral(sketch_predictions: Draw) -> Callable[[int], Predictions]:
    return lambda turns: sketch_predictions({"a": " ".join(["cNN"] * turns)})


@pytest.mark.parametrize(
    ("turns", "sizes"), [(7, [7]), (20, [20]), (29, [29]), (30, [20, 10]), (45, [20, 25])]
)
def test_a_short_rest_joins_the_segment_before_it(
    neutral: Callable[[int], Predictions], turns: int, sizes: list[int]
) -> None:
    (session,) = by_session(neutral(turns))
    number, timed = segments(session)
    assert np.bincount(number).tolist() == sizes
    assert not timed


def test_times_make_segments_of_five_minutes(neutral: Callable[[int], Predictions]) -> None:
    (session,) = by_session(neutral(5))
    minute = 60_000
    # Counted from the first turn, wherever the recording starts.
    starts = [minute * at for at in (2, 6, 7, 11, 16)]
    number, timed = segments(session, starts)
    assert timed
    assert number.tolist() == [0, 0, 1, 1, 2]
    # Two minutes are no segment of their own.
    assert segments(session, [*starts[:-1], 13 * minute])[0].tolist() == [0, 0, 1, 1, 1]
    # One time missing: turns are counted instead.
    number, timed = segments(session, [None, *starts[1:]], segment_turns=2)
    assert (number.tolist(), timed) == ([0, 0, 1, 1, 2], False)


def test_a_segment_holds_a_turn(neutral: Callable[[int], Predictions]) -> None:
    (session,) = by_session(neutral(1))
    with pytest.raises(ValueError, match="one turn or more, got 0"):
        segments(session, segment_turns=0)


def test_presence_is_one_turn_or_more_by_label_and_speaker(sketch_predictions: Draw) -> None:
    drawn = sketch_predictions(
        {
            "a": "cWW cWN tNN tNN  cNW tNN cNN tNN  cCC cNN tCN tNN",
            "b": "cNN cNN tNN tNN  tNN tNN tNN tCC",
        }
    )
    found = segment_figures(drawn, segment_turns=4, resamples=30)
    assert found["method"] == "3RS-informed, not a 3RS rating"
    assert (found["sessions_with_times"], found["sessions"], found["turns"]) == (0, 2, 4)
    speakers = found["speakers"]
    client = speakers["client"]["withdrawal"]["model"]
    # The client speaks in four of the five segments.
    assert (client["segments"], client["gold"], client["found"]) == (4, 1, 2)
    # One hit, one false alarm, two rightly empty: agreement .75 by chance .5.
    assert client["kappa"]["value"] == pytest.approx(0.5)
    assert client["balanced_accuracy"]["value"] == pytest.approx((1 + 2 / 3) / 2, abs=1e-6)
    # AC1: the mean share present is 3/8, so chance is 2 * 3/8 * 5/8 = 15/32.
    assert client["ac1"]["value"] == pytest.approx((0.75 - 15 / 32) / (1 - 15 / 32), abs=1e-6)
    therapist = speakers["therapist"]["confrontation"]
    assert [therapist["model"][key] for key in ("segments", "gold", "found")] == [5, 2, 1]
    assert therapist["coders"]["kappa"]["value"] == 1.0
    assert therapist["coders"]["icc"]["value"] is None  # one in either session: nothing varies


def test_segments_follow_the_transcripts_times(sketch_predictions: Draw) -> None:
    drawn = sketch_predictions({"a": "cWN cNW", "b": "cNN cNN"})

    def coded(name: str, starts: list[int | None]) -> CodedSession:
        turns = tuple(Turn("client", "well then", start_ms=start) for start in starts)
        codes = (Marker.N,) * len(turns)
        return CodedSession(Session(name, turns), codes, codes, codes)

    apart = [coded("a", [0, 310_000]), coded("b", [0, None])]
    found = segment_figures(drawn, sessions=apart, resamples=5)
    assert found["sessions_with_times"] == 1
    # 310 s are one segment and a rest of ten seconds, which joins it: both turns are in one.
    assert found["speakers"]["client"]["withdrawal"]["model"]["segments"] == 2
    apart = [coded("a", [0, 460_000]), coded("b", [0, None])]
    model = segment_figures(drawn, sessions=apart, resamples=5)["speakers"]["client"]["withdrawal"]
    assert model["model"]["segments"] == 3
    assert model["model"]["kappa"]["value"] < 0
