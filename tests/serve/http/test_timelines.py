"""POST /v1/timelines: what comes back, and what is said when nothing can."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from starlette.testclient import TestClient
from typer.testing import Result

from alliance.model.formats import FORMATS
from alliance.model.schema import timeline_schema
from alliance.serve.http.messages import MAX_SESSIONS, MAX_TEXT

TURNS = [
    {"speaker": "T", "text": "How has the week been?", "start_ms": 0, "end_ms": 900},
    {"speaker": "Anna", "text": "You are useless.", "start_ms": 1000, "utterance_id": "u2"},
    {"speaker": "T", "text": "I am sorry."},
    {"speaker": "Anna", "text": "[inaudible]"},
    {"speaker": "Anna", "text": "Thanks, fine."},
]
ROLES = {"Anna": "client"}


def post(client: TestClient, body: Any) -> Any:
    return client.post("/v1/timelines", json=body)


def problem(response: Any, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["status"] == status
    assert body["type"] == "about:blank"
    assert body["title"]
    assert body["detail"].startswith("expected ")
    assert body["model"] == {"name": "stub-1", "codebook": "1"}
    assert response.headers["alliance-model"] == "stub-1"
    assert response.headers["alliance-codebook"] == "1"
    return body


@pytest.mark.parametrize("include_text", [False, True])
@pytest.mark.parametrize("purpose", ["screening", "research", "teaching"])
def test_the_reply_is_the_json_of_the_command(
    client: TestClient,
    alliance: Callable[..., Result],
    tmp_path: Path,
    purpose: str,
    include_text: bool,
) -> None:
    path = tmp_path / "s.json"
    path.write_text(json.dumps({"id": "s1", "turns": TURNS}), encoding="utf-8")
    words = ["timeline", path, "--json", "--role", "Anna=client", "--purpose", purpose]
    told = alliance(*words, *([] if include_text else ["--no-text"]))
    response = post(
        client,
        {
            "session": {"id": "s1", "turns": TURNS},
            "roles": ROLES,
            "purpose": purpose,
            "include_text": include_text,
        },
    )
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json"
    assert response.headers["alliance-model"] == "stub-1"
    assert response.json() == json.loads(told.stdout)
    jsonschema.validate(response.json(), timeline_schema())
    assert [turn["label"] for turn in response.json()["turns"]][1] == "confrontation"


def test_several_sessions_come_back_in_order_with_problems_in_their_place(
    client: TestClient,
) -> None:
    sessions = [
        {"id": "a", "turns": TURNS},
        {"turns": [{"speaker": "C", "text": "Fine."}, {"speaker": "Zoe", "text": "Who?"}]},
        {"turns": [{"speaker": "C", "text": "late", "start_ms": 9, "end_ms": 3}]},
        {"id": "d", "turns": TURNS[:1]},
    ]
    response = post(client, {"sessions": sessions, "roles": ROLES})
    assert response.status_code == 200, response.text
    first, unknown, backwards, last = response.json()["results"]
    assert response.json()["model"] == {"name": "stub-1", "codebook": "1"}
    assert (first["session_id"], last["session_id"]) == ("a", "d")
    assert first == post(client, {"session": sessions[0], "roles": ROLES}).json()
    assert unknown["session_id"] == "session-2"
    assert unknown["status"] == backwards["status"] == 422
    assert [error["loc"] for error in unknown["errors"]] == [["sessions", 1, "turns", 1, "speaker"]]
    assert unknown["errors"][0]["type"] == "unknown_speaker"
    assert backwards["errors"][0]["loc"] == ["sessions", 2, "turns", 0, "end_ms"]
    assert "Zoe" not in response.text


def test_a_single_session_that_cannot_be_labelled_is_a_problem(client: TestClient) -> None:
    body = problem(post(client, {"session": {"turns": TURNS}}), 422)
    assert [error["loc"][2] for error in body["errors"]] == [1, 3, 4]


FILES = {
    "txt": "T: How are you?\nAnna: You are useless.\n",
    "csv": "speaker,text\nT,How are you?\nAnna,You are useless.\n",
    "tsv": "speaker\ttext\nT\tHow are you?\nAnna\tYou are useless.\n",
    "jsonl": json.dumps(
        {
            "id": "s",
            "turns": [
                {"speaker": "T", "text": "How are you?"},
                {"speaker": "Anna", "text": "You are useless."},
            ],
        }
    )
    + "\n",
    "json": json.dumps(
        {
            "id": "s",
            "turns": [
                {"speaker": "T", "text": "How are you?"},
                {"speaker": "Anna", "text": "You are useless."},
            ],
        }
    ),
    "vtt": "WEBVTT\n\n00:00.000 --> 00:01.000\n<v T>How are you?\n\n"
    "00:01.000 --> 00:02.000\n<v Anna>You are useless.\n",
    "srt": "1\n00:00:00,000 --> 00:00:01,000\nT: How are you?\n\n"
    "2\n00:00:01,000 --> 00:00:02,000\nAnna: You are useless.\n",
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_every_format_is_read(client: TestClient, name: str) -> None:
    assert set(FILES) <= set(FORMATS)
    sent = {"file": (f"s.{name}", FILES[name].encode())}
    data = {"roles": json.dumps(ROLES), "include_text": "true"}
    response = client.post("/v1/timelines", files=sent, data=data)
    assert response.status_code == 200, response.text
    (made,) = response.json()["results"]
    assert made["session_id"] == "s"
    assert [(turn["speaker"], turn["text"], turn["label"]) for turn in made["turns"]] == [
        ("therapist", "How are you?", "neutral"),
        ("client", "You are useless.", "confrontation"),
    ]


def test_a_file_says_how_it_is_to_be_read(client: TestClient) -> None:
    table = "wer;was\nT;Schön\nC;useless\n".encode("cp1252")
    data = {
        "format": "csv",
        "encoding": "cp1252",
        "columns": '{"speaker": "wer", "text": "was"}',
        "include_text": "true",
    }
    response = client.post("/v1/timelines", files={"file": ("", table)}, data=data)
    if response.status_code != 200:  # httpx sends no file name at all for an empty one
        response = client.post("/v1/timelines", files={"file": ("x.bin", table)}, data=data)
    assert response.status_code == 200, response.text
    assert response.json()["results"][0]["turns"][0]["text"] == "Schön"


@pytest.mark.parametrize(
    ("name", "content", "data", "line"),
    [
        ("s.txt", b"T: Hi.\nZork: Hello.\n", {}, 2),
        ("s.csv", b"speaker,text\nT,a,zork\n", {}, 2),
        ("s.csv", b"zork,zark\nT,a\n", {}, 1),
        ("s.json", b'{"turns": [zork]}', {}, None),
        ("s.zork", b"T: Hi.", {}, None),
        ("s.txt", b"", {}, None),
        ("s.txt", b"T: Hi\xff", {}, None),
        ("s.txt", b"T: Hi", {"format": "zork"}, None),
        ("s.txt", b"T: Hi", {"encoding": "zork"}, None),
        ("s.csv", b"speaker,text\nT,a\n", {"columns": '{"zork": "zark"}'}, None),
    ],
)
def test_a_file_that_cannot_be_read_is_a_problem_without_its_words(
    client: TestClient, name: str, content: bytes, data: dict[str, str], line: int | None
) -> None:
    response = client.post("/v1/timelines", files={"file": (name, content)}, data=data)
    body = problem(response, 422)
    assert body["title"] == "File cannot be read"
    assert "zork" not in response.text.lower()
    assert "zark" not in response.text.lower()
    assert (f"in line {line};" in body["detail"]) == (line is not None)


@pytest.mark.parametrize(
    "data",
    [
        {"roles": "not json"},
        {"roles": '{"Anna": "zork"}'},
        {"purpose": "zork"},
        {"zork": "1"},
        {"roles": '{"A": "client", "a": "therapist"}'},
        {"include_text": "zork"},
    ],
)
def test_a_fault_in_a_form_is_told(client: TestClient, data: dict[str, str]) -> None:
    response = client.post("/v1/timelines", files={"file": ("s.txt", b"T: Hi")}, data=data)
    assert problem(response, 422)["errors"]
    assert "zork" not in response.text


def test_a_form_without_a_file_is_told(client: TestClient) -> None:
    response = client.post("/v1/timelines", files={"other": ("s.txt", b"T: Hi")})
    assert problem(response, 422)["errors"][0]["loc"] == ["file"]


def test_a_broken_form_is_told(client: TestClient) -> None:
    for kind in ("multipart/form-data", "multipart/form-data; boundary=x"):
        response = client.post("/v1/timelines", content=b"zork", headers={"Content-Type": kind})
        problem(response, 400)


@pytest.mark.parametrize(
    ("body", "place", "kind"),
    [
        ({}, ["session"], "missing"),
        ([], [], "model_type"),
        ({"session": {"turns": []}}, ["session", "turns"], "too_short"),
        ({"session": {"turns": TURNS}, "sessions": []}, ["sessions"], "too_short"),
        ({"session": {"turns": [{"speaker": "T"}]}}, ["session", "turns", 0, "text"], "missing"),
        (
            {"session": {"turns": [{"speaker": "T", "text": 5}]}},
            ["session", "turns", 0, "text"],
            "string_type",
        ),
        (
            {"session": {"turns": [{"speaker": "T", "text": "a", "start_ms": "5"}]}},
            ["session", "turns", 0, "start_ms"],
            "int_type",
        ),
        (
            {"session": {"turns": [{"speaker": "T", "text": "a", "zork": 1}]}},
            ["session", "turns", 0, "*"],
            "extra_forbidden",
        ),
        ({"session": {"turns": TURNS}, "roles": {"zork": "zork"}}, ["roles", "*"], None),
        ({"session": {"turns": TURNS}, "purpose": "zork"}, ["purpose"], None),
        (
            {"session": {"turns": [{"speaker": "T", "text": "x" * (MAX_TEXT + 1)}]}},
            ["session", "turns", 0, "text"],
            "string_too_long",
        ),
        (
            {"sessions": [{"turns": TURNS}] * (MAX_SESSIONS + 1)},
            ["sessions"],
            "too_long",
        ),
    ],
)
def test_a_body_out_of_shape_is_told_by_place(
    client: TestClient, body: Any, place: list[Any], kind: str | None
) -> None:
    response = post(client, body)
    errors = problem(response, 422)["errors"]
    assert place in [error["loc"] for error in errors]
    if kind is not None:
        assert kind in [error["type"] for error in errors]
    assert "zork" not in response.text


@pytest.mark.parametrize("body", [b"{zork", b"", b"\xff\xfe", b'{"session": "\\ud800"}'])
def test_what_is_not_json_is_told(client: TestClient, body: bytes) -> None:
    response = client.post(
        "/v1/timelines", content=body, headers={"Content-Type": "application/json"}
    )
    problem(response, 400)


@pytest.mark.parametrize("kind", [None, "text/plain", "application/xml", "zork"])
def test_other_media_types_are_refused(client: TestClient, kind: str | None) -> None:
    headers = {} if kind is None else {"Content-Type": kind}
    response = client.post("/v1/timelines", content=b"{}", headers=headers)
    problem(response, 415)
    assert response.headers["accept"] == "application/json, multipart/form-data"


def test_unknown_addresses_and_methods_are_problems(client: TestClient) -> None:
    problem(client.get("/zork"), 404)
    response = client.put("/v1/timelines")
    problem(response, 405)
    assert response.headers["allow"] == "POST"


def test_a_long_body_is_refused_whether_or_not_its_length_is_told(
    calling: Callable[..., TestClient],
) -> None:
    client = calling(body_bytes=2048)
    kind = {"Content-Type": "application/json"}
    problem(client.post("/v1/timelines", content=b" " * 3000, headers=kind), 413)

    def chunks() -> Any:
        for _ in range(30):
            yield b" " * 100

    problem(client.post("/v1/timelines", content=chunks(), headers=kind), 413)
    form = {"file": ("s.txt", io.BytesIO(b"T: Hi\n" * 500))}
    problem(client.post("/v1/timelines", files=form), 413)
    assert client.get("/readyz").status_code == 200


def test_too_many_bytes_at_once_are_refused(calling: Callable[..., TestClient]) -> None:
    client = calling(pending_bytes=1024)
    response = client.post(
        "/v1/timelines", content=b" " * 2000, headers={"Content-Type": "application/json"}
    )
    problem(response, 503)
    assert int(response.headers["retry-after"]) >= 1
    # What was refused no longer counts.
    assert post(client, {"session": {"turns": TURNS[:1]}}).status_code == 200
