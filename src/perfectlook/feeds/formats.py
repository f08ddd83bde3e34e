"""The formats of feeds: a file to read each, and one line here."""

from pathlib import Path
from typing import NamedTuple

from perfectlook.errors import FeedError
from perfectlook.feeds.delimited import read_csv, read_tsv
from perfectlook.feeds.jsonlines import read_jsonl
from perfectlook.feeds.parquet import read_parquet
from perfectlook.feeds.rows import Reader
from perfectlook.feeds.xml import read_xml


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
