"""What the epochs of a fit did, and which of them is kept."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Epoch:
    """What one epoch did. Epoch 0 is the model before training.

    `loss` is None for epoch 0; `binary_accuracy` None where there is nothing to validate on. `memory` is the
    weight of the memory that this accuracy was reached with.
    """

    epoch: int
    loss: float | None
    binary_accuracy: float | None
    temperature: float | None
    seconds: float
    memory: float | None = None


def best_of(history: Sequence[Epoch]) -> int:
    """The epoch of the highest validation accuracy, the first of equals; without validation the last."""
    known = [(each.binary_accuracy, -each.epoch) for each in history if each.binary_accuracy is not None]
    return -max(known)[1] if known else history[-1].epoch


def is_over(history: Sequence[Epoch], epochs: int, patience: int | None) -> bool:
    """Whether so many epochs are done or, with patience, the accuracy has not risen for that many."""
    if len(history) > epochs:
        return True
    return patience is not None and history[-1].epoch - best_of(history) >= patience
