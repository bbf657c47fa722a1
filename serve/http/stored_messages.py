"""What is sent and answered about stored sessions, annotations and jobs."""

import datetime as dt
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, TypeAdapter

from alliance.model.codebook import Label, Marker
from alliance.serve.http.messages import (
    Message,
    ModelVersion,
    OneSession,
    SessionIn,
    SeveralSessions,
)

__all__ = [
    "JOB_REQUEST",
    "MAX_JOB_SESSIONS",
    "AnnotationIn",
    "AnnotationOut",
    "AuditEntryOut",
    "AuditOut",
    "JobOut",
    "JobSessions",
    "SessionPage",
    "StoredSessionOut",
    "StoredTranscript",
]

MAX_JOB_SESSIONS: Final = 2_000
"""Sessions of one job; the limit of the body holds as well."""

_MAX_NOTE: Final = 5_000


class JobSessions(SeveralSessions):
    """Sessions to be labelled when there is time."""

    sessions: list[SessionIn] = Field(min_length=1, max_length=MAX_JOB_SESSIONS)


def _shape(value: Any) -> str:
    if isinstance(value, JobSessions):
        return "several"
    return "several" if isinstance(value, dict) and "sessions" in value else "one"


JOB_REQUEST: Final[TypeAdapter[OneSession | JobSessions]] = TypeAdapter(
    Annotated[
        Annotated[OneSession, Tag("one")] | Annotated[JobSessions, Tag("several")],
        Discriminator(_shape),
    ]
)
"""Reads the JSON body of ``POST /v1/jobs``."""


class StoredSessionOut(BaseModel):
    """A stored session, without its words."""

    id: str = Field(description="Its id, made by the server.")
    created_at: dt.datetime = Field(description="When it was stored.")
    expires_at: dt.datetime | None = Field(description="When it will be erased; null for never.")
    turn_count: int
    annotated_turns: int = Field(description="Turns that somebody has annotated.")


class StoredSessionReply(StoredSessionOut):
    """A session that has been stored."""

    model: ModelVersion


class SessionPage(BaseModel):
    """Some of the stored sessions, the oldest first."""

    sessions: list[StoredSessionOut]
    next: str | None = Field(description="What `after` must be to get the next ones, if any.")
    model: ModelVersion


class AnnotationIn(Message):
    """What a person says of a turn."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "label": Label.WITHDRAWAL.value,
                    "marker": Marker.W2.value,
                    "note": "shuts the question down",
                },
                {"label": Label.NEUTRAL.value, "who": "second coder"},
            ]
        }
    )

    # FastAPI hands over parsed JSON, in which strict mode would not take a word for its enum.
    label: Label = Field(strict=False)
    marker: Annotated[Marker, Field(strict=False)] | None = Field(
        None, description="The fine code, one of the label's."
    )
    note: str = Field("", max_length=_MAX_NOTE, description="A remark; encrypted like the turns.")
    who: str | None = Field(
        None,
        min_length=1,
        max_length=64,
        description="Whose judgement it is; else the key's id. Each person has one for a turn.",
    )


class _Judged(BaseModel):
    turn: int = Field(description="The turn's place, counted from 0.")
    who: str
    label: Label
    marker: Marker | None
    note: str
    created_at: dt.datetime = Field(description="When this person first annotated the turn.")
    changed_at: dt.datetime


class AnnotationOut(_Judged):
    """A stored annotation."""

    model: ModelVersion


class StoredTranscript(StoredSessionOut):
    """A stored session with the model's labels and what people say beside them."""

    session_id: str = Field(description="The id that its sender gave it.")
    turns: list[dict[str, Any]] = Field(
        description="The turns as in a timeline: `turn`, `speaker`, `label`, …"
    )
    annotations: list[_Judged]
    labelled_by: dict[str, Any] = Field(description="The model that made the labels.")
    model: ModelVersion


class AuditEntryOut(BaseModel):
    """Who did what and when."""

    id: int = Field(description="Its place in the order of events.")
    at: dt.datetime
    actor: str = Field(description="The id of the key.")
    action: str
    subject: str | None = Field(description="The id of what it was done to.")
    turn: int | None
    value: dict[str, Any] | None = Field(description="What changed; gone once it is erased.")


class AuditOut(BaseModel):
    """All that was done to one session, the oldest first."""

    entries: list[AuditEntryOut]
    model: ModelVersion


class JobOut(BaseModel):
    """A job and how it is getting on."""

    id: str
    state: str = Field(description="`queued`, `running`, `done` or `expired`.")
    created_at: dt.datetime
    finished_at: dt.datetime | None
    expires_at: dt.datetime | None = Field(description="When the result goes.")
    sessions: int
    sessions_done: int
    result: str | None = Field(description="Where the result is, once it is there.")
    model: ModelVersion
