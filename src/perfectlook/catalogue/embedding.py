"""Embed products with a model, and write their vectors to a file without a catalogue."""

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
from perfectlook.feeds import Feed, FeedOptions
from perfectlook.model.runtime import Mean, Model, catalogue_centres
from perfectlook.progress import Progress, ProgressOf, no_progress
from perfectlook.stores import Point, open_store
from perfectlook.types import Float32Array, Problem, View


@dataclass(frozen=True, slots=True)
class EmbedReport:
    """How many products were embedded, in how many categories, and which products failed."""

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
    """Write the vectors of a source's products to a Parquet file, which `Catalogue.sync` can read.

    Features are extracted once and kept in the feature store of this machine. An interrupted run continues
    where it stopped. Another model on the same backbone only runs its own small network.

    Args:
        source: the products, as for `Catalogue.sync`.
        model: an open model, its folder, or the name of a model that comes with the package.
        out: the file to write.
        catalogue: the folder or URL of a catalogue, or its generation. The vectors then use its centres, so
            that the catalogue can take them next to its own. By default the centres are computed from the
            products.
        ray: extract features on a Ray cluster instead of in processes of this machine.
        workers: how many processes extract features.
        progress: makes the progress of each part of the work.
        options: how to read a source that is a path or a URL.

    Raises:
        MissingExtraError: pyarrow or Ray is not installed.
        UsageError: there is no such source.
        ModelError: the model cannot be opened, or was trained on another backbone than the one installed.
        CatalogueError: the catalogue was made with another model, the source has no usable product, or the
            file cannot be written.
        FeatureError: features cannot be stored, or workers fail.
    """
    progress_of = progress or no_progress
    if isinstance(model, Path | str):
        model = Model.open(model)
    source = open_source(source, **options)
    if isinstance(source, Feed):
        source.match_categories(model.categories)
    around = _generation_at(catalogue) if isinstance(catalogue, Path | str) else catalogue
    with open_feature_store(model.backbone) as features:
        model.check_backbone(features.manifest.identity)
        identity = ModelIdentity(model.name, model.identity, features.manifest.identity)
        if around is not None and around.model != identity:
            place = "catalogue" if isinstance(catalogue, Generation) else catalogue
            what = f"made with model {around.model}, but the model given is {identity}"
            remedy = "Use the catalogue's model, or leave out --catalogue."
            raise CatalogueError(f"{place}: {what}. {remedy}")
        listing = list_products(source, workers=workers, progress=progress)
        embedder = Embedder(model, features, on_ray=ray)
        reasons = embedder.extract(
            listing.items, workers=workers, progress=progress_of("extracting features")
        )
        wanted = {id_: record for id_, record in listing.items.items() if id_ not in reasons}
        failed = listing.problems + [
            Problem(source.name, id_, f"{listing.items[id_].picture}: {reason}")
            for id_, reason in reasons.items()
        ]
        if not wanted:
            first = f" The first problem: {failed[0]}" if failed else ""
            raise CatalogueError(f"{source.name}: no product can be embedded. Fix the products.{first}")
        generation = embedder.centres(wanted, around or Generation("", identity, {}, None))
        write_vectors(Path(out), generation, model.dimension, embedder.points(wanted, generation))
    return EmbedReport(len(wanted), len({record.category for record in wanted.values()}), failed)


def _generation_at(catalogue: Path | str) -> Generation:
    with closing(open_store(catalogue)) as store:
        return answering(store)


BATCH = 512
"""How many products are embedded together and committed in one transaction."""


class Embedder:
    """Embeds products with one model. The backbone runs only for pictures without stored features."""

    def __init__(self, model: Model, features: FeatureStore, *, on_ray: bool = False) -> None:
        """Use a model and the feature store of its backbone. `on_ray` extracts features on a Ray cluster."""
        self._model = model
        self._features = features
        self._on_ray = on_ray

    def extract(
        self, items: Mapping[str, Record], *, workers: int | None = None, progress: Progress | None = None
    ) -> dict[str, str]:
        """Extract the missing features. Return the reasons of failures by product id."""
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
        unknown = "no features of the picture. Run the same command again."
        return {id_: report.failures.get(views[id_], unknown) for id_ in self._without_features(missing)}

    def centres(self, items: Mapping[str, Record], known: Generation) -> Generation:
        """Return the generation with the centres of the products' categories added.

        A centre is the mean of a category's products, shrunk to the centre of the model's category that
        represents it. Centres that the generation has do not change.
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
