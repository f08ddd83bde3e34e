"""Sets of pairs with photos: read, crop, split and audit them."""

from pathlib import Path

from perfectlook.data.layout import CATEGORIES, PAIRS, Dataset, read_layout, read_release, releases_at
from perfectlook.errors import DatasetError
from perfectlook.files import set_folder
from perfectlook.progress import counted

__all__ = ["Dataset", "load_set"]

_SHOWN = 5


def load_set(path: Path | str, *, strict: bool = False) -> Dataset:
    """Read a set: a folder in the set layout, a folder of the STL release, or a file of rows of the release.

    "showroom" is the set that ships with the package. Errors in a set are collected in its `problems`. With
    `strict`, they raise an error.

    Raises:
        DatasetError: there is no set at `path`, or it has problems and `strict` is given.
    """
    dataset = _read(set_folder(path))
    if strict and dataset.problems:
        first = "".join(f"\n  {problem}" for problem in dataset.problems[:_SHOWN])
        more = len(dataset.problems) - _SHOWN
        rest = f"\n  and {more:,} more" if more > 0 else ""
        raise DatasetError(
            f"{path}: {counted(len(dataset.problems), 'problem')}, and --strict allows none. Fix them; "
            f"`perfectlook data stats` lists all:{first}{rest}"
        )
    return dataset


def _read(path: Path) -> Dataset:
    if (path / PAIRS).exists() or ((path / CATEGORIES).exists() and (path / "scenes").is_dir()):
        return read_layout(path)
    releases = releases_at(path)
    if len(releases) == 1:
        return read_release(releases[0])
    if releases:
        names = " or ".join(map(str, releases))
        raise DatasetError(f"{path}: contains several sets. Name the file of rows of one: {names}.")
    if not path.exists():
        raise DatasetError(f"{path}: no such file or folder. Check the path.")
    if path.is_file():
        raise DatasetError(f"{path}: not a set. Name the folder of a set, or fashion.json or home.json.")
    raise DatasetError(
        f"{path}: not a set. Name a folder with {PAIRS} and {CATEGORIES}, or with fashion.json and "
        "fashion-cat.json (or home.json and home-cat.json) of the STL release."
    )
