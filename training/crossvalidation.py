"""Cross-validation over AnnoMI's folds: every figure of the model card comes from here.

Test fold k; fold k+1 for stopping, calibration and thresholds; the other three and the sessions
of our own for training. The exported model is what is scored, through the same code that labels a
user's transcripts. Every part is written as soon as it is done; a run that was killed goes on.
"""

import json
import platform
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from alliance.model.agreement import macro_f1, paired_difference
from alliance.model.classifier import RuptureClassifier
from alliance.model.errors import ConfigError, InputError
from alliance.model.memory import peak_memory_mb
from alliance.training.config import TrainingConfig
from alliance.training.corpora import CodedSession
from alliance.training.evaluation.figures import figures
from alliance.training.evaluation.predictions import Predictions, collect, concatenate, same_turns
from alliance.training.export import F1_TOLERANCE, RUPTURE_AGREEMENT, export_network
from alliance.training.files import write_json
from alliance.training.fitting import fit
from alliance.training.imitation import imitated_states
from alliance.training.processes import first_goes_ahead, is_first, wait_for_all
from alliance.training.rivals import baseline
from alliance.training.rules import uncalibrated, write_rules
from alliance.training.stages import train_network
from alliance.training.teacher import check_wanted, fold_models, identities, teach
from alliance.training.trainer import predict

FOLDS: Final = 5

UNCALIBRATED: Final = "test-uncalibrated.npz"
"""In a fold's folder: what its model says of the test sessions before it is calibrated."""

UNCALIBRATED_CAUSAL: Final = "test-causal-uncalibrated.npz"
"""The same in causal mode, for a network with a layer over the session."""

DEV: Final = "dev-uncalibrated.npz"
"""What it says of the development sessions before it is calibrated to that."""

DEV_CAUSAL: Final = "dev-causal-uncalibrated.npz"
"""The same in causal mode."""

IMITATED: Final = "imitated"
"""Folder of what an imitated encoder says of the sessions, beside the folds."""

Tell = Callable[[str], None]
"""Says in one line what is being done; a command prints it on stderr."""


def split(
    sessions: Sequence[CodedSession], test_fold: int
) -> tuple[list[CodedSession], list[CodedSession], list[CodedSession]]:
    """Sessions to train on, for development (the next fold) and to test on.

    Raises:
        ConfigError: if a session has no fold.
    """
    loose = [coded.id for coded in sessions if coded.fold is None]
    if loose:
        raise ConfigError(f"cross-validation needs a fold for every session; {loose[0]} has none")
    dev_fold = (test_fold + 1) % FOLDS
    return (
        [coded for coded in sessions if coded.fold not in (test_fold, dev_fold)],
        [coded for coded in sessions if coded.fold == dev_fold],
        [coded for coded in sessions if coded.fold == test_fold],
    )


def crossvalidate(
    config: TrainingConfig,
    annomi: Sequence[CodedSession],
    own: Mapping[str, Sequence[CodedSession]],
    folder: Path,
    *,
    folds: Iterable[int] = range(FOLDS),
    teachers: Sequence[Path] = (),
    resamples: int = 2000,
    tell: Tell,
    quiet: bool = False,
) -> dict[str, Any] | None:
    """Run the folds asked for, and write ``report.json`` once all five are there.

    Args:
        config: the recipe.
        annomi: the folded sessions.
        own: corpora by name that have no folds and are always trained on.
        folder: where everything goes; a run with the same recipe is taken up again.
        folds: which test folds to run now, so that several processes may share the work. The
            first stages, up to the one that draws from AnnoMI, are the same for all folds and
            trained once, unless teachers have a share in them.
        teachers: folders of cross-validations on the same folds, whose fold-k networks teach this
            one's (see ``training/teacher.py``).
        resamples: of the bootstrap.
        tell: told what is going on.
        quiet: no progress bar.

    Returns:
        The report, or None while folds are missing and in all processes but the first.

    Raises:
        ConfigError: if the folder holds a run with another recipe or other teachers, or a teacher
            may not teach.
    """
    check_wanted(config, teachers)
    folder.mkdir(parents=True, exist_ok=True)
    remember_teachers(folder, teachers)
    _remember(folder / "config.json", config)
    for fold in folds:
        if not 0 <= fold < FOLDS:
            raise ConfigError(f"folds are numbered 0 to {FOLDS - 1}, got {fold}")
        if not (folder / f"fold-{fold}" / "fold.json").is_file():
            tell(f"fold {fold}: training")
            _run_fold(config, annomi, own, folder, fold, teachers, tell, quiet=quiet)
            wait_for_all()
    done = all((folder / f"fold-{fold}" / "fold.json").is_file() for fold in range(FOLDS))
    if not (done and is_first()):
        return None
    tell("figures")
    report = _report(config, annomi, own, folder, resamples=resamples)
    write_json(folder / "report.json", report)
    return report


