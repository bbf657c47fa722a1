"""The rivals of a cross-validated model, made on the same splits: what its figures stand beside.

Each rival is fitted on the sessions that the model of the fold was trained on, is calibrated and
gets its thresholds on the same development fold, and predicts the same test fold. Every fold is
written as soon as it is done; a run that was killed goes on.
"""

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from alliance.model.calibration import Calibration
from alliance.model.classifier import RuptureClassifier
from alliance.model.decision import DecisionPolicy, Rules
from alliance.model.errors import ConfigError, InputError
from alliance.model.labelled import Purpose
from alliance.training.base import find_base
from alliance.training.config import TrainingConfig
from alliance.training.corpora import CodedSession
from alliance.training.crossvalidation import FOLDS, IMITATED, Tell, same_recipe, split
from alliance.training.embeddings import embed_each
from alliance.training.evaluation.predictions import (
    Classifier,
    Predictions,
    collect,
    concatenate,
)
from alliance.training.files import write_json
from alliance.training.fitting import fit
from alliance.training.imitation import reader
from alliance.training.network import use_bf16
from alliance.training.rivals import baseline, frozen, sequence
from alliance.training.rivals.plain import Majority
from alliance.training.rivals.shown import ShownTurns
from alliance.training.trainer import mean_average_precision

__all__ = ["RIVALS", "Rival", "decided", "make_rivals", "recipe"]

CONTEXT_BEFORE: Final = 4
"""Turns before the labelled one in the window of its own (k = 4)."""


@dataclass(frozen=True, slots=True)
class Fold:
    """What a rival of one fold is made from.

    Attributes:
        number: the test fold.
        train, dev, test: its sessions; ``train`` holds those of our own too.
        config: the recipe of the model it is a rival of.
        model: that model's folder.
        sessions: all sessions, for what is made once for every fold.
        store: a folder for that.
        imitated: the folder of what :data:`sequence.ENCODER` says of sessions, where the model
            learnt to say it, too.
        threads: of the model's runtime; None takes all cores.
        tell: told what takes long.
    """

    number: int
    train: Sequence[CodedSession]
    dev: Sequence[CodedSession]
    test: Sequence[CodedSession]
    config: TrainingConfig
    model: Path
    sessions: Sequence[CodedSession]
    store: Path
    imitated: Path | None
    threads: int | None
    tell: Tell


@dataclass(frozen=True, slots=True)
class Rival:
    """One rival.

    Attributes:
        key: name of its files.
        name: what it is, as reports say it.
        predict: its predictions on the fold's test sessions.
        base: an encoder that it needs and that does not come with the package; where that is not
            at hand, the rival is left out unless it is asked for.
    """

    key: str
    name: str
    predict: Callable[[Fold], Predictions]
    base: str | None = None


def decided(
    raw: Predictions, dev: Predictions, *, purpose: Purpose = Purpose.RESEARCH
) -> Predictions:
    """Predictions calibrated and decided by what is best on development sessions, as ours are.

    Args:
        raw: uncalibrated, on test sessions.
        dev: uncalibrated, on development sessions.
        purpose: whose thresholds decide.

    Returns:
        The same turns with new probabilities and labels, and without markers.
    """
    return raw.decided_by(Rules(*fit(dev.probabilities, dev.gold)), purpose=purpose)


def make_rivals(
    crossvalidation: Path,
    annomi: Sequence[CodedSession],
    own: Mapping[str, Sequence[CodedSession]],
    folder: Path,
    *,
    only: Sequence[str] | None = None,
    threads: int | None = None,
    tell: Tell,
) -> dict[str, Predictions]:
    """Make the rivals of a finished cross-validation.

    Writes ``KEY/fold-K.npz`` for every rival and fold, and ``KEY.npz`` with all five, each named
    by the rival.

    Args:
        crossvalidation: folder that ``alliance crossvalidate`` wrote.
        annomi: the folded sessions.
        own: corpora by name that have no folds and are always trained on.
        folder: where everything goes; a run on the same recipe is taken up again.
        only: keys of the rivals to make; by default all of :data:`RIVALS` whose encoder is at
            hand.
        threads: of the model's runtime; None takes all cores.
        tell: told what is going on.

    Returns:
        The out-of-fold predictions of each rival, by key.

    Raises:
        InputError: if the cross-validation is not there or lacks a fold.
        ConfigError: if a key is unknown, the folder was begun for another recipe, or the encoder
            of a rival that was asked for is not at hand.
    """
    chosen = {rival.key: rival for rival in RIVALS}
    unknown = [key for key in only or () if key not in chosen]
    if unknown:
        raise ConfigError(f"expected a rival of {', '.join(chosen)}, found {unknown[0]!r}")
    config = recipe(crossvalidation)
    unfolded = [coded for corpus in own.values() for coded in corpus]
    folder.mkdir(parents=True, exist_ok=True)
    _remember(folder / "config.json", config)
    out = {}
    for key in only or chosen:
        rival = chosen[key]
        if rival.base is not None and not (folder / f"{key}.npz").is_file():
            try:
                find_base(rival.base)
            except ConfigError as error:
                if only:
                    raise
                tell(f"left out: {rival.name} ({error})")
                continue
        (folder / key).mkdir(exist_ok=True)
        parts = []
        for number in range(FOLDS):
            path = folder / key / f"fold-{number}.npz"
            if not path.is_file():
                tell(f"{rival.name}: fold {number}")
                train, dev, test = split(annomi, number)
                fold = Fold(
                    number,
                    [*train, *unfolded],
                    dev,
                    test,
                    config,
                    crossvalidation / f"fold-{number}" / "model",
                    [*annomi, *unfolded],
                    folder,
                    _imitated(crossvalidation, config),
                    threads,
                    tell,
                )
                dataclasses.replace(rival.predict(fold), model=rival.name).save(path)
            parts.append(Predictions.load(path))
        out[key] = concatenate(parts)
        out[key].save(folder / f"{key}.npz")
    return out


