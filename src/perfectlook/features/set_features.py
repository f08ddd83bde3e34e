"""The features of a whole set, in the order that training and evaluation read them."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from perfectlook.data.fingerprints import Fingerprint, fingerprints
from perfectlook.data.layout import Dataset
from perfectlook.data.scenes import scene_view, twins
from perfectlook.errors import DatasetError
from perfectlook.features.extraction import extract
from perfectlook.features.store import FeatureArrays, ViewKey, open_store
from perfectlook.progress import ProgressOf, no_progress
from perfectlook.types import IntArray, Pair, Problem, View

NO_FEATURES = "picture without features"
"""The kind of the problems reported here."""

SceneShown = Literal["crop", "full"]
"""What a model sees of a scene: the picture without the product (the crop rule), or all of it."""


@dataclass(frozen=True, slots=True)
class SetFeatures:
    """A set with the features of all that is usable in it.

    Attributes:
        dataset: the set.
        pairs: the pairs that have features on both sides and that the crop rule keeps, in file order.
        pair_scenes: [n_pairs] the row in `scenes` of each pair's scene view.
        pair_products: [n_pairs] the row in `products` of each pair's product.
        scenes: one row with feature maps for each distinct scene view.
        scene_views: which view each row of `scenes` is.
        product_ids: the catalogue: every product with features, in a pair or not, in the set's order.
        product_categories: the category of each of them.
        products: one row for each of them, with feature maps where they were asked for.
        n_dropped: pairs dropped by the crop rule.
        twins: the other copies of every scene that has any.
        problems: the pictures without features, and what was left out for that.
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


def set_features(
    dataset: Dataset,
    backbone: str = "efficientnet-lite2",
    *,
    scene: SceneShown = "crop",
    product_maps: bool = False,
    workers: int | None = None,
    progress: ProgressOf | None = None,
    strict: bool = False,
) -> SetFeatures:
    """Read the features of a set from the backbone's store, extracting first what is missing there.

    Args:
        dataset: the set.
        backbone: the backbone's name, with a precision if it has one.
        scene: "crop" shows a model of each scene what the crop rule leaves of it and drops the pairs of which
            that is too little; "full" shows whole pictures and drops none.
        product_maps: whether products need their feature maps too.
        workers: processes that extract, by default one per processor.
        progress: makes the progress of each part of the work from its name; `ProgressLine` is one.
        strict: fail when any picture has no features.

    Raises:
        DatasetError: with `strict`, a picture has no features.
        FeatureError: the store cannot be read or written.
        BackboneError: the backbone is unknown or cannot be loaded.
    """
    pictures = [scene_of.picture for scene_of in dataset.scenes.values()]
    pictures += [product.picture for product in dataset.products.values()]
    told = progress or no_progress
    prints, unreadable = fingerprints(pictures, workers=workers, progress=told("reading pictures"))
    shown = [(pair, view) for pair in dataset.pairs if (view := _shown(dataset, pair, prints, scene))]
    catalogue = {product.id: View(product.picture) for product in dataset.products.values()}
    failed = {View(picture): why for picture, why in unreadable.items()}
    with open_store(backbone) as store:

        def extracted(what: str, views: Iterable[View], *, maps: bool) -> dict[View, ViewKey]:
            """The keys of those distinct views that have features, after extracting what the store lacks."""
            readable = (view for view in views if view.picture in prints)
            keys = {view: ViewKey.of(prints[view.picture].sha256, view.crop) for view in readable}
            report = extract(keys, backbone, store, maps=maps, workers=workers, progress=told(what))
            failed.update(report.failures)
            return {view: key for view, key in keys.items() if view not in failed}

        product_keys = extracted("products", catalogue.values(), maps=product_maps)
        product_ids = [product for product, view in catalogue.items() if view in product_keys]
        products = store.read([product_keys[catalogue[id_]] for id_ in product_ids], maps=product_maps)
        wanted = [view for pair, view in shown if catalogue[pair.product] in product_keys]
        scene_keys = extracted("scenes", wanted, maps=True)
        scenes = store.read(list(scene_keys.values()), maps=True)
    problems = _problems(shown, catalogue, failed)
    if strict and problems:
        raise DatasetError(
            f"{dataset.root}: {len(problems):,} pictures have no features, and --strict allows none; repair "
            f"or remove them; the first: {problems[0]}"
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
    """What a model sees of a pair's scene; None when the crop rule drops the pair, readable or not."""
    picture = dataset.scenes[pair.scene].picture
    if scene == "full":
        return View(picture)
    size = (prints[picture].width, prints[picture].height) if picture in prints else (1, 1)
    view = scene_view(dataset.scenes[pair.scene], pair.box, size, vertical_only=dataset.is_fashion)
    return View(picture) if view and picture not in prints else view


def _problems(
    shown: Sequence[tuple[Pair, View]], catalogue: Mapping[str, View], failed: Mapping[View, str]
) -> list[Problem]:
    """One problem for every scene view and every product without features, with what is left out for it."""
    by_scene = Counter((pair.scene, view) for pair, view in shown if view in failed)
    by_product = Counter(pair.product for pair, _ in shown)
    lost = [(scene, view, f"{_pairs(count)} left out") for (scene, view), count in by_scene.items()]
    lost += [
        (product, view, f"left out of the catalogue, with {_pairs(by_product[product])}")
        for product, view in catalogue.items()
        if view in failed
    ]
    return [
        Problem(str(view.picture), item, f"{failed[view]} ({what})", NO_FEATURES) for item, view, what in lost
    ]


def _pairs(count: int) -> str:
    return f"{count} pair{'' if count == 1 else 's'}"
