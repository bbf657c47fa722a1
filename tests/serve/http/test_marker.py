"""Nothing that a client sends comes back in an error, a log or a figure."""

import io
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from starlette.testclient import TestClient

from alliance.serve.http import logs
from alliance.serve.http.keys import Scope
from alliance.serve.http.keys_file import KeysFile
from alliance.serve.store.store import Store

MARK = "Zq7Marker"
LOW = MARK.lower()


def bodies() -> list[Any]:
    turn = {"speaker": MARK, "text": MARK, "utterance_id": MARK}
    client = {**turn, "speaker": "C"}
    return [
        MARK,
        [MARK],
        {MARK: MARK},
        {"session": MARK},
        {"session": {"id": MARK, "turns": [turn]}},
        {"session": {"id": MARK, "turns": [client]}},
        {"session": {"id": [MARK], "turns": [{**client, "start_ms": MARK}]}},
        {"session": {"id": MARK, "turns": [{**client, MARK: 1}]}},
        {"session": {"id": MARK, "turns": [client], MARK: {}}},
        {"session": {"turns": [{**client, "start_ms": 5, "end_ms": 1}]}},
        {"session": {"turns": [client]}, "roles": {MARK: MARK}},
        {"session": {"turns": [client]}, "roles": {MARK: "client", MARK.upper(): "therapist"}},
        {"session": {"turns": [client]}, "purpose": MARK},
        {"session": {"turns": [client]}, "include_text": MARK},
        {"sessions": [{"id": MARK, "turns": [client]}, {"turns": MARK}]},
        {"sessions": {MARK: MARK}},
        {"session": {"turns": [client]}, "sessions": [MARK]},
        {"key": MARK},
        {"key": MARK * 100},
        {"key": {MARK: MARK}},
    ]


def files() -> list[dict[str, Any]]:
    forms = []
    for name in (f"{MARK}.txt", f"{MARK}.csv", f"{MARK}.json", f"{MARK}.vtt", f"s.{MARK}"):
        for content in (f"{MARK}: {MARK}", f"{MARK},{MARK}\n{MARK},{MARK},{MARK}\n", f'["{MARK}"'):
            forms.append({"files": {"file": (name, content.encode())}})
    good = {"file": ("s.txt", b"T: Hi.")}
    for key in ("roles", "columns", "format", "encoding", "purpose", "include_text", MARK):
        forms.append({"files": good, "data": {key: MARK}})
        forms.append({"files": good, "data": {key: json.dumps({MARK: MARK})}})
    forms.append({"files": {MARK: (MARK, MARK.encode())}})
    return forms


def stored(client: TestClient) -> list[Any]:
    """What a service with a store is asked, with the marker wherever something can be put."""
    turns = [{"speaker": "T", "text": MARK}, {"speaker": "C", "text": f"useless {MARK}"}]
    session = {"session": {"id": MARK, "turns": turns}, "purpose": "teaching"}
    answers = [client.post("/v1/sessions", json=session, headers={"Idempotency-Key": MARK})]
    place = answers[0].headers["location"]
    other = {"session": {"turns": turns[:1]}}
    answers.append(client.post("/v1/sessions", json=other, headers={"Idempotency-Key": MARK}))
    job = client.post("/v1/jobs", json=session, headers={"Idempotency-Key": MARK})
    answers += [job, client.post("/v1/jobs", json=other, headers={"Idempotency-Key": MARK})]
    for path in ("/v1/sessions", "/v1/jobs"):
        for body in bodies():
            answers.append(client.post(path, json=body))
        answers.extend(client.post(path, **form) for form in files())
        long = {"Idempotency-Key": MARK * 100}
        answers.append(client.post(path, json=session, headers=long))
    lines = {"Content-Type": "application/x-ndjson"}
    for content in (
        MARK,
        f'{{"{MARK}": 1}}',
        f'{{"roles": {{"{MARK}": "{MARK}"}}}}',
        f'["{MARK}"]',
    ):
        answers.append(client.post("/v1/jobs", content=content.encode(), headers=lines))
    for turn in (0, 1, 9, -1, MARK, "1" * 30):
        for body in (
            *(
                {"label": MARK},
                {"label": "neutral", MARK: 1},
                {"label": "neutral", "who": MARK * 20},
            ),
            *({"label": "neutral", "marker": MARK}, {"label": "withdrawal", "marker": "C1"}),
            *({"label": "confrontation", "marker": "C1", "note": MARK, "who": MARK}, MARK),
            {"label": "neutral", "note": MARK * 1000},
        ):
            answers.append(client.put(f"{place}/turns/{turn}/annotation", json=body))
    for query in ({"after": MARK}, {"limit": MARK}, {"include_text": MARK}, {MARK: MARK}):
        for path in ("/v1/sessions", place, f"{place}/timeline", f"{place}/audit", "/v1/corpus"):
            answers.append(client.get(path, params=query))
    for path in (place, job.headers["location"]):
        for tail in ("", MARK, f"/{MARK}", "/timeline", "/audit", "/result", f"?{MARK}={MARK}"):
            for method in ("GET", "PUT", "DELETE", MARK):
                answers.append(client.request(method, path + tail))
    return answers


