"""Makes a set of one's own scenes and products, and of a table of which belongs to which.

    scene,product,category,left,top,right,bottom,title,price
    living-1.jpg,sofa-7,Furniture|Sofas,120,340,610,700,Sofa Oslo,899 EUR

Boxes may be left out, be in pixels of the scene, or shares of it (0..1). Further columns become fields of the
product.
"""

import math
import os
import shutil
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from perfectlook.data.layout import (
    ABOUT,
    PAIRS,
    ProblemKind,
    SetContent,
    UnusableError,
    checked_id,
    json_lines,
    list_pictures,
    set_files,
    shown,
    write_files,
)
from perfectlook.errors import DatasetError, UsageError
from perfectlook.feeds.readers import UnreadableRow, read_csv, read_tsv
from perfectlook.files import write_file
from perfectlook.images import SUFFIXES, picture_problem, upright_size
from perfectlook.taxonomy import normalise
from perfectlook.types import Box, Problem

EDGES = ("left", "top", "right", "bottom")
_COLUMNS = ("scene", "product", "category", *EDGES)


@dataclass(frozen=True)
class Made:
    """What a set that was made holds, and what had to be left out."""

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
    link: bool = False,
    force: bool = False,
) -> Made:
    """Make a set in a folder.

    Args:
        folder: of the set; made where it is not there.
        scenes: a folder of pictures; a picture's name without its ending is its id.
        products: another.
        pairs: a CSV (or TSV) file with columns scene, product, category, perhaps left, top, right, bottom.
        categories: a further one with product and category, also of products that are in no pair.
        licence: of the pictures, as models' cards shall repeat it.
        link: make hard links of the pictures instead of copies, where that can be done.
        force: replace another set that is in the folder.

    Raises:
        UsageError: the folder holds another set, and `force` is not given.
        DatasetError: a folder cannot be listed, or no row can be used.
        FeedError: a table cannot be read.
    """
    problems: list[Problem] = []
    reader = _Reader(list_pictures(scenes, problems), list_pictures(products, problems), scenes, products)
    if categories:
        _read(categories, ("product", "category"), reader.take_category, problems)
    _read(pairs, ("scene", "product"), reader.take_pair, problems)
    content = reader.content()
    if not content.rows:
        first = f"; the first problem: {problems[0]}" if problems else ""
        raise DatasetError(f"{pairs}: no row can be used{first}")
    files = {ABOUT: json_lines({"licence": licence}) if licence else None, **set_files(content)}
    is_set = (folder / PAIRS).exists()
    if is_set and not force:
        _check_same(folder, files)
    if is_set and force:
        (folder / PAIRS).unlink()  # should this be stopped, nobody takes a mixture of two sets for one
    pictures = reader.used_pictures()
    for target, picture in pictures.items():
        _bring(picture, folder / target, link=link)
    write_files(folder, files)
    if is_set and force:
        _clear(folder, pictures, {scenes.resolve(), products.resolve()})
    return Made(len(reader.used_scenes), len(content.categories), len(content.rows), problems)


@dataclass
class _Reader:
    """Turns the rows of tables into a set's content; what is wrong with a row is an UnusableError."""

    scenes: dict[str, Path]
    products: dict[str, Path]
    scene_folder: Path
    product_folder: Path
    used_scenes: dict[str, tuple[int, int]] = field(default_factory=dict)
    _rows: list[dict[str, object]] = field(default_factory=list)
    _categories: dict[str, tuple[str, str]] = field(default_factory=dict)
    _details: dict[str, dict[str, str]] = field(default_factory=dict)
    _seen: dict[tuple[str, str, Box | None], str] = field(default_factory=dict)
    _wrong: dict[Path, str | None] = field(default_factory=dict)

    def take_category(self, row: dict[str, str], where: str) -> None:
        """A row of product and category."""
        product = self._picture(row["product"], self.products, "product", self.product_folder)
        self._set_category(product, row.get("category", ""), where)
        self._set_details(product, row)

    def take_pair(self, row: dict[str, str], where: str) -> None:
        """A row of scene and product."""
        scene = self._picture(row["scene"], self.scenes, "scene", self.scene_folder)
        product = self._picture(row["product"], self.products, "product", self.product_folder)
        size = self.used_scenes.get(scene) or upright_size(self.scenes[scene])
        box = _box(row, size)
        first = self._seen.setdefault((scene, product, box), where)
        if first != where:
            reason = f"the same scene, product and box as {first}; remove one of them"
            raise UnusableError(ProblemKind.DUPLICATE_ROW, product, f"{reason}; left out")
        self._set_category(product, row.get("category", ""), where)
        self._set_details(product, row)
        self.used_scenes[scene] = size
        self._rows.append({"product": product, "scene": scene, "bbox": list(box) if box else None})

    def content(self) -> SetContent:
        """What the tables say together."""
        known = {product: category for product, (category, _) in self._categories.items()}
        return SetContent(self._rows, known, self._details)

    def used_pictures(self) -> dict[str, Path]:
        """The pictures of the set, by where they go."""
        scenes = {f"scenes/{self.scenes[each].name}": self.scenes[each] for each in self.used_scenes}
        return scenes | {
            f"products/{self.products[each].name}": self.products[each] for each in self._categories
        }

    def _picture(self, text: str, pictures: dict[str, Path], what: str, folder: Path) -> str:
        """The id that a cell names, with or without the ending of its picture."""
        end = Path(text).suffix.lower()
        name = checked_id(text.strip(), what)
        id_ = name if name in pictures or end not in SUFFIXES else name[: -len(end)]
        if id_ not in pictures:
            kind = ProblemKind.MISSING_SCENE if what == "scene" else ProblemKind.MISSING_PRODUCT
            raise UnusableError(
                kind, shown(text), f"no picture of this {what} in {folder}; add it, or fix the name"
            )
        picture = pictures[id_]
        if picture not in self._wrong:
            self._wrong[picture] = picture_problem(picture)
        if reason := self._wrong[picture]:
            raise UnusableError(ProblemKind.UNREADABLE, id_, reason)
        return id_

    def _set_category(self, product: str, text: str, where: str) -> None:
        category = normalise(text)
        known = self._categories.get(product)
        if not category and known is None:
            reason = "no category; write a path such as Furniture|Chairs in its row, or in --categories"
            raise UnusableError(ProblemKind.NO_CATEGORY, product, reason)
        if known and category and category != known[0]:
            reason = (
                f"its category is {shown(category)} here and {shown(known[0])} at {known[1]}; use one of them"
            )
            raise UnusableError(ProblemKind.NO_CATEGORY, product, reason)
        self._categories.setdefault(product, (category, where))

    def _set_details(self, product: str, row: dict[str, str]) -> None:
        fields = {name: value for name, value in row.items() if name not in _COLUMNS and value}
        if fields:
            self._details[product] = fields | self._details.get(product, {})


