"""The queue: the same labels as alone, fair turns, and no more than it can hold."""

import asyncio
import os
import sys
import threading
import time
from functools import partial
from typing import Any

import numpy as np
import pytest

from alliance.model.classifier import RuptureClassifier
from alliance.model.session import Session, Turn
from alliance.serve.http.batching import LabelQueue, Priority
from alliance.serve.http.problems import Overloaded


def session(turns: int, word: str = "useless") -> Session:
    pair = (Turn("therapist", "How was the week, really?"), Turn("client", f"It is {word}."))
    return Session("s", tuple(pair[index % 2] for index in range(turns)))


class Recorder:
    """An encoder that notes who came when, and waits until it may go on."""

    def __init__(self, classifier: RuptureClassifier) -> None:
        self.inner = classifier.backend
        self.order: list[int] = []
        self.open = threading.Event()
        self.inside = self.most = 0
        self.lock = threading.Lock()

    def __call__(self, ids: Any) -> Any:
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
            self.order.append(int(np.max(ids)))
        self.open.wait(10)
        time.sleep(0.001)
        with self.lock:
            self.inside -= 1
        return self.inner(ids)


def recorded(classifier: RuptureClassifier) -> tuple[RuptureClassifier, Recorder]:
    recorder = Recorder(classifier)
    return classifier.with_backend(recorder), recorder


def test_labels_are_those_of_the_classifier_alone(classifier: RuptureClassifier) -> None:
    sessions = [session(n, word) for n in (1, 7, 60) for word in ("useless", "fine", "goal")]

    async def run() -> list[Any]:
        queue = LabelQueue(classifier, workers=2)
        try:
            return await asyncio.gather(*(queue.label(one) for one in sessions))
        finally:
            await queue.close()

    assert asyncio.run(run()) == [classifier.label(one) for one in sessions]


def test_causal_labels_too(classifier: RuptureClassifier) -> None:
    async def run() -> Any:
        queue = LabelQueue(classifier, workers=1)
        try:
            return await queue.label(session(9), causal=True)
        finally:
            await queue.close()

    assert asyncio.run(run()) == classifier.label(session(9), causal=True)


def test_a_short_session_does_not_wait_for_a_long_one_and_a_live_turn_for_neither(
    classifier: RuptureClassifier,
) -> None:
    slow, recorder = recorded(classifier)
    live = Recorder(classifier)
    live.open.set()
    done: list[str] = []

    async def run() -> None:
        queue = LabelQueue(slow, workers=1, live=live)

        def label(name: str, turns: int) -> None:
            queue.classifier.label(session(turns))
            done.append(name)

        def start(name: str, turns: int, priority: Priority) -> "asyncio.Task[None]":
            work = partial(label, name, turns)
            return asyncio.create_task(queue.run(work, turns=turns, priority=priority))

        long = start("long", 600, Priority.SESSION)
        while not recorder.inside:
            await asyncio.sleep(0.005)
        short = start("short", 4, Priority.SESSION)
        while queue._gate.waiting < 1:
            await asyncio.sleep(0.005)
        await start("live", 2, Priority.LIVE)  # while the one worker is held up
        recorder.open.set()
        await asyncio.gather(long, short)
        await queue.close()

    asyncio.run(run())
    assert done == ["live", "short", "long"]
    assert recorder.most == live.most == 1
    assert len(live.order) == 1


def test_no_more_windows_at_once_than_workers(classifier: RuptureClassifier) -> None:
    slow, recorder = recorded(classifier)
    recorder.open.set()

    async def run() -> None:
        queue = LabelQueue(slow, workers=2)
        await asyncio.gather(*(queue.label(session(80)) for _ in range(12)))
        await queue.close()

    asyncio.run(run())
    assert recorder.most == 2


