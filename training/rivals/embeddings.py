"""Turns as a base encoder reads them before any fine-tuning."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from alliance.model.packing import choose_windows, encode_turns, plan_windows, window_ids
from alliance.model.scores import pool_turns
from alliance.model.session import Session
from alliance.training.config import EncoderConfig
from alliance.training.files import write_whole
from alliance.training.network import build_network

__all__ = ["Embedding", "FrozenEncoder", "embed_all"]

Embedding = NDArray[np.float32]

# Half precision on disk: 24,000 turns of 384 numbers are 18 MB.
_STORED: Final = np.float16


class FrozenEncoder:
    """A base encoder as it came; a turn is the mean of its tokens' last hidden states.

    Turns are packed into windows as labelling packs them, so each is read with its neighbours.
    The role tokens are new to the encoder and start at the mean of its embedding table.

    Args:
        config: which encoder, and how turns are packed.
    """

    def __init__(self, config: EncoderConfig) -> None:
        network = build_network(config)
        self._packing = network.packing
        self._tokenizer = network.turn_tokenizer
        self._encoder = network.model.base_model
        self._encoder.eval()
        self._size = int(network.model.config.hidden_size)

    def __call__(self, session: Session) -> Embedding:
        """One row per turn of the session, shape (turns, hidden size)."""
        encoded = encode_turns(session.turns, self._tokenizer, self._packing)
        lengths = [len(turn.ids) for turn in encoded]
        windows = plan_windows(lengths, self._packing)
        chosen = choose_windows(lengths, windows)
        rows: Embedding = np.zeros((len(encoded), self._size), dtype=np.float32)
        for number, window in enumerate(windows):
            ids = torch.from_numpy(window_ids(encoded, window, self._packing)).unsqueeze(0)
            with torch.inference_mode():
                states = self._encoder(input_ids=ids).last_hidden_state[0].float().numpy()
            pooled = pool_turns(states, lengths[window.first : window.stop])
            for turn in range(window.first, window.stop):
                if chosen[turn] == number:
                    rows[turn] = pooled[turn - window.first]
        return rows


def embed_all(
    config: EncoderConfig, sessions: Sequence[Session], store: Path
) -> dict[str, Embedding]:
    """The embeddings of all sessions, by session id; made once and kept in a file.

    Args:
        config: which encoder.
        sessions: with ids of their own.
        store: where they are kept (``.npz``); a file that holds other sessions is made anew.
    """
    ids = [session.id for session in sessions]
    lengths = [len(session.turns) for session in sessions]
    if len(set(ids)) != len(ids):
        raise ValueError("a session id occurs twice")
    stored = _stored(store, ids, lengths)
    if stored is None:
        encoder = FrozenEncoder(config)
        stored = np.concatenate([encoder(session) for session in sessions]).astype(_STORED)
        buffer = io.BytesIO()
        np.savez(buffer, ids=np.array(ids), lengths=np.array(lengths), rows=stored)
        write_whole(store, buffer.getvalue())
    parts = np.split(stored.astype(np.float32), np.cumsum(lengths)[:-1])
    return dict(zip(ids, parts, strict=True))


def _stored(store: Path, ids: Sequence[str], lengths: Sequence[int]) -> NDArray[np.float16] | None:
    if not store.is_file():
        return None
    with np.load(store, allow_pickle=False) as arrays:
        same = arrays["ids"].tolist() == list(ids) and arrays["lengths"].tolist() == list(lengths)
        return np.asarray(arrays["rows"]) if same else None
