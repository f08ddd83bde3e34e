from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from drawn import drawn_set
from perfectlook.data import load_set
from perfectlook.data.fingerprints import Fingerprint, fingerprints
from perfectlook.data.layout import Dataset
from perfectlook.data.split import decile_of, fold_of, is_small, split_of, twins
from perfectlook.types import Pair, Scene


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
    """Scenes whose difference hashes have so many bits set, from the first on."""
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
