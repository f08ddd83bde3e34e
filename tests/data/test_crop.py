from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfectlook.data.crop import MARGIN, scene_rectangle, scene_view, to_pixels
from perfectlook.types import Box, Rectangle, Scene, View


@pytest.mark.parametrize(
    ("box", "fashion", "rooms"),
    [
        # shoes at the bottom: above them 0.60 - 0.05 = 0.55 of the height
        (Box(0.3, 0.6, 0.7, 0.9), Box(0, 0, 1, 0.55), Box(0, 0, 1, 0.55)),
        # a hat at the top: below it 1 - (0.2 + 0.05) = 0.75
        (Box(0.3, 0.0, 0.7, 0.2), Box(0, 0.25, 1, 1), Box(0, 0.25, 1, 1)),
        # a lamp on the left: to its right 1 - (0.3 + 0.05) = 0.65; above it only 0.2 - 0.05 = 0.15
        (Box(0.1, 0.2, 0.3, 0.7), Box(0, 0.75, 1, 1), Box(0.35, 0, 1, 1)),
        # a wardrobe on the right, as high as the picture: nothing above or below, 0.6 - 0.05 to its left
        (Box(0.6, 0.0, 1.0, 1.0), None, Box(0, 0, 0.55, 1)),
        # in the middle: 0.4 - 0.05 = 0.35 on every side, the first of above, below, left, right
        (Box(0.4, 0.4, 0.6, 0.6), Box(0, 0, 1, 0.35), Box(0, 0, 1, 0.35)),
        # nearly everything: 0.2 - 0.05 = 0.15 < 1/5 on every side
        (Box(0.2, 0.2, 0.8, 0.8), None, None),
        # exactly 1/5 stays: below 1 - (0.75 + 0.05)
        (Box(0.0, 0.2, 1.0, 0.75), Box(0, 0.8, 1, 1), Box(0, 0.8, 1, 1)),
        # just under 1/5 goes
        (Box(0.0, 0.2, 1.0, 0.7501), None, None),
        # the whole picture
        (Box(0.0, 0.0, 1.0, 1.0), None, None),
    ],
)
def test_the_largest_rectangle_beside_the_widened_box(
    box: Box, fashion: Box | None, rooms: Box | None
) -> None:
    for expected, vertical_only in ((fashion, True), (rooms, False)):
        found = scene_rectangle(box, vertical_only=vertical_only)
        assert found == (pytest.approx(expected) if expected else None)


edges = st.floats(0, 1)
boxes = st.builds(
    lambda x, y: Box(min(x), min(y), max(x), max(y)), st.tuples(edges, edges), st.tuples(edges, edges)
)


def overlap(one: Box, other: Box) -> bool:
    across = min(one.right, other.right) - max(one.left, other.left)
    down = min(one.bottom, other.bottom) - max(one.top, other.top)
    return across > 1e-6 and down > 1e-6


@given(boxes, st.booleans(), st.integers(1, 4000), st.integers(1, 4000))
def test_the_scene_never_shows_the_widened_box(
    box: Box, vertical_only: bool, width: int, height: int
) -> None:
    rectangle = scene_rectangle(box, vertical_only=vertical_only)
    if rectangle is None:
        return
    widened = Box(box.left - MARGIN, box.top - MARGIN, box.right + MARGIN, box.bottom + MARGIN)
    assert not overlap(rectangle, widened)
    assert (rectangle.right - rectangle.left) * (rectangle.bottom - rectangle.top) > 0.1999999
    pixels = to_pixels(rectangle, width, height)
    assert 0 <= pixels.left < pixels.right <= width
    assert 0 <= pixels.top < pixels.bottom <= height
    if min(width, height) >= 10:  # smaller pictures may have no whole pixel in a fifth
        inside = Box(pixels.left / width, pixels.top / height, pixels.right / width, pixels.bottom / height)
        assert not overlap(inside, widened)


@given(boxes, st.booleans())
def test_no_rectangle_beside_the_box_is_larger(box: Box, vertical_only: bool) -> None:
    shares = [box.top - MARGIN, 1 - box.bottom - MARGIN]
    if not vertical_only:
        shares += [box.left - MARGIN, 1 - box.right - MARGIN]
    rectangle = scene_rectangle(box, vertical_only=vertical_only)
    if rectangle is None:
        assert max(shares) < 0.2
    else:
        area = (rectangle.right - rectangle.left) * (rectangle.bottom - rectangle.top)
        assert area == pytest.approx(max(shares), abs=1e-8)


@pytest.mark.parametrize(
    ("rectangle", "size", "pixels"),
    [
        (Box(0, 0, 1, 0.3), (10, 10), Rectangle(0, 0, 10, 3)),  # 0.3 · 10 is not 3 in floating point
        (Box(0, 0.35, 1, 1), (99, 101), Rectangle(0, 36, 99, 101)),  # 35.35: pixel 35 is partly outside
        (Box(0, 0, 0.55, 1), (99, 101), Rectangle(0, 0, 54, 101)),  # 54.45: pixel 54 is partly outside
        (Box(0, 0, 1, 0.2), (3, 3), Rectangle(0, 0, 3, 1)),  # never none
        (Box(0, 0.8, 1, 1), (3, 3), Rectangle(0, 2, 3, 3)),
        (Box(0.8, 0, 1, 1), (1, 1), Rectangle(0, 0, 1, 1)),
        (Box(0, 0, 1, 1), (640, 480), Rectangle(0, 0, 640, 480)),
    ],
)
def test_to_pixels_takes_the_whole_pixels_inside(
    rectangle: Box, size: tuple[int, int], pixels: Rectangle
) -> None:
    assert to_pixels(rectangle, *size) == pixels


def test_a_view_is_a_crop_the_whole_picture_or_nothing() -> None:
    scene = Scene("s", Path("s.jpg"))
    size = (200, 100)
    above = View(scene.picture, Rectangle(0, 0, 200, 55))
    assert scene_view(scene, Box(0.3, 0.6, 0.7, 0.9), size, vertical_only=True) == above
    assert scene_view(scene, None, size, vertical_only=True) == View(scene.picture, None)
    assert scene_view(scene, Box(0, 0, 1, 1), size, vertical_only=True) is None