def requests(client: TestClient) -> list[Any]:
    """One request after another, with the marker wherever a client can put something."""
    answers = []
    app: Any = client.app
    known = app.openapi()["paths"]
    for body in bodies():
        for path in ("/v1/timelines", "/v1/login"):
            answers.append(client.post(path, json=body))
            answers.append(client.post(f"{path}?{MARK}={MARK}", json=body))
    answers.extend(client.post("/v1/timelines", **form) for form in files())
    raw = {"content": MARK.encode()}
    for kind in ("application/json", "multipart/form-data; boundary=x", f"text/{MARK}", MARK):
        answers.append(client.post("/v1/timelines", **raw, headers={"Content-Type": kind}))
    for path in (*known, f"/{MARK}", f"/docs/{MARK}", f"/v1/sessions/{MARK}", f"/v1/jobs/{MARK}"):
        for method in ("GET", "POST", "PUT", "DELETE", MARK):
            answers.append(client.request(method, path, params={MARK: MARK}))
    for headers in (
        {"Authorization": f"Bearer {MARK}"},
        {"Authorization": f"Bearer alliance_{MARK}_{MARK}"},
        {"Cookie": f"alliance_login={MARK}"},
        {"Host": MARK},
        {"Origin": f"http://{MARK}"},
        {"User-Agent": MARK, "X-Request-ID": MARK, "X-Forwarded-For": MARK, "Referer": MARK},
    ):
        answers.append(client.get(f"/{MARK}", headers=headers))
        answers.append(client.post("/v1/timelines", json=MARK, headers=headers))
    return answers


@pytest.mark.parametrize("name", ["client", "storing"])
def test_errors_logs_and_figures_repeat_nothing(
    request: pytest.FixtureRequest, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = request.getfixturevalue(name)
    stream = io.StringIO()
    logs.configure(stream)
    answers = requests(client)
    if name == "storing":
        answers += stored(client)
    errors = [answer for answer in answers if answer.status_code >= 400]
    assert len(errors) > 100
    assert {400, 403, 404, 405, 415, 421, 422} <= {answer.status_code for answer in errors}
    for answer in errors:
        assert answer.status_code < 500, answer.request.url
        assert answer.headers["content-type"] == "application/problem+json"
        said = answer.text + str(answer.headers)
        assert LOW not in said.lower(), (answer.request.method, answer.request.url, answer.text)
    fine = [answer for answer in answers if answer.status_code == 200]
    # What it should find, it finds: the session's own id and its words come back when asked for.
    assert any(MARK in answer.text for answer in fine)
    log = stream.getvalue()
    assert log.count("\n") >= len(answers)
    assert LOW not in log.lower()
    assert LOW not in client.get("/metrics").text.lower()
    for record in caplog.records:  # whoever else has logged something
        assert LOW not in (record.getMessage() + str(record.args)).lower(), record.name


REFUSALS = {
    "a fault of its own": sqlite3.OperationalError(f"no such column: {MARK}"),
    "broken": sqlite3.DatabaseError(f"malformed: {MARK}"),
    "no connection": sqlite3.InterfaceError(MARK),
    "another fault": sqlite3.ProgrammingError(MARK),
    "a row of it": sqlite3.IntegrityError(f"CHECK constraint failed: {MARK}"),
}


@pytest.mark.parametrize("refusal", REFUSALS)
def test_what_the_database_says_is_told_to_nobody(
    storing: TestClient, store: Store, caplog: pytest.LogCaptureFixture, refusal: str
) -> None:
    turns = [{"speaker": "C", "text": MARK}]
    session = {"session": {"id": MARK, "turns": turns}}
    place = storing.post("/v1/sessions", json=session).headers["location"]
    stream = io.StringIO()
    logs.configure(stream)
    engine = store.database.engine

    def refuse(*_: Any) -> None:
        raise REFUSALS[refusal]

    # In the driver's place: what SQLAlchemy makes of it quotes the statement, and could the row.
    event.listen(engine, "do_execute", refuse)
    note = {"label": "neutral", "note": MARK, "who": MARK}
    try:
        answers = [
            storing.post("/v1/sessions", json=session, headers={"Idempotency-Key": MARK}),
            storing.post("/v1/jobs", json=session, headers={"Idempotency-Key": MARK}),
            storing.put(f"{place}/turns/0/annotation", json=note),
            storing.get(place),
            storing.get(f"{place}/timeline"),
            storing.get("/v1/corpus"),
            storing.delete(place),
            storing.get("/readyz"),
        ]
    finally:
        event.remove(engine, "do_execute", refuse)
    for answer in answers:
        assert answer.status_code >= 500
        assert answer.headers["content-type"] == "application/problem+json"
        assert LOW not in (answer.text + str(answer.headers)).lower()
    assert stream.getvalue().count("\n") >= len(answers)
    assert LOW not in stream.getvalue().lower()
    assert LOW not in storing.get("/metrics").text.lower()
    for record in caplog.records:
        assert LOW not in (record.getMessage() + str(record.args)).lower(), record.name
    assert storing.get(place).status_code == 200


def test_keys_appear_in_no_log(calling: Callable[..., TestClient], tmp_path: Path) -> None:
    ring = KeysFile(tmp_path / "keys.json")
    key, token = ring.add(group=MARK, scopes=[Scope.ADMIN])
    client = calling(keys=ring)
    stream = io.StringIO()
    logs.configure(stream)
    headers = {"Authorization": f"Bearer {token}"}
    answers = [
        client.get("/readyz", headers=headers),
        client.get(f"/{token}", headers=headers, params={"key": token}),
        client.post("/v1/timelines", json={"key": token}, headers=headers),
        client.post("/v1/login", json={"key": token}),
        client.post("/v1/login", json={"key": token + "x"}),
        client.get("/metrics", headers=headers),
    ]
    ring.revoke(key.id)
    answers.append(client.get("/readyz", headers=headers))
    assert {answer.status_code for answer in answers} == {200, 401, 404, 422}
    for text in (stream.getvalue(), *(answer.text for answer in answers)):
        assert token not in text
        assert token.split("_", 2)[2] not in text
    assert LOW not in stream.getvalue().lower()
