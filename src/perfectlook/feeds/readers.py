"""Read feeds row by row: CSV, TSV, JSON lines, Parquet, and XML of Google Merchant Center."""

import csv
import json
import math
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, NamedTuple, TextIO, TypeAlias

from perfectlook.errors import FeedError, MissingExtraError
from perfectlook.feeds.columns import column_name

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element


class FeedRow(NamedTuple):
    """A row of a feed: its number, and its texts by column name.

    Numbers start at 1. In text files, the number is the last line of the row. Names are in lower case, with
    underscores and without `g:`. Numeric values are kept as the feed writes them.
    """

    number: int
    values: Mapping[str, str]
    note: str = ""
    """What is doubtful about the row."""


class UnreadableRow(NamedTuple):
    """A row that cannot be read, and the reason.

    `id` is the id of the product; None if it is unknown. With `is_end`, all rows after this one are missing
    too.
    """

    number: int
    reason: str
    id: str | None = None
    is_end: bool = False


Rows: TypeAlias = Iterator[FeedRow | UnreadableRow]
Reader: TypeAlias = Callable[[Path, str], Rows]
"""Reads a feed, given the file and the name of the column with the ids. Raises FeedError."""


class Format(NamedTuple):
    """A format: its reader, suffixes, media types, and whether all rows have the same columns.

    `unit` is what the numbers of rows count. `start` is the text that only files of this format begin with.
    """

    read: Reader
    suffixes: tuple[str, ...]
    media_types: tuple[str, ...]
    has_columns: bool
    unit: Literal["line", "row"] = "line"
    start: str = ""


def format_of(name: str, chosen: str | None = None, media_type: str = "", start: bytes = b"") -> Format:
    """Return the chosen format; by default the format of the content, the media type or the suffix.

    Args:
        name: a path or a URL.
        chosen: one of `FORMATS`.
        media_type: the media type that the server declared, for a fetched feed.
        start: the first bytes of the file. They decide between XML, JSON lines, Parquet and text, because
            servers and file names are often wrong.

    Raises:
        FeedError: the chosen format is unknown, the content is not a feed, or no format fits.
    """
    if chosen is not None:
        if chosen not in FORMATS:
            raise FeedError(f"{name}: unknown format '{chosen}'. Choose one of: {', '.join(FORMATS)}.")
        return FORMATS[chosen]
    text = start.decode("utf-16" if start[:2] in _UTF_16 else "utf-8", "ignore").lstrip("\ufeff \t\r\n")
    for beginning, reason in _NO_FEEDS.items():
        if text[:20].lower().startswith(beginning):
            raise FeedError(f"{name}: {reason}")
    if by_content := [each for each in FORMATS.values() if each.start and text.startswith(each.start)]:
        return by_content[0]
    is_told = [each for each in FORMATS.values() if not (start and each.start)]
    by_type = [each for each in is_told if media_type in each.media_types]
    by_name = [each for each in FORMATS.values() if name.lower().endswith(each.suffixes)]
    header = text.partition("\n")[0]
    by_header = [FORMATS["tsv" if "\t" in header else "csv"]] if max(map(header.count, "\t,;|")) else []
    if not (by_type or by_name or by_header):
        known = ", ".join(suffix for each in FORMATS.values() for suffix in each.suffixes)
        raise FeedError(f"{name}: unknown suffix (known: {known}). Name the format with --format.")
    return (by_type or by_name or by_header)[0]


_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_NO_FEEDS = {
    **dict.fromkeys(
        ("<!doctype html", "<html"),
        "is a web page, not a feed. Check the address; a feed must not need a sign-in.",
    ),
    "pk\x03\x04": "is a zip file or an Excel workbook. Unpack it, or save it as CSV.",
    "[": "is one JSON list. Write one object on each line, as `jq -c '.[]'` does.",
}
"""The beginnings of files that are no feeds, and what to do."""


