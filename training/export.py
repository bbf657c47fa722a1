"""From a trained network to a model folder: ONNX, quantised if that changes no label."""

import copy
import shutil
import tempfile
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np

from alliance.model.agreement import confusion_matrix, f1
from alliance.model.calibration import Calibration
from alliance.model.classifier import RuptureClassifier
from alliance.model.codebook import CODEBOOK_VERSION, LABELS
from alliance.model.decision import DecisionPolicy, Rules
from alliance.model.errors import ConfigError
from alliance.model.labelled import Purpose
from alliance.model.model_folder import CAUSAL_RULES, LAYERED_FORMAT, MODEL_FORMAT
from alliance.model.session_layer import SESSION_LAYER
from alliance.training.corpora import CodedSession
from alliance.training.evaluation.predictions import Predictions, collect
from alliance.training.files import write_json
from alliance.training.forms import (
    FORMS,
    ROUNDED,
    TRIED,
    without_chatter,
    write_onnx,
    write_session_layer,
)
from alliance.training.network import Network
from alliance.training.rounding import round_weights, windows_to_read
from alliance.training.trainer import predict

F1_TOLERANCE: Final = 0.01
"""Every label's F1 of the exported model lies this near to torch's, or the form is refused."""

RUPTURE_AGREEMENT: Final = 0.95
"""Least share of turns, of those that either calls a rupture, on which the two agree."""


@dataclass(frozen=True, slots=True)
class ExportCheck:
    """How an exported form compares with the torch network on the same sessions.

    Attributes:
        form: a key of :data:`alliance.training.forms.FORMS`.
        turns: turns compared.
        f1_difference: largest difference of a label's F1, absolute.
        rupture_agreement: of turns that either calls a rupture, the share on which both say the
            same label; 1 where neither finds any.
        megabytes: size of the networks, encoder and layer, in 10^6 bytes.
        passed: whether the differences stay within the bounds of this module.
    """

    form: str
    turns: int
    f1_difference: float
    rupture_agreement: float
    megabytes: float
    passed: bool


def export_network(
    network: Network,
    folder: Path,
    *,
    name: str,
    calibration: Calibration,
    decision: DecisionPolicy,
    check_on: Sequence[CodedSession],
    quantise: str = "int8",
    refused: Collection[str] = (),
    form: str | None = None,
    causal: Rules | None = None,
) -> list[ExportCheck]:
    """Write a model folder in the first form that passes the equality check.

    Args:
        network: the trained network.
        folder: where to write; replaced whole.
        name: the model's name and version.
        calibration: saved with it, and used for the check.
        decision: saved with it, and used for the check.
        check_on: sessions on which the forms are compared with torch.
        quantise: as the recipe has it: ``int8`` to try forms in turn, ``none`` for float32 at
            once, ``weights4`` for that form of a network whose training ended with the rounding.
        refused: forms not to try, because they failed elsewhere.
        form: the only form to try, whatever the other two say; refused if its check fails. For
            ``weights4`` the weights are rounded first (:mod:`alliance.training.rounding`).
        causal: saved with it, if anything else holds in causal mode.

    Returns:
        The checks made, in order; the last one is of the form that was kept. A float32 form is
        kept even if its check fails, and the check says so.

    Raises:
        ConfigError: if the network cannot be exported, or ``form`` fails its check.
    """
    expected = predict(network, check_on, name="torch", calibration=calibration, decision=decision)
    folder.parent.mkdir(parents=True, exist_ok=True)
    tried: Sequence[str] = () if form is None else (form,)
    if form is None and quantise == ROUNDED:
        tried = (ROUNDED,)
    elif form is None and quantise == "int8":
        tried = [known for known in TRIED if known not in refused]
    if form == ROUNDED:
        network = copy.deepcopy(network)
        round_weights(network, windows_to_read(network))
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        plain = Path(scratch) / "plain.onnx"
        write_onnx(network, plain)
        layer = None
        if network.session is not None:
            layer = Path(scratch) / SESSION_LAYER
            write_session_layer(network, layer)
        return write_forms(
            plain,
            folder,
            forms=tried,
            must_pass=form is not None,
            settings=lambda built: write_settings(
                network, built, name, calibration, decision, layer=layer, causal=causal
            ),
            expected=expected,
            check_on=check_on,
        )


