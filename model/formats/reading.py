"""From a file to sessions: choose the reader, settle the roles, check the facts."""

import datetime as dt
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final

from alliance.model.codebook import Role
from alliance.model.errors import ConfigError, TranscriptError, UnknownSpeakerError
from alliance.model.formats.columns import check_columns
from alliance.model.formats.convokit import utterances_in
from alliance.model.formats.encoding import check_encoding
from alliance.model.formats.registry import FORMATS, NAMES, SUFFIXES, Format
from alliance.model.formats.roles import MAX_NAME, RoleMap, clean_name
from alliance.model.formats.seen import SeenIds
from alliance.model.formats.source import RawSession, Source
from alliance.model.session import Session, Turn

__all__ = ["read_session", "read_sessions"]

_STDIN: Final = "-"
_MOST_UNKNOWN: Final = 20  # speakers nobody knows; more of them are not speakers at all
_LISTED: Final = 10  # session ids in an error


def read_sessions(
    source: str | Path | BinaryIO,
    *,
    name: str | None = None,
    format: str | None = None,  # noqa: A002  # what everybody calls it
    roles: RoleMap | Mapping[str, str] | None = None,
    columns: Mapping[str, str] | None = None,
    encoding: str | None = None,
) -> Iterator[Session]:
    """The sessions of a transcript file, one after another.

    Tables and JSON lines are read as a stream: one session is in memory at a time, whatever the
    size of the file. Every turn keeps its place; turns are merged in subtitles alone.

    Args:
        source: a path (of a file, or a ConvoKit corpus's folder), or a stream of bytes, which is
            left open.
        name: the file's name, for its format, the session's id and errors; needed with a stream
            unless ``format`` is given.
        format: a key of :data:`~alliance.model.formats.FORMATS`; None goes by the suffix.
        roles: speaker's name to ``therapist``, ``client`` or ``other``; overrules what is well
            known.
        columns: what a column or key holds (``text``, ``speaker``, ``session``, …) to its name;
            overrules what is found by the usual names. ``-`` passes a field over.
        encoding: of files that are neither UTF-8 nor start with a byte-order mark.

    Yields:
        Sessions with at least one turn, each id once.

    Raises:
        ConfigError: at once, if an argument is out of its range.
        TranscriptError: while reading, if the file is not a transcript that can be read.
        UnknownSpeakerError: while reading, if a session has speakers whose role is not known;
            it names all of that session's.
    """
    if format is not None and format not in FORMATS:
        raise ConfigError(
            f"expected one of the formats {', '.join(FORMATS)}, found '{format}'; correct "
            f"--input-format"
        )
    role_map = roles if isinstance(roles, RoleMap) else RoleMap(roles)
    fields = check_columns(columns)
    codec = check_encoding(encoding)
    if isinstance(source, str | Path):
        return _of_path(Path(source), name, format, role_map, fields, codec)
    label = name if name is not None else str(getattr(source, "name", _STDIN))
    return _of_stream(Source(source, label, role_map, fields, codec), format)


def read_session(
    source: str | Path | BinaryIO,
    *,
    name: str | None = None,
    format: str | None = None,  # noqa: A002  # as in read_sessions
    roles: RoleMap | Mapping[str, str] | None = None,
    columns: Mapping[str, str] | None = None,
    encoding: str | None = None,
) -> Session:
    """The one session of a transcript file; arguments as in :func:`read_sessions`.

    Raises:
        ConfigError: if an argument is out of its range.
        TranscriptError: if the file cannot be read or holds several sessions.
    """
    sessions = read_sessions(
        source, name=name, format=format, roles=roles, columns=columns, encoding=encoding
    )
    first = next(sessions)  # never empty: a file without sessions is an error
    others = [session.id for session in islice(sessions, _LISTED)]
    if others:
        ids = [first.id, *others][:_LISTED]
        more = ", …" if len(others) >= _LISTED else ""
        where = name or (str(source) if isinstance(source, str | Path) else "")
        raise TranscriptError(
            f"expected one session, found several ({', '.join(ids)}{more}); use read_sessions "
            f"and choose one by its id",
            source=where,
        )
    return first


