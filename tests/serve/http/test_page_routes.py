"""What the page asks for, without a browser."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from alliance.serve.http.keys import Scope
from alliance.serve.http.keys_file import KeysFile
from alliance.serve.page.teaching_set import teaching_set
from alliance.serve.store.audit import Service
from alliance.serve.store.store import Store

MARKER = "Xq7marker"
TURNS = [
    {"speaker": "T", "text": "How are you?"},
    {"speaker": "Anna", "text": f"You are not listening, {MARKER}."},
    {"speaker": "Anna", "text": "[pause]"},
]
SESSION = {"session": {"id": "x", "turns": TURNS}, "roles": {"Anna": "client"}}


def problem(reply: Any, status: int) -> str:
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    assert MARKER not in reply.text
    detail: str = reply.json()["detail"]
    return detail


def test_the_page_answers_without_a_key_and_nothing_else_does(
    calling: Callable[..., TestClient], tmp_path: Path
) -> None:
    keys = KeysFile(tmp_path / "keys.json")
    _, token = keys.add(group="north", scopes=[Scope.LABEL])
    client = calling(keys=keys)
    page = client.get("/")
    assert page.status_code == 200
    assert (
        "default-src 'none'; script-src 'self'; style-src 'self'"
        in page.headers["content-security-policy"]
    )
    assert "unsafe" not in page.headers["content-security-policy"]
    for name, kind in (("page.js", "text/javascript"), ("timeline.css", "text/css")):
        reply = client.get(f"/static/{name}")
        assert reply.status_code == 200
        assert reply.headers["content-type"].startswith(kind)
    problem(client.get("/static/..%2Fpage.py"), 404)
    problem(client.get("/static/strings.py"), 404)
    for path in ("/page/state", "/page/teaching", "/page/example"):
        problem(client.get(path), 401)
    bearer = {"Authorization": f"Bearer {token}"}
    assert client.get("/page/state", headers=bearer).json()["may"] == ["label"]


def test_the_page_is_no_part_of_the_api(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert not [path for path in paths if path.startswith(("/page", "/static")) or path == "/"]


def test_a_preview_tells_the_speakers_and_keeps_their_names(client: TestClient) -> None:
    file = {"file": ("x.txt", b"Dr. Lee: Hello.\nAnna: Fine, thanks.\n")}
    (one,) = client.post("/page/preview", files=file).json()["sessions"]
    assert [(s["name"], s["role"], s["turns"]) for s in one["speakers"]] == [
        ("Dr. Lee", "therapist", 1),
        ("Anna", None, 1),
    ]
    assert one["turns"][1] == {"speaker": "Anna", "text": "Fine, thanks."}
    request = {"session": {"id": one["id"], "turns": one["turns"]}, "roles": {"Anna": "client"}}
    assert client.post("/page/timeline", json=request).status_code == 200


def test_a_preview_that_fails_repeats_nothing(client: TestClient) -> None:
    for name, content, options in (
        ("x.vtt", f"{MARKER} and no cue", {}),
        ("x.json", f'{{"{MARKER}": 1}}', {}),
        ("x.csv", f"{MARKER},b\n1,2\n", {}),
        (f"{MARKER}.xyz", "words", {}),
        ("x.txt", "T: a", {"format": MARKER}),
    ):
        file = {"file": (name, content.encode())}
        detail = problem(client.post("/page/preview", files=file, data=options), 422)
        assert detail.startswith("expected ")


def test_a_table_is_read_by_the_columns_that_are_told(client: TestClient) -> None:
    file = {"file": ("x.csv", b"who,said so\nT,How are you?\nC,Fine.\n")}
    data = {"columns": json.dumps({"speaker": "who", "text": "said so"})}
    (one,) = client.post("/page/preview", files=file, data=data).json()["sessions"]
    assert [turn["text"] for turn in one["turns"]] == ["How are you?", "Fine."]


def test_the_timeline_is_that_of_the_api_with_all_purposes(client: TestClient) -> None:
    shown = client.post("/page/timeline", json={**SESSION, "include_text": True}).json()
    assert (
        shown["timeline"]
        == client.post("/v1/timelines", json={**SESSION, "include_text": True}).json()
    )
    for purpose in ("screening", "research", "teaching"):
        assert f'value="{purpose}"' in shown["html"]
    several = {"sessions": [SESSION["session"]] * 2, "roles": SESSION["roles"]}
    problem(client.post("/page/timeline", json=several), 422)


def test_the_example_can_be_shown(client: TestClient) -> None:
    (one,) = client.get("/page/example").json()["sessions"]
    assert {speaker["role"] for speaker in one["speakers"]} == {"therapist", "client"}
    request = {"session": {"id": one["id"], "turns": one["turns"]}}
    assert client.post("/page/timeline", json=request).status_code == 200


def test_the_teaching_set_is_told_blind_at_first(client: TestClient) -> None:
    told = client.get("/page/teaching")
    sessions = told.json()["sessions"]
    assert [one["id"] for one in sessions] == [one.id for one in teaching_set()]
    assert {key for one in sessions for turn in one["turns"] for key in turn} == {"speaker", "text"}
    for one in teaching_set():
        assert one.shows not in told.text
        coding = client.get(f"/page/teaching/{one.id}").json()
        assert coding["shows"] == one.shows
        assert [turn["marker"] for turn in coding["coding"]] == [c.value for c in one.codes]
        assert coding["reasons"] == {str(t): reason for t, reason in one.reasons.items()}
    problem(client.get("/page/teaching/nothing"), 404)


def test_codings_are_compared(client: TestClient) -> None:
    def coding(who: str, *labels: str) -> dict[str, Any]:
        turns = [{"turn": turn, "label": label} for turn, label in enumerate(labels)]
        return {"who": who, "turns": turns}

    one = coding("you", "neutral", "withdrawal", "neutral")
    other = coding("the model", "neutral", "confrontation", "neutral")
    made = client.post("/page/compare", json={"codings": [one, other]}).json()
    (agreement,) = made["agreements"]
    assert (agreement["turns"], agreement["rupture_kappa"]) == (3, 1.0)
    assert [difference["turn"] for difference in made["differences"]] == [1]
    bad = coding("b", "neutral")
    bad["turns"][0]["marker"] = "W1"
    problem(client.post("/page/compare", json={"codings": [one, bad]}), 422)
    for codings in ([one], [one, one], [one, coding(MARKER * 20)], [one, {"who": "x"}]):
        problem(client.post("/page/compare", json={"codings": codings}), 422)


def test_why_names_the_words_that_a_label_rests_on(client: TestClient) -> None:
    told = client.post("/page/why", json={**SESSION, "turn": 1}).json()
    assert told["phrases"] == ["listening,"]
    problem(client.post("/page/why", json={**SESSION, "turn": 2}), 422)  # carries no label
    problem(client.post("/page/why", json={**SESSION, "turn": 3}), 404)
    problem(client.post("/page/why", json={"turn": 0, "stored": MARKER}), 404)
    problem(client.post("/page/why", json={"turn": 0}), 422)


def test_no_stored_session_without_a_store(client: TestClient) -> None:
    problem(client.get(f"/page/sessions/ses_{'0' * 32}"), 404)
    problem(client.get(f"/page/sessions/ses_{'0' * 32}/purposes"), 404)
    assert client.get("/page/sessions").json() == {"sessions": [], "next": None}


def test_a_preview_advises_in_the_words_of_the_page(client: TestClient) -> None:
    file = {"file": ("x.vtt", b"no cue")}
    detail = problem(client.post("/page/preview", files=file), 422)
    assert "The file is not read as it should be?" in detail
    assert "'columns'" not in detail
    assert "'columns'" in problem(client.post("/v1/timelines", files=file), 422)


def test_stored_sessions_are_listed_by_the_ids_they_were_given(storing: TestClient) -> None:
    asked = {"session": {"id": f"mine {MARKER}", "turns": TURNS}, "roles": {"Anna": "client"}}
    made = storing.post("/v1/sessions", json=asked).json()["id"]
    given = {one["id"]: one["given_id"] for one in storing.get("/page/sessions").json()["sessions"]}
    assert given[made] == f"mine {MARKER}"
    # The API's list goes on telling no name.
    assert MARKER not in storing.get("/v1/sessions?limit=1000").text


def test_a_stored_session_is_shown_for_every_purpose_when_asked(
    storing: TestClient, store: Store
) -> None:
    asked = {**SESSION, "purpose": "teaching"}
    made = storing.post("/v1/sessions", json=asked).json()["id"]
    first = storing.get(f"/page/sessions/{made}").json()["html"]
    assert 'name="purpose"' not in first
    html = storing.get(f"/page/sessions/{made}/purposes").json()["html"]
    assert re.findall(r'name="purpose" value="(\w+)"( checked)?', html) == [
        ("screening", ""),
        ("research", ""),
        ("teaching", " checked"),
    ]
    problem(storing.get(f"/page/sessions/ses_{'0' * 32}/purposes"), 404)

    group = Service("local")
    found = store.sessions.get(group, made)
    assert found is not None
    _, labelled, _ = found
    others = replace(labelled, model=replace(labelled.model, name="another"))
    kept = store.sessions.add(group, others)
    detail = problem(storing.get(f"/page/sessions/{kept.id}/purposes"), 409)
    assert "another model" in detail
