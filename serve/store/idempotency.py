"""Finding the outcome of a request again when its sender, who heard no answer, sends it twice."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from sqlalchemy.exc import IntegrityError

from alliance.serve.store.cipher import DataKey
from alliance.serve.store.errors import IdempotencyError

__all__ = ["Idempotency", "made_once"]

_OTHER_BODY = (
    "expected the same body under the same Idempotency-Key, found another; send each request with "
    "a key of its own"
)

_Made = TypeVar("_Made")


@dataclass(frozen=True, slots=True)
class Idempotency:
    """A request's idempotency key and body, as digests: neither is kept.

    Attributes:
        digest: of the group, the kind of request and the key; made with the store's own key.
        body: the body's bytes.
    """

    digest: str
    body: bytes = field(repr=False)

    def body_digest(self, key: DataKey) -> str:
        """The body's digest under the data key of what it made; erased, it can't be compared."""
        return key.fingerprint(self.body, what="request body")

    def check_body(self, digest: str | None, key: DataKey) -> None:
        """Compare with the body digest that was kept.

        Raises:
            IdempotencyError: if the earlier request had another body.
        """
        if digest != self.body_digest(key):
            raise IdempotencyError(_OTHER_BODY)


def made_once(
    idempotency: Idempotency | None,
    *,
    find: Callable[[Idempotency], _Made | None],
    make: Callable[[], _Made],
) -> _Made:
    """What the same request made before, or else what it makes now.

    Raises:
        IdempotencyError: if the idempotency key came with another body before.
    """
    if idempotency is not None and (known := find(idempotency)):
        return known
    try:
        return make()
    except IntegrityError:
        # The same request came twice at once, to two processes, and the other was faster.
        if idempotency is None or (known := find(idempotency)) is None:
            raise
        return known
