"""The approximate index is optional, built in the background, and selects candidates for exact distances."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from perfectlook.errors import UsageError
from perfectlook.stores import Hits, Point, Query, open_store
from perfectlook.stores.filters import Not, OneOf, parse_filter
from perfectlook.stores.index import ApproximateIndex, Block
from perfectlook.stores.sqlite import EmbeddedStore
from perfectlook.types import Float32Array

pytest.importorskip("faiss")

COUNT = 3000


def drawn(count: int = COUNT, seed: int = 0) -> Float32Array:
    return np.random.default_rng(seed).standard_normal((count, 8), dtype=np.float32)


def point(number: int, vector: Float32Array, category: str = "Shoes") -> Point:
    return Point(f"{number:05}", category, vector, {"fields": {"price": f"{number} EUR"}})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    store = EmbeddedStore.open(tmp_path / "c", create=True)
    store.create_collection("a", 8)
    store.write_manifest({}, active="a")
    store.upsert([point(i, vector) for i, vector in enumerate(drawn())])
    store.upsert([point(90_000 + i, vector, "Bags") for i, vector in enumerate(drawn(50, 1))])
    store.close()
    return tmp_path / "c"


@pytest.fixture
def store(folder: Path) -> Iterator[EmbeddedStore]:
    store = EmbeddedStore.open(folder, approximate_above=1000)
    yield store
    store.close()


def ask(store: EmbeddedStore, vector: Float32Array, **options: object) -> Hits:
    return store.search([Query(vector, 10, frozenset({"Shoes"}), **options)])[0]  # type: ignore[arg-type]


def ids(hits: Hits) -> list[str]:
    return [product.id for product in hits.products]


def test_the_index_is_optional_and_is_not_called_exact(folder: Path, store: EmbeddedStore) -> None:
    exact = EmbeddedStore.open(folder)
    assert (exact.exact, store.exact) == (True, False)
    assert exact.indexes is None
    exact.close()


def test_answers_are_exact_before_and_nearly_exact_after_the_build(
    folder: Path, store: EmbeddedStore
) -> None:
    exact = EmbeddedStore.open(folder)
    queries = drawn(40, 2)
    assert ids(ask(store, queries[0])) == ids(ask(exact, queries[0]))
    assert store.indexes is not None
    [(key, recall)] = store.indexes.settle().items()
    assert key[1] == "Shoes"  # the few bags have no index
    assert recall >= 0.95
    same = 0
    for query in queries:
        near, true = ask(store, query), ask(exact, query)
        distances = dict(zip(ids(true), true.distances, strict=True))
        assert all(distances.get(id_, d) == d for id_, d in zip(ids(near), near.distances, strict=True))
        assert near.distances.tolist() == sorted(near.distances)
        same += len(set(ids(near)) & set(ids(true)))
    assert same >= 0.9 * 10 * len(queries)
    exact.close()


def test_filters_work_with_the_index(store: EmbeddedStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perfectlook.stores.index._WORTH_IT", 10)
    query = drawn(1, 3)[0]
    ask(store, query)
    assert store.indexes is not None
    store.indexes.settle()
    first = ids(ask(store, query))
    assert not set(first[:5]) & set(ids(ask(store, query, where=Not(OneOf("id", tuple(first[:5]))))))
    cheap = ids(ask(store, query, where=parse_filter("price < 600 EUR")))
    assert len(cheap) == 10
    assert max(map(int, cheap)) < 600


def test_new_products_are_found_and_deleted_ones_are_not(store: EmbeddedStore) -> None:
    query = drawn(1, 4)[0]
    ask(store, query)
    assert store.indexes is not None
    store.indexes.settle()
    [nearest, *_] = ids(ask(store, query))
    store.delete([nearest])
    store.upsert([point(70_000, query)])
    hits = ask(store, query)
    assert (ids(hits)[0], hits.distances[0]) == ("70000", 0.0)
    assert nearest not in ids(hits)


def test_an_index_serves_blocks_that_begin_with_its_vectors() -> None:
    block = Block.empty(8).extended(np.arange(COUNT), drawn())
    index = ApproximateIndex.build(block)
    assert index.serves(block.extended(np.array([COUNT]), drawn(1)))
    assert index.serves(block.without(np.array([0])))
    packed = block.without(np.arange(COUNT // 2))
    assert packed.size == COUNT // 2
    assert not index.serves(packed)
    assert not index.serves(packed.extended(np.arange(COUNT, 2 * COUNT), drawn()))


def test_few_products_kept_by_a_filter_are_scanned() -> None:
    block = Block.empty(8).extended(np.arange(COUNT), drawn())
    index = ApproximateIndex.build(block)
    few = np.zeros(COUNT, bool)
    few[[5, 7]] = True
    assert index.candidates(drawn(1)[0], 10, block.only(few)) is None


def test_a_large_k_is_scanned() -> None:
    block = Block.empty(8).extended(np.arange(COUNT), drawn())
    assert ApproximateIndex.build(block).candidates(drawn(1)[0], 1000, block) is None


def test_a_plain_path_opens_the_exact_store(folder: Path) -> None:
    store = open_store(folder)
    assert store.exact
    store.close()


def test_the_index_is_requested_when_a_store_is_opened(tmp_path: Path):
    with closing(open_store(tmp_path / "own", create=True, approximate_above=1000)) as store:
        assert not store.exact
    with closing(open_store(tmp_path / "own")) as store:
        assert store.exact


def test_milvus_has_its_own_indexes():
    with pytest.raises(UsageError, match=r"index=HNSW"):
        open_store("milvus+http://localhost/shop", create=True, approximate_above=1000)
