"""What the service costs beside the bare classifier, measured in one run.

``python -m alliance.serve.http.benchmark`` starts a server in a process of its own on this machine
and measures, one after the other: turns a second of the classifier alone and of the service with
clients that send whole sessions, in turn; how long live turns wait, with turns of many live
sessions arriving at random (Poisson), against the classifier's time for one window; memory after
many sessions; and what comes back when more is sent than can be done. A table goes to standard
output, and with ``-o`` all figures to a file. Run it on a machine that does nothing else; what
counts are the ratios. Each part can be made shorter, or left out with 0.
"""

import argparse
import asyncio
import json
import math
import os
import platform
import random
import statistics
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.resources import as_file
from pathlib import Path
from typing import Any, Final

from alliance.model.classifier import RuptureClassifier
from alliance.model.formats import read_session
from alliance.model.session import Session, Turn
from alliance.serve.http.benchmark_live import Delays, talk
from alliance.serve.http.benchmark_load import flood, send_all, send_many
from alliance.serve.http.benchmark_server import ServerProcess
from alliance.serve.http.benchmark_table import table
from alliance.serve.sessions import example_file

__all__ = ["Plan", "measure", "percentile"]

_SEED: Final = 7
_WINDOWS: Final = 15
_FLOOD_TURNS: Final = 400


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured, and for how long.

    Attributes:
        model: a model folder; None for the shipped weights.
        clients: clients that send whole sessions at the same time.
        sessions: whole sessions of 40 to 200 turns in a round.
        rounds: how often the classifier and the service label them, in turn.
        live_sessions: live sessions at once.
        live_seconds: for how long their turns arrive.
        interval: mean seconds between two turns of a live session.
        mixed_seconds: for how long, once more, while clients send whole sessions.
        memory_sessions: short sessions that are sent, a tenth of them live.
        memory_model: a model folder for these; None for ``model``.
        flood_clients: clients that send more than can be done.
        flood_seconds: for how long.
    """

    model: Path | None = None
    clients: int = 8
    sessions: int = 16
    rounds: int = 2
    live_sessions: int = 20
    live_seconds: float = 60.0
    interval: float = 4.0
    mixed_seconds: float = 20.0
    memory_sessions: int = 1000
    memory_model: Path | None = None
    flood_clients: int = 64
    flood_seconds: float = 15.0


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that ``share`` (0-1) of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def measure(plan: Plan, *, tell: Callable[[str], None] = lambda part: None) -> dict[str, Any]:
    """Measure everything once.

    Args:
        plan: what, and for how long.
        tell: told which part begins.

    Returns:
        JSON-ready figures, one part for each question; times are in ms.
    """
    figures: dict[str, Any] = {
        "machine": {
            "cores": os.cpu_count(),
            "processor": platform.processor() or platform.machine(),
            "system": platform.system(),
            "python": platform.python_version(),
            "load_before": _load(),
        }
    }
    with ServerProcess(plan.model) as server:
        memory = server.memory()
        figures["machine"]["model"] = RuptureClassifier.load(plan.model).name
        if plan.sessions:
            tell("whole sessions")
            figures["throughput"] = _throughput(plan, server.url)
        if plan.live_sessions and plan.live_seconds:
            tell("live sessions")
            figures["live"] = _live(plan, server.url)
        if plan.flood_clients and plan.flood_seconds:
            tell("more than can be done")
            figures["overload"] = _overload(plan, server)
        figures["server"] = {
            "faults": server.faults,
            "mib_at_start": _rounded(memory),
            "mib_at_end": _rounded(server.memory()),
        }
    if plan.memory_sessions:
        tell("memory after many sessions")
        figures["memory"] = _memory(plan)
    figures["machine"]["load_after"] = _load()
    return figures


def _throughput(plan: Plan, url: str) -> dict[str, Any]:
    work = _sessions(plan.sessions, 40, 200)
    turns = sum(len(session.turns) for session in work)
    cores = os.cpu_count() or 1
    bare = RuptureClassifier.load(plan.model)
    single = RuptureClassifier.load(plan.model, threads=1)
    refused = 0

    def serve() -> None:
        nonlocal refused
        refused += send_all(url, work, clients=plan.clients)

    ways: dict[str, Callable[[], object]] = {
        "bare": lambda: [bare.label(session) for session in work],
        "bare_side_by_side": lambda: _side_by_side(single, work, cores),
        "service": serve,
    }
    bare.label(work[0])
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(plan.rounds):
        for name, way in ways.items():
            seconds[name].append(_timed(way))
    speeds = {name: turns * plan.rounds / sum(times) for name, times in seconds.items()}
    return {
        "clients": plan.clients,
        "sessions": plan.sessions,
        "turns": turns,
        "rounds": plan.rounds,
        "bare_turns_per_second": _rounded(speeds["bare"]),
        "bare_side_by_side_turns_per_second": _rounded(speeds["bare_side_by_side"]),
        "service_turns_per_second": _rounded(speeds["service"]),
        "refused": refused,
        "ratio": _rounded(speeds["service"] / speeds["bare"]),
        "ratio_side_by_side": _rounded(speeds["service"] / speeds["bare_side_by_side"]),
    }


def _live(plan: Plan, url: str) -> dict[str, Any]:
    turns = _turns()

    def talked(seconds: float, begun: Callable[[], None] | None = None) -> Delays:
        return asyncio.run(
            talk(
                url,
                turns,
                sessions=plan.live_sessions,
                seconds=seconds,
                interval=plan.interval,
                seed=_SEED,
                begun=begun,
            )
        )

    windows = _windows(plan.model)
    alone = talked(plan.live_seconds)
    for kind, times in _windows(plan.model).items():  # again, should the machine have changed
        windows[kind] += times
    window = statistics.median(windows["causal"])
    figures: dict[str, Any] = {
        "sessions": plan.live_sessions,
        "interval_s": plan.interval,
        "windows_ms": {
            kind: {"median": _ms(statistics.median(times)), "p95": _ms(percentile(times, 0.95))}
            for kind, times in windows.items()
        },
        "alone": _delays(alone, window),
    }
    if plan.mixed_seconds and plan.sessions:
        work = _sessions(1000, 40, 200)  # more than can be done
        stop = threading.Event()
        with ThreadPoolExecutor(1) as pool:

            def send() -> None:
                threading.Timer(plan.mixed_seconds, stop.set).start()
                pool.submit(send_all, url, work, clients=plan.clients, stop=stop)

            mixed = talked(plan.mixed_seconds, send)
        figures["beside_whole_sessions"] = _delays(mixed, window)
    return figures


def _delays(delays: Delays, window: float) -> dict[str, Any]:
    out: dict[str, Any] = {"turns": len(delays.labels), "views": delays.revised}
    for name, values in (("label", delays.labels), ("view", delays.views)):
        for share in (50, 95, 99):
            value = percentile(values, share / 100) if values else math.nan
            out[f"{name}_p{share}_ms"] = _ms(value)
            out[f"{name}_p{share}_windows"] = _rounded(value / window)
    return out


def _windows(model: Path | None) -> dict[str, list[float]]:
    """Seconds of the bare classifier for one window, of turns deep in a session."""
    sessions = _sessions(_WINDOWS, 60, 60)
    bare = RuptureClassifier.load(model)
    single = RuptureClassifier.load(model, threads=1)
    bare.score_last(sessions[0].turns)
    single.score_last(sessions[0].turns)
    return {
        # What a live turn is compared with: the classifier as it comes, with all cores.
        "causal": [_timed(lambda s=s: bare.score_last(s.turns)) for s in sessions],  # type: ignore[misc]
        "causal_one_thread": [_timed(lambda s=s: single.score_last(s.turns)) for s in sessions],  # type: ignore[misc]
        "full": [_timed(lambda s=s: bare.score(_filled(bare, s))) for s in sessions],  # type: ignore[misc]
    }


def _filled(classifier: RuptureClassifier, session: Session) -> Session:
    """As many turns from its beginning as one window holds."""
    used, turns = 0, []
    for turn, encoded in zip(session.turns, classifier.encode(session.turns), strict=True):
        used += len(encoded.ids)
        if used > classifier.packing.room:
            break
        turns.append(turn)
    return Session(session.id, tuple(turns))


def _memory(plan: Plan) -> dict[str, Any]:
    total = plan.memory_sessions
    marks = sorted({max(1, total // 10), max(1, total // 2), total})
    model = plan.memory_model or plan.model
    session = Session("m", (Turn("therapist", "And how was that?"), Turn("client", "Useless.")))
    seen = {}
    with ServerProcess(model) as server:
        for mark in send_many(server.url, session, marks, clients=plan.clients, live_every=10):
            seen[mark] = server.memory()
    return {
        "model": RuptureClassifier.load(model).name,
        "turns_of_a_session": len(session.turns),
        "live_share": 0.1,
        "mib_after": {str(mark): _rounded(value) for mark, value in seen.items()},
        "growth": _rounded((seen[marks[-1]] or math.nan) / (seen[marks[0]] or math.nan) - 1),
        "faults": server.faults,
    }


def _overload(plan: Plan, server: ServerProcess) -> dict[str, Any]:
    (session,) = _sessions(1, _FLOOD_TURNS, _FLOOD_TURNS)
    before = server.memory()
    with server.watched() as memory:
        found = flood(
            server.url,
            session,
            clients=plan.flood_clients,
            seconds=plan.flood_seconds,
            now=time.perf_counter,
        )
    total = sum(found.statuses.values())
    return {
        "clients": plan.flood_clients,
        "turns_of_a_session": _FLOOD_TURNS,
        "statuses": {str(status): count for status, count in sorted(found.statuses.items())},
        "share_503": _rounded(found.statuses[503] / total),
        "without_answer": found.statuses[0],
        "refusals_that_say_when": found.asked_back,
        "slowest_answer_s": _rounded(max(found.answered, default=math.nan)),
        "slowest_refusal_s": _rounded(max(found.refused, default=math.nan)),
        "mib_before": _rounded(before),
        "mib_most": _rounded(max(memory, default=math.nan)),
        "mib_after": _rounded(server.memory()),
    }


def _turns() -> tuple[Turn, ...]:
    with as_file(example_file()) as path:
        return read_session(path).turns


def _sessions(count: int, shortest: int, longest: int) -> list[Session]:
    """Sessions cut from the example's turns in random order."""
    draw = random.Random(_SEED)
    turns = _turns()
    made = []
    for number in range(count):
        said = [draw.choice(turns) for _ in range(draw.randint(shortest, longest))]
        made.append(Session(f"s{number}", tuple(Turn(turn.speaker, turn.text) for turn in said)))
    return made


