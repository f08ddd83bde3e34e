"""Which pairs a model or a baseline learns from, and which scenes it chooses its settings by.

Nothing of the test scenes or their copies is learned from, and nothing of the validation scenes unless
cross-validation chooses (sets under 500 scenes, or `cross_validate`).
"""

from collections.abc import Collection, Sized
from dataclasses import dataclass

from perfectlook.datasets.split import FOLDS
from perfectlook.errors import TrainingError
from perfectlook.features.setfeatures import SetFeatures
from perfectlook.protocol import pairs_of, scenes_of_fold, scenes_of_split, training_indices
from perfectlook.training.config import TrainingConfig
from perfectlook.types import IntArray

BY_VALIDATION = "validation scenes"
BY_FOLDS = f"{FOLDS}-fold cross-validation"


@dataclass(frozen=True, slots=True)
class Round:
    """One fit that a choice is made by: pairs to learn from, and pairs of other scenes to measure on."""

    name: str
    training: IntArray
    validation: IntArray


def held_out(features: SetFeatures, config: TrainingConfig) -> set[str]:
    """Scenes that are never learned from: of the test split, and of validation where that chooses."""
    test = scenes_of_split(features, "test")
    by_folds = config.chooses_by_folds(features.dataset)
    return test if by_folds else test | scenes_of_split(features, "val")


def learning_pairs(features: SetFeatures, config: TrainingConfig) -> IntArray:
    """All pairs that may be learned from.

    Raises:
        TrainingError: there is none.
    """
    found = training_indices(features, held_out(features, config))
    _check_any(features, found)
    return found


def folds(features: SetFeatures, config: TrainingConfig) -> list[Round]:
    """Five-fold cross-validation, by scene, over the scenes that may be learned from.

    Raises:
        TrainingError: no pair may be learned from.
    """
    barred = held_out(features, config)
    found = [
        _round(features, f"fold {fold}", scenes_of_fold(features, fold) - barred, barred)
        for fold in range(FOLDS)
    ]
    usable = [each for each in found if len(each.validation) and len(each.training)]
    _check_any(features, usable)
    return usable


def validation_round(features: SetFeatures, config: TrainingConfig) -> Round:
    """Learning on the training split, measuring on the validation split.

    Raises:
        TrainingError: one of them has no pair.
    """
    found = _round(features, "fit", scenes_of_split(features, "val"), held_out(features, config))
    _check_any(features, found.training)
    if not len(found.validation):
        raise TrainingError(
            f"{features.dataset.name}: no pair is in the validation split, so there is nothing to choose the "
            "epoch by; add scenes with pairs"
        )
    return found


def _round(features: SetFeatures, name: str, measured: Collection[str], barred: Collection[str]) -> Round:
    return Round(name, training_indices(features, {*measured, *barred}), pairs_of(features, measured))


def _check_any(features: SetFeatures, found: Sized) -> None:
    if not len(found):
        raise TrainingError(
            f"{features.dataset.name}: no pair to train on outside the held-out scenes; add scenes with pairs"
        )
