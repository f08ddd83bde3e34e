"""What the features of backbones tell without any training, on one set.

    python research/backbone_quality.py SET --backbone efficientnet-lite2 --backbone dinov2-small

For the global vector, and for the means and deviations of each stage, it prints three figures:

- pairs: how often the cosine of scene and product ranks the product of a pair above another product of its
  category (0.5 is chance). Scenes are standardised by all scenes of the set, products less the mean of their
  category by all products. Other products of the scene's pairs are left out.
- category: how often the nearest other product has the same category.
- first: the share of the variance of the products that the first principal component has. If it is large, the
  features have collapsed towards one direction.
"""

import argparse
import sys
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

import perfectlook as pl
from perfectlook.backbones import describe_backbones
from perfectlook.features.set_features import SetFeatures, set_features

Array = NDArray[np.float32]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figures of each backbone."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("set", help="a set: its folder or name")
    parser.add_argument("--backbone", action="append", help="a backbone (default: efficientnet-lite2)")
    options = parser.parse_args(arguments)
    dataset = pl.load_set(options.set)
    for backbone in options.backbone or ["efficientnet-lite2"]:
        features = set_features(dataset, backbone)
        scenes, products = blocks(features, backbone)
        print(
            f"{backbone}: {len(features.pairs):,} pairs, {len(features.product_ids):,} products of "
            f"{len(set(features.product_categories))} categories"
        )
        for name, (pairs, category, first) in quality(features, scenes, products).items():
            print(f"  {name:8} pairs {pairs:.3f}  category {category:.3f}  first {first:.2f}")
    return 0


def blocks(features: SetFeatures, backbone: str) -> tuple[dict[str, Array], dict[str, Array]]:
    """The features of scenes and of products by the name of their part."""
    stages = next(each.stage_channels for each in describe_backbones() if each.name == backbone)
    ends = np.cumsum([2 * channels for channels in stages])
    found = []
    for each in (features.scenes, features.products):
        parts = np.split(np.asarray(each.style_statistics, np.float32), ends[:-1], axis=1)
        named = {f"stage {number}": part for number, part in enumerate(parts, 1)}
        vectors = np.asarray(each.global_vectors, np.float32)
        # the style statistics together, each stage as it is
        named["styles"] = np.asarray(each.style_statistics, np.float32)
        found.append({"global": vectors, **named})
    return found[0], found[1]


def quality(
    features: SetFeatures, scenes: dict[str, Array], products: dict[str, Array]
) -> dict[str, tuple[float, float, float]]:
    """The three figures of each part."""
    categories = np.array(features.product_categories)
    return {
        name: (
            _pairs(
                features, categories, _scaled(scenes[name]), _scaled(_centred(products[name], categories))
            ),
            _category(categories, products[name]),
            _first(products[name]),
        )
        for name in scenes
    }


def _centred(products: Array, categories: NDArray[np.str_]) -> Array:
    centred = products.copy()
    for category in set(categories):
        rows = categories == category
        centred[rows] -= centred[rows].mean(axis=0)
    return centred


def _pairs(features: SetFeatures, categories: NDArray[np.str_], scenes: Array, products: Array) -> float:
    scenes, products = _unit(scenes), _unit(products)
    rows_of = {category: np.flatnonzero(categories == category) for category in set(categories)}
    row_of = {product: row for row, product in enumerate(features.product_ids)}
    found = []
    for pair, scene, product in zip(
        features.pairs, features.pair_scenes, features.pair_products, strict=True
    ):
        known = [row_of[each] for each in features.dataset.positives[pair.scene] if each in row_of]
        others = np.setdiff1d(rows_of[categories[product]], known)
        if len(others):
            scores, score = products[others] @ scenes[scene], products[product] @ scenes[scene]
            found.append(((scores < score).sum() + 0.5 * (scores == score).sum()) / len(others))
    return float(np.mean(found))


def _category(categories: NDArray[np.str_], products: Array) -> float:
    unit = _unit(products - products.mean(axis=0))
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, -np.inf)
    return float((categories[cosines.argmax(axis=1)] == categories).mean())


def _first(products: Array) -> float:
    variances = np.linalg.eigvalsh(np.cov(products.T))
    return float(variances.max() / variances.sum())


def _scaled(values: Array) -> Array:
    scaled: Array = (values - values.mean(axis=0)) / (values.std(axis=0) + 1e-6)
    return scaled


def _unit(values: Array) -> Array:
    unit: Array = values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-9)
    return unit


if __name__ == "__main__":
    sys.exit(main())
