"""Products, sections and looks as the API says them: pictures are addresses of the API, never paths."""

import itertools
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote

import numpy as np

from perfectlook.catalogue import Record
from perfectlook.recommender import Answer, Look, Lookalikes, Recommender, Suggestion
from perfectlook.recommender.answers import DIGITS, SAID
from perfectlook.stores import Query
from perfectlook.types import REGION_COLUMNS, REGION_ROWS, Float32Array

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


Parts = Mapping[str, tuple[float, float]]


def picture_of(id_: str) -> str:
    """The address of a product's picture."""
    return f"/v1/products/{quote(id_, safe='')}/picture"


def record_json(id_: str, category: str, record: Record) -> dict[str, object]:
    """Return a product of the catalogue."""
    fields = {name: record.fields.get(name) for name in SAID}
    others = {name: text for name, text in record.fields.items() if name not in SAID}
    return {
        "id": id_,
        "category": category,
        "title": record.title,
        "picture": picture_of(id_),
        **fields,
        "fields": others,
    }


def product_json(product: Suggestion, usual: tuple[float, float] | None, *, why: bool) -> dict[str, object]:
    """Return a product at its rank."""
    said = {
        **dict.fromkeys(SAID),
        **product.as_json(DIGITS),
        "picture": picture_of(product.id),
        "rules": [rule.as_json() for rule in product.rules],
    }
    if why:
        said["why"] = shares(usual, product.distance_global, product.distance_local)
    return said


def answer_json(answer: Answer, usual: Parts, *, attention: bool) -> list[dict[str, object]]:
    """Return the sections of an answer."""
    sections = []
    for section in answer.sections:
        parts = usual.get(section.category)
        said: dict[str, object] = {
            "category": section.category,
            "suggested": None if section.suggested is None else round(section.suggested, DIGITS),
            "resolved": {"category": section.resolution.category, "how": section.resolution.how},
            "proven_exact": section.proven_exact,
            "products": [product_json(each, parts, why=True) for each in section.products],
        }
        if attention:
            weights = [round(weight, DIGITS) for weight in section.attention.tolist()]
            said["attention"] = {"rows": REGION_ROWS, "columns": REGION_COLUMNS, "weights": weights}
        sections.append(said)
    return sections


def look_json(look: Look, usual: Parts) -> dict[str, object]:
    """Return a look."""
    document = look.as_json()["look"]
    assert isinstance(document, dict)
    slots = []
    for slot, said in zip(look.slots, document["slots"], strict=True):
        parts = usual.get(slot.category)
        others = [
            {"objective": round(each.objective, DIGITS), **product_json(each.product, parts, why=True)}
            for each in slot.alternatives
        ]
        slots.append({**said, "product": product_json(slot.product, parts, why=True), "alternatives": others})
    return {**document, "slots": slots}


def similar_json(found: Lookalikes) -> list[dict[str, object]]:
    """Return the sections of look-alikes."""
    return [
        {
            "category": section.category,
            "proven_exact": section.proven_exact,
            "products": [_alike_json(each) for each in section.products],
        }
        for section in found.sections
    ]


def nearest_json(found: Lookalikes, k: int) -> list[dict[str, object]]:
    """Return the look-alikes of all categories, nearest first."""
    products = [
        {"category": section.category, **_alike_json(each)}
        for section in found.sections
        for each in section.products
    ]
    products.sort(key=lambda each: float(str(each["distance"])))
    return [{**each, "rank": rank} for rank, each in enumerate(products[:k], 1)]


def _alike_json(product: Suggestion) -> dict[str, object]:
    """A look-alike: its distance has no parts."""
    said = product_json(product, None, why=False)
    return {name: value for name, value in said.items() if name not in ("distance_global", "distance_local")}
