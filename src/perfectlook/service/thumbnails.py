"""Scenes that may be asked for by name: the pictures of one folder, as they were when the service began."""

import asyncio
import re
import threading
from collections import Counter, OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from perfectlook.catalogue import Record
from perfectlook.errors import PictureError, UsageError
from perfectlook.images import encode_jpeg, open_picture
from perfectlook.service.errors import Refusal

SIZES = (64, 128, 256, 512, 1024)
"""Sides that thumbnails may have; another is rounded up to one of them, so that few are kept."""
KEPT_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture to send: its bytes, type and the tag that changes when it does."""

    content: bytes
    type: str
    tag: str


class Pictures:
    """Pictures of products; thumbnails that were made last are kept."""

    def __init__(self) -> None:
        """Keep nothing yet."""
        self._kept: OrderedDict[str, Shown] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def shown(self, record: Record, size: int | None) -> Shown:
        """Return the picture of a record, scaled to fit a square of about `size` pixels.

        Raises:
            Refusal: it is not there any more, or damaged (404).
        """
        tag = tag_of(record, size)
        with self._lock:
            if (found := self._kept.get(tag)) is not None:
                self._kept.move_to_end(tag)
                return found
        try:
            shown = _made(Path(record.picture), size, tag)
        except (OSError, PictureError) as error:
            raise Refusal(404, "no_picture", "the product's picture is not there now") from error
        if size is not None:
            self._keep(shown)
        return shown

    def _keep(self, shown: Shown) -> None:
        with self._lock:
            if shown.tag not in self._kept:
                self._kept[shown.tag] = shown
                self._bytes += len(shown.content)
            while self._bytes > KEPT_BYTES:
                _, dropped = self._kept.popitem(last=False)
                self._bytes -= len(dropped.content)


def tag_of(record: Record, size: int | None) -> str:
    """The tag of a picture at a size."""
    return f'"{record.picture_sha256[:32]}-{_side(size) or "full"}"'


def _side(size: int | None) -> int | None:
    return None if size is None else next((each for each in SIZES if each >= size), SIZES[-1])


def _made(file: Path, size: int | None, tag: str) -> Shown:
    side = _side(size)
    if side is None:
        content = file.read_bytes()
        if (type_ := type_of(content)) is not None:
            return Shown(content, type_, tag)
    picture = open_picture(file, fit=side)
    if side is not None:
        picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    return Shown(encode_jpeg(picture, 85), "image/jpeg", tag)


def type_of(content: bytes) -> str | None:
    """The type of a picture that every browser shows, None for any other."""
    if content[:3] == b"\xff\xd8\xff":
        return "image/jpeg"
    if content[:8] == b"\x89PNG\r\n\x1a\n":
        return "image/png"
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    return None


SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample's name, title and file."""

    name: str
    title: str
    file: Path


class Samples:
    """The samples of a folder. Names that are asked for are looked up, and never made into paths."""

    def __init__(self, folder: Path | None) -> None:
        """List the folder; None has no samples.

        Raises:
            UsageError: it cannot be listed.
        """
        try:
            files = [] if folder is None else sorted(folder.iterdir())
        except OSError as error:
            raise UsageError(
                f"{folder}: cannot be listed ({error.strerror}); name a folder of photos"
            ) from error
        listed = [file for file in files if file.suffix.lower() in SUFFIXES and file.is_file()]
        names = Counter(_name(file) for file in listed)
        self._samples: dict[str, Sample] = {}
        for file in listed:
            name = _name(file) if names[_name(file)] == 1 else file.stem
            self._samples[name] = Sample(name, _title(name), file)

    def __iter__(self) -> Iterator[Sample]:
        """Go through the samples in the order of their files' names."""
        return iter(self._samples.values())

    async def content(self, name: str) -> bytes:
        """Return the bytes of a sample; Refusal (404) where there is none of that name."""
        sample = self._samples.get(name)
        if sample is None:
            raise Refusal(404, "no_such_sample", "there is no sample of that name; see /v1/samples")
        try:
            return await asyncio.to_thread(sample.file.read_bytes)
        except OSError as error:
            raise Refusal(404, "no_such_sample", "that sample is not there any more") from error


def _name(file: Path) -> str:
    """A file's name without its suffix, and without a number before it, which only says its place."""
    return re.sub(r"^\d+[-_ ]+", "", file.stem) or file.stem


def _title(name: str) -> str:
    words = name.replace("_", " ").replace("-", " ").strip()
    return words[:1].upper() + words[1:]
