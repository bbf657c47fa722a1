"""The report of an evaluation for people: one HTML file, or Markdown, from the figures in JSON.

The HTML file holds its plots, asks nothing of the network and runs nothing; whatever comes from a
corpus or a model's name is escaped. No words of a transcript unless they are handed in.
"""

import base64
import hashlib
import html
from collections.abc import Mapping, Sequence
from typing import Any, Final

from alliance.model.codebook import LABELS
from alliance.model.markdown import estimate, table
from alliance.training.evaluation.markup import as_html, escaped
from alliance.training.evaluation.misses import Miss
from alliance.training.evaluation.plots import PLOTS
from alliance.training.evaluation.session_tables import rivals_markdown, session_markdown
from alliance.training.evaluation.session_turns import SPEAKERS
from alliance.training.evaluation.svg import STYLE
from alliance.training.evaluation.tables import groups_markdown, markdown

__all__ = ["CLAIMS", "html_report", "markdown_report"]

CLAIMS: Final = (
    "These figures say how well a model repeats the codes of a corpus. Those of our own corpora "
    "were given by language-model coders who followed a codebook; **no clinician has validated "
    "them**. It is an aid to research and training, to find turns worth reading, and **not a score "
    "of a therapist** or of a client."
)
"""What every report opens with."""

_TEXT_WARNING: Final = (
    "**This report holds words of transcripts**, because they were asked for. Handle it as you "
    "handle the transcripts: do not publish it or send it on."
)

_HOW: Final = (
    ("figure in brackets", "95% interval: sessions drawn anew; with few sessions it is too narrow"),
    ("precision", "of the turns given the label, the share that carries it by the codes"),
    ("recall", "of the turns that carry the label, the share that was given it"),
    ("F1", "harmonic mean of the two; 1 is best; never better than the worse of them by much"),
    ("macro-F1", "mean of the labels' F1: a rare label counts as much as a common one"),
    ("Cohen's κ", "agreement beyond chance, 0 to 1; low where labels are rare"),
    ("Gwet's AC1", "agreement beyond chance, less swayed by rarity; high where one label prevails"),
    ("balanced accuracy", "mean recall of the labels; guessing among four gives .25"),
    ("coders A–B", "the two codings by the same figure: what a model of this data can hope for"),
    ("model against A and B", "to be compared with coders A–B; figures against the settled codes "
     "are not"),
    ("AUROC", "how often a turn with the label outranks one without; .5 is guessing"),
    ("AUPRC", "mean precision over all thresholds; guessing gives the label's share of turns"),
    ("ECE", "mean gap between stated probability and observed share; 0 is best"),
    ("Brier skill", "share of squared error saved against always stating the label's share"),
    ("ICC(2,1)", "agreement of counts per session in number, not only in order; 1 is best"),
    ("AUC of an outside criterion", "how often a session with the outcome outscores one without"),
)  # fmt: skip


def markdown_report(
    report: Mapping[str, Any],
    *,
    rivals: Mapping[str, Any] | None = None,
    titles: Mapping[str, str] | None = None,
    misses: Sequence[Miss] = (),
) -> str:
    """The report as Markdown; confusion counts as tables in place of plots.

    Args:
        report: of ``alliance evaluate``.
        rivals: figures of :func:`alliance.training.rivals.figures.rival_figures`.
        titles: names of the rivals by their keys.
        misses: turns to be shown with their words.
    """
    parts = [_head(report, misses), *_turns(report, rivals, titles)]
    if "curves" in report:
        parts.append("## Which labels are taken for which")
        parts += [_confusion(report, speaker) for speaker in SPEAKERS]
    parts += [*_rest(report, titles), *_misses(misses), _how_to_read()]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def html_report(
    report: Mapping[str, Any],
    *,
    rivals: Mapping[str, Any] | None = None,
    titles: Mapping[str, str] | None = None,
    misses: Sequence[Miss] = (),
) -> str:
    """The report as one HTML file with its plots; arguments as :func:`markdown_report`."""
    before = "\n\n".join([_head(report, misses), *_turns(report, rivals, titles)])
    after = "\n\n".join([*_rest(report, titles), *_misses(misses), _how_to_read()])
    plots = _plots(report) if "curves" in report else ""
    style = STYLE + _STYLE
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(_title(report))}</title>\n<style>{style}</style>\n</head>\n<body>\n"
        f"<main>\n{as_html(before)}\n{plots}\n{as_html(after)}\n</main>\n</body>\n</html>\n"
    )


