"""What is against the rules, and what is said to it."""

import json
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from alliance.serve.http.live_limits import LiveLimits

MARKER = "Zyxwq"


@pytest.mark.parametrize(
    ("message", "status"),
    [
        (MARKER, 400),
        ("[" * 100_000, 400),
        (f'["{MARKER}"]', 400),
        (f'{{"type": "{MARKER}"}}', 400),
        ('{"type": {}}', 400),
        ('{"type": "start"}', 400),
        ('{"type": "resume", "token": "x", "last_seq": 0}', 400),
        (f'{{"type": "turn", "speaker": "client", "text": "{MARKER}"}}', 422),
        (f'{{"type": "turn", "seq": "{MARKER}", "speaker": "client", "text": ""}}', 422),
        ('{"type": "turn", "seq": 0, "speaker": "client", "text": ""}', 422),
        (f'{{"type": "ping", "{MARKER}": 1}}', 422),
        ('{"type": "turn", "seq": 3, "speaker": "client", "text": ""}', 409),
        ('{"type": "turn", "seq": 1, "speaker": "client", "text": "%s"}' % (MARKER * 50_000), 413),
        (MARKER.encode(), 415),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_is_not_understood_closes_the_connection_and_keeps_the_session(
    service: Any, message: str | bytes, status: int, caplog: pytest.LogCaptureFixture, dial: Any
) -> None:
    codes = {400: 4400, 422: 4400, 409: 4409, 413: 1009, 415: 1003}
    with dial(service) as socket:
        token = socket.ask(type="start")["token"]
        socket.connection.send(message)
        refused = socket.answer()
        assert (refused["type"], refused["seq"]) == ("problem", None)
        assert refused["problem"]["status"] == status
        assert refused["problem"]["detail"].startswith("expected ")
        assert MARKER not in json.dumps(refused) + caplog.text
        assert socket.closed() == codes[status]
    with dial(service) as socket:
        assert socket.ask(type="resume", token=token, last_seq=0)["type"] == "resumed"
        socket.turn(1)
        assert socket.answer()["type"] == "labelled"


@pytest.mark.parametrize(
    "first",
    [
        {"type": "ping"},
        {"type": "turn", "seq": 1, "speaker": "client", "text": MARKER},
        {"type": "start", "roles": {MARKER: "clerk"}},
        {"type": "start", "roles": {MARKER: "client", MARKER.lower(): "therapist"}},
        {"type": "start", "purpose": MARKER},
        {"type": "resume", "token": MARKER, "last_seq": 0},
        {"type": "resume", "token": MARKER * 100, "last_seq": 0},
    ],
    ids=lambda value: f"{value['type']}-{len(str(value))}",
)
def test_a_conversation_opens_as_it_should(service: Any, first: dict[str, Any], dial: Any) -> None:
    before = len(service.sessions)
    with dial(service) as socket:
        refused = socket.ask(**first)
        assert refused["type"] == "problem"
        assert 400 <= refused["problem"]["status"] < 500
        assert MARKER.lower() not in json.dumps(refused).lower()
        assert 4400 <= socket.closed() < 4500
    assert len(service.sessions) == before


def test_a_refused_turn_uses_its_number_up_and_changes_nothing(service: Any, dial: Any) -> None:
    with dial(service) as socket:
        token = socket.ask(type="start")["token"]
        socket.turn(1, type="revise")
        socket.turn(2, speaker=MARKER)
        socket.turn(3, start_ms=5, end_ms=4)
        socket.turn(4, start_ms=-1)
        socket.say(type="turn", seq=5, speaker="client", text="so", **{MARKER: 1})
        socket.turn(6, speaker=MARKER * 20)
        refused = [socket.answer() for _ in range(6)]
        assert [problem["seq"] for problem in refused] == [1, 2, 3, 4, 5, 6]
        assert {problem["problem"]["status"] for problem in refused} == {422}
        assert MARKER not in json.dumps(refused)
        assert "expected a turn before its revision" in refused[0]["problem"]["detail"]
        assert refused[3]["problem"]["errors"][0]["loc"] == ["start_ms"]
        socket.turn(7)
        assert socket.answer()["turn"]["turn"] == 0
    with dial(service) as socket:
        socket.ask(type="resume", token=token, last_seq=2)
        assert [socket.answer() for _ in range(4)] == refused[2:]


def test_limits_of_a_session(dial: Any, live_serving: Any, limits: LiveLimits) -> None:
    limits = replace(limits, turns=2, messages=4, characters=10)
    with live_serving(limits) as service, dial(service) as socket:
        started = socket.ask(type="start")
        assert started["limits"]["turns"] == 2
        for seq, text in enumerate(["so", MARKER * 3, "so", "so"], 1):
            socket.turn(seq, text)
        answers = [socket.answer() for _ in range(4)]
        assert [answer["type"] for answer in answers] == [
            "labelled",
            "problem",
            "labelled",
            "problem",
        ]
        assert "at most 10 characters" in answers[1]["problem"]["detail"]
        assert "at most 2 turns" in answers[3]["problem"]["detail"]
        socket.turn(5)
        assert "at most 4 messages" in socket.answer()["problem"]["detail"]


def test_silence_ends_a_connection(dial: Any, live_serving: Any, limits: LiveLimits) -> None:
    with live_serving(replace(limits, first_seconds=0.1, idle_seconds=0.2)) as service:
        for opening in (False, True):
            with dial(service) as socket:
                if opening:
                    socket.ask(type="start")
                assert socket.answer()["problem"]["status"] == 408
                assert socket.closed() == 4408


def test_a_fault_of_the_server_is_told_without_its_words(
    caplog: pytest.LogCaptureFixture, dial: Any, live_serving: Any
) -> None:
    with live_serving() as service, dial(service) as socket, capture_logs() as logs:
        token = socket.ask(type="start")["token"]
        service.network.failing = True
        socket.turn(1)
        refused = socket.answer()
        assert (refused["problem"]["status"], refused["seq"]) == (500, None)
        assert socket.closed() == 1011
        assert [one["exception"] for one in logs if one["log_level"] == "error"] == ["RuntimeError"]
        assert MARKER not in f"{logs}{caplog.text}{refused}"
        service.network.failing = False
        with dial(service) as again:
            assert again.ask(type="resume", token=token, last_seq=0)["seq"] == 0
            again.turn(1)
            assert again.answer()["type"] == "labelled"


def test_a_view_that_fails_is_logged_and_taken_with_the_next_turn(
    dial: Any, live_serving: Any, wait_until: Any
) -> None:
    with live_serving() as service, dial(service) as socket, capture_logs() as logs:
        socket.ask(type="start")
        service.network.views_failing = True
        socket.turn(1)
        assert socket.hear()["seq"] == 1
        wait_until(lambda: any(one["log_level"] == "error" for one in logs))
        assert [one["exception"] for one in logs if one["log_level"] == "error"] == ["RuntimeError"]
        assert MARKER not in str(logs)
        service.network.views_failing = False
        socket.turn(2)
        assert socket.answer()["seq"] == 2
        assert socket.view(2)["seq"] == 2
