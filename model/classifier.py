"""The classifier: a session in, its labelled turns out."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from alliance.model.backend import Backend, Features, Logits
from alliance.model.calibration import (
    Calibration,
    Floats,
    code_probabilities,
    label_probabilities,
)
from alliance.model.codebook import MARKER_ORDER
from alliance.model.decision import DecisionPolicy, Rules
from alliance.model.labelled import (
    LabelledSession,
    LabelledTurn,
    ModelInfo,
    Purpose,
    unlabelled_reason,
)
from alliance.model.model_folder import read_model_folder
from alliance.model.packing import (
    EncodedTurn,
    PackingConfig,
    SessionPlan,
    Window,
    causal_window,
    encode_turns,
    plan_session,
    window_ids,
)
from alliance.model.scores import SessionScores, chosen_rows, joined, pool_turns, scores_of
from alliance.model.session import Session, Turn
from alliance.model.session_layer import SessionLayer
from alliance.model.tokens import TurnTokenizer
from alliance.model.turn_labels import label_turns

_CHUNK: Final = 16  # turns tokenised at once while a causal window is filled backwards


class RuptureClassifier:
    """Labels the turns of a session; made by :meth:`load` from a model folder.

    What a folder holds: :mod:`alliance.model.model_folder`. The result for a session depends on
    that session alone.
    """

    def __init__(
        self,
        name: str,
        *,
        tokenizer: TurnTokenizer,
        backend: Backend,
        packing: PackingConfig,
        calibration: Calibration | None = None,
        decision: DecisionPolicy | None = None,
        folder: Path | None = None,
        layer: SessionLayer | None = None,
        causal: Rules | None = None,
    ) -> None:
        self.name = name
        self.folder = folder
        """The model folder, where it came from one."""
        self.packing = packing
        self.calibration = calibration or Calibration()
        self.decision = decision or DecisionPolicy()
        self.causal = causal
        """What stands in the place of these two in causal mode, if anything does."""
        self._tokenizer = tokenizer
        self._backend = backend
        self._layer = layer

    @property
    def tokenizer(self) -> TurnTokenizer:
        """What makes token numbers of turns; classifiers may share one."""
        return self._tokenizer

    @property
    def backend(self) -> Backend:
        """The encoder that windows run through; classifiers, and threads, may share one."""
        return self._backend

    @property
    def layer(self) -> SessionLayer | None:
        """What reads the session's turns after the encoder; None where logits come from that."""
        return self._layer

    def with_backend(self, backend: Backend) -> "RuptureClassifier":
        """The same model behind another way to its encoder.

        Args:
            backend: usually one that calls :attr:`backend`, and waits, counts or remembers.
        """
        return RuptureClassifier(**{**self._parts(), "backend": backend})

    def _parts(self) -> dict[str, Any]:
        """Itself as its constructor takes it: in one place, so that no copy lacks a part."""
        return {
            "name": self.name,
            "tokenizer": self._tokenizer,
            "backend": self._backend,
            "packing": self.packing,
            "calibration": self.calibration,
            "decision": self.decision,
            "folder": self.folder,
            "layer": self._layer,
            "causal": self.causal,
        }

    @classmethod
    def load(
        cls,
        path: str | Path | None = None,
        *,
        threads: int | None = None,
        device: str = "cpu",
    ) -> "RuptureClassifier":
        """Load a model folder; without a path, the weights that ship with the package.

        Args:
            path: a folder that ``alliance train`` wrote.
            threads: threads of one call to the encoder; None takes all cores.
            device: ``cpu`` or ``cuda``; see :class:`~alliance.model.backend.OnnxBackend`.

        Raises:
            ModelError: if the folder is missing, incomplete or made for another version.
        """
        folder = shipped_weights() if path is None else Path(path)
        parts = read_model_folder(folder, threads=threads, device=device)
        return cls(
            parts.name,
            tokenizer=parts.tokenizer,
            backend=parts.backend,
            packing=parts.packing,
            calibration=parts.calibration,
            decision=parts.decision,
            folder=folder,
            layer=parts.layer,
            causal=parts.causal,
        )

    def label(
        self, session: Session, *, purpose: Purpose = Purpose.RESEARCH, causal: bool = False
    ) -> LabelledSession:
        """Label every turn of a session.

        Args:
            session: the session; it may have no turns.
            purpose: which thresholds decide the labels; the probabilities do not depend on it.
            causal: label each turn as :meth:`label_last` did when it was the newest, by what had
                been said until then.

        Returns:
            One labelled turn per turn, in order. Turns without words and turns of other
            speakers carry no label and the reason.
        """
        return self.label_for(session, purposes=[purpose], causal=causal)[purpose]

    def label_for(
        self,
        session: Session,
        *,
        purposes: Iterable[Purpose] = tuple(Purpose),
        causal: bool = False,
    ) -> dict[Purpose, LabelledSession]:
        """Label a session for several purposes at once; the encoder reads it once.

        Args:
            session: as in :meth:`label`.
            purposes: whose thresholds decide; one labelled session is made for each.
            causal: as in :meth:`label`.

        Returns:
            For each purpose exactly what :meth:`label` gives for it.
        """
        scores = self.score(session, causal=causal)
        rules = self.rules(causal=causal)
        made = {}
        for purpose in purposes:
            if causal:
                # One by one, as live: in arrays of another size numbers may differ in the last
                # digit.
                turns = [
                    label_turns(
                        [turn],
                        scores.logits[[index]],
                        scores.truncated[index : index + 1],
                        rules=rules,
                        purpose=purpose,
                        first=index,
                    )[0]
                    for index, turn in enumerate(session.turns)
                ]
            else:
                turns = label_turns(
                    session.turns, scores.logits, scores.truncated, rules=rules, purpose=purpose
                )
            info = ModelInfo(self.name, purpose, causal=causal)
            made[purpose] = LabelledSession(session, tuple(turns), info)
        return made

    def label_last(
        self, turns: Sequence[Turn], *, purpose: Purpose = Purpose.RESEARCH
    ) -> LabelledTurn:
        """Label the newest turn of a session that goes on, by what has been said until now.

        Calling it after every turn gives the turns of ``label(session, causal=True)``, exactly.

        Args:
            turns: the turns so far, the newest last.
            purpose: as in :meth:`label`.

        Raises:
            ValueError: if there are no turns.
        """
        scores = self.score_last(turns)
        (labelled,) = label_turns(
            turns[-1:],
            scores.logits,
            scores.truncated,
            rules=self.rules(causal=True),
            purpose=purpose,
            first=len(turns) - 1,
        )
        return labelled

    def score(self, session: Session, *, causal: bool = False) -> SessionScores:
        """Run the encoder over a session's windows and pool each turn's token logits.

        Args:
            session: the session.
            causal: score each turn as :meth:`score_last` did when it was the newest.
        """
        encoded = self.encode(session.turns)
        if causal:
            return joined(
                [
                    self._score_newest(session.turns[: index + 1], encoded[: index + 1])
                    for index in range(len(session.turns))
                ]
            )
        plan = plan_session(encoded, self.packing)
        pooled = [self.run_window(plan, number) for number in range(len(plan.windows))]
        return self.scores(session, plan, pooled)

    def plan(self, session: Session) -> SessionPlan:
        """Tokenise a session and lay out its windows.

        With :meth:`run_window` for each window, in any order and in any thread, and
        :meth:`finish`, this is :meth:`label` in steps, to the same bytes.
        """
        return plan_session(self.encode(session.turns), self.packing)

    def run_window(self, plan: SessionPlan, number: int) -> Features:
        """Run the encoder over one window of a plan.

        Returns:
            What it says of the window's turns: logits, shape (turns, 21), or, for a model with a
            session layer, that layer's features.
        """
        return self.read(plan.encoded, plan.windows[number])

    def read(self, encoded: Sequence[EncodedTurn], window: Window) -> Features:
        """Run the encoder over turns that are read together.

        Args:
            encoded: turns as :meth:`encode` gives them.
            window: which of them.

        Returns:
            As in :meth:`run_window`.
        """
        ids = window_ids(encoded, window, self.packing)
        lengths = [len(turn.ids) for turn in encoded[window.first : window.stop]]
        return pool_turns(self._backend(ids), lengths)

    def finish(
        self,
        session: Session,
        plan: SessionPlan,
        pooled: Sequence[Features],
        *,
        purpose: Purpose = Purpose.RESEARCH,
    ) -> LabelledSession:
        """Label a session whose windows have been run.

        Args:
            session: the session.
            plan: what :meth:`plan` gave for it.
            pooled: what :meth:`run_window` gave for each of its windows, in order.
            purpose: as in :meth:`label`.
        """
        scores = self.scores(session, plan, pooled)
        turns = label_turns(
            session.turns,
            scores.logits,
            scores.truncated,
            rules=self.rules(causal=False),
            purpose=purpose,
        )
        return LabelledSession(session, tuple(turns), ModelInfo(self.name, purpose))

    def score_last(self, turns: Sequence[Turn]) -> SessionScores:
        """Score the newest turn in a window that ends with it, and reaches back over whole turns.

        Args:
            turns: the turns so far, the newest last; how many are looked at is decided by
                ``PackingConfig.causal_tokens``.

        Returns:
            The scores of the newest turn alone: one row.

        Raises:
            ValueError: if there are no turns.
        """
        if not turns:
            raise ValueError("expected the turns so far, the newest last; found none")
        encoded: list[EncodedTurn] = []
        used = 0
        # The window alone is tokenised, not the hour before it.
        while used <= self.packing.causal_room and len(encoded) < len(turns):
            stop = len(turns) - len(encoded)
            chunk = self.encode(turns[max(0, stop - _CHUNK) : stop])
            encoded = chunk + encoded
            used += sum(len(turn.ids) for turn in chunk)
        return self._score_newest(turns[len(turns) - len(encoded) :], encoded)

    def scores(
        self, session: Session, plan: SessionPlan, pooled: Sequence[Features]
    ) -> SessionScores:
        """Score a session whose windows have been run.

        Args:
            session: as in :meth:`finish`, like the rest.
            plan: its windows.
            pooled: what was read in each.
        """
        logits = self.logits(chosen_rows(plan, pooled), session.turns, plan.encoded)
        return scores_of(plan, logits)

    def logits(
        self, features: Features, turns: Sequence[Turn], encoded: Sequence[EncodedTurn]
    ) -> Logits:
        """Logits of turns in a row, from what the encoder says of each.

        Args:
            features: shape (turns, features); logits where there is no session layer.
            turns: the turns; who says them is looked at.
            encoded: the same as token numbers; how many they are is looked at.

        Returns:
            Shape (turns, 21).
        """
        if self._layer is None or not turns:
            return features
        roles = [turn.role for turn in turns]
        return self._layer(features, roles, [len(turn.ids) for turn in encoded])

    def _score_newest(self, turns: Sequence[Turn], encoded: Sequence[EncodedTurn]) -> SessionScores:
        """Score the last of ``turns``; further back than its window none is used."""
        logits = np.zeros((1, len(MARKER_ORDER)), dtype=np.float32)
        encoded_tokens = 0
        # A turn that gets no label needs no window of its own: its row stays 0.
        if unlabelled_reason(turns[-1]) is None:
            lengths = [len(one.ids) for one in encoded]
            window = causal_window(lengths, self.packing)
            # Every window has an opening and a closing token of its own.
            encoded_tokens = sum(lengths[window.first :]) + 2
            features = self.read(encoded, window)
            logits[0] = self.logits(features, turns[window.first :], encoded[window.first :])[-1]
        return SessionScores(
            logits=logits,
            truncated=(encoded[-1].truncated,),
            input_tokens=len(encoded[-1].ids),
            encoded_tokens=encoded_tokens,
        )

    def rules(self, *, causal: bool = False) -> Rules:
        """How its raw probabilities become labels, in full or in causal mode."""
        if causal and self.causal is not None:
            return self.causal
        return Rules(self.calibration, self.decision)

    def probabilities(
        self, logits: Logits, turns: Sequence[Turn], *, causal: bool = False
    ) -> Floats:
        """Calibrated probabilities of turns.

        Args:
            logits: shape (turns, 21).
            turns: who says them is looked at.
            causal: whether the logits are those of causal mode.

        Returns:
            Shape (turns, 4), in the order of ``LABELS``.
        """
        codes = code_probabilities(logits, [turn.role for turn in turns])
        return self.rules(causal=causal).calibration(label_probabilities(codes))

    def encode(self, turns: Sequence[Turn]) -> list[EncodedTurn]:
        """The turns as this model's token numbers."""
        return encode_turns(turns, self._tokenizer, self.packing)


def shipped_weights() -> Path:
    """The folder of the weights that come with the package."""
    return Path(__file__).parent / "weights"
