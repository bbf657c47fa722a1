"""``POST /v1/timelines``: sessions in, timelines out, nothing kept."""

import json
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request, Response

from alliance.model.labelled import LabelledSession
from alliance.model.session import Session
from alliance.model.timeline import timeline
from alliance.serve.http.access import Caller, require
from alliance.serve.http.batching import LabelQueue
from alliance.serve.http.intake import JSON, NotLabelled, read_request
from alliance.serve.http.waiting import while_connected

__all__ = ["router", "timeline_bytes"]

router: Final = APIRouter(tags=["timelines"])


@router.post(
    "/v1/timelines",
    operation_id="make_timelines",
    summary="Label sessions and make their rupture timelines",
    openapi_extra={"requestBody": {"$ref": "#/components/requestBodies/Timelines"}},
    responses={
        200: {
            "description": "For `session` a timeline; for `sessions` or a file a list of "
            "timelines and problems, in the order of the request.",
            "content": {JSON: {"schema": {"$ref": "#/components/schemas/TimelinesReply"}}},
        }
    },
    response_class=Response,
)
async def make_timelines(
    request: Request, caller: Annotated[Caller, Depends(require("label"))]
) -> Response:
    """Nothing of the request is kept, on disk or in memory, once it has been answered.

    A transcript file may be sent instead of JSON, as `multipart/form-data`.
    """
    queue: LabelQueue = request.app.state.queue
    work = await read_request(request)
    wanted = [session for session in work.sessions if isinstance(session, Session)]
    state = request.app.state

    def made(session: Session) -> bytes:
        labelled = queue.classifier.label(session, purpose=work.purpose)
        state.metrics.labelled(labelled.turns)
        return timeline_bytes(labelled, include_text=work.include_text)

    replies = iter(
        await while_connected(
            request,
            queue.run_all(
                [partial(made, session) for session in wanted],
                turns=sum(len(session.turns) for session in wanted),
            ),
        )
    )
    parts = [
        next(replies) if isinstance(session, Session) else _problem_bytes(session, state.versions)
        for session in work.sessions
    ]
    if work.single:
        return Response(parts[0], media_type=JSON)
    versions = json.dumps(state.versions).encode()
    body = b'{"results":[' + b",".join(parts) + b'],"model":' + versions + b"}"
    return Response(body, media_type=JSON)


def timeline_bytes(labelled: LabelledSession, *, include_text: bool) -> bytes:
    """The timeline of a labelled session, as the reply has it."""
    data = timeline(labelled).to_dict(include_text=include_text)
    # Half a surrogate pair, which a file may hold, has no UTF-8 form: "?" replaces it.
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _problem_bytes(failed: NotLabelled, versions: Mapping[str, Any]) -> bytes:
    body = {**failed.problem.to_dict(), "session_id": failed.session_id, "model": dict(versions)}
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
