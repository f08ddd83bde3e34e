"""What identifies a picture: the hash of its bytes, its size, a difference hash that finds near-copies."""

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

from perfectlook.errors import FeatureError, PictureError
from perfectlook.files import cache_folder, worker_count
from perfectlook.images import dhash, open_picture
from perfectlook.progress import Progress
from perfectlook.types import ByteArray, Float32Array

BATCH = 256
"""Pictures per transaction: what an interrupted run loses at most."""

BLOCK = 2048
"""Hashes compared with as many others at once, which bounds the memory of a comparison to about 50 MB."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """One picture file: sha256 of its bytes in hex, upright size in pixels, 256-bit difference hash."""

    sha256: str
    width: int
    height: int
    dhash: bytes


def fingerprints(
    pictures: Iterable[Path],
    *,
    cache: Path | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> tuple[dict[Path, Fingerprint], dict[Path, str]]:
    """Fingerprint pictures: those that can be read, and why the others cannot.

    A picture is opened once in its life: its fingerprint is kept in an SQLite file and found again by
    absolute path, size and time of change. Failures are not kept, because what caused them (a permission,
    a format that needs another library) can be fixed without touching the file.

    Args:
        pictures: the files; repeated ones are read once.
        cache: the SQLite file, by default `fingerprints.sqlite` in the cache folder.
        workers: threads that read and decode (Pillow and hashlib release the interpreter lock).
        progress: told how many are done, of how many, and how many failed.

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
                    store.executemany("INSERT OR REPLACE INTO fingerprints_1 VALUES (?,?,?,?,?,?,?)", fresh)
                if progress:
                    progress(start + len(batch), len(paths), len(failed))
        finally:
            pool.shutdown(cancel_futures=True)
        return found, failed

    return _with_cache(cache, read)


def forget(pictures: Iterable[Path], *, cache: Path | None = None) -> None:
    """Drop the fingerprints kept of pictures that turned out to be others, of the same size and time.

    Raises:
        FeatureError: the cache cannot be written.
    """
    rows = [(os.fsencode(path.absolute()),) for path in pictures]

    def drop(store: sqlite3.Connection) -> None:
        with store:
            store.executemany("DELETE FROM fingerprints_1 WHERE path = ?", rows)

    if rows:
        _with_cache(cache, drop)


def within(hashes: ByteArray, bits: int) -> list[tuple[int, int]]:
    """All pairs of rows (i < j, sorted) of uint8 [n, bytes] whose Hamming distance is at most `bits`.

    Exact. Rows are sorted by how many bits they have set, because two rows within `bits` of each other cannot
    differ by more than that in this number: each block is compared with its neighbours only.
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
    """Groups of two or more rows of uint8 [n, bytes] that a chain of steps of at most `bits` connects.

    Row numbers ascend in every group, and so do the groups' first rows. Equal rows are compared once, so a
    picture that stands for thousands of items ("no photo yet") costs nothing extra.
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
    """The difference hashes of fingerprints as one array, uint8 [n, 32]."""
    return np.frombuffer(b"".join(each.dhash for each in prints), dtype=np.uint8).reshape(-1, 32)


def _unpacked(rows: ByteArray) -> Float32Array:
    return np.unpackbits(rows, axis=1).astype(np.float32)


def _read(path: Path) -> Fingerprint | str:
    """The fingerprint of a picture, or why it cannot be read."""
    try:
        picture = open_picture(path)
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except (PictureError, OSError) as error:
        return str(error).removeprefix(f"{path}: ")
    return Fingerprint(digest, picture.width, picture.height, dhash(picture).tobytes())


_SCHEMA = """
CREATE TABLE IF NOT EXISTS fingerprints_1 (
    path BLOB PRIMARY KEY, size INTEGER, changed_ns INTEGER,
    sha256 TEXT, width INTEGER, height INTEGER, dhash BLOB
) WITHOUT ROWID
"""
# The number in the table's name changes with the definition of a fingerprint: older rows are then not found.
_LOOK_UP = """
SELECT sha256, width, height, dhash FROM fingerprints_1 WHERE path = ? AND size = ? AND changed_ns = ?
"""


def _stamp(path: Path) -> tuple[bytes, int, int] | None:
    """Absolute path, size in bytes, time of change in nanoseconds; None where there is no file."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return os.fsencode(path.absolute()), status.st_size, status.st_mtime_ns


Result = TypeVar("Result")


def _with_cache(cache: Path | None, work: Callable[[sqlite3.Connection], Result]) -> Result:
    """Do some work with a cache; a damaged one is begun anew, whenever that shows, for it is only a cache."""
    file = cache or cache_folder() / "fingerprints.sqlite"
    try:
        try:
            return _with_connection(file, work)
        except sqlite3.OperationalError:
            raise  # locked, full, or not writable: nothing is wrong with what it holds
        except sqlite3.DatabaseError:
            with _as_sqlite_errors():
                for suffix in ("", "-wal", "-shm"):  # SQLite would take these for the new one's
                    file.with_name(file.name + suffix).unlink(missing_ok=True)
            return _with_connection(file, work)
    except sqlite3.Error as error:
        raise FeatureError(
            f"{file}: cannot keep fingerprints there ({error}); free some space, or let PERFECTLOOK_CACHE "
            "name a folder that can be written"
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
