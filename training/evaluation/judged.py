"""The criteria that a release is judged by, each beside its figure; and the card's other tables."""

from collections.abc import Mapping
from typing import Any, Final

from alliance.model.codebook import RUPTURE_LABELS
from alliance.model.markdown import estimate, table
from alliance.training.evaluation.outside import REFERENCE
from alliance.training.evaluation.session_turns import SPEAKERS

__all__ = ["cost_markdown", "judged_markdown", "modes_markdown"]

_TITLES: Final = {
    "causal": "by what had been said until then",
    "disturbed": "on poor transcripts (15% word errors, no punctuation, 5% swapped roles)",
}
_ALLOWED: Final = {"causal": (-0.04, 0.0), "disturbed": (-0.06, -0.02)}
_SIZE: Final = 30.0  # MB
_LARGER: Final = {
    "teacher": "the teachers, which do not ship (see *Rivals*)",
    "sequence": "a larger model, which does not ship (see *Rivals*)",
}


def judged_markdown(report: Mapping[str, Any], outside: Mapping[str, Any] | None = None) -> str:
    """What the release was to reach, and what it reaches, as a Markdown table.

    Args:
        report: of :func:`alliance.training.card_figures.card_figures`.
        outside: of :func:`alliance.training.card_figures.outside_figures`, if it was scored.
    """
    network = report["network"]
    pooled, client = network["speakers"]["pooled"], network["speakers"]["client"]
    larger = report.get("rivals", {}).get("speakers", {}).get("pooled", {}).get("models", {})
    rows = []
    for key in [key for key in _LARGER if key in larger][:1]:
        macro = larger[key]["macro_f1"]
        rows.append(_row(f"{_LARGER[key]}: AnnoMI out of fold, macro-F1", macro, 0.62))
    rows += [
        _row("AnnoMI out of fold, macro-F1", pooled["macro_f1"], 0.58),
        _row(
            "the same against each coder, mean; goal: the coders' own",
            pooled["macro_f1_against_coders"],
            None,
            pooled["coders_macro_f1"]["value"],
        ),
    ]
    rows += [
        _row(f"client, F1 of {label.title}", client["labels"][label.value]["f1"], 0.42, 0.75)
        for label in RUPTURE_LABELS
    ]
    if outside is not None:
        macro = outside["speakers"]["pooled"]["macro_f1"]
        rows.append(_row(f"{outside['corpus']}, macro-F1", macro, 0.45, 0.70))
    for mode, block in report["modes"].items():
        floor, goal = _ALLOWED[mode]
        minus = block["minus_full"]["pooled"]["macro_f1"]
        rows.append(_row(f"macro-F1 {_TITLES[mode]}, minus full", minus, floor, goal, signed=True))
    gap = network["reliability"]["pooled"]["likely_ruptures"]["largest_gap"]
    rows.append(
        _row(
            "largest gap of predicted and observed, turns with p of a rupture ≥ .2",
            {"value": gap},
            0.07,
            0.03,
            less=True,
        )
    )
    stated = network["risk_coverage"]["pooled"]["at_80"]["labels"]
    for label in RUPTURE_LABELS:
        kept, gain = stated[label.value]["kept"], stated[label.value]["gain"]
        rows.append(_row(f"at 80% coverage, true {label.title}s kept", kept, 0.75))
        rows.append(
            _row(f"at 80% coverage, F1 of {label.title}, gain", gain, 0.0, signed=True, above=True)
        )
    rows += _outside("AnnoMI's experts", network["sessions_level"].get("quality"))
    if outside is not None:
        rows += _outside("seekers' ratings", outside["sessions_level"].get("ratings"))
    size = report["shipped"]["megabytes"]
    rows.append(
        ("size of the shipped file", f"≤ {_SIZE:.0f} MB", "", f"{size:.1f} MB", _yes(size <= _SIZE))
    )
    return (
        f"Both speakers pooled unless said; {network['level']:.0%} intervals over sessions. "
        f"Whether a floor is reached goes by the figure itself, not by its interval:\n\n"
        + table(("", "floor", "goal", "figure", "floor reached"), rows)
        + "\n"
    )


