"""The application: its routers, what every request passes, and what lives as long as it runs."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from alliance.model.backend import Backend, OnnxBackend
from alliance.model.classifier import RuptureClassifier, shipped_weights
from alliance.model.codebook import CODEBOOK_VERSION
from alliance.model.errors import AllianceError
from alliance.model.session import Session, Turn
from alliance.serve.http import (
    docs_page,
    live_routes,
    model_document,
    operations,
    page_files,
    page_routes,
    problems,
    timelines,
)
from alliance.serve.http.access import CSRF_HEADER, Access
from alliance.serve.http.batching import LabelQueue, Priority
from alliance.serve.http.keys import KeyRing
from alliance.serve.http.keys_file import KeysFile
from alliance.serve.http.logs import logger
from alliance.serve.http.metrics import Metrics
from alliance.serve.http.middleware import BodyLimits, Envelope, Guard
from alliance.serve.http.openapi import describe
from alliance.serve.http.settings import Settings
from alliance.serve.http.store_check import StoreCheck

__all__ = ["create_app"]

_WARM_UP = Session(
    "warm",
    (
        Turn("therapist", "How have you been since we spoke the last time, a week ago?"),
        Turn("client", "Fine, I guess. There was nothing that I would have to talk about."),
    )
    * 16,
)
"""A window and more, from which the queue learns how long turns take."""


def create_app(
    settings: Settings,
    classifier: RuptureClassifier | None = None,
    store: Any = None,
    *,
    keys: KeyRing | None = None,
    on_failure: Callable[[Exception], None] | None = None,
) -> FastAPI:
    """The service as an ASGI application.

    ``app.state`` holds ``settings``, ``queue`` (a :class:`LabelQueue`, once ``ready``), ``store``,
    ``keys``, ``access``, ``metrics`` and ``versions``.

    Args:
        settings: what was set.
        classifier: the model; None loads what the settings name, while ``/livez`` answers.
        store: the store of sessions, or None.
        keys: the API keys; None takes those of the store or of ``settings.keys_file``.
        on_failure: told if the model cannot be loaded.

    Raises:
        ConfigError: if the server would listen beyond this machine without a key.
    """
    if keys is None:
        keys = getattr(store, "keys", None)
    if keys is None and settings.keys_file is not None:
        keys = KeysFile(settings.keys_file)
    app = FastAPI(
        title="alliance",
        version=version("alliance-rupture"),
        lifespan=_lifespan(classifier, on_failure),
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    state = app.state
    state.settings, state.store, state.keys = settings, store, keys
    state.access = Access(settings, keys)
    state.metrics = Metrics()
    state.versions = {"name": "", "codebook": CODEBOOK_VERSION}
    state.ready = False
    state.queue = None
    state.store_check = None if store is None else StoreCheck(store.ping)
    app.openapi = describe(app)  # type: ignore[method-assign]
    problems.install(app)
    for router in (
        timelines.router,
        live_routes.router,
        model_document.router,
        operations.router,
        docs_page.router,
        page_files.router,
        page_routes.router,
    ):
        app.include_router(router)
    if store is not None:
        from alliance.serve.http import job_routes, stored_routes

        app.include_router(stored_routes.router)
        app.include_router(job_routes.router)
    _add_middleware(app, settings)
    return app


def _add_middleware(app: FastAPI, settings: Settings) -> None:
    """The last one added is the outermost."""
    app.add_middleware(
        BodyLimits,
        body_bytes=settings.body_bytes,
        job_bytes=settings.job_bytes,
        pending_bytes=settings.pending_bytes,
        body_seconds=settings.body_seconds,
    )
    app.add_middleware(Guard, access=app.state.access)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.cors_origins),
            allow_methods=["GET", "POST", "PUT", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key", CSRF_HEADER],
            expose_headers=["Alliance-Model", "Alliance-Codebook", "Location", "Retry-After"],
        )
    app.add_middleware(Envelope, metrics=app.state.metrics)


def _lifespan(
    classifier: RuptureClassifier | None, on_failure: Callable[[Exception], None] | None
) -> Any:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        loading = asyncio.create_task(_load(app, classifier, on_failure))
        if classifier is not None:
            await loading
        try:
            yield
        finally:
            await asyncio.wait([loading])
            if app.state.queue is not None:
                await app.state.queue.close()

    return lifespan


async def _load(
    app: FastAPI,
    classifier: RuptureClassifier | None,
    on_failure: Callable[[Exception], None] | None,
) -> None:
    """Load and warm the model; until then labelling is answered 503."""
    state = app.state
    settings: Settings = state.settings
    try:
        if classifier is None:
            model, live = await asyncio.to_thread(_read_model, settings)
        else:
            model, live = classifier, None
        await asyncio.to_thread(problems.schema_names, app)  # takes a while, once
    except AllianceError as error:
        if on_failure is None:
            raise
        on_failure(error)
        return
    queue = LabelQueue(
        model,
        workers=settings.workers,
        live=live,
        live_workers=max(1, settings.workers // settings.live_threads),
        queued_turns=settings.queued_turns,
        queued_seconds=settings.queued_seconds,
        on_start=state.metrics.batch,
    )
    await queue.label(_WARM_UP)
    last = _WARM_UP.turns
    await queue.run(lambda: queue.classifier.label_last(last), turns=1, priority=Priority.LIVE)
    state.queue = queue
    state.metrics.watch("alliance_queued_turns", "Turns that wait or are in work.", queue.waiting)
    state.versions = {"name": model.name, "codebook": CODEBOOK_VERSION}
    state.ready = True
    logger().info("ready", model=model.name)


def _read_model(settings: Settings) -> tuple[RuptureClassifier, Backend | None]:
    """The model, and the way to its encoder for live turns where that has other threads."""
    model = RuptureClassifier.load(settings.model, threads=settings.threads)
    if settings.live_threads == settings.threads:
        return model, None
    path = (settings.model or shipped_weights()) / "model.onnx"
    return model, OnnxBackend(path, threads=settings.live_threads, spinning=False)
