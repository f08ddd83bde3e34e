"""Accepted syncs, on the disk until they are done: after a kill, the next server goes on with them."""

import json
import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from perfectlook.errors import UsageError
from perfectlook.service.logs import LOGGER

_WANTED, _LOCK, _BEGUN = "wanted.json", "lock.sqlite", "begun"
_SLOTS = 100
_TRIES = 3
"""A sync that was begun so often and never ended is what ended its servers."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A sync that was accepted: its folder, where nothing else lies, and where its feed comes from.

    `url` is None where the feed itself was sent; it lies at `feed` then.
    """

    folder: Path
    id: str
    suffix: str
    url: str | None

    @property
    def feed(self) -> Path:
        """Where the feed lies, or is to be fetched to."""
        return self.folder / f"feed{self.suffix}"

    def begin(self) -> None:
        """Note that it is begun."""
        with (self.folder / _BEGUN).open("ab") as stream:
            stream.write(b".")

    @property
    def tries(self) -> int:
        """How often it was begun."""
        file = self.folder / _BEGUN
        return file.stat().st_size if file.exists() else 0

    def done(self) -> None:
        """Forget it."""
        shutil.rmtree(self.folder, ignore_errors=True)


class Backlog:
    """The accepted syncs of one server, in a folder that several servers of a machine may share.

    Each takes a slot of its own for as long as it lives; what another has left undone, the next that starts
    takes over.
    """

    def __init__(self, folder: Path) -> None:
        """Take the first free slot in the folder, which is made where there is none.

        Raises:
            UsageError: the folder cannot be written.
        """
        self._folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._slot, self._lock = next(_free(folder))
        except (OSError, sqlite3.Error, StopIteration) as error:
            raise UsageError(f"{folder}: accepted syncs cannot be kept there ({error})") from error

    def keep(self, id_: str, suffix: str, *, content: bytes | None = None, url: str | None = None) -> Wanted:
        """Keep a sync; it is on the disk when this returns.

        Raises:
            OSError: it cannot be written.
        """
        place = self._slot / f"{time.time_ns():020d}-{id_}"
        wanted = Wanted(place.with_name(f".{place.name}"), id_, suffix, url)
        wanted.folder.mkdir(mode=0o700)
        try:
            if content is not None:
                _write(wanted.feed, content)
            _write(wanted.folder / _WANTED, json.dumps({"id": id_, "suffix": suffix, "url": url}).encode())
            wanted.folder.rename(place)  # under its name only when it is whole
        except OSError:
            wanted.done()
            raise
        return Wanted(place, id_, suffix, url)

    def left(self) -> list[Wanted]:
        """What earlier servers have accepted and not done, the oldest first; it is this one's now.

        A sync that was begun three times is given up.
        """
        for slot, lock in _free(self._folder, existing=True):
            for each in slot.glob("[0-9]*-*"):
                each.rename(self._slot / each.name)
            lock.close()
        for half in self._slot.glob(".*-*"):
            shutil.rmtree(half, ignore_errors=True)
        left = []
        for wanted in filter(None, map(_read, sorted(self._slot.glob("[0-9]*-*")))):
            if wanted.tries < _TRIES:
                left.append(wanted)
            else:
                LOGGER.error("a sync is given up", extra={"job": wanted.id, "tries": wanted.tries})
                wanted.done()
        return left

    def close(self) -> None:
        """Give the slot back."""
        self._lock.close()


def _free(folder: Path, *, existing: bool = False) -> Iterator[tuple[Path, sqlite3.Connection]]:
    """Slots that no living server has, each locked."""
    for number in range(_SLOTS):
        slot = folder / str(number)
        if existing and not slot.exists():
            return
        slot.mkdir(mode=0o700, exist_ok=True)
        lock = sqlite3.connect(slot / _LOCK, timeout=0, isolation_level=None, check_same_thread=False)
        try:
            lock.execute("BEGIN EXCLUSIVE")  # the system lets go when this process ends, however it ends
        except sqlite3.OperationalError:
            lock.close()
        else:
            yield slot, lock


def _write(file: Path, content: bytes) -> None:
    with file.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _read(folder: Path) -> Wanted | None:
    with suppress(OSError, ValueError, KeyError, TypeError):
        said = json.loads((folder / _WANTED).read_text(encoding="utf-8"))
        return Wanted(folder, str(said["id"]), str(said["suffix"]), said["url"])
    return None
