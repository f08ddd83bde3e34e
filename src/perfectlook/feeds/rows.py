"""What every reader of a feed gives: its rows as text by column, and what it could not read."""

import json
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple, TypeAlias


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
