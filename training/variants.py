"""Forms of a shipped network to be compared in speed: ``python -m alliance.training.variants``.

Reads a model folder and writes, beside each other, what the benchmark of
:mod:`alliance.serve.batch.benchmark` compares: the network as it is, float32, dynamic int8, static
int8 with scales taken from real sessions, and a folder that ``transformers`` opens. All come from
the same file, whose weights in few bits are turned back to float32 first, so that they differ in
how they compute and in nothing else.
"""

import argparse
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from alliance.model.backend import silent_runtime
from alliance.model.classifier import RuptureClassifier
from alliance.model.packing import window_ids
from alliance.model.session import Session
from alliance.model.tokens import TokenIds
from alliance.training.corpora import annomi, authored
from alliance.training.files import write_whole
from alliance.training.forms import quantise_dynamic, without_chatter
from alliance.training.four_bits import unpack
from alliance.training.lean_graph import lean_graph

__all__ = ["write_fold", "write_variants"]

_SESSIONS: Final = 12  # whose windows set the static scales


def write_variants(model: Path, target: Path) -> None:
    """Write all forms of a model.

    Args:
        model: a model folder, of any form but int8.
        target: the folder to write to; it is made if it is not there.
    """
    import onnx

    target.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(model / "model.onnx", target / "shipped.onnx")
    network = onnx.load(str(model / "model.onnx"))
    lean_graph(network.graph)  # a folder that was exported before every export was lean
    unpack(network.graph)
    _fold_weights(network.graph)
    onnx.save(network, str(target / "float32.onnx"))
    with without_chatter():
        quantise_dynamic(target / "float32.onnx", target / "dynamic-int8.onnx")
        _write_torch(network.graph, target / "torch")
        _quantise_static(model, target / "float32.onnx", target / "static-int8.onnx")


def write_fold(annomi_file: Path | None, fold: int, target: Path) -> None:
    """Write the sessions of one of AnnoMI's folds, with their codes, for the benchmark.

    Args:
        annomi_file: ``AnnoMI-simple.csv``; None where fetch puts it.
        fold: the fold, 0 to 4.
        target: the file to write: JSON lines, a session each.
    """
    lines = []
    for coded in annomi(annomi_file):
        if coded.fold == fold:
            turns = [
                {"speaker": turn.speaker, "text": turn.text, "code": code}
                for turn, code in zip(coded.session.turns, coded.codes, strict=True)
            ]
            lines.append(json.dumps({"id": coded.id, "turns": turns}, ensure_ascii=False))
    write_whole(target, "\n".join([*lines, ""]))


def _fold_weights(graph: Any) -> None:
    """Weights as float32 in the file, in place of bytes and scales."""
    from onnx import numpy_helper

    tables = {entry.name: numpy_helper.to_array(entry) for entry in graph.initializer}
    made_by = {name: node for node in graph.node for name in node.output}
    for node in [node for node in graph.node if node.op_type == "MatMul"]:
        name = node.input[1]
        if not name.endswith("_weights") or name not in made_by:
            continue
        stem = name.removesuffix("_weights")
        blocks = tables[f"{stem}_bytes"].astype(np.float32) * tables[f"{stem}_scales"]
        folded = blocks.reshape(tables[f"{stem}_shape"])
        for step in ("_float", "_blocks", "_weights"):
            graph.node.remove(made_by[stem + step])
        graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(folded), name))
    lean_graph(graph)  # takes out what nothing uses any more


def _windows(model: Path, sessions: Sequence[Session]) -> Iterator[TokenIds]:
    classifier = RuptureClassifier.load(model)
    for session in sessions:
        plan = classifier.plan(session)
        for window in plan.windows:
            yield window_ids(plan.encoded, window, classifier.packing)


