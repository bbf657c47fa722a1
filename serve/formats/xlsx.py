"""Excel workbooks: the turns on one sheet, the codebook on another.

A text that looks like a formula stays text, exactly as it is: its cell is marked as text, so that
Excel neither computes it nor changes it when it is edited. Excel's own limits: a text is cut at
32,767 characters, with a "…" at its end; a sheet holds 1,048,576 rows, and a longer table goes on
on a sheet ``turns 2``. Control characters, which a workbook cannot hold, become U+FFFD, and line
ends become line feeds.

The bytes depend on the rows and the library's version alone: the workbook bears no time.
"""

import datetime as dt
import zipfile
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, BinaryIO, Final

from alliance.model.codebook import CODEBOOK_VERSION, MARKER_ORDER, Label
from alliance.serve.formats.archives import FixedZip
from alliance.serve.formats.characters import xml_safe
from alliance.serve.formats.columns import Column
from alliance.serve.formats.writer import LabelWriter, Row, WriterOptions, missing_library
from alliance.serve.table import FORMULA_STARTS

__all__ = ["XlsxWriter"]

_MOST_ROWS: Final = 1_048_576  # of a sheet, its header included
_MOST_CHARACTERS: Final = 32_767  # of a cell
_NO_TIME: Final = dt.datetime(1980, 1, 1)  # noqa: DTZ001  # what the ZIP within can hold at the least
_WIDTHS: Final = {"text": 80, "session_id": 16, "label": 18, "unlabelled_reason": 18, "model": 20}
_SHEET: Final = "turns"


class XlsxWriter(LabelWriter):
    """A workbook, written to temporary files row by row."""

    def __init__(self, stream: BinaryIO, options: WriterOptions) -> None:
        super().__init__(stream, options)
        try:
            import openpyxl
        except ModuleNotFoundError as error:
            raise missing_library("writing .xlsx") from error
        self._book: Any = openpyxl.Workbook(write_only=True)
        properties = self._book.properties
        properties.creator, properties.title = "alliance", "Alliance labels"
        properties.created = properties.modified = _NO_TIME
        self._sheets: list[Any] = []
        self._names = [column.name for column in self._columns]
        self._filled = 0
        self._new_sheet()

    def rows(self, rows: Iterable[Row]) -> None:
        """Write the rows; a new sheet begins where one is full."""
        for row in rows:
            if self._filled == _MOST_ROWS:
                self._new_sheet()
            self._append([self._cell(row.get(name)) for name in self._names])

    def close(self) -> None:
        """Add the codebook and complete the file."""
        from openpyxl.writer.excel import ExcelWriter

        self._end_sheet()
        self._codebook()
        with FixedZip(self._stream, "w", zipfile.ZIP_DEFLATED) as archive:
            ExcelWriter(self._book, archive).write_data()  # save() would write today's date

    def discard(self) -> None:
        """Remove the temporary files."""
        for sheet in self._sheets:
            if not sheet.closed:
                sheet.close()
            with suppress(FileNotFoundError):  # it was removed when the sheet went into the book
                sheet._writer.cleanup()

    def _new_sheet(self) -> None:
        if self._sheets:
            self._end_sheet()
        number = len(self._sheets) + 1
        sheet = self._book.create_sheet(_SHEET if number == 1 else f"{_SHEET} {number}")
        sheet.freeze_panes = "A2"
        for place, name in enumerate(self._names):
            sheet.column_dimensions[_letters(place)].width = _WIDTHS.get(name, 14)
        self._sheets.append(sheet)
        self._filled = 0
        self._append([self._bold(name) for name in self._names])

    def _end_sheet(self) -> None:
        sheet = self._sheets[-1]
        sheet.auto_filter.ref = f"A1:{_letters(len(self._names) - 1)}{self._filled}"

    def _append(self, cells: list[Any]) -> None:
        self._sheets[-1].append(cells)
        self._filled += 1

    def _cell(self, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        text = xml_safe(value.replace("\r\n", "\n").replace("\r", "\n"))
        if len(text) > _MOST_CHARACTERS:
            text = text[: _MOST_CHARACTERS - 1] + "…"
        if not value.startswith(FORMULA_STARTS):
            return text or None
        cell = self._made(text)
        cell.data_type = "s"
        cell.quotePrefix = True  # Excel's own mark of a text that somebody typed ' before
        return cell

    def _bold(self, text: str) -> Any:
        from openpyxl.styles import Font

        cell = self._made(text)
        cell.font = Font(bold=True)
        return cell

    def _made(self, text: str) -> Any:
        from openpyxl.cell import WriteOnlyCell

        return WriteOnlyCell(self._sheets[-1], value=text)

    def _codebook(self) -> None:
        sheet = self._book.create_sheet("codebook")
        self._sheets.append(sheet)
        for letter, width in (("A", 22), ("B", 44), ("C", 100)):
            sheet.column_dimensions[letter].width = width
        for line in codebook_lines(self._columns):
            bold = line[0] in _HEADINGS
            sheet.append([self._bold(cell) for cell in line] if bold else list(line))


_HEADINGS: Final = ("column", "label", "marker", "codebook")


def codebook_lines(columns: Iterable[Column]) -> list[tuple[str, ...]]:
    """What the columns hold and what the labels and markers mean, line by line."""
    lines: list[tuple[str, ...]] = [("codebook", f"version {CODEBOOK_VERSION}"), ("",)]
    lines.append(("column", "holds", "what it says"))
    lines += [(f" {c.name}".strip(), c.kind.value, c.description) for c in columns]
    lines += [("",), ("label", "name", "meaning")]
    lines += [(label.value, label.title, label.definition) for label in Label]
    lines += [("",), ("marker", "name", "meaning")]
    for marker in MARKER_ORDER:
        who = " or ".join(sorted(role.value for role in marker.entry.roles))
        name = f"{marker.entry.name} ({marker.label.title}; {who})"
        lines.append((marker.value, name, marker.entry.definition))
    return lines


def _letters(place: int) -> str:
    """The name of a column of a sheet, counted from 0."""
    letters = ""
    place += 1
    while place:
        place, rest = divmod(place - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters
