"""Tiers of annotated time, as ELAN and Praat have them, into one session.

A tier holds what one speaker says; the turns of all tiers are put in order of their start. Which
tiers are speech: with ``--column text=NAME`` (or several names with commas between) the tiers of
that name or type, and no others. Else all that are not

- under another tier or of a controlled vocabulary, where the format says so;
- named after another tier and inside its turns (``T-words`` beside ``T``);
- filled with this product's own labels or codes, or without any words.

Two tiers of one speaker that run at the same time cannot both be speech: that is an error.
"""

import bisect
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Final

from alliance.model.codebook import Label, Marker
from alliance.model.formats.columns import NONE
from alliance.model.formats.roles import clean_name
from alliance.model.formats.source import RawSession, RawTurn, Source

__all__ = ["LONGEST_TEXT", "Span", "Tier", "session_of_tiers"]

LONGEST_TEXT: Final = 10_000_000
"""Characters of one annotation; a longer one is a quote or a tag that was never closed."""

_SHARE: Final = 0.9  # of a tier's annotations lie inside those of the tier it depends on
_SLACK_MS: Final = 50  # by which boundaries drawn by hand miss each other
_MOST: Final = 500  # tiers; each is compared with each
_LISTED: Final = 20  # tiers in an error
_LONGEST_NAME: Final = 60  # characters of a tier's name in an error
_CODES: Final = frozenset(
    word.casefold()
    for code in (*Label, *Marker)
    for word in (code.value, code.title if isinstance(code, Label) else code.entry.name)
)
_LEFT_OUT: Final = "leave tiers that are not speech out with --column text=TIER,TIER"


@dataclass(slots=True)
class Span:
    """One annotation: what was said from ``start_ms`` to ``end_ms``, where these are known.

    ``line`` is where it stands in the file, ``id`` the file's own name for it.
    """

    text: str
    start_ms: int | None
    end_ms: int | None
    line: int
    id: str = ""


@dataclass(slots=True)
class Tier:
    """A tier of the file, its spans in file order.

    Attributes:
        name: the tier's name.
        spans: its annotations.
        speaker: who speaks, if the file says so apart from the tier's name.
        kind: the tier's type, if the format has types.
        is_speech: False where the format itself says that it is none.
    """

    name: str
    spans: list[Span] = field(default_factory=list)
    speaker: str = ""
    kind: str = ""
    is_speech: bool = True

    @property
    def who(self) -> str:
        """The speaker, who is the tier's name if the file does not say."""
        return self.speaker or self.name


def session_of_tiers(tiers: Sequence[Tier], source: Source) -> RawSession:
    """The session that the tiers of speech make.

    Raises:
        TranscriptError: if no tier is speech, or it cannot be told which ones are.
    """
    if len(tiers) > _MOST:
        raise source.error(
            f"expected at most {_MOST} tiers, found {len(tiers)}; save those with what was said in "
            f"a file of their own"
        )
    chosen = source.columns.get("text", NONE)
    if chosen == NONE:
        speech = _found(tiers, source)
        _check_one_each(speech, source)
    else:
        speech = _named(tiers, chosen, source)
    turns = list(_turns(speech, source))
    if not turns:
        raise source.error(
            f"expected tiers with what was said, found none ({_listed(tiers)}); fill them in, or "
            f"name those that hold it with --column text=TIER,TIER"
        )
    return RawSession(source.stem, turns, turns[0].line, advice=_LEFT_OUT)


def _named(tiers: Sequence[Tier], chosen: str, source: Source) -> list[Tier]:
    names = [chosen.casefold()]
    if not any(names[0] in (tier.name.casefold(), tier.kind.casefold()) for tier in tiers):
        names = [name.strip().casefold() for name in chosen.split(",")]
    for name in names:
        if not any(name in (tier.name.casefold(), tier.kind.casefold()) for tier in tiers):
            raise source.error(
                f"expected a tier (or tier type) called '{name}', found {_listed(tiers)}; correct "
                f"--column text"
            )
    return [t for t in tiers if t.name.casefold() in names or t.kind.casefold() in names]


