"""Word documents (.docx): one session, in paragraphs, in tables, or in both.

Paragraphs are read like the lines of a plain text, or of a meeting program's export (as Teams saves
its transcripts). A table of turns has a column for the speaker and one for what was said, and
perhaps one for the time: by its header (named as in CSV files), by the header of the table before,
or by what stands in its columns. In a table without a column for the speaker the text may name the
speakers itself (``T: …``); one that does neither is no talk.

In a table an empty speaker's cell goes on with the turn above, since where a row breaks is layout
in Word; a row that holds one merged cell is a heading. Headings and titles are no turns, and
neither is a head before the talk (``Therapist: Dr. Lee``) or a legend (``T | therapist``).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from alliance.model.formats.exports import turns_of_export
from alliance.model.formats.plain import turns_of_lines, without_line_numbers
from alliance.model.formats.prefixes import Prefixes
from alliance.model.formats.source import RawSession, RawTurn, Source
from alliance.model.formats.turn_tables import Layout, is_legend, lines_of_table, turns_of_table
from alliance.model.formats.word import Paragraph, Table, read_document


@dataclass(slots=True)
class _Part:
    """A run of lines, or a table of turns; ``numbers`` are the lines' places in the file."""

    lines: list[str]
    numbers: list[int]
    turns: list[RawTurn]


def read_docx(source: Source) -> Iterator[RawSession]:
    """The session of a Word document."""
    document = read_document(source)
    source = Source(
        source.stream,
        source.name,
        source.roles,
        source.columns,
        source.encoding,
        lambda line: document.places[line - 1],
    )
    turns = _turns(_parts(document.blocks, source), source)
    if not turns:
        found = "none" if document.places else "an empty document"
        raise source.error(
            f"expected turns that start with their speaker (T: … or Dr. Lee: …), or a table with "
            f"a column for the speaker, found {found}; put the speaker and a colon before each turn"
        )
    yield RawSession(source.stem, turns, turns[0].line, source=source)


def _parts(blocks: Iterable[Paragraph | Table], source: Source) -> list[_Part]:
    parts: list[_Part] = []
    layout: Layout | None = None
    for block in _without_frames(blocks):
        if isinstance(block, Table):
            found = turns_of_table(block, source, before=layout)
            if found is not None:
                layout = found.layout
                parts.append(_Part([], [], found.turns))
                continue
        if not parts or parts[-1].turns:
            parts.append(_Part([], [], []))
        lines = lines_of_table(block) if isinstance(block, Table) else _lines(block)
        for line, number in lines:
            parts[-1].lines.append(line)
            parts[-1].numbers.append(number)
    return parts


def _without_frames(blocks: Iterable[Paragraph | Table]) -> Iterator[Paragraph | Table]:
    """The blocks, with those inside tables of one column in place of such tables."""
    for block in blocks:
        if isinstance(block, Table) and all(len(row.cells) == 1 for row in block.rows):
            for row in block.rows:
                yield from _without_frames(row.cells[0].blocks)
        else:
            yield block


def _lines(paragraph: Paragraph) -> Iterator[tuple[str, int]]:
    # A heading with a colon may be a speaker who is set like one.
    if paragraph.is_heading and ":" not in paragraph.text:
        yield "", paragraph.line
        return
    for line in paragraph.text.split("\n"):
        yield line, paragraph.line


def _turns(parts: Sequence[_Part], source: Source) -> list[RawTurn]:
    if len(parts) == 1 and not parts[0].turns:
        exported = turns_of_export(parts[0].lines)
        for turn in exported or ():
            turn.line = parts[0].numbers[(turn.line or 1) - 1]
        if exported is not None:
            return exported
    lines = without_line_numbers([line for part in parts for line in part.lines])
    prefixes = Prefixes(lines, source.roles)
    start = 0
    for part in parts:
        end = start + len(part.lines)
        if part.lines:
            part.turns = turns_of_lines(lines[start:end], prefixes)
            for turn in part.turns:
                turn.line = part.numbers[(turn.line or 1) - 1]
        start = end
    talk = [part for part in parts if part.turns]
    if len(talk) > 1 and talk[0].lines and is_legend(talk[0].turns, whole=True):
        talk = talk[1:]  # the head of a document whose talk is a table
    return [turn for part in talk for turn in part.turns]
