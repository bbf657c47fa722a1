"""``alliance export``: another form of a model, or a model of a finished training."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from alliance.model.calibration import Calibration
from alliance.model.classifier import RuptureClassifier, shipped_weights
from alliance.model.decision import DecisionPolicy
from alliance.model.errors import ConfigError
from alliance.serve.main import app
from alliance.training import corpora, export, export_commands, forms
from alliance.training.config import TrainingConfig
from alliance.training.corpora import CodedSession
from alliance.training.export import export_network
from alliance.training.network import build_network
from alliance.training.reexport import reexport
from alliance.training.run import Split, train_model

Make = Callable[..., list[CodedSession]]


@pytest.fixture
def model(tiny_config: TrainingConfig, coded_sessions: Make, tmp_path: Path) -> Path:
    """A model folder in float32."""
    folder = tmp_path / "model"
    torch.manual_seed(1)  # an untrained head; another draw may lie on the border of two labels
    export_network(
        build_network(tiny_config.encoder),
        folder,
        name="tiny-1",
        calibration=Calibration(temperature=1.5),
        decision=DecisionPolicy(),
        check_on=coded_sessions(2),
        quantise="none",
    )
    return folder


def _logits(folder: Path, coded: CodedSession) -> np.ndarray:
    return RuptureClassifier.load(folder).score(coded.session).logits


def test_a_float_model_gets_another_form(model: Path, coded_sessions: Make, tmp_path: Path) -> None:
    sessions = coded_sessions(3)
    (check,) = reexport(model, tmp_path / "small", form="weights8", check_on=sessions)
    assert check.form == "weights8"
    assert check.passed
    found = _logits(tmp_path / "small", sessions[0])
    assert found == pytest.approx(_logits(model, sessions[0]), abs=0.02)
    assert not np.array_equal(found, _logits(model, sessions[0]))
    small = RuptureClassifier.load(tmp_path / "small")
    assert (small.name, small.calibration.temperature) == ("tiny-1", 1.5)

    assert reexport(tmp_path / "small", tmp_path / "copy", check_on=sessions) == []
    assert np.array_equal(_logits(tmp_path / "copy", sessions[0]), found)
    with pytest.raises(ConfigError, match="found one in weights8, which cannot be made into int8"):
        reexport(tmp_path / "small", tmp_path / "smaller", form="int8", check_on=sessions)


def test_the_shipped_weights_are_turned_back_to_float32(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for a GPU, for which ONNX Runtime has no such products of 8-bit integers."""
    onnx = pytest.importorskip("onnx", reason="needs the [train] extra")
    monkeypatch.setattr(export_commands, "_CHECKED_ON", 3)
    monkeypatch.chdir(tmp_path)
    words = ["export", "shipped", "--form", "float32", "-o", "plain", "--quiet"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    coded = corpora.authored()[0]
    small, plain = _logits(shipped_weights(), coded), _logits(Path("plain"), coded)
    assert 0 < np.linalg.norm(small - plain) < 0.2 * np.linalg.norm(plain)
    graph = onnx.load("plain/model.onnx").graph
    assert not [node for node in graph.node if node.op_type == "MatMulInteger"]


def test_a_form_that_changes_labels_is_not_written(
    model: Path,
    tiny_config: TrainingConfig,
    coded_sessions: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spoiled = build_network(tiny_config.encoder)
    spoiled.model.classifier.bias.data[:7] += 50.0  # calls every client turn a withdrawal

    def wrong(source: Path, target: Path) -> None:
        forms.write_onnx(spoiled, target)

    monkeypatch.setattr(export, "FORMS", {**forms.FORMS, "int8": wrong})
    with pytest.raises(ConfigError, match="choose another --form"):
        reexport(model, tmp_path / "small", form="int8", check_on=coded_sessions(2))
    assert not (tmp_path / "small").exists()
    first, *rest = reexport(model, tmp_path / "small", check_on=coded_sessions(2))
    assert (first.form, first.passed) == ("int8", False)
    assert rest[-1].passed


def test_a_finished_training_is_exported(
    tiny_config: TrainingConfig,
    coded_sessions: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage = dataclasses.replace(tiny_config.stages[0], epochs=1)
    config = dataclasses.replace(tiny_config, stages=(stage,))
    split = Split({"authored": coded_sessions(4)}, coded_sessions(2, first=50))
    work = tmp_path / "work"
    train_model(config, split, tmp_path / "model", work, tell=lambda line: None, quiet=True)
    monkeypatch.setattr(corpora, "authored", lambda: tuple(coded_sessions(3)))
    out = tmp_path / "float"
    words = ["export", str(work), "-o", str(out), "--form", "float32"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert "float32: " in result.stderr
    trained, exported = RuptureClassifier.load(tmp_path / "model"), RuptureClassifier.load(out)
    assert exported.name == trained.name == "tiny-1"
    assert exported.calibration == trained.calibration
    (check,) = json.loads((out / "export.json").read_text(encoding="utf-8"))
    assert check["f1_difference"] == 0

    (work / "stage-1" / "finished.json").unlink()
    with pytest.raises(ConfigError, match="found no finished stage-1"):
        reexport(work, tmp_path / "again", check_on=coded_sessions(1))


def test_wrong_usage_is_refused(model: Path, tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match="--form is one of int8, weights8, float32, weights4, got 'fp16'"
    ):
        reexport(model, tmp_path / "out", form="fp16", check_on=[])
    with pytest.raises(ConfigError, match="found neither"):
        reexport(tmp_path / "absent", tmp_path / "out", check_on=[])
    with pytest.raises(ConfigError, match="found the same"):
        reexport(model, model, check_on=[])
