"""What meeting programs save as plain text, where it differs from a speaker and a colon.

- Zoom's captions: ``[Ana Ruiz] 00:00:05`` on a line of its own, then what was said;
- Zoom's chat: ``00:05:12 From Ana Ruiz to Everyone: …``, the message there or on the lines after;
- Otter and Teams: ``Ana Ruiz  0:05  …`` on one line; the name and the time on two lines; or the
  time span, the name and what was said on three.

The commonest form, ``Ana Ruiz  0:05`` on a line of its own, is plain text like any other
(``prefixes``). Zoom gives the time of day where its settings say so; times are taken as they stand.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from alliance.model.formats.prefixes import looks_like_a_name
from alliance.model.formats.roles import MAX_NAME, clean_name
from alliance.model.formats.source import RawTurn
from alliance.model.formats.times import clock_ms

__all__ = ["turns_of_export"]

_TIME: Final = r"(?:\d{1,3}:)?\d{1,3}:\d{1,2}(?:[.,]\d{1,3})?"
_BRACKETED: Final = re.compile(rf"\s*\[(?P<name>[^\[\]]{{1,60}})\]\s*(?P<time>{_TIME})\s*")
_CHAT: Final = re.compile(
    rf"(?P<time>{_TIME})\s+From\s+(?P<name>\S(?:[^:]{{0,60}}?\S)??)"
    r"(?:\s+to\s+(?P<to>[^:]{1,80}?))?\s*:(?:\s+(?P<text>.*))?",
    re.IGNORECASE | re.DOTALL,
)
_ONE_LINE: Final = re.compile(
    rf"(?P<name>\S(?:[^:\t]{{0,58}}\S)??)(?:[ \t]{{2,}}|\t)(?P<time>{_TIME})[ \t]+(?P<text>\S.*)",
    re.DOTALL,
)
_TIME_ALONE: Final = re.compile(rf"\s*(?P<time>{_TIME})\s*")
_SPAN_ALONE: Final = re.compile(rf"\s*(?P<time>{_TIME})\s*-->\s*(?P<end>{_TIME})\s*")
_SPELT_OUT: Final = re.compile(r"\s*(?:\d+ (?:hours?|minutes?|seconds?)\s*)+")
_LOOKED_AT: Final = 300  # characters of a line; what opens a turn is shorter
_SPEAKERS: Final = 0.5  # names at most for each turn, or else they are no names
_FEW: Final = 4  # of names, which may be as many as the turns


@dataclass(frozen=True, slots=True)
class _Opening:
    """What opens a turn: on which line it stands, and the first line that holds words."""

    place: int
    after: int
    name: str
    time: str
    text: str = ""
    end: str = ""


def turns_of_export(lines: Sequence[str]) -> list[RawTurn] | None:
    """The turns of a meeting program's export; None for any other text.

    Args:
        lines: all lines of the file, without their ends.
    """
    if not any(line.strip() for line in lines):
        return None
    for find in (_bracketed, _chat, _one_line, _span_then_name, _name_then_time):
        if openings := find(lines):
            return list(_turns(openings, lines))
    return None


def _turns(openings: Sequence[_Opening], lines: Sequence[str]) -> Iterator[RawTurn]:
    stops = [each.place for each in openings[1:]] + [len(lines)]
    for opening, stop in zip(openings, stops, strict=True):
        parts = (opening.text, *lines[opening.after : stop])
        text = " ".join(words for part in parts if (words := part.strip()))
        start, end = clock_ms(opening.time), clock_ms(opening.end)
        if start is not None and end is not None and end < start:
            end = start
        yield RawTurn(clean_name(opening.name), text, opening.place + 1, start, end)


def _first(lines: Sequence[str]) -> int:
    return next(place for place, line in enumerate(lines) if line.strip())


def _matching(
    lines: Sequence[str], pattern: re.Pattern[str], *, fewest: int
) -> list[tuple[int, re.Match[str]]]:
    """The lines of that form, if the file begins with one."""
    if not pattern.fullmatch(lines[_first(lines)][:_LOOKED_AT]):
        return []  # as most files are not, which saves the search
    found = [
        (place, match)
        for place, line in enumerate(lines)
        if (match := pattern.fullmatch(line[:_LOOKED_AT])) and clock_ms(match["time"]) is not None
    ]
    return found if len(found) >= fewest and found[0][0] == _first(lines) else []


def _bracketed(lines: Sequence[str]) -> list[_Opening]:
    return [
        _Opening(place, place + 1, match["name"], match["time"])
        for place, match in _matching(lines, _BRACKETED, fewest=1)
    ]


def _chat(lines: Sequence[str]) -> list[_Opening]:
    return [
        _Opening(place, place + 1, match["name"], match["time"], _rest(lines[place], match))
        for place, match in _matching(lines, _CHAT, fewest=1)
    ]


def _one_line(lines: Sequence[str]) -> list[_Opening]:
    openings = [
        _Opening(place, place + 1, match["name"], match["time"], _rest(lines[place], match))
        for place, match in _matching(lines, _ONE_LINE, fewest=2)
    ]
    return openings if _are_names(openings) and _run_forward(openings) else []


def _rest(line: str, match: re.Match[str]) -> str:
    return "" if match["text"] is None else line[match.start("text") :]


def _span_then_name(lines: Sequence[str]) -> list[_Opening]:
    openings = []
    for place, match in _matching(lines, _SPAN_ALONE, fewest=1):
        named = _next(lines, place)
        if named is None:
            return []
        openings.append(_Opening(place, named + 1, lines[named], match["time"], end=match["end"]))
    return openings if _are_names(openings) else []


def _name_then_time(lines: Sequence[str]) -> list[_Opening]:
    openings: list[_Opening] = []
    first = _first(lines)
    if not any(_TIME_ALONE.fullmatch(line[:_LOOKED_AT]) for line in lines[first + 1 : first + 3]):
        return openings
    for place, line in enumerate(lines):
        match = _TIME_ALONE.fullmatch(line[:_LOOKED_AT])
        if match is None or clock_ms(match["time"]) is None:
            continue
        named = place - 1
        if named >= 0 and _SPELT_OUT.fullmatch(lines[named][:_LOOKED_AT]):
            named -= 1
        if named < 0 or not lines[named].strip():
            return []
        openings.append(_Opening(named, place + 1, lines[named], match["time"]))
    if len(openings) < 2 or openings[0].place != first:
        return []
    return openings if _are_names(openings) and _run_forward(openings) else []


def _next(lines: Sequence[str], place: int) -> int | None:
    following = range(place + 1, min(place + 3, len(lines)))
    return next((each for each in following if lines[each].strip()), None)


def _are_names(openings: Sequence[_Opening]) -> bool:
    """Whether what stands in a name's place are names: otherwise they are words that were said."""
    names = {clean_name(opening.name) for opening in openings}
    return len(names) <= max(_FEW, _SPEAKERS * len(openings)) and all(
        name and len(name) <= MAX_NAME and name[-1] not in ".?!,;:" and looks_like_a_name(name)
        for name in names
    )


def _run_forward(openings: Sequence[_Opening]) -> bool:
    times = [clock_ms(opening.time) or 0 for opening in openings]
    return times == sorted(times)
