"""The turns on which coders differ: a list to go through together."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from alliance.model.panel import Panel
from alliance.model.session import Session
from alliance.serve.output import open_output
from alliance.serve.table import TableFormat, TableWriter

__all__ = ["disagreements", "write_disagreements"]

_SPEAKERS: Final = ("client", "therapist", "")


def disagreements(
    panel: Panel, *, texts: Mapping[str, Session] | None = None
) -> Iterator[dict[str, Any]]:
    """A row for each turn on which two coders differ, in the order of sessions and turns.

    Args:
        panel: the coders' codes.
        texts: transcripts by session id, to show what was said; their turns are found by number,
            else by identifier.

    Yields:
        ``session_id``, ``turn``, ``speaker``, a column per coder (empty: not coded), and ``text``
        if there are transcripts.
    """
    said = {name: _by_turn(session) for name, session in (texts or {}).items()}
    for place in range(len(panel)):
        given = panel.given[:, place]
        if len(set(given[given >= 0].tolist())) < 2:
            continue
        session = panel.sessions[panel.session[place]]
        row: dict[str, Any] = {
            "session_id": session,
            "turn": panel.turn[place],
            "speaker": _SPEAKERS[panel.role[place]],
            **{
                coder: panel.codes[code] if code >= 0 else ""
                for coder, code in zip(panel.coders, given, strict=True)
            },
        }
        if texts is not None:
            row["text"] = said.get(session, {}).get(panel.turn[place], "")
        yield row


def write_disagreements(
    path: Path, panel: Panel, *, texts: Mapping[str, Session] | None = None
) -> int:
    """Write them as CSV, whole or not at all.

    Returns:
        How many there are.

    Raises:
        InputError: if the file cannot stand where it is asked for.
        OSError: if it cannot be written.
    """
    rows = list(disagreements(panel, texts=texts))
    columns = ["session_id", "turn", "speaker", *panel.coders]
    with open_output(path) as output, output.part() as stream:
        writer = TableWriter(
            stream,
            table_format=TableFormat.CSV,
            columns=[*columns, "text"] if texts is not None else columns,
        )
        writer.header()
        writer.rows(rows)
    return len(rows)


def _by_turn(session: Session) -> dict[str, str]:
    by_id = {turn.utterance_id: turn.text for turn in session.turns if turn.utterance_id}
    return by_id | {str(place): turn.text for place, turn in enumerate(session.turns)}
