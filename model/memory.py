"""How much memory this process has taken."""

import sys
from pathlib import Path
from typing import Final

__all__ = ["peak_memory_mb"]

_STATUS: Final = Path("/proc/self/status")


def peak_memory_mb() -> float | None:
    """Peak resident memory of this process in 10^6 bytes; None where the system does not say."""
    # What getrusage says is, on Linux, at least what the process that started this one held.
    if _STATUS.is_file():
        for line in _STATUS.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return round(int(line.split()[1]) * 1024 / 1e6, 1)
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6, 1)
