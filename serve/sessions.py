"""One session: read it, and show its timeline."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from importlib.resources import as_file, files
from importlib.resources.abc import Traversable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

from alliance.model.errors import ConfigError, TranscriptError
from alliance.model.formats.convokit import utterances_in
from alliance.model.labelled import LabelledSession
from alliance.model.session import Session
from alliance.serve.inputs import STDIN, Reading

if TYPE_CHECKING:
    from alliance.model.classifier import RuptureClassifier
    from alliance.model.explanation import TurnExplanation

EXAMPLE: Final = "first_strain.vtt"
"""The example session that ships, in ``alliance.serve.examples``."""

_LISTED: Final = 10  # ids that an error names


def read_one(
    source: str | None, *, reading: Reading | None = None, session_id: str | None = None
) -> Session:
    """The one session of a file.

    Args:
        source: a path, ``-`` for standard input, or None for the example that ships.
        reading: how to read it.
        session_id: which session, of a file that holds several.

    Raises:
        ConfigError: if there are several and none was chosen, or none of that id.
        TranscriptError: if the file cannot be read or holds no session.
    """
    reading = reading or Reading()
    with ExitStack() as stack:
        if source == STDIN:
            return _choose(reading.sessions(sys.stdin.buffer, name=STDIN), STDIN, session_id)
        path = stack.enter_context(as_file(example_file())) if source is None else Path(source)
        if not path.is_file() and utterances_in(path) is None:
            found = "a folder" if path.is_dir() else "no such file"
            raise TranscriptError(
                f"expected a transcript, found {found}; name one file", source=path
            )
        return _choose(reading.sessions(path), str(path), session_id)


def example_file() -> Traversable:
    """The example transcript as a resource of the package."""
    return files("alliance.serve") / "examples" / EXAMPLE


def _choose(sessions: Iterator[Session], name: str, session_id: str | None) -> Session:
    if session_id is None:
        first = next(sessions, None)
        if first is None:
            raise TranscriptError("expected a session, found none", source=name)
        others = [other.id for other in islice(sessions, _LISTED)]
        if not others:
            return first
        raise ConfigError(
            f"{name}: expected one session, found several ({_listing([first.id, *others])}); "
            f"choose one with --session"
        )
    ids: list[str] = []
    for session in sessions:
        if session.id == session_id:
            return session
        if len(ids) <= _LISTED:
            ids.append(session.id)
    raise ConfigError(
        f"{name}: expected a session '{session_id}', found {_listing(ids) or 'none'}; "
        f"give --session one of the ids in the file"
    )


def _listing(ids: list[str]) -> str:
    return ", ".join(ids[:_LISTED]) + (", …" if len(ids) > _LISTED else "")


def explain_ruptures(
    classifier: "RuptureClassifier", labelled: LabelledSession, *, abstained: bool = True
) -> "tuple[TurnExplanation, ...]":
    """What the ruptures of a session rest on, with a bar on a terminal's stderr meanwhile.

    Args:
        classifier: the model that labelled the session.
        labelled: the session with its labels.
        abstained: whether turns are explained on which the model abstains.
    """
    from alliance.model.explain import explain_turn
    from alliance.model.occlusion import Occlusion
    from alliance.serve.progress import steps

    occlusion = Occlusion(classifier, labelled)
    wanted = [
        turn.index
        for turn in labelled
        if turn.label is not None and turn.label.is_rupture and (abstained or not turn.abstained)
    ]
    return tuple(explain_turn(occlusion, turn) for turn in steps(wanted, "explaining"))


def show_timeline(
    labelled: LabelledSession,
    *,
    as_json: bool,
    include_text: bool = True,
    explanations: "Sequence[TurnExplanation]" = (),
) -> None:
    """Write a session's timeline to standard output.

    Args:
        labelled: the session with its labels.
        as_json: JSON, else the view for a terminal.
        include_text: whether what was said is shown.
        explanations: what turns' labels rest on, to be shown with them.
    """
    from alliance.model.timeline import timeline

    made = timeline(labelled, explanations=explanations)
    if as_json:
        data = made.to_dict(include_text=include_text)
        text = json.dumps(data, ensure_ascii=False, indent=2) + "\n"
        sys.stdout.buffer.write(text.encode("utf-8", "replace"))
        sys.stdout.buffer.flush()
        return
    from rich.console import Console

    from alliance.serve.terminal import render

    render(made, Console(file=sys.stdout), include_text=include_text)
