"""The client, the README's examples, and the program itself, against real servers."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from starlette.testclient import TestClient
from typer.testing import Result

from alliance.model.classifier import RuptureClassifier
from alliance.model.formats import read_session
from alliance.model.timeline import timeline
from alliance.serve.client import Client, ServiceError
from alliance.serve.http.keys import Scope
from alliance.serve.http.keys_file import KeysFile

ROOT = Path(__file__).parents[3]
README = (ROOT / "serve" / "README.md").read_text(encoding="utf-8")
ADDRESS = "http://127.0.0.1:8642"
TEXT = "T: How has the week been?\nAnna: You are useless.\nT: I am sorry.\nAnna: Thanks.\n"
ROLES = {"Anna": "client"}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


@pytest.fixture
def transcript(tmp_path: Path) -> Path:
    path = tmp_path / "session.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


def test_the_client_gives_what_the_classifier_gives(
    serving: Callable[..., str], classifier: RuptureClassifier, transcript: Path
) -> None:
    session = read_session(transcript, roles=ROLES)
    expected = timeline(classifier.label(session))
    with Client(serving()) as client:
        assert client.ready()
        assert client.model()["model"]["name"] == "stub-1"
        assert client.timeline(session, include_text=True) == expected
        pairs = [tuple(line.split(": ")) for line in TEXT.splitlines()]
        made = client.timeline(pairs, roles=ROLES, include_text=True)  # type: ignore[arg-type]
        assert made.turns == expected.turns
        assert client.timelines_of_file(transcript, roles=ROLES, include_text=True) == [expected]
        good, bad = client.timelines([session, [("Zoe", "Who?")]], include_text=True)
        assert good == expected
        assert isinstance(bad, ServiceError)
        assert (bad.status, bad.session_id) == (422, "session-2")
        with pytest.raises(ServiceError, match="422 Session cannot be labelled") as refused:
            client.timeline([("Zoe", "Who?")])
        assert refused.value.errors[0]["loc"] == ["session", "turns", 0, "speaker"]


def test_the_client_sends_its_key(
    serving: Callable[..., str], tmp_path: Path, transcript: Path
) -> None:
    ring = KeysFile(tmp_path / "keys.json")
    _, token = ring.add(group="g", scopes=[Scope.LABEL])
    url = serving(keys=ring)
    with Client(url, key=token) as client:
        assert client.timelines_of_file(transcript, roles=ROLES)
    with Client(url) as client:
        assert not client.ready()
        with pytest.raises(ServiceError, match="401"):
            client.model()


def test_the_client_waits_when_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    answers = iter([503, 503, 429])

    def answer(request: httpx.Request) -> httpx.Response:
        status = next(answers, 400)
        body = {"status": status, "title": "t", "detail": "d"}
        return httpx.Response(status, json=body, headers={"Retry-After": "7"})

    client = Client(retries=3)
    client._calls.http = httpx.Client(base_url=ADDRESS, transport=httpx.MockTransport(answer))
    with client, pytest.raises(ServiceError, match="400"):
        client.timelines([])
    assert waited == [7.0, 7.0, 7.0]


def test_a_server_that_is_not_there_is_not_ready() -> None:
    with Client("http://127.0.0.1:9") as client:
        assert not client.ready()


# -- the README


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_curl_examples_work(serving: Callable[..., str], transcript: Path) -> None:
    url = serving()
    commands = [
        block for block in blocks("sh") if block.startswith("curl") and "/v1/login" not in block
    ]
    assert len(commands) >= 4
    for command in commands:
        assert ADDRESS in command
        said = bash(command.replace(ADDRESS, url), transcript.parent)
        if "/metrics" in command:
            assert '"alive"' in said
            assert '"ready"' in said
            assert 'alliance_turns_total{label="neutral"}' in said
        else:
            reply = json.loads(said)
            assert "status" not in reply, reply
            assert {"turns", "results", "claim"} & reply.keys()
    assert "turns" in json.loads(bash(commands[0].replace(ADDRESS, url), transcript.parent))


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_login_example_works(
    serving: Callable[..., str], transcript: Path, tmp_path: Path
) -> None:
    ring = KeysFile(tmp_path / "keys.json")
    _, token = ring.add(group="g", scopes=[Scope.LABEL])
    url = serving(keys=ring)
    (example,) = [block for block in blocks("sh") if "/v1/login" in block]
    said = bash(f"KEY={token}\n" + example.replace(ADDRESS, url), transcript.parent)
    assert json.loads(said)["results"][0]["turns"]  # and logging out says nothing
    assert httpx.get(f"{url}/v1/model", timeout=60).status_code == 401
    cookie = (transcript.parent / "cookies").read_text(encoding="utf-8").split()[-1]
    gone = httpx.get(f"{url}/v1/model", headers={"Cookie": f"alliance_login={cookie}"}, timeout=60)
    assert gone.status_code == 401


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_main_readmes_line_prints_a_timeline(
    serving: Callable[..., str], tmp_path: Path
) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"^```sh\n(curl .*?)^```$", text, re.DOTALL | re.MULTILINE)
    assert ADDRESS in command
    made = json.loads(bash(command.replace(ADDRESS, serving()), tmp_path))
    assert {"session_id", "turns", "episodes", "summary", "model"} <= made.keys()
    assert len(made["turns"]) == 2


def test_every_address_has_an_example(storing: TestClient) -> None:
    shown = set()
    for name in ("README.md", "STORE.md"):
        text = (ROOT / "serve" / name).read_text(encoding="utf-8")
        for block in re.findall(r"^```sh\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
            shown |= set(re.findall(r"8642(/[^\s\"'?]*)", block))
    names = (("$SESSION", "{session_id}"), ("$JOB", "{job_id}"), ("/turns/1/", "/turns/{turn}/"))
    for word, name in names:
        shown = {path.replace(word, name) for path in shown}
    assert set(storing.get("/openapi.json").json()["paths"]) == shown


def bash(command: str, folder: Path) -> str:
    """What a shell command says on its output."""
    done = subprocess.run(
        ["bash", "-ec", command], cwd=folder, capture_output=True, check=True, timeout=120
    )
    return done.stdout.decode()


def test_the_python_example_works(
    serving: Callable[..., str],
    transcript: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    url = serving()
    monkeypatch.chdir(transcript.parent)
    example = next(block for block in blocks("python") if "import Client" in block)
    exec(compile(example.replace(ADDRESS, url), "serve/README.md", "exec"), {})
    assert "session 4" in capsys.readouterr().out


# -- the program


def start(program: list[str], *words: str | Path) -> "subprocess.Popen[bytes]":
    environment = {name: value for name, value in os.environ.items() if name != "ALLIANCE_PORT"}
    return subprocess.Popen(
        [*program, "serve", *map(str, words)], stderr=subprocess.PIPE, env=environment
    )


def address(server: "subprocess.Popen[bytes]") -> tuple[str, list[str]]:
    lines = []
    assert server.stderr is not None
    for line in server.stderr:
        lines.append(line.decode())
        told = json.loads(line)
        if told["event"] == "listening":
            assert told["host"] == "127.0.0.1"
            return f"http://127.0.0.1:{told['port']}", lines
    raise AssertionError("".join(lines))


def test_the_program_serves_and_finishes_at_sigterm(program: list[str], stub: Path) -> None:
    server = start(program, "--port", "0", "--model", stub)
    try:
        url, _ = address(server)
        with Client(url, retries=20) as client:
            made = client.timeline([("T", "Hello."), ("C", "useless")])
        assert made.turns[1].label == "confrontation"
        server.send_signal(signal.SIGTERM)
        _, rest = server.communicate(timeout=300)
    finally:
        server.kill()
        server.wait()
    assert server.returncode == 143
    assert b"Application shutdown complete" in rest
    assert b"Hello" not in rest
    for line in rest.splitlines():
        json.loads(line)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--host", "0.0.0.0"], "expected an API key before listening on 0.0.0.0"),
        (["--model", "nothing-here"], "expected a model folder"),
        (["--port", "70000"], "expected a usable setting port"),
        (["--rate-limit", "often"], "expected a rate such as 600/minute"),
        (["--host", "no.such.host.invalid", "--no-keys"], "expected an API key before"),
    ],
)
def test_what_keeps_it_from_starting_is_one_sentence(
    alliance: Callable[..., Result], words: list[str], said: str
) -> None:
    result = alliance("serve", "--port", "0", *words)
    assert result.exit_code in (1, 2)
    last = result.stderr.splitlines()[-1]
    assert last.startswith("alliance: ")
    assert said in last


def test_a_port_in_use_is_told(
    alliance: Callable[..., Result], serving: Callable[..., str]
) -> None:
    port = serving().rpartition(":")[2]
    result = alliance("serve", "--port", port)
    assert result.exit_code == 2
    assert f"127.0.0.1 port {port} cannot be used" in result.stderr


def test_other_commands_do_without_the_service(tmp_path: Path, stub: Path) -> None:
    """`alliance --help` and `alliance label` load no web framework, and live without it."""
    (tmp_path / "s.txt").write_text("T: Hello.\n", encoding="utf-8")
    code = """
import sys
for name in ("fastapi", "uvicorn", "sqlalchemy", "structlog", "httpx"):
    sys.modules[name] = None
from alliance.serve.main import app
for words in (["--help"], ["label", "s.txt", "--model", sys.argv[1]], ["serve"]):
    try:
        app(words, prog_name="alliance")
    except SystemExit as end:
        print("ended", end.code)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(stub)],
        cwd=tmp_path,
        capture_output=True,
        check=True,
        timeout=300,
    )
    assert re.findall(rb"ended (\d)", done.stdout) == [b"0", b"0", b"1"]
    assert b"serve needs the [serve] extra" in done.stderr.replace(b"alliance ", b"")
    assert b"  serve " in done.stdout
