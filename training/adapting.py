"""What of an encoder is trained: all of it, its upper layers, or low-rank additions to them.

Low-rank adapters (LoRA; Hu et al. 2021, "LoRA: Low-rank adaptation of large language models") are
put in before a stage and merged into the weights after it, so that a finished stage, an export and
whatever comes later see an ordinary network.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor, nn

from alliance.model.errors import ConfigError, MissingExtraError
from alliance.training.config import EncoderConfig

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# The encoder's own head; with a layer over the session, the network's names begin otherwise.
_HEADS: Final = ("classifier.", "encoder.classifier.", "layer.", "imitating.")

LORA_SCALE: Final = 2
"""The additions are scaled by this, whatever their rank (``lora_alpha`` over rank)."""


def encoder_layers(model: "PreTrainedModel") -> nn.ModuleList:
    """The encoder's layers, the lowest first.

    Raises:
        ConfigError: if the encoder does not keep them in one list.
    """
    count = model.config.num_hidden_layers
    for module in model.base_model.modules():
        if isinstance(module, nn.ModuleList) and len(module) == count:
            return module
    raise ConfigError(
        f"frozen_layers and lora_rank need an encoder with a list of {count} layers, found none "
        f"in {type(model).__name__}; set both to 0"
    )


@contextmanager
def trained_parts(
    model: "PreTrainedModel", config: EncoderConfig, role_ids: Sequence[int]
) -> Iterator[Tensor | None]:
    """Within it, only those parts of the network are trained that the settings name.

    With ``frozen_layers``, the embeddings, the lowest layers and whatever else the encoder holds
    outside its layers (position biases that all layers share, a last normalisation) stay as they
    are. With ``lora_rank``, the layers that are not frozen get low-rank additions, and only these
    learn; without frozen layers the rows of the role tokens learn too. The head always learns.

    Args:
        model: changed in place; an ordinary network again afterwards.
        config: ``lora_rank`` and ``frozen_layers``.
        role_ids: the role tokens' rows in the embedding table.

    Yields:
        The embedding table if only some of its rows are trained, else None.

    Raises:
        MissingExtraError: if ``lora_rank`` is set and ``peft`` is not installed.
        ConfigError: if the encoder does not keep its layers in one list, or has fewer.
    """
    if not config.lora_rank and not config.frozen_layers:
        yield None
        return
    layers = encoder_layers(model)
    if config.frozen_layers > len(layers):
        raise ConfigError(
            f"[encoder] frozen_layers lies between 0 and the encoder's {len(layers)} layers, got "
            f"{config.frozen_layers}"
        )
    for parameter in model.base_model.parameters():
        parameter.requires_grad_(False)
    upper = list(layers)[config.frozen_layers :]
    table: Any = None  # a parameter, which the types of transformers do not say
    if not config.lora_rank:
        for layer in upper:
            layer.requires_grad_(True)
    else:
        _add_adapters(model, upper, config.lora_rank)
        if not config.frozen_layers:
            table = model.get_input_embeddings().weight
    if table is None:
        yield None
    else:
        keep = torch.zeros(len(table), 1)
        keep[list(role_ids)] = 1.0
        table.requires_grad_(True)
        handle = table.register_hook(lambda gradient: gradient * keep.to(gradient))
        yield table
        handle.remove()
    # Not after an error: whoever goes on then builds the network anew.
    if config.lora_rank:
        _merge_adapters(model)
    model.requires_grad_(True)


def _add_adapters(model: "PreTrainedModel", layers: Sequence[nn.Module], rank: int) -> None:
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ModuleNotFoundError as error:
        raise MissingExtraError("[encoder] lora_rank", "train") from error

    inside = {id(module) for layer in layers for module in layer.modules()}
    named = [
        name
        for name, module in model.named_modules()
        if id(module) in inside and isinstance(module, nn.Linear)
    ]
    settings = LoraConfig(r=rank, lora_alpha=LORA_SCALE * rank, target_modules=named)
    inject_adapter_in_model(settings, model)
    for name, parameter in model.named_parameters():
        own = not name.startswith(f"{model.base_model_prefix}.")
        parameter.requires_grad_(own or "lora_" in name)


def _merge_adapters(model: nn.Module) -> None:
    from peft.tuners.tuners_utils import BaseTunerLayer

    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, BaseTunerLayer):
                child.merge()
                setattr(parent, name, child.get_base_layer())


def parameter_groups(
    model: nn.Module, *, encoder_rate: float, head_rate: float, rows_of: Tensor | None
) -> list[dict[str, Any]]:
    """The optimiser's groups: the encoder's parameters and the head's, each with its rate.

    Args:
        model: the network.
        encoder_rate: learning rate of the encoder, and of additions to it.
        head_rate: learning rate of the head.
        rows_of: the embedding table if only some of its rows are trained: weight decay, which
            looks at no gradient, would shrink the others.
    """
    new: list[nn.Parameter] = []
    old: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and parameter is not rows_of:
            (new if name.startswith(_HEADS) else old).append(parameter)
    groups: list[dict[str, Any]] = [
        {"params": old, "lr": encoder_rate},
        {"params": new, "lr": head_rate},
    ]
    if rows_of is not None:
        groups.append({"params": [rows_of], "lr": encoder_rate, "weight_decay": 0.0})
    return groups
