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
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
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


class _Gated:
    """An encoder whose windows pass a gate, with the priority of the thread that asks."""

    def __init__(self, backend: Backend, gate: Gate, priorities: threading.local) -> None:
        self._backend = backend
        self._gate = gate
        self._priorities = priorities

    def __call__(self, ids: TokenIds) -> Logits:
        priority = getattr(self._priorities, "value", Priority.SESSION)
        with self._gate.passing(priority):
            return self._backend(ids)


class LabelQueue:
    """Labels sessions for many requests at once.

    Args:
        classifier: the model. Its encoder should use few threads: windows run side by side.
        workers: windows that run at once.
        queued_turns: turns, waiting and in work, above which new ones are refused; a session
            longer than this is taken when nothing else waits.
    """

    def __init__(
        self, classifier: RuptureClassifier, *, workers: int, queued_turns: int = 50_000
    ) -> None:
        self._priorities = threading.local()
        gate = Gate(workers)
        self.classifier = RuptureClassifier(
            classifier.name,
            tokenizer=classifier._tokenizer,
            backend=_Gated(classifier._backend, gate, self._priorities),
            packing=classifier.packing,
            calibration=classifier.calibration,
            decision=classifier.decision,
        )
        """The model, for functions given to :meth:`run`; its windows wait at the gate."""
        self._limit = queued_turns
        self.turns = 0
        """Turns that wait or are in work."""
        self.sessions = 0
        """Sessions (or other pieces of work) that wait or are in work."""
        self._pools = {
            Priority.LIVE: ThreadPoolExecutor(2 * workers, "live"),
            Priority.SESSION: ThreadPoolExecutor(_THREADS_PER_WINDOW * workers, "session"),
        }
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
        self.admit(turns)
        self.turns += turns
        self.sessions += 1
        future: Future[_Result] = self._pools[priority].submit(self._with, priority, function)
        future.add_done_callback(_forget)
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Any] = asyncio.wrap_future(future, loop=loop)
        done.add_done_callback(lambda _: self._left(turns))
        # A request that is given up does not stop its work half-way, nor free its place early.
        return await asyncio.shield(done)

    def admit(self, turns: int) -> None:
        """Raise :class:`Overloaded` if ``turns`` more do not fit the queue."""
        if self.turns and self.turns + turns > self._limit:
            raise Overloaded(self.retry_after())

    def retry_after(self) -> int:
        """Seconds (1-60) after which half of the queue should be done."""
        if self._speed <= 0:
            return 5
        return int(min(60, max(1, self.turns / 2 / self._speed)))

    def close(self) -> None:
        """Finish what was taken, then stop."""
        for pool in self._pools.values():
            pool.shutdown(wait=True)

    def _with(self, priority: Priority, function: Callable[[], _Result]) -> _Result:
        self._priorities.value = priority
        return function()

    def _left(self, turns: int) -> None:
        self.turns -= turns
        self.sessions -= 1
        self._done_turns += turns
        passed = time.monotonic() - self._since
        if passed >= 1.0:
            now = self._done_turns / passed
            self._speed = now if self._speed == 0 else 0.7 * self._speed + 0.3 * now
            self._done_turns, self._since = 0, time.monotonic()


def _forget(future: "Future[Any]") -> None:
    """Retrieve an error nobody waits for any more."""
    if not future.cancelled():
        future.exception()
