"""WebVTT: one cue for each rupture, or, of a transcript without labels, one for each turn.

A rupture is an episode (:class:`alliance.model.episodes.RuptureEpisode`): the cue lasts from the
start of its first rupture turn to the end of its last and says the kind, the turns, how strong it
is at its peak, the markers, and what was seen afterwards; and, with text, what was said at the
peak, cut to 160 characters. A player can show the file as captions or as chapters
(``kind="chapters"``). Where the recording's times are not known there can be no cue: that is an
error, not an empty file.
"""

import re
from collections.abc import Iterator
from typing import Final

from alliance.model.codebook import Label
from alliance.model.episodes import Kind, RuptureEpisode
from alliance.model.errors import InputError
from alliance.model.labelled import LabelledSession
from alliance.model.timeline import Timeline, timeline
from alliance.serve.formats.characters import utf8_safe
from alliance.serve.formats.sessions import SingleSessionWriter
from alliance.serve.wording import names, outcome, span

__all__ = ["VttWriter"]

_LONGEST_QUOTE: Final = 160  # characters
_LEAST_MS: Final = 1_000  # how long a cue lasts whose end is not known, or is its start
_TITLES: Final = {
    Kind.WITHDRAWAL: Label.WITHDRAWAL.title,
    Kind.CONFRONTATION: Label.CONFRONTATION.title,
    Kind.MIXED: "withdrawal and confrontation rupture",
}


class VttWriter(SingleSessionWriter):
    """Subtitles of one session."""

    _what = "a .vtt file"

    def _write(self, session: LabelledSession) -> None:
        if "label" in self._options.columns:
            made = timeline(session)
            blocks = [_note(made), *self._ruptures(made)]
        else:
            blocks = list(_turns(session))
        text = "\n\n".join(["WEBVTT", *blocks]) + "\n"
        self._stream.write(utf8_safe(text).encode("utf-8"))

    def _ruptures(self, made: Timeline) -> Iterator[str]:
        for number, episode in enumerate(made.episodes):
            lines = [
                f"{_TITLES[episode.kind]}, {span(episode.onset, episode.last)}, "
                f"intensity {episode.intensity:.2f}",
                f"{names(episode.markers)} ({', '.join(role.value for role in episode.speakers)})",
                outcome(made, number),
            ]
            peak = made.turns[episode.peak].turn
            if self._options.include_text and peak.text.strip():
                lines.append(_voice(peak.speaker, _quote(peak.text)))
            start, end = _times(made, episode)
            yield _cue(f"rupture-{number + 1}", start, end, lines)


def _note(made: Timeline) -> str:
    by = f" found by {made.model.name}" if made.model.name else ""
    return f"NOTE Ruptures{_escaped(by)}, codebook {made.model.codebook}: one cue each."


def _turns(session: LabelledSession) -> Iterator[str]:
    for place, labelled in enumerate(session):
        turn = labelled.turn
        if turn.start_ms is None:
            raise _no_times(f"turn {place} has none")
        end = turn.start_ms + _LEAST_MS if turn.end_ms is None else turn.end_ms
        # A line end within a cue's text is fine; an empty line would end the cue.
        yield _cue(str(place + 1), turn.start_ms, end, [_voice(turn.speaker, _one_line(turn.text))])


def _times(made: Timeline, episode: RuptureEpisode) -> tuple[int, int]:
    """From the first to the last time that is known of an episode, in milliseconds."""
    known = [
        time
        for place in episode.rupture_turns
        for time in (made.turns[place].turn.start_ms, made.turns[place].turn.end_ms)
        if time is not None
    ]
    if not known:
        raise _no_times(f"the rupture at {span(episode.onset, episode.last)} has none")
    return min(known), max(known)


def _no_times(found: str) -> InputError:
    return InputError(
        f"expected the times of every turn for a .vtt file, but {found}; take a transcript with "
        f"times, or write a table such as .csv"
    )


def _cue(name: str, start: int, end: int, lines: list[str]) -> str:
    timing = f"{_clock(start)} --> {_clock(max(end, start + 1))}"
    return "\n".join([name, timing, *(line for line in lines if line)])


def _clock(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}.{rest:03}"


def _voice(speaker: str, text: str) -> str:
    # A voice's name ends at ">" and cannot be escaped in every player.
    name = re.sub(r"[<>&]", " ", _one_line(speaker))
    return f"<v {name}>{_escaped(text)}</v>"


def _quote(text: str) -> str:
    text = _one_line(text)
    if len(text) <= _LONGEST_QUOTE:
        return text
    return text[:_LONGEST_QUOTE].rsplit(" ", 1)[0] + "…"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
