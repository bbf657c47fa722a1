import io
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alliance.model.errors import InputError
from alliance.model.formats import read_session
from alliance.model.labelled import LabelledSession
from alliance.serve.formats.columns import TURN_COLUMNS
from alliance.serve.formats.sessions import labelled_session
from alliance.serve.table import row

Write = Callable[..., bytes]

# Written out by hand: what a player shows.
RUPTURES = """\
WEBVTT

NOTE Ruptures found by stub-1, codebook 1: one cue each.

rupture-1
00:00:02.000 --> 00:00:07.500
withdrawal and confrontation rupture, turns 1–3, intensity 0.80
minimal response, complaint about the therapist (client)
session ended before the repair window closed
<v client>She said "no", then &lt;left&gt; &amp; came back; \U0001f600!</v>
"""


def test_a_cue_for_each_rupture(session: LabelledSession, written: Write) -> None:
    assert written("vtt", session).decode() == RUPTURES
    without = "\n".join(RUPTURES.split("\n")[:-2]) + "\n"
    assert written("vtt", session, include_text=False).decode() == without


def test_several_ruptures_and_none(
    sketch_rows: Callable[..., LabelledSession], written: Write
) -> None:
    calm = sketch_rows(["neutral"] * 3)
    assert written("vtt", calm).decode().count("-->") == 0
    two = sketch_rows(["withdrawal", *["neutral"] * 5, "confrontation"])
    text = written("vtt", two).decode()
    assert [line for line in text.splitlines() if "-->" in line] == [
        "00:00:00.000 --> 00:00:00.900",
        "01:00:00.000 --> 01:00:00.900",
    ]


@pytest.fixture
def sketch_rows() -> Callable[..., LabelledSession]:
    def make(labels: list[str], *, text: str = "No.", times: bool = True) -> LabelledSession:
        start = [n * 600_000 for n in range(len(labels))]
        return labelled_session(
            {
                "session_id": "s",
                "turn": n,
                "speaker": "client",
                "text": text,
                "start_ms": start[n] if times else None,
                "end_ms": start[n] + 900 if times else None,
                "label": label,
            }
            for n, label in enumerate(labels)
        )

    return make


def test_a_transcript_is_a_cue_a_turn(session: LabelledSession, written: Write) -> None:
    rows = [row(session, turn) for turn in session]
    data = written("vtt", rows=rows, columns=TURN_COLUMNS)
    again = read_session(io.BytesIO(data), name="s.vtt", roles={"Mother": "other"})
    # Neighbouring cues of one speaker are one turn in subtitles: here the client's last two.
    said = [" ".join(turn.turn.text.split()) for turn in session]
    assert [turn.text for turn in again.turns] == [*said[:3], f"{said[3]} {said[4]}", said[5]]
    assert [turn.start_ms for turn in again.turns] == [0, 2000, 4000, 6000, 10_000]
    assert [turn.speaker for turn in again.turns][-1] == "Mother"


def test_without_times_there_is_no_cue(
    sketch_rows: Callable[..., LabelledSession], written: Write
) -> None:
    bare = sketch_rows(["neutral", "withdrawal"], times=False)
    with pytest.raises(InputError, match=r"but the rupture at turn 1 has none; take a transcript"):
        written("vtt", bare)
    with pytest.raises(InputError, match="but turn 0 has none"):
        written("vtt", bare, columns=TURN_COLUMNS)


@settings(
    max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(text=st.text(max_size=400))
def test_any_text_stays_within_its_cue(
    text: str, sketch_rows: Callable[..., LabelledSession], written: Write
) -> None:
    made = written("vtt", sketch_rows(["withdrawal"], text=text)).decode()
    assert made.count("-->") == 1
    assert made.count("\n\n") == 2
