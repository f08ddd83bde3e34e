"""Fingerprints of pictures: the hash of the bytes, the size, and a difference hash that finds copies."""

import hashlib
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from perfectlook import colours
from perfectlook.errors import FeatureError, PictureError
from perfectlook.files import cache_folder, worker_count
from perfectlook.images import dhash, open_picture
from perfectlook.progress import Progress
from perfectlook.types import ByteArray, Float32Array

BATCH = 256
"""Pictures per transaction. An interrupted run loses at most this many."""

BLOCK = 2048
"""Hashes in each of the two blocks that are compared. This limits the memory to about 50 MB."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """SHA-256 of the bytes in hex, upright size in pixels, 256-bit difference hash, and colours."""

    sha256: str
    width: int
    height: int
    dhash: bytes
    colours: str = ""


def fingerprints(
    pictures: Iterable[Path],
    *,
    cache: Path | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> tuple[dict[Path, Fingerprint], dict[Path, str]]:
    """Return the fingerprints of the readable pictures, and the reasons why the others cannot be read.

    Fingerprints are cached in an SQLite file by absolute path, size and time of change, so a picture is
    opened once. Failures are not cached: a permission or a missing library can be fixed without a change of
    the file.

    Args:
        pictures: the files. Repeated files are read once.
        cache: the SQLite file, by default `fingerprints.sqlite` in the cache folder.
        workers: the number of threads that read and decode. Pillow and hashlib release the interpreter lock.
        progress: called with the number of pictures done, in total, and failed.

    Raises:
        FeatureError: the cache cannot be written.
    """
    paths = list(dict.fromkeys(pictures))

    def read(store: sqlite3.Connection) -> tuple[dict[Path, Fingerprint], dict[Path, str]]:
        found: dict[Path, Fingerprint] = {}
        failed: dict[Path, str] = {}
        pool = ThreadPoolExecutor(workers or worker_count())
        try:
            for start in range(0, len(paths), BATCH):
                batch = paths[start : start + BATCH]
                stamps = {path: _stamp(path) for path in batch}
                for path, stamp in stamps.items():
                    if stamp and (row := store.execute(_LOOK_UP, stamp).fetchone()):
                        found[path] = Fingerprint(*row)
                missing = [path for path in batch if path not in found]
                fresh: list[tuple[object, ...]] = []
                for path, result in zip(missing, pool.map(_read, missing), strict=True):
                    if isinstance(result, str):
                        failed[path] = result
                    else:
                        found[path] = result
                        fresh += [(*stamp, *astuple(result))] if (stamp := stamps[path]) else []
                with store:
                    store.executemany("INSERT OR REPLACE INTO fingerprints_2 VALUES (?,?,?,?,?,?,?,?)", fresh)
                if progress:
                    progress(start + len(batch), len(paths), len(failed))
        finally:
            pool.shutdown(cancel_futures=True)
        return found, failed

    return _with_cache(cache, read)


def forget(pictures: Iterable[Path], *, cache: Path | None = None) -> None:
    """Remove the cached fingerprints of pictures whose content changed but not their size and time.

    Raises:
        FeatureError: the cache cannot be written.
    """
    rows = [(os.fsencode(path.absolute()),) for path in pictures]

    def drop(store: sqlite3.Connection) -> None:
        with store:
            store.executemany("DELETE FROM fingerprints_2 WHERE path = ?", rows)

    if rows:
        _with_cache(cache, drop)


def within(hashes: ByteArray, bits: int) -> list[tuple[int, int]]:
    """Return all pairs of rows (i < j, sorted) of uint8 [n, bytes] with a Hamming distance of at most `bits`.

    The result is exact. Rows are sorted by their number of set bits. The numbers of two rows in a pair differ
    by at most `bits`, so each block is compared with its neighbours only.
    """
    ones = np.bitwise_count(hashes).sum(axis=1, dtype=np.int64)
    order = np.argsort(ones, kind="stable")
    ones, rows = ones[order], hashes[order]
    found: list[tuple[int, int]] = []
    for start in range(0, len(rows), BLOCK):
        left = slice(start, min(start + BLOCK, len(rows)))
        last = int(np.searchsorted(ones, ones[left.stop - 1] + bits, side="right"))
        left_bits = _unpacked(rows[left])
        for column in range(start, last, BLOCK):
            right = slice(column, min(column + BLOCK, last))
            # |x ⊕ y| = |x| + |y| - 2 x·y: whole numbers below 2²⁴, which float32 holds exactly
            common = left_bits @ _unpacked(rows[right]).T
            i, j = np.nonzero(ones[left, None] + ones[None, right] - 2 * common <= bits)
            pairs = np.stack([order[i + start], order[j + column]], axis=1)[i + start < j + column]
            found.extend((int(a), int(b)) for a, b in np.sort(pairs, axis=1))
    return sorted(found)


def groups_within(hashes: ByteArray, bits: int) -> list[list[int]]:
    """Return groups of two or more rows of uint8 [n, bytes], connected by steps of at most `bits` bits.

    Rows are in ascending order in every group, and groups are in the order of their first rows. Equal rows
    are compared once, so a placeholder picture of thousands of products has no extra cost.
    """
    distinct, place = np.unique(hashes, axis=0, return_inverse=True)
    root = list(range(len(distinct)))

    def root_of(row: int) -> int:
        while root[row] != row:
            root[row] = root[root[row]]
            row = root[row]
        return row

    for one, other in within(distinct, bits):
        root[root_of(one)] = root_of(other)
    members: dict[int, list[int]] = {}
    for row, unique_row in enumerate(place.reshape(-1).tolist()):
        members.setdefault(root_of(unique_row), []).append(row)
    return [group for group in members.values() if len(group) > 1]


def hashes_of(prints: Sequence[Fingerprint]) -> ByteArray:
    """Return the difference hashes of fingerprints as one array, uint8 [n, 32]."""
    return np.frombuffer(b"".join(each.dhash for each in prints), dtype=np.uint8).reshape(-1, 32)


def _unpacked(rows: ByteArray) -> Float32Array:
    return np.unpackbits(rows, axis=1).astype(np.float32)


def _read(path: Path) -> Fingerprint | str:
    """Return the fingerprint of a picture, or the reason why it cannot be read."""
    try:
        picture = open_picture(path)
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except (PictureError, OSError) as error:
        return str(error).removeprefix(f"{path}: ")
    found = colours.write(colours.swatches(picture, product=True))
    return Fingerprint(digest, picture.width, picture.height, dhash(picture).tobytes(), found)


_SCHEMA = """
CREATE TABLE IF NOT EXISTS fingerprints_2 (
    path BLOB PRIMARY KEY, size INTEGER, changed_ns INTEGER,
    sha256 TEXT, width INTEGER, height INTEGER, dhash BLOB, colours TEXT
) WITHOUT ROWID
"""
# Raise the number in the name of the table when the definition of a fingerprint changes.
_LOOK_UP = """
SELECT sha256, width, height, dhash, colours FROM fingerprints_2
WHERE path = ? AND size = ? AND changed_ns = ?
"""


def _stamp(path: Path) -> tuple[bytes, int, int] | None:
    """Return absolute path, size in bytes and time of change in nanoseconds; None if there is no file."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return os.fsencode(path.absolute()), status.st_size, status.st_mtime_ns


