"""The files of sets: the set layout, and the STL release as it is published.

The set layout holds pairs with photos in one folder:

SET/pairs.jsonl        one {"product": id, "scene": id, "bbox": [left, top, right, bottom] | null} a line
SET/categories.json    {product id: "Furniture|Chairs"}
SET/scenes/ID.jpg      SET/products/ID.jpg      (or another picture format)
SET/products.json      optional: {product id: {"title": ..., further fields}}
SET/set.json           optional: {"licence": "of the pictures"}

The STL release (Kang et al., "Complete the Look", CVPR 2019; github.com/kang205/STL-Dataset) has rows and
categories, and no pictures, which are fetched by signature. They may lie in `images/`, `pictures/`, or
`scenes/` and `products/`, directly or nested as their addresses are (`aa/bb/cc/SIGNATURE.jpg`):

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
from reprlib import Repr
from typing import Any

from perfectlook.errors import DatasetError
from perfectlook.files import write_file
from perfectlook.images import SUFFIXES
from perfectlook.taxonomy import normalise, split_path
from perfectlook.types import Box, Pair, Problem, Product, Scene

FASHION = "Apparel & Accessories"
PAIRS, CATEGORIES, DETAILS, ABOUT = "pairs.jsonl", "categories.json", "products.json", "set.json"
STL_PARTS = ("fashion", "home")
STL_FOLDERS = ("images", "pictures", "scenes", "products")
STL_LICENCE = "research, non-commercial"
"""Of the pictures, which belong to Pinterest's users and to shops."""
PictureOf = Callable[[str], Path | None]
"""Finds the picture of an id."""


@dataclass(repr=False)
class Dataset:
    """A set as read: what is valid in it, and what was wrong. Not changed after reading.

    Attributes:
        name: what reports call it.
        root: its folder.
        scenes: the scenes that have a pair, by id, in the order of their first pair.
        products: the catalogue, by id: every product with a category and a picture, in a pair or not.
        pairs: the valid rows in file order; repeated rows stand here repeatedly.
        problems: everything wrong, by file, line and id.
        n_rows: the rows of the file, valid or not.
        licence: of its pictures, as far as the set says.
        parts: the sets it was merged from, none for a set as read.
        known: scene and product of every row whose ids are valid, left out or not.
        product_problems: those of the problems that concern the catalogue.
    """

    name: str
    root: Path
    scenes: dict[str, Scene]
    products: dict[str, Product]
    pairs: list[Pair]
    problems: list[Problem] = field(default_factory=list)
    n_rows: int = 0
    licence: str | None = None
    parts: tuple["Dataset", ...] = ()
    known: list[tuple[str, str]] = field(default_factory=list)
    product_problems: list[Problem] = field(default_factory=list)

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
        """The known products of every scene, also those whose box is unusable: never its negatives."""
        positives: dict[str, set[str]] = {}
        for pair in self.pairs:
            positives.setdefault(pair.scene, set()).add(pair.product)
        for scene, product in self.known:
            if scene in positives and product in self.products:
                positives[scene].add(product)
        return {scene: frozenset(products) for scene, products in positives.items()}

    @cached_property
    def is_fashion(self) -> bool:
        """Whether all categories lie under `Apparel & Accessories`: decides the crop rule."""
        return bool(self.categories) and all(split_path(name)[0] == FASHION for name in self.categories)


