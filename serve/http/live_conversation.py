"""One connection of ``/v1/live``, from its first message to its end.

What the client is told is written in the order in which it happened. One message is in work at a
time: the next is read when its answer has been written, so a client that sends more than it is
due, or does not read its answers, waits in its own socket. A worker thread is held while a turn is
labelled, never while somebody is waited for.
"""

import asyncio
from typing import Final, assert_never

from pydantic import BaseModel
from starlette.websockets import WebSocket

from alliance.model.codebook import CODEBOOK_VERSION
from alliance.model.formats.roles import RoleMap
from alliance.model.session import Turn
from alliance.model.timeline import Timeline
from alliance.serve.http.access import LOCAL, Caller, authenticate
from alliance.serve.http.batching import LabelQueue
from alliance.serve.http.intake import role_map
from alliance.serve.http.keys import Scope
from alliance.serve.http.live_channel import Channel, GoneError, Pace
from alliance.serve.http.live_held import (
    AddTurn,
    Change,
    EndSession,
    HeldSession,
    ReviseTurn,
    Told,
)
from alliance.serve.http.live_messages import (
    CloseCode,
    End,
    Labelled,
    LimitsMessage,
    MessageProblem,
    Ping,
    Pong,
    ProblemMessage,
    Resume,
    Resumed,
    Revise,
    Revised,
    Start,
    Started,
    TimelineMessage,
    TurnMessage,
    read_message,
)
from alliance.serve.http.live_sessions import LiveSessions
from alliance.serve.http.logs import logger, trace
from alliance.serve.http.messages import ModelVersion, ProblemBody
from alliance.serve.http.problems import Problem
from alliance.serve.live import LiveAnswer, LiveRevision

__all__ = ["Conversation"]

_CODES: Final = {
    400: CloseCode.NOT_UNDERSTOOD,
    401: CloseCode.KEY,
    403: CloseCode.SCOPE,
    404: CloseCode.UNKNOWN,
    408: CloseCode.TIMEOUT,
    409: CloseCode.OUT_OF_ORDER,
    413: CloseCode.TOO_BIG,
    415: CloseCode.NOT_TEXT,
    422: CloseCode.NOT_UNDERSTOOD,
    429: CloseCode.RATE,
    500: CloseCode.SERVER_ERROR,
    503: CloseCode.TRY_LATER,
}


