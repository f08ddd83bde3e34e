"""The files of sets: the set layout, and the STL release as it is published.

The set layout is one folder with pairs and photos:

SET/pairs.jsonl        one {"product": id, "scene": id, "bbox": [left, top, right, bottom] | null} a line
SET/categories.json    {product id: "Furniture|Chairs"}
SET/scenes/ID.jpg      SET/products/ID.jpg      (or another picture format)
SET/products.json      optional: {product id: {"title": ..., further fields}}
SET/set.json           optional: {"licence": "licence of the pictures"}
SET/display/products/ID.webp   SET/display/scenes/ID.webp   optional: larger copies for people

The STL release (Kang et al., "Complete the Look", CVPR 2019; github.com/kang205/STL-Dataset) has rows and
categories but no pictures. Pictures are fetched by signature. They are in `images/`, `pictures/`, or
`scenes/` and `products/`, directly or in subfolders as in their URLs (`aa/bb/cc/SIGNATURE.jpg`):

FOLDER/fashion.json        rows as in the set layout, one JSON object a line      (and home.json)
FOLDER/fashion-cat.json    {product signature: "Apparel & Accessories|Shoes"}     (and home-cat.json)
FOLDER/images/SIGNATURE.jpg
"""

import codecs
import json
import math
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any

from perfectlook.errors import DatasetError
from perfectlook.files import write_file
from perfectlook.images import SUFFIXES
from perfectlook.taxonomy import is_fashion, normalise, split_path
from perfectlook.texts import clean_line, shown
from perfectlook.types import Box, Pair, Problem, Product, Scene

PAIRS, CATEGORIES, DETAILS, ABOUT = "pairs.jsonl", "categories.json", "products.json", "set.json"
CROPS = ("fashion", "any")
"""The crop rules that `set.json` can name: above and below a box only, or on any side."""
STL_PARTS = ("fashion", "home")
STL_FOLDERS = ("images", "pictures", "scenes", "products")
STL_LICENCE = "research, non-commercial"
"""Licence of the pictures, which belong to Pinterest's users and to shops."""
PictureOf = Callable[[str], Path | None]
"""Returns the path of the picture of an id; None if there is none."""


@dataclass(repr=False)
class Dataset:
    """A set: its valid scenes, products and pairs, and its problems. It does not change after reading.

    Attributes:
        name: the name of the set in reports.
        root: its folder.
        scenes: the scenes with a pair, by id, in the order of their first pair; all, if there are no pairs.
        products: the catalogue, by id: every product with a category and a picture, with or without a pair.
        pairs: the valid rows in file order, including repeated ones.
        problems: all problems, with file, line and id.
        n_rows: the number of rows in the file, valid or not.
        licence: the licence of the pictures; None if the set does not name it.
        crop: "fashion" or "any", the crop rule; None if the set does not say (see `scene_rectangle`).
        parts: the sets that were merged into this one; empty for a set that was read.
        known: scene and product of every row with valid ids, including rows that were left out.
        product_problems: the problems that concern the catalogue.
        unpaired: the other scenes in its folder, by id, if there are pairs.
    """

    name: str
    root: Path
    scenes: dict[str, Scene]
    products: dict[str, Product]
    pairs: list[Pair]
    problems: list[Problem] = field(default_factory=list)
    n_rows: int = 0
    licence: str | None = None
    crop: str | None = None
    parts: tuple["Dataset", ...] = ()
    known: list[tuple[str, str]] = field(default_factory=list)
    product_problems: list[Problem] = field(default_factory=list)
    unpaired: dict[str, Scene] = field(default_factory=dict)

    def __repr__(self) -> str:
        names = ("scenes", "products", "pairs", "categories")
        counts = ", ".join(f"{len(getattr(self, each)):,} {each}" for each in names)
        return f"<Dataset {self.name!r}: {counts}>"

    @cached_property
    def categories(self) -> dict[str, list[str]]:
        """The product ids of every category; categories and ids sorted."""
        members: dict[str, list[str]] = {}
        for product in self.products.values():
            members.setdefault(product.category, []).append(product.id)
        return {category: sorted(members[category]) for category in sorted(members)}

    @cached_property
    def positives(self) -> dict[str, frozenset[str]]:
        """The known products of every scene, also with an unusable box. They are never negatives."""
        positives: dict[str, set[str]] = {}
        for pair in self.pairs:
            positives.setdefault(pair.scene, set()).add(pair.product)
        for scene, product in self.known:
            if scene in positives and product in self.products:
                positives[scene].add(product)
        return {scene: frozenset(products) for scene, products in positives.items()}

    @cached_property
    def is_fashion(self) -> bool:
        """Whether the crop rule is that of fashion: as the set says, or guessed from its categories."""
        return is_fashion(self.categories) if self.crop is None else self.crop == "fashion"


