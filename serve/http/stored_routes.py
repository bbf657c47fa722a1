"""Stored sessions: what is kept, what people say of it, who did what, and how it is erased."""

import itertools
import re
from collections.abc import Iterator
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import StreamingResponse

from alliance.model.session import Session
from alliance.serve.http.access import Caller, require
from alliance.serve.http.intake import JSON, NDJSON, NotLabelled, Work, read_request
from alliance.serve.http.problems import Problem, not_ready
from alliance.serve.http.store_calls import (
    InFlight,
    call,
    idempotency_of,
    not_found,
    store_of,
)
from alliance.serve.http.stored_messages import (
    AnnotationIn,
    AnnotationOut,
    AuditOut,
    SessionPage,
    StoredSessionOut,
    StoredSessionReply,
    StoredTranscript,
)
from alliance.serve.http.timelines import timeline_bytes
from alliance.serve.http.waiting import while_connected
from alliance.serve.store.annotations import Judgement
from alliance.serve.store.audit import Action

__all__ = ["IdempotencyKey", "router"]

router: Final = APIRouter(tags=["stored sessions"])

_ID: Final = re.compile(r"ses_[0-9a-f]{32}")
_IN_FLIGHT: Final = InFlight()

Labels = Annotated[Caller, Depends(require("label"))]
Reads = Annotated[Caller, Depends(require("read"))]
Annotates = Annotated[Caller, Depends(require("annotate"))]
Admin = Annotated[Caller, Depends(require("admin"))]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="Any word of your own, a new one for each request: sent again with the same "
        "body, the request is answered as before and does nothing twice.",
    ),
]
IncludeText = Annotated[bool, Query(description="Whether the reply repeats what was said.")]


@router.post(
    "/v1/sessions",
    operation_id="store_session",
    summary="Label a session and keep it, encrypted",
    status_code=201,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                JSON: {"schema": {"$ref": "#/components/schemas/OneSession"}},
                "multipart/form-data": {"schema": {"$ref": "#/components/schemas/Upload"}},
            },
        }
    },
)
async def store_session(
    request: Request, response: Response, caller: Labels, idempotency_key: IdempotencyKey = None
) -> StoredSessionReply:
    """Your own id of the session is kept as one of its facts; the reply's `id` is the server's."""
    state = request.app.state
    if not state.ready:
        raise not_ready()
    store, work = store_of(request), await read_request(request)
    session = _only(work)
    asked = {"session": session.to_dict(), "purpose": work.purpose.value}
    idempotency = idempotency_of(store, caller, "session", idempotency_key, asked)
    _IN_FLIGHT.enter(idempotency)
    try:
        known = None
        if idempotency is not None:
            known = await call(lambda: store.sessions.of_request(caller, idempotency))
        if known is None:
            labelled = await while_connected(
                request, state.queue.label(session, purpose=work.purpose)
            )
            state.metrics.labelled(labelled.turns)
            known = await call(
                lambda: store.sessions.add(caller, labelled, idempotency=idempotency)
            )
    finally:
        _IN_FLIGHT.leave(idempotency)
    response.headers["Location"] = f"/v1/sessions/{known.id}"
    return StoredSessionReply(**known.to_dict(), model=state.versions)


@router.get("/v1/sessions", operation_id="list_sessions", summary="List the stored sessions")
async def list_sessions(
    request: Request,
    caller: Reads,
    after: Annotated[
        str,
        Query(pattern=r"^(ses_[0-9a-f]{32})?$", description="The id that the page before ends on."),
    ] = "",
    limit: Annotated[int, Query(ge=1, le=1000, description="Sessions of a page.")] = 100,
) -> SessionPage:
    """Those of your key's group, the oldest first."""
    store = store_of(request)
    found = await call(lambda: store.sessions.page(caller, after=after, limit=limit))
    return SessionPage(
        sessions=[StoredSessionOut(**one.to_dict()) for one in found],
        next=found[-1].id if len(found) == limit else None,
        model=request.app.state.versions,
    )


@router.get(
    "/v1/corpus",
    operation_id="export_corpus",
    summary="Export the annotated sessions as a corpus",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "One session a line: the form that `alliance train --corpus` reads.",
            "content": {NDJSON: {"schema": {"type": "string"}}},
        }
    },
)
async def export_corpus(request: Request, caller: Reads) -> StreamingResponse:
    """Holds what was said, and what people say of it; nothing of what the model says."""
    lines = store_of(request).export(caller)
    # The first one now: a store that cannot be read is a problem, not half an answer.
    first = await call(lambda: next(lines, None))

    def encoded() -> Iterator[bytes]:
        for line in () if first is None else itertools.chain([first], lines):
            yield line.encode("utf-8", "replace")

    return StreamingResponse(
        encoded(),
        media_type=NDJSON,
        headers={"Content-Disposition": 'attachment; filename="annotated.jsonl"'},
    )