def recipe(crossvalidation: Path) -> TrainingConfig:
    """The recipe of a finished cross-validation.

    Raises:
        InputError: if it is not there or lacks a fold.
    """
    path = crossvalidation / "config.json"
    missing = [
        fold
        for fold in range(FOLDS)
        if not (crossvalidation / f"fold-{fold}" / "fold.json").is_file()
    ]
    if not path.is_file() or missing:
        raise InputError(
            f"{crossvalidation}: expected a finished cross-validation, found "
            f"{f'no fold {missing[0]}' if missing else 'no config.json'}; run alliance "
            f"crossvalidate first"
        )
    return TrainingConfig.from_dict(json.loads(path.read_text(encoding="utf-8")))


def _imitated(crossvalidation: Path, config: TrainingConfig) -> Path | None:
    same = reader(config.imitation) == sequence.ENCODER
    same = same and config.imitation.layers == sequence.LAYERS
    return crossvalidation / IMITATED if config.imitated and same else None


def _remember(path: Path, config: TrainingConfig) -> None:
    if not path.is_file():
        write_json(path, config.to_dict())
    elif not same_recipe(path, config):
        raise ConfigError(
            f"{path.parent}: expected rivals of a model of this recipe, found those of another; "
            f"choose another output folder"
        )


def _majority(fold: Fold) -> Predictions:
    # Nothing to calibrate: whatever is fitted, one label is the largest on every turn.
    return collect(Majority(fold.train), fold.test)


def _tfidf(fold: Fold) -> Predictions:
    return _decided_by(baseline.fit(fold.train), fold)


def _frozen(fold: Fold) -> Predictions:
    embeddings = embed_each(
        fold.config.encoder,
        [coded.session for coded in fold.sessions],
        fold.store / "frozen" / "states",
        bf16=use_bf16(fold.config.precision),
        tell=fold.tell,
    )

    def with_penalty(inverse_penalty: float) -> tuple[float, Predictions, frozen.FrozenBaseline]:
        rival = frozen.fit(fold.train, embeddings, inverse_penalty=inverse_penalty)
        dev = collect(rival, fold.dev)
        return mean_average_precision(dev), dev, rival

    tried = [with_penalty(value) for value in frozen.INVERSE_PENALTIES]
    _, dev, best = max(tried, key=lambda trial: trial[0])
    return decided(collect(best, fold.test), dev)


def _sequence(fold: Fold) -> Predictions:
    states = embed_each(
        sequence.ENCODER,
        [coded.session for coded in fold.sessions],
        fold.store / "sequence" / "states" if fold.imitated is None else fold.imitated,
        layers=sequence.LAYERS,
        bf16=use_bf16(fold.config.precision),
        tell=fold.tell,
    )
    return _decided_by(
        sequence.fit(
            [coded for coded in fold.train if coded.fold is not None],
            [coded for coded in fold.train if coded.fold is None],
            states,
            loss=fold.config.loss,
        ),
        fold,
    )


def _shown(before: int) -> Callable[[Fold], Predictions]:
    def predict(fold: Fold) -> Predictions:
        classifier = RuptureClassifier.load(fold.model, threads=fold.threads)
        # Fitted anew for what it sees here; the model's own are for whole windows.
        classifier.calibration, classifier.decision = Calibration(), DecisionPolicy()
        return _decided_by(ShownTurns(classifier, before=before), fold)

    return predict


def _decided_by(classifier: Classifier, fold: Fold) -> Predictions:
    return decided(collect(classifier, fold.test), collect(classifier, fold.dev))


RIVALS: Final = (
    Rival("majority", "majority", _majority),
    Rival("tfidf", baseline.Baseline.name, _tfidf),
    Rival("frozen", frozen.FrozenBaseline.name, _frozen),
    Rival("one-turn", "our model, shown one turn at a time", _shown(0)),
    Rival(
        "own-window",
        f"our model, shown one turn and the {CONTEXT_BEFORE} before it at a time",
        _shown(CONTEXT_BEFORE),
    ),
    Rival("sequence", sequence.SequenceRival.name, _sequence, base=sequence.ENCODER.base),
)
"""All rivals, the plainest first; the last is no baseline but the strongest made here."""
