"""Feeds of one JSON object a line."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from perfectlook.feeds.rows import Row, Unreadable, as_text, column_name
from perfectlook.feeds.text import opened


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
                yield Unreadable(number, f"is no JSON ({error})", _id(line, id_column))
            except AttributeError:
                yield Unreadable(number, "is no object; write {...}")
            else:
                yield Row(number, values)


def _id(line: str, id_column: str) -> str | None:
    found = re.search(rf'"(?:g:)?{re.escape(id_column)}"\s*:\s*"([^"\\]+)"', line)
    return found[1] if found else None
