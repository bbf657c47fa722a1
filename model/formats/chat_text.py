"""What was said on a main line of CHAT, made readable.

Kept: every word and part of a word that was spoken, the retraced ones too; ``xxx``, ``yyy`` and
``www``; pauses such as ``(.)`` and ``(1.5)``; sounds and events, as ``[laughs]``. Taken out: the
scopes and codes in angle and square brackets, the ways an utterance may begin or end beyond
``. ? !`` (a trailing off is ``...``, an interruption ``-``), marks of form within words, overlap
and intonation marks. Shortened words are written out (``(be)cause`` is ``because``), omitted ones
left out. The marks are those of the manual: MacWhinney, Tools for Analyzing Talk, Part 1: The
CHAT Transcription Format (https://talkbank.org/0info/manuals/CHAT.html).
"""

import re
from typing import Final

__all__ = ["readable"]

# Lengths are bounded, so that a stray bracket costs no more than its own line's next characters.
_IN: Final = r"[^\[\]]{0,500}"
_SOUND: Final = re.compile(rf"\[=!\s*({_IN})\]")
_CODE: Final = re.compile(
    rf"\[(?:/{{1,3}}|/-|/\?|[<>]\s?\d{{0,2}}|!{{1,2}}|\?|#{_IN}|x\s+\d+|e|"
    rf"(?::{{1,2}}|=\??|%|\*|\+|-|\$|\^)(?:[\s\w]{_IN})?)\]"
)
_EVENT: Final = re.compile(r"&=([^\s<>\[\]&]{1,80})|&\{[ln]=([^\s<>\[\]&]{1,80})|&\}[ln]=\S{1,80}")
_ASIDE: Final = re.compile(r"&\*([A-Za-z0-9]{1,7})[:=](\S{1,80})")
_FILLER: Final = re.compile(r"(?<!\S)&[-~]?(?=\w)")
_FRAGMENT: Final = re.compile(r"(?<!\S)&\+(\w[\w'’]{0,40})")
_OMITTED: Final = re.compile(r"(?<!\S)0(?:\w[\w'’]{0,40})?(?!\S)")
_LINKER: Final = re.compile(r'(?<!\S)(?:\+["“”^<,+≋≈])(?=\s|$)|(?<!\S)\+["^<,+](?=\w)')
_ENDS: Final = (
    (re.compile(r"\s*(?<!\S)\+\.\.\."), "..."),
    (re.compile(r"\s*(?<!\S)\+\.\.\?"), "...?"),
    (re.compile(r"\s*(?<!\S)\+!\?"), "!?"),
    (re.compile(r"\s*(?<!\S)\+//?\?"), "-?"),
    (re.compile(r"\s*(?<!\S)\+//?\."), "-"),
    (re.compile(r'\s*(?<!\S)\+(?:"/?|["“”]/?)?\.'), "."),
)
_SHORTENED: Final = re.compile(
    r"(?<=\w)\(([^\W\d_]['’\w]{0,30})\)|\(([^\W\d_]['’\w]{0,30})\)(?=\w)"
)
_FORM: Final = re.compile(r"(?<=\w)@(?:[a-z]{1,4}(?::[\w&+]{1,12})?)(?:\$\w{1,12})?(?!\w)")
# Lengthening ("no:") and pauses ("rhi^noceros"); "10:30" is a time, "[INV: mhm]" an aside.
_WITHIN: Final = re.compile(r"(?<=[^\W\d_A-Z])[:^]+(?=\s|\w|$|[.?!,])|(?<!\S)\^(?=\w)")
_JOINED: Final = re.compile(r"(?<=[^\W\d])(?:_|\+)(?=[^\W\d_])")
_BEFORE_POINT: Final = re.compile(r"\s+([.?!,;](?=[\s.?!,;]|$))")
_SIGNS: Final = str.maketrans(
    {
        **dict.fromkeys("<>⌈⌉⌊⌋↑↓⇗↗→↘⇘∞≡≋≈ˈˌ∆∇°▁▔☺♋⁇∬§∾↻Ἡ↫↹⤇∙∲⟲⟳", ""),
        "‡": ",",
        "„": ",",
        "\u0001": "",
        "\u0002": "",
        "\u0003": "",
        "\u0004": "",
    }
)


def readable(line: str) -> str:
    """The words of a main line, without its speaker and time bullets.

    Args:
        line: what stands after the speaker, on one line.

    Returns:
        The text; empty if nothing was said.
    """
    text = _SOUND.sub(lambda match: f" [{match[1].strip()}] ", line) if "[" in line else line
    if "[" in text:
        text = _CODE.sub(" ", text)
    if "&" in text:
        text = _EVENT.sub(_event, text)
        text = _ASIDE.sub(lambda match: f"[{match[1]}: {_words(match[2])}]", text)
        text = _FILLER.sub("", _FRAGMENT.sub(r"\1-", text))
    if "+" in text:
        for end, shown in _ENDS:
            text = end.sub(shown, text)
        text = _LINKER.sub(" ", text)
    text = _OMITTED.sub(" ", text.translate(_SIGNS))
    text = _SHORTENED.sub(lambda match: match[1] or match[2], text)
    text = _JOINED.sub(" ", _WITHIN.sub("", _FORM.sub("", text)))
    text = _BEFORE_POINT.sub(r"\1", " ".join(text.split()))
    return text if any(c.isalnum() or c in "[(" for c in text) else ""


def _event(match: re.Match[str]) -> str:
    name = match[1] or match[2] or ""
    return f" [{_words(name)}] " if name else " "


def _words(name: str) -> str:
    return name.replace("_", " ").replace(":", " ")
