"""Teachers: what finished models say of training turns, as soft targets for a smaller one.

Under the rules of the experiment, the student of fold k learns only from the fold-k networks of
its teachers, which were trained without folds k and k + 1 as well; the student trained on all
folds learns from the teachers that were. (Distillation: Hinton et al. 2015, "Distilling the
knowledge in a neural network"; several teachers give the mean of their probabilities.)

A teacher has mostly been trained on the very turns that it teaches, so its probabilities lie
nearer to the codes than on unseen turns; what it adds is how it divides the rest.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from alliance.model.calibration import code_probabilities
from alliance.model.classifier import RuptureClassifier
from alliance.model.errors import ConfigError, InputError
from alliance.model.session_layer import SESSION_LAYER
from alliance.training.config import TrainingConfig
from alliance.training.corpora import CodedSession
from alliance.training.evaluation.predictions import Predictions
from alliance.training.files import write_whole

CodeShares = NDArray[np.float32]
"""One session's distributions over the codes, shape (turns, 21); rows sum to 1."""

Taught = Mapping[str, Sequence[CodeShares]]
"""By corpus name, one array for each of its sessions, in order."""

_FORMAT: Final = 1


def check_wanted(config: TrainingConfig, teachers: Sequence[Path]) -> None:
    """See that a recipe which asks for teachers has some, and one that does not has none.

    Raises:
        ConfigError: if it is otherwise, or a teacher's folder is not a cross-validation.
    """
    wants = config.loss.teacher_share > 0 and any(stage.taught for stage in config.stages)
    if wants and not teachers:
        raise ConfigError(
            f"[loss] teacher_share = {config.loss.teacher_share} needs a teacher, found none; "
            f"add --teacher FOLDER of a finished cross-validation, or set it to 0"
        )
    if teachers and not wants:
        raise ConfigError(
            "a teacher was named, but the recipe learns nothing from it; set [loss] teacher_share "
            "above 0 and let a stage be taught"
        )
    identities(teachers)


def identities(teachers: Sequence[Path]) -> list[dict[str, str]]:
    """What tells teachers apart wherever they lie: name, and hash of the recipe.

    Raises:
        ConfigError: if a folder is not a cross-validation.
    """
    out = []
    for teacher in teachers:
        try:
            recipe = (teacher / "config.json").read_bytes()
            name = str(json.loads(recipe)["name"])
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise ConfigError(
                f"{teacher}: expected the folder of a cross-validation, found no recipe in it; "
                f"check --teacher"
            ) from error
        out.append({"name": name, "recipe_sha256": hashlib.sha256(recipe).hexdigest()})
    return out


def fold_models(
    teachers: Sequence[Path],
    fold: int,
    *,
    held: Mapping[int, Sequence[CodedSession]],
) -> list[Path]:
    """The teachers' models that may teach the student of a fold.

    Args:
        teachers: folders of cross-validations.
        fold: the student's test fold.
        held: what the student must not learn from: its test and development sessions, by the
            number of their fold.

    Raises:
        ConfigError: if a teacher's fold k or k + 1 is not finished, or did not test on the very
            sessions that the student must not learn from.
    """
    # The teacher's network of fold k saw neither what it was tested on nor its development fold,
    # which is what the network of fold k + 1 was tested on.
    for teacher in teachers:
        for number, sessions in held.items():
            path = teacher / f"fold-{number}" / "test.npz"
            if not (path.with_name("fold.json").is_file() and path.is_file()):
                raise ConfigError(
                    f"{teacher}: expected a teacher whose fold {number} is finished, found that "
                    f"it is not; run alliance crossvalidate on it first"
                )
            theirs = set(Predictions.load(path).session_ids)
            ours = {coded.id for coded in sessions}
            if theirs != ours:
                raise ConfigError(
                    f"{teacher}: expected a teacher with the student's folds, found that its fold "
                    f"{number} differs in {len(theirs ^ ours)} sessions: it may have been trained "
                    f"on what the student is tested on; cross-validate the teacher on the same "
                    f"folds"
                )
    return [teacher / f"fold-{fold}" / "model" for teacher in teachers]


