"""The usual distance of a category: what a product's parts are held against to say why it is near."""

import itertools
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from perfectlook.recommender import Recommender
from perfectlook.stores import Query
from perfectlook.types import Float32Array

if TYPE_CHECKING:
    from perfectlook.bundle import SceneEmbedding

DIRECTIONS, OF_EACH = 4, 4
"""A category's sample: so many products nearest to each of so many points drawn at random."""


class Usual:
    """Mean distances of categories to a scene, of a sample of their products that is drawn once."""

    def __init__(self, recommender: Recommender) -> None:
        """Draw nothing yet."""
        self._recommender = recommender
        self._samples: dict[str, Float32Array] = {}
        self._lock = threading.Lock()

    def parts(self, scene: "SceneEmbedding", categories: Sequence[str]) -> dict[str, tuple[float, float]]:
        """Return for each category the mean of d_global and of d_local over its sample."""
        found = {}
        for category, vectors in self._drawn(categories).items():
            if len(vectors):
                distances = scene.distances(category, vectors)
                found[category] = float(distances.from_global.mean()), float(distances.from_local.mean())
        return found

    def forget(self) -> None:
        """Draw anew: the products are others."""
        with self._lock:
            self._samples = {}

    def _drawn(self, categories: Sequence[str]) -> dict[str, Float32Array]:
        with self._lock:  # or two requests at once might hold products against two different samples
            missing = [category for category in categories if category not in self._samples]
            if missing:
                self._samples |= self._draw(missing)
            return {category: self._samples[category] for category in categories}

    def _draw(self, categories: Sequence[str]) -> dict[str, Float32Array]:
        model, catalogue = self._recommender.model, self._recommender.catalogue
        points = np.random.default_rng(0).standard_normal((DIRECTIONS, model.dimension), np.float32)
        points /= np.linalg.norm(points, axis=1, keepdims=True)
        queries = [Query(point, OF_EACH, frozenset({name})) for name in categories for point in points]
        hits = iter(catalogue.search(queries, model))
        drawn = {}
        for name in categories:
            vectors = {hit.id: hit.vector for found in itertools.islice(hits, DIRECTIONS) for hit in found}
            drawn[name] = np.stack(list(vectors.values())) if vectors else np.empty((0, 0), np.float32)
        return drawn


def shares(usual: tuple[float, float] | None, whole: float, regions: float) -> dict[str, float]:
    """Return how much of what makes a product nearer than usual is the whole scene's, and the regions'.

    The two sum to 1 where the product is nearer than usual in either part, and are 0 where it is in none.
    """
    if usual is None:
        return {"whole": 0.0, "regions": 0.0}
    gained = max(0.0, usual[0] - whole), max(0.0, usual[1] - regions)
    total = sum(gained)
    if total <= 0:
        return {"whole": 0.0, "regions": 0.0}
    first = round(gained[0] / total, 4)
    return {"whole": first, "regions": round(1 - first, 4)}
