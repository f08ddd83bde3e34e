"""A shop's products as vectors of one model: open, sync and search a catalogue."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import ExitStack, nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self, TypeVar, Unpack

from perfectlook.catalogue.changes import Change, change_products, copy_records, write_payloads, write_points
from perfectlook.catalogue.embedding import Embedder
from perfectlook.catalogue.manifest import (
    CatalogueManifest,
    Generation,
    ModelIdentity,
    Record,
    State,
    answering,
    foreign_record,
)
from perfectlook.catalogue.sources import Listing, SetSource, Source, list_products, open_source
from perfectlook.catalogue.vectors import VectorFile
from perfectlook.errors import CatalogueError, CatalogueInUseError, UsageError
from perfectlook.features.store import open_store as open_feature_store
from perfectlook.feeds import Feed, FeedOptions
from perfectlook.files import Closable
from perfectlook.model.runtime import Model
from perfectlook.progress import ProgressOf, counted, no_progress
from perfectlook.stores import EmbeddedStore, Hits, Point, Query, Store, open_store
from perfectlook.stores.base import fields_of
from perfectlook.types import Problem

MAX_DELETE = 0.2
"""The largest share of the products that a sync deletes by default."""
AT_LEAST_DELETED = 10
"""A sync may always delete this many products."""

TOGETHER = 5000
"""How many records are written, or products removed, in one transaction."""

LOOK_AGAIN_SECONDS = 0.2
"""How often a waiting sync checks whether the other sync has finished."""


Result = TypeVar("Result")


class Catalogue(Closable):
    """Products to recommend. Several threads can read, also while another process syncs."""

    def __init__(self, store: Store, model: Model | None = None) -> None:
        """Use an open store, and optionally the model to sync with. `Catalogue.open` opens both."""
        self.store = store
        self._model = model
        self._generation: Generation | None = None
        self._epoch = 0

    @classmethod
    def open(
        cls,
        location: Path | str,
        model: Model | Path | str | None = None,
        *,
        create: bool = False,
        approximate_above: int | None = None,
    ) -> Self:
        """Open the catalogue at a folder or URL.

        Args:
            location: the folder or URL.
            model: an open model, its folder, or the name of a model that comes with the package. It must have
                made the catalogue, unless the catalogue is new.
            create: make an empty catalogue if there is none. `sync` fills it.
            approximate_above: search categories with more products than this with an approximate index.

        Raises:
            MissingExtraError: `approximate_above` is given, but the extra `ann` is not installed.
            ModelError: the model cannot be opened.
            CatalogueError: there is no catalogue, it cannot be opened, or it was made with another model.
        """
        if isinstance(model, Path | str):
            model = Model.open(model)
        store = open_store(location, create=create, approximate_above=approximate_above)
        catalogue = cls(store, model)
        try:
            is_new = catalogue.manifest().active is None
            if model is not None and not (is_new and create):
                catalogue.check(model)
        except BaseException:
            catalogue.close()
            raise
        return catalogue

    def sync(
        self,
        source: Source | Path | str,
        model: Model | Path | str | None = None,
        *,
        allow_empty: bool = False,
        max_delete: float = MAX_DELETE,
        verify: bool = False,
        recentre: bool = False,
        stage: bool = False,
        dry_run: bool = False,
        wait: float = 0.0,
        workers: int | None = None,
        progress: ProgressOf | None = None,
        **options: Unpack[FeedOptions],
    ) -> "SyncReport":
        """Make the catalogue hold exactly the products of a source.

        Only new and changed products are embedded, in batches. With another model than before, or with the
        first model, all products are embedded into a new collection. At the end the new collection becomes
        the active one in a single step. Until then the old collection answers. It is kept until the next
        switch or `drop_previous`. Each batch is one transaction, so the next sync finishes an interrupted
        one.

        Args:
            source: the path of a set, a folder of pictures by category, a feed, or vectors that `embed` has
                written; the URL of a feed; "showroom"; or any `Source`.
            model: an open model, its folder, or the name of a model that comes with the package. The default
                is the model that the catalogue was opened with.
            allow_empty: delete all products if the source is empty.
            max_delete: the largest share of the products, 0 to 1, that a sync deletes. With more it stops,
                unless they are fewer than 11.
            verify: read every picture, or ask its server, even if nothing suggests that it has changed.
            recentre: compute new centres, and embed all products with them into a new collection.
            stage: embed with another model next to the active one, and leave that one active. `switch` makes
                the new one active. Without an active model, this has no effect.
            dry_run: change nothing and fetch no pictures. The report says what a sync would do.
            wait: how many seconds to wait for another running sync.
            workers: how many processes extract features, by default one for each processor.
            progress: makes the progress of each part of the work.
            options: how to read a source that is a path or a URL.

        Raises:
            UsageError: there is no such source, no model, or an option is invalid.
            ModelError: the model cannot be opened, or was trained on another backbone than the one installed.
            CatalogueInUseError: another sync is running, and has not finished within `wait` seconds.
            CatalogueError: the source is empty (unless allowed), has no usable product, lacks more products
                than `max_delete`, or the store fails.
            DatasetError: the source is a set that cannot be read.
            FeedError: the source is a feed that cannot be read.
            FetchError: the source is a feed at a URL that cannot be fetched.
            FeatureError: features cannot be stored.
            BackboneError: the model's backbone cannot be loaded.
        """
        chosen = self._model if model is None else model
        if chosen is None:
            raise UsageError(f"{self.location}: opened without a model. Pass the model to sync with.")
        source = open_source(source, self.location, **options)
        model = Model.open(chosen) if isinstance(chosen, Path | str) else chosen
        store, progress_of = self.store, progress or no_progress
        held = nullcontext() if dry_run else _held(store, wait)
        with held, open_feature_store(model.backbone) as features:
            model.check_backbone(features.manifest.identity)
            identity = _identity(model, features.manifest.identity, source)
            manifest = self.manifest()
            before = _stored_states(store, manifest.active.collection) if manifest.active else {}
            listing = list_products(
                source, before, verify=verify, fetch=not dry_run, workers=workers, progress=progress
            )
            staying, stored = listing.staying(before.keys()), before
            refused = (
                _check_losses(source, listing, before, self.location, max_delete, dry_run=dry_run)
                if not allow_empty or listing.items or listing.unchanged
                else ""
            )
            target = _to_fill(manifest, identity, source, recentre=recentre)
            switches = target is not manifest.active
            stage = stage and switches and manifest.active is not None
            if not dry_run:
                manifest = _prepared(store, manifest, target, model.dimension)
                if manifest.active and manifest.pending:
                    _carry_over(store, manifest.active.collection, staying | listing.unchanged, listing)
                if manifest.pending:
                    stored = _stored_states(store, manifest.pending.collection)
            wanted, renewed, gone = _differences(listing, stored)
            embedder = source if isinstance(source, VectorFile) else Embedder(model, features)
            failed: dict[str, str] = {}
            if not dry_run:
                failed = embedder.extract(
                    wanted, workers=workers, progress=progress_of("extracting features")
                )
                wanted = {id_: record for id_, record in wanted.items() if id_ not in failed}
            after = {id_: stored[id_][0] for id_ in stored.keys() - set(gone)}
            after |= {id_: record.category for id_, record in wanted.items()}
            report = _report(source.name, listing, before, after, failed, model, dry_run=dry_run)
            report = replace(
                report,
                embedded=len(after) if dry_run and switches else len(wanted),
                switched=switches and not stage,
                warnings=_unknown_availabilities(source),
                mapped_categories=_mapped(source),
                kept=len(staying & after.keys()),
                refused=refused,
            )
            if dry_run:
                return report
            manifest = _with_centres(store, manifest, embedder.centres(wanted, manifest.target))
            hidden = (
                _no_longer_shown(store, manifest, report, staying)
                if isinstance(source, Feed) and not stage
                else []
            )
            shown, collection = store.active(), manifest.target.collection
            done, advance = 0, progress_of("embedding", "products")
            for points in embedder.points(wanted, manifest.target):
                write_points(store, points, collection, shown, before)
                done += len(points)
                advance(done, len(wanted), 0)
            for ids in _batches(list(renewed)):
                write_payloads(store, {id_: renewed[id_].payload() for id_ in ids}, collection, shown, before)
            for ids in _batches(gone):
                store.delete(ids, collection=collection)
            _bring_up_to_date(store, manifest, report, listing, stage=stage)
            _finish(store, manifest, stage=stage, is_whole=listing.is_whole)
            if isinstance(source, Feed):
                source.pictures.drop(hidden)
        return report

    def change(self, changes: Mapping[str, Change]) -> dict[str, str]:
        """Change the price, the sale or the availability of products, without a picture and without a sync.

        Args:
            changes: by id, texts of `price`, `sale_price`, `sale_price_effective_date`, `availability`.
                None removes a field. Fields that are not named stay.

        Returns:
            By id, why a product was not changed. The dictionary is empty if all changes were made.

        Raises:
            CatalogueError: no sync has finished, or the store fails.
        """
        reasons = change_products(self.store, changes.items())
        return {id_: reason for id_, reason in zip(changes, reasons, strict=True) if reason}

    def switch(self, *, back: bool = False, wait: float = 0.0) -> ModelIdentity:
        """Make the staged vectors the active ones, in a single step. Return their model.

        Args:
            back: return to the vectors that were active before the last switch. They lack later syncs.
            wait: how many seconds to wait for a running sync.

        Raises:
            CatalogueInUseError: a sync is running, and has not finished within `wait` seconds.
            CatalogueError: there are no staged or previous vectors, or the store fails.
        """
        with _held(self.store, wait):
            manifest = self.manifest()
            target = manifest.previous if back else manifest.staged
            if target is None and back:
                raise CatalogueError(f"{self.location}: no previous vectors. Sync with the earlier model.")
            if target is None:
                raise CatalogueError(
                    f"{self.location}: nothing is staged. Run `perfectlook catalogue sync --stage` first."
                )
            staged = manifest.staged if back else None
            switched = replace(manifest, active=target, staged=staged, previous=manifest.active)
            _drop_strays(self.store, _write(self.store, switched))
        return target.model

    def drop_previous(self, *, wait: float = 0.0) -> None:
        """Drop the vectors that were active before the last switch. The errors are those of `switch`."""
        with _held(self.store, wait):
            _drop_strays(self.store, _write(self.store, replace(self.manifest(), previous=None)))

    @property
    def location(self) -> str:
        """The folder or URL."""
        return self.store.location

    @property
    def model(self) -> ModelIdentity:
        """The model of the active vectors, with the identity of its backbone."""
        return self._current().model

    def check(self, model: Model) -> None:
        """Raise CatalogueError unless `model` made this catalogue."""
        held = self.model
        if held.identity != model.identity:
            raise CatalogueError(
                f"{self.location}: made with model {held}, but the model given is '{model.name}' "
                f"({model.identity[:12]}, backbone {model.backbone}). Use the catalogue's model, or sync the "
                "catalogue again with `perfectlook catalogue sync`."
            )

    def manifest(self) -> CatalogueManifest:
        """Read the manifest."""
        return CatalogueManifest.of(self.store)

    def generation(self) -> Generation:
        """Read the active generation. Raises CatalogueError before the first sync has finished."""
        return answering(self.store)

    def count(self) -> int:
        """Return the number of products."""
        return self._read(lambda collection: self.store.count(collection=collection))

    def categories(self) -> dict[str, int]:
        """Return the number of products of each category."""
        return self._read(lambda collection: self.store.categories(collection=collection))

    def fields(self, among: int = 2000) -> list[str]:
        """Return the sorted names of the fields that the first `among` products have."""

        def fields(collection: str) -> list[str]:
            read = self.store.scroll(among, collection=collection, vectors=False)
            some = next(iter(read), [])
            return sorted({name for each in some for name, text in fields_of(each.payload).items() if text})

        return self._read(fields)

    def facets(self, *names: str, most: int = 50) -> dict[str, dict[str, int]]:
        """Count the values of fields, such as `brand`, over all products.

        As in filters, case does not matter: the first of several spellings stands for all.

        Args:
            names: the names of the fields.
            most: how many values of a field to return, the most common first.
        """
        entries = [f"fields.{name}" for name in names]

        def count(collection: str) -> dict[str, dict[str, int]]:
            counts, spelling = {name: Counter[str]() for name in names}, dict[str, str]()
            for _, _, *values in self.store.excerpts(*entries, collection=collection):
                for name, value in zip(names, values, strict=True):
                    if value:
                        counts[name][spelling.setdefault(value.casefold(), value)] += 1
            return {name: dict(found.most_common(most)) for name, found in counts.items()}

        return self._read(count)

    def get(self, ids: Iterable[str], model: Model) -> dict[str, Point]:
        """Return the products that exist, by id, with their vectors. `model` must have made the catalogue."""
        wanted = list(ids)
        return self._read(lambda collection: self.store.get(wanted, collection=collection), model)

    def search(self, queries: Sequence[Query], model: Model) -> list[Hits]:
        """Answer queries with vectors of `model`, which must have made the catalogue."""
        return self._read(lambda collection: self.store.search(queries, collection=collection), model)

    def _current(self) -> Generation:
        """Return the active generation. It is read again only after a switch, so its centres may be older."""
        active = self.store.active()
        epoch = self.store.epoch if isinstance(self.store, EmbeddedStore) else 0
        if self._generation is None or self._generation.collection != active or self._epoch != epoch:
            self._generation, self._epoch = self.generation(), epoch
        return self._generation

    def _read(self, read: Callable[[str], Result], model: Model | None = None) -> Result:
        """Read from the active collection. If it is dropped after a switch, read from its successor.

        With a `model`, raise CatalogueError unless that model made the vectors.
        """
        while True:
            collection = self._current().collection
            try:
                if model is not None:
                    self.check(model)
                return read(collection)
            except CatalogueError:
                if self.store.active() == collection:
                    raise

    def __repr__(self) -> str:
        """Return location, products, categories and model, or only the location if they cannot be read."""
        try:
            model, categories = self.model.name, self.categories()
        except CatalogueError:
            return f"Catalogue({self.location!r})"
        counts = f"products={sum(categories.values())}, categories={len(categories)}"
        return f"Catalogue({self.location!r}, {counts}, model={model!r})"

    def _release(self) -> None:
        self.store.close()


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


def _held(store: Store, wait: float) -> ExitStack:
    """Wait until no other sync holds the store. Return a context that holds it."""
    holding, deadline = ExitStack(), time.monotonic() + wait
    while True:
        try:
            holding.enter_context(store.hold("catalogue sync"))
        except CatalogueInUseError:
            left = deadline - time.monotonic()
            if left <= 0:
                raise
            time.sleep(min(LOOK_AGAIN_SECONDS, left))
        else:
            return holding


def _identity(model: Model, backbone: str, source: Source) -> ModelIdentity:
    """Return the model that fills the catalogue, and match the categories of a feed with its own.

    Raises CatalogueError if the vectors of a file are of another model.
    """
    identity = ModelIdentity(model.name, model.identity, backbone)
    if isinstance(source, VectorFile):
        source.check(identity)
    if isinstance(source, Feed):
        source.match_categories(model.categories)
    return identity


def _stored_states(store: Store, collection: str) -> dict[str, State]:
    """Return the state of every product in a collection."""
    names = ("picture_sha256", "record_sha256", "stamp")
    states = {}
    for id_, *state in store.excerpts(*names, collection=collection):
        if id_ is None or None in state[:3]:
            raise foreign_record(id_, "hashes")
        category, picture, record, stamp = (each or "" for each in state)
        states[id_] = category, picture, record, stamp
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


def _differences(
    listing: Listing, stored: Mapping[str, State]
) -> tuple[dict[str, Record], dict[str, Record], list[str]]:
    """Compare a source with a collection. Return the products to embed, to give a new record, and to remove.

    Products that cannot be read at the moment stay as they are stored.
    """
    embed, renew = {}, {}
    for id_, record in listing.items.items():
        now, before = record.state, stored.get(id_)
        if before is None or before[:2] != now[:2]:
            embed[id_] = record
        elif before != now:
            renew[id_] = record
    staying = listing.staying(stored.keys())
    return embed, renew, sorted(stored.keys() - listing.items.keys() - listing.unchanged - staying)


def _report(
    source: str,
    listing: Listing,
    before: Mapping[str, State],
    after: Mapping[str, str],
    failed: Mapping[str, str],
    model: Model,
    *,
    dry_run: bool,
) -> SyncReport:
    """Compare the products of a catalogue before and after a sync.

    `after` holds the categories of the products after the sync, by id. `failed` holds the reasons why
    products could not be embedded, by id.
    """
    changes = Changes(sorted(after.keys() - before.keys()), deleted=sorted(before.keys() - after.keys()))
    for id_, record in listing.items.items():
        if id_ in before and id_ in after and id_ not in failed:
            parts = zip(("category", "picture", "record"), before[id_], record.state, strict=False)
            if changed := [name for name, then, now in parts if then != now]:
                changes.changed[id_] = changed
    problems = [
        Problem(source, id_, f"{listing.items[id_].picture}: {reason}")
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
    )


def _check_losses(
    source: Source,
    listing: Listing,
    before: Mapping[str, State],
    location: str,
    most: float,
    *,
    dry_run: bool,
) -> str:
    """Raise CatalogueError if a source lacks all products, or a larger share of them than `most`.

    A dry run gets the second reason as text instead; otherwise the text is empty.
    """
    if not (listing.items or listing.unchanged):
        raise CatalogueError(_why_empty(source, listing, len(before), location))
    lost = len(before.keys() - listing.items.keys() - listing.unchanged - listing.staying(before.keys()))
    if lost <= max(AT_LEAST_DELETED, most * len(before)):
        return ""
    percent = -(-100 * lost // len(before))
    reason = (
        f"{source.name}: lacks {lost:,} of the {len(before):,} products of {location}, more than "
        f"{most:.0%}. Nothing was changed. Check that the source is complete; to delete them, "
        f"pass --max-delete {percent}%."
    )
    if dry_run:
        return reason
    raise CatalogueError(reason)


def _unknown_availabilities(source: Source) -> list[str]:
    if not (isinstance(source, Feed | SetSource) and source.cleaning.unknown):
        return []
    return [
        f"{counted(source.cleaning.unknown.total(), 'availability', 'availabilities')} not understood: "
        f"{source.cleaning.summary()}. Say what they mean with --availability VALUE=in_stock."
    ]


def _mapped(source: Source) -> dict[str, dict[str, Any]]:
    replaced = source.categories.replaced if isinstance(source, Feed) else {}
    return {name: match._asdict() for name, match in sorted(replaced.items())}


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
        manifest = _write(store, replace(manifest, pending=target, staged=None))
    elif manifest.pending and target is not manifest.pending:
        manifest = _write(store, replace(manifest, pending=None))
    _drop_strays(store, manifest)
    if target not in (manifest.active, manifest.pending):
        store.create_collection(target.collection, dimension)
        manifest = _write(store, replace(manifest, pending=target, counter=manifest.counter + 1))
    return manifest


def _carry_over(store: Store, collection: str, ids: Set[str], listing: Listing) -> None:
    """Add the stored records of products that were not read. Their features may be in the feature store."""
    for some in _batches(sorted(ids)):
        for id_, point in store.get(some, collection=collection).items():
            listing.items[id_] = Record.from_payload(id_, point.payload, point.category)


def _no_longer_shown(
    store: Store, manifest: CatalogueManifest, report: SyncReport, staying: Set[str]
) -> list[Path]:
    """Return the pictures that answers show now, but not after this sync."""

    def pictures(ids: Iterable[str]) -> set[str]:
        found = store.get(ids, collection=manifest.active.collection) if manifest.active else {}
        return {Record.from_payload(id_, point.payload).picture for id_, point in found.items()}

    renewed = [id_ for id_, what in report.changes.changed.items() if "record" in what]
    shown = pictures([*report.changes.deleted, *renewed])
    return [Path(picture) for picture in sorted(shown - pictures(staying))] if shown else []


def _with_centres(store: Store, manifest: CatalogueManifest, generation: Generation) -> CatalogueManifest:
    """Store new centres, before any vectors that depend on them."""
    if generation is manifest.target:
        return manifest
    if manifest.pending:
        return _write(store, replace(manifest, pending=generation))
    return _write(store, replace(manifest, active=generation))


def _bring_up_to_date(
    store: Store, manifest: CatalogueManifest, report: SyncReport, listing: Listing, *, stage: bool
) -> None:
    """Delete and change products of staged vectors as a sync did in others, unless it stages its own."""
    if stage or manifest.staged is None:
        return
    collection = manifest.staged.collection
    for ids in _batches(report.changes.deleted):
        store.delete(ids, collection=collection)
    for ids in _batches(sorted(listing.items.keys() | listing.unchanged)):
        copy_records(store, ids, manifest.target.collection, collection)


def _finish(store: Store, manifest: CatalogueManifest, *, stage: bool, is_whole: bool) -> None:
    """Make the pending generation, if there is one, the active one or the staged one."""
    if is_whole:
        store.mark_complete(manifest.target.collection)
    if manifest.pending:
        finished = (
            replace(manifest, pending=None, staged=manifest.pending)
            if stage
            else replace(manifest, pending=None, active=manifest.pending, previous=manifest.active)
        )
        _drop_strays(store, _write(store, finished))


def _write(store: Store, manifest: CatalogueManifest) -> CatalogueManifest:
    store.write_manifest(manifest.document(), active=manifest.active.collection if manifest.active else None)
    return manifest


def _drop_strays(store: Store, manifest: CatalogueManifest) -> None:
    """Drop the collections of interrupted syncs, and those that others have replaced."""
    known = {each.collection for each in manifest.generations}
    for name in store.collections().keys() - known:
        store.drop_collection(name)


def _batches(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[start : start + TOGETHER] for start in range(0, len(ids), TOGETHER))
