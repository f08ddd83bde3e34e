"""The store on a Milvus server or cluster, for catalogues that several machines use."""

import base64
import json
import math
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from perfectlook.errors import CatalogueError, UsageError
from perfectlook.files import Closable
from perfectlook.stores import milvus_filters as terms
from perfectlook.stores.base import Hits, Payload, Point, Query, excerpt_of, fields_of
from perfectlook.stores.filters import matches
from perfectlook.stores.index import check_queries, check_vector
from perfectlook.stores.milvus_connection import NO_COLLECTION, MilvusAddress, MilvusConnection
from perfectlook.stores.milvus_filters import Expression
from perfectlook.stores.milvus_manifest import Lease, MilvusManifest, Rows, make_collection, parsed
from perfectlook.types import Float32Array

WRITTEN_TOGETHER, READ_TOGETHER = 500, 1000
MORE = 8  # a search asks for this many points more than k, so that it includes ties with the k-th
MOST = 16_384  # the most points that Milvus returns for one search
LONGEST_TEXT = 65_535  # bytes of a text in Milvus
SYNCED = "perfectlook.synced"  # the property of a collection with the time of the last write, since 1970
ENTRIES = "perfectlook.entries"  # the property that is "title" if filters can test titles
# For this long after a sync, searches wait for all its writes. Afterwards the server guarantees them: its
# answers are at most 5 s old. The rest allows for clocks that differ.
STRONG_SECONDS = 15.0
# The parameters of an index when it is built, and the one of its searches that `candidates` sets.
BUILD = {"IVF_SQ8": {"nlist": 1024}, "HNSW": {"M": 16, "efConstruction": 200}}
SEARCH = {"IVF_SQ8": ["nprobe"], "HNSW": ["ef"], "DISKANN": ["search_list"]}
_SEPARATOR = "__"  # between the names of catalogue and collection, which do not contain it
_COMPRESSED = "zlib:"
_RECORD, _WHOLE = ["id", "category", "record"], ["id", "category", "record", "vector"]


class _Collection(NamedTuple):
    """The dimension of a collection's vectors, its index, when its last sync ended, and its added entries."""

    dimension: int
    kind: str
    synced: float
    entries: str