class Conversation:
    """What is said on one connection.

    Args:
        websocket: the connection, accepted.
        sessions: the server's live sessions.
    """

    def __init__(self, websocket: WebSocket, sessions: LiveSessions) -> None:
        self._websocket = websocket
        self._sessions = sessions
        self._limits = sessions.limits
        self._channel = Channel(websocket, sessions.limits)
        self._model = ModelVersion(codebook=CODEBOOK_VERSION)
        self._held: HeldSession | None = None
        self._place = 0  # of the session's story: so much of it has been written
        self._news = asyncio.Event()
        self._written = asyncio.Event()
        self._closing: asyncio.Task[None] | None = None

    async def hold(self, caller: Caller | None) -> None:
        """Speak with the client until one of both leaves."""
        try:
            await self._converse(caller)
        except GoneError:
            pass
        except Problem as problem:
            await self._refuse(problem)
        except Exception as error:
            logger().error("live", **trace(error))
            fault = "expected to label the turn, found a fault of the server; resume and try again"
            await self._refuse(Problem(500, "Server error", fault))
        finally:
            if self._held is not None:
                self._sessions.detach(self._held, self)

    def news(self) -> None:
        """There is more to write."""
        self._news.set()

    def taken_over(self) -> None:
        """Another connection speaks for the session now."""
        self._held = None
        self._news.set()  # so that whoever waits for more to write sees that it is over
        # Not waited for: whoever took over shall not wait for a socket that may be dead.
        self._closing = asyncio.ensure_future(self._channel.close(CloseCode.TAKEN_OVER))

    async def _converse(self, caller: Caller | None) -> None:
        message = read_message(await self._channel.receive(self._limits.first_seconds))
        if not isinstance(message, Start | Resume):
            raise _out_of_place("expected start or resume first, found another message")
        if message.key is not None:
            key = message.key.get_secret_value()
            caller = await asyncio.to_thread(authenticate, self._websocket, key)
        if caller is None:
            raise _no_key()
        if not caller.may(Scope.LABEL):
            raise Problem(
                403,
                "Scope missing",
                "expected a key with the scope label, found one without; ask for another key",
            )
        held = await self._open(message, caller)
        tasks = [
            asyncio.ensure_future(self._read(held, caller)),
            asyncio.ensure_future(self._write(held, caller)),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
        for end in ends:
            if isinstance(end, Exception):
                raise end

    async def _open(self, message: Start | Resume, caller: Caller) -> HeldSession:
        queue: LabelQueue | None = getattr(self._websocket.app.state, "queue", None)
        if queue is None:
            raise Problem(
                503,
                "Not ready",
                "expected a model that is loaded, found one that is loading; try again in 2 s",
                {"Retry-After": "2"},
            )
        self._model = ModelVersion(name=queue.classifier.name, codebook=CODEBOOK_VERSION)
        if isinstance(message, Start):
            return await self._start(message, caller, queue)
        return await self._resume(message, caller)

    async def _start(self, message: Start, caller: Caller, queue: LabelQueue) -> HeldSession:
        limits = self._limits
        held = HeldSession(
            queue,
            session_id=message.id or "session-1",
            purpose=message.purpose,
            key_id=caller.key_id,
            roles=role_map(message.roles),
            include_text=message.include_text,
            limits=limits,
            count=self._websocket.app.state.metrics.labelled,
        )
        token = self._sessions.hold(held)
        self._held = held
        self._sessions.attach(held, self)
        await self._channel.send(
            Started(
                token=token,
                resume_seconds=limits.resume_seconds,
                limits=LimitsMessage(
                    turns=limits.turns,
                    characters=limits.characters,
                    messages=limits.messages,
                    message_bytes=limits.message_bytes,
                    messages_per_second=limits.messages_per_second,
                ),
                model=self._model,
            )
        )
        return held

    async def _resume(self, message: Resume, caller: Caller) -> HeldSession:
        held = self._sessions.find(message.token, key_id=caller.key_id)
        self._held = held
        self._sessions.attach(held, self)
        await held.settled()
        place = held.place_after(answer=message.last_seq, revision=message.last_revised)
        if place is None:
            raise Problem(
                409,
                "Answer unknown",
                f"expected last_seq up to {held.taken} and the last_revised of a revision that "
                f"was sent, found others; resume with the seq of those that arrived last",
            )
        self._place = place
        await self._channel.send(
            Resumed(seq=held.taken, resume_seconds=self._limits.resume_seconds, model=self._model)
        )
        return held

    async def _write(self, held: HeldSession, caller: Caller) -> None:
        """Tell the client what there is to tell, as it comes."""
        while True:
            while self._place < len(held.story):
                told = held.story[self._place]
                if isinstance(told.what, LiveRevision):
                    await self._check_key(caller)  # nobody asked for it just now
                await self._tell(told, held)
                self._place += 1
                self._written.set()
            self._news.clear()
            self._check_ours()
            await self._news.wait()

    async def _read(self, held: HeldSession, caller: Caller) -> None:
        """Take the client's messages, each when the one before has been answered."""
        pace = Pace(self._limits.messages_per_second, self._limits.burst)
        while True:
            text = await self._channel.receive(self._limits.idle_seconds)
            await pace.wait()
            await self._check_key(caller)
            await self._answer(text, held)

    async def _answer(self, text: str, held: HeldSession) -> None:
        try:
            message = read_message(text)
        except MessageProblem as problem:
            if problem.seq is None:
                raise
            await self._take(problem.seq, problem, held)
            return
        match message:
            case TurnMessage() | Revise():
                await self._take(message.seq, _change(message, held.roles), held)
            case End():
                await self._take(message.seq, EndSession(), held)
            case Ping():
                await self._channel.send(Pong())
            case Start() | Resume():
                raise _out_of_place("expected one start or resume, found a second")
            case _:
                assert_never(message)

    async def _take(self, seq: int, change: Change | Problem, held: HeldSession) -> None:
        known = seq <= held.taken
        place = await held.take(seq, change)
        while self._place <= place:
            self._written.clear()
            await self._written.wait()
        if known:  # it was sent again, and is answered again
            await self._tell(held.story[place], held)

    async def _tell(self, told: Told, held: HeldSession) -> None:
        self._check_ours()
        await self._channel.send(self._message(told, include_text=held.include_text))
        if isinstance(told.what, Timeline):
            await self._channel.close(CloseCode.DONE)
            raise GoneError

    def _message(self, told: Told, *, include_text: bool) -> BaseModel:
        match told.what:
            case LiveAnswer(newest=newest, episodes=episodes):
                return Labelled(
                    seq=told.seq,
                    turn=newest.to_dict(include_text=include_text),
                    episodes=[episode.to_dict() for episode in episodes],
                    model=self._model,
                )
            case LiveRevision(revisions=revisions, episodes=episodes):
                return Revised(
                    seq=told.seq,
                    revisions=[turn.to_dict(include_text=include_text) for turn in revisions],
                    episodes=[episode.to_dict() for episode in episodes],
                    model=self._model,
                )
            case Timeline() as made:
                timeline = made.to_dict(include_text=include_text)
                return TimelineMessage(seq=told.seq, timeline=timeline)
            case Problem() as problem:
                return _problem(problem, told.seq)
            case _:
                assert_never(told.what)

    def _check_ours(self) -> None:
        if self._held is None:  # taken over: the other connection tells what there is
            raise GoneError

    async def _check_key(self, caller: Caller) -> None:
        """A key that has been revoked stops at once, in the middle of a session too."""
        if caller == LOCAL:
            return
        key = await asyncio.to_thread(self._websocket.app.state.keys.get, caller.key_id)
        if key is None or key.revoked is not None:
            raise _no_key()

    async def _refuse(self, problem: Problem) -> None:
        try:
            await self._channel.send(_problem(problem, None))
        except GoneError:
            return
        await self._channel.close(_CODES.get(problem.status, CloseCode.NOT_UNDERSTOOD))


def _problem(problem: Problem, seq: int | None) -> ProblemMessage:
    after = problem.headers.get("Retry-After")
    return ProblemMessage(
        seq=seq,
        problem=ProblemBody.model_validate(problem.to_dict()),
        retry_after=None if after is None else int(after),
    )


def _change(message: TurnMessage | Revise, roles: RoleMap) -> Change | Problem:
    role = roles.role(message.speaker)
    if role is None:
        return Problem(
            422,
            "Speaker's role not known",
            "expected a speaker whose role is known, found another; name the role in the roles of "
            "start (therapist, client or other)",
        )
    try:
        turn = _turn(message, roles.speaker(message.speaker, role))
    except ValueError:
        return Problem(
            422, "Turn not valid", "expected a turn to end after its start, found an earlier end"
        )
    if isinstance(message, Revise):
        return ReviseTurn(turn)
    return AddTurn(turn)


def _turn(message: TurnMessage | Revise, speaker: str) -> Turn:
    return Turn(speaker, message.text, message.start_ms, message.end_ms, message.utterance_id)


def _out_of_place(found: str) -> Problem:
    return Problem(400, "Message out of place", f"{found}; see the protocol")


def _no_key() -> Problem:
    return Problem(
        401,
        "Key missing or not valid",
        "expected a valid API key, found none; send it as 'Authorization: Bearer KEY', or as key "
        "in the first message",
    )
