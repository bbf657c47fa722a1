"""Writes ``tests/data/stub_model``: a real model folder of a few kilobytes.

A bag of words instead of an encoder: each word's embedding is its vote for a code, so labels are
known in advance ("useless" votes C3) and do not depend on the neighbours. It runs through the real
tokenizer, windows, ONNX Runtime, calibration and decision. Run it again after a change of format:
``python tests/make_stub_model.py``.
"""

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from alliance.model.calibration import Calibration
from alliance.model.codebook import CODEBOOK_VERSION, MARKER_ORDER, Marker, Role
from alliance.model.decision import DecisionPolicy
from alliance.model.model_folder import MODEL_FORMAT
from alliance.model.packing import PackingConfig

FOLDER = Path(__file__).parent / "data" / "stub_model"

VOTES = {
    "fine": Marker.W1,
    "whatever": Marker.W5,
    "dunno": Marker.W2,
    "hopeless": Marker.W7,
    "weather": Marker.WT,
    "listening": Marker.C1,
    "useless": Marker.C3,
    "fee": Marker.C4,
    "must": Marker.CT,
    "thanks": Marker.PB,
    "try": Marker.PT,
    "goal": Marker.PG,
    "sorry": Marker.PR,
}


def build(folder: Path) -> None:
    """Write the model folder."""
    folder.mkdir(parents=True, exist_ok=True)
    specials = ["[UNK]", "[CLS]", "[SEP]", "[THERAPIST]", "[CLIENT]", "[OTHER]"]
    vocabulary = {word: number for number, word in enumerate([*specials, *VOTES])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))

    votes = np.zeros((len(vocabulary), len(MARKER_ORDER)), dtype=np.float32)
    votes[:, MARKER_ORDER.index(Marker.N)] = 2.0
    for word, marker in VOTES.items():
        votes[vocabulary[word], MARKER_ORDER.index(marker)] = 40.0
    graph = helper.make_graph(
        [helper.make_node("Gather", ["votes", "input_ids"], ["logits"], axis=0)],
        "bag_of_words",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, [1, "tokens"])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, "tokens", len(Marker)])],
        [numpy_helper.from_array(votes, "votes")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, str(folder / "model.onnx"))

    packing = PackingConfig(
        role_ids={role: vocabulary[f"[{role.value.upper()}]"] for role in Role},
        opening_id=vocabulary["[CLS]"],
        closing_id=vocabulary["[SEP]"],
        max_tokens=64,
        max_turn_tokens=32,
        overlap_tokens=16,
    )
    config = {
        "format": MODEL_FORMAT,
        "name": "stub-1",
        "codebook": CODEBOOK_VERSION,
        "packing": packing.to_dict(),
    }
    for name, content in (
        ("config", config),
        ("calibration", Calibration().to_dict()),
        ("decision", DecisionPolicy().to_dict()),
    ):
        text = json.dumps(content, indent=2) + "\n"
        (folder / f"{name}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    build(FOLDER)