@router.get(
    "/v1/sessions/{session_id}", operation_id="get_session", summary="Read a stored session"
)
async def get_session(
    request: Request, caller: Reads, session_id: str, include_text: IncludeText = False
) -> StoredTranscript:
    """The model's labels as they were when it was stored, and what people say beside them."""
    store, known_id = store_of(request), _checked(session_id)
    found = await call(lambda: store.sessions.get(caller, known_id))
    if found is None:
        raise not_found("session")
    stored, labelled, given_id = found
    annotations = await call(lambda: store.annotations.of(caller, known_id))
    return StoredTranscript.model_validate(
        {
            **stored.to_dict(),
            "session_id": given_id,
            "turns": [turn.to_dict(include_text=include_text) for turn in labelled],
            "annotations": [one.to_dict() for one in annotations],
            "labelled_by": labelled.model.to_dict(),
            "model": request.app.state.versions,
        }
    )


@router.get(
    "/v1/sessions/{session_id}/timeline",
    operation_id="get_timeline",
    summary="The rupture timeline of a stored session",
    responses={
        200: {"content": {JSON: {"schema": {"$ref": "#/components/schemas/Timeline"}}}},
    },
    response_class=Response,
)
async def get_timeline(
    request: Request, caller: Reads, session_id: str, include_text: IncludeText = False
) -> Response:
    """As `POST /v1/timelines` gave it when the session was stored."""
    store, known_id = store_of(request), _checked(session_id)
    found = await call(lambda: store.sessions.get(caller, known_id, action=Action.TIMELINE_READ))
    if found is None:
        raise not_found("session")
    return Response(timeline_bytes(found[1], include_text=include_text), media_type=JSON)


@router.delete(
    "/v1/sessions/{session_id}",
    operation_id="erase_session",
    summary="Erase a stored session",
    status_code=204,
)
async def erase_session(request: Request, caller: Labels, session_id: str) -> None:
    """With it go its annotations and what the audit remembers of their changes."""
    store, known_id = store_of(request), _checked(session_id)
    if not await call(lambda: store.sessions.erase(caller, known_id)):
        raise not_found("session")


@router.put(
    "/v1/sessions/{session_id}/turns/{turn}/annotation",
    operation_id="annotate_turn",
    summary="Say what a turn is",
)
async def annotate_turn(
    request: Request, caller: Annotates, session_id: str, turn: int, judgement: AnnotationIn
) -> AnnotationOut:
    """The model's label stays as it is; what you said before goes into the audit."""
    store, known_id = store_of(request), _checked(session_id)
    if not 0 <= turn < 1 << 31:
        raise not_found("turn")

    def put() -> Any:
        said = Judgement(judgement.label, judgement.marker, judgement.note)
        who = caller.key_id if judgement.who is None else judgement.who
        return store.annotations.put(caller, known_id, turn, said, who=who)

    try:
        given = await call(put)
    except ValueError as error:
        # Our own words, of labels, markers and roles.
        raise Problem(422, "Not in the codebook", str(error)) from None
    if given is None:
        raise not_found("turn")
    return AnnotationOut(**given.to_dict(), model=request.app.state.versions)


@router.get(
    "/v1/sessions/{session_id}/audit",
    operation_id="get_audit",
    summary="Who did what with a stored session",
)
async def get_audit(request: Request, caller: Admin, session_id: str) -> AuditOut:
    """Answers for erased sessions too, then without what changed."""
    store, known_id = store_of(request), _checked(session_id)
    entries = await call(lambda: store.sessions.audit(caller, known_id))
    if not entries:
        raise not_found("session")
    return AuditOut.model_validate(
        {
            "entries": [entry.to_dict() for entry in entries],
            "model": request.app.state.versions,
        }
    )


def _only(work: Work) -> Session:
    if len(work.sessions) != 1:
        raise Problem(
            422,
            "Invalid request",
            "expected one session to store, found another number; send each by itself",
        )
    (session,) = work.sessions
    if isinstance(session, NotLabelled):
        raise session.problem
    return session


def _checked(session_id: str) -> str:
    # What is no id of ours names nothing here, and need not trouble the database.
    if _ID.fullmatch(session_id) is None:
        raise not_found("session")
    return session_id
