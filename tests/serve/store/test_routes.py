"""Stored sessions and jobs over HTTP, on a real server with the stub model."""

import json
import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from alliance.model.classifier import RuptureClassifier
from alliance.serve.http.app import create_app
from alliance.serve.http.keys import Scope
from alliance.serve.http.server import in_thread
from alliance.serve.http.settings import Settings
from alliance.serve.store.store import Store

STUB = Path(__file__).parents[2] / "data" / "stub_model"
MARKER = "Xq7marker"
TURNS = [
    {"speaker": "therapist", "text": "How has the week been?"},
    {"speaker": "Anna", "text": f"You never listen, {MARKER}."},
]
SESSION = {"session": {"id": f"{MARKER}-id", "turns": TURNS}, "roles": {"Anna": "client"}}
Client = httpx.Client


@pytest.fixture
def store(tmp_path: Path, open_store: Callable[..., Store]) -> Store:
    return open_store(f"sqlite:///{tmp_path / 'store.db'}")


@pytest.fixture
def clients(store: Store) -> Iterator[dict[str, Client]]:
    """A client with every scope in each of two groups, and one that may read alone."""
    tokens = {
        name: store.keys.add(group=group, scopes=scopes)[1]
        for name, group, scopes in (
            ("north", "north", [Scope.ADMIN]),
            ("south", "south", [Scope.ADMIN]),
            ("reader", "north", [Scope.READ]),
        )
    }
    settings = Settings(port=0, rate_limit="100000/minute")
    app = create_app(settings, RuptureClassifier.load(STUB), store)
    with in_thread(app, settings) as url:
        made = {
            name: Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=60)
            for name, token in tokens.items()
        }
        yield made
        for client in made.values():
            client.close()


def done(client: Client, place: str) -> dict[str, Any]:
    for _ in range(600):
        job: dict[str, Any] = client.get(place).json()
        if job["state"] == "done":
            return job
        time.sleep(0.1)
    raise AssertionError("the job is never done")


def is_problem(reply: httpx.Response, status: int, title: str) -> None:
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json()["title"] == title
    assert MARKER not in reply.text
    assert MARKER not in str(reply.headers)


def test_a_session_from_storing_to_erasing(clients: dict[str, Client], tmp_path: Path) -> None:
    north, reader = clients["north"], clients["reader"]
    stored = north.post("/v1/sessions", json=SESSION)
    assert stored.status_code == 201
    place = stored.headers["location"]
    session_id = stored.json()["id"]
    assert place == f"/v1/sessions/{session_id}"
    assert stored.json()["model"] == {"name": "stub-1", "codebook": "1"}
    assert MARKER not in stored.text

    expected = north.post("/v1/timelines", json=SESSION).json()
    timeline = reader.get(f"{place}/timeline").json()
    assert timeline == {**expected, "session_id": session_id}

    url = f"{place}/turns/1/annotation"
    note = {"label": "withdrawal", "marker": "W2", "note": "quiet", "who": "coder 1"}
    given = north.put(url, json=note)
    assert given.status_code == 200
    assert {name: given.json()[name] for name in note} == note

    read = reader.get(place, params={"include_text": True}).json()
    assert read["session_id"] == f"{MARKER}-id"
    assert [turn["text"] for turn in read["turns"]] == [turn["text"] for turn in TURNS]
    assert [turn["label"] for turn in read["turns"]] == [
        turn["label"] for turn in expected["turns"]
    ]
    assert [one["who"] for one in read["annotations"]] == ["coder 1"]
    assert MARKER not in json.dumps(reader.get(place).json()["turns"])

    page = reader.get("/v1/sessions").json()
    assert [(one["id"], one["annotated_turns"]) for one in page["sessions"]] == [(session_id, 1)]
    (line,) = reader.get("/v1/corpus").text.splitlines()
    assert [turn["code"] for turn in json.loads(line)["turns"]] == [None, "W2"]

    assert north.delete(place).status_code == 204
    is_problem(north.get(place), 404, "Not found")
    entries = north.get(f"{place}/audit").json()["entries"]
    assert [entry["action"] for entry in entries][-2:] == ["session.exported", "session.erased"]
    assert all(entry["value"] is None for entry in entries)
    assert not any(MARKER.encode() in file.read_bytes() for file in tmp_path.iterdir())


