"""How the vision models of transformers, timm and open_clip give up what a backbone needs."""

from collections.abc import Callable
from dataclasses import dataclass
from math import isqrt
from typing import TYPE_CHECKING, Any

from perfectlook.errors import BackboneError

if TYPE_CHECKING:
    import torch

    Tensor = torch.Tensor
    Outputs = tuple[Tensor, list[Tensor]]


Channels = tuple[float, ...]
HALF: Channels = (0.5, 0.5, 0.5)


@dataclass(frozen=True, slots=True)
class HubNetwork:
    """A torch vision model, what to feed it, and how to ask it."""

    module: "torch.nn.Module"
    outputs: "Callable[[Tensor], Outputs]"
    """From pixels [n, 3, S, S] to the pooled output [n, D] and maps [n, C, H, W], first layer to last."""
    image_size: int
    mean: Channels = HALF
    std: Channels = HALF


def transformers_network(
    model: "torch.nn.Module", image_size: int, mean: Channels = HALF, std: Channels = HALF
) -> HubNetwork:
    """Any vision model of `transformers` that returns hidden states: ViT, DINOv2, CLIP, ConvNeXt, ..."""
    config: Any = model.config
    patch = getattr(config, "patch_size", None)
    side = image_size // patch if isinstance(patch, int) and patch > 0 else None

    def outputs(pixels: "Tensor") -> "Outputs":
        result = model(pixel_values=pixels, output_hidden_states=True)
        hidden = getattr(result, "reshaped_hidden_states", None) or result.hidden_states
        last = result.last_hidden_state
        maps = [_as_map(each, side) for each in (*hidden[:-1], last)]
        pooled = getattr(result, "pooler_output", None)
        if pooled is None:  # the class token where there is one, else the mean of all regions
            has_class_token = last.ndim == 3 and last.shape[1] > maps[-1].shape[2] * maps[-1].shape[3]
            pooled = last[:, 0] if has_class_token else maps[-1].mean((2, 3))
        return pooled.flatten(1), maps

    return HubNetwork(model, outputs, image_size, mean, std)


def timm_network(
    model: "torch.nn.Module", image_size: int, mean: Channels = HALF, std: Channels = HALF
) -> HubNetwork:
    """Any model of `timm` (1.0 or newer) that has `forward_intermediates`, which nearly all have."""
    network: Any = model
    if not hasattr(model, "forward_intermediates"):
        raise BackboneError(
            f"timm's {type(model).__name__} does not give intermediate maps; choose another model"
        )

    def outputs(pixels: "Tensor") -> "Outputs":
        final, maps = network.forward_intermediates(pixels, output_fmt="NCHW")
        return network.forward_head(final, pre_logits=True).flatten(1), list(maps)

    return HubNetwork(model, outputs, image_size, mean, std)


def open_clip_network(
    model: "torch.nn.Module", image_size: int, mean: Channels = HALF, std: Channels = HALF
) -> HubNetwork:
    """The picture tower of any model of `open_clip` (2.30 or newer); the global vector is its embedding."""
    visual: Any = model.visual

    def outputs(pixels: "Tensor") -> "Outputs":
        result = visual.forward_intermediates(pixels, output_fmt="NCHW")
        return result["image_features"].flatten(1), list(result["image_intermediates"])

    return HubNetwork(visual, outputs, image_size, mean, std)


def _as_map(hidden: "Tensor", side: int | None) -> "Tensor":
    """A map [n, C, H, W] of hidden states, which may be tokens [n, T, C], some of them of no region."""
    if hidden.ndim == 4:
        return hidden
    tokens = hidden.shape[1]
    if side is None or side * side > tokens:
        side = isqrt(tokens)
    regions = hidden[:, tokens - side * side :]  # class and register tokens come first
    return regions.transpose(1, 2).reshape(hidden.shape[0], hidden.shape[2], side, side)
