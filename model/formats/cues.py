"""The cues of WebVTT and SubRip files: a time span and the lines shown during it."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from alliance.model.formats.source import Source
from alliance.model.formats.times import clock_ms

_TIME: Final = r"(?:\d{1,4}:)?\d{1,3}:\d{1,2}(?:[.,]\d{1,6})?"
_TIMING: Final = re.compile(rf"\s*(?P<start>{_TIME})\s*-->\s*(?P<end>{_TIME})(?:\s.*)?")
_MEANT_AS_TIMING: Final = re.compile(r"\s*\d+:\S*\s*-->")
_NOT_SHOWN: Final = re.compile(r"(?:WEBVTT|NOTE|STYLE|REGION)(?:\s|$)")


@dataclass(slots=True)
class Cue:
    """One cue.

    Attributes:
        start_ms: start in milliseconds.
        end_ms: end in milliseconds; a cue that ends before it starts is taken to end there.
        line: where its timing stands in the file, counted from 1.
        lines: the lines shown, with their tags.
    """

    start_ms: int
    end_ms: int
    line: int
    lines: list[str] = field(default_factory=list)


def read_cues(source: Source) -> Iterator[Cue]:
    """The cues in file order.

    A blank line ends a cue, but lines after it that belong to no cue (as some programs write
    them) are added to the one before: words are not lost. Headers, identifiers, and ``NOTE``,
    ``STYLE`` and ``REGION`` blocks are passed over.

    Raises:
        TranscriptError: if a line with ``-->`` holds no times that can be read.
    """
    cue: Cue | None = None
    for number, block in _blocks(source):
        timings = [place for place, line in enumerate(block) if _MEANT_AS_TIMING.match(line)]
        if not timings:
            if cue is not None and not _NOT_SHOWN.match(block[0]):
                cue.lines.extend(block)
            continue
        before = block[: timings[0]]
        if cue is not None and not _NOT_SHOWN.match(block[0]):
            cue.lines.extend(before[:-1])  # the last one is the identifier
        identifier = before[-1].strip() if before else ""
        for place, following in zip(timings, [*timings[1:], None], strict=True):
            if cue is not None:
                yield cue
            cue = _cue(block[place], source, number + place)
            shown = block[place + 1 : following]
            identifier = _next(identifier)
            if following is not None and identifier and shown[-1:] == [identifier]:
                shown = shown[:-1]  # the next cue's, which has no blank line before it
            cue.lines.extend(shown)
    if cue is not None:
        yield cue


def _blocks(source: Source) -> Iterator[tuple[int, Sequence[str]]]:
    """Runs of lines that are not blank, each with the number of its first line."""
    block: list[str] = []
    number = 0
    for number, ended in enumerate(source.lines(), 1):
        line = ended.rstrip("\r\n")
        if line.strip():
            block.append(line)
        elif block:
            yield number - len(block), block
            block = []
    if block:
        yield number - len(block) + 1, block


def _next(identifier: str) -> str:
    """The number after a cue's number; empty for identifiers that do not count."""
    counts = identifier.isascii() and identifier.isdigit() and len(identifier) < 10
    return str(int(identifier) + 1) if counts else ""


def _cue(line: str, source: Source, number: int) -> Cue:
    match = _TIMING.fullmatch(line)
    start = end = None
    if match is not None:
        start, end = clock_ms(match["start"]), clock_ms(match["end"])
    if start is None or end is None:
        raise source.error(
            "expected a cue's times such as 00:01:23.000 --> 00:01:25.000, found times that "
            "cannot be read; correct them",
            line=number,
        )
    return Cue(start, max(start, end), number)
