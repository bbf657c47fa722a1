"""The strip as SVG: two speakers' lanes under their rupture episodes, above the alliance level.

It is as wide as it is given room. Places along the session are percentages, shapes have their size
in pixels, so nothing is stretched on a narrow screen. Each turn is one ``<use>`` of a shape that
holds three drawings, a letter in a shape, a small shape, and a tick; the style sheet shows the one
that there is room for (:func:`crowding`, and the width of the strip). Directions stay the same in
all three: withdrawal points down, confrontation up. The script moves these elements and draws
nothing of its own.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup, escape

from alliance.model.codebook import Role
from alliance.model.episodes import Outcome
from alliance.serve.report.strings import Strings
from alliance.serve.report.svg_shapes import HALF_TICK
from alliance.serve.report.view import EpisodeView, LabellingView, TimelineView

__all__ = ["crowding", "gutter", "mini_strip", "strip", "tick_step"]

_LABEL: Final = 12  # pixels from the upper edge to the episodes' labels' base line,
_BRACKET: Final = 20  # to their brackets,
_BASE: Final = 52  # to the line that their stems stand on,
_CLIENT: Final = 74  # to the middle of the client's lane,
_THERAPIST: Final = 104  # and of the therapist's
_LANE: Final = 28  # a lane's height
_OTHERS: Final = 24  # what a lane of other speakers adds
_LEVEL: Final = 56  # the level's height
_BAR: Final = 26  # a rupture turn's stem at probability 1

_WIDE: Final = 690  # pixels of the narrowest strip with long labels, by the style sheet,
_NARROW: Final = 280  # and of one on a telephone
_LETTER: Final = 6.4  # pixels of a letter of an episode's label, about
_GAP: Final = 8  # pixels between two labels

_ROOMY: Final = 90  # turns up to which shapes hold letters,
_CLOSE: Final = 300  # and up to which they are shapes
_MOST_POINTS: Final = 700  # of the level's line

_STEPS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
_MOST_TICKS: Final = 15
_FEW_TICKS: Final = 5

_OUTCOMES: Final = {
    Outcome.REPAIR_SIGNAL: "outcome_repair_signal",
    Outcome.NONE_SEEN: "outcome_none_seen",
    Outcome.OPEN: "outcome_open",
}


@dataclass(frozen=True, slots=True)
class _Plan:
    """The drawing's measures for one session."""

    turns: int
    others: bool

    @property
    def other(self) -> int:
        """The middle of the other speakers' lane."""
        return _THERAPIST + _LANE // 2 + _OTHERS // 2

    @property
    def level(self) -> int:
        """The upper edge of the level."""
        return _THERAPIST + _LANE // 2 + (_OTHERS if self.others else 0) + 12

    @property
    def axis(self) -> int:
        """The base line of the axis' numbers."""
        return self.level + _LEVEL + 16

    @property
    def height(self) -> int:
        """The whole drawing's height."""
        return self.axis + 6

    def lane(self, role: Role) -> int:
        """The middle of a speaker's lane."""
        return {Role.CLIENT: _CLIENT, Role.THERAPIST: _THERAPIST}.get(role, self.other)

    def percent(self, turn: float) -> str:
        """A place along the session: turn 0 lies between 0 and 1."""
        return f"{100 * turn / self.turns:.2f}".rstrip("0").rstrip(".") + "%"


def _plan(view: TimelineView) -> _Plan:
    others = any(speaker.role is Role.OTHER for speaker in view.speakers)
    return _Plan(turns=max(1, len(view.turns)), others=others)


def crowding(view: TimelineView) -> str:
    """``roomy``, ``close`` or ``dense``: how many turns share the strip's width."""
    turns = len(view.turns)
    return "roomy" if turns <= _ROOMY else "close" if turns <= _CLOSE else "dense"


def tick_step(turns: int, *, most: int = _MOST_TICKS) -> int:
    """Turns from one number of the axis to the next."""
    return next((step for step in _STEPS if turns / step <= most), _STEPS[-1])


