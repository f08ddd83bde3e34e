"""A store in memory: the reference for the tests of all other stores."""

import copy
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from perfectlook.errors import CatalogueError, CatalogueInUseError
from perfectlook.stores.base import (
    Hits,
    Payload,
    Point,
    Query,
    Store,
    fields_of,
)
from perfectlook.stores.filters import matches
from perfectlook.stores.index import check_queries, check_vector


class MemoryStore(Store):
    """A store that computes every distance in float64 and sorts them: slow and correct."""

    exact = True

    def __init__(self, location: str = "memory://") -> None:
        """Start empty."""
        self.location = location
        self._points: dict[str, dict[str, Point]] = {}
        self._dimensions: dict[str, int] = {}
        self._manifest: tuple[Payload | None, str | None] = (None, None)
        self._lock = threading.RLock()
        self._holder: str | None = None

    def manifest(self) -> Payload | None:
        """Return a copy of the last document."""
        return copy.deepcopy(self._manifest[0])

    def write_manifest(self, document: Payload, *, active: str | None) -> None:
        """Replace the document and the active collection."""
        with self._lock:
            if active is not None:
                self._named(active)
            self._manifest = (copy.deepcopy(document), active)

    def active(self) -> str | None:
        """Return the active collection's name."""
        return self._manifest[1]

    def collections(self) -> dict[str, int]:
        """Return the dimensions of the collections by name."""
        return dict(self._dimensions)

    def create_collection(self, name: str, dimension: int) -> None:
        """Make an empty collection."""
        with self._lock:
            if name in self._points:
                raise CatalogueError(f"{self.location}: collection '{name}' already exists. Drop it first.")
            self._points[name], self._dimensions[name] = {}, dimension

    def drop_collection(self, name: str) -> None:
        """Remove a collection that is not active."""
        with self._lock:
            if name == self.active():
                raise CatalogueError(f"{self.location}: collection '{name}' is active.")
            self._named(name)
            del self._points[name], self._dimensions[name]

    def upsert(self, points: Sequence[Point], *, collection: str | None = None) -> None:
        """Add or replace points. An invalid vector changes nothing."""
        with self._lock:
            name = self._named(collection)
            dimension = self._dimensions[name]
            checked = [replace(p, vector=check_vector(p.id, p.vector, dimension).copy()) for p in points]
            self._points[name] = self._points[name] | {p.id: copy.deepcopy(p) for p in checked}

    def set_payloads(self, payloads: Mapping[str, Payload], *, collection: str | None = None) -> None:
        """Replace payloads."""
        with self._lock:
            name = self._named(collection)
            points = dict(self._points[name])
            found = [id_ for id_ in payloads if id_ in points]
            for id_ in found:
                points[id_] = replace(points[id_], payload=dict(payloads[id_]))
            self._points[name] = points

    def delete(self, ids: Iterable[str], *, collection: str | None = None) -> None:
        """Remove points."""
        with self._lock:
            name = self._named(collection)
            gone = set(ids)
            self._points[name] = {i: p for i, p in self._points[name].items() if i not in gone}

    def get(self, ids: Iterable[str], *, collection: str | None = None) -> dict[str, Point]:
        """Return points by id."""
        points = self._points[self._named(collection)]
        return {id_: points[id_] for id_ in ids if id_ in points}

    def search(self, queries: Sequence[Query], *, collection: str | None = None) -> list[Hits]:
        """Compute all distances, sort them, and return the nearest points."""
        name = self._named(collection)
        points = self._points[name]
        vectors = check_queries(queries, self._dimensions[name])
        return [_nearest(query, vector, points) for query, vector in zip(queries, vectors, strict=True)]

    def count(self, category: str | None = None, *, collection: str | None = None) -> int:
        """Count points."""
        counts = self.categories(collection=collection)
        return sum(counts.values()) if category is None else counts.get(category, 0)

    def categories(self, *, collection: str | None = None) -> dict[str, int]:
        """Count points by category."""
        points = self._points[self._named(collection)]
        return dict(sorted(Counter(point.category for point in points.values()).items()))

    def scroll(
        self, batch: int = 1000, *, collection: str | None = None, vectors: bool = True
    ) -> Iterator[list[Point]]:
        """Yield all points in batches."""
        points = list(self._points[self._named(collection)].values())
        if not vectors:
            points = [replace(point, vector=np.empty(0, np.float32)) for point in points]
        for start in range(0, len(points), batch):
            yield points[start : start + batch]

    @contextmanager
    def together(self) -> Iterator[None]:
        """Let no other thread in."""
        with self._lock:
            yield

    @contextmanager
    def hold(self, purpose: str) -> Iterator[None]:
        """Hold the store. A second holder gets an error."""
        with self._lock:
            if self._holder is not None:
                raise CatalogueInUseError(
                    f"{self.location}: in use by {self._holder}. Wait until it has finished."
                )
            self._holder = purpose
        try:
            yield
        finally:
            self._holder = None

    def mark_complete(self, collection: str) -> None:
        """Check that the collection exists."""
        self._named(collection)

    def close(self) -> None:
        """Drop all points."""
        self._points = {}
        self._dimensions = {}

    def _named(self, collection: str | None) -> str:
        name = self.active() if collection is None else collection
        if name is None:
            raise CatalogueError(f"{self.location}: no finished sync. Run `perfectlook catalogue sync`.")
        if name not in self._points:
            raise CatalogueError(f"{self.location}: no collection '{name}'.")
        return name


def _wants(query: Query, point: Point) -> bool:
    return (query.categories is None or point.category in query.categories) and (
        query.where is None or matches(query.where, point.id, point.category, fields_of(point.payload))
    )


def _nearest(query: Query, vector: np.ndarray, points: Mapping[str, Point]) -> Hits:
    wanted = (point for point in points.values() if _wants(query, point))
    near = sorted((float(np.linalg.norm(p.vector.astype(float) - vector)), p.id) for p in wanted)[: query.k]
    return Hits.of([points[id_] for _, id_ in near], [distance for distance, _ in near])
