"""Read feeds row by row: CSV, TSV, JSON lines, Parquet, and XML of Google Merchant Center."""

import csv
import json
import math
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple, TextIO

from perfectlook.errors import FeedError, MissingExtraError
from perfectlook.feeds.columns import IMAGES, column_name
from perfectlook.feeds.rows import (
    MAX_FEED,
    UTF_16,
    WORDS,
    FeedRow,
    Reader,
    Rows,
    UnreadableRow,
    money_of,
    start_of,
    unreadable,
    wrong_encoding,
)
from perfectlook.feeds.xml import read_xml


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
    text = start.decode("utf-16" if start[:2] in UTF_16 else "utf-8", "ignore").lstrip("\ufeff \t\r\n")
    for beginning, reason in _NO_FEEDS.items():
        if text[:20].lower().startswith(beginning) or start.startswith(beginning.encode("latin-1")):
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


_NO_FEEDS: dict[str, str] = WORDS["no_feeds"]
"""The beginnings of files that are no feeds, and what to do."""


def as_text(value: object) -> str:
    """Return a value of a typed format as text.

    None, NaN and empty lists are empty, bytes are UTF-8, and nested values are JSON without missing values.
    Floats have at most 15 digits, and whole ones no decimals.
    """
    if isinstance(value, Exception):  # of a value that could not be read
        raise value
    if isinstance(value, str) or _is_missing(value):
        return value if isinstance(value, str) else ""
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, dict) and (price := money_of(value)):
        return price
    if isinstance(value, list | tuple):
        value = _dense(value)
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, default=as_text) if value else ""
    if isinstance(value, float):  # pandas makes floats of integers with gaps
        value = int(value) if value.is_integer() else Decimal(format(value, ".15g"))
    text = format(value, "f") if isinstance(value, Decimal) else str(value)
    return text.lower() if isinstance(value, bool) else text


def _dense(values: Iterable[object]) -> list[object]:
    """Return a list without what is missing, also in the lists in it."""
    parts = (_dense(each) if isinstance(each, list | tuple) else each for each in values)
    return [each for each in parts if not (_is_missing(each) or each in ("", []))]


def _is_missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and not math.isfinite(value))


def listed(text: str) -> list[Any] | None:
    """Return the values of a JSON list, or a JSON object as one value; None for other texts."""
    if text.startswith(("[", "{")):
        with suppress(ValueError, RecursionError):
            found = json.loads(text, parse_constant=_missing)
            return _dense(found if isinstance(found, list) else [found])
    return None


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
        encoding = "utf-16" if start_of(path)[:2] in UTF_16 else "utf-8-sig"
        with path.open(encoding=encoding, newline="") as stream:
            yield _lines(path, stream)
    except UnicodeError as error:
        raise FeedError(wrong_encoding(path) or f"{path}: {error}") from error
    except OSError as error:
        raise unreadable(path, error) from error


def read_csv(path: Path, id_column: str, *, separator: str | None = None, **_: int) -> Rows:
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
        reading = iter(lines)
        first, number, separator = _first_line(reading, separator)
        is_tabs = separator == "\t"
        separator = separator or max(",;|", key=first.count)
        _check_separator(path, first, separator)
        header, names = _header(path, first, separator)
        lines.taken.clear()
        reading_rows = partial(csv.reader, delimiter=separator, strict=True, skipinitialspace=not is_tabs)
        reader = reading_rows(reading)
        given_back = 0
        while True:
            number += 1
            problem = ""
            try:
                cells = next(reader)
                is_usual = len(cells) == len(header) and cells[0].strip(_BLANK)  # for most rows, no call
                cells = cells if is_usual else _fitting(cells, len(header))
                if is_tabs and cells and '"' not in lines.taken[0] and lines.taken[0].endswith(("\n", "\r")):
                    cells += [""] * (len(header) - len(cells))
                if cells and len(cells) != len(header):
                    problem = (
                        f"has {len(cells)} columns, but the header has {len(header)}. "
                        "Check its quotation marks."
                    )
                elif len(lines.taken) > 1 and _swallows(lines.taken, cells, header, separator, id_column):
                    problem = "a quotation mark opens a text that spans the next rows. Double or remove it."
            except StopIteration:
                return
            except csv.Error as error:
                problem = f"malformed row ({error}). Check its quotation marks."
            if not problem:
                number += len(lines.taken) - 1
                if cells:
                    yield FeedRow(number, dict(zip(header, cells, strict=True)), names=names)
            else:
                plain = _fitting(lines.taken[0].rstrip("\r\n").split(separator), len(header))
                is_open = len(lines.taken) > 1
                given_back += len(lines.taken) - 1
                if given_back > _MAX_GIVEN_BACK:
                    yield UnreadableRow(number, f"too many rows do not end. {problem}", is_end=True)
                    return
                lines.give_back()
                reader = reading_rows(iter(lines))
                if is_tabs and len(plain) == len(header):  # its quotation marks mean inches
                    note = f"its quotation marks are read as text, because {problem}" if is_open else ""
                    yield FeedRow(number, dict(zip(header, plain, strict=True)), note, names)
                else:  # in a malformed row, only the columns up to the id are reliable
                    id_ = plain[0].strip().strip('"') if header[0] == id_column else ""
                    yield UnreadableRow(number, problem, id_ or None)
            lines.taken.clear()