def read_layout(root: Path) -> Dataset:
    """Read a set in the layout above; everything wrong in it becomes one of its problems.

    Raises:
        DatasetError: a file or a folder of the layout is missing, a JSON file is not one object, or the
            licence is not text.
    """
    missing = [name for name in (PAIRS, CATEGORIES) if not (root / name).is_file()]
    if missing:
        raise DatasetError(f"{root}: no {' and no '.join(missing)}; a set needs {PAIRS} and {CATEGORIES}")
    of_scenes: list[Problem] = []
    of_products: list[Problem] = []
    scenes = list_pictures(root / "scenes", of_scenes)
    products = list_pictures(root / "products", of_products)
    name, files = root.name or root.resolve().name, (root / PAIRS, root / CATEGORIES, root / DETAILS)
    dataset = read_files(name, *files, scenes.get, products.get, of_scenes, of_products)
    about = root / ABOUT
    licence = JsonObject(about).entries.get("licence") if about.is_file() else None
    if licence is not None and not isinstance(licence, str):
        raise DatasetError(f"{about}: the licence is {shown(licence)}; write it as text, or leave it out")
    dataset.licence = licence
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
    """Read a set's files, given its pictures; everything wrong in them becomes one of its problems.

    Args:
        name: what reports call the set.
        pairs: a JSON-lines file of rows. A row is left out when it is malformed, when its product is unknown
            or was itself left out, when its scene has no picture, or when its box is unusable. Repeated rows
            are reported and kept: every row counts.
        categories: the products, in this order. One without category or without picture is no product.
        details: titles and further fields of the products; need not exist.
        picture_of_scene: finds the picture of a scene.
        picture_of_product: finds that of a product.
        scene_problems: what was wrong with the pictures of scenes.
        product_problems: what was wrong with those of products.

    Raises:
        DatasetError: a file cannot be read, or is not one JSON object.
    """
    of_products = list(product_problems)
    products, left_out = _read_products(categories, picture_of_product, of_products, details)
    reader = _RowReader(products, left_out, picture_of_scene)
    of_rows: list[Problem] = []
    found: list[Pair] = []
    n_rows = 0
    for line, text in lines_of(pairs):
        n_rows += 1
        try:
            found.append(reader.pair_of(object_of(text), line))
        except UnusableError as unusable:
            reader.remarks.append(unusable)
        of_rows.extend(remark.at(f"{pairs}:{line}") for remark in reader.remarks)
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
    """The files of rows at a path that have their categories beside them (`fashion-cat.json`).

    That is the file itself, or the parts of the release in a folder: `fashion.json`, `home.json`.
    """
    rows = [path] if path.is_file() else [path / f"{part}.json" for part in STL_PARTS]
    return [each for each in rows if each.is_file() and _categories_of(each).is_file()]


def count_products(folder: Path) -> dict[str, dict[str, int]]:
    """The products of every category in the release's category files of a folder: part → category → number.

    The whole release lists 38,111 fashion and 41,306 home products.

    Raises:
        DatasetError: one of the files cannot be read.
    """
    files = {part: folder / f"{part}-cat.json" for part in STL_PARTS}
    counts = {
        part: Counter(normalise(str(value)) for value in JsonObject(file).entries.values())
        for part, file in files.items()
        if file.is_file()
    }
    return {part: dict(sorted(categories.items())) for part, categories in counts.items()}


