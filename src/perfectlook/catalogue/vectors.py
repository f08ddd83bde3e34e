"""Vectors in a Parquet file: made where the processors are, taken into a catalogue where the store is.

A row is a product: `id`, `category`, `title`, `picture`, `record` (all that the catalogue keeps of it, as
JSON) and `vector` (float32 [d]). The file's metadata says under `perfectlook` which model made the vectors,
from which backbone, and around which centres.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from perfectlook.catalogue.manifest import CatalogueManifest, Generation, ModelIdentity, Record
from perfectlook.errors import CatalogueError
from perfectlook.feeds.readers import import_pyarrow
from perfectlook.files import write_file
from perfectlook.stores import Point
from perfectlook.types import Problem, Product

FORMAT = 1
METADATA = b"perfectlook"
ROWS = 512
"""Products that are read, and given on, together."""


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
    def open(cls, path: Path) -> Self | None:
        """Open a file that `write_vectors` has written; None if there is none, or the file is something else.

        Raises:
            MissingExtraError: pyarrow is not installed.
            CatalogueError: the file is of a newer format, or damaged.
        """
        if path.suffix.lower() != ".parquet" or not path.is_file():
            return None
        with _opened(path) as file:
            text = (file.schema_arrow.metadata or {}).get(METADATA)
            if text is None:
                return None
            try:
                document = dict(json.loads(text))
            except (TypeError, ValueError) as error:
                raise _damaged(path, "its metadata is not readable") from error
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
        for rows in self._batches("id", "category", "record"):
            for row in rows:
                id_ = row["id"]
                if id_ in seen:
                    self.problems.append(Problem(self.name, id_, "comes twice; the first one counts"))
                    continue
                seen.add(id_)
                try:
                    payload = json.loads(row["record"])
                except (TypeError, ValueError) as error:
                    raise _damaged(self.path, f"the record of product '{id_}' is not readable") from error
                yield id_, Record.from_payload(id_, payload, row["category"])

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
        left = dict(items)
        for rows in self._batches("id", "vector"):
            found = [(row, record) for row in rows if (record := left.pop(row["id"], None))]
            if found:
                yield [
                    Point(row["id"], record.category, np.array(row["vector"], np.float32), record.payload())
                    for row, record in found
                ]

    def _batches(self, *columns: str) -> Iterator[list[dict[str, Any]]]:
        with _opened(self.path) as file:
            for batch in file.iter_batches(ROWS, columns=list(columns)):
                yield batch.to_pylist()


def write_vectors(path: Path, generation: Generation, dimension: int, points: Iterable[list[Point]]) -> None:
    """Write products as a file of vectors, which appears when it is whole.

    Raises:
        MissingExtraError: pyarrow is not installed.
        CatalogueError: the file cannot be written.
    """
    pa, pq = import_pyarrow("Parquet")
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

    def write(unfinished: Path) -> None:
        with pq.ParquetWriter(unfinished, schema, compression="zstd") as writer:
            for batch in points:
                writer.write_batch(_record_batch(batch, schema))

    write_file(path, write, error=CatalogueError)


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
def _opened(path: Path) -> Iterator[Any]:
    pa, pq = import_pyarrow("Parquet")
    try:
        with pq.ParquetFile(path, thrift_string_size_limit=2**31 - 1) as file:
            yield file
    except (OSError, pa.ArrowInvalid) as error:
        raise _damaged(path, str(error)) from error


def _damaged(path: Path, reason: str) -> CatalogueError:
    return CatalogueError(f"{path}: is damaged ({reason}); make it again with `perfectlook embed`")
