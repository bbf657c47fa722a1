"""Lost connections: a session goes on where it was, without loss or repetition."""

import time
from dataclasses import replace
from typing import Any

import pytest

from alliance.serve.http.live_limits import LiveLimits

Story = list[dict[str, Any]]


def told_up_to(socket: Any, seq: int) -> Story:
    """What is heard until the view up to message ``seq`` has come."""
    heard = []
    while not heard or (heard[-1]["type"], heard[-1]["seq"]) != ("revised", seq):
        heard.append(socket.hear())
    return heard


@pytest.mark.parametrize("heard", [0, 1, 2, 3])
def test_a_dropped_session_is_resumed_without_loss_or_repetition(
    service: Any, heard: int, dial: Any, say_turns: Any, wait_until: Any, as_sent: Any
) -> None:
    turns = say_turns(9, seed=5)
    story: Story = []
    with dial(service) as socket:
        token = socket.ask(type="start")["token"]
        held = service.sessions.find(token, key_id="local")
        for seq in (1, 2, 3):
            socket.turn(seq, **as_sent(turns[seq - 1]))
        for _ in range(heard):
            story.append(socket.hear())
        wait_until(lambda: held.taken == 3)
    with dial(service) as socket:
        resumed = socket.ask(type="resume", token=token, **last(story))
        assert (resumed["type"], resumed["seq"]) == ("resumed", 3)
        story += told_up_to(socket, 3)
        # One that is sent again is answered as it was, and not taken twice.
        socket.turn(3, **as_sent(turns[2]))
        assert socket.hear() == next(one for one in story if is_answer(one, 3))
        for seq in range(4, 8):
            socket.turn(seq, **as_sent(turns[seq - 1]))
        story += told_up_to(socket, 7)
    with dial(service) as socket:
        socket.ask(type="resume", token=token, **last(story))
        assert socket.ask(type="ping") == {"type": "pong"}  # there was nothing more to hear
        socket.turn(8, **as_sent(turns[7]))
        story += told_up_to(socket, 8)
    # Each answer once, in order; views in order, and none twice.
    assert [one["seq"] for one in story if one["type"] == "labelled"] == list(range(1, 9))
    views = [one["seq"] for one in story if one["type"] == "revised"]
    assert views == sorted(set(views))
    # Whoever has heard nothing hears the same again.
    with dial(service) as socket:
        socket.ask(type="resume", token=token, last_seq=0)
        assert told_up_to(socket, 8) == story
        socket.say(type="end", seq=9)
        ended = socket.hear()
        assert ended["type"] == "timeline"
    # The timeline can be had again as well, for a while.
    with dial(service) as socket:
        socket.ask(type="resume", token=token, **last(story))
        assert socket.hear() == ended
        assert socket.closed() == 1000
    shown: dict[int, Any] = {}
    for one in story:
        for turn in [one["turn"]] if one["type"] == "labelled" else one["revisions"]:
            shown[turn["turn"]] = turn["label"]
    assert shown == {turn["turn"]: turn["label"] for turn in ended["timeline"]["turns"]}


def is_answer(message: dict[str, Any], seq: int) -> bool:
    return message["type"] == "labelled" and message["seq"] == seq


def last(story: Story) -> dict[str, int]:
    """What a client says that has heard this."""
    revised = [one["seq"] for one in story if one["type"] == "revised"]
    answered = [one["seq"] for one in story if one["type"] != "revised"]
    return {"last_seq": max(answered, default=0), "last_revised": max(revised, default=0)}


def test_a_view_that_was_not_heard_is_told_again(
    dial: Any, live_serving: Any, say_turns: Any, as_sent: Any, wait_until: Any
) -> None:
    turns = say_turns(2, seed=5)
    with live_serving() as service:
        service.network.views_open.clear()
        with dial(service) as socket:
            token = socket.ask(type="start")["token"]
            for seq in (1, 2):
                socket.turn(seq, **as_sent(turns[seq - 1]))
                assert is_answer(socket.hear(), seq)
        held = service.sessions.find(token, key_id="local")
        service.network.views_open.set()
        wait_until(lambda: len(held.story) == 4)
        with dial(service) as socket:
            # A client that knows nothing of views may leave last_revised out.
            assert socket.ask(type="resume", token=token, last_seq=2)["seq"] == 2
            assert [socket.hear()["seq"] for _ in range(2)] == [1, 2]


def test_a_turn_in_work_when_the_connection_drops_is_taken_once(
    dial: Any, live_serving: Any
) -> None:
    with live_serving() as service:
        with dial(service) as socket:
            token = socket.ask(type="start")["token"]
            socket.turn(1)
            assert socket.answer()["seq"] == 1
            socket.view(1)
            service.network.open.clear()
            service.network.asked.clear()
            socket.turn(2, "useless")
            assert service.network.asked.wait(20)
        with dial(service) as socket:
            socket.say(type="resume", token=token, last_seq=1, last_revised=1)
            time.sleep(0.1)
            service.network.open.set()
            resumed = socket.hear()
            assert (resumed["type"], resumed["seq"]) == ("resumed", 2)
            answer = socket.hear()
            assert is_answer(answer, 2)
            assert answer["turn"]["turn"] == 1
            socket.turn(3)
            assert socket.answer()["turn"]["turn"] == 2


def test_a_session_is_taken_over_from_a_connection_that_still_stands(
    service: Any, dial: Any
) -> None:
    with dial(service) as first, dial(service) as second:
        token = first.ask(type="start")["token"]
        first.turn(1)
        first.answer()
        assert second.ask(type="resume", token=token, last_seq=1)["seq"] == 1
        assert first.closed() == 4410
        second.turn(2)
        assert second.answer()["seq"] == 2


def test_a_session_waits_for_some_time_and_is_forgotten(
    dial: Any, live_serving: Any, limits: LiveLimits, wait_until: Any
) -> None:
    with live_serving(replace(limits, resume_seconds=0.05)) as service:
        with dial(service) as socket:
            token = socket.ask(type="start")["token"]
            assert len(service.sessions) == 1
            time.sleep(0.2)  # a connection that stands is not waited for
            assert socket.ask(type="ping") == {"type": "pong"}
        wait_until(lambda: len(service.sessions) == 0)
        with dial(service) as socket:
            refused = socket.ask(type="resume", token=token, last_seq=0)
            assert (refused["problem"]["status"], refused["seq"]) == (404, None)
            assert socket.closed() == 4404


def test_an_answer_unknown_to_the_server_is_not_resumed_from(service: Any, dial: Any) -> None:
    with dial(service) as socket:
        token = socket.ask(type="start")["token"]
    with dial(service) as socket:
        refused = socket.ask(type="resume", token=token, last_seq=1)
        assert refused["problem"]["status"] == 409
        assert socket.closed() == 4409
    with dial(service) as socket:
        refused = socket.ask(type="resume", token=token, last_seq=0, last_revised=1)
        assert refused["problem"]["status"] == 409
