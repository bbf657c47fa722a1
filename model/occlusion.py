"""A labelled turn read once more, with words or other turns left out of its window.

(Occlusion: Zeiler & Fergus 2014, "Visualizing and understanding convolutional networks"; for
words: Li, Monroe & Jurafsky 2016, "Understanding neural networks through representation erasure".)
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from alliance.model.calibration import Floats
from alliance.model.classifier import RuptureClassifier
from alliance.model.codebook import LABELS
from alliance.model.labelled import LabelledSession, LabelledTurn
from alliance.model.packing import (
    EncodedTurn,
    Window,
    causal_window,
    choose_windows,
    plan_windows,
)

__all__ = ["Occlusion", "Span"]

Span = tuple[int, int]
"""Characters of a text, from the first (counted from 0) to before the second: code points."""

_TOLERANCE: Final = 1e-3  # of a probability: further apart no two machines are


class Occlusion:
    """Reads the turns of one session with something left out of them.

    A turn is read in the window that its label came from, causal or not, so that with nothing
    left out its probability is the one it was labelled with. A turn whose words are left out
    keeps its place and its speaker: what remains of it is its role token.

    Args:
        classifier: the model that labelled the session.
        labelled: the session with its labels.

    Attributes:
        readings: windows run through the encoder so far; a window that was read before, or is
            the same with the words left out (as where a long turn's middle is cut), costs none.
    """

    def __init__(self, classifier: RuptureClassifier, labelled: LabelledSession) -> None:
        self.labelled = labelled
        self.readings = 0
        self._classifier = classifier
        self._encoded = classifier.encode(labelled.session.turns)
        self._roles = [turn.role for turn in labelled.session.turns]
        self._lengths = [len(turn.ids) for turn in self._encoded]
        self._windows: list[Window] = []
        self._chosen: list[int] = []
        if not labelled.model.causal:
            self._windows = plan_windows(self._lengths, classifier.packing)
            self._chosen = choose_windows(self._lengths, self._windows)
        self._known: dict[bytes, Floats] = {}

    def turn(self, index: int) -> LabelledTurn:
        """A turn with a label.

        Raises:
            ValueError: if the session has no such turn, or it carries no label.
        """
        if not 0 <= index < len(self.labelled):
            raise ValueError(
                f"expected a turn of the session's {len(self.labelled)}, found turn {index}"
            )
        turn = self.labelled.turns[index]
        if turn.label is None:
            raise ValueError(f"expected a turn with a label, found none on turn {index}")
        return turn

    def window(self, index: int) -> Window:
        """The window that a turn's label came from."""
        if self.labelled.model.causal:
            return causal_window(self._lengths[: index + 1], self._classifier.packing)
        return self._windows[self._chosen[index]]

    def probability(
        self, index: int, *, words: Iterable[Span] = (), turns: Iterable[int] = ()
    ) -> float:
        """The calibrated probability (0-1) of the label that a turn has, with something left out.

        Args:
            index: the turn.
            words: what is left out of its text.
            turns: which other turns are left without words; those outside its window change
                nothing.

        Raises:
            ValueError: if the turn carries no label, or one that the classifier did not give.
        """
        labelled = self.turn(index)
        assert labelled.label is not None  # for mypy: turn() saw to it
        assert labelled.probabilities is not None
        place = LABELS.index(labelled.label)
        whole = self._read(index, {})
        given = labelled.probabilities.of(labelled.label)
        if abs(whole[place] - given) > _TOLERANCE:
            raise ValueError(
                f"expected a session as {self._classifier.name} labelled it, found probability "
                f"{given:.4f} where it says {whole[place]:.4f} (turn {index}); label the session "
                f"with it first"
            )
        changed = {
            other: EncodedTurn(self._encoded[other].ids[:1], truncated=False)
            for other in turns
            if other in range(len(self._encoded)) and other != index
        }
        if spans := list(words):
            text = _without(labelled.turn.text, spans)
            (changed[index],) = self._classifier.encode([replace(labelled.turn, text=text)])
        return float(self._read(index, changed)[place])

    def _read(self, index: int, changed: dict[int, EncodedTurn]) -> Floats:
        """The probabilities of a turn, with other tokens for some of its window's turns."""
        window = self.window(index)
        places = range(window.first, window.stop)
        encoded = [changed.get(place, self._encoded[place]) for place in places]
        # Every turn begins with a role token, so the tokens tell turns and speakers as well.
        key = b"".join(turn.ids.tobytes() for turn in encoded)
        if key not in self._known:
            self.readings += 1
            roles = self._roles[window.first : window.stop]
            self._known[key] = self._classifier.probabilities(encoded, roles)
        row: Floats = self._known[key][index - window.first]
        return row


def _without(text: str, spans: Iterable[Span]) -> str:
    kept, at = [], 0
    for start, end in sorted(spans):
        kept.append(text[at:start])
        at = max(at, end)
    return "".join([*kept, text[at:]])
