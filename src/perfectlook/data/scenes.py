"""Scenes: which split they belong to, and what of them a model sees.

Splits go by scene, never by pair, and copies of a photo count as one scene. A model sees the picture
without the product: the crop rule (Kang et al. 2019, section 3).
"""

import math
from collections.abc import Mapping
from hashlib import md5
from pathlib import Path
from typing import Literal

from perfectlook.data.fingerprints import Fingerprint, groups_within, hashes_of
from perfectlook.data.layout import Dataset
from perfectlook.types import Box, Rectangle, Scene, View

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")

SPLIT_OF_DECILE = SPLITS[:1] * 8 + SPLITS[1:]
FOLDS = 5
TWIN_BITS = 10
"""Scenes whose 256-bit difference hashes differ in at most this many bits are one scene for the split."""
SMALL = 500
"""Sets with fewer scenes have too few validation scenes to choose by; cross-validation chooses there."""

MARGIN = 0.05
"""How far a box is widened on each side, as a share of the picture's width and height."""

LEAST_SHARE = 1 / 5
"""A rectangle under this share of the picture shows too little of the scene."""

_ROUNDING = 1e-9


def decile_of(scene_id: str) -> int:
    """The scene's decile, 0 to 9, from its id alone: the same for everybody, whatever else is in the set."""
    return int(_digest(scene_id)[:8], 16) % len(SPLIT_OF_DECILE)


def split_of(scene_id: str) -> Split:
    """The split a scene belongs to: deciles 0 to 7 train, 8 validation, 9 test."""
    return SPLIT_OF_DECILE[decile_of(scene_id)]


def fold_of(scene_id: str) -> int:
    """The scene's fold, 0 to 4, of a cross-validation over training and validation scenes."""
    return int(_digest(scene_id)[8:16], 16) % FOLDS


def is_small(dataset: Dataset) -> bool:
    """Whether choices are made by cross-validation, because fewer than 500 scenes have a pair."""
    return len(dataset.scenes) < SMALL


def twins(dataset: Dataset, prints: Mapping[Path, Fingerprint]) -> dict[str, frozenset[str]]:
    """The other copies of every scene that has any, among the scenes with a pair.

    Copies are scenes within 10 bits of each other, and scenes that a chain of such steps connects: being one
    scene for the split, copies of a copy belong together too. Scenes without a fingerprint have no copies.
    """
    scenes = [scene for scene in dataset.scenes.values() if scene.picture in prints]
    hashes = hashes_of([prints[scene.picture] for scene in scenes])
    copies: dict[str, frozenset[str]] = {}
    for group in groups_within(hashes, TWIN_BITS):
        together = frozenset(scenes[row].id for row in group)
        copies.update((scene, together - {scene}) for scene in together)
    return copies


def _digest(scene_id: str) -> str:
    return md5(scene_id.encode(), usedforsecurity=False).hexdigest()


def scene_rectangle(box: Box, *, vertical_only: bool) -> Box | None:
    """The largest rectangle beside the box, widened by 5 % of the picture on each side.

    Args:
        box: where the product is, normalised to 0..1.
        vertical_only: take it from above and below the box only (fashion, where what is left and right of a
            garment is not the person who wears it), instead of from all four sides.

    Returns:
        The rectangle, normalised; of equally large ones the first of above, below, left, right. None when it
        covers less than 1/5 of the picture: such a pair is dropped.
    """
    beside = [
        Box(0.0, 0.0, 1.0, max(box.top - MARGIN, 0.0)),
        Box(0.0, min(box.bottom + MARGIN, 1.0), 1.0, 1.0),
    ]
    if not vertical_only:
        beside += [
            Box(0.0, 0.0, max(box.left - MARGIN, 0.0), 1.0),
            Box(min(box.right + MARGIN, 1.0), 0.0, 1.0, 1.0),
        ]
    largest = max(beside, key=lambda rectangle: round(_area(rectangle), 9))
    # a rectangle of exactly 1/5 stays, although 1 - (0.75 + 0.05) is a little less in floating point
    return largest if _area(largest) >= LEAST_SHARE - _ROUNDING else None


def to_pixels(rectangle: Box, width: int, height: int) -> Rectangle:
    """The whole pixels inside a normalised rectangle of a picture; at least one each way."""
    left, right = _whole(rectangle.left, rectangle.right, width)
    top, bottom = _whole(rectangle.top, rectangle.bottom, height)
    return Rectangle(left, top, right, bottom)


def scene_view(scene: Scene, box: Box | None, size: tuple[int, int], *, vertical_only: bool) -> View | None:
    """What a model sees of a scene when it is asked for the product in `box`.

    Args:
        scene: the scene.
        box: where the product is; without one, the whole picture is seen.
        size: width and height of the scene's picture in pixels, upright.
        vertical_only: as for `scene_rectangle`.

    Returns:
        The view, or None when the crop rule drops the pair.
    """
    if box is None:
        return View(scene.picture)
    rectangle = scene_rectangle(box, vertical_only=vertical_only)
    return View(scene.picture, to_pixels(rectangle, *size)) if rectangle else None


def _area(rectangle: Box) -> float:
    return (rectangle.right - rectangle.left) * (rectangle.bottom - rectangle.top)


def _whole(start: float, stop: float, length: int) -> tuple[int, int]:
    """First and one past the last whole pixel between two edges; never none of them."""
    first = min(math.ceil(start * length - _ROUNDING * length), length - 1)
    end = math.floor(stop * length + _ROUNDING * length)
    return first, max(end, first + 1)