def _side_by_side(classifier: RuptureClassifier, sessions: Sequence[Session], threads: int) -> None:
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(classifier.label, sessions):
            pass


def _timed(function: Callable[[], object]) -> float:
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def _ms(seconds: float) -> float | None:
    return _rounded(seconds * 1000)


def _rounded(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else round(value, 3)


def _load() -> list[float] | None:
    """How busy the machine is: processes that run, over the last 1, 5 and 15 minutes."""
    return [round(value, 2) for value in os.getloadavg()] if hasattr(os, "getloadavg") else None


def main() -> None:
    """Parse arguments, measure, and write the figures."""
    parser = argparse.ArgumentParser(
        prog="python -m alliance.serve.http.benchmark",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    plan = Plan()
    parser.add_argument("-o", "--output", type=Path, help="a file for all figures, as JSON")
    for name, kind, text in (
        ("model", Path, "a model folder; the shipped weights unless told"),
        ("clients", int, "clients that send whole sessions"),
        ("sessions", int, "whole sessions in a round"),
        ("rounds", int, "rounds of whole sessions"),
        ("live-sessions", int, "live sessions at once"),
        ("live-seconds", float, "for how long their turns arrive"),
        ("interval", float, "mean seconds between two turns of a live session"),
        ("mixed-seconds", float, "for how long, beside whole sessions"),
        ("memory-sessions", int, "short sessions for the memory's growth"),
        ("memory-model", Path, "a model folder for these; a stub will do"),
        ("flood-clients", int, "clients that send more than can be done"),
        ("flood-seconds", float, "for how long"),
    ):
        default = getattr(plan, name.replace("-", "_"))
        parser.add_argument(f"--{name}", type=kind, default=default, help=text)
    given = vars(parser.parse_args())
    output = given.pop("output")
    # It takes minutes, and whoever waits wants to know for what.
    figures = measure(Plan(**given), tell=lambda part: print(part, file=sys.stderr, flush=True))
    sys.stdout.write(table(figures))
    if output is not None:
        output.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
