"""A layer over a whole session: from what the encoder says of each turn to logits of the codes.

An encoder reads a window of some twenty turns; whether a session goes well shows over all of them.
A model folder may hold a small recurrent network (``session.onnx``) that reads the turns' features,
in order, after the encoder. In causal mode it reads the turns of the causal window alone, so that a
label depends on nothing that has to be remembered.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

import numpy as np

from alliance.model.backend import Features, Logits, silent_runtime
from alliance.model.codebook import MARKER_ORDER, Role
from alliance.model.errors import ModelError

__all__ = ["ROLES", "SESSION_LAYER", "OnnxSessionLayer", "SessionLayer"]

SESSION_LAYER: Final = "session.onnx"
"""Its name in a model folder."""

ROLES: Final = (Role.THERAPIST, Role.CLIENT, Role.OTHER)
"""The roles by their numbers in a layer's input, which are part of the model format."""

_INPUTS: Final = {
    "features": ("tensor(float)", 2),
    "roles": ("tensor(int64)", 1),
    "lengths": ("tensor(float)", 1),
}
"""What a layer reads: types, and numbers of axes, of which the first is the turns."""


class SessionLayer(Protocol):
    """Reads the turns of a session, or some in a row, one after the other."""

    def __call__(self, features: Features, roles: Sequence[Role], lengths: Sequence[int]) -> Logits:
        """Logits of each turn.

        Args:
            features: what the encoder says of the turns, shape (turns, features); at least one.
            roles: who says them.
            lengths: their tokens, the role token included.

        Returns:
            Shape (turns, 21), in the order of ``codebook.MARKER_ORDER``.
        """
        ...


class OnnxSessionLayer:
    """ONNX Runtime in one thread: the layer is small, and many sessions run side by side.

    It runs on the CPU wherever the encoder does.

    Args:
        path: the ``.onnx`` file; its inputs are ``features`` (turns, width) and ``lengths``
            (turns,), float32, and ``roles`` (turns,), int64, places in :data:`ROLES`; its first
            output the logits (turns, 21).

    Attributes:
        width: features of a turn.

    Raises:
        ModelError: if it is missing, is not an ONNX model, or has other inputs or outputs.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise ModelError(f"{path}: expected a session layer, found no file; check --model")
        ort = silent_runtime()
        options = ort.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = 1
        # It would be kept for every length of a session that was ever read.
        options.enable_mem_pattern = False
        try:
            self._session = ort.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's exceptions share no public base class
            raise ModelError(
                f"{path}: expected an ONNX model, found a file that ONNX Runtime cannot load; "
                f"use a model that alliance train wrote"
            ) from error
        inputs = {node.name: (node.type, len(node.shape)) for node in self._session.get_inputs()}
        if inputs != _INPUTS:
            raise ModelError(
                f"{path}: expected the inputs {_told(_INPUTS)}, found {_told(inputs) or 'none'}; "
                f"use a model that alliance train wrote"
            )
        features = next(node for node in self._session.get_inputs() if node.name == "features")
        output = self._session.get_outputs()[0]
        turns, width = features.shape
        # A name stands for any number, a number for itself alone.
        right = not isinstance(turns, int) and isinstance(width, int)
        if not right or list(output.shape[1:]) != [len(MARKER_ORDER)]:
            raise ModelError(
                f"{path}: expected features (turns, width) and logits (turns, "
                f"{len(MARKER_ORDER)}) of any number of turns, found {features.shape} and "
                f"{output.shape}; use a model that alliance train wrote"
            )
        self._output = output.name
        self.width: int = width

    def __call__(self, features: Features, roles: Sequence[Role], lengths: Sequence[int]) -> Logits:
        given = {
            "features": np.asarray(features, dtype=np.float32),
            "roles": np.array([ROLES.index(role) for role in roles], dtype=np.int64),
            "lengths": np.array(lengths, dtype=np.float32),
        }
        (logits,) = self._session.run([self._output], given)
        return np.asarray(logits, dtype=np.float32)


def _told(inputs: Mapping[str, tuple[str, int]]) -> str:
    return ", ".join(f"{name} ({kind}, {axes} axes)" for name, (kind, axes) in inputs.items())
