"""Scenes: their splits, and the crop rule.

Splits are by scene, never by pair, and copies of a photo count as one scene. The crop rule removes the
product from the picture that a model sees (Kang et al. 2019).
"""

import math
from collections.abc import Mapping
from hashlib import md5
from pathlib import Path
from typing import Literal

import numpy as np

from perfectlook.data.fingerprints import Fingerprint, groups_within, hashes_of
from perfectlook.data.layout import Dataset
from perfectlook.types import Box, Rectangle, Scene, View

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")

SPLIT_OF_DECILE = SPLITS[:1] * 8 + SPLITS[1:]
FOLDS = 5
TWIN_BITS = 10
"""Scenes whose 256-bit difference hashes differ in at most this many bits count as copies of one scene."""
SMALL = 500
"""Sets with fewer scenes have too few validation scenes. They use cross-validation instead."""

MARGIN = 0.05
"""The widening of a box on each side, as a share of the width and height of the picture."""

LEAST_SHARE = 1 / 5
"""The smallest share of the picture that a crop must cover."""

BOX_SIDES = (0.1, 0.6)
"""Sides of a random box, as shares of the picture's."""

_ROUNDING = 1e-9


def decile_of(scene_id: str) -> int:
    """Return the decile of a scene, 0 to 9. It depends on the id alone, not on the rest of the set."""
    return int(_digest(scene_id)[:8], 16) % len(SPLIT_OF_DECILE)


def split_of(scene_id: str) -> Split:
    """Return the split of a scene: deciles 0 to 7 are train, 8 is validation, 9 is test."""
    return SPLIT_OF_DECILE[decile_of(scene_id)]


def fold_of(scene_id: str) -> int:
    """Return the fold of a scene, 0 to 4, for cross-validation over training and validation scenes."""
    return int(_digest(scene_id)[8:16], 16) % FOLDS


def is_small(dataset: Dataset) -> bool:
    """Return whether fewer than 500 scenes have a pair, so that cross-validation is used."""
    return len(dataset.scenes) < SMALL


def twins(dataset: Dataset, prints: Mapping[Path, Fingerprint]) -> dict[str, frozenset[str]]:
    """Return the other copies of each scene that has copies, among the scenes with a pair.

    Two scenes are copies if their difference hashes differ in at most 10 bits. Copies of copies belong to the
    same group. Scenes without a fingerprint have no copies.
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
    """Return the largest rectangle next to a box that is widened by 5 % of the picture on each side.

    Args:
        box: the position of the product, normalised to 0..1.
        vertical_only: consider the rectangles above and below the box only, not left and right. Used for
            fashion, where left and right of a garment do not show the person who wears it.

    Returns:
        The rectangle, normalised. Of equal areas, the first of above, below, left and right. None if it
        covers less than 1/5 of the picture; such pairs are dropped.
    """
    candidates = [
        Box(0.0, 0.0, 1.0, max(box.top - MARGIN, 0.0)),
        Box(0.0, min(box.bottom + MARGIN, 1.0), 1.0, 1.0),
    ]
    if not vertical_only:
        candidates += [
            Box(0.0, 0.0, max(box.left - MARGIN, 0.0), 1.0),
            Box(min(box.right + MARGIN, 1.0), 0.0, 1.0, 1.0),
        ]
    largest = max(candidates, key=lambda rectangle: round(_area(rectangle), 9))
    # keep a rectangle of exactly 1/5: in floating point, 1 - (0.75 + 0.05) is slightly less
    return largest if _area(largest) >= LEAST_SHARE - _ROUNDING else None


def to_pixels(rectangle: Box, width: int, height: int) -> Rectangle:
    """Return the whole pixels inside a normalised rectangle, at least one in each direction."""
    left, right = _whole(rectangle.left, rectangle.right, width)
    top, bottom = _whole(rectangle.top, rectangle.bottom, height)
    return Rectangle(left, top, right, bottom)


def scene_view(scene: Scene, box: Box | None, size: tuple[int, int], *, vertical_only: bool) -> View | None:
    """Return the part of a scene that a model sees for the product in `box`.

    Args:
        scene: the scene.
        box: the position of the product. Without a box, the model sees the whole picture.
        size: width and height of the upright picture in pixels.
        vertical_only: as for `scene_rectangle`.

    Returns:
        The view; None if the crop rule drops the pair.
    """
    if box is None:
        return View(scene.picture)
    rectangle = scene_rectangle(box, vertical_only=vertical_only)
    return View(scene.picture, to_pixels(rectangle, *size)) if rectangle else None


def random_part(width: int, height: int, generator: np.random.Generator, *, vertical_only: bool) -> Rectangle:
    """Return what the crop rule leaves of a picture for a random box, in pixels.

    Such parts stand for the scenes of training, which are shown without a product. Each side of the box is
    between a tenth and six tenths of the picture's, uniformly, and so is its place.

    Args:
        width: of the upright picture.
        height: of the upright picture.
        generator: draws the box.
        vertical_only: as for `scene_rectangle`.
    """
    while True:
        across, down = generator.uniform(*BOX_SIDES, 2)
        left, top = generator.uniform(0, 1 - across), generator.uniform(0, 1 - down)
        box = Box(left, top, left + across, top + down)
        if rectangle := scene_rectangle(box, vertical_only=vertical_only):
            return to_pixels(rectangle, width, height)


def _area(rectangle: Box) -> float:
    return (rectangle.right - rectangle.left) * (rectangle.bottom - rectangle.top)


def _whole(start: float, stop: float, length: int) -> tuple[int, int]:
    """Return the first whole pixel between two edges and the one after the last; at least one pixel."""
    first = min(math.ceil(start * length - _ROUNDING * length), length - 1)
    end = math.floor(stop * length + _ROUNDING * length)
    return first, max(end, first + 1)
