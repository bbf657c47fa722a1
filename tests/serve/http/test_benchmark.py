"""The benchmark measures what it says; how fast the stub is on a busy machine is not tested."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from alliance.serve.http import benchmark
from alliance.serve.http.benchmark import percentile
from alliance.serve.http.benchmark_server import ServerProcess
from alliance.serve.http.benchmark_table import table


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 1), (0.05, 1), (0.5, 10), (0.501, 11), (0.95, 19), (1.0, 20)]
)
def test_a_percentile_is_a_value_that_so_many_do_not_exceed(share: float, expected: int) -> None:
    values = [float(value) for value in range(20, 0, -1)]
    found = percentile(values, share)
    assert found == expected
    assert sum(value <= found for value in values) >= share * len(values)


@pytest.fixture(scope="module")
def figures(stub: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("benchmark") / "figures.json"
    words = (
        "--sessions 2 --rounds 1 --clients 2 --live-sessions 3 --live-seconds 1.5 --interval 0.3 "
        "--mixed-seconds 0.5 --memory-sessions 20 --flood-clients 12 --flood-seconds 0.5"
    ).split()
    given = ["benchmark", "--model", str(stub), "-o", str(path), *words]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", given)
        patch.setenv("ALLIANCE_QUEUED_TURNS", "500")
        benchmark.main()
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def test_whole_sessions_are_labelled_by_all_ways(figures: dict[str, Any]) -> None:
    found = figures["throughput"]
    assert found["service_turns_per_second"] > 0
    ratio = found["service_turns_per_second"] / found["bare_turns_per_second"]
    assert found["ratio"] == pytest.approx(ratio, rel=0.01)
    assert 80 <= found["turns"] <= 400


def test_every_live_turn_is_told_of_and_seen_in_full_view(figures: dict[str, Any]) -> None:
    window = figures["live"]["windows_ms"]["causal"]["median"]
    for part in ("alone", "beside_whole_sessions"):
        found = figures["live"][part]
        assert found["turns"] > 0
        assert 0 < found["views"] <= found["turns"]
        delays = [found[f"label_p{share}_ms"] for share in (50, 95, 99)]
        assert delays == sorted(delays)
        assert found["label_p95_windows"] == pytest.approx(delays[1] / window, rel=0.01)
        # The view comes after the label.
        assert found["view_p50_ms"] > found["label_p50_ms"]


def test_more_than_can_be_done_is_refused_and_everybody_answered(figures: dict[str, Any]) -> None:
    found = figures["overload"]
    assert set(found["statuses"]) == {"200", "503"}
    assert found["without_answer"] == 0
    assert found["refusals_that_say_when"] == found["statuses"]["503"]
    assert 0 < found["share_503"] < 1


@pytest.mark.skipif(sys.platform != "linux", reason="the memory of a process is told on Linux")
def test_memory_is_looked_at_along_the_way(figures: dict[str, Any]) -> None:
    found = figures["memory"]
    assert list(found["mib_after"]) == ["2", "10", "20"]
    assert all(20 < value < 2000 for value in found["mib_after"].values())
    assert found["growth"] < 0.5
    assert figures["server"]["faults"] == found["faults"] == 0


def test_the_table_says_what_was_reached(figures: dict[str, Any]) -> None:
    lines = table(figures).splitlines()
    assert any(line.startswith("service to bare ") for line in lines)
    for ratio, told in ((0.85, "ok: at least 85%"), (0.849, "NOT REACHED: at least 85%")):
        made = {**figures, "throughput": {**figures["throughput"], "ratio": ratio}}
        (line,) = [line for line in table(made).splitlines() if line.startswith("service to bare ")]
        assert line.endswith(told)
    for windows, told in ((3.0, "ok: at most 3"), (3.01, "NOT REACHED: at most 3")):
        alone = {**figures["live"]["alone"], "label_p95_windows": windows}
        made = {**figures, "live": {**figures["live"], "alone": alone}}
        assert any(
            line.endswith(f"{windows:.2f} windows; {told}") for line in table(made).splitlines()
        )


def test_parts_can_be_left_out(stub: Path) -> None:
    plan = benchmark.Plan(
        model=stub, sessions=0, live_sessions=0, memory_sessions=0, flood_clients=0
    )
    found = benchmark.measure(plan)
    assert set(found) == {"machine", "server"}
    assert "cores" in table(found)


def test_a_server_that_does_not_start_is_told(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="expected alliance serve to be ready"):
        ServerProcess(tmp_path / "none").__enter__()


def test_the_documented_figures_are_those_that_were_measured() -> None:
    root = Path(__file__).parents[3]
    text = (root / "data_cards" / "figures" / "service.json").read_text(encoding="utf-8")
    documented = (root / "serve" / "README.md").read_text(encoding="utf-8")
    assert table(json.loads(text)) in documented
