"""The forms of the network that are compared, each behind the backend's one interface.

They lie in a folder that ``python -m alliance.training.variants`` wrote. What needs a library that
is not there, or a processor that cannot do it, is left out with the reason.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, Final

import numpy as np

from alliance.model.backend import Backend, Features, OnnxBackend
from alliance.model.tokens import TokenIds

__all__ = ["FORMS", "REFERENCE", "Form", "Unavailable", "install_megabytes", "torch_network"]

REFERENCE: Final = "ONNX Runtime float32"
"""The form whose labels the others are compared with: the most exact one."""


class Unavailable(Exception):  # noqa: N818  # not a fault: the reason goes into the table
    """A form cannot be measured here; the message says why."""


@dataclass(frozen=True, slots=True)
class Form:
    """A network in one form on one runtime.

    Attributes:
        name: in the table.
        runtime: whose it is.
        file: within the folder of forms.
        load: makes a backend of that file with so many threads a call.
    """

    name: str
    runtime: str
    file: str
    load: Callable[[Path, int], Backend]


class _OpenVino:
    def __init__(self, path: Path, threads: int, precision: str) -> None:
        try:
            import openvino
        except ModuleNotFoundError as error:
            raise Unavailable("openvino is not installed") from error
        core = openvino.Core()
        able = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        if precision == "bf16" and "BF16" not in able:
            raise Unavailable("this processor has no bf16; OpenVINO would compute in float32")
        settings = {
            "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": precision,
            "PERFORMANCE_HINT": "LATENCY",
        }
        model = core.compile_model(core.read_model(str(path)), "CPU", settings)
        self._request = model.create_infer_request()

    def __call__(self, ids: TokenIds) -> Features:
        result = self._request.infer({0: ids[np.newaxis]})
        return np.array(next(iter(result.values()))[0], dtype=np.float32)


class _Torch:
    def __init__(self, path: Path, threads: int, precision: str) -> None:
        self._torch, self._network = torch_network(path, precision)
        self._torch.set_num_threads(threads)

    def __call__(self, ids: TokenIds) -> Features:
        with self._torch.inference_mode():
            rows = self._network(input_ids=self._torch.from_numpy(ids[np.newaxis]))
        return np.asarray(rows[0].float().numpy())


def torch_network(path: Path, precision: str) -> tuple[Any, Callable[..., Any]]:
    """Torch, and the network as ``transformers`` opens it.

    Returns:
        The second takes ``input_ids`` and ``attention_mask`` as the network does and gives what
        our backends give: logits of the tokens, or features for a layer over the session.

    Raises:
        Unavailable: if one of the two is not installed, or the processor has no bf16.
    """
    try:
        import torch
        from transformers import AutoConfig, AutoModel, AutoModelForTokenClassification
    except ModuleNotFoundError as error:
        raise Unavailable("torch and transformers are not installed ([train] extra)") from error
    if precision == "bf16" and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        raise Unavailable("this processor has no bf16; torch would imitate it, many times slower")
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    (architecture,) = AutoConfig.from_pretrained(path).architectures
    if architecture.endswith("ForTokenClassification"):
        whole = AutoModelForTokenClassification.from_pretrained(path, dtype=kind).eval()
        return torch, lambda **given: whole(**given).logits
    encoder = AutoModel.from_pretrained(path, dtype=kind, add_pooling_layer=False).eval()
    return torch, lambda **given: encoder(**given).last_hidden_state


def _onnx(path: Path, threads: int) -> Backend:
    return OnnxBackend(path, threads=threads)


def _openvino(precision: str) -> Callable[[Path, int], Backend]:
    return lambda path, threads: _OpenVino(path, threads, precision)


def _torch(precision: str) -> Callable[[Path, int], Backend]:
    return lambda path, threads: _Torch(path, threads, precision)


FORMS: Final = (
    Form(REFERENCE, "onnxruntime", "float32.onnx", _onnx),
    Form("ONNX Runtime, as shipped", "onnxruntime", "shipped.onnx", _onnx),
    Form("ONNX Runtime int8, dynamic", "onnxruntime", "dynamic-int8.onnx", _onnx),
    Form("ONNX Runtime int8, static (QDQ)", "onnxruntime", "static-int8.onnx", _onnx),
    Form("OpenVINO float32", "openvino", "float32.onnx", _openvino("f32")),
    Form("OpenVINO bf16", "openvino", "float32.onnx", _openvino("bf16")),
    Form("OpenVINO int8 (QDQ)", "openvino", "static-int8.onnx", _openvino("f32")),
    Form("torch float32", "torch", "torch", _torch("f32")),
    Form("torch bf16", "torch", "torch", _torch("bf16")),
)
"""In the order of the table."""

_NEEDS: Final = {
    "onnxruntime": ("onnxruntime",),
    "openvino": ("openvino",),
    "torch": ("torch", "transformers"),
}


def install_megabytes(runtime: str) -> float | None:
    """What a runtime's own packages take on the disk, in 10^6 bytes; None if not installed."""
    total = 0
    for name in _NEEDS[runtime]:
        try:
            files = distribution(name).files or []
        except PackageNotFoundError:
            return None
        total += sum(
            path.stat().st_size for file in files if (path := Path(str(file.locate()))).is_file()
        )
    return round(total / 1e6, 1)