def _found(tiers: Sequence[Tier], source: Source) -> list[Tier]:
    tiers = [tier for tier in tiers if tier.is_speech and _has_words(tier) and not _is_coding(tier)]
    # A tier that the caller gave a role is speech, whatever it looks like.
    return [
        tier
        for tier in tiers
        if source.roles.given(tier.name) is not None
        or not any(_depends(tier, other) for other in tiers if other is not tier)
    ]


def _has_words(tier: Tier) -> bool:
    return any(any(c.isalnum() for c in span.text) for span in tier.spans)


def _is_coding(tier: Tier) -> bool:
    return all(span.text.casefold() in _CODES for span in tier.spans if span.text)


def _depends(tier: Tier, other: Tier) -> bool:
    return _extends(tier.name.casefold(), other.name.casefold()) and _lies_inside(tier, other)


def _extends(name: str, shorter: str) -> bool:
    """Whether a name is the shorter one with another word: ``T-words`` or ``words@T``."""
    if not shorter or len(name) <= len(shorter):
        return False
    before, after = name[: -len(shorter)], name[len(shorter) :]
    return (
        name.startswith(shorter) and not after[0].isalnum() and any(c.isalpha() for c in after)
    ) or (name.endswith(shorter) and not before[-1].isalnum() and any(c.isalpha() for c in before))


def _lies_inside(tier: Tier, other: Tier) -> bool:
    outer = sorted(_timed(other))
    starts = [start for start, _ in outer]
    inside = total = 0
    for start, end in _timed(tier):
        total += 1
        place = bisect.bisect_right(starts, start + _SLACK_MS) - 1
        inside += place >= 0 and end <= outer[place][1] + _SLACK_MS
    return total > 0 and inside >= _SHARE * total


def _timed(tier: Tier) -> Iterator[tuple[int, int]]:
    for span in tier.spans:
        if span.text and span.start_ms is not None and span.end_ms is not None:
            yield span.start_ms, span.end_ms


def _check_one_each(speech: Sequence[Tier], source: Source) -> None:
    by_speaker: dict[str, list[Tier]] = {}
    for tier in speech:
        by_speaker.setdefault(tier.who.casefold(), []).append(tier)
    for same in by_speaker.values():
        if any(_run_together(one, other) for one, other in combinations(same, 2)):
            raise source.error(
                f"expected one tier of speech for each speaker, found several that run at the same "
                f"time for one ({_listed(same)}); name the tiers with what was said, as in "
                f"--column text=TIER,TIER"
            )


def _run_together(one: Tier, other: Tier) -> bool:
    spans = sorted((*((*span, 0) for span in _timed(one)), *((*span, 1) for span in _timed(other))))
    ends = [-1, -1]
    together = 0
    for start, end, which in spans:
        together += start + _SLACK_MS < ends[1 - which]
        ends[which] = max(ends[which], end)
    # One slip at a boundary is a slip; a second tier of the same talk overlaps all along.
    return together * 2 > min(len(one.spans), len(other.spans))


def _turns(speech: Iterable[Tier], source: Source) -> Iterator[RawTurn]:
    placed: list[tuple[int, int, int, Tier, Span]] = []
    for number, tier in enumerate(speech):
        now = 0  # a span without a start comes where the one before it in its tier ends
        for place, span in enumerate(tier.spans):
            start = now if span.start_ms is None else span.start_ms
            if span.start_ms is not None and span.end_ms is not None and span.end_ms < start:
                raise source.error(
                    "expected an annotation to end after its start, found an earlier end; correct "
                    "its times",
                    line=span.line,
                )
            placed.append((start, number, place, tier, span))
            now = start if span.end_ms is None else span.end_ms
    placed.sort(key=lambda each: each[:3])
    for *_, tier, span in placed:
        role = tier.name if tier.speaker and source.roles.role(tier.speaker) is None else ""
        yield RawTurn(tier.who, span.text, span.line, span.start_ms, span.end_ms, span.id, role)


def _listed(tiers: Sequence[Tier]) -> str:
    if not tiers:
        return "no tiers"
    names = ", ".join(f"'{clean_name(tier.name)[:_LONGEST_NAME]}'" for tier in tiers[:_LISTED])
    return names + (", …" if len(tiers) > _LISTED else "")