def read_layout(root: Path) -> Dataset:
    """Read a set in the set layout. Errors in its rows become its `problems`.

    A set may lack its file of pairs, or the file may be empty. Then it has all scenes in its folder.

    Raises:
        DatasetError: a file or a folder of the layout is missing, a JSON file does not contain one object, or
            the licence is not text.
    """
    if not (root / CATEGORIES).is_file():
        raise DatasetError(f"{root}: no {CATEGORIES}. Add the categories of the products to the set.")
    of_scenes: list[Problem] = []
    of_products: list[Problem] = []
    scenes = list_pictures(root / "scenes", of_scenes)
    products = list_pictures(root / "products", of_products)
    name, files = root.name or root.resolve().name, (root / PAIRS, root / CATEGORIES, root / DETAILS)
    dataset = read_files(name, *files, scenes.get, products.get, of_scenes, of_products)
    named = {scene for scene, _ in dataset.known}
    others = {each: Scene(each, picture) for each, picture in scenes.items() if each not in named}
    if dataset.n_rows:
        dataset.unpaired = others
    else:
        dataset.scenes = others
    about = root / ABOUT
    told = JsonObject(about).entries if about.is_file() else {}
    licence, crop = told.get("licence"), told.get("crop")
    if licence is not None and not isinstance(licence, str):
        raise DatasetError(f"{about}: expected text as licence, got {shown(licence)}. Write it in quotes.")
    if crop not in (None, *CROPS):
        raise DatasetError(f"{about}: unknown crop {shown(crop)}. Choose one of: {', '.join(CROPS)}.")
    dataset.licence, dataset.crop = licence, crop
    return dataset


def read_files(
    name: str,
    pairs: Path,
    categories: Path,
    details: Path | None,
    picture_of_scene: PictureOf,
    picture_of_product: PictureOf,
    scene_problems: Iterable[Problem] = (),
    product_problems: Iterable[Problem] = (),
) -> Dataset:
    """Read the files of a set, given its pictures. Errors in the rows become its `problems`.

    Args:
        name: the name of the set in reports.
        pairs: a JSON-lines file of rows; without it, there are no pairs. A row is left out if it is
            malformed, if its product is unknown or was left out, if its scene has no picture, or if its box
            is unusable. Repeated rows are reported and kept.
        categories: the categories of the products. A product without a category or a picture is left out.
        details: titles and other fields of the products; the file may be missing.
        picture_of_scene: returns the picture of a scene.
        picture_of_product: returns the picture of a product.
        scene_problems: problems of the pictures of scenes.
        product_problems: problems of the pictures of products.

    Raises:
        DatasetError: a file cannot be read, or does not contain one JSON object.
    """
    of_products = list(product_problems)
    products, left_out = _read_products(categories, picture_of_product, of_products, details)
    reader = _RowReader(products, left_out, picture_of_scene)
    of_rows: list[Problem] = []
    found: list[Pair] = []
    n_rows = 0
    for line, text in lines_of(pairs) if pairs.exists() else ():
        n_rows += 1
        try:
            found.append(reader.pair_of(object_of(text), line))
        except UnusableError as unusable:
            reader.remarks.append(unusable)
        of_rows.extend(remark.at(f"{pairs}, line {line}") for remark in reader.remarks)
        reader.remarks.clear()
    return Dataset(
        name,
        pairs.parent,
        reader.scenes,
        products,
        found,
        [*scene_problems, *of_products, *of_rows],
        n_rows,
        known=reader.known,
        product_problems=of_products,
    )


def releases_at(path: Path) -> list[Path]:
    """Return the files of rows at a path that have a file of categories next to them (`fashion-cat.json`).

    The path is a file of rows, or a folder with `fashion.json` or `home.json`.
    """
    rows = [path] if path.is_file() else [path / f"{part}.json" for part in STL_PARTS]
    return [each for each in rows if each.is_file() and _categories_of(each).is_file()]


