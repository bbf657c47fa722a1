"""A model, its rivals and the coders in one table, on the same turns."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from alliance.model import agreement
from alliance.model.agreement import Bools, Floats, Ints
from alliance.model.codebook import LABELS
from alliance.model.estimates import estimates
from alliance.training.evaluation.predictions import NONE, Predictions
from alliance.training.evaluation.session_turns import SPEAKERS

__all__ = ["rival_figures"]


def rival_figures(
    predictions: Predictions,
    rivals: Mapping[str, Predictions],
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> dict[str, Any]:
    """Macro-F1, F1 of each label and κ of a model and its rivals, ready for JSON.

    Args:
        predictions: the model's.
        rivals: predictions on the same turns, by name.
        resamples: how many times the sessions are drawn anew; all models are counted on the same
            draws.
        seed: the same seed gives the same intervals.

    Returns:
        For each of ``speakers``: ``turns``, ``coders`` (B against A, on the turns that both
        coded), and ``models`` with one block for ``model`` and one for each rival. A block holds
        estimates of ``macro_f1``, ``kappa``, ``f1`` by label, ``macro_f1_against_coders`` (mean
        of those against A and B, which is what ``coders`` is to be compared with), and for a rival
        ``difference``: the model's macro-F1 minus the rival's.

    Raises:
        ValueError: if a rival is not on the same turns and codes.
    """
    names = {"model": predictions, **rivals}
    if len(names) != len(rivals) + 1:
        raise ValueError("a rival is named 'model', which stands for what it is a rival of")
    order = {name: _order(part) for name, part in names.items()}
    keys = _keys(predictions, order["model"])
    for name, part in rivals.items():
        same = _keys(part, order[name]) == keys and np.array_equal(
            part.gold[order[name]], predictions.gold[order["model"]]
        )
        if not same:
            raise ValueError(f"the rival {name!r} is not on the same turns and codes")
    whole = predictions
    first = order["model"]
    role, session = whole.role[first], whole.session[first]
    coders = (whole.coder_a[first], whole.coder_b[first])
    labels = {name: part.predicted[order[name]] for name, part in names.items()}
    return {
        "model": predictions.model,
        "speakers": {
            speaker: _block(
                whole.gold[first],
                coders,
                labels,
                session,
                np.ones(len(role), dtype=np.bool_) if place is None else role == place,
                resamples=resamples,
                seed=seed,
            )
            for speaker, place in SPEAKERS.items()
        },
    }


def _block(
    gold: Ints,
    coders: tuple[Ints, Ints],
    labels: Mapping[str, Ints],
    session: Ints,
    chosen: Bools,
    *,
    resamples: int,
    seed: int,
) -> dict[str, Any]:
    present, index = np.unique(session[chosen], return_inverse=True)
    both = (coders[0][chosen] != NONE) & (coders[1][chosen] != NONE)

    def confusions(rows: Ints, columns: Ints, where: Bools | None = None) -> Floats:
        kept = np.ones(len(index), dtype=np.bool_) if where is None else where
        counts = agreement.confusion_by_group(
            rows[chosen][kept], columns[chosen][kept], index[kept], groups=len(present)
        )
        return counts.astype(np.float64)

    against_gold = {name: confusions(gold, said) for name, said in labels.items()}
    against_coders = {
        name: [confusions(coder, said, both) for coder in coders] for name, said in labels.items()
    }
    of_coders = confusions(*coders, both)

    def statistic(drawn: Floats) -> dict[str, Floats]:
        out: dict[str, Floats] = {}
        for name, counts in {**against_gold, "": of_coders}.items():
            total = np.tensordot(drawn, counts, 1)
            out[f"{name}/macro_f1"] = agreement.macro_f1(total)
            out[f"{name}/kappa"] = agreement.kappa(total)
            by_label = agreement.f1(total)
            for place, label in enumerate(LABELS):
                out[f"{name}/{label.value}"] = by_label[:, place]
        for name, pair in against_coders.items():
            values = [agreement.macro_f1(np.tensordot(drawn, counts, 1)) for counts in pair]
            out[f"{name}/macro_f1_against_coders"] = (values[0] + values[1]) / 2
            if name != "model":
                out[f"{name}/difference"] = out["model/macro_f1"] - out[f"{name}/macro_f1"]
        return out

    found = estimates(statistic, len(present), resamples=resamples, seed=seed)

    def block(name: str) -> dict[str, Any]:
        more = ("macro_f1_against_coders", "difference")
        return {
            "macro_f1": found[f"{name}/macro_f1"],
            "kappa": found[f"{name}/kappa"],
            "f1": {label.value: found[f"{name}/{label.value}"] for label in LABELS},
            **{what: found[f"{name}/{what}"] for what in more if f"{name}/{what}" in found},
        }

    return {
        "turns": int(chosen.sum()),
        "coders": {"turns": int(both.sum()), **block("")},
        "models": {name: block(name) for name in labels},
    }


def _order(predictions: Predictions) -> Ints:
    ids = np.array(predictions.session_ids, dtype=np.str_)[predictions.session]
    return np.lexsort((predictions.turn, ids)).astype(np.int64)


def _keys(predictions: Predictions, order: Ints) -> list[tuple[str, int]]:
    return [
        (predictions.session_ids[session], int(turn))
        for session, turn in zip(predictions.session[order], predictions.turn[order], strict=True)
    ]
