"""Jobs sent as JSON lines: stored as they come, whole or not at all."""

import datetime as dt
import json
import socket
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import text

from alliance.model.classifier import RuptureClassifier
from alliance.serve.http import job_stream
from alliance.serve.http.app import create_app
from alliance.serve.http.server import in_thread
from alliance.serve.http.settings import Settings
from alliance.serve.store import job_uploads
from alliance.serve.store.audit import Service
from alliance.serve.store.errors import GoneError, IdempotencyError
from alliance.serve.store.job import JobState
from alliance.serve.store.store import Store

STUB = Path(__file__).parents[2] / "data" / "stub_model"
MARKER = "Xq7marker"
NDJSON = {"Content-Type": "application/x-ndjson"}
Serve = Callable[..., httpx.Client]


def a_line(name: str, said: str = "Thanks, that helps.") -> bytes:
    return json.dumps({"id": name, "turns": [{"speaker": "Anna", "text": said}]}).encode() + b"\n"


OPTIONS = json.dumps({"roles": {"Anna": "client"}, "include_text": True}).encode() + b"\n"


@pytest.fixture
def serve(store: Store) -> Iterator[Serve]:
    """Clients of services on the store."""
    ends: list[Any] = []

    def start(**keywords: Any) -> httpx.Client:
        settings = Settings(port=0, **keywords)
        server = in_thread(create_app(settings, RuptureClassifier.load(STUB), store), settings)
        client = httpx.Client(base_url=server.__enter__(), timeout=120)
        ends.extend((lambda: server.__exit__(None, None, None), client.close))
        return client

    yield start
    for end in reversed(ends):
        end()


def results(client: httpx.Client, place: str) -> list[dict[str, Any]]:
    for _ in range(600):
        if client.get(place).json()["state"] == "done":
            return [json.loads(line) for line in client.get(f"{place}/result").text.splitlines()]
        time.sleep(0.1)
    raise AssertionError("the job is never done")


def rows(store: Store) -> tuple[int, int]:
    with store.database.reading() as db:
        counts = [
            db.execute(text(f"SELECT count(*) FROM {name}")).scalar()
            for name in ("jobs", "job_items")
        ]
    return int(counts[0] or 0), int(counts[1] or 0)


def test_lines_become_a_job_and_bad_ones_stand_alone(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_stream, "_PIECE", 200)  # several pieces
    client = serve()
    bad = [
        b"\n",
        f'{{"id": "x", "turns": [{{"speaker": "Zoe", "text": "{MARKER}"}}]}}\n'.encode(),
        f'{{"id": "y", "turns": [], "{MARKER}": 1}}\n'.encode(),
        f"{MARKER}\n".encode(),
    ]
    good = [a_line(f"s{n}", f"useless {n}") for n in range(5)]
    sent = client.post(
        "/v1/jobs", content=iter([OPTIONS, *good[:3], *bad, *good[3:]]), headers=NDJSON
    )
    assert sent.status_code == 202, sent.text
    assert sent.json()["sessions"] == 8
    found = results(client, sent.headers["location"])
    assert [one.get("session_id") for one in found] == [
        *("s0", "s1", "s2"),
        *("x", "session-5", "session-6"),
        *("s3", "s4"),
    ]
    assert [one["status"] for one in found[3:6]] == [422, 422, 400]
    assert [error["loc"] for error in found[3]["errors"]] == [["line", 6, "turns", 0, "speaker"]]
    assert {tuple(error["loc"][:2]) for error in found[4]["errors"]} == {("line", 7)}
    assert MARKER not in json.dumps(found)
    assert found[6]["turns"][0]["text"] == "useless 3"
    assert found[6]["turns"][0]["label"] == "confrontation"


def test_the_first_line_may_be_a_session(serve: Serve) -> None:
    client = serve()
    line = b'\xef\xbb\xbf{"turns": [{"speaker": "C", "text": "Thanks."}]}'  # no end of line
    place = client.post("/v1/jobs", content=line, headers=NDJSON).headers["location"]
    (found,) = results(client, place)
    assert found["session_id"] == "session-1"
    assert "text" not in found["turns"][0]


@pytest.mark.parametrize(
    ("content", "status", "title"),
    [
        (b"", 422, "Invalid request"),
        (OPTIONS, 422, "Invalid request"),
        (f'{{"purpose": "{MARKER}"}}\n'.encode() + a_line("a"), 422, "Invalid request"),
        (f'{{"{MARKER}": 1}}\n'.encode() + a_line("a"), 422, "Invalid request"),
        (OPTIONS + a_line("a", "long " * 1000), 413, "Line too long"),
        (OPTIONS + a_line("a", "long " * 700) * 4, 413, "Body too long"),
        (OPTIONS + a_line("a") * 6, 413, "Too many sessions"),
    ],
)
@pytest.mark.parametrize("cut", [50, 1 << 20])
def test_what_is_not_taken_leaves_nothing(
    cut: int,
    serve: Serve,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    content: bytes,
    status: int,
    title: str,
) -> None:
    monkeypatch.setattr(job_stream, "_PIECE", 100)
    monkeypatch.setattr(job_stream, "MAX_LINES", 5)
    client = serve(body_bytes=4000, job_bytes=10_000)
    # Of unknown length; however it is cut into pieces on its way.
    pieces = (content[at : at + cut] for at in range(0, len(content), cut))
    refused = client.post("/v1/jobs", content=pieces, headers=NDJSON)
    assert (refused.status_code, refused.json()["title"]) == (status, title)
    assert MARKER not in refused.text
    assert rows(store) == (0, 0)


