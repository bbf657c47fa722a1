"""What is said over ``/v1/live``: JSON objects, one in each text frame, told apart by ``type``.

A client opens with ``start`` or ``resume``. Then it numbers its ``turn``, ``revise`` and ``end``
messages 1, 2, 3, …, and each is answered once, in order, by a message with the same ``seq``:
``labelled``, ``timeline``, or a ``problem`` (which leaves the session as it was, and uses the
number up). Between answers come ``revised`` messages, with the ``seq`` of the message up to which
they see the session. A problem without ``seq`` is about the connection, which is closed after it.
"""

import json
from collections.abc import Mapping
from enum import IntEnum
from typing import Any, Final, Literal

from pydantic import BaseModel, Field, SecretStr, ValidationError

from alliance.model.labelled import Purpose
from alliance.serve.http.messages import (
    IncludeText,
    Message,
    ModelVersion,
    ProblemBody,
    PurposeIn,
    RoleMapIn,
    TurnIn,
)
from alliance.serve.http.problems import Problem, faults

__all__ = [
    "ClientMessage",
    "CloseCode",
    "End",
    "Labelled",
    "MessageProblem",
    "Ping",
    "Pong",
    "ProblemMessage",
    "Resume",
    "Resumed",
    "Revise",
    "Revised",
    "Start",
    "Started",
    "TimelineMessage",
    "TurnMessage",
    "read_message",
]

_MAX_SEQ: Final = 1_000_000
_Seq = Field(ge=1, le=_MAX_SEQ, description="The message's number: 1, 2, 3, …")
_Key = Field(None, description="An API key, where the handshake could not carry one.")


class Start(Message):
    """Opens a session."""

    type: Literal["start"]
    key: SecretStr | None = _Key
    id: str | None = Field(
        None,
        min_length=1,
        max_length=200,
        description="Your identifier of the session; it comes back in the timeline.",
    )
    roles: RoleMapIn = Field(default_factory=dict)
    purpose: PurposeIn = Purpose.RESEARCH
    include_text: IncludeText = False


class Resume(Message):
    """Goes on with a session whose connection was lost; a connection that still has it loses it."""

    type: Literal["resume"]
    key: SecretStr | None = _Key
    token: str = Field(min_length=1, max_length=200, description="From `started`.")
    last_seq: int = Field(
        ge=0, le=_MAX_SEQ, description="The `seq` of the last answer that arrived; 0 if none did."
    )
    last_revised: int = Field(
        0, ge=0, le=_MAX_SEQ, description="The `seq` of the last `revised` that arrived, if any."
    )


class TurnMessage(TurnIn):
    """The next turn."""

    type: Literal["turn"]
    seq: int = _Seq


class Revise(TurnIn):
    """The newest turn once more, whole, as it should have been; as often as need be."""

    type: Literal["revise"]
    seq: int = _Seq


class End(Message):
    """The session is over."""

    type: Literal["end"]
    seq: int = _Seq


class Ping(Message):
    """Asks for a `pong`; WebSocket's own pings are answered as well."""

    type: Literal["ping"]


ClientMessage = Start | Resume | TurnMessage | Revise | End | Ping
"""Whatever a client may say."""

_KINDS: Final[Mapping[str, type[ClientMessage]]] = {
    "start": Start,
    "resume": Resume,
    "turn": TurnMessage,
    "revise": Revise,
    "end": End,
    "ping": Ping,
}


class LimitsMessage(BaseModel):
    """How much one session and its client may send."""

    turns: int = Field(description="Turns of the session.")
    characters: int = Field(description="Characters of all turns together.")
    messages: int = Field(description="Numbered messages of the session, revisions included.")
    message_bytes: int = Field(description="Bytes of one message.")
    messages_per_second: float = Field(
        description="Messages are read no faster than this, after a short burst."
    )


class Started(BaseModel):
    """A session is open."""

    type: Literal["started"] = "started"
    seq: Literal[0] = 0
    token: str = Field(description="The secret with which to resume; keep it in memory alone.")
    resume_seconds: float = Field(
        description="How long the session waits for you after a connection is lost."
    )
    limits: LimitsMessage
    model: ModelVersion


class Resumed(BaseModel):
    """A session goes on; what was not heard yet follows, then send what was not taken."""

    type: Literal["resumed"] = "resumed"
    seq: int = Field(description="The last of your messages that was taken; send from the next on.")
    resume_seconds: float
    model: ModelVersion


