"""The ONNX forms of a network: float32, dynamic int8, and weights alone in 8 bits."""

import logging
import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from alliance.model.backend import OnnxBackend, silent_runtime
from alliance.model.errors import ConfigError
from alliance.training.lean_graph import write_lean
from alliance.training.network import Network


class _IdsOnly(torch.nn.Module):
    """The network with a window's token numbers as its only input: windows carry no padding."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self._model = model

    def forward(self, input_ids: Tensor) -> Tensor:
        """Logits (1, tokens, 21) of token numbers (1, tokens)."""
        mask = torch.ones_like(input_ids)
        logits: Tensor = self._model(input_ids=input_ids, attention_mask=mask).logits
        return logits


def write_onnx(network: Network, path: Path) -> None:
    """Export the network in float32, by the first exporter whose result computes the same.

    Raises:
        ConfigError: if none does, e.g. for an encoder of a new kind.
    """
    # The exporters leave the mode behind that the wrapper had.
    model = _IdsOnly(network.model).eval().cpu()
    example = torch.arange(1, 65).unsqueeze(0)
    found = []
    for exporter in EXPORTERS:
        with warnings.catch_warnings(), without_chatter():
            # The exporters warn about their own internals; the comparison is what counts.
            warnings.simplefilter("ignore")
            try:
                exporter(model, example, path)
                difference = _difference(model, network, path)
            except Exception as error:  # they raise whatever an encoder makes them meet
                found.append(type(error).__name__)
                continue
        if difference <= _SAME_LOGITS:
            return
        found.append(f"logits that differ by {difference:.2g} of the largest")
    raise ConfigError(
        f"expected an encoder that can be exported to ONNX, found that "
        f"{type(network.model).__name__} gives {' and '.join(found)}; choose another [encoder] "
        f"base or another version of torch"
    )


def _trace(model: torch.nn.Module, example: Tensor, path: Path) -> None:
    torch.onnx.export(
        model,
        (example,),
        str(path),
        input_names=["input_ids"],
        output_names=["logits"],
        dynamic_axes={"input_ids": {1: "tokens"}, "logits": {1: "tokens"}},
        opset_version=17,
        dynamo=False,
    )


def _capture(model: torch.nn.Module, example: Tensor, path: Path) -> None:
    torch.onnx.export(
        model,
        (example,),
        str(path),
        input_names=["input_ids"],
        output_names=["logits"],
        dynamic_shapes={"input_ids": {1: torch.export.Dim.DYNAMIC}},
        opset_version=18,
        dynamo=True,
        external_data=False,
        verbose=False,
    )


EXPORTERS: Final = (_trace, _capture)
"""In the order in which they are tried: the second knows newer encoders, the first makes graphs
that the quantisers shrink best."""

_SAME_LOGITS: Final = 1e-3  # of the largest logit
_LONGEST_COMPARED: Final = 1024  # tokens; longer windows use the same parts of the graph


def _difference(model: torch.nn.Module, network: Network, path: Path) -> float:
    """Largest difference of a logit, as a share of the largest: at lengths that no example had.

    A tracer that took a length for a constant shows here.
    """
    backend = OnnxBackend(path, threads=torch.get_num_threads())
    draw = np.random.default_rng(0)
    words = min(network.packing.role_ids.values())
    largest = 0.0
    for length in (3, min(network.packing.max_tokens, _LONGEST_COMPARED)):
        ids = draw.integers(words // 2, words, length)
        with torch.inference_mode():
            expected = model(torch.from_numpy(ids).unsqueeze(0))[0].numpy()
        gap = np.abs(backend(ids) - expected).max() / np.abs(expected).max()
        largest = max(largest, float(gap))
    return largest


def quantise_dynamic(source: Path, target: Path) -> None:
    """Dynamic int8: weights as signed bytes with a scale per channel, activations on the fly."""
    silent_runtime()
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(str(source), str(target), weight_type=QuantType.QInt8, per_channel=True)


def quantise_weights(source: Path, target: Path) -> None:
    """Weights alone as signed bytes, activations in float32.

    Matrices get a scale for every 32 weights, the embedding table one for every token. Safer than
    dynamic int8 where activations have outliers or the processor saturates (AVX2 without VNNI),
    and about as small.
    """
    import onnx

    silent_runtime()
    from onnxruntime.quantization.matmul_nbits_quantizer import (
        DefaultWeightOnlyQuantConfig,
        MatMulNBitsQuantizer,
    )

    model = onnx.load(str(source))
    _quantise_embedding(model.graph)
    settings = DefaultWeightOnlyQuantConfig(block_size=32, is_symmetric=True, bits=8)
    quantizer = MatMulNBitsQuantizer(model, algo_config=settings)
    quantizer.process()
    quantizer.model.save_model_to_file(str(target))
    write_lean(target, target)


def _quantise_embedding(graph: Any) -> None:
    """Replace the largest looked-up table by bytes and one scale a row."""
    from onnx import TensorProto, helper, numpy_helper

    tables = {entry.name: entry for entry in graph.initializer}
    lookups = [n for n in graph.node if n.op_type == "Gather" and n.input[0] in tables]
    lookup = max(lookups, key=lambda node: math.prod(tables[node.input[0]].dims))
    name, places, result = lookup.input[0], lookup.input[1], lookup.output[0]
    table = numpy_helper.to_array(tables[name])
    scales = np.maximum(np.abs(table).max(axis=1, keepdims=True) / 127, 1e-12)
    graph.initializer.remove(tables[name])
    graph.initializer.extend(
        [
            numpy_helper.from_array(np.round(table / scales).astype(np.int8), f"{name}_bytes"),
            numpy_helper.from_array(scales.astype(np.float32), f"{name}_scales"),
        ]
    )
    at = list(graph.node).index(lookup)
    graph.node.remove(lookup)
    steps = (
        helper.make_node("Gather", [f"{name}_bytes", places], [f"{result}_bytes"]),
        helper.make_node("Cast", [f"{result}_bytes"], [f"{result}_float"], to=TensorProto.FLOAT),
        helper.make_node("Gather", [f"{name}_scales", places], [f"{result}_scale"]),
        helper.make_node("Mul", [f"{result}_float", f"{result}_scale"], [result]),
    )
    for offset, node in enumerate(steps):
        graph.node.insert(at + offset, node)


def _keep_float(source: Path, target: Path) -> None:
    write_lean(source, target)


@contextmanager
def without_chatter() -> Iterator[None]:
    """The exporters and quantisers report every node of the graph, and advice that is beside it."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


FORMS: Final[Mapping[str, Callable[[Path, Path], None]]] = {
    "int8": quantise_dynamic,
    "weights8": quantise_weights,
    "float32": _keep_float,
}
"""The forms in the order in which they are tried, and what makes each of the float32 export."""
