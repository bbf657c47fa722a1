"""What an administrator sees: health, figures, logs, faults."""

import io
import json
import logging
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.testclient import TestClient
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from alliance.model.classifier import RuptureClassifier
from alliance.model.errors import ModelError
from alliance.serve.http import logs, model_document
from alliance.serve.http.app import create_app
from alliance.serve.http.figures import extract, shipped_figures
from alliance.serve.http.settings import Settings

ROOT = Path(__file__).parents[3]
BODY = {
    "session": {
        "turns": [
            {"speaker": "T", "text": "Hi."},
            {"speaker": "C", "text": "useless"},
            {"speaker": "C", "text": ""},
        ]
    }
}


def test_every_reply_names_model_and_codebook(client: TestClient) -> None:
    for path in ("/livez", "/readyz", "/v1/model", "/nothing"):
        response = client.get(path)
        assert response.json()["model"] == {"name": "stub-1", "codebook": "1"}
        assert response.headers["alliance-model"] == "stub-1"
        assert response.headers["alliance-codebook"] == "1"
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["x-content-type-options"] == "nosniff"


class SlowClassifier(RuptureClassifier):
    """Loads only when it is let."""

    gate = threading.Event()

    @classmethod
    def load(cls, *args: Any, **keywords: Any) -> RuptureClassifier:
        cls.gate.wait(30)
        return RuptureClassifier.load(*args, **keywords)


