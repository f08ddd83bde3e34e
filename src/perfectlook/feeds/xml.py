"""Feeds of Google Merchant Center in XML: the items of an RSS 2.0 channel, or the entries of an Atom feed."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from perfectlook.errors import FeedError
from perfectlook.feeds.rows import Row, Unreadable, column_name
from perfectlook.feeds.text import explain_encoding

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

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