def as_text(value: object) -> str:
    """Return a value of a typed format as text: None is empty, bytes are UTF-8, nested values are JSON."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, dict) and value.keys() == {"value", "currency"}:  # a price of Google's Content API
        return f"{as_text(value['value'])} {as_text(value['currency'])}"
    if isinstance(value, dict | list | tuple):
        return json.dumps(value, ensure_ascii=False, default=as_text)
    text = format(value, "f") if isinstance(value, Decimal) else str(value)
    return text.lower() if isinstance(value, bool) else text


_MAX_LINE = 2**24


def _lines(path: Path, stream: TextIO) -> Iterator[str]:
    """Yield the lines of a text file. A file without line ends is not read into memory."""
    for line in iter(partial(stream.readline, _MAX_LINE), ""):
        if len(line) == _MAX_LINE:
            raise FeedError(f"{path}: a line has more than {_MAX_LINE:,} characters. Export the feed again.")
        yield line


@contextmanager
def _opened(path: Path) -> Iterator[Iterator[str]]:
    """Open a feed as lines of UTF-8 text, or of UTF-16 with a byte order mark. Line ends are kept."""
    try:
        encoding = "utf-16" if start_of(path)[:2] in _UTF_16 else "utf-8-sig"
        with path.open(encoding=encoding, newline="") as stream:
            yield _lines(path, stream)
    except UnicodeError as error:
        raise FeedError(_wrong_encoding(path) or f"{path}: {error}") from error
    except OSError as error:
        raise _unreadable(path, error) from error


def start_of(path: Path) -> bytes:
    """Return the first bytes of a file; none if it cannot be read."""
    with suppress(OSError), path.open("rb") as stream:
        return stream.read(4096)
    return b""


def _unreadable(path: Path, error: OSError) -> FeedError:
    if isinstance(error, FileNotFoundError):
        return FeedError(f"{path}: no such file. Check the path.")
    return FeedError(f"{path}: cannot be read ({error.strerror}). Check its permissions and the disk.")


def _wrong_encoding(path: Path) -> str | None:
    """Return an error that says where a file is not UTF-8; None if it is UTF-8."""
    with path.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            if number == 1 and line[:2] in _UTF_16:
                return f"{path}: is damaged UTF-16. Save it as UTF-8."
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                around = line[max(0, error.start - 20) : error.start].decode("utf-8", "replace")
                return (
                    f"{path}, line {number}: byte {error.start + 1} (0x{line[error.start]:02X}, after "
                    f"{around!r}) is not UTF-8. Save the file as UTF-8; it may be Windows-1252 or Latin-1."
                )
    return None


def read_csv(path: Path, id_column: str, *, separator: str | None = None) -> Rows:
    """Read a feed whose first line names its columns.

    A malformed row becomes one `UnreadableRow`, and reading continues on its next line. So does a row whose
    quoted text spans other rows (see `_swallows`), so the rows after an open quotation mark are not lost. In
    a feed with tabs, the quotation marks of this row are text, and a row may lack its last, empty columns.

    Args:
        path: the file.
        id_column: the name of the column with the ids.
        separator: the separator of columns; by default the most frequent of `,`, `;` and `|` in the header.

    Raises:
        FeedError: the file cannot be read, is not UTF-8, or has no header.
    """
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST_CELL))
    with _opened(path) as stream:
        lines = _Lines(stream)
        first, number = next(lines, ""), 1
        if named := _NAMES_SEPARATOR.fullmatch(first):
            separator, first, number = separator or named[1], next(lines, ""), 2
        is_tabs = separator == "\t"
        separator = separator or max(",;|", key=first.count)
        _check_separator(path, first, separator)
        header = _header(path, first, separator)
        place = header.index(id_column) if id_column in header else 0
        lines.taken.clear()
        reader = csv.reader(lines, delimiter=separator, strict=True, skipinitialspace=not is_tabs)
        while True:
            number += 1
            problem = ""
            try:
                cells = _fitting(next(reader), len(header))
                if cells and is_tabs and '"' not in lines.taken[0] and lines.taken[0].endswith(("\n", "\r")):
                    cells += [""] * (len(header) - len(cells))
                if cells and len(cells) != len(header):
                    problem = (
                        f"has {len(cells)} columns, but the header has {len(header)}. "
                        "Check its quotation marks."
                    )
                elif len(lines.taken) > 1 and _swallows(lines.taken, cells, separator, place):
                    problem = "a quotation mark opens a text that spans the next rows. Double or remove it."
            except StopIteration:
                return
            except csv.Error as error:
                problem = f"malformed row ({error}). Check its quotation marks."
            if not problem:
                number += len(lines.taken) - 1
                if cells:
                    yield FeedRow(number, dict(zip(header, cells, strict=True)))
            else:
                plain = _fitting(lines.taken[0].rstrip("\r\n").split(separator), len(header))
                is_open = len(lines.taken) > 1
                lines.give_back()
                if is_tabs and len(plain) == len(header):  # its quotation marks mean inches
                    note = f"its quotation marks are read as text, because {problem}" if is_open else ""
                    yield FeedRow(number, dict(zip(header, plain, strict=True)), note)
                else:  # in a malformed row, only the columns up to the id are reliable
                    id_ = plain[0].strip().strip('"') if header[0] == id_column else ""
                    yield UnreadableRow(number, problem, id_ or None)
            lines.taken.clear()


def _fitting(cells: list[str], count: int) -> list[str]:
    """Return the cells of a row without empty ones after the last column; none for an empty row."""
    if not any(cell.strip(_BLANK) for cell in cells):
        return []
    while len(cells) > count and not cells[-1].strip():
        cells = cells[:-1]
    return cells


def _swallows(lines: Sequence[str], cells: Sequence[str], separator: str, place: int) -> bool:
    """Whether a quoted text of a row spans other rows: lines with all columns, an id and a picture.

    In a feed with tabs, no text has both a tab and a line break.
    """
    spanning = [cell for cell in cells if separator in cell and ("\n" in cell or "\r" in cell)]
    if not spanning or separator == "\t":
        return bool(spanning)
    rows = (_fitting(row, len(cells)) for row in csv.reader(lines[1:], delimiter=separator))
    return any(
        len(row) == len(cells)
        and _LIKE_AN_ID.fullmatch(row[place].strip())
        and _A_PICTURE.search(",".join(row))
        for row in rows
    )


LONGEST_CELL = 2**23
_BLANK = " \t\r\n\x1a\ufeff\u00a0"
_NAMES_SEPARATOR = re.compile(r"sep=(.)\s*")
"""The first line with which spreadsheets name the separator."""
_LIKE_AN_ID = re.compile(r"""["']?[^\n<>"']{1,60}["']?""")
_A_PICTURE = re.compile(r"https?://|\.(?:jpe?g|png|webp|gif|avif|heic|tiff?|bmp)\b", re.IGNORECASE)


def _check_separator(path: Path, line: str, separator: str) -> None:
    """Raise FeedError if a header has no separator of its format, but one of the other format."""
    if separator in line:
        return
    if "\t" in line:
        raise FeedError(f"{path}: its columns are separated by tabs. Pass --format tsv.")
    if separator == "\t" and max(map(line.count, ",;|")):
        raise FeedError(f"{path}: its columns are not separated by tabs. Pass --format csv.")


class _Lines(Iterator[str]):
    """The lines of a file. Lines that the csv module took for a malformed row can be given back."""

    def __init__(self, stream: Iterator[str]) -> None:
        self._stream = stream
        self._waiting: deque[str] = deque()
        self.taken: list[str] = []

    def __next__(self) -> str:
        line = self._waiting.popleft() if self._waiting else next(self._stream)
        self.taken.append(line)
        return line

    def give_back(self) -> None:
        """Give back all lines except the first."""
        self._waiting.extendleft(reversed(self.taken[1:]))


def _header(path: Path, line: str, separator: str) -> list[str]:
    try:
        names = [column_name(name) for name in next(csv.reader([line], delimiter=separator, strict=True))]
    except csv.Error:
        names = []
    while names and not names[-1]:
        names.pop()
    if not names:
        raise FeedError(f"{path}: no header in the first line. Add a line with the column names.")
    for place, name in enumerate(names):
        if name in names[:place]:  # of two columns with the same name, the first is used
            names[place] = f"{name}_{place + 1}"
    return names


read_tsv: Reader = partial(read_csv, separator="\t")


def read_jsonl(path: Path, id_column: str) -> Rows:
    """Read one object from each line. Numbers are kept as written, null is empty, nested values are JSON.

    Raises:
        FeedError: the file cannot be read, or is not UTF-8.
    """
    shown_id = re.compile(rf'"(?:g:)?{re.escape(id_column)}"\s*:\s*"([^"\\]+)"')
    with _opened(path) as stream:
        for number, line in enumerate(stream, 1):
            if not line.strip():
                continue
            try:
                entry = json.loads(line, parse_float=str, parse_int=str, parse_constant=_missing)
                values = {column_name(name): as_text(value) for name, value in entry.items()}
            except (ValueError, RecursionError) as error:
                found = shown_id.search(line)
                reason = f"not JSON ({error}). Write one object on each line."
                yield UnreadableRow(number, reason, found and found[1])
            except AttributeError:
                yield UnreadableRow(number, "not an object. Write {...}.")
            else:
                yield FeedRow(number, values)


def _missing(_constant: str) -> None:
    """NaN and Infinity are no values."""


def import_pyarrow(what: str) -> tuple[Any, Any]:
    """Return pyarrow and pyarrow.parquet for `what`; MissingExtraError if they are not installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtraError(what, "parquet") from error
    return pyarrow, pyarrow.parquet


