"""Turns as a base encoder reads them before any fine-tuning."""

import dataclasses
import hashlib
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from alliance.model.errors import ConfigError
from alliance.model.packing import encode_turns
from alliance.model.session import Session
from alliance.model.tokens import TokenIds
from alliance.training.config import EncoderConfig
from alliance.training.files import begun_with, write_whole
from alliance.training.network import build_network, read_turns

__all__ = ["Embedding", "FrozenEncoder", "embed_each"]

Embedding = NDArray[np.float32]

# Half precision on disk: 24,000 turns of 384 numbers are 18 MB.
_STORED: Final = np.float16


class FrozenEncoder:
    """A base encoder as it came; a turn is the mean of its tokens' hidden states.

    Turns are packed into windows as labelling packs them, so each is read with its neighbours.
    The role tokens are new to the encoder and start as :func:`build_network` has it.

    Args:
        config: which encoder, and how turns are packed.
        layers: whose states stand beside each other in a turn's row, 0 being the embeddings;
            unless told, what the encoder gives in the end.
        bf16: whether it computes in bfloat16, where the processor does: a third of the time.
    """

    def __init__(
        self, config: EncoderConfig, layers: Sequence[int] | None = None, *, bf16: bool = False
    ) -> None:
        network = build_network(config)
        self._packing = network.packing
        self._tokenizer = network.turn_tokenizer
        self._encoder = network.model.base_model
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._encoder.to(self._device).eval()
        self._layers = layers
        self._bf16 = bf16
        beside = 1 if layers is None else len(layers)
        self._size = int(network.model.config.hidden_size) * beside

    def __call__(self, session: Session) -> Embedding:
        """One row per turn of the session, shape (turns, layers * hidden size)."""
        if not session.turns:
            return np.zeros((0, self._size), dtype=np.float32)
        encoded = encode_turns(session.turns, self._tokenizer, self._packing)
        return read_turns(self._window, encoded, self._packing)

    def _window(self, ids: TokenIds) -> Embedding:
        """Of each token of one window, shape (tokens, layers * hidden size)."""
        half = torch.autocast(self._device.type, torch.bfloat16, enabled=self._bf16)
        with torch.inference_mode(), half:
            states = self._states(torch.from_numpy(ids).unsqueeze(0).to(self._device))
        return np.asarray(states.float().cpu().numpy())

    def _states(self, ids: Tensor) -> Tensor:
        if self._layers is None:  # not of every encoder the last layer's own states
            last: Tensor = self._encoder(input_ids=ids).last_hidden_state
            return last[0]
        found = self._encoder(input_ids=ids, output_hidden_states=True).hidden_states
        return torch.cat([found[layer][0] for layer in self._layers], dim=-1)


def embed_each(
    config: EncoderConfig,
    sessions: Sequence[Session],
    folder: Path,
    *,
    layers: Sequence[int] | None = None,
    bf16: bool = False,
    tell: Callable[[str], None] = lambda line: None,
) -> dict[str, Embedding]:
    """The embeddings of all sessions, by session id; each is kept as soon as it is made.

    An encoder may take hours: who was killed goes on, and who changes a transcript reads it
    alone anew.

    Args:
        config: which encoder.
        sessions: with ids of their own.
        folder: where they are kept, a file a session. Names say nothing, and no words are kept.
        layers: as :class:`FrozenEncoder` has it.
        bf16: likewise.
        tell: told how many are still to be read.

    Raises:
        ConfigError: if the folder was begun with another encoder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {
        "encoder": dataclasses.asdict(config),
        "layers": None if layers is None else list(layers),
        "bf16": bf16,
    }
    begun = folder / "encoder.json"
    if not begun_with(begun, wanted):
        raise ConfigError(
            f"{folder}: expected what this encoder made of sessions, found another's "
            f"({begun.name}); delete the folder"
        )
    paths = {session.id: folder / f"{_digest(session)}.npy" for session in sessions}
    if len(paths) != len(sessions):
        raise ValueError("a session id occurs twice")
    missing = [session for session in sessions if not paths[session.id].is_file()]
    encoder = FrozenEncoder(config, layers, bf16=bf16) if missing else None
    for place, session in enumerate(missing):
        if place % 50 == 0:
            tell(f"{config.base} reads {len(missing) - place} sessions")
        assert encoder is not None
        buffer = io.BytesIO()
        np.save(buffer, encoder(session).astype(_STORED))
        write_whole(paths[session.id], buffer.getvalue())
    return {id_: np.load(path).astype(np.float32) for id_, path in paths.items()}


def _digest(session: Session) -> str:
    said = [session.id, [(turn.role.value, turn.text) for turn in session.turns]]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:32]
