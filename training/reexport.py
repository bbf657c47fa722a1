"""A model folder made of a finished training run, or of another model folder in another form.

Stronger weights than the shipped ones are too large to come with the package; whoever has trained
them offers them as such a folder.
"""

import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from safetensors.torch import load_model

from alliance.model.classifier import RuptureClassifier
from alliance.model.errors import ConfigError
from alliance.model.model_folder import CAUSAL_RULES
from alliance.model.session_layer import SESSION_LAYER
from alliance.training.config import TrainingConfig
from alliance.training.corpora import CodedSession
from alliance.training.evaluation.predictions import collect
from alliance.training.export import ExportCheck, copy_model, export_network, write_forms
from alliance.training.forms import FORMS, ROUNDED, TRIED
from alliance.training.four_bits import write_unpacked
from alliance.training.network import build_network

_SETTINGS = ("tokenizer.json", "config.json", "calibration.json", "decision.json")


def reexport(
    source: Path, folder: Path, *, form: str | None = None, check_on: Sequence[CodedSession]
) -> list[ExportCheck]:
    """Write a model folder.

    Args:
        source: a model folder, or the folder of a finished training: ``fold-0`` or ``all`` of a
            cross-validation, or what ``alliance train --work`` named. A training that was exported
            once holds the network's calibration and thresholds in its folder ``model``.
        folder: the model folder to write; replaced whole.
        form: a key of ``FORMS``, which is written or refused; None takes the first that passes.
        check_on: sessions on which the form is compared with what it was made of.

    Returns:
        The checks made, in order; none where the form is the source's own. Packed weights are
        turned back to float32 whatever the check says.

    Raises:
        ConfigError: if the source is neither, the form is unknown or changes labels, or the
            source is quantised already.
    """
    if form is not None and form not in FORMS:
        raise ConfigError(f"--form is one of {', '.join(FORMS)}, got {form!r}")
    if folder.resolve() in (source.resolve(), *source.resolve().parents):
        raise ConfigError(f"{folder}: expected another folder than the source's, found the same")
    if (source / "model.onnx").is_file():
        return _from_model(source, folder, form, check_on)
    if (source / "model" / "model.onnx").is_file():
        return _from_training(source, folder, form, check_on)
    raise ConfigError(
        f"{source}: expected a model folder or a finished training, found neither; name one that "
        f"alliance train wrote, or fold-0 of a cross-validation"
    )


def _from_model(
    source: Path, folder: Path, form: str | None, check_on: Sequence[CodedSession]
) -> list[ExportCheck]:
    own = str(_json(source / "export.json")[-1]["form"])
    if own == form or (form is None and own != "float32"):
        copy_model(source, folder)
        return []
    if own not in ("float32", ROUNDED):
        raise ConfigError(
            f"{source}: expected a model in float32 or {ROUNDED}, found one in {own}, which cannot "
            f"be made into {form}; export it from the folder of its training"
        )

    def settings(built: Path) -> None:
        optional = (SESSION_LAYER, CAUSAL_RULES)
        for name in (*_SETTINGS, *optional):
            if name not in optional or (source / name).is_file():
                shutil.copyfile(source / name, built / name)

    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        plain = source / "model.onnx"
        if own == ROUNDED:
            plain = Path(scratch) / "plain.onnx"
            write_unpacked(source / "model.onnx", plain)
        return write_forms(
            plain,
            folder,
            forms=TRIED if form is None else [form],
            settings=settings,
            expected=collect(RuptureClassifier.load(source), check_on),
            check_on=check_on,
            # Its weights in float32 are what a form with fewer bits stands for.
            must_pass=(own, form) != (ROUNDED, "float32"),
        )


def _from_training(
    source: Path, folder: Path, form: str | None, check_on: Sequence[CodedSession]
) -> list[ExportCheck]:
    recipe = source / "config.json"
    if not recipe.is_file():
        recipe = source.parent / "config.json"
    config = TrainingConfig.from_dict(_json(recipe))
    stage = f"stage-{len(config.stages)}"
    finished = [
        place / stage
        for place in (source, source.parent / "shared")
        if (place / stage / "finished.json").is_file()
    ]
    if not finished:
        raise ConfigError(
            f"{source}: expected a finished training, found no finished {stage}; run it to its end"
        )
    network = build_network(config.encoder, config.session, imitated=config.imitated)
    load_model(network.whole, finished[0] / "finished.safetensors")
    known = RuptureClassifier.load(source / "model")
    return export_network(
        network,
        folder,
        name=known.name,
        calibration=known.calibration,
        decision=known.decision,
        check_on=check_on,
        form=form,
        causal=known.causal,
    )


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{path}: expected a file that alliance train wrote, found none; name its folder"
        ) from error