def test_not_ready_until_the_model_is_warm(stub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    SlowClassifier.gate.clear()
    monkeypatch.setattr("alliance.serve.http.app.RuptureClassifier", SlowClassifier)
    app = create_app(Settings(model=stub, workers=1))
    with TestClient(app, base_url="http://localhost") as client:
        assert client.get("/livez").status_code == 200
        for response in (client.get("/readyz"), client.post("/v1/timelines", json=BODY)):
            assert response.status_code == 503
            assert response.headers["retry-after"] == "2"
            assert "alliance-model" not in response.headers
            assert response.headers["alliance-codebook"] == "1"
        SlowClassifier.gate.set()
        while client.get("/readyz").status_code != 200:
            pass
        assert client.post("/v1/timelines", json=BODY).status_code == 200


def test_a_model_that_cannot_be_loaded_is_told(tmp_path: Path) -> None:
    told: list[Exception] = []
    app = create_app(Settings(model=tmp_path / "none"), on_failure=told.append)
    with TestClient(app, base_url="http://localhost") as client:
        while not told:
            assert client.get("/readyz").status_code == 503
    assert isinstance(told[0], ModelError)


def test_figures_are_for_prometheus(calling: Callable[..., TestClient]) -> None:
    client = calling()
    client.post("/v1/timelines", json=BODY)
    client.get("/nothing")
    response = client.get("/metrics")
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    lines = response.text.splitlines()
    for line in (
        'alliance_requests_total{method="POST",route="/v1/timelines",status="200"} 1.0',
        'alliance_requests_total{method="GET",route="unmatched",status="404"} 1.0',
        'alliance_request_seconds_count{route="/v1/timelines"} 1.0',
        'alliance_turns_total{label="confrontation"} 1.0',
        'alliance_turns_total{label="neutral"} 1.0',
        'alliance_turns_total{label="none"} 1.0',
        'alliance_turns_total{label="withdrawal"} 0.0',
        "alliance_queued_turns 0.0",
        "alliance_live_sessions 0.0",
    ):
        assert line in lines
    assert any(line.startswith("alliance_batch_sessions_bucket") for line in lines)


class Broken:
    """An encoder that fails, with words in its message."""

    def __call__(self, ids: Any) -> Any:
        raise RuntimeError("zork was said")


def test_a_fault_is_a_problem_and_its_message_stays_untold(
    calling: Callable[..., TestClient], classifier: RuptureClassifier
) -> None:
    stream = io.StringIO()
    client = calling()
    logs.configure(stream)
    queue = client.app.state.queue  # type: ignore[attr-defined]
    queue.classifier._backend = Broken()
    response = client.post("/v1/timelines", json=BODY)
    assert response.status_code == 500
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["x-request-id"] in response.json()["detail"]
    (line,) = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert line["exception"] == "RuntimeError"
    assert any("test_operations.py" in frame for frame in line["at"])
    assert line["request_id"] == response.headers["x-request-id"]
    assert "zork" not in stream.getvalue() + response.text
    assert client.get("/readyz").status_code == 200


def test_a_request_is_one_line_of_the_log(calling: Callable[..., TestClient]) -> None:
    stream = io.StringIO()
    client = calling()
    logs.configure(stream)
    response = client.post("/v1/timelines?zork=1", json=BODY, headers={"User-Agent": "zork"})
    (line,) = [json.loads(line) for line in stream.getvalue().splitlines()]
    ms = line.pop("ms")
    line.pop("timestamp")
    assert 0 <= ms < 60_000
    assert line == {
        "event": "request",
        "level": "info",
        "method": "POST",
        "route": "/v1/timelines",
        "status": 200,
        "request_id": response.headers["x-request-id"],
    }


def test_the_servers_own_log_tells_no_messages() -> None:
    stream = io.StringIO()
    logs.configure(stream)
    try:
        raise ValueError("zork")
    except ValueError:
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application")
    line = json.loads(stream.getvalue())
    assert line["exception"] == "ValueError"
    assert line["event"] == "Exception in ASGI application"
    assert "zork" not in stream.getvalue()


# -- /v1/model


def test_the_packaged_figures_are_those_of_the_reports() -> None:
    """After a change of the reports: python -m alliance.serve.http.figures data_cards/figures."""
    assert shipped_figures() == extract(ROOT / "data_cards" / "figures")


def test_the_model_document_is_honest(client: TestClient) -> None:
    document = client.get("/v1/model").json()
    assert "no clinician has validated them" in document["claim"]
    assert any("Not a medical device" in line for line in document["not_for"])
    assert document["figures"] is None  # nobody measured the stub
    assert document["limits"] == {
        "sessions": 100,
        "turns_per_session": 10_000,
        "characters_per_turn": 20_000,
        "body_bytes": 16 << 20,
    }
    assert len(document["codes"]) == 21


def test_the_shipped_model_has_its_figures() -> None:
    shipped = shipped_figures()
    name = json.loads((ROOT / "model/weights/config.json").read_text(encoding="utf-8"))["name"]
    assert shipped["model"] == name
    versions = {"name": name, "codebook": "1"}
    document = model_document.model_document(versions, body_bytes=1)
    assert document.figures is not None
    pooled = document.figures[0]["speakers"]["pooled"]
    assert {"value", "low", "high"} <= pooled["macro_f1"].keys()
    assert set(pooled["labels"]) == set(document.labels)


# -- over a real socket


def test_a_slow_body_is_refused(serving: Callable[..., str]) -> None:
    where = urlsplit(serving(body_seconds=0.2))
    with socket.create_connection((where.hostname, where.port), timeout=10) as raw:
        raw.sendall(
            b"POST /v1/timelines HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
        )
        answer = raw.recv(4096)
    assert answer.startswith(b"HTTP/1.1 408")


def ready(url: str) -> None:
    """Wait until the model is warm."""
    while httpx.get(f"{url}/readyz", timeout=60).status_code != 200:
        time.sleep(0.05)


SOCKET = (
    b"GET /v1/live?zork=zork HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"zork\r\n\r\n", b"400"),
        (b"GET /livez HTTP/1.1\r\nHost: zork\r\nHost: zork\r\n\r\n", b"400"),
        (b"GET /livez HTTP/1.1\r\nZo rk: 1\r\n\r\n", b"400"),
        (b"\x16\x03\x01\x00\x05zork\r\n\r\n", b"400"),  # TLS
        (SOCKET + b"Sec-WebSocket-Key: zork\r\n\r\n", b"400"),
        (SOCKET.replace(b"Version: 13", b"Version: zork") + b"\r\n", b"400"),
        (SOCKET.replace(b"Connection: Upgrade", b"Connection: zork, upgrade") + b"\r\n", b"400"),
        (SOCKET.replace(b"localhost", b"zork") + b"Sec-WebSocket-Key: a\r\n\r\n", b"400"),
    ],
)
def test_what_is_no_request_gets_a_problem_too(
    serving: Callable[..., str], sent: bytes, status: bytes
) -> None:
    stream = io.StringIO()
    logs.configure(stream)
    where = urlsplit(serving())
    with socket.create_connection((where.hostname, where.port), timeout=30) as raw:
        raw.sendall(sent)
        answer = b""
        while chunk := raw.recv(65536):  # and the connection is closed
            answer += chunk
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 " + status), answer
    assert b"content-type: application/problem+json" in head.lower()
    told = json.loads(body)
    assert told["status"] == int(status)
    assert told["model"] == {"name": "stub-1", "codebook": "1"}
    assert b"zork" not in answer.lower()
    assert "zork" not in stream.getvalue().lower()


