"""``alliance agree``: its options, and one call."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alliance.model.errors import ConfigError
from alliance.serve.options import RoleOption, parse_roles

if TYPE_CHECKING:
    from alliance.model.raters import Order

_KINDS = "labels, markers or any"
_WEIGHTS = "linear, quadratic or ordinal"


def agree(
    codings: Annotated[
        list[str],
        typer.Argument(
            metavar="[NAME=]PATH[:COLUMN]...",
            help="Tables of codes, one coder each or with a column for each coder; a folder is "
            "one coder.",
        ),
    ],
    kind: Annotated[
        str, typer.Option("--codes", metavar="KIND", help=f"What to compare: {_KINDS}.")
    ] = "labels",
    order: Annotated[
        str | None,
        typer.Option(
            metavar="CODE,CODE,...",
            help="With --codes any: the codes from least to most, if they have an order.",
        ),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            metavar="KIND", help=f"How near codes are to each other in that order: {_WEIGHTS}."
        ),
    ] = None,
    code_map: Annotated[
        str | None,
        typer.Option(
            "--map",
            metavar="FILE|cis",
            help="What the codes of another system stand for: a CSV with the columns code, label "
            "and marker.",
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="This coder is a model. Tables of `alliance label` say so."
        ),
    ] = None,
    role: RoleOption = None,
    markdown: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Write the report as Markdown."),
    ] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the report as one HTML file.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Write the figures as JSON to standard output.")
    ] = False,
    disagreements: Annotated[
        Path | None,
        typer.Option(metavar="FILE.csv", help="Write the turns on which coders differ."),
    ] = None,
    transcript: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="What was said, to stand beside the codes in that list."),
    ] = None,
    resamples: Annotated[
        int, typer.Option(min=1, help="How often sessions are drawn anew for the intervals.")
    ] = 2000,
) -> None:
    """Say how far coders agree, the model among them if you like.

    Percent agreement, Cohen's κ, Gwet's AC1, Krippendorff's α, each code against the rest, ICCs
    of session frequencies, rupture episodes, confusion matrices; client, therapist, pooled;
    intervals over whole sessions. Turns are matched by number (turn) or identifier (utterance_id).

    \b
    Examples:
      alliance agree anna.csv ben.csv
      alliance agree codes.csv:coder_a codes.csv:coder_b --html agreement.html
      alliance agree anna/ ben/ labels.csv --disagreements discuss.csv --transcript corpus.csv
      alliance agree anna.csv ben.csv --codes any --order 1,2,3,4,5 --weights quadratic
    """  # noqa: D301  # a real backspace is click's mark of lines that stay as they are
    from alliance.model.code_system import code_system
    from alliance.model.formats import read_sessions
    from alliance.model.panel import ANY, CODE_KINDS, align
    from alliance.model.panel_figures import panel_figures
    from alliance.serve.agreement import report
    from alliance.serve.agreement.disagreements import write_disagreements
    from alliance.serve.agreement.sources import gather
    from alliance.serve.wording import counted

    if kind not in CODE_KINDS:
        raise ConfigError(f"--codes: expected {_KINDS}, found '{kind}'; choose one")
    if kind == ANY and code_map is not None:
        raise ConfigError("--map: expected none with --codes any, found one; leave one out")
    if kind != ANY and (order is not None or weights is not None):
        raise ConfigError(
            "--order and --weights: expected with --codes any alone, since our labels have no "
            "order; add it or leave them out"
        )
    if transcript and disagreements is None:
        raise ConfigError("--transcript: expected with --disagreements FILE.csv; add it")
    nearness = _weights(weights, ordered=order is not None)
    roles = parse_roles(role)
    panel = align(
        gather(codings, system=None if kind == ANY else code_system(code_map), roles=roles),
        kind=kind,
        order=[code.strip() for code in order.split(",")] if order else (),
        models=model or (),
    )
    figures = panel_figures(panel, order=nearness, resamples=resamples)
    said = [s for file in transcript or () for s in read_sessions(file, roles=roles)]
    if disagreements is not None:
        texts = {session.id: session for session in said} if transcript else None
        count = write_disagreements(disagreements, panel, texts=texts)
        print(f"{disagreements}: {counted(count, 'turn')} on which coders differ", file=sys.stderr)
    for path, text in (
        (markdown, report.markdown(figures) if markdown else ""),
        (html, report.html(figures) if html else ""),
    ):
        if path is not None:
            _write(path, text)
    if as_json:
        sys.stdout.write(json.dumps(figures, ensure_ascii=False, indent=1) + "\n")
    elif markdown is None and html is None:
        from alliance.serve.agreement.terminal import show

        show(figures)


def _weights(name: str | None, *, ordered: bool) -> "Order":
    from alliance.model.raters import Order

    if name is None:
        return Order.NONE
    if not ordered:
        raise ConfigError("--weights: expected with --order CODE,CODE,... alone; add the order")
    try:
        return Order(name)
    except ValueError:
        raise ConfigError(f"--weights: expected {_WEIGHTS}, found '{name}'; choose one") from None


def _write(path: Path, text: str) -> None:
    from alliance.serve.output import open_output

    with open_output(path) as output, output.part() as stream:
        stream.write(text)
    print(f"wrote {path}", file=sys.stderr)
