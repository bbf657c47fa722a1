"""The layer over the session: how it is trained, kept and exported."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from alliance.model.classifier import LAYERED_FORMAT, RuptureClassifier
from alliance.model.codebook import Role
from alliance.model.session_layer import OnnxSessionLayer
from alliance.training import forms, trainer
from alliance.training.config import SessionConfig, StageConfig, TrainingConfig
from alliance.training.corpora import CodedSession
from alliance.training.crossvalidation import crossvalidate
from alliance.training.evaluation.predictions import collect
from alliance.training.network import Network, build_network
from alliance.training.reexport import reexport
from alliance.training.session_layer import RecurrentLayer, TorchLayer
from alliance.training.trainer import mean_average_precision, predict, train_network

Make = Callable[..., list[CodedSession]]


@pytest.fixture
def layered_config(tiny_config: TrainingConfig) -> TrainingConfig:
    """The tiny run, with a layer that takes part in its second stage alone."""
    first, second = tiny_config.stages
    return dataclasses.replace(
        tiny_config,
        session=SessionConfig(hidden=6, width=8),
        stages=(
            dataclasses.replace(first, in_session=False),
            dataclasses.replace(second, patience=0),
        ),
    )


def _randomised(network: Network) -> Network:
    """A layer begins by correcting nothing, which would hide what it gets wrong."""
    assert network.session is not None
    torch.manual_seed(1)
    for parameter in network.session.layer.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return network


def _layer_state(network: Network) -> dict[str, torch.Tensor]:
    assert network.session is not None
    return {name: value.clone() for name, value in network.session.layer.state_dict().items()}


def test_several_parts_at_once_are_read_as_each_by_itself() -> None:
    torch.manual_seed(0)
    layer = RecurrentLayer(5, SessionConfig(hidden=3, width=4)).eval()
    torch.nn.init.normal_(layer._codes.weight)
    counts = [4, 9, 1]
    features, roles = torch.randn(14, 5), torch.randint(0, 3, (14,))
    lengths = torch.randint(1, 40, (14,)).float()
    together = layer.of_parts(features, roles, lengths, counts)
    each = [
        layer(*parts)
        for parts in zip(*(x.split(counts) for x in (features, roles, lengths)), strict=True)
    ]
    assert torch.allclose(together, torch.cat(each), atol=1e-6)
    assert not torch.allclose(together[:4], layer(features, roles, lengths)[:4], atol=1e-4)


def test_an_untrained_layer_changes_nothing(
    layered_config: TrainingConfig, coded_sessions: Make
) -> None:
    sessions = coded_sessions(2)
    torch.manual_seed(0)
    layered = build_network(layered_config.encoder, layered_config.session)
    plain = dataclasses.replace(layered, session=None)
    ours, theirs = (predict(network, sessions, name="x") for network in (layered, plain))
    assert ours.probabilities == pytest.approx(theirs.probabilities, abs=1e-6)


def test_the_layer_learns_in_its_stages_and_only_there(
    layered_config: TrainingConfig, coded_sessions: Make, tmp_path: Path
) -> None:
    corpora = {"annomi": coded_sessions(12), "authored": coded_sessions(8, first=20)}
    test = coded_sessions(4, first=40)
    untrained = build_network(layered_config.encoder, layered_config.session)
    first = dataclasses.replace(layered_config, stages=layered_config.stages[:1])
    before, _ = train_network(first, corpora, [], tmp_path / "a", quiet=True)
    torch.manual_seed(layered_config.seed)
    begun = build_network(layered_config.encoder, layered_config.session)
    for name, value in _layer_state(before).items():
        assert torch.equal(value, _layer_state(begun)[name]), name
    after, _ = train_network(layered_config, corpora, [], tmp_path / "b", quiet=True)
    assert any(
        not torch.equal(value, _layer_state(before)[name])
        for name, value in _layer_state(after).items()
    )
    scores = [
        mean_average_precision(predict(network, test, name="x")) for network in (untrained, after)
    ]
    assert scores[1] > scores[0] + 0.2


def test_a_finished_stage_is_loaded_with_its_layer(
    layered_config: TrainingConfig,
    coded_sessions: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    corpora = {"annomi": coded_sessions(6), "authored": coded_sessions(3, first=20)}
    network, _ = train_network(layered_config, corpora, [], tmp_path, quiet=True)
    monkeypatch.setattr(trainer, "WindowTrainer", None)  # whoever trains now fails
    again, _ = train_network(layered_config, corpora, [], tmp_path, quiet=True)
    for name, value in network.whole.state_dict().items():
        assert torch.equal(value, again.whole.state_dict()[name]), name


def test_a_stage_may_freeze_layers_of_its_own(
    layered_config: TrainingConfig, coded_sessions: Make, tmp_path: Path
) -> None:
    stages = (
        layered_config.stages[0],
        dataclasses.replace(layered_config.stages[1], frozen_layers=1),
    )
    config = dataclasses.replace(layered_config, stages=stages)
    corpora = {"annomi": coded_sessions(6), "authored": coded_sessions(3, first=20)}
    first = dataclasses.replace(config, stages=stages[:1])
    before, _ = train_network(first, corpora, [], tmp_path, quiet=True)
    after, _ = train_network(config, corpora, [], tmp_path, quiet=True)
    kept = before.model.base_model.state_dict()
    for name, value in after.model.base_model.state_dict().items():
        assert torch.equal(value, kept[name]), name
    assert not torch.equal(before.model.classifier.weight, after.model.classifier.weight)


def test_the_exported_folder_says_what_the_network_says(
    layered_config: TrainingConfig, coded_sessions: Make, tmp_path: Path
) -> None:
    network = _randomised(build_network(layered_config.encoder, layered_config.session))
    sessions = coded_sessions(3)
    for form in ("float32", "weights8"):
        forms_checked = _export(network, tmp_path / form, sessions, form)
        assert [check.form for check in forms_checked] == [form]
        loaded = RuptureClassifier.load(tmp_path / form)
        assert isinstance(loaded.layer, OnnxSessionLayer)
        found, expected = collect(loaded, sessions), predict(network, sessions, name="x")
        assert found.probabilities == pytest.approx(
            expected.probabilities, abs=1e-5 if form == "float32" else 0.02
        )
        config = (tmp_path / form / "config.json").read_text(encoding="utf-8")
        assert f'"format": {LAYERED_FORMAT}' in config
        networks = sum(path.stat().st_size for path in (tmp_path / form).glob("*.onnx"))
        assert forms_checked[0].megabytes == pytest.approx(networks / 1e6)
    again = tmp_path / "again"
    reexport(tmp_path / "float32", again, form="weights8", check_on=sessions)
    assert (again / "session.onnx").read_bytes() == (
        tmp_path / "float32" / "session.onnx"
    ).read_bytes()


def _export(network: Network, folder: Path, sessions: list[CodedSession], form: str) -> list:
    from alliance.model.calibration import Calibration
    from alliance.model.decision import DecisionPolicy
    from alliance.training.export import export_network

    return export_network(
        network,
        folder,
        name="tiny-1",
        calibration=Calibration(),
        decision=DecisionPolicy(),
        check_on=sessions,
        form=form,
    )


def test_the_exported_layer_reads_any_number_of_turns(
    layered_config: TrainingConfig, tmp_path: Path
) -> None:
    network = _randomised(build_network(layered_config.encoder, layered_config.session))
    forms.write_session_layer(network, tmp_path / "session.onnx")
    assert network.session is not None
    exported, layer = OnnxSessionLayer(tmp_path / "session.onnx"), TorchLayer(network.session)
    draw = np.random.default_rng(0)
    for turns in (1, 2, 77):
        features = draw.normal(size=(turns, 32)).astype(np.float32)
        roles = [list(Role)[place % 3] for place in range(turns)]
        lengths = draw.integers(1, 200, turns).tolist()
        expected = layer(features, roles, lengths)
        assert exported(features, roles, lengths) == pytest.approx(expected, abs=1e-4)


def test_a_layered_recipe_is_cross_validated_and_exported_again(
    layered_config: TrainingConfig, coded_sessions: Make, tmp_path: Path
) -> None:
    config = dataclasses.replace(
        layered_config,
        quantise="none",
        stages=tuple(dataclasses.replace(stage, epochs=1) for stage in layered_config.stages),
    )
    annomi = coded_sessions(10, folds=5)
    own = {"authored": coded_sessions(3, first=20), "everyday": []}
    folder = tmp_path / "cv"
    report = crossvalidate(
        config, annomi, own, folder, resamples=20, tell=lambda line: None, quiet=True
    )
    assert report is not None
    assert report["config"]["session"]["hidden"] == 6
    reexport(folder / "fold-1", tmp_path / "out", form="float32", check_on=annomi[:2])
    first, again = (
        RuptureClassifier.load(place).label(annomi[0].session)
        for place in (folder / "fold-1" / "model", tmp_path / "out")
    )
    assert [turn.probabilities for turn in again.turns] == [
        turn.probabilities for turn in first.turns
    ]


def test_stages_and_sections_are_checked() -> None:
    from alliance.model.errors import ConfigError

    with pytest.raises(ConfigError, match="frozen_layers is not negative"):
        StageConfig(shares={"annomi": 1.0}, frozen_layers=-1)
    with pytest.raises(ConfigError, match=r"\[session\] dropout lies between 0 and 1, got 2"):
        SessionConfig(dropout=2)
    with pytest.raises(ConfigError, match=r"\[session\] hidden and window_weight are not negative"):
        TrainingConfig.from_dict({"session": {"hidden": -1}})
