"""Explain why a product is shown: the parts of its distance, compared with other products."""

import itertools
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from perfectlook.answers import Contribution, ExplainedProduct, Why, details_of
from perfectlook.catalogue import Catalogue, Record
from perfectlook.errors import UsageError
from perfectlook.model.attribution import Attribution, attribute
from perfectlook.recommender.reasons import Reasons
from perfectlook.stores import Hits, Query
from perfectlook.types import Float32Array

if TYPE_CHECKING:
    from perfectlook.model.runtime import Model, SceneEmbedding

DIRECTIONS, OF_EACH = 4, 4
"""A category's sample consists of the `OF_EACH` products nearest to each of `DIRECTIONS` random points."""
FRESH_SECONDS = 600.0
"""How long a sample is used. A sync by another process may change the products."""


def explained_products(
    scene: "SceneEmbedding",
    category: str,
    hits: Hits,
    k: int,
    ids: Sequence[str] | None,
    explainer: "Explainer",
) -> tuple[list[ExplainedProduct], float]:
    """Explain the distances of some products of a category. Return the category's mean distance with them.

    Args:
        scene: the embedded scene.
        category: a category of the catalogue.
        hits: all products of the category.
        k: how many of the nearest products to explain, unless `ids` are given.
        ids: the ids of the products to explain.
        explainer: what says why a product is shown.

    Raises:
        UsageError: a product is not in the category.
    """
    parts = attribute(scene, category, hits.vectors)
    distances, mean = parts.total, parts.mean
    found = [product.id for product in hits.products]
    order = sorted(range(len(found)), key=lambda row: (distances[row], found[row]))
    place_of = {found[row]: (rank, row) for rank, row in enumerate(order, 1)}
    explained = []
    for name in ids or list(place_of)[:k]:
        if name not in place_of:
            raise UsageError(
                f"product '{name}': not in the category {category} of the catalogue. Choose an id that "
                "`perfectlook complete --all` prints."
            )
        rank, row = place_of[name]
        own, record = parts.row(row), Record.from_payload(name, hits.products[row].payload)
        given = _parts(own)
        given |= explainer.of(
            category, hits.products[row].payload, given["distance_global"], given["distance_local"]
        )
        explained.append(
            ExplainedProduct(
                rank=rank,
                id=name,
                **details_of(record.title, record.picture, record.fields),
                **given,
                relative=Contribution(**_parts(own.less(mean))),
            )
        )
    return explained, float(mean.total[0])


def _parts(parts: Attribution) -> dict[str, Any]:
    """Return the parts of one product's distance."""
    return {
        "distance": float(parts.total[0]),
        "distance_global": float(parts.whole[0]),
        "distance_local": float(parts.regions.sum()),
        "regions": parts.regions[0].tolist(),
        "parts": {name: float(part[0]) for name, part in parts.parts.items()},
    }


def why(usual: tuple[float, float] | None, whole: float, regions: float) -> Why:
    """Return the shares of the global and the local distance in how much nearer a product is than usual.

    Args:
        usual: the mean global and local distance of the category, if known.
        whole: the product's global distance.
        regions: its local distance.
    """
    gained = (max(0.0, usual[0] - whole), max(0.0, usual[1] - regions)) if usual else (0.0, 0.0)
    total = sum(gained)
    if total <= 0:
        return Why(whole=0.0, regions=0.0)
    first = round(gained[0] / total, 4)
    return Why(whole=first, regions=round(1 - first, 4))


class UsualDistances:
    """The mean distances of categories to a scene, over a sample of their products. Thread-safe."""

    def __init__(
        self, catalogue: Catalogue, model: "Model", clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Start without samples. They are drawn on first use."""
        self._catalogue = catalogue
        self._model = model
        self._clock = clock
        self._drawn_at = 0.0
        self._samples: dict[str, Float32Array] = {}
        self._lock = threading.Lock()

    def parts(self, scene: "SceneEmbedding", categories: Sequence[str]) -> dict[str, tuple[float, float]]:
        """Return the mean global and local distance of each category that has products.

        Raises:
            CatalogueError: the catalogue fails, or has been switched to another model.
        """
        found = {}
        for category, vectors in self._sampled(categories).items():
            if len(vectors):
                distances = scene.distances(category, vectors)
                found[category] = float(distances.from_global.mean()), float(distances.from_local.mean())
        return found

    def forget(self) -> None:
        """Drop the samples. Call this when the products have changed."""
        with self._lock:
            self._samples = {}

    def _sampled(self, categories: Sequence[str]) -> dict[str, Float32Array]:
        with self._lock:  # concurrent requests compare with the same sample
            if self._clock() - self._drawn_at > FRESH_SECONDS:
                self._samples, self._drawn_at = {}, self._clock()
            missing = [category for category in categories if category not in self._samples]
            if missing:
                self._samples |= self._draw(missing)
            return {category: self._samples[category] for category in categories}

    def _draw(self, categories: Sequence[str]) -> dict[str, Float32Array]:
        points = np.random.default_rng(0).standard_normal((DIRECTIONS, self._model.dimension), np.float32)
        points /= np.linalg.norm(points, axis=1, keepdims=True)
        queries = [Query(point, OF_EACH, frozenset({name})) for name in categories for point in points]
        hits = iter(self._catalogue.search(queries, self._model))
        drawn = {}
        for name in categories:
            found = list(itertools.islice(hits, DIRECTIONS))
            vectors = {
                product.id: vector
                for some in found
                for product, vector in zip(some.products, some.vectors, strict=True)
            }
            drawn[name] = np.stack(list(vectors.values())) if vectors else np.empty((0, 0), np.float32)
        return drawn


class Explainer:
    """Says why products are shown for one photo or one product: the reason, and for a photo the shares."""

    def __init__(
        self, reasons: Reasons, usual: UsualDistances | None = None, scene: "SceneEmbedding | None" = None
    ) -> None:
        """Use the reasons of a request. Distances have parts if there is a scene and its usual distances."""
        self._reasons = reasons
        self._usual = usual
        self._scene = scene
        self._parts: dict[str, tuple[float, float] | None] = {}

    def of(self, category: str, record: Mapping[str, Any], whole: float, regions: float) -> dict[str, Any]:
        """Return the fields of a `RankedProduct` that say why it is shown.

        Args:
            category: the product's category.
            record: its record in the catalogue.
            whole: the part of its distance that comes from the whole scene.
            regions: the part that comes from the scene's regions.
        """
        found: dict[str, Any] = {}
        if (reason := self._reasons.of(record)) is not None:
            found["reason"] = reason
        if self._scene is None or self._usual is None:
            return found
        if category not in self._parts:
            self._parts[category] = self._usual.parts(self._scene, [category]).get(category)
        shares = why(self._parts[category], whole, regions)
        return found | {"distance_global": whole, "distance_local": regions, "why": shares}
