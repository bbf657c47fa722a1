"""Shapes, colours and plain characters for what a terminal shows.

A label has a shape, a letter and a colour (Okabe & Ito 2008), so that colour is never the only
sign. Where the terminal's encoding is not a Unicode one, letters and ASCII take over.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from rich.cells import cell_len

from alliance.model.codebook import LABELS, Label
from alliance.serve.colours import COLOURS

__all__ = ["ASCII", "STYLES", "UNICODE", "Signs", "signs_for"]

STYLES: Final[Mapping[Label, str]] = {
    **COLOURS,
    Label.NEUTRAL: "dim",  # whatever the terminal's background is
}
"""The labels' colours as rich styles."""

# What a terminal might obey instead of show: control characters (escape sequences begin with one)
# and marks that turn the direction of what follows.
_UNSAFE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_MOST_CHARACTERS: Final = 4000  # of one text looked at; nothing longer is ever shown
_WORD_NEAR: Final = 0.7  # of a cut text's length: a word's end before that is too far to go back
_ASCII_FORMS: Final = str.maketrans(
    {
        "\u2018": "'",
        "\u2019": "'",
        "\u201c": '"',
        "\u201d": '"',
        "\u2013": "-",
        "\u2014": "-",
        "\u2212": "-",
        "\u00d7": "x",
        "\u00b7": "|",
        "\u2026": "...",
    }
)


@dataclass(frozen=True, slots=True)
class Signs:
    """The characters that a console of one encoding can show.

    Attributes:
        encoding: the console's encoding.
        labels: one character per label.
        line: what an episode's mark is drawn with.
        begin: its first column, where no number fits.
        end: its last column.
        point: an episode of one column, where no number fits.
        levels: characters for the alliance level, the lowest first.
        unicode: whether shapes and typographic signs can be shown.
    """

    encoding: str
    labels: Mapping[Label, str]
    line: str
    begin: str
    end: str
    point: str
    levels: str
    unicode: bool

    def plain(self, text: str) -> str:
        """Text on one line that the console can show and that cannot command it."""
        stripped = text.strip()
        line = " ".join(stripped[:_MOST_CHARACTERS].split())
        if len(stripped) > _MOST_CHARACTERS:
            line += "…"
        line = _UNSAFE.sub("\ufffd" if self.unicode else "?", line)
        if not self.unicode:
            line = line.translate(_ASCII_FORMS)
        # What the encoding cannot write becomes "?": in UTF-8, the halves of surrogate pairs.
        return line.encode(self.encoding, "replace").decode(self.encoding)

    def shorten(self, text: str, cells: int) -> str:
        """A plain text cut to at most ``cells`` columns, at a word's end where one is near."""
        line = self.plain(text)
        if cell_len(line) <= cells:
            return line
        cut, ellipsis = "", self.plain("…")
        room = cells - cell_len(ellipsis)
        for character in line:
            room -= cell_len(character)
            if room < 0:
                break
            cut += character
        head, space, _ = cut.rpartition(" ")
        if space and len(head) > _WORD_NEAR * len(cut):
            cut = head
        return cut.rstrip(" ,;:-") + ellipsis


UNICODE: Final = Signs(
    encoding="utf-8",
    labels={label: label.symbol for label in LABELS},
    line="─",
    begin="└",
    end="┘",
    point="╵",
    levels="▁▂▃▄▅▆▇█",
    unicode=True,
)
ASCII: Final = Signs(
    encoding="ascii",
    labels={label: label.letter if label is not Label.NEUTRAL else "." for label in LABELS},
    line="-",
    begin="|",
    end="|",
    point="|",
    levels="12345678",
    unicode=False,
)


def signs_for(encoding: str) -> Signs:
    """The signs for a console's encoding; ASCII for one that is unknown or not Unicode."""
    if encoding.lower().startswith("utf"):
        return UNICODE
    try:
        "".encode(encoding)
    except LookupError:
        return ASCII
    return replace(ASCII, encoding=encoding)
