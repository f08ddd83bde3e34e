"""Scenes with two zones of different styles. The category of a product decides which zone it matches."""

from pathlib import Path

import numpy as np

from perfectlook.data import Dataset
from perfectlook.features.set_features import SetFeatures
from perfectlook.features.store import FeatureArrays
from perfectlook.types import REGION_COLUMNS, REGION_ROWS, Pair, Product, Scene, View
from styled import an_id

CATEGORIES = ("Furniture|Chairs", "Lighting|Lamps")
"""The first category goes with the left zone, the second with the right zone."""

STYLES = 3
ZONE_WIDTH = 8
MARKS = 4


def zone_masks(*, rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """The regions, [49], of the zone on the left and of the one on the right, so large each, at the edges."""
    left = np.zeros((REGION_ROWS, REGION_COLUMNS), bool)
    left[:rows, :columns] = True
    return left.ravel(), left[:, ::-1].ravel()


def two_zone_set(
    *,
    scenes: int = 520,
    products: int = 12,
    rows: int,
    columns: int,
    noise: float = 0.2,
    seed: int = 0,
) -> SetFeatures:
    """Scenes whose two zones are of two different styles of three, and `products` a category.

    A region shows its zone's style and a mark of the zone (what is there: clothes or floor); regions outside
    the zones show neither. The global vector is the sum of the two styles: it cannot tell which is where.
    All products of a category that are of its zone's style are known to belong to the scene (one of them
    as a pair), so every candidate is of a wrong style.
    """
    draw = np.random.default_rng(seed)
    looks = np.random.default_rng(99)
    look_of_style = looks.normal(size=(STYLES, ZONE_WIDTH))
    mark_of_zone = looks.normal(size=(2, MARKS))
    zones = np.stack([draw.permutation(STYLES)[:2] for _ in range(scenes)])
    maps = np.zeros((scenes, REGION_ROWS * REGION_COLUMNS, ZONE_WIDTH + MARKS))
    for zone, mask in enumerate(zone_masks(rows=rows, columns=columns)):
        maps[:, mask, :ZONE_WIDTH] = look_of_style[zones[:, zone]][:, None]
        maps[:, mask, ZONE_WIDTH:] = mark_of_zone[zone]
    style_of_product = np.tile(np.arange(products) % STYLES, len(CATEGORIES))
    names = [name for name in CATEGORIES for _ in range(products)]
    scene_ids = [an_id("zoned scene", i) for i in range(scenes)]
    product_ids = [an_id("zoned product", i) for i in range(len(names))]
    pairs, pair_scenes, pair_products, known = [], [], [], []
    for row, scene in enumerate(scene_ids):
        for zone in range(len(CATEGORIES)):
            fitting = np.flatnonzero(style_of_product[:products] == zones[row, zone]) + zone * products
            product = int(draw.choice(fitting))
            pairs.append(Pair(scene, product_ids[product]))
            pair_scenes.append(row)
            pair_products.append(product)
            known += [(scene, product_ids[each]) for each in fitting]
    return SetFeatures(
        dataset=Dataset(
            "two zones",
            Path("two-zones"),
            {each: Scene(each, Path(each)) for each in scene_ids},
            {each: Product(each, name, Path(each)) for each, name in zip(product_ids, names, strict=True)},
            pairs,
            known=known,
        ),
        pairs=pairs,
        pair_scenes=np.asarray(pair_scenes),
        pair_products=np.asarray(pair_products),
        scenes=_features(look_of_style[zones].sum(axis=1), maps, noise, draw),
        scene_views=[View(Path(each)) for each in scene_ids],
        product_ids=product_ids,
        product_categories=names,
        products=_features(look_of_style[style_of_product], None, noise, draw),
        n_dropped=0,
        twins={},
    )


def _features(
    look: np.ndarray, maps: np.ndarray | None, noise: float, draw: np.random.Generator
) -> FeatureArrays:
    """The look as global vector and, noisy in its own way, as style statistics; maps where there are any."""

    def noisy(clean: np.ndarray) -> np.ndarray:
        return (clean + noise * draw.normal(size=clean.shape)).astype(np.float16)

    return FeatureArrays(noisy(look), noisy(look), None if maps is None else noisy(maps))
