"""``alliance sample``: its options, and one call."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from alliance.model.errors import ConfigError
from alliance.serve.options import (
    ColumnOption,
    EncodingOption,
    InputFormatOption,
    ModelOption,
    NoTextOption,
    RoleOption,
    ThreadsOption,
    reading_of,
)


def sample(
    inputs: Annotated[
        list[str], typer.Argument(metavar="INPUT...", help="Transcripts, or folders of them.")
    ],
    count: Annotated[int, typer.Option("-n", min=1, help="How many to choose.")] = 10,
    unit: Annotated[
        str, typer.Option(metavar="sessions|turns", help="What is to be coded.")
    ] = "sessions",
    at_random: Annotated[
        int,
        typer.Option(
            "--random",
            min=0,
            metavar="N",
            help="Draw so many of them at random: figures for the corpus are fair on these alone.",
        ),
    ] = 0,
    per_session: Annotated[
        int, typer.Option(min=1, metavar="N", help="At most so many turns of one session.")
    ] = 5,
    seed: Annotated[int, typer.Option(help="The same seed draws the same.")] = 0,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="OUT.csv", help="The list; else standard output."),
    ] = None,
    role: RoleOption = None,
    column: ColumnOption = None,
    encoding: EncodingOption = None,
    input_format: InputFormatOption = None,
    model: ModelOption = None,
    no_text: NoTextOption = False,
    threads: ThreadsOption = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress, only complaints.")
    ] = False,
) -> None:
    """Choose the sessions or turns that are most worth coding next.

    Those where the model is unsure, where ruptures are likely, and which are unlike each other.
    Such a choice is no fair sample of the corpus: add some at random, and estimate figures from
    these.

    \b
    Examples:
      alliance sample corpus/ -n 10 -o next.csv
      alliance sample corpus.csv -n 200 --unit turns --random 100 -o turns.csv
    """  # noqa: D301  # a real backspace is click's mark of lines that stay as they are
    from alliance.model.classifier import RuptureClassifier
    from alliance.serve.inputs import STDIN, UNREAD, find_files, why_unread
    from alliance.serve.progress import steps
    from alliance.serve.sampling.candidates import Candidate, of_session, of_turns
    from alliance.serve.sampling.choosing import choose

    if unit not in ("sessions", "turns"):
        raise ConfigError(f"--unit: expected sessions or turns, found '{unit}'; choose one")
    if at_random > count:
        raise ConfigError(f"--random: expected at most -n {count}, found {at_random}; lower it")
    if STDIN in inputs:
        raise ConfigError("expected files or folders, found standard input; name the files")
    reading = reading_of(role, column, encoding, input_format)
    files = find_files(inputs, output=output)
    classifier = RuptureClassifier.load(model, threads=threads)
    candidates: list[Candidate] = []
    failed = 0
    for file in files if quiet else steps(files, "reading"):
        found: list[Candidate] = []
        try:
            for session in reading.sessions(Path(file)):
                labelled = classifier.label(session)
                if unit == "turns":
                    found += of_turns(labelled, source=str(file))
                elif (one := of_session(labelled, source=str(file))) is not None:
                    found.append(one)
        except UNREAD as error:
            print(f"alliance: {why_unread(str(file), error)}", file=sys.stderr)
            failed += 1
        else:
            candidates += found
    choices = choose(
        candidates,
        count,
        at_random=at_random,
        per_session=per_session if unit == "turns" else None,
        seed=seed,
    )
    _write(output, [_row(rank, one) for rank, one in enumerate(choices, 1)], unit, no_text=no_text)
    if failed:
        raise typer.Exit(1)


def _row(rank: int, choice: Any) -> dict[str, Any]:
    candidate = choice.candidate
    return {
        "rank": rank,
        "source": candidate.source,
        "session_id": candidate.session,
        "turn": candidate.turn,
        "speaker": candidate.speaker,
        "text": candidate.text,
        "turns": candidate.turns,
        "doubt": candidate.doubt,
        "rupture": candidate.rupture,
        "novelty": choice.novelty,
        "score": choice.score,
        "at_random": choice.at_random,
    }


def _write(path: Path | None, rows: list[dict[str, Any]], unit: str, *, no_text: bool) -> None:
    from alliance.serve.output import open_output
    from alliance.serve.table import TableFormat, TableWriter

    what = ["turn", "speaker", "text", "code"] if unit == "turns" else ["turns"]
    columns = ["rank", "source", "session_id", *what]
    columns += ["doubt", "rupture", "novelty", "score", "at_random"]
    with open_output(path) as output, output.part() as stream:
        writer = TableWriter(
            stream, table_format=TableFormat.CSV, include_text=not no_text, columns=columns
        )
        writer.header()
        writer.rows(rows)