def _of_path(
    path: Path,
    name: str | None,
    chosen: str | None,
    roles: RoleMap,
    columns: Mapping[str, str],
    encoding: str | None,
) -> Iterator[Session]:
    if path.is_dir():
        path = utterances_in(path) or path
    label = name if name is not None else str(path)
    if path.is_dir():
        raise TranscriptError(
            "expected a transcript, found a folder; name the files in it", source=label
        )
    _format_of(label, chosen)  # before the file is touched
    try:
        stream = path.open("rb")
    except FileNotFoundError as error:
        raise TranscriptError(
            "expected a transcript, found no such file; check its name", source=label
        ) from error
    except OSError as error:
        raise TranscriptError(
            f"expected a readable file, found: {error.strerror or error}; check its permissions",
            source=label,
        ) from error
    with stream:
        yield from _of_stream(Source(stream, label, roles, columns, encoding), chosen)


def _of_stream(source: Source, chosen: str | None) -> Iterator[Session]:
    reader = _format_of(source.name, chosen)
    seen = SeenIds()
    empty = True
    for raw in reader.read(source):
        if not seen.add(raw.id):
            raise (raw.source or source).error(
                "expected each session to have an id of its own, found a second session with "
                "the id of one further up (or without any); give it another id",
                line=raw.line,
            )
        empty = False
        yield _session(raw, raw.source or source)
    if empty:
        raise source.error("expected a transcript, found no turns; check that the file is whole")


def _format_of(name: str, chosen: str | None) -> Format:
    if chosen is not None:
        return FORMATS[chosen]
    if (whole := Path(name).name.lower()) in NAMES:
        return FORMATS[NAMES[whole]]
    suffix = Path(name).suffix.lower()
    if suffix in SUFFIXES:
        return FORMATS[SUFFIXES[suffix]]
    found = "standard input, which has no name" if name == _STDIN else suffix or "no ending"
    raise TranscriptError(
        f"expected a transcript whose name ends in {', '.join(SUFFIXES)}, found {found}; save it "
        f"as one of these, or say what it is with --input-format ({', '.join(FORMATS)})",
        source=name,
    )


def _session(raw: RawSession, source: Source) -> Session:
    if not raw.turns:
        raise source.error("expected a session with turns, found none; complete it", line=raw.line)
    speakers = _speakers(raw, source)
    turns = tuple(
        Turn(
            speakers[turn.speaker, turn.role],
            turn.text,
            turn.start_ms,
            turn.end_ms,
            turn.utterance_id,
        )
        for turn in raw.turns
    )
    date = None if raw.date is None else dt.date.fromisoformat(raw.date)
    return Session(raw.id, turns, client_id=raw.client_id, date=date, number=raw.number)


def _speakers(raw: RawSession, source: Source) -> dict[tuple[str, str], str]:
    """What each pair of name and role in the file becomes; all unknown ones are one error."""
    speakers: dict[tuple[str, str], str] = {}
    known: dict[str, Role] = {}
    unknown: dict[str, int | None] = {}
    for turn in raw.turns:
        key = (turn.speaker, turn.role)
        if key in speakers:
            continue
        name = clean_name(turn.speaker)
        if not name or len(name) > MAX_NAME:
            raise source.error(
                f"expected a speaker's name of at most {MAX_NAME} characters, found "
                f"{len(name) or 'none'}; check which column holds the speaker (--column "
                f"speaker=NAME)",
                line=turn.line,
            )
        role = _role(name, turn.role, source.roles)
        if role is None:
            unknown.setdefault(name, turn.line)
            speakers[key] = name
        else:
            known[name] = role
            speakers[key] = source.roles.speaker(name, role)
    if len(unknown) > _MOST_UNKNOWN:
        raise source.error(
            f"expected a session's few speakers, found {len(unknown)} unknown ones; check which "
            f"column holds the speaker (--column speaker=NAME), or name them with --role (P=client "
            f"covers P1, P2, …)",
            line=next(iter(unknown.values())),
        )
    if unknown:
        raise UnknownSpeakerError(
            list(unknown),
            known=[f"{name}={role}" for name, role in known.items()],
            advice=raw.advice,
            source=source.name,
            line=next(iter(unknown.values())),
            place=source.where(next(iter(unknown.values()))),
        )
    return speakers


def _role(name: str, said: str, roles: RoleMap) -> Role | None:
    """The caller's word for the name, then what the file says of the role, then the name's own."""
    if (given := roles.given(name)) is not None or not said:
        return given or roles.role(name)
    return roles.role(said) or roles.role(name)
