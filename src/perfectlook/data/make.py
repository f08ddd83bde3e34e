"""Make a set from your own scenes and products and a table of pairs.

    scene,product,category,left,top,right,bottom,title,price
    living-1.jpg,sofa-7,Furniture|Sofas,120,340,610,700,Sofa Oslo,899 EUR

Boxes are optional. They are in pixels of the scene or normalised to 0..1. Other columns become fields of the
product.
"""

import math
import os
import shutil
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from perfectlook.data.layout import (
    ABOUT,
    CATEGORIES,
    ProblemKind,
    SetContent,
    UnusableError,
    checked_id,
    json_lines,
    list_pictures,
    set_files,
    write_files,
)
from perfectlook.errors import DatasetError, UsageError
from perfectlook.feeds.readers import read_csv, read_tsv
from perfectlook.feeds.rows import UnreadableRow
from perfectlook.files import write_file
from perfectlook.images import SUFFIXES, picture_problem, upright_size
from perfectlook.taxonomy import normalise
from perfectlook.texts import shown
from perfectlook.types import Box, Problem

EDGES = ("left", "top", "right", "bottom")
_COLUMNS = ("scene", "product", "category", *EDGES)


@dataclass(frozen=True)
class Made:
    """The result of `make`: the size of the set, and the problems of the rows that were left out."""

    scenes: int
    products: int
    pairs: int
    problems: list[Problem]


def make(
    folder: Path,
    *,
    scenes: Path,
    products: Path,
    pairs: Path,
    categories: Path | None = None,
    licence: str | None = None,
    crop: str | None = None,
    link: bool = False,
    force: bool = False,
) -> Made:
    """Make a set in a folder.

    Args:
        folder: the folder of the set, created if needed.
        scenes: a folder of pictures of scenes. The id is the file name without its suffix.
        products: a folder of pictures of products.
        pairs: a CSV or TSV file with the columns scene, product, category, and optionally left, top, right
            and bottom.
        categories: another table with product and category, which may list products without a pair.
        licence: the licence of the pictures, which model cards repeat.
        crop: the crop rule, "fashion" or "any"; by default, it is guessed from the categories.
        link: make hard links of the pictures instead of copies, if the file system can.
        force: replace another set in the folder.

    Raises:
        UsageError: a table lacks a column, or the folder contains another set and `force` is not given.
        DatasetError: a folder cannot be listed, or no row can be used.
        FeedError: a table cannot be read.
    """
    problems: list[Problem] = []
    reader = _Reader({"scene": scenes, "product": products}, problems)
    if categories:
        _read(categories, ("product", "category"), reader.take_category, problems)
    _read(pairs, ("scene", "product"), reader.take_pair, problems)
    known = {product: category for product, (category, _) in reader.categories.items()}
    content = SetContent(reader.rows, known, reader.details)
    if not content.rows:
        first = f" The first problem: {problems[0]}" if problems else ""
        raise DatasetError(f"{pairs}: no row can be used. Fix the rows.{first}")
    pictures: dict[str, Path] = {}
    for what, used in (("scene", reader.sizes), ("product", known)):
        own = (reader.pictures[what][each] for each in used)
        pictures |= {f"{what}s/{picture.name}": picture for picture in own}
    given = {scenes.resolve(), products.resolve()}
    write_set(folder, content, pictures, licence=licence, crop=crop, link=link, force=force, given=given)
    return Made(len(reader.sizes), len(known), len(content.rows), problems)


def write_set(
    folder: Path,
    content: SetContent,
    pictures: Mapping[str, Path],
    *,
    licence: str | None = None,
    crop: str | None = None,
    link: bool = False,
    force: bool = False,
    given: Collection[Path] = (),
) -> None:
    """Write a set with its pictures.

    Args:
        folder: the folder of the set, created if needed.
        content: the rows, categories and details.
        pictures: the source of each picture by its place in the set, as in `scenes/living.jpg`.
        licence: the licence of the pictures.
        crop: the crop rule.
        link: make hard links of the pictures instead of copies, if the file system can.
        force: replace another set in the folder.
        given: folders that the pictures come from. Nothing in them is removed.

    Raises:
        UsageError: the folder contains another set and `force` is not given.
    """
    told = {name: value for name, value in (("crop", crop), ("licence", licence)) if value}
    files = {ABOUT: json_lines(told) if told else None, **set_files(content)}
    is_set = (folder / CATEGORIES).exists()
    if is_set and not force:
        _check_same(folder, files)
    if is_set and force:
        (folder / CATEGORIES).unlink()  # after an interruption, a mixture of two sets is no set
    for target, picture in pictures.items():
        _bring(picture, folder / target, link=link)
    write_files(folder, files)
    if is_set and force:
        _clear(folder, pictures, given)


