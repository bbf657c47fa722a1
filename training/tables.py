"""Figures of an evaluation as Markdown tables, for cards and terminals."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from alliance.model.codebook import LABELS

_SPEAKERS: Final = ("client", "therapist", "pooled")
_OVERALL: Final = (
    ("macro-F1", "macro_f1"),
    ("Cohen's κ", "kappa"),
    ("accuracy", "accuracy"),
    ("calibration error (ECE, 15 bins)", "ece"),
    ("Brier score (0–2)", "brier"),
    ("abstained (share of turns)", "abstained"),
    ("coders A–B: macro-F1", "coders_macro_f1"),
    ("coders A–B: κ", "coders_kappa"),
    ("model against A and B, mean macro-F1", "macro_f1_against_coders"),
)
_BY_LABEL: Final = (
    ("precision", "precision"),
    ("recall", "recall"),
    ("F1", "f1"),
    ("AUPRC", "auprc"),
    ("ECE", "ece"),
    ("coders' F1", "coders_f1"),
    ("F1 against coders", "f1_against_coders"),
)
_FEW_MARK: Final = "†"


def markdown(figures: Mapping[str, Any]) -> str:
    """The figures (:func:`alliance.training.evaluation.figures`) as Markdown.

    Client, therapist, pooled, in this order, after a table of what concerns all labels.
    """
    parts = [_introduction(figures), _overall(figures["speakers"])]
    parts += [_labels(name, figures["speakers"][name]) for name in _SPEAKERS]
    if figures["markers"]:
        parts.append(_markers(figures["markers"]))
    return "\n\n".join(parts) + "\n"


def comparison_markdown(compared: Mapping[str, Any]) -> str:
    """A comparison (:func:`alliance.training.evaluation.comparison`) as Markdown."""
    speakers = compared["speakers"]
    return (
        f"{compared['model']} minus {compared['rival']} on the same {compared['turns']:,} turns, "
        f"paired over sessions:\n\n"
        + table(
            ("difference in", *_SPEAKERS),
            [
                (title, *(estimate(**speakers[name][key], signed=True) for name in _SPEAKERS))
                for title, key in (("macro-F1", "macro_f1"), ("Cohen's κ", "kappa"))
            ],
        )
        + "\n"
    )


def crossvalidation_markdown(report: Mapping[str, Any]) -> str:
    """A report of :func:`alliance.training.crossvalidation.crossvalidate` as Markdown.

    The network's tables, then the baseline's figures on the same turns and the difference.
    """
    rival = report["baseline"]
    speakers = rival["speakers"]
    rows = [
        (title, *(estimate(**speakers[name][key]) for name in _SPEAKERS))
        for title, key in (("macro-F1", "macro_f1"), ("Cohen's κ", "kappa"))
    ]
    for label in LABELS:
        cells = [speakers[name]["labels"][label.value] for name in _SPEAKERS]
        marked = [estimate(**cell["f1"]) + (_FEW_MARK if cell["few"] else "") for cell in cells]
        rows.append((f"F1, {label.title}", *marked))
    difference = estimate(**report["macro_f1_difference"], signed=True)
    return (
        f"{markdown(report['network'])}\n"
        f"The baseline ({rival['model']}), trained and tested on the same sessions:\n\n"
        f"{table(('', *_SPEAKERS), rows)}\n\n"
        f"Macro-F1 of the network minus that of the baseline, both speakers pooled, paired over "
        f"sessions: {difference}.\n"
    )


def estimate(
    value: float | None,
    low: float | None = None,
    high: float | None = None,
    *,
    signed: bool = False,
) -> str:
    """``.61 [.55, .67]``; a dash where there is no figure, no bracket where no interval.

    Absent is None or nan.
    """
    if value is None or math.isnan(value):
        return "–"
    figure = _number(value, signed=signed)
    if low is None or high is None or math.isnan(low) or math.isnan(high):
        return figure
    return f"{figure} [{_number(low, signed=signed)}, {_number(high, signed=signed)}]"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _number(value: float, *, signed: bool) -> str:
    # Two decimals: intervals are seldom narrower. Statisticians drop the zero before the point.
    text = f"{value:+.2f}" if signed else f"{value:.2f}"
    text = {"-0.00": "0.00", "+0.00": "0.00"}.get(text, text)
    return text.replace("0.", ".", 1) if abs(value) < 0.995 else text


def _introduction(figures: Mapping[str, Any]) -> str:
    left_out = figures["no_words"]
    text = (
        f"Model {figures['model']}, codebook {figures['codebook']}: {figures['turns']:,} turns of "
        f"{figures['sessions']:,} sessions. In brackets, {figures['level']:.0%} intervals from "
        f"{figures['resamples']:,} resamples of whole sessions. Abstained turns count with their "
        f"label. Coded turns left out because they hold no words: {left_out:,}."
    )
    if any(
        label["few"] for name in _SPEAKERS for label in figures["speakers"][name]["labels"].values()
    ):
        text += (
            f" {_FEW_MARK} Fewer than 20 turns carry the label: the figure says next to nothing."
        )
    return text


def _overall(speakers: Mapping[str, Any]) -> str:
    rows: list[Sequence[str]] = [
        ("turns (sessions)", *(_size(speakers[name]) for name in _SPEAKERS)),
        *(
            (title, *(estimate(**speakers[name][key]) for name in _SPEAKERS))
            for title, key in _OVERALL
        ),
        (
            "always the commonest label: macro-F1",
            *(estimate(**speakers[name]["majority"]["macro_f1"]) for name in _SPEAKERS),
        ),
    ]
    return table(("", *_SPEAKERS), rows)


def _size(block: Mapping[str, Any]) -> str:
    return f"{block['turns']:,} ({block['sessions']:,})"


def _labels(speaker: str, block: Mapping[str, Any]) -> str:
    rows = []
    for label in LABELS:
        row = block["labels"][label.value]
        mark = _FEW_MARK if row["few"] else ""
        rows.append(
            (
                f"{label.title}{mark}",
                f"{row['support']:,}",
                *(estimate(**row[key]) + mark for _, key in _BY_LABEL),
            )
        )
    title = "Both pooled" if speaker == "pooled" else f"The {speaker}'s turns"
    return f"{title}:\n\n" + table(("label", "turns", *(name for name, _ in _BY_LABEL)), rows)


def _markers(markers: Mapping[str, Any]) -> str:
    return "Codes with 20 turns or more, both speakers pooled:\n\n" + table(
        ("code", "turns", "precision", "recall", "F1"),
        [
            (
                code,
                f"{row['support']:,}",
                *(estimate(**row[k]) for k in ("precision", "recall", "f1")),
            )
            for code, row in markers.items()
        ],
    )
