"""The interface of stores: points with vectors and payloads, searched by Euclidean distance."""

import json
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from dataclasses import dataclass, field
from typing import Any, Protocol, Self, TypeAlias, TypeVar

import numpy as np

from perfectlook.errors import CatalogueError, CatalogueInUseError
from perfectlook.stores.filters import Filter, matches
from perfectlook.types import Float32Array, Float64Array

Item = TypeVar("Item")
Payload: TypeAlias = Mapping[str, object]
"""The data of a product as JSON values. Stores read only the entry `fields`, for filters."""


@dataclass(frozen=True, slots=True, eq=False)
class Point:
    """One product in a store: its category, its vector [d] and its data for answers.

    The vector is empty if it was not read.
    """

    id: str
    category: str
    vector: Float32Array
    payload: Payload = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """A search for the `k` points nearest to `vector` [d] in some categories (None: all).

    With `where`, only points that match the filter count.
    """

    vector: Float32Array
    k: int
    categories: frozenset[str] | None = None
    where: Filter | None = None

    def wants(self, point: Point) -> bool:
        """Whether a point matches the filter. Its category is not tested."""
        where = self.where
        return where is None or matches(where, point.id, point.category, fields_of(point.payload))


@dataclass(frozen=True, slots=True, eq=False)
class Hits:
    """The points that one query found, nearest first, as columns.

    Attributes:
        products: the points [n]. Their own vectors may be empty, and a payload may be parsed on first use.
            Do not change payloads, because several hits may share them.
        distances: Euclidean distances [n] to the query's vector.
        vectors: the products' vectors [n, d].
    """

    products: Sequence[Point]
    distances: Float64Array
    vectors: Float32Array

    @classmethod
    def of(cls, points: Sequence[Point], distances: Sequence[float]) -> Self:
        """Return the columns of points with vectors."""
        vectors = np.stack([point.vector for point in points]) if points else np.empty((0, 0), np.float32)
        return cls(points, np.array(distances, np.float64), vectors)

    @classmethod
    def nearest(cls, query: Query, vector: Float32Array, points: Iterable[Point]) -> Self:
        """Return the points nearest to a query's checked vector, of those that match its filter."""
        near = sorted(
            (float(np.linalg.norm(point.vector.astype(np.float64) - vector)), point.id, point)
            for point in points
            if query.wants(point)
        )[: query.k]
        return cls.of([point for *_, point in near], [distance for distance, *_ in near])

    def __len__(self) -> int:
        return len(self.products)


