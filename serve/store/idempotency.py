"""Finding the outcome of a request again when its sender, who heard no answer, sends it twice."""

from dataclasses import dataclass, field

from alliance.serve.store.cipher import DataKey

__all__ = ["OTHER_BODY", "Idempotency"]

OTHER_BODY = (
    "expected the same body under the same Idempotency-Key, found another; send each request with "
    "a key of its own"
)
"""What is said of a key that comes again with another body."""


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
