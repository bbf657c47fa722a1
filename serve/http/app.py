"""The application: routers, middleware and what lives as long as the server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI

from alliance.model.classifier import RuptureClassifier
from alliance.serve.http.batching import LabelQueue
from alliance.serve.http.keys import KeyRing
from alliance.serve.http.settings import Settings

if TYPE_CHECKING:
    pass

__all__ = ["create_app"]


def create_app(
    settings: Settings,
    classifier: RuptureClassifier | None = None,
    store: Any = None,
    *,
    keys: KeyRing | None = None,
) -> FastAPI:
    """The service as an ASGI application.

    ``app.state`` holds ``settings``, ``queue`` (a :class:`LabelQueue`), ``store`` and ``keys``.

    Args:
        settings: what was set.
        classifier: the model; None loads what the settings name, in the background.
        store: the store of sessions, or None.
        keys: the API keys; None takes those of the store or of ``settings.keys_file``.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        model = classifier or RuptureClassifier.load(settings.model, threads=settings.threads)
        app.state.queue = LabelQueue(
            model, workers=settings.workers, queued_turns=settings.queued_turns
        )
        yield
        app.state.queue.close()

    app = FastAPI(
        title="alliance",
        version=version("alliance-rupture"),
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.state.settings = settings
    app.state.store = store
    app.state.keys = keys
    return app
