"""The sheets of an Excel workbook (.xlsx), read as a stream: rows of cells that hold something.

Memory holds the workbook's table of strings and one row. What a cell shows decides: a formula
counts by the value it had when the workbook was saved. openpyxl, which the tests compare with,
does not tell a formula without one from an empty cell, and its memory grows with the rows.

The elements are those of ECMA-376 part 1, chapter 18 (SpreadsheetML).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from alliance.model.formats.package import Kind, Package
from alliance.model.formats.source import Source

__all__ = ["Cell", "CellKind", "Sheet", "SheetRow", "Workbook"]

_KIND: Final = Kind("an Excel workbook", ".xlsx", "Excel")
_SMALL_PART: Final = 1 << 25  # bytes; what a workbook says of its sheets and styles
_LARGEST_PART: Final = 1 << 31  # bytes of a sheet, of which one row is in memory
_MOST_STRINGS: Final = 1 << 29  # bytes that the table of strings takes in memory, about
_STRING: Final = 64  # bytes that a string takes besides its characters, about
_MOST_ROWS: Final = 1_048_576  # Excel's own limit
_MOST_COLUMNS: Final = 1_000  # a table of turns has a few dozen
_MOST_CELLS: Final = 30_000_000  # as many as a million turns with thirty columns
_LONGEST_PADDING: Final = 20  # noughts in front of a number
_REFERENCE: Final = re.compile(r"([A-Z]{1,3})\d+")
_ESCAPE: Final = re.compile(r"_x([0-9A-Fa-f]{4})_")
_KEPT: Final = "\t\n\r"


class CellKind(Enum):
    """What a cell holds; UNCOMPUTED is a formula without a saved value."""

    TEXT = "text"
    NUMBER = "number"
    TRUTH = "truth"
    DATE = "date"
    ERROR = "error"
    UNCOMPUTED = "uncomputed"


@dataclass(slots=True)
class Cell:
    """A cell: its value as text, what kind it is, and a number's format (``h:mm``)."""

    value: str
    kind: CellKind
    format: str = ""


@dataclass(slots=True)
class SheetRow:
    """A row: its number from 1, and its cells by column from 0; empty ones are left out."""

    number: int
    cells: dict[int, Cell] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet's name, and the part of the package that it is."""

    title: str
    part: str


class Workbook:
    """An open workbook.

    Attributes:
        sheets: the sheets that are not hidden, in their order.
        from_1904: whether days are counted from 1 January 1904.

    Args:
        source: the file.

    Raises:
        TranscriptError: if it is no workbook, damaged, protected or far too large.
    """

    def __init__(self, source: Source) -> None:
        self._package = Package(source, _KIND)
        contents = _Contents()
        self._all(self._package.main, contents)
        relations = self._package.relations(self._package.main)
        self.sheets = [
            Sheet(title, relations[id_][1])
            for title, id_ in contents.sheets
            if relations.get(id_, ("", ""))[0] == "worksheet"
        ]
        self.from_1904 = contents.from_1904
        parts = {kind: part for kind, part in relations.values() if self._package.has(part)}
        styles = _Styles()
        if "styles" in parts:
            self._all(parts["styles"], styles)
        self._formats = styles.formats()
        self._strings: list[str] = []
        if "sharedStrings" in parts:
            self._strings = self._read_strings(parts["sharedStrings"])
        if not contents.is_workbook:
            raise self._package.damaged()

    def rows(self, sheet: Sheet) -> Iterator[SheetRow]:
        """The rows of a sheet that hold something, in their order.

        Raises:
            TranscriptError: if the sheet is damaged or far too large.
        """
        cells = _Cells(self._strings, self._formats)
        for _ in self._package.parse(sheet.part, cells, largest=_LARGEST_PART):
            if cells.made > _MOST_CELLS:
                raise self._package.too_large()
            yield from cells.rows
            cells.rows.clear()

    def _all(self, part: str, handler: "_Contents | _Styles") -> None:
        for _ in self._package.parse(part, handler, largest=_SMALL_PART):
            pass

    def _read_strings(self, part: str) -> list[str]:
        strings = _Strings()
        for _ in self._package.parse(part, strings, largest=_MOST_STRINGS):
            if strings.size > _MOST_STRINGS:
                raise self._package.too_large()
        return strings.strings


class _Contents:
    """Collects the sheets that a workbook names."""

    def __init__(self) -> None:
        self.sheets: list[tuple[str, str]] = []
        self.from_1904 = False
        self.is_workbook = False

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "sheet":
            if attributes.get("state", "visible") == "visible":
                self.sheets.append((attributes.get("name", ""), attributes.get("id", "")))
        elif name == "workbookPr":
            self.from_1904 = attributes.get("date1904", "0") in ("1", "true")
        elif name == "workbook":
            self.is_workbook = True

    def end(self, name: str) -> None:
        pass

    def text(self, text: str) -> None:
        pass


class _Styles:
    """Collects the number formats of cells' styles."""

    def __init__(self) -> None:
        self._codes: dict[str, str] = {}
        self._numbers: list[str] = []
        self._in_cells = False

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "numFmt":
            self._codes[attributes.get("numFmtId", "")] = attributes.get("formatCode", "")
        elif name == "cellXfs":
            self._in_cells = True
        elif name == "xf" and self._in_cells:
            self._numbers.append(attributes.get("numFmtId", "0"))

    def end(self, name: str) -> None:
        if name == "cellXfs":
            self._in_cells = False

    def text(self, text: str) -> None:
        pass

    def formats(self) -> list[str]:
        """The formats' codes by style; empty for those that show bare numbers."""
        return [self._codes.get(number) or _BUILT_IN.get(number, "") for number in self._numbers]