Result = TypeVar("Result")


def _with_cache(cache: Path | None, work: Callable[[sqlite3.Connection], Result]) -> Result:
    """Run a function with the cache. A damaged cache is deleted, and the function runs again."""
    file = cache or cache_folder() / "fingerprints.sqlite"
    try:
        try:
            return _with_connection(file, work)
        except sqlite3.OperationalError:
            raise  # locked, full or not writable, but not damaged
        except (sqlite3.DatabaseError, UnicodeError):
            with _as_sqlite_errors():
                for suffix in ("", "-wal", "-shm"):  # a new database must not use the old -wal and -shm
                    file.with_name(file.name + suffix).unlink(missing_ok=True)
            return _with_connection(file, work)
    except (sqlite3.Error, UnicodeError) as error:
        raise FeatureError(
            f"{file}: cannot be written ({error}). "
            "Free some space, or set PERFECTLOOK_CACHE to another folder."
        ) from error


def _with_connection(file: Path, work: Callable[[sqlite3.Connection], Result]) -> Result:
    with _as_sqlite_errors():
        file.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(file, timeout=60)) as store:
        for statement in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=NORMAL", _SCHEMA):
            store.execute(statement)
        return work(store)


@contextmanager
def _as_sqlite_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise sqlite3.OperationalError(str(error)) from error
