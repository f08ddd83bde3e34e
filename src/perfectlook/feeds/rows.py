"""The rows that readers of feeds yield, and the errors of files that they cannot read."""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from decimal import Decimal, InvalidOperation
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar

from perfectlook.errors import FeedError
from perfectlook.files import read_toml
from perfectlook.prices import CURRENCIES

WORDS: dict[str, dict[str, Any]] = read_toml(Path(__file__).parent / "words.toml")
"""The words of shops: names of columns and categories, availabilities, and names of platforms."""


class FeedRow(NamedTuple):
    """A row of a feed: its number, and its texts by column name.

    Numbers start at 1. In text files, the number is the last line of the row. Names are in lower case, with
    underscores and without `g:`. Numeric values are kept as the feed writes them.
    """

    number: int
    values: Mapping[str, str]
    note: str = ""
    """What is doubtful about the row."""
    names: Mapping[str, str] = MappingProxyType({})
    """What the file calls its columns, by column name."""
    problems: tuple[str, ...] = ()
    """What cannot be used about the variants of the product."""


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
_Value = TypeVar("_Value")

MAX_FEED = 2_000_000_000
"""The default of `FeedOptions.max_feed`."""


class Reader(Protocol):
    """Reads a file, given the name of the column with the ids, and the most bytes that it may unpack to."""

    def __call__(self, path: Path, id_column: str, /, *, most: int = MAX_FEED) -> Rows:
        """Yield the rows. Raises FeedError."""


def money_of(values: Mapping[str, object]) -> str:
    """Return the price that an object of a shop's API is, as amount and currency; "" if there is none.

    Known are `{"amount": "9.90", "currencyCode": "EUR"}`, `{"amountMicros": ..., ...}`, `{"EUR": 9.9}` and
    the like.
    """
    named = {
        re.sub("[^a-z]", "", name.lower()): str(value)
        for name, value in values.items()
        if isinstance(value, str | int | float)
    }
    if len(named) == len(values) == 1:
        ((code, amount),) = values.items()
        return f"{amount} {code}" if code in CURRENCIES else ""
    code = next((named[name] for name in _OF_CURRENCIES if named.get(name)), "")
    amount = next((named[name] for name in ("value", "amount", "price") if named.get(name)), "")
    if not amount and "amountmicros" in named:
        with suppress(InvalidOperation):
            amount = f"{Decimal(named['amountmicros']).scaleb(-6):f}"
    return f"{amount} {code}" if amount and code else ""


def the_value_of(values: Mapping[str, _Value]) -> _Value | None:
    """Return the only value of an object, if its name says that it is the value of the field around it."""
    return next(iter(values.values())) if len(values) == 1 and values.keys() <= _OF_VALUES else None


_OF_VALUES = {"value", "amount", "price", "name", "src", "url", "status", "quantity", "text"}
_OF_CURRENCIES = ("currency", "currencycode", "pricecurrency", "currencyiso", "currencyisocode")

UTF_16 = (b"\xff\xfe", b"\xfe\xff")
"""The byte order marks of UTF-16."""


def start_of(path: Path) -> bytes:
    """Return the first bytes of a file; none if it cannot be read."""
    with suppress(OSError), path.open("rb") as stream:
        return stream.read(4096)
    return b""


def unreadable(path: Path, error: OSError) -> FeedError:
    """Return the error of a file that cannot be opened or read."""
    if isinstance(error, FileNotFoundError):
        return FeedError(f"{path}: no such file. Check the path.")
    return FeedError(f"{path}: cannot be read ({error.strerror}). Check its permissions and the disk.")


def wrong_encoding(path: Path) -> str | None:
    """Return an error that says where a file is not UTF-8; None if it is UTF-8."""
    with path.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            if number == 1 and line[:2] in UTF_16:
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
