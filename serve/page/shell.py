"""The page's HTML: every view, empty; the script fills them with what the server sends."""

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from alliance.model.codebook import LABELS, MARKER_ORDER, MARKERS
from alliance.model.formats import FORMATS, SUFFIXES
from alliance.serve.page.strings import ENGLISH, SCRIPT_PREFIX, Strings

__all__ = ["render_shell"]

_TEMPLATE: Final = "page.html"


def render_shell(*, body_bytes: int, version: str, strings: Strings = ENGLISH) -> str:
    """The page, as one document without inline script or style.

    Args:
        body_bytes: of a file, at most; a larger one is refused before it is sent.
        version: of the program.
        strings: the words to show.
    """
    return (
        _environment()
        .get_template(_TEMPLATE)
        .render(
            words=strings,
            labels=LABELS,
            formats=FORMATS.values(),
            suffixes=",".join(SUFFIXES),
            version=version,
            data={
                "words": {
                    key.removeprefix(SCRIPT_PREFIX): text
                    for key, text in strings.items()
                    if key.startswith(SCRIPT_PREFIX)
                },
                "codebook": _codebook(),
                "body_bytes": body_bytes,
            },
        )
    )


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("alliance.serve.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _codebook() -> Mapping[str, Any]:
    return {
        "labels": [
            {
                "label": label.value,
                "letter": label.letter,
                "symbol": label.symbol,
                "title": label.title,
                "definition": label.definition,
                "rupture": label.is_rupture,
            }
            for label in LABELS
        ],
        "markers": [
            {
                "code": code.value,
                "label": code.label.value,
                "name": MARKERS[code].name,
                "definition": MARKERS[code].definition,
                "roles": sorted(MARKERS[code].roles),
            }
            for code in MARKER_ORDER
        ],
    }
