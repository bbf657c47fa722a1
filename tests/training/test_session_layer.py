"""The layer over the session: how it is trained, kept and exported."""

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from alliance.model.classifier import RuptureClassifier
from alliance.model.codebook import Role
from alliance.model.decision import Rules
from alliance.model.errors import ConfigError
from alliance.model.model_folder import CAUSAL_RULES, LAYERED_FORMAT
from alliance.model.session_layer import OnnxSessionLayer
from alliance.training import forms, stages
from alliance.training.config import ImitationConfig, SessionConfig, StageConfig, TrainingConfig
from alliance.training.corpora import CodedSession
from alliance.training.crossvalidation import (
    UNCALIBRATED_CAUSAL,
    crossvalidate,
    out_of_fold,
    split,
)
from alliance.training.evaluation.predictions import Predictions, collect
from alliance.training.files import write_json
from alliance.training.fitting import fit
from alliance.training.imitation import imitated_states
from alliance.training.layer_fitting import _read
from alliance.training.network import Network, build_network
from alliance.training.recalibration import recalibrate
from alliance.training.reexport import reexport
from alliance.training.rules import uncalibrated
from alliance.training.run import train_on_all
from alliance.training.session_layer import RecurrentLayer, TorchLayer, imitation_error
from alliance.training.stages import train_network
from alliance.training.targets import prepare
from alliance.training.trainer import mean_average_precision, predict

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


def _layer_state(network: Network) -> dict[str, torch.Tensor]:
    assert network.session is not None
    return {name: value.clone() for name, value in network.session.layer.state_dict().items()}


def test_several_parts_at_once_are_read_as_each_by_itself() -> None:
    torch.manual_seed(0)
    layer = RecurrentLayer(5, SessionConfig(hidden=3, width=4)).eval()
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


def test_the_layer_learns_in_its_stages_and_only_there(
    layered_config: TrainingConfig, coded_sessions: Make, tmp_path: Path
) -> None:
    corpora = {"annomi": coded_sessions(12), "authored": coded_sessions(8, first=20)}
    test = coded_sessions(4, first=40)
    untrained = build_network(layered_config.encoder, layered_config.session)
    torch.manual_seed(layered_config.seed)
    begun = build_network(layered_config.encoder, layered_config.session)
    after, _ = train_network(layered_config, corpora, [], tmp_path, quiet=True)
    between = load_file(tmp_path / "stage-1" / "finished.safetensors")
    for name, value in _layer_state(begun).items():
        assert torch.equal(value, between[f"layer.{name}"]), name
        assert not torch.equal(value, _layer_state(after)[name]), name
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
    monkeypatch.setattr(stages, "WindowTrainer", None)  # whoever trains now fails
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
    after, _ = train_network(config, corpora, [], tmp_path, quiet=True)
    before = load_file(tmp_path / "stage-1" / "finished.safetensors")
    for name, value in after.whole.state_dict().items():
        frozen = name.startswith("encoder.") and not name.startswith("encoder.classifier")
        assert torch.equal(value, before[name]) == frozen, name


def test_the_layer_may_learn_alone_from_what_the_encoder_says_once(
    layered_config: TrainingConfig, coded_sessions: Make, tmp_path: Path
) -> None:
    first, second = layered_config.stages
    alone = dataclasses.replace(second, encoder_rate=0, head_rate=2e-2, epochs=30, average=0.9)
    config = dataclasses.replace(layered_config, stages=(first, alone))
    corpora = {"annomi": coded_sessions(12), "authored": coded_sessions(8, first=20)}
    test = coded_sessions(4, first=40)
    after, results = train_network(config, corpora, [], tmp_path / "whole", quiet=True)
    assert results[-1].epochs == 30
    between = load_file(tmp_path / "whole" / "stage-1" / "finished.safetensors")
    for name, value in after.whole.state_dict().items():
        assert torch.equal(value, between[name]) == name.startswith("encoder."), name
    again, _ = train_network(config, corpora, [], tmp_path / "again", quiet=True)
    for name, value in again.whole.state_dict().items():
        assert torch.equal(value, after.whole.state_dict()[name]), name  # from the seed alone
    untrained = build_network(config.encoder, config.session)
    scores = [
        mean_average_precision(predict(network, test, name="x")) for network in (untrained, after)
    ]
    assert scores[1] > scores[0] + 0.2


