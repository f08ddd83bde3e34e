"""Brings a catalogue into step with a source; may be killed at any moment and simply run again."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from perfectlook.catalogue.embedding import Embedder
from perfectlook.catalogue.manifest import CatalogueManifest, Generation, ModelIdentity, Record, State
from perfectlook.catalogue.sources import Listing, Source, list_products
from perfectlook.catalogue.vectors import VectorFile
from perfectlook.errors import CatalogueError, CatalogueInUseError
from perfectlook.features.store import open_store as open_feature_store
from perfectlook.feeds import Feed
from perfectlook.model.runtime import Model
from perfectlook.progress import ProgressOf, no_progress
from perfectlook.stores import Store
from perfectlook.types import Problem

MANY_DELETED = 10
"""From this many deleted products on, a sync warns if they are more than half of what was there."""

TOGETHER = 5000
"""Records that are written, or products that are removed, in one transaction."""

LOOK_AGAIN_SECONDS = 0.2
"""How often a sync that waits for another looks whether that has ended."""


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
        embedded: those whose vector was computed, even if only because the model is another one.
        failed: what is wrong with the source's products: what could not be added or changed, and why.
        switched: whether the catalogue now answers with the vectors of another model, or for the first time.
        kept: those that stay as they were because the source cannot give them now.
        is_whole: whether the source could list everything it has; if not, nothing was deleted.
        changes: which products they are.
        dry_run: whether all this would be done, and nothing was.
        unknown_categories: how many products the catalogue then has of each category that the model has
            nothing for: neither the category, nor one of the same name, nor one around it was trained.
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

    def to_dict(self) -> dict[str, object]:
        """Return the report as JSON values, by the names of its attributes."""
        return asdict(self)


def sync(
    store: Store,
    source: Source,
    model: Model,
    *,
    allow_empty: bool = False,
    verify: bool = False,
    recentre: bool = False,
    dry_run: bool = False,
    wait: float = 0.0,
    workers: int | None = None,
    progress: ProgressOf | None = None,
) -> SyncReport:
    """Make a catalogue hold exactly what a source has, as vectors of a model; see `Catalogue.sync`.

    With the model that the catalogue has, what changed is changed in place, a batch at a time. With another
    one (or the first), everything is embedded into a collection of its own, which becomes the active one in
    a single step at the end; until then the old one answers. Each batch is one transaction and every step
    looks at what is there before it acts, so a run that was killed is finished by the next.
    """
    told = progress or no_progress
    held = nullcontext() if dry_run else _held(store, wait)
    with held, open_feature_store(model.backbone) as features:
        model.check_backbone(features.manifest.identity)
        identity = ModelIdentity(model.name, model.identity, features.manifest.identity)
        manifest = CatalogueManifest.of(store)
        before = _stored_states(store, manifest.active.collection) if manifest.active else {}
        if isinstance(source, VectorFile):
            source.check(identity)
        listing = list_products(
            source, before, verify=verify, fetch=not dry_run, workers=workers, progress=progress
        )
        if not (listing.items or listing.unchanged or allow_empty):
            raise CatalogueError(_why_empty(source, listing, len(before), store.location))
        staying = listing.staying(before.keys())
        target = _to_fill(manifest, identity, source, recentre=recentre)
        if dry_run:
            return _foreseen(
                source, listing, before, model, switches=target is None or target is not manifest.active
            )
        manifest = _prepared(store, manifest, target, identity, model.dimension)
        if manifest.active and manifest.pending:
            _carry_over(store, manifest.active.collection, staying | listing.unchanged, listing)
        stored = _stored_states(store, manifest.pending.collection) if manifest.pending else before
        to_embed, to_describe, to_remove = _differences(listing, stored)
        embedder = source if isinstance(source, VectorFile) else Embedder(model, features)
        wanted = {id_: listing.items[id_] for id_ in to_embed}
        failed = embedder.extract(wanted, workers=workers, progress=told("extracting features"))
        wanted = {id_: record for id_, record in wanted.items() if id_ not in failed}
        manifest = _with_centres(store, manifest, embedder.centres(wanted, manifest.target))
        after = {id_: stored[id_][0] for id_ in stored.keys() - set(to_remove)}
        after |= {id_: record.category for id_, record in wanted.items()}
        report = _report(source, listing, before, after, failed, model)
        fetched = _no_longer_shown(store, manifest, source, report, staying)
        done, advance = 0, told("embedding", "products")
        collection = manifest.target.collection
        for points in embedder.points(wanted, manifest.target):
            store.upsert(points, collection=collection)
            done += len(points)
            advance(done, len(wanted), 0)
        for ids in _batches(to_describe):
            store.set_payloads({id_: listing.items[id_].payload() for id_ in ids}, collection=collection)
        for ids in _batches(to_remove):
            store.delete(ids, collection=collection)
        if manifest.pending:
            _switch(store, manifest)
        if isinstance(source, Feed):
            source.pictures.drop(fetched)
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


def _stored_states(store: Store, collection: str) -> dict[str, State]:
    """The state of every product in a collection."""
    names = ("picture_sha256", "record_sha256", "stamp")
    states = {}
    for id_, category, picture, record, stamp in store.excerpts(*names, collection=collection):
        if id_ is None or category is None or picture is None or record is None:
            raise CatalogueError(
                f"{store.location}: product '{id_}' has no hashes: it was written by something else; run "
                "`perfectlook catalogue sync` into a new folder"
            )
        states[id_] = category, picture, record, stamp or ""
    return states


def _why_empty(source: Source, listing: Listing, count: int, location: str) -> str:
    """Why a sync that would empty a catalogue is refused."""
    if listing.problems:
        return (
            f"{source.name}: none of its products can be used, {len(listing.problems)} problems; the first: "
            f"{listing.problems[0]}"
        )
    loss = f"; all {count} products of {location} would be deleted" if count else ""
    return f"{source.name}: has no products{loss}. Check the source; --allow-empty accepts an empty one"


def _differences(listing: Listing, stored: Mapping[str, State]) -> tuple[list[str], list[str], list[str]]:
    """Compare a source with a collection: ids to embed, to give a new record, and to remove.

    Products that cannot be read now stay as they are stored.
    """
    embed, describe = [], []
    for id_, record in listing.items.items():
        now, before = record.state, stored.get(id_)
        if before is None or before[:2] != now[:2]:
            embed.append(id_)
        elif before != now:
            describe.append(id_)
    staying = listing.staying(stored.keys())
    return embed, describe, sorted(stored.keys() - listing.items.keys() - listing.unchanged - staying)


def _foreseen(
    source: Source, listing: Listing, before: Mapping[str, State], model: Model, *, switches: bool
) -> SyncReport:
    """What a sync would do, as far as that can be told without looking into new pictures."""
    staying = listing.staying(before.keys())
    after = {id_: before[id_][0] for id_ in listing.unchanged | staying}
    after |= {id_: record.category for id_, record in listing.items.items()}
    report = _report(source, listing, before, after, {}, model, dry_run=True)
    embedded = len(after) if switches else len(_differences(listing, before)[0])
    return replace(report, embedded=embedded, switched=switches, kept=len(staying))


def _report(
    source: Source,
    listing: Listing,
    before: Mapping[str, State],
    after: Mapping[str, str],
    failed: Mapping[str, str],
    model: Model,
    *,
    dry_run: bool = False,
) -> SyncReport:
    """Compare the products that a catalogue had with those that it has now.

    `after` are the ids that it has and their categories; `failed` says why products could not be embedded.
    """
    changes = Changes(sorted(after.keys() - before.keys()), deleted=sorted(before.keys() - after.keys()))
    for id_, record in listing.items.items():
        if id_ in before and id_ in after and id_ not in failed:
            parts = zip(("category", "picture", "record"), before[id_], record.state, strict=False)
            if changed := [name for name, then, now in parts if then != now]:
                changes.changed[id_] = changed
    problems = [
        Problem(source.name, id_, f"{listing.items[id_].picture}: {reason}")
        for id_, reason in failed.items()
        if id_ not in listing.unreadable
    ]
    counts = sorted(Counter(after.values()).items())
    return SyncReport(
        added=len(changes.added),
        changed=len(changes.changed),
        deleted=len(changes.deleted),
        unchanged=len(before.keys() & after.keys()) - len(changes.changed),
        failed=[*listing.problems, *problems],
        is_whole=listing.is_whole,
        changes=changes,
        dry_run=dry_run,
        unknown_categories={name: n for name, n in counts if model.resolve(name).category is None},
        warnings=_warnings(len(changes.deleted), len(before), dry_run=dry_run),
    )


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


def _to_fill(
    manifest: CatalogueManifest, identity: ModelIdentity, source: Source, *, recentre: bool
) -> Generation | None:
    """The generation to fill, if there is one: the active one, or a pending one that was interrupted."""

    def takes(generation: Generation | None) -> bool:
        if generation is None or generation.model != identity:
            return False
        return not isinstance(source, VectorFile) or source.has_centres_of(generation)

    if takes(manifest.active) and not recentre:
        return manifest.active
    return manifest.pending if takes(manifest.pending) else None


def _prepared(
    store: Store,
    manifest: CatalogueManifest,
    target: Generation | None,
    identity: ModelIdentity,
    dimension: int,
) -> CatalogueManifest:
    """The manifest with the generation to fill, which is a new pending one if there is none."""
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
            listing.items[id_] = Record.from_payload(id_, point.payload, point.category)


def _no_longer_shown(
    store: Store, manifest: CatalogueManifest, source: Source, report: SyncReport, staying: Set[str]
) -> list[Path]:
    """Pictures that answers show now and will not after this sync, if the source fetches any."""
    active = manifest.active
    if active is None or not isinstance(source, Feed):
        return []

    def pictures(ids: Iterable[str]) -> set[str]:
        found = store.get(ids, collection=active.collection)
        return {Record.from_payload(id_, point.payload).picture for id_, point in found.items()}

    renewed = [id_ for id_, what in report.changes.changed.items() if "record" in what]
    shown = pictures([*report.changes.deleted, *renewed])
    return [Path(picture) for picture in sorted(shown - pictures(staying))] if shown else []


def _with_centres(store: Store, manifest: CatalogueManifest, generation: Generation) -> CatalogueManifest:
    """Store new centres before any vector that depends on them."""
    if generation is manifest.target:
        return manifest
    if manifest.pending:
        manifest = replace(manifest, pending=generation)
    else:
        manifest = replace(manifest, active=generation)
    _write(store, manifest)
    return manifest


def _switch(store: Store, manifest: CatalogueManifest) -> None:
    switched = replace(manifest, active=manifest.pending, pending=None)
    _write(store, switched)
    _drop_strays(store, switched)


def _write(store: Store, manifest: CatalogueManifest) -> None:
    store.write_manifest(manifest.document(), active=manifest.active.collection if manifest.active else None)


def _drop_strays(store: Store, manifest: CatalogueManifest) -> None:
    """Drop collections that a killed run has left behind."""
    known = {each.collection for each in (manifest.active, manifest.pending) if each}
    for name in store.collections().keys() - known:
        store.drop_collection(name)


def _batches(ids: Sequence[str], size: int = TOGETHER) -> Iterator[Sequence[str]]:
    return (ids[start : start + size] for start in range(0, len(ids), size))
