"""Packed windows: what the model sees as a turn's context is decided here, and only here.

A window holds as many whole consecutive turns as fit the encoder, each opened by a token for its
speaker's role. Neighbouring windows overlap, and a turn's prediction is taken from the window in
which the smaller side of context around it is largest. Windows depend on the session alone.
In causal use, where nothing that follows may be seen, a turn has a window of its own that ends
with it.
(Packing turns so that each is read with its neighbours: Cohan et al. 2019, "Pretrained language
models for sequential sentence classification".)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, Final

import numpy as np

from alliance.model.codebook import Role
from alliance.model.errors import ConfigError
from alliance.model.session import Turn
from alliance.model.tokens import TokenIds, TurnTokenizer

_CAUSAL_TOKENS: Final = 256


@dataclass(frozen=True, slots=True)
class PackingConfig:
    """How turns are packed; saved with the model, since training and labelling must agree.

    Attributes:
        role_ids: the token number that opens a turn of each role.
        opening_id: the token number that opens a window (``[CLS]``).
        closing_id: the token number that closes it (``[SEP]``).
        max_tokens: tokens in a window, opening and closing token included.
        max_turn_tokens: tokens of one turn, its role token included; of a longer turn the head
            and the tail are kept in equal parts and the turn is flagged as truncated.
        overlap_tokens: tokens, at most, that a window shares with the one before it.
        causal_tokens: tokens, at most, in the window of a turn in causal use, opening and closing
            token included; a turn that is longer stands alone. Shorter than ``max_tokens``, since
            every turn costs a window. Left out, it is 256, or ``max_tokens`` if that is less.

    Raises:
        ConfigError: if a turn would not fit a window, the overlap leaves no room to move on, or
            a causal window would be longer than the encoder's.
    """

    role_ids: Mapping[Role, int]
    opening_id: int
    closing_id: int
    max_tokens: int = 512
    max_turn_tokens: int = 256
    overlap_tokens: int = 128
    causal_tokens: int | None = None
    room: int = field(init=False)
    """Tokens that a window has for turns."""
    causal_room: int = field(init=False)
    """Tokens that a window has for turns in causal use."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "room", self.max_tokens - 2)
        causal = self.causal_tokens
        if causal is None:
            causal = min(_CAUSAL_TOKENS, self.max_tokens)
            object.__setattr__(self, "causal_tokens", causal)
        object.__setattr__(self, "causal_room", causal - 2)
        if set(self.role_ids) != set(Role):
            raise ConfigError(f"role_ids needs one token for each role, got {dict(self.role_ids)}")
        if not 3 <= self.max_turn_tokens <= self.room:
            raise ConfigError(
                f"max_turn_tokens must lie between 3 and max_tokens - 2 = {self.room}, "
                f"got {self.max_turn_tokens}"
            )
        if not 0 <= self.overlap_tokens < self.room:
            raise ConfigError(
                f"overlap_tokens must lie between 0 and {self.room - 1}, got {self.overlap_tokens}"
            )
        if not 3 <= causal <= self.max_tokens:
            raise ConfigError(
                f"causal_tokens must lie between 3 and max_tokens = {self.max_tokens}, got {causal}"
            )

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return {
            "role_ids": {role.value: number for role, number in self.role_ids.items()},
            "opening_id": self.opening_id,
            "closing_id": self.closing_id,
            "max_tokens": self.max_tokens,
            "max_turn_tokens": self.max_turn_tokens,
            "overlap_tokens": self.overlap_tokens,
            "causal_tokens": self.causal_tokens,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "PackingConfig":
        """The inverse of :meth:`to_dict`; a folder older than ``causal_tokens`` has its default."""
        role_ids = {Role(name): number for name, number in data["role_ids"].items()}
        return cls(**{**data, "role_ids": role_ids})


@dataclass(frozen=True, slots=True)
class EncodedTurn:
    """One turn as token numbers, the role token first.

    Attributes:
        ids: token numbers, shape (tokens,), at most ``max_turn_tokens``.
        truncated: whether the turn's middle was cut to fit the budget.
    """

    ids: TokenIds
    truncated: bool


def encode_turns(
    turns: Sequence[Turn], tokenizer: TurnTokenizer, config: PackingConfig
) -> list[EncodedTurn]:
    """Tokenise turns, open each with its role token, and cut the over-long ones."""
    encoded = []
    budget = config.max_turn_tokens - 1
    head = (budget + 1) // 2
    for turn, ids in zip(turns, tokenizer([turn.text for turn in turns]), strict=True):
        truncated = len(ids) > budget
        if truncated:
            ids = np.concatenate([ids[:head], ids[len(ids) - (budget - head) :]])
        role_id = np.asarray([config.role_ids[turn.role]], dtype=np.int64)
        encoded.append(EncodedTurn(np.concatenate([role_id, ids]), truncated))
    return encoded


@dataclass(frozen=True, order=True, slots=True)
class Window:
    """Turns ``first`` to ``stop - 1`` of a session, read together. Never empty."""

    first: int
    stop: int

    def __post_init__(self) -> None:
        if not 0 <= self.first < self.stop:
            raise ValueError(f"a window holds at least one turn, got {self.first}-{self.stop}")

    def __len__(self) -> int:
        return self.stop - self.first


def plan_windows(lengths: Sequence[int], config: PackingConfig) -> list[Window]:
    """Cover a session with overlapping windows.

    Args:
        lengths: tokens of each turn, each at most the window's room.
        config: the packing.

    Returns:
        Windows in order: every turn is in at least one, consecutive windows leave no gap, none
        is contained in another, none exceeds the room, and the last is filled backwards as far
        as it goes. No turns give no windows.
    """
    windows: list[Window] = []
    first, count = 0, len(lengths)
    while count:
        stop, used = first, 0
        while stop < count and used + lengths[stop] <= config.room:
            used += lengths[stop]
            stop += 1
        if stop == first:
            raise ConfigError(
                f"turn {first} has {lengths[first]} tokens, but a window has room for {config.room}"
            )
        if stop == count:
            while first > 0 and used + lengths[first - 1] <= config.room:
                first -= 1
                used += lengths[first]
            windows.append(Window(first, stop))
            break
        windows.append(Window(first, stop))
        # Shared turns must leave room for the next one, or the window would bring nothing new.
        shareable = min(config.overlap_tokens, config.room - lengths[stop])
        following, shared = stop, 0
        while following - 1 > first and shared + lengths[following - 1] <= shareable:
            following -= 1
            shared += lengths[following]
        first = following
    return windows


def choose_windows(lengths: Sequence[int], windows: Sequence[Window]) -> list[int]:
    """For every turn, which of ``windows`` its prediction is taken from.

    The window whose smaller side of context around the turn is largest in tokens; a session edge
    counts as unlimited, and of equals the earlier window wins.
    """
    starts = [0, *accumulate(lengths)]
    best = [-1] * len(lengths)
    best_context = [-1.0] * len(lengths)
    for number, window in enumerate(windows):
        for turn in range(window.first, window.stop):
            before = float("inf") if window.first == 0 else starts[turn] - starts[window.first]
            after = (
                float("inf")
                if window.stop == len(lengths)
                else starts[window.stop] - starts[turn + 1]
            )
            context = min(before, after)
            if context > best_context[turn]:
                best[turn], best_context[turn] = number, context
    return best


@dataclass(frozen=True, slots=True)
class SessionPlan:
    """A session ready for the encoder: its turns as token numbers, and the windows to run.

    Attributes:
        encoded: the turns, in order.
        windows: as :func:`plan_windows` gives them.
        chosen: for every turn, which window its prediction is taken from.
    """

    encoded: tuple[EncodedTurn, ...]
    windows: tuple[Window, ...]
    chosen: tuple[int, ...]

    def lengths(self, number: int) -> list[int]:
        """Tokens of each turn of one window."""
        window = self.windows[number]
        return [len(turn.ids) for turn in self.encoded[window.first : window.stop]]


def plan_session(encoded: Sequence[EncodedTurn], config: PackingConfig) -> SessionPlan:
    """Which windows a session is read in; it depends on the session alone."""
    lengths = [len(turn.ids) for turn in encoded]
    windows = plan_windows(lengths, config)
    chosen = choose_windows(lengths, windows)
    return SessionPlan(tuple(encoded), tuple(windows), tuple(chosen))


def causal_window(lengths: Sequence[int], config: PackingConfig) -> Window:
    """The window of the newest turn, with nothing after it: as many whole turns before as fit.

    Args:
        lengths: tokens of each turn so far, the newest last; at least one.
        config: the packing.
    """
    stop = len(lengths)
    first, used = stop - 1, lengths[-1]
    while first > 0 and used + lengths[first - 1] <= config.causal_room:
        first -= 1
        used += lengths[first]
    return Window(first, stop)


def window_ids(encoded: Sequence[EncodedTurn], window: Window, config: PackingConfig) -> TokenIds:
    """The token numbers of a window: opening token, its turns, closing token."""
    opening = np.asarray([config.opening_id], dtype=np.int64)
    closing = np.asarray([config.closing_id], dtype=np.int64)
    turns = [encoded[turn].ids for turn in range(window.first, window.stop)]
    return np.concatenate([opening, *turns, closing])
