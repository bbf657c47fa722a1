"""Praat's TextGrid: one session, a speaker for each interval tier.

Read as Praat reads it (https://www.fon.hum.uva.nl/praat/manual/TextGrid_file_formats.html): only
texts in double quotes, free-standing numbers and flags such as ``<exists>`` count, in their order;
the words around them are for people, and ``!`` opens a comment. So the long form and the short one
are one format. A quotation mark in a text is doubled. Files are in UTF-8 or, as Praat writes them
where there are other letters than English ones, UTF-16 with a byte-order mark.

Intervals without text, or with an aligner's mark of silence, are silence; tiers of points hold no
speech.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from alliance.model.formats.source import RawSession, Source
from alliance.model.formats.tiers import LONGEST_TEXT, Span, Tier, session_of_tiers
from alliance.model.formats.times import time_ms

# Numbers and flags are free-standing: "[1]:" and "3rd" are words. Words are passed over.
_TOKEN: Final = re.compile(
    r'"|!|(?<![^\s"])(?:'
    r"(?P<number>[-+]?\d{1,15}(?:\.\d{0,30})?(?:[eE][-+]?\d{1,2})?)s?"
    r"|(?P<flag><(?:exists|absent)>)"
    r')(?![^\s"!])',
    re.ASCII,
)
_SILENCE: Final = frozenset({"", "sil", "sp", "<sil>"})
_WHOLE: Final = "check that the file is whole and opens in Praat"


def read_textgrid(source: Source) -> Iterator[RawSession]:
    """The session of a TextGrid file."""
    tokens = _Tokens(source)
    if tokens.text("a TextGrid") not in ("ooTextFile", "ooTextFile short"):
        raise tokens.wrong("a TextGrid saved as a text file (ooTextFile)", "another file")
    if tokens.text("a TextGrid") != "TextGrid":
        raise tokens.wrong("a TextGrid", "another object of Praat's")
    tokens.number("the start of the TextGrid")
    tokens.number("the end of the TextGrid")
    tiers: list[Tier] = []
    if tokens.flag("whether there are tiers") == "<exists>":
        count = tokens.count("the number of tiers")
        tiers.extend(tier for _ in range(count) if (tier := _tier(tokens)) is not None)
    yield session_of_tiers(tiers, source)


def _tier(tokens: "_Tokens") -> Tier | None:
    """An interval tier; None for one of points."""
    kind = tokens.text("a tier's class")
    tier = Tier(tokens.text("a tier's name").strip())
    tokens.number("a tier's start")
    tokens.number("a tier's end")
    count = tokens.count("the number of a tier's intervals")
    if kind == "TextTier":
        for _ in range(count):
            tokens.number("a point's time")
            tokens.text("a point's mark")
        return None
    if kind != "IntervalTier":
        raise tokens.wrong("a tier of intervals or points (IntervalTier, TextTier)", "another one")
    for _ in range(count):
        start = tokens.time("an interval's start")
        end = tokens.time("an interval's end")
        text = " ".join(tokens.text("an interval's text").split())
        if text not in _SILENCE:
            tier.spans.append(Span(text, start, end, tokens.line))
    return tier


@dataclass(frozen=True, slots=True)
class _Token:
    """A text without its quotation marks, or a number or flag as it stands."""

    value: str
    line: int
    kind: str  # text, number or flag


class _Tokens:
    """The texts, numbers and flags of a file, one after another."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._tokens = _tokens(source)
        self.line = 1  # of the token that was read last

    def text(self, what: str) -> str:
        return self._next(what, "text")

    def number(self, what: str) -> str:
        return self._next(what, "number")

    def flag(self, what: str) -> str:
        return self._next(what, "flag")

    def count(self, what: str) -> int:
        number = self.number(what)
        if not number.isdigit():
            raise self.wrong(f"{what} (a whole number)", "another number")
        return int(number)

    def time(self, what: str) -> int:
        """The next number, which counts seconds, in milliseconds."""
        ms = time_ms(float(self.number(what)), unit_ms=False)
        if ms is None:
            raise self.wrong(f"{what} in seconds from the start of the recording", "another number")
        return ms

    def wrong(self, expected: str, found: str) -> Exception:
        return self._source.error(f"expected {expected}, found {found}; {_WHOLE}", line=self.line)

    def _next(self, what: str, kind: str) -> str:
        token = next(self._tokens, None)
        if token is None:
            raise self.wrong(what, "the end of the file")
        self.line = token.line
        if token.kind != kind:
            raise self.wrong(f"{what} (a {kind})", f"a {token.kind}")
        return token.value


def _tokens(source: Source) -> Iterator[_Token]:
    text: list[str] | None = None  # of the quotation that is open
    opened = length = 0
    for number, line in enumerate(source.lines(), 1):
        place = 0
        while place < len(line):
            if text is None:
                match = _TOKEN.search(line, place)
                if match is None or match[0] == "!":
                    break
                place = match.end()
                if match.lastgroup is not None:
                    yield _Token(match[match.lastgroup], number, match.lastgroup)
                else:
                    text, opened, length = [], number, 0
                continue
            end = line.find('"', place)
            end = len(line) if end < 0 else end
            text.append(line[place:end])
            length += end - place
            if length > LONGEST_TEXT:
                raise source.error(
                    f"expected a text of at most {LONGEST_TEXT} characters, found a longer one; "
                    f"{_WHOLE}",
                    line=opened,
                )
            place = end + 1
            if line.startswith('"', place):
                text.append('"')  # doubled
                place += 1
            elif end < len(line):
                yield _Token("".join(text), opened, "text")
                text = None
    if text is not None:
        raise source.error(
            f"expected a text's closing quotation mark, found the end of the file; {_WHOLE}",
            line=opened,
        )
