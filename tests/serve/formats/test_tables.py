import csv
import io
import json
import math
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow.parquet as pq
import pyreadstat
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alliance.model.codebook import LABELS, MARKER_ORDER
from alliance.model.labelled import LabelledSession
from alliance.serve.formats import WRITERS, open_table_writer, open_writer
from alliance.serve.formats.columns import CATALOGUE, CODING_COLUMNS, TURN_COLUMNS
from alliance.serve.formats.registry import TABLE_WRITERS
from alliance.serve.table import COLUMNS, TableFormat, row

Write = Callable[..., bytes]
SPSS_LABELS = {label.value: float(n) for n, label in enumerate(LABELS, 1)}
SPSS_MARKERS = {marker.value: float(n) for n, marker in enumerate(MARKER_ORDER, 1)}


def expected(session: LabelledSession) -> list[dict[str, Any]]:
    return [row(session, turn) for turn in session]


def sheet(data: bytes, name: str = "turns") -> list[tuple[Any, ...]]:
    book = openpyxl.load_workbook(io.BytesIO(data))
    return [tuple(cell.value for cell in line) for line in book[name].iter_rows()]


def spss(data: bytes, folder: Path, **keywords: Any) -> tuple[dict[str, list[Any]], Any]:
    path = folder / "table.sav"
    path.write_bytes(data)
    columns, meta = pyreadstat.read_sav(path, output_format="dict", **keywords)
    return {name: list(values) for name, values in columns.items()}, meta


def test_the_catalogue_describes_the_columns_of_the_contract() -> None:
    assert list(CATALOGUE)[: len(COLUMNS)] == list(COLUMNS)
    assert set(CODING_COLUMNS) <= set(CATALOGUE)
    assert TURN_COLUMNS[-1] == "text"


def test_what_label_can_write_has_a_writer() -> None:
    assert {known.value for known in TableFormat} <= set(WRITERS)
    assert all(entry.suffix.startswith(".") for entry in WRITERS.values())


def test_parquet(session: LabelledSession, written: Write) -> None:
    table = pq.read_table(io.BytesIO(written("parquet", session)))
    assert table.to_pylist() == expected(session)
    types = {field.name: str(field.type) for field in table.schema}
    assert list(types) == list(COLUMNS)
    assert types["turn"] == types["start_ms"] == "int64"
    assert types["p_neutral"] == "double"
    assert types["abstained"] == "bool"
    assert types["label"] == "string"
    assert b"calibrated" in table.schema.field("p_neutral").metadata[b"description"]
    assert table.schema.metadata[b"codebook"] == b"1"


def test_parquet_has_row_groups_of_bounded_size(session: LabelledSession, written: Write) -> None:
    rows = expected(session)
    many = [{**rows[0], "turn": n} for n in range(65_536 + 5)]
    file = pq.ParquetFile(io.BytesIO(written("parquet", rows=many)))
    assert [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)] == [65_536, 5]
    assert file.read(["turn"])["turn"].to_pylist() == list(range(len(many)))


def test_xlsx(session: LabelledSession, written: Write) -> None:
    data = written("xlsx", session)
    header, *rows = sheet(data)
    assert list(header) == list(COLUMNS)
    empty_is_none = [
        tuple(value if value != "" else None for value in each.values())
        for each in expected(session)
    ]
    assert rows == empty_is_none
    words = " ".join(str(value) for line in sheet(data, "codebook") for value in line if value)
    for marker in MARKER_ORDER:
        assert marker.entry.definition in words
    for column in COLUMNS:
        assert CATALOGUE[column].description in words


def test_no_cell_of_a_workbook_is_a_formula(session: LabelledSession, written: Write) -> None:
    book = openpyxl.load_workbook(io.BytesIO(written("xlsx", session)))
    cells = [cell for each in book for line in each.iter_rows() for cell in line]
    assert [cell.coordinate for cell in cells if cell.data_type == "f"] == []
    quoted = {cell.value for cell in cells if cell.quotePrefix}
    assert quoted == {session.turns[0].turn.text, session.turns[3].turn.text}


