"""Write a trained model to a folder. Its mathematics is written in torch and exported as two ONNX graphs."""

import io
import json
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor, nn

from perfectlook.model import files
from perfectlook.model.config import ModelConfig, whole_picture
from perfectlook.model.files import ModelRecord, trained_on_file, write_arrays, write_folder
from perfectlook.model.mixture import Blend
from perfectlook.model.networks import Compatibility, GlobalNetwork, Widths
from perfectlook.types import REGIONS, Float32Array

OPSET = 17

Network = Compatibility | Blend | GlobalNetwork
"""The networks that can be written: a compatibility model, its blend, or a network without regions."""


def write_model(
    network: Network,
    folder: Path,
    *,
    widths: Widths,
    centres: Float32Array,
    overall_centre: Float32Array,
    scenes: Iterable[str] = (),
    products: Iterable[str] = (),
    card: str = "",
    suggestion: bytes | None = None,
    statistics: bytes | None = None,
    **record: Any,
) -> ModelRecord:
    """Write a model folder. `config.json` is written last, so a folder that contains it is complete.

    Args:
        network: the trained network.
        folder: created if it is missing.
        widths: widths of the backbone's outputs.
        centres: one row per category, [categories, global width].
        overall_centre: the centre for unknown categories, [global width].
        scenes: ids of the training scenes.
        products: ids of the products in the training pairs.
        card: the model card, in Markdown.
        suggestion: content of the category suggester's file; None for a model that suggests no categories.
        statistics: content of the file of the training scenes' moments, from which `adapt` starts.
        record: other fields of `ModelRecord`: `backbone_identity`, `categories` in the order of the
            network's category embeddings, and optionally `training`, `baseline` and `complete` of
            `write_folder`.
    """
    network = network.eval().cpu()
    config = network.config
    mixing: dict[str, Float32Array] = {}
    temperature, outputs = None, ["scene"]
    trained = network.network if isinstance(network, Blend) else network
    if isinstance(trained, Compatibility) and config.learns_mixing:
        mixing["mixing"] = torch.sigmoid(trained.mixing_logits.weight[:, 0]).detach().numpy()
    if isinstance(trained, Compatibility) and config.uses_regions:
        temperature = trained.attention.temperature
        outputs += ["regions", "attention_logits"]
    # with tied encoders, these are the same modules as the product encoder's
    twice = ("scene_encoder.", "network.scene_encoder.") if config.tied else ()
    weights = {name: each for name, each in network.state_dict().items() if not name.startswith(twice)}
    inputs = {
        "global_vectors": torch.zeros(2, widths.head),
        "style_statistics": torch.zeros(2, widths.style),
        "feature_maps": torch.zeros(2, REGIONS, widths.regions),
    }
    centre = torch.zeros(2, widths.global_width(config))
    contents = {
        files.WEIGHTS: save({name: each.contiguous() for name, each in weights.items()}),
        files.SCENE_GRAPH: _export(_SceneGraph(network), inputs, outputs),
        files.PRODUCT_GRAPH: _export(_ProductGraph(network), inputs | {"centres": centre}, ["product"]),
        files.CENTRES: write_arrays(centres=centres, overall=overall_centre, **mixing),
        files.TRAINED_ON: trained_on_file(scenes, products),
        files.CARD: card.encode(),
    }
    optional = {files.SUGGESTION: suggestion, files.SCENES: statistics}
    contents |= {name: content for name, content in optional.items() if content is not None}
    return write_folder(
        folder,
        contents,
        config=config,
        mixing=float(np.mean(mixing.get("mixing", config.effective_mixing))),
        temperature=temperature,
        **record,
    )


def write_popularity(
    counts: Mapping[str, int],
    folder: Path,
    *,
    config: ModelConfig,
    scenes: Iterable[str] = (),
    card: str = "",
    **record: Any,
) -> ModelRecord:
    """Write the folder of a popularity model.

    Args:
        counts: number of training pairs of each product id, at least 1.
        folder: created if it is missing.
        config: names the backbone, because the usable pairs of a set depend on it.
        scenes: ids of the scenes counted.
        card: the model card, in Markdown.
        record: as for `write_model`.
    """
    contents = {
        files.COUNTS: (json.dumps(dict(sorted(counts.items())), indent=0) + "\n").encode(),
        files.TRAINED_ON: trained_on_file(scenes, counts),
        files.CARD: card.encode(),
    }
    record |= {"mixing": config.effective_mixing, "temperature": None, "baseline": files.POPULARITY}
    return write_folder(folder, contents, (files.COUNTS,), config=config, **record)


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


def _export(module: nn.Module, inputs: Mapping[str, Tensor], outputs: list[str]) -> bytes:
    module.eval()
    graph = io.BytesIO()
    with torch.no_grad(), warnings.catch_warnings():
        # The tracing exporter makes the smallest graphs, but torch warns about its successor at every call.
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
