"""The paragraphs and tables of a Word document (.docx), as they are shown.

What is read is the body as it would look printed with all changes accepted:

- tracked insertions count, deletions do not;
- hidden text does not, whether it is hidden itself or by its style;
- footnotes, endnotes, comments, headers, footers and text boxes stand beside the talk and do not;
- content controls, links and fields count by what they show;
- automatic numbers and line numbers are layout and do not.

python-docx, which the tests compare with, leaves out tracked insertions and content controls. The
elements are those of ECMA-376 part 1, chapter 17 (WordprocessingML).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from alliance.model.formats.package import Kind, Package
from alliance.model.formats.source import Source

__all__ = ["Cell", "Document", "Paragraph", "Table", "TableRow", "read_document"]

_KIND: Final = Kind("a Word document", ".docx", "Word")
_LARGEST_TEXT: Final = 1 << 27  # bytes of the body's XML; an hour's talk takes one or two million
_LARGEST_STYLES: Final = 1 << 25
_MOST_COLUMNS: Final = 63  # Word's own limit
_MOST_BLOCKS: Final = 1_000_000  # paragraphs, rows and cells; an hour's talk takes a few thousand
_LONGEST_CHAIN: Final = 20  # styles based on styles; Word allows eleven
_OFF: Final = frozenset({"0", "false", "off"})
_NOT_SHOWN: Final = frozenset(
    {"del", "moveFrom", "drawing", "pict", "object", "AlternateContent", "rt"}
)
_SIGNS: Final = {"tab": "\t", "ptab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}


@dataclass(slots=True)
class Paragraph:
    """A paragraph: its text with tabs and line breaks, and whether it is a heading or title.

    ``line`` is its place in :attr:`Document.places`, counted from 1.
    """

    text: str
    line: int
    is_heading: bool = False


@dataclass(slots=True)
class Cell:
    """A cell: what stands in it, its first column from 0, and how many columns it spans.

    ``continues`` says that it is merged with the one above and shows nothing of its own.
    """

    column: int
    span: int = 1
    continues: bool = False
    blocks: "list[Paragraph | Table]" = field(default_factory=list)


@dataclass(slots=True)
class TableRow:
    """A row of a table; ``is_header`` if Word repeats it on every page."""

    line: int
    cells: list[Cell] = field(default_factory=list)
    is_header: bool = False


@dataclass(slots=True)
class Table:
    """A table."""

    rows: list[TableRow] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Document:
    """The body of a document.

    Attributes:
        blocks: paragraphs and tables in their order.
        places: what people call each line: ``paragraph 3`` (those with text count) or
            ``row 2 of table 1``.
    """

    blocks: list[Paragraph | Table]
    places: list[str]


def read_document(source: Source) -> Document:
    """The body of a Word document.

    Raises:
        TranscriptError: if the file is not one, is damaged, protected or far too large.
    """
    package = Package(source, _KIND)
    styles = _Styles()
    for kind, part in package.relations(package.main).values():
        if kind == "styles" and package.has(part):
            for _ in package.parse(part, styles, largest=_LARGEST_STYLES):
                pass
    body = _Body(styles)
    for _ in package.parse(package.main, body, largest=_LARGEST_TEXT):
        if body.made > _MOST_BLOCKS:
            raise package.too_large()
    if not body.is_document:
        raise package.damaged()
    return Document(body.blocks, body.places)


@dataclass(slots=True)
class _Style:
    name: str = ""
    based_on: str = ""
    hidden: bool | None = None


class _Styles:
    """Collects which styles hide text and which are headings."""

    def __init__(self) -> None:
        self._styles: dict[str, _Style] = {}
        self._style: _Style | None = None

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "style":
            self._style = self._styles.setdefault(attributes.get("styleId", ""), _Style())
        elif self._style is None:
            return
        elif name == "name":
            self._style.name = attributes.get("val", "").casefold()
        elif name == "basedOn":
            self._style.based_on = attributes.get("val", "")
        elif name == "vanish":
            self._style.hidden = _is_on(attributes)

    def end(self, name: str) -> None:
        if name == "style":
            self._style = None

    def text(self, text: str) -> None:
        pass

    def hides(self, id_: str) -> bool:
        for style in self._chain(id_):
            if style.hidden is not None:
                return style.hidden
        return False

    def is_heading(self, id_: str) -> bool:
        # Word keeps the built-in styles' English names in every language.
        return any(
            style.name in ("title", "subtitle", "caption")
            or style.name.startswith(("heading ", "toc "))
            for style in self._chain(id_)
        )

    def _chain(self, id_: str) -> list[_Style]:
        chain: list[_Style] = []
        while (style := self._styles.get(id_)) is not None and len(chain) < _LONGEST_CHAIN:
            chain.append(style)
            id_ = style.based_on
        return chain


class _Body:
    """Collects paragraphs and tables."""

    def __init__(self, styles: _Styles) -> None:
        self.blocks: list[Paragraph | Table] = []
        self.places: list[str] = []
        self.is_document = False
        self.made = 0  # paragraphs, rows and cells
        self._styles = styles
        self._path: list[str] = []
        self._skipping = 0  # the depth at which something not shown began; 0 if nothing did
        self._tables: list[Table] = []
        self._counts = [0, 0]  # paragraphs with text, tables
        self._pieces: list[str] = []
        self._style = ""  # the paragraph's
        self._hidden = False  # the run
        self._mark_deleted = False
        self._row_deleted: list[bool] = []

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        parent = self._path[-1] if self._path else ""
        self._path.append(name)
        if self._skipping:
            return
        if name in ("del", "moveFrom") and parent in ("rPr", "trPr"):
            self._deleted_whole(parent)
        elif name in _NOT_SHOWN or name.endswith("Change"):  # pPrChange: how it was before
            self._skipping = len(self._path)
        elif name in _SIGNS:
            if parent == "r" and not self._hidden:
                self._pieces.append(_SIGNS[name])
        elif name == "p":
            self._style = ""
            self._mark_deleted = False
        elif name == "r":
            self._hidden = self._styles.hides(self._style)
        elif parent == "rPr" and self._path[-3:-2] == ["r"]:
            self._run_property(name, attributes)
        elif name == "pStyle" and self._path[-3:-2] == ["p"]:
            self._style = attributes.get("val", "")
        elif name == "document":
            self.is_document = True
        else:
            self._start_table(name, attributes)

    def end(self, name: str) -> None:
        if self._skipping == len(self._path):
            self._skipping = 0
        elif not self._skipping:
            if name == "p":
                self._end_paragraph()
            elif name == "tr":
                self._end_row()
            elif name == "tbl" and self._tables:
                table = self._tables.pop()
                if table.rows:
                    self._place().append(table)
        self._path.pop()

    def text(self, text: str) -> None:
        if not (self._skipping or self._hidden) and self._path[-2:] == ["r", "t"]:
            self._pieces.append(text)

    def _start_table(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "tbl":
            self._tables.append(Table())
            self._counts[1] += len(self._tables) == 1
        elif not self._tables:
            return
        elif name == "tr":
            self.made += 1
            self._row_deleted.append(False)
            table = self._tables[-1]
            if len(self._tables) == 1:
                self.places.append(f"row {len(table.rows) + 1} of table {self._counts[1]}")
            table.rows.append(TableRow(len(self.places)))
        elif not self._tables[-1].rows:
            return
        elif name == "tc":
            self.made += 1
            cells = self._tables[-1].rows[-1].cells
            column = cells[-1].column + cells[-1].span if cells else 0
            if column < _MOST_COLUMNS:
                cells.append(Cell(column))
            else:
                self._skipping = len(self._path)
        elif name == "tblHeader":
            self._tables[-1].rows[-1].is_header = _is_on(attributes)
        elif cells := self._tables[-1].rows[-1].cells:
            if name == "gridSpan":
                cells[-1].span = min(max(int(attributes.get("val", "1")), 1), _MOST_COLUMNS)
            elif name == "vMerge":
                cells[-1].continues = attributes.get("val") != "restart"

    def _run_property(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "vanish":
            self._hidden = _is_on(attributes)
        elif name == "rStyle":
            self._hidden = self._hidden or self._styles.hides(attributes.get("val", ""))

    def _deleted_whole(self, parent: str) -> None:
        if parent == "trPr":
            self._row_deleted[-1:] = [True]
        elif self._path[-3:-2] == ["pPr"]:
            self._mark_deleted = True

    def _end_paragraph(self) -> None:
        if self._mark_deleted:
            return  # the next paragraph goes on with it
        text = "".join(self._pieces)
        self._pieces.clear()
        self._hidden = False
        if not self._tables and text.strip():
            self._counts[0] += 1
            self.places.append(f"paragraph {self._counts[0]}")
        place = self._place()
        last = place[-1] if place else None
        self.made += 1
        if text.strip() or not isinstance(last, Paragraph) or last.text.strip():
            # Of blank ones in a row, the first says it all.
            place.append(Paragraph(text, len(self.places), self._styles.is_heading(self._style)))

    def _end_row(self) -> None:
        if not (self._tables and self._row_deleted):
            return
        row = self._tables[-1].rows[-1]
        if self._row_deleted.pop() or not row.cells:
            self._tables[-1].rows.pop()

    def _place(self) -> "list[Paragraph | Table]":
        """Where a block goes: into the cell that is open, or the body."""
        for table in reversed(self._tables):
            if table.rows and table.rows[-1].cells:
                return table.rows[-1].cells[-1].blocks
        return self.blocks


def _is_on(attributes: Mapping[str, str]) -> bool:
    return attributes.get("val", "1").casefold() not in _OFF
