"""What counts as words, and how a turn's text is put before the model.

Transcribers' notes (``[inaudible]``, ``(pause 0:03)``, ``xxx``) are kept verbatim for display. A
turn that holds nothing else has no words: it keeps its place and gets no label.
"""

import re
import unicodedata
from typing import Final

# Bracketed notes. Lengths are bounded so that a stray bracket cannot swallow a turn.
_NOTE: Final = re.compile(
    r"[\[［【][^\[\]［］【】]{0,80}[\]］】]|[(（][^()（）]{0,80}[)）]"
    r"|<[^<>]{0,80}>|\{[^{}]{0,80}\}|\*[^*\n]{1,40}\*"
)
_OPENING: Final = re.compile(r"[\[［【(（<{*]")
_NOTES_WITHIN_NOTES: Final = 3
# Transcribers describe ("laughs", "long pause, wipes eyes"); who says I, you or we in brackets is
# speaking: an aside, or words the transcriber was not sure to have heard ("(I don't know)").
_ASIDE: Final = re.compile(r"\bI\b|\b(?i:i'(?:m|d|ll|ve)|you|your|we)\b")
# CHAT's marks for unintelligible, untranscribed and phonological material.
_UNINTELLIGIBLE: Final = re.compile(r"\b(?:x{2,3}|y{3}|w{3})\b", re.IGNORECASE)
_REPEATED: Final = re.compile(r"[xX][xX]|[yY][yY]|[wW][wW]")
# Clock times inside brackets ("[00:01:23]", "(0:03)"): the recording's, not the speaker's.
_CLOCK: Final = re.compile(r"[\[(<]\s*\d{1,2}(?::\d{2}){1,2}(?:[.,]\d+)?\s*[\])>]")
_SPACE: Final = re.compile(r"\s+")
_PLAIN: Final = str.maketrans(
    {
        "\u2018": "'",
        "\u2019": "'",
        "\u201c": '"',
        "\u201d": '"',
        "\u2013": "-",
        "\u2014": "-",
        "\u2026": "...",
        "\u00a0": " ",
        "\u200b": None,
        "\ufeff": None,
    }
)
# Half of a character, as broken JSON escapes leave it: no tokenizer takes it.
_PLAIN.update(dict.fromkeys(range(0xD800, 0xE000), "\ufffd"))


def has_words(text: str) -> bool:
    """Whether anything was said, transcribers' notes left aside.

    Brackets in which somebody says I, you or we (English only) hold words, not a note.
    """
    return any(character.isalnum() for character in spoken(text))


def spoken(text: str) -> str:
    """The text without transcribers' notes and marks of what was not understood."""
    # The two looks save most turns, which hold neither, three slow searches.
    if _OPENING.search(text):
        for _ in range(_NOTES_WITHIN_NOTES):
            text = _NOTE.sub(_aside, text)
    return _UNINTELLIGIBLE.sub(" ", text) if _REPEATED.search(text) else text


def _aside(note: re.Match[str]) -> str:
    words = note[0][1:-1]
    return f" {words} " if _ASIDE.search(words.translate(_PLAIN)) else " "


def normalise(text: str) -> str:
    """The text as the model reads it: plain quotes and dashes, no clock marks, single spaces."""
    # Letters are composed last: an invisible character taken out may have stood between two parts.
    plain = unicodedata.normalize("NFC", text.translate(_PLAIN))
    return _SPACE.sub(" ", _CLOCK.sub(" ", plain)).strip()
