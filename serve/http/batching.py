"""The queue before the classifier: many requests share it fairly, off the event loop.

One window per call is part of the model's contract (what a session gets never depends on its
neighbours), so sharing means that the windows of many requests take turns at the encoder, in
worker threads; ONNX Runtime and the tokenizer work outside the interpreter's lock. Before each
window its thread waits at a gate (:mod:`alliance.serve.http.gate`). A live turn's window runs at
once; whole sessions pass in the order they came to the gate, so a short session does not wait for
the end of a long one. Full views of live sessions, which nobody waits for, are read by threads
that the operating system lets run when the others leave it time (on Linux).
"""

import asyncio
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Final, TypeVar

from alliance.model.backend import Backend, Features
from alliance.model.classifier import RuptureClassifier
from alliance.model.labelled import LabelledSession, Purpose
from alliance.model.session import Session
from alliance.model.tokens import TokenIds
from alliance.serve.http.backlog import Backlog
from alliance.serve.http.gate import Gate, Priority

__all__ = ["LabelQueue", "Priority"]

_Result = TypeVar("_Result")

_THREADS_PER_WINDOW: Final = 4
"""Sessions in work for each window that runs: they are what takes turns at the gate."""

_LIVE_SECONDS: Final = 5.0
"""So long, at most, live turns wait for those before them."""

_NICENESS: Final = 15
"""Of threads that read full views; beside others they get a thirtieth of a core."""


class _GivenUp(Exception):  # noqa: N818  # nobody waits to see it
    """Whoever asked for this work waits for it no more."""


class _Worker(threading.local):
    """What a thread works for."""

    priority = Priority.SESSION
    given_up: threading.Event | None = None
    seconds = 0.0
    """Spent in the encoder since the work began."""


class _Gated:
    """An encoder whose windows pass a gate, with the priority of the thread that asks.

    Args:
        backend: the encoder; its windows run side by side.
        live: the encoder of live turns' windows, which may use more threads.
        gate: where windows wait.
        worker: what the thread that asks works for.
    """

    def __init__(self, backend: Backend, live: Backend, gate: Gate, worker: _Worker) -> None:
        self._backend = backend
        self._live = live
        self._gate = gate
        self._worker = worker

    def __call__(self, ids: TokenIds) -> Features:
        worker = self._worker
        with self._gate.passing(worker.priority):
            if worker.given_up is not None and worker.given_up.is_set():
                raise _GivenUp
            began = time.perf_counter()
            try:
                return (self._live if worker.priority is Priority.LIVE else self._backend)(ids)
            finally:
                worker.seconds += time.perf_counter() - began


