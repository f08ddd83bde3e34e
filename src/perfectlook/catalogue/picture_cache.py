"""Fetched pictures: kept in a folder of the catalogue's, each at a place that its URL alone decides."""

import hashlib
import os
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple, Self

from perfectlook.data.layout import SUFFIXES
from perfectlook.errors import CatalogueError, FetchError, PictureError
from perfectlook.fetching import DEFAULT_LIMITS, Fetcher, FetchLimits, Validators
from perfectlook.files import cache_folder
from perfectlook.images import open_picture
from perfectlook.progress import Progress

FOLDER = "pictures"
LEDGER = "fetched.sqlite"
UNFINISHED = "unfinished"
LEFT_BEHIND_SECONDS = 3600.0
"""A file that was being written so long ago is what a killed run has left."""
GIVEN_UP_AFTER = 8
"""So many pictures in a row that a server cannot give for passing reasons: its others are not tried."""
_TOGETHER = 64
_SCHEMA = "CREATE TABLE IF NOT EXISTS fetched (name TEXT PRIMARY KEY, etag TEXT, last_modified TEXT)"


class _Outcome(NamedTuple):
    """What came of one picture: what its server says to ask by the next time, or why it cannot be had."""

    picture: Path
    validators: Validators | None = None
    reason: str | None = None


class Shelf:
    """Pictures that were fetched for one catalogue. What is on it is not fetched again, unless to verify."""

    def __init__(self, folder: Path, limits: FetchLimits = DEFAULT_LIMITS) -> None:
        """Name the folder; it is made when the first picture comes."""
        self.folder = folder.absolute()
        self._limits = limits
        self._urls: dict[str, str] = {}

    @classmethod
    def of(cls, location: Path | str, limits: FetchLimits = DEFAULT_LIMITS) -> Self:
        """The shelf of the catalogue at a location: in its folder, or, where it has none, in the cache."""
        if "://" not in str(location):
            return cls(Path(location) / FOLDER, limits)
        name = hashlib.sha256(str(location).encode()).hexdigest()[:16]
        return cls(cache_folder() / FOLDER / name, limits)

    def place(self, url: str) -> Path:
        """Return where the picture of a URL lies, or will lie."""
        return Path(self.locate(url))

    def locate(self, url: str) -> str:
        """Return what `place` does, as text, and quicker."""
        name = hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest()[:40]
        end = "." + url.partition("?")[0].partition("#")[0].rpartition(".")[2].lower()
        place = f"{self.folder}{os.sep}{name[:2]}{os.sep}{name}{end if end in SUFFIXES else ''}"
        self._urls[place] = url
        return place

    def absent(self, pictures: Iterable[Path]) -> list[Path]:
        """Return those of the pictures that are to be fetched and not there."""
        return [picture for picture in pictures if str(picture) in self._urls and not picture.exists()]

    def fetch(
        self, pictures: Iterable[Path], *, verify: bool = False, progress: Progress | None = None
    ) -> dict[Path, str]:
        """Fetch those that are not there, several at once; returns why, for those that cannot be had.

        With `verify`, the servers of the others are asked whether they have changed. One that cannot be had
        again stays as it is, and is named.

        Raises:
            CatalogueError: pictures cannot be written.
        """
        wanted = [picture for picture in pictures if str(picture) in self._urls]
        wanted = wanted if verify else self.absent(wanted)
        reasons: dict[Path, str] = {}
        if not wanted:
            return reasons
        with self._ledger() as ledger, Fetcher(self._limits) as fetcher:
            visit = _Visit(fetcher, self._urls, _known(ledger, wanted))
            pool = ThreadPoolExecutor(self._limits.connections)
            try:
                for done, outcome in enumerate(pool.map(visit, wanted), 1):
                    if outcome.reason is not None:
                        reasons[outcome.picture] = outcome.reason
                    elif outcome.validators is not None:
                        row = (
                            outcome.picture.name,
                            outcome.validators.etag,
                            outcome.validators.last_modified,
                        )
                        ledger.execute("INSERT OR REPLACE INTO fetched VALUES (?, ?, ?)", row)
                    if done % _TOGETHER == 0:
                        ledger.commit()
                    if progress:
                        progress(done, len(wanted), len(reasons))
                ledger.commit()
            except BaseException:
                fetcher.close()  # or an interrupt would wait for slow servers
                raise
            finally:
                pool.shutdown(cancel_futures=True)
        return reasons

    def drop(self, pictures: Iterable[Path]) -> None:
        """Remove those of the pictures that are on the shelf and have no URL any more."""
        for picture in pictures:
            if picture.parent.parent == self.folder and str(picture) not in self._urls:
                picture.unlink(missing_ok=True)

    @contextmanager
    def _ledger(self) -> Iterator[sqlite3.Connection]:
        """What servers said of the pictures; only good for asking less, so a damaged one is begun anew."""
        file = self.folder / LEDGER
        try:
            (self.folder / UNFINISHED).mkdir(parents=True, exist_ok=True)
            for file_left in (self.folder / UNFINISHED).iterdir():
                if time.time() - file_left.stat().st_mtime > LEFT_BEHIND_SECONDS:
                    file_left.unlink(missing_ok=True)
            try:
                ledger = _opened(file)
            except sqlite3.DatabaseError:
                file.unlink(missing_ok=True)
                ledger = _opened(file)
            with closing(ledger):
                yield ledger
        except (OSError, sqlite3.Error) as error:
            raise CatalogueError(
                f"{self.folder}: fetched pictures cannot be kept there ({error}); free some space, or "
                "make it writable for this user. What was fetched is kept"
            ) from error


