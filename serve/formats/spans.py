"""Which annotation of an original file a labelled turn is, and where labels go that fit none."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from alliance.model.errors import InputError, TranscriptError
from alliance.model.labelled import LabelledSession, LabelledTurn
from alliance.serve.wording import listed

__all__ = [
    "CodeTier",
    "Lane",
    "Matching",
    "Span",
    "check_times",
    "code_tiers",
    "lanes",
    "match",
    "read_original",
]

_ROUNDING_MS = 1


@dataclass(frozen=True, slots=True)
class Span:
    """One annotation of the original file.

    Attributes:
        tier: the tier's place in the file, from 0.
        place: the annotation's place in its tier, from 0.
        start_ms: its start in milliseconds, where known.
        end_ms: its end, where known.
        text: its value.
        id: the file's own name for it, or empty.
    """

    tier: int
    place: int
    start_ms: float | None
    end_ms: float | None
    text: str = ""
    id: str = ""


def read_original(path: Path) -> bytes:
    """The bytes of the file that is added to.

    Raises:
        TranscriptError: if it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise TranscriptError(
            f"expected the file that labels are added to, found: {error.strerror or error}; "
            f"correct --original",
            source=path,
        ) from error


@dataclass(frozen=True, slots=True)
class Matching:
    """What was found for the labelled turns of a session.

    Attributes:
        spans: the annotation of each turn that has one, by the turn's index.
        unmatched: labelled turns that have none.
    """

    spans: Mapping[int, Span]
    unmatched: tuple[LabelledTurn, ...]


def match(session: LabelledSession, spans: Sequence[Span]) -> Matching:
    """Find each labelled turn's annotation: by its id and times, else by its times alone.

    Of several annotations with a turn's times, one that says the same comes first. No annotation
    is taken twice; times may differ by a millisecond of rounding.
    """
    by_id = {span.id: span for span in spans if span.id}
    by_start: dict[int, list[Span]] = {}
    for span in spans:
        if span.start_ms is not None:
            by_start.setdefault(round(span.start_ms), []).append(span)
    found: dict[int, Span] = {}
    unmatched: list[LabelledTurn] = []
    taken: set[tuple[int, int]] = set()
    for labelled in session:
        if labelled.label is None:
            continue
        chosen = _by_id(labelled, by_id, taken) or _by_times(labelled, by_start, taken)
        if chosen is None:
            unmatched.append(labelled)
        else:
            found[labelled.index] = chosen
            taken.add((chosen.tier, chosen.place))
    return Matching(found, tuple(unmatched))


def _by_id(
    labelled: LabelledTurn, by_id: Mapping[str, Span], taken: set[tuple[int, int]]
) -> Span | None:
    span = by_id.get(labelled.turn.utterance_id)
    if span is None or (span.tier, span.place) in taken:
        return None
    # "a12" may be another program's identifier too.
    start, other = labelled.turn.start_ms, span.start_ms
    return span if start is None or other is None or _close(start, other) else None


def _by_times(
    labelled: LabelledTurn, by_start: Mapping[int, list[Span]], taken: set[tuple[int, int]]
) -> Span | None:
    start, end = labelled.turn.start_ms, labelled.turn.end_ms
    if start is None or end is None:
        return None
    near = (start - _ROUNDING_MS, start, start + _ROUNDING_MS)
    fitting = [
        span
        for at in near
        for span in by_start.get(at, ())
        if span.end_ms is not None
        and _close(start, span.start_ms)
        and _close(end, span.end_ms)
        and (span.tier, span.place) not in taken
    ]
    said = labelled.turn.text.split()
    return min(fitting, key=lambda span: (span.text.split() != said, span.tier), default=None)


def _close(one: float, other: float | None) -> bool:
    return other is not None and abs(one - other) <= _ROUNDING_MS


@dataclass(frozen=True, slots=True)
class CodeTier:
    """A tier that is to be added: its name, and the code of each turn in it.

    Attributes:
        name: ``label``, ``marker`` or ``unsure``, and after an ``@`` the tier it belongs to.
        kind: the part before the ``@``.
        codes: labelled turns with the code that the tier says of them, in order.
    """

    name: str
    kind: str
    codes: tuple[tuple[LabelledTurn, str], ...]


def code_tiers(owner: str, turns: Iterable[LabelledTurn]) -> list[CodeTier]:
    """The tiers for some turns of one tier: labels, markers, and labels of which it is not sure.

    Args:
        owner: the name of the tier or the speaker they belong to.
        turns: labelled turns, in order.
    """
    turns = list(turns)
    kinds = {
        "label": [(turn, turn.label.value) for turn in turns if turn.label is not None],
        "marker": [(turn, turn.marker.value) for turn in turns if turn.marker is not None],
        "unsure": [(turn, turn.label.value) for turn in turns if turn.label and turn.abstained],
    }
    return [
        CodeTier(f"{kind}@{owner}", kind, tuple(codes)) for kind, codes in kinds.items() if codes
    ]


def check_times(turns: Iterable[LabelledTurn], place: str, file: str) -> None:
    """Refuse turns that can stand nowhere in a file of times.

    Args:
        turns: labelled turns that are no annotation of the original, or all turns of a new file.
        place: what such an annotation is called; empty for a new file.
        file: what the file is called.

    Raises:
        InputError: if the start or end of one is not known.
    """
    bare = [turn.index for turn in turns if turn.turn.start_ms is None or turn.turn.end_ms is None]
    if bare and place:
        raise InputError(
            f"expected each labelled turn to be {place} or to have times, found neither at "
            f"{listed(bare)}; give the {file} that was labelled with --original"
        )
    if bare:
        raise InputError(
            f"expected the times of every turn for a new {file}, found none at {listed(bare)}; "
            f"take a transcript with times, or add to a file with --original"
        )


@dataclass(slots=True)
class Lane:
    """Turns of one speaker that do not overlap in time, in order of their start."""

    owner: str
    turns: list[LabelledTurn] = field(default_factory=list)

    @property
    def end_ms(self) -> int:
        """Where the last one ends, in milliseconds."""
        return self.turns[-1].turn.end_ms or 0 if self.turns else 0


def lanes(turns: Iterable[LabelledTurn]) -> list[Lane]:
    """Turns with times as lanes: one for each speaker, and more where one's own turns overlap.

    Args:
        turns: labelled turns whose start and end are known.
    """
    by_speaker: dict[str, list[Lane]] = {}
    for turn in sorted(turns, key=lambda each: each.turn.start_ms or 0):
        speaker = " ".join(turn.turn.speaker.split())  # a tier's name stands on one line
        own = by_speaker.setdefault(speaker, [])
        lane = next((lane for lane in own if lane.end_ms <= (turn.turn.start_ms or 0)), None)
        if lane is None:
            number = f" {len(own) + 1}" if own else ""
            lane = Lane(f"{speaker}{number}")
            own.append(lane)
        lane.turns.append(turn)
    return [lane for own in by_speaker.values() for lane in own]
