"""Read XML: the RSS and Atom feeds of Google Merchant Center, and products of other shops."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

from perfectlook.errors import FeedError
from perfectlook.feeds.columns import FIELDS, LISTED_IMAGES, column_name
from perfectlook.feeds.rows import (
    FeedRow,
    Rows,
    UnreadableRow,
    money_of,
    the_value_of,
    unreadable,
    wrong_encoding,
)
from perfectlook.prices import is_price

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_MAX_ITEM = 4 * 2**20
"""Bytes of XML between the starts or ends of two items or other elements around items."""
_MAX_NAMES = 2**21
"""Characters of all different names, with 100 more for each."""
_MAX_DEPTH, _MAX_NAMED = 16, 1_000
_PRODUCTS = ("item", "entry", "product")
_GOOGLE = ("{http://base.google.com/", "{https://base.google.com/")


def read_xml(path: Path, _id_column: str, **_: int) -> Rows:  # noqa: PLR0912
    """Read the items or entries one by one, with one in memory. Of a repeated field, the first is used.

    All other elements are freed as they end. An item of more than 4 MiB ends the feed. So do too many
    names of elements, attributes and namespaces.

    Document types and entities are refused, because they can make the parser read other files or use a lot of
    memory. A truncated file gives the rows before the break.

    Raises:
        FeedError: the file cannot be read, has a document type or an entity, has another encoding than it
            declares, or has other elements than these.
    """
    from xml.etree.ElementTree import ParseError

    from defusedxml import DefusedXmlException

    number = 0
    names: dict[str, str] = {}
    others: Counter[str] = Counter()
    try:
        with path.open("rb") as stream:
            above: list[Element] = []
            products, is_inner = 0, False
            counted = _Counted(stream)
            for event, element in _events(counted):
                is_product = _local(element.tag) in _PRODUCTS
                if event == "start":
                    if is_inner and len(above) > 1 and not products and len(others) < _MAX_NAMED:
                        others[_local(above[-1].tag)] += 1
                    is_inner = True  # an element that starts next is the first one in this
                    above.append(element)
                    products += is_product
                    continue
                above.pop()
                is_inner = False
                products -= is_product
                if is_product and not products:
                    number += 1
                    names = names or {column_name(n): n for n in map(_local, (each.tag for each in element))}
                    yield FeedRow(number, _values(element), names=names)
                if not products:  # free everything that no product around it needs
                    counted.size = 0
                    if above:
                        above[-1].clear()
            if not number and others and _local(element.tag) not in ("rss", "feed", "RDF"):
                there = ", ".join(f"<{name}> ({count:,})" for name, count in others.most_common(3))
                raise FeedError(
                    f"{path}: has no <item>, <entry> or <product>, but {there}. Export it as Google Merchant "
                    "Center's XML, or as CSV."
                )
    except _TooLargeError as error:
        reason = f"{error}. Export the feed again."
        yield UnreadableRow(number + 1, reason, is_end=True)
    except DefusedXmlException as error:
        raise FeedError(
            f"{path}: declares a document type or an entity, which is not allowed. Remove <!DOCTYPE ...>."
        ) from error
    except ParseError as error:
        encoding = wrong_encoding(path)
        if encoding and not _names_encoding(path):
            raise FeedError(encoding) from error
        reason = f"not XML from here on ({error}). Export the feed again."
        yield UnreadableRow(number + 1, reason, is_end=True)
    except (LookupError, ValueError) as error:
        raise FeedError(f"{path}: has an unknown encoding ({error}). Save it as UTF-8.") from error
    except OSError as error:
        raise unreadable(path, error) from error


class _TooLargeError(Exception):
    """What the parser has to keep is too large."""


def _events(stream: "_Counted") -> Iterator[tuple[str, "Element"]]:
    """Yield the starts and ends of elements. Names are limited: the parser keeps all that it meets."""
    from defusedxml.ElementTree import iterparse

    known: set[str] = set()
    size = 0
    for event, element in iterparse(stream, events=("start", "end", "start-ns"), forbid_dtd=True):
        if event != "end":
            names = element if event == "start-ns" else (element.tag, *element.attrib)
            if not known.issuperset(names):
                size += sum(100 + len(name) for name in set(names) - known)
                known.update(names)
            if size > _MAX_NAMES:
                raise _TooLargeError("has far more names of elements than feeds have")
        if event != "start-ns":
            yield event, element


class _Counted:
    """A stream that counts the bytes since an element was freed, because the parser holds all of them."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.size = 0

    def read(self, size: int) -> bytes:
        if self.size > _MAX_ITEM:
            raise _TooLargeError(f"an item is larger than {_MAX_ITEM:,} bytes")
        part = self._stream.read(size)
        self.size += len(part)
        return part


def _values(item: "Element", depth: int = 0) -> dict[str, str]:
    """Return the fields of an item by name. Those of Google's namespace take precedence.

    Elements in a field are fields of their own: those of a list (`<images><image>`) have their own name,
    others also the name of the field (`shipping_price`). A price with a currency, or a single element, is
    the field itself. Deeper than 16 elements, nothing is read.
    """
    values: dict[str, str] = {}
    lists: list[Element] = []
    for field in sorted(item, key=lambda each: not each.tag.startswith(_GOOGLE)):
        name = column_name(_local(field.tag))
        if field.get("rel", "alternate") != "alternate":  # Atom's links to a feed itself, or to a file
            continue
        text = "".join(field.itertext()) if name in _WITH_MARKUP else field.text or ""
        if not text.strip():
            text = field.get("href", "")  # Atom's <link href="..."/>
        if not text.strip():
            lists += [field] if len(field) and depth < _MAX_DEPTH else []
            continue
        if name in LISTED_IMAGES and name in values:
            values[name] += f", {text.strip()}"
        if (currency := field.get("currency")) and not any(map(str.isalpha, text)):
            text += f" {currency}"
        values.setdefault(name, text)
    for field in lists:
        around = column_name(_local(field.tag))
        inner = _values(field, depth + 1)
        if price := money_of(inner) if is_price(around) or around == "prices" else "":
            values.setdefault(around.removesuffix("s"), price)
        elif around in FIELDS and (only := the_value_of(inner)):
            values.setdefault(around, only)
        for name, text in inner.items():
            values.setdefault(name if around.startswith(name[:-1]) else f"{around}_{name}", text)
    return values


_WITH_MARKUP = ("title", "name", "description", "summary", "content")


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _names_encoding(path: Path) -> bool:
    """Return whether the file declares an encoding other than UTF-8."""
    with path.open("rb") as stream:
        start = stream.read(200).lower()
    return b"encoding=" in start.split(b"?>")[0] and b"utf-8" not in start
