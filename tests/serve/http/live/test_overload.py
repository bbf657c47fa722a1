"""Too much, and too slow."""

import socket as socket_module
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import Any

from websockets.exceptions import ConnectionClosed

from alliance.model.session import Session, Turn
from alliance.serve.http.live_limits import LiveLimits


def test_too_many_sessions_are_refused_and_ended_ones_give_way(
    dial: Any, live_serving: Any, limits: LiveLimits, wait_until: Any
) -> None:
    with live_serving(replace(limits, sessions=2)) as service, ExitStack() as stack:
        first, second, third = (stack.enter_context(dial(service)) for _ in range(3))
        first.ask(type="start")
        token = second.ask(type="start")["token"]
        refused = third.ask(type="start")
        assert (refused["problem"]["status"], refused["retry_after"]) == (503, 30)
        assert third.closed() == 1013
        second.ask(type="end", seq=1)
        assert second.closed() == 1000
        held = service.sessions.find(token, key_id="local")
        wait_until(lambda: held.connection is None)
        fourth = stack.enter_context(dial(service))
        assert fourth.ask(type="start")["type"] == "started"
        assert len(service.sessions) == 2


def test_an_overloaded_queue_is_told_and_the_turn_is_not_lost(
    dial: Any, live_serving: Any, limits: LiveLimits
) -> None:
    limits = replace(limits, patience_seconds=0.2)
    with live_serving(limits, queued_turns=1) as service:
        service.network.open.clear()
        with dial(service) as busy, dial(service) as socket:
            busy.ask(type="start")
            token = socket.ask(type="start")["token"]
            service.network.asked.clear()
            busy.turn(1)
            assert service.network.asked.wait(20)
            socket.turn(1)
            refused = socket.answer()
            assert (refused["problem"]["status"], refused["seq"]) == (503, None)
            assert refused["retry_after"] >= 1
            assert socket.closed() == 1013
            service.network.open.set()
            assert busy.answer()["seq"] == 1
        with dial(service) as socket:
            assert socket.ask(type="resume", token=token, last_seq=0)["seq"] == 0
            for seq, text in ((1, "so"), (2, "well")):
                socket.turn(seq, text)
            said = Session("session-1", (Turn("client", "so"), Turn("client", "well")))
            causal = service.model.label(said, causal=True)
            expected = [turn.to_dict(include_text=False) for turn in causal]
            assert [socket.answer()["turn"] for _ in range(2)] == expected


def test_a_client_that_reads_nothing_holds_nobody_up_and_misses_nothing(
    dial: Any, live_serving: Any, limits: LiveLimits, wait_until: Any
) -> None:
    count, text = 400, "x" * 20_000
    with live_serving(replace(limits, send_seconds=0.5)) as service:
        # Answers of eight megabytes: more than the buffers of both sides hold.
        sock = socket_module.socket()
        sock.setsockopt(socket_module.SOL_SOCKET, socket_module.SO_RCVBUF, 4096)
        sock.connect(("127.0.0.1", int(service.url.rpartition(":")[2])))
        with dial(service, sock=sock) as slow, dial(service) as other:
            token = slow.ask(type="start", include_text=True)["token"]
            held = service.sessions.find(token, key_id="local")
            pushing = threading.Thread(target=push, args=(slow, count, text))
            pushing.start()
            other.ask(type="start")
            for seq in (1, 2, 3):
                other.turn(seq)
                assert other.answer()["seq"] == seq
            wait_until(lambda: held.connection is None)
            answered = held.taken
            assert 1 < answered < count
            sock.shutdown(socket_module.SHUT_RDWR)
            pushing.join(30)
            other.turn(4)
            assert other.answer()["seq"] == 4
        with dial(service) as again:
            assert again.ask(type="resume", token=token, last_seq=0)["seq"] == answered
            assert [again.answer()["seq"] for _ in range(answered)] == list(range(1, answered + 1))


def push(slow: Any, count: int, text: str) -> None:
    with suppress(ConnectionClosed):
        for seq in range(1, count + 1):
            slow.turn(seq, text, type="turn" if seq == 1 else "revise")


def test_messages_are_read_at_a_steady_pace(
    dial: Any, live_serving: Any, limits: LiveLimits
) -> None:
    limits = replace(limits, messages_per_second=50.0, burst=5)
    with live_serving(limits) as service, dial(service) as socket:
        socket.ask(type="start")
        began = time.monotonic()
        for _ in range(25):
            socket.say(type="ping")
        for _ in range(25):
            assert socket.answer()["type"] == "pong"
        assert time.monotonic() - began >= 0.35  # 20 of them at 50 a second
