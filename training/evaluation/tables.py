"""Figures of an evaluation as Markdown tables, for cards and terminals."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from alliance.model.codebook import LABELS
from alliance.model.markdown import estimate, table

_SPEAKERS: Final = ("client", "therapist", "pooled")
_OVERALL: Final = (
    ("macro-F1", "macro_f1"),
    ("Cohen's κ", "kappa"),
    ("Gwet's AC1", "ac1"),
    ("accuracy", "accuracy"),
    ("balanced accuracy", "balanced_accuracy"),
    ("calibration error (ECE, 15 bins)", "ece"),
    ("Brier score (0–2)", "brier"),
    ("Brier skill (against prevalence)", "brier_skill"),
    ("abstained (share of turns)", "abstained"),
    ("coders A–B: macro-F1", "coders_macro_f1"),
    ("coders A–B: κ", "coders_kappa"),
    ("coders A–B: AC1", "coders_ac1"),
    ("model against A and B, mean macro-F1", "macro_f1_against_coders"),
)
_BY_LABEL: Final = (
    ("precision", "precision"),
    ("recall", "recall"),
    ("F1", "f1"),
    ("AUPRC", "auprc"),
    ("AUROC", "auroc"),
    ("ECE", "ece"),
    ("Brier skill", "brier_skill"),
    ("coders' F1", "coders_f1"),
    ("F1 against coders", "f1_against_coders"),
)
_FEW_MARK: Final = "†"


def markdown(figures: Mapping[str, Any]) -> str:
    """The figures (:func:`alliance.training.evaluation.figures.figures`) as Markdown.

    Client, therapist, pooled, in this order, after a table of what concerns all labels. A figure
    that the report of an earlier version lacks is left out.
    """
    parts = [_introduction(figures), _overall(figures["speakers"])]
    parts += [_labels(name, figures["speakers"][name]) for name in _SPEAKERS]
    if figures["markers"]:
        parts.append(_markers(figures["markers"]))
    if "reliability" in figures:
        parts.append(_likely_ruptures(figures["reliability"]))
    if "risk_coverage" in figures:
        parts.append(_abstention(figures["risk_coverage"]))
    if "groups" in figures:
        parts.append(groups_markdown(figures["groups"]))
    return "\n\n".join(parts) + "\n"


def comparison_markdown(compared: Mapping[str, Any]) -> str:
    """A comparison (:func:`alliance.training.evaluation.figures.comparison`) as Markdown."""
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
            if key in speakers["pooled"]
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
    known = [(name, key) for name, key in _BY_LABEL if key in block["labels"][LABELS[0].value]]
    rows = []
    for label in LABELS:
        row = block["labels"][label.value]
        mark = _FEW_MARK if row["few"] else ""
        rows.append(
            (
                f"{label.title}{mark}",
                f"{row['support']:,}",
                *(estimate(**row[key]) + mark for _, key in known),
            )
        )
    title = "Both pooled" if speaker == "pooled" else f"The {speaker}'s turns"
    return f"{title}:\n\n" + table(("label", "turns", *(name for name, _ in known)), rows)


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


def _likely_ruptures(reliability: Mapping[str, Any]) -> str:
    found = {name: reliability[name]["likely_ruptures"] for name in _SPEAKERS}
    rows = [
        (name, f"{bin_['turns']:,}", estimate(bin_["predicted"]), estimate(**bin_["observed"]))
        for name in _SPEAKERS
        for bin_ in found[name]["bins"]
    ]
    gaps = ", ".join(f"{name} {estimate(found[name]['largest_gap'])}" for name in _SPEAKERS)
    return (
        f"Turns to which the model gives a rupture of either kind a probability of "
        f"{estimate(found['pooled']['from'])} or more, in bins of equally many turns; largest gap "
        f"between predicted and observed: {gaps}.\n\n"
        + table(("speaker", "turns", "predicted", "observed"), rows)
    )


def _abstention(risk_coverage: Mapping[str, Any]) -> str:
    rows = []
    for name in _SPEAKERS:
        stated = risk_coverage[name]["at_80"]
        macro = stated["macro_f1"]
        rows.append(
            (
                name,
                "macro-F1",
                estimate(**macro["full"]),
                estimate(**macro["f1"]),
                estimate(**macro["gain"], signed=True),
                "",
            )
        )
        for label in LABELS:
            row = stated["labels"][label.value]
            rows.append(
                (
                    name,
                    f"F1, {label.title}",
                    estimate(**row["full"]),
                    estimate(**row["f1"]),
                    estimate(**row["gain"], signed=True),
                    estimate(**row["kept"]),
                )
            )
    return (
        "Where the model answers for 80% of turns, the most certain of the decisions for each "
        "label, beside all turns:\n\n"
        + table(("speaker", "figure", "all turns", "80%", "difference", "gold turns kept"), rows)
    )


def groups_markdown(groups: Mapping[str, Any]) -> str:
    """Figures by groups of sessions (:mod:`alliance.training.evaluation.groups`) as Markdown."""
    rows = []
    for fact, values in groups.items():
        for value, speakers in values.items():
            for name in _SPEAKERS:
                block = speakers[name]
                cells = [block["labels"][label.value] for label in LABELS]
                rows.append(
                    (
                        # A bar in a value would end the cell.
                        f"{fact}: {value}".replace("|", "/"),
                        name,
                        _size(block),
                        estimate(**block["macro_f1"]),
                        *(
                            estimate(**cell["f1"]) + (_FEW_MARK if cell["few"] else "")
                            for cell in cells
                        ),
                    )
                )
    header = ("group", "speaker", "turns (sessions)", "macro-F1")
    titles = (f"F1, {label.title}" for label in LABELS)
    return "By groups of sessions:\n\n" + table((*header, *titles), rows)
