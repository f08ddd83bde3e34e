"""Annotation rows, `{"product": id, "scene": id, "bbox": [left, top, right, bottom] | null}`, as pairs."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from perfectlook.datasets.jsonfiles import lines_of, object_of
from perfectlook.datasets.problems import ProblemKind, UnusableError, checked_id, shown
from perfectlook.datasets.products import PictureOf
from perfectlook.types import Box, Pair, Problem, Product, Scene


class Rows(NamedTuple):
    """What a file of rows holds: the valid pairs, their scenes, and how many rows there were in all.

    `known` are the scene and the product of every row whose ids are valid, whatever else is wrong with it.
    """

    pairs: list[Pair]
    scenes: dict[str, Scene]
    n_rows: int
    known: list[tuple[str, str]]


def read_rows(
    path: Path,
    products: Mapping[str, Product],
    left_out: Mapping[str, Problem],
    picture_of_scene: PictureOf,
    problems: list[Problem],
) -> Rows:
    """Read a JSON-lines file of rows. Whatever is wrong is added to `problems` with its line.

    A row is left out when it is malformed, when its product is unknown or was itself left out, when its scene
    has no picture, or when its box is unusable. Repeated rows are reported and kept: every row counts.

    Raises:
        DatasetError: the file cannot be read.
    """
    reader = _RowReader(products, left_out, picture_of_scene)
    pairs: list[Pair] = []
    n_rows = 0
    for line, text in lines_of(path):
        n_rows += 1
        try:
            pairs.append(reader.pair_of(object_of(text), line))
        except UnusableError as unusable:
            reader.remarks.append(unusable)
        problems.extend(remark.at(f"{path}:{line}") for remark in reader.remarks)
        reader.remarks.clear()
    return Rows(pairs, reader.scenes, n_rows, reader.known)


class _RowReader:
    """Turns rows into pairs; what is worth a word without being a reason to leave the row out is a remark."""

    def __init__(
        self, products: Mapping[str, Product], left_out: Mapping[str, Problem], picture_of_scene: PictureOf
    ) -> None:
        self.scenes: dict[str, Scene] = {}
        self.known: list[tuple[str, str]] = []
        self.remarks: list[UnusableError] = []
        self._products = products
        self._left_out = left_out
        self._picture_of_scene = picture_of_scene
        self._first_lines: dict[tuple[str, str, Box | None], int] = {}

    def pair_of(self, row: dict[str, object], line: int) -> Pair:
        scene, product = _id_in(row, "scene"), _id_in(row, "product")
        self.known.append((scene, product))
        marked = self._marked_box(row, scene, product)
        self._remark_repeated(scene, product, marked, line)
        box = self._clipped(marked, scene, product) if marked else None
        self._check_product(product)
        if scene not in self.scenes:
            self.scenes[scene] = self._scene_of(scene)
        return Pair(scene, product, box)

    def _remark_repeated(self, scene: str, product: str, marked: Box | None, line: int) -> None:
        first = self._first_lines.setdefault((scene, product, marked), line)
        if first != line:
            reason = f"the same row as line {first}, with product {product}; it counts twice"
            self.remarks.append(UnusableError(ProblemKind.DUPLICATE_ROW, scene, reason))

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

    def _check_product(self, product: str) -> None:
        if product in self._products:
            return
        if product in self._left_out:
            kind = ProblemKind(self._left_out[product].kind)
            raise UnusableError(kind, product, "its product was left out, and so is this row")
        reason = "unknown product: no category is listed for it; list it or remove the row"
        raise UnusableError(ProblemKind.UNKNOWN_PRODUCT, product, reason)

    def _scene_of(self, scene: str) -> Scene:
        picture = self._picture_of_scene(scene)
        if picture is None:
            reason = "the scene has no picture; add the picture or remove the row"
            raise UnusableError(ProblemKind.MISSING_SCENE, scene, reason)
        return Scene(scene, picture)


def _id_in(row: dict[str, object], what: str) -> str:
    if what not in row:
        raise UnusableError(ProblemKind.MALFORMED, shown(row), f"no '{what}' in the row")
    return checked_id(row[what], what)


def _four_numbers(value: object) -> Box | None:
    if not isinstance(value, list) or len(value) != 4:
        return None
    if not all(isinstance(edge, int | float) and not isinstance(edge, bool) for edge in value):
        return None
    try:
        box = Box(*map(float, value))
    except OverflowError:  # JSON knows no largest whole number
        return None
    return box if all(map(math.isfinite, box)) else None
