"""The columns of our tables: what each holds, for formats that have types and for codebooks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from alliance.model.codebook import LABELS
from alliance.serve.table import COLUMNS

__all__ = [
    "CATALOGUE",
    "CODING_COLUMNS",
    "TRANSCRIPT_COLUMNS",
    "TURN_COLUMNS",
    "Column",
    "Kind",
    "chosen",
]


class Kind(StrEnum):
    """What a column's cells hold; an empty cell is allowed in all but the identifying ones."""

    TEXT = "words"  # not "text": a reader of workbooks may take that for a column of turns
    WHOLE = "whole number"
    SHARE = "probability"
    TRUTH = "true or false"
    LABEL = "label"
    MARKER = "marker"
    REASON = "reason"


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        name: as in the header.
        kind: what its cells hold.
        description: one line for codebooks and schemas.
        required: whether every row fills it.
    """

    name: str
    kind: Kind
    description: str
    required: bool = False


_COLUMNS: Final = (
    Column("session_id", Kind.TEXT, "the session", required=True),
    Column("turn", Kind.WHOLE, "place of the turn in its session, counted from 0", required=True),
    Column("utterance_id", Kind.TEXT, "the source's own identifier of the turn"),
    Column("speaker", Kind.TEXT, "therapist, client, or another person's name", required=True),
    Column("start_ms", Kind.WHOLE, "start of the turn, milliseconds from the recording's start"),
    Column("end_ms", Kind.WHOLE, "end of the turn, milliseconds from the recording's start"),
    Column("text", Kind.TEXT, "what was said, verbatim"),
    Column("label", Kind.LABEL, "what the turn does to the collaboration"),
    *(
        Column(f"p_{label.value}", Kind.SHARE, f"calibrated probability of {label.title} (0-1)")
        for label in LABELS
    ),
    Column("marker", Kind.MARKER, "the likeliest fine code within the label"),
    Column("p_marker", Kind.SHARE, "probability of the marker (0-1)"),
    Column("abstained", Kind.TRUTH, "whether the model says not to trust the label"),
    Column("truncated", Kind.TRUTH, "whether the turn was too long and its middle was cut"),
    Column("unlabelled_reason", Kind.REASON, "why there is no label"),
    Column("model", Kind.TEXT, "name and version of the model that labelled the turn"),
    # Of transcripts alone: the speaker says it where there are labels.
    Column("role", Kind.TEXT, "therapist, client or other"),
)

CATALOGUE: Final[Mapping[str, Column]] = MappingProxyType({each.name: each for each in _COLUMNS})
"""Every column that a table of ours can have, by name."""

TURN_COLUMNS: Final = COLUMNS[: COLUMNS.index("text") + 1]
"""What our tables say of a turn, labels aside."""

TRANSCRIPT_COLUMNS: Final = (
    *TURN_COLUMNS[: TURN_COLUMNS.index("speaker") + 1],
    "role",
    *TURN_COLUMNS[TURN_COLUMNS.index("speaker") + 1 :],
)
"""The columns of a transcript without labels: the role says of other people that they are others,
so that nobody is asked again."""

CODING_COLUMNS: Final = (*TURN_COLUMNS, "label", "marker")
"""The columns of one person's coding.

A table of several people's has a column ``coder_NAME`` for each instead, as
:func:`alliance.model.codings.read_codings` reads them.
"""


def chosen(names: Sequence[str], *, include_text: bool = True) -> tuple[Column, ...]:
    """The columns of these names, in order.

    Args:
        names: keys of :data:`CATALOGUE`, or others, which hold text (a coder's codes).
        include_text: whether the text stays among them.
    """
    return tuple(
        CATALOGUE.get(name) or Column(name, Kind.TEXT, f"what {name} says of the turn")
        for name in names
        if include_text or name != "text"
    )
