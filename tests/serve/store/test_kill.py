"""A server that is killed under load loses nothing it acknowledged and doubles nothing."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from alliance.serve.http.access import LOCAL
from alliance.serve.store.store import Store

STUB = Path(__file__).parents[2] / "data" / "stub_model"
PROGRAM = "from alliance.serve.main import main; main()"
CLIENTS = 3
STARTS_S = 240  # on a machine with much else to do


def a_session(name: str) -> dict[str, Any]:
    turns = [
        {"speaker": "therapist" if n % 2 else "client", "text": f"Words {n} of {name}."}
        for n in range(8)
    ]
    return {"id": name, "turns": turns}


@contextmanager
def serving(url: str, key: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A server process on the store; killed at the end, if it still lives."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["serve", "--port", str(port), "--store", url, "--model", str(STUB)]
    environment = {**os.environ, "ALLIANCE_STORE_KEY": key, "ALLIANCE_JOB_LEASE_SECONDS": "2"}
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *words],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    base = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: httpx.get(f"{base}/readyz", timeout=5).status_code == 200, process)
        yield base, process
    finally:
        process.kill()
        process.wait()


def wait_for(done: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + STARTS_S
    while time.monotonic() < end:
        assert process.poll() is None, "the server has ended"
        try:
            if done():
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError("it takes too long")


class Load:
    """Clients that store, annotate and send jobs until the server dies, and note every answer."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.sent: list[tuple[str, str]] = []  # path and name, each with a key of its own
        self.stored: dict[str, str] = {}  # name to location, acknowledged
        self.jobs: dict[str, str] = {}
        self.annotated: list[str] = []  # locations of sessions whose turn 0 is annotated
        self.unforeseen: list[int] = []
        self._threads = [
            threading.Thread(target=self._run, args=(number,)) for number in range(CLIENTS)
        ]
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join()

    def send(self, client: httpx.Client, path: str, name: str) -> None:
        """Send a session or a job, for the first time or again."""
        session = a_session(name)
        body = {"sessions": [session, session]} if path == "/v1/jobs" else {"session": session}
        reply = client.post(path, json=body, headers={"Idempotency-Key": name})
        if reply.status_code not in (201, 202):
            self.unforeseen.append(reply.status_code)
            return
        kept = self.jobs if path == "/v1/jobs" else self.stored
        kept[name] = reply.headers["location"]

    def _run(self, number: int) -> None:
        with httpx.Client(base_url=self.base, timeout=60) as client:
            try:
                for count in range(10_000):
                    path = "/v1/jobs" if count % 3 == 2 else "/v1/sessions"
                    name = f"{number}-{count}"
                    self.sent.append((path, name))
                    self.send(client, path, name)
                    if path == "/v1/sessions" and name in self.stored:
                        place = f"{self.stored[name]}/turns/0/annotation"
                        reply = client.put(place, json={"label": "neutral", "note": name})
                        if reply.status_code == 200:
                            self.annotated.append(self.stored[name])
            except httpx.TransportError:
                return  # the server has died


def test_kill_nine_under_load(url: str, open_store: Callable[..., Store], key: str) -> None:
    with serving(url, key) as (base, process):
        load = Load(base)
        wait_for(lambda: len(load.stored) >= 6 and len(load.jobs) >= 3, process)
        process.send_signal(signal.SIGKILL)
        load.join()
    acknowledged = dict(load.stored)
    assert load.unforeseen == []

    with serving(url, key) as (base, process), httpx.Client(base_url=base, timeout=60) as client:
        for name, place in acknowledged.items():
            found = client.get(place).json()
            assert (found["session_id"], found["turn_count"]) == (name, 8)
        for place in load.annotated:
            assert len(client.get(place).json()["annotations"]) == 1
        for path, name in load.sent:  # what a client does that has heard no answer
            load.send(client, path, name)
        assert load.unforeseen == []
        assert acknowledged.items() <= load.stored.items()
        for place in load.jobs.values():
            wait_for(lambda place=place: client.get(place).json()["state"] == "done", process)  # type: ignore[misc]
            lines = client.get(f"{place}/result").text.splitlines()
            assert len(lines) == 2

    store = open_store(url, key=key)
    names: Counter[str] = Counter()
    for one in store.sessions.page(LOCAL, limit=10_000):
        kept = store.sessions.get(LOCAL, one.id)
        assert kept is not None
        names[kept[2]] += 1
    assert set(names) == set(load.stored)
    assert set(names.values()) == {1}
