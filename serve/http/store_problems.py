"""What the store refuses, as problems."""

from typing import Final

from alliance.serve.http.problems import Problem
from alliance.serve.store.errors import (
    GoneError,
    IdempotencyError,
    StoreBusyError,
    StoreError,
    StoreFullError,
)

__all__ = ["store_problem"]

_RETRY_S: Final = 2


def store_problem(error: StoreError) -> Problem:
    """What the store refuses, as a problem; its messages hold nothing that is stored."""
    if isinstance(error, StoreFullError):
        return Problem(507, "Store full", str(error))
    if isinstance(error, StoreBusyError):
        return Problem(503, "Store busy", str(error), {"Retry-After": str(_RETRY_S)})
    if isinstance(error, IdempotencyError):
        return Problem(422, "Idempotency key used", str(error))
    if isinstance(error, GoneError):
        return Problem(410, "Gone", str(error))
    return Problem(500, "Store unusable", str(error))
