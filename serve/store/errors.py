"""Every error that the store raises on purpose.

AllianceError
├── InputError
│   ├── StoreUrlError      a URL that names no database we know, or one without its driver
│   └── StoreKeyError      no key, a malformed one, or not the one that the store was made with
└── StoreError             the store cannot do what was asked of it
    ├── StoreFullError     the disk, or the room given to the database, is full
    ├── StoreBusyError     the database does not answer, or is locked; later it may
    ├── StoreDamagedError  what is stored does not authenticate: it was changed or moved
    ├── IdempotencyError   the same Idempotency-Key came with another body
    └── GoneError          something that has expired or was erased

No message holds what is stored: neither words, nor ids of sessions, nor the database's own message,
which may quote a row.
"""

from alliance.model.errors import AllianceError, InputError

__all__ = [
    "GoneError",
    "IdempotencyError",
    "StoreBusyError",
    "StoreDamagedError",
    "StoreError",
    "StoreFullError",
    "StoreKeyError",
    "StoreUrlError",
]


class StoreUrlError(InputError):
    """A store's URL that names no database we know."""


class StoreKeyError(InputError):
    """The encryption key is missing, malformed, or another than the store's."""


class StoreError(AllianceError):
    """The store cannot do what was asked of it."""


class StoreFullError(StoreError):
    """There is no room left; what had been stored is unharmed and nothing was added."""


class StoreBusyError(StoreError):
    """The database does not answer or is locked; the same call may succeed later."""


class StoreDamagedError(StoreError):
    """Stored bytes do not authenticate: they were changed, or moved from another row."""


class IdempotencyError(StoreError):
    """An idempotency key that has been used for another body."""


class GoneError(StoreError):
    """It was here, but has expired or was erased."""
