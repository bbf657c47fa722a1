"""What a larger encoder, as it came, says of turns, in few numbers that a smaller one can learn.

The hidden states of some of its layers stand beside each other, each evened out; what is imitated
are their largest principal components, scaled to unit variance. An encoder that has never seen a
code teaches no code: unlike a teacher (``training/teacher.py``) it may be imitated in a stage that
all folds share.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alliance.model.errors import ConfigError
from alliance.training.config import EncoderConfig, ImitationConfig, TrainingConfig
from alliance.training.corpora import CodedSession
from alliance.training.embeddings import Embedding, embed_each
from alliance.training.network import use_bf16
from alliance.training.processes import first_goes_ahead

__all__ = ["Imitated", "Imitation", "imitated_states", "reader"]

_OVERLAP_TOKENS: Final = 96  # that windows share, at most, when the imitated encoder reads


@dataclass(frozen=True, slots=True)
class Imitated:
    """What is to be imitated.

    Attributes:
        states: by corpus name, one array (turns, components) for each of its sessions, in order.
        weights: weight of each component, by its standard deviation; mean 1, shape (components,).
    """

    states: Mapping[str, Sequence[NDArray[np.float32]]]
    weights: NDArray[np.float32]


Imitation = Callable[[], Imitated]
"""Reads what is to be imitated, when a stage that imitates begins: it may take long."""


def imitated_states(
    config: TrainingConfig,
    corpora: Mapping[str, Sequence[CodedSession]],
    folder: Path,
    *,
    tell: Callable[[str], None] = lambda line: None,
) -> Imitated:
    """The components of what the imitated encoder says of the corpora that imitating stages draw.

    The components are those of the first such stage's corpora, so that a later stage, which may
    draw a fold's sessions, goes on with the same numbers.

    Args:
        config: the recipe.
        corpora: coded sessions by name.
        folder: where the encoder's word is kept, without transcript text.
        tell: told how far the reading is.

    Raises:
        ConfigError: if the encoder is not at hand, the folder holds another's word, or there are
            fewer turns than components.
    """
    stages = [tuple(stage.shares) for stage in config.stages if stage.imitation]
    wanted = {name: corpora[name] for name in dict.fromkeys(chain(*stages))}
    sessions = [coded.session for corpus in wanted.values() for coded in corpus]
    with first_goes_ahead():
        states = embed_each(
            reader(config.imitation),
            sessions,
            folder,
            layers=config.imitation.layers,
            bf16=use_bf16(config.precision),
            tell=tell,
        )
    rows = {
        name: [_even(states[coded.id], config.imitation.layers) for coded in corpus]
        for name, corpus in wanted.items()
    }
    first = np.concatenate([one for name in stages[0] for one in rows[name]])
    components = _find_components(first, config.imitation.components)
    return Imitated(
        {name: [components.of(one) for one in each] for name, each in rows.items()},
        components.deviations / components.deviations.mean(),
    )


def reader(config: ImitationConfig) -> EncoderConfig:
    """How the imitated encoder reads; its role tokens are what the roles' names are."""
    return EncoderConfig(
        base=config.base,
        frozen_layers=1,
        max_tokens=config.max_tokens,
        max_turn_tokens=config.max_tokens // 2,
        overlap_tokens=min(_OVERLAP_TOKENS, config.max_tokens // 4),
    )


def _even(states: Embedding, layers: Sequence[int]) -> Embedding:
    """Each layer's state with mean 0 and variance 1 over its numbers."""
    rows = states.reshape(len(states), len(layers), -1)
    rows = rows - rows.mean(axis=-1, keepdims=True)
    rows /= np.sqrt(rows.var(axis=-1, keepdims=True) + 1e-5)
    return np.asarray(rows.reshape(len(states), -1), dtype=np.float32)


@dataclass(frozen=True, slots=True)
class _Components:
    mean: Embedding
    directions: Embedding
    deviations: Embedding

    def of(self, rows: Embedding) -> Embedding:
        scaled = (rows - self.mean) @ self.directions / self.deviations
        return np.asarray(scaled, dtype=np.float32)


def _find_components(rows: Embedding, count: int) -> _Components:
    if not count <= min(rows.shape):
        raise ConfigError(
            f"[imitation] components is at most the number of turns and of hidden numbers, here "
            f"{min(rows.shape)}, got {count}"
        )
    mean = rows.mean(axis=0)
    centred = np.asarray(rows - mean, dtype=np.float32)
    variances, directions = np.linalg.eigh((centred.T @ centred / len(rows)).astype(np.float64))
    largest = slice(None, -count - 1, -1)
    deviations = np.sqrt(np.maximum(variances[largest], 1e-12)).astype(np.float32)
    return _Components(mean, directions[:, largest].astype(np.float32), deviations)
