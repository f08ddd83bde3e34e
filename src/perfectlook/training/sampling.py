"""Negatives: products of the true product's category that are not known to belong to the scene."""

import numpy as np

from perfectlook.features.setfeatures import SetFeatures
from perfectlook.types import BoolArray, IntArray


class NegativeSampler:
    """Draws negatives uniformly from the category of each pair's product.

    A product known to belong to the pair's scene, or to a copy of that scene, is never drawn. Pairs whose
    category has no other product are in `without_negatives` and cannot be trained on.

    Args:
        features: the set.
        indices: the pairs that will be asked for.
    """

    def __init__(self, features: SetFeatures, indices: IntArray) -> None:
        _, category = np.unique(np.asarray(features.product_categories), return_inverse=True)
        self._by_category = np.argsort(category, kind="stable")
        self._sizes = np.bincount(category)
        self._starts = np.cumsum(self._sizes) - self._sizes
        self._pair_category = category[features.pair_products]
        self._n_products = len(category)
        scenes = {scene: number for number, scene in enumerate(features.dataset.scenes)}
        self._pair_scene = np.asarray([scenes[pair.scene] for pair in features.pairs], np.int64)
        self._known = self._known_products(features, scenes)
        self.without_negatives = np.asarray([i for i in indices if not self._has_negative(i)], np.int64)

    def draw(self, indices: IntArray, count: int, generator: np.random.Generator) -> IntArray:
        """Rows of products, [pairs, count], drawn with replacement for pairs that have negatives."""
        drawn = self._draw_any(np.repeat(indices, count), generator)
        scenes = np.repeat(self._pair_scene[indices], count)
        while (wrong := self._is_known(scenes, drawn)).any():
            drawn[wrong] = self._draw_any(np.repeat(indices, count)[wrong], generator)
        return drawn.reshape(len(indices), count)

    def _draw_any(self, indices: IntArray, generator: np.random.Generator) -> IntArray:
        category = self._pair_category[indices]
        place = self._starts[category] + generator.integers(0, self._sizes[category])
        drawn: IntArray = self._by_category[place]
        return drawn

    def _is_known(self, scenes: IntArray, products: IntArray) -> BoolArray:
        codes = scenes * self._n_products + products
        found = np.searchsorted(self._known, codes)
        is_known: BoolArray = self._known[np.minimum(found, len(self._known) - 1)] == codes
        return is_known

    def _has_negative(self, index: int) -> bool:
        category = self._pair_category[index]
        start = self._starts[category]
        pool = self._by_category[start : start + self._sizes[category]]
        return not self._is_known(np.full(len(pool), self._pair_scene[index]), pool).all()

    def _known_products(self, features: SetFeatures, scenes: dict[str, int]) -> IntArray:
        """Sorted codes, scene number × products + product row, of all that is known to belong together."""
        rows = {product: row for row, product in enumerate(features.product_ids)}
        positives = features.dataset.positives
        codes: set[int] = set()
        for scene, number in scenes.items():
            for copy in (scene, *features.twins.get(scene, ())):
                known = (rows[product] for product in positives.get(copy, ()) if product in rows)
                codes.update(number * self._n_products + row for row in known)
        return np.asarray(sorted(codes), np.int64)