def _read(
    file: Path, columns: tuple[str, ...], take: Callable[[dict[str, str], str], None], problems: list[Problem]
) -> None:
    """Give every row of a table to `take`; what is wrong becomes a problem with its line."""
    read = read_tsv if file.suffix.lower() == ".tsv" else read_csv
    for row in read(file, columns[0]):
        where = f"{file}:{row.number}"
        if isinstance(row, UnreadableRow):
            problems.append(Problem(where, row.id or "?", row.reason, ProblemKind.MALFORMED))
            continue
        missing = [name for name in columns if name not in row.values]
        if missing:
            raise UsageError(f"{file}: no column {' and no '.join(missing)}; it has {', '.join(row.values)}")
        try:
            take({name: value.strip() for name, value in row.values.items()}, where)
        except UnusableError as unusable:
            problems.append(unusable.at(where))


def _box(row: dict[str, str], size: tuple[int, int]) -> Box | None:
    """The box of a row, normalised; None where its four cells are empty."""
    cells = [row.get(edge, "") for edge in EDGES]
    if not any(cells):
        return None
    given = ", ".join(cells)
    try:
        box = Box(*(float(cell) for cell in cells))
    except ValueError as error:
        reason = f"its box is ({given}); write left, top, right, bottom as numbers, or leave all four empty"
        raise UnusableError(ProblemKind.UNUSABLE_BOX, row["product"], reason) from error
    if max(box) > 1:
        width, height = size
        box = Box(*(round(edge / length, 6) for edge, length in zip(box, (width, height) * 2, strict=True)))
    if not all(map(math.isfinite, box)) or box.left >= box.right or box.top >= box.bottom:
        reason = f"its box ({given}) is empty or reversed; write left, top, right, bottom"
        raise UnusableError(ProblemKind.UNUSABLE_BOX, row["product"], reason)
    if min(box) < 0 or max(box) > 1:
        reason = f"its box ({given}) reaches out of the scene of {size[0]}×{size[1]} pixels; fix its numbers"
        raise UnusableError(ProblemKind.BOX_OUTSIDE, row["product"], reason)
    return box


def _check_same(folder: Path, files: dict[str, str | None]) -> None:
    """Refuse to write over a set that is another one."""
    for name, text in files.items():
        file = folder / name
        if (file.read_bytes() if file.exists() else None) != (None if text is None else text.encode()):
            raise UsageError(
                f"{folder}: holds another set ({name} differs); name another folder, or use --force"
            )


def _clear(folder: Path, pictures: Collection[str], given: Collection[Path]) -> None:
    """Remove the pictures of the set that was there before; never from a folder that was read from."""
    for name in ("scenes", "products"):
        for picture in (folder / name).iterdir() if (folder / name).resolve() not in given else ():
            if picture.suffix.lower() in SUFFIXES and f"{name}/{picture.name}" not in pictures:
                picture.unlink()


def _bring(picture: Path, target: Path, *, link: bool) -> None:
    """Copy a picture, or link it, in one step; nothing happens where it is the same file."""
    if target.exists() and target.samefile(picture):
        return

    def content(unfinished: Path) -> None:
        if link:
            with suppress(OSError):  # another disk, or a file system without links
                os.link(picture, unfinished)
                return
        shutil.copyfile(picture, unfinished)

    write_file(target, content)
