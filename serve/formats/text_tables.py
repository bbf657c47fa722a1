"""CSV and JSON lines as :mod:`alliance.serve.table` defines them, to a binary stream."""

import io
from collections.abc import Iterable
from typing import BinaryIO

from alliance.serve.formats.writer import LabelWriter, Row, WriterOptions
from alliance.serve.table import TableFormat, TableWriter

__all__ = ["CsvWriter", "JsonlWriter"]


class _TextTableWriter(LabelWriter):
    _format: TableFormat

    def __init__(self, stream: BinaryIO, options: WriterOptions) -> None:
        super().__init__(stream, options)
        # Half a surrogate pair, which JSON can smuggle in, has no UTF-8 form: "?" replaces it.
        self._text = io.TextIOWrapper(stream, encoding="utf-8", errors="replace", newline="")
        names = [column.name for column in self._columns]
        self._table = TableWriter(self._text, table_format=self._format, columns=names)
        self._table.header()

    def rows(self, rows: Iterable[Row]) -> None:
        self._table.rows(rows)
        self._text.flush()

    def discard(self) -> None:
        self._text.detach()

    def close(self) -> None:
        self._text.detach()  # flushes; the stream outlives the writer


class CsvWriter(_TextTableWriter):
    """A CSV table."""

    _format = TableFormat.CSV


class JsonlWriter(_TextTableWriter):
    """One JSON object a turn."""

    _format = TableFormat.JSONL
