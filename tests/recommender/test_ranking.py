"""The ranking of a category is that of the definition, computed slowly over all products."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from perfectlook.bundle import SceneEmbedding
from perfectlook.catalogue import Record
from perfectlook.distances import HybridDistances, Norm
from perfectlook.recommender.ranking import Ranked, Ranking
from perfectlook.stores import MemoryStore, Point
from perfectlook.types import REGIONS, Float32Array

CATEGORY = "Furniture|Chairs"
D = 16


def scene(norm: Norm, seed: int = 0, *, spread: float = 1.0, mixing: float = 0.4) -> SceneEmbedding:
    random = np.random.default_rng(seed)
    centre = random.standard_normal(D)
    return SceneEmbedding(
        scene=unit(centre + spread * random.standard_normal(D)),
        regions=unit(centre + spread * random.standard_normal((REGIONS, D))),
        attention_logits=(3 * random.standard_normal((1, REGIONS))).astype(np.float32),
        categories=(CATEGORY,),
        mixing=mixing,
        norm=norm,
    )


def unit(vectors: np.ndarray) -> Float32Array:
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def record(picture: str, dhash: int | None = None) -> Record:
    sha256 = hashlib.sha256(picture.encode()).hexdigest()
    return Record(picture, picture, 9, 9, sha256, sha256 if dhash is None else f"{dhash:064x}", "")


def store_of(points: list[Point]) -> MemoryStore:
    store = MemoryStore()
    store.create_collection("c", D)
    store.write_manifest({}, active="c")
    store.upsert(points)
    return store


def points_of(vectors: Float32Array) -> list[Point]:
    return [Point(f"{i:05}", CATEGORY, v, record(f"{i}").payload()) for i, v in enumerate(vectors)]


def ranked(
    embedding: SceneEmbedding, store: MemoryStore, k: int, *, variety: bool = False
) -> tuple[list[Ranked], int]:
    """The ranking, and how many products it retrieved at most."""
    ranking = Ranking(embedding, CATEGORY, k, norm=embedding.norm, variety=variety)
    retrieved = 0
    while not ranking.done:
        (hits,) = store.search([ranking.query])
        retrieved = len(hits)
        ranking.take(hits)
    return ranking.products, retrieved


def by_definition(embedding: SceneEmbedding, vectors: Float32Array) -> list[tuple[float, str]]:
    """w‖f_s - f_p‖ + (1 - w) Σ a_i ‖f_i - f_p‖, squared or not, of every product, in float64, sorted."""
    power = 2 if embedding.norm == "squared_l2" else 1
    logits = embedding.attention_logits[0].astype(float)
    attention = np.exp(logits) / np.exp(logits).sum()
    found = []
    for number, vector in enumerate(vectors.astype(float)):
        whole = np.linalg.norm(embedding.scene - vector) ** power
        to_regions = np.linalg.norm(embedding.regions - vector, axis=1) ** power
        total = embedding.mixing * whole + (1 - embedding.mixing) * (attention * to_regions).sum()
        found.append((float(total), f"{number:05}"))
    return sorted(found)


@pytest.mark.parametrize("norm", ["l2", "squared_l2"])
@pytest.mark.parametrize("spread", [0.1, 1.0, 5.0])
@pytest.mark.parametrize("seed", [1, 2])
def test_it_is_the_ranking_of_the_definition(norm: Norm, spread: float, seed: int) -> None:
    embedding = scene(norm, seed, spread=spread)
    vectors = unit(np.random.default_rng(seed).standard_normal((700, D)))
    expected = by_definition(embedding, vectors)
    store = store_of(points_of(vectors))
    for k in (1, 10, 100, 2000):
        products, _ = ranked(embedding, store, k)
        assert [product.id for product in products] == [id_ for _, id_ in expected[:k]]
        np.testing.assert_allclose([p.total for p in products], [d for d, _ in expected[:k]], rtol=1e-5)
        np.testing.assert_allclose(
            [p.from_global + p.from_local for p in products], [p.total for p in products], rtol=1e-6
        )


def test_with_squared_norms_little_more_than_k_is_retrieved() -> None:
    embedding = scene("squared_l2")
    vectors = unit(np.random.default_rng(3).standard_normal((3000, D)))
    assert ranked(embedding, store_of(points_of(vectors)), 10)[1] == 18


def test_with_plain_norms_as_much_is_retrieved_as_the_bound_needs() -> None:
    vectors = unit(np.random.default_rng(3).standard_normal((3000, D)))
    store = store_of(points_of(vectors))
    narrow, wide = scene("l2", spread=0.05), scene("l2", spread=3.0)
    assert ranked(narrow, store, 10)[1] == 58
    products, retrieved = ranked(wide, store, 10)
    assert retrieved > 58
    # The nearest to the query point are not the nearest: without the bound the answer would be wrong.
    (hits,) = store.search([Ranking(wide, CATEGORY, 2, norm="l2", variety=False).query])
    assert [hit.id for hit in hits[:10]] != [product.id for product in products]


@pytest.mark.parametrize("norm", ["l2", "squared_l2"])
def test_equal_distances_are_ordered_by_id(norm: Norm) -> None:
    embedding = scene(norm)
    points = points_of(np.repeat(unit(np.random.default_rng(5).standard_normal((7, D))), 40, axis=0))
    shuffled = [points[i] for i in np.random.default_rng(6).permutation(len(points))]
    products, _ = ranked(embedding, store_of(shuffled), 100)
    assert len({product.total for product in products}) == 3
    assert [(p.total, p.id) for p in products] == sorted((p.total, p.id) for p in products)
    first = [product.id for product in products if product.total == products[0].total]
    assert first == [f"{i:05}" for i in range(int(first[0]), int(first[0]) + 40)]


class RowwiseRounding(SceneEmbedding):
    """Rounds each row of a batch differently, as a matrix product may."""

    def distances(self, category: str, vectors: Float32Array) -> HybridDistances:
        found = super().distances(category, vectors)
        noise = 1e-6 * np.random.default_rng(1).random(len(vectors))
        return HybridDistances(found.total + noise, found.from_global + noise, found.from_local)


def test_equal_vectors_tie_however_a_matrix_product_rounds_their_rows() -> None:
    plain = scene("l2")
    noisy = RowwiseRounding(**vars(plain))
    same = unit(np.random.default_rng(5).standard_normal((1, D)))
    products, _ = ranked(noisy, store_of(points_of(np.repeat(same, 30, axis=0))), 12)
    assert [product.id for product in products] == [f"{i:05}" for i in range(12)]


@pytest.mark.parametrize("norm", ["l2", "squared_l2"])
def test_variety_passes_over_copies_and_fills_up_from_behind(norm: Norm) -> None:
    embedding = scene(norm)
    vectors = unit(np.random.default_rng(5).standard_normal((300, D)))
    order = [id_ for _, id_ in by_definition(embedding, vectors)]
    points = {point.id: point for point in points_of(vectors)}

    def disguise(place: int, what: Record) -> None:
        points[order[place]] = replace(points[order[place]], payload=what.payload())

    bits = (1 << 256) - 1
    disguise(0, record("a", dhash=0))
    for place in range(1, 150):  # the same picture under other ids, all over the first half
        disguise(place, record("a", dhash=bits))
    disguise(150, record("b", dhash=0b11_1111_1111))  # ten bits from the first: a copy
    disguise(151, record("c", dhash=0b111_1111_1111 << 99))  # eleven bits: not one
    disguise(152, record("d", dhash=0b1111 << 99))  # seven bits from that one, which is shown
    disguise(153, record("e", dhash=0b111 << 200 | 0b1111_1111 << 99))  # six bits from c
    store = store_of(list(points.values()))
    products, _ = ranked(embedding, store, 4, variety=True)
    assert [product.id for product in products] == [order[0], order[151], order[154], order[155]]
    assert [product.id for product in ranked(embedding, store, 4)[0]] == order[:4]


def test_an_empty_category_is_done_at_once() -> None:
    products, retrieved = ranked(scene("l2"), store_of([]), 5)
    assert (products, retrieved) == ([], 0)
