"""Our own Markdown as HTML: headings, paragraphs, lists, tables, **bold**; all else is escaped.

A report is written once, as Markdown, so that its two forms cannot say different things.
"""

import html
import re
from collections.abc import Sequence

__all__ = ["as_html", "escaped"]

_SPECIAL = re.compile(r"([\\`*_\[\]<>#|&~])")
_INLINE = re.compile(r"\\(?P<escaped>[^\w\s])|\*\*(?P<bold>.+?)\*\*|`(?P<code>[^`]+)`")
_BORDER = re.compile(r"^\|( ?-+ ?\|)+$")


def escaped(words: str) -> str:
    """Words of a transcript, or any others, as Markdown that shows them as they are, in a line."""
    return _SPECIAL.sub(r"\\\1", " ".join(words.split()))


def as_html(markdown: str) -> str:
    """HTML of the Markdown that this package writes; tags and entities in it stay text."""
    out: list[str] = []
    for block in re.split(r"\n{2,}", markdown.strip("\n")):
        lines = block.split("\n")
        heading = re.match(r"(#{1,4}) (.*)", lines[0])
        if heading and len(lines) == 1:
            level = len(heading[1])
            out.append(f"<h{level}>{_inline(heading[2])}</h{level}>")
        elif len(lines) > 1 and _BORDER.match(lines[1]):
            out.append(_table(lines))
        elif all(line.startswith("- ") for line in lines):
            items = "".join(f"<li>{_inline(line[2:])}</li>" for line in lines)
            out.append(f"<ul>{items}</ul>")
        elif block:
            out.append(f"<p>{_inline(' '.join(lines))}</p>")
    return "\n".join(out)


def _table(lines: Sequence[str]) -> str:
    header, _, *rows = (_cells(line) for line in lines)
    head = "".join(f'<th scope="col">{cell}</th>' for cell in header)
    body = [
        f'<tr><th scope="row">{cells[0]}</th>'
        + "".join(f"<td>{cell}</td>" for cell in cells[1:])
        + "</tr>"
        for cells in rows
    ]
    return (
        f'<div class="wide" role="region" tabindex="0" aria-label="table"><table>'
        f"<thead><tr>{head}</tr></thead>\n<tbody>" + "\n".join(body) + "</tbody></table></div>"
    )


def _cells(line: str) -> list[str]:
    return [_inline(cell.strip()) for cell in line.strip().strip("|").split("|")]


def _inline(words: str) -> str:
    parts, done = [], 0
    for match in _INLINE.finditer(words):
        parts.append(html.escape(words[done : match.start()]))
        if match["escaped"] is not None:
            parts.append(html.escape(match["escaped"]))
        elif match["bold"] is not None:
            parts.append(f"<strong>{_inline(match['bold'])}</strong>")
        else:
            parts.append(f"<code>{html.escape(match['code'])}</code>")
        done = match.end()
    return "".join([*parts, html.escape(words[done:])])
