"""The command ``alliance figures``: arguments in, one call."""

from datetime import date
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


def figures(
    crossvalidation: Annotated[
        Path,
        typer.Option(
            "--crossvalidation",
            metavar="DIR",
            help="Folder of a finished cross-validation; what is made for the figures goes there.",
        ),
    ] = Path("runs/cv"),
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the reports.")] = Path(
        "data_cards/figures"
    ),
    annomi: AnnomiFile = None,
    failed_esconv: Annotated[
        Path | None,
        typer.Option(
            "--failed-esconv",
            metavar="FILE",
            help="Coded sessions of FailedESConv (JSON lines). The shipped model is scored on them "
            "once for each release, so only for a release.",
        ),
    ] = None,
    model: Annotated[
        Path | None, typer.Option("--model", metavar="DIR", help="The model to ship; else ours.")
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option("--rival", metavar="KEY", help="Make this rival alone. May be repeated."),
    ] = None,
    teacher: Annotated[
        list[Path] | None,
        typer.Option(
            "--teacher",
            metavar="DIR",
            help="Folder of a teacher's finished cross-validation, whose figures stand among the "
            "rivals. May be repeated: the mean of several.",
        ),
    ] = None,
    resamples: Annotated[
        int, typer.Option(min=1, help="How often the sessions are drawn anew for the intervals.")
    ] = 2000,
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """Make every figure of the model card from a finished cross-validation.

    Out of fold: all figures of turns and sessions, causal mode, poor transcripts, rivals, outside
    criteria, the deletion test of explanations; then time and memory. Writes cross-validation.json,
    from which `alliance card` fills the card, what was predicted of each turn as a table (without
    words), and an HTML report in the folder of the cross-validation. Goes on after a kill.

    Example:
      alliance figures --crossvalidation runs/cv --annomi AnnoMI-simple.csv -o data_cards/figures
    """
    prepare("alliance figures", threads, quiet=quiet)
    import json

    from alliance.model.classifier import shipped_weights
    from alliance.model.markdown import estimate
    from alliance.training import corpora
    from alliance.training.card_figures import card_figures, out_of_fold_table, outside_figures
    from alliance.training.evaluation.ratings import read_ratings
    from alliance.training.evaluation.report import html_report
    from alliance.training.files import write_whole
    from alliance.training.rivals.making import recipe

    tell = tell_or_not(quiet=quiet)
    names = [name for name in recipe(crossvalidation).corpora if name != "annomi"]
    sessions = corpora.load("annomi", annomi_file=annomi)
    own = {name: corpora.load(name) for name in names}
    shipped = model or shipped_weights()
    out.mkdir(parents=True, exist_ok=True)

    def write(name: str, report: dict[str, object]) -> None:
        text = json.dumps(report, indent=1, allow_nan=False)
        write_whole(out / f"{name}.json", text + "\n")
        tell(f"wrote {out / f'{name}.json'}")

    report = card_figures(
        crossvalidation,
        sessions,
        own,
        corpora.annomi_quality(annomi),
        shipped=shipped,
        annomi_file=annomi,
        rivals=only,
        teachers=teacher or (),
        threads=threads,
        resamples=resamples,
        tell=tell,
    )
    write("cross-validation", report)
    turns = out / "cross-validation-turns.csv"
    write_whole(turns, out_of_fold_table(crossvalidation))
    tell(f"wrote {turns}")
    page = html_report(report["network"], rivals=report["rivals"], titles=report["rival_titles"])
    write_whole(crossvalidation / "report.html", page)
    tell(f"wrote {crossvalidation / 'report.html'}")
    if failed_esconv is None:
        return
    name = report["shipped"]["name"]
    path = out / "failed_esconv.json"
    if path.is_file() and json.loads(path.read_text(encoding="utf-8")).get("model") == name:
        tell(f"{path}: {name} has been scored on it; kept, since a release is scored once")
        return
    scored = outside_figures(
        crossvalidation,
        corpora.load(str(failed_esconv)),
        read_ratings(failed_esconv),
        sessions,
        own,
        corpus="failed_esconv",
        shipped=shipped,
        threads=threads,
        resamples=resamples,
        tell=tell,
    )
    write("failed_esconv", scored)
    today = date.today()  # noqa: DTZ011  # the day where the release is made
    typer.echo(
        f"Add to the release log of data_cards/model.md: | RUN | {name} | {today.isoformat()} | "
        f"`alliance figures --failed-esconv {failed_esconv.name}` | "
        f"{estimate(**scored['speakers']['pooled']['macro_f1'])} |"
    )