def gutter(view: TimelineView, *, strings: Strings) -> Markup:
    """The lanes' names, to stand left of the strip."""
    plan = _plan(view)
    scale = f"{view.level_scale:g}"
    names = [
        (_BASE - 2, "lane_ruptures", ""),
        (_CLIENT + 4, "lane_client", ""),
        (_THERAPIST + 4, "lane_therapist", ""),
        *([(plan.other + 4, "lane_other", "")] if plan.others else []),
        (plan.level + _LEVEL // 2 + 4, "lane_level", ""),
        (plan.axis, "lane_turn", " axis-name"),
    ]
    text = "".join(
        f'<text x="0" y="{y}" class="lane-name{kind}">{escape(strings[key])}</text>'
        for y, key, kind in names
    )
    ends = "".join(
        f'<text x="98" y="{y}" class="scale">{sign}{number}</text>'
        for y, sign, number in (
            (plan.level + 7, "+", scale),
            (plan.level + _LEVEL + 1, "−", scale),
        )
    )
    return Markup(
        f'<svg class="strip-names" width="104" height="{plan.height}" aria-hidden="true">'
        f"{text}{ends}</svg>"
    )


def strip(view: TimelineView, *, strings: Strings, described_by: str) -> Markup:
    """The strip, with the episodes of every purpose; those of the chosen one are in sight.

    Args:
        view: the session.
        strings: the words in it.
        described_by: the id of an element that says in words what the strip shows.
    """
    plan = _plan(view)
    groups = "".join(
        f'<g class="{"episodes" if purpose is view.chosen else "episodes is-off"}" '
        f'data-purpose="{purpose.value}">' + "".join(_episodes(labelling, plan, strings)) + "</g>"
        for purpose, labelling in view.labellings.items()
    )
    lanes = "".join(
        f'<line class="lane" x1="0" x2="100%" y1="{y}" y2="{y}"/>'
        for y in (_CLIENT, _THERAPIST, *([plan.other] if plan.others else []))
    )
    return Markup(
        f'<svg class="strip-plot" width="100%" height="{plan.height}" role="img" '
        f'aria-labelledby="{described_by}" data-level="{plan.level}" data-axis="{plan.axis}">'
        f'<line class="base" x1="0" x2="100%" y1="{_BASE}" y2="{_BASE}"/>'
        f"{lanes}{groups}{_level(view, plan)}"
        f'<g class="marks">{"".join(_marks(view, plan))}</g>'
        f'<g class="axis">{"".join(_axis(plan))}</g></svg>'
    )


def mini_strip(view: TimelineView, *, label: str) -> Markup:
    """A strip in miniature, for a row of many sessions: episodes and lanes' ticks, no words.

    Args:
        view: the session.
        label: what it shows, in words.
    """
    plan = _plan(view)
    rows = {Role.CLIENT: 21, Role.THERAPIST: 35}
    bars = "".join(
        f'<rect class="bar {one.letters}" x="{plan.percent(one.episode.onset)}" '
        f'width="{plan.percent(one.episode.last + 1 - one.episode.onset)}" y="1" height="6"/>'
        + (
            f'<use href="#g-{one.episode.outcome.value}" x="{_end(one, plan)}" y="4"/>'
            if _has_room(one, plan)
            else ""
        )
        for one in view.labelling.episodes
    )
    marks = "".join(
        f'<use href="#g-{letter}" x="{plan.percent(turn.index + 0.5)}" y="{rows[role]}"/>'
        for turn, letter in zip(view.turns, view.labelling.letters, strict=True)
        if (role := turn.speaker.role) in rows and letter in "PWC"
    )
    lines = "".join(
        f'<line class="lane" x1="0" x2="100%" y1="{y}" y2="{y}"/>' for y in rows.values()
    )
    return Markup(
        f'<svg class="mini-strip" width="100%" height="46" role="img" '
        f'aria-label="{escape(label)}">{lines}{bars}{marks}</svg>'
    )


def _has_room(one: EpisodeView, plan: _Plan) -> bool:
    """Whether a miniature holds the sign of an outcome beside the episode."""
    return plan.turns <= 400 or one.episode.window_end - one.episode.last > plan.turns / 40


def _end(one: EpisodeView, plan: _Plan) -> str:
    """Where an episode's outcome is told: at the repair signal, else where its window ends."""
    positive = one.episode.positive_client_turns
    place = positive[0] if positive else max(one.episode.window_end, one.episode.last)
    return plan.percent(min(place + 0.5 if place > one.episode.last else place + 1.2, plan.turns))


def _episodes(labelling: LabellingView, plan: _Plan, strings: Strings) -> Iterator[str]:
    wide = _Fitter(plan.turns, _WIDE)
    narrow = _Fitter(plan.turns, _NARROW)
    found = labelling.episodes
    dense = plan.turns > _CLOSE
    for place, one in enumerate(found):
        episode = one.episode
        start, width = episode.onset, episode.last + 1 - episode.onset
        following = found[place + 1].episode.onset if place + 1 < len(found) else plan.turns
        number = str(one.number)
        told = strings[_OUTCOMES[episode.outcome]]
        choices = (
            f"{number} · {strings['kind_' + episode.kind.value]} · {told}",
            f"{number} · {one.letters} · {told}",
            number,
        )
        first, end = plan.percent(start), plan.percent(episode.last + 1)
        told_at = _end(one, plan)
        yield (
            f'<g class="ep {one.letters}" data-episode="{one.number}">'
            f'<rect class="band {one.letters}" x="{first}" width="{plan.percent(width)}" '
            f'y="{_BASE}" height="{_THERAPIST + _LANE // 2 - _BASE}"/>'
        )
        if dense:
            tall = _BAR * episode.intensity
            yield (
                f'<rect class="bar {one.letters}" x="{first}" width="{plan.percent(width)}" '
                f'y="{_BASE - tall:.1f}" height="{tall:.1f}"/>'
            )
        else:
            yield from _stems(one, labelling, plan)
            yield from _bracket(first, end, plan.percent(width))
            yield (
                f'<line class="window" x1="{end}" x2="{told_at}" '
                f'y1="{_BASE - 9}" y2="{_BASE - 9}"/>'
            )
        yield (
            f'<use class="end" href="#g-{episode.outcome.value}" x="{told_at}" '
            f'y="{_BRACKET if dense else _BASE - 9}"/>'
        )
        for fitter, name in ((wide, "wide"), (narrow, "narrow")):
            text = fitter.fit(start, choices, before=following)
            if text is not None:
                x, anchor = fitter.placed
                yield (
                    f'<text class="ep-label {name}" x="{x}" y="{_LABEL}" '
                    f'text-anchor="{anchor}">{escape(text)}</text>'
                )
        yield "</g>"


def _stems(one: EpisodeView, labelling: LabellingView, plan: _Plan) -> Iterator[str]:
    """A stem for each rupture turn, as high as its rupture is likely; the peak's is highest."""
    for place in one.episode.rupture_turns:
        tall = _BAR * labelling.timeline.turns[place].p_rupture
        yield (
            f'<rect class="stem {labelling.letters[place]}" x="{plan.percent(place + 0.15)}" '
            f'width="{plan.percent(0.7)}" y="{_BASE - tall:.1f}" height="{tall:.1f}"/>'
        )


def _bracket(first: str, end: str, width: str) -> Iterator[str]:
    yield f'<rect class="bracket" x="{first}" width="{width}" y="{_BRACKET}" height="1.5"/>'
    for x in (first, end):
        yield f'<line class="bracket" x1="{x}" x2="{x}" y1="{_BRACKET}" y2="{_BRACKET + 6}"/>'


class _Fitter:
    """Puts labels beside each other on a line of a width, as long as there is room."""

    def __init__(self, turns: int, width: int) -> None:
        self._pixels = width / turns
        self._width = width
        self._turns = turns
        self._free = 0.0
        self.placed = ("0%", "start")

    def fit(self, turn: int, choices: Iterable[str], *, before: int) -> str | None:
        """The first choice that fits between what was written and the turn ``before``."""
        start = turn * self._pixels
        for text in choices:
            length = _LETTER * len(text)
            room = before * self._pixels if before < self._turns else self._width
            if start >= self._free and start + length <= room:
                self._free = start + length + _GAP
                self.placed = (f"{100 * turn / self._turns:.2f}%", "start")
                return text
            # At the session's end there may be room to the left of it.
            if before >= self._turns and self._width - length >= self._free:
                self._free = self._width
                self.placed = ("100%", "end")
                return text
        return None


def _marks(view: TimelineView, plan: _Plan) -> Iterator[str]:
    if plan.turns > _CLOSE:
        yield _ticks(view, plan)
        return
    for turn, letter in zip(view.turns, view.labelling.letters, strict=True):
        if letter == "-" and turn.speaker.role is not Role.OTHER:
            continue
        shape = "O" if letter == "-" else "Q" if letter.islower() else letter
        yield (
            f'<use href="#g-{shape}" x="{plan.percent(turn.index + 0.5)}" '
            f'y="{plan.lane(turn.speaker.role)}"/>'
        )


_TICKS: Final = {
    "P": (-3, 6),
    "W": (0, HALF_TICK),
    "C": (0, -HALF_TICK),
    "N": (-1, 2),
    "?": (-2, 4),
}
"""Where a label's tick begins, from the middle of its lane, and how far it goes, in pixels."""


def _ticks(view: TimelineView, plan: _Plan) -> str:
    """Many turns: one path for each lane and label, ticks in a drawing that is stretched."""
    paths = ""
    for role in (Role.CLIENT, Role.THERAPIST):
        for letter, (start, length) in _TICKS.items():
            y = plan.lane(role) + start
            drawn = "".join(
                f"M{turn.index} {y}v{length}"
                for turn, own in zip(view.turns, view.labelling.letters, strict=True)
                if turn.speaker.role is role and ("?" if own.islower() else own) == letter
            )
            paths += (
                f'<path class="{"Q" if letter == "?" else letter}" data-letter="{letter}" '
                f'data-role="{role.value}" data-y="{y}" data-length="{length}" d="{drawn}"/>'
            )
    if plan.others:
        drawn = "".join(
            f"M{turn.index} {plan.other - 2}v4"
            for turn in view.turns
            if turn.speaker.role is Role.OTHER
        )
        paths += (
            f'<path class="O" data-letter="-" data-role="other" data-y="{plan.other - 2}" '
            f'data-length="4" d="{drawn}"/>'
        )
    return (
        f'<svg class="ticks" x="0" y="0" width="100%" height="{plan.height}" '
        f'viewBox="-.5 0 {plan.turns} {plan.height}" preserveAspectRatio="none">{paths}</svg>'
    )


def _level(view: TimelineView, plan: _Plan) -> str:
    """The level as a line within its band, in a drawing of its own that is stretched."""
    series, scale = view.level, view.level_scale
    entries = [
        (turn, value, low, high)
        for turn, (value, low, high) in enumerate(
            zip(series.value, series.low, series.high, strict=True)
        )
        if value is not None and low is not None and high is not None
    ]
    # Not more points than pixels can show; the last is always among them.
    step = -(-len(entries) // _MOST_POINTS) or 1
    entries = entries[:-1][::step] + entries[-1:]

    def point(turn: int, value: float) -> str:
        return f"{turn} {round(-100 * value / scale)}"

    band = line = ""
    if entries:
        there = " ".join(point(turn, high) for turn, _, _, high in entries)
        back = " ".join(point(turn, low) for turn, _, low, _ in reversed(entries))
        band = f"M{there} {back}Z"
        line = "M" + " ".join(point(turn, value) for turn, value, _, _ in entries)
    return (
        f'<svg class="level" x="0" y="{plan.level}" width="100%" height="{_LEVEL}" '
        f'viewBox="-.5 -100 {plan.turns} 200" preserveAspectRatio="none">'
        f'<path class="level-band" d="{band}"/>'
        f'<path class="level-zero" d="M-.5 0H{plan.turns}"/>'
        f'<path class="level-line" d="{line}"/></svg>'
    )


def _axis(plan: _Plan) -> Iterator[str]:
    step = tick_step(plan.turns)
    major = next(
        s for s in _STEPS if (s % step == 0 and plan.turns / s <= _FEW_TICKS) or s == _STEPS[-1]
    )
    for turn in range(0, plan.turns, step):
        kind = "" if turn % major == 0 else " minor"
        x = plan.percent(turn + 0.5)
        yield (
            f'<line class="tick{kind}" x1="{x}" x2="{x}" y1="{plan.axis - 13}" '
            f'y2="{plan.axis - 10}"/>'
            f'<text class="tick{kind}" x="{x}" y="{plan.axis}">{turn}</text>'
        )
