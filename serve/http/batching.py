"""The queue before the classifier: many requests share it fairly, off the event loop.

One window per call is part of the model's contract (what a session gets never depends on its
neighbours), so sharing means that the windows of many requests take turns at the encoder, in
worker threads; ONNX Runtime and the tokenizer work outside the interpreter's lock. Before each
window its thread waits at a gate. Live turns pass first; whole sessions pass in the order they
came to the gate, so a short session does not wait for the end of a long one.
"""

import asyncio
import heapq
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from enum import IntEnum
from typing import Any, Final, TypeVar

from alliance.model.backend import Backend, Logits
from alliance.model.classifier import RuptureClassifier
from alliance.model.labelled import LabelledSession, Purpose
from alliance.model.session import Session
from alliance.model.tokens import TokenIds
from alliance.serve.http.problems import Overloaded

__all__ = ["Gate", "LabelQueue", "Priority"]

_Result = TypeVar("_Result")

_THREADS_PER_WINDOW: Final = 4
"""Sessions in work for each window that runs: they are what takes turns at the gate."""


class Priority(IntEnum):
    """Whose windows pass the gate first."""

    LIVE = 0
    SESSION = 1


class Gate:
    """Lets a number of threads through at once: the most urgent first, then who came first.

    Args:
        slots: threads inside at once.
    """

    def __init__(self, slots: int) -> None:
        self._free = slots
        self._lock = threading.Lock()
        self._waiting: list[tuple[int, int, threading.Lock]] = []
        self._arrivals = 0

    @property
    def waiting(self) -> int:
        """Threads before the gate."""
        return len(self._waiting)

    @contextmanager
    def passing(self, priority: Priority) -> Iterator[None]:
        """Wait for a slot and hold it."""
        with self._lock:
            door = None
            if self._free and not self._waiting:
                self._free -= 1
            else:
                door = threading.Lock()
                door.acquire()
                self._arrivals += 1
                heapq.heappush(self._waiting, (priority, self._arrivals, door))
        if door is not None:
            door.acquire()  # opened by whoever leaves
        try:
            yield
        finally:
            with self._lock:
                if self._waiting:
                    heapq.heappop(self._waiting)[2].release()
                else:
                    self._free += 1


class _GivenUp(Exception):  # noqa: N818  # nobody waits to see it
    """Whoever asked for this work waits for it no more."""


class _Gated:
    """An encoder whose windows pass a gate, with the priority of the thread that asks."""

    def __init__(self, backend: Backend, gate: Gate, priorities: threading.local) -> None:
        self._backend = backend
        self._gate = gate
        self._priorities = priorities

    def __call__(self, ids: TokenIds) -> Logits:
        priority = getattr(self._priorities, "value", Priority.SESSION)
        given_up: threading.Event | None = getattr(self._priorities, "given_up", None)
        with self._gate.passing(priority):
            if given_up is not None and given_up.is_set():
                raise _GivenUp
            return self._backend(ids)


class LabelQueue:
    """Labels sessions for many requests at once.

    Args:
        classifier: the model. Its encoder should use few threads: windows run side by side.
        workers: windows that run at once.
        queued_turns: turns, waiting and in work, above which new ones are refused; a session
            longer than this is taken when nothing else waits.
        on_start: told, as a piece of work begins, how many are in work by then.
    """

    def __init__(
        self,
        classifier: RuptureClassifier,
        *,
        workers: int,
        queued_turns: int = 10_000,
        on_start: Callable[[int], None] | None = None,
    ) -> None:
        self._priorities = threading.local()
        self._gate = Gate(workers)
        self.classifier = classifier.with_backend(
            _Gated(classifier.backend, self._gate, self._priorities)
        )
        """The model, for functions given to :meth:`run`; its windows wait at the gate."""
        self._limit = queued_turns
        self._on_start = on_start
        self.turns = 0
        """Turns that wait or are in work."""
        self._at_once = _THREADS_PER_WINDOW * workers
        self._pools = {
            Priority.LIVE: ThreadPoolExecutor(2 * workers, "live"),
            Priority.SESSION: ThreadPoolExecutor(self._at_once, "session"),
        }
        self._tasks: set[asyncio.Task[Any]] = set()
        self._running = 0
        self._lock = threading.Lock()
        self._speed = 0.0  # turns/s, smoothed
        self._done_turns = 0
        self._since = time.monotonic()

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
            priority: whose windows come first.

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
        self.admit(turns)
        self.turns += turns
        given_up = threading.Event()
        task = asyncio.create_task(self._work(functions, turns, priority, given_up))
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        try:
            # A request that is given up does not free its place before its work has ended.
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if priority is not Priority.LIVE:
                given_up.set()
            raise

    def admit(self, turns: int) -> None:
        """Raise :class:`Overloaded` if ``turns`` more do not fit the queue."""
        if self.turns and self.turns + turns > self._limit:
            raise Overloaded(self.retry_after())

    def waiting(self) -> int:
        """Turns that wait or are in work."""
        return self.turns

    def retry_after(self) -> int:
        """Seconds (1-60) after which half of the queue should be done."""
        if self._speed <= 0:
            return 5
        return int(min(60, max(1, self.turns / 2 / self._speed)))

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

        async def one(function: Callable[[], _Result]) -> _Result:
            async with places:
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(
                    self._pools[priority], self._with, priority, given_up, function
                )

        try:
            # All of them, also after one has failed: the others' threads are still at work.
            ended = await asyncio.gather(
                *(one(function) for function in functions), return_exceptions=True
            )
        finally:
            self._left(turns)
        results: list[_Result] = []
        for result in ended:
            if isinstance(result, BaseException):
                raise result
            results.append(result)
        return results

    def _with(
        self, priority: Priority, given_up: threading.Event, function: Callable[[], _Result]
    ) -> _Result:
        if given_up.is_set():
            raise _GivenUp
        self._priorities.value, self._priorities.given_up = priority, given_up
        with self._lock:
            self._running += 1
            running = self._running
        if self._on_start is not None:
            self._on_start(running)
        try:
            return function()
        finally:
            with self._lock:
                self._running -= 1

    def _left(self, turns: int) -> None:
        self.turns -= turns
        self._done_turns += turns
        passed = time.monotonic() - self._since
        if passed >= 1.0:
            now = self._done_turns / passed
            self._speed = now if self._speed == 0 else 0.7 * self._speed + 0.3 * now
            self._done_turns, self._since = 0, time.monotonic()

    def _finished(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # nobody may be waiting for it any more
