"""The gate: whose window runs next."""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from alliance.serve.http.gate import Gate, Priority

LIVE, REVISION, SESSION = Priority.LIVE, Priority.REVISION, Priority.SESSION


class Passer:
    """A thread that goes through the gate and stays inside until it is told to leave."""

    def __init__(self, gate: Gate, priority: Priority) -> None:
        self.leave = threading.Event()
        self.inside = threading.Event()
        before = gate.waiting

        def pass_through() -> None:
            with gate.passing(priority):
                self.inside.set()
                assert self.leave.wait(20)

        self.thread = threading.Thread(target=pass_through)
        self.thread.start()
        while not (self.inside.is_set() or gate.waiting > before):
            time.sleep(0.001)

    def end(self) -> None:
        self.leave.set()
        self.thread.join(20)
        assert not self.thread.is_alive()


@contextmanager
def passers(gate: Gate, *priorities: Priority) -> Iterator[list[Passer]]:
    """Threads that came in this order."""
    with ExitStack() as stack:
        made = []
        for priority in priorities:
            made.append(Passer(gate, priority))
            stack.callback(made[-1].leave.set)
        yield made


def inside(made: list[Passer]) -> list[int]:
    return [place for place, one in enumerate(made) if one.inside.is_set()]


def test_a_live_window_runs_beside_all_others_and_waits_for_live_ones_alone() -> None:
    gate = Gate(2, live_places=1)
    with passers(gate, SESSION, REVISION, SESSION, LIVE, LIVE) as made:
        assert inside(made) == [0, 1, 3]
        assert gate.waiting == 2
        made[3].end()
        assert made[4].inside.wait(20)
        assert inside(made) == [0, 1, 3, 4]


def test_no_new_window_takes_the_last_place_but_one_while_a_live_one_runs() -> None:
    gate = Gate(2)
    with passers(gate, SESSION, SESSION, SESSION, SESSION, LIVE) as made:
        assert inside(made) == [0, 1, 4]
        made[0].end()
        assert inside(made) == [0, 1, 4]
        made[1].end()  # one goes on always, so that a busy server of live sessions starves nobody
        assert made[2].inside.wait(20)
        assert inside(made) == [0, 1, 2, 4]
        made[4].end()
        assert made[3].inside.wait(20)


def test_views_and_whole_sessions_take_turns_and_come_in_order_among_themselves() -> None:
    gate = Gate(1)
    kinds = [SESSION, SESSION, SESSION, SESSION, REVISION, REVISION]
    with passers(gate, *kinds) as made:
        order = []
        for _ in kinds:
            (now,) = set(inside(made)) - set(order)
            order.append(now)
            made[now].end()
            left = [one for place, one in enumerate(made) if place not in order]
            while left and not any(one.inside.is_set() for one in left):
                time.sleep(0.001)
        assert order == [0, 4, 1, 5, 2, 3]


def test_places_are_given_back_after_errors() -> None:
    gate = Gate(1)
    for _ in range(3):
        for priority in Priority:
            with pytest.raises(ValueError, match="x"), gate.passing(priority):
                raise ValueError("x")
    for priority in Priority:
        with gate.passing(priority):
            pass
    assert gate.waiting == 0
