"""Feeds that are fetched from a URL or unpacked from a gzip file before they are read."""

import gzip
import hashlib
import json
import os
import shutil
import tempfile
import uuid
import weakref
import zlib
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from perfectlook.errors import FeedError, UsageError
from perfectlook.feeds.feed import Feed, FeedOptions
from perfectlook.feeds.pictures import PictureCache
from perfectlook.feeds.rows import MAX_FEED, start_of
from perfectlook.fetching import Fetcher, FetchLimits, Validators
from perfectlook.files import cache_folder, write_file

FEED_SECONDS = 600.0
"""The timeout for a feed at a URL."""
_GZIP = b"\x1f\x8b"


def open_feed(place: Path | str, cache: PictureCache, options: FeedOptions) -> Feed:
    """Open a feed at a path or a URL, and unpack it if it is a gzip file.

    The last response of a URL stays in the cache folder. The server is asked whether it has changed since.

    Raises:
        UsageError: the URL is not an http:// or https:// URL, or an option is invalid.
        FetchError: the URL cannot be fetched.
        FeedError: the format is unknown, the file is not a feed, or it cannot be unpacked.
    """
    url = None if isinstance(place, Path) else _checked(place)
    if isinstance(place, Path) and not start_of(place).startswith(_GZIP):
        return Feed(place, cache, **options)
    most = options.get("max_feed", MAX_FEED)
    folder = Path(tempfile.mkdtemp(prefix="perfectlook-"))
    file, media_type, packed = folder / "feed", "", None
    try:
        if url:
            limits = FetchLimits(most, FEED_SECONDS, allow_private=options.get("allow_private", False))
            media_type = _fetch(url, file, limits)
        else:
            file = packed = Path(place)
        if start_of(file).startswith(_GZIP):
            _unpack(file, folder / "unpacked", str(place), most)
            file = folder / "unpacked"
        feed = Feed(file, cache, url=url, packed=packed, media_type=media_type, **options)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    weakref.finalize(feed, shutil.rmtree, folder, ignore_errors=True)
    return feed


def _checked(url: str) -> str:
    try:
        scheme = urlsplit(url).scheme
    except ValueError as error:
        raise UsageError(f"{url}: not a URL ({error}). Correct it.") from error
    if scheme not in ("http", "https"):
        raise UsageError(
            f"{url}: expected http:// or https://, got {scheme}://. Name the URL of a feed, or a file."
        )
    return url


def _fetch(url: str, file: Path, limits: FetchLimits) -> str:
    """Fetch a feed, unless it has not changed since the last time. Return its media type.

    A note in the cache folder names the file of the last response and its validators. It is written last, so
    the two always belong together. A cache that cannot be used only costs the transfer.
    """
    folder, name = cache_folder() / "feeds", hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest()
    note, before, known, media_type = folder / f"{name}.json", file.with_name("before"), None, ""
    with suppress(OSError, ValueError, KeyError, TypeError):
        kept = json.loads(note.read_text(encoding="utf-8"))
        _link(folder / kept["file"], before)
        known, media_type = Validators(kept["etag"], kept["last_modified"]), kept["media_type"]
    with Fetcher(limits) as fetcher, file.open("wb") as stream:
        fetched = fetcher.fetch(url, known, file=stream)
    if fetched.content is None:
        before.replace(file)
        return str(media_type)
    validators = fetched.validators
    if validators.etag or validators.last_modified:
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            latest = folder / f"{name}-{uuid.uuid4().hex}"
            _link(file, latest)
            told = {"file": latest.name, "media_type": fetched.media_type, "etag": validators.etag}
            write_file(note, json.dumps({**told, "last_modified": validators.last_modified, "url": url}))
            for each in folder.glob(f"{name}-*"):
                if each != latest:
                    each.unlink(missing_ok=True)
    return fetched.media_type


def _link(file: Path, target: Path) -> None:
    try:
        os.link(file, target)
    except OSError:  # another disk, or a file system without links
        shutil.copyfile(file, target)


def _unpack(file: Path, target: Path, name: str, most: int) -> None:
    """Unpack a gzip file, up to `most` bytes."""
    size = 0
    try:
        with gzip.open(file) as packed, target.open("wb") as out:
            while part := packed.read(2**20):
                size += len(part)
                if size > most:
                    raise FeedError(f"{name}: unpacks to more than {most:,} bytes. Pass a larger --max-feed.")
                out.write(part)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise FeedError(f"{name}: damaged gzip file ({error}). Export the feed again.") from error