def _run_fold(
    config: TrainingConfig,
    annomi: Sequence[CodedSession],
    own: Mapping[str, Sequence[CodedSession]],
    folder: Path,
    fold: int,
    teachers: Sequence[Path],
    tell: Tell,
    *,
    quiet: bool,
) -> None:
    started = time.monotonic()
    place = folder / f"fold-{fold}"
    train, dev, test = split(annomi, fold)
    corpora = {"annomi": train, **own}
    taught = None
    if teachers:
        models = fold_models(teachers, fold, held={fold: test, (fold + 1) % FOLDS: dev})
        with first_goes_ahead():
            taught = teach(models, taught_corpora(config, corpora), place / "teacher", tell=tell)
    network, stages = train_network(
        config,
        corpora,
        dev,
        place,
        shared=folder / "shared",
        shared_stages=shared_stages(config, taught=bool(teachers)),
        taught=taught,
        imitation=partial(imitated_states, config, corpora, folder / IMITATED, tell=tell),
        quiet=quiet,
    )
    if not is_first():
        return
    tell(f"fold {fold}: calibration, thresholds, export")
    raw = predict(network, dev, name=config.name)
    calibration, decision = fit(raw.probabilities, raw.gold)
    checks = export_network(
        network,
        place / "model",
        name=f"{config.name}-fold-{fold}",
        calibration=calibration,
        decision=decision,
        check_on=dev,
        quantise=config.quantise,
    )
    model = place / "model"
    raw = uncalibrated(model, dev)
    raw.save(place / DEV)
    write_rules(model, raw)
    collect(RuptureClassifier.load(model), test).save(place / "test.npz")
    uncalibrated(model, test).save(place / UNCALIBRATED)
    if network.session is not None:
        tell(f"fold {fold}: causal mode")
        causal = uncalibrated(model, dev, causal=True)
        causal.save(place / DEV_CAUSAL)
        write_rules(model, causal, causal=True)
        uncalibrated(model, test, causal=True).save(place / UNCALIBRATED_CAUSAL)
    record = {
        "fold": fold,
        "stages": [asdict(stage) for stage in stages],
        "export": [asdict(check) for check in checks],
        "minutes": (time.monotonic() - started) / 60,
        "peak_memory_mb": peak_memory_mb(),
    }
    write_json(place / "fold.json", record)  # last: its presence says that the fold is done


def taught_corpora(
    config: TrainingConfig, corpora: Mapping[str, Sequence[CodedSession]]
) -> dict[str, Sequence[CodedSession]]:
    """The corpora that taught stages draw from: what teachers are asked about."""
    wanted = dict.fromkeys(name for stage in config.stages if stage.taught for name in stage.shares)
    return {name: corpora[name] for name in wanted if name not in config.untaught}


def shared_stages(config: TrainingConfig, *, taught: bool) -> int:
    """How many first stages no fold changes: they draw nothing from AnnoMI and have no teachers.

    Args:
        config: the recipe.
        taught: whether there are teachers.
    """
    for number, stage in enumerate(config.stages):
        if "annomi" in stage.shares or (taught and stage.taught):
            return number
    return len(config.stages)


def out_of_fold(folder: Path, *, file: str = "test.npz") -> Predictions:
    """The test predictions of all five folds: one for every AnnoMI turn that can be scored.

    Args:
        folder: of the cross-validation.
        file: which of a fold's predictions; :data:`UNCALIBRATED`, for example.

    Raises:
        InputError: if a fold is missing.
    """
    parts = []
    for fold in range(FOLDS):
        path = folder / f"fold-{fold}" / file
        if not path.is_file():
            raise InputError(
                f"{folder}: expected a finished cross-validation, found no {path.name} of fold "
                f"{fold}; run alliance crossvalidate first"
            )
        parts.append(Predictions.load(path))
    return concatenate(parts)


