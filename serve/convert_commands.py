"""The commands that convert and check files; each parses arguments and calls one function."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from alliance.serve.options import (
    ColumnOption,
    EncodingOption,
    InputFormatOption,
    NoTextOption,
    RoleOption,
    reading_of,
)

__all__ = ["convert", "validate"]


def convert(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...",
            help="Transcripts, or tables of labels or codings, or an export of Label Studio; "
            "folders of transcripts; - for a transcript on standard input.",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="OUT", help="Where to write; else standard output."),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            metavar="FORMAT",
            help="csv, jsonl, parquet, xlsx, sav, eaf, textgrid, vtt, labelstudio or qdpx; else "
            "by OUT's ending.",
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(metavar="TABLE", help="Labels for the transcripts, as alliance label wrote."),
    ] = None,
    original: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The .eaf or .TextGrid that tiers of labels are added to."
        ),
    ] = None,
    role: RoleOption = None,
    column: ColumnOption = None,
    encoding: EncodingOption = None,
    input_format: InputFormatOption = None,
    no_text: NoTextOption = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No summary, only complaints.")
    ] = False,
) -> None:
    """Convert transcripts and labels between tables and the field's own tools.

    A transcript becomes a table (or subtitles) of its turns. A table of labels, or a transcript
    with --labels, becomes any of the formats; .eaf and .TextGrid get tiers of labels beside what
    they hold. Annotations exported from Label Studio become a coding that alliance agree and
    alliance train read. For Label Studio a second file, OUT's name with .config.xml, holds the
    labelling interface.

    \b
    Examples:
      alliance convert sessions/ -o corpus.parquet
      alliance convert labels.csv -o labels.sav
      alliance convert session.eaf --labels labels.csv -o session_labelled.eaf
      alliance convert corpus.csv --to labelstudio -o tasks.json
      alliance convert export.json -o coding.csv
    """  # noqa: D301  # a real backspace is click's mark of lines that stay as they are
    from alliance.serve.converting import convert_files

    report = convert_files(
        inputs,
        output,
        to=to,
        reading=reading_of(role, column, encoding, input_format),
        labels=labels,
        original=original,
        include_text=not no_text,
    )
    for note in report.notes:
        print(f"alliance: {note}", file=sys.stderr)
    if not quiet:
        print(report, file=sys.stderr)
    if report.failures:
        raise typer.Exit(1)


def validate(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...",
            help="Transcripts, tables of labels, codings, folders; - for standard input.",
        ),
    ],
    role: RoleOption = None,
    column: ColumnOption = None,
    encoding: EncodingOption = None,
    input_format: InputFormatOption = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No summary, only the problems.")
    ] = False,
) -> None:
    """Look through files and name everything that is wrong with them.

    Each problem is a line on standard output: file:line, what was expected and found, what to do.
    Of tables of labels and codings it also checks the labels, that markers belong to their label
    and speaker, that no turn is missing or there twice, and that times do not run backwards. The
    exit code is 1 if there is any problem.

    \b
    Examples:
      alliance validate sessions/
      alliance validate corpus.csv --role Anna=therapist --role Ben=client
      alliance validate coding_a.csv coding_b.xlsx
    """  # noqa: D301  # as above
    from alliance.serve.validating import validate_files

    reading = reading_of(role, column, encoding, input_format)
    report = validate_files(inputs, reading=reading, tell=typer.echo)
    if not quiet:
        print(report, file=sys.stderr)
    if report.problems:
        raise typer.Exit(1)