def test_xlsx_goes_on_on_another_sheet(
    session: LabelledSession, written: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alliance.serve.formats.xlsx._MOST_ROWS", 4)
    data = written("xlsx", session)
    first, second = sheet(data), sheet(data, "turns 2")
    assert (len(first), len(second)) == (4, 4)
    assert second[0] == first[0]
    assert [line[1] for line in first[1:] + second[1:]] == list(range(6))


def test_xlsx_cuts_what_excel_cannot_hold(written: Write) -> None:
    text = "a" * 40_000
    line = sheet(written("xlsx", rows=[{"session_id": "s", "turn": 0, "text": text}]))[1]
    assert line[COLUMNS.index("text")] == "a" * 32_766 + "…"


def test_sav(session: LabelledSession, written: Write, tmp_path: Path) -> None:
    columns, meta = spss(written("sav", session), tmp_path)
    wanted = expected(session)
    assert meta.column_names == list(COLUMNS)
    assert columns["text"] == [each["text"] for each in wanted]
    assert columns["speaker"] == [each["speaker"] for each in wanted]
    assert columns["start_ms"] == [each["start_ms"] for each in wanted]
    assert columns["label"][:4] == [SPSS_LABELS[each["label"]] for each in wanted[:4]]
    assert columns["marker"][:4] == [SPSS_MARKERS[each["marker"]] for each in wanted[:4]]
    assert columns["abstained"] == [0, 0, 1, 0, 0, 0]
    assert columns["p_withdrawal"][:4] == [0.1, 0.7, 0.1, 0.1]
    for name in ("label", "marker", "p_neutral", "p_marker"):
        missing = [value is None or math.isnan(value) for value in columns[name]]
        assert missing == [False] * 4 + [True] * 2, name


def test_sav_says_what_its_numbers_mean(
    session: LabelledSession, written: Write, tmp_path: Path
) -> None:
    columns, meta = spss(written("sav", session), tmp_path, user_missing=True)
    assert columns["label"][4:] == [98, 99], "a frequency table counts them"
    assert meta.missing_ranges["label"] == [{"lo": 98.0, "hi": 98.0}, {"lo": 99.0, "hi": 99.0}]
    assert meta.variable_value_labels["label"] == {
        1: "alliance-positive",
        2: "withdrawal rupture",
        3: "confrontation rupture",
        4: "neutral",
        98: "no words",
        99: "another speaker",
    }
    assert meta.variable_value_labels["marker"][2] == "W2 minimal response"
    assert meta.variable_value_labels["abstained"] == {0: "no", 1: "yes"}
    assert meta.column_names_to_labels["p_marker"] == CATALOGUE["p_marker"].description
    assert meta.variable_measure["label"] == "nominal"
    assert meta.variable_measure["p_neutral"] == "scale"
    assert meta.original_variable_types["p_neutral"] == "F8.6"


def test_sav_cuts_a_text_between_characters(written: Write, tmp_path: Path) -> None:
    rows = [{"session_id": "s", "turn": 0, "text": "é" * 20_000}]
    text = spss(written("sav", rows=rows), tmp_path)[0]["text"][0]
    assert text == "é" * 16_382 + "…"
    assert len(text.encode()) == 32_767


@pytest.mark.parametrize("name", TABLE_WRITERS)
def test_no_text(session: LabelledSession, written: Write, name: str) -> None:
    data = written(name, session, include_text=False)
    if name == "xlsx":
        words = str(sheet(data))
    elif name == "parquet":
        words = str(pq.read_table(io.BytesIO(data)).to_pylist())
    else:
        words = data.decode("utf-8", "ignore")
    assert "withdrawal" in words
    assert "came back" not in words


@pytest.mark.parametrize("name", TABLE_WRITERS)
def test_the_same_bytes_at_another_time(
    session: LabelledSession, written: Write, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    once = written(name, session)
    monkeypatch.setattr("time.time", lambda: 2_000_000_000.0)
    monkeypatch.setattr("time.localtime", lambda *_: (2033, 5, 18, 3, 33, 20, 2, 138, 0))
    assert written(name, session) == once
    assert written(name, rows=expected(session)) == once, "rows and sessions are one"


@pytest.mark.parametrize("name", TABLE_WRITERS)
def test_a_table_without_rows_is_a_table(written: Write, name: str, tmp_path: Path) -> None:
    data = written(name)
    if name == "csv":
        assert data.decode().split("\r\n") == [",".join(COLUMNS), ""]
    elif name == "jsonl":
        assert data == b""
    elif name == "parquet":
        assert pq.read_table(io.BytesIO(data)).num_rows == 0
    elif name == "xlsx":
        assert len(sheet(data)) == 1
    else:
        assert spss(data, tmp_path)[1].number_rows == 0


@pytest.mark.parametrize("name", TABLE_WRITERS)
def test_whole_or_not_at_all(session: LabelledSession, name: str, tmp_path: Path) -> None:
    path = tmp_path / "out"
    with suppress(KeyError), open_writer(path, name) as writer:
        writer.session(session)
        raise KeyError
    writer = open_table_writer(path, TableFormat(name))
    writer.session(session)
    assert not path.exists(), "not before it is closed"
    writer.discard()
    assert list(tmp_path.iterdir()) == []
    with open_writer(path, name) as writer:
        writer.session(session)
    assert [file.name for file in tmp_path.iterdir()] == ["out"]
    assert path.stat().st_size > 0


def test_a_workbook_leaves_no_temporary_file(
    session: LabelledSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for discard in (True, False):
        writer = open_writer(io.BytesIO(), "xlsx")
        writer.session(session)
        assert list(tmp_path.iterdir()), "the check looks at the right folder"
        if discard:
            writer.discard()
        else:
            writer.close()
        assert list(tmp_path.iterdir()) == []


ANYTHING = st.text(
    st.one_of(
        st.characters(codec="utf-8", exclude_characters="\0"),
        st.sampled_from("\r\n\t\"',;=+-@<>&_x\U0001f600\u200f\u05d0"),
    ),
    max_size=60,
)


@settings(
    max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(text=ANYTHING, speaker=ANYTHING)
def test_any_text_comes_back(text: str, speaker: str, written: Write, tmp_path: Path) -> None:
    rows = [{"session_id": "s", "turn": 0, "speaker": speaker, "text": text}] * 2
    table = pq.read_table(io.BytesIO(written("parquet", rows=rows)))
    assert table["text"].to_pylist() == [text] * 2
    lines = written("jsonl", rows=rows).decode().split("\n")
    assert [json.loads(line)["text"] for line in lines[:-1]] == [text] * 2
    cells = list(csv.DictReader(io.StringIO(written("csv", rows=rows).decode(), newline="")))
    assert cells[0]["text"] in (text, "'" + text)
    line = sheet(written("xlsx", rows=rows))[1]
    kept = re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", "\ufffd", re.sub("\r\n?", "\n", text))
    assert (line[COLUMNS.index("text")] or "") == kept
    columns, _ = spss(written("sav", rows=rows), tmp_path)
    assert columns["text"] == [text.rstrip(" ")] * 2
