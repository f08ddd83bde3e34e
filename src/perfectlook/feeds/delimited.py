"""Feeds in columns with a header: CSV, whichever of , ; and | separates, and TSV."""

import csv
from collections import deque
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TextIO

from perfectlook.errors import FeedError
from perfectlook.feeds.rows import Reader, Row, Unreadable, column_name
from perfectlook.feeds.text import opened

_SEPARATORS = (",", ";", "|")


def read_delimited(path: Path, id_column: str, *, separator: str | None = None) -> Iterator[Row | Unreadable]:
    """Read a feed whose first line names its columns.

    A row that is broken is one `Unreadable`, also where an open quotation mark would take in the rows that
    follow: reading goes on with its next line.

    Args:
        path: the file.
        id_column: the name of the column that holds ids.
        separator: what separates columns; by default that of `,`, `;` and `|` which the header has most of.

    Raises:
        FeedError: the file cannot be read, is not UTF-8, or has no header.
    """
    with opened(path) as stream:
        lines = _Lines(stream)
        first = next(lines, "")
        separator = separator or max(_SEPARATORS, key=first.count)
        header = _header(path, first, separator)
        lines.taken.clear()
        number = 1
        reader = csv.reader(lines, delimiter=separator, strict=True)
        while True:
            number += 1
            try:
                cells = next(reader)
                problem = _problem(cells, header)
            except StopIteration:
                return
            except csv.Error as error:
                cells, problem = [], f"is no row of columns ({error})"
            if not problem:
                number += len(lines.taken) - 1
                if cells:
                    yield Row(number, dict(zip(header, cells, strict=True)))
            elif plain := _unquoted(lines.taken[0], separator, header):
                lines.give_back()
                yield Row(number, plain)
            else:
                lines.give_back()
                yield Unreadable(number, problem, _id(lines.taken[0], separator, header, id_column))
            lines.taken.clear()


class _Lines(Iterator[str]):
    """The lines of a file; those that were taken for a row which turned out to be none can be given back."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._waiting: deque[str] = deque()
        self.taken: list[str] = []

    def __next__(self) -> str:
        line = self._waiting.popleft() if self._waiting else next(self._stream)
        self.taken.append(line)
        return line

    def give_back(self) -> None:
        """All but the first."""
        self._waiting.extendleft(reversed(self.taken[1:]))


def _header(path: Path, line: str, separator: str) -> list[str]:
    try:
        names = [column_name(name) for name in next(csv.reader([line], delimiter=separator, strict=True))]
    except csv.Error:
        names = []
    if not names:
        raise FeedError(f"{path}: its first line does not name columns; write a header")
    seen: set[str] = set()
    for place, name in enumerate(names):
        if name in seen:  # of two columns of one name the first counts
            names[place] = f"{name}_{place + 1}"
        seen.add(names[place])
    return names


def _problem(cells: list[str], header: list[str]) -> str | None:
    if cells and len(cells) != len(header):
        return f"has {len(cells)} columns, and the header {len(header)}; check its quotation marks"
    return None


def _unquoted(line: str, separator: str, header: list[str]) -> dict[str, str] | None:
    """A row between tabs, whose quotation marks are inches and not quotation marks."""
    if separator != "\t":
        return None
    cells = line.rstrip("\r\n").split(separator)
    return dict(zip(header, cells, strict=True)) if len(cells) == len(header) else None


def _id(line: str, separator: str, header: list[str], id_column: str) -> str | None:
    """The id of a broken row, where it stands before anything that can have broken it."""
    if header[0] != id_column:
        return None
    return line.rstrip("\r\n").split(separator)[0].strip().strip('"') or None


read_csv: Reader = read_delimited
read_tsv: Reader = partial(read_delimited, separator="\t")
