"""Fit the complements of a model: which product vectors share a scene, in closed form.

Take product vectors v less their mean, and all ordered pairs of two products of one scene that are of
different categories. C = E[v vʹᵀ] and S = E[v vᵀ] over these pairs. The map is M = G (C + κ S) G with
G = (S + λ s I)^(-3/4), where s is the mean eigenvalue of S. This is a regularised form of canonical
correlation (Hotelling 1936): G whitens both sides. κ mixes in plain similarity. Five-fold cross-validation by
scene chooses λ and κ.

The map is scaled so that its distances vary within a category as much as those of scenes do. So distances to
the scene and distances between products can be added.
"""

from collections.abc import Collection
from itertools import product
from pathlib import Path

import numpy as np

from perfectlook.data.scenes import FOLDS, fold_of
from perfectlook.evaluation.complements import Distances, place_products, product_pairs, scene_products
from perfectlook.features.set_features import SetFeatures
from perfectlook.model.complements import Complements
from perfectlook.model.files import write_model_file
from perfectlook.model.runtime import Model
from perfectlook.types import Float32Array, Float64Array, IntArray

PENALTIES = (0.3, 1.0, 3.0, 10.0)
SIMILARITIES = (0.0, 0.05, 0.15)
"""The values of λ and κ to try."""
DEFAULT = 1.0, 0.15
"""λ and κ if there are too few scenes to choose them."""
POWER = 0.75
FEWEST_SCENES = 10
"""With fewer scenes of two products or more, nothing is learned."""
MOST_PAIRS = 5_000
"""Cross-validation measures at most this many pairs of a fold."""
SAMPLED = 200
"""Number of scenes and products that the scale of distances is measured on."""
WEIGHT = 0.1
"""How much the other products of a look count for each slot. Filling in the blank gains up to 3, but whole
looks drift away from the photo with more than this: see docs/how-to/looks.md."""


def add_complements(folder: Path, model: Model, features: SetFeatures, scenes: Collection[str]) -> bool:
    """Fit the complements of a trained model to training scenes, and write them into its folder.

    Returns:
        Whether there were enough scenes with several products.
    """
    fitted = fit_complements(model, features, scenes)
    if fitted:
        write_model_file(folder / Complements.FILE, fitted.content())
    return fitted is not None


def fit_complements(model: Model, features: SetFeatures, scenes: Collection[str]) -> Complements | None:
    """Fit complements to the scenes of a set; None with too few scenes that have several products.

    Args:
        model: the model whose product vectors are mapped.
        features: the set.
        scenes: the training scenes.
    """
    vectors = model.product_vectors(features).astype(np.float64)
    usable = sorted({pair.scene for pair in product_pairs(features, scenes)})
    if len(usable) < FEWEST_SCENES:
        return None
    mean = vectors.mean(axis=0)
    centred = vectors - mean
    matrix = solve(*moments(features, centred, usable), *choose(features, centred, usable))
    matrix *= _scale(model, features, centred, matrix, set(usable))
    matrix = matrix.astype(np.float16).astype(np.float64)  # as the file stores it
    return Complements(matrix.astype(np.float32), mean.astype(np.float32), WEIGHT)


def choose(features: SetFeatures, centred: Float64Array, scenes: Collection[str]) -> tuple[float, float]:
    """λ and κ with the highest binary accuracy in cross-validation over the scenes."""
    choices = list(product(PENALTIES, SIMILARITIES))
    sums, count = np.zeros(len(choices)), 0
    for fold in range(FOLDS):
        held = {scene for scene in scenes if fold_of(scene) == fold}
        copies = {copy for scene in held for copy in features.twins.get(scene, ())}
        kept = [scene for scene in scenes if scene not in held | copies]
        pairs = product_pairs(features, held)
        if len(pairs) > MOST_PAIRS:
            drawn = np.random.default_rng(fold).choice(len(pairs), MOST_PAIRS, replace=False)
            pairs = [pairs[place] for place in sorted(drawn)]
        if not kept or not pairs:
            continue
        of_fold = moments(features, centred, kept)
        ways = [_by_inner_product(centred, solve(*of_fold, *choice)) for choice in choices]
        sums += np.nansum(place_products(features, pairs, ways), axis=1)
        count += len(pairs)
    return choices[int(np.argmax(sums))] if count else DEFAULT


def _by_inner_product(centred: Float64Array, matrix: Float64Array) -> Distances:
    points = centred @ matrix
    return lambda product, rows: -(centred[rows] @ points[product])


def moments(
    features: SetFeatures, centred: Float64Array, scenes: Collection[str]
) -> tuple[Float64Array, Float64Array]:
    """C and S, [d, d] each, over the ordered pairs of the scenes."""
    categories = np.asarray(features.product_categories)
    others, times = np.zeros_like(centred), np.zeros(len(centred))
    known = scene_products(features)
    for scene in scenes:
        rows = known[scene]
        differ = (categories[rows][:, None] != categories[rows][None, :]).astype(np.float64)
        others[rows] += differ @ centred[rows]
        times[rows] += differ.sum(axis=1)
    used = np.flatnonzero(times)
    total = times.sum()
    together: Float64Array = centred[used].T @ others[used] / total
    alone: Float64Array = (centred[used] * times[used, None]).T @ centred[used] / total
    return together, alone


def solve(together: Float64Array, alone: Float64Array, penalty: float, similarity: float) -> Float64Array:
    """M, [d, d], symmetric."""
    values, directions = np.linalg.eigh(alone)
    values = np.maximum(values, 0)
    whitening = (directions * (values + penalty * values.mean()) ** -POWER) @ directions.T
    matrix: Float64Array = whitening @ (together + similarity * alone) @ whitening
    return (matrix + matrix.T) / 2


def _scale(
    model: Model, features: SetFeatures, centred: Float64Array, matrix: Float64Array, scenes: set[str]
) -> float:
    """The factor that gives the distances of complements the variation of those of scenes."""
    generator = np.random.default_rng(0)
    categories = np.asarray(features.product_categories)
    rows_of = [
        rows for name in sorted(set(categories)) if len(rows := np.flatnonzero(categories == name)) > 1
    ]
    pairs = np.array([i for i, pair in enumerate(features.pairs) if pair.scene in scenes], np.int64)
    pairs = generator.permutation(pairs)[:SAMPLED]
    vectors: Float32Array = model.product_vectors(features)
    of_scenes = [
        float(np.std(scene.distances(str(categories[rows[0]]), vectors[rows]).total))
        for scene in model.scene_embeddings(features, pairs).values()
        for rows in rows_of
    ]
    asked: IntArray = generator.permutation(features.pair_products[pairs])
    of_products = [
        float(np.std(2 * (centred[rows] @ matrix @ centred[one]))) for one in asked for rows in rows_of
    ]
    spread = float(np.mean(of_products)) if of_products else 0.0
    return float(np.mean(of_scenes)) / spread if spread > 0 else 1.0
