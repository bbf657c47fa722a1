"""One process is the first and waits for nobody; several say so in the environment."""

import pytest

from alliance.training import processes
from alliance.training.processes import first_goes_ahead, is_first, process_count, wait_for_all


def test_a_process_alone_is_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WORLD_SIZE", "RANK"):
        monkeypatch.delenv(name, raising=False)
    assert process_count() == 1
    assert is_first()
    wait_for_all()  # comes back


@pytest.mark.parametrize(("rank", "order"), [("0", ["work", "wait"]), ("1", ["wait", "work"])])
def test_the_first_of_several_goes_ahead(
    rank: str, order: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", rank)
    done: list[str] = []
    monkeypatch.setattr(processes, "wait_for_all", lambda: done.append("wait"))
    with first_goes_ahead():
        done.append("work")
    assert done == order
    assert process_count() == 2
    assert is_first() is (rank == "0")
