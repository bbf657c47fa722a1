"""Excel workbooks (.xlsx): tables of turns, one row a turn, read like CSV files.

The header may stand below a title, and may have a second row under merged cells (``Time`` over
``Start`` and ``End``). Every sheet that has the columns of a table of turns is read; where several
do, a session without an id of its own is named after file and sheet. Hidden sheets are passed
over; hidden rows are not, since a filter hides them.

A time counts as the sheet shows it: ``1:23`` is a minute and 23 seconds, although Excel took it
for an hour and 23 minutes when it was typed.
"""

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Final

from alliance.model.errors import TranscriptError
from alliance.model.formats.columns import Columns, listed
from alliance.model.formats.records import Record
from alliance.model.formats.roles import clean_name
from alliance.model.formats.rows import Row, sessions_of_rows
from alliance.model.formats.source import RawSession, Source
from alliance.model.formats.times import clock_text
from alliance.model.formats.workbook import Cell, CellKind, Sheet, SheetRow, Workbook

_HEADER_ROWS: Final = 30  # among which the header is looked for
_LONGEST_TITLE: Final = 60
_TIMES: Final = frozenset({"start", "end"})
_DAY_MS: Final = 86_400_000
_MINUTE_MS: Final = 60_000
_LARGEST_DAY: Final = 2_958_466  # the day after 31 December 9999
_ZERO: Final = dt.date(1899, 12, 30)
_ZERO_1904: Final = dt.date(1904, 1, 1)
_NOT_SHOWN: Final = re.compile(r'"[^"]*"|\\.|_.|\*.|\[(?!h+\]|m+\]|s+\])[^\]]*\]|am/pm|a/p', re.I)


@dataclass(frozen=True, slots=True)
class _Table:
    """A table of turns: its sheet, its columns, and the last row of its header."""

    sheet: Sheet
    columns: Columns
    header: int


def read_xlsx(source: Source) -> Iterator[RawSession]:
    """The sessions of an Excel workbook."""
    book = Workbook(source)
    tables = [table for sheet in book.sheets if (table := _find(book, sheet, source))]
    if not tables:
        raise _no_table(book, source)
    for table in tables:
        title = clean_name(table.sheet.title)[:_LONGEST_TITLE]
        part = _part(source, title, several=len(tables) > 1)
        yield from sessions_of_rows(_rows(book, table, part), source=part)


def _part(source: Source, title: str, *, several: bool) -> Source:
    return replace(
        source,
        place=lambda line: f"row {line} of sheet '{title}'",
        part=title if several else "",
    )


def _find(book: Workbook, sheet: Sheet, source: Source) -> _Table | None:
    rows = list(islice(book.rows(sheet), _HEADER_ROWS))
    for place, row in enumerate(rows):
        columns = _columns(_names(row), source)
        if columns is None:
            continue
        below = rows[place + 1] if place + 1 < len(rows) else None
        if below is not None and _goes_on(columns, below):
            both = _names(SheetRow(row.number, row.cells | below.cells))
            if (found := _columns(both, source)) is not None:
                return _Table(sheet, found, below.number)
        return _Table(sheet, columns, row.number)
    return None


def _names(row: SheetRow) -> list[str]:
    return [row.cells[n].value if n in row.cells else "" for n in range(max(row.cells) + 1)]


def _columns(names: list[str], source: Source) -> Columns | None:
    try:
        columns = Columns.find(names, source.columns)
    except LookupError:
        return None
    return None if columns.missing() else columns


def _goes_on(columns: Columns, below: SheetRow) -> bool:
    """Whether the row below a header is its second row: text, but no turn."""
    places = [columns.places[f] for f in ("text", "speaker", "role") if f in columns.places]
    return not any(place in below.cells for place in places) and all(
        cell.kind is CellKind.TEXT and any(c.isalpha() for c in cell.value)
        for cell in below.cells.values()
    )


def _no_table(book: Workbook, source: Source) -> TranscriptError:
    """What is wrong with the first sheet that holds something."""
    for sheet in book.sheets:
        rows = list(islice(book.rows(sheet), _HEADER_ROWS))
        if not rows:
            continue
        row = next((row for row in rows if len(row.cells) > 1), rows[0])
        part = _part(source, clean_name(sheet.title)[:_LONGEST_TITLE], several=False)
        names = _names(row)
        try:
            field = Columns.find(names, source.columns).missing()
        except LookupError as error:
            return part.error(str(error.args[0]), line=row.number)
        return part.error(
            f"expected a header with a column for the {field}, found {listed(filter(None, names))};"
            f" name it with --column {field}=NAME",
            line=row.number,
        )
    return source.error(
        "expected a table with a header, found an empty workbook; check that the sheet with the "
        "turns is not hidden"
    )


def _rows(book: Workbook, table: _Table, source: Source) -> Iterator[Row]:
    columns = table.columns
    for row in book.rows(table.sheet):
        if row.number <= table.header or not _has_something(row):
            continue
        values: dict[str, Any] = {"text": ""}
        for field, place in columns.places.items():
            if (cell := row.cells.get(place)) is not None:
                _check(cell, columns.names[field], row.number, source)
                values[field] = _value(cell, field, from_1904=book.from_1904)
        yield Record(source, columns, values, row.number).row()


def _has_something(row: SheetRow) -> bool:
    return any(cell.value.strip() or cell.kind is not CellKind.TEXT for cell in row.cells.values())


def _check(cell: Cell, name: str, line: int, source: Source) -> None:
    if cell.kind is CellKind.UNCOMPUTED:
        raise source.error(
            f"expected a value in '{name}', found a formula that was never computed; open the file "
            f"in Excel and save it",
            line=line,
        )
    if cell.kind is CellKind.ERROR:
        raise source.error(
            f"expected a value in '{name}', found an error of Excel's (such as #NAME?); put an "
            f"apostrophe before text that starts with = or -",
            line=line,
        )


def _value(cell: Cell, field: str, *, from_1904: bool) -> str | float:
    if cell.kind is CellKind.DATE:
        return cell.value[:10] if field == "date" else cell.value
    if cell.kind is not CellKind.NUMBER:
        return cell.value
    number = float(cell.value)
    shown = _shown(cell.format)
    if "y" in shown or "d" in shown:
        return _date(number, shown, from_1904=from_1904) or cell.value
    if "h" in shown or "s" in shown:
        return _time(number, shown) or cell.value
    if field in _TIMES:
        return number
    return f"{number:.15g}"


def _shown(format_: str) -> str:
    """What a number's format shows, of ``y m d h s``: its code without literals and colours."""
    return _NOT_SHOWN.sub("", format_.partition(";")[0]).casefold() if format_ else ""


def _date(days: float, shown: str, *, from_1904: bool) -> str | None:
    if not 0 <= days < _LARGEST_DAY:
        return None
    day = (_ZERO_1904 if from_1904 else _ZERO) + dt.timedelta(days=int(days))
    time = f" {clock_text(round(days % 1 * _DAY_MS) % _DAY_MS)}" if "h" in shown else ""
    return day.isoformat() + time


def _time(days: float, shown: str) -> str | None:
    if not 0 <= days < _LARGEST_DAY:
        return None
    ms = round(days * _DAY_MS)
    # 1:23 is shown without seconds; from 24:00 on Excel shows 24:00:00. No talk takes a day.
    if "s" not in shown or (ms >= _DAY_MS and ms % _MINUTE_MS == 0):
        ms = round(ms / 60)
    return clock_text(ms)
