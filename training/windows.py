"""Which windows are trained on, in which order: a plan drawn from the seed alone.

Windows start at random offsets and have random lengths, so that a turn is seen with much and with
little context, with and without what follows it. The whole plan of a stage is drawn before it
starts; a run that was killed draws the same plan again and goes on where it stopped.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from alliance.model.calibration import legal_codes
from alliance.model.codebook import Role
from alliance.model.packing import PackingConfig, Window, window_ids
from alliance.training.config import LossConfig, SessionConfig, StageConfig
from alliance.training.session_layer import ROLE_NUMBERS
from alliance.training.targets import PreparedSession

# Share of windows that are as long as the encoder allows; the others are of any length down to
# the shortest below.
_FULL_SHARE = 0.5
_SHORTEST_TOKENS = 64

_SHORTEST_PART = 8  # turns that a layer over the session is shown, at least


def draw_windows(
    lengths: Sequence[int],
    largest: int,
    generator: np.random.Generator,
    *,
    room: float | None = None,
) -> list[Window]:
    """Cut a session once at random: windows without overlap that hold every turn once.

    Args:
        lengths: tokens of each turn.
        largest: tokens that the largest window holds.
        generator: source of chance.
        room: tokens that each of these windows holds, the first perhaps fewer; drawn for each
            unless told. A turn that is longer is a window of its own.
    """

    def draw_room() -> float:
        return _draw_room(largest, generator) if room is None else room

    windows: list[Window] = []
    # The first cut is shorter still, so that later windows start at any offset.
    first, used, limit = 0, 0, draw_room() * generator.uniform(0.2, 1.0)
    for turn, length in enumerate(lengths):
        if turn > first and used + length > limit:
            windows.append(Window(first, turn))
            first, used, limit = turn, 0, draw_room()
        used += length
    if lengths:
        windows.append(Window(first, len(lengths)))
    return windows


def _draw_room(largest: int, generator: np.random.Generator) -> float:
    if generator.random() < _FULL_SHARE:
        return largest
    return float(generator.uniform(min(_SHORTEST_TOKENS, largest), largest))


def draw_part(turns: int, share: float, generator: np.random.Generator) -> tuple[int, int]:
    """Which turns of a session are shown: with chance ``share`` only some in a row, else all.

    Args:
        turns: of the session.
        share: 0-1.
        generator: source of chance.

    Returns:
        The first, and the one after the last.
    """
    if turns <= _SHORTEST_PART or generator.random() >= share:
        return 0, turns
    first = int(generator.integers(0, turns - _SHORTEST_PART))
    return first, int(generator.integers(first + _SHORTEST_PART, turns + 1))


@dataclass(frozen=True, slots=True)
class PlannedWindow:
    """A window of one prepared session.

    Attributes:
        session: place of the session in the plan.
        window: its turns.
        tokens: its tokens, opening and closing token included.
        renamed: the speaker who becomes another person.
        begins: whether it is the first of a part: where there is a layer over the session, it
            reads the windows of a part as one; else each window is a part.
    """

    session: int
    window: Window
    tokens: int
    renamed: Role | None
    begins: bool = True


class TrainingPlan(Dataset[dict[str, Tensor]]):
    """All batches of a stage, in order; item ``i`` is the whole batch of step ``i``.

    Args:
        corpora: prepared sessions by corpus name.
        packing: the packing.
        stage: what the stage draws.
        loss: for the share of renamed speakers.
        padding_id: token number that fills windows up.
        seed: of the draw.
        disturbed: from :func:`disturber`; needed where the stage disturbs sessions.
        layer: the layer over the session, if there is one: windows then stay together in parts of
            their sessions.
    """

    def __init__(
        self,
        corpora: Mapping[str, Sequence[PreparedSession]],
        packing: PackingConfig,
        stage: StageConfig,
        loss: LossConfig,
        *,
        padding_id: int,
        seed: int,
        disturbed: Callable[[str, int, int], PreparedSession] | None = None,
        layer: SessionConfig | None = None,
    ) -> None:
        self._packing = packing
        self._padding_id = padding_id
        self._sessions: list[PreparedSession] = []
        self.batches: list[list[PlannedWindow]] = []
        self.epoch_ends: list[int] = []
        generator = np.random.default_rng(seed)
        members: dict[str, list[int]] = {}
        for name in stage.shares:
            members[name] = list(
                range(len(self._sessions), len(self._sessions) + len(corpora[name]))
            )
            self._sessions.extend(corpora[name])
        for _ in range(stage.epochs):
            drawn: list[int] = []
            for name, share in stage.shares.items():
                count = max(1, round(share * len(members[name])))
                chosen = generator.permutation(members[name])[:count].tolist()
                if stage.disturbed_share > 0 and disturbed is not None:
                    for place in np.flatnonzero(generator.random(count) < stage.disturbed_share):
                        original = chosen[place]
                        poor = disturbed(
                            name, original - members[name][0], int(generator.integers(2**31))
                        )
                        imitated = self._sessions[original].imitated  # heard undisturbed
                        chosen[place] = len(self._sessions)
                        self._sessions.append(dataclasses.replace(poor, imitated=imitated))
                drawn.extend(chosen)
            if layer is not None and layer.hidden and stage.in_session:
                parts = [
                    part
                    for number in drawn
                    for part in self._draw_parts(number, stage, loss, layer, generator)
                ]
                self.batches.extend(_batches_of_parts(parts, stage.batch_tokens, generator))
            else:
                windows = [
                    window
                    for number in drawn
                    for window in self._draw_windows(number, stage, loss, generator)
                ]
                self.batches.extend(_batches(windows, stage.batch_tokens, generator))
            self.epoch_ends.append(len(self.batches))

    def _draw_windows(
        self, number: int, stage: StageConfig, loss: LossConfig, generator: np.random.Generator
    ) -> list[PlannedWindow]:
        """Windows of one session, each on its own."""
        session = self._sessions[number]
        lengths = session.lengths
        windows = []
        for window in draw_windows(lengths, self._packing.room, generator):
            if _is_shown(session, window, stage, generator):
                tokens = _framed(lengths, window)
                renamed = _draw_renamed(generator, loss.other_share)
                windows.append(PlannedWindow(number, window, tokens, renamed))
        return windows

    def _draw_parts(
        self,
        number: int,
        stage: StageConfig,
        loss: LossConfig,
        layer: SessionConfig,
        generator: np.random.Generator,
    ) -> list[list[PlannedWindow]]:
        """One session, or a part of it, as parts that fit a batch, each cut into its windows."""
        session = self._sessions[number]
        lengths = session.lengths
        first, stop = draw_part(len(lengths), layer.part_share, generator)
        room = _draw_room(self._packing.room, generator)
        parts: list[list[Window]] = []
        padded = 0.0
        for window in draw_windows(lengths[first:stop], self._packing.room, generator, room=room):
            padded += room + 2
            if not parts or padded > stage.batch_tokens:
                parts.append([])
                padded = room + 2
            parts[-1].append(Window(first + window.first, first + window.stop))
        planned = []
        for part in parts:
            if _is_shown(session, Window(part[0].first, part[-1].stop), stage, generator):
                renamed = _draw_renamed(generator, loss.other_share)
                planned.append(
                    [
                        PlannedWindow(
                            number, window, _framed(lengths, window), renamed, window is part[0]
                        )
                        for window in part
                    ]
                )
        return planned

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, step: int) -> dict[str, Tensor]:
        """The batch of one step; shapes as in ``session_layer.pool_turns`` and ``turn_loss``."""
        planned = self.batches[step]
        longest = max(item.tokens for item in planned)
        ids = np.full((len(planned), longest), self._padding_id, dtype=np.int64)
        mask = np.zeros((len(planned), longest), dtype=np.int64)
        turn_of_token = np.full((len(planned), longest), -1, dtype=np.int64)
        roles: list[Role] = []
        heard: list[Role] = []  # roles as the network is told them
        said_lengths: list[int] = []
        counts: list[int] = []
        targets, weights, imitated = [], [], []
        for row, item in enumerate(planned):
            session, window = self._sessions[item.session], item.window
            tokens = window_ids(session.encoded, window, self._packing)
            ids[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = 1
            turn_weights = session.weights[window.first : window.stop].copy()
            if item.begins:
                counts.append(0)
            counts[-1] += len(window)
            at = 1
            for turn in range(window.first, window.stop):
                length = len(session.encoded[turn].ids)
                turn_of_token[row, at : at + length] = len(roles)
                if session.roles[turn] is item.renamed:
                    ids[row, at] = self._packing.role_ids[Role.OTHER]
                    turn_weights[turn - window.first] = 0.0
                    heard.append(Role.OTHER)
                else:
                    heard.append(session.roles[turn])
                roles.append(session.roles[turn])
                said_lengths.append(length)
                at += length
            targets.append(session.targets[window.first : window.stop])
            weights.append(turn_weights)
            if session.imitated is not None:
                imitated.append(session.imitated[window.first : window.stop])
        batch = {
            "input_ids": torch.from_numpy(ids),
            "attention_mask": torch.from_numpy(mask),
            "turn_of_token": torch.from_numpy(turn_of_token),
            "targets": torch.from_numpy(np.concatenate(targets)),
            "legal": torch.from_numpy(legal_codes(roles)),
            "weights": torch.from_numpy(np.concatenate(weights)),
            "roles": torch.tensor([ROLE_NUMBERS[role] for role in heard]),
            "lengths": torch.tensor(said_lengths, dtype=torch.float32),
            "counts": torch.tensor(counts),
        }
        if imitated:
            batch["imitated"] = torch.from_numpy(np.concatenate(imitated))
        return batch


def _is_shown(
    session: PreparedSession, shown: Window, stage: StageConfig, generator: np.random.Generator
) -> bool:
    """Whether turns are trained on; those without a rupture may be left out by chance."""
    return (
        stage.plain_share == 1
        or session.has_rupture(shown)
        or generator.random() < stage.plain_share
    )


def _framed(lengths: Sequence[int], window: Window) -> int:
    """Tokens of a window, opening and closing token included."""
    return sum(lengths[window.first : window.stop]) + 2


def _draw_renamed(generator: np.random.Generator, share: float) -> Role | None:
    if generator.random() >= share:
        return None
    return Role.CLIENT if generator.random() < 0.5 else Role.THERAPIST


def _batches(
    windows: list[PlannedWindow], batch_tokens: int, generator: np.random.Generator
) -> list[list[PlannedWindow]]:
    """Windows of like length together, each batch within the token budget, in random order."""
    shuffled = [windows[place] for place in generator.permutation(len(windows))]
    shuffled.sort(key=lambda item: item.tokens // 32)  # roughly: chance decides within a length
    batches: list[list[PlannedWindow]] = []
    for item in shuffled:
        if batches and item.tokens * (len(batches[-1]) + 1) <= batch_tokens:
            batches[-1].append(item)
        else:
            batches.append([item])
    return [batches[place] for place in generator.permutation(len(batches))]


def _batches_of_parts(
    parts: list[list[PlannedWindow]], batch_tokens: int, generator: np.random.Generator
) -> list[list[PlannedWindow]]:
    """Parts with windows of like length together, each batch within the token budget."""
    shuffled = [parts[place] for place in generator.permutation(len(parts))]
    shuffled.sort(key=lambda part: max(window.tokens for window in part) // 128)
    batches: list[list[PlannedWindow]] = []
    longest = 0
    for part in shuffled:
        longest = max(longest, *(window.tokens for window in part))
        if batches and longest * (len(batches[-1]) + len(part)) <= batch_tokens:
            batches[-1].extend(part)
        else:
            batches.append(list(part))
            longest = max(window.tokens for window in part)
    return [batches[place] for place in generator.permutation(len(batches))]


def first_batch(features: Sequence[dict[str, Tensor]]) -> dict[str, Any]:
    """Collate function: a plan's item is a whole batch already."""
    (batch,) = features
    return dict(batch)
