"""A classifier for one session that grows: what it has read once, it does not read again.

Windows depend on the session alone, and every window but the last is settled once a turn follows
it that it has no room for. So when a turn is appended, or the last one is replaced, at most two
windows are new: the last one, which is filled backwards from the newest turn, and, when that turn
opens a window, the one before it, which goes back to the place where it began. All others are
remembered, by what is said in them. The numbers are the same, bit for bit, as those of a
classifier that reads the whole session afresh.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from alliance.model.backend import Logits
from alliance.model.classifier import RuptureClassifier
from alliance.model.codebook import MARKER_ORDER, Role
from alliance.model.packing import EncodedTurn, choose_windows, plan_windows
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
        super().__init__(
            classifier.name,
            tokenizer=classifier.tokenizer,
            backend=classifier.backend,
            packing=classifier.packing,
            calibration=classifier.calibration,
            decision=classifier.decision,
        )
        self._encoded: dict[_Said, EncodedTurn] = {}
        self._windows: dict[tuple[_Said, ...], Logits] = {}

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
        encoded = self.encode(session.turns)
        said = [_said(turn) for turn in session.turns]
        lengths = [len(turn.ids) for turn in encoded]
        windows = plan_windows(lengths, self.packing)
        chosen = choose_windows(lengths, windows)
        logits = np.zeros((len(encoded), len(MARKER_ORDER)), dtype=np.float32)
        encoded_tokens = 0
        kept: dict[tuple[_Said, ...], Logits] = {}
        for number, window in enumerate(windows):
            key = tuple(said[window.first : window.stop])
            rows = self._windows.get(key)
            if rows is None:
                # Turns that fill one window, taken as a session, are scored in that window.
                alone = super().score(Session(_ALONE, session.turns[window.first : window.stop]))
                rows = alone.logits
                encoded_tokens += alone.encoded_tokens
            kept[key] = rows
            for turn in range(window.first, window.stop):
                if chosen[turn] == number:
                    logits[turn] = rows[turn - window.first]
        # What a revised turn said is forgotten with its windows.
        self._windows = kept
        self._encoded = dict(zip(said, encoded, strict=True))
        return SessionScores(
            logits=logits,
            truncated=tuple(turn.truncated for turn in encoded),
            input_tokens=sum(lengths),
            encoded_tokens=encoded_tokens,
        )


_ALONE: Final = "window"


def _said(turn: Turn) -> _Said:
    return turn.role, turn.text
