import io
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from praatio import textgrid

from alliance.model.codebook import Label
from alliance.model.errors import AllianceError, InputError, TranscriptError
from alliance.model.formats import read_session
from alliance.model.labelled import LabelledSession, LabelledTurn, ModelInfo, Probabilities
from alliance.model.session import Session, Turn
from alliance.serve.formats import open_writer
from alliance.serve.formats.writer import WriterOptions

Write = Callable[..., bytes]

LONG = """\
File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0 
xmax = 6.7512345 
tiers? <exists> 
size = 3 
item []: 
    item [1]:
        class = "IntervalTier" 
        name = "T" 
        xmin = 0 
        xmax = 6.7512345 
        intervals: size = 3 
        intervals [1]:
            xmin = 0 
            xmax = 1.5003333333 
            text = "How are ""you""? \u05e9" 
        intervals [2]:
            xmin = 1.5003333333 
            xmax = 4 
            text = "" 
        intervals [3]:
            xmin = 4 
            xmax = 6.7512345 
            text = "Shall we? ! 3" 
    item [2]:
        class = "TextTier" 
        name = "clicks" 
        xmin = 0 
        xmax = 6.7512345 
        points: size = 1 
        points [1]:
            number = 0.5 
            mark = "x" 
    item [3]:
        class = "IntervalTier" 
        name = "C" 
        xmin = 0 
        xmax = 6.7512345 
        intervals: size = 3 
        intervals [1]:
            xmin = 0 
            xmax = 2 
            text = "" 
        intervals [2]:
            xmin = 2 
            xmax = 3.5 
            text = "Fine. \U0001f600" 
        intervals [3]:
            xmin = 3.5 
            xmax = 6.7512345 
            text = "" 
"""  # noqa: W291  # as Praat writes it


def labelled(session: Session, *, abstained: int = -1) -> LabelledSession:
    labels = (Label.NEUTRAL, Label.WITHDRAWAL, Label.CONFRONTATION)
    turns = tuple(
        LabelledTurn(
            n,
            turn,
            label=labels[n % 3],
            probabilities=Probabilities(*(float(each is labels[n % 3]) for each in Label)),
            abstained=n == abstained,
        )
        for n, turn in enumerate(session.turns)
    )
    return LabelledSession(session, turns, ModelInfo("stub"))


def opened(data: bytes, folder: Path) -> textgrid.Textgrid:
    path = folder / "out.TextGrid"
    path.write_bytes(data)
    return textgrid.openTextgrid(str(path), includeEmptyIntervals=True)


def intervals(grid: textgrid.Textgrid, name: str) -> list[tuple[float, float, str]]:
    return [(each.start, each.end, each.label) for each in grid.getTier(name).entries]


def saved(folder: Path, text: str = LONG, encoding: str = "utf-8") -> Path:
    path = folder / "s1.TextGrid"
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_tiers_follow_with_the_boundaries_of_what_was_labelled(
    tmp_path: Path, written: Write, encoding: str, line_end: str
) -> None:
    text = LONG.replace("\n", line_end)
    path = saved(tmp_path, text, encoding)
    session = labelled(read_session(path), abstained=1)
    data = written("textgrid", session, original=path)
    grid = opened(data, tmp_path)
    assert list(grid.tierNames) == ["T", "clicks", "C", "label@T", "label@C", "unsure@C"]
    assert intervals(grid, "label@T") == [
        (0, 1.5003333333, "neutral"),
        (1.5003333333, 4, ""),
        (4, 6.7512345, "confrontation"),
    ]
    assert intervals(grid, "unsure@C") == [
        (0, 2, ""),
        (2, 3.5, "withdrawal"),
        (3.5, 6.7512345, ""),
    ]
    decoded = data.decode(encoding)
    assert decoded.startswith(text.replace("size = 3", "size = 6", 1))
    assert decoded.count("\n") == decoded.count(line_end)


def test_the_short_form_stays_short(tmp_path: Path, written: Write) -> None:
    path = saved(tmp_path)
    grid = textgrid.openTextgrid(str(path), includeEmptyIntervals=True)
    grid.save(str(path), format="short_textgrid", includeBlankSpaces=True)
    before = path.read_text(encoding="utf-8")
    data = written("textgrid", labelled(read_session(path)), original=path)
    assert "xmin" not in data.decode()
    assert data.decode().startswith(before.replace("\n3\n", "\n5\n", 1).rstrip("\n"))
    assert [text for *_, text in intervals(opened(data, tmp_path), "label@C")][1] == "withdrawal"