def test_another_group_gets_404_for_everything(clients: dict[str, Client]) -> None:
    north, south = clients["north"], clients["south"]
    place = north.post("/v1/sessions", json=SESSION).headers["location"]
    job = north.post("/v1/jobs", json=SESSION).headers["location"]
    done(north, job)
    for method, path in (
        ("GET", place),
        ("GET", f"{place}/timeline"),
        ("GET", f"{place}/audit"),
        ("DELETE", place),
        ("GET", job),
        ("GET", f"{job}/result"),
        ("DELETE", job),
        ("GET", "/v1/sessions/nonsense"),
        ("GET", "/v1/jobs/%00"),
    ):
        is_problem(south.request(method, path), 404, "Not found")
    note = {"label": "neutral"}
    is_problem(south.put(f"{place}/turns/0/annotation", json=note), 404, "Not found")
    assert south.get("/v1/sessions").json()["sessions"] == []
    assert south.get("/v1/corpus").text == ""
    assert north.get(place).status_code == 200


def test_a_key_needs_the_scope(clients: dict[str, Client]) -> None:
    place = clients["north"].post("/v1/sessions", json=SESSION).headers["location"]
    reader = clients["reader"]
    for reply in (
        reader.post("/v1/sessions", json=SESSION),
        reader.post("/v1/jobs", json=SESSION),
        reader.delete(place),
        reader.get(f"{place}/audit"),
        reader.put(f"{place}/turns/0/annotation", json={"label": "neutral"}),
    ):
        is_problem(reply, 403, "Scope missing")


def test_bad_annotations_are_refused(clients: dict[str, Client]) -> None:
    north = clients["north"]
    place = north.post("/v1/sessions", json=SESSION).headers["location"]
    url = f"{place}/turns/1/annotation"
    for body, title in (
        ({"label": "withdrawal", "marker": "C1"}, "Not in the codebook"),
        ({"label": "withdrawal", "marker": "WT"}, "Not in the codebook"),
        ({"label": MARKER}, "Invalid request"),
        ({"label": "neutral", "note": MARKER * 1000}, "Invalid request"),
        ({"label": "neutral", MARKER: 1}, "Invalid request"),
    ):
        is_problem(north.put(url, json=body), 422, title)
    is_problem(
        north.put(f"{place}/turns/2/annotation", json={"label": "neutral"}), 404, "Not found"
    )


def test_a_job_from_sending_to_its_result(clients: dict[str, Client]) -> None:
    north = clients["north"]
    unknown = {"id": "u", "turns": [{"speaker": MARKER, "text": "x"}]}
    body = {"sessions": [SESSION["session"], unknown], "roles": {"Anna": "client"}}
    accepted = north.post("/v1/jobs", json=body)
    assert accepted.status_code == 202
    assert int(accepted.headers["retry-after"]) > 0
    place = accepted.headers["location"]
    job = done(north, place)
    assert (job["sessions"], job["sessions_done"]) == (2, 2)
    result = north.get(job["result"])
    assert result.headers["content-disposition"].startswith("attachment")
    first, second = (json.loads(line) for line in result.text.splitlines())
    assert first == north.post("/v1/timelines", json=SESSION).json()
    assert (second["status"], second["session_id"]) == (422, "u")
    assert MARKER not in json.dumps(second)
    assert north.delete(place).status_code == 204
    is_problem(north.get(f"{place}/result"), 410, "Gone")
    assert north.get(place).json()["state"] == "expired"


def test_a_file_may_be_stored_or_be_a_job(clients: dict[str, Client]) -> None:
    north = clients["north"]
    file = {"file": ("s.txt", b"T: How are you?\nC: You never listen.\n")}
    assert north.post("/v1/sessions", files=file).json()["turn_count"] == 2
    two = b"session_id,speaker,text\na,T,Hello.\nb,T,Hello.\n"
    several = {"file": ("s.csv", two)}
    is_problem(north.post("/v1/sessions", files=several), 422, "Invalid request")
    job = done(north, north.post("/v1/jobs", files=several).headers["location"])
    assert job["sessions"] == 2


