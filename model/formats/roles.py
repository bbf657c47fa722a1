"""Who a speaker is: therapist, client or another person.

Roles come from a map. It starts from names that mean one thing wherever transcripts are made
(``T``, ``Therapist 1``, ``Dr. Lee``, ``C``, ``Pt``, ``Patient``, …), and every one of them can be
overruled. Names that mean different things in different places (``P1``, ``Interviewer``,
``Speaker 1``) are not in it: they are asked for.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from alliance.model.codebook import Role
from alliance.model.errors import ConfigError

__all__ = ["MAX_NAME", "RoleMap", "clean_name"]

MAX_NAME: Final = 60
"""The longest speaker's name, in characters; what is longer is not a name but text."""

_WELL_KNOWN: Final[Mapping[str, Role]] = {
    **dict.fromkeys(
        (
            "t",
            "th",
            "ther",
            "therapist",
            "counselor",
            "counsellor",
            "psychologist",
            "psychotherapist",
            "psychiatrist",
            "clinician",
            "doctor",
            "dr",
        ),
        Role.THERAPIST,
    ),
    **dict.fromkeys(("c", "cl", "client", "p", "pt", "pat", "patient"), Role.CLIENT),
    "other": Role.OTHER,
}
# In group and focus-group transcripts P1, P2, … are participants or persons.
_AMBIGUOUS_WITH_NUMBER: Final = frozenset({"p"})

_OTHER: Final = "other "
_NUMBER: Final = re.compile(r"[\s_#-]*\d{1,4}$")
_DOCTOR: Final = re.compile(r"(?:dr\b\.?|doctor\b)\s*\w")
_IN_BRACKETS: Final = re.compile(r"^(?P<name>.*\S)\s*\((?P<note>[^()]*)\)$")


class RoleMap:
    """Speakers' names and their roles; upper and lower case are the same.

    A name is looked up in the caller's map as it stands, without what follows it in brackets
    (``Anna=client`` covers ``Anna (crying)``), and without a number at its end (``P=client``
    covers ``P1`` unless ``P1`` has a role of its own). Then come the well-known names: the whole
    name, what stands in brackets after it (``Anna (therapist)``), and what stands before them.

    Args:
        roles: the caller's map, name to role; overrules what is well known.

    Raises:
        ConfigError: if a role is not therapist, client or other, or a name is empty.
    """

    def __init__(self, roles: Mapping[str, str] | None = None) -> None:
        self._given: dict[str, Role] = {}
        for name, value in (roles or {}).items():
            key = _key(name)
            if not key:
                raise ConfigError(
                    "expected a speaker's name before '=', found none; write NAME=client"
                )
            role = _role(name, value)
            if self._given.setdefault(key, role) is not role:
                raise ConfigError(
                    f"expected one role for '{clean_name(name)}', found {self._given[key]} and "
                    f"{role}; keep one"
                )

    @classmethod
    def parse(cls, pairs: Sequence[str]) -> "RoleMap":
        """A map from ``NAME=ROLE`` words, as a command line has them.

        Raises:
            ConfigError: if a word is not of that form or its role is unknown.
        """
        roles: dict[str, str] = {}
        for pair in pairs:
            name, sign, value = pair.rpartition("=")
            if not sign:
                raise ConfigError(
                    f"expected NAME=therapist|client|other, found '{pair}'; put '=' between the "
                    f"speaker's name and the role"
                )
            if roles.get(name, value) != value:
                raise ConfigError(
                    f"expected one role for '{name}', found {roles[name]} and {value}; keep one"
                )
            roles[name] = value
        return cls(roles)

    def role(self, name: str) -> Role | None:
        """The role of a speaker, or None if it is not known."""
        return self.given(name) or _well_known(_key(name))

    def given(self, name: str) -> Role | None:
        """The role the caller's map gives, or None where it is silent."""
        key = _key(name)
        if len(key) > MAX_NAME:
            return self._given.get(key)
        brackets = _IN_BRACKETS.match(key)
        base = brackets["name"] if brackets else key
        for each in (key, base, _NUMBER.sub("", base)):
            if (role := self._given.get(each)) is not None:
                return role
        return None

    def speaker(self, name: str, role: Role) -> str:
        """What :attr:`Turn.speaker` says of a speaker of that role.

        ``therapist`` and ``client`` for those; another person keeps the name. One whose name is
        well known as a therapist's or client's ("C", "Dr. Lee") but who is neither becomes
        "other C": else what is written would be read again as the client's.
        """
        if role is not Role.OTHER:
            return role.value
        name = clean_name(name)
        known = _well_known(_key(name))
        return name if known is None or known is Role.OTHER else f"{_OTHER}{name}"


def clean_name(name: str) -> str:
    """A speaker's name on one line: single spaces, no invisible characters."""
    if not name.isprintable():
        name = "".join(c if c.isprintable() else " " for c in name)
    return " ".join(name.split())


def _key(name: str) -> str:
    return clean_name(name).casefold().strip(" .:")


def _role(name: str, value: str) -> Role:
    try:
        return Role(value.strip().lower())
    except ValueError as error:
        raise ConfigError(
            f"expected {clean_name(name)}=therapist, client or other, found '{value}'; correct "
            f"the role"
        ) from error


def _well_known(key: str) -> Role | None:
    if len(key) > MAX_NAME:
        return None
    if role := _plain(key):
        return role
    if (brackets := _IN_BRACKETS.match(key)) is None:
        return None
    return _plain(brackets["note"].strip(" .:")) or _plain(brackets["name"].strip(" .:"))


def _plain(key: str) -> Role | None:
    base = _NUMBER.sub("", key)
    if key.startswith(_OTHER):
        return Role.OTHER
    if base != key and base in _AMBIGUOUS_WITH_NUMBER:
        return None
    if role := _WELL_KNOWN.get(base.rstrip(".")):
        return role
    return Role.THERAPIST if _DOCTOR.match(key) and "(" not in key else None