_EPISODES: Final = (
    "All rupture episodes so far, each turn as it is known best: with all turns of the last "
    "`revised` in view, or from the past alone where that did not reach it."
)


class Labelled(BaseModel):
    """The answer to a turn or its revision. Turns and episodes as in `POST /v1/timelines`."""

    type: Literal["labelled"] = "labelled"
    seq: int
    turn: dict[str, Any] = Field(description="The newest turn, labelled from the past alone.")
    episodes: list[dict[str, Any]] = Field(description=_EPISODES)
    model: ModelVersion


class Revised(BaseModel):
    """What all turns so far, seen together, say of each of them."""

    type: Literal["revised"] = "revised"
    seq: int = Field(description="The session is seen as it was after this message of yours.")
    revisions: list[dict[str, Any]] = Field(
        description="Turns whose label, marker or abstention is, with all turns until then in "
        "view, no longer what was last told of them: as they are now. Often none."
    )
    episodes: list[dict[str, Any]] = Field(description=_EPISODES)
    model: ModelVersion


class TimelineMessage(BaseModel):
    """The answer to `end`: what `POST /v1/timelines` answers to the whole session."""

    type: Literal["timeline"] = "timeline"
    seq: int
    timeline: dict[str, Any]


class ProblemMessage(BaseModel):
    """What could not be done, as in `application/problem+json`."""

    type: Literal["problem"] = "problem"
    seq: int | None = Field(
        description="The message that is refused; None if the connection is, which is then closed."
    )
    problem: ProblemBody
    retry_after: int | None = Field(None, description="Seconds after which to try again.")


class Pong(BaseModel):
    """The answer to `ping`."""

    type: Literal["pong"] = "pong"


class CloseCode(IntEnum):
    """Why a connection was closed; whether resuming makes sense stands beside each."""

    DONE = 1000  # the timeline was sent: no
    NOT_TEXT = 1003  # a binary message: resume, and send text
    TOO_BIG = 1009  # a message above the limit: resume, and send less
    SERVER_ERROR = 1011  # a fault of the server: resume
    TRY_LATER = 1013  # overloaded, or too many sessions: later
    NOT_UNDERSTOOD = 4400  # not a message of the protocol: resume, once mended
    KEY = 4401  # no valid key, or one that was revoked: with a valid key
    SCOPE = 4403  # a key that may not label: no
    UNKNOWN = 4404  # no session with that token: start again
    TIMEOUT = 4408  # said nothing, or read nothing, for too long: resume
    OUT_OF_ORDER = 4409  # a number that does not follow: resume, and send from there
    TAKEN_OVER = 4410  # another connection resumed the session: no
    RATE = 4429  # above the key's rate: later


class MessageProblem(Problem):
    """A message that is not one of the protocol's.

    Args:
        status: as in :class:`Problem`.
        title: as in :class:`Problem`.
        detail: as in :class:`Problem`.
        seq: its number, if it has one: then the fault is the message's alone.
    """

    def __init__(
        self, status: int, title: str, detail: str, *, seq: int | None = None, **more: Any
    ) -> None:
        super().__init__(status, title, detail, **more)
        self.seq = seq


def read_message(text: str) -> ClientMessage:
    """A client's message.

    Raises:
        MessageProblem: 400 if it is none of the protocol's (its number, if any, unknown), 422 if
            it is one with faults.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _unknown("expected a JSON object, found what is not JSON") from error
    kind = data.get("type") if isinstance(data, dict) else None
    model = _KINDS.get(kind) if isinstance(kind, str) else None
    if model is None:
        raise _unknown(f"expected a JSON object with a type of {', '.join(_KINDS)}, found another")
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        seq = data.get("seq")
        whole = type(seq) is int and 1 <= seq <= _MAX_SEQ and "seq" in model.model_fields
        raise MessageProblem(
            422,
            "Message not valid",
            "expected a message as the protocol has it, found one with faults; see errors",
            seq=seq if whole else None,
            errors=faults(error.errors(include_input=False), set(model.model_fields)),
        ) from error


def _unknown(found: str) -> MessageProblem:
    return MessageProblem(400, "Message not understood", f"{found}; see the protocol")
