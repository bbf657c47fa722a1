"""What the service costs beside the bare classifier, measured in one run.

``python -m alliance.serve.http.benchmark`` measures, on the same sessions: turns a second of the
classifier alone, with all cores; turns a second of the service, with clients that send whole
sessions over loopback; the classifier's time for one causal window; and how long live turns take,
with turns of many live sessions arriving at random (Poisson). Run it on a machine that does
nothing else; what counts are the two ratios.
"""

import argparse
import json
import math
import os
import random
import resource
import statistics
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import as_file
from pathlib import Path
from typing import Any, Final

from alliance.model.classifier import RuptureClassifier
from alliance.model.formats import read_session
from alliance.model.session import Session, Turn
from alliance.serve.client import Client
from alliance.serve.http import logs
from alliance.serve.http.app import create_app
from alliance.serve.http.server import in_thread
from alliance.serve.http.settings import Settings
from alliance.serve.live_client import LiveClient
from alliance.serve.sessions import example_file

__all__ = ["measure", "percentile"]

_SEED: Final = 7


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that ``share`` (0-1) of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def measure(
    model: Path | None,
    *,
    clients: int,
    sessions: int,
    live_sessions: int,
    live_seconds: float,
    interval: float,
) -> dict[str, Any]:
    """Measure everything once.

    Args:
        model: a model folder; None for the shipped weights.
        clients: clients that send whole sessions at the same time.
        sessions: whole sessions that are labelled, by the classifier and by the service.
        live_sessions: live sessions at once.
        live_seconds: for how long turns arrive.
        interval: mean seconds between two turns of a live session.

    Returns:
        JSON-ready figures; ``throughput_ratio`` and ``live_ratio`` are what is judged.
    """
    work = _sessions(sessions)
    bare = RuptureClassifier.load(model)
    turns = sum(len(session.turns) for session in work)
    _label_all(bare, work[:2])  # warm
    bare_seconds = _timed(lambda: _label_all(bare, work))
    window = statistics.median(_windows(bare, work))

    settings = Settings(port=0)
    app = create_app(settings, RuptureClassifier.load(model, threads=settings.threads))
    logs.configure(level=40)  # errors alone
    with in_thread(app, settings) as url:
        with Client(url, timeout=600) as client:
            client.timelines(work[:2])
            before = _memory()
            served_seconds = _timed(lambda: _send_all(client, work, clients))
            grown = _memory() - before
        delays = _live(url, live_sessions, live_seconds, interval) if live_sessions else []
    p95 = percentile(delays, 0.95) if delays else None
    return {
        "cores": os.cpu_count(),
        "workers": settings.workers,
        "clients": clients,
        "turns": turns,
        "bare_turns_per_second": round(turns / bare_seconds, 1),
        "service_turns_per_second": round(turns / served_seconds, 1),
        "throughput_ratio": round(bare_seconds / served_seconds, 3),
        "grown_mib": round(grown / 1024, 1),
        "live_sessions": live_sessions,
        "live_turns": len(delays),
        "window_ms": round(window * 1000, 2),
        "live_p50_ms": round(percentile(delays, 0.5) * 1000, 2) if delays else None,
        "live_p95_ms": None if p95 is None else round(p95 * 1000, 2),
        "live_ratio": None if p95 is None else round(p95 / window, 2),
    }


def _sessions(count: int) -> list[Session]:
    """Sessions of 40 to 400 turns, cut from the example's turns in random order."""
    draw = random.Random(_SEED)
    with as_file(example_file()) as path:
        turns = read_session(path).turns
    made = []
    for number in range(count):
        length = draw.randint(40, 400)
        said = [draw.choice(turns) for _ in range(length)]
        made.append(Session(f"s{number}", tuple(Turn(turn.speaker, turn.text) for turn in said)))
    return made


def _label_all(classifier: RuptureClassifier, sessions: Sequence[Session]) -> None:
    for session in sessions:
        classifier.label(session)


def _windows(classifier: RuptureClassifier, sessions: Sequence[Session]) -> list[float]:
    """Times of one causal window each, of turns deep in a session."""
    return [
        _timed(lambda turns=session.turns[:40]: classifier.score_last(turns))  # type: ignore[misc]
        for session in sessions[:30]
    ]


def _send_all(client: Client, sessions: Sequence[Session], clients: int) -> None:
    with ThreadPoolExecutor(clients) as pool:
        for made in pool.map(client.timeline, sessions):
            assert made.turns


def _live(url: str, count: int, seconds: float, interval: float) -> list[float]:
    """Delays of live turns, in seconds from when each was said to when its label was there.

    A turn that waits for the one before it counts from when it was said: a client that is held
    up must not hide the delay.
    """
    delays: list[float] = []
    (turns,) = (session.turns for session in _sessions(1))

    def talk(number: int) -> None:
        draw = random.Random(_SEED + number)
        said_at = time.perf_counter() + draw.expovariate(1 / interval)
        end = time.perf_counter() + seconds
        place = draw.randrange(len(turns))
        with LiveClient(url) as live:
            while said_at < end:
                time.sleep(max(0.0, said_at - time.perf_counter()))
                turn = turns[place % len(turns)]
                place += 1
                live.turn(turn.speaker, turn.text)
                delays.append(time.perf_counter() - said_at)
                said_at += draw.expovariate(1 / interval)

    threads = [threading.Thread(target=talk, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return delays


def _timed(function: Callable[[], object]) -> float:
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def _memory() -> int:
    """The most memory this process has held, in KiB (on Linux)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> None:
    """Parse arguments, measure, and print the figures as JSON."""
    parser = argparse.ArgumentParser(prog="python -m alliance.serve.http.benchmark")
    parser.add_argument("--model", type=Path, help="a model folder; else the shipped weights")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--sessions", type=int, default=60)
    parser.add_argument("--live-sessions", type=int, default=20)
    parser.add_argument("--live-seconds", type=float, default=60.0)
    parser.add_argument("--interval", type=float, default=4.0)
    given = parser.parse_args()
    figures = measure(
        given.model,
        clients=given.clients,
        sessions=given.sessions,
        live_sessions=given.live_sessions,
        live_seconds=given.live_seconds,
        interval=given.interval,
    )
    json.dump(figures, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
