"""The sets of one training as one: read, with features, merged."""

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from perfectlook.datasets import Dataset, open_dataset
from perfectlook.datasets.split import twins
from perfectlook.errors import UsageError
from perfectlook.features.arrays import FeatureArrays
from perfectlook.features.setfeatures import SceneShown, SetFeatures, set_features
from perfectlook.fingerprints import fingerprints
from perfectlook.progress import ProgressOf
from perfectlook.types import IntArray


def load_sets(
    sets: Iterable[Path | str | Dataset],
    backbone: str,
    *,
    scene: SceneShown = "crop",
    product_maps: bool = False,
    strict: bool = False,
    workers: int | None = None,
    progress: ProgressOf | None = None,
) -> SetFeatures:
    """Read several sets with their features, as one. Copies of a scene are found across the sets.

    Args:
        sets: folders of sets, or sets.
        backbone: name of the backbone.
        scene: what is shown of scenes; compatibility is learned from crops, category suggestion from all.
        product_maps: whether products need their feature maps too.
        strict: fail when anything is wrong in a set.
        workers: processes that extract features.
        progress: shows the extraction.

    Raises:
        UsageError: a set is named twice.
        DatasetError: a set cannot be read, or, with `strict`, anything is wrong in it.
        FeatureError: the feature store cannot be read or written.
    """
    datasets = [each if isinstance(each, Dataset) else open_dataset(each, strict=strict) for each in sets]
    roots = [each.root.resolve() / each.name for each in datasets]
    for root in roots:
        if roots.count(root) > 1:
            raise UsageError(f"{root}: the set is named more than once; name each set once")
    merged = merge(
        [
            set_features(
                each,
                backbone,
                scene=scene,
                product_maps=product_maps,
                workers=workers,
                progress=progress,
                strict=strict,
            )
            for each in datasets
        ]
    )
    if len(datasets) == 1:
        return merged
    prints, _ = fingerprints([scene.picture for scene in merged.dataset.scenes.values()], workers=workers)
    return dataclasses.replace(merged, twins=twins(merged.dataset, prints))


def merge(sets: Sequence[SetFeatures]) -> SetFeatures:
    """Several sets as one, one after the other; a product of two sets counts once."""
    if len(sets) == 1:
        return sets[0]
    row_of: dict[str, int] = {}
    taken: list[IntArray] = []
    for each in sets:
        fresh = [row for row, product in enumerate(each.product_ids) if product not in row_of]
        row_of |= {each.product_ids[row]: len(row_of) + place for place, row in enumerate(fresh)}
        taken.append(np.asarray(fresh, np.int64))
    scene_offsets = np.cumsum([0, *(len(each.scene_views) for each in sets)])
    datasets = [each.dataset for each in sets]
    dataset = Dataset(
        name="+".join(each.name for each in datasets),
        root=datasets[0].root,
        scenes={key: scene for each in datasets for key, scene in each.scenes.items()},
        products={key: product for each in reversed(datasets) for key, product in each.products.items()},
        pairs=[pair for each in datasets for pair in each.pairs],
        problems=[problem for each in datasets for problem in each.problems],
        n_rows=sum(each.n_rows for each in datasets),
        known=[row for each in datasets for row in each.known],
        parts=tuple(datasets),
    )
    chosen = list(zip(sets, taken, strict=True))
    return SetFeatures(
        dataset=dataset,
        pairs=[pair for each in sets for pair in each.pairs],
        pair_scenes=np.concatenate(
            [each.pair_scenes + at for each, at in zip(sets, scene_offsets[:-1], strict=True)]
        ),
        pair_products=np.asarray([row_of[pair.product] for each in sets for pair in each.pairs], np.int64),
        scenes=_concatenate([each.scenes for each in sets]),
        scene_views=[view for each in sets for view in each.scene_views],
        product_ids=[each.product_ids[row] for each, rows in chosen for row in rows],
        product_categories=[each.product_categories[row] for each, rows in chosen for row in rows],
        products=_concatenate([_rows(each.products, rows) for each, rows in chosen]),
        n_dropped=sum(each.n_dropped for each in sets),
        twins={scene: copies for each in sets for scene, copies in each.twins.items()},
        problems=[problem for each in sets for problem in each.problems],
    )


def _rows(arrays: FeatureArrays, rows: IntArray) -> FeatureArrays:
    maps = None if arrays.feature_maps is None else arrays.feature_maps[rows]
    return FeatureArrays(arrays.global_vectors[rows], arrays.style_statistics[rows], maps)


def _concatenate(parts: Sequence[FeatureArrays]) -> FeatureArrays:
    maps = [part.feature_maps for part in parts if part.feature_maps is not None]
    return FeatureArrays(
        np.concatenate([part.global_vectors for part in parts]),
        np.concatenate([part.style_statistics for part in parts]),
        np.concatenate(maps) if len(maps) == len(parts) else None,
    )
