"""The windows that a network is trained on are read as those that it labels."""

import numpy as np
import pytest
import torch

from alliance.model import scores
from alliance.training.config import TrainingConfig
from alliance.training.network import build_network
from alliance.training.session_layer import pool_turns


def test_turns_are_pooled_in_training_as_in_labelling() -> None:
    generator = np.random.default_rng(0)
    lengths = [3, 1, 5]
    logits = generator.normal(size=(11, 21)).astype(np.float32)
    turn_of_token = torch.tensor([[-1, 0, 0, 0, 1, 2, 2, 2, 2, 2, -1]])
    trained = pool_turns(torch.from_numpy(logits)[None], turn_of_token, 3).numpy()
    assert trained == pytest.approx(scores.pool_turns(logits, lengths), abs=1e-6)


def test_a_literal_special_token_stays_text(tiny_config: TrainingConfig) -> None:
    network = build_network(tiny_config.encoder)
    (ids,) = network.turn_tokenizer(["[SEP] [CLS] [PAD]"])
    special = {network.packing.opening_id, network.packing.closing_id, 0}
    assert not special & set(ids.tolist())
    assert len(set(network.packing.role_ids.values())) == 3
