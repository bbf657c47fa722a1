"""A labelled turn read once more, with words or other turns left out of what its label rests on.

(Occlusion: Zeiler & Fergus 2014, "Visualizing and understanding convolutional networks"; for
words: Li, Monroe & Jurafsky 2016, "Understanding neural networks through representation erasure".)
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from alliance.model.backend import Features
from alliance.model.calibration import Floats
from alliance.model.classifier import RuptureClassifier
from alliance.model.codebook import LABELS
from alliance.model.labelled import LabelledSession, LabelledTurn
from alliance.model.packing import EncodedTurn, SessionPlan, Window, causal_window, plan_session
from alliance.model.scores import chosen_rows

__all__ = ["Occlusion", "Span"]

Span = tuple[int, int]
"""Characters of a text, from the first (counted from 0) to before the second: code points."""

_TOLERANCE: Final = 1e-3  # of a probability: further apart no two machines are

_KEPT: Final = 256
"""Windows whose readings are remembered: all of one turn's explanation, and those around it."""


class Occlusion:
    """Reads the turns of one session with something left out of them.

    A turn is read in the window that its label came from, causal or not, so that with nothing
    left out its probability is the one it was labelled with. A turn whose words are left out
    keeps its place and its speaker: what remains of it is its role token.

    Under a session layer a label that is not causal rests on every window of its session. Those
    that hold what is left out are read again, the others are as they were, and the layer reads the
    session once more: what it would say had the words never been there, in windows as they are.

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
        encoded = classifier.encode(labelled.session.turns)
        self._plan = (
            SessionPlan(tuple(encoded), (), ())
            if labelled.model.causal
            else plan_session(encoded, classifier.packing)
        )
        self._lengths = [len(turn.ids) for turn in encoded]
        self._over_session = classifier.layer is not None and not labelled.model.causal
        self._known: dict[bytes, Features] = {}
        self._unchanged: list[Features] = []  # every window of a session that a layer reads
        self._whole: dict[int, Floats] = {}

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
        return self._plan.windows[self._plan.chosen[index]]

    def reach(self, index: int) -> Window:
        """The turns that a turn's label rests on: those of its window, or the whole session."""
        return Window(0, len(self.labelled)) if self._over_session else self.window(index)

    def probability(
        self, index: int, *, words: Iterable[Span] = (), turns: Iterable[int] = ()
    ) -> float:
        """The calibrated probability (0-1) of the label that a turn has, with something left out.

        Args:
            index: the turn.
            words: what is left out of its text.
            turns: which other turns are left without words; those outside :meth:`reach` change
                nothing.

        Raises:
            ValueError: if the turn carries no label, or one that the classifier did not give.
        """
        labelled = self.turn(index)
        assert labelled.label is not None  # for mypy: turn() saw to it
        assert labelled.probabilities is not None
        place = LABELS.index(labelled.label)
        if index not in self._whole:
            self._whole[index] = self._read(index, {})
        whole = self._whole[index]
        given = labelled.probabilities.of(labelled.label)
        if abs(whole[place] - given) > _TOLERANCE:
            raise ValueError(
                f"expected a session as {self._classifier.name} labelled it, found probability "
                f"{given:.4f} where it says {whole[place]:.4f} (turn {index}); label the session "
                f"with it first"
            )
        changed = {
            other: EncodedTurn(self._plan.encoded[other].ids[:1], truncated=False)
            for other in turns
            if other in range(len(self.labelled)) and other != index
        }
        if spans := list(words):
            text = _without(labelled.turn.text, spans)
            (changed[index],) = self._classifier.encode([replace(labelled.turn, text=text)])
        return float((self._read(index, changed) if changed else whole)[place])

    def _read(self, index: int, changed: Mapping[int, EncodedTurn]) -> Floats:
        """The probabilities of a turn, with other tokens for some of the turns it rests on."""
        reach = self.reach(index)
        encoded = [
            changed.get(place, self._plan.encoded[place])
            for place in range(reach.first, reach.stop)
        ]
        turns = self.labelled.session.turns[reach.first : reach.stop]
        features = self._session(changed) if self._over_session else self._features(reach, changed)
        logits = self._classifier.logits(features, turns, encoded)
        causal = self.labelled.model.causal
        rows = self._classifier.probabilities(logits, turns, causal=causal)
        row: Floats = rows[index - reach.first]
        return row.copy()  # it is kept, the others are not

    def _session(self, changed: Mapping[int, EncodedTurn]) -> Features:
        """What the encoder says of every turn of the session."""
        windows = self._plan.windows
        if not self._unchanged:
            self._unchanged = [self._features(window, {}) for window in windows]
        pooled = [
            self._features(window, changed)
            if any(window.first <= place < window.stop for place in changed)
            else rows
            for window, rows in zip(windows, self._unchanged, strict=True)
        ]
        return chosen_rows(self._plan, pooled)

    def _features(self, window: Window, changed: Mapping[int, EncodedTurn]) -> Features:
        """What the encoder says of the turns of one window."""
        encoded = [
            changed.get(place, self._plan.encoded[place])
            for place in range(window.first, window.stop)
        ]
        # Every turn begins with a role token, so the tokens tell turns and speakers as well.
        key = b"".join(turn.ids.tobytes() for turn in encoded)
        found = self._known.pop(key, None)
        if found is None:
            self.readings += 1
            found = self._classifier.read(encoded, Window(0, len(encoded)))
        # Put last; a long session must not pile up what was read for its first turns.
        self._known[key] = found
        if len(self._known) > _KEPT:
            del self._known[next(iter(self._known))]
        return found


def _without(text: str, spans: Iterable[Span]) -> str:
    kept, at = [], 0
    for start, end in sorted(spans):
        kept.append(text[at:start])
        at = max(at, end)
    return "".join([*kept, text[at:]])
