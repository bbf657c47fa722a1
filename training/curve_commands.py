"""The command ``alliance learning-curve``: arguments in, one call."""

from pathlib import Path
from typing import Annotated

import typer

from alliance.model.errors import ConfigError
from alliance.training.train_commands import CodeMap, Quiet, Roles, Tables, tell_or_not


def learning_curve(
    corpus: Annotated[
        str,
        typer.Argument(
            metavar="CORPUS", help="A table of coded turns, or JSON lines of coded sessions."
        ),
    ],
    beside: Annotated[
        bool,
        typer.Option(
            "--beside-ours", help="Train on our sessions too each time; takes some minutes more."
        ),
    ] = False,
    sizes: Annotated[
        str | None,
        typer.Option(metavar="N,N,...", help="Numbers of sessions to try; default: 5, 10, 20, …"),
    ] = None,
    draws: Annotated[
        int, typer.Option(min=1, help="How often sessions are drawn anew for each number.")
    ] = 5,
    seed: Annotated[int, typer.Option(help="The same seed gives the same draws.")] = 0,
    output: Annotated[
        Path | None, typer.Option("-o", "--json", metavar="FILE", help="Write it as JSON.")
    ] = None,
    code_map: CodeMap = None,
    role: Roles = None,
    quiet: Quiet = False,
) -> None:
    """Say how many coded sessions you need: figures by the number trained on.

    A quick rival (TF-IDF and a logistic regression) learns from more and more of your sessions, and
    is scored on sessions that it has not seen. It shows where more coding
    still pays; a network reaches more, and takes hours.

    \b
    Examples:
      alliance learning-curve my_codings.csv
      alliance learning-curve theirs.xlsx --map their_codes.csv --sizes 5,10,20,40
    """  # noqa: D301  # a real backspace is click's mark of lines that stay as they are
    from alliance.training import corpora
    from alliance.training.files import write_json
    from alliance.training.learning_curve import advice, curve_markdown
    from alliance.training.learning_curve import learning_curve as run

    tell = tell_or_not(quiet=quiet)
    try:
        chosen = [int(part) for part in sizes.split(",")] if sizes else None
    except ValueError as error:
        raise ConfigError(f"--sizes: expected numbers such as 5,10,20, found '{sizes}'") from error
    sessions = Tables(code_map, role or (), tell).load(corpus)
    ours = (*corpora.authored(), *corpora.everyday()) if beside else ()
    points = run(sessions, beside=ours, sizes=chosen, draws=draws, seed=seed, tell=tell)
    if output is not None:
        write_json(output, {"corpus": Path(corpus).name, "points": [p.to_dict() for p in points]})
        tell(f"wrote {output}")
    typer.echo(f"{curve_markdown(points)}\n\n{advice(points)}")
