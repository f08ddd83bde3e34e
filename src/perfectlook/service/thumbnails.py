"""Pictures of products, in full size or as thumbnails, and sample scenes by name."""

import asyncio
import re
import threading
import time
from collections import Counter, OrderedDict
from functools import lru_cache
from math import inf
from pathlib import Path
from urllib.parse import quote

from perfectlook.catalogue import Record
from perfectlook.data.layout import larger_copy
from perfectlook.errors import PictureError, UsageError
from perfectlook.files import BoundedCache, open_regular
from perfectlook.images import DEFAULT_LIMITS
from perfectlook.server_answers import Sample
from perfectlook.service.decoding import Decoder
from perfectlook.service.errors import Refusal

SIZES = (64, 128, 256, 512, 1024)
"""Sides of thumbnails in pixels. Requested sizes are rounded up, so that few variants exist."""
KEPT_BYTES = 64 * 2**20
FAILED_SECONDS, MOST_FAILED = 600.0, 10_000
"""For how long a picture that cannot be made is not tried again, and how many such pictures are kept."""


@lru_cache(maxsize=16_384)
def picture_address(id_: str) -> str:
    """Return the address of a product's picture."""
    return f"/v1/products/{quote(id_, safe='')}/picture"


class Thumbnails:
    """Pictures of products. The most recent ones that had to be made stay in memory."""

    def __init__(self, decoder: Decoder) -> None:
        """Begin with an empty cache."""
        self._decoder = decoder
        self._making = threading.Lock()
        self._kept: BoundedCache[str, bytes] = BoundedCache(KEPT_BYTES)
        self._failed: OrderedDict[str, float] = OrderedDict()
        """When making a picture failed, by its tag."""
        self._lock = threading.Lock()

    def picture(self, record: Record, size: int | None) -> tuple[bytes, str]:
        """Return the bytes and the media type of a record's picture, scaled to about `size` pixels.

        Raises:
            Refusal: the picture is missing or damaged (404).
        """
        tag = tag_of(record, size)
        if (found := self._made(tag)) is not None:
            return found
        try:
            with open_regular(larger_copy(Path(record.picture)), DEFAULT_LIMITS.max_bytes) as file:
                content = file.read()
            if size is None and (type_ := type_of(content)) is not None:
                return content, type_
            if size is not None:
                return self._keep(tag, self._decoder.jpeg(content, _side(size)))
            with self._making:  # one at a time: full sizes are large, and the next request may want the same
                if (found := self._made(tag)) is not None:
                    return found
                return self._keep(tag, self._decoder.jpeg(content, None))
        except (OSError, PictureError) as error:
            if isinstance(error, PictureError):  # it took a decoder; a missing file may come back
                with self._lock:
                    self._failed[tag] = time.monotonic()
                    if len(self._failed) > MOST_FAILED:
                        self._failed.popitem(last=False)
            raise _unusable() from error

    def _made(self, tag: str) -> tuple[bytes, str] | None:
        with self._lock:
            if time.monotonic() - self._failed.get(tag, -inf) < FAILED_SECONDS:
                raise _unusable()
        found = self._kept.get(tag)
        return None if found is None else (found, "image/jpeg")

    def _keep(self, tag: str, content: bytes) -> tuple[bytes, str]:
        self._kept.keep(tag, content, len(content))
        return content, "image/jpeg"


def _unusable() -> Refusal:
    return Refusal(404, "no_picture", "The picture is missing or damaged. Sync again.")


def tag_of(record: Record, size: int | None) -> str:
    """Return the ETag of a picture at a size."""
    return f'"{record.picture_sha256[:32]}-{_side(size) or "full"}"'


def _side(size: int | None) -> int | None:
    return None if size is None else next((each for each in SIZES if each >= size), SIZES[-1])


def type_of(content: bytes) -> str | None:
    """Return the media type of a picture that every browser can show; None for other pictures."""
    if content[:3] == b"\xff\xd8\xff":
        return "image/jpeg"
    if content[:8] == b"\x89PNG\r\n\x1a\n":
        return "image/png"
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    return None


SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


class Samples:
    """The photos of a folder, requested by name. A name is looked up and never used as a path."""

    def __init__(self, folder: Path | None) -> None:
        """List the folder. None means no samples.

        Raises:
            UsageError: the folder cannot be listed.
        """
        try:
            files = [] if folder is None else sorted(folder.iterdir())
        except OSError as error:
            raise UsageError(f"{folder}: cannot be listed ({error.strerror}). Check --samples.") from error
        listed = {file: _name(file) for file in files if file.suffix.lower() in SUFFIXES and file.is_file()}
        times = Counter(listed.values())
        self._files = {name if times[name] == 1 else file.stem: file for file, name in listed.items()}

    def listed(self) -> list[Sample]:
        """Return the samples, ordered by file name."""
        found = []
        for name in self._files:
            words = re.sub("[-_]", " ", name).strip()
            picture = f"/v1/samples/{quote(name, safe='')}/picture"
            found.append(Sample(name=name, picture=picture, title=words[:1].upper() + words[1:]))
        return found

    async def content(self, name: str) -> bytes:
        """Return the bytes of a sample, or raise a Refusal (404) for an unknown name."""
        try:
            return await asyncio.to_thread(self._files[name].read_bytes)
        except (KeyError, OSError) as error:
            raise Refusal(404, "no_such_sample", f"sample '{name}': unknown. See /v1/samples.") from error


def _name(file: Path) -> str:
    """Return a file's name without its suffix and without a leading number, which only orders the samples."""
    return re.sub(r"^\d+[-_ ]+", "", file.stem) or file.stem
