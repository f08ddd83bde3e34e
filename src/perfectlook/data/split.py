"""Train, validation and test: by scene, never by pair, with copies of a photo counted as one scene."""

from collections.abc import Mapping
from hashlib import md5
from pathlib import Path
from typing import Literal

from perfectlook.data.fingerprints import Fingerprint, groups_within, hashes_of
from perfectlook.data.layout import Dataset

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")

DECILES = 10
VALIDATION_DECILE = 8
TEST_DECILE = 9
FOLDS = 5
TWIN_BITS = 10
"""Scenes whose 256-bit difference hashes differ in at most this many bits are one scene for the split."""
SMALL = 500
"""Sets with fewer scenes have too few validation scenes to choose by; cross-validation chooses there."""


def decile_of(scene_id: str) -> int:
    """The scene's decile, 0 to 9, from its id alone: the same for everybody, whatever else is in the set."""
    return int(_digest(scene_id)[:8], 16) % DECILES


def split_of(scene_id: str) -> Split:
    """The split a scene belongs to: deciles 0 to 7 train, 8 validation, 9 test."""
    decile = decile_of(scene_id)
    if decile == TEST_DECILE:
        return "test"
    return "val" if decile == VALIDATION_DECILE else "train"


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
