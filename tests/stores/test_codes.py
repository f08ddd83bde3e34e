"""Codes are near what they stand for, by no more than they say; and they follow an array that grows."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from perfectlook.stores.codes import Codes, are_worth_it, encoded, rough_products
from perfectlook.types import Float32Array


def vectors_of(count: int, dimension: int = 24, seed: int = 0) -> Float32Array:
    return np.random.default_rng(seed).standard_normal((count, dimension), dtype=np.float32)


def decoded(codes: np.ndarray, steps: np.ndarray) -> np.ndarray:
    return codes.astype(float) * steps.astype(float)[:, None]


def test_the_largest_value_of_a_vector_is_127_steps():
    codes, steps, left_out = encoded(np.array([[254, -127, 1.2, 0]], np.float32))

    assert codes.tolist() == [[127, -64, 1, 0]]  # halves go to the even neighbour
    assert steps.tolist() == [2.0]
    assert left_out == pytest.approx(np.hypot(1, 0.8), rel=1e-3)


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e12])
def test_no_vector_is_further_from_its_codes_than_they_say(scale: float):
    vectors = vectors_of(500) * np.float32(scale)

    codes, steps, left_out = encoded(vectors)

    off = np.linalg.norm(vectors.astype(float) - decoded(codes, steps), axis=1)
    assert off.max() <= left_out <= 1.01 * off.max()


@pytest.mark.parametrize("value", [0.0, 1e-40])
def test_nothing_is_left_of_almost_nothing(value: float):
    codes, _, left_out = encoded(np.full((2, 3), value, np.float32))

    assert not codes.any()
    assert left_out >= value * 3**0.5 * 0.99


@pytest.mark.parametrize("dimension", [1, 2, 63, 448])
@pytest.mark.parametrize("offset", [0.0, 30.0])
def test_products_are_off_by_no_more_than_they_say(dimension: int, offset: float):
    vectors, queries = vectors_of(300, dimension) + np.float32(offset), vectors_of(20, dimension, seed=1)
    longest = float(np.linalg.norm(vectors.astype(float), axis=1).max())
    coded, out = Codes(vectors).of(300), np.empty((1, 300), np.float32)

    for query in queries:
        products, error = rough_products(query, coded, longest, out)

        exact = vectors.astype(float) @ query.astype(float)
        rounding = 1e-6 * longest * np.linalg.norm(query)
        assert np.abs(products - exact).max() <= error + rounding


def test_products_are_those_of_the_codes():
    vectors, query = vectors_of(100), vectors_of(1, seed=1)[0]
    coded, asked = Codes(vectors).of(100), encoded(query[None])

    products, _ = rough_products(query, coded, 9.0, np.empty((1, 100), np.float32))

    by_hand = decoded(coded.codes, coded.steps) @ decoded(asked.codes, asked.steps)[0]
    assert products == pytest.approx(by_hand, rel=1e-5, abs=1e-4)


def test_codes_are_made_for_what_is_asked_and_kept():
    vectors = vectors_of(10_000)
    vectors[9_000:] = np.nan  # not filled yet
    codes = Codes(vectors)
    first = codes.of(9_000)
    vectors[9_000:] = 2.0

    all_of_them = codes.of(10_000)

    assert np.isfinite(first.left_out)
    assert np.shares_memory(first.codes, all_of_them.codes)
    assert all_of_them.codes[-1].tolist() == [127] * 24
    assert np.array_equal(all_of_them.codes[:9_000], encoded(vectors[:9_000]).codes)
    assert all_of_them.left_out == pytest.approx(encoded(vectors).left_out)


def test_what_was_known_is_taken_over():
    old = vectors_of(100)
    known = Codes(old)
    known.of(80)
    new = np.concatenate([np.full_like(old[:80], np.nan), old[80:]])  # read again, it would show

    taken = Codes(new, known).of(100)

    assert np.array_equal(taken.codes, encoded(old).codes)
    assert taken.left_out == pytest.approx(encoded(old).left_out)


def test_threads_that_ask_at_once_get_the_same():
    vectors = vectors_of(30_000)
    codes = Codes(vectors)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(codes.of, [30_000, 5, 20_000, 30_000, 10, 30_000, 8_000, 1]))

    expected = encoded(vectors)
    for each in found:
        assert np.array_equal(each.codes, expected.codes[: len(each.codes)])


def test_codes_are_for_many_products_and_few_queries():
    many, few = np.empty((2**13, 128), np.float32), np.empty((2**13 - 1, 128), np.float32)

    assert are_worth_it(many, 1)
    assert not are_worth_it(few, 1)
    assert not are_worth_it(many, 8)
