"""Vectors in a Parquet file. One machine computes them, and another syncs them into a catalogue.

Each row is a product: `id`, `category`, `title`, `picture`, `record` (everything that the catalogue stores
about it, as JSON) and `vector` (float32 [d]). The file's metadata has the entry `perfectlook` with the model,
the backbone and the centres of the vectors.
"""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, Self

import numpy as np
from pydantic import TypeAdapter

from perfectlook.catalogue.manifest import CatalogueManifest, Generation, ModelIdentity, Record, record_hash
from perfectlook.errors import CatalogueError
from perfectlook.feeds.fields import FeedProblem, clean_texts, left_out, unusable_id
from perfectlook.feeds.readers import SUSPICIOUS_BYTES, SUSPICIOUS_RATIO, check_packing, import_pyarrow
from perfectlook.files import write_file
from perfectlook.stores import Point
from perfectlook.taxonomy import normalise
from perfectlook.texts import clean_line
from perfectlook.types import Float32Array, Problem, Product

FORMAT = 1
EMBED_AGAIN = "Make it again with `perfectlook embed`."
METADATA = b"perfectlook"
ROWS = 512
"""How many products are read together."""

_RECORDS = TypeAdapter(Record)
"""It checks records strictly: who edited a file could write any value."""


class VectorFile:
    """A file of vectors, as a source for a sync that does not read pictures or compute vectors."""

    def __init__(
        self, path: Path, generation: Generation, dimension: int, count: int, roots: Sequence[Path] | None
    ) -> None:
        """Describe a file. Use `VectorFile.open` to open one."""
        self._roots = None if roots is None else tuple(each.resolve() for each in (path.parent, *roots))
        self.path = path
        self.name = str(path)
        self.generation = generation
        self.dimension = dimension
        self.count = count
        self.problems: list[Problem] = []
        self.unavailable: frozenset[str] | None = frozenset()

    @classmethod
    def open(cls, path: Path, roots: Sequence[Path] | None = ()) -> Self | None:
        """Open a file that `write_vectors` has written. Return None if there is no such file.

        Pictures outside the file's folder and the folders `roots` are left out: who edited the file could
        name any file of this machine. With None, pictures may be anywhere.

        Raises:
            MissingExtraError: pyarrow is not installed.
            CatalogueError: the file has another format or is damaged.
            FeedError: the file unpacks to too much.
        """
        if path.suffix.lower() != ".parquet" or not path.is_file():
            return None
        with _opened(path) as file:
            text = (file.schema_arrow.metadata or {}).get(METADATA)
            if text is None:
                return None
            try:
                document = dict(json.loads(text))
            except (TypeError, ValueError, RecursionError) as error:
                raise _damaged(path, "metadata that is not JSON") from error
            if document.get("format") != FORMAT:
                what = f"has format {document.get('format')}, but this version reads format {FORMAT}"
                raise CatalogueError(f"{path}: {what}. Upgrade perfectlook.")
            made, dimension = document.get("made"), document.get("dimension")
            if not (isinstance(made, dict) and isinstance(dimension, int) and dimension > 0):
                raise _damaged(path, "metadata without a model")
            generation = CatalogueManifest.from_document(made, str(path), EMBED_AGAIN).active
            if generation is None:
                raise _damaged(path, "metadata without a model")
            centres = [
                each for each in (*generation.centres.values(), generation.overall) if each is not None
            ]
            if len({each.shape for each in centres}) > 1 or not all(
                np.isfinite(each).all() for each in centres
            ):
                raise _damaged(path, "centres that are not finite, or of different sizes")
            check_packing(path, file.metadata, [False] * file.metadata.num_columns, sys.maxsize)
            types = {field.name: field.type for field in file.schema_arrow}
            for field in _schema(dimension):
                if types.get(field.name) != field.type:
                    raise _damaged(path, f"no column '{field.name}' of the type {field.type}")
            return cls(path, generation, dimension, file.metadata.num_rows, roots)

    def check(self, model: ModelIdentity) -> None:
        """Raise CatalogueError unless this model made the vectors, on this backbone."""
        if self.generation.model != model:
            raise CatalogueError(
                f"{self.path}: made with model {self.generation.model}, but the model given is {model}. Sync "
                "with the file's model, or make the file again with `perfectlook embed`."
            )

    def has_centres_of(self, generation: Generation) -> bool:
        """Whether both use the same centres, so that their vectors can be in one collection.

        Categories that only one of them has do not matter.
        """
        both = self.generation.centres.keys() & generation.centres.keys()
        return all(np.array_equal(self.generation.centres[c], generation.centres[c]) for c in both)

    def records(self) -> Iterator[tuple[str, Record]]:
        """Yield the id and the record of every product. Duplicate ids are problems."""
        self.problems = []
        seen: set[str] = set()
        left = max(SUSPICIOUS_BYTES, SUSPICIOUS_RATIO * self.path.stat().st_size)
        for row in self._rows("id", "category", "record"):
            id_ = row["id"]
            left -= len(row["record"] or "")
            if left < 0:
                raise _damaged(self.path, "records that unpack to too much")
            if id_ in seen:
                reason = "the id occurs twice; the first one is used. Remove one of the two."
                self.problems.append(Problem(self.name, id_, reason))
                continue
            seen.add(id_)
            if unusable := unusable_id(id_) or _unusable_category(row["category"]):
                self.problems.append(Problem(self.name, "?", unusable, FeedProblem.UNUSABLE_ID))
                continue
            try:
                read = _RECORDS.validate_json(row["record"] or "", strict=True)
                record = self._cleaned(id_, replace(read, category=row["category"]))
            except ValueError as error:
                raise _damaged(self.path, f"record of product '{id_}' that cannot be read") from error
            if not self._may_show(record.picture):
                reason = (
                    f"the picture {record.picture} is left out: it is outside the folder of the file. "
                    "Move the file next to the pictures, or pass --allow-outside."
                )
                self.problems.append(Problem(self.name, id_, reason, FeedProblem.UNUSABLE_FIELD))
                hashed = record_hash(record.title, "", record.fields)
                record = replace(record, picture="", record_sha256=hashed)
            yield id_, record

    def _cleaned(self, id_: str, record: Record) -> Record:
        """Return a record with texts as a feed gives them. Links that are left out are problems."""
        fields, title = dict(record.fields), clean_line(record.title or "") or None
        for each in clean_texts(fields):
            self.problems.append(Problem(self.name, id_, left_out(*each), each[0]))
        if title == record.title and fields == record.fields:
            return record
        hashed = record_hash(title, record.picture, fields)
        return replace(record, title=title, fields=fields, record_sha256=hashed)

    def _may_show(self, picture: object) -> bool:
        if not isinstance(picture, str) or "\0" in picture:
            return False
        place = Path(picture)
        return self._roots is None or any(place.resolve().is_relative_to(root) for root in self._roots)

    def products(self) -> Iterator[Product]:
        """Yield the products, as other sources do."""
        for id_, record in self.records():
            yield Product(id_, record.category, Path(record.picture), record.title, dict(record.fields))

    def extract(self, _: Mapping[str, Record], **__: object) -> dict[str, str]:
        """Extract nothing, because the file has the vectors. Return no failures."""
        return {}

    def centres(self, items: Mapping[str, Record], known: Generation) -> Generation:
        """Return the generation with the file's centres of the products' categories added."""
        new = {item.category for item in items.values()} - known.centres.keys()
        if not new or self.generation.overall is None:
            return known
        if missing := sorted(new - self.generation.centres.keys()):
            raise _damaged(self.path, f"no centre of the category '{missing[0]}'")
        return known.with_centres(
            {name: self.generation.centres[name] for name in new}, self.generation.overall
        )

    def points(self, items: Mapping[str, Record], _: Generation) -> Iterator[list[Point]]:
        """Yield the products as points, in batches."""
        left = dict(items)
        found = (
            Point(row["id"], record.category, self._vector(row), record.payload())
            for row in self._rows("id", "vector")
            if (record := left.pop(row["id"], None))
        )
        while batch := list(islice(found, ROWS)):
            yield batch

    def _vector(self, row: dict[str, Any]) -> Float32Array:
        vector = np.array(row["vector"] or (), np.float32)
        if len(vector) != self.dimension or not np.isfinite(vector).all():
            raise _damaged(self.path, f"vector of product '{row['id']}' that cannot be read")
        return vector

    def _rows(self, *columns: str) -> Iterator[dict[str, Any]]:
        """Yield the rows one by one. Texts that the file repeats are in memory once."""
        with _opened(self.path, read_dictionary=[name for name in columns if name != "vector"]) as file:
            for batch in file.iter_batches(ROWS, columns=list(columns)):
                values = {name: batch.column(name) for name in columns}
                for row in range(batch.num_rows):
                    yield {name: column[row].as_py() for name, column in values.items()}


