"""Draws the README's picture: what ``alliance timeline --example`` shows in a terminal.

Run it again after new weights or a new view: ``python .github/make_picture.py``.
"""

import io
import re
from importlib.resources import as_file, files
from pathlib import Path

from rich.console import Console

from alliance.model import RuptureClassifier, read_session, timeline
from alliance.serve.sessions import EXAMPLE
from alliance.serve.terminal import render

TARGET = Path(__file__).with_name("timeline.svg")


def main() -> None:
    """Write the picture beside this file."""
    with as_file(files("alliance.serve") / "examples" / EXAMPLE) as path:
        session = read_session(path)
    console = Console(
        record=True, width=100, file=io.StringIO(), force_terminal=True, color_system="truecolor"
    )
    render(timeline(RuptureClassifier.load().label(session)), console)
    svg = console.export_svg(title="alliance timeline --example")
    # Rich's template loads fonts from a server; a picture should ask nobody for anything.
    svg = re.sub(r"@font-face\s*\{[^}]*\}\s*", "", svg)
    TARGET.write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
