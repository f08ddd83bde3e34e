"""Turns products into vectors of a model; writes a source's vectors to a file without a catalogue."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Unpack

import numpy as np

from perfectlook.backbones import FeatureBatch
from perfectlook.catalogue.manifest import Generation, ModelIdentity, Record, answering
from perfectlook.catalogue.sources import Source, list_products, open_source
from perfectlook.catalogue.vectors import write_vectors
from perfectlook.errors import CatalogueError
from perfectlook.features.extraction import extract
from perfectlook.features.store import FeatureStore, ViewKey
from perfectlook.features.store import open_store as open_feature_store
from perfectlook.feeds import FeedOptions
from perfectlook.model.runtime import Mean, Model, catalogue_centres
from perfectlook.progress import Progress, ProgressOf, no_progress
from perfectlook.stores import Point, open_store
from perfectlook.types import Float32Array, Problem, View


@dataclass(frozen=True, slots=True)
class EmbedReport:
    """What became of a source's products: how many have a vector, in how many categories, and what failed."""

    embedded: int
    categories: int
    failed: list[Problem] = field(default_factory=list)


def embed(
    source: Source | Path | str,
    model: Model | Path | str,
    out: Path | str,
    *,
    catalogue: Generation | Path | str | None = None,
    ray: bool = False,
    workers: int | None = None,
    progress: ProgressOf | None = None,
    **options: Unpack[FeedOptions],
) -> EmbedReport:
    """Write the vectors of all of a source's products to a Parquet file, for `Catalogue.sync` to take in.

    Features are extracted once and kept in the feature store of this machine: a run that was interrupted
    goes on where it was, and another model on the same backbone only has to run its own small network.

    Args:
        source: the products: what `Catalogue.sync` takes.
        model: whose vectors: an open model, its folder, or the name of a model that comes with the package.
        out: the file.
        catalogue: the folder or URL of a catalogue, or its generation: its centres are kept, so that the
            vectors can be taken into it next to those that it has. By default centres are the products' own.
        ray: extract on a Ray cluster, not in processes of this machine.
        workers: how many processes there.
        progress: makes the progress of each part of the work.
        options: how a source is read that is given by its path or URL.

    Raises:
        MissingExtraError: pyarrow, or Ray, is not installed.
        UsageError: there is no such source.
        ModelError: the model cannot be opened, or was trained on another backbone than the one installed.
        CatalogueError: the catalogue is of another model, the source has no product that can be used, or the
            file cannot be written.
        FeatureError: features cannot be stored, or workers fail.
    """
    told = progress or no_progress
    if isinstance(model, Path | str):
        model = Model.open(model)
    source = open_source(source, **options)
    around = _generation_at(catalogue) if isinstance(catalogue, Path | str) else catalogue
    with open_feature_store(model.backbone) as features:
        model.check_backbone(features.manifest.identity)
        identity = ModelIdentity(model.name, model.identity, features.manifest.identity)
        if around is not None and around.model != identity:
            raise CatalogueError(
                f"the catalogue holds the vectors of model {around.model}, not of {identity}; use that "
                "model, or do not name the catalogue"
            )
        listing = list_products(source, workers=workers, progress=progress)
        embedder = Embedder(model, features, on_ray=ray)
        reasons = embedder.extract(listing.items, workers=workers, progress=told("extracting features"))
        wanted = {id_: record for id_, record in listing.items.items() if id_ not in reasons}
        failed = listing.problems + [
            Problem(source.name, id_, f"{listing.items[id_].picture}: {reason}")
            for id_, reason in reasons.items()
        ]
        if not wanted:
            first = f"; the first problem: {failed[0]}" if failed else ""
            raise CatalogueError(f"{source.name}: has no product that can be embedded{first}")
        generation = embedder.centres(wanted, around or Generation("", identity, {}, None))
        write_vectors(Path(out), generation, model.dimension, embedder.points(wanted, generation))
    return EmbedReport(len(wanted), len({record.category for record in wanted.values()}), failed)


def _generation_at(catalogue: Path | str) -> Generation:
    with closing(open_store(catalogue)) as store:
        return answering(store)


BATCH = 512
"""Products that are embedded together and committed in one transaction."""


class Embedder:
    """Embeds products with one model. Pictures pass its backbone only when the feature store lacks them."""

    def __init__(self, model: Model, features: FeatureStore, *, on_ray: bool = False) -> None:
        """Take a model and the feature store of its backbone; features are extracted here or `on_ray`."""
        self._model = model
        self._features = features
        self._on_ray = on_ray

    def extract(
        self, items: Mapping[str, Record], *, workers: int | None = None, progress: Progress | None = None
    ) -> dict[str, str]:
        """Extract the features that are missing; returns why, for each product that still has none, by id."""
        missing = {id_: items[id_] for id_ in self._without_features(items)}
        if not missing:
            return {}
        views = {id_: View(Path(record.picture)) for id_, record in missing.items()}
        report = extract(
            {views[id_]: _key(record) for id_, record in missing.items()},
            self._model.backbone,
            self._features,
            maps=self._model.needs_product_maps,
            on_ray=self._on_ray,
            workers=workers,
            progress=progress,
        )
        unknown = "its picture has no features; run again"
        return {id_: report.failures.get(views[id_], unknown) for id_ in self._without_features(missing)}

    def centres(self, items: Mapping[str, Record], known: Generation) -> Generation:
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

        centres = catalogue_centres(self._model.centre, batches())
        return known.with_centres(centres, overall.shrunk_to(self._model.overall_centre))

    def points(self, items: Mapping[str, Record], generation: Generation) -> Iterator[list[Point]]:
        """Yield the products as points, in batches."""
        for ids, batch in self._batches(items):
            centres = np.stack([generation.centres[items[id_].category] for id_ in ids])
            vectors = self._model.embed_products(batch, centres)
            yield [
                Point(id_, items[id_].category, vector, items[id_].payload())
                for id_, vector in zip(ids, vectors, strict=True)
            ]

    def _batches(self, items: Mapping[str, Record]) -> Iterator[tuple[Sequence[str], FeatureBatch]]:
        ids = sorted(items)
        for start in range(0, len(ids), BATCH):
            some = ids[start : start + BATCH]
            keys = [_key(items[id_]) for id_ in some]
            arrays = self._features.read(keys, maps=self._model.needs_product_maps)
            yield some, arrays.batch(slice(None))

    def _without_features(self, items: Mapping[str, Record]) -> list[str]:
        missing = set(self._features.missing(map(_key, items.values()), maps=self._model.needs_product_maps))
        return [id_ for id_, item in items.items() if _key(item) in missing]


def _key(record: Record) -> ViewKey:
    return ViewKey.of(record.picture_sha256, None)
