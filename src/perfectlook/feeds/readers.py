"""The formats of feeds: a file to read each, and one line here."""

import csv
import json
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TextIO, TypeAlias

from perfectlook.errors import FeedError, MissingExtraError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element


class Row(NamedTuple):
    """One product as the feed has it: its row's number from 1, and text by the name of the column.

    Names are in lower case with underscores and without `g:`. Numbers are as the feed wrote them.
    """

    number: int
    values: Mapping[str, str]


class Unreadable(NamedTuple):
    """A row that cannot be read, and why.

    `id` is the product's, in the column `id_column`, as far as it can be told; None says it is unknown which
    product is missing. With `is_end`, so are all after it.
    """

    number: int
    reason: str
    id: str | None = None
    is_end: bool = False


Reader: TypeAlias = Callable[[Path, str], "Iterator[Row | Unreadable]"]
"""Reads a feed, given the file and the name of the column that holds ids; FeedError where it cannot."""


def column_name(name: str) -> str:
    """The name of a column as this package knows it: `g:Image Link` is `image_link`."""
    return name.strip().lower().removeprefix("g:").strip().replace(" ", "_")


def as_text(value: object) -> str:
    """The text of a value that a format with types holds; None is empty, what is nested is JSON."""
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict) and value.keys() == {"value", "currency"}:  # a price of Google's Content API
        return f"{as_text(value['value'])} {as_text(value['currency'])}"
    if isinstance(value, dict | list | tuple):
        return json.dumps(value, ensure_ascii=False, default=as_text)
    return format(value, "f") if isinstance(value, Decimal) else str(value)


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


def read_jsonl(path: Path, id_column: str) -> Iterator[Row | Unreadable]:
    """Read one object a line; numbers stay as they are written, null is left out, what is nested is JSON.

    Raises:
        FeedError: the file cannot be read, or is not UTF-8.
    """
    with opened(path) as stream:
        for number, line in enumerate(stream, 1):
            if not line.strip():
                continue
            try:
                entry = json.loads(line, parse_float=str, parse_int=str, parse_constant=str)
                values = {column_name(name): as_text(value) for name, value in entry.items()}
            except (ValueError, RecursionError) as error:
                yield Unreadable(number, f"is no JSON ({error})", _id_jsonlines(line, id_column))
            except AttributeError:
                yield Unreadable(number, "is no object; write {...}")
            else:
                yield Row(number, values)


def _id_jsonlines(line: str, id_column: str) -> str | None:
    found = re.search(rf'"(?:g:)?{re.escape(id_column)}"\s*:\s*"([^"\\]+)"', line)
    return found[1] if found else None


_TOGETHER = 10_000


