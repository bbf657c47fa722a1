"""The commands ``alliance train`` and ``alliance crossvalidate``: arguments in, one call."""

import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alliance.model.errors import ConfigError, MissingExtraError
from alliance.training.own_codings import OWN_CORPUS, with_own

if TYPE_CHECKING:
    from alliance.training.config import TrainingConfig
    from alliance.training.corpora import CodedSession
    from alliance.training.export import ExportCheck

SHIPPED = "shipped"
"""Stands for the model folder that comes with the package."""

ConfigFile = Annotated[
    Path | None,
    typer.Argument(
        help="A TOML file; without it training/recipe.toml is used, which needs no teachers."
    ),
]
AnnomiFile = Annotated[
    Path | None,
    typer.Option(
        "--annomi", help="AnnoMI-simple.csv; default: where `alliance corpora fetch` put it."
    ),
]
Threads = Annotated[
    int | None, typer.Option("--threads", min=1, help="Threads to compute with; default: all.")
]
Teacher = Annotated[
    list[Path] | None,
    typer.Option(
        "--teacher",
        help="Folder of a finished cross-validation on the same folds, whose networks give the "
        "targets their [loss] teacher_share. May be repeated: the mean of several.",
    ),
]
CodeMap = Annotated[
    str | None,
    typer.Option(
        "--map",
        metavar="FILE|cis",
        help="What the codes of another system stand for: a CSV with the columns code, label and "
        "marker.",
    ),
]
Roles = Annotated[
    list[str] | None,
    typer.Option(
        "--role",
        metavar="NAME=therapist|client|other",
        help="Who a speaker of your own codings is. May be repeated.",
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress on stderr.")]


def train(
    config: ConfigFile = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="The model folder to write.")] = Path(
        "runs/model"
    ),
    annomi: AnnomiFile = None,
    corpus: Annotated[
        list[str] | None,
        typer.Option(
            "--corpus",
            metavar="[NAME=]PATH",
            help="Your own codings: a table of turns with what was said and a column code, or "
            "JSON lines of sessions. They join the last stage; with a configuration of your own, "
            "NAME is the one that its stages draw from. May be repeated.",
        ),
    ] = None,
    code_map: CodeMap = None,
    role: Roles = None,
    hold_out: Annotated[
        float,
        typer.Option(
            "--hold-out",
            min=0.01,
            max=0.9,
            help="Share of the last stage's first corpus that is held out for stopping, "
            "calibration and thresholds.",
        ),
    ] = 0.2,
    crossvalidation: Annotated[
        Path | None,
        typer.Option(
            "--crossvalidation",
            help="Folder of a finished cross-validation of the same recipe: train on every "
            "session and calibrate on its out-of-fold probabilities.",
        ),
    ] = None,
    teacher: Teacher = None,
    work: Annotated[
        Path | None,
        typer.Option("--work", help="Folder for checkpoints; a killed run goes on from there."),
    ] = None,
    print_config: Annotated[
        bool, typer.Option("--print-config", help="Print the settings as JSON and stop.")
    ] = False,
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """Train a model on coded sessions and write a model folder that `--model` takes.

    \b
    Examples:
      alliance train --corpus my_codings.csv -o my-model
      alliance train --corpus theirs.csv --map their_codes.csv --role Anna=client -o my-model
      alliance train mine.toml --corpus mine=codings.jsonl -o my-model
    """  # noqa: D301  # a real backspace is click's mark of lines that stay as they are
    from alliance.training.config import RECIPE, TrainingConfig

    settings = TrainingConfig.from_file(config or RECIPE)
    given = _given(corpus or [])
    if config is None and OWN_CORPUS in given:
        from alliance.training.corpora import annomi_path

        settings = with_own(settings, annomi=(annomi or annomi_path()).is_file())
    if print_config:
        import json

        typer.echo(json.dumps(settings.to_dict(), indent=2))
        return
    prepare("alliance train", threads, quiet=quiet)
    from alliance.training import run
    from alliance.training.processes import process_count

    if crossvalidation is None and (teacher or settings.loss.teacher_share):
        raise ConfigError(
            "a teacher may have been trained on the sessions held out here: teachers and [loss] "
            "teacher_share need --crossvalidation, whose folds keep them apart"
        )
    tell = tell_or_not(quiet=quiet)
    corpora = _corpora(settings, annomi, given, tables=Tables(code_map, role or (), tell))
    checks: list[ExportCheck]
    if crossvalidation is not None:
        checks = run.train_on_all(
            settings, corpora, crossvalidation, out, teachers=teacher or (), tell=tell, quiet=quiet
        )
    else:
        if work is None and process_count() > 1:
            raise ConfigError(
                "several processes that train together need one folder for checkpoints, found "
                "none; add --work FOLDER"
            )
        held = next(iter(settings.stages[-1].shares))
        split = run.hold_out(corpora, held, share=hold_out, seed=settings.seed)
        with tempfile.TemporaryDirectory() as scratch:
            checks = run.train_model(
                settings, split, out, work or Path(scratch), tell=tell, quiet=quiet
            )
    show_checks(checks, tell)
    tell(f"wrote {out}")


def crossvalidate(
    config: ConfigFile = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for everything; taken up again if there.")
    ] = Path("runs/cv"),
    annomi: AnnomiFile = None,
    folds: Annotated[
        str,
        typer.Option(
            "--folds",
            help="Which test folds to run now, e.g. 0,1; the report is written by the run that "
            "finds all five done.",
        ),
    ] = "0,1,2,3,4",
    teacher: Teacher = None,
    again: Annotated[
        bool,
        typer.Option(
            "--recalibrate",
            help="Fit the calibration and thresholds of the finished folds anew; trains nothing.",
        ),
    ] = False,
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """Cross-validate a recipe over AnnoMI's five folds, beside the TF-IDF baseline.

    Test fold k; fold k+1 for stopping, calibration and thresholds; the other three folds and the
    sessions of our own for training. Writes report.json, from which the model card is filled.

    \b
    Examples:
      alliance crossvalidate --annomi AnnoMI-simple.csv -o runs/cv
      alliance crossvalidate training/student.toml --teacher runs/teacher -o runs/student
    """  # noqa: D301  # a real backspace is click's mark of lines that stay as they are
    from alliance.training.config import RECIPE, TrainingConfig

    settings = TrainingConfig.from_file(config or RECIPE)
    chosen = _fold_numbers(folds)
    prepare("alliance crossvalidate", threads, quiet=quiet)
    from alliance.training import corpora
    from alliance.training.crossvalidation import crossvalidate as run

    tell = tell_or_not(quiet=quiet)
    drawn = _corpora(settings, annomi, None, tables=Tables(None, (), tell))
    sessions = drawn.pop("annomi", None) or corpora.load("annomi", annomi_file=annomi)
    if again:
        from alliance.training.recalibration import recalibrate

        recalibrate(out, sessions, threads=threads, tell=tell)
    report = run(
        settings,
        sessions,
        drawn,
        out,
        folds=chosen,
        teachers=teacher or (),
        tell=tell,
        quiet=quiet,
    )
    if report is None:
        tell("the report is written once all five folds are done")
    else:
        tell(f"wrote {out / 'report.json'}")


@dataclass(frozen=True, slots=True)
class Tables:
    """How tables of your own codings are read.

    Attributes:
        code_map: a map of codes, a system's name, or None for our own.
        roles: ``NAME=ROLE``, as typed.
        tell: told what could not be used.
    """

    code_map: str | None
    roles: Sequence[str]
    tell: Callable[[str], None]

    def load(self, spec: str, annomi: Path | None = None) -> "tuple[CodedSession, ...]":
        """The corpus that ``spec`` names; see :func:`alliance.training.corpora.load`."""
        from alliance.model.code_system import code_system
        from alliance.model.formats import RoleMap
        from alliance.training import corpora

        return corpora.load(
            spec,
            annomi_file=annomi,
            system=code_system(self.code_map),
            roles=RoleMap.parse(self.roles),
            tell=self.tell,
        )


def _given(named: Sequence[str]) -> dict[str, str]:
    """Corpora of the user's own by name; one without is :data:`OWN_CORPUS`."""
    given: dict[str, str] = {}
    for item in named:
        name, equals, path = item.partition("=")
        if not equals or Path(item).exists():
            name, path = OWN_CORPUS, item
        if not (name and path):
            raise ConfigError(f"--corpus expects PATH or NAME=PATH, got {item!r}")
        if name in given:
            raise ConfigError(
                f"--corpus names '{name}' twice; put the codings of both files into one"
            )
        given[name] = path
    return given


def _corpora(
    settings: "TrainingConfig",
    annomi: Path | None,
    given: Mapping[str, str] | None,
    *,
    tables: Tables,
) -> "dict[str, tuple[CodedSession, ...]]":
    """The corpora that the stages draw from, by name; ``given`` is None where none can be."""
    from alliance.training.corpora import WRITTEN

    built_in = (*WRITTEN, "annomi")
    paths = given or {}
    wanted = settings.corpora
    for name in wanted:
        if name not in built_in and name not in paths:
            raise ConfigError(
                f"a stage draws from {name!r}, which is none of {', '.join(built_in)}; "
                + ("name one of these" if given is None else f"add --corpus {name}=PATH")
            )
    unused = [name for name in paths if name not in wanted]
    if unused:
        raise ConfigError(
            f"--corpus names {unused[0]!r}, but no stage draws from it; stages draw from "
            f"{', '.join(wanted)}"
        )
    return {name: tables.load(paths.get(name, name), annomi) for name in wanted}


def _fold_numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise ConfigError(f"--folds expects numbers such as 0,1, got {text!r}") from error


def prepare(feature: str, threads: int | None, *, quiet: bool) -> None:
    """Load torch, or say which extra brings it; keep the libraries' chatter off the terminal."""
    try:
        import torch
        import transformers
    except ModuleNotFoundError as error:
        raise MissingExtraError(feature, "train") from error
    if threads is not None:
        torch.set_num_threads(threads)
    logging = transformers.utils.logging
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    if quiet:
        logging.disable_progress_bar()  # type: ignore[no-untyped-call]


def show_checks(checks: "Sequence[ExportCheck]", tell: Callable[[str], None]) -> None:
    """Say in a line each how the exported forms compared."""
    for check in checks:
        tell(
            f"{check.form}: {check.megabytes:.1f} MB, largest difference of a label's F1 from "
            f"the network {check.f1_difference:.3f}, agreement on rupture turns "
            f"{check.rupture_agreement:.1%}: {'passed' if check.passed else 'not passed'}"
        )


def tell_or_not(*, quiet: bool) -> Callable[[str], None]:
    """What says on stderr what is going on, or says nothing."""
    from alliance.training.processes import is_first

    return _silent if quiet or not is_first() else _tell


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _silent(line: str) -> None:
    pass
