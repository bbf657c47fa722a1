"""The encoder behind one small interface, so that a faster one can take its place."""

import ctypes
import os
import sys
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from alliance.model.errors import ModelError
from alliance.model.tokens import TokenIds

Logits = NDArray[np.float32]
"""One row per token or turn, in the order of ``codebook.MARKER_ORDER``."""

Features = NDArray[np.float32]
"""One row per token or turn: logits, or what a session layer makes logits of."""

_PROVIDERS: Final = {
    "cpu": ("CPUExecutionProvider",),
    "cuda": ("CUDAExecutionProvider", "CPUExecutionProvider"),
}


class Backend(Protocol):
    """Runs the encoder on one window at a time."""

    def __call__(self, ids: TokenIds) -> Features:
        """What the encoder says of every token of one window.

        Args:
            ids: token numbers, shape (tokens,).

        Returns:
            Logits, shape (tokens, 21); for a model with a session layer its features.
        """
        ...


class OnnxBackend:
    """ONNX Runtime on the CPU, one window per call.

    One window per call, because dynamic int8 takes its activation scales over the whole batch:
    with several windows in it a result would depend on its neighbours.

    Args:
        path: the ``.onnx`` file; its input is ``input_ids`` (1, tokens), its first output the
            logits (1, tokens, 21), or features (1, tokens, width).
        threads: threads within one call; None leaves the choice to ONNX Runtime (all cores).
        spinning: whether threads wait for their next piece without sleeping: a little faster on
            a machine that does nothing else, much slower beside other work.
        device: ``cpu``, or ``cuda`` for the first GPU (needs ``onnxruntime-gpu``).

    Attributes:
        width: numbers that a token gets.

    Raises:
        ModelError: if the file is missing, is not an ONNX model, has another shape, or cannot run
            on the device.
    """

    def __init__(
        self,
        path: Path,
        *,
        threads: int | None = None,
        spinning: bool = True,
        device: str = "cpu",
    ) -> None:
        if not path.is_file():
            raise ModelError(f"{path}: expected an ONNX model, found no file; check --model")
        ort = silent_runtime()
        options = ort.SessionOptions()
        options.log_severity_level = 3  # its warnings are about graph shapes, not for our users
        if threads is not None:
            options.intra_op_num_threads = threads
        if not spinning:
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = ort.InferenceSession(
                str(path), options, providers=list(_PROVIDERS[device])
            )
        except Exception as error:  # onnxruntime's exceptions share no public base class
            raise ModelError(
                f"{path}: expected an ONNX model, found a file that ONNX Runtime cannot load; "
                f"use a model that alliance train wrote"
            ) from error
        _give_back_memory()
        if self._session.get_providers()[0] != _PROVIDERS[device][0]:
            raise ModelError(
                f"{path}: expected ONNX Runtime to run on {device}, found that it cannot here; "
                f"install onnxruntime-gpu and its libraries, or label on the CPU"
            )
        inputs = [node.name for node in self._session.get_inputs()]
        if inputs != ["input_ids"]:
            raise ModelError(
                f"{path}: expected one input, input_ids, found {', '.join(inputs) or 'none'}; "
                f"use a model that alliance train wrote"
            )
        output = self._session.get_outputs()[0]
        if len(output.shape) != 3 or not isinstance(output.shape[-1], int):
            raise ModelError(
                f"{path}: expected an output (1, tokens, width), found shape {output.shape}; "
                f"use a model that alliance train wrote"
            )
        self._output = output.name
        self.width: int = output.shape[-1]

    def __call__(self, ids: TokenIds) -> Features:
        (rows,) = self._session.run([self._output], {"input_ids": ids[np.newaxis, :]})
        return np.asarray(rows[0], dtype=np.float32)


def _give_back_memory() -> None:
    """Let the system have what loading took and needs no more.

    Weights in few bits are unpacked in several steps, whose memory is free afterwards; glibc's
    allocator keeps it for the process unless it is told not to: 560 MB in place of 160.
    """
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # another C library
            ctypes.CDLL("libc.so.6").malloc_trim(0)


def silent_runtime() -> ModuleType:
    """ONNX Runtime, kept from reporting to anyone; whoever needs it imports it through here.

    From 1.32 on it counts its use in a file under the home folder and sends that to its makers
    unless it is told not to before it is loaded; transcripts are health data, and a tool that
    reads them has no business on the network.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    onnxruntime.disable_telemetry_events()  # for one that was loaded before
    return onnxruntime  # type: ignore[no-any-return]
