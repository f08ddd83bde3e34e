"""The store on a Qdrant server or cluster, for catalogues that several machines use."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Self

import numpy as np

from perfectlook.errors import CatalogueError
from perfectlook.files import Closable
from perfectlook.stores.base import Hits, Payload, Point, Query, excerpt_of, fields_of
from perfectlook.stores.cluster_connection import ClusterConnection
from perfectlook.stores.cluster_filters import compile_filter, filter_fields, point_id
from perfectlook.stores.cluster_layout import CATEGORY, INDEXED, indexes, layout, search_params
from perfectlook.stores.cluster_lease import Lease
from perfectlook.stores.cluster_manifest import ClusterManifest, parsed
from perfectlook.stores.cluster_settings import MEMORY, ClusterAddress, ClusterSettings
from perfectlook.stores.filters import matches
from perfectlook.stores.index import check_queries, check_vector
from perfectlook.types import Float32Array

MANIFEST = "manifest"
UPSERTED_TOGETHER = 500
READ_TOGETHER = 1000
MORE = 8
"""How many points more than k a search asks for, so that it includes ties with the k-th."""
ROUNDING = 1e-5
"""The largest relative error of the distances that the server computes in float32."""
MOST_CATEGORIES = 100_000
_RECORD, _ID = "record", "id"


class _Collection(NamedTuple):
    """The dimension of a collection's vectors, and the fields whose terms have an index."""

    dimension: int
    indexed: tuple[str, ...]


