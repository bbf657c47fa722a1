"""The command ``alliance report``: arguments in, one call."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from alliance.model.labelled import Purpose
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


def report(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...", help="Transcripts, folders of them, or - for standard input."
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            metavar="FOLDER|FILE.html",
            help="A folder for the overview and the reports, or a file for the overview alone.",
        ),
    ],
    names: NamesOption = Names.HIDE,
    role: RoleOption = None,
    column: ColumnOption = None,
    encoding: EncodingOption = None,
    input_format: InputFormatOption = None,
    model: ModelOption = None,
    purpose: PurposeOption = Purpose.RESEARCH,
    no_text: NoTextOption = False,
    threads: ThreadsOption = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress and no summary, only complaints.")
    ] = False,
) -> None:
    """Report on many sessions: a page over all of them, and each one's timeline as a page.

    The overview has one row a session, those with most episodes without a repair signal first,
    and no text. The pages open offline and load nothing. An input that cannot be read is named,
    and the rest goes on; the exit code is then 1.

    \b
    Examples:
      alliance report sessions/ -o monday
      alliance report sessions/ -o monday.html
      alliance report corpus.csv --column text=utterance -o corpus-report
    """  # noqa: D301  # a real backspace is click's mark of lines that stay as they are
    from alliance.model.classifier import RuptureClassifier
    from alliance.serve.progress import make_progress
    from alliance.serve.report.making import write_reports

    reading = reading_of(role, column, encoding, input_format)
    classifier = RuptureClassifier.load(model, threads=threads)
    with make_progress(quiet=quiet) as progress:
        overview = write_reports(
            inputs,
            output,
            labeller=classifier,
            reading=reading,
            purpose=purpose,
            names=names,
            include_text=not no_text,
            progress=progress,
        )
    if not quiet:
        print(overview, file=sys.stderr)
    if overview.failures:
        raise typer.Exit(1)
