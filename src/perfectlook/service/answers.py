"""Products, sections and looks as the API says them: pictures are addresses of the API, never paths."""

import itertools
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

import numpy as np

from perfectlook.answers import (
    DETAILS,
    CatalogueProduct,
    Look,
    RankedProduct,
    Section,
    Similar,
    Why,
    details_of,
)
from perfectlook.catalogue import Record
from perfectlook.recommender import Recommender
from perfectlook.stores import Query
from perfectlook.types import Float32Array

if TYPE_CHECKING:
    from perfectlook.model.runtime import SceneEmbedding


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


Parts = Mapping[str, tuple[float, float]]


def why(usual: tuple[float, float] | None, whole: float, regions: float) -> Why:
    """Return how much of what makes a product nearer than usual is the whole scene's, and the regions'.

    The two sum to 1 where the product is nearer than usual in either part, and are 0 where it is in none.
    """
    if usual is None:
        return Why(whole=0.0, regions=0.0)
    gained = max(0.0, usual[0] - whole), max(0.0, usual[1] - regions)
    total = sum(gained)
    if total <= 0:
        return Why(whole=0.0, regions=0.0)
    first = round(gained[0] / total, 4)
    return Why(whole=first, regions=round(1 - first, 4))


def picture_of(id_: str) -> str:
    """The address of a product's picture."""
    return f"/v1/products/{quote(id_, safe='')}/picture"


def catalogue_product(id_: str, category: str, record: Record) -> CatalogueProduct:
    """Return a product of the catalogue."""
    others = {name: text for name, text in record.fields.items() if name not in DETAILS}
    details = {**details_of(record), "picture": picture_of(id_)}
    return CatalogueProduct(id=id_, category=category, **details, fields=others)


Product = TypeVar("Product", bound=RankedProduct)


def served(product: Product, usual: tuple[float, float] | None = None, **more: object) -> Product:
    """Return a product with the address of its picture, and why it is near where its distance has parts."""
    if product.distance_global is not None and product.distance_local is not None:
        more["why"] = why(usual, product.distance_global, product.distance_local)
    return product.model_copy(update={"picture": picture_of(product.id), **more})


def served_section(section: Section, usual: Parts, *, attention: bool) -> Section:
    """Return a section of an answer as a server gives it."""
    parts = usual.get(section.category)
    products = [served(each, parts) for each in section.products]
    shown = {} if attention else {"attention": None}
    return section.model_copy(update={"products": products, **shown})


def served_look(look: Look, usual: Parts) -> Look:
    """Return a look as a server gives it."""
    slots = []
    for slot in look.slots:
        parts = usual.get(slot.category)
        others = [served(each, parts) for each in slot.alternatives]
        slots.append(slot.model_copy(update={"product": served(slot.product, parts), "alternatives": others}))
    return look.model_copy(update={"slots": slots})


def served_similar(found: Similar, k: int) -> Similar:
    """Return similar products as a server gives them, with a list of the nearest `k` of all categories."""
    sections = [
        each.model_copy(update={"products": [served(product) for product in each.products]})
        for each in found.categories
    ]
    listed = [(section.category, product) for section in sections for product in section.products]
    listed.sort(key=lambda each: each[1].distance)
    products = [
        product.model_copy(update={"rank": rank, "category": category})
        for rank, (category, product) in enumerate(listed[:k], 1)
    ]
    product = found.product and found.product.model_copy(update={"picture": picture_of(found.product.id)})
    return found.model_copy(update={"product": product, "products": products, "categories": sections})
