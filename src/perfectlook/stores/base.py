"""The port behind a catalogue: points with vectors and payloads, searched by Euclidean distance."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol, Self, TypeAlias

import numpy as np

from perfectlook.stores.filters import Filter
from perfectlook.types import Float32Array, Float64Array

Payload: TypeAlias = Mapping[str, object]
"""What is known of a product, as JSON values; a store reads of it only `fields`, for filters."""


@dataclass(frozen=True, slots=True, eq=False)
class Point:
    """One product in a store: its category, its vector [d] and everything an answer says about it.

    The vector is empty where only the rest was asked for.
    """

    id: str
    category: str
    vector: Float32Array
    payload: Payload = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """Ask for the `k` points nearest to `vector` [d] in some categories (None: all).

    With `where`, only points that match the filter count.
    """

    vector: Float32Array
    k: int
    categories: frozenset[str] | None = None
    where: Filter | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Hits:
    """What one query found, nearest first, as columns.

    Attributes:
        products: the points [n]. Their own vectors may be empty, and a payload may be parsed only when it
            is first read. Payloads may be shared with other hits: do not change them.
        distances: Euclidean distances [n] to the query's vector.
        vectors: the products' vectors [n, d].
    """

    products: Sequence[Point]
    distances: Float64Array
    vectors: Float32Array

    @classmethod
    def of(cls, points: Sequence[Point], distances: Sequence[float]) -> Self:
        """Return the columns of points that have their vectors."""
        vectors = np.stack([point.vector for point in points]) if points else np.empty((0, 0), np.float32)
        return cls(points, np.array(distances, np.float64), vectors)

    def __len__(self) -> int:
        return len(self.products)


class Store(Protocol):
    """Where a catalogue's points live. Every store passes `tests/stores/test_contract.py`.

    Points lie in collections, one of which is active: the one that the manifest names. A method whose
    `collection` is None works on the active one. A new model's vectors are written into a collection of
    their own, beside the old ones, and `write_manifest` then switches over in one step. Every write is all
    or nothing. Reads may come from any thread, and each sees one committed state, also that of another
    process. Every failure is a `CatalogueError`.
    """

    @property
    def location(self) -> str:
        """The folder or URL the store was opened at."""

    @property
    def exact(self) -> bool:
        """Whether `search` always returns the true nearest neighbours."""

    def manifest(self) -> Payload | None:
        """Return the document last written, or None before the first."""

    def write_manifest(self, document: Payload, *, active: str | None) -> None:
        """Replace the manifest and make `active` the active collection, in one step."""

    def active(self) -> str | None:
        """Return the name of the active collection, None before the first."""

    def collections(self) -> dict[str, int]:
        """Return the dimension of every collection by name."""

    def create_collection(self, name: str, dimension: int) -> None:
        """Make an empty collection for vectors of `dimension`; CatalogueError when it is there already."""

    def drop_collection(self, name: str) -> None:
        """Remove a collection and its points; the active one cannot be dropped."""

    def upsert(self, points: Sequence[Point], *, collection: str | None = None) -> None:
        """Add points, or replace those of the same id. Of two with one id the last counts."""

    def set_payloads(self, payloads: Mapping[str, Payload], *, collection: str | None = None) -> int:
        """Replace the payloads of points by id, leaving vectors alone; returns how many there were."""

    def delete(self, ids: Iterable[str], *, collection: str | None = None) -> int:
        """Remove points by id; returns how many there were."""

    def get(self, ids: Iterable[str], *, collection: str | None = None) -> dict[str, Point]:
        """Return those of the points that exist, by id."""

    def search(self, queries: Sequence[Query], *, collection: str | None = None) -> list[Hits]:
        """Answer all queries from one state of the store: nearest first, equal distances by id."""

    def count(self, category: str | None = None, *, collection: str | None = None) -> int:
        """Return the number of points, of one category or of all."""

    def categories(self, *, collection: str | None = None) -> dict[str, int]:
        """Return the number of points of each category that has any, in the order of names."""

    def scroll(
        self, batch: int = 1000, *, collection: str | None = None, vectors: bool = True
    ) -> Iterator[list[Point]]:
        """Yield all points in batches, in no promised order; with `vectors` off, vectors are empty."""

    def excerpts(self, *names: str, collection: str | None = None) -> Iterator[tuple[str | None, ...]]:
        """Yield of every point its id, its category, and those entries of its payload, None for missing ones.

        The entries must be texts; nothing else is read.
        """

    def hold(self, purpose: str) -> AbstractContextManager[None]:
        """Be the only one that syncs while the context lasts; CatalogueInUseError says who does already."""

    def close(self) -> None:
        """Let go of files and connections; the store cannot be used after it."""


def excerpt_of(point: Point, names: Sequence[str]) -> tuple[str | None, ...]:
    """What `Store.excerpts` yields of a point, from the whole of it."""
    entries = (point.payload.get(name) for name in names)
    return point.id, point.category, *(None if entry is None else str(entry) for entry in entries)


def fields_of(payload: Payload) -> dict[str, str]:
    """The fields of a product that filters can ask for: texts by name."""
    fields = payload.get("fields")
    if not isinstance(fields, dict):
        return {}
    return {name: text for name, text in fields.items() if isinstance(text, str)}
