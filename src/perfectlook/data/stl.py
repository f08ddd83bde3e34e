"""The STL release (Kang et al., "Complete the Look", CVPR 2019; github.com/kang205/STL-Dataset) as sets.

    FOLDER/fashion.json        rows as in the set layout, one JSON object a line      (and home.json)
    FOLDER/fashion-cat.json    {product signature: "Apparel & Accessories|Shoes"}     (and home-cat.json)
    FOLDER/images/SIGNATURE.jpg

The release has no pictures; they are fetched by signature. They may lie in `images/`, `pictures/`, or
`scenes/` and `products/`, directly or nested as their addresses are (`aa/bb/cc/SIGNATURE.jpg`).
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from perfectlook.data.layout import Dataset, JsonObject, PictureOf, list_pictures, read_files
from perfectlook.errors import DatasetError
from perfectlook.taxonomy import normalise
from perfectlook.types import Problem

PARTS = ("fashion", "home")
FOLDERS = ("images", "pictures", "scenes", "products")
LICENCE = "research, non-commercial"
"""Of the pictures, which are of Pinterest's users and of shops."""


@dataclass(frozen=True, slots=True)
class Release:
    """One part of the release, fashion or home: its rows and its products' categories."""

    rows: Path
    categories: Path

    @property
    def name(self) -> str:
        """What reports call it: the folder and the part."""
        return f"{self.rows.resolve().parent.name}-{self.rows.stem}"


def release_of(rows: Path) -> Release | None:
    """The part whose rows are in this file, if its categories lie beside it (`fashion-cat.json`)."""
    categories = rows.with_name(f"{rows.name.split('.')[0]}-cat.json")
    return Release(rows, categories) if rows.is_file() and categories.is_file() else None


def releases_in(folder: Path) -> list[Release]:
    """The parts of the release that lie in a folder, rows and categories both."""
    parts = (release_of(folder / f"{part}.json") for part in PARTS)
    return [release for release in parts if release]


def count_products(folder: Path) -> dict[str, dict[str, int]]:
    """The products of every category in the release's category files of a folder: part → category → number.

    The whole release lists 38,111 fashion and 41,306 home products.

    Raises:
        DatasetError: one of the files cannot be read.
    """
    counts: dict[str, dict[str, int]] = {}
    for part in PARTS:
        file = folder / f"{part}-cat.json"
        if file.is_file():
            categories = Counter(normalise(str(value)) for value in JsonObject(file).entries.values())
            counts[part] = dict(sorted(categories.items()))
    return counts


def has_pictures(folder: Path) -> bool:
    """Whether there is a folder that pictures of the release are looked for in."""
    return any((folder / name).is_dir() for name in FOLDERS)


def read_release(release: Release) -> Dataset:
    """Read one part of the release with its pictures; everything wrong in it becomes one of its problems.

    Raises:
        DatasetError: there is no folder of pictures, or a file cannot be read.
    """
    folder = release.rows.parent
    if not has_pictures(folder):
        raise DatasetError(
            f"{folder}: the release's files are here, but no pictures; put them there as "
            f"images/SIGNATURE.jpg (or in {', '.join(FOLDERS[1:])})"
        )
    problems: list[Problem] = []
    pictures: dict[str, Path] = {}
    for name in FOLDERS:
        if (folder / name).is_dir():
            pictures = list_pictures(folder / name, problems, nested=True) | pictures
    return _read(release, pictures.get, problems)


def read_release_without_pictures(release: Release) -> Dataset:
    """Read one part of the release as if every picture were there, for its numbers alone.

    Raises:
        DatasetError: a file cannot be read.
    """
    folder = release.rows.parent / FOLDERS[0]
    return _read(release, lambda signature: folder / f"{signature}.jpg", [])


def _read(release: Release, picture_of: PictureOf, problems: list[Problem]) -> Dataset:
    files = (release.rows, release.categories, None)
    dataset = read_files(release.name, *files, picture_of, picture_of, problems)
    dataset.licence = LICENCE
    dataset.product_problems[:0] = (each for each in problems if each.item in dataset.products)
    return dataset
