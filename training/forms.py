"""The ONNX forms of a network: float32, dynamic int8, and weights in 8 or 4 bits."""

import logging
import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from alliance.model.backend import silent_runtime
from alliance.model.errors import ConfigError
from alliance.training.four_bits import quantise_nibbles
from alliance.training.lean_graph import write_lean
from alliance.training.network import Network
from alliance.training.session_layer import ROLE_NUMBERS, hidden_states


class _IdsOnly(torch.nn.Module):
    """The encoder with a window's token numbers as its only input: windows carry no padding."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self._model = network.model
        self._layered = network.session is not None

    def forward(self, input_ids: Tensor) -> Tensor:
        """Of token numbers (1, tokens): logits (1, tokens, 21), or features for a layer."""
        mask = torch.ones_like(input_ids)
        if self._layered:
            return hidden_states(self._model, input_ids, mask)
        logits: Tensor = self._model(input_ids=input_ids, attention_mask=mask).logits
        return logits


def write_onnx(network: Network, path: Path) -> None:
    """Export the encoder in float32, by the first exporter whose result computes the same.

    Raises:
        ConfigError: if none does, e.g. for an encoder of a new kind.
    """
    words = min(network.packing.role_ids.values())
    longest = min(network.packing.max_tokens, _LONGEST_COMPARED)

    def ids(length: int) -> Inputs:
        drawn = np.random.default_rng(length).integers(words // 2, words, length)
        return {"input_ids": torch.from_numpy(drawn).unsqueeze(0)}

    graph = Graph(
        _IdsOnly(network),
        axis=1,
        output="logits" if network.session is None else "features",
        example={"input_ids": torch.arange(1, 65).unsqueeze(0)},
        compared=[ids(3), ids(longest)],
    )
    what = type(network.model).__name__
    _export(graph, path, EXPORTERS, what=what, remedy="another [encoder] base or ")


def write_session_layer(network: Network, path: Path) -> None:
    """Export what comes after the encoder, in the same way.

    Args:
        network: with a layer over the session.
        path: the file to write.

    Raises:
        ConfigError: if no exporter knows it.
    """
    assert network.session is not None
    size = network.session.layer.size

    def turns(count: int) -> Inputs:
        draw = np.random.default_rng(count)
        return {
            "features": torch.from_numpy(draw.normal(size=(count, size)).astype(np.float32)),
            "roles": torch.from_numpy(draw.integers(len(ROLE_NUMBERS), size=count)),
            "lengths": torch.from_numpy(draw.integers(1, 99, count).astype(np.float32)),
        }

    graph = Graph(
        network.session.layer,
        axis=0,
        output="logits",
        example=turns(9),
        compared=[turns(1), turns(150)],
    )
    # The other exporter takes the number of turns that a recurrent layer reads for a constant.
    _export(graph, path, EXPORTERS[:1], what="the layer over the session", remedy="")


Inputs = Mapping[str, Tensor]
"""Inputs of a graph by name, in order."""


@dataclass(frozen=True, slots=True)
class Graph:
    """What is exported.

    Attributes:
        module: takes the inputs by place and gives one tensor.
        axis: the axis of inputs and output that may have any length.
        output: name of the output.
        example: inputs to export with.
        compared: inputs, of other lengths, on which the export is compared with the module.
    """

    module: torch.nn.Module
    axis: int
    output: str
    example: Inputs
    compared: Sequence[Inputs]


def _export(
    graph: Graph,
    path: Path,
    exporters: Sequence[Callable[[Graph, Path], None]],
    *,
    what: str,
    remedy: str,
) -> None:
    # The exporters leave the mode behind that the module had.
    graph.module.eval().cpu()
    found = []
    for exporter in exporters:
        with warnings.catch_warnings(), without_chatter():
            # The exporters warn about their own internals; the comparison is what counts.
            warnings.simplefilter("ignore")
            try:
                exporter(graph, path)
                difference = _difference(graph, path)
            except Exception as error:  # they raise whatever an encoder makes them meet
                found.append(type(error).__name__)
                continue
        if difference <= _SAME:
            return
        found.append(f"logits that differ by {difference:.2g} of the largest")
    raise ConfigError(
        f"expected an encoder that can be exported to ONNX, found that {what} gives "
        f"{' and '.join(found)}; choose {remedy}another version of torch"
    )


def _trace(graph: Graph, path: Path) -> None:
    torch.onnx.export(
        graph.module,
        tuple(graph.example.values()),
        str(path),
        input_names=list(graph.example),
        output_names=[graph.output],
        dynamic_axes={name: {graph.axis: "any"} for name in (*graph.example, graph.output)},
        opset_version=17,
        dynamo=False,
    )


def _capture(graph: Graph, path: Path) -> None:
    free = {graph.axis: torch.export.Dim.DYNAMIC}
    torch.onnx.export(
        graph.module,
        tuple(graph.example.values()),
        str(path),
        input_names=list(graph.example),
        output_names=[graph.output],
        dynamic_shapes=tuple(free for _ in graph.example),
        opset_version=18,
        dynamo=True,
        external_data=False,
        verbose=False,
    )


EXPORTERS: Final = (_trace, _capture)
"""In the order in which they are tried: the second knows newer encoders, the first makes graphs
that the quantisers shrink best."""

_SAME: Final = 1e-3  # of the largest number
_LONGEST_COMPARED: Final = 1024  # tokens; longer windows use the same parts of the graph


def _difference(graph: Graph, path: Path) -> float:
    """Largest difference of a number, as a share of the largest: at lengths that no example had.

    A tracer that took a length for a constant shows here.
    """
    ort = silent_runtime()
    exported = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    largest = 0.0
    for inputs in graph.compared:
        with torch.inference_mode():
            expected = graph.module(*inputs.values()).numpy()
        (given,) = exported.run(None, {name: value.numpy() for name, value in inputs.items()})
        gap = np.abs(given - expected).max() / np.abs(expected).max()
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


ROUNDED: Final = "weights4"
"""The form whose levels are so far apart that weights are rounded with care first
(:mod:`alliance.training.rounding`)."""

FORMS: Final[Mapping[str, Callable[[Path, Path], None]]] = {
    "int8": quantise_dynamic,
    "weights8": quantise_weights,
    "float32": _keep_float,
    ROUNDED: quantise_nibbles,
}
"""What makes each form of the float32 export."""

TRIED: Final = ("int8", "weights8", "float32")
"""The forms that are tried where none is named, in this order."""
