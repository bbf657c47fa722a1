"""What is answered to turns, and in which order."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from alliance.model.labelled import Purpose
from alliance.model.session import Session, Turn
from alliance.model.timeline import timeline
from alliance.serve.live_client import LiveClient


def decided(turn: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(turn[name] for name in ("turn", "label", "marker", "abstained"))


@pytest.mark.parametrize("include_text", [False, True])
def test_a_replayed_session_gets_causal_labels_and_ends_as_one_sent_whole(
    service: Any, include_text: bool, dial: Any, say_turns: Any, as_sent: Any
) -> None:
    turns = say_turns(25)
    session = Session("replayed", tuple(turns))
    causal = service.model.label(session, causal=True, purpose=Purpose.SCREENING)
    shown: list[dict[str, Any]] = []
    with dial(service) as socket:
        started = socket.ask(
            type="start", id="replayed", purpose="screening", include_text=include_text
        )
        assert (started["type"], started["seq"]) == ("started", 0)
        assert started["model"] == {"name": "heedful", "codebook": "1"}
        assert len(started["token"]) > 30
        revised = 0
        for seq, turn in enumerate(turns, 1):
            socket.turn(seq, **as_sent(turn))
            answer = socket.hear()
            assert (answer["type"], answer["seq"]) == ("labelled", seq)
            newest = causal.turns[seq - 1].to_dict(include_text=include_text)
            assert answer["turn"] == newest
            shown.append(newest)
            view = socket.hear()
            assert (view["type"], view["seq"]) == ("revised", seq)
            so_far = Session("replayed", tuple(turns[:seq]))
            full = timeline(service.model.label(so_far, purpose=Purpose.SCREENING))
            for place in view["revisions"]:
                assert decided(place) != decided(shown[place["turn"]])
                assert place == full.turns[place["turn"]].to_dict(include_text=include_text)
                shown[place["turn"]] = place
                revised += 1
            assert [decided(turn) for turn in shown] == [decided(t.to_dict()) for t in full.turns]
            assert view["episodes"] == [episode.to_dict() for episode in full.episodes]
        assert revised
        ended = socket.ask(type="end", seq=len(turns) + 1)
        assert (ended["type"], ended["seq"]) == ("timeline", len(turns) + 1)
        assert ended["timeline"] == full.to_dict(include_text=include_text)
        assert socket.closed() == 1000


def test_turns_that_come_faster_than_the_whole_is_looked_at_are_answered_at_once(
    dial: Any, live_serving: Any, say_turns: Any, as_sent: Any
) -> None:
    turns = say_turns(25)
    session = Session("session-1", tuple(turns))
    with live_serving() as service, dial(service) as socket:
        causal = service.model.label(session, causal=True)
        service.network.views_open.clear()
        socket.ask(type="start")
        for seq, turn in enumerate(turns, 1):
            socket.turn(seq, **as_sent(turn))  # all of them before the first answer is read
        shown = []
        for seq in range(1, 26):
            answer = socket.hear()
            assert (answer["type"], answer["seq"]) == ("labelled", seq)
            assert answer["turn"] == causal.turns[seq - 1].to_dict(include_text=False)
            shown.append(answer["turn"])
        views = service.network.views
        service.network.views_open.set()
        # One view was on its way; the next one takes in all the rest.
        first, second = socket.hear(), socket.hear()
        assert first["type"] == second["type"] == "revised"
        assert first["seq"] < second["seq"] == 25
        assert views == 1
        full = timeline(service.model.label(session))
        for turn in (*first["revisions"], *second["revisions"]):
            shown[turn["turn"]] = turn
        assert [decided(turn) for turn in shown] == [decided(t.to_dict()) for t in full.turns]
        assert second["episodes"] == [episode.to_dict() for episode in full.episodes]
        ended = socket.ask(type="end", seq=26)
        assert ended["timeline"] == full.to_dict(include_text=False)


def test_a_turn_waits_neither_for_views_nor_for_whole_sessions(
    dial: Any, live_serving: Any, wait_until: Any
) -> None:
    with live_serving() as service, ExitStack() as stack:
        one, other = (stack.enter_context(dial(service)) for _ in range(2))
        one.ask(type="start")
        other.ask(type="start")
        service.network.views_open.clear()
        service.network.sessions_open.clear()
        body = {"session": {"turns": [{"speaker": "client", "text": "useless"}] * 30}}
        pool = stack.enter_context(ThreadPoolExecutor(8))
        sent = [
            pool.submit(httpx.post, f"{service.url}/v1/timelines", json=body, timeout=60)
            for _ in range(8)
        ]
        queue = service.app.state.queue
        wait_until(lambda: queue.waiting() == 8 * 30)
        for seq in range(1, 5):
            one.turn(seq, "useless")
            other.turn(seq, "fine")
            assert (one.hear()["seq"], other.hear()["seq"]) == (seq, seq)
        service.network.views_open.set()
        service.network.sessions_open.set()
        assert {reply.result().status_code for reply in sent} == {200}
        assert one.view(4)["seq"] == other.view(4)["seq"] == 4


def test_a_session_ends_without_the_views_that_others_wait_for(
    dial: Any, live_serving: Any
) -> None:
    with live_serving() as service, ExitStack() as stack:
        sockets = [stack.enter_context(dial(service)) for _ in range(4)]
        service.network.views_open.clear()
        for socket in sockets:
            socket.ask(type="start")
            socket.turn(1)
            assert socket.hear()["seq"] == 1
        # Two views are on their way, one for each worker; the last session's waits.
        ended = sockets[-1].ask(type="end", seq=2)
        assert ended["type"] == "timeline"
        service.network.views_open.set()
        for socket in sockets[:-1]:
            assert socket.view(1)["revisions"] is not None


def test_a_recogniser_corrects_itself(service: Any, dial: Any) -> None:
    with dial(service) as socket:
        socket.ask(type="start", roles={"Anna": "client"})
        socket.turn(1, "so", speaker="T")
        socket.turn(2, "so it was use", speaker="Anna")
        socket.turn(3, "so it was useful", type="revise", speaker="Anna")
        socket.turn(4, "so it was useless", type="revise", speaker="Anna")
        answers = [socket.answer() for _ in range(4)]
        assert [answer["turn"]["turn"] for answer in answers] == [0, 1, 1, 1]
        said = Session("session-1", (Turn("therapist", "so"), Turn("client", "so it was useless")))
        causal = service.model.label(said, causal=True)
        assert answers[3]["turn"] == causal.turns[1].to_dict(include_text=False)
        ended = socket.ask(type="end", seq=5)
        expected = timeline(service.model.label(said)).to_dict(include_text=False)
        assert ended["timeline"] == expected


def test_twenty_sessions_at_once(service: Any, say_turns: Any) -> None:
    def one(seed: int) -> bool:
        turns = say_turns(5, seed=seed)
        with LiveClient(service.url, session_id=f"s{seed}", include_text=True) as live:
            answers = [live.turn(t.speaker, t.text, start_ms=t.start_ms) for t in turns]
            live.catch_up()
            held = live.turns
            ended = live.end()
        session = Session(f"s{seed}", tuple(turns))
        causal = service.model.label(session, causal=True)
        assert tuple(answer.newest for answer in answers) == causal.turns
        assert [turn.label for turn in held] == [turn.label for turn in ended.turns]
        return ended == timeline(service.model.label(session))

    with ThreadPoolExecutor(20) as pool:
        assert all(pool.map(one, range(20)))


def test_ping(service: Any, dial: Any) -> None:
    with dial(service) as socket:
        socket.ask(type="start")
        assert socket.ask(type="ping") == {"type": "pong"}
