"""Only what the settings name is trained, and a finished network is an ordinary one."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from alliance.model.agreement import confusion_matrix, macro_f1
from alliance.model.codebook import Role
from alliance.model.errors import ConfigError
from alliance.training.adapting import encoder_layers, trained_parts
from alliance.training.config import EncoderConfig, TrainingConfig
from alliance.training.corpora import CodedSession
from alliance.training.network import Network, build_network
from alliance.training.stages import train_network
from alliance.training.trainer import predict

Make = Callable[..., list[CodedSession]]
State = dict[str, torch.Tensor]


def _with(config: TrainingConfig, **encoder: int) -> TrainingConfig:
    stage = dataclasses.replace(config.stages[1], patience=0, encoder_rate=1e-2, weight_decay=0.1)
    return dataclasses.replace(
        config, encoder=dataclasses.replace(config.encoder, **encoder), stages=(stage,)
    )


def _trained(config: TrainingConfig, make: Make, folder: Path) -> tuple[State, State, float]:
    """The weights before and after training, and what it adds to the macro-F1 elsewhere."""
    torch.manual_seed(config.seed)
    untrained = build_network(config.encoder)
    before = {n: w.clone() for n, w in untrained.model.state_dict().items()}
    guess = _macro_f1(untrained, make)
    corpora = {"annomi": make(12), "authored": make(12, first=50)}
    network, _ = train_network(config, corpora, [], folder, quiet=True)
    return before, dict(network.model.state_dict()), _macro_f1(network, make) - guess


def _macro_f1(network: Network, make: Make) -> float:
    said = predict(network, make(4, first=200), name="any")
    return float(macro_f1(confusion_matrix(said.gold, said.predicted)))


def _changed(before: State, after: State) -> set[str]:
    assert set(before) == set(after)  # nothing of an adapter is left
    return {name for name, weights in before.items() if not torch.equal(weights, after[name])}


def test_low_rank_additions_learn_and_are_merged(
    tiny_config: TrainingConfig, coded_sessions: Make, tmp_path: Path
) -> None:
    before, after, gain = _trained(_with(tiny_config, lora_rank=4), coded_sessions, tmp_path)
    assert gain > 0.2
    changed = _changed(before, after)
    table = "bert.embeddings.word_embeddings.weight"
    linear = {n for n, w in before.items() if ".layer.0." in n and w.ndim == 2}
    assert changed == linear | {table, "classifier.weight", "classifier.bias"}
    for name in linear:
        rank = torch.linalg.matrix_rank(after[name] - before[name], rtol=1e-3)
        assert rank <= 4, name
    moved = (after[table] != before[table]).any(dim=1)
    assert moved.nonzero().flatten().tolist() == list(range(len(moved) - len(Role), len(moved)))


def test_a_killed_stage_with_additions_goes_on_to_the_same_weights(
    tiny_config: TrainingConfig,
    coded_sessions: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from alliance.training.trainer import WindowTrainer

    config = _with(tiny_config, lora_rank=4)
    _, whole, _ = _trained(config, coded_sessions, tmp_path / "whole")
    step = WindowTrainer.training_step

    def dying(self, *args, **kwargs):  # type: ignore[no-untyped-def]
        if self.state.global_step == self.args.save_steps + 1:
            raise KeyboardInterrupt
        return step(self, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(WindowTrainer, "training_step", dying)
        with pytest.raises(KeyboardInterrupt):
            _trained(config, coded_sessions, tmp_path / "killed")
    _, resumed, _ = _trained(config, coded_sessions, tmp_path / "killed")
    for name, weights in whole.items():
        assert torch.allclose(resumed[name], weights, atol=1e-5), name


def _two_layers(tiny_base: Path, folder: Path) -> Path:
    from transformers import AutoTokenizer, BertConfig, BertModel

    torch.manual_seed(1)
    settings = BertConfig.from_pretrained(tiny_base, num_hidden_layers=2)
    BertModel(settings).save_pretrained(folder)
    AutoTokenizer.from_pretrained(tiny_base).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("rank", [0, 2])
def test_frozen_layers_stay_as_they_came(
    rank: int, tiny_config: TrainingConfig, tiny_base: Path, coded_sessions: Make, tmp_path: Path
) -> None:
    config = _with(tiny_config, frozen_layers=1, lora_rank=rank)
    base = _two_layers(tiny_base, tmp_path / "base")
    encoder = dataclasses.replace(config.encoder, base=str(base))
    config = dataclasses.replace(config, encoder=encoder)
    before, after, gain = _trained(config, coded_sessions, tmp_path / "run")
    changed = _changed(before, after)
    assert changed
    assert all(name.startswith(("bert.encoder.layer.1.", "classifier")) for name in changed)
    assert gain > 0.2


def test_frozen_role_tokens_still_tell_who_speaks(tiny_config: TrainingConfig) -> None:
    network = build_network(dataclasses.replace(tiny_config.encoder, frozen_layers=1))
    table = network.model.get_input_embeddings().weight
    rows = [table[network.packing.role_ids[role]] for role in Role]
    assert not any(torch.allclose(a, b) for a, b in zip(rows, [*rows[1:], rows[0]], strict=True))


def test_settings_out_of_range_are_refused(tiny_config: TrainingConfig) -> None:
    with pytest.raises(ConfigError, match="lora_rank is not negative, got -1"):
        EncoderConfig(lora_rank=-1)
    encoder = dataclasses.replace(tiny_config.encoder, frozen_layers=2)
    network = build_network(encoder)
    with (
        pytest.raises(ConfigError, match="between 0 and the encoder's 1 layers, got 2"),
        trained_parts(network.model, encoder, ()),
    ):
        pass


def test_an_encoder_without_a_list_of_layers_is_refused(tiny_config: TrainingConfig) -> None:
    model = build_network(tiny_config.encoder).model
    model.config.num_hidden_layers = 7
    with pytest.raises(ConfigError, match="a list of 7 layers, found none"):
        encoder_layers(model)