def best_epochs(folder: Path) -> int:
    """How many epochs of the last stage the folds kept: the median, by which to train on all."""
    kept = [_fold_record(folder, fold)["stages"][-1]["epochs"] for fold in range(FOLDS)]
    return round(float(np.median(kept)))


def refused_forms(folder: Path) -> frozenset[str]:
    """Forms of export that do not give the network's labels on the folds' development sessions.

    Judged by the means over the folds that tried a form: one fold holds some thirty withdrawals,
    of which a single one that tips over moves the F1 by more than the tolerance.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for fold in range(FOLDS):
        for check in _fold_record(folder, fold)["export"]:
            found.setdefault(check["form"], []).append(check)
    return frozenset(
        form
        for form, checks in found.items()
        if np.mean([check["f1_difference"] for check in checks]) > F1_TOLERANCE
        or np.mean([check["rupture_agreement"] for check in checks]) < RUPTURE_AGREEMENT
    )


def _fold_record(folder: Path, fold: int) -> dict[str, Any]:
    text = (folder / f"fold-{fold}" / "fold.json").read_text(encoding="utf-8")
    record: dict[str, Any] = json.loads(text)
    return record


def _report(
    config: TrainingConfig,
    annomi: Sequence[CodedSession],
    own: Mapping[str, Sequence[CodedSession]],
    folder: Path,
    *,
    resamples: int,
) -> dict[str, Any]:
    network = out_of_fold(folder)
    rival = out_of_fold_baseline(annomi, own, folder)
    if not same_turns(network, rival):
        raise RuntimeError("network and baseline were scored on different turns")
    difference = paired_difference(
        macro_f1,
        network.gold,
        rival.predicted,
        network.predicted,
        network.session,
        resamples=resamples,
    )
    return {
        "config": config.to_dict(),
        "folds": [_fold_record(folder, fold) for fold in range(FOLDS)],
        "network": figures(network, resamples=resamples),
        "baseline": figures(rival, resamples=resamples),
        "macro_f1_difference": {
            "value": difference.estimate,
            "low": difference.interval.low,
            "high": difference.interval.high,
        },
        "machine": machine(),
    }


def out_of_fold_baseline(
    annomi: Sequence[CodedSession], own: Mapping[str, Sequence[CodedSession]], folder: Path
) -> Predictions:
    """The TF-IDF rival's predictions by the largest probability, one for each scored turn.

    For each test fold it learns from the network's training sessions; the dev fold is unused. Kept
    in ``folder`` once made.
    """
    path = folder / "baseline.npz"
    if not path.is_file():
        parts = []
        for fold in range(FOLDS):
            train, _, test = split(annomi, fold)
            coded = [*train, *(session for corpus in own.values() for session in corpus)]
            parts.append(baseline.fit(coded).predict(test))
        concatenate(parts).save(path)
    return Predictions.load(path)


def _remember(path: Path, config: TrainingConfig) -> None:
    """Writes the recipe down, or checks that it is the one that the folder was begun with."""
    if not path.is_file():
        write_json(path, config.to_dict())
    elif not same_recipe(path, config):
        raise ConfigError(
            f"{path.parent}: expected the recipe that this folder was begun with ({path.name}), "
            f"found another; choose another output folder"
        )


def same_recipe(path: Path, config: TrainingConfig) -> bool:
    """Whether a recipe that was written down is ``config``.

    Fields that did not exist when it was written had what is now their default.
    """
    try:
        return TrainingConfig.from_dict(json.loads(path.read_text(encoding="utf-8"))) == config
    except ConfigError:
        return False


def remember_teachers(folder: Path, teachers: Sequence[Path]) -> None:
    """Write down who teaches the runs of a folder, or check that it is who taught them before.

    Raises:
        ConfigError: if it is not.
    """
    path, wanted = folder / "teachers.json", identities(teachers)
    if wanted and not (folder / "config.json").is_file():
        write_json(path, wanted)
    elif (json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []) != wanted:
        raise ConfigError(
            f"{folder}: expected the teachers that this folder was begun with, found others; name "
            f"the same --teacher folders in the same order, or choose another output folder"
        )


def machine() -> dict[str, Any]:
    """What the figures of time and memory were measured on."""
    import torch

    return {
        "system": platform.system(),
        "processor": platform.machine(),
        "threads": torch.get_num_threads(),
        "torch": str(torch.__version__),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }
