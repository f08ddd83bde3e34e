"""From a source to a file of vectors: everything of a sync but the store."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from perfectlook.catalogue.embedding import Embedder
from perfectlook.catalogue.manifest import Generation, ModelIdentity
from perfectlook.catalogue.plan import list_products
from perfectlook.catalogue.sources import Source
from perfectlook.catalogue.vectors import write_vectors
from perfectlook.errors import CatalogueError
from perfectlook.features.extraction import extract
from perfectlook.features.ray_extraction import extract_on_ray
from perfectlook.features.store import open_store
from perfectlook.progress import ProgressOf
from perfectlook.types import Problem

if TYPE_CHECKING:
    from perfectlook.bundle import Model


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
        embedder = Embedder(model, features, extract_on_ray if on_ray else extract)
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
