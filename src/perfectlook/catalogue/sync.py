"""Brings a catalogue into step with a source; may be killed at any moment and simply run again."""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from perfectlook.catalogue.embedding import Embedder
from perfectlook.catalogue.manifest import Generation, Manifest, ModelIdentity
from perfectlook.catalogue.plan import Item, Listing, Plan, State, list_products, make_plan, stored_states
from perfectlook.catalogue.records import Record
from perfectlook.catalogue.sources import Source
from perfectlook.errors import CatalogueError
from perfectlook.features.store import open_store as open_feature_store
from perfectlook.progress import Progress, ProgressOf
from perfectlook.stores import Store
from perfectlook.types import Problem

if TYPE_CHECKING:
    from perfectlook.bundle import Model

TOGETHER = 5000
"""Records that are written, or products that are removed, in one transaction."""


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What a sync did to a catalogue, in products.

    Attributes:
        added: new ones.
        changed: those with another picture, category or record than before.
        deleted: those that the source no longer has.
        unchanged: those that are as they were.
        embedded: those whose vector was computed, be it only because the model is another one.
        failed: what is wrong with the source's products, and why: what could not be added or changed.
        switched: whether the catalogue now answers with the vectors of another model, or for the first time.
        kept: those that stay as they were because the source cannot give them now.
        is_whole: whether the source could list all it has; if not, nothing was deleted.
    """

    added: int = 0
    changed: int = 0
    deleted: int = 0
    unchanged: int = 0
    embedded: int = 0
    failed: list[Problem] = field(default_factory=list)
    switched: bool = False
    kept: int = 0
    is_whole: bool = True


def sync(
    store: Store,
    source: Source,
    model: "Model",
    *,
    allow_empty: bool = False,
    workers: int | None = None,
    progress: ProgressOf | None = None,
) -> SyncReport:
    """Make a catalogue hold exactly what a source has, as vectors of a model.

    With the model that the catalogue has, what changed is changed in place, a batch at a time. With another
    one (or the first), everything is embedded into a collection of its own, which becomes the active one in
    a single step at the end; until then the old one answers. Each batch is one transaction and every step
    looks at what is there before it acts, so a run that was killed is finished by the next.

    Raises:
        ModelError: the model was trained on another backbone than the one installed.
        CatalogueError: the source is empty (unless allowed) or none of it can be used, another sync is at
            work, or the store fails.
        FeatureError: features cannot be stored.
        BackboneError: the model's backbone cannot be loaded.
    """
    told = progress or _nobody
    with store.hold("catalogue sync"), open_feature_store(model.backbone) as features:
        model.check_backbone(features.manifest.identity)
        listing = list_products(source, workers=workers, progress=told("reading pictures"))
        manifest = Manifest.from_document(store.manifest(), store.location)
        before = stored_states(store, manifest.active.collection) if manifest.active else {}
        _refuse_if_empty(source, listing, len(before), store.location, allow_empty=allow_empty)
        staying = listing.staying(before.keys())
        identity = ModelIdentity(model.name, model.identity, features.manifest.identity)
        manifest = _prepared(store, manifest, identity, model.dimension)
        if manifest.active and manifest.pending:
            _carry_over(store, manifest.active.collection, staying, listing)
        stored = stored_states(store, manifest.pending.collection) if manifest.pending else before
        plan = make_plan(listing, stored)
        embedder = Embedder(model, features)
        wanted = {id_: listing.items[id_] for id_ in plan.embed}
        failed = embedder.extract(wanted, workers=workers, progress=told("extracting features"))
        wanted = {id_: item for id_, item in wanted.items() if id_ not in failed}
        manifest = _with_centres(store, manifest, embedder.centres(wanted, manifest.target))
        _embed(store, manifest.target, embedder, wanted, told("embedding", "products"))
        _describe_and_remove(store, manifest.target.collection, listing.items, plan)
        if manifest.pending:
            _switch(store, manifest)
    after = (stored.keys() - set(plan.remove)) | wanted.keys()
    report = _report(source, listing, before, after, failed)
    return replace(report, embedded=len(wanted), switched=bool(manifest.pending), kept=len(staying & after))


def _refuse_if_empty(
    source: Source, listing: Listing, count: int, location: str, *, allow_empty: bool
) -> None:
    if listing.items or allow_empty:
        return
    if listing.problems:
        raise CatalogueError(
            f"{source.name}: none of its products can be used, {len(listing.problems)} problems; the first: "
            f"{listing.problems[0]}"
        )
    loss = f"; all {count} products of {location} would be deleted" if count else ""
    raise CatalogueError(
        f"{source.name}: has no products{loss}. Check the source; allow empty ones if it is so"
    )


def _prepared(store: Store, manifest: Manifest, identity: ModelIdentity, dimension: int) -> Manifest:
    """Return the manifest with the generation to fill: the active, the pending, or a new pending one."""
    if manifest.active and manifest.active.model == identity:
        manifest = replace(manifest, pending=None)
    elif not (manifest.pending and manifest.pending.model == identity):
        manifest = replace(manifest, pending=None)
        _drop_strays(store, manifest)
        counter = manifest.counter + 1
        collection = f"vectors-{counter}"
        store.create_collection(collection, dimension)
        manifest = replace(manifest, pending=Generation(collection, identity), counter=counter)
    _write(store, manifest)
    _drop_strays(store, manifest)
    return manifest


def _carry_over(store: Store, collection: str, staying: Set[str], listing: Listing) -> None:
    """Take products that cannot be read now as they are: their features may be stored."""
    for id_, point in store.get(staying, collection=collection).items():
        listing.items[id_] = Item(point.category, Record.from_payload(id_, point.payload))


def _with_centres(store: Store, manifest: Manifest, generation: Generation) -> Manifest:
    """Store new centres before any vector that depends on them."""
    if generation is manifest.target:
        return manifest
    if manifest.pending:
        manifest = replace(manifest, pending=generation)
    else:
        manifest = replace(manifest, active=generation)
    _write(store, manifest)
    return manifest


def _embed(
    store: Store,
    generation: Generation,
    embedder: Embedder,
    wanted: Mapping[str, Item],
    progress: Progress | None,
) -> None:
    done = 0
    for points in embedder.points(wanted, generation):
        store.upsert(points, collection=generation.collection)
        done += len(points)
        if progress:
            progress(done, len(wanted), 0)


def _describe_and_remove(store: Store, collection: str, items: Mapping[str, Item], plan: Plan) -> None:
    for ids in _batches(plan.describe):
        store.set_payloads({id_: items[id_].record.payload() for id_ in ids}, collection=collection)
    for ids in _batches(plan.remove):
        store.delete(ids, collection=collection)


def _batches(ids: Sequence[str], size: int = TOGETHER) -> Iterator[Sequence[str]]:
    return (ids[start : start + size] for start in range(0, len(ids), size))


def _switch(store: Store, manifest: Manifest) -> None:
    switched = replace(manifest, active=manifest.pending, pending=None)
    _write(store, switched)
    _drop_strays(store, switched)


def _write(store: Store, manifest: Manifest) -> None:
    store.write_manifest(manifest.document(), active=manifest.active.collection if manifest.active else None)


def _drop_strays(store: Store, manifest: Manifest) -> None:
    """Drop collections that a killed run has left behind."""
    known = {each.collection for each in (manifest.active, manifest.pending) if each}
    for name in store.collections().keys() - known:
        store.drop_collection(name)


def _report(
    source: Source,
    listing: Listing,
    before: Mapping[str, State],
    after: Set[str],
    failed: Mapping[str, str],
) -> SyncReport:
    common = before.keys() & after
    changed = sum(
        id_ in listing.items and id_ not in failed and listing.items[id_].state != before[id_]
        for id_ in common
    )
    problems = [
        Problem(source.name, id_, f"{listing.items[id_].record.picture}: {reason}")
        for id_, reason in failed.items()
        if id_ not in listing.unreadable
    ]
    return SyncReport(
        added=len(after - before.keys()),
        changed=changed,
        deleted=len(before.keys() - after),
        unchanged=len(common) - changed,
        failed=[*listing.problems, *problems],
        is_whole=listing.is_whole,
    )


def _nobody(_: str, unit: str = "") -> None:
    """Nobody asked for progress."""
