"""The features of a whole set, in the order that training and evaluation use."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from zlib import crc32

import numpy as np

from perfectlook.data.fingerprints import Fingerprint, fingerprints
from perfectlook.data.layout import Dataset
from perfectlook.data.scenes import random_part, scene_view, twins
from perfectlook.errors import DatasetError
from perfectlook.features.extraction import extract
from perfectlook.features.store import FeatureArrays, ViewKey, open_store
from perfectlook.progress import ProgressOf, no_progress
from perfectlook.types import IntArray, Pair, Problem, Scene, View

ENOUGH_SCENES = 100
"""More scenes do not measure a style better."""
NO_FEATURES = "picture without features"
"""The kind of the problems in this module."""

SceneShown = Literal["crop", "full"]
"""The part of a scene that a model sees: without the product (the crop rule), or the whole picture."""


@dataclass(frozen=True, slots=True)
class SetFeatures:
    """A set with the features of its scenes and products.

    Attributes:
        dataset: the set.
        pairs: the pairs whose scene and product have features and that the crop rule keeps, in file order.
        pair_scenes: [n_pairs] the row in `scenes` of the scene view of each pair.
        pair_products: [n_pairs] the row in `products` of the product of each pair.
        scenes: one row with feature maps for each distinct scene view; those of `unpaired` come last.
        scene_views: the view of each row of `scenes`.
        product_ids: the catalogue: every product with features, with or without a pair, in the set's order.
        product_categories: the category of each product.
        products: one row for each product, with feature maps if they were requested.
        n_dropped: the number of pairs that the crop rule dropped.
        twins: the other copies of each scene that has copies.
        problems: the pictures without features, and what was left out because of them.
    """

    dataset: Dataset
    pairs: list[Pair]
    pair_scenes: IntArray
    pair_products: IntArray
    scenes: FeatureArrays
    scene_views: list[View]
    product_ids: list[str]
    product_categories: list[str]
    products: FeatureArrays
    n_dropped: int
    twins: dict[str, frozenset[str]]
    problems: list[Problem] = field(default_factory=list)

    @property
    def unpaired(self) -> IntArray:
        """Rows of the scene views that belong to no pair."""
        return np.setdiff1d(np.arange(len(self.scene_views)), self.pair_scenes)

    def measured(self, pairs: IntArray) -> IntArray:
        """Rows of the scene views of some pairs, and of those that belong to no pair."""
        return np.union1d(self.pair_scenes[pairs], self.unpaired)

    def scene_ids(self) -> list[str]:
        """The id of the scene of each row of `scenes`."""
        sets = self.dataset.parts or [self.dataset]  # joined sets may have scenes of the same id
        scenes = (scene for each in sets for scene in (*each.scenes.values(), *each.unpaired.values()))
        of_picture = {scene.picture: scene.id for scene in scenes}
        return [of_picture[view.picture] for view in self.scene_views]


def set_features(
    dataset: Dataset,
    backbone: str = "efficientnet-lite2",
    *,
    scene: SceneShown = "crop",
    product_maps: bool = False,
    unpaired: bool = False,
    workers: int | None = None,
    progress: ProgressOf | None = None,
    strict: bool = False,
) -> SetFeatures:
    """Return the features of a set from the store of the backbone. Missing features are extracted first.

    Args:
        dataset: the set.
        backbone: the name of the backbone, with an optional precision.
        scene: "crop" applies the crop rule and drops the pairs with too small a crop; "full" uses whole
            pictures and drops no pairs.
        product_maps: whether to read feature maps of the products too.
        unpaired: whether to add scenes without a pair until there are 100 scenes. If there are boxes, a
            random part of each is added, as large as what the crop rule leaves.
        workers: the number of processes that extract, by default one for each processor.
        progress: creates the progress of each part of the work, such as `ProgressLine`.
        strict: raise an error if a picture has no features.

    Raises:
        DatasetError: a picture has no features, and `strict` is given.
        FeatureError: the store cannot be read or written.
        BackboneError: the backbone is unknown or cannot be loaded.
    """
    others = (
        list(dataset.unpaired.values())[: max(0, ENOUGH_SCENES - len(dataset.scenes))] if unpaired else []
    )
    pictures = [scene_of.picture for scene_of in dataset.scenes.values()]
    pictures += [scene_of.picture for scene_of in others]
    pictures += [product.picture for product in dataset.products.values()]
    progress_of = progress or no_progress
    prints, unreadable = fingerprints(pictures, workers=workers, progress=progress_of("reading pictures"))
    shown = [(pair, view) for pair in dataset.pairs if (view := _shown(dataset, pair, prints, scene))]
    catalogue = {product.id: View(product.picture) for product in dataset.products.values()}
    failed = {View(picture): why for picture, why in unreadable.items()}
    with open_store(backbone) as store:

        def extracted(what: str, views: Iterable[View], *, maps: bool) -> dict[View, ViewKey]:
            """Extract missing features. Return the keys of the distinct views that have features."""
            readable = (view for view in views if view.picture in prints)
            keys = {view: ViewKey.of(prints[view.picture].sha256, view.crop) for view in readable}
            report = extract(keys, backbone, store, maps=maps, workers=workers, progress=progress_of(what))
            failed.update(report.failures)
            return {view: key for view, key in keys.items() if view not in failed}

        product_keys = extracted("products", catalogue.values(), maps=product_maps)
        product_ids = [product for product, view in catalogue.items() if view in product_keys]
        products = store.read([product_keys[catalogue[id_]] for id_ in product_ids], maps=product_maps)
        wanted = [view for pair, view in shown if catalogue[pair.product] in product_keys]
        if not dataset.pairs:  # a set without pairs
            others = list(dataset.scenes.values())
        wanted += [_some_view(dataset, each, prints, scene) for each in others]
        scene_keys = extracted("scenes", wanted, maps=True)
        scenes = store.read(list(scene_keys.values()), maps=True)
    problems = _problems(shown, catalogue, failed)
    if strict and problems:
        raise DatasetError(
            f"{dataset.root}: {len(problems):,} pictures have no features, and --strict allows none. "
            f"Replace or remove them. The first problem: {problems[0]}"
        )
    scene_rows = {view: row for row, view in enumerate(scene_keys)}
    product_rows = {product: row for row, product in enumerate(product_ids)}
    usable = [(pair, view) for pair, view in shown if view in scene_rows and pair.product in product_rows]
    return SetFeatures(
        dataset=dataset,
        pairs=[pair for pair, _ in usable],
        pair_scenes=np.array([scene_rows[view] for _, view in usable], np.int64),
        pair_products=np.array([product_rows[pair.product] for pair, _ in usable], np.int64),
        scenes=scenes,
        scene_views=list(scene_rows),
        product_ids=product_ids,
        product_categories=[dataset.products[product].category for product in product_ids],
        products=products,
        n_dropped=len(dataset.pairs) - len(shown),
        twins=twins(dataset, prints),
        problems=problems,
    )


def _shown(
    dataset: Dataset, pair: Pair, prints: Mapping[Path, Fingerprint], scene: SceneShown
) -> View | None:
    """Return the part of a pair's scene that a model sees; None if the crop rule drops the pair."""
    picture = dataset.scenes[pair.scene].picture
    if scene == "full":
        return View(picture)
    size = (prints[picture].width, prints[picture].height) if picture in prints else (1, 1)
    view = scene_view(dataset.scenes[pair.scene], pair.box, size, vertical_only=dataset.is_fashion)
    return View(picture) if view and picture not in prints else view