def test_what_does_not_fit_is_refused_and_what_was_taken_is_finished(
    classifier: RuptureClassifier,
) -> None:
    slow, recorder = recorded(classifier)

    async def run() -> None:
        queue = LabelQueue(slow, workers=1, queued_turns=100)
        # Longer than the queue, but alone.
        first = asyncio.create_task(queue.label(session(150)))
        await asyncio.sleep(0.02)
        assert queue.waiting() == 150
        with pytest.raises(Overloaded) as refused:
            await queue.label(session(1))
        assert 1 <= int(refused.value.headers["Retry-After"]) <= 60
        assert queue.waiting() == 150
        closing = asyncio.create_task(queue.close())
        await asyncio.sleep(0.02)
        assert not closing.done()
        recorder.open.set()
        assert len(await first) == 150
        await closing
        assert queue.waiting() == 0

    asyncio.run(run())


def test_a_request_that_is_given_up_frees_its_place_when_its_work_ends(
    classifier: RuptureClassifier,
) -> None:
    slow, recorder = recorded(classifier)

    async def run() -> None:
        queue = LabelQueue(slow, workers=1, queued_turns=100)
        task = asyncio.create_task(queue.label(session(50)))
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert queue.waiting() == 50
        recorder.open.set()
        await queue.close()
        assert queue.waiting() == 0

    asyncio.run(run())


def test_what_nobody_waits_for_ends_before_its_next_window(
    classifier: RuptureClassifier,
) -> None:
    slow, recorder = recorded(classifier)
    done: list[int] = []

    async def run() -> None:
        queue = LabelQueue(slow, workers=1, queued_turns=20_000)

        def label(number: int) -> None:
            queue.classifier.label(session(600))
            done.append(number)

        works = [partial(label, number) for number in range(20)]
        task = asyncio.create_task(queue.run_all(works, turns=12_000))
        while not recorder.inside:
            await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        recorder.open.set()
        assert len(await queue.label(session(3))) == 3  # others are none the worse for it
        await queue.close()
        assert queue.waiting() == 0

    asyncio.run(run())
    assert done == []
    assert len(recorder.order) == 2


def test_a_live_turn_that_was_taken_is_finished(classifier: RuptureClassifier) -> None:
    slow, recorder = recorded(classifier)
    done: list[bool] = []

    async def run() -> None:
        queue = LabelQueue(slow, workers=1)

        def label() -> None:
            queue.classifier.label(session(600))
            done.append(True)

        task = asyncio.create_task(queue.run(label, turns=1, priority=Priority.LIVE))
        while not recorder.inside:
            await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        recorder.open.set()
        await queue.close()

    asyncio.run(run())
    assert done == [True]


def test_an_error_reaches_the_caller_and_frees_the_place(classifier: RuptureClassifier) -> None:
    def fail() -> None:
        raise ValueError("no")

    async def run() -> None:
        queue = LabelQueue(classifier, workers=1)
        with pytest.raises(ValueError, match="no"):
            await queue.run(fail, turns=5)
        assert queue.waiting() == 0
        await queue.close()

    asyncio.run(run())


def test_more_seconds_of_work_than_may_wait_are_refused(classifier: RuptureClassifier) -> None:
    opened = threading.Event()
    opened.set()

    def slow(ids: Any) -> Any:
        time.sleep(0.02)
        opened.wait(10)
        return classifier.backend(ids)

    queue = LabelQueue(classifier.with_backend(slow), workers=1, queued_seconds=1.0)

    async def run() -> None:
        await queue.label(session(2))  # a hundredth of a second a turn, or more
        opened.clear()
        first = asyncio.create_task(queue.label(session(90)))
        await asyncio.sleep(0.02)
        with pytest.raises(Overloaded):
            await queue.label(session(60))
        assert await queue.run(lambda: "at once", turns=1, priority=Priority.LIVE) == "at once"
        view = queue.run(lambda: "never refused", turns=0, priority=Priority.REVISION)
        assert await view == "never refused"
        opened.set()
        await first
        await queue.label(session(60))
        await queue.close()

    asyncio.run(run())


@pytest.mark.skipif(sys.platform != "linux", reason="threads have a niceness of their own on Linux")
def test_views_are_read_by_threads_that_step_back(classifier: RuptureClassifier) -> None:
    def niceness() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    async def run() -> list[int]:
        queue = LabelQueue(classifier, workers=1)
        found = [await queue.run(niceness, turns=0, priority=kind) for kind in Priority]
        await queue.close()
        return found

    own = niceness()
    live, view, whole = asyncio.run(run())
    assert live == whole == own < view
