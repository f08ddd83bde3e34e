"""Decode the service's pictures in worker processes, within a time and a memory limit."""

import gc
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from io import BytesIO
from typing import NamedTuple

from PIL import Image

from perfectlook.errors import PerfectLookError, PictureError
from perfectlook.features.workers import TaskTimeoutError, WorkerDiedError, WorkerMemoryError, WorkerPool
from perfectlook.files import Closable
from perfectlook.images import LARGE, PictureLimits, encode_jpeg, open_picture, upright_size
from perfectlook.types import Box, Rectangle

SMALLEST_BOX = 8
_M_MMAP_THRESHOLD = -3
_BAND = 512
_SPARE = 2**24


class SmallBoxError(PerfectLookError):
    """The requested part of a picture has too few pixels."""


class Decoded(NamedTuple):
    """A decoded picture, or the requested part of it, and the size of the whole, upright picture."""

    picture: Image.Image
    width: int
    height: int


class _Task(NamedTuple):
    """What a worker does: decode for a network of `fit` pixels, or make a JPEG of at most `side` pixels."""

    content: bytes
    limits: PictureLimits
    box: Box | None = None
    fit: int = 64
    jpeg: bool = False
    side: int | None = None


class Decoder(Closable):
    """Decodes pictures of others. A picture that takes too long fails alone: its worker is replaced."""

    def __init__(self, workers: int, limits: PictureLimits, seconds: float, memory: int) -> None:
        """Start no worker yet.

        Args:
            workers: number of processes.
            limits: limits of each picture.
            seconds: maximum time of a picture.
            memory: maximum bytes that a picture may take in its worker, on Linux.
        """
        self._limits = limits
        self._seconds = seconds
        self._pool: WorkerPool[_Task, tuple[bytes, tuple[int, int], int, int]] = WorkerPool(
            partial(_started, memory), workers
        )
        self._workers = workers

    def warm(self) -> None:
        """Start all workers."""
        grey = encode_jpeg(Image.new("RGB", (64, 64), "grey"))
        for each in [self._pool.submit(_Task(grey, self._limits)) for _ in range(self._workers)]:
            each.result()

    def decode(self, content: bytes, *, box: Box | None = None, fit: int = 64) -> Decoded:
        """Return a picture, or the part of it in a box, for a network with inputs of `fit` pixels.

        Raises:
            PictureError: the picture cannot be used, or takes too long or too much memory.
        """
        pixels, size, width, height = self._do(_Task(content, self._limits, box, fit))
        return Decoded(Image.frombytes("RGB", size, pixels), width, height)

    def jpeg(self, content: bytes, side: int | None) -> bytes:
        """Return a picture as JPEG, scaled to at most `side` pixels.

        Raises:
            PictureError: as for `decode`.
        """
        return self._do(_Task(content, self._limits, fit=side or 64, jpeg=True, side=side))[0]

    def _do(self, task: _Task) -> tuple[bytes, tuple[int, int], int, int]:
        try:
            return self._pool.submit(task, seconds=self._seconds).result()
        except TaskTimeoutError as error:
            raise PictureError(
                f"takes more than {self._seconds:g} s to decode. Save it again, or raise --decode-seconds."
            ) from error
        except WorkerMemoryError as error:
            raise PictureError(
                "needs more memory than there is. Scale it down, or raise --decode-memory."
            ) from error
        except WorkerDiedError as error:
            raise PictureError("crashes the decoder. Save it again.") from error

    def _release(self) -> None:
        self._pool.close()


def _started(memory: int) -> Callable[[_Task], tuple[bytes, tuple[int, int], int, int]]:
    """Start a worker: limit its memory, and return what it does."""
    from PIL import AvifImagePlugin
    from pillow_heif import options

    AvifImagePlugin.DEFAULT_MAX_THREADS = options.DECODE_THREADS = 1
    decode(_Task(encode_jpeg(Image.new("RGB", (64, 64))), PictureLimits()))  # load everything first
    if sys.platform == "linux":
        import ctypes
        import resource

        with suppress(OSError, AttributeError):  # glibc: memory of a picture goes back at its end
            ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, 2**22)
        usual = _used()
        most = usual + 2 * memory

        def bounded(task: _Task) -> tuple[bytes, tuple[int, int], int, int]:
            if _used() > usual + _SPARE:
                gc.collect()  # what a failed picture left
            resource.setrlimit(resource.RLIMIT_DATA, (min(_used() + memory, most), most))
            return decode(task)

        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_DATA, (most, most))
            return bounded
    return decode


def _used() -> int:
    """Return how many bytes this process uses, as its limit counts them."""
    with open("/proc/self/status") as status:  # noqa: PTH123
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmData"))


def decode(task: _Task) -> tuple[bytes, tuple[int, int], int, int]:
    """Do a task, in a worker. Return bytes, the size of the picture in them, and that of the whole."""
    width, height = upright_size(task.content, limits=task.limits)
    crop = None if task.box is None else pixels_of(task.box, width, height)
    fit = None if task.jpeg and task.side is None else task.fit
    picture = open_picture(task.content, crop=crop, fit=fit, limits=task.limits)
    if task.jpeg:
        if task.side is not None:
            picture.thumbnail((task.side, task.side), Image.Resampling.LANCZOS)
        return encode_jpeg(picture, 85), picture.size, width, height
    if picture.width * picture.height > LARGE:  # a network squashes it anyway; the service has no such memory
        across, down = (max(1, side // (4 * task.fit)) for side in picture.size)
        picture = picture.reduce((across, down))
    return _pixels(picture), picture.size, width, height


def _pixels(picture: Image.Image) -> bytes:
    """Return the bytes of a picture. `tobytes` of a large one would need twice their memory."""
    if picture.height <= _BAND:
        return picture.tobytes()
    found = BytesIO()
    for top in range(0, picture.height, _BAND):
        band = (0, top, picture.width, min(top + _BAND, picture.height))
        found.write(picture.crop(band).tobytes())
    return found.getvalue()


def pixels_of(box: Box, width: int, height: int) -> Rectangle:
    """Return the pixels of a picture that are in a box. Raise a SmallBoxError if they are too few."""
    found = Rectangle(
        int(box.left * width), int(box.top * height), round(box.right * width), round(box.bottom * height)
    )
    if min(found.right - found.left, found.bottom - found.top) < SMALLEST_BOX:
        raise SmallBoxError(
            f"box: smaller than {SMALLEST_BOX} by {SMALLEST_BOX} pixels of the photo. Draw a larger box."
        )
    return found
