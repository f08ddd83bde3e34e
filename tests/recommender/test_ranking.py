"""The ranking of a category equals the definition, computed over all products."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from memory_store import MemoryStore
from perfectlook.catalogue import Record
from perfectlook.model.distances import HybridDistances, Norm
from perfectlook.model.runtime import SceneEmbedding
from perfectlook.recommender.ranking import Measured, Ranking
from perfectlook.stores import Point
from perfectlook.types import Float32Array
from scenes import CATEGORY, D, by_definition, scene, store_of, unit


def record(picture: str, dhash: int | None = None) -> Record:
    sha256 = hashlib.sha256(picture.encode()).hexdigest()
    return Record(picture, picture, 9, 9, sha256, sha256 if dhash is None else f"{dhash:064x}", "")


def points_of(vectors: Float32Array) -> list[Point]:
    return [Point(f"{i:05}", CATEGORY, v, record(f"{i}").payload()) for i, v in enumerate(vectors)]


def ranked(
    embedding: SceneEmbedding, store: MemoryStore, k: int, *, variety: bool = False
) -> tuple[Measured, int]:
    """Return the ids of the ranking, and how many products its largest search retrieved."""
    ranking = Ranking(embedding, CATEGORY, k, norm=embedding.norm, variety=variety)
    retrieved = 0
    more = True
    while more:
        (hits,) = store.search(ranking.search.queries)
        retrieved = len(hits)
        ranking.search.take([hits])
        more = ranking.update()
    return ranking.measured.take(ranking.rows), retrieved


@pytest.mark.parametrize("norm", ["l2", "squared_l2"])
@pytest.mark.parametrize("spread", [0.1, 1.0, 5.0])
@pytest.mark.parametrize("seed", [1, 2])
def test_the_ranking_equals_the_definition(norm: Norm, spread: float, seed: int) -> None:
    embedding = scene(norm, seed, spread=spread)
    vectors = unit(np.random.default_rng(seed).standard_normal((700, D)))
    expected = by_definition(embedding, vectors)
    store = store_of(points_of(vectors))
    for k in (1, 10, 100, 2000):
        products, _ = ranked(embedding, store, k)
        assert products.ids == [id_ for _, id_ in expected[:k]]
        np.testing.assert_allclose(products.distances, [d for d, _ in expected[:k]], rtol=1e-5)
        np.testing.assert_allclose(products.wholes + products.regions, products.distances, rtol=1e-6)


def test_with_squared_norms_few_more_than_k_products_are_retrieved() -> None:
    embedding = scene("squared_l2")
    vectors = unit(np.random.default_rng(3).standard_normal((3000, D)))
    assert ranked(embedding, store_of(points_of(vectors)), 10)[1] == 18


def test_with_plain_norms_the_bound_decides_how_many_are_retrieved() -> None:
    vectors = unit(np.random.default_rng(3).standard_normal((3000, D)))
    store = store_of(points_of(vectors))
    narrow, wide = scene("l2", spread=0.05), scene("l2", spread=3.0)
    assert ranked(narrow, store, 10)[1] == 58
    products, retrieved = ranked(wide, store, 10)
    assert retrieved > 58
    # The products nearest to the query point are not the nearest to the scene, so the bound matters.
    (hits,) = store.search(Ranking(wide, CATEGORY, 2, norm="l2", variety=False).search.queries)
    assert [product.id for product in hits.products[:10]] != products.ids


@pytest.mark.parametrize("norm", ["l2", "squared_l2"])
def test_equal_distances_are_ordered_by_id(norm: Norm) -> None:
    embedding = scene(norm)
    points = points_of(np.repeat(unit(np.random.default_rng(5).standard_normal((7, D))), 40, axis=0))
    shuffled = [points[i] for i in np.random.default_rng(6).permutation(len(points))]
    products, _ = ranked(embedding, store_of(shuffled), 100)
    assert len(set(products.distances)) == 3
    ranked_pairs = list(zip(products.distances, products.ids, strict=True))
    assert ranked_pairs == sorted(ranked_pairs)
    first = [id_ for total, id_ in ranked_pairs if total == products.distances[0]]
    assert first == [f"{i:05}" for i in range(int(first[0]), int(first[0]) + 40)]


class RowwiseRounding(SceneEmbedding):
    """A scene that rounds each row of a batch differently, as a matrix product may."""

    def distances(self, category: str, vectors: Float32Array) -> HybridDistances:
        found = super().distances(category, vectors)
        noise = 1e-6 * np.random.default_rng(1).random(len(vectors))
        return HybridDistances(found.total + noise, found.from_global + noise, found.from_local)


def test_equal_vectors_have_equal_distances() -> None:
    plain = scene("l2")
    noisy = RowwiseRounding(**vars(plain))
    same = unit(np.random.default_rng(5).standard_normal((1, D)))
    products, _ = ranked(noisy, store_of(points_of(np.repeat(same, 30, axis=0))), 12)
    assert products.ids == [f"{i:05}" for i in range(12)]


@pytest.mark.parametrize("norm", ["l2", "squared_l2"])
def test_variety_skips_copies_and_shows_the_next_products(norm: Norm) -> None:
    embedding = scene(norm)
    vectors = unit(np.random.default_rng(5).standard_normal((300, D)))
    order = [id_ for _, id_ in by_definition(embedding, vectors)]
    points = {point.id: point for point in points_of(vectors)}

    def disguise(place: int, what: Record) -> None:
        points[order[place]] = replace(points[order[place]], payload=what.payload())

    disguise(0, record("a"))
    for place in range(1, 150):  # the same picture with other ids, in the first half
        disguise(place, record("a"))
    disguise(150, record("b", dhash=0))
    disguise(151, record("c", dhash=0b11_1111_1111))  # the same outline, but distant vectors
    disguise(152, replace(record("d"), fields={"item_group_id": "7"}))
    disguise(153, replace(record("e"), fields={"item_group_id": "7"}))  # a variant
    store = store_of(list(points.values()))
    products, _ = ranked(embedding, store, 5, variety=True)
    assert products.ids == [order[at] for at in (0, 150, 151, 152, 154)]
    assert ranked(embedding, store, 5)[0].ids == order[:5]


def test_an_empty_category_has_an_empty_ranking() -> None:
    products, retrieved = ranked(scene("l2"), store_of([]), 5)
    assert (products.ids, retrieved) == ([], 0)
