"""The commands about corpora, evaluation and cards: thin, and light to import."""

import json
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alliance.model.errors import ConfigError
from alliance.model.labelled import Purpose
from alliance.training.train_commands import SHIPPED, CodeMap, Roles, Tables

if TYPE_CHECKING:
    from alliance.training.corpora import CodedSession

# What our own corpora are; told without loading them.
_WRITTEN = {
    "authored": "sessions written for this project (CC BY 4.0)",
    "everyday": "more of them, in plain everyday talk (CC BY 4.0)",
    "quiet": "more, of clients who withdraw in few words (CC BY 4.0)",
    "varied": "more, in many settings and kinds of English (CC BY 4.0)",
    "registers": "more, to test on, in settings of their own (CC BY 4.0)",
}
_NAMED = ", ".join((*_WRITTEN, "annomi"))

AnnomiOption = Annotated[
    Path | None,
    typer.Option(
        "--annomi", metavar="FILE", help="AnnoMI-simple.csv, if it is not where fetch puts it."
    ),
]

corpora = typer.Typer(
    help="List the labelled corpora, fetch the text of one, show what one holds.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@corpora.command("list")
def list_corpora(annomi: AnnomiOption = None) -> None:
    """List the corpora that can be named, and whether their text is on this machine."""
    from alliance.training.corpora import annomi_path

    file = annomi or annomi_path()
    there = f"at {file}" if file.is_file() else "not fetched: alliance corpora fetch annomi"
    for name, about, where in (
        *((name, about, "ships with the package") for name, about in _WRITTEN.items()),
        ("annomi", "motivational-interviewing demonstrations (codes CC BY 4.0)", there),
        ("PATH", "a JSON-lines file of coded sessions", "yours"),
    ):
        print(f"{name:<10}{about:<64}{where}")


@corpora.command("fetch")
def fetch_corpus(
    name: Annotated[str, typer.Argument(metavar="annomi", help="Which corpus.")],
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="DIR", help="Where to put it; else your data folder."),
    ] = None,
) -> None:
    """Download the text of a corpus from its authors, and check that it is the right version.

    Prints the path of the file. A file that is there already is not fetched again, and another
    file of that name is never overwritten.
    """
    from alliance.training.corpora import fetch_annomi

    if name != "annomi":
        raise ConfigError(f"expected a corpus that can be fetched (annomi), found {name!r}")
    print(fetch_annomi(to))


@corpora.command("show")
def show_corpus(
    corpus: Annotated[str, typer.Argument(metavar="CORPUS", help=f"{_NAMED} or a file.")],
    annomi: AnnomiOption = None,
) -> None:
    """Show what a corpus holds and how far its coders agree, as Markdown tables."""
    from alliance.training.composition import coder_agreement, composition
    from alliance.training.corpora import load

    sessions = load(corpus, annomi_file=annomi)
    print(composition(sessions), coder_agreement(sessions), sep="\n\n")


