"""How counts, times and outcomes are said in words, the same in every view."""

from collections.abc import Sequence

from alliance.model.codebook import LABELS, Marker
from alliance.model.episodes import Kind, Outcome, RuptureEpisode
from alliance.model.labelled import LabelledTurn, UnlabelledReason
from alliance.model.summary import SessionSummary, SpeakerSummary
from alliance.model.timeline import Timeline

__all__ = [
    "clock",
    "counted",
    "episode_counts",
    "episode_times",
    "listed",
    "marker_name",
    "names",
    "outcome",
    "signed",
    "span",
    "speaker_counts",
    "turn_counts",
]

_MOST_LISTED = 3


def counted(number: int, noun: str) -> str:
    """``1 turn``, ``2,000 turns``."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def span(first: int, last: int) -> str:
    """``turn 3`` or ``turns 3–7``."""
    return f"turn {first}" if first == last else f"turns {first}–{last}"


def listed(places: Sequence[int]) -> str:
    """``turn 3`` or ``turns 3, 5, 9 and 2 more``."""
    shown = ", ".join(str(place) for place in places[:_MOST_LISTED])
    more = len(places) - _MOST_LISTED
    noun = "turn" if len(places) == 1 else "turns"
    return f"{noun} {shown}" + (f" and {more} more" if more > 0 else "")


def clock(milliseconds: int) -> str:
    """``mm:ss``, or ``h:mm:ss`` from an hour on; fractions of a second are dropped."""
    minutes, seconds = divmod(milliseconds // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes:02}:{seconds:02}"


def signed(value: float) -> str:
    """Two decimals and a sign: ``+0.12``, ``−0.30``."""
    return f"{value:+.2f}".replace("-", "−")


def names(codes: Sequence[Marker]) -> str:
    """The codes' names, or ``none``."""
    return ", ".join(code.entry.name for code in codes) or "none"


def marker_name(labelled: LabelledTurn) -> str:
    """The marker's name, else the label's; empty for a turn without a label."""
    if labelled.marker is not None:
        return labelled.marker.entry.name
    return "" if labelled.label is None else labelled.label.title


def turn_counts(summary: SessionSummary) -> str:
    """``59 turns, 57 labelled, 2 without words``."""
    parts = [counted(summary.turns, "turn"), f"{summary.labelled:,} labelled"]
    for reason, words in (
        (UnlabelledReason.NO_WORDS, "without words"),
        (UnlabelledReason.ROLE_OTHER, "of other speakers"),
    ):
        if summary.unlabelled[reason]:
            parts.append(f"{summary.unlabelled[reason]:,} {words}")
    return ", ".join(parts)


def speaker_counts(speaker: SpeakerSummary) -> str:
    """``28 labelled turns: 1 P, 3 W, 1 C, 22 N, 1 abstained; ruptures 14%``."""
    if not speaker.labelled:
        return "no labelled turn"
    counts = ", ".join(f"{speaker.labels[label]:,} {label.letter}" for label in LABELS)
    abstained = f", {speaker.abstained:,} abstained" if speaker.abstained else ""
    share = f"ruptures {speaker.rupture_share:.0%}"
    return f"{counted(speaker.labelled, 'labelled turn')}: {counts}{abstained}; {share}"


def episode_counts(summary: SessionSummary) -> str:
    """How many episodes of each kind, and what was seen after how many of them."""
    kinds = ", ".join(
        f"{summary.episodes[kind]} {kind.value}" for kind in Kind if summary.episodes[kind]
    )
    seen = ", ".join(
        f"{words} after {summary.outcomes[outcome]}"
        for outcome, words in (
            (Outcome.REPAIR_SIGNAL, "client turned positive"),
            (Outcome.NONE_SEEN, "no repair signal"),
            (Outcome.OPEN, "session ended too soon to tell"),
        )
        if summary.outcomes[outcome]
    )
    return f"{kinds}; {seen}"


def episode_times(episode: RuptureEpisode) -> str:
    """``01:12–02:03``, as far as the times are known; empty if neither is."""
    start, end = episode.start_ms, episode.end_ms
    if start is None:
        return "" if end is None else f"until {clock(end)}"
    return clock(start) if end is None else f"{clock(start)}–{clock(end)}"


def outcome(timeline: Timeline, number: int) -> str:
    """What was seen after an episode.

    Args:
        timeline: the session.
        number: the episode's place in ``timeline.episodes``, from 0.
    """
    episode = timeline.episodes[number]
    if episode.outcome is Outcome.REPAIR_SIGNAL:
        return f"client turned positive at {listed(episode.positive_client_turns)}"
    if episode.outcome is Outcome.OPEN:
        return "session ended before the repair window closed"
    due = timeline.config.repair_turns
    window = timeline.turns[episode.last + 1 : episode.window_end + 1]
    if sum(turn.label is not None for turn in window) < due:
        # Only another episode ends a window early without leaving it open.
        after = timeline.episodes[number + 1].onset
        return f"no repair signal before the next episode at turn {after}"
    return f"no repair signal within {counted(due, 'turn')}"
