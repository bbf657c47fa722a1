"""WebVTT and SubRip: one session; neighbouring cues of one speaker are one turn.

The speaker is a cue's voice (``<v Name>``, as Teams writes it) or a name and a colon at the start
of a line (as Zoom does). One cue may hold several speakers. A cue without a speaker goes on with
the one before; what is shown before the first speaker is no turn.
"""

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from alliance.model.formats.cues import Cue, read_cues
from alliance.model.formats.prefixes import Prefixes
from alliance.model.formats.roles import clean_name
from alliance.model.formats.source import RawSession, RawTurn, Source

# Only what WebVTT and SubRip define: <laughs> or <inaudible> is the transcriber's and stays.
_VOICE: Final = re.compile(r"<v(?:\.[^\s<>]*)?(?:[ \t\n]++(?P<name>[^<>]*+))?>|</v>", re.IGNORECASE)
_TAG: Final = re.compile(
    r"</?(?:c|i|b|u|s|ruby|rt|lang|font)(?:\.[^\s<>]*)?(?:\s[^<>]*)?>|<\d[\d:.]*>|\{\\[^{}]*\}",
    re.IGNORECASE,
)
_ENTITY: Final = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});")


@dataclass(slots=True)
class _Said:
    """What one speaker says in one cue or several neighbouring ones."""

    speaker: str
    cue: Cue
    end_ms: int
    parts: list[str] = field(default_factory=list)


def read_vtt(source: Source) -> Iterator[RawSession]:
    """The session of a WebVTT file."""
    return _read(source)


def read_srt(source: Source) -> Iterator[RawSession]:
    """The session of a SubRip file."""
    return _read(source)


def _read(source: Source) -> Iterator[RawSession]:
    cues = list(read_cues(source))
    if not cues:
        raise source.error(
            "expected cues with times (00:01:23.000 --> 00:01:25.000), found none; check that the "
            "file is whole"
        )
    prefixes = Prefixes(_lines_without_voices(cues), source.roles)
    turns = [
        RawTurn(said.speaker, " ".join(said.parts), said.cue.line, said.cue.start_ms, said.end_ms)
        for said in _merged(cues, prefixes)
    ]
    if not turns:
        raise source.error(
            "expected cues that name their speaker (<v Name> or Name: …), found none; add the "
            "speakers"
        )
    yield RawSession(source.stem, turns, turns[0].line)


def _lines_without_voices(cues: Sequence[Cue]) -> Iterator[str]:
    for cue in cues:
        if not _has_voice(cue):
            yield ""  # a cue is as good as a paragraph
            yield from map(_spoken, cue.lines)


def _merged(cues: Sequence[Cue], prefixes: Prefixes) -> Iterator[_Said]:
    said: _Said | None = None
    for cue in cues:
        for speaker, text in _voices(cue) if _has_voice(cue) else _named(cue, prefixes):
            if speaker is None and said is None:
                continue
            if said is None or speaker not in (None, said.speaker):
                if said is not None:
                    yield said
                said = _Said(speaker or "", cue, cue.end_ms)
            said.end_ms = max(said.end_ms, cue.end_ms)
            if text:
                said.parts.append(text)
    if said is not None:
        yield said


def _has_voice(cue: Cue) -> bool:
    return any((match := _VOICE.search(line)) and match["name"] for line in cue.lines)


def _voices(cue: Cue) -> Iterator[tuple[str | None, str]]:
    """Speaker and text of each voice; None for text that has none of its own."""
    shown = "\n".join(cue.lines)
    speaker: str | None = None
    end = 0
    for match in _VOICE.finditer(shown):
        text = _spoken(shown[end : match.start()])
        # A dash or a space before the first voice is layout.
        if speaker is not None or any(c.isalnum() for c in text):
            yield speaker, text
        # After </v> the words are still the last speaker's, as far as anyone can tell.
        speaker = clean_name(_decoded(match["name"] or "")) or None
        end = match.end()
    if (text := _spoken(shown[end:])) or speaker is not None:
        yield speaker, text


def _named(cue: Cue, prefixes: Prefixes) -> Iterator[tuple[str | None, str]]:
    for line in cue.lines:
        text = _spoken(line)
        if (prefix := prefixes.match(text)) is not None:
            yield prefix.name, prefix.text
        elif text:
            yield None, text


def _spoken(shown: str) -> str:
    """Text without tags, its entities decoded, on one line."""
    return " ".join(_decoded(_TAG.sub("", _VOICE.sub("", shown))).split())


def _decoded(text: str) -> str:
    return _ENTITY.sub(lambda match: html.unescape(match[0]), text) if "&" in text else text