def _first_line(lines: Iterator[str], separator: str | None) -> tuple[str, int, str | None]:
    """Return the first line with columns, its number, and the separator that a line above it names."""
    first, number = next(((line, n) for n, line in enumerate(lines, 1) if line.strip(_BLANK)), ("", 1))
    if named := _NAMES_SEPARATOR.fullmatch(first):
        return next(lines, ""), number + 1, separator or named[1]
    return first, number, separator


def _fitting(cells: list[str], count: int) -> list[str]:
    """Return the cells of a row without empty ones after the last column; none for an empty row."""
    if not (cells and cells[0].strip(_BLANK)) and not any(cell.strip(_BLANK) for cell in cells):
        return []
    while len(cells) > count and not cells[-1].strip():
        cells = cells[:-1]
    return cells


def _swallows(
    lines: Sequence[str], cells: Sequence[str], header: Sequence[str], separator: str, id_column: str
) -> bool:
    """Whether a quoted text of a row spans other rows: lines with all columns, an id and a picture.

    A picture without scheme and suffix counts if the first line of the row has all columns too, and if it
    does not begin with a space, as the parts of a sentence do. In a feed with tabs, no text has both a tab
    and a line break.
    """
    spanning = [cell for cell in cells if separator in cell and ("\n" in cell or "\r" in cell)]
    if not spanning or separator == "\t":
        return bool(spanning)
    count = len(header)
    place = header.index(id_column) if id_column in header else 0
    image = next((header.index(name) for name in IMAGES if name in header), None)
    spaced = f"{separator} " in lines[0].partition('"')[0]
    (start,) = csv.reader(lines[:1], delimiter=separator, skipinitialspace=spaced)
    is_whole = len(_fitting([*start[:-1], *start[-1].split(separator)], count)) == count
    for line in csv.reader(lines[1:], delimiter=separator, skipinitialspace=spaced):
        row = _fitting(line, count)
        if len(row) != count or not _LIKE_AN_ID.fullmatch(row[place].strip()):
            continue
        begins = [row[image]] if image is not None else row
        is_linked = image is None or any(map(str.isalpha, row[image]))
        if _A_PICTURE.search(",".join(row)) or (
            is_whole and is_linked and not any(cell.startswith(" ") for cell in begins)
        ):
            return True
    return False


LONGEST_CELL = 2**23
_MAX_LINES, _MAX_GIVEN_BACK = 10_000, 5_000_000
"""Limits of the lines of one row, and of the lines that are read again because a row did not end."""
_BLANK = " ,;|\t\r\n\x1a\ufeff\u00a0"
_NAMES_SEPARATOR = re.compile(r'"?sep=(.)"?[\s,;]*', re.IGNORECASE)
"""The first line with which spreadsheets name the separator."""
_LIKE_AN_ID = re.compile(r"""["']?[^\n<>"']{1,60}["']?""")
_A_PICTURE = re.compile(r"https?://|\.(?:jpe?g|png|webp|gif|avif|heic|tiff?|bmp)\b", re.IGNORECASE)