class MilvusStore(Closable):
    """A catalogue on a Milvus server or cluster.

    The alias `NAME` stands for the active collection, and `NAME__<collection>` are all collections. A batch
    becomes visible part by part while it is written, and a replaced product is absent for an instant, so a
    search at the same time may see a part of it. Everything else is as `Store` promises.
    """

    def __init__(self, url: str, *, create: bool = False) -> None:
        """Open the catalogue at a URL. With `create`, make an empty one if there is none.

        Raises:
            UsageError: the URL or a setting is invalid.
            MissingExtraError: pymilvus is not installed.
            CatalogueError: the server cannot be used, or there is no such catalogue.
        """
        address = MilvusAddress.parse(url)
        self.location, self.settings, self._name = address.location, address.settings, address.name
        self._connection = MilvusConnection(address)
        self._threads = ThreadPoolExecutor(8, "milvus")
        self._known: dict[str, _Collection] = {}
        self._counted: dict[str, tuple[float, dict[str, int]]] = {}
        self._wrote = -math.inf
        rows = Rows(self._connection, self._name)
        self.lease = Lease(rows, self.location, self.settings.lease)
        try:
            self._manifest = MilvusManifest(rows, self.location, create=create)
        except BaseException:
            self.close()
            raise

    @property
    def exact(self) -> bool:
        """Whether the indexes of the collections that were used are exact.

        An answer is then exact for all writes before the end of the last sync. It may miss later ones.
        """
        return ({known.kind for known in self._known.values()} or {self.settings.index}) == {"FLAT"}

    def manifest(self) -> Payload | None:
        """Return the last document. Raises CatalogueError if it is damaged."""
        return self._manifest.read(self.active)

    def write_manifest(self, document: Payload, *, active: str | None) -> None:
        """Replace the document, and the active collection by changing the alias."""
        before, target = self.active(), active and self._look(active) and self._of(active)

        def switch() -> None:
            with self._writing("switching the collection") as client:
                change = client.alter_alias if before else client.create_alias
                if target:
                    change(target, self._name, timeout=self._connection.slowly)
                elif before:
                    client.drop_alias(self._name, timeout=self._connection.slowly)

        self.lease.check()
        self._manifest.write(document, active, switch)

    def active(self) -> str | None:
        """Return the active collection's name. Searches of it then see the last sync."""
        return self._learn(self._name)

    def collections(self) -> dict[str, int]:
        """Return the dimensions of the collections by name."""
        with self._connection.asking("listing collections") as client:
            names = client.list_collections(timeout=self._connection.timeout)
        own = sorted(each for each in names if each.startswith(self._of("")))
        return {name: self._look(name).dimension for each in own if (name := self._learn(each))}

    def create_collection(self, name: str, dimension: int) -> None:
        """Make an empty collection with the layout of the settings."""
        from pymilvus import DataType

        if self._learn(self._of(name)) is not None:
            raise CatalogueError(f"{self.location}: collection '{name}' already exists. Drop it first.")
        settings, text = self.settings, {"datatype": DataType.VARCHAR, "max_length": LONGEST_TEXT}
        text_items = {"element_type": DataType.VARCHAR, "max_capacity": 200}
        fields: dict[str, dict[str, Any]] = {
            "id": text | {"is_primary": True},
            "category": text | {"is_partition_key": True},
            "record": text,
            "vector": {"datatype": DataType.FLOAT_VECTOR, "dim": dimension},
            terms.UNDER: text | {"datatype": DataType.ARRAY} | text_items,
        }
        fields |= {column: text | {"max_length": 4 * terms.LONGEST} for column in terms.COLUMNS.values()}
        fields["price"] = {"datatype": DataType.DOUBLE}
        vector = {"index_type": settings.index, "metric_type": "L2", "params": BUILD.get(settings.index, {})}
        indexes = {"vector": vector} | {column: {} for column in ("category", *terms.COLUMNS.values())}
        properties = {ENTRIES: "title"} | ({"mmap.enabled": "true"} if settings.mmap else {})
        options: dict[str, Any] = {"replicas": settings.replicas, "properties": properties}
        options |= {"num_shards": settings.shards, "num_partitions": settings.partitions}
        with self._writing("making a collection") as client:
            schema = client.create_schema(enable_dynamic_field=True, description=settings.index)
            for field, kind in fields.items():
                schema.add_field(field, **kind)
            make_collection(client, self._of(name), schema, indexes, self._connection.slowly, **options)

    def drop_collection(self, name: str) -> None:
        """Remove a collection that is not active."""
        if self.active() == name:
            remedy = "Make another collection active first."
            raise CatalogueError(f"{self.location}: collection '{name}' is active. {remedy}")
        self._look(name)
        with self._writing("dropping a collection") as client:
            client.drop_collection(self._of(name), timeout=self._connection.slowly)
        self._known = {each: known for each, known in self._known.items() if each != name}

    def upsert(self, points: Sequence[Point], *, collection: str | None = None) -> None:
        """Add or replace points. All points are checked before the first is sent."""
        name = self._named(collection)
        last = {point.id: point for point in points}
        rows = [self._row(point, self._look(name)) for point in last.values()]
        # Milvus 2.3 puts an upserted product into a wrong partition, where searches do not find it.
        for some in _batches(rows, WRITTEN_TOGETHER):
            with self._writing("writing products") as client:
                self._delete(client, name, [str(row["id"]) for row in some])
                client.insert(self._of(name), some, timeout=self._connection.slowly)

    def set_payloads(self, payloads: Mapping[str, Payload], *, collection: str | None = None) -> int:
        """Replace payloads: read the points, then write them. Only the lease keeps others from writing."""
        name = self._named(collection)
        found = self._read(name, payloads, _WHOLE).values()
        changed = [Point(each.id, each.category, each.vector, payloads[each.id]) for each in found]
        self.upsert(changed, collection=name)
        return len(changed)

    def delete(self, ids: Iterable[str], *, collection: str | None = None) -> int:
        """Remove points."""
        name = self._named(collection)
        found = list(self._read(name, ids, _RECORD))
        for some in _batches(found, READ_TOGETHER):
            with self._writing("deleting products") as client:
                self._delete(client, name, some)
        return len(found)

    def get(self, ids: Iterable[str], *, collection: str | None = None) -> dict[str, Point]:
        """Return points by id."""
        return self._read(self._named(collection), ids, _WHOLE)

    def search(self, queries: Sequence[Query], *, collection: str | None = None) -> list[Hits]:
        """Answer all queries, several at the same time."""
        name = self._named(collection)
        vectors = check_queries(queries, self._look(name).dimension)
        return list(self._threads.map(partial(self._answer, name), queries, vectors))

    def count(self, category: str | None = None, *, collection: str | None = None) -> int:
        """Count points."""
        condition = category is None or terms.one_of("category", [category])
        (row,) = self._query(self._named(collection), condition, ["count(*)"])
        return int(row["count(*)"])

    def categories(self, *, collection: str | None = None) -> dict[str, int]:
        """Count points by category. The counts are kept until the next sync.

        Milvus has no list of categories, so each query asks for products of those that are not known yet.
        """
        name = self._named(collection)
        synced, before = self._look(name).synced, self._counted.get(name)
        if before and before[0] == synced and not self._is_writing:
            return dict(before[1])
        known: set[str] = set()
        while found := self._query(
            name, f"not ({terms.one_of('category', known)})", ["category"], READ_TOGETHER
        ):
            known |= {each["category"] for each in found}
        counts = self._threads.map(partial(self.count, collection=name), sorted(known))
        counted = {each: count for each, count in zip(sorted(known), counts, strict=True) if count}
        self._counted[name] = (-math.inf if self._is_writing else synced), counted
        return dict(counted)

    def scroll(
        self, batch: int = 1000, *, collection: str | None = None, vectors: bool = True
    ) -> Iterator[list[Point]]:
        """Yield all points in batches, in the order of their ids."""
        yield from self._pages(self._named(collection), True, _WHOLE if vectors else _RECORD, batch)

    def excerpts(self, *names: str, collection: str | None = None) -> Iterator[tuple[str | None, ...]]:
        """Yield the id, the category and some entries of each payload."""
        for batch in self.scroll(collection=collection, vectors=False):
            yield from (excerpt_of(point, names) for point in batch)

    @contextmanager
    def hold(self, purpose: str) -> Iterator[None]:
        """Keep others, on all machines, from syncing. At the end, mark the active collection as synced."""
        with self.lease.hold(purpose):
            yield
            if (name := self.active()) and self._wrote > -math.inf:
                stamp, seconds = {SYNCED: repr(time.time())}, self._connection.slowly
                with self._writing("ending a sync") as client:
                    client.alter_collection_properties(self._of(name), stamp, timeout=seconds)

    def together(self) -> AbstractContextManager[None]:
        """Change nothing, because Milvus has no transactions."""
        return nullcontext()

    def _release(self) -> None:
        self._threads.shutdown()
        self._connection.close()

    @contextmanager
    def _writing(self, what: str) -> Iterator[Any]:
        self.lease.check()
        with self._connection.asking(what) as client:
            yield client
        self._wrote = time.monotonic()

    @property
    def _is_writing(self) -> bool:
        """Whether this store may have written what the server does not yet guarantee to be visible."""
        return self.lease.is_held or time.monotonic() - self._wrote < STRONG_SECONDS

    def _of(self, name: str) -> str:
        return f"{self._name}{_SEPARATOR}{name.replace('-', '_')}"

    def _learn(self, full: str) -> str | None:
        """Read what is known of a collection, by its name on the server or the alias. Return its own name."""
        try:
            with self._connection.asking("reading a collection") as client:
                found = client.describe_collection(full, timeout=self._connection.timeout)
        except CatalogueError as error:
            if getattr(error.__cause__, "code", None) == NO_COLLECTION:
                return None
            raise
        dimension = next(each["params"]["dim"] for each in found["fields"] if each["name"] == "vector")
        of: dict[str, str] = found.get("properties", {})
        known = _Collection(dimension, found["description"], float(of.get(SYNCED, 0)), of.get(ENTRIES, ""))
        name = str(found["collection_name"]).removeprefix(self._of("")).replace("_", "-")
        self._known = {**self._known, name: known}  # other threads may be reading the old one
        return name

    def _look(self, name: str) -> _Collection:
        """Return what is known of a collection. Only `active` updates it."""
        if name not in self._known and self._learn(self._of(name)) is None:
            raise CatalogueError(f"{self.location}: no collection '{name}'. Open the catalogue again.")
        return self._known[name]

    def _named(self, collection: str | None) -> str:
        """Return the name of a collection, by default of the active one."""
        if (name := self.active() if collection is None else collection) is None:
            remedy = "Run `perfectlook catalogue sync`, and let it finish."
            raise CatalogueError(f"{self.location}: no finished sync. {remedy}")
        return name

    def _reading(self, name: str) -> dict[str, Any]:
        """Return the options of a read: how recent a state it sees, and how long it may take."""
        strong = self._is_writing or time.time() - self._look(name).synced < STRONG_SECONDS
        return {"consistency_level": "Strong" if strong else "Bounded", "timeout": self._connection.timeout}

    def _query(
        self, name: str, where: Expression, columns: list[str], limit: int = 0
    ) -> list[dict[str, Any]]:
        options = self._reading(name) | ({"limit": limit} if limit else {})
        with self._connection.asking("reading products") as client:
            text = "" if where is True else where
            return list(client.query(self._of(name), text, output_fields=columns, **options))

    def _read(self, name: str, ids: Iterable[str], columns: list[str]) -> dict[str, Point]:
        """Return the points that exist, by id."""
        parts = _batches(list(dict.fromkeys(ids)), READ_TOGETHER)
        pages = (self._query(name, terms.one_of("id", some), columns) for some in parts)
        return {row["id"]: self._point(row) for page in pages for row in page}

    def _pages(self, name: str, where: Expression, columns: list[str], size: int) -> Iterator[list[Point]]:
        """Yield all points that match, in the order of ids. A query with a limit returns the lowest ids."""
        last = ""
        while found := self._query(name, terms.all_of([where, f"id > {terms.literal(last)}"]), columns, size):
            yield sorted(map(self._point, found), key=lambda point: point.id)
            last = max(row["id"] for row in found)

    def _delete(self, client: Any, name: str, ids: Sequence[str]) -> None:
        client.delete(self._of(name), filter=terms.one_of("id", ids), timeout=self._connection.slowly)

    def _answer(self, name: str, query: Query, vector: Float32Array) -> Hits:
        """Answer a query. Ask for more points while those that the server did not return may be among the k.

        The distances of the server select the candidates. The distances in the answer are computed here.
        """
        within = query.categories is None or terms.one_of("category", query.categories)
        condition = terms.all_of([within, query.where is None or terms.compile_filter(query.where)])
        if condition is False:
            return Hits.of([], [])
        known, expression = self._look(name), "" if condition is True else condition
        if not known.entries and any("text_title" in part for part in expression.split('"')[::2]):
            remedy = "Sync it once with `perfectlook catalogue sync --recentre`."
            raise CatalogueError(f"{self.location}: made before filters could test titles. {remedy}")
        limit, rounding = query.k + MORE, max(1e-5, known.dimension * 1.2e-7)  # of sums in float32
        while limit < MOST:
            wider = {each: max(self.settings.candidates, limit) for each in SEARCH.get(known.kind, ())}
            search = {"metric_type": "L2", "params": wider}
            options = {"output_fields": _WHOLE, "search_params": search} | self._reading(name)
            with self._connection.asking("searching") as client:
                (found,) = client.search(self._of(name), [vector], expression, limit, **options)
            near = _hits(query, vector, [self._point({**hit["entity"], "id": hit["id"]}) for hit in found])
            last = math.sqrt(max(0.0, found[-1]["distance"])) if len(found) == limit else math.inf
            if last == math.inf or (len(near) == query.k and last > near.distances[-1] * (1 + rounding)):
                return near
            limit *= 4
        near = Hits.of([], [])  # Milvus does not return as many: read all that match
        for page in self._pages(name, condition, _WHOLE, READ_TOGETHER):
            near = _hits(query, vector, [*near.products, *page])
        return near

    def _row(self, point: Point, known: _Collection) -> dict[str, object]:
        """Return a point as Milvus stores it. Long records are compressed."""
        if len(text := json.dumps(point.payload)) > LONGEST_TEXT:
            text = _COMPRESSED + base64.b64encode(zlib.compress(text.encode())).decode()
        if len(text) > LONGEST_TEXT:
            raise UsageError(f"{point.id}: the record is longer than Milvus stores. Shorten its fields.")
        vector = check_vector(point.id, point.vector, known.dimension)
        entries = terms.filter_entries(point.id, point.category, fields_of(point.payload))
        return {"id": point.id, "category": point.category, "vector": vector, "record": text, **entries}

    def _point(self, row: Mapping[str, Any]) -> Point:
        id_, text = str(row["id"]), str(row["record"])
        if text.startswith(_COMPRESSED):
            text = zlib.decompress(base64.b64decode(text.removeprefix(_COMPRESSED))).decode("ascii")
        known = parsed(text, f"the record of product '{id_}'", self.location)
        return Point(id_, str(row["category"]), np.array(row.get("vector", ()), np.float32), known)


def _hits(query: Query, vector: Float32Array, points: Iterable[Point]) -> Hits:
    """Return the points nearest to a query among some, by exact distance and then by id."""
    near = sorted(
        (float(np.linalg.norm(point.vector.astype(np.float64) - vector)), point.id, point)
        for point in points
        if query.where is None or matches(query.where, point.id, point.category, fields_of(point.payload))
    )[: query.k]
    return Hits.of([point for *_, point in near], [distance for distance, *_ in near])


def _batches(values: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (values[start : start + size] for start in range(0, len(values), size))
