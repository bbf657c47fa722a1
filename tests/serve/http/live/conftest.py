"""Live sessions over a real server, with a network that heeds every token and can be held up."""

import json
import socket as socket_module
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from alliance.model.backend import Logits
from alliance.model.classifier import RuptureClassifier
from alliance.model.session import Turn
from alliance.model.tokens import TokenIds, TurnTokenizer
from alliance.serve.http.app import create_app
from alliance.serve.http.keys_file import KeysFile
from alliance.serve.http.live_limits import LiveLimits
from alliance.serve.http.live_sessions import LiveSessions
from alliance.serve.http.server import in_thread
from alliance.serve.http.settings import Settings

STUB = Path(__file__).parents[3] / "data" / "stub_model"
WORDS = ["fine", "dunno", "useless", "must", "thanks", "sorry", "so", "well", "the", "bus"]
MARKER = "Zyxwq"
LIMITS = LiveLimits(messages_per_second=10_000.0, first_seconds=5.0, idle_seconds=20.0)


class Heedful:
    """A network that heeds every token of the window and its place; it can be made to wait."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.open.set()
        self.views_open = threading.Event()
        self.views_open.set()
        self.sessions_open = threading.Event()
        self.sessions_open.set()
        self.asked = threading.Event()
        self.failing = False
        self.views_failing = False
        self.views = 0

    def __call__(self, ids: TokenIds) -> Logits:
        thread = threading.current_thread().name
        if thread.startswith("view"):
            self.views += 1
            assert self.views_open.wait(20)
            if self.views_failing:
                raise RuntimeError(MARKER)
        if thread.startswith("session"):
            assert self.sessions_open.wait(20)
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
            network.views_open.set()
            network.sessions_open.set()
            began = time.monotonic()
    assert time.monotonic() - began < 30, "a conversation did not end when its client left"


def until(true: Callable[[], bool]) -> None:
    for _ in range(3000):
        if true():
            return
        time.sleep(0.01)
    raise AssertionError("waited in vain")


class Socket:
    """A client that sees every message."""

    def __init__(
        self, service: Service, *, sock: socket_module.socket | None = None, **headers: str
    ) -> None:
        url = service.url.replace("http", "ws") + "/v1/live"
        self.closing = ExitStack()
        self.revised: list[dict[str, Any]] = []
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

    def answer(self) -> dict[str, Any]:
        """The next message that is no revision; revisions are kept."""
        while (message := self.hear())["type"] == "revised":
            self.revised.append(message)
        return message

    def view(self, seq: int) -> dict[str, Any]:
        """The revision up to a message, which comes once nothing else is said."""
        while not self.revised or self.revised[-1]["seq"] < seq:
            message = self.hear()
            assert message["type"] == "revised"
            self.revised.append(message)
        return self.revised[-1]

    def ask(self, **message: Any) -> dict[str, Any]:
        self.say(**message)
        return self.answer()

    def turn(self, seq: int, text: str = "so", *, type: str = "turn", **more: Any) -> None:  # noqa: A002
        self.say(type=type, seq=seq, **{"speaker": "client", "text": text, **more})

    def closed(self) -> int:
        with pytest.raises(ConnectionClosed) as caught:
            self.answer()
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


@pytest.fixture(scope="session")
def live_serving() -> Callable[..., Any]:
    """``live_serving(limits, keys=…, queued_turns=…)`` runs a server, as a context manager."""
    return serving


@pytest.fixture(scope="session")
def limits() -> LiveLimits:
    """Limits that no test meets by chance."""
    return LIMITS


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """A server that a module's tests share."""
    with serving() as running:
        yield running


@pytest.fixture(scope="session")
def dial() -> type[Socket]:
    """``dial(service)`` is a client that sees every message."""
    return Socket


@pytest.fixture(scope="session")
def say_turns() -> Callable[..., list[Turn]]:
    """``say_turns(count, seed=…)`` makes turns of all lengths."""
    return turns_of


@pytest.fixture(scope="session")
def wait_until() -> Callable[[Callable[[], bool]], None]:
    """Wait until something is true."""
    return until


@pytest.fixture(scope="session")
def as_sent() -> Callable[[Turn], dict[str, Any]]:
    """A turn as its message has it."""
    return sent