def test_an_encoder_learns_to_say_what_another_says(
    layered_config: TrainingConfig, coded_sessions: Make, tmp_path: Path
) -> None:
    first, second = layered_config.stages
    imitating = dataclasses.replace(first, imitation=5.0, epochs=8, disturbed_share=0.3)
    config = dataclasses.replace(
        layered_config,
        imitation=ImitationConfig(
            base=layered_config.encoder.base, layers=(0, 1), components=3, max_tokens=64
        ),
        stages=(imitating, second),
    )
    corpora = {"annomi": coded_sessions(4), "authored": coded_sessions(10, first=20)}
    read = partial(imitated_states, config, corpora, tmp_path / "states")
    wanted = read()
    assert list(wanted.states) == ["authored"]
    rows = np.concatenate(wanted.states["authored"])
    assert rows.mean(axis=0) == pytest.approx(np.zeros(3), abs=1e-3)
    assert rows.std(axis=0) == pytest.approx(np.ones(3), abs=1e-2)
    assert np.cov(rows.T) == pytest.approx(np.eye(3), abs=0.02)
    assert (np.diff(wanted.weights) < 0).all()
    assert wanted.weights.mean() == pytest.approx(1)
    network, _ = train_network(
        dataclasses.replace(config, stages=(imitating, second)),
        corpora,
        [],
        tmp_path / "run",
        imitation=read,
        quiet=True,
    )
    assert network.session is not None
    assert network.session.imitating is not None
    torch.manual_seed(config.seed)
    untrained = build_network(config.encoder, config.session, imitated=3)
    errors = []
    for each in (untrained, network):
        assert each.session is not None
        assert each.session.imitating is not None
        features = torch.cat(
            [
                _read(each, prepared).features
                for prepared in prepare(
                    corpora["authored"], each.turn_tokenizer, each.packing, config.loss
                )
            ]
        )
        said = each.session.imitating(features).detach()
        weights = torch.from_numpy(wanted.weights)
        errors.append(float(imitation_error(said, torch.from_numpy(rows), weights)))
    assert errors[1] < 0.8 * errors[0]
    # A later stage that draws a fold's sessions too goes on with the same numbers.
    later = dataclasses.replace(second, imitation=1.0, shares={"annomi": 1.0})
    both = dataclasses.replace(config, stages=(imitating, later))
    again = imitated_states(both, corpora, tmp_path / "states")
    assert [len(one) for one in again.states["annomi"]] == [len(one) for one in corpora["annomi"]]
    assert np.concatenate(again.states["authored"]) == pytest.approx(rows, abs=1e-4)
    too_many = dataclasses.replace(config.imitation, components=5000)
    config = dataclasses.replace(config, imitation=too_many)
    with pytest.raises(ConfigError, match="components is at most the number of turns"):
        imitated_states(config, corpora, tmp_path / "states")


def test_the_exported_folder_says_what_the_network_says(
    layered_config: TrainingConfig, coded_sessions: Make, tmp_path: Path
) -> None:
    network = build_network(layered_config.encoder, layered_config.session)
    sessions = coded_sessions(3)
    for form, nearness in (("float32", 1e-5), ("weights8", 0.02), ("weights4", 0.1)):
        forms_checked = _export(network, tmp_path / form, sessions, form)
        assert [check.form for check in forms_checked] == [form]
        loaded = RuptureClassifier.load(tmp_path / form)
        assert isinstance(loaded.layer, OnnxSessionLayer)
        found, expected = collect(loaded, sessions), predict(network, sessions, name="x")
        assert found.probabilities == pytest.approx(expected.probabilities, abs=nearness)
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
    network = build_network(layered_config.encoder, layered_config.session)
    forms.write_session_layer(network, tmp_path / "session.onnx")
    assert network.session is not None
    exported, layer = OnnxSessionLayer(tmp_path / "session.onnx"), TorchLayer(network.session.layer)
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
    # Causal mode has a calibration of its own, fitted to causal labels of the development fold.
    _, dev, test = split(annomi, 1)
    model = folder / "fold-1" / "model"
    raw = uncalibrated(model, dev, causal=True)
    fitted = Rules(*fit(raw.probabilities, raw.gold))
    assert RuptureClassifier.load(model).causal == fitted
    assert RuptureClassifier.load(tmp_path / "out").causal == fitted
    assert fitted.calibration != RuptureClassifier.load(model).calibration
    kept = Predictions.load(folder / "fold-1" / UNCALIBRATED_CAUSAL)
    labelled = collect(RuptureClassifier.load(model), test, causal=True)
    assert labelled.probabilities == pytest.approx(fitted.calibration(kept.probabilities))
    # That of the whole is fitted to causal labels of all test folds.
    corpora = {"annomi": annomi, **own}
    train_on_all(config, corpora, folder, tmp_path / "whole", tell=lambda line: None, quiet=True)
    pooled = out_of_fold(folder, file=UNCALIBRATED_CAUSAL)
    expected = Rules(*fit(pooled.probabilities, pooled.gold))
    for place in (tmp_path / "whole", folder / "all" / "model"):
        assert RuptureClassifier.load(place).causal == expected
    write_json(model / CAUSAL_RULES, expected.to_dict())
    recalibrate(folder, annomi, tell=lambda line: None)
    assert RuptureClassifier.load(model).causal == fitted


def test_stages_and_sections_are_checked() -> None:
    with pytest.raises(ConfigError, match="frozen_layers is not negative"):
        StageConfig(shares={"annomi": 1.0}, frozen_layers=-1)
    with pytest.raises(ConfigError, match=r"\[session\] dropout lies between 0 and 1, got 2"):
        SessionConfig(dropout=2)
    with pytest.raises(ConfigError, match="the last stage trains the layer"):
        TrainingConfig.from_dict(
            {"session": {"hidden": 4}, "stages": [{"shares": {"a": 1.0}, "in_session": False}]}
        )
    for stage in ({"imitation": 1.0}, {"encoder_rate": 0, "patience": 0}):
        with pytest.raises(ConfigError, match="needs a layer over the session"):
            TrainingConfig.from_dict({"stages": [{"shares": {"authored": 1.0}, **stage}]})
    with pytest.raises(ConfigError, match="corpora that no fold changes, got 'annomi'"):
        TrainingConfig.from_dict(
            {
                "session": {"hidden": 4},
                "stages": [{"shares": {"annomi": 1.0}, "imitation": 1.0}],
            }
        )
    with pytest.raises(ConfigError, match="reads sessions once as they are"):
        StageConfig(shares={"annomi": 1.0}, encoder_rate=0, patience=0, disturbed_share=0.1)
    with pytest.raises(ConfigError, match=r"\[imitation\] has at least one layer"):
        TrainingConfig.from_dict({"imitation": {"layers": []}})
    with pytest.raises(ConfigError, match=r"\[session\] hidden and window_weight are not negative"):
        TrainingConfig.from_dict({"session": {"hidden": -1}})