def count_products(folder: Path) -> dict[str, dict[str, int]]:
    """Count the products in the category files of the release in a folder: part → category → number.

    The whole release lists 38,111 fashion and 41,306 home products.

    Raises:
        DatasetError: a file cannot be read.
    """
    files = {part: folder / f"{part}-cat.json" for part in STL_PARTS}
    counts = {
        part: Counter(normalise(str(value)) for value in JsonObject(file).entries.values())
        for part, file in files.items()
        if file.is_file()
    }
    return {part: dict(sorted(categories.items())) for part, categories in counts.items()}


def picture_folders(folder: Path) -> list[Path]:
    """Return the existing folders of pictures in a folder of the release."""
    return [folder / name for name in STL_FOLDERS if (folder / name).is_dir()]


def larger_copy(picture: Path) -> Path:
    """Return the larger copy of a set's picture, which people see and models never read; else the picture."""
    copy = picture.parent.parent / "display" / picture.parent.name / f"{picture.stem}.webp"
    return copy if copy.is_file() else picture


def read_release(rows: Path, *, pictures: bool = True) -> Dataset:
    """Read one part of the release. Errors in its rows become its `problems`.

    Args:
        rows: a file of rows, from `releases_at`.
        pictures: with False, all pictures are assumed to exist, to count rows and products.

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
            f"{folder}: the STL release has no pictures here. Add them as images/SIGNATURE.jpg "
            f"(or in {', '.join(STL_FOLDERS[1:])})."
        )

    def picture_of(signature: str) -> Path | None:
        return found.get(signature) if pictures else folder / STL_FOLDERS[0] / f"{signature}.jpg"

    name = f"{rows.resolve().parent.name}-{rows.stem}"
    dataset = read_files(name, rows, _categories_of(rows), None, picture_of, picture_of, problems)
    dataset.licence = STL_LICENCE
    dataset.product_problems[:0] = (each for each in problems if each.item in dataset.products)
    return dataset


def _categories_of(rows: Path) -> Path:
    return rows.with_name(f"{rows.name.split('.')[0]}-cat.json")


@dataclass
class SetContent:
    """The content of a set, ready to be written.

    Attributes:
        rows: the pairs, each with "product", "scene" and "bbox".
        categories: the category of each product, by id.
        details: title and other fields of the products, by id.
        problems: what was left out, and why.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    categories: dict[str, str] = field(default_factory=dict)
    details: dict[str, dict[str, str]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def set_files(content: SetContent) -> dict[str, str | None]:
    """Return the text of each file of a set by name, in writing order; None for a file that it lacks.

    The categories come last: a folder that contains them is complete, and without them it is no set.
    """
    return {
        DETAILS: json_lines(content.details) if content.details else None,
        PAIRS: "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in content.rows),
        CATEGORIES: json_lines(content.categories),
    }


def json_lines(entries: object) -> str:
    """Return a JSON object as text, with one line for each entry."""
    return json.dumps(entries, indent=0, ensure_ascii=False, sort_keys=True) + "\n"


def write_files(folder: Path, files: Mapping[str, str | None]) -> None:
    """Write the files of a set, and create its folders for pictures."""
    for name in ("scenes", "products"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        if text is None:
            (folder / name).unlink(missing_ok=True)
        else:
            write_file(folder / name, text)


class ProblemKind(StrEnum):
    """The kinds of problems of sets (`Problem.kind`)."""

    MALFORMED = "malformed row"
    UNUSABLE_ID = "unusable id"
    UNKNOWN_PRODUCT = "unknown product"
    DUPLICATE_ROW = "duplicate row"
    DUPLICATE_ID = "duplicate id"
    NO_CATEGORY = "product without category"
    NO_BOX = "row without bbox"
    UNUSABLE_BOX = "unusable box"
    BOX_OUTSIDE = "box outside 0..1"
    MISSING_SCENE = "missing scene picture"
    MISSING_PRODUCT = "missing product picture"
    TWO_PICTURES = "two pictures of one id"
    UNREADABLE = "unreadable picture"
    UNUSABLE_DETAILS = "unusable product details"
    INCOMPLETE = "file of another length"
    TOO_FEW = "too few pairs"


KEPT = frozenset(
    {
        ProblemKind.DUPLICATE_ROW,
        ProblemKind.DUPLICATE_ID,
        ProblemKind.NO_BOX,
        ProblemKind.BOX_OUTSIDE,
        ProblemKind.TWO_PICTURES,
        ProblemKind.UNUSABLE_DETAILS,
        ProblemKind.INCOMPLETE,
        ProblemKind.TOO_FEW,
    }
)
"""Kinds of problems whose rows and products are still used."""


@dataclass(eq=False)
class UnusableError(Exception):
    """A row or an entry cannot be used. The readers turn it into a `Problem`; users never see it."""

    kind: ProblemKind
    item: str
    reason: str

    def at(self, where: str) -> Problem:
        """Return this as a problem at a place."""
        return Problem(where, self.item, self.reason, self.kind)


@dataclass
class _RowReader:
    """Turns rows into pairs. Remarks are problems of rows that are kept."""

    products: Mapping[str, Product]
    left_out: Mapping[str, Problem]
    picture_of_scene: PictureOf
    scenes: dict[str, Scene] = field(default_factory=dict)
    known: list[tuple[str, str]] = field(default_factory=list)
    remarks: list[UnusableError] = field(default_factory=list)
    first_lines: dict[tuple[str, str, Box | None], int] = field(default_factory=dict)

    def pair_of(self, row: dict[str, object], line: int) -> Pair:
        scene, product = _id_in(row, "scene"), _id_in(row, "product")
        self.known.append((scene, product))
        marked = self._marked_box(row, scene, product)
        first = self.first_lines.setdefault((scene, product, marked), line)
        if first != line:
            reason = f"same pair as line {first} (product {product}); it counts twice. Remove one of the two."
            self.remarks.append(UnusableError(ProblemKind.DUPLICATE_ROW, scene, reason))
        box = self._clipped(marked, scene, product) if marked else None
        if product not in self.products and product in self.left_out:
            kind = ProblemKind(self.left_out[product].kind)
            reason = "its product was left out. Fix the problem of the product first."
            raise UnusableError(kind, product, reason)
        if product not in self.products:
            reason = "this product has no category. Add its category, or remove the row."
            raise UnusableError(ProblemKind.UNKNOWN_PRODUCT, product, reason)
        if scene not in self.scenes:
            picture = self.picture_of_scene(scene)
            if picture is None:
                reason = "this scene has no picture. Add the picture, or remove the row."
                raise UnusableError(ProblemKind.MISSING_SCENE, scene, reason)
            self.scenes[scene] = Scene(scene, picture)
        return Pair(scene, product, box)

    def _marked_box(self, row: dict[str, object], scene: str, product: str) -> Box | None:
        """Return the box of a row. Its numbers are finite and in order, but may be outside the picture."""
        if "bbox" not in row:
            reason = f"no 'bbox' for product {product}. Write null if its position is unknown."
            self.remarks.append(UnusableError(ProblemKind.NO_BOX, scene, reason))
        value = row.get("bbox")
        if value is None:
            return None
        box = _four_numbers(value)
        if box and box.left < box.right and box.top < box.bottom:
            return box
        wrong = "is empty or reversed" if box else "is not four finite numbers"
        reason = f"the box {shown(value)} of product {product} {wrong}. Write [left, top, right, bottom]."
        raise UnusableError(ProblemKind.UNUSABLE_BOX, scene, reason)

    def _clipped(self, box: Box, scene: str, product: str) -> Box:
        """Return the part of the box inside the picture."""
        of = f"the box {list(box)} of product {product}"
        if (clipped := box.inside()) is None:
            reason = f"{of} is outside the picture. Divide pixels by the width and height of the picture."
            raise UnusableError(ProblemKind.BOX_OUTSIDE, scene, reason)
        if clipped != box:
            reason = f"{of} is partly outside 0..1 and was clipped. Correct its numbers."
            self.remarks.append(UnusableError(ProblemKind.BOX_OUTSIDE, scene, reason))
        return clipped


def _id_in(row: dict[str, object], what: str) -> str:
    if what not in row:
        raise UnusableError(ProblemKind.MALFORMED, shown(row), f"no '{what}' in the row. Add it.")
    return checked_id(row[what], what)


def _four_numbers(value: object) -> Box | None:
    if isinstance(value, list) and len(value) == 4 and all(type(edge) in (int, float) for edge in value):
        with suppress(OverflowError):  # whole numbers in JSON have no upper limit
            box = Box(*map(float, value))
            return box if all(map(math.isfinite, box)) else None
    return None


def _read_products(
    categories: Path, picture_of: PictureOf, problems: list[Problem], details: Path | None
) -> tuple[dict[str, Product], dict[str, Problem]]:
    """Return the products of a file of categories, and the problems of those that were left out."""
    listed = JsonObject(categories)
    problems.extend(listed.duplicates())
    further = _read_details(details, listed, problems) if details and details.is_file() else {}
    products: dict[str, Product] = {}
    left_out: dict[str, Problem] = {}
    for key, value in listed.entries.items():
        try:
            product = _product_of(key, value, picture_of, dict(further.get(key, {})))
            products[product.id] = product
        except UnusableError as unusable:
            left_out[unicodedata.normalize("NFC", key)] = unusable.at(listed.where(key))
    problems.extend(left_out.values())
    return products, left_out


def _product_of(key: str, value: object, picture_of: PictureOf, fields: dict[str, str]) -> Product:
    product = checked_id(key, "product")
    category = normalise(value) if isinstance(value, str) else ""
    if not category:
        reason = f"expected a category such as 'Furniture|Chairs', got {shown(value)}. Correct it."
        raise UnusableError(ProblemKind.NO_CATEGORY, product, reason)
    picture = picture_of(product)
    if picture is None:
        reason = "this product has no picture. Add the picture, or remove the entry."
        raise UnusableError(ProblemKind.MISSING_PRODUCT, product, reason)
    title = clean_line(fields.pop("title", "") or _title_of(fields, category) or "")
    return Product(product, category, picture, title or None, fields)


def _read_details(path: Path, listed: "JsonObject", problems: list[Problem]) -> dict[str, dict[str, str]]:
    """Return the fields of every product as text: other values as JSON, without null."""
    file = JsonObject(path)
    problems.extend(file.duplicates())
    details: dict[str, dict[str, str]] = {}
    for key, value in file.entries.items():
        if key not in listed.entries:
            reason = f"this product is not in {listed.path.name}. Add it there, or remove the entry."
            problems.append(Problem(file.where(key), shown(key), reason, ProblemKind.UNKNOWN_PRODUCT))
        elif not isinstance(value, dict):
            reason = f'expected an object, got {shown(value)}. Write {{"title": ...}}.'
            problems.append(Problem(file.where(key), key, reason, ProblemKind.UNUSABLE_DETAILS))
        else:
            details[key] = {
                name: each if isinstance(each, str) else json.dumps(each, ensure_ascii=False)
                for name, each in value.items()
                if each is not None
            }
    return details


def _title_of(fields: dict[str, str], category: str) -> str | None:
    """Return a title of type and colour, such as `Rug, grey`. Without a type, the category is used."""
    kind, colour = fields.get("type", "").strip(), fields.get("color", "").strip()
    if not kind and not colour:
        return None
    kind = kind or split_path(category)[-1]
    if not colour:
        return kind
    colour = re.sub(r"\s*,\s*", ", ", colour)
    return f"{kind}, {colour[0].lower()}{colour[1:]}"


def list_pictures(folder: Path, problems: list[Problem], *, nested: bool = False) -> dict[str, Path]:
    """Return the pictures of a folder by id, in the order of their names.

    The id is the file name without its suffix, in Unicode form NFC, because systems spell accents
    differently. With `nested`, subfolders are included. Two pictures of one id are added to `problems`.

    Raises:
        DatasetError: the folder is missing or cannot be read.
    """
    found: dict[str, Path] = {}

    def refuse(error: OSError) -> None:
        message = f"{folder}: cannot be listed ({error.strerror}). Put the pictures there as ID.jpg."
        raise DatasetError(message) from error

    def preference(path: Path) -> tuple[str, int, str]:
        return path.stem, SUFFIXES.index(path.suffix.lower()), str(path)

    pictures: list[Path] = []
    for root, folders, names in os.walk(folder, onerror=refuse):
        pictures += (Path(root, name) for name in names if name.lower().endswith(SUFFIXES))
        if not nested:
            folders.clear()
    for path in sorted(filter(Path.is_file, pictures), key=preference):
        id_ = unicodedata.normalize("NFC", path.stem)
        kept = found.setdefault(id_, path)
        if kept is not path:
            reason = f"{kept.name} has the same id and is used. Remove one of the two."
            problems.append(Problem(str(path), id_, reason, ProblemKind.TWO_PICTURES))
    return found


def checked_id(value: object, what: str) -> str:
    """Check an id and return it in Unicode form NFC. An id must be usable as a file name.

    Raises:
        UnusableError: it is not text, is empty, or could lead to a path outside the folder.
    """
    if not isinstance(value, str):
        reason = f"the {what} id {shown(value)} is not text. Write it in quotes."
        raise UnusableError(ProblemKind.UNUSABLE_ID, shown(value), reason)
    drive = len(value) > 1 and value[1] == ":" and value[0].isalpha()
    unfit = any(character in "/\\" or not character.isprintable() for character in value)
    if not value.strip(" .") or drive or unfit:
        reason = f"the {what} id {shown(value)} cannot be a file name. Use letters, digits, '-' and '_'."
        raise UnusableError(ProblemKind.UNUSABLE_ID, shown(value), reason)
    return unicodedata.normalize("NFC", value)


_NOT_JSON = (ValueError, RecursionError)


def lines_of(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the numbers, from 1, and the trimmed text of the lines of a JSON-lines file, without blank lines.

    Raises:
        DatasetError: the file cannot be read.
    """
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                text = (line.removeprefix(codecs.BOM_UTF8) if number == 1 else line).strip()
                if text:
                    yield number, text
    except OSError as error:
        raise _unreadable(path, error) from error


def object_of(line: bytes) -> dict[str, object]:
    """Return the JSON object in a line.

    Raises:
        UnusableError: the line is not a JSON object.
    """
    try:
        row = json.loads(line.decode("utf-8"))
    except _NOT_JSON as error:
        reason = f"not JSON ({_reason(error)}). Write one object on each line."
    else:
        if isinstance(row, dict):
            return row
        reason = 'not an object. Write {"product": ..., "scene": ..., "bbox": ...}.'
    raise UnusableError(ProblemKind.MALFORMED, shown(line.decode("utf-8", errors="replace")), reason)


class JsonObject:
    """A file with one JSON object that has one entry for each id.

    Raises:
        DatasetError: the file cannot be read, or does not contain one object.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._text = path.read_text(encoding="utf-8-sig")
        except OSError as error:
            raise _unreadable(path, error) from error
        except UnicodeDecodeError as error:
            raise DatasetError(f"{path}: not UTF-8 ({_reason(error)}). Save it as UTF-8.") from error
        self._entries: list[tuple[str, object]] = []
        try:
            whole = json.loads(self._text, object_pairs_hook=self._take)
        except _NOT_JSON as error:
            raise DatasetError(f"{path}: not JSON ({_reason(error)}). Correct the file.") from error
        if not isinstance(whole, dict):
            raise DatasetError(
                f"{path}: expected an object with one entry for each id, got {shown(whole)}. "
                "Correct or replace the file."
            )
        self.entries: dict[str, object] = whole

    def _take(self, entries: list[tuple[str, object]]) -> dict[str, object]:
        self._entries = entries  # the top-level object is parsed last
        return dict(entries)

    def where(self, key: str) -> str:
        """Return the file and the line of an entry; of repeated entries, the last."""
        return f"{self.path}, line {self._lines.get(key, 1)}"

    def duplicates(self) -> Iterator[Problem]:
        """Yield a problem for each entry that a later entry with the same id replaces."""
        if len(self._entries) == len(self.entries):
            return
        seen: dict[str, object] = {}
        for key, value in self._entries:
            if key in seen:
                values = f"{shown(seen[key])} and {shown(value)}"
                reason = f"the id occurs twice, with {values}; the last one is used. Remove one of the two."
                yield Problem(self.where(key), key, reason, ProblemKind.DUPLICATE_ID)
            seen[key] = value

    @cached_property
    def _lines(self) -> dict[str, int]:
        lines: dict[str, int] = {}
        line, position = 1, 0
        for key in re.finditer(r'"((?:[^"\\]|\\.)*)"\s*:', self._text):
            line += self._text.count("\n", position, key.start())
            position = key.start()
            name = key[1] if "\\" not in key[1] else json.loads(f'"{key[1]}"')
            lines[name] = line
        return lines


def _unreadable(path: Path, error: OSError) -> DatasetError:
    if isinstance(error, FileNotFoundError):
        return DatasetError(f"{path}: no such file. Check the path.")
    return DatasetError(f"{path}: cannot be read ({error.strerror}). Check its permissions and the disk.")


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        place = f"line {error.lineno}, column" if error.doc.count("\n") else "column"
        return f"{error.msg} at {place} {error.colno}"
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)
