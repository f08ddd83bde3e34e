"""Count the content and the problems of a set: the numbers of `perfectlook data stats`."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from perfectlook.data import load_set
from perfectlook.data.fingerprints import Fingerprint, fingerprints, groups_within, hashes_of
from perfectlook.data.layout import (
    PAIRS,
    Dataset,
    ProblemKind,
    count_products,
    list_pictures,
    picture_folders,
    read_release,
    releases_at,
)
from perfectlook.data.scenes import SPLITS, TWIN_BITS, Split, is_small, scene_rectangle, split_of, twins
from perfectlook.progress import Progress
from perfectlook.types import Problem


@dataclass(frozen=True, slots=True)
class Audit:
    """The numbers of one set.

    Attributes:
        is_fashion: whether crops are taken above and below the box only.
        is_small: whether cross-validation is used.
        rows: rows of the file, valid or not. `pairs` are the valid ones.
        scenes: scenes with a pair. `scenes_without_pairs` are the other pictures in the folder of scenes.
        products: products of the catalogue. `products_in_pairs` are those with a pair.
        multi_positive_scenes: scenes with more than one product of the same category.
        boxes: pairs with a box. `boxes_outside` are rows with a box partly or wholly outside 0..1.
        missing_scenes, missing_products: distinct ids without a picture.
        splits: `scenes`, `pairs` and `dropped_by_crop` (pairs that the crop rule drops) of every split.
        categories: `products` in the catalogue and `pairs` of every category.
        pictures: None without pictures. Otherwise `unreadable` pictures; `twin_scenes` that have a copy among
            the scenes with pairs; `twin_scenes_held_out`, scenes of validation and test with a copy in train;
            `near_identical_products`, whose picture is almost equal to another, and the number of
            `near_identical_groups` that they form.
    """

    name: str
    root: str
    is_fashion: bool
    is_small: bool
    rows: int
    pairs: int
    scenes: int
    scenes_without_pairs: int
    products: int
    products_in_pairs: int
    multi_positive_scenes: int
    boxes: int
    boxes_outside: int
    duplicate_rows: int
    missing_scenes: int
    missing_products: int
    dropped_by_crop: int
    splits: dict[Split, dict[str, int]]
    categories: dict[str, dict[str, int]]
    pictures: dict[str, int] | None
    problems: list[Problem]


def audit(
    dataset: Dataset, *, look: bool = True, workers: int | None = None, progress: Progress | None = None
) -> Audit:
    """Count the content of a set. With `look`, every picture is opened once; fingerprints are cached.

    Raises:
        FeatureError: the cache of fingerprints cannot be written.
    """
    problems = list(dataset.problems)
    pictures = None
    if look:
        files = [scene.picture for scene in dataset.scenes.values()]
        files += [product.picture for product in dataset.products.values()]
        prints, failed = fingerprints(files, workers=workers, progress=progress)
        unreadable = [path for path in files if path in failed]
        problems += (
            Problem(str(path), path.stem, failed[path], ProblemKind.UNREADABLE) for path in unreadable
        )
        pictures = {"unreadable": len(unreadable), **_picture_numbers(dataset, prints)}
    kinds = Counter(problem.kind for problem in problems)
    missing = Counter(kind for kind, _ in {(problem.kind, problem.item) for problem in problems})
    in_pairs = Counter(pair.product for pair in dataset.pairs)
    splits = _splits(dataset)
    return Audit(
        name=dataset.name,
        root=str(dataset.root),
        is_fashion=dataset.is_fashion,
        is_small=is_small(dataset),
        rows=dataset.n_rows,
        pairs=len(dataset.pairs),
        scenes=len(dataset.scenes),
        scenes_without_pairs=_scenes_without_pairs(dataset) if look else 0,
        products=len(dataset.products),
        products_in_pairs=len(in_pairs),
        multi_positive_scenes=_multi_positive_scenes(dataset),
        boxes=sum(pair.box is not None for pair in dataset.pairs),
        boxes_outside=kinds[ProblemKind.BOX_OUTSIDE],
        duplicate_rows=kinds[ProblemKind.DUPLICATE_ROW],
        missing_scenes=missing[ProblemKind.MISSING_SCENE],
        missing_products=missing[ProblemKind.MISSING_PRODUCT],
        dropped_by_crop=sum(size["dropped_by_crop"] for size in splits.values()),
        splits=splits,
        categories={
            category: {"products": len(products), "pairs": sum(in_pairs[each] for each in products)}
            for category, products in dataset.categories.items()
        },
        pictures=pictures,
        problems=problems,
    )


def audit_at(
    path: Path, *, workers: int | None = None, progress: Progress | None = None
) -> tuple[list[Audit], dict[str, dict[str, int]]]:
    """Audit the sets at a path: a set, or files of the STL release, with or without pictures.

    Returns:
        The numbers of each set, and the products in the category files of the release, as part → category →
        number. A folder of the release gives one set for each part with rows.

    Raises:
        DatasetError: there is no set and no file of the release.
        FeatureError: the cache of fingerprints cannot be written.
    """
    listed = count_products(path)
    is_set = (path / PAIRS).exists()
    releases = [] if is_set else releases_at(path)
    if listed and not releases and not is_set:
        return [], listed
    look = not releases or bool(picture_folders(releases[0].parent))
    datasets = [read_release(each, pictures=look) for each in releases] or [load_set(path)]
    return [audit(each, look=look, workers=workers, progress=progress) for each in datasets], listed


def _picture_numbers(dataset: Dataset, prints: Mapping[Path, Fingerprint]) -> dict[str, int]:
    copies = twins(dataset, prints)
    readable = [prints[product.picture] for product in dataset.products.values() if product.picture in prints]
    groups = groups_within(hashes_of(readable), TWIN_BITS)
    return {
        "twin_scenes": len(copies),
        "twin_scenes_held_out": sum(
            split_of(scene) != "train" and any(split_of(other) == "train" for other in others)
            for scene, others in copies.items()
        ),
        "near_identical_products": sum(map(len, groups)),
        "near_identical_groups": len(groups),
    }


def _scenes_without_pairs(dataset: Dataset) -> int:
    folder = dataset.root / "scenes"
    return len(list_pictures(folder, []).keys() - dataset.scenes.keys()) if folder.is_dir() else 0


def _multi_positive_scenes(dataset: Dataset) -> int:
    of_scenes = (
        Counter(dataset.products[product].category for product in products)
        for products in dataset.positives.values()
    )
    return sum(max(counts.values()) > 1 for counts in of_scenes)


def _splits(dataset: Dataset) -> dict[Split, dict[str, int]]:
    scenes = Counter(map(split_of, dataset.scenes))
    pairs = Counter(split_of(pair.scene) for pair in dataset.pairs)
    dropped = Counter(
        split_of(pair.scene)
        for pair in dataset.pairs
        if pair.box and scene_rectangle(pair.box, vertical_only=dataset.is_fashion) is None
    )
    counts = {"scenes": scenes, "pairs": pairs, "dropped_by_crop": dropped}
    return {split: {what: each[split] for what, each in counts.items()} for split in SPLITS}
