"""From products' pictures to vectors: features out of the feature store, through a model, around centres."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from perfectlook.catalogue.manifest import Generation
from perfectlook.catalogue.plan import Item
from perfectlook.centres import Mean, catalogue_centres
from perfectlook.features.extraction import ExtractionReport, extract
from perfectlook.features.store import FeatureStore, ViewKey
from perfectlook.progress import Progress
from perfectlook.stores import Point
from perfectlook.types import Float32Array, View

if TYPE_CHECKING:
    from perfectlook.backbones.registry import FeatureBatch
    from perfectlook.bundle import Model

BATCH = 512
"""Products that are embedded together and committed in one transaction."""


class Embedder:
    """Embeds products with one model. Pictures pass its backbone only when the feature store lacks them."""

    def __init__(
        self,
        model: "Model",
        features: FeatureStore,
        extract: Callable[..., ExtractionReport] = extract,
    ) -> None:
        """Take a model, the feature store of its backbone, and what extracts: by default, `extract`."""
        self._model = model
        self._features = features
        self._extract = extract

    def extract(
        self, items: Mapping[str, Item], *, workers: int | None = None, progress: Progress | None = None
    ) -> dict[str, str]:
        """Extract the features that are missing; returns why, for each product that still has none, by id."""
        missing = self._without_features(items)
        if not missing:
            return {}
        views = {id_: View(items[id_].picture) for id_ in missing}
        report = self._extract(
            views.values(),
            self._model.backbone,
            self._features,
            maps=self._model.needs_product_maps,
            workers=workers,
            progress=progress,
            hashes={items[id_].picture: items[id_].record.picture_sha256 for id_ in missing},
        )
        reasons = {failure.view: failure.reason for failure in report.failures}
        return {
            id_: reasons.get(views[id_], "its picture has no features; run again")
            for id_ in self._without_features({id_: items[id_] for id_ in missing})
        }

    def centres(self, items: Mapping[str, Item], known: Generation) -> Generation:
        """Return the generation with the centres of those of the products' categories that it lacks.

        A centre is the mean of a category's products, shrunk to that of the model's category that stands in
        for it.
        """
        new = {id_: item for id_, item in items.items() if item.category not in known.centres}
        if not new:
            return known
        overall = Mean()

        def batches() -> Iterator[tuple[list[str], Float32Array]]:
            for ids, batch in self._batches(new):
                inputs = self._model.product_inputs(batch)
                overall.add(inputs)
                yield [new[id_].category for id_ in ids], inputs

        centres = catalogue_centres(self._model, batches())
        return known.with_centres(centres, overall.shrunk_to(self._model.overall_centre))

    def points(self, items: Mapping[str, Item], generation: Generation) -> Iterator[list[Point]]:
        """Yield the products as points, in batches."""
        for ids, batch in self._batches(items):
            centres = np.stack([generation.centres[items[id_].category] for id_ in ids])
            vectors = self._model.embed_products(batch, centres)
            yield [
                Point(id_, items[id_].category, vector, items[id_].record.payload())
                for id_, vector in zip(ids, vectors, strict=True)
            ]

    def _batches(self, items: Mapping[str, Item]) -> Iterator[tuple[Sequence[str], "FeatureBatch"]]:
        ids = sorted(items)
        for start in range(0, len(ids), BATCH):
            some = ids[start : start + BATCH]
            keys = [_key(items[id_]) for id_ in some]
            arrays = self._features.read(keys, maps=self._model.needs_product_maps)
            yield some, arrays.batch(slice(None))

    def _without_features(self, items: Mapping[str, Item]) -> list[str]:
        found = self._features.find([_key(item) for item in items.values()])
        return [
            id_
            for id_, rows in zip(items, found, strict=True)
            if rows is None or (self._model.needs_product_maps and rows.map is None)
        ]


def _key(item: Item) -> ViewKey:
    return ViewKey.of(item.record.picture_sha256, None)
