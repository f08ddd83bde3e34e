"""Known scenes: most of their own kind pass, others are far, and the file keeps all of it."""

from pathlib import Path

import numpy as np
import pytest

from perfectlook.backbones import FeatureBatch
from perfectlook.errors import ModelError
from perfectlook.model.files import KNOWN, write_arrays
from perfectlook.model.known import KnownScenes


def scenes(count: int, *, at: float = 0.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Scenes that vary in three directions, around a point."""
    draw = np.random.default_rng(seed)
    turned = np.random.default_rng(9).normal(size=(3, 50))
    rows = at + draw.normal(size=(count, 3)) @ turned + 0.1 * draw.normal(size=(count, 50))
    return rows[:, :30].astype(np.float32), rows[:, 30:].astype(np.float32)


def batch(head: np.ndarray, style: np.ndarray) -> FeatureBatch:
    return FeatureBatch(head, style, np.empty((len(head), 0, 0), np.float32))


def known(count: int = 100) -> KnownScenes:
    found = KnownScenes.of(*scenes(count))
    assert found is not None
    return found


def test_most_scenes_of_the_same_kind_pass_and_others_are_far():
    held_out = known().distances(batch(*scenes(400, seed=1)))
    assert 0.9 < (held_out <= known().limit).mean() < 0.99
    assert known().distances(batch(*scenes(50, at=3.0, seed=1))).min() > known().limit
    assert known().is_far(batch(*scenes(1, at=3.0)))


def test_what_lies_outside_the_space_of_the_scenes_counts():
    head, style = scenes(1, seed=1)
    outside = np.linalg.svd(np.random.default_rng(9).normal(size=(3, 50)))[2][-1].astype(np.float32)
    moved = batch(head + 20 * outside[:30], style + 20 * outside[30:])
    assert known().distances(moved)[0] > 3 * known().distances(batch(head, style))[0]


def test_the_distance_is_the_mean_distance_to_the_five_nearest_scenes():
    head, style = scenes(3, seed=2)
    found = known()
    rows = np.concatenate([head, style], axis=1)
    every = np.concatenate(scenes(100), axis=1)
    apart = (((rows[:, None] - every) * found.scale) ** 2).sum(axis=2)
    inside = ((every - found.mean) * found.scale) @ found.directions @ found.directions.T
    apart -= ((((every - found.mean) * found.scale) - inside) ** 2).sum(axis=1)  # scenes lie in the space
    nearest = np.sort(apart, axis=1)[:, :5].mean(axis=1)
    assert found.distances(batch(head, style)) == pytest.approx(np.sqrt(nearest), rel=0.05)


def test_the_limit_comes_from_folds_that_the_others_do_not_know():
    head, style = scenes(60)
    head[:20] += 10.0  # a group of its own: unknown to the other folds
    folds = np.repeat([0, 1, 2], 20)
    alone = KnownScenes.of(head, style, folds)
    mixed = KnownScenes.of(head, style, np.arange(60) % 3)
    assert alone is not None
    assert mixed is not None
    assert alone.limit > 2 * mixed.limit


def test_few_scenes_are_no_known_scenes():
    assert KnownScenes.of(*scenes(15)) is None
    assert KnownScenes.of(*scenes(16)) is not None


def test_the_file_is_read_back(tmp_path: Path):
    assert KnownScenes.open(tmp_path) is None
    (tmp_path / KNOWN).write_bytes(known().content())
    found = KnownScenes.open(tmp_path)
    assert found is not None
    some = batch(*scenes(5, seed=1))
    assert (found.limit, *found.distances(some)) == (known().limit, *known().distances(some))


def test_a_damaged_file_and_features_of_another_backbone_are_errors(tmp_path: Path):
    (tmp_path / KNOWN).write_bytes(write_arrays(format=np.int64(9)))
    with pytest.raises(ModelError, match=r"known\.npz: cannot be read \(format 9, expected format 1\)"):
        KnownScenes.open(tmp_path)
    with pytest.raises(ModelError, match=r"known\.npz: expected 50 features of a scene, got 30"):
        known().distances(batch(scenes(1)[0], np.empty((1, 0), np.float32)))
