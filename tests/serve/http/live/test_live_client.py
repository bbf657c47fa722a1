"""The client, and what the documentation shows."""

import re
from pathlib import Path
from typing import Any

import pytest

from alliance.model.session import Session, Turn
from alliance.model.timeline import timeline
from alliance.serve.http.live_messages import CloseCode
from alliance.serve.live_client import LiveClient, LiveProblemError

MARKER = "Zyxwq"


def test_the_documented_conversation_and_close_codes(
    service: Any, capsys: pytest.CaptureFixture[str], dial: Any
) -> None:
    readme = (Path(__file__).parents[4] / "serve" / "README.md").read_text(encoding="utf-8")
    section = readme.partition("## Live sessions\n")[2].partition("\n## ")[0]
    (example,) = re.findall(r"^```python\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)
    example = example.replace("http://127.0.0.1:8642", service.url)
    exec(compile(example, "serve/README.md", "exec"), {})
    assert "2 turns" in capsys.readouterr().out
    (said,) = re.findall(r"^```json\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)
    with dial(service) as socket:
        heard = []
        for line in said.splitlines():
            socket.connection.send(line)
            heard.append(socket.answer()["type"])
        assert heard == ["started", "labelled", "labelled", "labelled", "pong", "timeline"]
    codes = {int(code) for code in re.findall(r"^\| (\d{4}) \|", section, re.MULTILINE)}
    assert codes == {code.value for code in CloseCode}


def test_the_client_mends_lost_connections(service: Any, say_turns: Any) -> None:
    turns = [turn for turn in say_turns(8, seed=3) if turn.speaker != "other"]
    with LiveClient(service.url, session_id="mended", include_text=True) as live:
        answers = []
        for place, turn in enumerate(turns):
            if place % 3 == 1:  # before it is sent
                assert live._connection is not None
                live._connection.close()
            if place % 3 == 2:  # after it was sent, before it is answered
                lose_the_next_answer(live)
            answers.append(live.turn(turn.speaker, turn.text, start_ms=turn.start_ms))
            if place % 3 == 0:
                assert live._connection is not None
                live._connection.close()
                live.catch_up()  # resumes, and waits
        revised = live.revise("client", "so it was")
        view = live.catch_up()
        held = live.turns
        ended = live.end()
    session = Session("mended", tuple(turns))
    causal = service.model.label(session, causal=True)
    assert tuple(answer.newest for answer in answers) == causal.turns
    final = Session("mended", (*turns[:-1], Turn("client", "so it was")))
    assert ended == timeline(service.model.label(final))
    assert view.episodes == ended.episodes
    assert [turn.label for turn in held] == [turn.label for turn in ended.turns]
    assert revised.newest == service.model.label(final, causal=True).turns[-1]


def lose_the_next_answer(live: LiveClient) -> None:
    send = live._send

    def lossy(text: str) -> None:
        send(text)
        live._send = send  # type: ignore[method-assign]
        assert live._connection is not None
        live._connection.close()

    live._send = lossy  # type: ignore[method-assign]


def test_the_client_tells_what_the_server_refuses(service: Any) -> None:
    with LiveClient(service.url) as live:
        with pytest.raises(LiveProblemError, match="expected a speaker whose role is known") as one:
            live.turn(MARKER, "so")
        assert one.value.status == 422
        assert live.turn("client", "so").newest.index == 0
        assert live.turn("client", "so").newest.index == 1
    with (
        pytest.raises(LiveProblemError, match="422"),
        LiveClient(service.url, roles={"Anna": "clerk"}),
    ):
        pass


def test_the_client_gives_up_in_the_end(live_serving: Any) -> None:
    with live_serving() as service:
        live = LiveClient(service.url, reconnects=1)
        live.__enter__()
        live.turn("client", "so")
    with pytest.raises(OSError, match="connection lost, repeatedly"):
        live.turn("client", "so")
    with pytest.raises(OSError, match=r"."), LiveClient(service.url):
        pass


def test_the_client_gathers_revisions(service: Any, say_turns: Any) -> None:
    turns = [turn for turn in say_turns(20, seed=1) if turn.speaker != "other"]
    session = Session("session-1", tuple(Turn(turn.speaker, turn.text) for turn in turns))
    causal = service.model.label(session, causal=True)
    full = service.model.label(session)
    with LiveClient(service.url) as live:
        assert live.catch_up().revisions == ()
        for turn in turns:
            live.turn(turn.speaker, turn.text)
        view = live.catch_up()
        changed = [turn.index for turn in view.revisions]
        assert changed == sorted(set(changed))
        # Where no revision came, the label of the first answer stands.
        for before, now in zip(causal, full, strict=True):
            assert live.turns[now.index].label == now.label
            if now.label != before.label:
                assert now.index in changed
        assert any(now.label != before.label for before, now in zip(causal, full, strict=True))
        assert live.catch_up().revisions == ()
        assert view.episodes == timeline(full).episodes
