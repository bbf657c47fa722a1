"""The client's stored sessions and jobs, against a real server."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from alliance.model.classifier import RuptureClassifier
from alliance.model.codebook import Label, Marker
from alliance.model.labelled import Purpose
from alliance.model.session import Session, Turn
from alliance.model.timeline import timeline
from alliance.serve import stored_client
from alliance.serve.client import Client, ServiceError
from alliance.serve.http.app import create_app
from alliance.serve.http.keys import Scope
from alliance.serve.http.server import in_thread
from alliance.serve.http.settings import Settings
from alliance.serve.store.store import Store

STUB = Path(__file__).parents[2] / "data" / "stub_model"
GUIDE = (Path(__file__).parents[3] / "serve" / "STORE.md").read_text(encoding="utf-8")
ADDRESS = "http://127.0.0.1:8642"
PAIRS = [("therapist", "How was the week?"), ("Anna", "You are useless.")]
ROLES = {"Anna": "client"}


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'store.db'}"


@pytest.fixture
def address(store: Store) -> Iterator[str]:
    settings = Settings(port=0, rate_limit="100000/minute")
    with in_thread(create_app(settings, RuptureClassifier.load(STUB), store), settings) as found:
        yield found


@pytest.fixture
def client(address: str) -> Iterator[Client]:
    with Client(address) as made:
        yield made


def test_a_session_from_adding_to_deleting(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = Session("mine", (Turn("therapist", "Well?", 0, 900), Turn("client", "useless", 1000)))
    stored = client.sessions.add(given, purpose="teaching")
    assert (stored.turn_count, stored.annotated_turns, stored.expires_at) == (2, 0, None)

    made = client.sessions.annotate(stored.id, 1, Label.WITHDRAWAL, marker="W2", who="Ben")
    assert (made.turn, made.who, made.label, made.marker) == (1, "Ben", "withdrawal", Marker.W2)
    client.sessions.annotate(stored.id, 0, "neutral", note="a start")

    labelled = RuptureClassifier.load(STUB).label(given, purpose=Purpose.TEACHING)
    expected = timeline(labelled)
    found = client.sessions.timeline(stored.id, include_text=True)
    assert found.session_id == stored.id
    assert (found.turns, found.episodes) == (expected.turns, expected.episodes)

    read = client.sessions.get(stored.id, include_text=True)
    assert read.session_id == "mine"
    assert read.turns == labelled.turns
    assert read.model == labelled.model
    assert [one.label for one in read.annotations] == [Label.NEUTRAL, Label.WITHDRAWAL]
    assert read.annotations[1] == made
    assert read.stored.annotated_turns == 2
    assert {turn.turn.text for turn in client.sessions.get(stored.id).turns} == {""}

    monkeypatch.setattr(stored_client, "_PAGE", 2)
    others = [client.sessions.add(PAIRS, roles=ROLES) for _ in range(4)]
    assert [one.id for one in client.sessions.list()] == [stored.id, *(one.id for one in others)]

    client.sessions.export(tmp_path / "corpus.jsonl")
    (line,) = (tmp_path / "corpus.jsonl").read_text(encoding="utf-8").splitlines()
    assert [turn["code"] for turn in json.loads(line)["turns"]] == ["N", "W2"]

    client.sessions.delete(stored.id)
    with pytest.raises(ServiceError, match="404"):
        client.sessions.get(stored.id)
    actions = [entry.action for entry in client.sessions.audit(stored.id)]
    assert actions[:2] == ["session.created", "annotation.created"]
    assert actions[-1] == "session.erased"


def test_the_same_key_stores_once(client: Client) -> None:
    first = client.sessions.add(PAIRS, roles=ROLES, idempotency_key="one")
    assert client.sessions.add(PAIRS, roles=ROLES, idempotency_key="one").id == first.id
    assert client.sessions.add(PAIRS, roles=ROLES).id != first.id
    with pytest.raises(ServiceError, match="422 Idempotency key used"):
        client.sessions.add(PAIRS[:1], idempotency_key="one")
    job = client.jobs.submit([PAIRS], roles=ROLES, idempotency_key="one")
    assert client.jobs.submit([PAIRS], roles=ROLES, idempotency_key="one").id == job.id


def test_what_the_service_refuses_is_an_error(
    client: Client, address: str, store: Store, tmp_path: Path
) -> None:
    stored = client.sessions.add(PAIRS, roles=ROLES)
    with pytest.raises(ServiceError, match="422 Not in the codebook"):
        client.sessions.annotate(stored.id, 1, "neutral", marker="W1")
    for call in (
        lambda: client.sessions.get("../model"),
        lambda: client.sessions.timeline("ses_1"),
        lambda: client.sessions.annotate(stored.id, 9, "neutral"),
        lambda: client.sessions.delete("nobody"),
        lambda: client.jobs.get("nobody"),
        lambda: list(client.jobs.result("nobody")),
        lambda: client.jobs.delete("nobody"),
    ):
        with pytest.raises(ServiceError, match="404"):
            call()
    _, token = store.keys.add(group="g", scopes=[Scope.LABEL])
    settings = Settings(port=0)
    with (
        in_thread(create_app(settings, RuptureClassifier.load(STUB), store), settings) as asking,
        Client(asking, key=token) as labels,
        pytest.raises(ServiceError, match="403 Scope missing"),
    ):
        labels.sessions.export(tmp_path / "none.jsonl")
    assert not (tmp_path / "none.jsonl").exists()


def test_a_job_from_sending_to_its_result(client: Client) -> None:
    sent = [PAIRS, [("Zoe", "Who am I?")], Session("c", (Turn("client", "useless \ud800"),))]
    job = client.jobs.submit(iter(sent), roles=ROLES, include_text=True)
    assert (job.sessions, job.has_ended) == (3, False)
    done = client.jobs.wait(job.id, timeout=120)
    assert (done.state, done.sessions_done) == ("done", 3)
    assert done.expires_at is not None
    first, second, third = client.jobs.result(job.id)
    assert not isinstance(first, ServiceError)
    assert first == client.timeline(PAIRS, roles=ROLES, include_text=True)
    assert isinstance(second, ServiceError)
    assert (second.status, second.session_id) == (422, "session-2")
    assert not isinstance(third, ServiceError)
    assert (third.session_id, third.turns[0].turn.text) == ("c", "useless ?")
    client.jobs.delete(job.id)
    with pytest.raises(ServiceError, match="410 Gone"):
        next(client.jobs.result(job.id))
    assert client.jobs.wait(job.id).state == "expired"


def test_waiting_ends(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    moment = "2026-01-01T00:00:00+00:00"
    job = {"id": "j", "state": "running", "created_at": moment, "finished_at": None}
    body = {**job, "expires_at": None, "sessions": 7, "sessions_done": 3}

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=body, headers={"Retry-After": "2"})

    client._calls.http = httpx.Client(base_url=ADDRESS, transport=httpx.MockTransport(answer))
    clock = iter([0.0, 1.0, 2.0, 5.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    with client._calls.http, pytest.raises(TimeoutError, match="found 3 of 7 sessions done"):
        client.jobs.wait("j", timeout=4.5)
    assert waited == [2.0, 2.0]


def test_what_an_iterator_gave_is_not_sent_again(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies: list[bytes] = []
    monkeypatch.setattr(time, "sleep", lambda seconds: None)

    def answer(request: httpx.Request) -> httpx.Response:
        bodies.append(request.read())
        return httpx.Response(503, json={"status": 503}, headers={"Retry-After": "1"})

    client._calls.http = httpx.Client(base_url=ADDRESS, transport=httpx.MockTransport(answer))
    with client._calls.http:
        for sessions, times in (([PAIRS], 4), (iter([PAIRS]), 1)):
            bodies.clear()
            with pytest.raises(ServiceError, match="503"):
                client.jobs.submit(sessions)
            assert len(bodies) == times
            assert len(set(bodies)) == 1  # whole each time, and under the same key
            assert bodies[0].count(b"\n") == 2


def test_the_documented_python_works(
    address: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(r"^```python\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)
    assert ADDRESS in example
    exec(compile(example.replace(ADDRESS, address), "serve/STORE.md", "exec"), {})
    lines = [line for line in capsys.readouterr().out.splitlines() if "[info" not in line]
    assert "You never listen anyway. confrontation" in lines
    assert lines[-2:] == ["session-1 1", "session-2 1"]
    (coded,) = (tmp_path / "annotated.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(coded)["turns"][1]["code"] == "C1"


def test_every_call_of_the_client_is_documented() -> None:
    for kind in (Client(ADDRESS).sessions, Client(ADDRESS).jobs):
        for name in vars(type(kind)):
            if not name.startswith("_") and name not in ("audit", "get", "delete"):
                assert f".{name}(" in GUIDE, name
