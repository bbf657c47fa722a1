"""Several coders' codes of the same turns, side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from alliance.model.arrays import Bools, Ints
from alliance.model.codebook import LABELS, MARKER_ORDER, Role
from alliance.model.codings import Coding, CodingTurn
from alliance.model.errors import ConfigError, InputError

__all__ = ["ANY", "CODE_KINDS", "LABEL_CODES", "MARKER_CODES", "NONE", "Panel", "align"]

NONE: Final = -1
"""In arrays of codes and roles: there is none."""

LABEL_CODES: Final = "labels"
MARKER_CODES: Final = "markers"
ANY: Final = "any"
CODE_KINDS: Final = (LABEL_CODES, MARKER_CODES, ANY)
"""What is compared: the four labels, the fine codes, or whatever the tables hold."""

_ROLES: Final = (Role.CLIENT, Role.THERAPIST)


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """The turns that at least one coder coded, in the order of sessions and turns.

    Attributes:
        coders: the coders' names.
        by_model: whether each of them is a model.
        codes: the names of the codes, in their order.
        kind: one of :data:`CODE_KINDS`.
        sessions: the sessions' identifiers.
        session: each turn's session, a place in ``sessions``.
        turn: each turn's number, or identifier where turns are known by these, as text.
        role: its speaker, 0 for the client, 1 for the therapist, -1 if not known or another.
        given: the code that each coder gave each turn, a place in ``codes`` or -1, shape
            (coders, turns).

    Raises:
        ValueError: if there are fewer than two coders, or the arrays do not fit together.
    """

    coders: tuple[str, ...]
    by_model: tuple[bool, ...]
    codes: tuple[str, ...]
    kind: str
    sessions: tuple[str, ...]
    session: Ints
    turn: tuple[str, ...]
    role: Ints
    given: Ints

    def __post_init__(self) -> None:
        turns = len(self.turn)
        if len(self.coders) < 2 or len(self.by_model) != len(self.coders):
            raise ValueError(f"expected two coders or more, got {self.coders}")
        if self.given.shape != (len(self.coders), turns):
            raise ValueError(f"codes have shape {self.given.shape}")
        if self.session.shape != (turns,) or self.role.shape != (turns,):
            raise ValueError("sessions and roles have not one entry per turn")

    def __len__(self) -> int:
        return len(self.turn)

    @property
    def models(self) -> list[int]:
        """Places of the coders that are models."""
        return [place for place, model in enumerate(self.by_model) if model]

    @property
    def people(self) -> list[int]:
        """Places of the coders that are none."""
        return [place for place, model in enumerate(self.by_model) if not model]

    @property
    def coded_by_all(self) -> Bools:
        """Which turns every coder gave a code."""
        return np.asarray((self.given >= 0).all(axis=0), dtype=np.bool_)

    def of_coders(self, places: Sequence[int]) -> "Panel":
        """The same turns with these coders alone."""
        return Panel(
            tuple(self.coders[place] for place in places),
            tuple(self.by_model[place] for place in places),
            self.codes,
            self.kind,
            self.sessions,
            self.session,
            self.turn,
            self.role,
            self.given[list(places)],
        )

    def where(self, chosen: Bools) -> "Panel":
        """Only the chosen turns; all sessions keep their places."""
        return Panel(
            self.coders,
            self.by_model,
            self.codes,
            self.kind,
            self.sessions,
            self.session[chosen],
            tuple(turn for turn, keep in zip(self.turn, chosen, strict=True) if keep),
            self.role[chosen],
            self.given[:, chosen],
        )


def align(
    codings: Sequence[Coding],
    *,
    kind: str = LABEL_CODES,
    order: Sequence[str] = (),
    models: Sequence[str] = (),
) -> Panel:
    """Set codings side by side.

    Codings of one coder (the same name, such as one table for each session) become one. Turns are
    matched by their numbers where all tables number them, else by the source's identifiers.

    Args:
        codings: what was coded, two coders' at least.
        kind: what to compare.
        order: for ``any``: the codes from least to most, if they have an order.
        models: names of coders that are models although their tables do not say so.

    Raises:
        ConfigError: if ``kind`` or ``models`` is not one of its values.
        InputError: if there are fewer than two coders, their turns cannot be matched, tables
            differ on who speaks in a turn, a coder codes a turn twice, a code lacks a marker or is
            not in ``order``, or no turn was coded by two.
    """
    if kind not in CODE_KINDS:
        raise ConfigError(f"expected codes to be one of {', '.join(CODE_KINDS)}, got {kind!r}")
    names = list(dict.fromkeys(coding.coder for coding in codings))
    if unknown := [name for name in models if name not in names]:
        raise ConfigError(
            f"expected the model to be one of the coders ({', '.join(names)}), found "
            f"'{unknown[0]}'; correct its name"
        )
    if len(names) < 2:
        raise InputError(
            f"expected the codes of two coders or more, found {names[0] if names else 'none'} "
            f"alone; name another table, or one whose columns are coder_a, coder_b, …"
        )
    numbered = all(turn.turn is not None for coding in codings for turn in coding.turns)
    if not numbered and not all(t.utterance_id for coding in codings for t in coding.turns):
        raise InputError(
            "expected all tables to number their turns, or all to give their identifiers "
            "(utterance_id), found some with the one and some with the other; add a column"
        )
    categories = _categories(codings, kind, order)
    place_of = {name: place for place, name in enumerate(categories)}
    keys: dict[tuple[str, int | str], int] = {}
    role: list[int] = []
    cells: dict[tuple[int, int], int] = {}
    for coding in codings:
        coder = names.index(coding.coder)
        for turn in coding.turns:
            key = (turn.session, _key(turn, numbered=numbered))
            at = keys.setdefault(key, len(keys))
            if at == len(role):
                role.append(NONE)
            if turn.role in _ROLES:
                who = _ROLES.index(turn.role)
                if role[at] not in (NONE, who):
                    raise InputError(
                        f"{coding.source}:{turn.line}: expected the {_ROLES[role[at]].value} to "
                        f"speak in turn {key[1]} of session '{turn.session}', as in another table, "
                        f"found the {turn.role.value}; number the turns alike, from 0, or correct "
                        f"the speaker"
                    )
                role[at] = who
            if (at, coder) in cells:
                raise InputError(
                    f"{coding.source}:{turn.line}: expected each turn once for {coding.coder}, "
                    f"found it in two tables; leave one out"
                )
            cells[at, coder] = _place(turn, coding, kind, place_of)
    return _panel(codings, names, models, kind, categories, keys, role, cells)


def _key(turn: CodingTurn, *, numbered: bool) -> int | str:
    return turn.turn if numbered and turn.turn is not None else turn.utterance_id


def _categories(codings: Sequence[Coding], kind: str, order: Sequence[str]) -> tuple[str, ...]:
    if kind == LABEL_CODES:
        return tuple(label.value for label in LABELS)
    if kind == MARKER_CODES:
        return tuple(marker.value for marker in MARKER_ORDER)
    if order:
        return tuple(order)
    return tuple(sorted({turn.text for coding in codings for turn in coding.turns if turn.text}))


def _place(turn: CodingTurn, coding: Coding, kind: str, places: dict[str, int]) -> int:
    if kind == LABEL_CODES:
        return NONE if turn.code is None else places[turn.code.label.value]
    if kind == MARKER_CODES:
        if turn.code is None:
            return NONE
        if turn.code.marker is None:
            raise InputError(
                f"{coding.source}:{turn.line}: expected a marker (W1, C2, PB, N …), found a label "
                f"alone; compare labels instead"
            )
        return places[turn.code.marker.value]
    if not turn.text:
        return NONE
    if turn.text not in places:
        raise InputError(
            f"{coding.source}:{turn.line}: expected one of the codes in order "
            f"({', '.join(places)}), found another; add it to --order"
        )
    return places[turn.text]


def _panel(
    codings: Sequence[Coding],
    names: Sequence[str],
    models: Sequence[str],
    kind: str,
    categories: tuple[str, ...],
    keys: dict[tuple[str, int | str], int],
    role: Sequence[int],
    cells: dict[tuple[int, int], int],
) -> Panel:
    sessions = list(dict.fromkeys(session for session, _ in keys))
    number = {name: place for place, name in enumerate(sessions)}
    # Numbers in order; identifiers in the order of the tables.
    order = sorted(
        keys.items(),
        key=lambda item: (
            number[item[0][0]],
            item[0][1] if isinstance(item[0][1], int) else item[1],
        ),
    )
    given = np.full((len(names), len(keys)), NONE, dtype=np.int64)
    for (at, coder), code in cells.items():
        given[coder, at] = code
    rows = np.array([at for _, at in order], dtype=np.int64)
    coded = given[:, rows] if len(rows) else given
    kept: Bools = np.asarray((coded >= 0).any(axis=0))
    if not (coded >= 0).sum(axis=0).max(initial=0) >= 2:
        raise InputError(
            "expected turns that two coders coded, found none; check that the tables name their "
            "sessions and turns alike"
        )
    model_made = {coding.coder for coding in codings if coding.by_model} | set(models)
    return Panel(
        tuple(names),
        tuple(name in model_made for name in names),
        categories,
        kind,
        tuple(sessions),
        np.array([number[key[0]] for key, _ in order], dtype=np.int64),
        tuple(str(key[1]) for key, _ in order),
        np.array(role, dtype=np.int64)[rows],
        coded,
    ).where(kept)
