"""One answer closer: what the model saw, what it put first, and where the true product came."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from perfectlook.attribution import Attribution, attribute
from perfectlook.bundle import Model, SceneEmbedding
from perfectlook.datasets.crop import scene_rectangle
from perfectlook.features.setfeatures import SetFeatures
from perfectlook.model.popularity import Popularity
from perfectlook.protocol import Candidates
from perfectlook.report.placed import Placed
from perfectlook.types import Box, Float32Array, Float64Array, IntArray, Pair, Product, View

NEAREST = 5


@dataclass(frozen=True, slots=True)
class Parts:
    """What a distance is the sum of."""

    whole: float
    regions: float


@dataclass(frozen=True, slots=True)
class Answer:
    """A product and how far it lies.

    Attributes:
        product: of the set.
        distance: to the scene.
        parts: of the distance; None for a model that looks at no picture.
        is_true: whether it is the pair's product.
    """

    product: Product
    distance: float
    parts: Parts | None
    is_true: bool


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One pair as a page shows it.

    Attributes:
        placed: the pair and its rank.
        pair: with its box.
        view: the scene as the model sees it.
        beside: the rectangle of `view` in the whole picture, normalised; None for the whole picture.
        attention: over the regions of `view`, [49]; None for a model without.
        known_category: what stands in for the product's category; None when the model knows none.
        true: the pair's product.
        nearest: the nearest products among the candidates and the true one, nearest first.
        n_nearer: candidates nearer than the true product.
        n_as_near: candidates at the same distance.
        mean_distance: over the candidates and the true product.
        mean_parts: of that.
        seen_in_training: whether the product was in a pair that the model was trained on.
    """

    placed: Placed
    pair: Pair
    view: View
    beside: Box | None
    attention: Float32Array | None
    known_category: str | None
    true: Answer
    nearest: tuple[Answer, ...]
    n_nearer: int
    n_as_near: int
    mean_distance: float
    mean_parts: Parts | None
    seen_in_training: bool

    @property
    def category(self) -> str:
        """Of the product."""
        return self.placed.result.category


class Cases:
    """Looks closer at pairs of a set, with the distances and candidates that they were evaluated by."""

    def __init__(self, model: Model | Popularity, features: SetFeatures, placed: Sequence[Placed]) -> None:
        """Embed what the given pairs need; only these can be looked at."""
        indices = np.asarray([each.index for each in placed], np.int64)
        self._model = model
        self._features = features
        self._candidates = Candidates(features)
        self._distances = model.distances_over(features, indices)
        self._scenes: dict[int, SceneEmbedding] = {}
        self._vectors: Float32Array | None = None
        if isinstance(model, Model):
            self._scenes = model.scene_embeddings(features, indices)
            self._vectors = model.product_vectors(features)

    def of(self, placed: Placed) -> Case:
        """Look at one pair."""
        features, index = self._features, placed.index
        pair, scene_row = features.pairs[index], int(features.pair_scenes[index])
        true_row, category = int(features.pair_products[index]), placed.result.category
        in_category = self._candidates.category_rows(category)
        is_candidate = self._candidates.mask(pair.scene, category)
        rows = in_category[is_candidate | (in_category == true_row)]
        distances = self._distances(scene_row, category, rows)
        (place,) = np.flatnonzero(rows == true_row)
        found = _Found(features, rows, distances, int(place), self._attribution(scene_row, category, rows))
        others = np.delete(distances, place)
        view = features.scene_views[scene_row]
        return Case(
            placed=placed,
            pair=pair,
            view=view,
            beside=self._beside(pair, view),
            attention=self._attention(scene_row, category),
            known_category=self._known(category),
            true=found.answer(int(place)),
            nearest=tuple(found.answer(int(row)) for row in np.argsort(distances, kind="stable")[:NEAREST]),
            n_nearer=int(np.count_nonzero(others < distances[place])),
            n_as_near=int(np.count_nonzero(others == distances[place])),
            mean_distance=float(distances.mean()),
            mean_parts=found.mean_parts(),
            seen_in_training=pair.product in self._model.trained_on["products"],
        )

    def _attribution(self, scene_row: int, category: str, rows: IntArray) -> Attribution | None:
        if self._vectors is None:
            return None
        return attribute(self._scenes[scene_row], category, self._vectors[rows])

    def _attention(self, scene_row: int, category: str) -> Float32Array | None:
        scene = self._scenes.get(scene_row)
        return None if scene is None or scene.regions is None else scene.attention(category)

    def _known(self, category: str) -> str | None:
        return self._model.resolve(category).category if isinstance(self._model, Model) else category

    def _beside(self, pair: Pair, view: View) -> Box | None:
        if view.crop is None or pair.box is None:
            return None
        return scene_rectangle(pair.box, vertical_only=self._features.dataset.is_fashion)


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """The distances of a pair's candidates and its true product, and what they are made of."""

    features: SetFeatures
    rows: IntArray
    distances: Float64Array
    true_place: int
    attribution: Attribution | None

    def answer(self, place: int) -> Answer:
        product = self.features.dataset.products[self.features.product_ids[self.rows[place]]]
        parts = None if self.attribution is None else _parts(self.attribution.row(place))
        return Answer(product, float(self.distances[place]), parts, place == self.true_place)

    def mean_parts(self) -> Parts | None:
        return None if self.attribution is None else _parts(self.attribution.mean)


def _parts(one: Attribution) -> Parts:
    return Parts(float(one.whole[0]), float(one.regions.sum()))
