import json
import re
import socket as socket_module
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from structlog.testing import capture_logs
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from alliance.model.backend import Logits
from alliance.model.classifier import RuptureClassifier
from alliance.model.labelled import Purpose
from alliance.model.session import Session, Turn
from alliance.model.timeline import timeline
from alliance.model.tokens import TokenIds, TurnTokenizer
from alliance.serve.http.app import create_app
from alliance.serve.http.keys import Scope
from alliance.serve.http.keys_file import KeysFile
from alliance.serve.http.live_messages import CloseCode
from alliance.serve.http.live_sessions import LiveLimits, LiveSessions
from alliance.serve.http.server import in_thread
from alliance.serve.http.settings import Settings
from alliance.serve.live_client import LiveClient, LiveProblemError

STUB = Path(__file__).parents[2] / "data" / "stub_model"
WORDS = ["fine", "dunno", "useless", "must", "thanks", "sorry", "so", "well", "the", "bus"]
MARKER = "Zyxwq"
LIMITS = LiveLimits(messages_per_second=10_000.0, first_seconds=5.0, idle_seconds=20.0)


class Heedful:
    """A network that heeds every token of the window and its place; it can be made to wait."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.open.set()
        self.asked = threading.Event()
        self.failing = False

    def __call__(self, ids: TokenIds) -> Logits:
        self.asked.set()
        assert self.open.wait(20)
        if self.failing:
            raise RuntimeError(MARKER)
        whole = int(ids @ np.arange(1, len(ids) + 1)) + len(ids)
        draw = np.random.default_rng(whole).normal(size=(len(ids), 21)) * 3
        return draw.astype(np.float32)


class Service:
    """A server that runs, with the parts that a test looks at."""

    def __init__(self, url: str, model: RuptureClassifier, network: Heedful, app: FastAPI) -> None:
        self.url = url
        self.model = model
        self.network = network
        self.app = app

    @property
    def sessions(self) -> LiveSessions:
        sessions: LiveSessions = self.app.state.live
        return sessions


@contextmanager
def serving(
    limits: LiveLimits = LIMITS, *, keys: KeysFile | None = None, queued_turns: int = 50_000
) -> Iterator[Service]:
    network = Heedful()
    model = RuptureClassifier(
        "heedful",
        tokenizer=TurnTokenizer.from_file(STUB / "tokenizer.json"),
        backend=network,
        packing=RuptureClassifier.load(STUB).packing,
    )
    settings = Settings(workers=2, port=0, queued_turns=queued_turns)
    app = create_app(settings, model, keys=keys)
    app.state.live = LiveSessions(limits)
    with in_thread(app, settings) as url:
        try:
            yield Service(url, model, network, app)
        finally:
            network.open.set()


def until(true: Callable[[], bool]) -> None:
    for _ in range(3000):
        if true():
            return
        time.sleep(0.01)
    raise AssertionError("waited in vain")


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with serving() as running:
        yield running


class Socket:
    """A client that sees every message."""

    def __init__(
        self, service: Service, *, sock: socket_module.socket | None = None, **headers: str
    ) -> None:
        url = service.url.replace("http", "ws") + "/v1/live"
        self.closing = ExitStack()
        opening = connect(url, sock=sock, additional_headers=headers, proxy=None, compression=None)
        self.connection: ClientConnection = self.closing.enter_context(opening)

    def __enter__(self) -> "Socket":
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.close()

    def say(self, **message: Any) -> None:
        self.connection.send(json.dumps(message))

    def hear(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self.connection.recv(30))
        return message

    def ask(self, **message: Any) -> dict[str, Any]:
        self.say(**message)
        return self.hear()

    def turn(self, seq: int, text: str = "so", *, type: str = "turn", **more: Any) -> None:  # noqa: A002
        self.say(type=type, seq=seq, **{"speaker": "client", "text": text, **more})

    def closed(self) -> int:
        with pytest.raises(ConnectionClosed) as caught:
            self.connection.recv(30)
        assert caught.value.rcvd is not None
        return caught.value.rcvd.code


def turns_of(count: int, *, seed: int = 0) -> list[Turn]:
    draw = np.random.default_rng(seed)
    return [
        Turn(
            ["therapist", "client", "client", "other"][int(draw.integers(4))],
            " ".join(draw.choice(WORDS, size=draw.integers(0, 40))),
            1000 * place,
        )
        for place in range(count)
    ]


def sent(turn: Turn) -> dict[str, Any]:
    return {"speaker": turn.speaker, "text": turn.text, "start_ms": turn.start_ms}


def decided(turn: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(turn[name] for name in ("turn", "label", "marker", "abstained"))


# --- what is answered


@pytest.mark.parametrize("include_text", [False, True])
def test_a_replayed_session_gets_causal_labels_and_ends_as_one_sent_whole(
    service: Service, include_text: bool
) -> None:
    turns = turns_of(25)
    session = Session("replayed", tuple(turns))
    causal = service.model.label(session, causal=True, purpose=Purpose.SCREENING)
    shown: list[dict[str, Any]] = []
    with Socket(service) as socket:
        started = socket.ask(
            type="start", id="replayed", purpose="screening", include_text=include_text
        )
        assert (started["type"], started["seq"]) == ("started", 0)
        assert started["model"] == {"name": "heedful", "codebook": "1"}
        assert len(started["token"]) > 30
        for seq, turn in enumerate(turns, 1):
            socket.turn(seq, **sent(turn))  # all of them before the first answer is read
        socket.say(type="end", seq=len(turns) + 1)
        revised = 0
        for seq in range(1, len(turns) + 1):
            answer = socket.hear()
            assert (answer["type"], answer["seq"]) == ("labelled", seq)
            newest = causal.turns[seq - 1].to_dict(include_text=include_text)
            assert answer["turn"] == newest
            shown.append(newest)
            for turn in answer["revisions"]:
                assert decided(turn) != decided(shown[turn["turn"]])
                shown[turn["turn"]] = turn
                revised += 1
            so_far = Session("replayed", tuple(turns[:seq]))
            full = timeline(service.model.label(so_far, purpose=Purpose.SCREENING))
            assert [decided(turn) for turn in shown] == [decided(t.to_dict()) for t in full.turns]
            assert answer["episodes"] == [episode.to_dict() for episode in full.episodes]
        assert revised
        ended = socket.hear()
        assert (ended["type"], ended["seq"]) == ("timeline", len(turns) + 1)
        assert ended["timeline"] == full.to_dict(include_text=include_text)
        assert socket.closed() == 1000


def test_a_recogniser_corrects_itself(service: Service) -> None:
    with Socket(service) as socket:
        socket.ask(type="start", roles={"Anna": "client"})
        socket.turn(1, "so", speaker="T")
        socket.turn(2, "so it was use", speaker="Anna")
        socket.turn(3, "so it was useful", type="revise", speaker="Anna")
        socket.turn(4, "so it was useless", type="revise", speaker="Anna")
        answers = [socket.hear() for _ in range(4)]
        assert [answer["turn"]["turn"] for answer in answers] == [0, 1, 1, 1]
        said = Session("session-1", (Turn("therapist", "so"), Turn("client", "so it was useless")))
        causal = service.model.label(said, causal=True)
        assert answers[3]["turn"] == causal.turns[1].to_dict(include_text=False)
        ended = socket.ask(type="end", seq=5)
        expected = timeline(service.model.label(said)).to_dict(include_text=False)
        assert ended["timeline"] == expected


def test_twenty_sessions_at_once(service: Service) -> None:
    def one(seed: int) -> bool:
        turns = turns_of(5, seed=seed)
        with LiveClient(service.url, session_id=f"s{seed}", include_text=True) as live:
            answers = [live.turn(t.speaker, t.text, start_ms=t.start_ms) for t in turns]
            ended = live.end()
        session = Session(f"s{seed}", tuple(turns))
        causal = service.model.label(session, causal=True)
        assert tuple(answer.newest for answer in answers) == causal.turns
        return ended == timeline(service.model.label(session))

    with ThreadPoolExecutor(20) as pool:
        assert all(pool.map(one, range(20)))


def test_ping(service: Service) -> None:
    with Socket(service) as socket:
        socket.ask(type="start")
        assert socket.ask(type="ping") == {"type": "pong"}


# --- dropped connections


def played(service: Service, turns: list[Turn]) -> list[dict[str, Any]]:
    """The answers of a session without mishap."""
    with Socket(service) as socket:
        socket.ask(type="start")
        for seq, turn in enumerate(turns, 1):
            socket.turn(seq, **sent(turn))
        return [socket.hear() for _ in turns]


@pytest.mark.parametrize("heard", [0, 2, 3])
def test_a_dropped_session_is_resumed_without_loss_or_repetition(
    service: Service, heard: int
) -> None:
    turns = turns_of(7, seed=5)
    expected = played(service, turns)
    with Socket(service) as socket:
        token = socket.ask(type="start")["token"]
        for seq in (1, 2, 3):
            socket.turn(seq, **sent(turns[seq - 1]))
        answers = [socket.hear() for _ in range(heard)]
        until(lambda: taken(service, token) == 3)
    with Socket(service) as socket:
        resumed = socket.ask(type="resume", token=token, last_seq=heard)
        assert (resumed["type"], resumed["seq"]) == ("resumed", 3)
        answers += [socket.hear() for _ in range(3 - heard)]
        # One that is sent again is answered as it was, and not taken twice.
        socket.turn(3, **sent(turns[2]))
        assert socket.hear() == expected[2]
        for seq in range(4, 8):
            socket.turn(seq, **sent(turns[seq - 1]))
        answers += [socket.hear() for _ in range(4)]
        assert answers == expected
        ended = socket.ask(type="end", seq=8)
    # The timeline can be had again as well, for a while.
    with Socket(service) as socket:
        socket.ask(type="resume", token=token, last_seq=7)
        assert socket.hear() == ended
        assert socket.closed() == 1000


def taken(service: Service, token: str) -> int:
    held = service.sessions.find(token, key_id="local")
    return len(held._replies)


def test_a_turn_in_work_when_the_connection_drops_is_taken_once() -> None:
    turns = turns_of(3, seed=6)
    with serving() as service:
        expected = played(service, turns)
        with Socket(service) as socket:
            token = socket.ask(type="start")["token"]
            socket.turn(1, **sent(turns[0]))
            socket.hear()
            service.network.open.clear()
            service.network.asked.clear()
            socket.turn(2, **{**sent(turns[1]), "text": turns[1].text or "so"})
            assert service.network.asked.wait(20)
        with Socket(service) as socket:
            socket.say(type="resume", token=token, last_seq=1)
            time.sleep(0.1)
            service.network.open.set()
            assert socket.hear()["seq"] == 2
            assert socket.hear() == expected[1]
            socket.turn(3, **sent(turns[2]))
            assert socket.hear() == expected[2]


def test_a_session_is_taken_over_from_a_connection_that_still_stands(service: Service) -> None:
    with Socket(service) as first, Socket(service) as second:
        token = first.ask(type="start")["token"]
        first.turn(1)
        first.hear()
        assert second.ask(type="resume", token=token, last_seq=1)["seq"] == 1
        assert first.closed() == 4410
        second.turn(2)
        assert second.hear()["seq"] == 2


def test_a_session_waits_for_some_time_and_is_forgotten() -> None:
    with serving(replace(LIMITS, resume_seconds=0.05)) as service:
        with Socket(service) as socket:
            token = socket.ask(type="start")["token"]
            assert len(service.sessions) == 1
            time.sleep(0.2)  # a connection that stands is not waited for
            assert socket.ask(type="ping") == {"type": "pong"}
        until(lambda: len(service.sessions) == 0)
        with Socket(service) as socket:
            refused = socket.ask(type="resume", token=token, last_seq=0)
            assert (refused["problem"]["status"], refused["seq"]) == (404, None)
            assert socket.closed() == 4404


# --- keys and pages


@pytest.fixture
def keys(tmp_path: Path) -> KeysFile:
    return KeysFile(tmp_path / "keys.json")


def test_keys(keys: KeysFile) -> None:
    _, mine = keys.add(group="a", scopes=[Scope.LABEL])
    key, other = keys.add(group="a", scopes=[Scope.LABEL])
    _, reader = keys.add(group="a", scopes=[Scope.READ])
    with serving(keys=keys) as service:
        with Socket(service, Authorization=f"Bearer {mine}") as socket:
            token = socket.ask(type="start")["token"]
        # The first message may carry the key; nobody else's resumes the session.
        for key_sent, status, code in (
            (other, 404, 4404),
            (reader, 403, 4403),
            (None, 401, 4401),
            (f"alliance_{MARKER}", 401, 4401),
        ):
            with Socket(service) as socket:
                refused = socket.ask(type="resume", token=token, last_seq=0, key=key_sent)
                assert refused["problem"]["status"] == status
                assert MARKER not in json.dumps(refused)
                assert socket.closed() == code
        with Socket(service) as socket:
            assert socket.ask(type="resume", token=token, last_seq=0, key=mine)["seq"] == 0
        with pytest.raises(InvalidStatus) as caught:
            Socket(service, Authorization=f"Bearer {mine}x")
        assert caught.value.response.status_code == 401
        assert json.loads(caught.value.response.body or b"")["status"] == 401
        # A key that is revoked stops in the middle of a session.
        with Socket(service, Authorization=f"Bearer {other}") as socket:
            socket.ask(type="start")
            socket.turn(1)
            assert socket.hear()["type"] == "labelled"
            keys.revoke(key.id)
            socket.turn(2)
            assert socket.hear()["problem"]["status"] == 401
            assert socket.closed() == 4401
        with (
            pytest.raises(LiveProblemError, match="401"),
            LiveClient(service.url, key=other),
        ):
            pass
        with LiveClient(service.url, key=mine) as live:
            assert live.turn("client", "so").newest.index == 0


def test_pages_of_other_sites_are_kept_out(service: Service) -> None:
    with pytest.raises(InvalidStatus) as caught:
        Socket(service, Origin="https://elsewhere.example")
    assert caught.value.response.status_code == 403
    assert b"elsewhere" not in (caught.value.response.body or b"")
    with Socket(service, Origin=service.url) as socket:
        assert socket.ask(type="start")["type"] == "started"


def test_a_page_that_rebinds_its_name_is_kept_out(service: Service) -> None:
    handshake = (
        "GET /v1/live HTTP/1.1\r\nHost: elsewhere.example\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n"
    )
    port = int(service.url.rpartition(":")[2])
    with socket_module.create_connection(("127.0.0.1", port), 20) as plain:
        plain.sendall(handshake.encode())
        assert plain.recv(100).startswith(b"HTTP/1.1 421 ")


# --- what is against the rules


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
    service: Service, message: str | bytes, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    codes = {400: 4400, 422: 4400, 409: 4409, 413: 1009, 415: 1003}
    with Socket(service) as socket:
        token = socket.ask(type="start")["token"]
        socket.connection.send(message)
        refused = socket.hear()
        assert (refused["type"], refused["seq"]) == ("problem", None)
        assert refused["problem"]["status"] == status
        assert refused["problem"]["detail"].startswith("expected ")
        assert MARKER not in json.dumps(refused) + caplog.text
        assert socket.closed() == codes[status]
    with Socket(service) as socket:
        assert socket.ask(type="resume", token=token, last_seq=0)["type"] == "resumed"
        socket.turn(1)
        assert socket.hear()["type"] == "labelled"


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
def test_a_conversation_opens_as_it_should(service: Service, first: dict[str, Any]) -> None:
    before = len(service.sessions)
    with Socket(service) as socket:
        refused = socket.ask(**first)
        assert refused["type"] == "problem"
        assert 400 <= refused["problem"]["status"] < 500
        assert MARKER.lower() not in json.dumps(refused).lower()
        assert 4400 <= socket.closed() < 4500
    assert len(service.sessions) == before


def test_a_refused_turn_uses_its_number_up_and_changes_nothing(service: Service) -> None:
    with Socket(service) as socket:
        token = socket.ask(type="start")["token"]
        socket.turn(1, type="revise")
        socket.turn(2, speaker=MARKER)
        socket.turn(3, start_ms=5, end_ms=4)
        socket.turn(4, start_ms=-1)
        socket.say(type="turn", seq=5, speaker="client", text="so", **{MARKER: 1})
        socket.turn(6, speaker=MARKER * 20)
        refused = [socket.hear() for _ in range(6)]
        assert [problem["seq"] for problem in refused] == [1, 2, 3, 4, 5, 6]
        assert {problem["problem"]["status"] for problem in refused} == {422}
        assert MARKER not in json.dumps(refused)
        assert "expected a turn before its revision" in refused[0]["problem"]["detail"]
        assert refused[3]["problem"]["errors"][0]["loc"] == ["start_ms"]
        socket.turn(7)
        assert socket.hear()["turn"]["turn"] == 0
    with Socket(service) as socket:
        socket.ask(type="resume", token=token, last_seq=2)
        assert [socket.hear() for _ in range(4)] == refused[2:]


def test_limits_of_a_session() -> None:
    limits = replace(LIMITS, turns=2, messages=4, characters=10)
    with serving(limits) as service, Socket(service) as socket:
        started = socket.ask(type="start")
        assert started["limits"]["turns"] == 2
        for seq, text in enumerate(["so", MARKER * 3, "so", "so"], 1):
            socket.turn(seq, text)
        answers = [socket.hear() for _ in range(4)]
        assert [answer["type"] for answer in answers] == [
            "labelled",
            "problem",
            "labelled",
            "problem",
        ]
        assert "at most 10 characters" in answers[1]["problem"]["detail"]
        assert "at most 2 turns" in answers[3]["problem"]["detail"]
        socket.turn(5)
        assert "at most 4 messages" in socket.hear()["problem"]["detail"]


def test_an_answer_unknown_to_the_server_is_not_resumed_from(service: Service) -> None:
    with Socket(service) as socket:
        token = socket.ask(type="start")["token"]
    with Socket(service) as socket:
        refused = socket.ask(type="resume", token=token, last_seq=1)
        assert refused["problem"]["status"] == 409
        assert socket.closed() == 4409


def test_silence_ends_a_connection() -> None:
    with serving(replace(LIMITS, first_seconds=0.1, idle_seconds=0.2)) as service:
        for opening in (False, True):
            with Socket(service) as socket:
                if opening:
                    socket.ask(type="start")
                assert socket.hear()["problem"]["status"] == 408
                assert socket.closed() == 4408


# --- too much


def test_too_many_sessions_are_refused_and_ended_ones_give_way() -> None:
    with serving(replace(LIMITS, sessions=2)) as service, ExitStack() as stack:
        first, second, third = (stack.enter_context(Socket(service)) for _ in range(3))
        first.ask(type="start")
        token = second.ask(type="start")["token"]
        refused = third.ask(type="start")
        assert (refused["problem"]["status"], refused["retry_after"]) == (503, 30)
        assert third.closed() == 1013
        second.ask(type="end", seq=1)
        assert second.closed() == 1000
        held = service.sessions.find(token, key_id="local")
        until(lambda: held.connection is None)
        fourth = stack.enter_context(Socket(service))
        assert fourth.ask(type="start")["type"] == "started"
        assert len(service.sessions) == 2


def test_an_overloaded_queue_is_told_and_the_turn_is_not_lost() -> None:
    limits = replace(LIMITS, patience_seconds=0.2)
    with serving(limits, queued_turns=1) as service:
        expected = played(service, [Turn("client", "so"), Turn("client", "well")])
        service.network.open.clear()
        with Socket(service) as busy, Socket(service) as socket:
            busy.ask(type="start")
            token = socket.ask(type="start")["token"]
            service.network.asked.clear()
            busy.turn(1)
            assert service.network.asked.wait(20)
            socket.turn(1)
            refused = socket.hear()
            assert (refused["problem"]["status"], refused["seq"]) == (503, None)
            assert refused["retry_after"] >= 1
            assert socket.closed() == 1013
            service.network.open.set()
            assert busy.hear()["seq"] == 1
        with Socket(service) as socket:
            assert socket.ask(type="resume", token=token, last_seq=0)["seq"] == 0
            for seq, text in ((1, "so"), (2, "well")):
                socket.turn(seq, text)
            assert [socket.hear()["turn"] for _ in range(2)] == [one["turn"] for one in expected]


def test_a_client_that_reads_nothing_holds_nobody_up_and_misses_nothing() -> None:
    count, text = 400, "x" * 20_000
    with serving(replace(LIMITS, send_seconds=0.5)) as service:
        # Answers of eight megabytes: more than the buffers of both sides hold.
        sock = socket_module.socket()
        sock.setsockopt(socket_module.SOL_SOCKET, socket_module.SO_RCVBUF, 4096)
        sock.connect(("127.0.0.1", int(service.url.rpartition(":")[2])))
        with Socket(service, sock=sock) as slow, Socket(service) as other:
            token = slow.ask(type="start", include_text=True)["token"]
            held = service.sessions.find(token, key_id="local")
            pushing = threading.Thread(target=push, args=(slow, count, text))
            pushing.start()
            other.ask(type="start")
            for seq in (1, 2, 3):
                other.turn(seq)
                assert other.hear()["seq"] == seq
            until(lambda: held.connection is None)
            answered = len(held._replies)
            assert 1 < answered < count
            sock.shutdown(socket_module.SHUT_RDWR)
            pushing.join(30)
            other.turn(4)
            assert other.hear()["seq"] == 4
        with Socket(service) as again:
            assert again.ask(type="resume", token=token, last_seq=0)["seq"] == answered
            assert [again.hear()["seq"] for _ in range(answered)] == list(range(1, answered + 1))


def push(slow: Socket, count: int, text: str) -> None:
    with suppress(ConnectionClosed):
        for seq in range(1, count + 1):
            slow.turn(seq, text, type="turn" if seq == 1 else "revise")


def test_messages_are_read_at_a_steady_pace() -> None:
    limits = replace(LIMITS, messages_per_second=50.0, burst=5)
    with serving(limits) as service, Socket(service) as socket:
        socket.ask(type="start")
        began = time.monotonic()
        for _ in range(25):
            socket.say(type="ping")
        for _ in range(25):
            assert socket.hear()["type"] == "pong"
        assert time.monotonic() - began >= 0.35  # 20 of them at 50 a second


def test_a_fault_of_the_server_is_told_without_its_words(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with serving() as service, Socket(service) as socket, capture_logs() as logs:
        token = socket.ask(type="start")["token"]
        service.network.failing = True
        socket.turn(1)
        refused = socket.hear()
        assert (refused["problem"]["status"], refused["seq"]) == (500, None)
        assert socket.closed() == 1011
        assert [one["exception"] for one in logs if one["log_level"] == "error"] == ["RuntimeError"]
        assert MARKER not in f"{logs}{caplog.text}{refused}"
        service.network.failing = False
        with Socket(service) as again:
            assert again.ask(type="resume", token=token, last_seq=0)["seq"] == 0
            again.turn(1)
            assert again.hear()["type"] == "labelled"


# --- the client


def test_the_documented_conversation_and_close_codes(
    service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    readme = (Path(__file__).parents[3] / "serve" / "README.md").read_text(encoding="utf-8")
    section = readme.partition("## Live sessions\n")[2].partition("\n## ")[0]
    (example,) = re.findall(r"^```python\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)
    example = example.replace("http://127.0.0.1:8642", service.url)
    exec(compile(example, "serve/README.md", "exec"), {})
    assert "2 turns" in capsys.readouterr().out
    (said,) = re.findall(r"^```json\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)
    with Socket(service) as socket:
        heard = []
        for line in said.splitlines():
            socket.connection.send(line)
            heard.append(socket.hear()["type"])
        assert heard == ["started", "labelled", "labelled", "labelled", "pong", "timeline"]
    codes = {int(code) for code in re.findall(r"^\| (\d{4}) \|", section, re.MULTILINE)}
    assert codes == {code.value for code in CloseCode}


def test_the_client_mends_lost_connections(service: Service) -> None:
    turns = [turn for turn in turns_of(8, seed=3) if turn.speaker != "other"]
    with LiveClient(service.url, session_id="mended", include_text=True) as live:
        answers = []
        for place, turn in enumerate(turns):
            if place % 3 == 1:  # before it is sent
                assert live._connection is not None
                live._connection.close()
            if place % 3 == 2:  # after it was sent, before it is answered
                lose_the_next_answer(live)
            answers.append(live.turn(turn.speaker, turn.text, start_ms=turn.start_ms))
        revised = live.revise("client", "so it was")
        ended = live.end()
    session = Session("mended", tuple(turns))
    causal = service.model.label(session, causal=True)
    assert tuple(answer.newest for answer in answers) == causal.turns
    final = Session("mended", (*turns[:-1], Turn("client", "so it was")))
    assert ended == timeline(service.model.label(final))
    assert revised.newest == service.model.label(final, causal=True).turns[-1]


def lose_the_next_answer(live: LiveClient) -> None:
    send = live._send

    def lossy(text: str) -> None:
        send(text)
        live._send = send  # type: ignore[method-assign]
        assert live._connection is not None
        live._connection.close()

    live._send = lossy  # type: ignore[method-assign]


def test_the_client_tells_what_the_server_refuses(service: Service) -> None:
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


def test_the_client_gives_up_in_the_end() -> None:
    with serving() as service:
        live = LiveClient(service.url, reconnects=1)
        live.__enter__()
        live.turn("client", "so")
    with pytest.raises(OSError, match="connection lost, repeatedly"):
        live.turn("client", "so")
    with pytest.raises(OSError, match=r"."), LiveClient(service.url):
        pass
