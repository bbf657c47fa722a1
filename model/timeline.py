"""The rupture timeline of a session: its labelled turns, episodes, running level and summary."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from alliance.model.codebook import Role
from alliance.model.episodes import Kind, Outcome, RuptureEpisode, find_episodes
from alliance.model.errors import ConfigError
from alliance.model.explanation import TurnExplanation
from alliance.model.labelled import LabelledSession, LabelledTurn, ModelInfo
from alliance.model.level import AllianceLevel, LevelSeries, alliance_level
from alliance.model.summary import SessionSummary, SpeakerSummary, summarise

__all__ = [
    "DEFAULT_CONFIG",
    "AllianceLevel",
    "Kind",
    "LevelSeries",
    "Outcome",
    "RuptureEpisode",
    "SessionSummary",
    "SpeakerSummary",
    "Timeline",
    "TimelineConfig",
    "timeline",
]


@dataclass(frozen=True, slots=True)
class TimelineConfig:
    """How turns become episodes and a level. Only turns with a label are counted.

    Attributes:
        gap_turns: at most so many labelled turns lie between two rupture turns of one episode;
            a whole number, 0 or more.
        repair_turns: so many labelled turns after an episode's last rupture turn its repair
            window ends; a whole number, greater than ``gap_turns``, so that no rupture turn can
            still join an episode whose window has ended.
        level_half_life_turns: labelled turns after which a turn counts half in the alliance
            level; positive.

    Raises:
        ConfigError: if a value is out of its range; the message quotes it.
    """

    gap_turns: int = 3
    repair_turns: int = 6
    level_half_life_turns: float = 10.0

    def __post_init__(self) -> None:
        if not _is_whole(self.gap_turns) or self.gap_turns < 0:
            raise ConfigError(
                f"expected gap_turns to be a whole number of turns, 0 or more, "
                f"found {self.gap_turns!r}; the default is 3"
            )
        if not _is_whole(self.repair_turns) or self.repair_turns <= self.gap_turns:
            raise ConfigError(
                f"expected repair_turns to be a whole number of turns, more than the "
                f"{self.gap_turns} of gap_turns, found {self.repair_turns!r}; the default is 6"
            )
        half_life = self.level_half_life_turns
        if (
            isinstance(half_life, bool)
            or not isinstance(half_life, int | float)
            or not math.isfinite(half_life)
            or half_life <= 0
        ):
            raise ConfigError(
                f"expected level_half_life_turns to be a positive number of turns, "
                f"found {half_life!r}; the default is 10"
            )

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return {
            "gap_turns": self.gap_turns,
            "repair_turns": self.repair_turns,
            "level_half_life_turns": self.level_half_life_turns,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "TimelineConfig":
        """The inverse of :meth:`to_dict`."""
        return cls(
            gap_turns=data["gap_turns"],
            repair_turns=data["repair_turns"],
            level_half_life_turns=data["level_half_life_turns"],
        )


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


DEFAULT_CONFIG: Final = TimelineConfig()
"""Three turns of gap, six of repair window, a half-life of ten."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """What ``alliance`` says of one session.

    The episodes are in order and do not overlap; each repair window ends before the next onset.

    Attributes:
        session_id: the session's identifier.
        turns: every turn of the session, in order, those without a label included.
        episodes: the rupture episodes, in order.
        summary: counts of turns and episodes.
        alliance_level: the running level, one entry per turn.
        model: the versions of model and codebook that made the labels, and their purpose.
        config: the settings that made the episodes and the level.
        explanations: what turns' labels rest on, in the order of the turns; empty unless they
            were asked for (:func:`alliance.model.explain.explain`).

    Raises:
        ValueError: if these contradict each other.
    """

    session_id: str
    turns: tuple[LabelledTurn, ...]
    episodes: tuple[RuptureEpisode, ...]
    summary: SessionSummary
    alliance_level: AllianceLevel
    model: ModelInfo
    config: TimelineConfig = DEFAULT_CONFIG
    explanations: tuple[TurnExplanation, ...] = ()

    def __post_init__(self) -> None:
        if [turn.index for turn in self.turns] != list(range(len(self.turns))):
            raise ValueError("expected every turn of the session, in order, counted from 0")
        if len(self.alliance_level) != len(self.turns):
            raise ValueError(
                f"alliance level of {len(self.alliance_level)} turns for {len(self.turns)} turns"
            )
        if self.episodes and self.episodes[-1].window_end >= len(self.turns):
            raise ValueError(
                f"an episode's window ends at turn {self.episodes[-1].window_end}, after the "
                f"session's {len(self.turns)} turns"
            )
        for one, after in pairwise(self.episodes):
            if after.onset <= one.window_end:
                raise ValueError(
                    f"an episode begins at turn {after.onset}, inside the one before it"
                )
        self._check_explanations()

    def _check_explanations(self) -> None:
        explained = [explanation.turn for explanation in self.explanations]
        if explained != sorted(set(explained)):
            raise ValueError("expected one explanation of a turn, in the order of the turns")
        for explanation in self.explanations:
            places = [explanation.turn, *(other.turn for other in explanation.neighbours)]
            if not all(0 <= place < len(self.turns) for place in places):
                raise ValueError(
                    f"the explanation of turn {explanation.turn} names a turn that is not one of "
                    f"the session's {len(self.turns)}"
                )
            if self.turns[explanation.turn].label is not explanation.label:
                raise ValueError(
                    f"the explanation of turn {explanation.turn} is of another label than its own"
                )

    def to_dict(self, *, include_text: bool = True) -> dict[str, Any]:
        """JSON-ready values, as ``schemas/timeline.schema.json`` describes them.

        Args:
            include_text: whether the turns keep what was said.
        """
        turns = [turn.to_dict(include_text=include_text) for turn in self.turns]
        for explanation in self.explanations:
            turns[explanation.turn]["why"] = explanation.to_dict()
        return {
            "session_id": self.session_id,
            "turns": turns,
            "episodes": [episode.to_dict() for episode in self.episodes],
            "summary": self.summary.to_dict(),
            "alliance_level": self.alliance_level.to_dict(),
            "model": self.model.to_dict(),
            "config": self.config.to_dict(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Timeline":
        """The inverse of :meth:`to_dict`; text that was left out comes back empty."""
        turns = tuple(LabelledTurn.from_dict(turn) for turn in data["turns"])
        return cls(
            session_id=data["session_id"],
            turns=turns,
            episodes=tuple(RuptureEpisode.from_dict(episode) for episode in data["episodes"]),
            summary=SessionSummary.from_dict(data["summary"]),
            alliance_level=AllianceLevel.from_dict(data["alliance_level"]),
            model=ModelInfo.from_dict(data["model"]),
            config=TimelineConfig.from_dict(data["config"]),
            explanations=tuple(
                TurnExplanation.from_dict(
                    given["why"],
                    turn=turn.index,
                    label=turn.label,
                    p=turn.probabilities.of(turn.label),
                )
                for turn, given in zip(turns, data["turns"], strict=True)
                if "why" in given and turn.label is not None and turn.probabilities is not None
            ),
        )


def timeline(
    labelled: LabelledSession,
    config: TimelineConfig = DEFAULT_CONFIG,
    *,
    explanations: Iterable[TurnExplanation] = (),
) -> Timeline:
    """The rupture timeline of a labelled session; the same input always gives the same result.

    Args:
        labelled: a session with its labels, the model's or a coder's.
        config: how turns become episodes and a level.
        explanations: what turns' labels rest on, to go with them
            (:func:`alliance.model.explain.explain`).

    Raises:
        ValueError: if a turn of someone other than client and therapist carries a label, which
            the codebook does not know.
    """
    for turn in labelled.turns:
        if turn.label is not None and turn.turn.role is Role.OTHER:
            raise ValueError(
                f"expected labels on turns of client and therapist alone, found one on turn "
                f"{turn.index} of another speaker; leave it without a label"
            )
    episodes = find_episodes(
        labelled.turns, gap_turns=config.gap_turns, repair_turns=config.repair_turns
    )
    return Timeline(
        session_id=labelled.session.id,
        turns=labelled.turns,
        episodes=episodes,
        summary=summarise(labelled.turns, episodes),
        alliance_level=alliance_level(labelled.turns, half_life_turns=config.level_half_life_turns),
        model=labelled.model,
        config=config,
        explanations=tuple(explanations),
    )
