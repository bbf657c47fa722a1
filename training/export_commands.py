"""The command ``alliance export``: arguments in, one call."""

from pathlib import Path
from typing import Annotated

import typer

from alliance.training.train_commands import (
    SHIPPED,
    Quiet,
    Threads,
    prepare,
    show_checks,
    tell_or_not,
)

_CHECKED_ON = 40  # sessions: enough for hundreds of rupture turns, labelled in a minute


def export(
    source: Annotated[
        Path,
        typer.Argument(
            help="A model folder, `shipped` for the one that comes with alliance, or the folder of "
            "a finished training: fold-0 or all of a cross-validation, or what `alliance train "
            "--work` named."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The model folder to write.")],
    form: Annotated[
        str | None,
        typer.Option(
            "--form",
            help="int8, weights8 (weights alone in 8 bits), float32 or weights4 (in 4 bits, "
            "multiplied in 8); default: the first of the first three that gives the same labels.",
        ),
    ] = None,
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """Write a model folder from a finished training, or another form of a model.

    The new form is compared with its source on authored sessions, and refused if it labels them
    differently.

    \b
    Examples:
      alliance export runs/teacher-cv/all -o stronger-model
      alliance export my-model --form weights8 -o my-smaller-model
      alliance export shipped --form float32 -o for-a-gpu
    """  # noqa: D301  # a real backspace is click's mark of lines that stay as they are
    prepare("alliance export", threads, quiet=quiet)
    from alliance.model.classifier import shipped_weights
    from alliance.training import corpora
    from alliance.training.reexport import reexport

    tell = tell_or_not(quiet=quiet)
    if str(source) == SHIPPED and not source.exists():
        source = shipped_weights()
    checks = reexport(source, out, form=form, check_on=corpora.authored()[:_CHECKED_ON])
    show_checks(checks, tell)
    tell(f"wrote {out}")
