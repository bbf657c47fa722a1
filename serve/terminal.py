"""A session's timeline for a terminal: the strip, then each rupture with its turns quoted.

What comes out of a transcript is shown as it stands and nothing else: brackets are no markup, and
control characters never reach the terminal.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from alliance.model.codebook import LABELS, Label
from alliance.model.episodes import Kind, RuptureEpisode
from alliance.model.labelled import LabelledTurn, UnlabelledReason
from alliance.model.summary import POSITIVE_CODES
from alliance.model.timeline import Timeline
from alliance.serve.reasons import key_phrases, key_turns
from alliance.serve.signs import STYLES, signs_for
from alliance.serve.strip import SEVERAL, UNSURE, Strip
from alliance.serve.wording import (
    counted,
    episode_counts,
    episode_times,
    listed,
    marker_name,
    names,
    outcome,
    signed,
    span,
    speaker_counts,
    turn_counts,
)

__all__ = ["render"]

CLOSING: Final = (
    "Labels come from a model trained on language-model codings; no clinician has validated "
    "them. A research and training aid, not an assessment of anyone."
)

_WHY: Final = (
    "why: words, and turns nearby, without which the model finds the label less likely; what it "
    "went by, not what moved the speaker"
)

_LABELS_OF_KIND: Final = {
    Kind.WITHDRAWAL: (Label.WITHDRAWAL,),
    Kind.CONFRONTATION: (Label.CONFRONTATION,),
    Kind.MIXED: (Label.WITHDRAWAL, Label.CONFRONTATION),
}
_NARROW: Final = 60  # columns below which a quote gets lines of its own
_LEAST: Final = 10  # columns that a paragraph keeps, however far it is indented
_FIELD: Final = 10  # columns for the names beside the counts
_WHAT: Final = 9  # columns for what a quoted turn is, and for the names beside it
_MOST_QUOTE: Final = 160  # columns of one quoted turn
_MOST_PHRASE: Final = 60  # columns of words that a label rests on
_MOST_NAME: Final = 10  # columns of a speaker's name
_MOST_ID: Final = 200
_MOST_RUPTURES: Final = 6  # quoted of one episode; the peak and both ends are always among them
_MOST_SIGNALS: Final = 3  # repair attempts, and positive client turns, quoted of one episode


def render(timeline: Timeline, console: Console, *, include_text: bool = True) -> None:
    """Show a timeline.

    Args:
        timeline: the session to show.
        console: where; its width, colours and encoding are kept to.
        include_text: quote the turns; else only their labels and markers are shown.
    """
    _View(timeline, console, include_text=include_text).show()


class _View:
    def __init__(self, timeline: Timeline, console: Console, *, include_text: bool) -> None:
        self.timeline = timeline
        self.console = console
        self.include_text = include_text
        self.signs = signs_for(console.encoding)
        self.strip = Strip(timeline, self.signs, console.width)
        self.turn_width = len(str(len(timeline.turns)))
        self.explanations = {one.turn: one for one in timeline.explanations}

    def show(self) -> None:
        self._header()
        if self.timeline.turns:
            self._strip_and_legend()
            self._counts()
        self._episodes()
        self._say(self._text(CLOSING, "dim"))

    # How things are written.

    def _text(self, content: str, style: str = "") -> Text:
        return Text(self.signs.plain(content), style=style)

    def _say(self, body: Text, *, lead: Text | None = None, indent: int = 0) -> None:
        """Print a paragraph; ``lead`` stands in the indentation of its first line."""
        indent = max(0, min(indent, self.console.width - _LEAST))
        if lead is not None and lead.cell_len > indent:
            self._put(lead)
            lead = None
        room = max(1, self.console.width - indent)
        start = lead.copy() if lead is not None else Text()
        for line in body.wrap(self.console, room, overflow="fold") or [Text()]:
            start.pad_right(max(0, indent - start.cell_len))
            start.append_text(line)
            start.rstrip()
            self._put(start)
            start = Text()

    def _put(self, line: Text) -> None:
        self.console.print(
            line,
            markup=False,
            highlight=False,
            emoji=False,
            no_wrap=True,
            crop=False,
            overflow="ignore",
        )

    def _gap(self) -> None:
        self._put(Text())

    def _sign(self, label: Label) -> Text:
        drawn = self.signs.labels[label]
        sign = drawn if drawn == label.letter else f"{drawn} {label.letter}"
        return Text(sign, style=STYLES[label])

    # The session as a whole.

    def _header(self) -> None:
        summary, model = self.timeline.summary, self.timeline.model
        name = self.signs.shorten(self.timeline.session_id, _MOST_ID)
        self._say(self._text(f"Session {name}", "bold"))
        self._say(self._text(f"{turn_counts(summary)}; turns count from 0"))
        if summary.truncated:
            what = counted(summary.truncated, "turn")
            self._say(self._text(f"{what} too long for the model, cut in the middle"))
        self._say(
            self._text(
                f"model {self.signs.shorten(model.name, _MOST_ID)} · codebook {model.codebook} · "
                f"purpose {model.purpose.value}"
            )
        )
        self._gap()

    def _strip_and_legend(self) -> None:
        lines = self.strip.lines()
        for line in lines:
            self._put(line)
        keys = [self._sign(label).append(f" {label.title}", style="default") for label in LABELS]
        if any(turn.abstained for turn in self.timeline.turns):
            keys.append(Text(f"{UNSURE} the model abstains"))
        keys.append(Text("blank: no label"))
        self._side_by_side(keys)
        notes = []
        if self.strip.turns_per_column > 1:
            notes.append(
                f"one column is {self.strip.turns_per_column} turns and shows the most telling "
                f"label, in the order C, W, P, N"
            )
        if self.timeline.episodes:
            mark = f"1{self.signs.line}{self.signs.end}"
            note = f"{mark} an episode, numbered where there is room"
            rows = [line.plain for line in lines if line.plain.startswith("episodes")]
            notes.append(note + (f" ({SEVERAL} several)" if SEVERAL in "".join(rows) else ""))
        low, high, scale = self.signs.levels[0], self.signs.levels[-1], self.strip.scale
        notes.append(f"level: the alliance level, {low} is −{scale:.1f}, {high} is +{scale:.1f}")
        self._say(self._text("; ".join(notes), "dim"))
        self._gap()

    def _side_by_side(self, items: Sequence[Text]) -> None:
        """Print items beside each other, as many as a line holds, without breaking one."""
        line = Text()
        for item in items:
            if line and line.cell_len + 3 + item.cell_len > self.console.width:
                self._put(line)
                line = Text()
            if line:
                line.append("   ")
            line.append_text(item)
        self._put(line)

    def _counts(self) -> None:
        summary, level = self.timeline.summary, self.timeline.alliance_level
        heard = summary.heard_codes
        silent = [code for code in POSITIVE_CODES if code not in heard]
        levels = [
            f"{name} {signed(final[0])} ({signed(final[1])} to {signed(final[2])})"
            for name, series in (
                ("together", level.together),
                ("client", level.client),
                ("therapist", level.therapist),
            )
            if (final := series.final) is not None
        ]
        rows = [
            ("client", speaker_counts(summary.client)),
            ("therapist", speaker_counts(summary.therapist)),
            ("positive", f"heard: {names(heard)}; not heard: {names(silent)}"),
        ]
        if levels:
            rows.append(
                (
                    "level",
                    f"at the end: {', '.join(levels)}; from −1 to +1, in brackets the 95% "
                    f"interval that the labels' probabilities leave",
                )
            )
        for name, content in rows:
            self._say(self._text(content), lead=Text(name), indent=_FIELD)
        self._gap()

    # The episodes.

    def _episodes(self) -> None:
        episodes = self.timeline.episodes
        if not episodes:
            self._say(self._text(self._no_episode()))
            self._gap()
            return
        self._say(self._text(counted(len(episodes), "rupture episode"), "bold"))
        self._say(self._text(episode_counts(self.timeline.summary)))
        if self.explanations:
            self._say(self._text(_WHY, "dim"))
        self._gap()
        for number, episode in enumerate(episodes):
            self._episode(number, episode)
            self._gap()

    def _no_episode(self) -> str:
        if not self.timeline.summary.labelled:
            return "No turn of this session carries a label, so nothing can be said of ruptures."
        doubtful = sum(
            turn.abstained and turn.label is not None and turn.label.is_rupture
            for turn in self.timeline.turns
        )
        aside = f", {counted(doubtful, 'turn')} aside on which the model abstains"
        found = "No rupture episode: no turn of this session was labelled a rupture"
        return found + (aside if doubtful else "") + "."

    def _episode(self, number: int, episode: RuptureEpisode) -> None:
        head = Text(style="bold")
        for label in _LABELS_OF_KIND[episode.kind]:
            head.append_text(self._sign(label)).append(" ")
        facts = [f"{episode.kind.value} rupture", span(episode.onset, episode.last)]
        if times := episode_times(episode):
            facts.append(times)
        facts.append(f"intensity {episode.intensity:.2f} at turn {episode.peak}")
        head.append_text(self._text(" · ".join(facts)))
        indent = len(str(len(self.timeline.episodes))) + 2
        self._say(head, lead=Text(str(number + 1), style="bold"), indent=indent)

        self._note("markers", self._markers(episode), indent)
        for what, turn in self._quoted(episode):
            self._quote(what, turn, indent)
            if what == "rupture" and turn.index in self.explanations:
                self._note("why", self._why(turn), indent)
        left = len(episode.rupture_turns) - _MOST_RUPTURES
        if left > 0:
            self._note("", f"and {counted(left, 'more rupture turn')}", indent)
        attempts = "no attempt by the therapist seen"
        if episode.repair_attempted:
            attempts = f"attempted by the therapist at {listed(episode.repair_attempts)}"
        self._note("repair", attempts, indent)
        self._note("outcome", outcome(self.timeline, number), indent)

    def _note(self, name: str, content: str, indent: int) -> None:
        lead = Text(" " * indent + name)
        self._say(self._text(content), lead=lead, indent=indent + _WHAT)

    def _why(self, labelled: LabelledTurn) -> str:
        explanation = self.explanations[labelled.index]
        phrases = key_phrases(explanation, labelled.turn.text) if self.include_text else []
        said = [f"“{self.signs.shorten(phrase, _MOST_PHRASE)}”" for phrase in phrases]
        if explanation.words and not said:
            said = ["its own words"]
        turns = key_turns(explanation)
        around = [listed(turns)] if turns else []
        return " · ".join([*said, *around]) or "nothing by itself"

    def _markers(self, episode: RuptureEpisode) -> str:
        counts = Counter(self.timeline.turns[place].marker for place in episode.rupture_turns)
        shown = [
            marker.entry.name + (f" ×{counts[marker]}" if counts[marker] > 1 else "")
            for marker in episode.markers
        ]
        return "; ".join(shown) or "none given"

    def _quoted(self, episode: RuptureEpisode) -> Iterator[tuple[str, LabelledTurn]]:
        """The turns to quote, in order, each with what it is to the episode."""
        ruptures = dict.fromkeys(
            [episode.peak, episode.onset, episode.last, *episode.rupture_turns]
        )
        what: dict[int, str] = {}
        if episode.trigger is not None:
            what[episode.trigger] = "before"
        what.update(dict.fromkeys(list(ruptures)[:_MOST_RUPTURES], "rupture"))
        what.update(dict.fromkeys(episode.repair_attempts[:_MOST_SIGNALS], "repair"))
        what.update(dict.fromkeys(episode.positive_client_turns[:_MOST_SIGNALS], "positive"))
        for place in sorted(what):
            yield what[place], self.timeline.turns[place]

    def _quote(self, what: str, labelled: LabelledTurn, indent: int) -> None:
        lead = Text(" " * indent).append(what.ljust(_WHAT), style="dim")
        lead.append(f"{labelled.index:>{self.turn_width}} ")
        name = self.signs.shorten(labelled.turn.speaker, _MOST_NAME)
        lead.append(name + " " * (_MOST_NAME + 1 - cell_len(name)))
        if labelled.abstained:
            lead.append(UNSURE)
        elif labelled.label is not None:
            lead.append_text(self._sign(labelled.label))
        body = self._words(labelled)
        if what != "before" and (marker := marker_name(labelled)):
            body.append(("  " if body else "") + marker, style="dim")
        if self.console.width >= _NARROW:
            beside = indent + _WHAT + self.turn_width + _MOST_NAME + 6
            self._say(body, lead=lead, indent=beside)
            return
        lead.rstrip()
        self._put(lead)
        if body:
            self._say(body, indent=indent + 2)

    def _words(self, labelled: LabelledTurn) -> Text:
        if not self.include_text:
            return Text()
        words = self.signs.shorten(labelled.turn.text, _MOST_QUOTE)
        if words:
            return Text(self.signs.plain("“") + words + self.signs.plain("”"))
        no_words = labelled.unlabelled_reason is UnlabelledReason.NO_WORDS
        return Text("(no words)" if no_words else "")
