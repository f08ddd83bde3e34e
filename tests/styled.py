"""A set of features without pictures, drawn from styles, so that the right answers are learnable."""

from hashlib import md5
from pathlib import Path

import numpy as np

from perfectlook.data import Dataset
from perfectlook.features.set_features import SetFeatures
from perfectlook.features.store import FeatureArrays
from perfectlook.types import REGIONS, Pair, Product, Scene, View

HEAD, STYLE, MAP = 12, 10, 8


def an_id(kind: str, number: int) -> str:
    return md5(f"{kind}/{number}".encode()).hexdigest()


def styled_set(
    *,
    scenes: int = 120,
    products: int = 40,
    categories: tuple[str, ...] = ("Furniture|Chairs", "Lighting|Lamps", "Decor|Rugs"),
    styles: int = 4,
    noise: float = 0.5,
    seed: int = 0,
    twins: dict[str, frozenset[str]] | None = None,
) -> SetFeatures:
    """Scenes and products (`products` per category) of a few styles; pairs share a style."""
    draw = np.random.default_rng(seed)
    style_of_scene = draw.integers(0, styles, scenes)
    style_of_product = np.tile(np.arange(products) % styles, len(categories))
    names = [name for name in categories for _ in range(products)]
    scene_ids = [an_id("scene", i) for i in range(scenes)]
    product_ids = [an_id("product", i) for i in range(len(names))]
    pairs, pair_scenes, pair_products = [], [], []
    for row, scene in enumerate(scene_ids):
        for start in range(0, len(names), products):
            fitting = np.flatnonzero(style_of_product[:products] == style_of_scene[row]) + start
            product = int(draw.choice(fitting))
            pairs.append(Pair(scene, product_ids[product]))
            pair_scenes.append(row)
            pair_products.append(product)
    return SetFeatures(
        dataset=Dataset(
            "styled",
            Path("styled"),
            {each: Scene(each, Path(each)) for each in scene_ids},
            {each: Product(each, name, Path(each)) for each, name in zip(product_ids, names, strict=True)},
            pairs,
        ),
        pairs=pairs,
        pair_scenes=np.asarray(pair_scenes),
        pair_products=np.asarray(pair_products),
        scenes=features_of(style_of_scene, styles, noise, draw),
        scene_views=[View(Path(each)) for each in scene_ids],
        product_ids=product_ids,
        product_categories=names,
        products=features_of(style_of_product, styles, noise, draw),
        n_dropped=0,
        twins=twins or {},
    )


def features_of(style: np.ndarray, styles: int, noise: float, draw: np.random.Generator) -> FeatureArrays:
    """Features made of a fixed vector for each style plus noise."""
    of_style = np.random.default_rng(99)
    means = [of_style.normal(size=(styles, width)) for width in (HEAD, STYLE, MAP)]
    head, statistics, maps = (mean[style] for mean in means)
    maps = np.repeat(maps[:, None, :], REGIONS, axis=1)
    arrays = (part + noise * draw.normal(size=part.shape) for part in (head, statistics, maps))
    return FeatureArrays(*(part.astype(np.float16) for part in arrays))
