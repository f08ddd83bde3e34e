"""Where a catalogue's vectors live: one port (`base`), one contract suite, chosen by a folder or a URL."""

from collections.abc import Callable
from pathlib import Path

from perfectlook.errors import UsageError
from perfectlook.stores.base import Hit, Payload, Point, Query, Store
from perfectlook.stores.embedded import EmbeddedStore
from perfectlook.stores.memory import MemoryStore


def _open_cluster(location: str, create: bool) -> Store:
    from perfectlook.stores.cluster import ClusterStore

    return ClusterStore.open(location, create=create)


STORES: dict[str, Callable[[str, bool], Store]] = {
    "": lambda location, create: EmbeddedStore.open(Path(location), create=create),
    "memory": lambda location, _create: MemoryStore(location),
    "qdrant+http": _open_cluster,
    "qdrant+https": _open_cluster,
    "qdrant+memory": _open_cluster,
}
"""How to open a store, by the scheme of its URL; a plain path has none."""


def open_store(location: Path | str, *, create: bool = False) -> Store:
    """Open the store at a folder or URL; with `create`, one that is not there yet is made, empty.

    Raises CatalogueError when there is none or it cannot be used, UsageError for a scheme that no store has.
    """
    text = str(location)
    scheme, separator, _ = text.partition("://")
    if not separator:
        scheme = ""
    if scheme not in STORES:
        known = ", ".join(f"{name}://" for name in STORES if name)
        raise UsageError(f"{text}: no store opens '{scheme}://'; give a folder, or one of {known}")
    return STORES[scheme](text, create)


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
