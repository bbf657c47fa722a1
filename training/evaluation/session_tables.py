"""Figures about whole sessions, and of rivals, as Markdown tables."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from alliance.model.codebook import LABELS, RUPTURE_LABELS
from alliance.model.markdown import estimate, table
from alliance.training.evaluation.episode_scores import NEAR_TURNS
from alliance.training.evaluation.outside import RIVAL, RIVAL_P
from alliance.training.evaluation.session_turns import SPEAKERS

__all__ = ["outside_markdown", "rivals_markdown", "session_markdown"]

_RULES: Final = {"onset": "onset within ±{k}", "onset_or_overlap": "onset within ±{k}, or overlap"}
_COUNTS: Final = {
    "episodes": "episodes",
    "rupture_turns": "rupture turns",
    **{f"{label.value}_turns": f"turns, {label.title}" for label in RUPTURE_LABELS},
}
_SCORES: Final = {
    "model": "rupture share, as decided",
    "model_p": "rupture share, mean probability",
    "settled": "rupture share by the settled codes",
    "coder_a": "rupture share by coder A",
    "coder_b": "rupture share by coder B",
    "fewer_positive": "fewer positive turns, as decided",
    "fewer_positive_settled": "fewer positive turns, by the settled codes",
    "shorter": "shorter session (fewer turns)",
}


def session_markdown(figures: Mapping[str, Any], titles: Mapping[str, str] | None = None) -> str:
    """Figures of :func:`alliance.training.evaluation.session_figures.session_figures` as Markdown.

    Args:
        figures: the figures.
        titles: how to name the rivals, by the names they have in ``figures``.
    """
    parts = [
        _episodes(figures["episodes"]),
        _counts(figures["counts"]),
        _segments(figures["segments"]),
    ]
    parts += [
        outside_markdown(figures[name], titles)
        for name in ("quality", "ratings")
        if name in figures
    ]
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def outside_markdown(figures: Mapping[str, Any], titles: Mapping[str, str] | None = None) -> str:
    """An outside criterion (:mod:`alliance.training.evaluation.outside`) as a Markdown table.

    Args:
        figures: the figures of one criterion.
        titles: how to name the rivals, by the names they have in ``figures``.
    """
    speakers = figures["speakers"]
    names: list[str] = list(
        dict.fromkeys(name for block in speakers.values() for name in block["scores"])
    )
    rows: list[Sequence[str]] = []
    for name in names:
        cells = []
        for speaker in SPEAKERS:
            one = speakers[speaker]["scores"].get(name, {})
            cells.append(estimate(**one["auc"]) if one else "–")
            cells.append(estimate(**one["difference"], signed=True) if "difference" in one else "")
        rows.append((_score_title(name, titles or {}), *cells))
    sizes = "; ".join(
        f"{speaker} {block['units']:,} units ({block['positive']:,} with the outcome)"
        for speaker, block in speakers.items()
    )
    header = [""]
    for speaker in SPEAKERS:
        header += [f"AUC, {speaker}", "minus the codes'"]
    stretch = (
        f" A unit is the {figures['window_turns']} turns up to and including a rated one."
        if "window_turns" in figures
        else " A unit is a session."
    )
    return (
        f"Outside criterion: {figures['outcome']}.{stretch} Scores are of the speaker's turns; "
        f"{sizes}:\n\n{table(header, rows)}\n"
    )


def _score_title(name: str, titles: Mapping[str, str]) -> str:
    if not name.startswith(RIVAL):
        return _SCORES[name]
    rival = name.removeprefix(RIVAL)
    bare = rival.removesuffix(RIVAL_P)
    return titles.get(bare, bare) + (", mean probability" if rival.endswith(RIVAL_P) else "")


def rivals_markdown(figures: Mapping[str, Any], titles: Mapping[str, str] | None = None) -> str:
    """Figures of :func:`alliance.training.rivals.figures.rival_figures` as Markdown.

    Args:
        figures: the figures.
        titles: how to name the rivals, by the names they have in ``figures``.
    """
    parts = []
    for speaker in SPEAKERS:
        block = figures["speakers"][speaker]
        rows = [
            (
                {"model": "**the model**", **(titles or {})}.get(name, name),
                estimate(**one["macro_f1"]),
                *(estimate(**one["f1"][label.value]) for label in LABELS),
                estimate(**one["kappa"]),
                estimate(**one["macro_f1_against_coders"]),
                estimate(**one["difference"], signed=True) if "difference" in one else "",
            )
            for name, one in block["models"].items()
        ]
        coders = block["coders"]
        rows.append(
            (
                "coder B against coder A",
                estimate(**coders["macro_f1"]),
                *(estimate(**coders["f1"][label.value]) for label in LABELS),
                estimate(**coders["kappa"]),
                estimate(**coders["macro_f1"]),
                "",
            )
        )
        parts.append(
            f"{_title(speaker)} ({block['turns']:,}):\n\n"
            + table(
                (
                    "",
                    "macro-F1",
                    *(f"F1, {label.title}" for label in LABELS),
                    "κ",
                    "macro-F1 against each coder, mean",
                    "the model's macro-F1 minus this one's",
                ),
                rows,
            )
        )
    return "\n\n".join(parts) + "\n"


def _title(speaker: str) -> str:
    return "Both pooled" if speaker == "pooled" else f"The {speaker}'s turns"


def _episodes(figures: Mapping[str, Any]) -> str:
    rows = []
    for speaker in SPEAKERS:
        blocks = figures["speakers"][speaker]
        for rule, title in _RULES.items():
            for near in NEAR_TURNS:
                found, coders, fair = (
                    blocks[name][rule][str(near)] for name in ("model", "coders", "against_coders")
                )
                rows.append(
                    (
                        speaker,
                        title.format(k=near),
                        *(estimate(**found[key]) for key in ("precision", "recall", "f1")),
                        estimate(**coders["f1"]),
                        estimate(**fair["f1"]),
                        _turns(found["onset_error_median"]),
                        _turns(found["onset_error_mean"]),
                    )
                )
    numbers = "; ".join(
        f"{speaker} {blocks['model']['gold']:,} and {blocks['model']['found']:,}"
        for speaker, blocks in figures["speakers"].items()
    )
    return (
        f"Rupture episodes (rupture turns with at most {figures['gap_turns']} labelled turns "
        f"between two of them), one to one. Episodes by the codes and by the model: {numbers}. "
        f"Onset errors are of the matched episodes, in turns:\n\n"
        + table(
            (
                "speaker",
                "found if",
                "precision",
                "recall",
                "F1",
                "coders' F1",
                "F1 against coders",
                "onset error, median",
                "onset error, mean",
            ),
            rows,
        )
    )


def _counts(figures: Mapping[str, Any]) -> str:
    rows = []
    for speaker in SPEAKERS:
        for what, title in _COUNTS.items():
            blocks = figures["speakers"][speaker][what]
            rows.append(
                (
                    speaker,
                    title,
                    f"{blocks['model']['gold']:,}",
                    f"{blocks['model']['found']:,}",
                    *(
                        estimate(**blocks[name]["icc"])
                        for name in ("model", "coders", "against_coders")
                    ),
                )
            )
    return "Counts per session, ICC(2,1):\n\n" + table(
        (
            "speaker",
            "count",
            "by the codes",
            "by the model",
            "ICC",
            "coders' ICC",
            "ICC against coders",
        ),
        rows,
    )


def _segments(figures: Mapping[str, Any]) -> str:
    rows = []
    for speaker in SPEAKERS:
        for label in RUPTURE_LABELS:
            blocks = figures["speakers"][speaker][label.value]
            for name, title in (("model", "model"), ("coders", "coders A–B")):
                one = blocks[name]
                rows.append(
                    (
                        speaker,
                        label.title,
                        title,
                        f"{one['segments']:,}",
                        f"{one['gold']:,}",
                        f"{one['found']:,}",
                        *(
                            estimate(**one[key])
                            for key in ("kappa", "ac1", "balanced_accuracy", "icc")
                        ),
                    )
                )
    timed, total = figures["sessions_with_times"], figures["sessions"]
    return (
        f"Presence in segments ({figures['method']}): {figures['minutes']} minutes where times "
        f"are known ({timed:,} of {total:,} sessions), else {figures['turns']} turns:\n\n"
        + table(
            (
                "speaker",
                "label",
                "who",
                "segments",
                "present",
                "said present",
                "κ",
                "AC1",
                "balanced accuracy",
                "ICC of session frequencies",
            ),
            rows,
        )
    )


def _turns(value: Mapping[str, float | None]) -> str:
    """An error in turns: one decimal, since most are small whole numbers."""
    number, low, high = value["value"], value["low"], value["high"]
    if number is None:
        return "–"
    if low is None or high is None:
        return f"{number:.1f}"
    return f"{number:.1f} [{low:.1f}, {high:.1f}]"
