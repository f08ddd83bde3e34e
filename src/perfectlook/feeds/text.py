"""Feeds that are text: UTF-8 and nothing else, read line by line."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from perfectlook.errors import FeedError

_MARKS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
_SHOWN = 20


@contextmanager
def opened(path: Path) -> Iterator[TextIO]:
    """Open a feed as UTF-8 text, with or without a byte order mark; ends of lines stay as they are.

    Raises:
        FeedError: it cannot be read, or is in another encoding; the message names the line and the byte.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            yield stream
    except UnicodeDecodeError as error:
        raise FeedError(f"{path}: {explain_encoding(path) or error}") from error
    except OSError as error:
        raise FeedError(f"{path}: cannot be read ({error.strerror}); check the file") from error


def explain_encoding(path: Path) -> str | None:
    """Say where a file is not UTF-8, and what to do; None where it is."""
    with path.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            encoding = _MARKS.get(line[:2]) if number == 1 else None
            if encoding:
                return f"is in {encoding}; save it as UTF-8"
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                around = line[max(0, error.start - _SHOWN) : error.start].decode("utf-8", "replace")
                return (
                    f"line {number}, byte {error.start + 1} (0x{line[error.start]:02X}, after {around!r}) is "
                    "not UTF-8; save the feed as UTF-8 (it may be in Windows-1252 or Latin-1)"
                )
    return None
