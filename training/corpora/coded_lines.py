"""Coded sessions as JSON lines: one session a line, each turn with its codes."""

import json
from collections.abc import Callable, Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Final

from alliance.model.codebook import Marker
from alliance.model.errors import TranscriptError
from alliance.model.session import Session
from alliance.training.corpora.coded import CodedSession

# The two codings go by either pair of names: an authored session's first coder is its author.
_FIRST_CODER = ("coder_a", "coder_author")
_SECOND_CODER = ("coder_b", "coder_blind")
_NOT_FACTS = frozenset({"id", "turns", "fold", "client_id", "date", "number"})


def coded_jsonl(path: Path) -> tuple[CodedSession, ...]:
    """Reads coded sessions from a JSON-lines file (UTF-8).

    Each line is an object with ``id`` and ``turns``, optionally ``fold`` (an integer); every
    other string is kept as a fact of the session. Each turn has ``speaker``, ``text`` and
    ``code`` (a codebook code, or null), optionally ``coder_a`` and ``coder_b`` (or
    ``coder_author`` and ``coder_blind``). Other keys of a turn are ignored.

    Args:
        path: the file.

    Returns:
        The sessions in file order.

    Raises:
        TranscriptError: with file and line, if the file is not of this form, is empty, or holds
            one session id twice.
        OSError: if the file cannot be read.
    """
    return _read_all(path.read_bytes(), source=path)


def authored() -> tuple[CodedSession, ...]:
    """The sessions written for this project, which ship with it (licence CC BY 4.0).

    The first coding is the author's own intention, the second that of a blind coder. The facts
    are ``setting``, ``client``, ``pattern`` and ``style`` of the card the session was written
    from. See ``data_cards/authored.md``.
    """
    return _shipped("authored.jsonl")


def everyday() -> tuple[CodedSession, ...]:
    """More sessions written for this project, in plain everyday talk (licence CC BY 4.0).

    Codings and facts as in :func:`authored`. See ``data_cards/everyday.md``.
    """
    return _shipped("everyday.jsonl")


def quiet() -> tuple[CodedSession, ...]:
    """Sessions written for this project, of clients who withdraw in few words, and of clients who
    say the same words without withdrawing (licence CC BY 4.0).

    Codings and facts as in :func:`authored`. See ``data_cards/quiet.md``.
    """
    return _shipped("quiet.jsonl")


def varied() -> tuple[CodedSession, ...]:
    """Sessions written for this project, in 94 settings of helping talk and many kinds of English
    (licence CC BY 4.0).

    Codings and facts as in :func:`authored`. See ``data_cards/varied.md``.
    """
    return _shipped("varied.jsonl")


def registers() -> tuple[CodedSession, ...]:
    """Sessions written for this project, to test on, in settings most of which none of the others
    has (licence CC BY 4.0).

    Codings and facts as in :func:`authored`. See ``data_cards/registers.md``.
    """
    return _shipped("registers.jsonl")


WRITTEN: Final[Mapping[str, Callable[[], tuple[CodedSession, ...]]]] = {
    "authored": authored,
    "everyday": everyday,
    "quiet": quiet,
    "varied": varied,
    "registers": registers,
}
"""The corpora that were written for this project and ship with it, by name."""


def _shipped(name: str) -> tuple[CodedSession, ...]:
    file = resources.files("alliance.training.corpora") / name
    return _read_all(file.read_bytes(), source=name)


def _read_all(content: bytes, *, source: str | Path) -> tuple[CodedSession, ...]:
    sessions: dict[str, CodedSession] = {}
    for line, data in _objects(content, source=source):
        try:
            coded = _coded_session(data)
        except KeyError as error:
            raise TranscriptError(
                f"expected a session with 'id' and 'turns', and turns with 'speaker', 'text' and "
                f"'code'; found no {error}; add it",
                source=source,
                line=line,
            ) from None
        except (TypeError, AttributeError, ValueError) as error:
            # Messages of our own classes name fields and codes; those of str and int methods name
            # types. Neither quotes a turn.
            raise TranscriptError(
                f"expected a coded session, found something else: {error}; mend the line",
                source=source,
                line=line,
            ) from None
        if coded.id in sessions:
            raise TranscriptError(
                f"expected every session once, found the id {coded.id!r} again; rename it",
                source=source,
                line=line,
            )
        sessions[coded.id] = coded
    if not sessions:
        raise TranscriptError(
            "expected one coded session a line, found none; give a JSON-lines file", source=source
        )
    return tuple(sessions.values())


def _objects(content: bytes, *, source: str | Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for line, raw in enumerate(content.split(b"\n"), start=1):
        try:
            text = raw.decode("utf-8-sig" if line == 1 else "utf-8").strip()
            data = json.loads(text) if text else None
        except ValueError:  # both of bad UTF-8 and of bad JSON, whose messages may quote the text
            raise TranscriptError(
                "expected a JSON object in UTF-8, found something else; give a JSON-lines file "
                "with one session a line",
                source=source,
                line=line,
            ) from None
        if data is None:
            continue
        if not isinstance(data, dict):
            raise TranscriptError(
                f"expected a JSON object, found {type(data).__name__}; give one session a line",
                source=source,
                line=line,
            )
        yield line, data


def _coded_session(data: Mapping[str, Any]) -> CodedSession:
    if not isinstance(data["id"], str):
        raise TypeError("'id' is not a string")
    turns = data["turns"]
    if not isinstance(turns, list) or not all(isinstance(turn, dict) for turn in turns):
        raise TypeError("'turns' is not a list of objects")
    for name in ("speaker", "text"):
        if not all(isinstance(turn[name], str) for turn in turns):
            raise TypeError(f"a turn's '{name}' is not a string")
    fold = data.get("fold")
    if fold is not None and (not isinstance(fold, int) or isinstance(fold, bool)):
        raise TypeError("'fold' is not an integer")
    return CodedSession(
        session=Session.from_dict(data),
        codes=tuple(_code(turn["code"]) for turn in turns),
        coder_a=tuple(_code(_first(turn, _FIRST_CODER)) for turn in turns),
        coder_b=tuple(_code(_first(turn, _SECOND_CODER)) for turn in turns),
        fold=fold,
        facts={
            key: value
            for key, value in data.items()
            if key not in _NOT_FACTS and isinstance(value, str)
        },
    )


def _first(turn: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    return next((turn[name] for name in names if turn.get(name)), None)


def _code(value: str | None) -> Marker | None:
    return Marker(value) if value else None
