"""What a set holds and what is wrong with it: the numbers of `perfectlook data stats`."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from perfectlook.data import load_set
from perfectlook.data.fingerprints import Fingerprint, fingerprints, groups_within, hashes_of
from perfectlook.data.layout import PAIRS, Dataset, ProblemKind, list_pictures
from perfectlook.data.scenes import SPLITS, TWIN_BITS, Split, is_small, scene_rectangle, split_of, twins
from perfectlook.data.stl import (
    count_products,
    has_pictures,
    read_release,
    read_release_without_pictures,
    release_of,
    releases_in,
)
from perfectlook.progress import Progress
from perfectlook.types import Problem


@dataclass(frozen=True, slots=True)
class CategorySize:
    """How many products a category has in the catalogue, and how many pairs."""

    products: int
    pairs: int


@dataclass(frozen=True, slots=True)
class SplitSize:
    """How many scenes and pairs a split has, and how many of its pairs the crop rule drops."""

    scenes: int
    pairs: int
    dropped_by_crop: int


@dataclass(frozen=True, slots=True)
class PictureNumbers:
    """What only the pictures themselves tell.

    Attributes:
        unreadable: pictures of scenes and products that cannot be opened.
        twin_scenes: scenes that have a copy among the scenes with pairs.
        twin_scenes_held_out: scenes of validation and test that have a copy in train.
        near_identical_products: products whose picture is nearly another product's.
        near_identical_groups: the groups that these form.
    """

    unreadable: int
    twin_scenes: int
    twin_scenes_held_out: int
    near_identical_products: int
    near_identical_groups: int


@dataclass(frozen=True, slots=True)
class Audit:
    """The numbers of one set.

    Attributes:
        is_fashion: whether crops are taken from above and below the box only.
        is_small: whether choices are made by cross-validation.
        rows: rows of the file, valid or not; `pairs` are the valid ones.
        scenes: scenes with a pair; `scenes_without_pairs` are further pictures in the folder of scenes.
        products: products of the catalogue, `products_in_pairs` of which are in a pair.
        multi_positive_scenes: scenes with more than one product of the same category.
        boxes: pairs with a box; `boxes_outside` counts rows whose box reached out of 0..1.
        missing_scenes, missing_products: distinct ids that have no picture.
        pictures: None where there are no pictures to look at.
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
    splits: dict[Split, SplitSize]
    categories: dict[str, CategorySize]
    pictures: PictureNumbers | None
    problems: list[Problem]


def audit(
    dataset: Dataset, *, look: bool = True, workers: int | None = None, progress: Progress | None = None
) -> Audit:
    """Count what a set holds; with `look`, open every picture once (fingerprints are kept).

    Raises:
        FeatureError: the fingerprints cannot be kept.
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
        pictures = _picture_numbers(dataset, prints, len(unreadable))
    kinds = Counter(problem.kind for problem in problems)
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
        products_in_pairs=len({pair.product for pair in dataset.pairs}),
        multi_positive_scenes=_multi_positive_scenes(dataset),
        boxes=sum(pair.box is not None for pair in dataset.pairs),
        boxes_outside=kinds[ProblemKind.BOX_OUTSIDE],
        duplicate_rows=kinds[ProblemKind.DUPLICATE_ROW],
        missing_scenes=_distinct_items(problems, ProblemKind.MISSING_SCENE),
        missing_products=_distinct_items(problems, ProblemKind.MISSING_PRODUCT),
        dropped_by_crop=sum(size.dropped_by_crop for size in splits.values()),
        splits=splits,
        categories=_categories(dataset),
        pictures=pictures,
        problems=problems,
    )


@dataclass(frozen=True, slots=True)
class Audits:
    """The numbers of all sets at one path.

    Attributes:
        sets: one for a set; one each for the parts of the STL release whose rows are there.
        release: the products that the release's category files list, as part → category → number.
    """

    sets: list[Audit]
    release: dict[str, dict[str, int]]


def audit_at(path: Path, *, workers: int | None = None, progress: Progress | None = None) -> Audits:
    """Audit whatever lies at a path: a set, or files of the STL release, with or without pictures.

    Raises:
        DatasetError: there is neither.
        FeatureError: the fingerprints cannot be kept.
    """
    listed = count_products(path) if path.is_dir() else {}
    releases = [each for each in (release_of(path),) if each]
    if path.is_dir():
        releases = [] if (path / PAIRS).exists() else releases_in(path)
    if releases and not has_pictures(releases[0].rows.parent):
        return Audits([audit(read_release_without_pictures(each), look=False) for each in releases], listed)
    if listed and not releases and not (path / PAIRS).exists():
        return Audits([], listed)
    datasets = [read_release(each) for each in releases] or [load_set(path)]
    return Audits([audit(each, workers=workers, progress=progress) for each in datasets], listed)


def _picture_numbers(dataset: Dataset, prints: Mapping[Path, Fingerprint], unreadable: int) -> PictureNumbers:
    copies = twins(dataset, prints)
    held_out = (
        scene
        for scene, others in copies.items()
        if split_of(scene) != "train" and any(split_of(other) == "train" for other in others)
    )
    readable = [prints[product.picture] for product in dataset.products.values() if product.picture in prints]
    groups = groups_within(hashes_of(readable), TWIN_BITS)
    return PictureNumbers(
        unreadable=unreadable,
        twin_scenes=len(copies),
        twin_scenes_held_out=sum(1 for _ in held_out),
        near_identical_products=sum(map(len, groups)),
        near_identical_groups=len(groups),
    )


def _scenes_without_pairs(dataset: Dataset) -> int:
    folder = dataset.root / "scenes"
    return len(list_pictures(folder, []).keys() - dataset.scenes.keys()) if folder.is_dir() else 0


def _multi_positive_scenes(dataset: Dataset) -> int:
    def most_of_a_category(products: Iterable[str]) -> int:
        return max(Counter(dataset.products[product].category for product in products).values())

    return sum(most_of_a_category(products) > 1 for products in dataset.positives.values())


def _splits(dataset: Dataset) -> dict[Split, SplitSize]:
    scenes = Counter(split_of(scene) for scene in dataset.scenes)
    pairs: Counter[Split] = Counter()
    dropped: Counter[Split] = Counter()
    for pair in dataset.pairs:
        split = split_of(pair.scene)
        pairs[split] += 1
        if pair.box and scene_rectangle(pair.box, vertical_only=dataset.is_fashion) is None:
            dropped[split] += 1
    return {split: SplitSize(scenes[split], pairs[split], dropped[split]) for split in SPLITS}


def _categories(dataset: Dataset) -> dict[str, CategorySize]:
    pairs = Counter(dataset.products[pair.product].category for pair in dataset.pairs)
    return {
        category: CategorySize(len(products), pairs[category])
        for category, products in dataset.categories.items()
    }


def _distinct_items(problems: Iterable[Problem], kind: ProblemKind) -> int:
    return len({problem.item for problem in problems if problem.kind == kind})