def test_a_sockets_address_is_in_no_log(serving: Callable[..., str]) -> None:
    stream = io.StringIO()
    logs.configure(stream)
    address = serving().replace("http", "ws")
    with connect(f"{address}/v1/live?zork=1") as live:
        live.send("{}")
        assert json.loads(live.recv(timeout=30))["type"] == "problem"
        with pytest.raises(ConnectionClosed):
            live.recv(timeout=30)
    with pytest.raises(InvalidStatus):
        connect(f"{address}/zork?zork=1")
    assert stream.getvalue()
    assert "zork" not in stream.getvalue()


def test_overload_is_told_over_the_wire(
    serving: Callable[..., str], classifier: RuptureClassifier
) -> None:
    warm, begun, gate = threading.Event(), threading.Event(), threading.Event()
    inner = classifier.backend

    def slow(ids: Any) -> Any:
        if warm.is_set():
            begun.set()
            gate.wait(30)
        return inner(ids)

    model = classifier.with_backend(slow)
    url = serving(model=model, queued_turns=50)
    ready(url)
    warm.set()
    long = {"session": {"turns": [{"speaker": "C", "text": "so it goes"}] * 40}}
    answers: list[httpx.Response] = []

    def send() -> None:
        answers.append(httpx.post(f"{url}/v1/timelines", json=long, timeout=30))

    first = threading.Thread(target=send)
    first.start()
    assert begun.wait(10)
    refused = httpx.post(f"{url}/v1/timelines", json=long)
    assert refused.status_code == 503
    assert int(refused.headers["retry-after"]) >= 1
    gate.set()
    first.join()
    assert [answer.status_code for answer in answers] == [200]


def test_what_a_client_asked_for_that_hung_up_is_not_done(
    serving: Callable[..., str], classifier: RuptureClassifier
) -> None:
    warm, begun, go = threading.Event(), threading.Event(), threading.Event()
    windows: list[int] = []

    def slow(ids: Any) -> Any:
        if warm.is_set():
            windows.append(len(ids))
            begun.set()
            go.wait(30)
        return classifier.backend(ids)

    url = serving(model=classifier.with_backend(slow))
    ready(url)
    warm.set()
    long = {"session": {"turns": [{"speaker": "C", "text": "so it goes"}] * 2000}}
    body = json.dumps(long).encode()
    where = urlsplit(url)
    with socket.create_connection((where.hostname, where.port), timeout=30) as raw:
        raw.sendall(
            b"POST /v1/timelines HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body) + body
        )
        assert begun.wait(60)
    counted = 'alliance_requests_total{method="POST",route="/v1/timelines",status="499"} 1.0'
    for _ in range(300):
        if counted in httpx.get(f"{url}/metrics").text:
            break
        time.sleep(0.1)
    else:
        raise AssertionError("the server waits on for a client that has gone")
    go.set()
    for _ in range(300):
        if "alliance_queued_turns 0.0" in httpx.get(f"{url}/metrics").text:
            break
        time.sleep(0.1)
    else:
        raise AssertionError("the turns never leave the queue")
    assert len(windows) == 1
