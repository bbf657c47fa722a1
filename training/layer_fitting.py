"""Training the layer over the session alone, on what a finished encoder says of each turn.

The encoder reads every session once; what is trained after that is small, and takes minutes on a
processor. A part of a session may stand for the whole, so that the layer is not lost in few turns.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from alliance.model.calibration import legal_codes
from alliance.model.packing import SessionPlan, choose_windows, plan_windows, window_ids
from alliance.model.scores import chosen_rows, pool_turns
from alliance.training.config import SessionConfig, StageConfig
from alliance.training.network import Network, TorchBackend, turn_loss
from alliance.training.session_layer import ROLE_NUMBERS, RecurrentLayer
from alliance.training.windows import PreparedSession, draw_part

__all__ = ["fit_layer", "running_average"]

_SESSIONS: Final = 4  # in one step


@dataclass(frozen=True, slots=True)
class _Example:
    """A session as the layer reads it."""

    features: Tensor
    roles: Tensor
    lengths: Tensor
    legal: Tensor
    targets: Tensor
    weights: Tensor

    def part(self, first: int, stop: int) -> "_Example":
        return _Example(
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
    read = {name: [_read(network, prepared) for prepared in corpora[name]] for name in stage.shares}
    generator = np.random.default_rng(seed)
    steps = _steps(read, stage, config, generator)
    optimizer = torch.optim.AdamW(
        layer.parameters(), lr=stage.head_rate, weight_decay=stage.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, stage.head_rate, total_steps=max(2, len(steps)), pct_start=stage.warmup
    )
    average = running_average(layer, stage.average)
    layer.train()
    for parts in steps:
        loss = _loss(_logits(layer, parts), parts, code_weight)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(layer.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        average.update_parameters(layer)
    layer.load_state_dict(average.module.state_dict())


def _read(network: Network, prepared: PreparedSession) -> _Example:
    """What the encoder says of each turn, in the windows that labelling would read."""
    network.whole.eval()
    lengths = prepared.lengths
    windows = plan_windows(lengths, network.packing)
    plan = SessionPlan(
        tuple(prepared.encoded), tuple(windows), tuple(choose_windows(lengths, windows))
    )
    backend = TorchBackend(network)
    pooled = [
        pool_turns(
            backend(window_ids(plan.encoded, window, network.packing)),
            lengths[window.first : window.stop],
        )
        for window in windows
    ]
    device = network.model.device
    return _Example(
        torch.from_numpy(np.ascontiguousarray(chosen_rows(plan, pooled))).to(device),
        torch.tensor([ROLE_NUMBERS[role] for role in prepared.roles], device=device),
        torch.tensor(lengths, dtype=torch.float32, device=device),
        torch.from_numpy(legal_codes(prepared.roles)).to(device),
        torch.from_numpy(prepared.targets).to(device),
        torch.from_numpy(prepared.weights).to(device),
    )


def _steps(
    read: Mapping[str, Sequence[_Example]],
    stage: StageConfig,
    config: SessionConfig,
    generator: np.random.Generator,
) -> list[list[_Example]]:
    steps = []
    for _ in range(stage.epochs):
        drawn: list[_Example] = []
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


def _logits(layer: RecurrentLayer, parts: Sequence[_Example]) -> Tensor:
    return layer.of_parts(
        torch.cat([part.features for part in parts]),
        torch.cat([part.roles for part in parts]),
        torch.cat([part.lengths for part in parts]),
        [len(part.weights) for part in parts],
    )


def _loss(logits: Tensor, parts: Sequence[_Example], code_weight: float) -> Tensor:
    return turn_loss(
        logits,
        torch.cat([part.targets for part in parts]),
        torch.cat([part.legal for part in parts]),
        torch.cat([part.weights for part in parts]),
        code_weight=code_weight,
    )


def running_average(module: nn.Module, decay: float) -> torch.optim.swa_utils.AveragedModel:
    """A running average of a module's weights; early on the start is forgotten sooner.

    Args:
        module: what is trained.
        decay: per step (0-1), later on.
    """

    def newer(mean: Tensor, now: Tensor, step: Tensor | int) -> Tensor:
        return mean + (now - mean) * (1 - min(decay, (int(step) + 1) / (int(step) + 10)))

    return torch.optim.swa_utils.AveragedModel(module, avg_fn=newer)
