"""Attributions by hand, and their sums."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfectlook.model.attribution import Attribution, attribute, place_of, row_and_column, strongest
from perfectlook.model.runtime import SceneEmbedding
from perfectlook.types import REGIONS

CHAIRS = "Furniture|Chairs"


def scene(norm: str, seed: int = 0, *, mixing: float = 0.4, regions: bool = True) -> SceneEmbedding:
    random = np.random.default_rng(seed)

    def unit(*shape: int) -> np.ndarray:
        vectors = random.normal(size=shape)
        return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)

    return SceneEmbedding(
        scene=unit(6),
        regions=unit(REGIONS, 6) if regions else None,
        attention_logits=random.normal(size=(1, REGIONS)).astype(np.float32) if regions else None,
        categories=(CHAIRS,),
        mixing=mixing,
        norm=norm,  # type: ignore[arg-type]
    )


def test_the_parts_by_hand():
    # One region at (0, 3) has all the attention; the scene is at (0, 0) and the product at (4, 0).
    logits = np.full((1, REGIONS), -np.inf, np.float32)
    logits[0, 10] = 0
    regions = np.zeros((REGIONS, 2), np.float32)
    regions[10] = (0, 3)
    product = np.array([[4, 0]], np.float32)
    for norm, whole, local in (("l2", 0.25 * 4, 0.75 * 5), ("squared_l2", 0.25 * 16, 0.75 * 25)):
        one = SceneEmbedding(np.zeros(2, np.float32), regions, logits, (CHAIRS,), 0.25, norm)  # type: ignore[arg-type]
        found = attribute(one, CHAIRS, product)
        assert found.whole == pytest.approx([whole])
        assert found.regions[0, 10] == pytest.approx(local)
        assert np.count_nonzero(found.regions) == 1
        assert found.total == pytest.approx([whole + local])


@given(
    seed=st.integers(0, 1000),
    norm=st.sampled_from(["l2", "squared_l2"]),
    mixing=st.floats(0, 1),
    category=st.sampled_from([CHAIRS, "Toys"]),
)
def test_the_parts_are_the_terms_of_the_distance_and_add_up_to_it(seed, norm, mixing, category):
    one = scene(norm, seed, mixing=mixing)
    vectors = np.random.default_rng(seed).normal(size=(5, 6)).astype(np.float32)
    found = attribute(one, category, vectors)
    expected = one.distances(category, vectors)
    assert found.total == pytest.approx(np.float64(expected.from_global) + np.float64(expected.from_local))
    power = 1 if norm == "l2" else 2
    lengths = np.linalg.norm(one.regions[None].astype(float) - vectors[:, None], axis=2) ** power
    assert found.regions == pytest.approx(
        (1 - mixing) * one.attention(category) * lengths, rel=1e-4, abs=1e-6
    )
    assert found.whole == pytest.approx(expected.from_global)


@given(seed=st.integers(0, 1000), norm=st.sampled_from(["l2", "squared_l2"]))
def test_differences_from_the_mean_add_up_to_the_difference_of_distances(seed, norm):
    vectors = np.random.default_rng(seed).normal(size=(7, 6)).astype(np.float32)
    found = attribute(scene(norm, seed), CHAIRS, vectors)
    relative = found.less(found.mean)
    assert relative.total == pytest.approx(found.total - found.total.mean())
    assert relative.row(3).total == pytest.approx([found.total[3] - found.total.mean()])
    assert relative.total.sum() == pytest.approx(0, abs=1e-9)
    nearest = int(found.total.argmin())
    assert relative.total[nearest] <= 0


@given(seed=st.integers(0, 1000), mixing=st.floats(0, 1), regions=st.booleans())
def test_each_part_of_the_model_has_the_distance_in_its_coordinates(seed, mixing, regions):
    parts = {"network": 3, "memory": 1, "mixture": 2}
    one = replace(scene("squared_l2", seed, mixing=mixing, regions=regions), parts=parts)
    vectors = np.random.default_rng(seed).normal(size=(5, 6)).astype(np.float32)
    found = attribute(one, CHAIRS, vectors)
    assert list(found.parts) == list(parts)
    assert sum(found.parts.values()) == pytest.approx(found.total)
    for name, own in (("network", slice(0, 3)), ("memory", slice(3, 4)), ("mixture", slice(4, 6))):
        expected = ((one.scene[own] - vectors[:, own]) ** 2).sum(axis=1)
        if regions:
            apart = ((one.regions[None, :, own] - vectors[:, None, own]) ** 2).sum(axis=2)
            expected = mixing * expected + (1 - mixing) * apart @ one.attention(CHAIRS)
        assert found.parts[name] == pytest.approx(expected, rel=1e-3, abs=1e-4)
    relative = found.less(found.mean).row(2)
    assert sum(relative.parts.values()) == pytest.approx(relative.total)
    assert relative.parts["memory"] == pytest.approx(
        found.parts["memory"][2:3] - found.parts["memory"].mean()
    )


def test_a_model_of_one_part_has_its_whole_distance_there():
    one = replace(scene("l2"), parts={"network": 6})
    found = attribute(one, CHAIRS, np.ones((3, 6), np.float32))
    assert found.parts["network"] == pytest.approx(found.total)


def test_without_regions_the_whole_scene_gets_the_whole_distance():
    one = scene("squared_l2", mixing=1.0, regions=False)
    vectors = np.random.default_rng(1).normal(size=(3, 6)).astype(np.float32)
    found = attribute(one, CHAIRS, vectors)
    assert not found.regions.any()
    assert found.regions.shape == (3, REGIONS)
    assert found.total == pytest.approx(one.distances(CHAIRS, vectors).total)


def test_a_product_equal_to_every_region_has_zero_region_parts():
    same = np.ones((REGIONS, 2), np.float32)
    logits = np.zeros((1, REGIONS), np.float32)
    one = SceneEmbedding(np.zeros(2, np.float32), same, logits, (CHAIRS,), 0.5, "squared_l2")
    found = attribute(one, CHAIRS, same[:1])
    assert found.total == pytest.approx([1.0])
    assert found.regions == pytest.approx(np.zeros((1, REGIONS)))


def test_less_subtracts_the_parts_of_each_product():
    first = Attribution(np.array([1.0, 2.0]), np.array([[1.0, 0.0], [0.5, 0.5]]))
    second = Attribution(np.array([0.5, 2.5]), np.array([[0.0, 1.0], [0.5, 0.0]]))
    assert first.less(second).whole.tolist() == [0.5, -0.5]
    assert first.less(second).regions.tolist() == [[1.0, -1.0], [0.0, 0.5]]


def test_strongest_returns_the_largest_positive_parts_first():
    assert strongest(np.array([0.1, 0.5, -3.0, 0.5, 0.0]), 4).tolist() == [1, 3, 0]
    assert strongest(np.array([0.1, 0.5, 0.3]), 1).tolist() == [1]
    assert strongest(np.zeros(3), 2).tolist() == []


@pytest.mark.parametrize(
    ("region", "place", "words"),
    [
        (0, (1, 1), "top left"),
        (6, (1, 7), "top right"),
        (24, (4, 4), "middle"),
        (17, (3, 4), "middle"),
        (21, (4, 1), "left"),
        (45, (7, 4), "bottom"),
        (48, (7, 7), "bottom right"),
    ],
)
def test_regions_have_a_row_a_column_and_a_place_in_words(region, place, words):
    assert row_and_column(region) == place
    assert place_of(region) == words
