"""A classifier for one session that grows: what it has read once, it does not read again.

Windows depend on the session alone, and every window but the last is settled once a turn follows
it that it has no room for. So when a turn is appended, or the last one is replaced, at most two
windows are new: the last one, which is filled backwards from the newest turn, and, when that turn
opens a window, the one before it, which goes back to the place where it began. All others are
remembered, by what is said in them. A session layer, which is quick beside the encoder, reads the
whole session each time. The numbers are the same, bit for bit, as those of a classifier that reads
the whole session afresh.
"""

from collections.abc import Sequence
from dataclasses import replace

from alliance.model.backend import Features
from alliance.model.classifier import RuptureClassifier
from alliance.model.codebook import Role
from alliance.model.packing import EncodedTurn
from alliance.model.scores import SessionScores
from alliance.model.session import Session, Turn

__all__ = ["RememberingClassifier"]

_Said = tuple[Role, str]  # all that the network sees of a turn


class RememberingClassifier(RuptureClassifier):
    """A classifier that keeps the windows of the session it scored last, and no others.

    It shares the network and the tokenizer of the one it is made from. It is for one session and
    one thread at a time; the classifier it is made from may be in use elsewhere.

    Args:
        classifier: what reads the windows that are new.
    """

    def __init__(self, classifier: RuptureClassifier) -> None:
        super().__init__(**classifier._parts())
        self._encoded: dict[_Said, EncodedTurn] = {}
        self._windows: dict[tuple[_Said, ...], Features] = {}

    def encode(self, turns: Sequence[Turn]) -> list[EncodedTurn]:
        """The turns as this model's token numbers; those seen before are remembered."""
        said = [_said(turn) for turn in turns]
        new = {key: turn for key, turn in zip(said, turns, strict=True) if key not in self._encoded}
        self._encoded.update(zip(new, super().encode(list(new.values())), strict=True))
        return [self._encoded[key] for key in said]

    def score(self, session: Session, *, causal: bool = False) -> SessionScores:
        """As in the base class; ``encoded_tokens`` counts the windows alone that were new."""
        if causal:
            return super().score(session, causal=True)
        plan = self.plan(session)
        said = [_said(turn) for turn in session.turns]
        pooled: list[Features] = []
        encoded_tokens = 0
        kept: dict[tuple[_Said, ...], Features] = {}
        for number, window in enumerate(plan.windows):
            key = tuple(said[window.first : window.stop])
            rows = self._windows.get(key)
            if rows is None:
                rows = self.run_window(plan, number)
                encoded_tokens += sum(plan.lengths(number)) + 2  # it is opened and closed
            kept[key] = rows
            pooled.append(rows)
        # What a revised turn said is forgotten with its windows.
        self._windows = kept
        self._encoded = dict(zip(said, plan.encoded, strict=True))
        return replace(self.scores(session, plan, pooled), encoded_tokens=encoded_tokens)


def _said(turn: Turn) -> _Said:
    return turn.role, turn.text