# Those for dates and times, of the list in ECMA-376 part 1, 18.8.30.
_BUILT_IN: Final[Mapping[str, str]] = {
    **dict.fromkeys(("14", "15", "16", "17"), "yyyy-mm-dd"),
    **dict.fromkeys(map(str, (*range(27, 32), 36, *range(50, 55), 57, 58)), "yyyy-mm-dd"),
    "18": "h:mm",
    "20": "h:mm",
    "19": "h:mm:ss",
    "21": "h:mm:ss",
    "22": "yyyy-mm-dd h:mm",
    "32": "h:mm",
    "33": "h:mm:ss",
    "34": "h:mm",
    "35": "h:mm:ss",
    "55": "h:mm",
    "56": "h:mm:ss",
    "45": "mm:ss",
    "46": "[h]:mm:ss",
    "47": "mm:ss.0",
}


class _Strings:
    """Collects the table of strings."""

    def __init__(self) -> None:
        self.strings: list[str] = []
        self.size = 0
        self._pieces: list[str] = []
        self._is_text = False
        self._sounds = 0  # within a reading aid (rPh)

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "rPh":
            self._sounds += 1
        self._is_text = name == "t" and not self._sounds

    def end(self, name: str) -> None:
        self._is_text = False
        if name == "rPh":
            self._sounds -= 1
        elif name == "si":
            self.strings.append(_unescaped("".join(self._pieces)))
            self.size += _STRING + len(self.strings[-1])
            self._pieces.clear()

    def text(self, text: str) -> None:
        if self._is_text:
            self._pieces.append(text)


class _Cells:
    """Collects the rows of a sheet."""

    def __init__(self, strings: list[str], formats: list[str]) -> None:
        self.rows: list[SheetRow] = []
        self.made = 0
        self._strings = strings
        self._formats = formats
        self._row = SheetRow(0)
        self._number = 0
        self._column = -1
        self._type = "n"
        self._style = 0
        self._pieces: list[str] = []
        self._is_value = False
        self._has_formula = False
        self._sounds = 0

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "c":
            self.made += 1
            place = attributes.get("r")
            self._column = _column(place) if place else self._column + 1
            self._type = attributes.get("t", "n")
            self._style = int(attributes.get("s", "0"))
            self._pieces.clear()
            self._has_formula = False
        elif name == "row":
            number = int(attributes.get("r", self._number + 1))
            if not self._number < number <= _MOST_ROWS:
                raise ValueError("the rows of a sheet are in order and not without end")
            self._number = number
            self._row = SheetRow(number)
            self._column = -1
        elif name == "f":
            self._has_formula = True
        elif name == "rPh":
            self._sounds += 1
        self._is_value = name == "v" or (name == "t" and not self._sounds)

    def end(self, name: str) -> None:
        self._is_value = False
        if name == "c":
            if 0 <= self._column < _MOST_COLUMNS:
                self._end_cell("".join(self._pieces))
        elif name == "row":
            if self._row.cells:
                self.rows.append(self._row)
        elif name == "rPh":
            self._sounds -= 1

    def text(self, text: str) -> None:
        if self._is_value:
            self._pieces.append(text)

    def _end_cell(self, value: str) -> None:
        cell: Cell | None = None
        if self._type in ("inlineStr", "str"):
            cell = Cell(_unescaped(value), CellKind.TEXT) if value else None
        elif not value.strip():
            cell = Cell("", CellKind.UNCOMPUTED) if self._has_formula else None
        elif self._type == "s":
            text = self._strings[_index(value)]
            cell = Cell(text, CellKind.TEXT) if text else None
        elif self._type == "b":
            cell = Cell("TRUE" if value.strip() == "1" else "FALSE", CellKind.TRUTH)
        elif self._type == "e":
            cell = Cell(value.strip(), CellKind.ERROR)
        elif self._type == "d":
            cell = Cell(value.strip(), CellKind.DATE)
        else:
            float(value)  # anything else is no number
            format_ = self._formats[self._style] if 0 <= self._style < len(self._formats) else ""
            if 1 < len(format_) <= _LONGEST_PADDING and set(format_) == {"0"} and value.isdigit():
                # An identifier is as it is shown: 001 in one table is 001 in another.
                cell = Cell(value.zfill(len(format_)), CellKind.TEXT)
            else:
                cell = Cell(value.strip(), CellKind.NUMBER, format_)
        if cell is not None:
            self._row.cells[self._column] = cell


def _index(value: str) -> int:
    if (index := int(value)) < 0:
        raise ValueError("a string's place in the table counts from 0")
    return index


def _column(reference: str) -> int:
    """The column of a cell such as ``AB12``, from 0."""
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        raise ValueError("a cell's place is letters and a number")
    column = 0
    for letter in match[1]:
        column = column * 26 + ord(letter) - ord("A") + 1
    return column - 1


def _unescaped(text: str) -> str:
    """Text with the characters that XML cannot hold (``_x000D_``) in their own form."""
    return _ESCAPE.sub(_character, text) if "_x" in text else text


def _character(match: re.Match[str]) -> str:
    code = int(match[1], 16)
    if 0xD800 <= code < 0xE000:
        return match[0]  # half a character
    character = chr(code)
    return character if character.isprintable() or character in _KEPT else ""
