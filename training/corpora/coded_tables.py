"""Your own codings: tables that hold both what was said and how it was coded.

Any table that ``alliance label`` reads (CSV, TSV, JSON lines of turns, Parquet, XLSX) with a column
of codes as in :mod:`alliance.model.codings`: ``code`` or ``label``, or a column for each coder. The
codes may be another system's, with a map of what each stands for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from alliance.model.code_system import OWN, Code, CodeSystem
from alliance.model.codebook import Label, Marker
from alliance.model.codings import SETTLED, Coding, CodingTurn, read_codings
from alliance.model.errors import InputError
from alliance.model.formats import RoleMap, read_sessions
from alliance.model.session import Session, Turn
from alliance.training.corpora.coded import CodedSession, Codes

__all__ = ["CodedTable", "coded_table"]


@dataclass(frozen=True, slots=True)
class CodedTable:
    """A table's coded sessions.

    Attributes:
        sessions: in file order.
        unsettled: turns on which two coders differ, with nobody to settle it: left without a
            code.
        not_allowed: turns whose code the codebook does not allow for their speaker (a client's
            code on a therapist's turn): left with the label alone, or without a code where the
            label has none for that speaker.
    """

    sessions: tuple[CodedSession, ...]
    unsettled: int
    not_allowed: int


def coded_table(
    path: Path,
    *,
    system: CodeSystem = OWN,
    roles: RoleMap | Mapping[str, str] | None = None,
    columns: Mapping[str, str] | None = None,
) -> CodedTable:
    """Read a table of turns with their codes.

    A column ``code`` (else ``label``) holds the settled codes. Without one, a turn is settled
    where the columns of coders (``coder_a``, ``coder_b`` …) agree on the label; where they agree
    on the label but not on the marker, the label alone is settled.

    Args:
        path: the table.
        system: what the codes stand for.
        roles: speaker's name to ``therapist``, ``client`` or ``other``.
        columns: which column holds what, as ``alliance label --column`` takes it.

    Raises:
        InputError: with file and line, if it cannot be read, or a code is not known.
    """
    sessions = tuple(read_sessions(path, roles=roles, columns=columns))
    codings = read_codings(path, system=system, roles=roles, settled=True)
    by_coder = [_in_order(sessions, coding, path) for coding in codings]
    is_settled = len(codings) == 1 or codings[0].coder == SETTLED
    coders = by_coder[1:] if is_settled else by_coder
    unsettled = not_allowed = 0
    made = []
    for place, session in enumerate(sessions):
        given = [codes[place] for codes in coders]
        if is_settled:
            codes = by_coder[0][place]
        else:
            codes, differing = _agreed(given)
            unsettled += differing
        codes, changed = _allowed(codes, session.turns)
        not_allowed += changed
        first, second = [_allowed(one, session.turns)[0] for one in given[:2]] + [
            (None,) * len(codes)
        ] * (2 - len(given[:2]))
        made.append(CodedSession(session, codes, first, second))
    if not any(code is not None for coded in made for code in coded.codes):
        raise InputError(f"{path}: expected codes, found none that is settled; check the columns")
    return CodedTable(tuple(made), unsettled, not_allowed)


def _in_order(sessions: Sequence[Session], coding: Coding, path: Path) -> list[Codes]:
    """A coding's codes in the order of the sessions' turns.

    Both were read from one table, so its rows are the turns; one that numbers its turns may leave
    some out.
    """
    rows: dict[str, list[CodingTurn]] = {}
    for turn in coding.turns:
        rows.setdefault(turn.session, []).append(turn)
    out: list[Codes] = []
    for session in sessions:
        found = rows.get(session.id, [])
        if len(found) != len(session.turns):
            raise InputError(
                f"{path}: expected a code or an empty cell for each of the {len(session.turns)} "
                f"turns of session '{session.id}' by {coding.coder}, found {len(found)} rows; "
                f"complete them"
            )
        out.append(tuple(_plain(turn.code) for turn in found))
    return out


def _plain(code: Code | None) -> Marker | Label | None:
    return None if code is None else code.marker or code.label


def _agreed(given: Sequence[Codes]) -> tuple[Codes, int]:
    """What all coders of a turn agree on, and how many turns they differ on."""
    codes: list[Marker | Label | None] = []
    differing = 0
    for said in zip(*given, strict=True):
        coded = [code for code in said if code is not None]
        if len({code.label for code in coded}) > 1:
            differing += 1
            codes.append(None)
        elif len(set(coded)) > 1:
            codes.append(coded[0].label)
        else:
            codes.append(coded[0] if coded else None)
    return tuple(codes), differing


def _allowed(codes: Codes, turns: Sequence[Turn]) -> tuple[Codes, int]:
    """Codes that the codebook allows for their speakers, and how many had to change."""
    out: list[Marker | Label | None] = []
    for code, turn in zip(codes, turns, strict=True):
        if code is None or code.may_be_said_by(turn.role):
            out.append(code)
        else:
            out.append(code.label if code.label.may_be_said_by(turn.role) else None)
    changed = sum(a is not b for a, b in zip(codes, out, strict=True))
    return tuple(out), changed
