"""From a source to a file of vectors: everything of a sync but the store."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from perfectlook.catalogue.diff import Item, list_products
from perfectlook.catalogue.manifest import Generation, ModelIdentity
from perfectlook.catalogue.sources import Source
from perfectlook.catalogue.vectors import write_vectors
from perfectlook.errors import CatalogueError
from perfectlook.features.extraction import ExtractionReport, extract
from perfectlook.features.store import FeatureStore, ViewKey, open_store
from perfectlook.model.inputs import Mean, catalogue_centres
from perfectlook.progress import Progress, ProgressOf
from perfectlook.stores import Point
from perfectlook.types import Float32Array, Problem, View

if TYPE_CHECKING:
    from perfectlook.backbones import FeatureBatch
    from perfectlook.model.runtime import Model


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


@dataclass(frozen=True, slots=True)
class EmbedReport:
    """What came of a source's products: how many have a vector, in how many categories, and what failed."""

    embedded: int
    categories: int
    failed: list[Problem] = field(default_factory=list)


def embed(
    source: Source,
    model: "Model",
    out: Path,
    *,
    around: Generation | None = None,
    on_ray: bool = False,
    workers: int | None = None,
    progress: ProgressOf | None = None,
) -> EmbedReport:
    """Write the vectors of all of a source's products to a Parquet file, for `catalogue sync` to take in.

    Features are extracted once and kept in the feature store of this machine: a run that was broken off goes
    on where it was, and another model on the same backbone only has to run its own small network.

    Args:
        source: the products.
        model: whose vectors.
        out: the file.
        around: the generation of a catalogue that the vectors are to lie in, beside those that it has: its
            centres are kept. By default centres are those of the products.
        on_ray: extract on a Ray cluster, not in processes of this machine.
        workers: how many there.
        progress: makes the progress of each part of the work.

    Raises:
        MissingExtraError: pyarrow, or Ray, is not installed.
        ModelError: the model was trained on another backbone than the one installed.
        CatalogueError: `around` is of another model, the source has no product that can be used, or the file
            cannot be written.
        FeatureError: features cannot be stored, or workers fail.
    """
    told = progress or _nobody
    with open_store(model.backbone) as features:
        model.check_backbone(features.manifest.identity)
        identity = ModelIdentity(model.name, model.identity, features.manifest.identity)
        if around is not None and around.model != identity:
            raise CatalogueError(
                f"the catalogue holds the vectors of model {around.model}, not of {identity}; leave its "
                "centres out, or use that model"
            )
        listing = list_products(source, workers=workers, progress=progress)
        embedder = Embedder(model, features, partial(extract, on_ray=on_ray))
        reasons = embedder.extract(listing.items, workers=workers, progress=told("extracting features"))
        wanted = {id_: item for id_, item in listing.items.items() if id_ not in reasons}
        failed = listing.problems + [
            Problem(source.name, id_, f"{listing.items[id_].picture}: {reason}")
            for id_, reason in reasons.items()
        ]
        if not wanted:
            first = f"; the first problem: {failed[0]}" if failed else ""
            raise CatalogueError(f"{source.name}: has no product that can be embedded{first}")
        generation = embedder.centres(wanted, around or Generation("", identity))
        write_vectors(out, generation, model.dimension, embedder.points(wanted, generation))
    return EmbedReport(len(wanted), len({item.category for item in wanted.values()}), failed)


def _nobody(_: str, unit: str = "") -> None:
    """Nobody asked for progress."""
