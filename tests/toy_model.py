"""A model of fixed random projections with the interface of `Model`, for tests above it."""

import hashlib
from collections.abc import Sequence

import numpy as np

from perfectlook.backbones import FeatureBatch, describe_backbones, open_backbone
from perfectlook.errors import ModelError
from perfectlook.model.categories import CategorySuggester
from perfectlook.model.complements import Complements
from perfectlook.model.distances import Norm
from perfectlook.model.presence import Presence, Sight
from perfectlook.model.runtime import SceneEmbedding
from perfectlook.taxonomy import Resolution, resolve
from perfectlook.types import Float32Array

SHOES, BAGS = "Apparel & Accessories|Shoes", "Apparel & Accessories|Handbags, Wallets & Cases|Handbags"


class ToyModel:
    """An untrained, reproducible model with real distances and the right shapes."""

    backbone = "tiny"
    needs_product_maps = False
    suggester: CategorySuggester | None = None
    presence: Presence | None = None
    sight: Sight | None = None
    """What every photo shows."""
    far = False
    """Whether every photo is far from known scenes."""
    complements: Complements | None = None
    attention_holds: bool | None = None

    def __init__(
        self,
        norm: Norm = "squared_l2",
        *,
        categories: Sequence[str] = (SHOES, BAGS),
        seed: int = 0,
        dimension: int = 12,
        mixing: float = 0.4,
    ) -> None:
        self.name = f"toy-{seed}"
        self.identity = hashlib.sha256(f"{norm} {sorted(categories)} {seed} {dimension}".encode()).hexdigest()
        self.backbone_identity = open_backbone(self.backbone).identity
        self.norm = norm
        self.dimension = dimension
        self.categories = tuple(categories)
        self.mixing = mixing
        random = np.random.default_rng(seed)

        def weights(*shape: int) -> Float32Array:
            return random.standard_normal(shape).astype(np.float32)

        tiny = next(each for each in describe_backbones() if each.name == self.backbone)
        width = tiny.global_dimension + tiny.style_dimension
        self._to_scene, self._to_product = weights(width, dimension), weights(width, dimension)
        self._to_region, self._to_logit = (
            weights(tiny.map_channels, dimension),
            weights(tiny.map_channels, len(categories)),
        )
        self.overall_centre = 0.1 * weights(width)
        self.centres = {category: 0.1 * weights(width) for category in categories}

    def check_backbone(self, identity: str) -> None:
        if identity != self.backbone_identity:
            raise ModelError(f"{self.name}: made for {self.backbone_identity}, not {identity}")

    def require_complements(self) -> Complements:
        if self.complements is None:
            raise ModelError(f"{self.name}: no complements")
        return self.complements

    def see(self, batch: FeatureBatch) -> Sight | None:
        return self.sight

    def is_far(self, batch: FeatureBatch) -> bool:
        return self.far

    def resolve(self, category: str) -> Resolution:
        return resolve(category, self.categories)

    def centre(self, category: str) -> Float32Array:
        known = self.resolve(category).category
        return self.overall_centre if known is None else self.centres[known]

    def product_inputs(self, batch: FeatureBatch) -> Float32Array:
        return np.concatenate([batch.global_vectors, batch.style_statistics], axis=1)

    def embed_products(self, batch: FeatureBatch, centres: Float32Array) -> Float32Array:
        return _unit((self.product_inputs(batch) - centres) @ self._to_product)

    def embed_scene(self, batch: FeatureBatch) -> SceneEmbedding:
        return SceneEmbedding(
            scene=_unit(self.product_inputs(batch) @ self._to_scene)[0],
            regions=_unit(batch.feature_maps[0] @ self._to_region),
            attention_logits=(batch.feature_maps[0] @ self._to_logit).T,
            categories=self.categories,
            mixing=self.mixing,
            norm=self.norm,
        )


def _unit(vectors: Float32Array) -> Float32Array:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
