"""Training the layer over the session alone, on what a finished encoder says of each turn.

The encoder reads every session once; what is trained after that is small, and takes minutes on a
processor. A part of a session may stand for the whole, so that the layer is not lost in few turns.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from alliance.model.calibration import legal_codes
from alliance.training.config import SessionConfig, StageConfig
from alliance.training.network import Network, TorchBackend, read_turns, turn_loss
from alliance.training.session_layer import ROLE_NUMBERS, RecurrentLayer
from alliance.training.targets import PreparedSession
from alliance.training.windows import draw_part

__all__ = ["Example", "descend", "fit_layer", "mean_loss"]

_SESSIONS: Final = 4  # in one step


@dataclass(frozen=True, slots=True)
class Example:
    """A session, or some of its turns in a row, as a layer reads it and learns from it.

    Attributes:
        features: what the encoder says of the turns, shape (turns, size).
        roles: as ``ROLE_NUMBERS``, shape (turns,).
        lengths: of the turns, shape (turns,).
        legal, targets, weights: as in :func:`alliance.training.network.turn_loss`.
    """

    features: Tensor
    roles: Tensor
    lengths: Tensor
    legal: Tensor
    targets: Tensor
    weights: Tensor

    def part(self, first: int, stop: int) -> "Example":
        """Turns ``first`` to ``stop - 1`` of it."""
        return Example(
            self.features[first:stop],
            self.roles[first:stop],
            self.lengths[first:stop],
            self.legal[first:stop],
            self.targets[first:stop],
            self.weights[first:stop],
        )


def fit_layer(
    network: Network,
    corpora: Mapping[str, Sequence[PreparedSession]],
    stage: StageConfig,
    config: SessionConfig,
    *,
    code_weight: float,
    seed: int,
) -> None:
    """Train a network's layer in place; its encoder stays as it is.

    Args:
        network: with a layer over the session.
        corpora: prepared sessions by corpus name.
        stage: whose ``shares``, ``epochs``, ``head_rate``, ``warmup``, ``weight_decay`` and
            ``average`` count. A step is four sessions.
        config: of the layer, for the share of parts.
        code_weight: weight of the fine codes in the loss.
        seed: of all draws.
    """
    if network.session is None:
        raise ValueError("a network without a layer over the session")
    layer = network.session.layer
    read = {
        name: [_read(network, prepared) for prepared in corpora[name] if prepared.encoded]
        for name in stage.shares
    }
    steps = _steps(read, stage, config, np.random.default_rng(seed))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        average = descend(
            layer,
            steps,
            lambda parts: mean_loss(_logits(layer, parts), parts, code_weight),
            rate=stage.head_rate,
            weight_decay=stage.weight_decay,
            warmup=stage.warmup,
            average=stage.average,
        )
    layer.load_state_dict(average.state_dict())


_Step = TypeVar("_Step")


def descend(
    layer: nn.Module,
    steps: Sequence[_Step],
    loss_of: Callable[[_Step], Tensor],
    *,
    rate: float,
    weight_decay: float,
    warmup: float,
    average: float,
) -> nn.Module:
    """Train a small network with AdamW, on a rate that rises and falls once.

    Args:
        layer: trained in place.
        steps: what each step learns from.
        loss_of: the loss of one of them, a scalar.
        rate: peak learning rate.
        weight_decay: AdamW's decay.
        warmup: share (0-1) of the steps over which the rate rises.
        average: decay per step (0-1) of the running average of the weights; early on the start is
            forgotten sooner.

    Returns:
        A copy with the averaged weights.
    """

    def newer(mean: Tensor, now: Tensor, step: Tensor | int) -> Tensor:
        return mean + (now - mean) * (1 - min(average, (int(step) + 1) / (int(step) + 10)))

    optimizer = torch.optim.AdamW(layer.parameters(), lr=rate, weight_decay=weight_decay)
    total = max(2, len(steps))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        rate,
        total_steps=total,
        # It divides by zero where the rise takes one step: then it begins at the peak.
        pct_start=0.0 if warmup * total == 1 else warmup,
    )
    mean = torch.optim.swa_utils.AveragedModel(layer, avg_fn=newer)
    layer.train()
    for step in steps:
        loss = loss_of(step)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(layer.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        mean.update_parameters(layer)
    averaged: nn.Module = mean.module
    return averaged


def _read(network: Network, prepared: PreparedSession) -> Example:
    """What the encoder says of each turn, in the windows that labelling would read."""
    network.whole.eval()
    features = read_turns(TorchBackend(network), prepared.encoded, network.packing)
    device = network.model.device
    return Example(
        torch.from_numpy(features).to(device),
        torch.tensor([ROLE_NUMBERS[role] for role in prepared.roles], device=device),
        torch.tensor(prepared.lengths, dtype=torch.float32, device=device),
        torch.from_numpy(legal_codes(prepared.roles)).to(device),
        torch.from_numpy(prepared.targets).to(device),
        torch.from_numpy(prepared.weights).to(device),
    )


def _steps(
    read: Mapping[str, Sequence[Example]],
    stage: StageConfig,
    config: SessionConfig,
    generator: np.random.Generator,
) -> list[list[Example]]:
    steps = []
    for _ in range(stage.epochs):
        drawn: list[Example] = []
        for name, share in stage.shares.items():
            count = max(1, round(share * len(read[name])))
            chosen = generator.permutation(len(read[name]))[:count]
            drawn.extend(read[name][place] for place in chosen)
        order = generator.permutation(len(drawn))
        for start in range(0, len(order), _SESSIONS):
            step = []
            for place in order[start : start + _SESSIONS]:
                whole = drawn[place]
                step.append(
                    whole.part(*draw_part(len(whole.weights), config.part_share, generator))
                )
            steps.append(step)
    return steps


def _logits(layer: RecurrentLayer, parts: Sequence[Example]) -> Tensor:
    return layer.of_parts(
        torch.cat([part.features for part in parts]),
        torch.cat([part.roles for part in parts]),
        torch.cat([part.lengths for part in parts]),
        [len(part.weights) for part in parts],
    )


def mean_loss(logits: Tensor, parts: Sequence[Example], code_weight: float) -> Tensor:
    """``turn_loss`` over the turns of all parts, whose logits stand one after the other."""
    return turn_loss(
        logits,
        torch.cat([part.targets for part in parts]),
        torch.cat([part.legal for part in parts]),
        torch.cat([part.weights for part in parts]),
        code_weight=code_weight,
    )