def _some_view(dataset: Dataset, scene: Scene, prints: Mapping[Path, Fingerprint], shown: SceneShown) -> View:
    """Return a view of a scene without pairs that is like the views of the set's pairs."""
    found = prints.get(scene.picture)
    if shown == "full" or found is None or not any(pair.box for pair in dataset.pairs):
        return View(scene.picture)
    draw = np.random.default_rng(crc32(scene.id.encode()))
    part = random_part(found.width, found.height, draw, vertical_only=dataset.is_fashion)
    return View(scene.picture, part)


def _problems(
    shown: Sequence[tuple[Pair, View]], catalogue: Mapping[str, View], failed: Mapping[View, str]
) -> list[Problem]:
    """Return a problem for each scene view and each product without features."""
    by_scene = Counter((pair.scene, view) for pair, view in shown if view in failed)
    by_product = Counter(pair.product for pair, _ in shown)
    lost = [(scene, view, f"Left out: {_pairs(count)}.") for (scene, view), count in by_scene.items()]
    lost += [
        (product, view, f"Left out: the product and {_pairs(by_product[product])}.")
        for product, view in catalogue.items()
        if view in failed
    ]
    return [
        Problem(str(view.picture), item, f"{failed[view]} {what}", NO_FEATURES) for item, view, what in lost
    ]


def _pairs(count: int) -> str:
    return f"{count} pair{'' if count == 1 else 's'}"
