"""Rounds an encoder's weights to the levels of four bits so that what it computes changes little.

Each column of a matrix is rounded in turn, and what that changes in the matrix's output is made
good, as far as can be, by the columns that are still to be rounded; how columns go together is
learnt from what the encoder reads (GPTQ: Frantar et al. 2023, "GPTQ: Accurate post-training
quantization for generative pre-trained transformers").
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from alliance.model.packing import encode_turns, plan_session, window_ids
from alliance.model.tokens import TokenIds
from alliance.training.adapting import encoder_layers
from alliance.training.corpora import everyday
from alliance.training.four_bits import BLOCK, LEVELS, nearest, packable, rounded
from alliance.training.network import Network, use_bf16
from alliance.training.session_layer import hidden_states

__all__ = ["round_weights", "windows_to_read"]

_DAMPING: Final = 0.01  # of the mean square of an input
_SESSIONS: Final = 32


def windows_to_read(network: Network) -> list[TokenIds]:
    """The first window of each of some everyday sessions, some ten thousand tokens."""
    windows = []
    for coded in everyday()[:_SESSIONS]:
        encoded = encode_turns(coded.session.turns, network.turn_tokenizer, network.packing)
        plan = plan_session(encoded, network.packing)
        windows.append(window_ids(plan.encoded, plan.windows[0], network.packing))
    return windows


def round_weights(network: Network, windows: Sequence[TokenIds]) -> None:
    """Round an encoder's tables and the matrices of its layers, in place, the lowest layer first.

    Tables, which no input weights, are rounded to the nearest levels, and first, so that the
    layers make good what that has changed, too. What :func:`packable` refuses stays as it is.

    Args:
        network: whose weights are rounded.
        windows: token numbers of windows to read, a few thousand tokens at least.
    """
    model = network.model
    model.train(False)
    for module in model.base_model.modules():
        if isinstance(module, nn.Embedding) and packable(module.weight.shape, 1):
            with torch.no_grad():
                module.weight.copy_(_nearest(module.weight.detach().cpu()))
    for layer in encoder_layers(model):
        matrices = [
            module
            for module in layer.modules()
            if isinstance(module, nn.Linear) and packable(module.weight.shape, 1)
        ]
        half = torch.autocast(model.device.type, torch.bfloat16, enabled=use_bf16("auto"))
        with _summed_inputs(matrices) as sums, torch.inference_mode(), half:
            for ids in windows:
                tokens = torch.from_numpy(ids).unsqueeze(0).to(model.device)
                hidden_states(model, tokens, torch.ones_like(tokens))
        for matrix, products in zip(matrices, sums, strict=True):
            with torch.no_grad():
                matrix.weight.copy_(_rounded(matrix.weight.detach().cpu().clone(), products))


@contextmanager
def _summed_inputs(matrices: Sequence[nn.Linear]) -> Iterator[list[Tensor]]:
    """Within it, each matrix's inputs are summed up as products with themselves, (in, in)."""
    sums = [torch.zeros(one.in_features, one.in_features) for one in matrices]

    def hook(total: Tensor):  # type: ignore[no-untyped-def]  # torch says what
        def add(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            rows = inputs[0].reshape(-1, inputs[0].shape[-1]).float()
            with torch.autocast(rows.device.type, enabled=False):
                total.add_((rows.T @ rows).cpu())

        return add

    handles = [
        matrix.register_forward_pre_hook(hook(total))
        for matrix, total in zip(matrices, sums, strict=True)
    ]
    try:
        yield sums
    finally:
        for handle in handles:
            handle.remove()


def _nearest(table: Tensor) -> Tensor:
    """A table's rows on the nearest levels of their blocks' scales."""
    places, scales = rounded(np.ascontiguousarray(table.numpy()).reshape(-1, BLOCK))
    return torch.from_numpy(LEVELS[places] * scales).reshape(table.shape)


def _rounded(weight: Tensor, products: Tensor) -> Tensor:
    """A matrix (out, in) on the levels of its blocks' scales."""
    columns = weight.shape[1]
    damping = _DAMPING * products.diagonal().mean().clamp(min=1e-6)
    damped = products.double() + damping * torch.eye(columns)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(damped))
    # Row i of the triangle: how columns after i make good what rounding column i has changed.
    triangle = torch.linalg.cholesky(inverse, upper=True).float()
    levels = torch.from_numpy(LEVELS)
    for start in range(0, columns, BLOCK):
        block = slice(start, start + BLOCK)
        scales = torch.from_numpy(rounded(np.ascontiguousarray(weight[:, block].numpy()))[1])
        errors = torch.zeros(len(weight), BLOCK)
        for place, column in enumerate(range(start, start + BLOCK)):
            places = nearest((weight[:, column : column + 1] / scales).numpy())
            kept = (levels[torch.from_numpy(places).long()] * scales)[:, 0]
            errors[:, place] = (weight[:, column] - kept) / triangle[column, column]
            weight[:, column] = kept
            rest = slice(column + 1, start + BLOCK)
            weight[:, rest] -= errors[:, place : place + 1] * triangle[column, rest]
        weight[:, start + BLOCK :] -= errors @ triangle[block, start + BLOCK :]
    return weight
