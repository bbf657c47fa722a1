"""What stands in for what: the same for the same person throughout, kept in a file if wanted."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from alliance.model.errors import InputError
from alliance.serve.deidentify.dates import shift_date
from alliance.serve.deidentify.kinds import Finding, Kind
from alliance.serve.deidentify.names import plain
from alliance.serve.deidentify.words import PARTICLES

__all__ = ["Pseudonyms"]

# Names that say nothing of gender or origin, as far as a name can.
_NAMES: Final = (
    "Robin Alex Sam Kim Charlie Jamie Taylor Jordan Morgan Casey Riley Avery Quinn Rowan Skyler "
    "Dana Lee Jules Remy Sasha Nico Toni Andrea Chris Jean Noor Ariel Eden Kai Lou Marion "
    "Micah Shay Tracy Val Whitney Yael Zion Blair Corey Drew Ellis Finley Gray Harley Indy Jess "
    "Kerry Lane Marley Nat Oakley Parker Reese Sage Tatum Uli Vesper Wren"
).split()
_PLACEHOLDERS: Final = {
    Kind.PLACE: "PLACE-{}",
    Kind.ADDRESS: "ADDRESS-{}",
    Kind.EMAIL: "EMAIL-{}",
    Kind.WEB: "WEBSITE-{}",
    Kind.PHONE: "PHONE-{}",
    Kind.NUMBER: "NUMBER-{}",
    Kind.POSTCODE: "POSTCODE-{}",
    Kind.OTHER: "OTHER-{}",
}
_AGE: Final = "90 or more"
_WEEKS: Final = 26
_VERSION: Final = 1


@dataclass(slots=True)
class Pseudonyms:
    """Who is called what, and how far dates are moved.

    Names become other first names rather than marks in brackets, which the model would take for a
    transcriber's note. A name that is found by itself is the same person's as in a full name's
    first or last word.

    Attributes:
        day_first: how numbers of a date are read that can be read in two ways.
        names: name to pseudonym, in the order of their appearance.
        others: kind and what was found to its stand-in.
        shifts: client to days; whole weeks, so that days of the week stay right.
    """

    day_first: bool = True
    names: dict[str, str] = field(default_factory=dict)
    others: dict[tuple[Kind, str], str] = field(default_factory=dict)
    shifts: dict[str, int] = field(default_factory=dict)

    def stand_in(self, finding: Finding, *, client: str) -> str | None:
        """What is written in place of a finding; None leaves it as it is.

        Args:
            finding: what was found.
            client: whose dates it belongs with.
        """
        if finding.kind is Kind.NAME:
            return self.name(finding.text)
        if finding.kind is Kind.UNSURE:
            return None
        if finding.kind is Kind.AGE:
            return _AGE
        if finding.kind is Kind.DATE:
            return shift_date(finding.text, self.days(client), day_first=self.day_first)
        key = (finding.kind, finding.text.casefold())
        if key not in self.others:
            number = 1 + sum(kind is finding.kind for kind, _ in self.others)
            self.others[key] = _PLACEHOLDERS[finding.kind].format(number)
        return self.others[key]

    def name(self, text: str) -> str:
        """The pseudonym of a name; written in capitals, or small letters, if the name is."""
        capitals = len(text) > 1 and text.isupper()
        words = (text.title() if capitals else text).split()
        made = " ".join(word if word in PARTICLES else self._word(word) for word in words)
        return made.upper() if capitals else made.lower() if text.islower() else made

    def days(self, client: str) -> int:
        """By how many days a client's dates are moved."""
        if client not in self.shifts:
            weeks = secrets.choice([w for w in range(-_WEEKS, _WEEKS + 1) if abs(w) > 1])
            self.shifts[client] = 7 * weeks
        return self.shifts[client]

    def _word(self, word: str) -> str:
        key = plain(word).casefold()  # Zoe is Zoë
        if key not in self.names:
            taken = {*self.names.values(), *(name.capitalize() for name in self.names)}
            free = next((name for name in _NAMES if name not in taken), None)
            self.names[key] = free or f"Person{len(self.names) + 1}"
        return self.names[key]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values. They undo the pseudonyms: to be kept apart from the results."""
        return {
            "version": _VERSION,
            "day_first": self.day_first,
            "names": self.names,
            "others": [[kind.value, found, made] for (kind, found), made in self.others.items()],
            "shifts": self.shifts,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Pseudonyms":
        """The inverse of :meth:`to_dict`.

        Raises:
            ValueError, KeyError or TypeError: if it is something else.
        """
        if data["version"] != _VERSION:
            raise ValueError(f"version {data['version']}")
        return cls(
            bool(data["day_first"]),
            {str(name): str(made) for name, made in data["names"].items()},
            {(Kind(kind), str(found)): str(made) for kind, found, made in data["others"]},
            {str(client): int(days) for client, days in data["shifts"].items()},
        )

    @classmethod
    def read(cls, path: Path) -> "Pseudonyms":
        """Those that a file keeps.

        Raises:
            InputError: if it cannot be read or holds something else.
        """
        try:
            return cls.from_dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"{path}: expected the pseudonyms of an earlier run, found something else; give "
                f"another --mapping, or a new name for a new file"
            ) from error
