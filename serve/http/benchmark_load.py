"""Clients that send whole sessions, for the benchmark."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

import httpx

from alliance.model.session import Session
from alliance.serve.client import Client
from alliance.serve.live_client import LiveClient

__all__ = ["Flood", "flood", "send_all", "send_many"]

_TIMEOUT: Final = 300.0
_PAUSE: Final = 0.1  # before a client that was refused sends again, whatever it was told


@dataclass
class Flood:
    """What came back to more work than can be done.

    Attributes:
        statuses: how many answers had which status; 0 counts requests without any.
        answered: seconds of each answer 200.
        refused: seconds of each answer 503.
        asked_back: how many answers 503 told when to come back.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    answered: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    asked_back: int = 0


def send_all(
    url: str,
    sessions: Sequence[Session],
    *,
    clients: int,
    stop: threading.Event | None = None,
) -> int:
    """Send sessions, each in a request of its own, from so many clients at once.

    A client that is refused waits as long as it was told, and sends again.

    Args:
        url: the server.
        sessions: what is sent.
        clients: clients at once.
        stop: once it is set, no more is sent.

    Returns:
        How often one was refused.
    """
    bodies = [_body(session) for session in sessions]
    with _http(clients) as http, ThreadPoolExecutor(clients) as pool:

        def send(body: bytes) -> int:
            times = 0
            while stop is None or not stop.is_set():
                reply = _post(http, url, body)
                if reply.status_code != 503:
                    reply.raise_for_status()
                    break
                times += 1
                time.sleep(float(reply.headers["Retry-After"]))
            return times

        return sum(pool.map(send, bodies))


def send_many(
    url: str, session: Session, marks: Iterable[int], *, clients: int, live_every: int
) -> Iterable[int]:
    """Send the same session again and again, and pause at each of ``marks``.

    Args:
        url: the server.
        session: what is sent.
        marks: numbers of sessions, rising.
        clients: clients at once.
        live_every: one of so many is a live session, turn by turn.

    Yields:
        Each mark, when so many sessions have been sent and answered.
    """
    sent = 0
    with Client(url, timeout=_TIMEOUT, retries=100) as client, ThreadPoolExecutor(clients) as pool:

        def send(number: int) -> None:
            if number % live_every:
                client.timeline(session)
                return
            with LiveClient(url) as live:
                for turn in session.turns:
                    live.turn(turn.speaker, turn.text)
                live.end()

        for mark in marks:
            for _ in pool.map(send, range(sent, mark)):
                pass
            sent = mark
            yield mark


def flood(
    url: str, session: Session, *, clients: int, seconds: float, now: Callable[[], float]
) -> Flood:
    """Send more than can be done: every client sends again as soon as it is answered.

    Args:
        url: the server.
        session: what is sent.
        clients: clients at once.
        seconds: for how long they send; what was taken by then is waited for.
        now: a clock, in seconds.
    """
    found = Flood()
    lock = threading.Lock()
    body = _body(session)
    end = now() + seconds
    with _http(clients) as http, ThreadPoolExecutor(clients) as pool:

        def send(_: int) -> None:
            while (began := now()) < end:
                try:
                    reply = _post(http, url, body)
                    status, after = reply.status_code, "Retry-After" in reply.headers
                except httpx.HTTPError:
                    status, after = 0, False
                took = now() - began
                with lock:
                    found.statuses[status] += 1
                    if status == 200:
                        found.answered.append(took)
                    elif status == 503:
                        found.refused.append(took)
                        found.asked_back += after
                if status != 200:
                    time.sleep(_PAUSE)

        for _ in pool.map(send, range(clients)):
            pass
    return found


def _http(clients: int) -> httpx.Client:
    limits = httpx.Limits(max_connections=clients, max_keepalive_connections=clients)
    return httpx.Client(timeout=_TIMEOUT, limits=limits, trust_env=False)


def _post(http: httpx.Client, url: str, body: bytes) -> httpx.Response:
    headers = {"Content-Type": "application/json"}
    return http.post(f"{url}/v1/timelines", content=body, headers=headers)


def _body(session: Session) -> bytes:
    turns = [{"speaker": turn.speaker, "text": turn.text} for turn in session.turns]
    return json.dumps({"session": {"id": session.id, "turns": turns}}).encode()
