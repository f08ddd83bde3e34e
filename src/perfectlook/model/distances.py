"""Distances between a scene and products; lower is better.

Every function takes numpy arrays (search, evaluation) or torch tensors (training) and returns the same kind.
Source: Kang et al. 2019; `docs/explanation/method.md` derives the query point.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np

from perfectlook.types import Float32Array, Float64Array, IntArray

Rows = TypeVar("Rows", Float32Array, Float64Array)


def namespace_of(array: Any) -> ModuleType:
    """Return the array API namespace of a numpy array or a torch tensor.

    numpy implements the standard since 2.0. For torch, `array_api_compat` adapts the functions that differ.
    """
    namespace: ModuleType
    if hasattr(array, "__array_namespace__"):
        namespace = array.__array_namespace__()
    else:
        import array_api_compat

        namespace = array_api_compat.array_namespace(array)
    return namespace


DistanceFunction = Callable[[int, str, IntArray], Float64Array]
"""(row of a scene view, category, rows of products) -> one distance per product; lower is better."""

Norm = Literal["l2", "squared_l2"]

SMALLEST_SQUARE = 1e-12
"""Raise smaller squares to this value before a root, because the root's gradient at zero is infinite."""

Array = Any
"""A numpy array or a torch tensor; the standard has no common type for them."""


class HybridDistances(NamedTuple):
    """A hybrid distance and its two parts, all of the same shape: `total` is the sum of the parts."""

    total: Array
    from_global: Array
    from_local: Array


def squared_l2(a: Array, b: Array) -> Array:
    """Squared Euclidean distance over the last axis of two arrays that broadcast."""
    difference = a - b
    return namespace_of(a).sum(difference * difference, axis=-1)


def l2(a: Array, b: Array) -> Array:
    """Euclidean distance over the last axis of two arrays that broadcast."""
    return _root(squared_l2(a, b))


def unit_rows(rows: Rows) -> Rows:
    """Rows [..., d] divided by their lengths; rows of zeros stay."""
    lengths: Any = np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-12)
    found: Rows = rows / lengths
    return found


def distance(a: Array, b: Array, norm: Norm) -> Array:
    """The chosen norm of `a - b` over the last axis."""
    return l2(a, b) if norm == "l2" else squared_l2(a, b)


def pairwise(a: Array, b: Array, norm: Norm) -> Array:
    """Distances from every row of `a` [..., n, d] to every row of `b` [..., m, d]: [..., n, m].

    Computed from one matrix product, which is fast for large m. For a few rows, `distance` is more precise.
    """
    xp = namespace_of(a)
    squares_a = xp.sum(a * a, axis=-1)[..., :, None]
    squares_b = xp.sum(b * b, axis=-1)[..., None, :]
    squares = squares_a + squares_b - 2 * (a @ xp.matrix_transpose(b))
    if norm == "l2":
        return _root(squares)
    return xp.where(squares > 0, squares, xp.zeros_like(squares))


def attention_weights(logits: Array) -> Array:
    """Softmax over the last axis (the regions): a_i for logits -‖h_i - e_c‖ / τ."""
    xp = namespace_of(logits)
    shifted = xp.exp(logits - xp.max(logits, axis=-1, keepdims=True))
    return shifted / xp.sum(shifted, axis=-1, keepdims=True)


def hybrid(
    scene: Array, regions: Array, attention: Array, products: Array, *, mixing: Array | float, norm: Norm
) -> HybridDistances:
    """The hybrid distance of one scene to many products, computed from its definition.

    d = w d_global + (1 - w) d_local, with d_global = ‖f_s - f_p‖ and d_local = Σ_i a_i ‖f_i - f_p‖.

    Args:
        scene: f_s, [..., d].
        regions: f_i, [..., R, d].
        attention: a_i, [..., R], sums to one over the last axis.
        products: f_p, [..., n, d].
        mixing: w, a number from 0 to 1, or an array that broadcasts against [..., n].
        norm: `l2` as written in the paper, or `squared_l2`, which squares every norm.

    Returns:
        The distance and its two weighted parts, each [..., n].
    """
    from_global = mixing * distance(scene[..., None, :], products, norm)
    to_regions = pairwise(regions, products, norm)
    from_local = (1 - mixing) * namespace_of(scene).sum(attention[..., :, None] * to_regions, axis=-2)
    return HybridDistances(from_global + from_local, from_global, from_local)


def attended_region(regions: Array, attention: Array, squares: Array = None) -> tuple[Array, Array]:
    """Return the mean region m = Σ a_i f_i, [d], and the spread of the regions, Σ a_i ‖f_i - m‖².

    The spread is computed as Σ a_i ‖f_i‖² - ‖m‖². Pass float64: in float32 the difference loses its digits.

    Args:
        regions: f_i, [R, d].
        attention: a_i, [R], sums to 1.
        squares: ‖f_i‖², [R], if already known.
    """
    if squares is None:
        squares = namespace_of(regions).vecdot(regions, regions)
    mean = attention @ regions
    return mean, attention @ squares - mean @ mean


def hybrid_to_mean(
    scene: Array, mean: Array, apart: Array, products: Array, *, mixing: float
) -> HybridDistances:
    """The squared hybrid distance of one scene to many products, [n], from the result of `attended_region`.

    Equal to `hybrid` with squared norms, but without a distance to every region, because
    Σ a_i ‖f_i - f_p‖² = ‖mean - f_p‖² + Σ a_i ‖f_i - mean‖².
    """
    from_global = mixing * squared_l2(scene, products)
    from_local = (1 - mixing) * (squared_l2(mean, products) + apart)
    return HybridDistances(from_global + from_local, from_global, from_local)


def query_point(scene: Array, regions: Array, attention: Array, *, mixing: Array | float) -> Array:
    """The point whose squared distance to a product is the squared hybrid distance up to a constant.

    q = w f_s + (1 - w) Σ_i a_i f_i. Since Σ a_i = 1,
    w‖f_s - f_p‖² + (1 - w) Σ a_i ‖f_i - f_p‖² = ‖q - f_p‖² + a constant, for vectors of any length.
    With plain norms, ‖q - f_p‖ is a lower bound of the hybrid distance (triangle inequality).

    Shapes as in `hybrid`; returns [..., d].
    """
    local = namespace_of(scene).sum(attention[..., :, None] * regions, axis=-2)
    return mixing * scene + (1 - mixing) * local


def _root(squares: Array) -> Array:
    xp = namespace_of(squares)
    return xp.sqrt(xp.where(squares > SMALLEST_SQUARE, squares, xp.full_like(squares, SMALLEST_SQUARE)))