_MAX_LISTED = 20_000_000
_MAX_LIST = 10_000
_SUSPICIOUS_BYTES, _SUSPICIOUS_RATIO = 64 * 2**20, 200
"""Limits of a Parquet file: values of lists in a row group and in a row, and how columns may be packed."""


def read_parquet(path: Path, id_column: str) -> Rows:  # noqa: ARG001
    """Read a Parquet file in batches of rows. Every value becomes text.

    Repeated texts are held once, as in the file. Columns that would unpack to much more than the file are
    refused before they are read.

    Raises:
        FeedError: the file cannot be read, is damaged, or unpacks to too much.
        MissingExtraError: pyarrow is not installed.
    """
    pyarrow, parquet = import_pyarrow("reading Parquet feeds")
    number = 0
    try:
        with parquet.ParquetFile(path) as file:
            leaves = [file.schema.column(place) for place in range(len(file.schema))]
            _check_packing(path, file.metadata, [leaf.max_repetition_level > 0 for leaf in leaves])
            texts = [leaf.path for leaf in leaves if leaf.physical_type == "BYTE_ARRAY"]
        with parquet.ParquetFile(path, read_dictionary=texts) as file:
            names = [column_name(name) for name in file.schema_arrow.names]
            for batch in file.iter_batches(1_000):
                for values in zip(*map(_shared, batch.columns), strict=True):
                    number += 1
                    try:
                        row = FeedRow(number, dict(zip(names, map(as_text, values), strict=True)))
                    except UnicodeDecodeError as error:
                        reason = f"contains bytes that are not UTF-8 ({error.reason}). Write text as UTF-8."
                        yield UnreadableRow(number, reason)
                    else:
                        yield row
    except FileNotFoundError as error:
        raise _unreadable(path, error) from error
    except OSError as error:  # also raised by pyarrow for damaged files
        raise FeedError(f"{path}: cannot be read ({error}). Export the feed again.") from error
    except (pyarrow.ArrowException, ValueError) as error:
        raise FeedError(f"{path}: not a Parquet file, or damaged ({error}). Export it again.") from error