def write_forms(
    plain: Path,
    folder: Path,
    *,
    forms: Sequence[str],
    settings: Callable[[Path], None],
    expected: Predictions,
    check_on: Sequence[CodedSession],
    must_pass: bool = False,
) -> list[ExportCheck]:
    """Write a model folder in the first of some forms that passes the equality check.

    Args:
        plain: the float32 export.
        folder: where to write; replaced whole.
        forms: keys of ``FORMS``, tried in this order; none stand for float32.
        settings: writes everything of a model folder but the network into the folder it is given.
        expected: what the network says of ``check_on``.
        check_on: sessions on which the forms are compared.
        must_pass: write nothing if no form passes; else the last one is kept.

    Returns:
        The checks made, in order.

    Raises:
        ConfigError: if ``must_pass`` and no form passes.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    checks: list[ExportCheck] = []
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        for form in forms or ["float32"]:
            built = Path(scratch) / form
            built.mkdir()
            with without_chatter():
                FORMS[form](plain, built / "model.onnx")
            settings(built)
            checks.append(_compare(built, form, expected, check_on))
            if checks[-1].passed:
                break
        last = checks[-1]
        if must_pass and not last.passed:
            raise ConfigError(
                f"expected the form {last.form} to label as the network does, found F1 that "
                f"differ by up to {last.f1_difference:.3f} and agreement on "
                f"{last.rupture_agreement:.1%} of rupture turns; choose another --form"
            )
        write_json(built / "export.json", [asdict(check) for check in checks])
        if folder.exists():
            shutil.rmtree(folder)
        shutil.move(built, folder)
    return checks


def copy_model(source: Path, target: Path) -> None:
    """Copy a model folder, in place of one that is there, whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        copied = Path(shutil.copytree(source, Path(scratch) / "model"))
        if target.exists():
            shutil.rmtree(target)
        shutil.move(copied, target)


def write_settings(
    network: Network,
    folder: Path,
    name: str,
    calibration: Calibration,
    decision: DecisionPolicy,
    *,
    layer: Path | None = None,
    causal: Rules | None = None,
) -> None:
    """Everything of a model folder but the encoder itself.

    Args:
        network: for tokenizer and packing.
        folder: where to write.
        name: the model's name and version.
        calibration: saved with it.
        decision: saved with it.
        layer: the exported layer over the session, if there is one.
        causal: what holds in causal mode, if it is something else.
    """
    if layer is not None:
        shutil.copyfile(layer, folder / SESSION_LAYER)
    network.tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    config = {
        "format": MODEL_FORMAT if layer is None else LAYERED_FORMAT,
        "name": name,
        "codebook": CODEBOOK_VERSION,
        "packing": network.packing.to_dict(),
    }
    write_json(folder / "config.json", config)
    write_json(folder / "calibration.json", calibration.to_dict())
    write_json(folder / "decision.json", decision.to_dict())
    if causal is not None:
        write_json(folder / CAUSAL_RULES, causal.to_dict())


def network_megabytes(folder: Path) -> float:
    """Size of a model folder's networks, encoder and layer over the session, in 10^6 bytes."""
    return sum(path.stat().st_size for path in folder.glob("*.onnx")) / 1e6


def _compare(
    folder: Path, form: str, expected: Predictions, sessions: Sequence[CodedSession]
) -> ExportCheck:
    found = collect(RuptureClassifier.load(folder), sessions, purpose=Purpose.RESEARCH)
    difference = np.abs(
        f1(confusion_matrix(expected.gold, expected.predicted))
        - f1(confusion_matrix(found.gold, found.predicted))
    )
    rupture = np.array([label.is_rupture for label in LABELS])
    either = rupture[expected.predicted] | rupture[found.predicted]
    same = (expected.predicted == found.predicted)[either]
    agreement = float(same.mean()) if either.any() else 1.0
    largest = float(np.nanmax(difference, initial=0.0))
    return ExportCheck(
        form=form,
        turns=len(found.gold),
        f1_difference=largest,
        rupture_agreement=agreement,
        megabytes=network_megabytes(folder),
        passed=largest <= F1_TOLERANCE and agreement >= RUPTURE_AGREEMENT,
    )
