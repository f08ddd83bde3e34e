"""Where a catalogue's vectors live: one port (`base`), one contract suite, chosen by a folder or a URL."""

from collections.abc import Callable
from pathlib import Path

from perfectlook.errors import UsageError
from perfectlook.stores.base import Hit, Payload, Point, Query, Store
from perfectlook.stores.memory import MemoryStore
from perfectlook.stores.sqlite import EmbeddedStore


def _open_embedded(location: str, create: bool, approximate_above: int | None) -> Store:
    return EmbeddedStore.open(Path(location), create=create, approximate_above=approximate_above)


def _open_cluster(location: str, create: bool, approximate_above: int | None) -> Store:
    from perfectlook.stores.cluster import ClusterStore

    if approximate_above is not None:
        raise UsageError(
            f"{location}: a cluster has an index of its own; say `?exact=false` in its URL, and no number of "
            "products above which to use one"
        )
    return ClusterStore.open(location, create=create)


STORES: dict[str, Callable[[str, bool, int | None], Store]] = {
    "": _open_embedded,
    "memory": lambda location, _create, _approximate_above: MemoryStore(location),
    "qdrant+http": _open_cluster,
    "qdrant+https": _open_cluster,
    "qdrant+memory": _open_cluster,
}
"""How to open a store, by the scheme of its URL; a plain path has none."""


def open_store(location: Path | str, *, create: bool = False, approximate_above: int | None = None) -> Store:
    """Open the store at a folder or URL; with `create`, one that is not there yet is made, empty.

    With `approximate_above`, a store on this machine searches categories of more products than that by an
    approximate index (extra `ann`).

    Raises CatalogueError when there is none or it cannot be used, UsageError for a scheme that no store has.
    """
    text = str(location)
    scheme, separator, _ = text.partition("://")
    if not separator:
        scheme = ""
    if scheme not in STORES:
        known = ", ".join(f"{name}://" for name in STORES if name)
        raise UsageError(f"{text}: no store opens '{scheme}://'; give a folder, or one of {known}")
    return STORES[scheme](text, create, approximate_above)


__all__ = [
    "STORES",
    "EmbeddedStore",
    "Hit",
    "MemoryStore",
    "Payload",
    "Point",
    "Query",
    "Store",
    "open_store",
]
