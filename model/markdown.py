"""Figures and tables in Markdown, as reports and cards show them."""

import math
from collections.abc import Sequence

__all__ = ["estimate", "table"]


def estimate(
    value: float | None,
    low: float | None = None,
    high: float | None = None,
    *,
    signed: bool = False,
) -> str:
    """``.61 [.55, .67]``; a dash where there is no figure, no bracket where no interval.

    Absent is None or nan.
    """
    if value is None or math.isnan(value):
        return "–"
    figure = _number(value, signed=signed)
    if low is None or high is None or math.isnan(low) or math.isnan(high):
        return figure
    return f"{figure} [{_number(low, signed=signed)}, {_number(high, signed=signed)}]"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _number(value: float, *, signed: bool) -> str:
    # Two decimals: intervals are seldom narrower. Statisticians drop the zero before the point.
    text = f"{value:+.2f}" if signed else f"{value:.2f}"
    text = {"-0.00": "0.00", "+0.00": "0.00"}.get(text, text)
    return text.replace("0.", ".", 1) if abs(value) < 0.995 else text
