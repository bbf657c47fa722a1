"""Dates in words and numbers, moved by a number of days and written as they were."""

import datetime as dt
import re
from typing import Final

__all__ = ["shift_date"]

_MONTHS: Final = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_NO_YEAR: Final = 2000  # a leap year, for a day and month without one
_NUMBERS: Final = re.compile(r"(\d{1,4})([-/.])(\d{1,2})\2(\d{1,4})")
_WORDS: Final = re.compile(
    r"(?:(?P<first>\d{1,2})(?P<suffix1>st|nd|rd|th)?(?P<of> of)? )?(?P<month>[A-Za-z]+)(?P<dot>\.?)"
    r"(?: (?P<last>\d{1,2})(?P<suffix2>st|nd|rd|th)?)?(?:(?P<comma>,?) (?P<year>\d{4}))?"
)


def shift_date(text: str, days: int, *, day_first: bool) -> str | None:
    """The date ``days`` later, in the same form; None if it is no date of the calendar.

    Args:
        text: a date as :mod:`alliance.serve.deidentify.finding` finds them.
        days: how far to move it; may be negative.
        day_first: whether 3/4/2024 is the third of April (else the fourth of March), unless one
            of the numbers can only be the day.
    """
    if numbers := _NUMBERS.fullmatch(text):
        return _numbers(numbers, days, day_first=day_first)
    words = _WORDS.fullmatch(text)
    return None if words is None else _words(words, days)


def _numbers(match: re.Match[str], days: int, *, day_first: bool) -> str | None:
    a, sign, b, c = match.groups()
    if len(a) == 4:
        moved = _moved(int(a), int(b), int(c), days)
        if moved is None:
            return None
        return f"{moved.year:04}{sign}{moved.month:0{len(b)}}{sign}{moved.day:0{len(c)}}"
    first, second = int(a), int(b)
    if first > 12 or second > 12:
        day_first = first > 12
    day, month = (first, second) if day_first else (second, first)
    year = int(c) + (0 if len(c) == 4 else 2000 if int(c) < 70 else 1900)
    moved = _moved(year, month, day, days)
    if moved is None:
        return None
    parts = (moved.day, moved.month) if day_first else (moved.month, moved.day)
    one, two = (f"{part:0{len(old)}}" for part, old in zip(parts, (a, b), strict=True))
    return f"{one}{sign}{two}{sign}{moved.year % 10 ** len(c):0{len(c)}}"


def _words(match: re.Match[str], days: int) -> str | None:
    name = match["month"]
    month = next(
        (n for n, full in enumerate(_MONTHS, 1) if full.startswith(name.lower()) or
         name.lower() == full[:4]),
        None,
    )  # fmt: skip
    day = match["first"] or match["last"]
    if month is None or day is None or len(name) < 3:
        return None
    moved = _moved(int(match["year"] or _NO_YEAR), month, int(day), days)
    if moved is None:
        return None
    full = _MONTHS[moved.month - 1]
    written = full if len(name) > 4 or name.lower() in _MONTHS else full[:3]
    written = written.capitalize() if name[0].isupper() else written
    # "May" is short and whole at once; a dot belongs to what is cut off.
    whole = name.lower() in _MONTHS  # then the dot ends the sentence
    dot = match["dot"] if written.lower() != full or whole else ""
    year = f"{match['comma']} {moved.year}" if match["year"] else ""
    if match["first"]:
        suffix = _suffix(moved.day) if match["suffix1"] else ""
        return f"{moved.day}{suffix}{match['of'] or ''} {written}{dot}{year}"
    suffix = _suffix(moved.day) if match["suffix2"] else ""
    return f"{written}{dot} {moved.day}{suffix}{year}"


def _moved(year: int, month: int, day: int, days: int) -> dt.date | None:
    try:
        return dt.date(year, month, day) + dt.timedelta(days=days)
    except (ValueError, OverflowError):
        return None


def _suffix(day: int) -> str:
    if 11 <= day <= 13:
        return "th"
    return {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
