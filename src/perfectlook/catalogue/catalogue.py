"""A shop's products as vectors of one model, in a store."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Self, TypeVar, Unpack

from perfectlook.catalogue.manifest import CatalogueManifest, Generation, ModelIdentity, answering
from perfectlook.catalogue.sources import Source, open_source
from perfectlook.catalogue.sync import SyncReport, sync
from perfectlook.errors import CatalogueError, UsageError
from perfectlook.feeds import FeedOptions
from perfectlook.files import Closable
from perfectlook.model.runtime import Model
from perfectlook.progress import ProgressOf
from perfectlook.stores import Hits, Point, Query, Store, open_store
from perfectlook.stores.base import fields_of

Result = TypeVar("Result")


class Catalogue(Closable):
    """Products to recommend. Reading is safe from several threads, and while another process syncs."""

    def __init__(self, store: Store, model: Model | None = None) -> None:
        """Use an open store, and perhaps the model to sync it with; `Catalogue.open` is the way in."""
        self.store = store
        self._model = model
        self._generation: Generation | None = None

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
            location: where it is.
            model: the model that it is used with: an open one, its folder, or the name of one that comes with
                the package. The catalogue must hold that model's vectors, or be new.
            create: make an empty catalogue if there is none, to sync into.
            approximate_above: search categories of more products than that by an approximate index.

        Raises:
            MissingExtraError: `approximate_above` without the extra `ann`.
            ModelError: the model cannot be opened.
            CatalogueError: there is none, it cannot be used, or it holds the vectors of another model.
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
        verify: bool = False,
        recentre: bool = False,
        dry_run: bool = False,
        wait: float = 0.0,
        workers: int | None = None,
        progress: ProgressOf | None = None,
        **options: Unpack[FeedOptions],
    ) -> SyncReport:
        """Make the catalogue hold exactly what a source has.

        Only what is new or has changed is embedded; with another model than before, everything is, next to
        the old vectors, and the catalogue switches over in one step. A sync that was interrupted is finished
        by the next one.

        Args:
            source: the path of a set, a folder of pictures by category, a feed, or vectors that `embed` has
                written; the URL of a feed; "showroom"; or any `Source`.
            model: whose vectors: an open model, its folder, or the name of one that comes with the package;
                by default the one that the catalogue was opened with.
            allow_empty: delete everything if the source is empty.
            verify: look at every picture, or ask its server, even if nothing says that it has changed.
            recentre: compute the centres anew and embed everything around them, next to the old vectors.
            dry_run: change nothing and fetch no pictures; the report says what would be done.
            wait: seconds to wait for another sync that is at work.
            workers: processes that extract features, by default one a processor.
            progress: makes the progress of each part of the work.
            options: how a source is read that is given by its path or URL.

        Raises:
            UsageError: there is no such source, no model, or an option makes no sense.
            ModelError: the model cannot be opened, or was trained on another backbone than the one installed.
            CatalogueInUseError: another sync is at work, and was for as long as this one waited.
            CatalogueError: the source is empty (unless allowed), none of it can be used, or the store fails.
            DatasetError: the source is a set that cannot be read.
            FeedError: the source is a feed that cannot be read.
            FetchError: the source is a feed at a URL that cannot be fetched.
            FeatureError: features cannot be stored.
            BackboneError: the model's backbone cannot be loaded.
        """
        chosen = self._model if model is None else model
        if chosen is None:
            raise UsageError(f"{self.location} was opened without a model: give the one to sync with")
        return sync(
            self.store,
            open_source(source, self.location, **options),
            Model.open(chosen) if isinstance(chosen, Path | str) else chosen,
            allow_empty=allow_empty,
            verify=verify,
            recentre=recentre,
            dry_run=dry_run,
            wait=wait,
            workers=workers,
            progress=progress,
        )

    @property
    def location(self) -> str:
        """The folder or URL."""
        return self.store.location

    @property
    def model(self) -> ModelIdentity:
        """Which model's vectors answer, with the identity of its backbone."""
        return self._current().model

    def check(self, model: Model) -> None:
        """Raise CatalogueError, naming both models, unless this catalogue holds the vectors of `model`."""
        held = self.model
        if held.identity != model.identity:
            raise CatalogueError(
                f"{self.location} holds the vectors of model {held}, not of '{model.name}' "
                f"({model.identity[:12]}, backbone {model.backbone}); use that model, or run "
                "`perfectlook catalogue sync` with this one"
            )

    def manifest(self) -> CatalogueManifest:
        """Read the manifest."""
        return CatalogueManifest.of(self.store)

    def generation(self) -> Generation:
        """Read the generation that answers; CatalogueError before the first sync has ended."""
        return answering(self.store)

    def count(self) -> int:
        """Return the number of products."""
        return self._read(lambda collection: self.store.count(collection=collection))

    def categories(self) -> dict[str, int]:
        """Return the number of products of each category."""
        return self._read(lambda collection: self.store.categories(collection=collection))

    def fields(self, among: int = 2000) -> list[str]:
        """Return the names of the fields that products have, sorted, judging by this many products."""

        def fields(collection: str) -> list[str]:
            read = self.store.scroll(among, collection=collection, vectors=False)
            some = next(iter(read), [])
            return sorted({name for each in some for name, text in fields_of(each.payload).items() if text})

        return self._read(fields)

    def get(self, ids: Iterable[str], model: Model) -> dict[str, Point]:
        """Return those of the products that are there, by id, with their vectors of `model` and no other."""
        wanted = list(ids)

        def get(collection: str) -> dict[str, Point]:
            self.check(model)
            return self.store.get(wanted, collection=collection)

        return self._read(get)

    def search(self, queries: Sequence[Query], model: Model) -> list[Hits]:
        """Answer queries about vectors of `model` and of no other, whatever is synced meanwhile."""

        def search(collection: str) -> list[Hits]:
            self.check(model)
            answers = self.store.search(queries, collection=collection)
            return [found if isinstance(found, Hits) else Hits.of(found) for found in answers]

        return self._read(search)

    def _current(self) -> Generation:
        """The generation that answers; its centres may be older, for only a switch makes it read again."""
        if self._generation is None or self._generation.collection != self.store.active():
            self._generation = self.generation()
        return self._generation

    def _read(self, read: Callable[[str], Result]) -> Result:
        """Read from the active collection; if it is dropped after a switch, from the one that followed."""
        while True:
            collection = self._current().collection
            try:
                return read(collection)
            except CatalogueError:
                if self.store.active() == collection:
                    raise

    def __repr__(self) -> str:
        """Location, products, categories and model; the location alone if they cannot be read."""
        try:
            model, categories = self.model.name, self.categories()
        except CatalogueError:
            return f"Catalogue({self.location!r})"
        counts = f"products={sum(categories.values())}, categories={len(categories)}"
        return f"Catalogue({self.location!r}, {counts}, model={model!r})"

    def _release(self) -> None:
        self.store.close()
