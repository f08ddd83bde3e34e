"""Hub models as backbones: any torch vision model of transformers, timm or open_clip.

The global vector is the pooled output of the model. The feature map is its last map, pooled to 7×7 regions.
The style statistics come from at most five of its maps (a stage, or the tokens of a layer), evenly spaced
from first to last.
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import isqrt
from pathlib import PurePath
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import Module

from perfectlook.backbones.backbone import HALF, Backbone, BackboneDescription, Channels, FeatureBatch
from perfectlook.errors import BackboneError
from perfectlook.types import REGION_COLUMNS, REGION_ROWS, Float32Array

Outputs = tuple[Tensor, list[Tensor]]


def open_backbone(hub: str, model: str, *, engine: str, threads: int) -> "HubBackbone":
    """Load a hub model by name: "transformers:MODEL", "timm:MODEL" or "open_clip:MODEL/PRETRAINED".

    Raises:
        BackboneError: there is no such model, or the hub cannot be reached.
        ImportError: the library is not installed.
    """
    name = f"{hub}:{model}"
    if engine not in {"auto", "torch"}:
        raise BackboneError(f"{name}: engine '{engine}' does not run hub models. Choose 'torch' or 'auto'.")
    if not model:
        raise BackboneError(f"{name}: no model. Give its name, such as transformers:facebook/dinov2-small.")
    loaders = {"transformers": _load_transformers, "timm": _load_timm, "open_clip": _load_open_clip}
    try:
        network = loaders[hub](model)
    except (BackboneError, ImportError):
        raise
    except Exception as error:  # each library has its own exceptions
        raise BackboneError(
            f"{name}: cannot be loaded ({error}). Check the name and the connection, or download the model "
            "and give its folder."
        ) from error
    return HubBackbone(network, name, threads)


_STAGES = 5
_DEFAULT_SIZE = 224


class HubBackbone(Backbone):
    """A torch vision model as a backbone, on a CUDA device if there is one.

    The model is changed: it is set to evaluation mode, frozen, and moved to the device.
    """

    def __init__(self, network: "HubNetwork", name: str, threads: int = 1) -> None:
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._network = network
        self._threads = threads
        network.module.float().eval().requires_grad_(False).to(self._device)
        self._mean_and_std = (network.mean, network.std)
        self.identity = f"{_slug(name)}-fp32-{_digest(network.module)[:12]}"
        size = network.image_size  # a run on an empty picture gives the dimensions of any model
        pooled, stages, regions = self._outputs(np.zeros((1, 3, size, size), np.float32))
        self.description = BackboneDescription(
            name=name,
            input_size=size,
            global_dimension=pooled.shape[1],
            stage_channels=tuple(stage.shape[1] for stage in stages),
            map_channels=regions.shape[2],
            licence="see the model card",
            megabytes=sum(each.numel() * each.element_size() for each in network.module.parameters()) / 1e6,
            source=name.partition(":")[0],
            summary="a hub model",
        )

    def _run(self, batch: Float32Array) -> FeatureBatch:
        pooled, stages, regions = self._outputs(batch)
        style = [part for each in stages for part in (each.mean((2, 3)), each.std((2, 3), correction=0))]
        return FeatureBatch(*(part.cpu().numpy() for part in (pooled, torch.cat(style, dim=1), regions)))

    def _outputs(self, batch: Float32Array) -> tuple[Tensor, list[Tensor], Tensor]:
        pixels = torch.from_numpy(
            np.array(batch, order="C")
        )  # torch does not accept reversed or read-only arrays
        with torch.inference_mode(), _exact_and_repeatable(self._threads):
            pooled, maps = self._network.outputs(pixels.to(self._device))
            regions = torch.nn.functional.adaptive_avg_pool2d(maps[-1], (REGION_ROWS, REGION_COLUMNS))
            spaced = sorted({round(index) for index in np.linspace(0, len(maps) - 1, _STAGES)})
            return pooled, [maps[index] for index in spaced], regions.flatten(2).transpose(1, 2).contiguous()


@contextmanager
def _exact_and_repeatable(threads: int) -> Iterator[None]:
    """Run torch in exact fp32 (no TF32), with repeatable results, on this number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
            yield
    finally:
        torch.set_num_threads(before)


def _slug(name: str) -> str:
    """Return a name that is safe in a file name. Of a path or "owner/model", only the last part is used."""
    library, _, model = name.partition(":")
    if library != "open_clip":  # the last part of an open_clip name is the weights, not the model
        model = PurePath(model).name
    return re.sub(r"[^A-Za-z0-9._-]+", "-", f"{library}-{model}" if model else library)


