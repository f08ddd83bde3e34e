"""The cache of fetched pictures: a folder of the catalogue. The URL of a picture decides its path."""

import hashlib
import os
import re
import sqlite3
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Self

from perfectlook.errors import CatalogueError, FetchError, PictureError
from perfectlook.fetching import DEFAULT_LIMITS, Fetcher, FetchLimits, Validators
from perfectlook.files import cache_folder, write_file
from perfectlook.images import SUFFIXES, open_picture
from perfectlook.progress import Progress

FOLDER = "pictures"
PUT_FOLDER = "put"
"""The folder in it for pictures of products that were put, which have no URL."""
LEDGER = "fetched.sqlite"
UNFINISHED = "*/.*.part"
LEFT_BEHIND_SECONDS = 3600.0
"""Unfinished files older than this were left by a killed run and are removed."""
GIVEN_UP_AFTER = 8
"""After this many temporary failures in a row, no more pictures are requested from a server."""
_TOGETHER = 64
_MADE = re.compile(rf"([0-9a-f]{{2}})/\1[0-9a-f]{{38}}(\.[a-z]+)?|{PUT_FOLDER}/[0-9a-f]{{40,64}}")
"""The paths that the cache and PUT give to pictures. PUT once gave shorter ones."""
_SCHEMA = "CREATE TABLE IF NOT EXISTS fetched (name TEXT PRIMARY KEY, etag TEXT, last_modified TEXT)"


class PictureCache:
    """The pictures that were fetched for a catalogue. They are fetched again only to verify them."""

    def __init__(self, folder: Path, limits: FetchLimits = DEFAULT_LIMITS) -> None:
        """Use a folder. It is created with the first picture."""
        self.folder = folder.absolute()
        self._limits = limits
        self._urls: dict[str, str] = {}

    @classmethod
    def of(cls, location: Path | str, limits: FetchLimits = DEFAULT_LIMITS) -> Self:
        """Return the cache of a catalogue: in its folder, or in the cache folder if it is on a server."""
        if "://" not in str(location):
            return cls(Path(location) / FOLDER, limits)
        name = hashlib.sha256(str(location).encode()).hexdigest()[:16]
        return cls(cache_folder() / FOLDER / name, limits)

    def locate(self, url: str) -> str:
        """Return the path of the picture of a URL, whether it has been fetched or not."""
        name = hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest()[:40]
        end = "." + url.partition("?")[0].partition("#")[0].rpartition(".")[2].lower()
        place = f"{self.folder}{os.sep}{name[:2]}{os.sep}{name}{end if end in SUFFIXES else ''}"
        self._urls[place] = url
        return place

    def forget(self) -> None:
        """Forget the URLs of located pictures, to save memory. They cannot be fetched afterwards."""
        self._urls.clear()

    def absent(self, pictures: Iterable[Path]) -> list[Path]:
        """Return the pictures that have a URL and have not been fetched."""
        return [picture for picture in pictures if str(picture) in self._urls and not picture.exists()]

    def fetch(
        self, pictures: Iterable[Path], *, verify: bool = False, progress: Progress | None = None
    ) -> dict[Path, str]:
        """Fetch missing pictures, several at the same time. Return the reasons of those that failed.

        With `verify`, servers are also asked whether the other pictures have changed. A picture that cannot
        be fetched again is kept, and its reason is returned.

        Raises:
            CatalogueError: pictures cannot be written.
        """
        wanted = [each for each in pictures if str(each) in self._urls and (verify or not each.exists())]
        reasons: dict[Path, str] = {}
        if not wanted:
            return reasons
        with self._ledger() as ledger, Fetcher(self._limits) as fetcher:
            rows = ledger.execute("SELECT name, etag, last_modified FROM fetched")
            known = {name: Validators(etag, modified) for name, etag, modified in rows}
            fetch = partial(self._fetch, fetcher, known, Counter())
            pool = ThreadPoolExecutor(self._limits.connections)
            try:
                for done, (picture, result) in enumerate(
                    zip(wanted, pool.map(fetch, wanted), strict=True), 1
                ):
                    if isinstance(result, str):
                        reasons[picture] = result
                    elif result is not None:
                        row = (picture.name, result.etag, result.last_modified)
                        ledger.execute("INSERT OR REPLACE INTO fetched VALUES (?, ?, ?)", row)
                    if done % _TOGETHER == 0:
                        ledger.commit()
                    if progress:
                        progress(done, len(wanted), len(reasons))
                ledger.commit()
            except BaseException:
                fetcher.close()  # otherwise an interrupt waits for slow servers
                raise
            finally:
                pool.shutdown(cancel_futures=True)
        return reasons

    def drop(self, pictures: Iterable[Path]) -> None:
        """Remove the pictures that the cache has made and that no longer have a URL."""
        for picture in pictures:
            made = f"{picture.parent.name}/{picture.name}"
            is_inside = str(self.folder / made) == str(picture)
            if is_inside and _MADE.fullmatch(made) and str(picture) not in self._urls:
                picture.unlink(missing_ok=True)

    def _fetch(
        self, fetcher: Fetcher, known: Mapping[str, Validators], failures: Counter[str], picture: Path
    ) -> Validators | str | None:
        """Fetch one picture, unless its server has failed too often in a row. Runs in several threads.

        Returns the validators for the next request, None if the picture is unchanged, or why it failed.
        """
        url = self._urls[str(picture)]
        server = url.split("/", 3)[2] if url.count("/") > 2 else url
        if failures[server] >= GIVEN_UP_AFTER:
            return f"{url}: {server} does not respond. Run the same command again later."
        try:
            fetched = fetcher.fetch(url, known.get(picture.name) if picture.exists() else None)
            failures[server] = 0
            if fetched.content is None:
                return None
            open_picture(fetched.content, fit=64)
        except FetchError as error:
            failures[server] += error.passing  # a race between threads only costs one more request
            return str(error)
        except PictureError as error:
            return f"{url}: {str(error).removeprefix('<bytes>: ')}"
        if not (picture.exists() and picture.read_bytes() == fetched.content):
            write_file(picture, fetched.content)
        return fetched.validators

    @contextmanager
    def _ledger(self) -> Iterator[sqlite3.Connection]:
        """Open the database of validators. It only saves requests, so a damaged one is replaced."""
        file = self.folder / LEDGER
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for left in self.folder.glob(UNFINISHED):
                if time.time() - left.stat().st_mtime > LEFT_BEHIND_SECONDS:
                    left.unlink(missing_ok=True)
            try:
                ledger = _connected(file)
            except (sqlite3.DatabaseError, UnicodeError):
                file.unlink(missing_ok=True)
                ledger = _connected(file)
            with closing(ledger):
                yield ledger
        except (OSError, sqlite3.Error, UnicodeError) as error:
            raise CatalogueError(
                f"{self.folder}: cannot be written ({error}). Free some space, or make the folder writable. "
                "The pictures fetched so far are kept."
            ) from error


def _connected(file: Path) -> sqlite3.Connection:
    ledger = sqlite3.connect(file, timeout=60)
    try:
        ledger.execute(_SCHEMA)
    except (sqlite3.Error, UnicodeError):
        ledger.close()
        raise
    return ledger
