"""A TextGrid as text, and how tiers are added to it.

As Praat reads it (https://www.fon.hum.uva.nl/praat/manual/TextGrid_file_formats.html), only texts
in double quotes, free-standing numbers and flags count, so the long form and the short one are one
format. The file is not written anew: the number of tiers is corrected and tiers follow at the end,
in the form and the encoding of the file; all else stays as it was.
"""

import codecs
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from alliance.model.errors import TranscriptError
from alliance.serve.formats.characters import utf8_safe
from alliance.serve.formats.spans import Span

__all__ = ["Interval", "TextGridDocument", "TextGridTier"]

_TOKEN: Final = re.compile(
    r'"(?P<text>(?:[^"]|"")*)"|![^\r\n]*'
    r'|(?<![^\s"])(?:(?P<number>[-+]?\d{1,15}(?:\.\d{0,30})?(?:[eE][-+]?\d{1,2})?)s?'
    r'|(?P<flag><(?:exists|absent)>))(?![^\s"!])',
    re.ASCII,
)
_MARKS: Final = ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_WHOLE: Final = "check that the file is whole and opens in Praat"


@dataclass(frozen=True, slots=True)
class Interval:
    """A stretch of a tier: its bounds in seconds, as the file writes them, and its text."""

    start: str
    end: str
    text: str


@dataclass(slots=True)
class TextGridTier:
    """A tier; one of points has no intervals."""

    name: str
    intervals: list[Interval] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    value: str
    start: int
    end: int


class TextGridDocument:
    """A parsed file.

    Args:
        data: its bytes.
        name: its name, for errors.

    Raises:
        TranscriptError: if it is not a TextGrid in Praat's text format.
    """

    def __init__(self, data: bytes, *, name: str | Path) -> None:
        self._name = name
        self._mark, self._codec = next(
            (pair for pair in _MARKS if data.startswith(pair[0])),
            (codecs.BOM_UTF8 if data.startswith(codecs.BOM_UTF8) else b"", "utf-8"),
        )
        try:
            self._text = data[len(self._mark) :].decode(self._codec)
        except UnicodeDecodeError as error:
            raise self._error(
                "expected a TextGrid in UTF-8 or UTF-16, found another encoding; save it again "
                "with Praat"
            ) from error
        self._tokens = self._iterate()
        self._at = 0
        if self._take("text").value not in ("ooTextFile", "ooTextFile short"):
            raise self._error("expected a TextGrid saved as a text file, found another file")
        if self._take("text").value != "TextGrid":
            raise self._error("expected a TextGrid, found another object of Praat's")
        self.start = self._take("number").value
        self.end = self._take("number").value
        if self._take("flag").value != "<exists>":
            raise self._error("expected a TextGrid with tiers, found none; add one in Praat")
        self._size = self._take("number")
        self.tiers = [self._tier() for _ in range(self._count(self._size))]

    def spans(self) -> list[Span]:
        """The intervals that hold something."""
        return [
            Span(tier, place, float(each.start) * 1000, float(each.end) * 1000, each.text)
            for tier, one in enumerate(self.tiers)
            for place, each in enumerate(one.intervals)
            if each.text.strip()
        ]

    def with_tiers(self, added: Sequence[TextGridTier]) -> bytes:
        """The file with these tiers after its own; their intervals must cover it without gaps."""
        total = len(self.tiers) + len(added)
        text = f"{self._text[: self._size.start]}{total}{self._text[self._size.end :]}"
        line_end = "\r\n" if "\r\n" in text[:4096] else "\n"
        if not text.endswith(("\n", "\r")):
            text += line_end
        long_form = re.search(r"\bxmin\s*=", text[:4096]) is not None
        form = self._long if long_form else self._short
        lines = [
            line
            for number, tier in enumerate(added, len(self.tiers) + 1)
            for line in form(number, tier)
        ]
        text += "".join(line + line_end for line in lines)
        return self._mark + utf8_safe(text).encode(self._codec)

    def _long(self, number: int, tier: TextGridTier) -> Iterator[str]:
        yield f"    item [{number}]:"
        yield '        class = "IntervalTier" '
        yield f"        name = {_quoted(tier.name)} "
        yield f"        xmin = {self.start} "
        yield f"        xmax = {self.end} "
        yield f"        intervals: size = {len(tier.intervals)} "
        for place, each in enumerate(tier.intervals, 1):
            yield f"        intervals [{place}]:"
            yield f"            xmin = {each.start} "
            yield f"            xmax = {each.end} "
            yield f"            text = {_quoted(each.text)} "

    def _short(self, number: int, tier: TextGridTier) -> Iterator[str]:
        yield from ('"IntervalTier"', _quoted(tier.name), self.start, self.end)
        yield str(len(tier.intervals))
        for each in tier.intervals:
            yield from (each.start, each.end, _quoted(each.text))

    def _tier(self) -> TextGridTier:
        kind = self._take("text").value
        tier = TextGridTier(self._take("text").value)
        self._take("number")
        self._take("number")
        count = self._count(self._take("number"))
        if kind not in ("IntervalTier", "TextTier"):
            raise self._error("expected a tier of intervals or points, found another one")
        for _ in range(count):
            start = self._take("number").value
            if kind == "TextTier":
                self._take("text")
                continue
            tier.intervals.append(
                Interval(start, self._take("number").value, self._take("text").value)
            )
        return tier

    def _count(self, token: _Token) -> int:
        if not token.value.isdigit():
            raise self._error(f"expected a whole number of tiers or intervals; {_WHOLE}")
        return int(token.value)

    def _take(self, kind: str) -> _Token:
        token = next(self._tokens, None)
        if token is None:
            raise self._error(f"expected a {kind}, found the end of the file; {_WHOLE}")
        self._at = token.start
        if token.kind != kind:
            raise self._error(f"expected a {kind}, found a {token.kind}; {_WHOLE}")
        return token

    def _iterate(self) -> Iterator[_Token]:
        for match in _TOKEN.finditer(self._text):
            if match.lastgroup is not None:
                value = match[match.lastgroup]
                if match.lastgroup == "text":
                    value = value.replace('""', '"')
                yield _Token(match.lastgroup, value, *match.span(match.lastgroup))

    def _error(self, problem: str) -> TranscriptError:
        line = self._text.count("\n", 0, self._at) + 1 if hasattr(self, "_at") else None
        return TranscriptError(problem, source=self._name, line=line)


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
