import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alliance.model.codebook import LABELS, Label, Marker
from alliance.model.labelled import (
    LabelledSession,
    LabelledTurn,
    ModelInfo,
    Probabilities,
    UnlabelledReason,
)
from alliance.model.session import Session, Turn

_TURN = re.compile(
    r"(?P<who>[tc])(?P<letter>[PWCN])(?P<rest>[1-7TBGR]?)(?P<unsure>\??)(@(?P<p>.+))?"
)
_SPEAKERS = {"t": "therapist", "c": "client"}

STUB = Path(__file__).parent / "data" / "stub_model"
LAYER_WIDTH = 7
WORDS = ["fine", "dunno", "useless", "must", "thanks", "sorry", "so", "well", "the", "bus"]


def labelled_turn(index: int, word: str, *, text: str | None, timed: bool) -> LabelledTurn:
    start, end = (index * 10_000, index * 10_000 + 8_000) if timed else (None, None)
    if word in ("_", "o"):
        speaker, said = ("client", "[pause]") if word == "_" else ("Mother", "Hello.")
        reason = UnlabelledReason.NO_WORDS if word == "_" else UnlabelledReason.ROLE_OTHER
        return LabelledTurn(index, Turn(speaker, said, start, end), unlabelled_reason=reason)
    parts = _TURN.fullmatch(word)
    assert parts is not None, word
    label = next(label for label in LABELS if label.letter == parts["letter"])
    p = float(parts["p"] or 0.7)
    others = (1.0 - p) / 3
    code = parts["letter"] + parts["rest"]
    known = code in set(Marker)
    said = f"Words of turn {index}." if text is None else text
    return LabelledTurn(
        index,
        Turn(_SPEAKERS[parts["who"]], said, start, end),
        label=label,
        probabilities=Probabilities(*(p if name is label else others for name in Label)),
        marker=Marker(code) if known else None,
        p_marker=p / 2 if known else None,
        abstained=bool(parts["unsure"]),
    )


@pytest.fixture(scope="session")
def sketch() -> Callable[..., LabelledSession]:
    """A labelled session from a few letters.

    Each word is a turn: who (t or c), its label's letter or its marker, `?` if the model abstains,
    and the label's probability after `@` (else .7). `_` is a client's turn without words, `o` one
    of another speaker. A turn says `text`, else its own number.
    """

    def make(
        words: str, *, text: str | None = None, timed: bool = False, session_id: str = "s"
    ) -> LabelledSession:
        turns = tuple(
            labelled_turn(index, word, text=text, timed=timed)
            for index, word in enumerate(words.split())
        )
        session = Session(session_id, tuple(turn.turn for turn in turns))
        return LabelledSession(session, turns, ModelInfo("stub-1"))

    return make


@pytest.fixture(scope="session")
def layered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small model with a session layer; every number in it is drawn.

    A token's features heed the whole window, and the layer is a recurrent network in both
    directions over features, roles and lengths: wherever a turn, a window or a number is mixed up,
    probabilities differ.
    """
    folder = tmp_path_factory.mktemp("layered") / "model"
    shutil.copytree(STUB, folder)
    vocabulary = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]
    write_encoder(folder / "model.onnx", tokens=len(vocabulary["vocab"]), width=LAYER_WIDTH)
    write_layer(folder / "session.onnx", width=LAYER_WIDTH)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config.update(format=2, name="layered-1")
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


def write_encoder(path: Path, *, tokens: int, width: int) -> None:
    onnx = pytest.importorskip("onnx", reason="builds a network ([train])")
    helper, kinds = onnx.helper, onnx.TensorProto
    table = np.random.default_rng(1).normal(size=(tokens, width)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Gather", ["table", "input_ids"], ["alone"], axis=0),
            helper.make_node("ReduceMean", ["alone"], ["around"], axes=[1], keepdims=1),
            helper.make_node("Add", ["alone", "around"], ["features"]),
        ],
        "encoder",
        [helper.make_tensor_value_info("input_ids", kinds.INT64, [1, "tokens"])],
        [helper.make_tensor_value_info("features", kinds.FLOAT, [1, "tokens", width])],
        [onnx.numpy_helper.from_array(table, "table")],
    )
    save(onnx, graph, path)


def write_layer(
    path: Path, *, width: int, turns: int | str = "turns", codes: int = 21, hidden: int = 4
) -> None:
    onnx = pytest.importorskip("onnx", reason="builds a network ([train])")
    helper, kinds = onnx.helper, onnx.TensorProto
    draw = np.random.default_rng(2)
    drawn = {
        "roles_table": (3, 3),
        "input_weights": (2, 3 * hidden, width + 4),
        "state_weights": (2, 3 * hidden, hidden),
        "head": (2 * hidden, codes),
    }
    tables = {name: draw.normal(size=shape) * 1.5 for name, shape in drawn.items()}
    constants = [
        onnx.numpy_helper.from_array(table.astype(np.float32), name)
        for name, table in tables.items()
    ]
    for name, numbers in (("one", [1]), ("two", [2]), ("rows", [-1, 2 * hidden])):
        constants.append(onnx.numpy_helper.from_array(np.array(numbers, dtype=np.int64), name))
    constants.append(onnx.numpy_helper.from_array(np.float32(30), "some"))
    node = helper.make_node
    graph = helper.make_graph(
        [
            node("Gather", ["roles_table", "roles"], ["said_by"], axis=0),
            node("Div", ["lengths", "some"], ["long"]),
            node("Unsqueeze", ["long", "one"], ["length"]),
            node("Concat", ["features", "said_by", "length"], ["turn"], axis=1),
            node("Unsqueeze", ["turn", "one"], ["sequence"]),
            node(
                "GRU",
                ["sequence", "input_weights", "state_weights"],
                ["states"],
                hidden_size=hidden,
                direction="bidirectional",
            ),
            node("Squeeze", ["states", "two"], ["both"]),
            node("Reshape", ["both", "rows"], ["state"]),
            node("MatMul", ["state", "head"], ["logits"]),
        ],
        "layer",
        [
            helper.make_tensor_value_info("features", kinds.FLOAT, [turns, width]),
            helper.make_tensor_value_info("roles", kinds.INT64, [turns]),
            helper.make_tensor_value_info("lengths", kinds.FLOAT, [turns]),
        ],
        [helper.make_tensor_value_info("logits", kinds.FLOAT, [turns, codes])],
        constants,
    )
    save(onnx, graph, path)


def save(onnx: Any, graph: Any, path: Path) -> None:
    opset = onnx.helper.make_opsetid("", 17)
    model = onnx.helper.make_model(graph, opset_imports=[opset], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


@pytest.fixture(scope="session")
def session_layer() -> Callable[..., None]:
    """Writes a session layer of drawn numbers: ``session_layer(path, width=7)``."""
    return write_layer


@pytest.fixture(scope="session")
def long_session() -> Callable[..., Session]:
    """Makes sessions of all kinds of turns, long enough for several of the stub's windows."""

    def make(turns: int = 60, *, seed: int = 0, session_id: str = "s") -> Session:
        draw = np.random.default_rng(seed)
        return Session(
            session_id,
            tuple(
                Turn(
                    ["therapist", "client", "client", "other"][int(draw.integers(4))],
                    " ".join(draw.choice(WORDS, size=draw.integers(0, 20))),
                )
                for _ in range(turns)
            ),
        )

    return make
