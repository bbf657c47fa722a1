"""What a batch says while it runs: turns per second and time left, on a terminal's stderr."""

import sys
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

Item = TypeVar("Item")


class Progress:
    """Says nothing but complaints; the base of what is shown on a terminal.

    Args:
        complain: called with one sentence for each input that fails.
    """

    def __init__(self, complain: Callable[[str], None] | None = None) -> None:
        self._complain = complain or _to_stderr

    def start(self, total: int | None) -> None:
        """The batch begins.

        Args:
            total: bytes of all inputs; None when standard input is one of them.
        """

    def advance(self, *, done: int, turns: int) -> None:
        """The batch has come this far: bytes read and turns labelled since its start."""

    def complain(self, message: str) -> None:
        """An input failed, or something else deserves a word."""
        self._complain(message)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None


class TerminalProgress(Progress):
    """A bar with turns per second and the time left, by bytes read of all bytes.

    Args:
        console: a rich console on stderr.
    """

    def __init__(self, console: Any) -> None:
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        super().__init__(
            lambda text: console.print(text, markup=False, highlight=False, soft_wrap=True)
        )
        self._bar = Bar(
            TextColumn("labelling"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.fields[turns]:,} turns"),
            TextColumn("{task.fields[speed]:,.0f} turns/s"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._task = self._bar.add_task("", total=None, turns=0, speed=0.0)

    def start(self, total: int | None) -> None:
        """Show the bar."""
        self._bar.update(self._task, total=total)

    def advance(self, *, done: int, turns: int) -> None:
        """Move the bar."""
        elapsed = self._bar.tasks[0].elapsed
        speed = turns / elapsed if elapsed else 0.0
        self._bar.update(self._task, completed=done, turns=turns, speed=speed)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()


def make_progress(*, quiet: bool = False) -> Progress:
    """A bar where stderr is a terminal that can show one, else complaints alone.

    With ``NO_COLOR`` set the bar is plain.
    """
    if quiet or not sys.stderr.isatty():
        return Progress()
    from rich.console import Console

    console = Console(stderr=True)
    return Progress() if console.is_dumb_terminal else TerminalProgress(console)


def steps(items: Sequence[Item], what: str) -> Iterable[Item]:
    """The items one by one, with a bar on stderr meanwhile where it is a terminal.

    Args:
        items: what is worked through.
        what: is being done to them, in a word.
    """
    if not sys.stderr.isatty():
        return items
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    quiet = console.is_dumb_terminal
    return track(items, description=what, console=console, transient=True, disable=quiet)


def _to_stderr(message: str) -> None:
    print(message, file=sys.stderr, flush=True)