def read_parquet(path: Path, id_column: str) -> Iterator[Row | Unreadable]:  # noqa: ARG001
    """Read a Parquet file, row by row; every value becomes the text a person would write.

    Raises:
        FeedError: the file cannot be read, or is damaged.
        MissingExtraError: pyarrow is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtraError("reading Parquet feeds", "parquet") from error
    number = 0
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            names = [column_name(name) for name in file.schema_arrow.names]
            for batch in file.iter_batches(_TOGETHER):
                columns = [column.to_pylist() for column in batch.columns]
                for values in zip(*columns, strict=True):
                    number += 1
                    yield _row(number, names, values)
    except OSError as error:  # pyarrow's own failures of reading are of this kind too
        raise FeedError(f"{path}: cannot be read ({error}); write it again") from error
    except (pyarrow.ArrowException, ValueError) as error:
        raise FeedError(f"{path}: is damaged, or no Parquet file ({error}); write it again") from error


def _row(number: int, names: list[str], values: tuple[object, ...]) -> Row | Unreadable:
    try:
        texts = [value.decode() if isinstance(value, bytes) else as_text(value) for value in values]
    except UnicodeDecodeError as error:
        return Unreadable(number, f"holds bytes that are not UTF-8 ({error.reason})")
    return Row(number, dict(zip(names, texts, strict=True)))


_PRODUCTS = ("item", "entry")
_GOOGLE = "{http://base.google.com/ns/"


def read_xml(path: Path, id_column: str) -> Iterator[Row | Unreadable]:  # noqa: ARG001
    """Read one item or entry after another, keeping no more than one; of a repeated field the first counts.

    A document type, an entity or anything else that would make the parser read or build more than is in the
    file is refused. A file that breaks off gives what stands before the break.

    Raises:
        FeedError: the file cannot be read, holds what is refused, or is not in the encoding that it says.
    """
    from xml.etree.ElementTree import ParseError

    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import iterparse

    number = 0
    try:
        with path.open("rb") as stream:
            above: list[Element] = []
            for event, element in iterparse(stream, events=("start", "end"), forbid_dtd=True):
                if event == "start":
                    above.append(element)
                    continue
                above.pop()
                if _local(element.tag) in _PRODUCTS:
                    number += 1
                    yield Row(number, _values(element))
                    if above:
                        above[-1].clear()
    except DefusedXmlException as error:
        raise FeedError(
            f"{path}: declares a document type or an entity, which is refused; leave <!DOCTYPE ...> out"
        ) from error
    except ParseError as error:
        encoding = explain_encoding(path)
        if encoding and not _names_encoding(path):
            raise FeedError(f"{path}: {encoding}") from error
        yield Unreadable(number + 1, f"is no XML, nor is what follows ({error})", is_end=True)
    except (LookupError, ValueError) as error:
        raise FeedError(f"{path}: is in an encoding that cannot be read ({error}); use UTF-8") from error
    except OSError as error:
        raise FeedError(f"{path}: cannot be read ({error.strerror}); check the file") from error


def _values(item: "Element") -> dict[str, str]:
    """Fields by name, those of Google's namespace before the others."""
    fields = sorted(item, key=lambda each: not each.tag.startswith(_GOOGLE))
    values: dict[str, str] = {}
    for field in fields:
        text = field.text or ""
        if not text.strip():
            text = field.get("href", "")  # Atom's <link href="..."/>
        if text.strip():
            values.setdefault(column_name(_local(field.tag)), text)
    return values


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _names_encoding(path: Path) -> bool:
    """Whether the file says that it is in another encoding than UTF-8."""
    with path.open("rb") as stream:
        start = stream.read(200).lower()
    return b"encoding=" in start.split(b"?>")[0] and b"utf-8" not in start


class Format(NamedTuple):
    """How a format is read, how its files end, and whether all its rows have the same columns."""

    read: Reader
    suffixes: tuple[str, ...]
    has_columns: bool


FORMATS: dict[str, Format] = {
    "csv": Format(read_csv, (".csv",), has_columns=True),
    "tsv": Format(read_tsv, (".tsv", ".tab", ".txt"), has_columns=True),
    "jsonl": Format(read_jsonl, (".jsonl", ".ndjson"), has_columns=False),
    "parquet": Format(read_parquet, (".parquet", ".pq"), has_columns=True),
    "xml": Format(read_xml, (".xml", ".rss", ".atom"), has_columns=False),
}
"""By name; a file's format is the one whose suffix its name has."""


def format_of(path: Path, name: str | None = None) -> Format:
    """Return the format of that name, by default that of the file's suffix; FeedError where there is none."""
    if name is None:
        found = [each for each in FORMATS.values() if path.name.lower().endswith(each.suffixes)]
        if found:
            return found[0]
        known = ", ".join(suffix for each in FORMATS.values() for suffix in each.suffixes)
        raise FeedError(f"{path}: no feed is known by this suffix ({known}); give --format")
    if name not in FORMATS:
        raise FeedError(f"{path}: '{name}' is no format of feeds; choose {', '.join(FORMATS)}")
    return FORMATS[name]
