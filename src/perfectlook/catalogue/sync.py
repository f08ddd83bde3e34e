"""Brings a catalogue into step with a source; may be killed at any moment and simply run again."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from perfectlook.catalogue.diff import (
    Item,
    Listing,
    Plan,
    State,
    list_products,
    list_vectors,
    make_plan,
    stored_states,
)
from perfectlook.catalogue.embedding import Embedder
from perfectlook.catalogue.manifest import Generation, Manifest, ModelIdentity, Record
from perfectlook.catalogue.sources import Fetching, Source
from perfectlook.catalogue.vectors import VectorFile
from perfectlook.errors import CatalogueError, CatalogueInUseError
from perfectlook.features.store import open_store as open_feature_store
from perfectlook.progress import Progress, ProgressOf, nobody
from perfectlook.stores import Store
from perfectlook.types import Problem

if TYPE_CHECKING:
    from perfectlook.model.runtime import Model


MANY_DELETED = 10
"""Products that are deleted before a sync warns that they are more than half of what was there."""


@dataclass(frozen=True, slots=True)
class Changes:
    """Which products a sync touched, by id; of the changed ones what: `category`, `picture`, `record`."""

    added: list[str] = field(default_factory=list)
    changed: dict[str, list[str]] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)


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
        changes: which products they are.
        dry_run: whether all this would be done, and nothing was.
        unknown_categories: how many products the catalogue then has of each of those categories that the
            model has nothing for: neither they, nor one of the same name, nor one around them were trained.
        warnings: what looks like a mistake although all of it was done: that more than half was deleted.
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
    changes: Changes = field(default_factory=Changes)
    dry_run: bool = False
    unknown_categories: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def make_report(
    source: Source,
    listing: Listing,
    before: Mapping[str, State],
    after: Mapping[str, str],
    failed: Mapping[str, str],
    model: "Model",
    *,
    dry_run: bool = False,
) -> SyncReport:
    """Compare the products that a catalogue had with those that it has now.

    Args:
        source: where they came from.
        listing: what was found there.
        before: what the catalogue had.
        after: the ids that it has, and their categories.
        failed: why, by id, for those of the listing's products that could not be embedded.
        model: whose vectors it holds.
        dry_run: whether nothing was done yet.
    """
    changes = Changes(sorted(after.keys() - before.keys()), deleted=sorted(before.keys() - after.keys()))
    for id_, item in listing.items.items():
        if id_ in before and id_ in after and id_ not in failed:
            changed = item.state.changes_from(before[id_])
            if changed:
                changes.changed[id_] = changed
    problems = [
        Problem(source.name, id_, f"{listing.items[id_].record.picture}: {reason}")
        for id_, reason in failed.items()
        if id_ not in listing.unreadable
    ]
    return SyncReport(
        added=len(changes.added),
        changed=len(changes.changed),
        deleted=len(changes.deleted),
        unchanged=len(before.keys() & after.keys()) - len(changes.changed),
        failed=[*listing.problems, *problems],
        is_whole=listing.is_whole,
        changes=changes,
        dry_run=dry_run,
        unknown_categories=_unknown_categories(after, model),
        warnings=_warnings(len(changes.deleted), len(before), dry_run=dry_run),
    )


def _unknown_categories(after: Mapping[str, str], model: "Model") -> dict[str, int]:
    """The number of products of each category that the model does not know, in the order of names."""
    counts = sorted(Counter(after.values()).items())
    return {name: count for name, count in counts if model.resolve(name).category is None}


def _warnings(deleted: int, before: int, *, dry_run: bool) -> list[str]:
    if deleted < MANY_DELETED or 2 * deleted <= before:
        return []
    share, back = f"{deleted:,} of the {before:,} products", "syncing the right feed brings them back"
    if dry_run:
        return [f"{share} would be deleted. If the feed is short by mistake, do not sync it ({back})"]
    return [
        f"{share} that were there are deleted: the source does not have them. If it is short by mistake, "
        f"{back}; `perfectlook catalogue sync --dry-run` shows beforehand what would be deleted"
    ]


TOGETHER = 5000
"""Records that are written, or products that are removed, in one transaction."""

LOOK_AGAIN_SECONDS = 0.2
"""How often a sync that waits for another looks whether that is still at work."""


def sync(
    store: Store,
    source: Source,
    model: "Model",
    *,
    allow_empty: bool = False,
    verify: bool = False,
    recentre: bool = False,
    dry_run: bool = False,
    wait: float = 0.0,
    workers: int | None = None,
    progress: ProgressOf | None = None,
) -> SyncReport:
    """Make a catalogue hold exactly what a source has, as vectors of a model.

    With the model that the catalogue has, what changed is changed in place, a batch at a time. With another
    one (or the first), everything is embedded into a collection of its own, which becomes the active one in
    a single step at the end; until then the old one answers. Each batch is one transaction and every step
    looks at what is there before it acts, so a run that was killed is finished by the next.

    Args:
        store: the catalogue's.
        source: the products that it is to hold.
        model: whose vectors.
        allow_empty: delete everything where the source is empty.
        verify: look at every picture, or ask its server, also where nothing says that it has changed.
        recentre: compute the centres anew and embed everything around them, beside the old vectors.
        dry_run: change nothing and fetch nothing; the report says what would be done.
        wait: seconds to wait for another sync that is at work.
        workers: processes that extract features.
        progress: makes the progress of each part of the work.

    Raises:
        ModelError: the model was trained on another backbone than the one installed.
        CatalogueInUseError: another sync is at work, and was for as long as this one waited.
        CatalogueError: the source is empty (unless allowed) or none of it can be used, or the store fails.
        FeedError: the source is a feed that cannot be read.
        FeatureError: features cannot be stored.
        BackboneError: the model's backbone cannot be loaded.
    """
    told = progress or nobody
    held = nullcontext() if dry_run else _held(store, wait)
    with held, open_feature_store(model.backbone) as features:
        model.check_backbone(features.manifest.identity)
        identity = ModelIdentity(model.name, model.identity, features.manifest.identity)
        manifest = Manifest.from_document(store.manifest(), store.location)
        before = stored_states(store, manifest.active.collection) if manifest.active else {}
        if isinstance(source, VectorFile):
            source.check(identity)
            listing = list_vectors(source)
        else:
            listing = list_products(
                source, before, verify=verify, fetch=not dry_run, workers=workers, progress=progress
            )
        _refuse_if_empty(source, listing, len(before), store.location, allow_empty=allow_empty)
        staying = listing.staying(before.keys())
        target = _to_fill(manifest, identity, source, recentre=recentre)
        switches = target is None or target is not manifest.active
        if dry_run:
            return _foreseen(source, listing, before, staying, model, switches=switches)
        manifest = _prepared(store, manifest, target, identity, model.dimension)
        if manifest.active and manifest.pending:
            _carry_over(store, manifest.active.collection, staying | listing.unchanged, listing)
        stored = stored_states(store, manifest.pending.collection) if manifest.pending else before
        plan = make_plan(listing, stored)
        embedder = source if isinstance(source, VectorFile) else Embedder(model, features)
        wanted = {id_: listing.items[id_] for id_ in plan.embed}
        failed = embedder.extract(wanted, workers=workers, progress=told("extracting features"))
        wanted = {id_: item for id_, item in wanted.items() if id_ not in failed}
        manifest = _with_centres(store, manifest, embedder.centres(wanted, manifest.target))
        after = {id_: stored[id_].category for id_ in stored.keys() - set(plan.remove)}
        after |= {id_: item.category for id_, item in wanted.items()}
        report = make_report(source, listing, before, after, failed, model)
        fetched = _no_longer_shown(store, manifest, source, report, staying)
        _embed(store, manifest.target, embedder, wanted, told("embedding", "products"))
        _describe_and_remove(store, manifest.target.collection, listing.items, plan)
        if manifest.pending:
            _switch(store, manifest)
        if isinstance(source, Fetching):
            source.drop(fetched)
    kept = len(staying & after.keys())
    return replace(report, embedded=len(wanted), switched=bool(manifest.pending), kept=kept)


@contextmanager
def _held(store: Store, wait: float) -> Iterator[None]:
    """Hold the store, waiting for whoever holds it."""
    deadline = time.monotonic() + wait
    with ExitStack() as holding:
        while True:
            try:
                holding.enter_context(store.hold("catalogue sync"))
                break
            except CatalogueInUseError:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise
                time.sleep(min(LOOK_AGAIN_SECONDS, left))
        yield


def _foreseen(
    source: Source,
    listing: Listing,
    before: Mapping[str, State],
    staying: Set[str],
    model: "Model",
    *,
    switches: bool,
) -> SyncReport:
    """What a sync would do, as far as that can be told without looking into new pictures."""
    plan = make_plan(listing, before)
    after = {id_: before[id_].category for id_ in listing.unchanged | staying}
    after |= {id_: item.category for id_, item in listing.items.items()}
    report = make_report(source, listing, before, after, {}, model, dry_run=True)
    embedded = len(after) if switches else len(plan.embed)
    return replace(report, embedded=embedded, switched=switches, kept=len(staying))


def _refuse_if_empty(
    source: Source, listing: Listing, count: int, location: str, *, allow_empty: bool
) -> None:
    if listing.items or listing.unchanged or allow_empty:
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


def _to_fill(
    manifest: Manifest, identity: ModelIdentity, source: Source, *, recentre: bool
) -> Generation | None:
    """The generation to fill, if it is there: the active one, or a pending one that was broken off."""

    def takes(generation: Generation | None) -> bool:
        if generation is None or generation.model != identity:
            return False
        return not isinstance(source, VectorFile) or source.has_centres_of(generation)

    if takes(manifest.active) and not recentre:
        return manifest.active
    return manifest.pending if takes(manifest.pending) else None


def _prepared(
    store: Store, manifest: Manifest, target: Generation | None, identity: ModelIdentity, dimension: int
) -> Manifest:
    """Return the manifest with the generation to fill, a new pending one where there is none."""
    if target is None:
        manifest = replace(manifest, pending=None)
        _drop_strays(store, manifest)
        counter = manifest.counter + 1
        collection = f"vectors-{counter}"
        store.create_collection(collection, dimension)
        manifest = replace(manifest, pending=Generation(collection, identity), counter=counter)
    elif target is manifest.active:
        manifest = replace(manifest, pending=None)
    _write(store, manifest)
    _drop_strays(store, manifest)
    return manifest


def _carry_over(store: Store, collection: str, ids: Set[str], listing: Listing) -> None:
    """Take products that were not looked at as they are: their features may be stored."""
    for some in _batches(sorted(ids)):
        for id_, point in store.get(some, collection=collection).items():
            listing.items[id_] = Item(point.category, Record.from_payload(id_, point.payload))


def _no_longer_shown(
    store: Store, manifest: Manifest, source: Source, report: SyncReport, staying: Set[str]
) -> list[Path]:
    """Pictures that answers show now and will not after this sync, as far as a source fetches any."""
    if manifest.active is None or not isinstance(source, Fetching):
        return []
    renewed = [id_ for id_, what in report.changes.changed.items() if "record" in what]

    def pictures(ids: Iterable[str]) -> set[str]:
        found = store.get(ids, collection=manifest.active.collection) if manifest.active else {}
        return {Record.from_payload(id_, point.payload).picture for id_, point in found.items()}

    shown = pictures([*report.changes.deleted, *renewed])
    return [Path(picture) for picture in sorted(shown - pictures(staying))] if shown else []


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
    embedder: Embedder | VectorFile,
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
