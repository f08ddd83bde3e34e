"""The popularity baseline on disk: how many training pairs each product is in. Needs no torch."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np

from perfectlook import __version__
from perfectlook.errors import ModelError
from perfectlook.features.set_features import SetFeatures
from perfectlook.model.config import ModelConfig
from perfectlook.model.distances import DistanceFunction
from perfectlook.model.files import (
    CARD,
    CONFIG,
    TRAINED_ON,
    ModelRecord,
    identity_of,
    read_trained_on,
    trained_on_file,
    write_file,
)
from perfectlook.types import Float64Array, IntArray

POPULARITY = "popularity"
"""The `baseline` of its record."""

COUNTS = "counts.json"


@dataclass(frozen=True, slots=True)
class Counted:
    """All that goes into the folder of a popularity model.

    Attributes:
        counts: product id to the number of training pairs it is in, at least 1.
        config: names the backbone: which pairs of a set are usable depends on it.
        backbone_identity: of the backbone.
        categories: of the catalogue.
        scenes: ids of the scenes counted.
        training: how it came about; goes into the record.
        card: the model card, Markdown.
    """

    counts: Mapping[str, int]
    config: ModelConfig
    backbone_identity: str
    categories: Sequence[str]
    scenes: Sequence[str]
    training: Mapping[str, Any]
    card: str


def write_popularity(model: Counted, folder: Path) -> ModelRecord:
    """Write the folder of a popularity model; `config.json` last."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG).unlink(missing_ok=True)
    for name, content in (
        (COUNTS, (json.dumps(dict(sorted(model.counts.items())), indent=0) + "\n").encode()),
        (TRAINED_ON, trained_on_file(model.scenes, model.counts)),
        (CARD, model.card.encode()),
    ):
        write_file(folder / name, content)
    record = ModelRecord(
        name=folder.resolve().name,
        config=model.config,
        backbone_identity=model.backbone_identity,
        categories=tuple(model.categories),
        mixing=model.config.effective_mixing,
        temperature=None,
        identity=identity_of(folder, model.config, model.categories, (COUNTS,)),
        training=model.training,
        library=__version__,
        baseline=POPULARITY,
    )
    record.write(folder)
    return record


class Popularity:
    """Orders products by the number of training pairs they are in, whatever the scene.

    A product that is in none has popularity 0; such products tie. It has no product vectors: it can be
    evaluated, but no catalogue can be searched with it.
    """

    needs_product_maps = False

    def __init__(self, folder: Path, record: ModelRecord) -> None:
        self._folder = folder
        self.record = record
        self.counts = _read_counts(folder / COUNTS)

    @classmethod
    def open(cls, folder: Path | str) -> Self:
        """Open the folder of a popularity model.

        Raises:
            ModelError: there is no such model, it is incomplete, damaged or of a newer format.
        """
        record = ModelRecord.read(Path(folder))
        if record.baseline != POPULARITY:
            raise ModelError(f"{folder}: is no popularity model; open it with `open_model`")
        record.check_files(Path(folder), (COUNTS,))
        return cls(Path(folder), record)

    @property
    def name(self) -> str:
        """What the model is called."""
        return self.record.name

    @property
    def identity(self) -> str:
        """sha256 over all that its distances depend on."""
        return self.record.identity

    @property
    def backbone(self) -> str:
        """Name of the backbone that decided which pairs were usable; its features are not read."""
        return self.record.config.backbone

    @cached_property
    def trained_on(self) -> dict[str, frozenset[str]]:
        """Ids of the `scenes` and `products` in the pairs it counted."""
        return read_trained_on(self._folder)

    def check_backbone(self, identity: str) -> None:
        """Any backbone will do: no feature is read."""

    def distances(self, products: Sequence[str]) -> Float64Array:
        """Minus the popularity of some products by their ids, the same for every scene, [n]."""
        return -np.asarray([self.counts.get(product, 0) for product in products], np.float64)

    def distances_over(self, features: SetFeatures, indices: IntArray) -> DistanceFunction:  # noqa: ARG002
        """Its distances over a set, for the scenes of any pairs.

        Raises:
            ModelError: it knows no product of the set's catalogue, so everything would tie.
        """
        if self.counts.keys().isdisjoint(features.product_ids):
            raise ModelError(
                f"model {self.name!r}: popularity knows only the {len(self.counts):,} products of the pairs "
                f"it has counted, and none of the {len(features.product_ids):,} products of "
                f"{features.dataset.name}; train it on that set, or evaluate a model that looks at pictures"
            )
        found = self.distances(features.product_ids)

        def distances(_scene_row: int, _category: str, rows: IntArray) -> Float64Array:
            chosen: Float64Array = found[rows]
            return chosen

        return distances


def _read_counts(path: Path) -> dict[str, int]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {str(product): int(count) for product, count in content.items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ModelError(f"{path}: cannot be read ({error}); train the model again") from error
