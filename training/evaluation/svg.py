"""Drawing in SVG: the few shapes that our plots need, with nothing to run and nothing to load.

Colours are CSS variables, so that the page that holds a drawing gives it light or dark; a drawing
that stands alone carries :data:`STYLE`. Everything that goes by colour goes by shape as well.
"""

import html
from collections.abc import Sequence
from typing import Final

from alliance.model.codebook import Label

__all__ = ["SHAPES", "STYLE", "document", "line", "mark", "rectangle", "text"]

# Okabe-Ito on white; on black the lighter of its blues and yellows, which differ as much.
STYLE: Final = """\
svg{--ink:#1a1a1a;--soft:#6b6b6b;--paper:#fff;--alliance_positive:#009e73;--withdrawal:#0072b2;
--confrontation:#d55e00;--neutral:#6b6b6b;--all:#1a1a1a;background:var(--paper);
font-family:system-ui,sans-serif;font-size:12px;max-width:100%;height:auto}
@media screen and (prefers-color-scheme:dark){svg{--ink:#eee;--soft:#a8a8a8;--paper:#161616;
--alliance_positive:#2fc79b;--withdrawal:#56b4e9;--confrontation:#f0904a;--neutral:#a8a8a8;
--all:#eee}}
svg text{fill:var(--ink)}svg .soft{fill:var(--soft)}
svg .axis{stroke:var(--soft);fill:none}svg .guide{stroke:var(--soft);fill:none;stroke-dasharray:2 3}
svg .alliance_positive{stroke:var(--alliance_positive);fill:var(--alliance_positive)}
svg .withdrawal{stroke:var(--withdrawal);fill:var(--withdrawal)}
svg .confrontation{stroke:var(--confrontation);fill:var(--confrontation)}
svg .neutral{stroke:var(--neutral);fill:var(--neutral)}
svg .all{stroke:var(--all);fill:var(--all)}
svg .line{fill:none;stroke-width:1.6}svg .cell{fill:var(--withdrawal);stroke:var(--soft)}
"""

SHAPES: Final = {
    Label.ALLIANCE_POSITIVE.value: "circle",
    Label.WITHDRAWAL.value: "down",
    Label.CONFRONTATION.value: "up",
    Label.NEUTRAL.value: "square",
    "all": "diamond",
}
"""The mark of each label, and of what concerns all of them."""

_DASHES: Final = {
    Label.ALLIANCE_POSITIVE.value: "8 3",
    Label.WITHDRAWAL.value: "",
    Label.CONFRONTATION.value: "",
    Label.NEUTRAL.value: "2 3",
    "all": "10 3 2 3",
}


def document(
    body: Sequence[str],
    *,
    width: float,
    height: float,
    key: str,
    title: str,
    description: str,
    alone: bool = False,
) -> str:
    """A drawing.

    Args:
        body: what it holds.
        width: in user units, about a pixel each.
        height: likewise.
        key: a name that no other drawing of the page has; letters, digits and hyphens.
        title: its name, for those who hear it; plain text.
        description: what it shows, for the same.
        alone: whether it is a file of its own rather than part of a page.
    """
    head = (
        f'<svg viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}" role="img" '
        f'aria-labelledby="{key}-title {key}-text"'
        + (' xmlns="http://www.w3.org/2000/svg">' if alone else ">")
    )
    told = (
        f'<title id="{key}-title">{html.escape(title)}</title>'
        f'<desc id="{key}-text">{html.escape(description)}</desc>'
    )
    style = f"<style>{STYLE}</style>" if alone else ""
    return "\n".join([head + told + style, *body, "</svg>"])


def text(x: float, y: float, words: str, *, anchor: str = "start", soft: bool = False) -> str:
    """Words at a point; ``anchor`` is start, middle or end."""
    style = ' class="soft"' if soft else ""
    return (
        f'<text x="{_n(x)}" y="{_n(y)}" text-anchor="{anchor}"{style}>'
        f"{html.escape(words, quote=False)}</text>"
    )


def line(points: Sequence[tuple[float, float]], kind: str) -> str:
    """A line through points; ``kind`` is ``axis``, ``guide`` or one of :data:`SHAPES`."""
    places = " ".join(f"{_n(x)},{_n(y)}" for x, y in points)
    if kind not in SHAPES:
        return f'<polyline class="{kind}" points="{places}"/>'
    dash = f' stroke-dasharray="{_DASHES[kind]}"' if _DASHES[kind] else ""
    return f'<polyline class="{kind} line" fill="none"{dash} points="{places}"/>'


def rectangle(x: float, y: float, width: float, height: float, *, shade: float) -> str:
    """A cell, the darker the larger ``shade`` (0-1); words on it stay readable."""
    return (
        f'<rect class="cell" x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}" '
        f'fill-opacity="{0.55 * shade:.3f}"/>'
    )


def mark(x: float, y: float, kind: str, *, told: str = "", size: float = 4.0) -> str:
    """A point in the shape of its kind; ``told`` shows where a pointer rests."""
    inner = f"<title>{html.escape(told, quote=False)}</title>" if told else ""
    shape = SHAPES[kind]
    if shape == "circle":
        return f'<circle class="{kind}" cx="{_n(x)}" cy="{_n(y)}" r="{_n(size)}">{inner}</circle>'
    corners = {
        "down": ((-1, -0.9), (1, -0.9), (0, 1.1)),
        "up": ((-1, 0.9), (1, 0.9), (0, -1.1)),
        "square": ((-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)),
        "diamond": ((0, -1.3), (1, 0), (0, 1.3), (-1, 0)),
    }[shape]
    places = " ".join(f"{_n(x + dx * size)},{_n(y + dy * size)}" for dx, dy in corners)
    return f'<polygon class="{kind}" points="{places}">{inner}</polygon>'


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
