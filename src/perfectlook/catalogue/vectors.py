"""Vectors in a Parquet file: made where the processors are, taken into a catalogue where the store is.

A row is a product: `id`, `category`, `title`, `picture`, `record` (all that the catalogue keeps of it, as
JSON) and `vector` (float32 [d]). The file's metadata says under `perfectlook` which model made the vectors,
from which backbone, and around which centres.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from perfectlook.catalogue.manifest import CatalogueManifest, Generation, ModelIdentity, Record
from perfectlook.errors import CatalogueError, MissingExtraError
from perfectlook.files import write_file
from perfectlook.stores import Point
from perfectlook.types import Problem, Product

FORMAT = 1
METADATA = b"perfectlook"
ROWS_PER_GROUP = 8192
_COLUMNS = ["id", "category", "record"]


class VectorFile:
    """A file of vectors, as a source of products for a sync that has neither to see nor to embed them."""

    def __init__(self, path: Path, generation: Generation, dimension: int, count: int) -> None:
        """Describe a file; `VectorFile.open` is the way in."""
        self.path = path
        self.name = str(path)
        self.generation = generation
        self.dimension = dimension
        self.count = count
        self.problems: list[Problem] = []
        self.unavailable: frozenset[str] | None = frozenset()

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a file that `write_vectors` has written.

        Raises:
            MissingExtraError: pyarrow is not installed.
            CatalogueError: it is no such file, of a newer format, or damaged.
        """
        with _opened(path) as file:
            document = _document(file, path)
            if document is None:
                raise CatalogueError(
                    f"{path}: is a Parquet file, but not of vectors that `perfectlook embed` wrote"
                )
            if document.get("format") != FORMAT:
                raise CatalogueError(
                    f"{path}: is of format {document.get('format')}, and this version reads {FORMAT}; "
                    "upgrade perfectlook"
                )
            generation = CatalogueManifest.from_document(document.get("made"), str(path)).active
            if generation is None or not isinstance(document.get("dimension"), int):
                raise _damaged(path, "its metadata names no model")
            return cls(path, generation, document["dimension"], file.metadata.num_rows)

    def check(self, model: ModelIdentity) -> None:
        """Raise CatalogueError, naming both, unless the vectors are of this model on this backbone."""
        if self.generation.model != model:
            raise CatalogueError(
                f"{self.path} holds the vectors of model {self.generation.model}, not of {model}; sync with "
                "that model, or run `perfectlook embed` with this one"
            )

    def has_centres_of(self, generation: Generation) -> bool:
        """Whether both are around the same centres, so that their vectors may lie side by side.

        Either may have centres of categories that the other has not.
        """
        both = self.generation.centres.keys() & generation.centres.keys()
        return all(np.array_equal(self.generation.centres[c], generation.centres[c]) for c in both)

    def records(self) -> Iterator[tuple[str, Record]]:
        """Yield the id and the record of every product; ids that come again are problems."""
        self.problems = []
        seen: set[str] = set()
        for row in self._rows(_COLUMNS):
            if row["id"] in seen:
                self.problems.append(Problem(self.name, row["id"], "comes twice; the first one counts"))
            else:
                seen.add(row["id"])
                yield row["id"], self._record(row)

    def products(self) -> Iterator[Product]:
        """Yield the products as any source does, for anyone who wants to look at their pictures again."""
        for id_, record in self.records():
            yield Product(id_, record.category, Path(record.picture), record.title, dict(record.fields))

    def extract(self, _: Mapping[str, Record], **__: object) -> dict[str, str]:
        """There is nothing to extract, and nothing fails."""
        return {}

    def centres(self, items: Mapping[str, Record], known: Generation) -> Generation:
        """Return the generation with the file's centres of those categories that it lacks."""
        new = {item.category for item in items.values()} - known.centres.keys()
        if not new or self.generation.overall is None:
            return known
        return known.with_centres(
            {name: self.generation.centres[name] for name in sorted(new)}, self.generation.overall
        )

    def points(self, items: Mapping[str, Record], _: Generation) -> Iterator[list[Point]]:
        """Yield the products as points, in batches."""
        batch: list[Point] = []
        given: set[str] = set()
        for row in self._rows(["id", "vector"]):
            id_ = row["id"]
            if id_ in items and id_ not in given:
                given.add(id_)
                record = items[id_]
                vector = np.array(row["vector"], np.float32)
                batch.append(Point(id_, record.category, vector, record.payload()))
            if len(batch) == 512:
                yield batch
                batch = []
        if batch:
            yield batch

    def _rows(self, columns: Collection[str]) -> Iterator[dict[str, Any]]:
        with _opened(self.path) as file:
            for batch in file.iter_batches(ROWS_PER_GROUP, columns=list(columns)):
                yield from batch.to_pylist()

    def _record(self, row: Mapping[str, Any]) -> Record:
        try:
            payload = json.loads(row["record"])
        except (TypeError, ValueError) as error:
            raise _damaged(self.path, f"the record of product '{row['id']}' is not readable") from error
        return Record.from_payload(row["id"], payload, row["category"])


