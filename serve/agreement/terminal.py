"""The report in a terminal."""

import sys
from collections.abc import Mapping
from typing import Any

from alliance.serve.agreement.report import introduction, note, tables

__all__ = ["show"]


def show(figures: Mapping[str, Any]) -> None:
    """Write the report's tables to standard output, as wide as the terminal."""
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(file=sys.stdout, highlight=False)
    console.print(introduction(figures), markup=False)
    for one in tables(figures, brief=True):
        made = Table(box=SIMPLE, title=escape(one.title), title_justify="left", pad_edge=False)
        for place, name in enumerate(one.header):
            made.add_column(escape(name), justify="right" if place else "left", no_wrap=place > 0)
        for row in one.rows:
            made.add_row(*map(escape, row))
        console.print()
        console.print(made)
        if one.note:
            console.print(one.note, markup=False, style="dim")
    console.print()
    console.print(note(figures), markup=False, style="dim")
