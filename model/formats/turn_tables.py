"""Which table in a document is one of turns, and which of its columns holds what."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from alliance.model.formats.columns import FIELDS, Columns
from alliance.model.formats.prefixes import TimeMark, time_mark
from alliance.model.formats.records import Record
from alliance.model.formats.roles import RoleMap, clean_name
from alliance.model.formats.source import RawTurn, Source
from alliance.model.formats.times import clock_text
from alliance.model.formats.word import Cell, Paragraph, Table, TableRow

__all__ = ["Layout", "TableTurns", "is_legend", "lines_of_table", "turns_of_table"]

_LONGEST_NAME: Final = 40
_MOST_WORDS: Final = 5  # of a name
_MOST_SPEAKERS: Final = 8
_SHARE: Final = 0.8  # of the filled cells of a column of times are times
_LEGEND_WORDS: Final = 4
_SENTENCE_ENDS: Final = (".", "?", "!", "…", ",", ";")
_HEADER_WORDS: Final = frozenset({*FIELDS["speaker"], *FIELDS["role"], "name", "person"})


@dataclass(frozen=True, slots=True)
class Layout:
    """A table's columns: how many it has, and which hold the fields."""

    width: int
    columns: Columns


@dataclass(frozen=True, slots=True)
class TableTurns:
    """The turns of a table, and the layout they were read by."""

    layout: Layout
    turns: list[RawTurn]


@dataclass(slots=True)
class _Row:
    row: TableRow
    cells: list[str]  # by column


def turns_of_table(table: Table, source: Source, *, before: Layout | None) -> TableTurns | None:
    """The turns of a table, or None if it is not one of turns.

    Args:
        table: the table.
        source: the document, for roles, columns and errors.
        before: the layout of the table of turns before it, for tables that go on with it.

    Raises:
        TranscriptError: if a cell does not hold what its column does.
    """
    rows = [_Row(row, _cells(row)) for row in table.rows]
    rows = [row for row in rows if any(row.cells)]
    if not rows:
        return None
    width = max(len(row.cells) for row in rows)
    for row in rows:
        row.cells += [""] * (width - len(row.cells))
    rows = [row for row in rows if not _is_heading(row, width)]
    for place, row in enumerate(rows[:2]):
        if (columns := _of_header(row.cells, source)) is not None:
            layout = Layout(width, columns)
            turns = list(_turns(rows[place + 1 :], columns, source))
            return TableTurns(layout, turns) if turns else None
    columns = _of_contents([row.cells for row in rows if not row.row.is_header], source.roles)
    if columns is not None:
        body = rows[_header_rows(rows, columns, source.roles) :]
        turns = list(_turns(body, columns, source))
        return None if is_legend(turns) else TableTurns(Layout(width, columns), turns)
    if before is not None and before.width == width:
        turns = list(_turns(rows, before.columns, source))
        return TableTurns(before, turns) if turns and not is_legend(turns) else None
    return None


def lines_of_table(table: Table) -> Iterator[tuple[str, int]]:
    """The lines of the column with the most text, each with its place in the file.

    A time beside it stands on the line before, as in a plain text.
    """
    rows = [_Row(row, _cells(row, end="\n")) for row in table.rows]
    width = max((len(row.cells) for row in rows), default=0)
    sizes = [sum(len(r.cells[c]) for r in rows if c < len(r.cells)) for c in range(width)]
    column = sizes.index(max(sizes)) if sizes else 0
    for row in rows:
        yield "", row.row.line
        for place, cell in enumerate(row.cells):
            if place != column and time_mark(cell) is not None:
                yield cell.strip(), row.row.line
        for line in row.cells[column].split("\n") if column < len(row.cells) else ():
            yield line, row.row.line


def is_legend(turns: Sequence[RawTurn], *, whole: bool = False) -> bool:
    """Whether "turns" only say who is who: no speaker twice, and no sentences.

    Args:
        turns: the turns.
        whole: whether the first is enough.
    """
    names = [turn.speaker.casefold() for turn in turns]
    if len(set(names)) < len(names):
        return False
    return whole or all(
        len(turn.text.split()) <= _LEGEND_WORDS and not turn.text.rstrip().endswith(_SENTENCE_ENDS)
        for turn in turns
    )


def _cells(row: TableRow, *, end: str = " ") -> list[str]:
    cells = [""] * max((cell.column + cell.span for cell in row.cells), default=0)
    for cell in row.cells:
        if not cell.continues:
            cells[cell.column] = _text(cell, end)
    return cells


def _text(cell: Cell, end: str) -> str:
    lines: list[str] = []
    for block in cell.blocks:
        if isinstance(block, Paragraph):
            lines += block.text.split("\n")
        else:
            lines += [_text(inner, end) for row in block.rows for inner in row.cells]
    # Where a line breaks is layout.
    return end.join(line.strip() for line in lines if line.strip())


def _is_heading(row: _Row, width: int) -> bool:
    return width > 1 and any(cell.span >= width for cell in row.row.cells)


def _of_header(cells: Sequence[str], source: Source) -> Columns | None:
    try:
        columns = Columns.find(cells, source.columns)
    except LookupError:
        return None
    return None if columns.missing() else columns


