"""Times as transcripts write them, in milliseconds."""

import math
import re
from typing import Final

# AnnoMI writes one time as 00:09:025, hence the nought.
_CLOCK: Final = re.compile(r"(?:(\d{1,3}):)?(\d{1,3}):(0?[0-5]?\d)(?:[.,](\d{1,6}))?", re.ASCII)
_SECONDS: Final = re.compile(r"\d{1,10}(?:[.,]\d{1,12})?", re.ASCII)
_LONGEST_MS: Final = 10**12  # thirty years: what is longer is a date, not a time in a recording


def clock_ms(text: str) -> int | None:
    """``1:02:03.5``, ``02:03`` or ``00:00:13,250`` in milliseconds; None for anything else."""
    match = _CLOCK.fullmatch(text.strip())
    if match is None:
        return None
    hours, minutes, seconds, fraction = match.groups()
    if hours is not None and int(minutes) > 59:
        return None
    whole = (int(hours or 0) * 60 + int(minutes)) * 60 + int(seconds)
    return whole * 1000 + int((fraction or "0").ljust(3, "0")[:3])


def time_ms(value: str | float, *, unit_ms: bool) -> int | None:
    """A clock time or a number in milliseconds; None for what is neither.

    Args:
        value: text such as ``00:01:23`` or ``83.2``, or a number.
        unit_ms: whether a bare number counts milliseconds; else seconds.
    """
    if isinstance(value, str):
        text = value.strip()
        if (clock := clock_ms(text)) is not None:
            return clock
        if not _SECONDS.fullmatch(text):
            return None
        value = float(text.replace(",", "."))
    if isinstance(value, float) and not math.isfinite(value):
        return None
    ms = value if unit_ms else value * 1000
    return round(ms) if 0 <= ms <= _LONGEST_MS else None


def clock_text(ms: int) -> str:
    """Milliseconds as a clock's time, such as ``0:01:23.500``."""
    seconds, rest = divmod(ms, 1000)
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}.{rest:03}"