def evaluate(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A model folder, or 'shipped' for ours.")
    ],
    corpus: Annotated[
        str,
        typer.Argument(
            metavar="CORPUS",
            help=f"{_NAMED}, a table of coded turns, or JSON lines of coded sessions.",
        ),
    ],
    code_map: CodeMap = None,
    role: Roles = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", "--json", metavar="FILE", help="Write the figures as JSON."),
    ] = None,
    html_file: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Write a report with plots, one HTML file."),
    ] = None,
    markdown_file: Annotated[
        Path | None,
        typer.Option("--markdown", metavar="FILE", help="Write the report as Markdown."),
    ] = None,
    examples: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="N",
            help="Show the N surest misses of each label in the reports, WITH their words.",
        ),
    ] = 0,
    predictions_file: Annotated[
        Path | None,
        typer.Option("--predictions", metavar="FILE.npz", help="Write every turn's prediction."),
    ] = None,
    annomi: AnnomiOption = None,
    purpose: Annotated[
        Purpose, typer.Option(help="Whose thresholds decide the labels.")
    ] = Purpose.RESEARCH,
    causal: Annotated[
        bool, typer.Option("--causal", help="Label each turn by what had been said until then.")
    ] = False,
    poor: Annotated[
        bool,
        typer.Option(
            "--disturb",
            help="Show the model poor transcripts: 15% word errors, no punctuation, 5% of turns "
            "given to the wrong speaker.",
        ),
    ] = False,
    resamples: Annotated[
        int, typer.Option(min=1, help="How often the sessions are drawn anew for the intervals.")
    ] = 2000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same intervals.")] = 0,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress, only complaints.")
    ] = False,
) -> None:
    """Measure a model on coded sessions that it has not seen.

    For client, therapist and both: precision, recall, F1 and AUPRC of each label, macro-F1, kappa,
    calibration and abstention, with 95% intervals over sessions, beside the two coders' own
    agreement, also by groups of sessions where the corpus tells them apart; then rupture
    episodes, counts and segments of sessions, and outside criteria where known. The tables go to
    standard output unless a file is named. No words of a transcript are written unless --examples
    asks for them.

    \b
    Examples:
      alliance evaluate shipped my_codings.csv
      alliance evaluate runs/mine annomi --json report.json --html report.html
      alliance evaluate runs/mine my_codings.jsonl --causal
    """  # noqa: D301  # a real backspace is click's mark of lines that stay as they are
    from alliance.model.classifier import RuptureClassifier
    from alliance.training.config import SHIPPED_RECIPE, TrainingConfig
    from alliance.training.disturb import poor_transcript
    from alliance.training.evaluation.curves import curves
    from alliance.training.evaluation.figures import collect, figures
    from alliance.training.evaluation.groups import session_groups
    from alliance.training.evaluation.misses import surest_misses
    from alliance.training.evaluation.report import html_report, markdown_report
    from alliance.training.evaluation.session_figures import session_figures
    from alliance.training.files import write_whole

    tables = Tables(code_map, role or (), lambda line: print(line, file=sys.stderr))
    sessions = tables.load(corpus, annomi)
    named = corpus.partition(":")[0]
    if model == SHIPPED and named in TrainingConfig.from_file(SHIPPED_RECIPE).corpora:
        print(
            f"alliance: the shipped model was trained on {named}; these figures say nothing of "
            f"sessions it has not seen (see the model card for those)",
            file=sys.stderr,
        )
    classifier = RuptureClassifier.load(None if model == SHIPPED else model)
    predictions = collect(
        classifier,
        _tracked(sessions, quiet=quiet),
        purpose=purpose,
        causal=causal,
        shown=poor_transcript if poor else None,
    )
    if poor:
        predictions = replace(predictions, model=f"{predictions.model}, on poor transcripts")
    outside = _outside_criteria(corpus, annomi)
    groups = dict(session_groups(sessions))
    if "quality" in outside:
        groups["quality"] = outside["quality"]
    report = {
        "corpus": Path(corpus).name if Path(corpus).is_file() else corpus.partition(":")[0],
        "purpose": purpose.value,
        "mode": "causal" if causal else "full",
        "disturbed": poor,
        **figures(predictions, groups=groups, resamples=resamples, seed=seed),
        "sessions_level": session_figures(
            predictions,
            sessions=sessions,
            **outside,
            resamples=resamples,
            seed=seed,
        ),
        "curves": curves(predictions),
    }
    misses = surest_misses(predictions, sessions, examples) if examples else ()
    if misses:
        print("alliance: the reports hold words of transcripts, as asked", file=sys.stderr)
    if predictions_file is not None:
        predictions.save(predictions_file)
    if output is not None:
        write_whole(output, json.dumps(report, indent=1, allow_nan=False) + "\n")
    if html_file is not None:
        write_whole(html_file, html_report(report, misses=misses))
    if markdown_file is not None:
        write_whole(markdown_file, markdown_report(report, misses=misses))
    if output is None and html_file is None and markdown_file is None:
        print(markdown_report(report, misses=misses), end="")


def _outside_criteria(corpus: str, annomi: Path | None) -> dict[str, Any]:
    """What others made of the corpus's sessions, as ``session_figures`` takes it."""
    from alliance.training.corpora import annomi_quality
    from alliance.training.corpora.specs import holds_sessions
    from alliance.training.evaluation.ratings import read_ratings

    name, colon, path = corpus.partition(":")
    if name == "annomi":
        return {"quality": annomi_quality(Path(path) if colon else annomi)}
    file = Path(corpus)
    return {"ratings": read_ratings(file)} if file.is_file() and holds_sessions(file) else {}


def card(
    folder: Annotated[Path, typer.Argument(metavar="[FOLDER]", help="Where the cards are.")] = Path(
        "data_cards"
    ),
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; fail if a card is out of date.")
    ] = False,
    corpus: Annotated[
        list[str] | None,
        typer.Option(
            "--corpus", metavar="NAME=FILE", help="A further corpus of the cards. May be repeated."
        ),
    ] = None,
) -> None:
    """Fill the figures of the data cards and the model card.

    A card's figures stand between two marks and come from the shipped corpora, from a corpus named
    with --corpus, or from the report FOLDER/figures/NAME.json.

    \b
    Examples:
      alliance card --check
      alliance card --corpus failed_esconv=sessions.jsonl
    """  # noqa: D301  # as above
    from alliance.training.cards import fill_cards
    from alliance.training.corpora import load

    named = {}
    for option in corpus or []:
        name, equals, spec = option.partition("=")
        if not (name and equals and spec):
            raise ConfigError(f"expected --corpus NAME=FILE, found {option!r}")
        named[name] = load(spec)
    report = fill_cards(folder, corpora=named, write=not check)
    for block in report.left:
        print(f"alliance: nothing at hand to fill {block}; left as it is", file=sys.stderr)
    for path in report.changed:
        state = "out of date; run alliance card" if check else "filled"
        print(f"alliance: {path}: {state}", file=sys.stderr)
    if check and report.changed:
        raise typer.Exit(1)


def _tracked(sessions: "tuple[CodedSession, ...]", *, quiet: bool) -> "Iterable[CodedSession]":
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    silent = quiet or not console.is_terminal
    return track(sessions, description="labelling", console=console, disable=silent, transient=True)
