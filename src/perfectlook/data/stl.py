"""The STL release (Kang et al., "Complete the Look", CVPR 2019; github.com/kang205/STL-Dataset) as sets.

    FOLDER/fashion.json        rows as in the set layout, one JSON object a line      (and home.json)
    FOLDER/fashion-cat.json    {product signature: "Apparel & Accessories|Shoes"}     (and home-cat.json)
    FOLDER/images/SIGNATURE.jpg

The release has no pictures; they are fetched by signature. They may lie in `images/`, `pictures/`, or
`scenes/` and `products/`, directly or nested as their addresses are (`aa/bb/cc/SIGNATURE.jpg`).
"""

from collections import Counter
from pathlib import Path

from perfectlook.data.layout import Dataset, JsonObject, list_pictures, read_files
from perfectlook.errors import DatasetError
from perfectlook.taxonomy import normalise
from perfectlook.types import Problem

PARTS = ("fashion", "home")
FOLDERS = ("images", "pictures", "scenes", "products")
LICENCE = "research, non-commercial"
"""Of the pictures, which belong to Pinterest's users and to shops."""


def releases_at(path: Path) -> list[Path]:
    """The files of rows at a path that have their categories beside them (`fashion-cat.json`).

    That is the file itself, or the parts of the release in a folder: `fashion.json`, `home.json`.
    """
    rows = [path] if path.is_file() else [path / f"{part}.json" for part in PARTS]
    return [each for each in rows if each.is_file() and _categories_of(each).is_file()]


def count_products(folder: Path) -> dict[str, dict[str, int]]:
    """The products of every category in the release's category files of a folder: part → category → number.

    The whole release lists 38,111 fashion and 41,306 home products.

    Raises:
        DatasetError: one of the files cannot be read.
    """
    files = {part: folder / f"{part}-cat.json" for part in PARTS}
    counts = {
        part: Counter(normalise(str(value)) for value in JsonObject(file).entries.values())
        for part, file in files.items()
        if file.is_file()
    }
    return {part: dict(sorted(categories.items())) for part, categories in counts.items()}


def picture_folders(folder: Path) -> list[Path]:
    """The folders, in one of the release, that its pictures are looked for in."""
    return [folder / name for name in FOLDERS if (folder / name).is_dir()]


def read_release(rows: Path, *, pictures: bool = True) -> Dataset:
    """Read one part of the release; everything wrong in it becomes one of its problems.

    Args:
        rows: its file of rows, one of `releases_at`.
        pictures: False reads it as if every picture were there, for its numbers alone.

    Raises:
        DatasetError: there is no folder of pictures, or a file cannot be read.
    """
    folder = rows.parent
    problems: list[Problem] = []
    found: dict[str, Path] = {}
    for each in picture_folders(folder) if pictures else ():
        found = list_pictures(each, problems, nested=True) | found
    if pictures and not picture_folders(folder):
        raise DatasetError(
            f"{folder}: the release's files are here, but no pictures; put them there as "
            f"images/SIGNATURE.jpg (or in {', '.join(FOLDERS[1:])})"
        )

    def picture_of(signature: str) -> Path | None:
        return found.get(signature) if pictures else folder / FOLDERS[0] / f"{signature}.jpg"

    name = f"{rows.resolve().parent.name}-{rows.stem}"
    dataset = read_files(name, rows, _categories_of(rows), None, picture_of, picture_of, problems)
    dataset.licence = LICENCE
    dataset.product_problems[:0] = (each for each in problems if each.item in dataset.products)
    return dataset


def _categories_of(rows: Path) -> Path:
    return rows.with_name(f"{rows.name.split('.')[0]}-cat.json")