def is_vector_file(path: Path) -> bool:
    """Whether a file is of vectors, and not a feed or something else in Parquet, or no Parquet at all."""
    if path.suffix.lower() != ".parquet" or not path.is_file():
        return False
    with _opened(path) as file:
        return _document(file, path) is not None


def write_vectors(path: Path, generation: Generation, dimension: int, points: Iterable[list[Point]]) -> int:
    """Write products as a file of vectors; returns how many. The file appears when it is whole.

    Raises:
        MissingExtraError: pyarrow is not installed.
        CatalogueError: the file cannot be written.
    """
    pa, pq = _pyarrow()
    document = {
        "format": FORMAT,
        "dimension": dimension,
        "made": CatalogueManifest(replace(generation, collection=""), None, 0).document(),
    }
    schema = pa.schema(
        {
            **{name: pa.string() for name in ("id", "category", "title", "picture", "record")},
            "vector": pa.list_(pa.float32(), dimension),
        },
        metadata={METADATA: json.dumps(document)},
    )
    count = 0

    def write(unfinished: Path) -> None:
        nonlocal count
        with pq.ParquetWriter(unfinished, schema, compression="zstd") as writer:
            for batch in points:
                writer.write_batch(_record_batch(batch, schema))
                count += len(batch)

    write_file(path, write, error=CatalogueError)
    return count


def _record_batch(points: list[Point], schema: Any) -> Any:
    pa, _ = _pyarrow()
    vectors = pa.array(np.concatenate([point.vector for point in points]), pa.float32())
    texts = {
        "id": [point.id for point in points],
        "category": [point.category for point in points],
        "title": [point.payload.get("title") for point in points],
        "picture": [point.payload.get("picture") for point in points],
        "record": [json.dumps(point.payload, ensure_ascii=False) for point in points],
    }
    columns = [pa.array(values, pa.string()) for values in texts.values()]
    fixed = pa.FixedSizeListArray.from_arrays(vectors, schema.field("vector").type.list_size)
    return pa.record_batch([*columns, fixed], schema=schema)


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtraError("Parquet", "parquet") from error
    return pa, pq


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    pa, pq = _pyarrow()
    try:
        file = pq.ParquetFile(path, thrift_string_size_limit=2**31 - 1)
    except FileNotFoundError as error:
        raise CatalogueError(f"{path}: no such file; make it with `perfectlook embed`") from error
    except (OSError, pa.ArrowInvalid) as error:
        raise _damaged(path, str(error)) from error
    with file:
        try:
            yield file
        except (OSError, pa.ArrowInvalid) as error:
            raise _damaged(path, str(error)) from error


def _document(file: Any, path: Path) -> dict[str, Any] | None:
    text = (file.schema_arrow.metadata or {}).get(METADATA)
    if text is None:
        return None
    try:
        document = json.loads(text)
    except ValueError as error:
        raise _damaged(path, "its metadata is not readable") from error
    return document if isinstance(document, dict) else {}


def _damaged(path: Path, reason: str) -> CatalogueError:
    return CatalogueError(f"{path}: is damaged ({reason}); make it again with `perfectlook embed`")
