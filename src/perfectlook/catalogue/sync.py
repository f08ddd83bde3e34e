"""One run of `Catalogue.sync`: make a catalogue hold exactly the products of a source."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from perfectlook.catalogue.changes import copy_records, write_payloads, write_points
from perfectlook.catalogue.embedding import Embedder
from perfectlook.catalogue.manifest import (
    CatalogueManifest,
    Generation,
    ModelIdentity,
    Record,
    State,
    foreign_record,
)
from perfectlook.catalogue.sources import Listing, SetSource, Source, list_products
from perfectlook.catalogue.vectors import VectorFile
from perfectlook.errors import CatalogueError
from perfectlook.features.store import FeatureStore
from perfectlook.feeds import Feed, PictureCache
from perfectlook.model.runtime import Model
from perfectlook.progress import ProgressOf, counted, no_progress
from perfectlook.stores import Store
from perfectlook.types import Problem

MAX_DELETE = 0.2
"""The largest share of the products that a sync deletes by default."""
AT_LEAST_DELETED = 10
"""A sync may always delete this many products."""

TOGETHER = 5000
"""How many records are written, or products removed, in one transaction."""


@dataclass(frozen=True, slots=True)
class Changes:
    """The products that a sync changed, by id. `changed` lists `category`, `picture` and `record` of each."""

    added: list[str] = field(default_factory=list)
    changed: dict[str, list[str]] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What a sync did to a catalogue, in products.

    Attributes:
        added: new products.
        changed: products with another picture, category or record than before.
        deleted: products that the source no longer has.
        unchanged: products that are as they were.
        embedded: products whose vectors were computed, also those computed only because of a new model.
        failed: problems of the source's products: those that could not be added or changed, with reasons.
        switched: whether the catalogue now answers from a new collection: with another model, with new
            centres, or for the first time.
        kept: products that did not change because the source cannot provide them at the moment.
        is_whole: whether the source could list all its products. If not, nothing was deleted.
        changes: the ids of the products.
        dry_run: whether the report says what a sync would do, and nothing was changed.
        unknown_categories: the number of products in each category unknown to the model. The model was
            trained neither with the category, nor with one of the same name, nor with one above it.
        mapped_categories: the categories of a feed that were replaced by those of the model, with the
            category, how it was found, and how sure it is. Only of the rows that are new or changed.
        warnings: what looks like a mistake, although it was done: availabilities that are not understood.
        refused: why a sync would stop before it changes anything; "" if it would not. Only of a dry run.
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
    mapped_categories: dict[str, dict[str, Any]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    refused: str = ""

    def to_dict(self) -> dict[str, object]:
        """Return the report as JSON values by attribute name."""
        return asdict(self)


class Sync:
    """Lists the products of a source, embeds those that changed, and writes them to a store.

    `Catalogue.sync` documents the options. The store must be held, unless the run is dry.
    """

    def __init__(
        self,
        store: Store,
        source: Source,
        model: Model,
        features: FeatureStore,
        *,
        recentre: bool,
        stage: bool,
        dry_run: bool,
        workers: int | None,
        progress: ProgressOf | None,
    ) -> None:
        """Read what the catalogue holds, and choose the generation to fill.

        Raises:
            CatalogueError: the source has vectors of another model, or the store fails.
        """
        self._store, self._source, self._model = store, source, model
        self._dry_run, self._workers = dry_run, workers
        self._progress: ProgressOf = progress or no_progress
        identity = ModelIdentity(model.name, model.identity, features.manifest.identity)
        if isinstance(source, VectorFile):
            source.check(identity)
        if isinstance(source, Feed):
            source.match_categories(model.categories)
        self._embedder = source if isinstance(source, VectorFile) else Embedder(model, features)
        self._manifest = CatalogueManifest.of(store)
        active = self._manifest.active
        self._before = _stored_states(store, active.collection) if active else {}
        """The products that answers show when the sync begins."""
        self._stored = self._before
        """The products of the generation to fill."""
        self._target = _to_fill(self._manifest, identity, source, recentre=recentre)
        self._switches = self._target is not active
        self._stages = stage and self._switches and active is not None

    def run(self, *, verify: bool, allow_empty: bool, max_delete: float) -> SyncReport:
        """Sync, or say what a sync would do."""
        self._listing = list_products(
            self._source,
            self._before,
            verify=verify,
            fetch=not self._dry_run,
            workers=self._workers,
            progress=self._progress,
        )
        refused = self._why_refused(allow_empty=allow_empty, max_delete=max_delete)
        if refused and not self._dry_run:
            raise CatalogueError(refused)
        if not self._dry_run:
            self._prepare()
        embed, renewed = self._differences()
        failed: dict[str, str] = {}
        if not self._dry_run:
            progress = self._progress("extracting features")
            failed = self._embedder.extract(embed, workers=self._workers, progress=progress)
            embed = {id_: record for id_, record in embed.items() if id_ not in failed}
        report = replace(self._report(embed, failed), refused=refused)
        if not self._dry_run:
            self._write(embed, renewed, report)
        return report

    @cached_property
    def _staying(self) -> set[str]:
        """The products that answers show, and that cannot be read at the moment."""
        return self._listing.staying(self._before.keys())

    @cached_property
    def _gone(self) -> list[str]:
        """The products to remove from the generation to fill."""
        listing, stored = self._listing, self._stored.keys()
        return sorted(stored - listing.items.keys() - listing.unchanged - listing.staying(stored))

    def _why_refused(self, *, allow_empty: bool, max_delete: float) -> str:
        """Return why the sync must not go on: its source lacks all products, or more than `max_delete`.

        Raises CatalogueError for a source without products, also in a dry run.
        """
        listing, count = self._listing, len(self._before)
        name, location = self._source.name, self._store.location
        if not (listing.items or listing.unchanged):
            if allow_empty:
                return ""
            raise CatalogueError(_why_empty(self._source, listing, count, location))
        lost = len(self._before.keys() - listing.items.keys() - listing.unchanged - self._staying)
        if lost <= max(AT_LEAST_DELETED, max_delete * count):
            return ""
        return (
            f"{name}: lacks {lost:,} of the {count:,} products of {location}, more than "
            f"{max_delete:.0%}. Nothing was changed. Check that the source is complete; to delete them, "
            f"pass --max-delete {-(-100 * lost // count)}%."
        )

    def _prepare(self) -> None:
        """Make the generation to fill the pending one, unless it is the active one."""
        store, listing = self._store, self._listing
        self._manifest = _prepared(store, self._manifest, self._target, self._model.dimension)
        active, pending = self._manifest.active, self._manifest.pending
        if active and pending:
            for some in _batches(sorted(self._staying | listing.unchanged)):  # their features may be stored
                for id_, point in store.get(some, collection=active.collection).items():
                    listing.items[id_] = Record.from_payload(id_, point.payload, point.category)
        if pending:
            self._stored = _stored_states(store, pending.collection)

    def _differences(self) -> tuple[dict[str, Record], dict[str, Record]]:
        """Return the products to embed, and those that get a new record, with their new records."""
        embed, renewed = {}, {}
        for id_, record in self._listing.items.items():
            now, before = record.state, self._stored.get(id_)
            if before is None or before[:2] != now[:2]:
                embed[id_] = record
            elif before != now:
                renewed[id_] = record
        return embed, renewed

    def _report(self, embed: Mapping[str, Record], failed: Mapping[str, str]) -> SyncReport:
        """Compare the products that answers show before and after the sync.

        `embed` holds the products to embed, and `failed` why others cannot be embedded, by id.
        """
        before, listing = self._before, self._listing
        after = {id_: stored[0] for id_, stored in self._stored.items()}
        for id_ in self._gone:
            del after[id_]
        after |= {id_: record.category for id_, record in embed.items()}
        changes = Changes(sorted(after.keys() - before.keys()), deleted=sorted(before.keys() - after.keys()))
        for id_, record in listing.items.items():
            if id_ in before and id_ in after and id_ not in failed:
                parts = zip(("category", "picture", "record"), before[id_], record.state, strict=False)
                if changed := [name for name, then, now in parts if then != now]:
                    changes.changed[id_] = changed
        problems = [
            Problem(self._source.name, id_, f"{listing.items[id_].picture}: {reason}")
            for id_, reason in failed.items()
            if id_ not in listing.unreadable
        ]
        counts = sorted(Counter(after.values()).items())
        replaced = self._source.categories.replaced if isinstance(self._source, Feed) else {}
        return SyncReport(
            added=len(changes.added),
            changed=len(changes.changed),
            deleted=len(changes.deleted),
            unchanged=len(before.keys() & after.keys()) - len(changes.changed),
            embedded=len(after) if self._dry_run and self._switches else len(embed),
            failed=[*listing.problems, *problems],
            switched=self._switches and not self._stages,
            kept=len(self._staying & after.keys()),
            is_whole=listing.is_whole,
            changes=changes,
            dry_run=self._dry_run,
            unknown_categories={name: n for name, n in counts if self._model.resolve(name).category is None},
            mapped_categories={name: match._asdict() for name, match in sorted(replaced.items())},
            warnings=_unknown_availabilities(self._source),
        )

    def _write(self, embed: dict[str, Record], renewed: Mapping[str, Record], report: SyncReport) -> None:
        """Fill the generation, and make it the active or the staged one. Each batch is one transaction."""
        store, source = self._store, self._source
        manifest = _with_centres(store, self._manifest, self._embedder.centres(embed, self._manifest.target))
        hidden: list[Path] = []
        if (isinstance(source, Feed) or self._listing.is_whole) and not self._stages:
            hidden = _no_longer_shown(store, manifest, report, self._staying, self._listing)
        shown, collection = store.active(), manifest.target.collection
        done, advance = 0, self._progress("embedding", "products")
        for points in self._embedder.points(embed, manifest.target):
            write_points(store, points, collection, shown, self._before)
            done += len(points)
            advance(done, len(embed), 0)
        for ids in _batches(list(renewed)):
            payloads = {id_: renewed[id_].payload() for id_ in ids}
            write_payloads(store, payloads, collection, shown, self._before)
        for ids in _batches(self._gone):
            store.delete(ids, collection=collection)
        if manifest.staged and not self._stages:
            staged, listing = manifest.staged.collection, self._listing  # products change there too
            for ids in _batches(report.changes.deleted):
                store.delete(ids, collection=staged)
            for ids in _batches(sorted(listing.items.keys() | listing.unchanged)):
                copy_records(store, ids, collection, staged)
        if self._listing.is_whole:
            store.mark_complete(collection)
        _finish(store, manifest, stage=self._stages)
        pictures = source.pictures if isinstance(source, Feed) else PictureCache.of(store.location)
        pictures.drop(hidden)


def _stored_states(store: Store, collection: str) -> dict[str, State]:
    """Return the state of every product in a collection."""
    names = ("picture_sha256", "record_sha256", "stamp")
    states = {}
    for id_, category, picture, record, stamp in store.excerpts(*names, collection=collection):
        if id_ is None or category is None or picture is None or record is None:
            raise foreign_record(id_, "hashes")
        states[id_] = category, picture, record, stamp or ""
    return states


def _why_empty(source: Source, listing: Listing, count: int, location: str) -> str:
    """Return the error of a sync that would empty a catalogue."""
    if listing.problems:
        return (
            f"{source.name}: no product can be used ({counted(len(listing.problems), 'problem')}). "
            f"Fix them. The first problem: {listing.problems[0]}"
        )
    loss = f" (all {count} products of {location} would be deleted)" if count else ""
    return f"{source.name}: no products{loss}. Check the source, or accept an empty one with --allow-empty."


def _unknown_availabilities(source: Source) -> list[str]:
    if not (isinstance(source, Feed | SetSource) and source.cleaning.unknown):
        return []
    number = counted(source.cleaning.unknown.total(), "availability", "availabilities")
    meant = f"As --unknown-availability says, they mean {source.cleaning.default}."
    advice = meant if source.cleaning.default else "Say what they mean with --availability VALUE=in_stock."
    return [f"{number} not understood: {source.cleaning.summary()}. {advice}"]


def _to_fill(
    manifest: CatalogueManifest, identity: ModelIdentity, source: Source, *, recentre: bool
) -> Generation:
    """Return the generation to fill: the active one, an interrupted pending one, or a new one."""
    known = (manifest.active, manifest.pending, manifest.staged)
    for each in (manifest.pending,) if recentre else known:
        if each is None or each.model != identity:
            continue
        if not isinstance(source, VectorFile) or source.has_centres_of(each):
            return each
    return Generation(f"vectors-{manifest.counter + 1}", identity, {}, None)


def _prepared(
    store: Store, manifest: CatalogueManifest, target: Generation, dimension: int
) -> CatalogueManifest:
    """Return the manifest with the generation to fill. It is pending, unless it is the active one."""
    if target is manifest.staged:  # it is filled again
        manifest = write(store, replace(manifest, pending=target, staged=None))
    elif manifest.pending and target is not manifest.pending:
        manifest = write(store, replace(manifest, pending=None))
    drop_strays(store, manifest)
    if target not in (manifest.active, manifest.pending):
        store.create_collection(target.collection, dimension)
        manifest = write(store, replace(manifest, pending=target, counter=manifest.counter + 1))
    return manifest


def _no_longer_shown(
    store: Store, manifest: CatalogueManifest, report: SyncReport, staying: Set[str], listing: Listing
) -> list[Path]:
    """Return the pictures that answers show now, but not after this sync."""

    def pictures(ids: Iterable[str]) -> set[str]:
        found = store.get(ids, collection=manifest.active.collection) if manifest.active else {}
        return {Record.from_payload(id_, point.payload).picture for id_, point in found.items()}

    renewed = [id_ for id_, what in report.changes.changed.items() if "record" in what]
    shown = pictures([*report.changes.deleted, *renewed])
    if shown:
        shown -= pictures(staying) | {record.picture for record in listing.items.values()}
    return [Path(picture) for picture in sorted(shown)]


def _with_centres(store: Store, manifest: CatalogueManifest, generation: Generation) -> CatalogueManifest:
    """Store new centres, before any vectors that depend on them."""
    if generation is manifest.target:
        return manifest
    if manifest.pending:
        return write(store, replace(manifest, pending=generation))
    return write(store, replace(manifest, active=generation))


def _finish(store: Store, manifest: CatalogueManifest, *, stage: bool) -> None:
    """Make the pending generation, if there is one, the active one or the staged one."""
    if manifest.pending is None:
        return
    finished = replace(manifest, pending=None, staged=manifest.pending)
    if not stage:
        finished = replace(manifest, pending=None, active=manifest.pending, previous=manifest.active)
    drop_strays(store, write(store, finished))


def write(store: Store, manifest: CatalogueManifest) -> CatalogueManifest:
    """Store a manifest, which also makes its active generation the one that answers. Return it."""
    store.write_manifest(manifest.document(), active=manifest.active.collection if manifest.active else None)
    return manifest


def drop_strays(store: Store, manifest: CatalogueManifest) -> None:
    """Drop the collections of interrupted syncs, and those that others have replaced."""
    known = {each.collection for each in manifest.generations}
    for name in store.collections().keys() - known:
        store.drop_collection(name)


def _batches(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[start : start + TOGETHER] for start in range(0, len(ids), TOGETHER))
