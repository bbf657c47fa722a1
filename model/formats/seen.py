"""Which session ids a file has held so far, in little memory."""

from hashlib import blake2b
from typing import Final

__all__ = ["SeenIds"]

_BYTES: Final = 8
_RECENT: Final = 256


class SeenIds:
    """A set of session ids that only grows.

    Ten million turns may be a hundred thousand sessions in one file. Of each id eight bytes of its
    BLAKE2b digest are kept, most of them in a sorted array: among a million ids, that any two of
    them are taken for one another has a probability below one in ten million.
    """

    def __init__(self) -> None:
        import numpy as np  # who asks a command for its help does not wait for it

        self._recent: set[int] = set()
        self._sorted = np.empty(0, dtype=np.uint64)

    def add(self, id_: str) -> bool:
        """Add an id; False if it was there."""
        import numpy as np

        digest = blake2b(id_.encode("utf-8", "surrogatepass"), digest_size=_BYTES).digest()
        number = int.from_bytes(digest)
        if number in self._recent:
            return False
        place = int(np.searchsorted(self._sorted, np.uint64(number)))
        if place < len(self._sorted) and int(self._sorted[place]) == number:
            return False
        self._recent.add(number)
        if len(self._recent) >= _RECENT:
            recent = np.fromiter(self._recent, dtype=np.uint64, count=len(self._recent))
            self._sorted = np.sort(np.concatenate([self._sorted, recent]))
            self._recent.clear()
        return True
