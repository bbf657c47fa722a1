"""Types of number arrays, and division that answers nan where there is nothing to divide by."""

import numpy as np
import numpy.typing as npt

__all__ = ["Bools", "Counts", "Floats", "Ints", "ratio"]

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Counts = Ints | Floats
"""How often something occurs; not whole numbers once resamples weigh it."""


def ratio(part: npt.ArrayLike, whole: npt.ArrayLike) -> Floats:
    """``part / whole``, broadcast; nan where ``whole`` is 0."""
    above, below = np.broadcast_arrays(
        np.asarray(part, dtype=np.float64), np.asarray(whole, dtype=np.float64)
    )
    out: Floats = np.full(above.shape, np.nan)
    np.divide(above, below, out=out, where=below != 0)
    return out
