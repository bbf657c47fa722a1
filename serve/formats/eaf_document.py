"""An ELAN file as bytes, and where things can be put into it.

The file is not written anew: what is added is put between its bytes, so that everything else stays
as it was to the byte. What is added is ASCII, other characters being written as references, so
that it fits any encoding that extends ASCII.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

from alliance.model.errors import TranscriptError
from alliance.serve.formats.characters import xml_safe
from alliance.serve.formats.spans import Span

__all__ = ["EafDocument", "EafTier", "element"]

# The order of a document's parts (EAFv3.0.xsd, ANNOTATION_DOCUMENT).
_PARTS: Final = (
    *("LICENSE", "HEADER", "TIME_ORDER", "TIER", "LINGUISTIC_TYPE", "LOCALE", "LANGUAGE"),
    *("CONSTRAINT", "CONTROLLED_VOCABULARY", "LEXICON_REF", "REF_LINK_SET", "EXTERNAL_REF"),
)
_LAST_ID: Final = "lastUsedAnnotationId"
_WHOLE: Final = "check that the file is whole and opens in ELAN"


@dataclass(slots=True)
class EafTier:
    """A tier: its name, who speaks, and how many annotations it has."""

    name: str
    participant: str
    annotations: int = 0


@dataclass(slots=True)
class _Annotation:
    id: str
    tier: int
    place: int
    slots: tuple[str, str] | None
    parent: str
    text: list[str] = field(default_factory=list)


class EafDocument:
    """A parsed file.

    Args:
        data: its bytes.
        name: its name, for errors.

    Raises:
        TranscriptError: if it is not an ELAN file.
    """

    def __init__(self, data: bytes, *, name: str | Path) -> None:
        self._data = data
        self._name = name
        self._path: list[str] = []
        self._starts: dict[str, int] = {}  # first byte of the first part of each kind
        self._time_order_end: tuple[int, bool] | None = None
        self._root_end = -1
        self._last_id: tuple[int, int] | None = None  # the bytes of the header's counter
        self._reading_last_id = False
        self._slots: dict[str, int | None] = {}
        self._annotations: list[_Annotation] = []
        # First and last byte of what is replaced, the rank among what goes to one place, and what.
        self._added: list[tuple[int, int, int, bytes]] = []
        self._new_slots: list[str] = []
        self.tiers: list[EafTier] = []
        self.types: set[str] = set()
        self.constraints: set[str] = set()
        self.ids: set[str] = set()
        self._parse()

    def spans(self) -> list[Span]:
        """The annotations, those under others with the times of these."""
        by_id = {each.id: each for each in self._annotations}
        return [
            Span(each.tier, each.place, *self._times(each, by_id), "".join(each.text), each.id)
            for each in self._annotations
        ]

    @property
    def highest_id(self) -> int:
        """The highest number of an annotation called ``a`` and a number; 0 if there is none."""
        return max((_number(name, "a") for name in self.ids), default=0)

    def new_slots(self, times_ms: list[int]) -> list[str]:
        """Add time slots; returns their names."""
        first = max((_number(name, "ts") for name in self._slots), default=0) + 1
        names = [f"ts{first + n}" for n in range(len(times_ms))]
        for name, ms in zip(names, times_ms, strict=True):
            facts = {"TIME_SLOT_ID": name, "TIME_VALUE": str(ms)}
            self._new_slots.append(element("TIME_SLOT", facts, 2))
            self._slots[name] = ms
        return names

    def insert(self, part: str, lines: list[str]) -> None:
        """Add whole elements of one kind after those that are there, in the schema's order."""
        following = _PARTS[_PARTS.index(part) + 1 :]
        later = [self._starts[each] for each in following if each in self._starts]
        self._insert(min(later, default=self._root_end), lines, rank=_PARTS.index(part))

    def set_last_id(self, number: int) -> None:
        """Bring the header's counter of annotations up to date, where it has one."""
        if self._last_id is not None:
            self._added.append((*self._last_id, 0, str(number).encode("ascii")))

    def to_bytes(self) -> bytes:
        """The file with what was added.

        Raises:
            TranscriptError: if times were added and the file has no place for them.
        """
        self._insert_slots()
        out, at = [], 0
        for start, end, _, added in sorted(self._added, key=lambda each: (each[0], each[2])):
            out += [self._data[at:start], added]
            at = end
        return b"".join([*out, self._data[at:]])

    def _insert_slots(self) -> None:
        if not self._new_slots:
            return
        if self._time_order_end is None:
            raise self._error(f"expected a TIME_ORDER, found none; {_WHOLE}")
        at, empty = self._time_order_end
        lines, self._new_slots = self._new_slots, []
        if empty:  # <TIME_ORDER/>
            body = ">\n" + "".join(lines) + "    </TIME_ORDER>"
            self._added.append((at, at + 2, 0, body.encode("ascii")))
        else:
            self._insert(at, lines, rank=0)

    def _insert(self, at: int, lines: list[str], *, rank: int) -> None:
        """Put lines before the line that begins with the element at this byte."""
        line = at
        while line and self._data[line - 1 : line] in (b" ", b"\t"):
            line -= 1
        on_its_own = line == 0 or self._data[line - 1 : line] in (b"\n", b"\r")
        text = "".join(lines) if on_its_own else "\n" + "".join(lines)
        if b"\r\n" in self._data[:4096]:
            text = text.replace("\n", "\r\n")
        where = line if on_its_own else at
        self._added.append((where, where, rank, text.encode("ascii")))

    def _times(
        self, annotation: _Annotation, by_id: Mapping[str, _Annotation]
    ) -> tuple[int | None, int | None]:
        seen: set[str] = set()
        while annotation.slots is None:
            if annotation.id in seen or annotation.parent not in by_id:
                return None, None
            seen.add(annotation.id)
            annotation = by_id[annotation.parent]
        start, end = annotation.slots
        return self._slots.get(start), self._slots.get(end)

    def _parse(self) -> None:
        parser = expat.ParserCreate()
        self._parser = parser
        parser.buffer_text = False
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.StartDoctypeDeclHandler = self._doctype
        if self._data[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise self._error("expected UTF-8, found UTF-16; save the file again with ELAN")
        try:
            parser.Parse(self._data, True)
            # Once more with its prefixes: other programs refuse one that nothing declares.
            expat.ParserCreate(namespace_separator=" ").Parse(self._data, True)
        except expat.ExpatError as error:
            raise TranscriptError(
                f"expected an ELAN file (XML), found what is not at column {error.offset + 1} "
                f"({expat.ErrorString(error.code)}); {_WHOLE}",
                source=self._name,
                line=error.lineno,
            ) from error
        except (LookupError, ValueError) as error:
            raise self._error(f"expected XML in UTF-8, found another encoding; {_WHOLE}") from error

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        at = self._parser.CurrentByteIndex
        if not self._path and tag != "ANNOTATION_DOCUMENT":
            raise self._error("expected an ELAN file, found other XML; export it from ELAN as .eaf")
        if len(self._path) == 1:
            self._starts.setdefault(tag, at)
        self._path.append(tag)
        if tag == "TIME_SLOT":
            value = attributes.get("TIME_VALUE", "")
            ms = int(value) if value.isascii() and value.isdigit() and len(value) < 16 else None
            self._slots[attributes.get("TIME_SLOT_ID", "")] = ms
        elif tag == "TIER":
            self.tiers.append(
                EafTier(attributes.get("TIER_ID", ""), attributes.get("PARTICIPANT", ""))
            )
        elif tag in ("ALIGNABLE_ANNOTATION", "REF_ANNOTATION") and self.tiers:
            self._annotation(attributes)
        elif tag == "LINGUISTIC_TYPE":
            self.types.add(attributes.get("LINGUISTIC_TYPE_ID", ""))
        elif tag == "CONSTRAINT":
            self.constraints.add(attributes.get("STEREOTYPE", ""))
        elif tag == "PROPERTY" and attributes.get("NAME") == _LAST_ID:
            self._reading_last_id = True

    def _annotation(self, attributes: Mapping[str, str]) -> None:
        tier = self.tiers[-1]
        first = attributes.get("TIME_SLOT_REF1")
        slots = None if first is None else (first, attributes.get("TIME_SLOT_REF2", ""))
        id_ = attributes.get("ANNOTATION_ID", "")
        self.ids.add(id_)
        parent = attributes.get("ANNOTATION_REF", "")
        self._annotations.append(
            _Annotation(id_, len(self.tiers) - 1, tier.annotations, slots, parent)
        )
        tier.annotations += 1

    def _end(self, tag: str) -> None:
        at = self._parser.CurrentByteIndex
        self._path.pop()
        if tag == "TIME_ORDER":
            close = self._data.index(b">", self._starts[tag])  # it has no attributes
            empty = self._data[close - 1 : close] == b"/"
            self._time_order_end = (close - 1 if empty else at, empty)
        elif tag == "PROPERTY":
            self._reading_last_id = False
        elif not self._path:
            self._root_end = at

    def _characters(self, text: str) -> None:
        at = self._parser.CurrentByteIndex
        if self._reading_last_id and text.strip():
            self._last_id = (at, at + len(text.encode("utf-8")))
        elif self._path[-1] == "ANNOTATION_VALUE" and self._annotations:
            self._annotations[-1].text.append(text)

    def _doctype(self, *_: Any) -> None:
        raise self._error(
            "expected an ELAN file, found XML with a document type, which no ELAN file has; save "
            "it again with ELAN"
        )

    def _error(self, problem: str) -> TranscriptError:
        return TranscriptError(problem, source=self._name)


def element(tag: str, attributes: Mapping[str, str], depth: int, *inside: str) -> str:
    """An element on lines of its own, in ASCII.

    Args:
        tag: its name.
        attributes: their values as they are; empty ones are left out.
        depth: how far it is indented, in steps of four spaces.
        inside: whole elements, or one text that ends without a line end.
    """
    indent = "    " * depth
    given = "".join(
        f" {name}={quoteattr(xml_safe(value))}" for name, value in attributes.items() if value
    )
    if not inside:
        text = f"{indent}<{tag}{given}/>\n"
    elif inside[0].endswith("\n"):
        text = f"{indent}<{tag}{given}>\n{''.join(inside)}{indent}</{tag}>\n"
    else:
        text = f"{indent}<{tag}{given}>{inside[0]}</{tag}>\n"
    return text.encode("ascii", "xmlcharrefreplace").decode("ascii")


def _number(name: str, letters: str) -> int:
    digits = name.removeprefix(letters)
    return int(digits) if digits != name and digits.isascii() and digits.isdigit() else 0
