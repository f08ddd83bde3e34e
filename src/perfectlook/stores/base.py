"""The port behind a catalogue: points with vectors and payloads, searched by Euclidean distance."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, Self, TypeAlias, overload

import numpy as np

from perfectlook.stores.filters import Filter
from perfectlook.types import Float32Array, Float64Array

Payload: TypeAlias = Mapping[str, object]
"""What is known of a product, as JSON values; a store reads of it only `fields`, for filters."""


@dataclass(frozen=True, slots=True, eq=False)
class Point:
    """One product in a store: its category, its vector [d] and everything an answer says about it."""

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


class Hit(NamedTuple):
    """A point found: its Euclidean distance to the query's vector, its own vector [d] and its payload.

    The payload may be shared with other hits: do not change it. Compare hits by id, for arrays do not
    compare to one truth value.
    """

    id: str
    category: str
    distance: float
    vector: Float32Array
    payload: Payload


class Described(Protocol):
    """What a product is, beside its vector. The payload may be parsed when it is first asked for."""

    @property
    def id(self) -> str:
        """Its id."""

    @property
    def category(self) -> str:
        """Its category."""

    @property
    def payload(self) -> Payload:
        """What an answer says of it; CatalogueError when it is damaged."""


@dataclass(frozen=True, slots=True, eq=False)
class Hits(Sequence[Hit]):
    """What one query found, nearest first: distances [n] and vectors [n, d] as arrays, and the n products.

    As a sequence it holds a `Hit` for each. Whoever needs the payloads of only a few products reads the
    columns, and no other payload is parsed.
    """

    products: Sequence[Described]
    distances: Float64Array
    vectors: Float32Array

    @classmethod
    def of(cls, hits: Sequence[Hit]) -> Self:
        """Return the columns of hits, which may be such columns already."""
        if isinstance(hits, cls):
            return hits
        vectors = np.stack([hit.vector for hit in hits]) if hits else np.empty((0, 0), np.float32)
        return cls(hits, np.array([hit.distance for hit in hits], np.float64), vectors)

    def __len__(self) -> int:
        return len(self.products)

    @overload
    def __getitem__(self, place: int) -> Hit: ...

    @overload
    def __getitem__(self, place: slice) -> "Hits": ...

    def __getitem__(self, place: int | slice) -> "Hit | Hits":
        if isinstance(place, slice):
            return Hits(self.products[place], self.distances[place], self.vectors[place])
        it = self.products[place]
        return Hit(it.id, it.category, float(self.distances[place]), self.vectors[place], it.payload)


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

    def search(self, queries: Sequence[Query], *, collection: str | None = None) -> Sequence[Sequence[Hit]]:
        """Answer all queries from one state of the store: nearest first, equal distances by id.

        `Hits.of` gives each answer as columns.
        """

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