def picture_folders(folder: Path) -> list[Path]:
    """The folders, in one of the release, that its pictures are looked for in."""
    return [folder / name for name in STL_FOLDERS if (folder / name).is_dir()]


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
            f"images/SIGNATURE.jpg (or in {', '.join(STL_FOLDERS[1:])})"
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
    """What a set says, ready to be written.

    Attributes:
        rows: {"product", "scene", "bbox"} each.
        categories: of the products, by id.
        details: title and further fields of the products, by id.
        problems: what had to be left out, and why.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    categories: dict[str, str] = field(default_factory=dict)
    details: dict[str, dict[str, str]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def set_files(content: SetContent) -> dict[str, str | None]:
    """Return the text of a set's files by name (None for no file), in the order to write them in.

    The pairs come last, so that a folder that has them is complete.
    """
    return {
        CATEGORIES: json_lines(content.categories),
        DETAILS: json_lines(content.details) if content.details else None,
        PAIRS: "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in content.rows),
    }


def json_lines(entries: object) -> str:
    """Return the text of a file of one object, with a line for each of its entries."""
    return json.dumps(entries, indent=0, ensure_ascii=False, sort_keys=True) + "\n"


def write_files(folder: Path, files: Mapping[str, str | None]) -> None:
    """Write a set's files next to the folders of its pictures, which are created."""
    for name in ("scenes", "products"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        if text is None:
            (folder / name).unlink(missing_ok=True)
        else:
            write_file(folder / name, text)


class ProblemKind(StrEnum):
    """What sort of problem a set has: `Problem.kind` of everything a reader of this package reports."""

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


KEPT = frozenset(
    {
        ProblemKind.DUPLICATE_ROW,
        ProblemKind.DUPLICATE_ID,
        ProblemKind.NO_BOX,
        ProblemKind.BOX_OUTSIDE,
        ProblemKind.TWO_PICTURES,
        ProblemKind.UNUSABLE_DETAILS,
        ProblemKind.INCOMPLETE,
    }
)
"""What is wrong with rows and products that are used all the same."""


@dataclass(eq=False)
class UnusableError(Exception):
    """Inside the readers: a row or an entry cannot be used, and why; becomes a `Problem`, never gets out."""

    kind: ProblemKind
    item: str
    reason: str

    def at(self, where: str) -> Problem:
        """The problem this is, at a place."""
        return Problem(where, self.item, self.reason, self.kind)


@dataclass
class _RowReader:
    """Turns rows into pairs; what is worth a word without being a reason to leave the row out is a remark."""

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
            reason = f"the same row as line {first}, with product {product}; it counts twice"
            self.remarks.append(UnusableError(ProblemKind.DUPLICATE_ROW, scene, reason))
        box = self._clipped(marked, scene, product) if marked else None
        if product not in self.products and product in self.left_out:
            kind = ProblemKind(self.left_out[product].kind)
            raise UnusableError(kind, product, "its product was left out, and so is this row")
        if product not in self.products:
            reason = "unknown product: no category is listed for it; list it or remove the row"
            raise UnusableError(ProblemKind.UNKNOWN_PRODUCT, product, reason)
        if scene not in self.scenes:
            picture = self.picture_of_scene(scene)
            if picture is None:
                reason = "the scene has no picture; add the picture or remove the row"
                raise UnusableError(ProblemKind.MISSING_SCENE, scene, reason)
            self.scenes[scene] = Scene(scene, picture)
        return Pair(scene, product, box)

    def _marked_box(self, row: dict[str, object], scene: str, product: str) -> Box | None:
        """The box as the row has it, its numbers finite and in order, but perhaps outside of the picture."""
        if "bbox" not in row:
            reason = f"no bbox for product {product}; write null where nobody marked it"
            self.remarks.append(UnusableError(ProblemKind.NO_BOX, scene, reason))
        value = row.get("bbox")
        if value is None:
            return None
        box = _four_numbers(value)
        if box and box.left < box.right and box.top < box.bottom:
            return box
        wrong = "is empty or reversed" if box else "is not four finite numbers"
        reason = f"the box {shown(value)} of product {product} {wrong}; write [left, top, right, bottom]"
        raise UnusableError(ProblemKind.UNUSABLE_BOX, scene, reason)

    def _clipped(self, box: Box, scene: str, product: str) -> Box:
        """The part of the box that lies in the picture."""
        clipped = Box(*(min(max(edge, 0.0), 1.0) for edge in box))
        of = f"the box {list(box)} of product {product}"
        if clipped.left >= clipped.right or clipped.top >= clipped.bottom:
            reason = f"{of} is wholly outside the picture; divide pixels by the picture's width and height"
            raise UnusableError(ProblemKind.BOX_OUTSIDE, scene, reason)
        if clipped != box:
            reason = f"{of} reaches outside 0..1 and was clipped"
            self.remarks.append(UnusableError(ProblemKind.BOX_OUTSIDE, scene, reason))
        return clipped


def _id_in(row: dict[str, object], what: str) -> str:
    if what not in row:
        raise UnusableError(ProblemKind.MALFORMED, shown(row), f"no '{what}' in the row")
    return checked_id(row[what], what)


def _four_numbers(value: object) -> Box | None:
    if isinstance(value, list) and len(value) == 4 and all(type(edge) in (int, float) for edge in value):
        with suppress(OverflowError):  # JSON knows no largest whole number
            box = Box(*map(float, value))
            return box if all(map(math.isfinite, box)) else None
    return None


def _read_products(
    categories: Path, picture_of: PictureOf, problems: list[Problem], details: Path | None
) -> tuple[dict[str, Product], dict[str, Problem]]:
    """The products of a categories file, and the problem of each that had to be left out."""
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
        reason = f"its category is {shown(value)}; write a path such as 'Furniture|Chairs'"
        raise UnusableError(ProblemKind.NO_CATEGORY, product, reason)
    picture = picture_of(product)
    if picture is None:
        reason = "it has no picture, so it is no product; add the picture or remove the entry"
        raise UnusableError(ProblemKind.MISSING_PRODUCT, product, reason)
    title = fields.pop("title", None) or _title_of(fields, category)
    return Product(product, category, picture, title, fields)


def _read_details(path: Path, listed: "JsonObject", problems: list[Problem]) -> dict[str, dict[str, str]]:
    """Every product's fields as text: text as it is, other values as JSON, null left out."""
    file = JsonObject(path)
    problems.extend(file.duplicates())
    details: dict[str, dict[str, str]] = {}
    for key, value in file.entries.items():
        if key not in listed.entries:
            reason = f"unknown product: not in {listed.path.name}; remove the entry or list the product"
            problems.append(Problem(file.where(key), shown(key), reason, ProblemKind.UNKNOWN_PRODUCT))
        elif not isinstance(value, dict):
            reason = f"{shown(value)} is not an object; write {{'title': ...}}"
            problems.append(Problem(file.where(key), key, reason, ProblemKind.UNUSABLE_DETAILS))
        else:
            details[key] = {
                name: each if isinstance(each, str) else json.dumps(each, ensure_ascii=False)
                for name, each in value.items()
                if each is not None
            }
    return details


def _title_of(fields: dict[str, str], category: str) -> str | None:
    """A title made of type and colour, `Rug, grey`; of category and colour where there is no type."""
    kind, colour = fields.get("type", "").strip(), fields.get("color", "").strip()
    if not kind and not colour:
        return None
    kind = kind or split_path(category)[-1]
    if not colour:
        return kind
    colour = re.sub(r"\s*,\s*", ", ", colour)
    return f"{kind}, {colour[0].lower()}{colour[1:]}"


def list_pictures(folder: Path, problems: list[Problem], *, nested: bool = False) -> dict[str, Path]:
    """The pictures of a folder by id, in order of the names.

    An id is the file's name without its suffix, normalised (NFC): systems spell accents differently.

    With `nested`, those of its sub-folders too. Two pictures of one id are added to `problems`.

    Raises:
        DatasetError: the folder is missing or cannot be read.
    """
    found: dict[str, Path] = {}

    def refuse(error: OSError) -> None:
        message = f"{folder}: cannot be listed ({error.strerror}); the pictures must lie there as ID.jpg"
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
            reason = f"{kept.name} has the same id and is the one that counts; remove one of them"
            problems.append(Problem(str(path), id_, reason, ProblemKind.TWO_PICTURES))
    return found


def checked_id(value: object, what: str) -> str:
    """The id, if it is one: text that names a file in a folder and nothing outside of it; normalised (NFC).

    Raises:
        UnusableError: it is not text, is empty, or could leave the folder as part of a path.
    """
    if not isinstance(value, str):
        reason = f"the {what} id {shown(value)} is not text; write it in quotes"
        raise UnusableError(ProblemKind.UNUSABLE_ID, shown(value), reason)
    drive = len(value) > 1 and value[1] == ":" and value[0].isalpha()
    unfit = any(character in "/\\" or not character.isprintable() for character in value)
    if not value.strip(" .") or drive or unfit:
        reason = f"the {what} id {shown(value)} cannot name a file; use letters, digits, '-' and '_'"
        raise UnusableError(ProblemKind.UNUSABLE_ID, shown(value), reason)
    return unicodedata.normalize("NFC", value)


_shortened = Repr()
_shortened.maxstring = _shortened.maxother = 60


def shown(value: object) -> str:
    """A value as messages show it: shortened, and never nested deeply."""
    return _shortened.repr(value)


_NOT_JSON = (ValueError, RecursionError)


def lines_of(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines of a JSON-lines file that are not blank, trimmed, without byte order mark, numbered from 1.

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
    """The JSON object that a line holds.

    Raises:
        UnusableError: it holds something else.
    """
    try:
        row = json.loads(line.decode("utf-8"))
    except _NOT_JSON as error:
        reason = f"not JSON ({_reason(error)}); write one object a line"
    else:
        if isinstance(row, dict):
            return row
        reason = "not an object; write {'product': ..., 'scene': ..., 'bbox': ...}"
    raise UnusableError(ProblemKind.MALFORMED, shown(line.decode("utf-8", errors="replace")), reason)


class JsonObject:
    """A file that holds one JSON object with an entry per id.

    Raises:
        DatasetError: the file cannot be read, or does not hold one object.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._text = path.read_text(encoding="utf-8-sig")
        except OSError as error:
            raise _unreadable(path, error) from error
        except UnicodeDecodeError as error:
            raise DatasetError(f"{path}: not UTF-8 ({_reason(error)}); save it as UTF-8") from error
        self._entries: list[tuple[str, object]] = []
        try:
            whole = json.loads(self._text, object_pairs_hook=self._take)
        except _NOT_JSON as error:
            raise DatasetError(f"{path}: not JSON ({_reason(error)}); fix or replace the file") from error
        if not isinstance(whole, dict):
            raise DatasetError(f"{path}: holds {shown(whole)}; it must be one object with an entry per id")
        self.entries: dict[str, object] = whole

    def _take(self, entries: list[tuple[str, object]]) -> dict[str, object]:
        self._entries = entries  # the outermost object closes last
        return dict(entries)

    def where(self, key: str) -> str:
        """The file and the line of an entry (of its last one, which is the one that counts)."""
        return f"{self.path}:{self._lines.get(key, 1)}"

    def duplicates(self) -> Iterator[Problem]:
        """One problem for every entry that a later one of the same id replaces."""
        if len(self._entries) == len(self.entries):
            return
        seen: dict[str, object] = {}
        for key, value in self._entries:
            if key in seen:
                reason = (
                    f"the id stands here twice, with {shown(seen[key])} and {shown(value)}; the last counts"
                )
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
    return DatasetError(f"{path}: cannot be read ({error.strerror}); check the path and the disk")


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        place = f"line {error.lineno}, column" if error.doc.count("\n") else "column"
        return f"{error.msg} at {place} {error.colno}"
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)
