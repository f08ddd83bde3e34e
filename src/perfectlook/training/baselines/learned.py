"""What a baseline hands back when it has learned."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from perfectlook.model.global_network import GlobalNetwork
from perfectlook.training.heldout import HeldOut
from perfectlook.training.history import Epoch
from perfectlook.types import IntArray

NO_PAIRS: IntArray = np.empty(0, np.int64)

Counts = Mapping[str, int]
"""Product id to the number of training pairs it is in."""


@dataclass(frozen=True, slots=True)
class Learned:
    """What a baseline learned, and how well it did on scenes it had not seen.

    Attributes:
        result: a network, or counts of products.
        training: the pairs it learned from.
        found: settings that it chose itself, by name.
        epoch: the one kept; None where nothing was trained in epochs.
        chosen_on: which scenes choices were made by; None where nothing was chosen.
        held_out: how well it did on those scenes.
        without_negatives: pairs left out because nothing else is in their category.
        history: the epochs of every stage.
    """

    result: GlobalNetwork | Counts
    training: IntArray
    found: Mapping[str, Any] = field(default_factory=dict)
    epoch: int | None = None
    chosen_on: str | None = None
    held_out: HeldOut | None = None
    without_negatives: int = 0
    history: Mapping[str, Sequence[Epoch]] = field(default_factory=dict)
