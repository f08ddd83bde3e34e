"""Checksums of the vectors and the records in an embedded store: damage is noticed when they are read.

Rows that earlier versions have written have no checksum, and are not checked.
"""

import zlib

import numpy as np
from numpy.typing import NDArray

from perfectlook.types import IntArray


class Damage(Exception):  # noqa: N818  (it becomes a CatalogueError, with the place and the remedy)
    """What the database holds is not what was written."""


def vector_checks(vectors: bytes, dimension: int, categories: IntArray) -> NDArray[np.uint64]:
    """Return the checksums [n] of vectors [n, dimension] in categories [n]: the sums of their words."""
    words = np.frombuffer(vectors, "<u4").reshape(-1, dimension)
    sums: NDArray[np.uint64] = words.sum(axis=1, dtype=np.uint64)
    return sums + categories.astype(np.uint64) * np.uint64(0x9E3779B1)


def check_vector(name: str, category: object, vector: object, check: int | None) -> None:
    """Raise Damage if a vector, or the number of its category, is not what was written."""
    if check is None:
        return
    if isinstance(vector, bytes) and isinstance(category, int) and len(vector) % 4 == 0:
        found = vector_checks(vector, len(vector) // 4, np.array([category]))
        if len(vector) and int(found[0]) == check:
            return
    raise Damage(f"the vector of {name}")


def record_check(id_: str, category: str, payload: str) -> int:
    """Return the checksum of a record."""
    return zlib.crc32(f"{id_}\0{category}\0{payload}".encode("utf-8", "surrogatepass"))


def check_record(id_: str, category: str, payload: str, check: int | None) -> None:
    """Raise Damage if a record is not what was written. Records of earlier versions have no checksum."""
    if check is not None and record_check(id_, category, payload) != check:
        raise Damage(f"the record of product '{id_}'")
