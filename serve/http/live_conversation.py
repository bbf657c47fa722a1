"""One connection of ``/v1/live``, from its first message to its end.

One message is in work at a time, and the next is read when the answer has been written: a client
that sends more than it is due, or does not read its answers, waits in its own socket. A worker
thread is held while a turn is labelled, never while somebody is waited for.
"""

import asyncio
from typing import Final, assert_never

from pydantic import BaseModel
from starlette.websockets import WebSocket, WebSocketDisconnect

from alliance.model.codebook import CODEBOOK_VERSION
from alliance.model.formats.roles import RoleMap
from alliance.model.session import Turn
from alliance.model.timeline import Timeline
from alliance.serve.http.access import LOCAL, Caller, authenticate
from alliance.serve.http.batching import LabelQueue
from alliance.serve.http.intake import role_map
from alliance.serve.http.keys import Scope
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
    Start,
    Started,
    TimelineMessage,
    TurnMessage,
    read_message,
)
from alliance.serve.http.live_sessions import Change, HeldSession, LiveSessions, Reply
from alliance.serve.http.logs import logger, trace
from alliance.serve.http.messages import ModelVersion, ProblemBody
from alliance.serve.http.problems import Problem
from alliance.serve.live import LiveSession

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


class _GoneError(Exception):
    """The client has gone, or another connection has taken the session over."""


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
        self._pace = _Pace(self._limits.messages_per_second, self._limits.burst)
        self._model = ModelVersion(codebook=CODEBOOK_VERSION)
        self._held: HeldSession | None = None
        self._closing: asyncio.Task[None] | None = None

    async def hold(self, caller: Caller | None) -> None:
        """Speak with the client until one of both leaves."""
        try:
            await self._converse(caller)
        except _GoneError:
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

    def taken_over(self) -> None:
        """Another connection speaks for the session now."""
        self._held = None
        # Not waited for: whoever took over shall not wait for a socket that may be dead.
        self._closing = asyncio.ensure_future(self._close(CloseCode.TAKEN_OVER))

    async def _converse(self, caller: Caller | None) -> None:
        message = read_message(await self._receive(self._limits.first_seconds))
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
        roles = await self._open(message, caller)
        while True:
            text = await self._receive(self._limits.idle_seconds)
            await self._pace.wait()
            await self._check_key(caller)
            await self._answer(text, roles)

    async def _open(self, message: Start | Resume, caller: Caller) -> RoleMap:
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
            await self._start(message, caller, queue)
        else:
            await self._resume(message, caller)
        assert self._held is not None
        return self._held.roles

    async def _start(self, message: Start, caller: Caller, queue: LabelQueue) -> None:
        limits = self._limits
        session = LiveSession(
            queue.classifier,
            session_id=message.id or "session-1",
            purpose=message.purpose,
            max_turns=limits.turns,
            max_characters=limits.characters,
        )
        held = HeldSession(
            session,
            key_id=caller.key_id,
            roles=role_map(message.roles),
            include_text=message.include_text,
            queue=queue,
            limits=limits,
            count=self._websocket.app.state.metrics.labelled,
        )
        token = self._sessions.hold(held)
        self._held = held
        self._sessions.attach(held, self)
        await self._send(
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

    async def _resume(self, message: Resume, caller: Caller) -> None:
        held = self._sessions.find(message.token, key_id=caller.key_id)
        self._held = held
        self._sessions.attach(held, self)
        replies = await held.replies()
        if message.last_seq > len(replies):
            raise Problem(
                409,
                "Answer unknown",
                f"expected last_seq up to {len(replies)}, found a later one; resume with the seq "
                f"of the last answer that arrived",
            )
        await self._send(
            Resumed(seq=len(replies), resume_seconds=self._limits.resume_seconds, model=self._model)
        )
        for seq in range(message.last_seq + 1, len(replies) + 1):
            await self._reply(seq, replies[seq - 1])

    async def _answer(self, text: str, roles: RoleMap) -> None:
        try:
            message = read_message(text)
        except MessageProblem as problem:
            if problem.seq is None:
                raise
            await self._take(problem.seq, problem)
            return
        match message:
            case TurnMessage() | Revise():
                await self._take(message.seq, _change(message, roles))
            case End():
                await self._take(message.seq, LiveSession.end)
            case Ping():
                await self._send(Pong())
            case Start() | Resume():
                raise _out_of_place("expected one start or resume, found a second")
            case _:
                assert_never(message)

    async def _take(self, seq: int, change: Change | Problem) -> None:
        if self._held is None:
            raise _GoneError
        await self._reply(seq, await self._held.take(seq, change))

    async def _reply(self, seq: int, reply: Reply) -> None:
        if self._held is None:  # taken over meanwhile: the other connection repeats the answer
            raise _GoneError
        text = self._held.include_text
        if isinstance(reply, Problem):
            await self._send(self._problem(reply, seq))
        elif isinstance(reply, Timeline):
            await self._send(TimelineMessage(seq=seq, timeline=reply.to_dict(include_text=text)))
            await self._close(CloseCode.DONE)
            raise _GoneError
        else:
            await self._send(
                Labelled(
                    seq=seq,
                    turn=reply.newest.to_dict(include_text=text),
                    revisions=[turn.to_dict(include_text=text) for turn in reply.revisions],
                    episodes=[episode.to_dict() for episode in reply.episodes],
                    model=self._model,
                )
            )

    async def _check_key(self, caller: Caller) -> None:
        """A key that has been revoked stops at once, in the middle of a session too."""
        if caller == LOCAL:
            return
        key = await asyncio.to_thread(self._websocket.app.state.keys.get, caller.key_id)
        if key is None or key.revoked is not None:
            raise _no_key()

    async def _receive(self, seconds: float) -> str:
        try:
            event = await asyncio.wait_for(self._websocket.receive(), seconds)
        except TimeoutError as error:
            raise Problem(
                408,
                "Silent for too long",
                f"expected a message within {seconds:g} s, found none; send a ping now and then",
            ) from error
        if event["type"] != "websocket.receive":
            raise _GoneError
        text: str | None = event.get("text")
        if text is None:
            raise Problem(415, "Not text", "expected a text message, found a binary one; send JSON")
        most = self._limits.message_bytes
        if len(text) > most or len(text.encode()) > most:
            raise Problem(
                413,
                "Message too big",
                f"expected at most {most} bytes in a message, found more; send less at once",
            )
        return text

    async def _send(self, message: BaseModel) -> None:
        try:
            async with asyncio.timeout(self._limits.send_seconds):
                await self._websocket.send_text(message.model_dump_json(exclude_none=False))
        except (TimeoutError, WebSocketDisconnect, RuntimeError) as error:
            # RuntimeError is what a socket says that has been closed from this side.
            raise _GoneError from error

    async def _refuse(self, problem: Problem) -> None:
        try:
            await self._send(self._problem(problem, None))
        except _GoneError:
            return
        await self._close(_CODES.get(problem.status, CloseCode.NOT_UNDERSTOOD))

    async def _close(self, code: CloseCode) -> None:
        try:
            async with asyncio.timeout(self._limits.send_seconds):
                await self._websocket.close(code)
        except (TimeoutError, WebSocketDisconnect, RuntimeError):
            pass  # it is closed already, or nobody is there

    def _problem(self, problem: Problem, seq: int | None) -> ProblemMessage:
        after = problem.headers.get("Retry-After")
        return ProblemMessage(
            seq=seq,
            problem=ProblemBody.model_validate(problem.to_dict()),
            retry_after=None if after is None else int(after),
        )


class _Pace:
    """Lets messages through at a steady rate, after a burst at most."""

    def __init__(self, per_second: float, burst: int) -> None:
        self._per_second = per_second
        self._burst = float(burst)
        self._left = float(burst)
        self._since = asyncio.get_running_loop().time()

    async def wait(self) -> None:
        """Wait until the next message is due."""
        now = asyncio.get_running_loop().time()
        self._left = min(self._burst, self._left + (now - self._since) * self._per_second)
        self._since = now
        self._left -= 1.0
        if self._left < 0:
            await asyncio.sleep(-self._left / self._per_second)


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
        return lambda session: session.revise_last(turn)
    return lambda session: session.add(turn)


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
