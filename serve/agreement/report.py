"""The figures of a panel as a report: Markdown for a paper's supplement, HTML to look at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from alliance.model.markdown import estimate, table
from alliance.serve.wording import counted

__all__ = ["Table", "html", "markdown", "tables"]

_OVERALL: Final = {
    "percent_agreement": "percent agreement (0–1)",
    "kappa": "Cohen's κ",
    "ac1": "Gwet's AC1",
    "alpha": "Krippendorff's α, nominal",
    "weighted_agreement": "percent agreement, weighted",
    "weighted_kappa": "Cohen's κ, weighted",
    "ac2": "Gwet's AC2",
    "alpha_ordinal": "Krippendorff's α, ordinal",
    "alpha_quadratic": "Krippendorff's α, interval",
    "icc_2_1": "ICC(2,1) of the ratings, one coder",
    "icc_2_k": "ICC(2,k) of the ratings, their mean",
}
_BY_CODE: Final = {
    "share": "share of codes",
    "kappa": "κ",
    "ac1": "AC1",
    "alpha": "α",
    "specific_agreement": "F1",
}
_BRIEF: Final = ("kappa", "ac1", "specific_agreement")
_RULES: Final = {
    "onset": "onsets at most k turns apart",
    "onset_or_overlap": "… or sharing a turn",
}
_MODEL: Final = {
    "pairs/people": "κ among people, mean of pairs",
    "pairs/model": "κ of the model with each of them, mean",
    "pairs/difference": "difference",
    "left_out/people": "κ of each person with the others' majority, mean",
    "left_out/model": "κ of the model in that person's place, mean",
    "left_out/difference": "difference",
}
_NOTE: Final = (
    "In brackets, {level:.0%} intervals from {resamples:,} resamples of whole sessions: turns of "
    "one session are not independent. With more than two coders κ is the mean of all pairs' "
    "(Light 1971). Per code: that code against all others; F1 is positive specific agreement "
    "(Fleiss 1975). κ and α fall where a code is rare; AC1 "
    "does not: read them together."
)
SOURCES: Final = (
    "Cohen 1960, 1968 (κ, weighted κ); Gwet 2008, 2014 (AC1, AC2); Krippendorff 2011 (α); Fleiss "
    "1975 (specific agreement); Shrout & Fleiss 1979 (ICC); Light 1971 (several coders); Efron & "
    "Tibshirani 1993 (bootstrap)."
)
"""Where the formulae come from; each function of ``alliance.model`` names its own."""


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the report.

    Attributes:
        title: what it shows.
        header: its columns' names; the first column names the row.
        rows: its cells.
        note: what to know about it, or empty.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


def tables(figures: Mapping[str, Any], *, brief: bool = False) -> list[Table]:
    """The figures (:func:`alliance.model.panel_figures.panel_figures`) as tables.

    Args:
        figures: of a panel.
        brief: for a terminal: of the figures per code only those that say most.
    """
    made = [_coders(figures), _overall(figures)]
    shown = _BRIEF if brief else tuple(_BY_CODE)
    made += [_codes(name, block, shown) for name, block in figures["speakers"].items()]
    made += [_confusion(figures, pair) for pair in figures["pairs"]]
    made.append(_frequencies(figures["frequencies"]))
    if figures.get("episodes"):
        made.append(_episodes(figures["episodes"]))
    made += [_model(name, block) for name, block in figures["models"].items()]
    return [one for one in made if one.rows]


def introduction(figures: Mapping[str, Any]) -> str:
    """What was compared, in a sentence."""
    people = [coder["name"] for coder in figures["coders"]]
    return (
        f"{len(people)} coders ({', '.join(people)}), {counted(figures['turns'], 'turn')} of "
        f"{counted(figures['sessions'], 'session')}; all of them coded "
        f"{counted(figures['turns_coded_by_all'], 'turn')}. Codes: {figures['kind']}."
    )


def note(figures: Mapping[str, Any]) -> str:
    """How to read the figures."""
    return _NOTE.format(**figures)


def markdown(figures: Mapping[str, Any]) -> str:
    """The report in Markdown."""
    parts = ["# Agreement of coders", introduction(figures), note(figures)]
    for one in tables(figures):
        parts += [f"## {one.title}", table(one.header, [_escaped(row) for row in one.rows])]
        parts += [one.note] if one.note else []
    return "\n\n".join([*parts, f"Formulae: {SOURCES}"]) + "\n"


def html(figures: Mapping[str, Any]) -> str:
    """The report as a file that stands alone."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("alliance.serve.agreement"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html").render(
        introduction=introduction(figures),
        note=note(figures),
        tables=tables(figures),
        sources=SOURCES,
    )


