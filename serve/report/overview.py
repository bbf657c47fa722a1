"""What the overview of many sessions shows: a row for each, counted, and no text."""

from collections import Counter
from dataclasses import dataclass

from markupsafe import Markup

from alliance.model.episodes import Outcome
from alliance.model.labelled import Purpose
from alliance.serve.report.strings import ENGLISH
from alliance.serve.report.svg import mini_strip
from alliance.serve.report.view import TimelineView
from alliance.serve.wording import counted, episode_counts

__all__ = ["Overview", "SessionRow"]


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session in the overview.

    Attributes:
        session_id: its identifier.
        report: the file of its report, relative to the overview; empty if there is none.
        turns: how many turns it has.
        strip: the session in miniature, as SVG.
        kinds: how many episodes of each kind, in words; empty without any.
        episodes: how many rupture episodes it has.
        none_seen: after how many of them no repair signal was seen.
        open: how many were cut off by the session's end before one could be.
        client: the client's rupture turns.
        therapist: the therapist's.
    """

    session_id: str
    report: str
    turns: int
    strip: Markup
    kinds: str
    episodes: int
    none_seen: int
    open: int
    client: int
    therapist: int

    @property
    def unrepaired(self) -> int:
        """Episodes without a repair signal, those included that the session's end cut off."""
        return self.none_seen + self.open

    @classmethod
    def of(cls, view: TimelineView, *, report: str) -> "SessionRow":
        """The row of a session.

        Args:
            view: the session.
            report: the file of its report.
        """
        summary = view.timeline.summary
        outcomes = Counter(summary.outcomes)
        kinds = ", ".join(
            f"{number} {kind.value}" for kind, number in summary.episodes.items() if number
        )
        return cls(
            session_id=view.session_id,
            report=report,
            turns=summary.turns,
            strip=mini_strip(
                view, label=episode_counts(summary) if kinds else ENGLISH["no_episodes"]
            ),
            kinds=kinds,
            episodes=len(view.timeline.episodes),
            none_seen=outcomes[Outcome.NONE_SEEN],
            open=outcomes[Outcome.OPEN],
            client=summary.client.rupture_turns,
            therapist=summary.therapist.rupture_turns,
        )


@dataclass(frozen=True, slots=True)
class Overview:
    """Many sessions on a page.

    Attributes:
        rows: one per session, those with most episodes without a repair signal first, else in
            the order of the inputs.
        failures: one sentence per input that could not be read.
        model: the model's name.
        purpose: whose thresholds decided.
    """

    rows: tuple[SessionRow, ...]
    failures: tuple[str, ...]
    model: str
    purpose: Purpose

    def __str__(self) -> str:
        """How much was reported, in a line."""
        return f"{counted(len(self.rows), 'session')} reported; {len(self.failures):,} failed"
