"""Stores of a catalogue's vectors: one interface, and one store for each kind of folder or URL."""

from collections.abc import Callable
from pathlib import Path

from perfectlook.errors import UsageError
from perfectlook.stores.base import Hits, Payload, Point, Query, Store
from perfectlook.stores.sqlite import EmbeddedStore


def open_store(location: Path | str, *, create: bool = False, approximate_above: int | None = None) -> Store:
    """Open the store at a folder or URL. With `create`, make an empty one if there is none.

    With `approximate_above`, a store on this machine searches categories with more products than this with an
    approximate index (extra `ann`).

    Raises:
        CatalogueError: there is no store, or it cannot be opened.
        UsageError: no store has the scheme of the URL.
    """
    text = str(location)
    scheme = text.partition("://")[0] if "://" in text else ""
    if scheme.endswith("memory"):
        raise UsageError(f"{text}: catalogues in memory are not supported. Use a folder.")
    if scheme.startswith("qdrant+"):
        raise UsageError(
            f"{text}: catalogues on Qdrant are no longer supported. Sync the same source into Milvus with "
            "`perfectlook catalogue sync SOURCE --model MODEL --catalogue milvus+http://HOST:19530/NAME`."
        )
    if scheme not in STORES:
        known = ", ".join(f"{name}://" for name in STORES if name)
        raise UsageError(f"{text}: unknown scheme '{scheme}://'. Use a folder, or choose one of: {known}.")
    return STORES[scheme](text, create, approximate_above)


def _open_milvus(location: str, create: bool, approximate_above: int | None) -> Store:
    from perfectlook.stores.milvus import MilvusStore

    if approximate_above is not None:
        raise UsageError(
            f"{location}: Milvus has its own approximate indexes. Leave out --approximate, and set "
            "`?index=HNSW` in the URL when you create the catalogue."
        )
    return MilvusStore(location, create=create)


STORES: dict[str, Callable[[str, bool, int | None], Store]] = {
    "": lambda place, create, most: EmbeddedStore.open(Path(place), create=create, approximate_above=most),
    "milvus+http": _open_milvus,
    "milvus+https": _open_milvus,
}
"""How to open a store, by the scheme of its URL. A path has no scheme."""

__all__ = ["STORES", "EmbeddedStore", "Hits", "Payload", "Point", "Query", "Store", "open_store"]
