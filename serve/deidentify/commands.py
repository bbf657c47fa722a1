"""``alliance deid``: its options, and one call."""

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alliance.model.errors import ConfigError, InputError
from alliance.serve.options import (
    ColumnOption,
    EncodingOption,
    InputFormatOption,
    RoleOption,
    reading_of,
)

if TYPE_CHECKING:
    from alliance.serve.deidentify.pseudonyms import Pseudonyms


def deid(
    inputs: Annotated[
        list[str], typer.Argument(metavar="INPUT...", help="Transcripts, or folders of them.")
    ],
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            metavar="OUT",
            help="Where to write: .jsonl (a session a line), .csv, .parquet or .xlsx.",
        ),
    ],
    review: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.csv",
            help="List every replacement, and what was left for you to judge (an empty "
            "replaced_by). It tells what was said: keep it in the house.",
        ),
    ] = None,
    mapping: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.json",
            help="Keep the pseudonyms, and use them again in the next run. Whoever has it can undo "
            "them: keep it apart from the results.",
        ),
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A name to look for. May be repeated."),
    ] = None,
    names: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A text file of names to look for, one a line."),
    ] = None,
    capitals: Annotated[
        bool,
        typer.Option(
            "--capitals",
            help="Take every other word with a capital within a sentence for a name too: far more "
            "names are found, and more is replaced that need not be.",
        ),
    ] = False,
    month_first: Annotated[
        bool, typer.Option("--month-first", help="3/4/2024 is the fourth of March.")
    ] = False,
    presidio: Annotated[
        bool,
        typer.Option("--presidio", help="Ask presidio too, if it and its model are installed."),
    ] = False,
    role: RoleOption = None,
    column: ColumnOption = None,
    encoding: EncodingOption = None,
    input_format: InputFormatOption = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No summary, only complaints.")
    ] = False,
) -> None:
    """Replace names, dates and numbers that tell who is speaking.

    Names become other names, the same throughout; dates move by whole weeks, the same for each
    client; streets, hospitals and schools, e-mail and web addresses, telephone and other numbers,
    postcodes and ages over 89 are replaced. Known are names from --role, --name and --names, those
    of other speakers, and what a turn introduces ("my sister Anna", "Dr. Lee", "I live in Leeds").
    In a text without capitals names count in small letters too, but for those that are words
    (Will, Grace). Rules for English.

    Left for you to judge, and listed by --review: other words with a capital, most of them names
    (put those that are into --names and run it again, or replace all of them with --capitals), and
    days such as "the 3rd".

    No rule finds every name, place or story that tells who somebody is. Read the result before it
    leaves the house.

    \b
    Examples:
      alliance deid sessions/ -o shared.jsonl --review review.csv --mapping secret.json
      alliance deid session.vtt -o session.csv --role Anna=client --name Oakfield
    """  # noqa: D301  # a real backspace is click's mark of lines that stay as they are
    from alliance.serve.converting import target_format
    from alliance.serve.deidentify.batch import deidentify_files
    from alliance.serve.deidentify.presidio import presidio_finder
    from alliance.serve.inputs import STDIN

    if STDIN in inputs:
        raise ConfigError("expected files or folders, found standard input; name the files")
    pseudonyms = _pseudonyms(mapping, day_first=not month_first)
    known = [*(name or ()), *(_listed(names) if names else ())]
    report = deidentify_files(
        inputs,
        output,
        format_name=target_format(output, None),
        pseudonyms=pseudonyms,
        reading=reading_of(role, column, encoding, input_format),
        names=known,
        review=review,
        more=[presidio_finder()] if presidio else [],
        all_capitals=capitals,
        complain=lambda line: print(f"alliance: {line}", file=sys.stderr),
    )
    if mapping is not None:
        _keep(mapping, pseudonyms)
    if not quiet:
        print(report, file=sys.stderr)
        print(
            "alliance: no rule finds every name, place or story that tells who somebody is; read "
            "the result before you share it",
            file=sys.stderr,
        )
    if report.failures:
        raise typer.Exit(1)


def _pseudonyms(path: Path | None, *, day_first: bool) -> "Pseudonyms":
    from alliance.serve.deidentify.pseudonyms import Pseudonyms

    made = Pseudonyms.read(path) if path is not None and path.exists() else Pseudonyms()
    made.day_first = day_first
    return made


def _listed(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: expected a text file (UTF-8) with a name a line, found none; check its name"
        ) from error
    return [line.strip() for line in lines if line.strip()]


def _keep(path: Path, pseudonyms: "Pseudonyms") -> None:
    from alliance.serve.output import open_output

    # For the owner's eyes alone, where the system knows owners.
    before = os.umask(0o077)
    try:
        with open_output(path) as output, output.part() as stream:
            stream.write(json.dumps(pseudonyms.to_dict(), ensure_ascii=False, indent=1) + "\n")
    finally:
        os.umask(before)
