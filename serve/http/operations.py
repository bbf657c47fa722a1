"""What an administrator's tools ask: is it alive, is it ready, how is it doing; and the login."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from alliance.serve.http.access import (
    COOKIE,
    LOCAL,
    Access,
    Caller,
    check_csrf,
    require,
)
from alliance.serve.http.keys import Scope
from alliance.serve.http.messages import Message, ModelVersion
from alliance.serve.http.metrics import CONTENT_TYPE
from alliance.serve.http.problems import Problem, not_ready

__all__ = ["router"]

router: Final = APIRouter()


class Alive(BaseModel):
    """The server runs."""

    status: str = Field(description="`alive`.")
    model: ModelVersion


class Ready(BaseModel):
    """The model is warm, the store, if there is one, answers, and so do requests."""

    status: str = Field(description="`ready`.")
    model: ModelVersion


class LoginIn(Message):
    """A key to be exchanged for a cookie."""

    key: str = Field(min_length=1, max_length=200, description="The whole key.")


class LoggedIn(BaseModel):
    """A login."""

    key_id: str
    group: str
    scopes: list[Scope]
    csrf_token: str = Field(
        description="To be sent in the header `X-CSRF-Token` with whatever changes something; "
        "empty where no keys are asked for."
    )
    expires_in: int = Field(description="Seconds until the login ends; 0 if it does not.")
    model: ModelVersion


@router.get(
    "/livez", operation_id="get_livez", tags=["operations"], summary="Whether the server runs"
)
async def livez(request: Request) -> Alive:
    """Answers without a key, and while the model still loads."""
    return Alive(status="alive", model=ModelVersion(**request.app.state.versions))


@router.get(
    "/readyz",
    operation_id="get_readyz",
    tags=["operations"],
    summary="Whether requests will be answered",
)
async def readyz(request: Request) -> Ready:
    """503 until the model has labelled its first turns, and while the store does not answer."""
    state = request.app.state
    if not state.ready:
        raise not_ready()
    if state.store_check is not None:
        await state.store_check.ask()
    return Ready(status="ready", model=ModelVersion(**state.versions))


@router.get(
    "/metrics",
    operation_id="get_metrics",
    tags=["operations"],
    summary="Figures for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(
    request: Request, caller: Annotated[Caller, Depends(require("admin"))]
) -> Response:
    """Requests, latency, queue and turns by label; no ids and no names. Needs scope `admin`."""
    return Response(request.app.state.metrics.text(), headers={"Content-Type": CONTENT_TYPE})


@router.post(
    "/v1/login", operation_id="log_in", tags=["login"], summary="Exchange a key for a cookie"
)
async def log_in(request: Request, response: Response, body: LoginIn) -> LoggedIn:
    """For pages in a browser: the cookie is HttpOnly and SameSite=Strict."""
    access: Access = request.app.state.access
    if not access.asks_for_keys:
        return _logged_in(LOCAL, "", 0, request)
    key = await run_in_threadpool(access.key, body.key)
    if key is None:
        raise Problem(
            401,
            "Key missing or not valid",
            "expected a valid API key, found another; ask the administrator for one",
            {"WWW-Authenticate": "Bearer"},
        )
    settings = request.app.state.settings
    cookie, login = access.logins.open(key.id)
    response.set_cookie(
        COOKIE,
        cookie,
        max_age=settings.login_seconds,
        path="/",
        secure=settings.secure_cookie,
        httponly=True,
        samesite="strict",
    )
    caller = Caller(key.id, key.group, key.scopes)
    return _logged_in(caller, login.csrf, settings.login_seconds, request)


@router.post(
    "/v1/logout",
    operation_id="log_out",
    tags=["login"],
    summary="End a login",
    status_code=204,
    response_class=Response,
)
async def log_out(request: Request) -> Response:
    """Forgets the cookie's login; without one it does nothing."""
    access: Access = request.app.state.access
    login = access.login(request)
    if login is not None:
        check_csrf(request, login)
        access.logins.close(request.cookies[COOKIE])
    response = Response(status_code=204)
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
    return response


def _logged_in(caller: Caller, csrf: str, seconds: int, request: Any) -> LoggedIn:
    return LoggedIn(
        key_id=caller.key_id,
        group=caller.group,
        scopes=sorted(caller.scopes),
        csrf_token=csrf,
        expires_in=seconds,
        model=ModelVersion(**request.app.state.versions),
    )
