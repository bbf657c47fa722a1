"""Who does the labelling: the windows of many sessions at once, on the cores of this machine.

An engine takes sessions one by one and gives each back when asked, so that the order of the output
is that of the input whatever is finished first. It takes no more than it can soon work on: where it
is full, :meth:`Engine.submit` waits, and calls ``meanwhile`` while it does.
"""

import os
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, Final, Protocol, Self

from alliance.model.backend import Features
from alliance.model.classifier import RuptureClassifier
from alliance.model.labelled import LabelledSession, Purpose
from alliance.model.packing import SessionPlan
from alliance.model.session import Session
from alliance.serve.table import row

__all__ = ["Engine", "Labeller", "LocalEngine", "Pending", "Rows", "SerialEngine", "cores"]

Rows = list[list[Any]]
"""A session's turns: the values of :func:`alliance.serve.table.row`, in its columns' order."""

_QUEUED: Final = 4
"""Windows that wait for each that runs: enough that no core ever waits for a window."""


class Labeller(Protocol):
    """What labels a session: the shipped classifier, or one like it."""

    name: str

    def label(self, session: Session, *, purpose: Purpose = ...) -> LabelledSession:
        """Label every turn of a session."""
        ...


class Pending(Protocol):
    """A session in work."""

    def done(self) -> bool:
        """Whether :meth:`rows` would give its answer at once."""
        ...

    def rows(self) -> Rows:
        """Wait until the session is labelled.

        Raises:
            Exception: whatever the model raised.
        """
        ...


class Engine(AbstractContextManager["Engine"], Protocol):
    """Labels sessions; leaving the block gives up what is still in work."""

    def submit(self, session: Session, *, meanwhile: Callable[[], None]) -> Pending:
        """Take a session, once there is room for it.

        Args:
            session: the session.
            meanwhile: called whenever the engine waits for room.
        """
        ...


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Linux: what a container or a scheduler leaves us
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def rows_of(session: LabelledSession, *, include_text: bool) -> Rows:
    """A labelled session as rows."""
    return [list(row(session, turn, include_text=include_text).values()) for turn in session]


class _Done:
    def __init__(self, rows: Callable[[], Rows]) -> None:
        self._rows = rows

    def done(self) -> bool:
        return True

    def rows(self) -> Rows:
        return self._rows()


class SerialEngine:
    """One session after another, in this thread: for labellers that do not show their windows."""

    def __init__(self, labeller: Labeller, *, purpose: Purpose, include_text: bool) -> None:
        self._labeller = labeller
        self._purpose = purpose
        self._include_text = include_text

    def submit(self, session: Session, *, meanwhile: Callable[[], None]) -> Pending:
        """Take a session; it is labelled when its rows are asked for."""

        def rows() -> Rows:
            labelled = self._labeller.label(session, purpose=self._purpose)
            return rows_of(labelled, include_text=self._include_text)

        return _Done(rows)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None


_Outcome = tuple[int, Features | Exception]
"""Of one window: its number, and what was read in it or went wrong."""

_Task = tuple[SessionPlan, int, "SimpleQueue[_Outcome]"]


class LocalEngine:
    """Windows side by side, each in a thread of its own and on one core.

    The encoder is nearly all of the work and runs outside the interpreter's lock, so threads use
    the cores as processes would, and share one copy of the model. The windows of a long session are
    spread like those of many short ones. One window is one call, so what a session gets does not
    depend on its neighbours or on how many windows run at once.

    Args:
        classifier: the model; its encoder should use one thread a call.
        purpose: chooses the decision thresholds.
        include_text: whether the rows hold what was said.
        workers: windows that run at once.
    """

    def __init__(
        self,
        classifier: RuptureClassifier,
        *,
        purpose: Purpose,
        include_text: bool,
        workers: int,
    ) -> None:
        self._classifier = classifier
        self._purpose = purpose
        self._include_text = include_text
        # These queues hold no lock of Python's own while they wait, as semaphores, futures and
        # pools do: one that an interrupt left held would keep the threads, and the program, alive.
        self._tasks: SimpleQueue[_Task | None] = SimpleQueue()
        self._room: SimpleQueue[None] = SimpleQueue()
        for _ in range((1 + _QUEUED) * workers):
            self._room.put(None)
        self._threads = [
            threading.Thread(target=self._work, name=f"window-{number}", daemon=True)
            for number in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, session: Session, *, meanwhile: Callable[[], None]) -> Pending:
        """Tokenise a session and queue its windows."""
        plan = self._classifier.plan(session)
        outcomes: SimpleQueue[_Outcome] = SimpleQueue()
        for number in range(len(plan.windows)):
            try:
                self._room.get_nowait()
            except Empty:
                meanwhile()
                self._room.get()
            self._tasks.put((plan, number, outcomes))
        return _Spread(
            len(plan.windows), outcomes, lambda pooled: self._finish(session, plan, pooled)
        )

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            plan, number, outcomes = task
            outcome: Features | Exception
            try:
                outcome = self._classifier.run_window(plan, number)
            except Exception as error:  # whoever asks for the session's rows gets it
                outcome = error
            self._room.put(None)
            outcomes.put((number, outcome))

    def _finish(self, session: Session, plan: SessionPlan, pooled: Sequence[Features]) -> Rows:
        labelled = self._classifier.finish(session, plan, pooled, purpose=self._purpose)
        return rows_of(labelled, include_text=self._include_text)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        while not self._tasks.empty():
            with suppress(Empty):  # a thread was faster
                self._tasks.get_nowait()
        for _ in self._threads:
            self._tasks.put(None)
        for thread in self._threads:
            thread.join()


class _Spread:
    """A session whose windows are in work."""

    def __init__(
        self,
        windows: int,
        outcomes: "SimpleQueue[_Outcome]",
        finish: Callable[[Sequence[Features]], Rows],
    ) -> None:
        self._windows = windows
        self._outcomes = outcomes
        self._finish = finish
        self._read: dict[int, Features | Exception] = {}

    def done(self) -> bool:
        with suppress(Empty):
            while len(self._read) < self._windows:
                number, outcome = self._outcomes.get_nowait()
                self._read[number] = outcome
        return len(self._read) == self._windows

    def rows(self) -> Rows:
        while len(self._read) < self._windows:
            number, outcome = self._outcomes.get()
            self._read[number] = outcome
        pooled = []
        for number in range(self._windows):
            outcome = self._read[number]
            if isinstance(outcome, Exception):
                raise outcome
            pooled.append(outcome)
        return self._finish(pooled)
