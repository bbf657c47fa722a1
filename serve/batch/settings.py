"""What the labels of a batch depend on, besides its inputs."""

import hashlib
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from alliance.model.codebook import CODEBOOK_VERSION
from alliance.model.labelled import Purpose
from alliance.serve.inputs import Reading

__all__ = ["BatchSettings", "changed", "model_files", "versions", "weights_digest"]

_PACKAGES: Final = ("alliance-rupture", "onnxruntime", "tokenizers", "numpy")


@dataclass(frozen=True, slots=True)
class BatchSettings:
    """Settings of a batch. Two runs with equal ones give the same rows for the same input.

    Attributes:
        model: the model's name.
        weights: SHA-256 over the files of its folder; None for a labeller without a folder.
        purpose: chooses the decision thresholds.
        include_text: whether the rows hold what was said.
        reading: how the inputs are read.
        device: what the encoder runs on, ``cpu`` or ``cuda``.
    """

    model: str
    weights: str | None
    purpose: Purpose
    include_text: bool
    reading: Reading
    device: str = "cpu"

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values by what the user calls them; equal for equal settings alone."""
        return {
            "--model": [self.model, self.weights, CODEBOOK_VERSION],
            "--purpose": self.purpose.value,
            "--no-text": not self.include_text,
            "--role": {name: role.value for name, role in sorted(self.reading.roles.items())},
            "--column": dict(sorted(self.reading.columns.items())),
            "--encoding": self.reading.encoding,
            "--input-format": self.reading.format,
            "device": self.device,
            "versions": versions(),
        }


def changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The names of settings that differ."""
    return [name for name in now if before.get(name) != now[name]]


def model_files(folder: Path) -> dict[str, bytes]:
    """A model folder's files, by name."""
    return {
        path.name: path.read_bytes()
        for path in sorted(folder.iterdir())
        if path.suffix in (".onnx", ".json")
    }


def weights_digest(folder: Path) -> str:
    """SHA-256 over a model folder's files, their names included."""
    digest = hashlib.sha256()
    for name, content in model_files(folder).items():
        digest.update(name.encode() + b"\0" + hashlib.sha256(content).digest())
    return digest.hexdigest()


def versions() -> dict[str, str]:
    """Versions of what has a part in the labels, and the kind of machine."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # onnxruntime has sister distributions, such as -gpu
            found[name] = "unknown"
    found["platform"] = f"{platform.system()} {platform.machine()}"
    return found