def write_vectors(path: Path, generation: Generation, dimension: int, points: Iterable[list[Point]]) -> None:
    """Write products to a file of vectors. The file appears when it is complete.

    Raises:
        MissingExtraError: pyarrow is not installed.
        CatalogueError: the file cannot be written.
    """
    _, pq = import_pyarrow("Parquet")
    document = {
        "format": FORMAT,
        "dimension": dimension,
        "made": CatalogueManifest(replace(generation, collection=""), None, 0).document(),
    }
    schema = _schema(dimension).with_metadata({METADATA: json.dumps(document)})

    def write(unfinished: Path) -> None:
        with pq.ParquetWriter(unfinished, schema, compression="zstd") as writer:
            for batch in points:
                writer.write_batch(_record_batch(batch, schema))

    write_file(path, write, error=CatalogueError)


def _schema(dimension: int) -> Any:
    pa, _ = import_pyarrow("Parquet")
    texts = {name: pa.string() for name in ("id", "category", "title", "picture", "record")}
    return pa.schema({**texts, "vector": pa.list_(pa.float32(), dimension)})


def _record_batch(points: list[Point], schema: Any) -> Any:
    pa, _ = import_pyarrow("Parquet")
    vectors = pa.array(np.concatenate([point.vector for point in points]), pa.float32())
    columns = {
        "id": [point.id for point in points],
        "category": [point.category for point in points],
        "title": [point.payload.get("title") for point in points],
        "picture": [point.payload.get("picture") for point in points],
        "record": [json.dumps(point.payload, ensure_ascii=False) for point in points],
        "vector": pa.FixedSizeListArray.from_arrays(vectors, schema.field("vector").type.list_size),
    }
    return pa.record_batch(columns, schema=schema)


@contextmanager
def _opened(path: Path, **options: Any) -> Iterator[Any]:
    pa, pq = import_pyarrow("Parquet")
    try:
        with pq.ParquetFile(path, thrift_string_size_limit=2**31 - 1, **options) as file:
            yield file
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        again = "If it is a feed, export it again; if it is from `perfectlook embed`, run that again."
        raise CatalogueError(f"{path}: damaged ({error}). {again}") from error


def _unusable_category(category: str) -> str | None:
    is_usable = category and normalise(category) == category
    return None if is_usable else f"its category {category!r} is not in normal form. {EMBED_AGAIN}"


def _damaged(path: Path, reason: str) -> CatalogueError:
    return CatalogueError(f"{path}: damaged ({reason}). {EMBED_AGAIN}")
