"""An array on disk that grows: rows of one size, float16, one after the other in a file without a header."""

import os
from pathlib import Path

import numpy as np

from perfectlook.types import Float16Array, IntArray

CHUNK_BYTES = 8 * 2**20
ON_DISK = np.dtype("<f2")


class RowFile:
    """A file of float16 rows, each `width` values long; row n begins at byte 2·n·width."""

    def __init__(self, path: Path, width: int) -> None:
        self.path = path
        self.width = width

    def count(self) -> int:
        """How many whole rows the file holds."""
        try:
            return self.path.stat().st_size // self._row_bytes
        except FileNotFoundError:
            return 0

    def write(self, first: int, rows: Float16Array) -> None:
        """Write rows [n, width] from row `first` on; they are on the disk when this returns.

        Raises:
            OSError: the disk is full, or cannot be written.
        """
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        with os.fdopen(descriptor, "r+b") as file:
            file.seek(first * self._row_bytes)
            file.write(np.ascontiguousarray(rows, ON_DISK).data)
            file.flush()
            os.fsync(file.fileno())

    def read(self, rows: IntArray) -> Float16Array:
        """Gather rows [n, width] in the order given, reading the file from front to back."""
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

    @property
    def _row_bytes(self) -> int:
        return self.width * ON_DISK.itemsize
