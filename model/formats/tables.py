"""Tables of turns: CSV with commas, semicolons or tabs, and TSV. One row is one turn.

A spreadsheet's own dialect is found from the header: the separator is the one that shows the most
columns we know. Quoting is strict, since a quote that is not closed would otherwise swallow the
rows after it without a word.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Final

from alliance.model.formats.columns import Columns, listed
from alliance.model.formats.records import Record
from alliance.model.formats.rows import Row, sessions_of_rows
from alliance.model.formats.source import RawSession, Source

_COMMA_FIRST: Final = (",", ";", "\t", "|")
_TAB_FIRST: Final = ("\t", ",", ";", "|")
_HEADER_LINES: Final = 50  # a header with line breaks inside its names is still shorter
_LONGEST_CELL: Final = 10_000_000  # characters; a longer one is a quote that was never closed
_SEPARATOR_LINE: Final = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
_WHOLE_QUOTED: Final = re.compile(r'"(?:[^"]|"")*"?[\r\n]*')


def read_csv(source: Source) -> Iterator[RawSession]:
    """The sessions of a table whose columns are separated by commas, semicolons or tabs."""
    return sessions_of_rows(_rows(source, _COMMA_FIRST), source=source)


def read_tsv(source: Source) -> Iterator[RawSession]:
    """The sessions of a table whose columns are separated by tabs."""
    return sessions_of_rows(_rows(source, _TAB_FIRST), source=source)


def _rows(source: Source, separators: Sequence[str]) -> Iterator[Row]:
    lines = source.lines()
    head, skipped = _first_record(lines)
    if not head:
        raise source.error("expected a table with a header, found an empty file; check its export")
    if separator := _SEPARATOR_LINE.fullmatch(head[0]):
        separators = (separator[1],)
        head, more = _first_record(lines)
        skipped += 1 + more
    separator_, columns, width = _dialect(source, head, separators, line=skipped + 1)
    table = _records(source, chain(head, lines), separator_, skipped=skipped)
    next(table, None)  # the header
    for line, cells in table:
        if not any(cell.strip() for cell in cells):
            continue
        if any(cell.strip() for cell in cells[width:]):
            raise source.error(
                f"expected {width} cells as in the header, found {len(cells)}; put quotes around "
                f"a cell that holds a separator",
                line=line,
            )
        values = {
            field: cells[place] for field, place in columns.places.items() if place < len(cells)
        }
        yield Record(source, columns, values, line).row()


def _first_record(lines: Iterator[str]) -> tuple[list[str], int]:
    """The physical lines of the first record, and how many blank ones came before it."""
    record: list[str] = []
    skipped = quotes = 0
    for line in lines:
        if not record and not line.strip():
            skipped += 1
            continue
        record.append(line)
        quotes += line.count('"')
        if quotes % 2 == 0 or len(record) == _HEADER_LINES:
            break
    return record, skipped


def _dialect(
    source: Source, head: Sequence[str], separators: Sequence[str], *, line: int
) -> tuple[str, Columns, int]:
    best: tuple[tuple[int, int], str, list[str]] | None = None
    for separator in separators:
        try:
            header = next(csv.reader(head, delimiter=separator), [])
        except csv.Error:
            continue
        usual = _fields_found(header, source)
        if best is None or (usual, len(header)) > best[0]:
            best = ((usual, len(header)), separator, header)
    if best is None:
        raise source.error(
            "expected a header of column names, found a line that is not one; check the quotes",
            line=line,
        )
    _, separator, header = best
    try:
        columns = Columns.find(header, source.columns)
    except LookupError as error:
        raise source.error(str(error.args[0]), line=line) from error
    if field := columns.missing():
        raise source.error(
            f"expected a header with a column for the {field}, found {listed(header)}; name it "
            f"with --column {field}=NAME",
            line=line,
        )
    return separator, columns, len(header)


def _fields_found(header: Sequence[str], source: Source) -> int:
    try:
        return len(Columns.find(header, source.columns).places)
    except LookupError:
        return 0


def _records(
    source: Source, lines: Iterable[str], separator: str, *, skipped: int
) -> Iterator[tuple[int, list[str]]]:
    """Rows with the physical line each one starts on."""
    if csv.field_size_limit() < _LONGEST_CELL:
        # The limit is the whole process's; it is only ever raised.
        csv.field_size_limit(_LONGEST_CELL)
    if separator == "\t":
        lines = map(_requoted, lines)
    reader = csv.reader(lines, delimiter=separator, strict=True)
    while True:
        line = skipped + reader.line_num + 1
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
        yield line, cells


def _requoted(line: str) -> str:
    """Quote a cell that begins with a quotation mark which is part of the text.

    Programs that write tabs often do not quote at all, so that '"Fine," he said' stands bare.
    """
    if '"' not in line:
        return line
    cells = line.split("\t")
    for place, cell in enumerate(cells):
        if cell.startswith('"') and not _WHOLE_QUOTED.fullmatch(cell):
            text = cell.rstrip("\r\n")
            cells[place] = '"' + text.replace('"', '""') + '"' + cell[len(text) :]
    return "\t".join(cells)
