import datetime as dt
import io
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alliance.model.errors import TranscriptError, UnknownSpeakerError
from alliance.model.formats import read_session, read_sessions
from alliance.model.session import Session

Said = Callable[..., list[tuple[str, str]]]
Read = Callable[..., list[Session]]

T, C = "therapist", "client"
PAIR = [(T, "How are you?"), (C, "Fine, really.")]
EXAMPLE = Path(__file__).parents[2] / "data" / "formats" / "session.xlsx"


def saved(*sheets: list[list[Any]], formats: dict[str, str] | None = None) -> bytes:
    """A workbook as openpyxl writes it; ``formats`` are the first sheet's by cell."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for number, rows in enumerate(sheets, 1):
        sheet = book.create_sheet(f"Day {number}")
        for row in rows:
            sheet.append(row)
    for cell, format_ in (formats or {}).items():
        book.worksheets[0][cell].number_format = format_
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def test_a_workbook_that_excel_users_have() -> None:
    session = read_session(EXAMPLE)
    assert (session.id, str(session.date), session.client_id) == ("S-12", "None", "anna")
    assert [(t.speaker, t.text, t.start_ms, t.end_ms, t.utterance_id) for t in session.turns] == [
        (T, "How was the week?", 5_000, 8_000, "1"),
        (C, "It was fine, really.", 9_500, None, "2"),
        (C, "", None, None, "3"),
        (T, "42", 83_000, 85_000, "4"),
    ]
    by_date = read_session(EXAMPLE, columns={"date": "Day"})
    assert by_date.date == dt.date(2024, 5, 31)


def test_columns_are_found_and_chosen_as_in_csv(said: Said, read: Read) -> None:
    rows = [["Speaker Name", "Turn-Text", "was"], ["T", "How are you?", "x"],
            ["C", "Fine, really.", "y"]]  # fmt: skip
    content = saved(rows)
    assert said("a.xlsx", content) == PAIR
    assert said("a.xlsm", content, columns={"text": "WAS"}) == [(T, "x"), (C, "y")]
    with pytest.raises(
        TranscriptError,
        match=r"^a\.xlsx, row 1 of sheet 'Day 1': expected a column 'is' for text, found 'Speaker",
    ):
        read("a.xlsx", content, columns={"text": "is"})


@pytest.mark.parametrize("above", [[], [["Session 12"]], [[None, "Study"], [], ["(draft)", "x"]]])
@pytest.mark.parametrize(
    "header",
    [
        [["no", "speaker", "text", "start", "end"]],
        [["no", "speaker", "text", "Time", None], [None, None, None, "Start", "End"]],
    ],
)
def test_headers_below_titles_and_of_two_rows(
    read: Read, above: list[list[Any]], header: list[list[Any]]
) -> None:
    turns = [[1, "T", "How are you?", 1.5, 2], [], [2, "C", "Fine, really.", "0:03", None]]
    (session,) = read("a.xlsx", saved([*above, *header, *turns]))
    assert [(t.speaker, t.text) for t in session.turns] == PAIR
    assert [(t.start_ms, t.end_ms) for t in session.turns] == [(1500, 2000), (3000, None)]


@pytest.mark.parametrize(
    ("value", "format_", "ms"),
    [
        (dt.time(0, 1, 23), "h:mm:ss", 83_000),
        (dt.time(0, 1, 23, 500_000), "mm:ss.0", 83_500),
        (dt.timedelta(minutes=75), "[h]:mm:ss", 4_500_000),
        (dt.time(1, 23), "h:mm", 83_000),  # typed as 1:23
        (dt.timedelta(hours=59, minutes=30), "[h]:mm:ss", 3_570_000),  # typed as 59:30
        (dt.time(1, 23), "h:mm:ss AM/PM", 4_980_000),
        (dt.time(1, 23), '[$-409]h:mm "h";@', 83_000),
        (83.25, "General", 83_250),
        ("00:01:23", "@", 83_000),
        ("NA", "General", None),
    ],
)
def test_times_count_as_they_are_shown(
    read: Read, value: Any, format_: str, ms: int | None
) -> None:
    content = saved([["speaker", "text", "start"], ["T", "Hi.", value]], formats={"C2": format_})
    assert read("a.xlsx", content)[0].turns[0].start_ms == ms


def test_identifiers_keep_the_noughts_that_are_shown(read: Read) -> None:
    rows = [["session_id", "speaker", "text"], [7, "T", "Hi."], ["007", "C", "Hm."]]
    (session,) = read("a.xlsx", saved(rows, formats={"A2": "000"}))
    assert session.id == "007"


def test_milliseconds_by_the_columns_name(read: Read) -> None:
    content = saved([["speaker", "text", "start_ms"], ["T", "Hi.", 1500]])
    assert read("a.xlsx", content)[0].turns[0].start_ms == 1500


def test_a_clocks_time_is_no_time_in_a_recording(read: Read) -> None:
    clock = dt.datetime.fromisoformat("2024-05-31 10:15")
    rows: list[list[Any]] = [["speaker", "text", "start"], ["T", "Hi.", clock]]
    with pytest.raises(TranscriptError, match=r"row 2 of sheet 'Day 1': .*--column start=-"):
        read("a.xlsx", saved(rows))


@pytest.mark.parametrize(
    "epoch", [openpyxl.utils.datetime.WINDOWS_EPOCH, openpyxl.utils.datetime.MAC_EPOCH]
)
def test_dates(epoch: dt.datetime) -> None:
    book = openpyxl.Workbook()
    book.epoch = epoch
    for row in (["speaker", "text", "day", "nr"], ["T", "Hi.", dt.date(2024, 2, 29), 3.0]):
        book.active.append(row)
    out = io.BytesIO()
    book.save(out)
    out.seek(0)
    columns = {"date": "day", "number": "nr"}
    (session,) = read_sessions(out, name="a.xlsx", columns=columns)
    assert (str(session.date), session.number) == ("2024-02-29", 3)


def test_every_sheet_of_turns_is_read(read: Read) -> None:
    turns = [["speaker", "text"], ["T", "How are you?"], ["C", "Fine, really."]]
    sessions = read("a.xlsx", saved(turns, [["code", "meaning"], ["a", "b"]], turns))
    assert [session.id for session in sessions] == ["a Day 1", "a Day 3"]
    assert [session.id for session in read("a.xlsx", saved([], turns))] == ["a"]
    named = [["session", "speaker", "text"], ["s1", "T", "x"], ["s2", "C", "y"]]
    assert [session.id for session in read("a.xlsx", saved(named))] == ["s1", "s2"]
    with pytest.raises(TranscriptError, match=r"row 2 of sheet 'Day 2': .* a second session"):
        read("a.xlsx", saved(named, named))
    asked = [["speaker", "text"], ["T", "x"], ["Ana", "y"]]
    with pytest.raises(UnknownSpeakerError, match=r"^a\.xlsx, row 3 of sheet 'Day 2': .*'Ana'"):
        read("a.xlsx", saved(turns, asked))


def test_hidden_sheets_are_not_read(said: Said, read: Read, ooxml: ModuleType) -> None:
    sheet = ooxml.row(1, A="speaker", B="text") + ooxml.row(2, A="T", B="How are you?")
    for state in ("hidden", "veryHidden"):
        content = ooxml.xlsx(sheet.replace(">T<", ">C<"), sheet, states=(state,))
        assert said("a.xlsx", content) == PAIR[:1]
        with pytest.raises(TranscriptError, match="is not hidden"):
            read("a.xlsx", ooxml.xlsx(sheet, states=(state,)))


def test_formulas(said: Said, read: Read, ooxml: ModuleType) -> None:
    header = ooxml.row(1, A="speaker", B="text", C="note")
    computed = '<c t="str"><f>A1&amp;B1</f><v>How are you?</v></c>'
    never = "<c ><f>A1&amp;B1</f></c>"
    content = ooxml.xlsx(header + ooxml.row(2, A="T", B=computed, C=never))
    assert said("a.xlsx", content) == PAIR[:1]  # the note is nobody's business
    with pytest.raises(TranscriptError, match=r"row 2 of .*'text', found a formula that was never"):
        read("a.xlsx", ooxml.xlsx(header + ooxml.row(2, A="T", B=never)))
    with pytest.raises(TranscriptError, match="'text', found an error of Excel's"):
        read("a.xlsx", ooxml.xlsx(header + ooxml.row(2, A="T", B='<c t="e"><v>#NAME?</v></c>')))
    content = saved([["speaker", "text"], ["T", "=1+1"]])  # openpyxl saves formulas without values
    with pytest.raises(TranscriptError, match="open the file in Excel and save it"):
        read("a.xlsx", content)


def test_kinds_of_cells(ooxml: ModuleType, said: Said) -> None:
    strings = (
        "<si><t>How are you?</t></si>"
        "<si><r><t>Fine, </t></r><r><rPr><b/></rPr><t>really.</t></r><rPh><t>x</t></rPh></si>"
        "<si><t>a_x000D_\nb _x005F_x0041_ _x0001__xD83D_</t></si>"
    )
    rows = ooxml.row(1, A="speaker", B="text")
    values = [
        't="s"><v>0</v></c>',
        't="s"><v>1</v></c>',
        't="s"><v>2</v></c>',
        't="b"><v>1</v></c>',
    ]
    values += ["><v>2.50</v></c>", 't="n"><v>12</v></c>', 't="d"><v>2024-05-31</v></c>']
    for number, value in enumerate(values, 2):
        rows += ooxml.row(number, A="T", B=f"<c {value}")
    content = ooxml.xlsx(rows, strings=strings)
    texts = ["How are you?", "Fine, really.", "a\r\nb _x0041_ _xD83D_", "TRUE", "2.5", "12"]
    assert said("a.xlsx", content) == [(T, text) for text in [*texts, "2024-05-31"]]


def test_sheets_that_say_little(said: Said, ooxml: ModuleType) -> None:
    # Some programs write no places of cells and rows, and a wrong size of the sheet.
    rows = "".join(
        "<row>"
        + "".join(f'<c t="inlineStr"><is><t>{cell}</t></is></c>' for cell in cells)
        + "</row>"
        for cells in (("speaker", "text"), ("T", "How are you?"), ("C", "Fine, really."))
    )
    content = ooxml.xlsx(rows)
    assert said("a.xlsx", content) == PAIR
    whole = ooxml.xlsx("</sheetData><dimension ref='A1'/><sheetData>" + rows)
    assert said("a.xlsx", whole) == PAIR


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "expected a table with a header, found an empty workbook; check"),
        ([["a", "b"]], "row 1 of sheet 'Day 1': .*for the text, found 'a', 'b'; name it with --c"),
        ([["x"], ["text", "b"]], "row 2 of .*for the speaker, found 'text', 'b'; name it"),
        ([["speaker", "text"]], "found no turns"),
        ([["speaker", "text"], [], [None, "x"]], "row 3 of .*'speaker', found none; fill it in"),
        ([["speaker", "text", "text"]], "expected one column 'text' for text, found 2"),
    ],
)
def test_workbooks_without_what_is_needed(read: Read, rows: list[list[Any]], message: str) -> None:
    with pytest.raises(TranscriptError, match=rf"^a\.xlsx.*{message}"):
        read("a.xlsx", saved(rows))


# What XML can hold; a carriage return would be read back as a line feed.
WORDS = st.text(
    alphabet=st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn"]), max_size=20
).filter(lambda text: not text.startswith("="))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from("TC"), WORDS, st.integers(0, 10**7)), min_size=1))
def test_talk_is_read_as_openpyxl_writes_it(talk: list[tuple[str, str, int]]) -> None:
    content = saved([["speaker", "text", "start_ms"], *map(list, talk)])
    session = read_session(io.BytesIO(content), name="a.xlsx")
    # openpyxl, too, reads what it wrote; where both read the same, the file says so.
    rows = openpyxl.load_workbook(io.BytesIO(content)).active.iter_rows(min_row=2, values_only=True)
    assert [(turn.text, turn.start_ms) for turn in session.turns] == [
        (text or "", start) for _, text, start in rows
    ]
