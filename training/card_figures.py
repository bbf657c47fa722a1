"""Every figure of the model card, from a finished cross-validation: what ``alliance figures`` does.

The folds' exported models label their test folds once more: by what had been said until then, on
poor transcripts, and for the deletion test of explanations. Each part is written into the
cross-validation's folder as soon as it is done; a run that was killed goes on.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

from alliance.model.agreement import macro_f1, paired_difference
from alliance.model.classifier import RuptureClassifier
from alliance.model.memory import peak_memory_mb
from alliance.training.corpora import CodedSession
from alliance.training.crossvalidation import (
    FOLDS,
    UNCALIBRATED_CAUSAL,
    Tell,
    machine,
    out_of_fold,
    out_of_fold_baseline,
    split,
)
from alliance.training.disturb import poor_transcript
from alliance.training.evaluation.curves import curves
from alliance.training.evaluation.faithfulness import Deletion, deletion_figures, deletions
from alliance.training.evaluation.figures import comparison, figures
from alliance.training.evaluation.groups import group_figures
from alliance.training.evaluation.predictions import Predictions, collect, concatenate
from alliance.training.evaluation.ratings import Ratings
from alliance.training.evaluation.session_figures import session_figures
from alliance.training.evaluation.speed import labelling_speed
from alliance.training.evaluation.turn_table import turn_table
from alliance.training.export import network_megabytes
from alliance.training.files import write_json
from alliance.training.rivals import baseline
from alliance.training.rivals.figures import rival_figures
from alliance.training.rivals.making import RIVALS, decided, make_rivals, recipe
from alliance.training.rivals.plain import Majority
from alliance.training.rivals.teachers import teachers_name, teachers_predictions

__all__ = ["EXPLAINED", "MODES", "card_figures", "outside_figures"]

MODES: Final = ("causal", "disturbed")
"""Ways of labelling that are held against the full one."""

EXPLAINED: Final = {"sessions": 3, "turns": 6, "words": 3, "around": 2, "draws": 5}
"""The sample of the deletion test: of each fold the first sessions by id, of each at most so many
rupture turns; so many words and turns around are left out, and as many in each random draw."""


def card_figures(
    folder: Path,
    annomi: Sequence[CodedSession],
    own: Mapping[str, Sequence[CodedSession]],
    quality: Mapping[str, str],
    *,
    shipped: Path,
    annomi_file: Path | None = None,
    rivals: Sequence[str] | None = None,
    teachers: Sequence[Path] = (),
    threads: int | None = None,
    resamples: int = 2000,
    tell: Tell,
) -> dict[str, Any]:
    """All figures about AnnoMI out of fold, ready for JSON.

    Args:
        folder: of a finished cross-validation; what is made for the figures is kept there.
        annomi: the folded sessions.
        own: corpora by name that have no folds and were always trained on.
        quality: ``high`` or ``low`` by session id.
        shipped: folder of the shipped model, for its size and speed.
        annomi_file: ``AnnoMI-simple.csv``, if it is not where fetch puts it.
        rivals: keys of the rivals to make; None for all.
        teachers: folders of cross-validations whose mean is a rival too.
        threads: of the runtime; None takes all cores.
        resamples: how many times the sessions are drawn anew.
        tell: told what is going on.

    Returns:
        ``config``, ``folds``, ``network`` (a report of ``alliance evaluate``), ``baseline``,
        ``macro_f1_difference`` and ``machine`` as ``alliance crossvalidate`` writes them;
        ``rivals``; ``modes``: for each of :data:`MODES` main figures and the paired difference
        from full mode; ``explanations``; ``cost``: time and memory of every part; ``shipped``:
        name and size of the shipped model.

    Raises:
        InputError: if the cross-validation is not there or lacks a fold.
    """
    config = recipe(folder)
    drawn: dict[str, Any] = {"resamples": resamples}
    full = out_of_fold(folder)
    modes = {mode: _out_of_fold(folder, annomi, mode, threads=threads, tell=tell) for mode in MODES}
    with _measured(folder, "rivals"):
        made = make_rivals(
            folder, annomi, own, folder / "rivals", only=rivals, threads=threads, tell=tell
        )
    titles = {rival.key: rival.name for rival in RIVALS if rival.key in made}
    if teachers:
        made["teacher"] = teachers_predictions(teachers)
        titles["teacher"] = teachers_name(teachers)
    explained = _explained(folder, annomi, threads=threads, tell=tell)
    speed = _speed(folder, shipped, annomi_file, threads=threads, tell=tell)
    tell("figures")
    with _measured(folder, "figures", anew=True):
        raw = out_of_fold_baseline(annomi, own, folder)
        difference = paired_difference(
            macro_f1, full.gold, raw.predicted, full.predicted, full.session, resamples=resamples
        )
        report = {
            "config": json.loads(json.dumps(config.to_dict())),  # lists, as in the file
            "folds": [_read(folder / f"fold-{fold}" / "fold.json") for fold in range(FOLDS)],
            "network": {
                "corpus": "AnnoMI, out of fold",
                "purpose": "research",
                "mode": "full",
                "disturbed": False,
                **figures(replace(full, model=config.name), groups={"quality": quality}, **drawn),
                "sessions_level": session_figures(
                    full, sessions=annomi, quality=quality, rivals=made, **drawn
                ),
                "curves": curves(full),
            },
            "baseline": figures(raw, **drawn),
            "macro_f1_difference": {
                "value": difference.estimate,
                "low": difference.interval.low,
                "high": difference.interval.high,
            },
            "rivals": rival_figures(full, made, **drawn),
            "rival_titles": titles,
            "modes": {mode: _mode(full, part, mode, **drawn) for mode, part in modes.items()},
            "explanations": {
                "model": config.name,
                "words": EXPLAINED["words"],
                "turns": EXPLAINED["around"],
                "draws": EXPLAINED["draws"],
                "most_turns": EXPLAINED["turns"],
                **deletion_figures(explained, FOLDS * EXPLAINED["sessions"], **drawn),
            },
            "machine": machine(),
            "shipped": {
                "name": speed["model"],
                "megabytes": round(network_megabytes(shipped), 3),
            },
        }
    return {**report, "cost": _read(folder / _COST)}


def outside_figures(
    folder: Path,
    sessions: Sequence[CodedSession],
    ratings: Ratings,
    annomi: Sequence[CodedSession],
    own: Mapping[str, Sequence[CodedSession]],
    *,
    corpus: str,
    shipped: Path,
    threads: int | None = None,
    resamples: int = 2000,
    tell: Tell,
) -> dict[str, Any]:
    """The shipped model on a corpus that nothing was trained or tuned on, ready for JSON.

    Beside it the commonest label and TF-IDF, trained on all of AnnoMI and our own sessions; the
    latter's thresholds are fitted on its predictions out of fold.

    Args:
        folder: of the finished cross-validation.
        sessions: the coded sessions of the corpus.
        ratings: of their turns.
        annomi: the folded sessions.
        own: corpora by name that were always trained on.
        corpus: its name.
        shipped: folder of the shipped model.
        threads: of the runtime; None takes all cores.
        resamples: how many times the sessions are drawn anew.
        tell: told what is going on.

    Returns:
        A report of ``alliance evaluate``, with ``rivals``.
    """
    tell(f"{corpus}: the shipped model, once")
    drawn: dict[str, Any] = {"resamples": resamples}
    found = collect(RuptureClassifier.load(shipped, threads=threads), sessions)
    train = [*annomi, *(coded for corpus_ in own.values() for coded in corpus_)]
    raw = out_of_fold_baseline(annomi, own, folder)
    tfidf = decided(baseline.fit(train).predict(sessions), raw)
    made = {"majority": collect(Majority(train), sessions), "tfidf": tfidf}
    return {
        "corpus": corpus,
        "purpose": "research",
        "mode": "full",
        "disturbed": False,
        **figures(found, **drawn),
        "sessions_level": session_figures(
            found, sessions=sessions, ratings=ratings, rivals=made, **drawn
        ),
        "curves": curves(found),
        "rivals": rival_figures(found, made, **drawn),
        "rival_titles": {rival.key: rival.name for rival in RIVALS if rival.key in made},
    }


_COST: Final = "cost.json"


@contextmanager
def _measured(folder: Path, part: str, *, anew: bool = False) -> Iterator[None]:
    """Notes what a part took; the figure of the run that did the work stays."""
    started = time.monotonic()
    yield
    _note(folder, part, started, anew=anew)


def _note(folder: Path, part: str, started: float, *, anew: bool = False) -> None:
    path = folder / _COST
    known = _read(path) if path.is_file() else {}
    if anew or part not in known:
        peak = peak_memory_mb()
        known[part] = {
            "seconds": round(time.monotonic() - started, 1),
            "peak_memory_mb": None if peak is None else round(peak, 1),
        }
        write_json(path, known)


def out_of_fold_table(folder: Path) -> str:
    """The predictions that the figures are made of, one row a turn, as CSV.

    Args:
        folder: of a cross-validation of which :func:`card_figures` has made the figures.
    """
    causal = [
        Predictions.load(folder / f"fold-{fold}" / "test-causal.npz") for fold in range(FOLDS)
    ]
    return turn_table(out_of_fold(folder), concatenate(causal))


def _out_of_fold(
    folder: Path,
    annomi: Sequence[CodedSession],
    mode: str,
    *,
    threads: int | None,
    tell: Tell,
) -> Predictions:
    """Test predictions of all folds in one of :data:`MODES`, each made once."""
    shown: Callable[[Any], Any] | None = poor_transcript if mode == "disturbed" else None
    parts = []
    for fold in range(FOLDS):
        path = folder / f"fold-{fold}" / f"test-{mode}.npz"
        if not path.is_file():
            tell(f"{mode} mode: fold {fold}")
            started = time.monotonic()
            classifier = RuptureClassifier.load(path.parent / "model", threads=threads)
            raw = path.parent / UNCALIBRATED_CAUSAL
            if mode == "causal" and raw.is_file():
                # Labelled so already, turn by turn, which takes long.
                made = Predictions.load(raw).decided_by(classifier.rules(causal=True))
            else:
                _, _, test = split(annomi, fold)
                made = collect(classifier, test, causal=mode == "causal", shown=shown)
            made.save(path)
            _note(folder, f"{mode}, fold {fold}", started)
        parts.append(Predictions.load(path))
    return concatenate(parts)


def _mode(full: Predictions, other: Predictions, mode: str, *, resamples: int) -> dict[str, Any]:
    everything = {"mode": dict.fromkeys(other.session_ids, mode)}
    main = group_figures(other, everything, resamples=resamples)
    return {
        "speakers": main["mode"][mode],
        "minus_full": comparison(full, other, resamples=resamples)["speakers"],
    }


def _explained(
    folder: Path, annomi: Sequence[CodedSession], *, threads: int | None, tell: Tell
) -> list[Deletion]:
    """The deletions of the sample: each fold's model on sessions of its test fold."""
    rows: list[Deletion] = []
    for fold in range(FOLDS):
        path = folder / f"fold-{fold}" / "deletions.json"
        if not path.is_file():
            tell(f"explanations: fold {fold}")
            started = time.monotonic()
            classifier = RuptureClassifier.load(folder / f"fold-{fold}" / "model", threads=threads)
            _, _, test = split(annomi, fold)
            sample = sorted(test, key=lambda coded: coded.id)[: EXPLAINED["sessions"]]
            made = [
                row
                for place, coded in enumerate(sample)
                for row in deletions(
                    classifier,
                    coded.session,
                    place=fold * EXPLAINED["sessions"] + place,
                    words=EXPLAINED["words"],
                    turns=EXPLAINED["around"],
                    draws=EXPLAINED["draws"],
                    most_turns=EXPLAINED["turns"],
                )
            ]
            write_json(path, {"sample": EXPLAINED, "rows": [asdict(row) for row in made]})
            _note(folder, f"explanations, fold {fold}", started)
        rows += [Deletion(**row) for row in _read(path)["rows"]]
    return rows


def _speed(
    folder: Path, shipped: Path, annomi: Path | None, *, threads: int | None, tell: Tell
) -> dict[str, Any]:
    path = folder / "speed.json"
    model = _read(shipped / "config.json").get("name")
    known = _read(path) if path.is_file() else {}
    if not known or known["model"] != model:
        tell("speed of the shipped model")
        known = labelling_speed(shipped, annomi, threads=threads or 1)
        write_json(path, known)
    costs = _read(folder / _COST)
    write_json(folder / _COST, {**costs, "labelling": known})
    return known


def _read(path: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return read
