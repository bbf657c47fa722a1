"""The commands of this package: they parse arguments and call one plain function each."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alliance.model.errors import ConfigError
from alliance.model.labelled import Purpose
from alliance.serve.engine_name import EngineName
from alliance.serve.options import (
    ColumnOption,
    EncodingOption,
    InputFormatOption,
    ModelOption,
    NamesOption,
    NoTextOption,
    PurposeOption,
    RoleOption,
    ThreadsOption,
    reading_of,
)
from alliance.serve.report.names import Names
from alliance.serve.table import TableFormat

if TYPE_CHECKING:
    from alliance.model.classifier import RuptureClassifier


def label(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...", help="Transcripts, folders of them, or - for standard input."
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="OUT", help="Where to write; else standard output."),
    ] = None,
    table_format: Annotated[
        TableFormat | None,
        typer.Option("--format", help="The table's format; else by OUT's ending, else csv."),
    ] = None,
    role: RoleOption = None,
    column: ColumnOption = None,
    encoding: EncodingOption = None,
    input_format: InputFormatOption = None,
    model: ModelOption = None,
    purpose: PurposeOption = Purpose.RESEARCH,
    no_text: NoTextOption = False,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Windows labelled at once, each on one core; all cores unless told. With --engine "
            "ray, processes that hold the model.",
        ),
    ] = None,
    threads: ThreadsOption = None,
    resume: Annotated[
        bool | None,
        typer.Option(
            "--resume/--no-resume",
            help="Go on with an unfinished run on OUT, or start again. Unless told, a run goes on "
            "if its settings are the same.",
        ),
    ] = None,
    engine: Annotated[
        EngineName,
        typer.Option(help="Where it is done: on this machine, or on a Ray cluster ([ray] extra)."),
    ] = EngineName.LOCAL,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress and no summary, only complaints.")
    ] = False,
) -> None:
    """Label every turn of transcripts; one row per turn.

    A folder stands for the transcripts in and below it (hidden ones aside). An input that cannot
    be read is named on standard error, adds no row, and the rest goes on; the exit code is then
    1. OUT appears whole or not at all, and OUT.manifest.json beside it says what went into it.

    A run that was cut off, even by a power cut, has kept its finished sessions; the same command
    goes on with them, and the result is the same as if nothing had happened.

    In CSV, a text or name that a spreadsheet would take for a formula (it starts with = + - @, a
    tab or a carriage return) gets an apostrophe in front.

    \b
    Examples:
      alliance label session.vtt
      alliance label corpus/ -o labels.csv
      alliance label corpus/ -o labels.csv --resume
      alliance label corpus.csv --column text=utterance --role Anna=therapist -o labels.jsonl
      cat session.txt | alliance label - --input-format txt --no-text
    """  # noqa: D301  # a real backspace is click's mark of lines that stay as they are
    from alliance.serve.batch.engine import cores
    from alliance.serve.labelling import label_files
    from alliance.serve.progress import make_progress

    reading = reading_of(role, column, encoding, input_format)
    if engine is EngineName.LOCAL and workers is None:
        workers, threads = threads or cores(), 1
    # Windows side by side use cores better than threads within one.
    classifier = _load(model, threads or 1)
    with make_progress(quiet=quiet) as progress:
        report = label_files(
            inputs,
            output,
            labeller=classifier,
            reading=reading,
            purpose=purpose,
            table_format=table_format,
            include_text=not no_text,
            progress=progress,
            engine=engine,
            workers=workers,
            resume=resume,
        )
    if report.repeated_ids:
        print(
            f"alliance: {report.repeated_ids} session ids occur in more than one input, and rows "
            f"of different sessions share them; rename the files to tell them apart",
            file=sys.stderr,
        )
    if not quiet:
        print(report, file=sys.stderr)
    if report.failures:
        raise typer.Exit(1)


def timeline(
    source: Annotated[
        str | None,
        typer.Argument(metavar="INPUT", help="A transcript, or - for standard input."),
    ] = None,
    example: Annotated[
        bool, typer.Option("--example", help="Show the example session that comes along.")
    ] = False,
    session: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Which session, if INPUT holds several."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Write the timeline as JSON to standard output.")
    ] = False,
    html: Annotated[
        Path | None,
        typer.Option(metavar="OUT", help="Write a report: one page that opens offline."),
    ] = None,
    names: NamesOption = Names.HIDE,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain",
            help="Say which words and which turns nearby each rupture's label rests on; takes "
            "seconds for each.",
        ),
    ] = False,
    role: RoleOption = None,
    column: ColumnOption = None,
    encoding: EncodingOption = None,
    input_format: InputFormatOption = None,
    model: ModelOption = None,
    purpose: PurposeOption = Purpose.RESEARCH,
    no_text: NoTextOption = False,
    threads: ThreadsOption = None,
) -> None:
    """Show one session's ruptures and the repair that follows them.

    \b
    Examples:
      alliance timeline --example
      alliance timeline session.vtt --explain
      alliance timeline session.vtt --html session.html
      alliance timeline corpus.csv --session 12 --json
    """  # noqa: D301  # as above
    from alliance.serve.sessions import explain_ruptures, read_one, show_timeline

    if example == (source is not None):
        raise ConfigError(
            f"expected one transcript or --example, found {'both' if example else 'neither'}; "
            f"give one of them"
        )
    if as_json and html is not None:
        raise ConfigError("expected --json or --html, found both; give one of them")
    reading = reading_of(role, column, encoding, input_format)
    chosen = read_one(source, reading=reading, session_id=session)
    classifier = _load(model, threads)
    purposes = Purpose if html is not None else (purpose,)
    labellings = classifier.label_for(chosen, purposes=purposes)
    labelled = labellings[purpose]
    # The terminal shows no turn on which the model abstains as a rupture.
    abstained = as_json or html is not None
    explanations = explain_ruptures(classifier, labelled, abstained=abstained) if explain else ()
    if html is None:
        show_timeline(
            labelled, as_json=as_json, include_text=not no_text, explanations=explanations
        )
        return
    from alliance.serve.report.making import view_of, write_report

    view = view_of(
        labellings,
        purpose=purpose,
        explanations=explanations,
        names=names,
        include_text=not no_text,
    )
    write_report(view, html)


def _load(model: Path | None, threads: int | None) -> "RuptureClassifier":
    # Late, so that a mistake in the arguments is told before numpy and the model load.
    from alliance.model.classifier import RuptureClassifier

    return RuptureClassifier.load(model, threads=threads)