def _check_separator(path: Path, line: str, separator: str) -> None:
    """Raise FeedError if a header has more separators of the other format than of its own."""
    if line.count("\t") > line.count(separator):
        raise FeedError(f"{path}: its columns are separated by tabs. Pass --format tsv.")
    if separator == "\t" and max(map(line.count, ",;|")) > line.count("\t"):
        raise FeedError(f"{path}: its columns are not separated by tabs. Pass --format csv.")


class _Lines(Iterable[str]):
    """The lines of a file. Lines that the csv module took for a malformed row can be given back.

    Iterate again after that: an iterator that has reached the end stays there.
    """

    def __init__(self, stream: Iterator[str]) -> None:
        self._stream = stream
        self._waiting: deque[str] = deque()
        self.taken: list[str] = []

    def __iter__(self) -> Iterator[str]:
        while line := self._waiting.popleft() if self._waiting else next(self._stream, ""):
            self.taken.append(line)
            if len(self.taken) > _MAX_LINES:
                raise csv.Error(f"it spans more than {_MAX_LINES:,} lines")
            yield line

    def give_back(self) -> None:
        """Give back all lines except the first."""
        self._waiting.extendleft(reversed(self.taken[1:]))


def _header(path: Path, line: str, separator: str) -> tuple[list[str], dict[str, str]]:
    """Return the normal forms of the columns' names, and the names by normal form."""
    try:
        own = [name.strip() for name in next(csv.reader([line], delimiter=separator, strict=True))]
    except csv.Error:
        raise FeedError(f"{path}: the header has an open quotation mark. Double or remove it.") from None
    while own and not own[-1]:
        own.pop()
    if not own:
        raise FeedError(f"{path}: no header in the first line. Add a line with the column names.")
    names = [column_name(name) for name in own]
    for place, name in enumerate(names):
        if name in names[:place]:  # of two columns with the same name, the first is used
            names[place] = f"{name}_{place + 1}"
    return names, dict(zip(names, own, strict=True))


read_tsv: Reader = partial(read_csv, separator="\t")


def read_jsonl(path: Path, id_column: str, **_: int) -> Rows:
    """Read one object from each line. Numbers are kept as written, null is empty, nested values are JSON.

    Raises:
        FeedError: the file cannot be read, or is not UTF-8.
    """
    shown_id = re.compile(rf'"(?:g:)?{re.escape(id_column)}"\s*:\s*"([^"\\]+)"')
    names: dict[str, str] = {}
    with _opened(path) as stream:
        for number, line in enumerate(stream, 1):
            if not line.strip():
                continue
            try:
                entry = json.loads(line, parse_float=str, parse_int=str, parse_constant=_missing)
                values = {column_name(name): as_text(value) for name, value in entry.items()}
                names = names or {column_name(name): name for name in entry}
            except (ValueError, RecursionError) as error:
                found = shown_id.search(line)
                reason = f"not JSON ({error}). Write one object on each line."
                yield UnreadableRow(number, reason, found and found[1])
            except AttributeError:
                yield UnreadableRow(number, "not an object. Write {...}.")
            else:
                yield FeedRow(number, values, names=names)


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
SUSPICIOUS_BYTES, SUSPICIOUS_RATIO = 64 * 2**20, 200
_MAX_HELD, _BATCH = 256 * 2**20, 500
"""Limits of a Parquet file: values of lists in a row group and in a row, how a row group may be packed, and
the memory for a batch of rows, in addition to the size of the file."""


