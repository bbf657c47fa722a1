"""The command ``alliance rivals``: arguments in, one call."""

from pathlib import Path
from typing import Annotated

import typer

from alliance.training.train_commands import (
    AnnomiFile,
    Quiet,
    Threads,
    prepare,
    tell_or_not,
)


def rivals(
    crossvalidation: Annotated[
        Path,
        typer.Option(
            "--crossvalidation", metavar="DIR", help="Folder of a finished cross-validation."
        ),
    ] = Path("runs/cv"),
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for everything; taken up again if there.")
    ] = Path("runs/rivals"),
    annomi: AnnomiFile = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only",
            metavar="KEY",
            help="Make this rival alone: majority, tfidf, frozen, one-turn, own-window or "
            "sequence. May be repeated.",
        ),
    ] = None,
    resamples: Annotated[
        int, typer.Option(min=1, help="How often the sessions are drawn anew for the intervals.")
    ] = 2000,
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """Make the rivals of a cross-validated model on its own splits, and set them beside it.

    Always the commonest label; TF-IDF and a logistic regression; the encoder's embeddings before
    fine-tuning and a logistic regression; our own model shown one turn at a time, and one turn
    with the four before it; and, if mpnet is at hand, a larger one than ours that reads a session
    as a whole. Writes their predictions and report.json; the tables go to standard output.

    Example:
      alliance rivals --crossvalidation runs/cv --annomi AnnoMI-simple.csv -o runs/rivals
    """
    prepare("alliance rivals", threads, quiet=quiet)
    from alliance.training import corpora
    from alliance.training.crossvalidation import out_of_fold
    from alliance.training.evaluation.outside import quality_figures
    from alliance.training.evaluation.session_tables import outside_markdown, rivals_markdown
    from alliance.training.files import write_json
    from alliance.training.rivals.figures import rival_figures
    from alliance.training.rivals.making import RIVALS, make_rivals, recipe

    names = [name for name in recipe(crossvalidation).corpora if name != "annomi"]
    sessions = corpora.load("annomi", annomi_file=annomi)
    made = make_rivals(
        crossvalidation,
        sessions,
        {name: corpora.load(name) for name in names},
        out,
        only=only,
        threads=threads,
        tell=tell_or_not(quiet=quiet),
    )
    model = out_of_fold(crossvalidation)
    report = {
        "rivals": rival_figures(model, made, resamples=resamples),
        "quality": quality_figures(
            model, corpora.annomi_quality(annomi), rivals=made, resamples=resamples
        ),
    }
    write_json(out / "report.json", report)
    titles = {rival.key: rival.name for rival in RIVALS}
    typer.echo(rivals_markdown(report["rivals"], titles))
    typer.echo(outside_markdown(report["quality"], titles), nl=False)
