"""The store on a Milvus server or cluster, for catalogues that several machines use."""

import base64
import json
import threading
import time
import uuid
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np

from perfectlook.errors import CatalogueError, UsageError
from perfectlook.files import Closable
from perfectlook.stores import milvus_filters as terms
from perfectlook.stores.base import Hits, Payload, Point, Query, Store, batches, fields_of, held, parsed
from perfectlook.stores.index import check_queries, check_vector
from perfectlook.stores.milvus_connection import LONGEST_TEXT, Fields, Lease, MilvusConnection, Options
from perfectlook.types import Float32Array

WRITTEN_TOGETHER, READ_TOGETHER = 500, 1000
MORE = 8  # a search asks for this many points more than k, so that it includes ties with the k-th
MOST = 16_384  # the most points that Milvus returns for one search
PART = 60_000  # the ASCII characters in one part of a manifest
REBUILD = "Delete its collections on the server, and make it again with `perfectlook catalogue sync`."
# Properties of a collection: the server's timestamps when the last write ended, and the last one that may
# have changed how many products there are; and the marks of writes that have not ended. A sync is one write.
# A writer that was killed leaves its mark, until a whole sync removes it.
WRITTEN, COUNTED, WRITERS = "perfectlook.written", "perfectlook.counted", "perfectlook.writers"
RECOUNT_SECONDS = 60.0  # counts that were taken during a write are used for this long
# The parameters of an index when it is built, and the one of its searches that `candidates` sets.
BUILD = {"IVF_SQ8": {"nlist": 1024}, "HNSW": {"M": 16, "efConstruction": 200}}
SEARCH = {"IVF_SQ8": ["nprobe"], "HNSW": ["ef"], "DISKANN": ["search_list"]}
_COMPRESSED = "zlib:"
_RECORD, _WHOLE = ["row", "id", "category", "record"], ["row", "id", "category", "record", "vector"]


class _Collection(NamedTuple):
    """The dimension of a collection's vectors, its index, and its properties."""

    dimension: int
    kind: str
    written: int
    counted: int
    writers: frozenset[str]


