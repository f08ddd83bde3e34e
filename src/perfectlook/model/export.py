"""A trained model to a folder: the mathematics is written once, in torch, and exported as two ONNX graphs."""

import io
import json
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor, nn

from perfectlook.model.config import ModelConfig
from perfectlook.model.files import (
    CARD,
    CENTRES,
    COUNTS,
    POPULARITY,
    PRODUCT_GRAPH,
    SCENE_GRAPH,
    SUGGESTION,
    TRAINED_ON,
    WEIGHTS,
    ModelRecord,
    trained_on_file,
    write_arrays,
    write_folder,
)
from perfectlook.model.inputs import whole_picture
from perfectlook.model.networks import Compatibility, GlobalNetwork, Widths
from perfectlook.types import REGIONS, Float32Array

OPSET = 17

Network = Compatibility | GlobalNetwork
"""What can be written: a compatibility model, or a baseline's network, which has no regions."""


def write_model(
    network: Network,
    folder: Path,
    *,
    widths: Widths,
    backbone_identity: str,
    categories: Sequence[str],
    centres: Float32Array,
    overall_centre: Float32Array,
    scenes: Iterable[str] = (),
    products: Iterable[str] = (),
    training: Mapping[str, Any] | None = None,
    card: str = "",
    baseline: str | None = None,
    suggestion: bytes | None = None,
) -> ModelRecord:
    """Write a model folder; `config.json` last, so that a folder which has it is complete.

    Args:
        network: the trained network.
        folder: made if it is missing.
        widths: of the backbone's outputs.
        backbone_identity: of the backbone.
        categories: the known categories, in the order of the network's category embeddings.
        centres: one row per category, [categories, global width].
        overall_centre: for categories that the model does not know, [global width].
        scenes: ids of the scenes trained on.
        products: ids of the products in the pairs trained on.
        training: how it was trained; goes into the record.
        card: the model card, Markdown.
        baseline: name of the baseline that the network is; None for a compatibility model.
        suggestion: content of the file that suggests categories; None for a model that suggests none.
    """
    network = network.eval().cpu()
    config = network.config
    mixing = _category_mixing(network)
    files = {
        WEIGHTS: save({name: tensor.contiguous() for name, tensor in _weights(network)}),
        SCENE_GRAPH: _scene_graph(network, widths),
        PRODUCT_GRAPH: _product_graph(network, widths),
        CENTRES: write_arrays(centres=centres, overall=overall_centre, **mixing),
        TRAINED_ON: trained_on_file(scenes, products),
        CARD: card.encode(),
    }
    if suggestion is not None:
        files[SUGGESTION] = suggestion
    return write_folder(
        folder,
        files,
        config=config,
        backbone_identity=backbone_identity,
        categories=tuple(categories),
        mixing=float(np.mean(mixing.get("mixing", config.effective_mixing))),
        temperature=_temperature(network),
        training=training or {},
        baseline=baseline,
    )


def write_popularity(
    counts: Mapping[str, int],
    folder: Path,
    *,
    config: ModelConfig,
    backbone_identity: str,
    categories: Sequence[str],
    scenes: Iterable[str] = (),
    training: Mapping[str, Any] | None = None,
    card: str = "",
) -> ModelRecord:
    """Write the folder of a popularity model; arguments as for `write_model`.

    Args:
        counts: product id to the number of training pairs it is in, at least 1.
        folder: made if it is missing.
        config: names the backbone: which pairs of a set are usable depends on it.
        backbone_identity: of the backbone.
        categories: of the catalogue.
        scenes: ids of the scenes counted.
        training: how it was trained.
        card: the model card.
    """
    files = {
        COUNTS: (json.dumps(dict(sorted(counts.items())), indent=0) + "\n").encode(),
        TRAINED_ON: trained_on_file(scenes, counts),
        CARD: card.encode(),
    }
    return write_folder(
        folder,
        files,
        (COUNTS,),
        config=config,
        backbone_identity=backbone_identity,
        categories=tuple(categories),
        mixing=config.effective_mixing,
        temperature=None,
        training=training or {},
        baseline=POPULARITY,
    )


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


class _ProductGraph(_SceneGraph):
    def forward(self, head: Tensor, style: Tensor, maps: Tensor, centres: Tensor) -> Tensor:  # type: ignore[override]
        return self.network.embed_product(whole_picture(self.network.config, head, style, maps), centres)


def _scene_graph(network: Network, widths: Widths) -> bytes:
    outputs = ["scene", "regions", "attention_logits"] if network.config.uses_regions else ["scene"]
    return _export(_SceneGraph(network), _inputs(widths), outputs)


def _product_graph(network: Network, widths: Widths) -> bytes:
    inputs = _inputs(widths) | {"centres": torch.zeros(2, widths.global_width(network.config))}
    return _export(_ProductGraph(network), inputs, ["product"])


def _inputs(widths: Widths) -> dict[str, Tensor]:
    return {
        "global_vectors": torch.zeros(2, widths.head),
        "style_statistics": torch.zeros(2, widths.style),
        "feature_maps": torch.zeros(2, REGIONS, widths.regions),
    }


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