def read_parquet(path: Path, id_column: str, *, most: int = MAX_FEED) -> Rows:
    """Read a Parquet file in batches of rows. Every value becomes text.

    Repeated texts are held once, as in the file. A file that would unpack to much more than its size is
    refused before it is read. Because its author writes the sizes, memory is also measured while it is read.

    Raises:
        FeedError: the file cannot be read, is damaged, or unpacks to too much.
        MissingExtraError: pyarrow is not installed.
    """
    pyarrow, parquet = import_pyarrow("reading Parquet feeds")
    number = 0
    try:
        with parquet.ParquetFile(path) as file:
            leaves = [file.schema.column(place) for place in range(len(file.schema))]
            check_packing(path, file.metadata, [leaf.max_repetition_level > 0 for leaf in leaves], most)
            texts = [leaf.path for leaf in leaves if leaf.physical_type == "BYTE_ARRAY"]
        with parquet.ParquetFile(path, read_dictionary=texts) as file:
            names = {column_name(name): name for name in file.schema_arrow.names}
            limit = pyarrow.total_allocated_bytes() + _MAX_HELD + path.stat().st_size
            columns = [_column(path, file, name, limit) for name in names.values()]
            for values in zip(*columns, strict=True):
                number += 1
                row = dict(zip(names, values, strict=True))
                id_ = None
                try:
                    id_ = as_text(row.get(id_column))
                    yield FeedRow(number, {n: as_text(value) for n, value in row.items()}, names=names)
                except UnicodeDecodeError as error:
                    reason = f"contains bytes that are not UTF-8 ({error.reason}). Write text as UTF-8."
                    yield UnreadableRow(number, reason, id_)
                except (ValueError, ArithmeticError, RecursionError) as error:
                    reason = f"has a value that cannot be read ({error}). Correct or remove it."
                    yield UnreadableRow(number, reason, id_)
    except FileNotFoundError as error:
        raise unreadable(path, error) from error
    except OSError as error:  # also raised by pyarrow for damaged files
        raise FeedError(f"{path}: cannot be read ({error}). Export the feed again.") from error
    except (pyarrow.ArrowException, ValueError) as error:
        raise FeedError(f"{path}: not a Parquet file, or damaged ({error}). Export it again.") from error


def check_packing(path: Path, metadata: Any, is_list: Sequence[bool], most: int = MAX_FEED) -> None:
    """Refuse a Parquet file that unpacks suspiciously, from what its metadata says.

    Args:
        path: the file.
        metadata: its metadata.
        is_list: whether each column, as the metadata counts them, is part of a list.
        most: the most bytes that all row groups together may unpack to.

    Raises:
        FeedError: a row group, a list or the whole file unpacks to too much.
    """
    total = 0
    for number in range(metadata.num_row_groups):
        columns = [metadata.row_group(number).column(place) for place in range(len(is_list))]
        size = sum(column.total_uncompressed_size for column in columns)
        packed = min(sum(column.total_compressed_size for column in columns), path.stat().st_size)
        total += size
        if total > most:
            raise FeedError(
                f"{path}: unpacks to more than {most:,} bytes. Pass a larger --max-feed if you trust it."
            )
        listed_values = [column.num_values for column, each in zip(columns, is_list, strict=True) if each]
        if (
            size > max(SUSPICIOUS_BYTES, SUSPICIOUS_RATIO * packed)
            or max(listed_values, default=0) > _MAX_LISTED
        ):
            largest = max(columns, key=lambda column: column.total_uncompressed_size)
            raise FeedError(
                f"{path}: row group {number + 1} unpacks from {packed:,} to {size:,} bytes, most of them in "
                f"column '{largest.path_in_schema}'. Remove the column, or write smaller row groups."
            )


def _column(path: Path, file: Any, name: str, limit: int) -> Iterator[object]:
    """Yield the values of a column. Texts that the file holds once are one object.

    A column is read alone, so that memory can be measured before the next one is read.
    """
    import pyarrow

    for batch in file.iter_batches(_BATCH, columns=[name]):
        if pyarrow.total_allocated_bytes() > limit:
            raise FeedError(
                f"{path}: column '{name}' unpacks to too much. Remove it, or export the feed again."
            )
        column = batch.column(0)
        if not hasattr(column, "dictionary"):
            yield from map(_value, column)
            continue
        used = column.indices.unique()
        words = dict(zip(used.to_pylist(), map(_value, column.dictionary.take(used)), strict=True))
        yield from (words[place] for place in column.indices.to_pylist())


def _value(scalar: Any) -> object:
    """Return a value of Parquet: None for a long list, the error for what Python cannot hold."""
    try:
        is_long = hasattr(scalar, "values") and scalar.is_valid and len(scalar) > _MAX_LIST
        value = None if is_long else scalar.as_py()
    except (ValueError, ArithmeticError) as error:
        return error
    if isinstance(value, float) and scalar.type.bit_width < 64:
        return float(str(scalar.type.to_pandas_dtype()(value)))  # 49.9, not 49.900001525878906
    return value


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