def test_other_bodies_keep_their_limit_and_another_type_is_told(serve: Serve) -> None:
    client = serve(body_bytes=4000, job_bytes=100_000)
    body = {"session": {"turns": [{"speaker": "C", "text": "long " * 1000}]}}
    assert client.post("/v1/jobs", json=body).status_code == 413
    content = OPTIONS + a_line("a") * 200
    assert len(content) > 4000
    assert client.post("/v1/jobs", content=content, headers=NDJSON).status_code == 202
    other = client.post("/v1/jobs", content=b"x", headers={"Content-Type": "text/csv"})
    assert other.status_code == 415
    assert "application/x-ndjson" in other.json()["detail"]
    assert client.post("/v1/timelines", content=content, headers=NDJSON).status_code == 413


def test_a_client_that_drops_out_leaves_nothing(
    serve: Serve, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_stream, "_PIECE", 100)
    where = urlsplit(str(serve().base_url))
    head = (
        b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n"
        b"Content-Type: application/x-ndjson\r\n\r\n"
    )
    with socket.create_connection((where.hostname, where.port), timeout=60) as raw:
        raw.sendall(head + OPTIONS + a_line("a") * 20)
        wait_until(lambda: rows(store)[1] > 0)
        assert store.jobs.claim(dt.timedelta(seconds=60)) is None  # no worker sees it
    wait_until(lambda: rows(store) == (0, 0))


def wait_until(true: Callable[[], bool]) -> None:
    for _ in range(600):
        if true():
            return
        time.sleep(0.05)
    raise AssertionError("it never comes true")


def test_the_same_lines_twice_are_one_job(serve: Serve, store: Store) -> None:
    client = serve()
    headers = {**NDJSON, "Idempotency-Key": "once"}
    content = OPTIONS + a_line("a")
    first, again = (client.post("/v1/jobs", content=content, headers=headers) for _ in range(2))
    assert first.headers["location"] == again.headers["location"]
    assert rows(store) == (1, 1)
    other = client.post("/v1/jobs", content=content + a_line("b"), headers=headers)
    assert (other.status_code, other.json()["title"]) == (422, "Idempotency key used")
    assert rows(store) == (1, 1)


def test_no_more_of_them_at_once_than_memory_is_for(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_stream, "_AT_ONCE", 1)
    client = serve()
    begun, go = threading.Event(), threading.Event()

    def slowly() -> Iterator[bytes]:
        yield OPTIONS
        begun.set()
        go.wait(60)
        yield a_line("a")

    replies: list[httpx.Response] = []
    thread = threading.Thread(
        target=lambda: replies.append(client.post("/v1/jobs", content=slowly(), headers=NDJSON))
    )
    thread.start()
    assert begun.wait(60)
    wait_until(lambda: client.post("/v1/jobs", content=OPTIONS, headers=NDJSON).status_code == 503)
    go.set()
    thread.join()
    assert replies[0].status_code == 202


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_large_job_is_not_held_in_memory(serve: Serve, store: Store) -> None:
    client = serve()
    line = a_line("s", "so it goes " * 1800)  # 20 kB
    most = 1200

    def lines() -> Iterator[bytes]:
        yield OPTIONS
        for _ in range(most):
            yield line

    warm = client.post("/v1/jobs", content=OPTIONS + line * 100, headers=NDJSON)
    assert warm.status_code == 202
    tracemalloc.start()
    try:
        sent = client.post("/v1/jobs", content=lines(), headers=NDJSON)
        _, grown = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sent.json()["sessions"] == most
    size = most * len(line)
    assert size > 20 << 20
    # This client is in the same process, and the worker has begun to label.
    assert grown < size / 2


# -- the store


def test_a_job_that_was_left_behind_is_erased(
    store: Store, anna: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_uploads, "_ABANDONED_AFTER", dt.timedelta(seconds=-1))
    left = store.job_uploads.begin(anna, {})
    left.add([{"n": 0}, {"n": 1}])
    assert rows(store) == (1, 2)
    store.tidy()
    assert rows(store) == (0, 0)
    with pytest.raises(GoneError, match="found it given up"):
        left.add([{"n": 2}])
    with pytest.raises(GoneError, match="found it given up"):
        left.accept()


def test_pieces_become_one_job(store: Store, anna: Service, ben: Service) -> None:
    upload = store.job_uploads.begin(anna, {"purpose": "research"})
    for n in range(3):
        upload.add([{"n": n}])
    store.tidy()  # it is not abandoned
    assert store.jobs.claim(dt.timedelta(seconds=60)) is None
    job = upload.accept(store.idempotency(anna, "job", "key", b"body"))
    assert (job.state, job.items) == (JobState.QUEUED, 3)
    upload.erase()  # too late: it is a job
    assert store.jobs.get(anna, job.id) == job
    assert store.jobs.get(ben, job.id) is None
    claimed = store.jobs.claim(dt.timedelta(seconds=60))
    assert claimed is not None
    assert claimed.options == {"purpose": "research"}
    assert store.jobs.next_item(claimed) == (0, {"n": 0})


def test_the_same_request_is_one_job_however_it_was_sent(store: Store, anna: Service) -> None:
    request = store.idempotency(anna, "job", "key", b"body")
    first = store.job_uploads.begin(anna, {})
    first.add([{"n": 0}])
    second = store.job_uploads.begin(anna, {})
    second.add([{"n": 0}])
    job = first.accept(request)
    assert second.accept(request).id == job.id
    third = store.job_uploads.begin(anna, {})
    third.add([{"n": 0}])
    with pytest.raises(IdempotencyError):
        third.accept(store.idempotency(anna, "job", "key", b"other"))
    third.erase()
    assert rows(store) == (1, 1)
