"""Rows of a table by the names of their columns, whatever the columns hold.

Transcripts have readers of their own, which know what a turn is; this is for tables that hold no
words, such as codings. JSON lines may hold a session with its turns on one line.
"""

import csv
import json
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import PurePath
from typing import Any, Final

from alliance.model.errors import MissingExtraError
from alliance.model.formats.encoding import read_lines
from alliance.model.formats.source import Source
from alliance.model.formats.workbook import Workbook

__all__ = ["SUFFIXES", "Row", "table_rows"]

SUFFIXES: Final = (".csv", ".tsv", ".tab", ".jsonl", ".ndjson", ".parquet", ".xlsx")
"""The endings of tables that can be read."""

_SEPARATORS: Final = ",;\t|"
_BATCH: Final = 10_000  # rows of a Parquet table in memory

Row = Mapping[str, Any]
"""One row: values by column name."""


def table_rows(source: Source) -> Iterator[tuple[int, Row]]:
    """The rows of a table by column name, each with the line or row it stands on (from 1).

    Args:
        source: the open file; its name's ending says what it is (:data:`SUFFIXES`).

    Raises:
        TranscriptError: if it is not a table that can be read.
        MissingExtraError: if a library that reads it is not installed.
    """
    suffix = PurePath(source.name).suffix.lower()
    if suffix in (".csv", ".tsv", ".tab"):
        return _delimited(source)
    if suffix in (".jsonl", ".ndjson"):
        return _json_lines(source)
    if suffix == ".parquet":
        return _parquet(source)
    if suffix == ".xlsx":
        return _xlsx(source)
    raise source.error(
        f"expected a table ({', '.join(SUFFIXES)}), found {suffix or 'no ending'}; save "
        f"it as one of these"
    )


def _delimited(source: Source) -> Iterator[tuple[int, Row]]:
    lines = read_lines(source.stream, name=source.name, encoding=source.encoding)
    head = next(lines, "")
    separator = max(_SEPARATORS, key=head.count)
    reader = csv.reader(chain([head], lines), delimiter=separator, strict=True)
    header: list[str] | None = None
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise source.error(
                'expected cells whose quotes are closed and doubled within (""), found a row '
                "where they are not; correct the quotes",
                line=line,
            ) from error
        if cells is None:
            return
        if not any(cell.strip() for cell in cells):
            continue
        if header is None:
            header = cells
            continue
        yield line, dict(zip(header, cells, strict=False))


def _json_lines(source: Source) -> Iterator[tuple[int, Row]]:
    lines = read_lines(source.stream, name=source.name, encoding=source.encoding)
    for line, text in enumerate(lines, start=1):
        if not text.strip():
            continue
        try:
            item = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise source.error(
                "expected a JSON object, found something else; correct the line", line=line
            ) from error
        if not isinstance(item, dict):
            raise source.error(
                "expected a JSON object, found something else; correct the line", line=line
            )
        turns = item.get("turns")
        if not isinstance(turns, list):
            yield line, item
            continue
        for place, turn in enumerate(turns):
            if not isinstance(turn, dict):
                raise source.error(
                    "expected 'turns' to be a list of objects, found something else; correct it",
                    line=line,
                )
            yield line, {"session_id": item.get("id", source.stem), "turn": place, **turn}


def _parquet(source: Source) -> Iterator[tuple[int, Row]]:
    try:
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtraError("reading Parquet tables (.parquet)", "formats") from error
    line = 0
    try:
        for batch in pq.ParquetFile(source.stream).iter_batches(_BATCH, use_threads=False):
            for row in batch.to_pylist():
                line += 1
                yield line, row
    except (OSError, ValueError, MemoryError) as error:  # pyarrow's own errors are ValueErrors
        raise source.error(
            "expected a Parquet table, found a damaged one; export it again"
        ) from error


def _xlsx(source: Source) -> Iterator[tuple[int, Row]]:
    """The first sheet that holds anything; its first row names the columns."""
    book = Workbook(source)
    for sheet in book.sheets:
        header: dict[int, str] = {}
        for row in book.rows(sheet):
            if not header:
                header = {place: cell.value for place, cell in row.cells.items()}
                continue
            yield (
                row.number,
                {
                    name: row.cells[place].value if place in row.cells else ""
                    for place, name in header.items()
                },
            )
        if header:
            return