def _quantise_static(model: Path, source: Path, target: Path) -> None:
    """Weights and activations in 8 bits, scales of activations from real sessions."""
    silent_runtime()
    from onnxruntime.quantization import (
        CalibrationDataReader,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    sessions = [coded.session for coded in authored()][:_SESSIONS]
    windows = ({"input_ids": ids[np.newaxis]} for ids in _windows(model, sessions))

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # it has no types
        def get_next(self) -> Any:
            return next(windows, None)

    quantize_static(
        str(source),
        str(target),
        Reader(),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=["MatMul"],
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        # Products of full 8 bits overflow the 16-bit sums of processors without VNNI.
        reduce_range=True,
        extra_options={"MatMulConstBOnly": True, "CalibMovingAverage": True},
    )


def _write_torch(graph: Any, target: Path) -> None:
    """The network as ``transformers`` keeps it, its parts told by the names of the nodes."""
    import torch
    from onnx import numpy_helper
    from transformers import AutoModel, AutoModelForTokenClassification

    # Their types say nothing.
    whole: Any = AutoModelForTokenClassification
    encoder: Any = AutoModel
    tables = {entry.name: numpy_helper.to_array(entry) for entry in graph.initializer}
    state = {
        name.removeprefix("_model."): torch.from_numpy(np.array(table))
        for name, table in tables.items()
        if name.startswith("_model.") and not name.endswith(("_bytes", "_scales"))
    }
    for node in graph.node:
        if node.op_type == "MatMul" and node.input[1] in tables:
            parts = node.name.removesuffix("/MatMul").removeprefix("/_model/").split("/")
            name = ".".join(part for part in parts if part)
            state[f"{name}.weight"] = torch.from_numpy(np.array(tables[node.input[1]]).T.copy())
    for stem in [name.removesuffix("_bytes") for name in tables if "word_emb" in name]:
        if f"{stem}_bytes" in tables:
            words = tables[f"{stem}_bytes"].astype(np.float32) * tables[f"{stem}_scales"]
            state[stem.removeprefix("_model.")] = torch.from_numpy(words)
    kind = next(name.split(".")[0] for name in state if ".embeddings." in name)
    config = _settings(kind, state)
    if "classifier.bias" in state:
        config.num_labels = state["classifier.bias"].shape[0]
        network = whole.from_config(config)
    else:  # a layer over the session reads its features
        state = {name.removeprefix(f"{kind}."): value for name, value in state.items()}
        network = encoder.from_config(config, add_pooling_layer=False)
    missing, unexpected = network.load_state_dict(state, strict=False)
    left = [name for name in missing if "position_ids" not in name]
    if left or unexpected:
        raise ValueError(f"the network is no {kind} as we know it: {[*left, *unexpected][:5]}")
    network.save_pretrained(str(target))


def _settings(kind: str, state: Mapping[str, Any]) -> Any:
    """The encoder's sizes, read off its parts; what these do not show is the base's own."""
    from transformers import BertConfig, MPNetConfig

    known: dict[str, tuple[Any, int, float]] = {
        "bert": (BertConfig, 32, 1e-12),
        "mpnet": (MPNetConfig, 64, 1e-5),
    }
    if kind not in known:
        raise ValueError(f"expected one of {', '.join(known)}, found {kind}")
    config, head, epsilon = known[kind]
    words, width = state[f"{kind}.embeddings.word_embeddings.weight"].shape
    return config(
        vocab_size=words,
        hidden_size=width,
        num_hidden_layers=1 + max(int(name.split(".")[3]) for name in state if ".layer." in name),
        num_attention_heads=width // head,
        layer_norm_eps=epsilon,
        intermediate_size=state[f"{kind}.encoder.layer.0.intermediate.dense.bias"].shape[0],
        max_position_embeddings=state[f"{kind}.embeddings.position_embeddings.weight"].shape[0],
    )


def main() -> None:
    """Parse arguments and write the forms."""
    parser = argparse.ArgumentParser(prog="python -m alliance.training.variants")
    parser.add_argument("model", type=Path, help="a model folder")
    parser.add_argument("-o", "--output", type=Path, required=True, help="where to write")
    parser.add_argument("--annomi", type=Path, help="AnnoMI-simple.csv; else where fetch put it")
    parser.add_argument(
        "--fold", type=int, help="also write this fold's coded sessions, as coded.jsonl"
    )
    given = parser.parse_args()
    write_variants(given.model, given.output)
    if given.fold is not None:
        write_fold(given.annomi, given.fold, given.output / "coded.jsonl")


if __name__ == "__main__":
    main()