@pytest.mark.parametrize("path", ["/v1/sessions", "/v1/jobs"])
def test_a_request_that_comes_twice_acts_once(clients: dict[str, Client], path: str) -> None:
    north = clients["north"]
    key = {"Idempotency-Key": MARKER}
    first = north.post(path, json=SESSION, headers=key)
    again = north.post(path, json=SESSION, headers=key)
    assert again.status_code == first.status_code
    assert again.headers["location"] == first.headers["location"]
    other = {"session": {"turns": TURNS[:1]}}
    is_problem(north.post(path, json=other, headers=key), 422, "Idempotency key used")
    is_problem(
        north.post(path, json=SESSION, headers={"Idempotency-Key": "x" * 300}),
        422,
        "Invalid request",
    )


def test_a_request_whose_twin_is_being_answered_is_told_to_wait(
    clients: dict[str, Client], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    north, held, go = clients["north"], threading.Event(), threading.Event()
    add = store.jobs.add

    def slow(*arguments: Any, **keywords: Any) -> Any:
        held.set()
        assert go.wait(60)
        return add(*arguments, **keywords)

    monkeypatch.setattr(store.jobs, "add", slow)
    replies: list[httpx.Response] = []
    key = {"Idempotency-Key": "once"}
    thread = threading.Thread(
        target=lambda: replies.append(north.post("/v1/jobs", json=SESSION, headers=key))
    )
    thread.start()
    assert held.wait(60)
    is_problem(north.post("/v1/jobs", json=SESSION, headers=key), 409, "Still being answered")
    go.set()
    thread.join()
    assert replies[0].status_code == 202
    again = north.post("/v1/jobs", json=SESSION, headers=key)
    assert again.headers["location"] == replies[0].headers["location"]


def test_a_full_disk_is_507_and_what_is_stored_stays(
    clients: dict[str, Client], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    north = clients["north"]
    place = north.post("/v1/sessions", json=SESSION).headers["location"]
    monkeypatch.setattr(store.database, "_max_pages", 1)  # SQLite takes the file's size for it
    store.database.engine.dispose()  # connections are set up anew
    body = {"session": {"turns": [{"speaker": "T", "text": "word " * 3000}] * 20}}
    for path in ("/v1/sessions", "/v1/jobs"):
        is_problem(north.post(path, json=body), 507, "Store full")
    monkeypatch.undo()
    store.database.engine.dispose()
    assert north.get(place).status_code == 200
    assert north.post("/v1/sessions", json=body).status_code == 201


def test_a_revoked_key_stops_at_once(clients: dict[str, Client], store: Store) -> None:
    reader = clients["reader"]
    assert reader.get("/v1/sessions").status_code == 200
    (key,) = (key for key in store.keys.all() if key.scopes == {Scope.READ})
    store.keys.revoke(key.id)
    assert reader.get("/v1/sessions").status_code == 401


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_documented_examples_work(store: Store, tmp_path: Path) -> None:
    text = (Path(__file__).parents[3] / "serve" / "STORE.md").read_text(encoding="utf-8")
    commands = re.findall(r"^```sh\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    settings = Settings(port=0)
    app = create_app(settings, RuptureClassifier.load(STUB), store)
    ids: dict[str, str] = {}
    with in_thread(app, settings) as url:
        for command in commands:
            if "JOB/result" in command:
                with Client(base_url=url) as client:
                    done(client, f"/v1/jobs/{ids['JOB']}")
            said = subprocess.run(
                ["bash", "-c", command.replace("http://127.0.0.1:8642", url)],
                cwd=tmp_path,
                env={**os.environ, **ids},
                capture_output=True,
                check=True,
                timeout=120,
            ).stdout
            reply = json.loads(said) if said else {}
            assert "status" not in reply, reply
            if "Idempotency-Key" in command:
                ids["JOB" if "/v1/jobs" in command else "SESSION"] = reply["id"]
        routes = {path for path in app.openapi()["paths"] if "sessions" in path or "jobs" in path}
    shown = {
        re.sub(r"\$SESSION", "{session_id}", one)
        for one in re.findall(r"8642(/v1/[^\s\"'?]*)", text)
    }
    shown = {one.replace("$JOB", "{job_id}").replace("/1/", "/{turn}/") for one in shown}
    assert routes <= shown
    (line,) = (tmp_path / "annotated.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["turns"][1]["code"] == "C1"
    assert len((tmp_path / "timelines.jsonl").read_text(encoding="utf-8").splitlines()) == 2
