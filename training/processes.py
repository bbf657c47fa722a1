"""Several processes that train together, one per GPU, and what only one of them does.

``accelerate launch`` and ``torchrun`` start them and say in the environment how many there are.
All run the same command; the first alone calibrates, exports and writes, and the others wait.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

# The first may ask a slow teacher for hours before the others have something to load.
_PATIENCE = timedelta(hours=12)


def process_count() -> int:
    """How many processes train together; 1 if the command was started by itself."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first() -> bool:
    """Whether this process is the one that writes."""
    return int(os.environ.get("RANK", "0")) == 0


def wait_for_all() -> None:
    """Go on when all processes have come this far; at once if there is one."""
    if process_count() > 1:
        from accelerate import PartialState

        _join()
        PartialState().wait_for_everyone()


@contextmanager
def first_goes_ahead() -> Iterator[None]:
    """What is within is done by the first process, then by the others, who find its files."""
    if not is_first():
        wait_for_all()
    yield
    if is_first():
        wait_for_all()


def _join() -> None:
    """Meet the other processes, before the Trainer would."""
    import torch
    from accelerate import PartialState

    if not PartialState._shared_state:
        PartialState(cpu=not torch.cuda.is_available(), timeout=_PATIENCE)
