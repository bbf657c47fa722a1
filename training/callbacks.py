"""What goes along with the ``transformers`` Trainer: an early end, an average, a bar."""

from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import ProgressCallback, TrainerCallback
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from alliance.training.processes import is_first

__all__ = ["Progress", "RunningAverage", "StopAfter"]


class StopAfter(TrainerCallback):
    """Ends a stage early, on the same schedule of learning rates as a whole one."""

    def __init__(self, step: int) -> None:
        self._step = step

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        control.should_training_stop |= state.global_step >= self._step
        return control


class RunningAverage(TrainerCallback):
    """A running average of the weights, kept beside each checkpoint so that a resumed run has it.

    Averaging over the last steps evens out what single batches with rare labels did (exponential
    moving average of iterates; Polyak & Juditsky 1992).
    """

    _FILE: Final = "average.safetensors"

    def __init__(self, decay: float, checkpoint: str | None) -> None:
        self._decay = decay
        self._average: dict[str, Tensor] = {}
        if checkpoint is not None:
            self._average = load_file(Path(checkpoint) / self._FILE)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        step = state.global_step
        decay = min(self._decay, step / (step + 9))  # early on, forget the start sooner
        with torch.no_grad():
            for name, value in kwargs["model"].state_dict().items():
                if not value.is_floating_point():
                    continue
                if name not in self._average:
                    self._average[name] = value.detach().clone()
                else:
                    mean = self._average[name].to(value.device)  # one that was loaded is not
                    self._average[name] = mean.lerp_(value, 1 - decay)
        return control

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if not is_first():
            return
        folder = Path(args.output_dir) / f"{PREFIX_CHECKPOINT_DIR}-{state.global_step}"
        save_file(
            {name: value.contiguous() for name, value in self._average.items()},
            folder / self._FILE,
        )

    def put_into(self, model: torch.nn.Module) -> None:
        """Give the model its averaged weights."""
        model.load_state_dict({**model.state_dict(), **self._average})


class Progress(ProgressCallback):
    """A bar on stderr that carries the figures; standard output is for data.

    Args:
        metric: the development score that is shown beside the loss.
    """

    def __init__(self, metric: str) -> None:
        super().__init__()
        self._shown = ("loss", f"eval_{metric}")

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        if self.training_bar is not None and logs:
            self.training_bar.set_postfix({k: v for k, v in logs.items() if k in self._shown})