def all_models(teachers: Sequence[Path]) -> list[Path]:
    """The teachers' models that were trained on all folds, for a student that is.

    Raises:
        ConfigError: if one is missing.
    """
    out = [teacher / "all" / "model" for teacher in teachers]
    for model in out:
        if not (model / "model.onnx").is_file():
            raise ConfigError(
                f"{model}: expected the teacher's model trained on all folds, found none; run "
                f"alliance train --crossvalidation {model.parents[1]} with its recipe first"
            )
    return out


def teach(
    models: Sequence[Path],
    corpora: Mapping[str, Sequence[CodedSession]],
    folder: Path,
    *,
    threads: int | None = None,
    tell: Callable[[str], None],
) -> dict[str, list[CodeShares]]:
    """What the teachers say of every turn: the mean of their uncalibrated probabilities.

    Each teacher's word on each corpus is written to ``folder`` as soon as it is there, without
    transcript text, and read from there the next time.

    Args:
        models: model folders, as ``alliance train`` writes them; at least one.
        corpora: the sessions to learn from, by corpus name.
        folder: where the probabilities are kept.
        threads: of the models' runtime; None takes all cores.
        tell: told what is going on.

    Returns:
        One array per session, by corpus name. Rows of turns that get no label mean nothing.

    Raises:
        ConfigError: if the folder holds the word of another model, or on other sessions.
    """
    folder.mkdir(parents=True, exist_ok=True)
    means: dict[str, list[CodeShares]] = {}
    for number, model in enumerate(models, start=1):
        known = _sha256(model)
        classifier: RuptureClassifier | None = None
        for name, sessions in corpora.items():
            path = folder / f"{name}-{number}.npz"
            if not path.is_file():
                tell(f"teacher {number} of {len(models)}: {name}")
                classifier = classifier or RuptureClassifier.load(model, threads=threads)
                _save(path, known, sessions, [_shares(classifier, coded) for coded in sessions])
            said = _load(path, known, sessions)
            if number == 1:
                means[name] = said
            else:
                means[name] = [
                    np.asarray((mean * (number - 1) + one) / number, dtype=np.float32)
                    for mean, one in zip(means[name], said, strict=True)
                ]
    return means


def _shares(classifier: RuptureClassifier, coded: CodedSession) -> CodeShares:
    roles = [turn.role for turn in coded.session.turns]
    codes = code_probabilities(classifier.score(coded.session).logits, roles)
    return np.asarray(codes, dtype=np.float32)


def _sha256(model: Path) -> str:
    """Of the encoder and, if there is one, the layer over the session."""
    path = model / "model.onnx"
    layer = model / SESSION_LAYER
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256")
        if layer.is_file():
            digest.update(layer.read_bytes())
        return digest.hexdigest()
    except OSError as error:
        raise ConfigError(
            f"{path}: expected a teacher's model, found none that can be read; check --teacher"
        ) from error


def _save(
    path: Path, model: str, sessions: Sequence[CodedSession], shares: Sequence[CodeShares]
) -> None:
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        format=np.array(_FORMAT),
        model=np.array(model),
        session_ids=np.array([coded.id for coded in sessions], dtype=np.str_),
        turns=np.array([len(coded) for coded in sessions], dtype=np.int64),
        shares=np.concatenate(shares),
    )
    write_whole(path, buffer.getvalue())


def _load(path: Path, model: str, sessions: Sequence[CodedSession]) -> list[CodeShares]:
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as stored:
            held: dict[str, Any] = {name: stored[name] for name in stored.files}
        same = (
            int(held["format"]) == _FORMAT
            and str(held["model"]) == model
            and held["session_ids"].tolist() == [coded.id for coded in sessions]
            and held["turns"].tolist() == [len(coded) for coded in sessions]
        )
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path}: expected a teacher's probabilities, found something else; delete the file"
        ) from error
    if not same:
        raise ConfigError(
            f"{path}: expected this teacher's probabilities of these sessions, found another "
            f"teacher's or other sessions'; choose another output folder"
        )
    return np.split(held["shares"], np.cumsum(held["turns"])[:-1])
