"""A model folder that is incomplete, broken or of another version is refused in one sentence."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alliance.model import classifier as classifier_module
from alliance.model.classifier import RuptureClassifier
from alliance.model.errors import ModelError


@pytest.fixture
def folder(stub: Path, tmp_path: Path) -> Path:
    """A copy of the stub, to be broken."""
    return Path(shutil.copytree(stub, tmp_path / "model"))


FILES = ["config.json", "calibration.json", "decision.json", "tokenizer.json", "model.onnx"]


@pytest.mark.parametrize("name", FILES)
def test_an_incomplete_folder_is_refused(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ModelError, match=rf"model.{name}: expected an? .*, found (none|no file)"):
        RuptureClassifier.load(folder)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00 garbage", b"[1, 2]", b"{}"])
def test_a_broken_file_is_refused(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(ModelError, match=r"expected .* found .*train") as caught:
        RuptureClassifier.load(folder)
    # An empty object of settings is one without a version: the folder is named.
    assert str(caught.value).startswith(str(folder))


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="absent: expected a model folder, found none"):
        RuptureClassifier.load(tmp_path / "absent")
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(ModelError, match="file: expected a model folder, found none"):
        RuptureClassifier.load(str(tmp_path / "file"))


def change(path: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    data = json.loads(path.read_text(encoding="utf-8"))
    edit(data)
    path.write_text(json.dumps(data), encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "edit", "message"),
    [
        ("config", {"format": 0}, "expected model format 1 or 2 and codebook 1, found 0 and 1"),
        ("config", {"codebook": "0"}, "and codebook 1, found 1 and 0; train it again"),
        ("config", {"packing": {}}, r"config\.json: expected the settings .*KeyError"),
        ("config", {"packing": None}, r"config\.json: expected the settings .*TypeError"),
        ("calibration", {"temperature": 0}, r"calibration\.json: .*must be positive, got 0"),
        ("calibration", {"bias": {}}, r"calibration\.json: expected the settings .*KeyError"),
        ("calibration", {"temperature": "hot"}, r"calibration\.json: .*ValueError"),
        ("decision", {"hurry": {}}, r"decision\.json: .*'hurry' is not a valid Purpose"),
        ("decision", {"research": None}, r"decision\.json: expected the settings .*TypeError"),
    ],
)
def test_settings_of_another_version_are_refused(
    folder: Path, name: str, edit: dict[str, Any], message: str
) -> None:
    change(folder / f"{name}.json", lambda data: data.update(edit))
    with pytest.raises(ModelError, match=message):
        RuptureClassifier.load(folder)


def test_settings_with_an_unknown_size_are_refused(folder: Path) -> None:
    change(folder / "config.json", lambda data: data["packing"].update(stride=3))
    with pytest.raises(ModelError, match=r"config\.json: expected the settings .*stride"):
        RuptureClassifier.load(folder)


def test_without_a_path_the_shipped_weights_are_loaded(
    monkeypatch: pytest.MonkeyPatch, stub: Path, tmp_path: Path
) -> None:
    monkeypatch.setattr(classifier_module, "shipped_weights", lambda: stub)
    assert RuptureClassifier.load().name == "stub-1"
    monkeypatch.setattr(classifier_module, "shipped_weights", lambda: tmp_path)
    with pytest.raises(ModelError, match=r"config\.json: expected a file of a model folder"):
        RuptureClassifier.load()
