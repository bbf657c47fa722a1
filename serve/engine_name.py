"""The name of what does the labelling, in a module that loads nothing."""

from enum import StrEnum

__all__ = ["EngineName"]


class EngineName(StrEnum):
    """Where the labelling is done: on this machine, or by Ray."""

    LOCAL = "local"
    RAY = "ray"