class MilvusStore(Closable, Store):
    """A catalogue on a Milvus server or cluster.

    The alias `NAME` stands for the active collection, and `NAME__<collection>` are all collections. A batch
    becomes visible part by part while it is written, so a search at the same time may see a part of it.
    Everything else is as `Store` promises.

    A product is one row. Its new row is added before the old one is deleted, so it is never absent. Of
    several rows, which a killed writer may leave, the latest counts, and the next sync deletes the others.
    """

    def __init__(self, url: str, *, create: bool = False) -> None:
        """Open the catalogue at a URL. With `create`, make an empty one if there is none.

        Raises:
            UsageError: the URL or a setting is invalid.
            MissingExtraError: pymilvus is not installed.
            CatalogueError: the server cannot be used, or there is no such catalogue.
        """
        self._connection = connection = MilvusConnection(url, create=create)
        self.location, self.settings, self._name = connection.location, connection.settings, connection.name
        self._threads, self._lately = ThreadPoolExecutor(8, "milvus"), dict[str, Any]()
        self._known: dict[str, _Collection] = {}
        self._held: Mapping[str, _Collection] = {}  # what was known when the lease was taken
        self._last, self._marking, self._turns = threading.local(), threading.Lock(), threading.Lock()
        # the counts of categories, the write that they are the result of, and until when they can be used
        self._counts: dict[str, tuple[dict[str, int], int, float]] = {}
        self.lease = Lease(connection, self.settings.lease)
        self._turn = Lease(connection, 2 * max(self.settings.timeout, 3), "turn")

    @property
    def exact(self) -> bool:
        """Whether the last search of this thread was exact, for all that the last sync has committed.

        It was not if the index is approximate, or if anything was written meanwhile. Neither is it after a
        killed writer, until the next whole sync.
        """
        return getattr(self._last, "exact", False)

    def manifest(self) -> Payload | None:
        """Return the document of the active collection. Raises CatalogueError if it is damaged."""
        name, rows = None, self._connection.read_rows("head", "part")
        while _head(name := self.active()) not in rows and name != self.active():  # another is switching
            rows = self._connection.read_rows("head", "part")
        head = parsed(rows.get(_head(name), ""), "the head of the manifest", self.location, REBUILD)
        if head.get("format") != self._connection.FORMAT or not isinstance(count := head.get("parts"), int):
            problem = "the head of its manifest is damaged, or of another version of perfectlook"
            raise CatalogueError(f"{self.location}: {problem}. {REBUILD}")
        if not count:
            return None
        keys = (f"part/{head.get('version')}/{number}" for number in range(count))
        return parsed("".join(rows.get(key, "") for key in keys), "the manifest", self.location, REBUILD)

    def write_manifest(self, document: Payload, *, active: str | None) -> None:
        """Write the document next to the old one, then replace the head row, then change the alias.

        If the collection is active already, the head row switches; otherwise the alias does.
        """
        connection, seconds = self._connection, self._connection.slowly
        parts, version = list(batches(json.dumps(document), PART)), uuid.uuid4().hex
        with self._writing("switching the collection") as client:
            before, old = self.active(), connection.read_rows("head", "part").keys()
            for number, part in enumerate(parts):
                connection.write_rows({f"part/{version}/{number}": str(part)})
            head = {"format": connection.FORMAT, "version": version, "parts": len(parts)}
            connection.write_rows({_head(active): json.dumps(head)})
            change = client.alter_alias if before else client.create_alias
            if active and self._look(active):
                change(self._of(active), self._name, timeout=seconds)
            elif before:
                client.drop_alias(self._name, timeout=seconds)
            connection.delete_rows(old - {_head(active)})

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
        array = {"datatype": DataType.ARRAY, "max_capacity": 4096}
        fields: Fields = {
            "row": {"datatype": DataType.INT64, "is_primary": True, "auto_id": True},
            "id": text,
            "category": text | {"is_partition_key": True},
            "record": text,
            "vector": {"datatype": DataType.FLOAT_VECTOR, "dim": dimension},
            terms.UNDER: text | array | {"element_type": DataType.VARCHAR},
            terms.TRIGRAMS: array | {"element_type": DataType.INT16},
            **{each: text | {"max_length": 4 * terms.LONGEST} for each in terms.COLUMNS.values()},
            **{each: {"datatype": DataType.DOUBLE} for each in terms.NUMBERS},
        }
        vector = {"index_type": settings.index, "metric_type": "L2", "params": BUILD.get(settings.index, {})}
        indexed = ("id", "category", *terms.COLUMNS.values(), *terms.NUMBERS)
        schema = {"enable_dynamic_field": True, "description": settings.index}
        layout: dict[str, Any] = {"num_shards": settings.shards, "num_partitions": settings.partitions}
        layout |= {"properties": {"mmap.enabled": "true"} if settings.mmap else {}}
        indexes, layout["replicas"] = {"vector": vector} | {key: {} for key in indexed}, settings.replicas
        self.lease.check()
        self._connection.make_collection(self._of(name), schema, fields, indexes, **layout)

    def drop_collection(self, name: str) -> None:
        """Remove a collection that is not active."""
        if self.active() == name:
            raise CatalogueError(f"{self.location}: collection '{name}' is active. Switch to another first.")
        self._look(name)
        with self._writing("dropping a collection") as client:
            client.drop_collection(self._of(name), timeout=self._connection.slowly)
        self._known = {each: known for each, known in self._known.items() if each != name}

    def upsert(self, points: Sequence[Point], *, collection: str | None = None) -> None:
        """Add or replace points. All points are checked before the first is sent."""
        self._put(self._named(collection), points)

    def set_payloads(self, payloads: Mapping[str, Payload], *, collection: str | None = None) -> None:
        """Replace payloads: read the points, then write them. `together` keeps other machines from both."""
        name = self._named(collection)
        found = self._read(name, payloads, _WHOLE)
        points = (Point(each.id, each.category, each.vector, payloads[each.id]) for each in found.values())
        self._put(name, list(points), counts=False)

    def delete(self, ids: Iterable[str], *, collection: str | None = None) -> None:
        """Remove points."""
        name = self._named(collection)
        if not (listed := list(ids)):
            return
        with self._changing(name, "deleting products") as client:
            for some in batches(listed, READ_TOGETHER):
                self._delete(client, name, self._rows(name, some))

    def get(self, ids: Iterable[str], *, collection: str | None = None) -> dict[str, Point]:
        """Return points by id."""
        return self._read(self._named(collection), ids, _WHOLE)

    def search(self, queries: Sequence[Query], *, collection: str | None = None) -> list[Hits]:
        """Answer all queries, several at the same time."""
        name = self._named(collection)
        before = self._look(name)
        vectors = check_queries(queries, before.dimension)
        found = list(self._threads.map(partial(self._answer, name), queries, vectors))
        is_settled = before.written > 0 and not before.writers and before == self._look(name, again=True)
        self._last.exact = is_settled and before.kind == "FLAT"
        return found

    def count(self, category: str | None = None, *, collection: str | None = None) -> int:
        """Count points."""
        condition = "" if category is None else terms.one_of("category", [category])
        return int(self._query(self._named(collection), condition, ["count(*)"])[0]["count(*)"])

    def categories(self, *, collection: str | None = None) -> dict[str, int]:
        """Count points by category. The counts are kept until a write ends that may have changed them.

        Milvus has no list of categories, so each query asks for products of those that are not known yet.
        """
        name = self._named(collection)
        before, now = self._look(name), time.monotonic()
        counts, of, until = self._counts.get(name, ({}, -1, now))
        if of == before.counted and now < until and not self.lease.token:
            return dict(counts)
        known: set[str] = set()
        while found := self._query(name, terms.none_of(known), ["category"], READ_TOGETHER):
            known |= {each["category"] for each in found}
        each = self._threads.map(partial(self.count, collection=name), sorted(known))
        counts = {name: count for name, count in zip(sorted(known), each, strict=True) if count}
        is_settled = not before.writers and before == self._look(name, again=True)
        self._counts[name] = counts, before.counted, np.inf if is_settled else now + RECOUNT_SECONDS
        return dict(counts)

    def scroll(
        self, batch: int = 1000, *, collection: str | None = None, vectors: bool = True
    ) -> Iterator[list[Point]]:
        """Yield all points in batches. A point that is replaced meanwhile may be in two of them."""
        yield from self._pages(self._named(collection), "", _WHOLE if vectors else _RECORD, batch)

    @contextmanager
    def hold(self, purpose: str) -> Iterator[None]:
        """Keep others, on all machines, from syncing. Collections that it writes are marked until the end."""
        with self.lease.hold(purpose):
            self.collections()
            self._held = self._known
            self._lately = {"consistency_level": "Customized", "guarantee_timestamp": self._now()}
            yield
            for name in self.collections():
                if self.lease.token in self._known[name].writers:
                    self._mark(name, drop={self.lease.token})

    @contextmanager
    def together(self) -> Iterator[None]:
        """Make live changes one after another, on all machines. Only a sync writes at the same time."""
        seconds = 0 if self.lease.token else self._connection.slowly
        with self._turns, held(self._turn.hold, "a change", seconds) if seconds else nullcontext():
            yield

    def mark_complete(self, collection: str) -> None:
        """Note that a sync has written all products, also those that killed writers have lost."""
        held = self._held.get(collection)
        if held and held.writers:
            self._mark(collection, drop=held.writers)

    def _release(self) -> None:
        self._threads.shutdown()
        self._connection.close()

    def _writing(self, what: str) -> AbstractContextManager[Any]:
        self.lease.check()
        return self._connection.asking(what)

    def _put(self, name: str, points: Sequence[Point], *, counts: bool = True) -> None:
        if not points:
            return
        rows = [self._row(point, self._look(name)) for point in {each.id: each for each in points}.values()]
        with self._changing(name, "writing products", counts=counts) as client:
            for some in batches(rows, WRITTEN_TOGETHER):
                old = self._rows(name, [str(row["id"]) for row in some])
                self.lease.check()
                client.insert(self._of(name), some, timeout=self._connection.slowly)
                self._delete(client, name, old)

    @contextmanager
    def _changing(self, name: str, what: str, *, counts: bool = True) -> Iterator[Any]:
        """Mark a collection while it is written: until the end of the write, or of the sync it belongs to."""
        token = self.lease.token or uuid.uuid4().hex
        if token not in self._look(name).writers:
            self._mark(name, token)
        with self._writing(what) as client:
            yield client
        if token != self.lease.token:
            self._mark(name, drop={token}, counts=counts)

    def _mark(self, name: str, add: str = "", *, drop: Set[str] = frozenset(), counts: bool = True) -> None:
        """Add a mark to a collection, or drop marks. If some are dropped, a write has ended."""
        seconds = self._connection.slowly
        with self._marking, self._writing("marking a collection") as client:
            properties = {WRITERS: " ".join(self._look(name, again=True).writers - drop | {add})}
            if drop:
                now = str(self._now())
                properties |= {WRITTEN: now} | ({COUNTED: now} if counts else {})
            for _ in range(2):  # Milvus 2.3 stores what was before a change: only the next change stores it
                client.alter_collection_properties(self._of(name), properties, timeout=seconds)
            self._look(name, again=True)

    def _of(self, name: str) -> str:
        return f"{self._name}__{name.replace('-', '_')}"

    def _learn(self, full: str) -> str | None:
        """Read what is known of a collection, by its name on the server or the alias. Return its own name."""
        if (found := self._connection.describe(full)) is None:
            return None
        dimension = next(each["params"]["dim"] for each in found["fields"] if each["name"] == "vector")
        of: dict[str, str] = found.get("properties", {})
        ended = int(of.get(WRITTEN, 0)), int(of.get(COUNTED, 0))
        known = _Collection(dimension, found["description"], *ended, frozenset(of.get(WRITERS, "").split()))
        name = str(found["collection_name"]).removeprefix(self._of("")).replace("_", "-")
        self._known = {**self._known, name: known}  # other threads may be reading the old one
        return name

    def _look(self, name: str, *, again: bool = False) -> _Collection:
        """Return what is known of a collection. `active` and `again` update it."""
        if (again or name not in self._known) and self._learn(self._of(name)) is None:
            raise CatalogueError(f"{self.location}: no collection '{name}'. Open the catalogue again.")
        return self._known[name]

    def _named(self, collection: str | None) -> str:
        """Return the name of a collection, by default of the active one."""
        if (name := self.active() if collection is None else collection) is None:
            remedy = "Run `perfectlook catalogue sync`, and let it finish."
            raise CatalogueError(f"{self.location}: no finished sync. {remedy}")
        return name

    def _now(self) -> int:
        """Return the server's time. The client itself has no method for it."""
        with self._connection.asking("reading the server's time") as client:
            return int(client._get_connection().alloc_timestamp(timeout=self._connection.timeout))

    def _reading(self, name: str) -> dict[str, Any]:
        """Return the options of a read: which writes it waits for, and how long it may take.

        It sees the last write that has ended; under the lease, every write.
        """
        written, seconds = self._look(name).written, self._connection.timeout
        level = "Strong" if self.lease.token else "Customized" if written else "Bounded"
        return {"consistency_level": level, "guarantee_timestamp": written, "timeout": seconds}

    def _query(self, name: str, where: str, columns: list[str], limit: int = 0, **more: Any) -> list[Options]:
        options = self._reading(name) | {"output_fields": columns, "limit": limit or None} | more
        with self._connection.asking("reading products") as client:
            return list(client.query(self._of(name), where, **options))

    def _rows(self, name: str, ids: Iterable[str]) -> list[int]:
        """Return the keys of the rows of products. Under the lease, it does not wait for its own writes."""
        lately = self._lately if self.lease.token else {}
        return [row["row"] for row in self._query(name, terms.one_of("id", ids), ["row"], **lately)]

    def _read(self, name: str, ids: Iterable[str], columns: list[str]) -> dict[str, Point]:
        """Return the points that exist, by id."""
        parts = batches(list(dict.fromkeys(ids)), READ_TOGETHER)
        pages = (self._query(name, terms.one_of("id", some), columns) for some in parts)
        return {id_: self._point(row) for page in pages for id_, row in _latest(page).items()}

    def _pages(self, name: str, where: str, columns: list[str], size: int) -> Iterator[list[Point]]:
        """Yield all points that match, in the order of rows: a query with a limit returns the lowest.

        Under the lease, earlier rows of the same id are deleted at the end: a killed writer has left them.
        """
        last, seen, copies = -1, dict[str, int](), list[int]()
        while found := self._query(name, terms.all_of([where, f"row > {last}"]), columns, size):
            yield [self._point(row) for row in _latest(found).values()]
            for row in sorted(found, key=itemgetter("row")) if self.lease.token else ():
                copies += [seen[row["id"]]] if row["id"] in seen else []
                seen[row["id"]] = row["row"]
            last = max(row["row"] for row in found)
        if copies:
            with self._changing(name, "deleting copies") as client:
                self._delete(client, name, copies)

    def _delete(self, client: Any, name: str, rows: Sequence[int]) -> None:
        self.lease.check()
        if rows:
            client.delete(self._of(name), filter=f"row in {rows}", timeout=self._connection.slowly)

    def _answer(self, name: str, query: Query, vector: Float32Array) -> Hits:
        """Answer a query. Ask for more points while those that the server did not return may be among the k.

        The distances of the server select the candidates. The distances in the answer are computed here.
        """
        within = "" if query.categories is None else terms.one_of("category", query.categories)
        condition = terms.all_of([within, terms.compile_filter(query.where) if query.where else ""])
        known = self._look(name)
        limit, rounding = query.k + MORE, max(1e-5, known.dimension * 1.2e-7)  # of sums in float32
        while limit < MOST:
            wider = {each: max(self.settings.candidates, limit) for each in SEARCH.get(known.kind, ())}
            search = {"metric_type": "L2", "params": wider}
            options = {"output_fields": _WHOLE, "search_params": search} | self._reading(name)
            with self._connection.asking("searching") as client:
                (found,) = client.search(self._of(name), [vector], condition, limit, **options)
            points = map(self._point, _latest(hit["entity"] for hit in found).values())
            near = Hits.nearest(query, vector, points)
            last = np.sqrt(max(0.0, found[-1]["distance"])) if len(found) == limit else np.inf
            if last == np.inf or (len(near) == query.k and last > near.distances[-1] * (1 + rounding)):
                return near
            limit *= 4
        near = Hits.of([], [])  # Milvus does not return as many: read all, and the vectors of matches
        for page in self._pages(name, condition, _RECORD, READ_TOGETHER):
            some = self._read(name, (point.id for point in page if query.wants(point)), _WHOLE)
            near = Hits.nearest(query, vector, ({each.id: each for each in near.products} | some).values())
        return near

    def _row(self, point: Point, known: _Collection) -> dict[str, object]:
        """Return a point as Milvus stores it. Long records are compressed."""
        if len(text := json.dumps(point.payload)) > LONGEST_TEXT:
            text = _COMPRESSED + base64.b64encode(zlib.compress(text.encode())).decode()
        if len(text) > LONGEST_TEXT:
            raise UsageError(f"{point.id}: the record is longer than Milvus stores. Shorten its fields.")
        vector = check_vector(point.id, point.vector, known.dimension)
        entries = terms.filter_entries(point.category, fields_of(point.payload))
        return {"id": point.id, "category": point.category, "vector": vector, "record": text, **entries}

    def _point(self, row: Mapping[str, Any]) -> Point:
        id_, text = str(row["id"]), str(row["record"])
        if text.startswith(_COMPRESSED):
            text = zlib.decompress(base64.b64decode(text.removeprefix(_COMPRESSED))).decode("ascii")
        known = parsed(text, f"the record of product '{id_}'", self.location, REBUILD)
        return Point(id_, str(row["category"]), np.array(row.get("vector", ()), np.float32), known)


def _latest(rows: Iterable[Options]) -> dict[str, Options]:
    """Return the latest row of each id. A product has several while it is replaced, or if a writer died."""
    return {row["id"]: row for row in sorted(rows, key=itemgetter("row"))}


def _head(collection: str | None) -> str:
    return f"head/{collection or ''}"
