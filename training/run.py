"""One training run from coded sessions to a model folder: what ``alliance train`` does."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np

from alliance.model.errors import ConfigError
from alliance.training.config import TrainingConfig
from alliance.training.corpora import CodedSession
from alliance.training.crossvalidation import (
    IMITATED,
    UNCALIBRATED,
    UNCALIBRATED_CAUSAL,
    Tell,
    best_epochs,
    out_of_fold,
    refused_forms,
    remember_teachers,
    same_recipe,
    shared_stages,
    taught_corpora,
)
from alliance.training.export import ExportCheck, copy_model, export_network
from alliance.training.files import write_json
from alliance.training.fitting import fit
from alliance.training.imitation import imitated_states
from alliance.training.processes import first_goes_ahead, is_first
from alliance.training.rules import uncalibrated, write_rules
from alliance.training.stages import train_network
from alliance.training.teacher import all_models, check_wanted, teach
from alliance.training.trainer import predict


@dataclass(frozen=True, slots=True)
class Split:
    """Sessions to train on, by corpus, and those held out for stopping and calibration."""

    train: Mapping[str, Sequence[CodedSession]]
    dev: Sequence[CodedSession]


def hold_out(
    corpora: Mapping[str, Sequence[CodedSession]], corpus: str, *, share: float, seed: int
) -> Split:
    """Hold out whole sessions of one corpus, drawn by the seed.

    Args:
        corpora: coded sessions by corpus name.
        corpus: the one that held-out sessions come from: the one that is most like what the
            model will be used on.
        share: share (0-1) of its sessions; at least one is held out and one is kept.
        seed: of the draw.

    Raises:
        ConfigError: if the corpus has fewer than two sessions.
    """
    sessions = corpora[corpus]
    if len(sessions) < 2:
        raise ConfigError(f"holding out needs at least two sessions of {corpus}")
    order = np.random.default_rng(seed).permutation(len(sessions))
    count = min(len(sessions) - 1, max(1, round(share * len(sessions))))
    held = frozenset(order[:count].tolist())
    kept = [coded for place, coded in enumerate(sessions) if place not in held]
    return Split(
        {**corpora, corpus: kept}, [coded for place, coded in enumerate(sessions) if place in held]
    )


def train_model(
    config: TrainingConfig,
    split: Split,
    folder: Path,
    work: Path,
    *,
    tell: Tell,
    quiet: bool = False,
) -> list[ExportCheck]:
    """Train, calibrate and choose thresholds on the held-out sessions, and write a model folder.

    Args:
        config: the recipe.
        split: from :func:`hold_out`; its dev sessions must not be empty.
        folder: the model folder to write.
        work: where checkpoints go, so that a run that was killed goes on; it also gets the recipe
            and a copy of the model, so that ``alliance export`` can make other forms of it.
        tell: told what is going on.
        quiet: no progress bar.
    """
    tell("training")
    network, _ = train_network(
        config,
        split.train,
        split.dev,
        work,
        imitation=partial(imitated_states, config, split.train, work / IMITATED, tell=tell),
        quiet=quiet,
    )
    if not is_first():
        return []
    tell("calibration, thresholds, export")
    raw = predict(network, split.dev, name=config.name)
    calibration, decision = fit(raw.probabilities, raw.gold)
    checks = export_network(
        network,
        folder,
        name=config.name,
        calibration=calibration,
        decision=decision,
        check_on=split.dev,
        quantise=config.quantise,
    )
    write_rules(folder, uncalibrated(folder, split.dev))
    if network.session is not None:
        write_rules(folder, uncalibrated(folder, split.dev, causal=True), causal=True)
    write_json(work / "config.json", config.to_dict())
    copy_model(folder, work / "model")
    return checks


def train_on_all(
    config: TrainingConfig,
    corpora: Mapping[str, Sequence[CodedSession]],
    crossvalidation: Path,
    folder: Path,
    *,
    teachers: Sequence[Path] = (),
    tell: Tell,
    quiet: bool = False,
) -> list[ExportCheck]:
    """Train on all folds with a cross-validated recipe: how the shipped weights are made.

    The last stage ends after the folds' median number of epochs; calibration and thresholds are
    fitted to the pooled out-of-fold probabilities, since no session is left to hold out. For the
    same reason, a form that changed the labels of some fold's unseen sessions is not tried.

    Args:
        config: the recipe that the cross-validation ran.
        corpora: all coded sessions by corpus name.
        crossvalidation: the folder of the finished cross-validation.
        folder: the model folder to write; ``all/model`` in the cross-validation's folder gets a
            copy, by which a student can be taught.
        teachers: the folders whose fold networks taught the cross-validation's; here the networks
            teach that were trained on all folds.
        tell: told what is going on.
        quiet: no progress bar.

    Raises:
        ConfigError: if the cross-validation ran another recipe or with other teachers, or a
            teacher has no network trained on all folds.
    """
    check_wanted(config, teachers)
    if not same_recipe(crossvalidation / "config.json", config):
        raise ConfigError(f"{crossvalidation}: expected a cross-validation of this recipe")
    remember_teachers(crossvalidation, teachers)
    taught = None
    if teachers:
        wanted = taught_corpora(config, corpora)
        place = crossvalidation / "all" / "teacher"
        with first_goes_ahead():
            taught = teach(all_models(teachers), wanted, place, tell=tell)
    last, epochs = config.stages[-1], best_epochs(crossvalidation)
    if last.patience:
        last = dataclasses.replace(last, patience=0, stop_after=epochs)
    final = dataclasses.replace(config, stages=(*config.stages[:-1], last))
    shared = crossvalidation / "shared"
    tell(f"training on all folds, {epochs} epochs in the last stage")
    network, _ = train_network(
        final,
        corpora,
        [],
        crossvalidation / "all",
        shared=shared if shared.is_dir() else None,
        shared_stages=shared_stages(config, taught=bool(teachers)),
        taught=taught,
        imitation=partial(imitated_states, config, corpora, crossvalidation / IMITATED, tell=tell),
        quiet=quiet,
    )
    if not is_first():
        return []
    tell("calibration, thresholds, export")
    raw = out_of_fold(crossvalidation, file=UNCALIBRATED)
    calibration, decision = fit(raw.probabilities, raw.gold)
    checks = export_network(
        network,
        folder,
        name=config.name,
        calibration=calibration,
        decision=decision,
        check_on=corpora[next(iter(config.stages[-1].shares))],
        quantise=config.quantise,
        refused=refused_forms(crossvalidation),
    )
    if network.session is not None:
        raw = out_of_fold(crossvalidation, file=UNCALIBRATED_CAUSAL)
        write_rules(folder, raw, causal=True)
    copy_model(folder, crossvalidation / "all" / "model")
    write_json(crossvalidation / "export.json", [asdict(check) for check in checks])
    return checks
