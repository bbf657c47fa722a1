"""From a view to HTML: the fragment that page and report share, and the report as one file."""

import base64
import hashlib
from functools import cache
from importlib.metadata import version
from itertools import groupby
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from alliance.model.codebook import LABELS, MARKERS, Label
from alliance.model.episodes import Kind, Outcome
from alliance.serve.report import svg
from alliance.serve.report.assets import asset, bundled
from alliance.serve.report.data import timeline_data
from alliance.serve.report.names import Names
from alliance.serve.report.overview import Overview
from alliance.serve.report.strings import ENGLISH, Strings
from alliance.serve.report.svg_shapes import shapes
from alliance.serve.report.view import TimelineView
from alliance.serve.wording import (
    clock,
    counted,
    episode_counts,
    episode_times,
    listed,
    names,
    outcome,
    signed,
    span,
    speaker_counts,
    turn_counts,
)

__all__ = [
    "content_security_policy",
    "render_overview",
    "render_report",
    "render_timeline_fragment",
]

_LABEL_OF_LETTER: Final = {label.letter: label for label in LABELS}


@cache
def environment() -> Environment:
    """The templates, with everything escaped that is not marked as safe."""
    made = Environment(
        loader=PackageLoader("alliance.serve.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
    )
    made.globals.update(
        LABELS=LABELS,
        MARKERS=MARKERS,
        Kind=Kind,
        Names=Names,
        Outcome=Outcome,
        Label=Label,
        clock=clock,
        counted=counted,
        episode_counts=episode_counts,
        episode_times=episode_times,
        label_of=_label_of,
        listed=listed,
        names=names,
        outcome_words=outcome,
        runs=_runs,
        shapes=shapes,
        signed=signed,
        span=span,
        speaker_counts=speaker_counts,
        svg=svg,
        turn_counts=turn_counts,
        version=version("alliance-rupture"),
    )
    return made


def _label_of(letter: str) -> Label | None:
    """The label of a letter, small or not; None for a turn without one."""
    return _LABEL_OF_LETTER.get(letter.upper())


def _runs(letters: str) -> list[tuple[str, int]]:
    """Equal letters in a row, and how many they are."""
    return [(letter, len(list(same))) for letter, same in groupby(letters)]


def render_timeline_fragment(view: TimelineView, *, strings: Strings = ENGLISH) -> Markup:
    """One session as a ``<section>``: strip, episodes, transcript, legend and data island.

    Args:
        view: what is shown.
        strings: its words.

    Returns:
        HTML for the body of a page that loads ``timeline.css`` and calls ``mountTimeline``.
    """
    island = htmlsafe_json_dumps(
        timeline_data(view, strings=strings), ensure_ascii=False, separators=(",", ":")
    )
    return _rendered("timeline.html", view=view, s=strings, island=island)


def render_report(view: TimelineView, *, strings: Strings = ENGLISH) -> str:
    """One session as a file that stands alone: opens offline, asks nobody for anything.

    Args:
        view: what is shown.
        strings: its words.
    """
    fragment = render_timeline_fragment(view, strings=strings)
    return _standing_alone("report.html", "report.js", view=view, s=strings, fragment=fragment)


def render_overview(overview: Overview, *, strings: Strings = ENGLISH) -> str:
    """Many sessions on one page that stands alone but for its links to their reports.

    Args:
        overview: the sessions.
        strings: its words.
    """
    return _standing_alone("overview.html", "overview.js", overview=overview, s=strings)


def _standing_alone(template: str, script_name: str, **values: Any) -> str:
    style, script = asset("timeline.css"), bundled(script_name)
    return str(
        _rendered(
            template,
            **values,
            style=Markup(style),  # our own files
            script=Markup(script),
            policy=content_security_policy(styles=[style], scripts=[script]),
        )
    )


def content_security_policy(*, styles: list[str], scripts: list[str]) -> str:
    """The policy of a file that may load nothing and run only what it was written with.

    Args:
        styles: the contents of its style elements, to the letter.
        scripts: the contents of its script elements.
    """
    return (
        f"default-src 'none'; script-src {_hashes(scripts)}; style-src {_hashes(styles)}; "
        "img-src data:; media-src blob:; base-uri 'none'; form-action 'none'"
    )


def _hashes(contents: list[str]) -> str:
    digests = (hashlib.sha256(content.encode("utf-8")).digest() for content in contents)
    return " ".join(f"'sha256-{base64.b64encode(digest).decode('ascii')}'" for digest in digests)


def _rendered(template: str, **values: Any) -> Markup:
    return Markup(environment().get_template(template).render(**values))
