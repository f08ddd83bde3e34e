"""Photos as if they were products, to look for others like them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from perfectlook.catalogue.manifest import Generation
from perfectlook.model.runtime import SceneEmbedding
from perfectlook.types import Float32Array

if TYPE_CHECKING:
    from perfectlook.backbones import FeatureBatch
    from perfectlook.model.runtime import Model

NEAREST_CATEGORIES = 3
"""How many categories a photo is looked for in where none are named."""


def point_scene(vector: Float32Array) -> SceneEmbedding:
    """Return a scene that is nothing but a point [d]: distances to it are ‖vector - f_p‖."""
    return SceneEmbedding(vector, None, None, (), 1.0, "l2")


def as_product(
    features: "FeatureBatch", model: "Model", generation: Generation, categories: Sequence[str]
) -> dict[str, Float32Array]:
    """Embed a photo as a product of each category would be, around the catalogue's centre: f_p [d] each."""
    return {
        category: model.embed_products(features, _centre(generation, model, category)[None])[0]
        for category in categories
    }


def nearest_categories(
    features: "FeatureBatch", model: "Model", generation: Generation, counts: Mapping[str, int]
) -> list[str]:
    """The categories whose centres the photo's features are nearest to, nearest first.

    Every feature is divided by its standard deviation over the centres plus the median of all features' ones:
    none counts for its scale alone, and none that hardly differs between the centres counts much.
    """
    names = sorted(counts)
    if not names:
        return []
    centres = np.stack([_centre(generation, model, name) for name in names]).astype(np.float64)
    deviations = centres.std(axis=0)
    scales = deviations + np.median(deviations)
    told = scales > 0
    difference = (centres - model.product_inputs(features)[0])[:, told] / scales[told]
    order = np.argsort((difference**2).sum(axis=1), kind="stable")
    return [names[place] for place in order[:NEAREST_CATEGORIES]]


def _centre(generation: Generation, model: "Model", category: str) -> Float32Array:
    known = generation.centres.get(category)
    return model.centre(category) if known is None else known