def _of_contents(rows: Sequence[Sequence[str]], roles: RoleMap) -> Columns | None:
    """Where speaker, text and time are, by what stands in the columns."""
    columns = [[row[place] for row in rows] for place in range(len(rows[0]) if rows else 0)]
    times = [place for place, cells in enumerate(columns) if _are_times(cells)]
    speaker = _speaker_column(columns, roles)
    sizes = {
        place: sum(map(len, cells))
        for place, cells in enumerate(columns)
        if place != speaker and place not in times
    }
    if speaker is None or not sizes or not (largest := max(sizes.values())):
        return None
    # Notes and codes may stand beside what was said, and may be longer, but come after it.
    text = next(place for place, size in sizes.items() if size * 2 >= largest)
    places = {"speaker": speaker, "text": text}
    if times:
        places["start"] = times[0]
    return Columns({field: f"column {place + 1}" for field, place in places.items()}, places)


def _are_times(cells: Sequence[str]) -> bool:
    filled = [cell for cell in cells if cell]
    if len(filled) > 2 and time_mark(filled[0]) is None:
        del filled[0]  # the column's name
    return bool(filled) and sum(time_mark(c) is not None for c in filled) >= _SHARE * len(filled)


def _speaker_column(columns: Sequence[Sequence[str]], roles: RoleMap) -> int | None:
    best: int | None = None
    for place, cells in enumerate(columns):
        names = [name for cell in cells if (name := _name(cell))]
        known = [roles.role(name) is not None for name in names]
        if names and all(known):
            return place
        if best is None and _are_names(names, known):
            best = place
    return best


def _are_names(names: Sequence[str], known: Sequence[bool]) -> bool:
    """Whether the cells of a column, a header's aside, hold a few names again and again."""
    if len(names) > 2 and names.count(names[0]) == 1 and not known[0]:
        names, known = names[1:], known[1:]
    few = {name.casefold() for name in names}
    return (
        len(few) <= _MOST_SPEAKERS
        and (len(few) < len(names) or (bool(names) and all(known)))
        and all(map(_looks_like_a_name, few))
    )


def _looks_like_a_name(name: str) -> bool:
    words = name.split()
    return (
        len(name) <= _LONGEST_NAME
        and len(words) <= _MOST_WORDS
        and any(c.isalpha() for c in name)
        and not name.endswith(_SENTENCE_ENDS[1:])
    )


def _header_rows(rows: Sequence[_Row], columns: Columns, roles: RoleMap) -> int:
    """How many rows at the top name the columns: the ones Word repeats, or one that looks so."""
    repeated = next((place for place, row in enumerate(rows) if not row.row.is_header), len(rows))
    if repeated:
        return repeated
    place = columns.places["speaker"]
    names = [_name(row.cells[place]) for row in rows]
    first = names[0]
    is_word = first.casefold() in _HEADER_WORDS
    is_alone = len(rows) > 2 and bool(first) and names.count(first) == 1 and not roles.role(first)
    short = len(rows[0].cells[columns.places["text"]].split()) <= _LEGEND_WORDS
    return int(short and (is_word or is_alone))


def _turns(rows: Sequence[_Row], columns: Columns, source: Source) -> Iterator[RawTurn]:
    # Times may stand beside a name, or both in one cell, where there is no column for them.
    columns = Columns({"start": "time", "end": "time", **columns.names}, columns.places)
    turn: RawTurn | None = None
    for row in rows:
        values = {field: row.cells[place] for field, place in columns.places.items()}
        name, mark = _name_and_time(values.get("speaker", ""))
        if not (name or values.get("role")):
            if turn is not None and values["text"]:
                turn.text = f"{turn.text} {values['text']}".strip()
            continue
        if turn is not None:
            yield turn
        values["speaker"] = name
        _write_times(values, mark)
        values.pop("session", None)  # a document is one session, whatever a column says
        turn = Record(source, columns, values, row.row.line).turn()
    if turn is not None:
        yield turn


def _write_times(values: dict[str, str], beside: TimeMark | None) -> None:
    """Write the times as tables have them: without brackets, and a span's end by itself."""
    end = time_mark(values.get("end", ""))
    if end is not None and end.start_ms is not None:
        values["end"] = clock_text(end.start_ms)
    mark = time_mark(values.get("start", "")) or (None if values.get("start") else beside)
    if mark is not None and mark.start_ms is not None:
        values["start"] = clock_text(mark.start_ms)
        if mark.end_ms is not None and not values.get("end"):
            values["end"] = clock_text(mark.end_ms)


def _name(cell: str) -> str:
    return _name_and_time(cell)[0]


def _name_and_time(cell: str) -> tuple[str, TimeMark | None]:
    """A speaker's cell without the colon, and with the time that may stand beside the name."""
    words = cell.split()
    mark = None
    for place in (0, -1):
        if len(words) > 1 and (found := time_mark(words[place])) is not None:
            mark = found
            del words[place]
    return clean_name(" ".join(words)).rstrip(":： ").strip("[]* "), mark
