"""Plain text: one session, each turn opened by its speaker.

A line without a speaker goes on with the turn before it (joined by a space, since where a line
breaks is layout). What stands before the first speaker is no turn and is left out, and so are the
margin's line numbers, times on a line of their own, and Otter's closing line. Times beside a
speaker, or alone on the line just before, are the turn's.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from alliance.model.formats.exports import turns_of_export
from alliance.model.formats.prefixes import Prefix, Prefixes, TimeMark, time_mark
from alliance.model.formats.source import RawSession, RawTurn, Source

_NUMBERED: Final = re.compile(r"[ \t]*(\d{1,6})[.)|]?(?:[ \t]+|$)")
_SHARE: Final = 0.5  # of the lines have a number, where each line is counted
_RUN: Final = 0.9  # of the numbers follow on from the one before
_FEWEST: Final = 4  # numbers, below which they are what was said
_HEAD: Final = 30  # lines, above which a paragraph is no head
_FEW: Final = 3  # times, likewise
_CLOSING: Final = re.compile(r"\s*Transcribed by https?://\S+\s*", re.IGNORECASE)


def read_plain(source: Source) -> Iterator[RawSession]:
    """The session of a plain text."""
    lines = [line.strip("\r\n\f") for line in source.lines()]
    if not any(line.strip() for line in lines):
        raise source.error("expected a transcript, found an empty file; check its export")
    if lines and _CLOSING.fullmatch(next(line for line in reversed(lines) if line.strip())):
        while not _CLOSING.fullmatch(lines.pop()):
            pass
    if (turns := turns_of_export(lines)) is None:
        lines = without_line_numbers(lines)
        turns = turns_of_lines(lines, Prefixes(lines, source.roles))
    if not turns:
        raise source.error(
            "expected turns that start with their speaker (T: … or Dr. Lee: …), found none; put "
            "the speaker and a colon before each turn"
        )
    yield RawSession(source.stem, turns, turns[0].line)


def turns_of_lines(lines: Sequence[str], prefixes: Prefixes) -> list[RawTurn]:
    """The turns in a transcript's lines, or a part of them; their ``line`` counts from 1 here."""
    return _turns(lines, prefixes, first=_after_head(lines, prefixes))


def without_line_numbers(lines: Sequence[str]) -> list[str]:
    """The lines without the numbers that count them in the margin, if something does.

    Numbers count the lines if at least half of the lines have one and nearly each follows on from
    the one before (or starts again at 1 on a new page), or if every fifth or tenth has one.
    """
    numbers: dict[int, int] = {}
    filled: dict[int, int] = {}  # place in the file to place among the lines that are not blank
    for place, line in enumerate(lines):
        if line.strip():
            filled[place] = len(filled) + 1
            if match := _NUMBERED.match(line):
                numbers[place] = int(match[1])
    counting = _each_line(numbers, len(filled)) or _every_few(numbers, filled)
    return [
        _NUMBERED.sub("", line, count=1) if place in counting else line
        for place, line in enumerate(lines)
    ]


def _each_line(numbers: dict[int, int], filled: int) -> set[int]:
    if len(numbers) < max(_FEWEST, _SHARE * filled):
        return set()
    counting: set[int] = set()
    expected: int | None = None
    for place, number in numbers.items():
        if expected is None or number in (expected, 1):
            counting.add(place)
            expected = number + 1
    return counting if len(counting) >= _RUN * len(numbers) else set()


def _every_few(numbers: dict[int, int], filled: dict[int, int]) -> set[int]:
    for step in (5, 10):
        for place_of in (filled, {place: place + 1 for place in numbers}):
            counting = {
                place
                for place, number in numbers.items()
                if number % step == 0 and number == place_of[place]
            }
            expected = len(filled) // step if place_of is filled else len(counting)
            if len(counting) >= max(2, _RUN * expected):
                return counting
    return set()


def _after_head(lines: Sequence[str], prefixes: Prefixes) -> int:
    """Where the turns may start: after a head that tells about the file.

    A head's ``Therapist: Dr. Lee`` looks like a turn, but ``Date: 3 May`` beside it gives it away.
    A first paragraph of which a third is of that kind is no talk, if talk comes after it and the
    paragraph either begins so or has other names than the talk.
    """
    start = next((place for place, line in enumerate(lines) if line.strip()), len(lines))
    end = next((p for p in range(start, len(lines)) if not lines[p].strip()), len(lines))
    if end - start > _HEAD:
        return start
    about = sum(prefixes.about_the_file(line) for line in lines[start:end])
    if not about or about * 3 < end - start:
        return start
    names = {match.name for line in lines[start:end] if (match := prefixes.match(line))}
    later = {match.name for line in lines[end:] if (match := prefixes.match(line))}
    begins_so = prefixes.about_the_file(lines[start])
    return end if later and (begins_so or not names & later) else start


def _turns(lines: Sequence[str], prefixes: Prefixes, *, first: int) -> list[RawTurn]:
    turns: list[RawTurn] = []
    opened: Prefix | None = None
    parts: list[str] = []
    number = 0  # of the line that opened the turn
    marks = _time_marks(lines)
    mark: TimeMark | None = None  # on the line just before

    def close() -> None:
        if opened is not None:
            text = " ".join(part for part in parts if part)
            turns.append(RawTurn(opened.name, text, number, opened.start_ms, opened.end_ms))

    for place in range(first, len(lines)):
        line = lines[place]
        if not line.strip():
            continue
        if place in marks:
            mark = marks[place]
            continue
        if (prefix := prefixes.match(line)) is None:
            parts.append(line.strip())
        else:
            close()
            if prefix.start_ms is None and mark is not None:
                prefix = Prefix(prefix.name, prefix.text, mark.start_ms, mark.end_ms)
            opened, parts, number = prefix, [prefix.text], place + 1
        mark = None
    close()
    return turns


def _time_marks(lines: Sequence[str]) -> dict[int, TimeMark]:
    """The margin's times, by line.

    Bare digits on a line of their own may be the end of a broken sentence ("we met at / 5:30").
    They are the margin's if they open a paragraph, or if there are several and they run forward.
    """
    found = {place: mark for place, line in enumerate(lines) if (mark := time_mark(line))}
    bare = [mark.start_ms or 0 for mark in found.values() if mark.bare]
    forward = len(bare) >= _FEW and bare == sorted(bare)
    return {
        place: mark
        for place, mark in found.items()
        if not mark.bare or forward or place == 0 or not lines[place - 1].strip()
    }
