"""A full disk: a clear refusal, nothing added, nothing harmed."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from alliance.model.labelled import LabelledSession
from alliance.serve.store.audit import Service
from alliance.serve.store.cipher import StoreKey, new_key
from alliance.serve.store.database import Database
from alliance.serve.store.errors import StoreFullError
from alliance.serve.store.migrating import upgrade
from alliance.serve.store.store import Store


def test_a_full_store_refuses_and_stays_whole(
    tmp_path: Path, sketch: Callable[..., LabelledSession], anna: Service
) -> None:
    database = Database(f"sqlite:///{tmp_path / 'store.db'}", max_pages=120)
    upgrade(database)
    store = Store(database, StoreKey.parse(new_key()))
    labelled = sketch("tN cN " * 40)
    stored = []
    with pytest.raises(StoreFullError, match="nothing was added and nothing is harmed"):  # noqa: PT012
        for _ in range(100):
            stored.append(store.sessions.add(anna, labelled).id)
    with database.reading() as db:
        assert db.execute(text("PRAGMA integrity_check")).scalar() == "ok"
        assert db.execute(text("SELECT count(*) FROM turns")).scalar() == 80 * len(stored)
        assert sorted(db.scalars(text("SELECT id FROM sessions"))) == sorted(stored)
    assert len(stored) > 1
    assert store.sessions.erase(anna, stored[0])  # and erasing still works, and makes room
    assert store.sessions.get(anna, stored[1]) is not None
    store.sessions.add(anna, sketch("tN cN"))
    store.close()


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_a_postgresql_without_room_is_told_as_full(
    store: Store, sketch: Callable[..., LabelledSession], anna: Service
) -> None:
    """Its own error for a full disk, raised where a row is written."""
    kept = store.sessions.add(anna, sketch("tN cN"))
    with store.database.transaction() as db:
        db.execute(
            text(
                "CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$"
            )
        )
        db.execute(
            text(
                "CREATE TRIGGER no_room BEFORE INSERT ON turns "
                "FOR EACH ROW EXECUTE FUNCTION no_room()"
            )
        )
    with pytest.raises(StoreFullError, match="nothing was added and nothing is harmed"):
        store.sessions.add(anna, sketch("tN cN"))
    with store.database.transaction() as db:
        db.execute(text("DROP TRIGGER no_room ON turns"))
    assert [one.id for one in store.sessions.page(anna)] == [kept.id]
    store.sessions.add(anna, sketch("tN cN"))


# -- a disk that is really full

SMALL_DISK = 'mount -t tmpfs -o size=2m,mode=700 none "$1" && shift && exec "$@"'
SERVE = "from alliance.serve.main import main; main()"


def may_mount(folder: Path) -> bool:
    if shutil.which("unshare") is None or shutil.which("nsenter") is None:
        return False
    words = ["unshare", "--mount", "sh", "-c", SMALL_DISK, "sh", str(folder), "true"]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


def test_a_server_whose_disk_is_full_refuses_and_loses_nothing(tmp_path: Path, stub: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if not may_mount(disk):
        pytest.skip("this user may mount no small disk")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [
            *("unshare", "--mount", "sh", "-c", SMALL_DISK, "sh", disk),
            *(sys.executable, "-c", SERVE, "serve", "--port", str(port), "--model", stub),
            *("--store", f"sqlite:///{disk / 'store.db'}"),
        ],
        env={**os.environ, "ALLIANCE_STORE_KEY": new_key()},
        stderr=subprocess.DEVNULL,
    )
    turns = [{"speaker": "client", "text": "word " * 200}] * 20
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as client:
            wait_until_ready(client, server)
            stored: list[str] = []
            refused: list[int] = []
            while len(refused) < 5:
                path = "/v1/jobs" if len(stored) + len(refused) == 3 else "/v1/sessions"
                reply = client.post(path, json={"session": {"turns": turns}})
                assert reply.status_code in (201, 202, 503, 507), reply.text
                if reply.status_code < 300:
                    stored.append(reply.headers["location"])
                else:
                    refused.append(reply.status_code)
                    assert reply.headers["content-type"] == "application/problem+json"
                assert len(stored) < 500, "the disk is never full"
            assert 507 in refused
            assert client.get("/livez").status_code == 200
            more = ("mount", "-o", "remount,size=64m", disk)
            subprocess.run(["nsenter", "-t", str(server.pid), "-m", *more], check=True)
            for place in stored:
                reply = client.get(place)
                assert reply.status_code == 200, reply.text
                assert reply.json().get("turn_count", 20) == 20
            listed = client.get("/v1/sessions").json()["sessions"]
            assert len(listed) == sum("/sessions/" in place for place in stored)
            assert client.delete(f"/v1/sessions/{listed[0]['id']}").status_code == 204
            again = client.post("/v1/sessions", json={"session": {"turns": turns}})
            assert again.status_code == 201
    finally:
        server.kill()
        server.wait()


def wait_until_ready(client: httpx.Client, server: "subprocess.Popen[bytes]") -> None:
    for _ in range(2400):
        assert server.poll() is None, "the server has ended"
        try:
            if client.get("/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError("it takes too long")
