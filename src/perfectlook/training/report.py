"""How a model came about, for its record and its card."""

from collections.abc import Mapping
from typing import Any

from perfectlook.features.setfeatures import SetFeatures
from perfectlook.metrics import Interval
from perfectlook.types import IntArray


def training_report(
    features: SetFeatures,
    training: IntArray,
    *,
    settings: Mapping[str, Any],
    epoch: int | None,
    chosen_on: str | None,
    accuracy: Interval | None,
    without_negatives: int,
) -> dict[str, Any]:
    """The `training` of a model's record.

    Args:
        features: the sets.
        training: the pairs trained on.
        settings: of the training.
        epoch: the one kept; None where nothing was trained in epochs.
        chosen_on: which scenes choices were made by; None where nothing was chosen.
        accuracy: binary accuracy on those scenes.
        without_negatives: pairs left out because nothing else is in their category.
    """
    parts = features.dataset.parts or (features.dataset,)
    return {
        "sets": [part.name for part in parts],
        "licences": {part.name: part.licence for part in parts},
        "n_pairs": len(training),
        "n_scenes": len({features.pairs[i].scene for i in training}),
        "n_products": len(features.product_ids),
        "n_dropped": features.n_dropped,
        "n_without_negatives": without_negatives,
        "n_problems": len(features.dataset.problems) + len(features.problems),
        "settings": dict(settings),
        "epoch": epoch,
        "chosen_on": chosen_on,
        "binary_accuracy": accuracy._asdict() if accuracy else None,
    }
