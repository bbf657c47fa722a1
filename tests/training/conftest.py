"""A base encoder small enough to be trained within a test, and sessions that it can learn."""

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

os.environ["HF_HUB_OFFLINE"] = "1"  # a test that reached for the hub should fail at once

from alliance.model.codebook import Marker
from alliance.model.session import Session, Turn
from alliance.training.config import EncoderConfig, LossConfig, StageConfig, TrainingConfig
from alliance.training.corpora import CodedSession

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
