"""``/v1/live``: a session turn by turn over a WebSocket."""

from typing import Final

from fastapi import APIRouter
from starlette.datastructures import State
from starlette.websockets import WebSocket

from alliance.serve.http.live_conversation import Conversation
from alliance.serve.http.live_limits import LiveLimits
from alliance.serve.http.live_sessions import LiveSessions

__all__ = ["PATH", "router"]

PATH: Final = "/v1/live"

router: Final = APIRouter()


@router.websocket(PATH)
async def live(websocket: WebSocket) -> None:
    """Label a session turn by turn; see ``serve/README.md`` for the protocol."""
    # Where it comes from, and its key if it carries one, have been checked on the way here.
    await websocket.accept()
    await Conversation(websocket, _sessions(websocket.app.state)).hold(websocket.state.caller)


def _sessions(state: State) -> LiveSessions:
    """The server's live sessions, made when they are first asked for."""
    if not hasattr(state, "live"):
        state.live = LiveSessions(
            LiveLimits(
                sessions=state.settings.live_sessions,
                resume_seconds=state.settings.live_resume_seconds,
            )
        )
        state.metrics.live.set_function(lambda: len(state.live))
    sessions: LiveSessions = state.live
    return sessions
