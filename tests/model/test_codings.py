"""Tables of codes: their columns, their faults, and every format they come in."""

import json
from pathlib import Path

import pytest

from alliance.model.code_system import CIS, Code
from alliance.model.codebook import Label, Marker, Role
from alliance.model.codings import Coding, read_codings
from alliance.model.errors import TranscriptError


def _written(folder: Path, content: str, name: str = "anna.csv") -> Path:
    file = folder / name
    file.write_text(content, encoding="utf-8")
    return file


def _codes(coding: Coding) -> list[Code | None]:
    return [turn.code for turn in coding.turns]


def test_a_column_for_each_coder(tmp_path: Path) -> None:
    file = _written(
        tmp_path,
        "transcript_id,utterance_id,speaker,code,coder_a,coder_b\n"
        "7,0,therapist,PT,PT,N\n7,1,client,W2,W2,\n",
    )
    first, second = read_codings(file)
    assert (first.coder, second.coder) == ("coder_a", "coder_b")
    assert _codes(first) == [
        Code(Label.ALLIANCE_POSITIVE, Marker.PT),
        Code(Label.WITHDRAWAL, Marker.W2),
    ]
    assert _codes(second) == [Code(Label.NEUTRAL, Marker.N), None]
    turn = first.turns[1]
    assert (turn.session, turn.turn, turn.utterance_id, turn.role, turn.line) == (
        "7",
        None,
        "1",
        Role.CLIENT,
        3,
    )
    (settled,) = read_codings(file, column="Code")
    assert settled.coder == "code"
    assert _codes(settled) == _codes(first)


def test_a_row_for_each_coder(tmp_path: Path) -> None:
    file = _written(tmp_path, "session,turn,label,marker,coder\na,0,withdrawal,W1,Ann\na,0,N,,Bo\n")
    first, second = read_codings(file)
    assert (first.coder, second.coder) == ("Ann", "Bo")
    assert _codes(first) == [Code(Label.WITHDRAWAL, Marker.W1)]
    assert _codes(second) == [Code(Label.NEUTRAL, Marker.N)]


def test_a_table_that_the_product_wrote_is_a_models_coding(tmp_path: Path) -> None:
    file = _written(
        tmp_path,
        "session_id,turn,utterance_id,speaker,label,marker,p_marker,model\r\n"
        "a,0,,therapist,,,,m-1\r\na,1,x,client,withdrawal,W1,0.5,m-1\r\n",
        "labels.csv",
    )
    (coding,) = read_codings(file)
    assert coding.by_model
    assert coding.coder == "labels"
    assert _codes(coding) == [None, Code(Label.WITHDRAWAL, Marker.W1)]
    assert [turn.turn for turn in coding.turns] == [0, 1]


def test_a_session_is_named_after_the_file_and_a_semicolon_divides(tmp_path: Path) -> None:
    (coding,) = read_codings(_written(tmp_path, 'turn;Code\n0;"N"\n1;CT\n', "s1.csv"))
    assert {turn.session for turn in coding.turns} == {"s1"}
    assert [code and code.label for code in _codes(coding)] == [Label.NEUTRAL, Label.CONFRONTATION]


def test_json_lines_of_turns_and_of_sessions(tmp_path: Path) -> None:
    turns = [{"session_id": "a", "turn": 0, "label": "neutral"}]
    (one,) = read_codings(_written(tmp_path, json.dumps(turns[0]) + "\n", "one.jsonl"))
    assert _codes(one) == [Code(Label.NEUTRAL)]
    session = {
        "id": "a",
        "turns": [
            {"speaker": "client", "text": "Fine.", "code": "W2", "coder_a": "W2", "coder_b": "N"}
        ],
    }
    coders = read_codings(_written(tmp_path, json.dumps(session) + "\n", "two.jsonl"))
    assert [coding.coder for coding in coders] == ["coder_a", "coder_b"]
    assert coders[0].turns[0].role is Role.CLIENT


def test_workbooks_and_parquet_tables(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    parquet = pytest.importorskip("pyarrow.parquet")
    arrow = pytest.importorskip("pyarrow")
    book = openpyxl.Workbook()
    for row in (["session_id", "turn", "code"], ["a", 0, "N"], ["a", 1, "PB"]):
        book.active.append(row)
    book.save(tmp_path / "anna.xlsx")
    table = arrow.table({"session_id": ["a", "a"], "turn": [0.0, 1.0], "code": ["N", "PB"]})
    parquet.write_table(table, tmp_path / "anna.parquet")
    for name in ("anna.xlsx", "anna.parquet"):
        (coding,) = read_codings(tmp_path / name)
        assert _codes(coding) == [
            Code(Label.NEUTRAL, Marker.N),
            Code(Label.ALLIANCE_POSITIVE, Marker.PB),
        ]
        assert [turn.turn for turn in coding.turns] == [0, 1]


def test_codes_of_another_system_or_of_none(tmp_path: Path) -> None:
    file = _written(tmp_path, "session,turn,code\na,0,DRM\na,1,RI\n")
    (coding,) = read_codings(file, system=CIS)
    assert _codes(coding) == [Code(Label.CONFRONTATION), None]
    (raw,) = read_codings(file, system=None)
    assert [turn.text for turn in raw.turns] == ["DRM", "RI"]
    assert _codes(raw) == [None, None]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"anna\.csv: expected a table of codes, found no rows"),
        ("turn,code\n", "expected a table of codes, found no rows"),
        ("session,code\na,N\n", r"anna\.csv:2: expected a column that says which turn"),
        ("session,turn\na,0\n", "expected a column of codes .* found 'session', 'turn'"),
        ("session,turn,code\na,0,N\na,0,N\n", r"anna\.csv:3: expected each turn once"),
        ("session,turn,code\na,-1,N\n", r"anna\.csv:2: expected the turn as a number from 0"),
        ("session,turn,code\n,1,N\n", r"anna\.csv:2: expected every row to name its session"),
        ("session,turn,code\na,,N\n", r"anna\.csv:2: expected every row to name its turn"),
        ("session,turn,code\na,0,Q\n", r"anna\.csv:2: expected a code of the codebook"),
        ('session,turn,code\na,0,"N\n', r"anna\.csv:2: expected cells whose quotes are closed"),
        ("turn,label,marker\n0,neutral,W1\n", r"anna\.csv:2: expected a marker of the turn's"),
    ],
)
def test_faults_are_told_with_their_line(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(TranscriptError, match=message):
        read_codings(_written(tmp_path, content))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", "{", r"a\.jsonl:1: expected a JSON object"),
        ("a.jsonl", "[1]", r"a\.jsonl:1: expected a JSON object"),
        ("a.jsonl", '{"turns": [1]}', "expected 'turns' to be a list of objects"),
        ("a.docx", "", r"a\.docx: expected a table \(\.csv, .*\), found \.docx"),
        ("a.parquet", "PAR1", r"a\.parquet: expected a Parquet table, found a damaged one"),
    ],
)
def test_what_is_no_table(tmp_path: Path, name: str, content: str, message: str) -> None:
    with pytest.raises(TranscriptError, match=message):
        read_codings(_written(tmp_path, content, name))


def test_a_missing_file_and_a_missing_column(tmp_path: Path) -> None:
    with pytest.raises(TranscriptError, match="expected a readable table of codes, found none"):
        read_codings(tmp_path / "none.csv")
    file = _written(tmp_path, "session,turn,code\na,0,N\n")
    with pytest.raises(TranscriptError, match="expected a column 'bea', found 'session', 'turn'"):
        read_codings(file, column="bea")