class Store(Protocol):
    """The points of a catalogue. Every store passes `tests/stores/test_contract.py`.

    Points are in collections. The manifest names one of them as active. Methods work on the active collection
    if `collection` is None. Vectors of a new model are written into a new collection, and `write_manifest`
    then switches to it in one step. Every write is all or nothing. Any thread can read, and each read sees
    one committed state, also of other processes. Every failure is a `CatalogueError`.
    """

    location: str
    """The folder or URL that was opened."""

    @property
    def exact(self) -> bool:
        """Whether the last search of this thread returned the true nearest neighbours."""

    def manifest(self) -> Payload | None:
        """Return the last document, or None before the first."""

    def write_manifest(self, document: Payload, *, active: str | None) -> None:
        """Replace the manifest and make `active` the active collection, in one step."""

    def active(self) -> str | None:
        """Return the name of the active collection, or None if there is none."""

    def collections(self) -> dict[str, int]:
        """Return the dimension of every collection by name."""

    def create_collection(self, name: str, dimension: int) -> None:
        """Make an empty collection for vectors of `dimension`. Raises CatalogueError if it exists."""

    def drop_collection(self, name: str) -> None:
        """Remove a collection and its points. The active collection cannot be dropped."""

    def upsert(self, points: Sequence[Point], *, collection: str | None = None) -> None:
        """Add points, or replace points with the same id. Of points with the same id, the last is used."""

    def set_payloads(self, payloads: Mapping[str, Payload], *, collection: str | None = None) -> None:
        """Replace the payloads of the points that exist, by id, without their vectors."""

    def delete(self, ids: Iterable[str], *, collection: str | None = None) -> None:
        """Remove points by id."""

    def get(self, ids: Iterable[str], *, collection: str | None = None) -> dict[str, Point]:
        """Return the points that exist, by id."""

    def search(self, queries: Sequence[Query], *, collection: str | None = None) -> list[Hits]:
        """Answer all queries from one state of the store. Nearest points come first, ties in order of ids."""

    def count(self, category: str | None = None, *, collection: str | None = None) -> int:
        """Return the number of points in one category or in all."""

    def categories(self, *, collection: str | None = None) -> dict[str, int]:
        """Return the number of points of each category with points, in the order of names."""

    def scroll(
        self, batch: int = 1000, *, collection: str | None = None, vectors: bool = True
    ) -> Iterator[list[Point]]:
        """Yield all points in batches, in any order. Without `vectors`, the vectors are empty."""

    def excerpts(self, *names: str, collection: str | None = None) -> Iterator[tuple[str | None, ...]]:
        """Yield the id, the category and the named entries of the payload of every point.

        `fields.brand` names an entry of an entry. Missing entries are None. The entries must be texts.
        """
        for batch in self.scroll(collection=collection, vectors=False):
            yield from (excerpt_of(point, names) for point in batch)

    def hold(self, purpose: str) -> AbstractContextManager[None]:
        """Keep others from syncing while the context lasts. CatalogueInUseError names the current holder."""

    def together(self) -> AbstractContextManager[None]:
        """Make the reads by id and the writes of this thread one transaction, until the context ends.

        In a store without transactions, as on Milvus, they may only come one after another: each write
        stands alone, and a sync may write between them.
        """
        return nullcontext()

    def mark_complete(self, collection: str) -> None:
        """Note that a sync has just written what a collection lacked of its source, under `hold`."""

    def close(self) -> None:
        """Close files and connections. The store cannot be used afterwards."""


def held(hold: Callable[[str], AbstractContextManager[None]], purpose: str, wait: float) -> ExitStack:
    """Return a context that holds what `hold` does. Wait for others for at most `wait` seconds."""
    holding, deadline = ExitStack(), time.monotonic() + wait
    while True:
        try:
            holding.enter_context(hold(purpose))
        except CatalogueInUseError:
            left = deadline - time.monotonic()
            if left <= 0:
                raise
            time.sleep(min(random.uniform(0.1, 0.3), left))
        else:
            return holding


def parsed(text: str, what: str, location: str, remedy: str) -> dict[str, Any]:
    """Return a stored JSON object. If it is damaged, raise CatalogueError, which names it as `what`."""
    with suppress(ValueError, TypeError):
        if isinstance(document := json.loads(text), dict):
            return document
    raise CatalogueError(f"{location}: damaged ({what} is not a JSON object). {remedy}")


def batches(values: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    """Yield parts of a sequence of at most `size` items."""
    return (values[start : start + size] for start in range(0, len(values), size))


def excerpt_of(point: Point, names: Sequence[str]) -> tuple[str | None, ...]:
    """Return what `Store.excerpts` yields for a point."""
    entries = (_entry(point.payload, name.split(".")) for name in names)
    return point.id, point.category, *(None if entry is None else str(entry) for entry in entries)


def _entry(payload: object, path: Sequence[str]) -> object:
    for name in path:
        payload = payload.get(name) if isinstance(payload, Mapping) else None
    return payload


def fields_of(payload: Payload) -> dict[str, str]:
    """Return the fields of a product that filters can use: texts by name. Its title is one of them."""
    fields, title = payload.get("fields"), payload.get("title")
    known = {} if title is None else {"title": title}
    known |= fields if isinstance(fields, dict) else {}
    return {name: text for name, text in known.items() if isinstance(text, str)}