class LabelQueue:
    """Labels sessions for many requests at once.

    Args:
        classifier: the model. Its encoder should use few threads: windows run side by side.
        workers: windows that run at once, those of live turns not counted.
        live: another way to the same encoder, for the windows of live turns; None takes the
            classifier's own.
        live_workers: windows of live turns that run at once.
        queued_turns: turns, waiting and in work, above which new ones are refused; a session
            longer than this is taken when nothing else waits. It holds for whole sessions and
            for live turns apart.
        queued_seconds: seconds of work above which new work is refused, likewise.
        on_start: told, as a piece of work begins, how many are in work by then.
    """

    def __init__(
        self,
        classifier: RuptureClassifier,
        *,
        workers: int,
        live: Backend | None = None,
        live_workers: int = 1,
        queued_turns: int = 10_000,
        queued_seconds: float = 20.0,
        on_start: Callable[[int], None] | None = None,
    ) -> None:
        self._worker = _Worker()
        self._gate = Gate(workers, live_places=live_workers)
        self.classifier = classifier.with_backend(
            _Gated(classifier.backend, live or classifier.backend, self._gate, self._worker)
        )
        """The model, for functions given to :meth:`run`; its windows wait at the gate."""
        self._on_start = on_start
        whole = Backlog(turns=queued_turns, seconds=queued_seconds, places=workers)
        # Of full views there is one for each live session, at most: they need no other bound.
        self._backlogs = {
            Priority.LIVE: Backlog(
                turns=queued_turns,
                seconds=min(_LIVE_SECONDS, queued_seconds),
                places=live_workers,
            ),
            Priority.SESSION: whole,
        }
        self._at_once = _THREADS_PER_WINDOW * workers
        self._pools = {
            # While one waits for its window, others can be tokenised and answered.
            Priority.LIVE: ThreadPoolExecutor(2 * live_workers + 2, "live"),
            Priority.REVISION: ThreadPoolExecutor(workers, "view", _step_back),
            Priority.SESSION: ThreadPoolExecutor(self._at_once, "session"),
        }
        self._tasks: set[asyncio.Task[Any]] = set()
        self._running = 0
        self._lock = threading.Lock()

    async def label(
        self,
        session: Session,
        purpose: Purpose = Purpose.RESEARCH,
        causal: bool = False,
    ) -> LabelledSession:
        """Label a session.

        Raises:
            Overloaded: if too much is waiting.
        """
        return await self.run(
            lambda: self.classifier.label(session, purpose=purpose, causal=causal),
            turns=len(session.turns),
        )

    async def run(
        self,
        function: Callable[[], _Result],
        *,
        turns: int,
        priority: Priority = Priority.SESSION,
    ) -> _Result:
        """Run a function that uses :attr:`classifier` in a worker thread.

        Args:
            function: what to do.
            turns: how many turns it labels.
            priority: what it is done for; work for a full view is never refused.

        Raises:
            Overloaded: if too much is waiting.
        """
        (result,) = await self.run_all([function], turns=turns, priority=priority)
        return result

    async def run_all(
        self,
        functions: Sequence[Callable[[], _Result]],
        *,
        turns: int,
        priority: Priority = Priority.SESSION,
    ) -> list[_Result]:
        """Run the functions of one request, which are taken or refused together.

        Cancelled, because nobody waits for the answer any more, those that have not begun never
        begin, and whole sessions in work end before their next window; their turns leave the queue
        then. A live turn that was taken is finished: it changes a session that may be resumed.

        Raises:
            Overloaded: if too much is waiting.
        """
        backlog = self._backlogs.get(priority)
        if backlog is not None:
            backlog.admit(turns)
            backlog.turns += turns
        given_up = threading.Event()
        task = asyncio.create_task(self._work(functions, turns, priority, given_up))
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        try:
            # A request that is given up does not free its place before its work has ended.
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if priority is Priority.SESSION:
                given_up.set()
            raise

    def waiting(self) -> int:
        """Turns that wait or are in work."""
        return sum(backlog.turns for backlog in self._backlogs.values())

    async def close(self) -> None:
        """Finish what was taken, then stop."""
        while self._tasks:
            await asyncio.wait(self._tasks)
        for pool in self._pools.values():
            await asyncio.to_thread(pool.shutdown)

    async def _work(
        self,
        functions: Sequence[Callable[[], _Result]],
        turns: int,
        priority: Priority,
        given_up: threading.Event,
    ) -> list[_Result]:
        # No request fills the pool alone: a hundred sessions of one leave room for others.
        places = asyncio.Semaphore(max(1, self._at_once // 2))
        turns_each = turns / max(1, len(functions))

        async def one(function: Callable[[], _Result]) -> _Result:
            async with places:
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(
                    self._pools[priority], self._with, priority, given_up, turns_each, function
                )

        try:
            # All of them, also after one has failed: the others' threads are still at work.
            ended = await asyncio.gather(
                *(one(function) for function in functions), return_exceptions=True
            )
        finally:
            if priority in self._backlogs:
                self._backlogs[priority].turns -= turns
        results: list[_Result] = []
        for result in ended:
            if isinstance(result, BaseException):
                raise result
            results.append(result)
        return results

    def _with(
        self,
        priority: Priority,
        given_up: threading.Event,
        turns: float,
        function: Callable[[], _Result],
    ) -> _Result:
        if given_up.is_set():
            raise _GivenUp
        worker = self._worker
        worker.priority, worker.given_up, worker.seconds = priority, given_up, 0.0
        with self._lock:
            self._running += 1
            running = self._running
        if self._on_start is not None:
            self._on_start(running)
        try:
            result = function()
        finally:
            with self._lock:
                self._running -= 1
        if priority in self._backlogs:
            with self._lock:
                self._backlogs[priority].done(turns, worker.seconds)
        return result

    def _finished(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # nobody may be waiting for it any more


def _step_back() -> None:
    """Let this thread run when others have nothing to do; elsewhere than on Linux it stays."""
    if sys.platform == "linux":
        # There a thread has a niceness of its own; elsewhere it would be the whole process's.
        with suppress(OSError):  # a sandbox may forbid it; then it runs like the others
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
