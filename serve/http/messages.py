"""What clients send and get: the shapes of requests and replies, with their limits.

Unknown keys are refused, so that a misspelt one is told and not passed over.
"""

from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, TypeAdapter

from alliance.model.codebook import Role
from alliance.model.labelled import Purpose

__all__ = [
    "MAX_SESSIONS",
    "MAX_TEXT",
    "MAX_TURNS",
    "TIMELINES_REQUEST",
    "Message",
    "ModelVersion",
    "OneSession",
    "Options",
    "ProblemBody",
    "SessionIn",
    "SeveralSessions",
    "TimelinesRequest",
    "TurnIn",
    "Upload",
    "UploadOptions",
]

MAX_SESSIONS: Final = 100
"""Sessions in one request; a job takes more."""

MAX_TURNS: Final = 10_000
"""Turns of one session; a long one has a thousand."""

MAX_TEXT: Final = 20_000
"""Characters of one turn."""

_MAX_NAME: Final = 60  # as the readers of files have it
_MAX_ID: Final = 200
_MAX_MS: Final = 7 * 24 * 3600 * 1000
_MAX_ROLES: Final = 50

_TURNS: Final[list[Any]] = [
    {"speaker": "therapist", "text": "How has the week been?", "start_ms": 0, "end_ms": 1800},
    {"speaker": "client", "text": "Fine, I guess.", "start_ms": 2100, "end_ms": 3000},
    {"speaker": "therapist", "text": "You sound unsure about that.", "start_ms": 3400},
    {"speaker": "client", "text": "You never listen to what I say anyway.", "start_ms": 5200},
]


class Message(BaseModel):
    """Base of everything a client sends: exact types, no unknown keys."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


class TurnIn(Message):
    """A turn of speech."""

    speaker: str = Field(
        min_length=1,
        max_length=_MAX_NAME,
        description="`therapist`, `client`, a well-known name (`T`, `Dr. Lee`, `C`, `Patient`, "
        "…), or any name that `roles` tells the role of.",
    )
    text: str = Field(max_length=MAX_TEXT, description="What was said, verbatim; may be empty.")
    start_ms: int | None = Field(
        None, ge=0, le=_MAX_MS, description="Start, in milliseconds from the recording's start."
    )
    end_ms: int | None = Field(
        None, ge=0, le=_MAX_MS, description="End, in milliseconds; not before the start."
    )
    utterance_id: str = Field(
        "", max_length=_MAX_ID, description="Your own identifier of the turn; it comes back."
    )


class SessionIn(Message):
    """A session: its turns in order."""

    id: str | None = Field(
        None,
        min_length=1,
        max_length=_MAX_ID,
        description="Your identifier of the session; it comes back as `session_id`. Without one "
        "the sessions of a request are called `session-1`, `session-2`, …",
    )
    turns: list[TurnIn] = Field(min_length=1, max_length=MAX_TURNS)


RoleMapIn = Annotated[
    dict[Annotated[str, Field(min_length=1, max_length=_MAX_NAME)], Role],
    Field(
        max_length=_MAX_ROLES,
        description="Speaker's name to role; overrules what is well known.",
        examples=[{"Anna": "client", "M. Weber": "therapist"}],
    ),
]
PurposeIn = Annotated[
    Purpose,
    Field(
        description="What the labels are for: `screening` finds as many ruptures as it can, "
        "`research` balances the labels, `teaching` shows only what is likely to be right."
    ),
]
IncludeText = Annotated[bool, Field(description="Whether the reply repeats what was said.")]


class Options(Message):
    """How sessions are to be labelled."""

    roles: RoleMapIn = Field(default_factory=dict)
    purpose: PurposeIn = Purpose.RESEARCH
    include_text: IncludeText = False


class OneSession(Options):
    """A request for the timeline of one session."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"session": {"turns": _TURNS}}]})

    session: SessionIn


class SeveralSessions(Options):
    """A request for the timelines of several sessions."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "sessions": [
                        {"id": "a", "turns": _TURNS[:2]},
                        {"id": "b", "turns": [{"speaker": "Anna", "text": "Thanks for that."}]},
                    ],
                    "roles": {"Anna": "client"},
                    "purpose": "screening",
                }
            ]
        }
    )

    sessions: list[SessionIn] = Field(min_length=1, max_length=MAX_SESSIONS)


def _shape(value: Any) -> str:
    if isinstance(value, SeveralSessions):
        return "several"
    return "several" if isinstance(value, dict) and "sessions" in value else "one"


TimelinesRequest = Annotated[
    Annotated[OneSession, Tag("one")] | Annotated[SeveralSessions, Tag("several")],
    Discriminator(_shape),
]
TIMELINES_REQUEST: Final[TypeAdapter[OneSession | SeveralSessions]] = TypeAdapter(TimelinesRequest)
"""Reads the body of ``POST /v1/timelines``."""


class UploadOptions(Message):
    """How to read a transcript file."""

    # Forms hold text alone: what is a map elsewhere is JSON here.
    model_config = ConfigDict(strict=False)

    roles: RoleMapIn = Field(default_factory=dict)
    columns: dict[str, str] = Field(
        default_factory=dict,
        max_length=20,
        description="What a column of a table holds, to its name.",
        examples=[{"text": "utterance"}],
    )
    format: str | None = Field(
        None, max_length=20, description="The format, where the file's name does not tell it."
    )
    encoding: str | None = Field(
        None, max_length=40, description="The encoding, where it is not UTF-8 or UTF-16."
    )
    purpose: PurposeIn = Purpose.RESEARCH
    include_text: IncludeText = False


class Upload(UploadOptions):
    """A transcript file and how to read it, as ``multipart/form-data``."""

    file: Annotated[str, Field(json_schema_extra={"format": "binary"})] = Field(
        description="A transcript in any format that `alliance label` reads. The ending of its "
        "name tells the format."
    )


class ModelVersion(BaseModel):
    """What made the labels, or would have."""

    name: str = Field(
        default="", description="Name and version of the model; empty while it loads."
    )
    codebook: str = Field(description="Version of the codebook.")


class Fault(BaseModel):
    """One fault of the input."""

    loc: list[str | int] = Field(description="Where; names that you chose appear as `*`.")
    type: str = Field(description="The kind of fault.")
    msg: str = Field(description="What was expected.")


class ProblemBody(BaseModel):
    """Why a request could not be answered (RFC 9457). It never repeats what was sent."""

    type: str = Field(description="`about:blank`: the status says what kind of problem it is.")
    title: str = Field(description="The kind of problem in a few words.")
    status: int = Field(ge=400, le=599, description="The HTTP status.")
    detail: str = Field(description="What was expected, what was found, what to do.")
    errors: list[Fault] = Field(
        default_factory=list, description="Faults of the input, the first twenty."
    )
    session_id: str | None = Field(
        None, description="Of which session of the request; there only among `results`."
    )
    model: ModelVersion | None = None