def _check_packing(path: Path, metadata: Any, is_list: list[bool]) -> None:
    """Refuse a Parquet file whose columns unpack suspiciously, from what its metadata says."""
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        for place, repeated in enumerate(is_list):
            column = group.column(place)
            size = column.total_uncompressed_size
            suspicious = size > max(_SUSPICIOUS_BYTES, _SUSPICIOUS_RATIO * column.total_compressed_size)
            if suspicious or (repeated and column.num_values > _MAX_LISTED):
                raise FeedError(
                    f"{path}: column '{column.path_in_schema}' unpacks to {size:,} bytes and "
                    f"{column.num_values:,} values. Remove the column, or write smaller row groups."
                )


def _shared(column: Any) -> Iterator[object]:
    """Yield the values of a column. Texts that the file holds once are one object; long lists are None."""
    if hasattr(column, "dictionary"):
        used = column.indices.unique()
        words = dict(zip(used.to_pylist(), column.dictionary.take(used).to_pylist(), strict=True))
        yield from (words[place] for place in column.indices.to_pylist())
        return
    for value in column:
        is_long = hasattr(value, "values") and value.is_valid and len(value) > _MAX_LIST
        yield None if is_long else value.as_py()


_MAX_ITEM = 4 * 2**20
"""Bytes of XML between the starts or ends of two items or other elements around items."""
_PRODUCTS = ("item", "entry", "product")
_GOOGLE = ("{http://base.google.com/", "{https://base.google.com/")


