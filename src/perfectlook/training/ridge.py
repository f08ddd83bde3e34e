"""The closed form: scene features regressed on the principal components of centred products.

Ridge regression (Hoerl & Kennard 1970). Trained in seconds, it is the baseline that a network has to beat and
the point where the linear path of the encoders starts.
"""

from dataclasses import dataclass

import numpy as np

from perfectlook.types import Float64Array


@dataclass(frozen=True, slots=True)
class Ridge:
    """Linear maps of standardised scene and product features into one space, compared by direction there.

    Attributes:
        scene: [dimension, width of scenes].
        product: [dimension, width of products].
    """

    scene: Float64Array
    product: Float64Array


def fit_ridge(
    scenes: Float64Array,
    pair_products: Float64Array,
    products: Float64Array,
    *,
    dimension: int,
    penalty: float,
    whitening: float,
) -> Ridge:
    """Solve for the maps in closed form.

    Args:
        scenes: standardised scene features, one row per pair, [n, width].
        pair_products: standardised, centred features of each pair's product, [n, width of products].
        products: the same of the whole catalogue, [N, width of products].
        dimension: how many principal components of the products are the target; missing ones are zero.
        penalty: λ.
        whitening: each component is divided by its standard deviation to this power, on both sides.
    """
    components, deviations = principal_components(products, dimension)
    targets = pair_products @ components.T
    solution = ridge_regression(scenes - scenes.mean(axis=0), targets, penalty)
    scale = deviations**-whitening
    scene, product = solution.T * scale[:, None], components * scale[:, None]
    return Ridge(
        _padded(scene / _root_mean_square(scenes @ scene.T), dimension),
        _padded(product / _root_mean_square(products @ product.T), dimension),
    )


def principal_components(rows: Float64Array, count: int) -> tuple[Float64Array, Float64Array]:
    """The first principal directions of centred rows [n, width] and the standard deviations along them.

    At most `count`, fewer where the rows span less: directions [k, width], deviations [k].
    """
    values, vectors = np.linalg.eigh(rows.T @ rows / len(rows))
    values, vectors = values[::-1][:count], vectors[:, ::-1][:, :count]
    spanned = values > 1e-9 * values[0]
    return vectors[:, spanned].T, np.sqrt(values[spanned])


def ridge_regression(inputs: Float64Array, targets: Float64Array, penalty: float) -> Float64Array:
    """argmin ‖inputs W - targets‖² + penalty ‖W‖², [width, targets], by the smaller normal equations."""
    rows, width = inputs.shape
    if width <= rows:
        gram = inputs.T @ inputs + penalty * np.eye(width)
        return _solve(gram, inputs.T @ targets)
    gram = inputs @ inputs.T + penalty * np.eye(rows)
    return inputs.T @ _solve(gram, targets)


def _solve(matrix: Float64Array, right: Float64Array) -> Float64Array:
    return np.asarray(np.linalg.solve(matrix, right), np.float64)


def _root_mean_square(vectors: Float64Array) -> float:
    return float(np.sqrt(np.mean(np.sum(vectors**2, axis=1)))) or 1.0


def _padded(matrix: Float64Array, rows: int) -> Float64Array:
    return np.pad(matrix, ((0, rows - len(matrix)), (0, 0)))
