"""The closed form: scene features regressed on the principal components of centred products.

Ridge regression (Hoerl & Kennard 1970). Trained in seconds, it is the baseline that a network has to beat and
the point where the linear path of the encoders starts.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from perfectlook.types import Float64Array

Components = tuple[Float64Array, Float64Array]
"""Principal directions [k, width] and the standard deviations along them [k]."""


@dataclass(frozen=True, slots=True)
class Ridge:
    """Linear maps of standardised scene and product features into one space, compared by direction there.

    Attributes:
        scene: [dimension, width of scenes].
        product: [dimension, width of products].
        intercept: the mean target, on the scale of the scenes' vectors, [dimension]: added to them, it draws
            every scene towards what goes with the average one.
    """

    scene: Float64Array
    product: Float64Array
    intercept: Float64Array


def fit_ridge(
    scenes: Float64Array,
    pair_products: Float64Array,
    products: Float64Array,
    *,
    dimension: int,
    penalty: float,
    whitening: float,
    components: Components | None = None,
) -> Ridge:
    """Solve for the maps in closed form.

    Args:
        scenes: standardised scene features, one row per pair, [n, width].
        pair_products: standardised, centred features of each pair's product, [n, width of products].
        products: the same of the whole catalogue, [N, width of products].
        dimension: how many principal components of the products are the target; missing ones are zero.
        penalty: λ.
        whitening: each component is divided by its standard deviation to this power, on both sides.
        components: those of the products, where they are known already.
    """
    return fit_ridges(
        scenes,
        pair_products,
        products,
        dimension=dimension,
        penalties=[penalty],
        whitening=whitening,
        components=components,
    )[0]


def fit_ridges(
    scenes: Float64Array,
    pair_products: Float64Array,
    products: Float64Array,
    *,
    dimension: int,
    penalties: Sequence[float],
    whitening: float,
    components: Components | None = None,
) -> list[Ridge]:
    """`fit_ridge` for several penalties, for little more than the price of one."""
    directions, deviations = components or principal_components(products, dimension)
    targets = pair_products @ directions.T
    scale = deviations[:, None] ** -whitening
    product = directions * scale
    product = _padded(product / _root_mean_square(products @ product.T), dimension)
    found = []
    for solution in ridge_path(scenes - scenes.mean(axis=0), targets, penalties):
        scene = solution.T * scale
        length = _root_mean_square(scenes @ scene.T)
        intercept = targets.mean(axis=0) * scale[:, 0] / length
        found.append(
            Ridge(_padded(scene / length, dimension), product, np.pad(intercept, (0, dimension - len(scale))))
        )
    return found


def principal_components(rows: Float64Array, count: int) -> Components:
    """The first principal directions of centred rows [n, width] and the standard deviations along them.

    At most `count`, fewer where the rows span less: directions [k, width], deviations [k].
    """
    values, vectors = np.linalg.eigh(rows.T @ rows / len(rows))
    values, vectors = values[::-1][:count], vectors[:, ::-1][:, :count]
    spanned = values > 1e-9 * values[0]
    return vectors[:, spanned].T, np.sqrt(values[spanned])


def ridge_regression(inputs: Float64Array, targets: Float64Array, penalty: float) -> Float64Array:
    """argmin ‖inputs W - targets‖² + penalty ‖W‖², [width, targets]."""
    return next(ridge_path(inputs, targets, [penalty]))


def ridge_path(
    inputs: Float64Array, targets: Float64Array, penalties: Sequence[float]
) -> Iterator[Float64Array]:
    """The solution of `ridge_regression` for each penalty, by the smaller normal equations."""
    rows, width = inputs.shape
    if width <= rows:
        gram, right = inputs.T @ inputs, inputs.T @ targets
        for penalty in penalties:
            yield _solve(gram + penalty * np.eye(width), right)
        return
    gram = inputs @ inputs.T
    for penalty in penalties:
        yield inputs.T @ _solve(gram + penalty * np.eye(rows), targets)


def _solve(matrix: Float64Array, right: Float64Array) -> Float64Array:
    return np.asarray(np.linalg.solve(matrix, right), np.float64)


def _root_mean_square(vectors: Float64Array) -> float:
    return float(np.sqrt(np.mean(np.sum(vectors**2, axis=1)))) or 1.0


def _padded(matrix: Float64Array, rows: int) -> Float64Array:
    return np.pad(matrix, ((0, rows - len(matrix)), (0, 0)))