def _title(report: Mapping[str, Any]) -> str:
    return f"{report['model']} on {report.get('corpus', 'coded sessions')}"


def _head(report: Mapping[str, Any], misses: Sequence[Miss]) -> str:
    facts = []
    if "purpose" in report:
        facts.append(f"Thresholds of the purpose *{report['purpose']}*".replace("*", ""))
    if "mode" in report:
        seen = "by what had been said until then" if report["mode"] == "causal" else (
            "with the whole session in view"
        )  # fmt: skip
        facts.append(f"each turn labelled {seen}")
    if report.get("disturbed"):
        facts.append("shown transcripts with simulated errors")
    parts = [f"# {escaped(_title(report))}", CLAIMS]
    if facts:
        parts.append("; ".join(facts) + ".")
    if misses:
        parts.append(_TEXT_WARNING)
    return "\n\n".join(parts)


def _turns(
    report: Mapping[str, Any],
    rivals: Mapping[str, Any] | None,
    titles: Mapping[str, str] | None,
) -> list[str]:
    figures = {name: value for name, value in report.items() if name != "groups"}
    parts = ["## Turns", markdown(figures)]
    if rivals is not None:
        parts += [
            "## Rivals",
            "The coders' own row is the ceiling; a rival's difference has a paired interval.",
            rivals_markdown(rivals, titles),
        ]
    return parts


def _rest(report: Mapping[str, Any], titles: Mapping[str, str] | None) -> list[str]:
    parts = []
    if "groups" in report:
        parts += ["## Groups of sessions", groups_markdown(report["groups"])]
    if "sessions_level" in report:
        parts += ["## Sessions", session_markdown(report["sessions_level"], titles)]
    return parts


def _plots(report: Mapping[str, Any]) -> str:
    parts = ["<h2>Plots</h2>"]
    for name, (how, draw) in PLOTS.items():
        parts.append(f"<h3>{name.replace('-', ' ').capitalize()}</h3><p>{html.escape(how)}</p>")
        for speaker in SPEAKERS:
            whose = "Both pooled" if speaker == "pooled" else f"The {speaker}'s turns"
            parts.append(
                f"<figure><figcaption>{whose}</figcaption>{draw(report, speaker)}</figure>"
            )
    return "\n".join(parts)


def _confusion(report: Mapping[str, Any], speaker: str) -> str:
    rows = []
    for label, counts in zip(LABELS, report["curves"][speaker]["confusion"], strict=True):
        total = sum(counts)
        cells = [f"{n:,} ({n / total:.0%})" if total else "0" for n in counts]
        rows.append((label.title, f"{total:,}", *cells))
    title = "Both pooled" if speaker == "pooled" else f"The {speaker}'s turns"
    header = ("by the codes", "turns", *(f"model: {label.title}" for label in LABELS))
    return f"{title}, share of the row:\n\n{table(header, rows)}"


def _misses(misses: Sequence[Miss]) -> list[str]:
    if not misses:
        return []
    lines = [
        f"- **{miss.settled.title}** by the codes, {miss.predicted.title} by the model "
        f"({estimate(miss.p_predicted)} against {estimate(miss.p_settled)}); "
        f"{escaped(miss.session)}, turn {miss.turn}, {escaped(miss.speaker)}: "
        f"“{escaped(miss.text)}”"
        for miss in misses
    ]
    return ["## Surest misses", _TEXT_WARNING, "\n".join(lines)]


def _how_to_read() -> str:
    return f"## How to read the figures\n\n{table(('figure', 'in one line'), _HOW)}"


_STYLE: Final = """\
:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;margin:0;
color:#1a1a1a;background:#fff}
main{max-width:72rem;margin:0 auto;padding:1rem}
h2{margin-top:2.5rem;border-bottom:1px solid currentColor}
.wide{overflow-x:auto;margin:.5rem 0 1.5rem}
table{border-collapse:collapse;font-size:.85rem;font-variant-numeric:tabular-nums}
th,td{padding:.2rem .6rem;border-bottom:1px solid #bbb;text-align:right;white-space:nowrap}
tr>:first-child{text-align:left}thead th{white-space:normal;vertical-align:bottom}
figure{margin:1rem 0;break-inside:avoid}figcaption{font-weight:600}
li{margin:.3rem 0}
@media screen and (prefers-color-scheme:dark){body{color:#eee;background:#161616}
th,td{border-color:#555}}
@media print{main{max-width:none;padding:0}.wide{overflow:visible}
table{font-size:.65rem}th,td{white-space:normal;padding:.1rem .3rem}tr{break-inside:avoid}}
"""
