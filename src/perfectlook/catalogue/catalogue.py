"""A shop's products as vectors of one model: open, sync and search a catalogue."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Self, TypeVar, Unpack

from perfectlook.catalogue.changes import Change, change_products
from perfectlook.catalogue.manifest import CatalogueManifest, Generation, ModelIdentity, answering
from perfectlook.catalogue.sources import Source, open_source
from perfectlook.catalogue.sync import MAX_DELETE, Sync, SyncReport, drop_strays, write
from perfectlook.errors import CatalogueError, OtherModelError, UsageError
from perfectlook.features.store import open_store as open_feature_store
from perfectlook.feeds import FeedOptions
from perfectlook.files import Closable
from perfectlook.model.runtime import Model
from perfectlook.progress import ProgressOf
from perfectlook.stores import EmbeddedStore, Hits, Point, Query, Store, open_store
from perfectlook.stores.base import fields_of, held

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
    ) -> SyncReport:
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
        opened = open_source(source, self.location, **options)
        model = Model.open(chosen) if isinstance(chosen, Path | str) else chosen
        holding = nullcontext() if dry_run else held(self.store.hold, "catalogue sync", wait)
        with holding, open_feature_store(model.backbone) as features:
            model.check_backbone(features.manifest.identity)
            sync = Sync(
                self.store,
                opened,
                model,
                features,
                recentre=recentre,
                stage=stage,
                dry_run=dry_run,
                workers=workers,
                progress=progress,
            )
            return sync.run(verify=verify, allow_empty=allow_empty, max_delete=max_delete)

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
        with held(self.store.hold, "catalogue sync", wait):
            manifest = self.manifest()
            target = manifest.previous if back else manifest.staged
            if target is None and back:
                raise CatalogueError(f"{self.location}: no previous vectors. Sync with the earlier model.")
            if target is None:
                remedy = "Run `perfectlook catalogue sync --stage` first."
                raise CatalogueError(f"{self.location}: nothing is staged. {remedy}")
            staged = manifest.staged if back else None
            switched = replace(manifest, active=target, staged=staged, previous=manifest.active)
            drop_strays(self.store, write(self.store, switched))
        return target.model

    def drop_previous(self, *, wait: float = 0.0) -> None:
        """Drop the vectors that were active before the last switch. The errors are those of `switch`."""
        with held(self.store.hold, "catalogue sync", wait):
            drop_strays(self.store, write(self.store, replace(self.manifest(), previous=None)))

    @property
    def location(self) -> str:
        """The folder or URL."""
        return self.store.location

    @property
    def model(self) -> ModelIdentity:
        """The model of the active vectors, with the identity of its backbone."""
        return self._current().model

    def check(self, model: Model) -> None:
        """Raise OtherModelError unless `model` made this catalogue."""
        held = self.model
        if held.identity != model.identity:
            raise OtherModelError(
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
