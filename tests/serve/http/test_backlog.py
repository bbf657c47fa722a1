"""How much work is taken on."""

import pytest

from alliance.serve.http.backlog import Backlog
from alliance.serve.http.problems import Overloaded


def test_more_turns_than_fit_are_refused_unless_nothing_waits() -> None:
    backlog = Backlog(turns=100, seconds=30.0, places=2)
    backlog.admit(1000)
    backlog.turns = 60
    backlog.admit(40)
    with pytest.raises(Overloaded) as refused:
        backlog.admit(41)
    assert refused.value.headers["Retry-After"] == "5"  # nothing is known of its speed yet


def test_more_seconds_than_may_wait_are_refused() -> None:
    backlog = Backlog(turns=10_000, seconds=30.0, places=2)
    backlog.done(100, 10.0)  # a tenth of a second each, two at once
    assert backlog.seconds(600) == pytest.approx(30.0)
    backlog.turns = 500
    backlog.admit(100)
    with pytest.raises(Overloaded) as refused:
        backlog.admit(101)
    assert refused.value.headers["Retry-After"] == "12"  # half of 25 s
    backlog.turns = 0
    backlog.admit(5000)


def test_the_speed_follows_the_work_and_short_work_says_little() -> None:
    backlog = Backlog(turns=10_000, seconds=30.0, places=1)
    assert backlog.seconds(1000) == 0.0
    backlog.done(100, 1.0)
    backlog.done(1, 1.0)  # a turn by itself takes a whole window
    assert backlog.seconds(1000) == pytest.approx(10.0 + 990 * 0.3 / 20)
    for _ in range(50):
        backlog.done(100, 5.0)
    assert backlog.seconds(1000) == pytest.approx(50.0, rel=1e-3)
    backlog.done(0, 5.0)
    backlog.done(5, 0.0)  # turns without words take no time, and say nothing
    assert backlog.seconds(1000) == pytest.approx(50.0, rel=1e-3)


@pytest.mark.parametrize(("turns", "after"), [(1, "1"), (10_000, "60")])
def test_a_client_is_asked_back_within_a_minute(turns: int, after: str) -> None:
    backlog = Backlog(turns=1, seconds=30.0, places=1)
    backlog.done(100, 10.0)
    backlog.turns = turns
    with pytest.raises(Overloaded) as refused:
        backlog.admit(1)
    assert refused.value.headers["Retry-After"] == after
