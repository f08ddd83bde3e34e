"""Sets of pairs with photos: reading, cropping, splitting, and auditing them."""

from pathlib import Path

from perfectlook.data.layout import CATEGORIES, PAIRS, Dataset, read_layout, read_release, releases_at
from perfectlook.errors import DatasetError
from perfectlook.files import set_folder

__all__ = ["Dataset", "load_set"]

_SHOWN = 5


def load_set(path: Path | str, *, strict: bool = False) -> Dataset:
    """Read a set: a folder in the set layout, a folder of the STL release, or the release's file of rows.

    "showroom" is the set that comes with the package. Whatever is wrong in a set becomes one of its problems,
    and with `strict` a failure.

    Raises:
        DatasetError: there is no set at `path`, or, with `strict`, anything is wrong in it.
    """
    dataset = _read(set_folder(path))
    if strict and dataset.problems:
        first = "".join(f"\n  {problem}" for problem in dataset.problems[:_SHOWN])
        more = len(dataset.problems) - _SHOWN
        rest = f"\n  and {more:,} more" if more > 0 else ""
        raise DatasetError(
            f"{path}: {len(dataset.problems):,} problems, and --strict allows none; fix them "
            f"(`perfectlook data stats` lists all):{first}{rest}"
        )
    return dataset


def _read(path: Path) -> Dataset:
    if (path / PAIRS).exists():
        return read_layout(path)
    releases = releases_at(path)
    if len(releases) == 1:
        return read_release(releases[0])
    if releases:
        names = " or ".join(map(str, releases))
        raise DatasetError(f"{path}: holds several sets; choose one by its rows: {names}")
    if not path.exists():
        raise DatasetError(f"{path}: no such file or folder; check the path")
    if path.is_file():
        raise DatasetError(f"{path}: not a set; name its folder, or rows of the STL release (fashion.json)")
    raise DatasetError(
        f"{path}: not a set; it holds neither {PAIRS} and {CATEGORIES}, nor the STL release's "
        "fashion.json and fashion-cat.json (or home.json and home-cat.json)"
    )
