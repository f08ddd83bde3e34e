from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from drawn import drawn_set
from perfectlook.data import load_set
from perfectlook.data.fingerprints import Fingerprint, fingerprints
from perfectlook.data.layout import Dataset
from perfectlook.data.scenes import (
    MARGIN,
    decile_of,
    fold_of,
    is_small,
    random_part,
    scene_rectangle,
    scene_view,
    split_of,
    to_pixels,
    twins,
)
from perfectlook.types import Box, Pair, Rectangle, Scene, View


@pytest.mark.parametrize(
    ("scene", "decile", "split", "fold"),
    [
        # the test vectors of RFC 1321; the numbers are the first and second eight hex digits
        ("a", 7, "train", 3),  # 0cc175b9 = 214005177, c0f1b6a8 = 3237066408
        ("abc", 2, "train", 0),  # 90015098 = 2416005272, 3cd24fb0 = 1020415920
        ("message digest", 1, "train", 0),  # f96b697d = 4184566141, 7cb7938d = 2092405645
        ("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", 8, "val", 1),  # d174…, d277…
        ("scene-28", 9, "test", 1),  # bf0d84cb = 3205334219, 9ed1581a = 2664519706
    ],
)
def test_splits_and_folds_follow_from_the_md5_of_the_id(
    scene: str, decile: int, split: str, fold: int
) -> None:
    assert (decile_of(scene), split_of(scene), fold_of(scene)) == (decile, split, fold)


def test_eight_tenths_train_one_validate_one_tests_and_folds_are_even() -> None:
    scenes = [f"scene-{number}" for number in range(10_000)]
    splits = [split_of(scene) for scene in scenes]
    assert splits.count("train") == pytest.approx(8_000, abs=150)
    assert splits.count("val") == pytest.approx(1_000, abs=100)
    assert splits.count("test") == pytest.approx(1_000, abs=100)
    # within a decile too: folds come from other digits than deciles
    folds = [fold_of(scene) for scene in scenes if decile_of(scene) == 3]
    assert all(folds.count(fold) == pytest.approx(200, abs=50) for fold in range(5))


def dataset_of(scenes: dict[str, int]) -> tuple[Dataset, dict[Path, Fingerprint]]:
    """Return scenes whose difference hashes have this many bits set, from the first on."""
    pictures = {scene: Path(f"{scene}.jpg") for scene in scenes}
    prints = {
        pictures[scene]: Fingerprint("", 1, 1, ((1 << 256) - (1 << (256 - bits))).to_bytes(32))
        for scene, bits in scenes.items()
    }
    listed = {scene: Scene(scene, picture) for scene, picture in pictures.items()}
    pairs = [Pair(scene, "product") for scene in scenes]
    return Dataset("set", Path(), listed, {}, pairs), prints


def test_twins_are_within_ten_bits() -> None:
    dataset, prints = dataset_of({"a": 0, "b": 10, "c": 30, "d": 41})
    assert twins(dataset, prints) == {"a": frozenset("b"), "b": frozenset("a")}


def test_copies_of_a_copy_are_one_scene() -> None:
    dataset, prints = dataset_of({"a": 0, "b": 10, "c": 20, "d": 31})
    assert twins(dataset, prints) == {"a": frozenset("bc"), "b": frozenset("ac"), "c": frozenset("ab")}


def test_scenes_without_fingerprint_have_no_twins() -> None:
    dataset, prints = dataset_of({"a": 0, "b": 1, "c": 2})
    del prints[Path("b.jpg")]
    assert twins(dataset, prints) == {"a": frozenset("c"), "c": frozenset("a")}


def test_a_smaller_copy_saved_again_is_a_twin(tmp_path: Path) -> None:
    dataset = load_set(drawn_set(tmp_path, scenes=8))
    one, other = list(dataset.scenes.values())[:2]
    blotches = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    photo = Image.fromarray(blotches).resize((320, 240), Image.Resampling.BICUBIC)
    photo.save(one.picture, quality=90)
    photo.resize((200, 150)).save(other.picture, quality=60)
    prints, _ = fingerprints(scene.picture for scene in dataset.scenes.values())
    assert twins(dataset, prints) == {one.id: frozenset([other.id]), other.id: frozenset([one.id])}


@pytest.mark.parametrize(("scenes", "small"), [(0, True), (499, True), (500, False)])
def test_sets_under_500_scenes_are_small(scenes: int, small: bool) -> None:
    dataset, _ = dataset_of({f"scene-{number}": 0 for number in range(scenes)})
    assert is_small(dataset) is small


@pytest.mark.photos
@pytest.mark.long
def test_stl_fashion_has_the_twins_that_the_design_states(photos: Path) -> None:
    dataset = load_set(photos / "stl-fashion")
    scenes = {path.stem: Scene(path.stem, path) for path in (photos / "stl-fashion" / "scenes").iterdir()}
    every = Dataset("all scenes, with pairs or not", dataset.root, scenes, {}, [])
    prints, _ = fingerprints(scene.picture for scene in scenes.values())

    def held_out_with_a_copy_in_train(among: Dataset) -> int:
        return sum(
            split_of(scene) != "train" and any(split_of(copy) == "train" for copy in copies)
            for scene, copies in twins(among, prints).items()
        )

    assert held_out_with_a_copy_in_train(every) == 47
    assert held_out_with_a_copy_in_train(dataset) == 29


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
def test_the_largest_rectangle_next_to_the_widened_box(
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
def test_no_rectangle_next_to_the_box_is_larger(box: Box, vertical_only: bool) -> None:
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


@pytest.mark.parametrize("vertical_only", [True, False])
def test_random_parts_are_views_that_the_crop_rule_can_leave(vertical_only: bool) -> None:
    generator = np.random.default_rng(0)
    drawn = [random_part(400, 300, generator, vertical_only=vertical_only) for _ in range(300)]
    for part in drawn:
        assert 0 <= part.left < part.right <= 400 and 0 <= part.top < part.bottom <= 300
        sides = (part.left == 0, part.top == 0, part.right == 400, part.bottom == 300)
        assert sum(sides) == 3  # the largest rectangle next to a box touches the three other sides
        area = (part.right - part.left) * (part.bottom - part.top) / (400 * 300)
        assert 0.19 < area <= 0.85
        assert not vertical_only or (part.left, part.right) == (0, 400)
    assert len(set(drawn)) > 150
    assert vertical_only or any((part.top, part.bottom) == (0, 300) for part in drawn)
