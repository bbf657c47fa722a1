"""A model folder: what is in it, and how it is read.

It holds ``model.onnx`` (the encoder), ``tokenizer.json``, ``config.json`` (format, name, codebook
version, packing), ``calibration.json`` and ``decision.json``, and for some models
``session.onnx``, the layer over the session (:mod:`alliance.model.session_layer`), and
``causal.json``, the calibration and thresholds of causal mode.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from alliance.model.backend import OnnxBackend
from alliance.model.calibration import Calibration
from alliance.model.codebook import CODEBOOK_VERSION, MARKER_ORDER
from alliance.model.decision import DecisionPolicy, Rules
from alliance.model.errors import ConfigError, ModelError
from alliance.model.packing import PackingConfig
from alliance.model.session_layer import SESSION_LAYER, OnnxSessionLayer
from alliance.model.tokens import TurnTokenizer

__all__ = ["CAUSAL_RULES", "LAYERED_FORMAT", "MODEL_FORMAT", "ModelFolder", "read_model_folder"]

MODEL_FORMAT: Final = 1
"""Changes when a model folder of an older version can no longer be read."""

LAYERED_FORMAT: Final = 2
"""The format of a folder with a session layer, which versions before it cannot read."""

CAUSAL_RULES: Final = "causal.json"
"""File of a model folder that has a calibration of its own for causal mode."""

_Settings = TypeVar("_Settings")


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """What was read from a folder.

    Attributes:
        name: the model's name and version.
        tokenizer, backend, packing, calibration, decision: its parts.
        layer: over the session; None where logits come from the encoder.
        causal: what holds in causal mode; None where nothing else does.
    """

    name: str
    tokenizer: TurnTokenizer
    backend: OnnxBackend
    packing: PackingConfig
    calibration: Calibration
    decision: DecisionPolicy
    layer: OnnxSessionLayer | None
    causal: Rules | None


def read_model_folder(folder: Path, *, threads: int | None, device: str) -> ModelFolder:
    """Read a model folder.

    Args:
        folder: one that ``alliance train`` wrote.
        threads: as in :class:`~alliance.model.backend.OnnxBackend`, like ``device``.
        device: ``cpu`` or ``cuda``.

    Raises:
        ModelError: if the folder is missing, incomplete or made for another version.
    """
    if not folder.is_dir():
        raise ModelError(f"{folder}: expected a model folder, found none; check --model")
    config = _read_json(folder / "config.json")
    known = config.get("format") in (MODEL_FORMAT, LAYERED_FORMAT)
    if not known or config.get("codebook") != CODEBOOK_VERSION:
        raise ModelError(
            f"{folder}: expected model format {MODEL_FORMAT} or {LAYERED_FORMAT} and codebook "
            f"{CODEBOOK_VERSION}, found {config.get('format')} and {config.get('codebook')}; "
            f"train it again with this version of alliance"
        )
    name, packing = _settings(folder / "config.json", _name_and_packing)
    tokenizer = TurnTokenizer.from_file(folder / "tokenizer.json")
    backend = OnnxBackend(folder / "model.onnx", threads=threads, device=device)
    layer = _session_layer(folder, config["format"])
    _check_width(folder / "model.onnx", backend.width, layer)
    causal = folder / CAUSAL_RULES
    return ModelFolder(
        name,
        tokenizer,
        backend,
        packing,
        calibration=_settings(folder / "calibration.json", Calibration.from_dict),
        decision=_settings(folder / "decision.json", DecisionPolicy.from_dict),
        layer=layer,
        causal=_settings(causal, Rules.from_dict) if causal.exists() else None,
    )


def _session_layer(folder: Path, found: int) -> OnnxSessionLayer | None:
    path = folder / SESSION_LAYER
    if found == LAYERED_FORMAT:
        return OnnxSessionLayer(path)
    if path.exists():
        raise ModelError(
            f"{path}: expected no session layer in a folder of format {found}, found one; use a "
            f"model that alliance train wrote"
        )
    return None


def _check_width(path: Path, width: int, layer: OnnxSessionLayer | None) -> None:
    """See that the encoder gives what is read from it."""
    if layer is not None and width != layer.width:
        raise ModelError(
            f"{path}: expected features (1, tokens, {layer.width}), as the session layer reads, "
            f"found {width} a token; use a model that alliance train wrote"
        )
    if layer is None and width != len(MARKER_ORDER):
        raise ModelError(
            f"{path}: expected logits (1, tokens, {len(MARKER_ORDER)}), one for each of the "
            f"codebook's codes, found {width} a token; use a model that alliance train wrote"
        )


def _name_and_packing(config: Mapping[str, Any]) -> tuple[str, PackingConfig]:
    return str(config["name"]), PackingConfig.from_dict(config["packing"])


def _settings(path: Path, build: Callable[[Mapping[str, Any]], _Settings]) -> _Settings:
    data = _read_json(path)
    try:
        return build(data)
    except (ConfigError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(
            f"{path}: expected the settings of a model folder, found others "
            f"({type(error).__name__}: {error}); use a model that alliance train wrote"
        ) from error


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(
            f"{path}: expected a file of a model folder, found none; check --model"
        ) from error
    try:
        data = json.loads(content)
    except ValueError as error:
        raise ModelError(
            f"{path}: expected JSON, found something else; use a model that alliance train wrote"
        ) from error
    if not isinstance(data, dict):
        raise ModelError(
            f"{path}: expected a JSON object, found {type(data).__name__}; "
            f"use a model that alliance train wrote"
        )
    return data
