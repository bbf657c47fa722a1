"""The codebook as code: four labels, their fine codes (markers), and who may carry which.

The codes follow the observer tradition of the Rupture Resolution Rating System (3RS: Eubanks,
Muran & Safran 2015, 2019), the Collaborative Interactions Scale (Colli & Lingiardi 2009) and,
for the positive side, Bordin (1979). The label strings are written here and nowhere else.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

CODEBOOK_VERSION: Final = "1"
"""Changes whenever a code is added, removed or redefined; written into every result."""


class Role(StrEnum):
    """Who speaks, as far as the codebook is concerned."""

    THERAPIST = "therapist"
    CLIENT = "client"
    OTHER = "other"

    @classmethod
    def _missing_(cls, value: object) -> "Role":
        raise ValueError(_unknown("role", value, cls))


class Label(StrEnum):
    """What a turn does to the collaboration, here and now. The order is that of all arrays."""

    ALLIANCE_POSITIVE = "alliance_positive"
    WITHDRAWAL = "withdrawal"
    CONFRONTATION = "confrontation"
    NEUTRAL = "neutral"

    @classmethod
    def _missing_(cls, value: object) -> "Label":
        raise ValueError(_unknown("label", value, cls))

    @property
    def is_rupture(self) -> bool:
        """Whether the label is one of the two kinds of rupture."""
        return self in (Label.WITHDRAWAL, Label.CONFRONTATION)

    @property
    def label(self) -> "Label":
        """Itself, so that a turn's code may be a marker or a label alone."""
        return self

    def may_be_said_by(self, role: Role) -> bool:
        """Whether the codebook has a code of this label for a turn of ``role``."""
        return any(marker.label is self and marker.may_be_said_by(role) for marker in Marker)

    @property
    def letter(self) -> str:
        """One letter for strips and tables: P, W, C or N."""
        return _LETTERS[self]

    @property
    def symbol(self) -> str:
        """A shape of its own for each label, so that colour is never the only sign."""
        return _SYMBOLS[self]

    @property
    def title(self) -> str:  # type: ignore[override]  # a display name, not str.title()
        """Name for display, e.g. ``withdrawal rupture``."""
        return _TITLES[self]

    @property
    def definition(self) -> str:
        """The codebook's one line on the label."""
        return _DEFINITIONS[self]


def _unknown(kind: str, value: object, choices: Iterable[StrEnum]) -> str:
    return f"unknown {kind} {value!r}; expected one of {', '.join(c.value for c in choices)}"


_LETTERS: Final = {
    Label.ALLIANCE_POSITIVE: "P",
    Label.WITHDRAWAL: "W",
    Label.CONFRONTATION: "C",
    Label.NEUTRAL: "N",
}
_SYMBOLS: Final = {
    Label.ALLIANCE_POSITIVE: "●",
    Label.WITHDRAWAL: "▼",
    Label.CONFRONTATION: "▲",
    Label.NEUTRAL: "·",
}
_TITLES: Final = {
    Label.ALLIANCE_POSITIVE: "alliance-positive",
    Label.WITHDRAWAL: "withdrawal rupture",
    Label.CONFRONTATION: "confrontation rupture",
    Label.NEUTRAL: "neutral",
}
_DEFINITIONS: Final = {
    Label.ALLIANCE_POSITIVE: (
        "the turn actively builds, states or repairs collaboration: bond, tasks or goals"
    ),
    Label.WITHDRAWAL: (
        "the speaker moves away from the other or from the work (or hides behind compliance)"
    ),
    Label.CONFRONTATION: "the speaker moves against the other or the work",
    Label.NEUTRAL: "the exchange goes on; nothing in it builds or strains the collaboration",
}


class Marker(StrEnum):
    """The fine codes. Each belongs to one label; some are one speaker's alone."""

    W1 = "W1"
    W2 = "W2"
    W3 = "W3"
    W4 = "W4"
    W5 = "W5"
    W6 = "W6"
    W7 = "W7"
    WT = "WT"
    C1 = "C1"
    C2 = "C2"
    C3 = "C3"
    C4 = "C4"
    C5 = "C5"
    C6 = "C6"
    C7 = "C7"
    CT = "CT"
    PB = "PB"
    PT = "PT"
    PG = "PG"
    PR = "PR"
    N = "N"

    @classmethod
    def _missing_(cls, value: object) -> "Marker":
        raise ValueError(_unknown("marker", value, cls))

    @property
    def label(self) -> Label:
        """The label this code belongs to."""
        return _LABEL_OF_LETTER[self.value[0]]

    @property
    def entry(self) -> "MarkerEntry":
        """Name, speakers and definition for display."""
        return MARKERS[self]

    def may_be_said_by(self, role: Role) -> bool:
        """Whether the codebook allows this code for a turn of ``role``."""
        return role in self.entry.roles