class _Visit:
    """Fetches pictures, in several threads; does not go on asking a server that is down."""

    def __init__(self, fetcher: Fetcher, urls: Mapping[str, str], known: Mapping[str, Validators]) -> None:
        self._fetcher = fetcher
        self._urls = urls
        self._known = known
        self._failures: Counter[str] = Counter()
        self._lock = threading.Lock()

    def __call__(self, picture: Path) -> _Outcome:
        url = self._urls[str(picture)]
        server = url.split("/", 3)[2] if url.count("/") > 2 else url
        if self._failures[server] >= GIVEN_UP_AFTER:
            return _Outcome(picture, reason=f"{url}: {server} does not answer; run again when it does")
        try:
            fetched = self._fetcher.fetch(url, self._known.get(picture.name) if picture.exists() else None)
        except FetchError as error:
            with self._lock:
                self._failures[server] += error.passing
            return _Outcome(picture, reason=str(error))
        self._failures[server] = 0
        if fetched.content is None:
            return _Outcome(picture)
        try:
            open_picture(fetched.content, fit=64)
        except PictureError as error:
            return _Outcome(picture, reason=f"{url}: {str(error).removeprefix('<bytes>: ')}")
        _write(picture, fetched.content)
        return _Outcome(picture, fetched.validators)


def _write(picture: Path, content: bytes) -> None:
    """Put a picture in its place in one step: whoever looks sees the old one, the new one or none."""
    picture.parent.mkdir(parents=True, exist_ok=True)
    if picture.exists() and picture.read_bytes() == content:
        return
    unfinished = picture.parent.parent / UNFINISHED / f"{os.getpid()}-{threading.get_ident()}"
    try:
        unfinished.write_bytes(content)
        unfinished.replace(picture)
    finally:
        unfinished.unlink(missing_ok=True)


def _opened(file: Path) -> sqlite3.Connection:
    ledger = sqlite3.connect(file, timeout=60)
    try:
        ledger.execute(_SCHEMA)
    except sqlite3.Error:
        ledger.close()
        raise
    return ledger


def _known(ledger: sqlite3.Connection, pictures: Iterable[Path]) -> dict[str, Validators]:
    names = {picture.name for picture in pictures}
    rows = ledger.execute("SELECT name, etag, last_modified FROM fetched")
    return {name: Validators(etag, modified) for name, etag, modified in rows if name in names}
