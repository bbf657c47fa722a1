"""``/readyz`` of a service whose store is well, away, or hangs."""

import asyncio
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from alliance.model.classifier import RuptureClassifier
from alliance.serve.http.app import create_app
from alliance.serve.http.keys import Scope
from alliance.serve.http.problems import Problem
from alliance.serve.http.server import in_thread
from alliance.serve.http.settings import Settings
from alliance.serve.http.store_check import StoreCheck
from alliance.serve.store.errors import StoreBusyError
from alliance.serve.store.store import Store

STUB = Path(__file__).parents[2] / "data" / "stub_model"


def test_ready_while_the_store_answers(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(port=0)
    app = create_app(settings, RuptureClassifier.load(STUB), store)
    with in_thread(app, settings) as url:
        assert httpx.get(f"{url}/readyz", timeout=60).status_code == 200

        def away() -> None:
            raise StoreBusyError("expected the store to answer, found it away; try again")

        monkeypatch.setattr(app.state.store_check, "_ping", away)
        refused = httpx.get(f"{url}/readyz", timeout=60)
        assert refused.status_code == 503
        assert refused.headers["content-type"] == "application/problem+json"
        assert "found it away" in refused.json()["detail"]
        assert httpx.get(f"{url}/livez", timeout=60).status_code == 200
        monkeypatch.undo()
        assert httpx.get(f"{url}/readyz", timeout=60).status_code == 200


def processes(store: Store) -> list[int]:
    """Those of the database: what takes calls, first, and what answers those of now."""
    with store.database.engine.connect() as connection:
        file = str(connection.execute(text("SELECT pg_read_file('postmaster.pid')")).scalar())
        first = int(file.split()[0])
        serving = connection.execute(text("SELECT pid FROM pg_stat_activity")).scalars()
        pids = [first, *serving]
    if shutil.which("pgrep"):  # one that is about to answer is not in that table yet
        listing = ["pgrep", "-P", str(first)]
        begun = subprocess.run(listing, capture_output=True, text=True, check=True).stdout
        pids += [int(pid) for pid in begun.split()]
    return list(dict.fromkeys(pids))


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_a_postgresql_that_hangs_is_not_ready_and_keys_are_not_waited_for(
    url: str, open_store: Callable[..., Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its processes are stopped, as by a disk that does not answer: it takes calls, and is mute."""
    store = open_store(url)
    _, token = store.keys.add(group="north", scopes=[Scope.ADMIN])
    monkeypatch.setattr("alliance.serve.http.middleware._KEY_SECONDS", 1.0)
    settings = Settings(port=0, require_keys=False)
    app = create_app(settings, RuptureClassifier.load(STUB), store)
    asking = Settings(port=0, require_keys=True)
    keyed = create_app(asking, RuptureClassifier.load(STUB), store)
    key = {"Authorization": f"Bearer {token}"}
    with in_thread(app, settings) as open_url, in_thread(keyed, asking) as keyed_url:
        pids = processes(store)
        try:
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            began = time.monotonic()
            for address, headers in ((open_url, {}), (keyed_url, key)):
                reply = httpx.get(f"{address}/readyz", headers=headers, timeout=60)
                assert (reply.status_code, reply.json()["title"]) == (503, "Store busy")
                assert int(reply.headers["retry-after"]) > 0
            assert time.monotonic() - began < 30
            assert httpx.get(f"{open_url}/livez", timeout=60).status_code == 200
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
        for address, headers in ((open_url, {}), (keyed_url, key)):
            for _ in range(100):
                if httpx.get(f"{address}/readyz", headers=headers, timeout=60).status_code == 200:
                    break
                time.sleep(0.1)
            else:
                raise AssertionError("it does not come back")


def test_one_thread_alone_waits_for_a_store_that_hangs() -> None:
    asked: list[int] = []
    go = threading.Event()

    def hang() -> None:
        asked.append(1)
        go.wait(30)

    async def run() -> None:
        check = StoreCheck(hang, seconds=0.05)
        for _ in range(5):
            with pytest.raises(Problem, match="Store busy"):
                await check.ask()
        go.set()
        await asyncio.sleep(0.1)
        await check.ask()

    asyncio.run(run())
    assert len(asked) == 2
