"""The gate before the encoder: whose window runs next.

A live turn's window runs at once: only other live turns' windows, and no more than a few of those,
are ahead of it. All other windows share a fixed number of places, kind by kind in turn and within
a kind in the order they came; while a live window runs, one place fewer is given out, but never
none, so that nothing is starved by a server full of live sessions.
"""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Final

__all__ = ["Gate", "Priority"]


class Priority(IntEnum):
    """What a window is read for."""

    LIVE = 0
    """The newest turn of a live session, for somebody who waits."""
    REVISION = 1
    """The full view of a live session, which follows the turn's answer."""
    SESSION = 2
    """A session that was sent whole."""


_OTHERS: Final = (Priority.REVISION, Priority.SESSION)


class Gate:
    """Lets threads through, each for one window.

    Args:
        places: windows inside at once, those of live turns not counted.
        live_places: windows of live turns inside at once.
    """

    def __init__(self, places: int, *, live_places: int = 1) -> None:
        self._places = places
        self._live_places = live_places
        self._inside = dict.fromkeys(Priority, 0)
        self._waiting: dict[Priority, deque[threading.Lock]] = {kind: deque() for kind in Priority}
        self._last = Priority.SESSION  # which of the others went in last
        self._lock = threading.Lock()

    @property
    def waiting(self) -> int:
        """Threads before the gate."""
        return sum(len(line) for line in self._waiting.values())

    @contextmanager
    def passing(self, priority: Priority) -> Iterator[None]:
        """Wait for a place and hold it."""
        door = threading.Lock()
        door.acquire()
        with self._lock:
            self._waiting[priority].append(door)
            self._open()
        door.acquire()  # opened at once, or by whoever leaves
        try:
            yield
        finally:
            with self._lock:
                self._inside[priority] -= 1
                self._open()

    def _open(self) -> None:
        """Let in whoever may go in now; called with the lock held."""
        while (priority := self._next()) is not None:
            self._inside[priority] += 1
            self._waiting[priority].popleft().release()

    def _next(self) -> Priority | None:
        live = self._inside[Priority.LIVE]
        if self._waiting[Priority.LIVE] and live < self._live_places:
            return Priority.LIVE
        places = max(1, self._places - 1) if live else self._places
        if sum(self._inside[kind] for kind in _OTHERS) >= places:
            return None
        lines = [kind for kind in _OTHERS if self._waiting[kind]]
        if not lines:
            return None
        self._last = next((kind for kind in lines if kind is not self._last), lines[0])
        return self._last
