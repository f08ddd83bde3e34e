"""A shop's products as vectors of one model, in a store."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from perfectlook.catalogue.manifest import Generation, Manifest, ModelIdentity
from perfectlook.catalogue.picture_cache import Shelf
from perfectlook.catalogue.sources import Source, open_source
from perfectlook.catalogue.sync import SyncReport, sync
from perfectlook.errors import CatalogueError
from perfectlook.progress import ProgressOf
from perfectlook.stores import Point, Query, Store, open_store
from perfectlook.stores.base import Hits, fields_of

if TYPE_CHECKING:
    from perfectlook.model.runtime import Model


Result = TypeVar("Result")


class Catalogue:
    """Products to recommend. Reading is safe from several threads, and while another process syncs."""

    def __init__(self, store: Store) -> None:
        """Use an open store; `Catalogue.open` is the way in."""
        self.store = store
        self._generation: Generation | None = None

    @classmethod
    def open(
        cls,
        location: Path | str,
        model: "Model | None" = None,
        *,
        create: bool = False,
        approximate_above: int | None = None,
    ) -> Self:
        """Open the catalogue at a folder or URL.

        Args:
            location: where.
            model: the model it is going to be used with; the catalogue must hold that model's vectors.
            create: make an empty catalogue where there is none, to sync into.
            approximate_above: search categories of more products than that by an approximate index.

        Raises:
            MissingExtraError: `approximate_above` without the extra `ann`.
            CatalogueError: there is none, it cannot be used, or it holds the vectors of another model.
        """
        catalogue = cls(open_store(location, create=create, approximate_above=approximate_above))
        try:
            catalogue.manifest()
            if model is not None:
                catalogue.check(model)
        except BaseException:
            catalogue.close()
            raise
        return catalogue

    @property
    def location(self) -> str:
        """The folder or URL."""
        return self.store.location

    def manifest(self) -> Manifest:
        """Read the manifest."""
        return Manifest.from_document(self.store.manifest(), self.location)

    def generation(self) -> Generation:
        """Read the generation that answers; CatalogueError before the first sync has ended."""
        generation = self.manifest().active
        if generation is None:
            raise CatalogueError(
                f"{self.location}: no sync has ended yet, so there is nothing to recommend; run "
                "`perfectlook catalogue sync` to its end"
            )
        return generation

    @property
    def model(self) -> ModelIdentity:
        """Which model's vectors answer, with the identity of its backbone."""
        return self._current().model

    def check(self, model: "Model") -> None:
        """Raise CatalogueError, naming both models, unless this catalogue holds the vectors of `model`."""
        held = self.model
        if held.identity != model.identity:
            raise CatalogueError(
                f"{self.location} holds the vectors of model {held}, not of '{model.name}' "
                f"({model.identity[:12]}, backbone {model.backbone}); use that model, or run "
                "`perfectlook catalogue sync` with this one"
            )

    def sync(
        self,
        source: Source | Path | str,
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
        """Bring the catalogue into step with a source: a set, a folder of pictures, a feed, or any `Source`.

        Only what is new or has changed is embedded; with another model than before, everything is, beside
        the old vectors, and the catalogue switches over in one step. See `perfectlook.catalogue.sync`.
        """
        if isinstance(source, Path | str):
            source = open_source(source, shelf=Shelf.of(self.location))
        return sync(
            self.store,
            source,
            model,
            allow_empty=allow_empty,
            verify=verify,
            recentre=recentre,
            dry_run=dry_run,
            wait=wait,
            workers=workers,
            progress=progress,
        )

    def count(self) -> int:
        """Return the number of products."""
        return self._read(lambda collection: self.store.count(collection=collection))

    def categories(self) -> dict[str, int]:
        """Return the number of products of each category."""
        return self._read(lambda collection: self.store.categories(collection=collection))

    def fields(self, among: int = 2000) -> list[str]:
        """Return the names of the fields that products have, as far as so many of them tell, in order."""

        def fields(collection: str) -> list[str]:
            read = self.store.scroll(among, collection=collection, vectors=False)
            some = next(iter(read), [])
            return sorted({name for each in some for name, text in fields_of(each.payload).items() if text})

        return self._read(fields)

    def get(self, ids: Iterable[str], model: "Model") -> dict[str, Point]:
        """Return those of the products that are there, by id, with their vectors of `model` and no other."""
        wanted = list(ids)

        def get(collection: str) -> dict[str, Point]:
            self.check(model)
            return self.store.get(wanted, collection=collection)

        return self._read(get)

    def search(self, queries: Sequence[Query], model: "Model") -> list[Hits]:
        """Answer queries about vectors of `model` and of no other, whatever is synced meanwhile."""

        def search(collection: str) -> list[Hits]:
            self.check(model)
            return [Hits.of(found) for found in self.store.search(queries, collection=collection)]

        return self._read(search)

    def _current(self) -> Generation:
        """The generation that answers; its centres may be older, for only a switch makes it read again."""
        if self._generation is None or self._generation.collection != self.store.active():
            self._generation = self.generation()
        return self._generation

    def _read(self, read: Callable[[str], Result]) -> Result:
        """Read from the active collection; when it is dropped after a switch, from the one that followed."""
        while True:
            collection = self._current().collection
            try:
                return read(collection)
            except CatalogueError:
                if self.store.active() == collection:
                    raise

    def close(self) -> None:
        """Close the store."""
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