class ClusterStore(Closable):
    """A catalogue on a Qdrant server or cluster.

    Collections are named after the catalogue. `NAME.manifest` holds the manifest and the write lease, and
    `NAME.<collection>` holds points. A batch becomes visible point by point while it is written, so a search
    at the same time may see a part of it. Everything else is as `Store` promises.
    """

    def __init__(
        self,
        connection: ClusterConnection,
        name: str,
        settings: ClusterSettings = ClusterSettings(),  # noqa: B008
        *,
        create: bool = False,
    ) -> None:
        """Use an open connection. `ClusterStore.open` opens one.

        Raises:
            CatalogueError: there is no such catalogue, or it has a newer format.
        """
        self._connection = connection
        self._prefix = f"{name}."
        self.settings = settings
        self._known: dict[str, _Collection] = {}
        self._lease = Lease(connection, self._prefix + MANIFEST, settings.lease)
        self._manifest = ClusterManifest(connection, self._prefix + MANIFEST, self._lease)
        self._manifest.prepare(create=create, replicas=settings.replicas)

    @classmethod
    def open(cls, url: str, *, create: bool = False) -> Self:
        """Open the catalogue at a URL. With `create`, make an empty one if there is none.

        Raises:
            UsageError: the URL or a setting is invalid.
            MissingExtraError: qdrant-client is not installed.
            CatalogueError: the server cannot be used, or there is no such catalogue.
        """
        address = ClusterAddress.parse(url)
        connection = ClusterConnection.open(address)
        try:
            return cls(connection, address.name, address.settings, create=create or address.scheme == MEMORY)
        except BaseException:
            connection.close()
            raise

    @property
    def location(self) -> str:
        """The URL, without settings."""
        return self._connection.location

    @property
    def exact(self) -> bool:
        """Whether searches compute the distance of every product of their categories."""
        return self.settings.exact

    def manifest(self) -> Payload | None:
        """Return the last document. Raises CatalogueError if it is damaged."""
        return self._manifest.read()

    def write_manifest(self, document: Payload, *, active: str | None) -> None:
        """Replace the document and the active collection by writing a single point."""
        if active is not None:
            self._named(active)
        self._manifest.write(document, active)

    def active(self) -> str | None:
        """Return the active collection's name."""
        return self._manifest.active()

    def collections(self) -> dict[str, int]:
        """Return the dimensions of the collections by name."""
        with self._connection.asking("listing collections") as client:
            names = [each.name for each in client.get_collections().collections]
        own = sorted(name.removeprefix(self._prefix) for name in names if name.startswith(self._prefix))
        return {name: self._look(name).dimension for name in own if name != MANIFEST}

    def create_collection(self, name: str, dimension: int) -> None:
        """Make an empty collection with the layout of the settings."""
        if name == MANIFEST or self._exists(name):
            raise CatalogueError(f"{self.location}: collection '{name}' already exists. Drop it first.")
        with self._writing("making a collection") as client:
            client.create_collection(self._prefix + name, **layout(dimension, self.settings))
            indexed = indexes(self.settings) if self._connection.is_server else {}
            for field, schema in indexed.items():
                client.create_payload_index(self._prefix + name, field, schema)
        self._known[name] = _Collection(dimension, self.settings.indexed)

    def drop_collection(self, name: str) -> None:
        """Remove a collection that is not active."""
        if self.active() == name:
            raise CatalogueError(
                f"{self.location}: collection '{name}' is active. Make another collection active first."
            )
        self._named(name)
        with self._writing("dropping a collection") as client:
            client.delete_collection(self._prefix + name)
        self._known.pop(name, None)

    def upsert(self, points: Sequence[Point], *, collection: str | None = None) -> None:
        """Add or replace points. All points are checked before the first is sent."""
        from qdrant_client import models

        name = self._named(collection)
        known = self._look(name)
        latest = {point.id: point for point in points}
        structs = [
            models.PointStruct(
                id=point_id(point.id),
                vector=check_vector(point.id, point.vector, known.dimension).tolist(),
                payload=self._payload(point.id, point.category, point.payload, known),
            )
            for point in latest.values()
        ]
        for some in _batches(structs, UPSERTED_TOGETHER):
            with self._writing("writing products") as client:
                client.upsert(self._prefix + name, some)

    def set_payloads(self, payloads: Mapping[str, Payload], *, collection: str | None = None) -> int:
        """Replace payloads."""
        from qdrant_client import models

        name = self._named(collection)
        known = self._look(name)
        categories = self._categories_of(name, payloads)
        operations = [
            models.OverwritePayloadOperation(
                overwrite_payload=models.SetPayload(
                    payload=self._payload(id_, category, payloads[id_], known), points=[point_id(id_)]
                )
            )
            for id_, category in categories.items()
        ]
        for some in _batches(operations, UPSERTED_TOGETHER):
            with self._writing("writing records") as client:
                client.batch_update_points(self._prefix + name, some)
        return len(categories)

    def delete(self, ids: Iterable[str], *, collection: str | None = None) -> int:
        """Remove points."""
        name = self._named(collection)
        found = list(self._categories_of(name, ids))
        for some in _batches([point_id(id_) for id_ in found], READ_TOGETHER):
            with self._writing("deleting products") as client:
                client.delete(self._prefix + name, some)
        return len(found)

    def get(self, ids: Iterable[str], *, collection: str | None = None) -> dict[str, Point]:
        """Return points by id."""
        name = self._named(collection)
        wanted = list(dict.fromkeys(ids))
        found: dict[str, Point] = {}
        for some in _batches(wanted, READ_TOGETHER):
            with self._connection.asking("reading products") as client:
                records = client.retrieve(
                    self._prefix + name, [point_id(id_) for id_ in some], with_vectors=True
                )
            found |= {point.id: point for point in map(self._point, records)}
        return {id_: found[id_] for id_ in wanted if id_ in found}

    def search(self, queries: Sequence[Query], *, collection: str | None = None) -> list[Hits]:
        """Answer all queries in one call. Queries with an uncertain k-th place are repeated for more points.

        The distances of the server select the candidates. The distances in the answer are computed here.
        """
        name = self._named(collection, trusting=True)
        known = self._look(name)
        vectors = check_queries(queries, known.dimension)
        answers = [Hits.of([], [])] * len(queries)
        limits = {row: query.k + MORE for row, query in enumerate(queries) if query.categories != frozenset()}
        conditions = {row: _condition(queries[row], known.indexed) for row in limits}
        limits = {row: limit for row, limit in limits.items() if conditions[row] is not False}
        while limits:
            requests = [self._request(vectors[row], limit, conditions[row]) for row, limit in limits.items()]
            with self._connection.asking("searching") as client:
                responses = client.query_batch_points(self._prefix + name, requests)
            unsure: dict[int, int] = {}
            for (row, limit), response in zip(limits.items(), responses, strict=True):
                answers[row] = self._hits(queries[row], vectors[row], response.points)
                if len(response.points) == limit and not _is_certain(
                    answers[row], queries[row].k, response.points[-1].score
                ):
                    unsure[row] = 4 * limit
            limits = unsure
        return answers

    def count(self, category: str | None = None, *, collection: str | None = None) -> int:
        """Count points."""
        from qdrant_client import models

        name = self._named(collection)
        within = None
        if category is not None:
            within = models.Filter(
                must=[models.FieldCondition(key=CATEGORY, match=models.MatchValue(value=category))]
            )
        with self._connection.asking("counting") as client:
            return int(client.count(self._prefix + name, within, exact=True).count)

    def categories(self, *, collection: str | None = None) -> dict[str, int]:
        """Count points by category."""
        name = self._named(collection)
        with self._connection.asking("counting categories") as client:
            found = client.facet(self._prefix + name, CATEGORY, limit=MOST_CATEGORIES, exact=True)
        return dict(sorted((str(hit.value), int(hit.count)) for hit in found.hits))

    def scroll(
        self, batch: int = 1000, *, collection: str | None = None, vectors: bool = True
    ) -> Iterator[list[Point]]:
        """Yield all points in batches, in the order of their UUIDs."""
        name = self._named(collection)
        offset: object = None
        while True:
            with self._connection.asking("reading products") as client:
                records, offset = client.scroll(
                    self._prefix + name, limit=batch, offset=offset, with_vectors=vectors
                )
            if records:
                yield [self._point(record) for record in records]
            if offset is None:
                return

    def excerpts(self, *names: str, collection: str | None = None) -> Iterator[tuple[str | None, ...]]:
        """Yield the id, the category and some entries of each payload."""
        for batch in self.scroll(collection=collection, vectors=False):
            yield from (excerpt_of(point, names) for point in batch)

    def hold(self, purpose: str) -> AbstractContextManager[None]:
        """Keep others, on all machines, from syncing."""
        return self._lease.hold(purpose)

    def _release(self) -> None:
        self._connection.close()

    def _writing(self, what: str) -> AbstractContextManager[Any]:
        self._lease.check()
        return self._connection.asking(what)

    def _named(self, collection: str | None, *, trusting: bool = False) -> str:
        """Return the name of an existing collection. With `trusting`, a known one is not checked again."""
        name = self.active() if collection is None else collection
        if name is None:
            raise CatalogueError(
                f"{self.location}: no finished sync. Run `perfectlook catalogue sync`, and let it finish."
            )
        if not (trusting and name in self._known) and not self._exists(name):
            self._known.pop(name, None)
            raise CatalogueError(f"{self.location}: no collection '{name}'. Open the catalogue again.")
        return name

    def _exists(self, name: str) -> bool:
        with self._connection.asking("finding a collection") as client:
            return bool(client.collection_exists(self._prefix + name))

    def _look(self, name: str) -> _Collection:
        if name not in self._known:
            with self._connection.asking("reading a collection") as client:
                config = client.get_collection(self._prefix + name).config
            indexed = (config.metadata or {}).get(INDEXED, ())
            self._known[name] = _Collection(int(config.params.vectors.size), tuple(indexed))
        return self._known[name]

    def _payload(
        self, id_: str, category: str, payload: Payload, collection: _Collection
    ) -> dict[str, object]:
        fields = filter_fields(id_, category, fields_of(payload), collection.indexed)
        record = json.dumps(payload, ensure_ascii=False)
        return {_ID: id_, CATEGORY: category, _RECORD: record, **fields.payload()}

    def _categories_of(self, name: str, ids: Iterable[str]) -> dict[str, str]:
        """Return the categories of the points that exist, by id."""
        found: dict[str, str] = {}
        for some in _batches(list(dict.fromkeys(ids)), READ_TOGETHER):
            with self._connection.asking("reading products") as client:
                records = client.retrieve(
                    self._prefix + name, [point_id(id_) for id_ in some], with_payload=[_ID, CATEGORY]
                )
            found |= {record.payload[_ID]: record.payload[CATEGORY] for record in records}
        return found

    def _request(self, vector: Float32Array, limit: int, condition: Any) -> Any:
        from qdrant_client import models

        return models.QueryRequest(
            query=vector.tolist(),
            filter=condition,
            limit=limit,
            params=search_params(self.settings) if self._connection.is_server else None,
            with_payload=[_ID, CATEGORY, _RECORD],
            with_vector=True,
        )

    def _hits(self, query: Query, vector: Float32Array, found: Sequence[Any]) -> Hits:
        near = []
        for point in map(self._point, found):
            if query.where is None or matches(
                query.where, point.id, point.category, fields_of(point.payload)
            ):
                distance = float(np.linalg.norm(point.vector.astype(np.float64) - vector))
                near.append((distance, point.id, point))
        near = sorted(near)[: query.k]
        return Hits.of([point for *_, point in near], [distance for distance, *_ in near])

    def _point(self, record: Any) -> Point:
        payload = record.payload or {}
        id_ = str(payload.get(_ID))
        vector = np.array([] if record.vector is None else record.vector, np.float32)
        known = parsed(payload.get(_RECORD), f"the record of product '{id_}'", self.location)
        return Point(id_, str(payload.get(CATEGORY)), vector, known)


def _condition(query: Query, indexed: Collection[str]) -> Any:
    """Return the condition of a query: None if there is none, False if nothing can match it."""
    from qdrant_client import models

    where = True if query.where is None else compile_filter(query.where, indexed)
    if where is False:
        return False
    must = [] if where is True else [where]
    if query.categories is not None:
        within = models.MatchAny(any=sorted(query.categories))
        must.append(models.FieldCondition(key=CATEGORY, match=within))
    return models.Filter(must=must) if must else None


def _is_certain(hits: Hits, k: int, last: float) -> bool:
    """Whether no point after the last one that the server returned can be among the k nearest."""
    return len(hits) >= k and last > float(hits.distances[-1]) * (1 + ROUNDING)


def _batches(values: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (values[start : start + size] for start in range(0, len(values), size))
