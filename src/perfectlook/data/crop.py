"""The crop rule: the scene a model sees is the picture without the product (Kang et al. 2019, section 3)."""

import math

from perfectlook.types import Box, Rectangle, Scene, View

MARGIN = 0.05
"""How far a box is widened on each side, as a share of the picture's width and height."""

LEAST_SHARE = 1 / 5
"""A rectangle under this share of the picture shows too little of the scene."""

_ROUNDING = 1e-9


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
