"""A trained model to a folder: the mathematics is written once, in torch, and exported as two ONNX graphs."""

import io
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor, nn

from perfectlook import __version__
from perfectlook.model.files import (
    CARD,
    CENTRES,
    CONFIG,
    PRODUCT_GRAPH,
    SCENE_GRAPH,
    SUGGESTION,
    TRAINED_ON,
    WEIGHTS,
    ModelRecord,
    identity_of,
    trained_on_file,
    write_file,
)
from perfectlook.model.inputs import whole_picture
from perfectlook.model.networks import Compatibility, GlobalNetwork, Widths
from perfectlook.types import REGIONS, Float32Array

OPSET = 17

Network = Compatibility | GlobalNetwork
"""What can be written: a compatibility model, or a baseline's network, which has no regions."""


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """All that goes into a model folder.

    Attributes:
        network: the trained network.
        widths: of the backbone's outputs.
        backbone_identity: of the backbone.
        categories: the known categories, in the order of the network's category embeddings.
        centres: one row per category, [categories, global width].
        overall_centre: for categories nobody knows, [global width].
        scenes: ids of the scenes trained on.
        products: ids of the products in the pairs trained on.
        training: how it came about; goes into the record.
        card: the model card, Markdown.
        baseline: name of the baseline that the network is, None for a compatibility model.
        suggestion: contents of the file that suggests categories; None for a model that suggests none.
    """

    network: Network
    widths: Widths
    backbone_identity: str
    categories: Sequence[str]
    centres: Float32Array
    overall_centre: Float32Array
    scenes: Sequence[str]
    products: Sequence[str]
    training: Mapping[str, Any]
    card: str
    baseline: str | None = None
    suggestion: bytes | None = None


def write_model(model: TrainedModel, folder: Path) -> ModelRecord:
    """Write a model folder; `config.json` last, so that a folder which has it is complete."""
    folder.mkdir(parents=True, exist_ok=True)
    for stale in (CONFIG, SUGGESTION):
        (folder / stale).unlink(missing_ok=True)
    network = model.network.eval().cpu()
    weights = {name: tensor.contiguous() for name, tensor in _weights(network)}
    for name, content in (
        (WEIGHTS, save(weights)),
        (SCENE_GRAPH, _scene_graph(network, model.widths)),
        (PRODUCT_GRAPH, _product_graph(network, model.widths)),
        (CENTRES, _arrays(centres=model.centres, overall=model.overall_centre, **_category_mixing(network))),
        (TRAINED_ON, trained_on_file(model.scenes, model.products)),
        (CARD, model.card.encode()),
    ):
        write_file(folder / name, content)
    if model.suggestion is not None:
        write_file(folder / SUGGESTION, model.suggestion)
    config = network.config
    record = ModelRecord(
        name=folder.resolve().name,
        config=config,
        backbone_identity=model.backbone_identity,
        categories=tuple(model.categories),
        mixing=float(np.mean(_category_mixing(network).get("mixing", config.effective_mixing))),
        temperature=_temperature(network),
        identity=identity_of(folder, config, model.categories),
        training=model.training,
        library=__version__,
        baseline=model.baseline,
    )
    record.write(folder)
    return record


def _category_mixing(network: Network) -> dict[str, Float32Array]:
    """w of every category, where each has its own."""
    if not isinstance(network, Compatibility) or not network.config.learns_mixing:
        return {}
    with torch.no_grad():
        return {"mixing": torch.sigmoid(network.mixing_logits.weight[:, 0]).numpy()}


def _temperature(network: Network) -> float | None:
    if isinstance(network, Compatibility) and network.config.uses_regions:
        return network.attention.temperature
    return None


def _weights(network: Network) -> list[tuple[str, Tensor]]:
    """Every tensor once: tied encoders are one module under two names."""
    tied = "scene_encoder." if network.config.tied else None
    weights = network.state_dict().items()
    return [(name, tensor) for name, tensor in weights if tied is None or not name.startswith(tied)]


class _SceneGraph(nn.Module):
    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, head: Tensor, style: Tensor, maps: Tensor) -> tuple[Tensor, ...]:
        scene = self.network.embed_scene(whole_picture(self.network.config, head, style, maps))
        if isinstance(self.network, GlobalNetwork) or not self.network.config.uses_regions:
            return (scene,)
        return scene, self.network.embed_regions(maps), self.network.attention_logits(maps)


class _ProductGraph(nn.Module):
    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, head: Tensor, style: Tensor, maps: Tensor, centres: Tensor) -> Tensor:
        return self.network.embed_product(whole_picture(self.network.config, head, style, maps), centres)


def _scene_graph(network: Network, widths: Widths) -> bytes:
    inputs = {
        "global_vectors": torch.zeros(2, widths.head),
        "style_statistics": torch.zeros(2, widths.style),
        "feature_maps": torch.zeros(2, REGIONS, widths.regions),
    }
    outputs = ["scene", "regions", "attention_logits"] if network.config.uses_regions else ["scene"]
    return _export(_SceneGraph(network), inputs, outputs)


def _product_graph(network: Network, widths: Widths) -> bytes:
    inputs = {
        "global_vectors": torch.zeros(2, widths.head),
        "style_statistics": torch.zeros(2, widths.style),
        "feature_maps": torch.zeros(2, REGIONS, widths.regions),
        "centres": torch.zeros(2, widths.global_width(network.config)),
    }
    return _export(_ProductGraph(network), inputs, ["product"])


def _export(module: nn.Module, inputs: Mapping[str, Tensor], outputs: list[str]) -> bytes:
    module.eval()
    graph = io.BytesIO()
    with torch.no_grad(), warnings.catch_warnings():
        # The tracing exporter makes the smallest graphs; torch announces its successor at every call.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            tuple(inputs.values()),
            graph,  # type: ignore[arg-type]
            input_names=list(inputs),
            output_names=outputs,
            dynamic_axes={name: {0: "n"} for name in (*inputs, *outputs)},
            opset_version=OPSET,
            dynamo=False,
        )
    return graph.getvalue()


def _arrays(**arrays: Float32Array) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()
