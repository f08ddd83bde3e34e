"""A store of features in a folder, so that the backbone runs only once for each view of a picture."""

import errno
import json
import os
import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np

from perfectlook import __version__
from perfectlook.backbones import Backbone, FeatureBatch, open_backbone
from perfectlook.errors import FeatureError
from perfectlook.files import Closable, cache_folder, write_file
from perfectlook.types import REGIONS, Float16Array, IntArray, Rectangle

FORMAT = 1
"""Format of the folder. Raise it if its files, the values of a row, their order or the keys change."""
CHUNK_BYTES = 8 * 2**20
LOCK_SECONDS = 120.0
ON_DISK = np.dtype("<f2")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS views (
    picture TEXT NOT NULL,
    crop TEXT NOT NULL,
    vector_row INTEGER NOT NULL UNIQUE,
    map_row INTEGER UNIQUE,
    PRIMARY KEY (picture, crop)
) WITHOUT ROWID
"""


class ViewKey(NamedTuple):
    """The key of a view: the SHA-256 of the picture, and the crop as "left,top,right,bottom" or ""."""

    picture: str
    crop: str

    @classmethod
    def of(cls, sha256: str, crop: Rectangle | None) -> Self:
        """Return the key of a view, from the SHA-256 of the picture."""
        return cls(sha256, ",".join(map(str, crop)) if crop else "")


class StoredRows(NamedTuple):
    """The row of a view in the file of vectors, and its row in the file of maps if it has a map."""

    vector: int
    map: int | None


@dataclass(frozen=True, slots=True)
class FeatureArrays:
    """Rows of features: global_vectors [n, D], style_statistics [n, K], feature_maps [n, 49, C] or None."""

    global_vectors: Float16Array
    style_statistics: Float16Array
    feature_maps: Float16Array | None = None

    def __len__(self) -> int:
        return len(self.global_vectors)

    def batch(self, rows: IntArray | Sequence[int] | slice) -> FeatureBatch:
        """Return rows in the given order, as float32. Without maps, `feature_maps` has shape [n, 0, 0]."""
        chosen = rows if isinstance(rows, slice) else np.asarray(rows, np.int64)
        maps = self.feature_maps if self.feature_maps is not None else np.empty((len(self), 0, 0), np.float16)
        parts = (self.global_vectors, self.style_statistics, maps)
        return FeatureBatch(*(part[chosen].astype(np.float32) for part in parts))


def open_store(backbone: str, folder: Path | None = None) -> "FeatureStore":
    """Open the feature store of a backbone, by default in the cache folder.

    Raises:
        BackboneError: the backbone is unknown or cannot be loaded.
        FeatureError: the folder contains other features, is damaged, or cannot be written.
    """
    return FeatureStore.open(StoreManifest.of(open_backbone(backbone)), folder)


class FeatureStore(Closable):
    """Features of one backbone in a folder. Several processes may open the same folder.

    `vectors.f16` has one row for each view: the global vector, then the style statistics. `maps.f16` has the
    feature maps of views that were stored with maps. `index.sqlite` maps keys to rows. A batch is appended
    in one write transaction of the index, which commits after the rows are on the disk. So the index never
    points to a missing row, even if a process is killed. The next batch overwrites rows without a commit.
    An instance must be used in the thread and the process that opened it.
    """

    def __init__(self, folder: Path, manifest: "StoreManifest", index: sqlite3.Connection) -> None:
        self.folder = folder
        self.manifest = manifest
        self._index = index
        self._vectors = RowFile(folder / "vectors.f16", manifest.global_dimension + manifest.style_dimension)
        self._maps = RowFile(folder / "maps.f16", REGIONS * manifest.map_channels)

    @classmethod
    def open(cls, wanted: "StoreManifest", folder: Path | None = None) -> Self:
        """Open a store, or create it if there is none.

        Args:
            wanted: the backbone, its precision and its sizes.
            folder: by default a folder in the cache folder, named after the identity.

        Raises:
            FeatureError: the folder contains other features, is damaged, or cannot be written.
        """
        folder = folder if folder is not None else cache_folder() / "features" / wanted.identity
        path = folder / "manifest.json"
        with _explained(folder):
            folder.mkdir(parents=True, exist_ok=True)
            was_used = (folder / "index.sqlite").exists()  # check first: another process may be creating both
            if not path.exists():
                if was_used:
                    raise _damaged(path, "manifest.json is missing")
                write_file(path, json.dumps(asdict(wanted), indent=2) + "\n")
            manifest = StoreManifest.read(path)
            for name in _SAME:
                mine, theirs = getattr(manifest, name), getattr(wanted, name)
                if mine != theirs:
                    raise FeatureError(
                        f"{folder}: made with {name} {mine}, but the backbone has {name} {theirs}. "
                        "Use another folder, or delete this one to extract the features again."
                    )
            index = sqlite3.connect(folder / "index.sqlite", timeout=LOCK_SECONDS, isolation_level=None)
            try:
                index.execute(_SCHEMA)
                store = cls(folder, manifest, index)
                store._check_whole()
            except BaseException:
                index.close()
                raise
        return store

    def _check_whole(self) -> None:
        for column, file in (("vector_row", self._vectors), ("map_row", self._maps)):
            named, held = self._next_row(column), file.count()
            if held < named:
                raise _damaged(file.path, f"{file.path.name} has {held} rows, but index.sqlite has {named}")

    def _release(self) -> None:
        self._index.close()

    def __len__(self) -> int:
        """Return the number of stored views."""
        with _explained(self.folder):
            return int(self._index.execute("SELECT COUNT(*) FROM views").fetchone()[0])

    def find(self, keys: Iterable[ViewKey]) -> list[StoredRows | None]:
        """Return the rows of each view, in the order of the keys; None for views that are not stored."""
        query = "SELECT vector_row, map_row FROM views WHERE picture = ? AND crop = ?"
        with _explained(self.folder):
            rows = (self._index.execute(query, key).fetchone() for key in keys)
            return [row and StoredRows(*row) for row in rows]

    def missing(self, keys: Iterable[ViewKey], *, maps: bool) -> list[ViewKey]:
        """Return the keys of views that are not stored. With `maps`, also of those without a map."""
        keys = list(keys)
        found = zip(keys, self.find(keys), strict=True)
        return [key for key, rows in found if rows is None or (maps and rows.map is None)]

    def append(
        self, keys: Sequence[ViewKey], vectors: Float16Array, maps: Float16Array | None = None
    ) -> None:
        """Store a batch of features. If it returns, the whole batch is on the disk; if it fails, nothing is.

        Stored features do not change. For a view with a vector but without a map, only the map is added.

        Args:
            keys: the keys of the views.
            vectors: [n, D + K], global vectors and then style statistics, finite.
            maps: [n, 49, C], finite; None to store no maps.

        Raises:
            FeatureError: the disk is full or cannot be written. The store is unchanged.
        """
        if not (np.isfinite(vectors).all() and (maps is None or np.isfinite(maps).all())):
            raise ValueError("expected finite features, got NaN or infinity")
        places: dict[ViewKey, int] = {}
        for place, key in enumerate(keys):
            places.setdefault(key, place)
        with _explained(self.folder), self._index:  # commits, or rolls back
            self._index.execute("BEGIN IMMEDIATE")
            insert = "INSERT INTO views (vector_row, picture, crop) VALUES (?, ?, ?)"
            fresh = self.missing(places, maps=False)
            first = self._place("vector_row", insert, fresh)
            self._vectors.write(first, vectors[[places[key] for key in fresh]])
            if maps is not None:
                update = "UPDATE views SET map_row = ? WHERE picture = ? AND crop = ?"
                without = self.missing(places, maps=True)
                first = self._place("map_row", update, without)
                self._maps.write(first, maps[[places[key] for key in without]])

    def read(self, keys: Sequence[ViewKey], *, maps: bool) -> FeatureArrays:
        """Return the features of views, in the order of the keys. Keys may repeat.

        Raises:
            FeatureError: a view is not stored, or has no map and `maps` is given.
        """
        found: list[StoredRows] = []
        for key, rows in zip(keys, self.find(keys), strict=True):
            if rows is None or (maps and rows.map is None):
                raise FeatureError(
                    f"{self.folder}: no {'feature map' if rows else 'features'} of picture {key.picture} "
                    f"(crop {key.crop or 'none'}). Extract them first."
                )
            found.append(rows)
        with _explained(self.folder):
            vectors = self._vectors.read(np.array([rows.vector for rows in found], np.int64))
            feature_maps = None
            if maps:
                feature_maps = self._maps.read(np.array([rows.map for rows in found], np.int64))
                feature_maps = feature_maps.reshape(len(keys), REGIONS, self.manifest.map_channels)
        split = self.manifest.global_dimension
        return FeatureArrays(vectors[:, :split], vectors[:, split:], feature_maps)

    def _place(self, column: str, statement: str, keys: Sequence[ViewKey]) -> int:
        """Assign the next rows of a file to views, and return the first row."""
        first = self._next_row(column)
        self._index.executemany(statement, [(row, *key) for row, key in enumerate(keys, first)])
        return first

    def _next_row(self, column: str) -> int:
        return int(self._index.execute(f"SELECT COALESCE(MAX({column}) + 1, 0) FROM views").fetchone()[0])


_SIZES = ("input_size", "global_dimension", "style_dimension", "map_channels")
_SAME = ("identity", *_SIZES, "dtype")


@dataclass(frozen=True, slots=True)
class StoreManifest:
    """The description of a store: one backbone at one precision, with rows of fixed sizes."""

    identity: str
    backbone: str
    input_size: int
    global_dimension: int
    style_dimension: int
    map_channels: int
    dtype: str = "float16"
    format: int = FORMAT
    version: str = __version__

    @classmethod
    def of(cls, backbone: Backbone) -> Self:
        """Return the manifest of a store for this backbone."""
        about = backbone.description
        return cls(backbone.identity, about.name, *(getattr(about, size) for size in _SIZES))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a manifest.

        Raises:
            FeatureError: the file is not a manifest, or has a format that this version does not read.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise _damaged(path, str(error)) from error
        if not isinstance(content, dict):
            raise _damaged(path, "not a JSON object")
        found = content.get("format")
        if type(found) is int and found != FORMAT:
            raise FeatureError(
                f"{path}: has format {found}, but this version reads format {FORMAT} "
                f"(written by perfectlook {content.get('version')}, this is {__version__}). "
                "Set PERFECTLOOK_CACHE to another folder, or delete this one to extract the features again."
            )
        wrong = [each.name for each in fields(cls) if type(content.get(each.name)) is not each.type]
        if wrong:
            raise _damaged(path, ", ".join(f"{name} is {content.get(name)!r}" for name in wrong))
        return cls(**{each.name: content[each.name] for each in fields(cls)})


class RowFile:
    """A file of float16 rows with `width` values each. Row n starts at byte 2·n·width."""

    def __init__(self, path: Path, width: int) -> None:
        self.path = path
        self.width = width
        self._row_bytes = width * ON_DISK.itemsize

    def count(self) -> int:
        """Return the number of complete rows in the file."""
        return self.path.stat().st_size // self._row_bytes if self.path.exists() else 0

    def write(self, first: int, rows: Float16Array) -> None:
        """Write rows [n, width] from row `first` on, and return when they are on the disk.

        Raises:
            OSError: the disk is full or cannot be written.
        """
        if not len(rows):
            return
        self.path.touch()
        with self.path.open("r+b") as file:
            file.seek(first * self._row_bytes)
            file.write(np.ascontiguousarray(rows, ON_DISK).data)
            file.flush()
            os.fsync(file.fileno())

    def read(self, rows: IntArray) -> Float16Array:
        """Return rows [n, width] in the given order. The file is read from start to end."""
        gathered = np.empty((len(rows), self.width), np.float16)
        if not len(rows):
            return gathered
        stored = np.memmap(self.path, ON_DISK, "r", shape=(self.count(), self.width))
        order = np.argsort(rows, kind="stable")
        chunk = max(1, CHUNK_BYTES // self._row_bytes)
        for start in range(0, len(order), chunk):
            places = order[start : start + chunk]
            gathered[places] = stored[rows[places]]
        return gathered


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """Turn errors of the disk and of the index into a FeatureError with a remedy."""
    try:
        yield
    except (OSError, sqlite3.DatabaseError, UnicodeError) as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the low byte is the primary result code
        if code in _FULL_INDEX or (isinstance(error, OSError) and error.errno in _FULL_DISK):
            free = shutil.disk_usage(folder if folder.exists() else folder.anchor or ".").free
            reason = (
                f"cannot be written ({error}; {free / 2**20:,.1f} MiB free). Free some space, or set "
                "PERFECTLOOK_CACHE to a folder on a larger disk. The stored features are kept."
            )
        elif code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
            reason = (
                f"locked by another process for more than {LOCK_SECONDS:.0f} s. End it, or run again later."
            )
        elif isinstance(error, OSError | sqlite3.OperationalError):
            reason = f"cannot be read or written ({error}). Set PERFECTLOOK_CACHE to a writable folder."
        else:
            raise _damaged(folder / "index.sqlite", str(error)) from error
        raise FeatureError(f"{folder}: {reason}") from error


_FULL_DISK = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
_FULL_INDEX = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}


def _damaged(path: Path, reason: str) -> FeatureError:
    return FeatureError(
        f"{path}: damaged ({reason}). Delete the folder {path.parent} to extract the features again."
    )
