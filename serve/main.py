"""The ``alliance`` program: finds its commands, runs one, and turns errors into one sentence.

How a command is declared
-------------------------
A command is an entry point of the group ``alliance.commands`` in pyproject.toml; its name is the
command's name. It resolves to one of two things, and neither needs anything from this package:

- a plain function with typer annotations (``Annotated[Path, typer.Option(...)]``); its docstring
  is the help text, whose first sentence stands in ``alliance --help``;
- a ``typer.Typer`` for a group of commands (``alliance corpora fetch …``), made with ``help=``.

A command fails by raising an :class:`~alliance.model.errors.AllianceError`, or
``typer.Exit(1)`` once it has said what failed; what it returns is ignored. The module that holds
it imports nothing heavy at its top, since ``alliance --help`` imports all of them. A module that
is missing because an extra is not installed, at the top or within the function, becomes one
sentence that names the extra.

Exit codes: 0 fine, 1 some inputs failed (or a model or an extra is missing), 2 wrong usage,
130 interrupted, 143 terminated.
"""

import os
import signal
import sys
from collections.abc import Callable
from functools import cached_property
from importlib.metadata import EntryPoint, distributions, version
from types import FrameType
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

from alliance.model.errors import AllianceError, InputError, MissingExtraError, TranscriptError

GROUP: Final = "alliance.commands"
_FIRST: Final = ("label", "timeline")  # what most people came for; the others by name
_EXTRAS: Final = {"alliance.training": "train", "alliance.serve": "serve"}

Command = Callable[..., None] | typer.Typer
"""What an entry point of the group may resolve to."""


class CommandGroup(TyperGroup):
    """The commands of the entry-point group, each loaded when it is asked for."""

    @cached_property
    def _entries(self) -> dict[str, EntryPoint]:
        # Not entry_points(): it keeps the first distribution of a name, and in a source checkout
        # that is an .egg-info which may be older than the installed package.
        found = (entry for dist in distributions() for entry in dist.entry_points)
        return {entry.name: entry for entry in found if entry.group == GROUP}

    # The context is Any: which of typer's and click's classes it is differs between versions.

    def list_commands(self, ctx: Any) -> list[str]:
        """The commands' names, in the order of ``alliance --help``."""
        return sorted(self._entries, key=lambda name: (name not in _FIRST, name))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name, or None; one that cannot be loaded says so when it is run."""
        entry = self._entries.get(cmd_name)
        if entry is None:
            return None
        try:
            target = entry.load()
        except (ImportError, AttributeError) as error:
            return _unavailable(cmd_name, _explained(entry, error))
        return _command(cmd_name, target)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; errors raised on purpose become one sentence on stderr."""
        try:
            return super().invoke(ctx)
        except AllianceError as error:
            complain(str(error))
            raise typer.Exit(exit_code(error)) from error
        except ModuleNotFoundError as error:
            told = _explained(self._entries.get(ctx.invoked_subcommand), error)
            if told is error:
                raise
            complain(f"{told} (no module named '{error.name}')")
            raise typer.Exit(1) from error
        except KeyboardInterrupt as error:
            complain("interrupted")
            raise typer.Exit(130) from error
        except BrokenPipeError as error:
            _silence_stdout()
            raise typer.Exit(1) from error
        except OSError as error:
            # Inputs that cannot be read are named where they are read; this is the output's.
            complain(f"{error.filename or 'output'}: {error.strerror or error}")
            raise typer.Exit(1) from error


def exit_code(error: AllianceError) -> int:
    """2 for an argument that the user can mend, 1 for a transcript, a model or an extra."""
    return 2 if isinstance(error, InputError) and not isinstance(error, TranscriptError) else 1


def complain(message: str) -> None:
    """One line on stderr."""
    print(f"alliance: {message}", file=sys.stderr, flush=True)


def _command(name: str, target: Command) -> Any:
    # A parent of its own, because typer takes a lone function for a program, not for a command.
    parent = typer.Typer(add_completion=False, rich_markup_mode=None)
    if isinstance(target, typer.Typer):
        parent.add_typer(target, name=name)
    else:
        parent.command(name)(target)
    return typer.main.get_group(parent).commands[name]


def _unavailable(name: str, reason: Exception) -> TyperCommand:
    """A command that can be listed but, called with whatever arguments, says what it lacks."""

    def refuse() -> None:
        raise reason

    extra = reason.extra if isinstance(reason, MissingExtraError) else None
    return TyperCommand(
        name,
        callback=refuse,
        short_help=f"(needs the [{extra}] extra)" if extra else "(cannot be loaded)",
        help=str(reason),
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
        rich_markup_mode=None,
    )


def _explained(entry: EntryPoint | None, error: Exception) -> Exception:
    """A missing module as a missing extra; any other error, and our own faults, as they are."""
    if entry is None or not isinstance(error, ModuleNotFoundError):
        return error
    extra = _EXTRAS.get(".".join(entry.module.split(".")[:2]))
    if extra is None or (error.name or "alliance").split(".")[0] == "alliance":
        return error
    return MissingExtraError(f"alliance {entry.name}", extra)


def _silence_stdout() -> None:
    """The reader has gone; without this the interpreter complains once more at its exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"alliance {version('alliance-rupture')}")
        raise typer.Exit


app: Final = typer.Typer(
    cls=CommandGroup,
    name="alliance",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(no_args_is_help=True)
def alliance(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Finds ruptures in the therapeutic alliance in the words of a therapy session.

    Everything runs on this machine; transcripts never leave it.
    """


def main() -> None:
    """The program; ends with ``SystemExit``."""
    for name in ("SIGTERM", "SIGHUP"):  # Windows has no SIGHUP
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _terminate)
    app(prog_name="alliance")


def _terminate(number: int, frame: FrameType | None) -> None:
    """An ordinary exit instead of sudden death, so that temporary files are removed."""
    raise SystemExit(128 + number)
