"""A block finds exactly what brute force in float64 finds, and older blocks do not change."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perfectlook.stores.index import Block
from perfectlook.types import Float32Array


def block_of(vectors: Float32Array, capacity: int = 0) -> Block:
    return Block.empty(vectors.shape[1], capacity).extended(np.arange(len(vectors)) * 10, vectors)


def brute_force(vectors: Float32Array, query: Float32Array, k: int) -> list[tuple[float, int]]:
    """Return the k nearest and all ties with the k-th, as (distance, row)."""
    distances = np.sqrt(((vectors.astype(float) - query) ** 2).sum(axis=1))
    limit = np.sort(distances)[min(k, len(distances)) - 1]
    return sorted((float(d), i * 10) for i, d in enumerate(distances) if d <= limit)


def found(block: Block, query: Float32Array, k: int) -> list[tuple[float, int]]:
    near = block.nearest(query[None], [k])[0]
    assert np.all(np.diff(near.distances) >= 0)
    return sorted(zip(near.distances.tolist(), near.rows.tolist(), strict=True))


@pytest.mark.parametrize("count", [1, 9, 700, 5000])
@pytest.mark.parametrize(("scale", "offset"), [(1.0, 0.0), (1e-4, 50.0), (1e6, -3e6), (1e-20, 0.0)])
@pytest.mark.parametrize("k", [1, 10])
def test_a_block_finds_what_brute_force_finds(count: int, scale: float, offset: float, k: int) -> None:
    random = np.random.default_rng(count)
    vectors = (offset + scale * random.standard_normal((count, 16))).astype(np.float32)
    vectors[count // 2 :: 3] = vectors[0]  # many ties
    block = block_of(vectors)
    for query in (vectors[0], vectors[-1], (offset + scale * random.standard_normal(16)).astype(np.float32)):
        assert found(block, query, k) == brute_force(vectors, query, k)


@given(st.lists(st.integers(0, 6), min_size=1, max_size=900), st.integers(0, 6), st.integers(1, 3))
@settings(deadline=None)
def test_ties_with_the_last_place_are_all_returned(values: list[int], target: int, k: int) -> None:
    vectors = np.array(values, np.float32)[:, None]
    query = np.array([target], np.float32)
    assert found(block_of(vectors), query, k) == brute_force(vectors, query, k)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("count", [6, 3000])
def test_only_vectors_that_a_filter_keeps_are_found(count: int, share: float) -> None:
    random = np.random.default_rng(count)
    vectors = random.standard_normal((count, 4)).astype(np.float32)
    kept = random.random(count) < share
    block = block_of(vectors).without(np.array([0]))
    kept_block = block.only(kept)
    kept[0] = False
    near = kept_block.nearest(np.zeros((2, 4), np.float32), [2, count])
    expected = [i * 10 for i in np.argsort((vectors.astype(float) ** 2).sum(axis=1)) if kept[i]]
    assert [each.rows.tolist() for each in near] == [expected[:2], expected]
    assert kept_block.alive == kept.sum()
    assert len(block.nearest(np.zeros((1, 4), np.float32), [count])[0].rows) == count - 1


def test_older_blocks_do_not_see_changes_of_newer_ones() -> None:
    old = block_of(np.array([[1.0], [2.0]], np.float32), capacity=8)
    longer = old.extended(np.array([20, 30]), np.array([[0.5], [3.0]], np.float32))
    fewer = longer.without(np.array([0, 20]))
    again = fewer.extended(np.array([40]), np.array([[0.25]], np.float32))
    query = np.zeros(1, np.float32)
    assert found(old, query, 9) == [(1.0, 0), (2.0, 10)]
    assert found(longer, query, 9) == [(0.5, 20), (1.0, 0), (2.0, 10), (3.0, 30)]
    assert found(fewer, query, 9) == [(2.0, 10), (3.0, 30)]
    assert found(again, query, 9) == [(0.25, 40), (2.0, 10), (3.0, 30)]
    assert [b.alive for b in (old, longer, fewer, again)] == [2, 4, 2, 3]


def test_a_block_that_grows_within_its_capacity_shares_its_vectors() -> None:
    old = block_of(np.zeros((4, 2), np.float32), capacity=100)
    assert np.shares_memory(old.vectors, old.extended(np.array([50]), np.ones((1, 2), np.float32)).vectors)


def test_a_block_that_lost_more_than_a_quarter_is_packed() -> None:
    block = block_of(np.arange(100, dtype=np.float32)[:, None])
    assert block.without(np.arange(0, 200, 10)).size == 100
    assert block.without(np.arange(0, 300, 10)).size == 70


def test_removing_twice_or_missing_rows_changes_nothing() -> None:
    block = block_of(np.arange(10, dtype=np.float32)[:, None]).without(np.array([30]))
    assert block.without(np.array([30, 35, 1000])) is block


def test_an_empty_block_finds_nothing() -> None:
    query = np.zeros((1, 4), np.float32)
    emptied = block_of(np.ones((1, 4), np.float32)).without(np.array([0]))
    for block in (Block.empty(4), emptied):
        assert len(block.nearest(query, [3])[0].rows) == 0
    assert Block.empty(4).nearest(query[:0], []) == []
