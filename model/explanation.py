"""Why a turn got its label: the words and the neighbouring turns that speak for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from alliance.model.codebook import Label

__all__ = ["TurnEffect", "TurnExplanation", "WordEffect"]


@dataclass(frozen=True, slots=True)
class WordEffect:
    """A word of the turn, or several in a row, and what they do for its label.

    Attributes:
        start: where they start in the turn's text as it was read, in characters (Unicode code
            points, as Python counts; JavaScript counts others) from 0.
        end: where they end, exclusive.
        effect: how much less likely the label is without them, a difference of probabilities.
    """

    start: int
    end: int
    effect: float

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end:
            raise ValueError(f"words from character {self.start} to {self.end} are none")


@dataclass(frozen=True, slots=True)
class TurnEffect:
    """Another turn, and what it does for the label.

    Attributes:
        turn: its place in the session, from 0.
        effect: how much less likely the label is if nothing was said there, a difference of
            probabilities.
    """

    turn: int
    effect: float

    def __post_init__(self) -> None:
        if self.turn < 0:
            raise ValueError(f"turns count from 0, got {self.turn}")


@dataclass(frozen=True, slots=True)
class TurnExplanation:
    """What speaks for one turn's label; what speaks against it is not told.

    Attributes:
        turn: the turn's place in its session, from 0.
        label: its label.
        p: the label's calibrated probability (0-1).
        words: what of the turn's own words raises it, the greatest effect first.
        neighbours: which turns around it raise it, the greatest effect first.
        words_together: how much less likely the label is without all of ``words``: what they
            explain of ``p``. Not their sum, since words may say the same or need each other.
        neighbours_together: the same for all of ``neighbours``.

    Raises:
        ValueError: if an effect does not raise the label, or they are not in order.
    """

    turn: int
    label: Label
    p: float
    words: tuple[WordEffect, ...] = ()
    neighbours: tuple[TurnEffect, ...] = ()
    words_together: float = 0.0
    neighbours_together: float = 0.0

    def __post_init__(self) -> None:
        for effects in (
            [word.effect for word in self.words],
            [turn.effect for turn in self.neighbours],
        ):
            if any(not 0 < effect <= 1 for effect in effects):
                raise ValueError("expected effects that raise the label, by at most 1")
            if any(before < after for before, after in pairwise(effects)):
                raise ValueError("expected the greatest effect first")
        if any(turn.turn == self.turn for turn in self.neighbours):
            raise ValueError(f"turn {self.turn} is no neighbour of its own")

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values, without words: they are named by their place in the text.

        Turn, label and probability are left out: they stand on the turn that this is part of.
        """
        return {
            "words": [
                {"start": word.start, "end": word.end, "effect": word.effect} for word in self.words
            ],
            "turns": [{"turn": turn.turn, "effect": turn.effect} for turn in self.neighbours],
            "words_together": self.words_together,
            "turns_together": self.neighbours_together,
        }

    @classmethod
    def from_dict(
        cls, data: Mapping[str, Any], *, turn: int, label: Label, p: float
    ) -> "TurnExplanation":
        """The inverse of :meth:`to_dict`, with what stands on the turn."""
        return cls(
            turn=turn,
            label=label,
            p=p,
            words=tuple(WordEffect(w["start"], w["end"], w["effect"]) for w in data["words"]),
            neighbours=tuple(TurnEffect(t["turn"], t["effect"]) for t in data["turns"]),
            words_together=data["words_together"],
            neighbours_together=data["turns_together"],
        )
