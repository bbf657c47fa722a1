"""Exported models equal the networks they come from, and say so."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from alliance.model.calibration import Calibration
from alliance.model.classifier import RuptureClassifier
from alliance.model.decision import DecisionPolicy
from alliance.training import export
from alliance.training.config import TrainingConfig
from alliance.training.corpora import CodedSession
from alliance.training.export import export_network
from alliance.training.network import Network, TorchBackend, build_network, torch_layer

Make = Callable[..., list[CodedSession]]


def _export(network: Network, folder: Path, sessions: list[CodedSession], **options: str) -> list:
    return export_network(
        network,
        folder,
        name="tiny-1",
        calibration=Calibration(temperature=1.5),
        decision=DecisionPolicy(),
        check_on=sessions,
        **options,
    )


def _scores(network: Network, folder: Path, coded: CodedSession) -> tuple[np.ndarray, np.ndarray]:
    network.whole.eval()
    torch_classifier = RuptureClassifier(
        "torch",
        tokenizer=network.turn_tokenizer,
        backend=TorchBackend(network),
        layer=torch_layer(network),
        packing=network.packing,
    )
    loaded = RuptureClassifier.load(folder)
    assert loaded.packing == network.packing
    return torch_classifier.score(coded.session).logits, loaded.score(coded.session).logits


def test_the_float_form_gives_torchs_logits(
    tiny_config: TrainingConfig, coded_sessions: Make, tmp_path: Path
) -> None:
    network = build_network(tiny_config.encoder)
    sessions = coded_sessions(3)
    (check,) = _export(network, tmp_path / "model", sessions, quantise="none")
    assert check.form == "float32"
    assert check.passed
    expected, found = _scores(network, tmp_path / "model", sessions[0])
    assert found == pytest.approx(expected, abs=1e-5)


def test_int8_is_kept_when_the_labels_stay_the_same(
    tiny_config: TrainingConfig, coded_sessions: Make, tmp_path: Path
) -> None:
    network = build_network(tiny_config.encoder)
    sessions = coded_sessions(3)
    checks = _export(network, tmp_path / "model", sessions)
    assert [check.form for check in checks if check.passed]
    told = json.loads((tmp_path / "model" / "export.json").read_text(encoding="utf-8"))
    assert [entry["form"] for entry in told] == [check.form for check in checks]
    assert RuptureClassifier.load(tmp_path / "model").calibration.temperature == 1.5


def test_weights_alone_in_bytes_stay_near_the_float_logits(
    tiny_config: TrainingConfig,
    coded_sessions: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = build_network(tiny_config.encoder)
    monkeypatch.setattr(export, "TRIED", ("weights8",))
    (check,) = _export(network, tmp_path / "model", coded_sessions(3))
    assert check.form == "weights8"
    expected, found = _scores(network, tmp_path / "model", coded_sessions(1)[0])
    assert found == pytest.approx(expected, abs=0.02)
    assert not np.array_equal(found, expected)  # it is quantised


def test_a_form_that_changes_labels_is_refused(
    tiny_config: TrainingConfig,
    coded_sessions: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch.manual_seed(0)  # a head that calls client turns a withdrawal would not be spoiled
    network = build_network(tiny_config.encoder)
    spoiled = build_network(tiny_config.encoder)
    spoiled.model.classifier.bias.data[:7] += 50.0  # calls every client turn a withdrawal

    def wrong(source: Path, target: Path) -> None:
        export.write_onnx(spoiled, target)

    monkeypatch.setattr(export, "FORMS", {**export.FORMS, "int8": wrong})
    monkeypatch.setattr(export, "TRIED", ("int8", "float32"))
    checks = _export(network, tmp_path / "model", coded_sessions(3))
    assert [(check.form, check.passed) for check in checks] == [
        ("int8", False),
        ("float32", True),
    ]
    expected, found = _scores(network, tmp_path / "model", coded_sessions(1)[0])
    assert found == pytest.approx(expected, abs=1e-5)


def test_a_model_folder_is_replaced_whole(
    tiny_config: TrainingConfig, coded_sessions: Make, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "left-over.txt").write_text("old", encoding="utf-8")
    _export(build_network(tiny_config.encoder), folder, coded_sessions(2), quantise="none")
    assert sorted(path.name for path in folder.iterdir()) == [
        "calibration.json",
        "config.json",
        "decision.json",
        "export.json",
        "model.onnx",
        "tokenizer.json",
    ]
    assert list(tmp_path.iterdir()) == [folder]