def _digest(module: Module) -> str:
    """Return the SHA-256 of the names, shapes and values of all weights."""
    digest = hashlib.sha256()
    for key, tensor in sorted(module.state_dict().items()):
        digest.update(f"{key} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


class HubNetwork(NamedTuple):
    """A torch vision model, its preprocessing, and the function that returns its outputs."""

    module: Module
    outputs: Callable[[Tensor], Outputs]
    """Maps pixels [n, 3, S, S] to the pooled output [n, D] and the maps [n, C, H, W], first layer first."""
    image_size: int
    mean: Channels = HALF
    std: Channels = HALF


def transformers_network(model: Module, image_size: int, *mean_and_std: Channels) -> HubNetwork:
    """Wrap a vision model of `transformers` that returns hidden states: ViT, DINOv2, CLIP, ConvNeXt, ..."""
    config: Any = model.config
    patch = getattr(config, "patch_size", None)
    side = image_size // patch if isinstance(patch, int) and patch > 0 else None

    def outputs(pixels: Tensor) -> Outputs:
        result = model(pixel_values=pixels, output_hidden_states=True)
        hidden = getattr(result, "reshaped_hidden_states", None) or result.hidden_states
        last = result.last_hidden_state
        maps = [_as_map(each, side) for each in (*hidden[:-1], last)]
        pooled = getattr(result, "pooler_output", None)
        if pooled is None:  # use the class token if there is one, else the mean of all regions
            has_class_token = last.ndim == 3 and last.shape[1] > maps[-1].shape[2] * maps[-1].shape[3]
            pooled = last[:, 0] if has_class_token else maps[-1].mean((2, 3))
        return pooled.flatten(1), maps

    return HubNetwork(model, outputs, image_size, *mean_and_std)


def timm_network(model: Module, image_size: int, *mean_and_std: Channels) -> HubNetwork:
    """Wrap a model of `timm` (1.0 or newer) that has `forward_intermediates`, as almost all do."""
    network: Any = model
    if not hasattr(model, "forward_intermediates"):
        name = type(model).__name__
        raise BackboneError(f"timm model {name}: returns no intermediate maps. Choose another model.")

    def outputs(pixels: Tensor) -> Outputs:
        final, maps = network.forward_intermediates(pixels, output_fmt="NCHW")
        return network.forward_head(final, pre_logits=True).flatten(1), list(maps)

    return HubNetwork(model, outputs, image_size, *mean_and_std)


def open_clip_network(model: Module, image_size: int, *mean_and_std: Channels) -> HubNetwork:
    """Wrap the image tower of a model of `open_clip` (2.30 or newer). Its embedding is the global vector."""
    visual: Any = model.visual

    def outputs(pixels: Tensor) -> Outputs:
        result = visual.forward_intermediates(pixels, output_fmt="NCHW")
        return result["image_features"].flatten(1), list(result["image_intermediates"])

    return HubNetwork(visual, outputs, image_size, *mean_and_std)


def _as_map(hidden: Tensor, side: int | None) -> Tensor:
    """Return hidden states as a map [n, C, H, W]. Of tokens [n, T, C], those without a region are dropped."""
    if hidden.ndim == 4:
        return hidden
    tokens = hidden.shape[1]
    if side is None or side * side > tokens:
        side = isqrt(tokens)
    regions = hidden[:, tokens - side * side :]  # without class and register tokens, which come first
    return regions.transpose(1, 2).reshape(hidden.shape[0], hidden.shape[2], side, side)


def _load_transformers(model_id: str) -> HubNetwork:
    """Load a model and its normalisation from a local folder or the Hugging Face hub."""
    from transformers import AutoModel
    from transformers.image_processing_base import ImageProcessingMixin

    model, loading = AutoModel.from_pretrained(model_id, output_loading_info=True, trust_remote_code=False)
    absent = sorted(key for key in loading["missing_keys"] if "position_ids" not in key)
    if absent and all(key.startswith("pooler.") for key in absent) and hasattr(model, "pooler"):
        model.pooler = None  # a pooler without weights would be random
    elif absent:
        raise BackboneError(
            f"transformers:{model_id}: has no weights for {', '.join(absent[:3])}. Choose another model."
        )
    vision = getattr(model, "vision_model", model)
    try:
        processing, _ = ImageProcessingMixin.get_image_processor_dict(model_id)
    except OSError:  # a folder without a preprocessor configuration
        processing = {}
    size = _first_int(
        getattr(vision.config, "image_size", None), processing.get("crop_size"), processing.get("size")
    )
    mean, std = (tuple(processing.get(key) or HALF) for key in ("image_mean", "image_std"))
    return transformers_network(vision, size, mean, std)


def _first_int(*candidates: object) -> int:
    """Return the first size in pixels, from the various forms that configurations use."""
    for candidate in candidates:
        value = candidate
        if isinstance(value, dict):
            value = value.get("height") or value.get("shortest_edge")
        if isinstance(value, list | tuple) and value:
            value = value[0]
        if isinstance(value, int):
            return value
    return _DEFAULT_SIZE


def _load_timm(model_name: str) -> HubNetwork:
    import timm

    model = timm.create_model(model_name, pretrained=True, num_classes=0)
    config = timm.data.resolve_model_data_config(model)
    return timm_network(model, config["input_size"][1], tuple(config["mean"]), tuple(config["std"]))


def _load_open_clip(model_name: str) -> HubNetwork:
    import open_clip

    architecture, _, pretrained = model_name.partition("/")
    if not pretrained:
        raise BackboneError(f"open_clip:{model_name}: no weights. Write open_clip:MODEL/PRETRAINED.")
    model = open_clip.create_model(architecture, pretrained=pretrained)
    config = open_clip.get_model_preprocess_cfg(model)
    return open_clip_network(model, _first_int(config["size"]), tuple(config["mean"]), tuple(config["std"]))