def read_xml(path: Path, id_column: str) -> Rows:  # noqa: ARG001
    """Read the items or entries one by one, with one in memory. Of a repeated field, the first is used.

    All other elements are freed as they end. An item of more than 4 MiB ends the feed.

    Document types and entities are refused, because they can make the parser read other files or use a lot of
    memory. A truncated file gives the rows before the break.

    Raises:
        FeedError: the file cannot be read, has a document type or an entity, or has another encoding than it
            declares.
    """
    from xml.etree.ElementTree import ParseError

    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import iterparse

    number = 0
    try:
        with path.open("rb") as stream:
            above: list[Element] = []
            products = 0
            counted = _Counted(stream)
            for event, element in iterparse(counted, events=("start", "end"), forbid_dtd=True):
                is_product = _local(element.tag) in _PRODUCTS
                if event == "start":
                    above.append(element)
                    products += is_product
                    continue
                above.pop()
                products -= is_product
                if is_product and not products:
                    number += 1
                    yield FeedRow(number, _values(element))
                if not products:  # free everything that no product around it needs
                    counted.size = 0
                    if above:
                        above[-1].clear()
    except _TooLargeError:
        reason = f"an item is larger than {_MAX_ITEM:,} bytes. Export the feed again."
        yield UnreadableRow(number + 1, reason, is_end=True)
    except DefusedXmlException as error:
        raise FeedError(
            f"{path}: declares a document type or an entity, which is not allowed. Remove <!DOCTYPE ...>."
        ) from error
    except ParseError as error:
        encoding = _wrong_encoding(path)
        if encoding and not _names_encoding(path):
            raise FeedError(encoding) from error
        reason = f"not XML from here on ({error}). Export the feed again."
        yield UnreadableRow(number + 1, reason, is_end=True)
    except (LookupError, ValueError) as error:
        raise FeedError(f"{path}: has an unknown encoding ({error}). Save it as UTF-8.") from error
    except OSError as error:
        raise _unreadable(path, error) from error


class _TooLargeError(Exception):
    """An item of a feed is too large."""


class _Counted:
    """A stream that counts the bytes since an element was freed, because the parser holds all of them."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.size = 0

    def read(self, size: int) -> bytes:
        if self.size > _MAX_ITEM:
            raise _TooLargeError
        part = self._stream.read(size)
        self.size += len(part)
        return part


def _values(item: "Element") -> dict[str, str]:
    """Return the fields of an item by name. Those of Google's namespace take precedence.

    Elements in a field are fields of their own: those of a list (`<images><image>`) have their own name,
    others also the name of the field (`shipping_price`).
    """
    values: dict[str, str] = {}
    lists: list[Element] = []
    for field in sorted(item, key=lambda each: not each.tag.startswith(_GOOGLE)):
        name = column_name(_local(field.tag))
        text = "".join(field.itertext()) if name in _WITH_MARKUP else field.text or ""
        if not text.strip():
            text = field.get("href", "")  # Atom's <link href="..."/>
        if not text.strip():
            lists += [field] if len(field) else []
            continue
        if name in LISTED_IMAGES and name in values:
            values[name] += f", {text.strip()}"
        if (currency := field.get("currency")) and not any(map(str.isalpha, text)):
            text += f" {currency}"
        values.setdefault(name, text)
    for field in lists:
        around = column_name(_local(field.tag))
        for name, text in _values(field).items():
            values.setdefault(name if around.startswith(name[:-1]) else f"{around}_{name}", text)
    return values


LISTED_IMAGES = ("additional_image_link", "lifestyle_image_link", "image")
"""Fields that an item may repeat, with one picture in each."""
_WITH_MARKUP = ("title", "name", "description", "summary", "content")


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _names_encoding(path: Path) -> bool:
    """Return whether the file declares an encoding other than UTF-8."""
    with path.open("rb") as stream:
        start = stream.read(200).lower()
    return b"encoding=" in start.split(b"?>")[0] and b"utf-8" not in start


_XML = ("application/xml", "text/xml", "application/rss+xml", "application/atom+xml")
_JSON = ("application/jsonl", "application/x-ndjson", "application/x-jsonlines")
_PARQUET = ("application/vnd.apache.parquet",)

FORMATS: dict[str, Format] = {
    "csv": Format(read_csv, (".csv",), ("text/csv",), has_columns=True),
    "tsv": Format(read_tsv, (".tsv", ".tab", ".txt"), ("text/tab-separated-values",), has_columns=True),
    "jsonl": Format(read_jsonl, (".jsonl", ".ndjson"), _JSON, has_columns=False, start="{"),
    "parquet": Format(
        read_parquet, (".parquet", ".pq"), _PARQUET, has_columns=True, unit="row", start="PAR1"
    ),
    "xml": Format(read_xml, (".xml", ".rss", ".atom"), _XML, has_columns=False, unit="row", start="<"),
}
"""The formats by name."""