def test_a_labelled_file_reads_as_the_same_transcript(tmp_path: Path, written: Write) -> None:
    path = saved(tmp_path)
    before = read_session(path)
    data = written("textgrid", labelled(before, abstained=1), original=path)
    assert read_session(io.BytesIO(data), name="s1.TextGrid").turns == before.turns


def test_what_is_no_interval_goes_to_tiers_of_its_own(tmp_path: Path, written: Write) -> None:
    turns = (
        Turn("therapist", "x", 0, 1500),  # rounded to milliseconds, as a table has it
        Turn("client", "y", 2100, 3000),
        Turn("client", "z", 2500, 6751),
    )
    data = written("textgrid", labelled(Session("s", turns)), original=saved(tmp_path))
    grid = opened(data, tmp_path)
    assert intervals(grid, "label@T")[0] == (0, 1.5003333333, "neutral")
    assert intervals(grid, "label@client") == [
        (0, 2.1, ""),
        (2.1, 3.0, "withdrawal"),
        (3.0, 6.7512345, ""),
    ]
    assert intervals(grid, "label@client 2")[1] == (2.5, 6.751, "confrontation")


def test_a_new_file_is_made_of_times(
    session: LabelledSession, tmp_path: Path, written: Write
) -> None:
    data = written("textgrid", session)
    grid = opened(data, tmp_path)
    said = " ".join(session.turns[1].turn.text.split())
    assert intervals(grid, "client")[:2] == [(0, 2, ""), (2, 3.5, said)]
    assert intervals(grid, "marker@client")[1] == (2, 3.5, "W2")
    assert "unsure@therapist" in grid.tierNames
    again = read_session(io.BytesIO(data), name="s.TextGrid", roles={"Mother": "other"})
    assert [" ".join(turn.text.split()) for turn in again.turns] == [
        " ".join(turn.turn.text.split()) for turn in session
    ]
    assert "came back" not in written("textgrid", session, include_text=False).decode()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "found the end of the file"),
        ('"ooTextFile" "Sound"', "found another object"),
        ('"ooBinaryFile" "TextGrid"', "found another file"),
        ('"ooTextFile" "TextGrid" 0 1 <absent>', "found none; add one in Praat"),
        (LONG.replace('"T"', '"label@T"'), "found a tier 'label@T'"),
        (LONG.replace("size = 3", "size = 4", 1), "found the end of the file"),
        (LONG.replace("size = 3", "size = 1e5", 1), "expected a whole number"),
        (LONG.replace("xmax = 2 ", "xmax = two ", 1), "s1.TextGrid:45: expected a number"),
    ],
)
def test_what_cannot_be_added_to(tmp_path: Path, text: str, said: str) -> None:
    path = saved(tmp_path, text)
    with pytest.raises(TranscriptError, match=said):
        open_writer(tmp_path / "out", "textgrid", options=WriterOptions(original=path))


def test_errors_say_what_to_do(tmp_path: Path, written: Write) -> None:
    path = saved(tmp_path)
    with pytest.raises(InputError, match=r"neither at turn 0; .*--original"):
        written("textgrid", labelled(Session("s", (Turn("client", "y"),))), original=path)
    late = labelled(Session("s", (Turn("client", "y", 1, 9000),)))
    with pytest.raises(InputError, match=r"between 0 and 6\.7512345 seconds.* turn 0 outside"):
        written("textgrid", late, original=path)
    path.write_bytes(b"\xff\xff\xff")
    with pytest.raises(TranscriptError, match="UTF-8 or UTF-16"):
        written("textgrid", late, original=path)


@settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@example(text="", speaker="0\n", data=b"", at=0)  # praatio reads no name of two lines
@given(
    text=st.text(max_size=30),
    speaker=st.text(min_size=1, max_size=10).filter(str.strip),
    data=st.binary(max_size=20),
    at=st.integers(0, len(LONG.encode())),
)
def test_any_text_and_any_damage_end_in_a_file_or_an_error(
    text: str, speaker: str, data: bytes, at: int, tmp_path: Path, written: Write
) -> None:
    session = labelled(Session("s", (Turn(speaker, text, 0, 1500), Turn(speaker, text, 5, 9))))
    grid = opened(written("textgrid", session), tmp_path)
    assert len(grid.tierNames) == 4
    whole = LONG.encode()
    path = tmp_path / "damaged.TextGrid"
    path.write_bytes(whole[:at] + data + whole[at + len(data) :])
    with suppress(AllianceError):
        assert written("textgrid", session, original=path)
