"""Distances against definitions in loops, for numpy arrays and torch tensors."""

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfectlook.model.distances import (
    Norm,
    attended_region,
    attention_weights,
    distance,
    hybrid,
    hybrid_to_mean,
    l2,
    namespace_of,
    pairwise,
    query_point,
    squared_l2,
)

NORMS = ("l2", "squared_l2")


def case(seed: int, *, regions: int = 5, products: int = 7, size: int = 3, unit: bool = False):
    draw = np.random.default_rng(seed)
    vectors = [draw.normal(size=shape) for shape in ((size,), (regions, size), (products, size))]
    if unit:
        vectors = [v / np.linalg.norm(v, axis=-1, keepdims=True) for v in vectors]
    return (*vectors, attention_weights(draw.normal(size=regions) * 3))


def hybrid_by_loop(scene, regions, attention, products, w, norm):
    out = []
    for p in products:
        length = [math.dist(a, p) for a in (scene, *regions)]
        if norm == "squared_l2":
            length = [x * x for x in length]
        out.append(w * length[0] + (1 - w) * sum(a * x for a, x in zip(attention, length[1:], strict=True)))
    return out


def test_a_three_four_five_triangle():
    a, b = np.array([[0.0, 0.0]]), np.array([[3.0, 4.0]])
    assert l2(a, b) == pytest.approx([5.0])
    assert squared_l2(a, b) == pytest.approx([25.0])
    assert pairwise(a, np.array([[3.0, 4.0], [6.0, 8.0]]), "l2") == pytest.approx(np.array([[5.0, 10.0]]))


def test_equal_logits_attend_to_every_region_equally():
    assert attention_weights(np.full(49, -0.7)) == pytest.approx(np.full(49, 1 / 49))


def test_attention_of_very_large_logits_does_not_overflow():
    assert attention_weights(np.array([1000.0, 1000.0, -1000.0])) == pytest.approx([0.5, 0.5, 0.0])


@pytest.mark.parametrize("norm", NORMS)
@given(seed=st.integers(0, 10_000), w=st.floats(0, 1))
def test_hybrid_equals_its_definition(norm: Norm, seed: int, w: float):
    scene, regions, products, attention = case(seed)
    found = hybrid(scene, regions, attention, products, mixing=w, norm=norm)
    assert found.total == pytest.approx(hybrid_by_loop(scene, regions, attention, products, w, norm))
    assert found.total == pytest.approx(found.from_global + found.from_local)


@given(seed=st.integers(0, 10_000), w=st.floats(0, 1))
def test_one_query_point_gives_the_squared_hybrid_distance_up_to_a_constant(seed: int, w: float):
    scene, regions, products, attention = case(seed)
    exact = hybrid(scene, regions, attention, products, mixing=w, norm="squared_l2").total
    point = query_point(scene, regions, attention, mixing=w)
    of_regions = attention @ squared_l2(regions, point)
    constant = w * squared_l2(scene, point) + (1 - w) * of_regions  # the variance around the query point
    assert squared_l2(point, products) + constant == pytest.approx(exact)


@given(seed=st.integers(0, 10_000), w=st.floats(0, 1))
def test_the_plain_hybrid_distance_lies_between_the_query_point_and_the_root_of_the_squared_one(seed, w):
    scene, regions, products, attention = case(seed, unit=True)
    plain = hybrid(scene, regions, attention, products, mixing=w, norm="l2").total
    squared = hybrid(scene, regions, attention, products, mixing=w, norm="squared_l2").total
    lower = l2(query_point(scene, regions, attention, mixing=w), products)
    assert (lower <= plain + 1e-6).all()
    assert (plain <= np.sqrt(squared) + 1e-6).all()


@pytest.mark.parametrize("norm", NORMS)
def test_torch_and_numpy_agree_over_a_batch_with_a_mixing_per_scene(norm: Norm):
    torch = pytest.importorskip("torch", reason="torch is in the extra 'train'")
    scene, regions, products, attention = (np.stack(x) for x in zip(*map(case, range(4)), strict=True))
    w = np.array([[0.1], [0.5], [0.7], [1.0]])
    ours = hybrid(scene, regions, attention, products, mixing=w, norm=norm).total
    tensors = (torch.from_numpy(x) for x in (scene, regions, attention, products))
    theirs = hybrid(*tensors, mixing=torch.from_numpy(w), norm=norm).total
    assert theirs.numpy() == pytest.approx(ours)
    for row in range(4):
        by_loop = hybrid_by_loop(scene[row], regions[row], attention[row], products[row], w[row, 0], norm)
        assert ours[row] == pytest.approx(by_loop)


@given(st.integers(0, 500), st.floats(0, 1))
def test_the_mean_region_gives_the_squared_distance_to_all_regions(seed: int, w: float):
    scene, regions, products, attention = case(seed)
    found = hybrid_to_mean(scene, *attended_region(regions, attention), products, mixing=w)
    assert found.total == pytest.approx(hybrid_by_loop(scene, regions, attention, products, w, "squared_l2"))
    expected = hybrid(scene, regions, attention, products, mixing=w, norm="squared_l2")
    assert found.from_local == pytest.approx(expected.from_local)


def test_the_gradient_of_a_zero_distance_is_finite():
    torch = pytest.importorskip("torch", reason="torch is in the extra 'train'")
    point = torch.ones(2, 3, requires_grad=True)
    distance(point, torch.ones(2, 3), "l2").sum().backward()
    assert torch.isfinite(point.grad).all()


def test_numpy_arrays_use_the_numpy_namespace() -> None:
    assert namespace_of(np.zeros(2, np.float32)) is np


def test_torch_tensors_use_the_array_api_namespace() -> None:
    torch = pytest.importorskip("torch")
    tensor = torch.arange(6.0).reshape(2, 3)
    xp = namespace_of(tensor)
    assert xp.sum(tensor, axis=-1).tolist() == [3.0, 12.0]
    assert xp.concat([tensor, tensor], axis=0).shape == (4, 3)


def test_numpy_arrays_do_not_import_array_api_compat() -> None:
    code = (
        "import sys, numpy; from perfectlook.model.distances import l2; l2(numpy.ones(2), numpy.zeros(2)); "
        "print('array_api_compat' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"
