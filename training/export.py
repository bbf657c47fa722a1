"""From a trained network to a model folder: ONNX, quantised if that changes no label."""

import logging
import math
import shutil
import tempfile
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from alliance.model.agreement import confusion_matrix, f1
from alliance.model.calibration import Calibration
from alliance.model.classifier import MODEL_FORMAT, RuptureClassifier
from alliance.model.codebook import CODEBOOK_VERSION, LABELS
from alliance.model.decision import DecisionPolicy
from alliance.model.labelled import Purpose
from alliance.training.corpora import CodedSession
from alliance.training.files import write_json
from alliance.training.network import Network
from alliance.training.predictions import Predictions, collect
from alliance.training.trainer import predict

F1_TOLERANCE: Final = 0.01
"""Every label's F1 of the exported model lies this near to torch's, or the form is refused."""

RUPTURE_AGREEMENT: Final = 0.95
"""Least share of turns, of those that either calls a rupture, on which the two agree."""


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


@dataclass(frozen=True, slots=True)
class ExportCheck:
    """How an exported form compares with the torch network on the same sessions.

    Attributes:
        form: a key of :data:`FORMS`.
        turns: turns compared.
        f1_difference: largest difference of a label's F1, absolute.
        rupture_agreement: of turns that either calls a rupture, the share on which both say the
            same label; 1 where neither finds any.
        megabytes: size of ``model.onnx`` in 10^6 bytes.
        passed: whether the differences stay within the bounds of this module.
    """

    form: str
    turns: int
    f1_difference: float
    rupture_agreement: float
    megabytes: float
    passed: bool


def write_onnx(network: Network, path: Path) -> None:
    """Export the network in float32."""
    network.model.eval().cpu()  # type: ignore[no-untyped-call]
    model = _IdsOnly(network.model)
    example = torch.arange(1, 65).unsqueeze(0)
    with warnings.catch_warnings():
        # The exporter warns about its own internals; the equality check is what counts.
        warnings.simplefilter("ignore")
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


def quantise_dynamic(source: Path, target: Path) -> None:
    """Dynamic int8: weights as signed bytes with a scale per channel, activations on the fly."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(str(source), str(target), weight_type=QuantType.QInt8, per_channel=True)


def quantise_weights(source: Path, target: Path) -> None:
    """Weights alone as signed bytes, activations in float32.

    Matrices get a scale for every 32 weights, the embedding table one for every token. Safer than
    dynamic int8 where activations have outliers or the processor saturates (AVX2 without VNNI),
    and about as small.
    """
    import onnx
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
    shutil.copyfile(source, target)


@contextmanager
def _without_chatter() -> Iterator[None]:
    """The quantisers report every node of the graph, and advice that does not apply."""
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


def export_network(
    network: Network,
    folder: Path,
    *,
    name: str,
    calibration: Calibration,
    decision: DecisionPolicy,
    check_on: Sequence[CodedSession],
    quantise: str = "int8",
    refused: Collection[str] = (),
) -> list[ExportCheck]:
    """Write a model folder in the first form that passes the equality check.

    Args:
        network: the trained network.
        folder: where to write; replaced whole.
        name: the model's name and version.
        calibration: saved with it, and used for the check.
        decision: saved with it, and used for the check.
        check_on: sessions on which the forms are compared with torch.
        quantise: ``int8`` to try all of :data:`FORMS` in turn, ``none`` for float32 at once.
        refused: forms not to try, because they failed elsewhere.

    Returns:
        The checks made, in order; the last one is of the form that was kept. A float32 form is
        kept even if its check fails, and the check says so.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    expected = predict(network, check_on, name="torch", calibration=calibration, decision=decision)
    checks: list[ExportCheck] = []
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        plain = Path(scratch) / "plain.onnx"
        write_onnx(network, plain)
        tried = [form for form in FORMS if quantise == "int8" and form not in refused]
        for form in tried or ["float32"]:
            built = Path(scratch) / form
            built.mkdir()
            with _without_chatter():
                FORMS[form](plain, built / "model.onnx")
            write_settings(network, built, name, calibration, decision)
            checks.append(_compare(built, form, expected, check_on))
            if checks[-1].passed:
                break
        write_json(built / "export.json", [asdict(check) for check in checks])
        if folder.exists():
            shutil.rmtree(folder)
        shutil.move(built, folder)
    return checks


def write_settings(
    network: Network,
    folder: Path,
    name: str,
    calibration: Calibration,
    decision: DecisionPolicy,
) -> None:
    """Everything of a model folder but the network itself."""
    network.tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    config = {
        "format": MODEL_FORMAT,
        "name": name,
        "codebook": CODEBOOK_VERSION,
        "packing": network.packing.to_dict(),
    }
    write_json(folder / "config.json", config)
    write_json(folder / "calibration.json", calibration.to_dict())
    write_json(folder / "decision.json", decision.to_dict())


def _compare(
    folder: Path, form: str, expected: Predictions, sessions: Sequence[CodedSession]
) -> ExportCheck:
    found = collect(RuptureClassifier.load(folder), sessions, purpose=Purpose.RESEARCH)
    difference = np.abs(
        f1(confusion_matrix(expected.gold, expected.predicted))
        - f1(confusion_matrix(found.gold, found.predicted))
    )
    rupture = np.array([label.is_rupture for label in LABELS])
    either = rupture[expected.predicted] | rupture[found.predicted]
    same = (expected.predicted == found.predicted)[either]
    agreement = float(same.mean()) if either.any() else 1.0
    largest = float(np.nanmax(difference, initial=0.0))
    return ExportCheck(
        form=form,
        turns=len(found.gold),
        f1_difference=largest,
        rupture_agreement=agreement,
        megabytes=(folder / "model.onnx").stat().st_size / 1e6,
        passed=largest <= F1_TOLERANCE and agreement >= RUPTURE_AGREEMENT,
    )