def modes_markdown(report: Mapping[str, Any]) -> str:
    """Full mode, causal mode and poor transcripts side by side, as Markdown."""
    network = report["network"]["speakers"]
    rows: list[tuple[str, ...]] = []
    for speaker in SPEAKERS:
        rows.append((speaker, "full", *_main(network[speaker]), ""))
        for mode, block in report["modes"].items():
            minus = block["minus_full"][speaker]["macro_f1"]
            rows.append(
                (
                    speaker,
                    _TITLES[mode],
                    *_main(block["speakers"][speaker]),
                    estimate(**minus, signed=True),
                )
            )
    header = ("speaker", "shown", "macro-F1", *(f"F1, {label.title}" for label in RUPTURE_LABELS))
    return table((*header, "macro-F1 minus full"), rows) + "\n"


def cost_markdown(report: Mapping[str, Any]) -> str:
    """Time and memory of every part, as Markdown."""
    rows = [
        (f"training, fold {fold['fold']}", f"{fold['minutes']:.1f}", _memory(fold))
        for fold in report["folds"]
        if "minutes" in fold
    ]
    labelling = report["cost"].get("labelling")
    rows += [
        (part, f"{took['seconds'] / 60:.1f}", _memory(took))
        for part, took in report["cost"].items()
        if part != "labelling"
    ]
    machine = report["machine"]
    gpu = machine["gpu"] or "no GPU"
    text = (
        f"On {machine['system']} ({machine['processor']}), {machine['threads']} threads, {gpu}. "
        f"Memory is the peak of the process up to then:\n\n"
        + table(("part", "minutes", "peak memory, MB"), rows)
        + "\n"
    )
    if labelling is not None:
        text += (
            f"\nThe shipped model ({labelling['model']}) labels {labelling['turns']:,} turns of "
            f"{labelling['sessions']:,} sessions in {labelling['seconds']:.0f} s on "
            f"{labelling['threads']} thread(s), loading included, with a peak memory of "
            f"{_memory(labelling)} MB.\n"
        )
    return text


def _main(block: Mapping[str, Any]) -> tuple[str, ...]:
    labels = [block["labels"][label.value]["f1"] for label in RUPTURE_LABELS]
    return (estimate(**block["macro_f1"]), *(estimate(**f1) for f1 in labels))


def _row(
    what: str,
    found: Mapping[str, float | None],
    floor: float | None,
    goal: float | None = None,
    *,
    signed: bool = False,
    less: bool = False,
    above: bool = False,
) -> tuple[str, ...]:
    value = found["value"]
    reached = ""
    if floor is not None and value is not None:
        reached = _yes(value <= floor if less else value > floor if above else value >= floor)
    sign = "≤ " if less else "> " if above else "≥ "
    return (
        what,
        "" if floor is None else sign + estimate(floor, signed=signed),
        "" if goal is None else estimate(goal, signed=signed),
        estimate(**found, signed=signed),
        reached,
    )


def _outside(what: str, figures: Mapping[str, Any] | None) -> list[tuple[str, ...]]:
    if figures is None:
        return []
    rows: list[tuple[str, ...]] = []
    for speaker in SPEAKERS:
        score = figures["speakers"][speaker]["scores"].get("model", {})
        found = score.get("difference")
        if found is None:
            continue
        low, high = found["low"], found["high"]
        reached = "" if low is None or high is None else _yes(low <= 0 <= high)
        rows.append(
            (
                f"{what}, {speaker}: AUC of rupture share minus that by the {REFERENCE} codes",
                "interval holds 0",
                "",
                estimate(**found, signed=True),
                reached,
            )
        )
    return rows


def _memory(part: Mapping[str, Any]) -> str:
    return "–" if part["peak_memory_mb"] is None else f"{part['peak_memory_mb']:,.0f}"


def _yes(reached: bool) -> str:
    return "yes" if reached else "**no**"