def _escaped(row: Sequence[str]) -> list[str]:
    return [cell.replace("|", "\\|").replace("\n", " ") for cell in row]


def _coders(figures: Mapping[str, Any]) -> Table:
    used = [code for code in figures["codes"] if any(c["counts"][code] for c in figures["coders"])]
    return Table(
        "What each coder coded",
        ("coder", "turns", *used),
        tuple(
            (
                coder["name"] + (" (model)" if coder["by_model"] else ""),
                f"{coder['turns']:,}",
                *(f"{coder['counts'][code]:,}" for code in used),
            )
            for coder in figures["coders"]
        ),
    )


def _overall(figures: Mapping[str, Any]) -> Table:
    speakers = figures["speakers"]
    names = [name for name in _OVERALL if name in speakers["pooled"]["overall"]]
    return Table(
        "Agreement",
        ("", *(f"{name}, {block['turns']:,}" for name, block in speakers.items())),
        tuple(
            (
                _OVERALL[name],
                *(estimate(**block["overall"][name]) for block in speakers.values()),
            )
            for name in names
        ),
        "Beside the speakers: their turns.",
    )


def _codes(speaker: str, block: Mapping[str, Any], shown: Sequence[str]) -> Table:
    return Table(
        f"By code, {speaker}",
        ("code", *(_BY_CODE[name] for name in shown)),
        tuple(
            (code, *(estimate(**found[name]) for name in shown))
            for code, found in block["codes"].items()
        ),
    )


def _confusion(figures: Mapping[str, Any], pair: Mapping[str, Any]) -> Table:
    first, second = pair["coders"]
    used = [
        place
        for place in range(len(figures["codes"]))
        if any(pair["confusion"][place]) or any(row[place] for row in pair["confusion"])
    ]
    codes = figures["codes"]
    weighted = (
        f", weighted κ {estimate(**pair['weighted_kappa'])}" if "weighted_kappa" in pair else ""
    )
    return Table(
        f"{first} (rows) and {second} (columns)",
        (first, *(codes[place] for place in used)),
        tuple(
            (codes[row], *(f"{pair['confusion'][row][column]:,}" for column in used))
            for row in used
        ),
        f"{pair['turns']:,} turns: agreement {estimate(**pair['percent_agreement'])}, κ "
        f"{estimate(**pair['kappa'])}{weighted}, macro-F1 {estimate(**pair['macro_f1'])}.",
    )


def _frequencies(found: Mapping[str, Any]) -> Table:
    return Table(
        "How often in a session",
        ("number of", "ICC(2,1), one coder", "ICC(2,k), their mean"),
        tuple(
            (name, estimate(**block["icc_2_1"]), estimate(**block["icc_2_k"]))
            for name, block in found.items()
        ),
        "Intraclass correlation of the numbers that coders count in each session, on the turns "
        "that all of them coded: two-way random effects, absolute agreement.",
    )


def _episodes(found: Mapping[str, Any]) -> Table:
    nears = list(next(iter(found.values())))
    return Table(
        "Rupture episodes",
        ("the same if", *(f"k = {near}" for near in nears)),
        tuple(
            (title, *(estimate(**found[rule][near]) for near in nears))
            for rule, title in _RULES.items()
        ),
        "Share of two coders' episodes that are the same: 2 · matched / (one's + the other's).",
    )


def _model(name: str, block: Mapping[str, Any]) -> Table:
    rows = []
    for path, title in _MODEL.items():
        part, figure = path.split("/")
        rows.append((title, estimate(**block[part][figure], signed=figure == "difference")))
    return Table(
        f"{name} as one more coder",
        ("", "κ"),
        tuple(rows),
        "Below 0: the model agrees less with people than they do with each other.",
    )