class _Reader:
    """Turns the rows of tables into the content of a set. A row that cannot be used is an UnusableError."""

    def __init__(self, folders: dict[str, Path], problems: list[Problem]) -> None:
        self.pictures = {what: list_pictures(folder, problems) for what, folder in folders.items()}
        self.sizes: dict[str, tuple[int, int]] = {}  # of the scenes with a pair
        self.rows: list[dict[str, object]] = []
        self.categories: dict[str, tuple[str, str]] = {}  # category, and the place where it was read
        self.details: dict[str, dict[str, str]] = {}
        self._folders = folders
        self._problems = problems
        self._seen: dict[tuple[str, str, Box | None], str] = {}
        self._problem_of = cache(picture_problem)

    def take_category(self, row: dict[str, str], where: str) -> None:
        """Take a row with product and category."""
        self._describe(self._picture(row, "product"), row, where)

    def take_pair(self, row: dict[str, str], where: str) -> None:
        """Take a row with scene and product."""
        scene, product = self._picture(row, "scene"), self._picture(row, "product")
        size = self.sizes.get(scene) or upright_size(self.pictures["scene"][scene])
        self._describe(product, row, where)
        box, remark = _box(row, size)
        first = self._seen.setdefault((scene, product, box), where)
        if first != where:
            reason = f"has the same scene, product and box as {first}. Remove one of the two rows."
            raise UnusableError(ProblemKind.DUPLICATE_ROW, product, reason)
        if remark:
            self._problems.append(Problem(where, product, remark, ProblemKind.BOX_OUTSIDE))
        self.sizes[scene] = size
        self.rows.append({"product": product, "scene": scene, "bbox": list(box) if box else None})

    def _picture(self, row: dict[str, str], what: str) -> str:
        """Return the id that a cell names, with or without the suffix of the picture."""
        pictures, text = self.pictures[what], row[what]
        end = Path(text).suffix.lower()
        name = checked_id(text, what)
        id_ = name if name in pictures or end not in SUFFIXES else name[: -len(end)]
        if id_ not in pictures:
            kind = ProblemKind.MISSING_SCENE if what == "scene" else ProblemKind.MISSING_PRODUCT
            reason = f"no picture of this {what} in {self._folders[what]}. Add it, or correct the name."
            raise UnusableError(kind, shown(text), reason)
        if problem := self._problem_of(pictures[id_]):
            raise UnusableError(ProblemKind.UNREADABLE, id_, problem)
        return id_

    def _describe(self, product: str, row: dict[str, str], where: str) -> None:
        category = normalise(row.get("category", ""))
        known, place = self.categories.get(product, (category, where))
        if not known:
            reason = "has no category. Add a path such as Furniture|Chairs to its row, or use --categories."
            raise UnusableError(ProblemKind.NO_CATEGORY, product, reason)
        if category not in ("", known):
            reason = (
                f"has category {shown(category)} here, but {shown(known)} in {place}. Choose one of the two."
            )
            raise UnusableError(ProblemKind.NO_CATEGORY, product, reason)
        self.categories[product] = known, place
        fields = {name: value for name, value in row.items() if name not in _COLUMNS and value}
        if fields:
            self.details[product] = fields | self.details.get(product, {})


def _read(
    file: Path, columns: tuple[str, ...], take: Callable[[dict[str, str], str], None], problems: list[Problem]
) -> None:
    """Pass each row of a table to `take`. Rows that cannot be used become problems with their line."""
    read = read_tsv if file.suffix.lower() == ".tsv" else read_csv
    for row in read(file, columns[0]):
        where = f"{file}, line {row.number}"
        if isinstance(row, UnreadableRow):
            problems.append(Problem(where, row.id or "?", row.reason, ProblemKind.MALFORMED))
            continue
        missing = [name for name in columns if name not in row.values]
        if missing:
            raise UsageError(
                f"{file}: no column {' and no column '.join(missing)} (it has {', '.join(row.values)}). "
                "Name the columns in the first line."
            )
        try:
            take({name: value.strip() for name, value in row.values.items()}, where)
        except UnusableError as unusable:
            problems.append(unusable.at(where))


def _box(row: dict[str, str], size: tuple[int, int]) -> tuple[Box | None, str]:
    """Return the part of a row's box in the scene, normalised, and a remark if it has another part.

    The box is None if its four cells are empty.
    """
    cells = [row.get(edge, "") for edge in EDGES]
    if not any(cells):
        return None, ""
    given = ", ".join(cells)
    try:
        box = Box(*(float(cell) for cell in cells))
    except ValueError as error:
        reason = f"its box ({given}) is not four numbers. Give left, top, right and bottom, or none of them."
        raise UnusableError(ProblemKind.UNUSABLE_BOX, row["product"], reason) from error
    if max(box) > 1:
        width, height = size
        box = Box(*(round(edge / length, 6) for edge, length in zip(box, (width, height) * 2, strict=True)))
    if not all(map(math.isfinite, box)) or box.left >= box.right or box.top >= box.bottom:
        reason = f"its box ({given}) is empty or reversed. Check the order: left, top, right, bottom."
        raise UnusableError(ProblemKind.UNUSABLE_BOX, row["product"], reason)
    outside = f"outside the scene of {size[0]}×{size[1]} pixels"
    if (inside := box.inside()) is None:
        reason = f"its box ({given}) is {outside}. Correct its numbers."
        raise UnusableError(ProblemKind.BOX_OUTSIDE, row["product"], reason)
    if inside == box:
        return box, ""
    return inside, f"its box ({given}) is partly {outside}, and was clipped. Correct its numbers."


def _check_same(folder: Path, files: dict[str, str | None]) -> None:
    """Raise UsageError if the folder contains another set."""
    for name, text in files.items():
        file = folder / name
        if (file.read_bytes() if file.exists() else None) != (None if text is None else text.encode()):
            raise UsageError(
                f"{folder}: contains another set ({name} differs). Name another folder, or use --force."
            )


def _clear(folder: Path, pictures: Collection[str], given: Collection[Path]) -> None:
    """Remove the pictures of the previous set, except from folders that this set was made from."""
    for name in ("scenes", "products"):
        for picture in (folder / name).iterdir() if (folder / name).resolve() not in given else ():
            if picture.suffix.lower() in SUFFIXES and f"{name}/{picture.name}" not in pictures:
                picture.unlink()


def _bring(picture: Path, target: Path, *, link: bool) -> None:
    """Copy or link a picture atomically. Does nothing if the target is the same file."""
    if target.exists() and target.samefile(picture):
        return

    def content(unfinished: Path) -> None:
        if link:
            with suppress(OSError):  # another disk, or a file system without hard links
                os.link(picture, unfinished)
                return
        shutil.copyfile(picture, unfinished)

    write_file(target, content)