_LABEL_OF_LETTER: Final = {letter: label for label, letter in _LETTERS.items()}


def check_marker(label: Label, marker: Marker | None) -> None:
    """See that a marker, if there is one, is one of its label's.

    Raises:
        ValueError: if it is another label's.
    """
    if marker is not None and marker.label is not label:
        raise ValueError(
            f"expected a marker of the label {label.value}, found {marker.value}, which is one of "
            f"{marker.label.value}; correct one of them"
        )


@dataclass(frozen=True, slots=True)
class MarkerEntry:
    """One row of the codebook: the marker's name, who may carry it, and what it looks like."""

    name: str
    roles: frozenset[Role]
    definition: str


_CLIENT: Final = frozenset({Role.CLIENT})
_THERAPIST: Final = frozenset({Role.THERAPIST})
_EITHER: Final = frozenset({Role.CLIENT, Role.THERAPIST})

MARKERS: Final[Mapping[Marker, MarkerEntry]] = MappingProxyType(
    {
        Marker.W1: MarkerEntry(
            "denial", _CLIENT, "denies an evident feeling, problem or its significance"
        ),
        Marker.W2: MarkerEntry(
            "minimal response", _CLIENT, "shuts an open invitation down with a minimal answer"
        ),
        Marker.W3: MarkerEntry(
            "abstract communication",
            _CLIENT,
            "vague, global or intellectualised talk that keeps the other at a distance",
        ),
        Marker.W4: MarkerEntry(
            "avoidant storytelling or topic shift",
            _CLIENT,
            "leaves the topic the therapist opened, jokes it away, or tells about others instead",
        ),
        Marker.W5: MarkerEntry(
            "deferential or appeasing",
            _CLIENT,
            "over-compliant agreement; says what the therapist is thought to want to hear",
        ),
        Marker.W6: MarkerEntry(
            "content/affect split", _CLIENT, "the feeling shown does not match what is told"
        ),
        Marker.W7: MarkerEntry(
            "self-criticism or hopelessness",
            _CLIENT,
            "sinks into worthlessness or hopelessness so that the work is shut out",
        ),
        Marker.WT: MarkerEntry(
            "therapist withdrawal",
            _THERAPIST,
            "evades the client's concern or feeling: safe topic, hollow reassurance, "
            "apologising a position away, disengaged filler",
        ),
        Marker.C1: MarkerEntry(
            "complaint about the therapist",
            _CLIENT,
            "says the therapist does not listen, understand or help",
        ),
        Marker.C2: MarkerEntry(
            "rejects the therapist's intervention",
            _CLIENT,
            "dismisses a question, reflection, interpretation or advice with an edge",
        ),
        Marker.C3: MarkerEntry(
            "complaint about the activities or tasks",
            _CLIENT,
            "questions the use of what is done in the sessions or between them",
        ),
        Marker.C4: MarkerEntry(
            "complaint about the parameters",
            _CLIENT,
            "objects to time, fee, place, confidentiality or to being sent here",
        ),
        Marker.C5: MarkerEntry(
            "complaint about progress", _CLIENT, "says that the work is getting nowhere"
        ),
        Marker.C6: MarkerEntry(
            "defends self against the therapist",
            _CLIENT,
            "justifies oneself against an accusation felt from the therapist",
        ),
        Marker.C7: MarkerEntry(
            "efforts to control or pressure the therapist",
            _CLIENT,
            "demands, ultimatums, hostile sarcasm, personal questions as attack",
        ),
        Marker.CT: MarkerEntry(
            "therapist confrontation",
            _THERAPIST,
            "blames, lectures, argues, orders, threatens, labels, invalidates, mocks, or pushes "
            "on against the client's stated wish",
        ),
        Marker.PB: MarkerEntry(
            "bond",
            _EITHER,
            "trust, being understood, gratitude, warmth, empathy, validation, affirmation",
        ),
        Marker.PT: MarkerEntry(
            "task",
            _EITHER,
            "agreement on how to work: takes the work up, offers choice, explains, checks",
        ),
        Marker.PG: MarkerEntry(
            "goal", _EITHER, "shared purpose: naming, negotiating or owning what both work toward"
        ),
        Marker.PR: MarkerEntry(
            "repair",
            _EITHER,
            "after a strain: acknowledges a misstep, names the tension, validates, softens, "
            "accepts, changes course",
        ),
        Marker.N: MarkerEntry(
            "neutral", _EITHER, "nothing in it builds or strains the collaboration"
        ),
    }
)

LABELS: Final[tuple[Label, ...]] = tuple(Label)
"""Order of every array of four probabilities."""

MARKER_ORDER: Final[tuple[Marker, ...]] = tuple(Marker)
"""Order of every array of twenty-one code probabilities (the network's outputs)."""

RUPTURE_LABELS: Final[tuple[Label, ...]] = tuple(label for label in Label if label.is_rupture)
