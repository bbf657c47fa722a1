import csv
import io
import json
from pathlib import Path

import pytest

from alliance.model.codebook import Label, Marker
from alliance.model.errors import ConfigError
from alliance.model.labelled import (
    LabelledSession,
    LabelledTurn,
    ModelInfo,
    Probabilities,
    UnlabelledReason,
)
from alliance.model.session import Session, Turn
from alliance.serve.table import COLUMNS, TableFormat, TableWriter, format_of

# Written out, not imported: this is the contract that other people's scripts rely on.
CONTRACT = [
    *("session_id", "turn", "utterance_id", "speaker", "start_ms", "end_ms", "text", "label"),
    *("p_alliance_positive", "p_withdrawal", "p_confrontation", "p_neutral"),
    *("marker", "p_marker", "abstained", "truncated", "unlabelled_reason", "model"),
]


@pytest.fixture
def labelled() -> LabelledSession:
    turns = (
        Turn("therapist", "=1+1", 0, 900, "u-1"),
        Turn("client", 'two\rlines,\n"quoted" \u2028 and -5'),
        Turn("@mother", "-hm"),
    )
    third = 1 / 3
    return LabelledSession(
        Session("+s1", turns),
        (
            LabelledTurn(
                0,
                turns[0],
                label=Label.NEUTRAL,
                probabilities=Probabilities(0.0, 0.0, 0.0, 1.0),
                marker=Marker.N,
                p_marker=1.0,
            ),
            LabelledTurn(
                1,
                turns[1],
                label=Label.WITHDRAWAL,
                probabilities=Probabilities(third, third, third, 0.0),
                marker=Marker.W2,
                p_marker=2e-7,
                abstained=True,
                truncated=True,
            ),
            LabelledTurn(2, turns[2], unlabelled_reason=UnlabelledReason.ROLE_OTHER),
        ),
        ModelInfo("stub"),
    )


def written(labelled: LabelledSession, table_format: TableFormat, *, text: bool = True) -> str:
    stream = io.StringIO(newline="")
    writer = TableWriter(stream, table_format=table_format, include_text=text)
    writer.header()
    writer.session(labelled)
    return stream.getvalue()


def test_columns_are_the_contract() -> None:
    assert list(COLUMNS) == CONTRACT


def test_csv(labelled: LabelledSession) -> None:
    out = written(labelled, TableFormat.CSV)
    rows = list(csv.DictReader(io.StringIO(out, newline="")))
    assert list(rows[0]) == CONTRACT
    assert [row["turn"] for row in rows] == ["0", "1", "2"]
    assert rows[1]["text"] == labelled.session.turns[1].text, "a CSV reader gets the text back"
    assert rows[1]["p_withdrawal"] == "0.333333"
    assert rows[1]["p_marker"] == "0.000000"
    assert rows[1]["abstained"] == rows[1]["truncated"] == "true"
    assert rows[0]["abstained"] == "false"
    assert [rows[2][name] for name in ("label", "p_neutral", "marker", "p_marker")] == [""] * 4
    assert rows[2]["unlabelled_reason"] == "role_other"


def test_formulas_are_defused_in_csv_alone(labelled: LabelledSession) -> None:
    rows = list(csv.DictReader(io.StringIO(written(labelled, TableFormat.CSV), newline="")))
    assert rows[0]["text"] == "'=1+1"
    assert rows[2]["text"] == "'-hm"
    assert rows[2]["speaker"] == "'@mother"
    assert rows[0]["session_id"] == "'+s1"
    first = json.loads(written(labelled, TableFormat.JSONL).splitlines()[0])
    assert (first["session_id"], first["text"]) == ("+s1", "=1+1")


def test_jsonl_holds_the_same_columns(labelled: LabelledSession) -> None:
    rows = [json.loads(line) for line in written(labelled, TableFormat.JSONL).split("\n")[:-1]]
    assert [list(row) for row in rows] == [CONTRACT] * 3
    assert rows[1]["p_withdrawal"] == 0.333333
    assert rows[1]["abstained"] is True
    assert rows[1]["utterance_id"] == ""
    assert rows[2]["label"] is rows[2]["start_ms"] is None


def test_no_text(labelled: LabelledSession) -> None:
    without = [name for name in CONTRACT if name != "text"]
    out = written(labelled, TableFormat.CSV, text=False)
    assert out.splitlines()[0].split(",") == without
    assert "quoted" not in out
    line = written(labelled, TableFormat.JSONL, text=False).splitlines()[1]
    assert list(json.loads(line)) == without


def test_format_by_ending() -> None:
    assert format_of(None) is TableFormat.CSV
    assert format_of(Path("a/b.JSONL")) is TableFormat.JSONL
    assert format_of(Path("b.csv"), TableFormat.JSONL) is TableFormat.JSONL
    assert format_of(Path("b.xlsx")) is TableFormat.XLSX
    with pytest.raises(ConfigError, match=r"\.eaf or \.vtt, found \.xls; .*--format"):
        format_of(Path("b.xls"))
