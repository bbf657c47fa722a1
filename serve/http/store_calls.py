"""Calling the store from a route: in a thread, with its errors as problems."""

import json
from collections.abc import Callable
from typing import Any, Final, TypeVar

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from alliance.serve.http.access import Caller
from alliance.serve.http.problems import Problem
from alliance.serve.http.store_problems import store_problem
from alliance.serve.store.errors import StoreError
from alliance.serve.store.idempotency import Idempotency
from alliance.serve.store.store import Store

__all__ = ["InFlight", "call", "idempotency_of", "not_found", "store_of"]

_T = TypeVar("_T")
_RETRY_S: Final = 2
_MAX_IDEMPOTENCY_KEY: Final = 255


def store_of(request: Request) -> Store:
    """The store of the application."""
    store: Store = request.app.state.store
    return store


async def call(function: Callable[[], _T]) -> _T:
    """Call the store in a thread.

    Raises:
        Problem: for what the store refuses: 410, 422, 503 or 507; 500 if it is damaged.
    """
    try:
        return await run_in_threadpool(function)
    except StoreError as error:
        raise store_problem(error) from None


def not_found(what: str) -> Problem:
    """Nothing of that id, or nothing that the caller's group may see."""
    return Problem(
        404,
        "Not found",
        f"expected the id of a {what} of your group, found another; check the id",
    )


class InFlight:
    """The idempotency keys of requests that are being answered by this process."""

    def __init__(self) -> None:
        self._digests: set[str] = set()

    def enter(self, idempotency: Idempotency | None) -> None:
        """Mark a request as being answered.

        Raises:
            Problem: 409 if another with the same key is.
        """
        if idempotency is None:
            return
        if idempotency.digest in self._digests:
            raise Problem(
                409,
                "Still being answered",
                "expected one request at a time with an Idempotency-Key, found the first still "
                "being answered; try again",
                {"Retry-After": str(_RETRY_S)},
            )
        self._digests.add(idempotency.digest)

    def leave(self, idempotency: Idempotency | None) -> None:
        """Say that the request has been answered."""
        if idempotency is not None:
            self._digests.discard(idempotency.digest)


def idempotency_of(
    store: Store, caller: Caller, kind: str, key: str | None, asked: Any
) -> Idempotency | None:
    """The request's idempotency key and what it asks for, as digests; None without a key.

    What is compared is what the request means: a form's boundary differs each time it is sent.

    Args:
        store: makes the digests.
        caller: keys of different groups are different keys.
        kind: of request.
        key: the header's value.
        asked: what is asked for, as JSON.

    Raises:
        Problem: 422 if the key is empty or too long.
    """
    if key is None:
        return None
    if not 0 < len(key) <= _MAX_IDEMPOTENCY_KEY:
        raise Problem(
            422,
            "Invalid request",
            f"expected an Idempotency-Key of 1 to {_MAX_IDEMPOTENCY_KEY} characters, found another "
            f"length; shorten it",
        )
    return store.idempotency(caller, kind, key, json.dumps(asked, sort_keys=True).encode())
