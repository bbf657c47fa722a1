"""A base encoder small enough to be trained within a test, and sessions that it can learn."""

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

os.environ["HF_HUB_OFFLINE"] = "1"  # a test that reached for the hub should fail at once

from alliance.model.codebook import LABELS, MARKER_ORDER, Label, Marker
from alliance.model.session import Session, Turn
from alliance.training.config import EncoderConfig, LossConfig, StageConfig, TrainingConfig
from alliance.training.corpora import CodedSession
from alliance.training.evaluation.predictions import NONE, Predictions

# Words that give a code away, so that a single layer can learn the task in a few steps.
SIGNS = {
    Marker.N: "tuesday bus garden letter",
    Marker.PB: "thanks warm trust grateful",
    Marker.W2: "dunno whatever maybe nothing",
    Marker.C2: "wrong nonsense rubbish unfair",
    Marker.CT: "must warned excuses lazy",
    Marker.PT: "try together choose plan",
}
_CLIENT = (Marker.N, Marker.W2, Marker.N, Marker.C2, Marker.N, Marker.PB)
_THERAPIST = (Marker.N, Marker.PT, Marker.N, Marker.CT, Marker.N, Marker.N)


def _coded_session(number: int, *, turns: int = 24, fold: int | None = None) -> CodedSession:
    """A session whose codes follow from its words."""
    said, codes = [], []
    for place in range(turns):
        therapist = place % 2 == 0
        code = (_THERAPIST if therapist else _CLIENT)[(number + place // 2) % 6]
        words = SIGNS[code].split()
        text = f"{words[(number + place) % 4]} {words[(number + place + 1) % 4]}"
        said.append(Turn("therapist" if therapist else "client", text))
        codes.append(code)
    return CodedSession(
        Session(f"made-{number}", tuple(said)), tuple(codes), tuple(codes), tuple(codes), fold
    )


@pytest.fixture(scope="session")
def coded_sessions() -> Callable[..., list[CodedSession]]:
    """Makes ``count`` sessions, numbered from ``first``, in ``folds`` folds if there are any."""

    def make(count: int, *, first: int = 0, folds: int = 0) -> list[CodedSession]:
        return [
            _coded_session(number, fold=number % folds if folds else None)
            for number in range(first, first + count)
        ]

    return make


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a one-layer BERT of random weights and a small vocabulary."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("tiny_base")
    words = sorted({word for signs in SIGNS.values() for word in signs.split()})
    letters = [*"abcdefghijklmnopqrstuvwxyz", *(f"##{x}" for x in "abcdefghijklmnopqrstuvwxyz")]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words, *letters, *"[].,'-"]
    (folder / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=128,
    )
    BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture
def tiny_config(tiny_base: Path) -> TrainingConfig:
    """Two short stages on the tiny base."""
    return TrainingConfig(
        name="tiny-1",
        precision="fp32",
        encoder=EncoderConfig(
            base=str(tiny_base), max_tokens=64, max_turn_tokens=24, overlap_tokens=16
        ),
        loss=LossConfig(balance=0.5),
        stages=(
            StageConfig(
                shares={"authored": 1.0},
                epochs=2,
                patience=0,
                encoder_rate=3e-3,
                head_rate=1e-2,
                batch_tokens=256,
            ),
            StageConfig(
                shares={"annomi": 1.0, "authored": 0.5},
                epochs=4,
                encoder_rate=3e-3,
                head_rate=1e-2,
                batch_tokens=256,
            ),
        ),
    )


@pytest.fixture(scope="session")
def write_coded_lines() -> Callable[[Path, Sequence[CodedSession]], None]:
    """Writes coded sessions in the form that ``--corpus`` reads."""

    def write(path: Path, sessions: Sequence[CodedSession]) -> None:
        lines = []
        for coded in sessions:
            turns = [
                {**turn.to_dict(), "code": code, "coder_a": a, "coder_b": b}
                for turn, code, a, b in zip(
                    coded.session.turns, coded.codes, coded.coder_a, coded.coder_b, strict=True
                )
            ]
            lines.append(json.dumps({"id": coded.id, "turns": turns}))
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")

    return write


_CODES = {"P": Marker.PB, "W": Marker.W2, "C": Marker.C2, "N": Marker.N}
_LETTERS = {
    "P": Label.ALLIANCE_POSITIVE,
    "W": Label.WITHDRAWAL,
    "C": Label.CONFRONTATION,
    "N": Label.NEUTRAL,
}


@pytest.fixture(scope="session")
def sketch_predictions() -> Callable[..., Predictions]:
    """Predictions drawn by hand: one string per session, one word per turn.

    ``cWN``: a client's turn, W by the codes and N by the model. ``?`` at its end: the model
    abstains. ``cWN/CN``: coder A says C and coder B says N (else both say what is settled);
    ``cWN/--``: neither coded it. ``.``: a turn that is not scored.
    """

    def draw(sessions: dict[str, str], *, model: str = "sketch", sure: float = 0.7) -> Predictions:
        rows = []
        for place, words in enumerate(sessions.values()):
            for turn, word in enumerate(words.split()):
                if word == ".":
                    continue
                said, _, coders = word.partition("/")
                gold, predicted = (LABELS.index(_LETTERS[letter]) for letter in said[1:3])
                a, b = (
                    NONE if letter == "-" else LABELS.index(_LETTERS[letter])
                    for letter in (coders or said[1] * 2)
                )
                marker = MARKER_ORDER.index(_CODES[said[1]])
                row = (place, turn, "ct".index(said[0]), gold, a, b, predicted, marker)
                rows.append((*row, said.endswith("?")))
        columns = np.array(rows, dtype=np.int64).reshape(-1, 9).T
        session, turn_, role, gold_, coder_a, coder_b, predicted_, marker_, abstained = columns
        others = (1 - sure) / (len(LABELS) - 1)
        return Predictions(
            model=model,
            session_ids=tuple(sessions),
            session=session,
            turn=turn_,
            role=role,
            gold=gold_,
            coder_a=coder_a,
            coder_b=coder_b,
            probabilities=np.full((len(rows), len(LABELS)), others)
            + (sure - others) * np.eye(len(LABELS))[predicted_],
            predicted=predicted_,
            abstained=abstained.astype(np.bool_),
            gold_marker=marker_,
            predicted_marker=np.full(len(rows), NONE),
        )

    return draw
