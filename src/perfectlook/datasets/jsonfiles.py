"""JSON files read so that whatever is wrong in them can be named by file and line."""

import codecs
import json
import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from perfectlook.datasets.problems import ProblemKind, UnusableError, shown
from perfectlook.errors import DatasetError
from perfectlook.types import Problem

_NOT_JSON = (ValueError, RecursionError)


def lines_of(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines of a JSON-lines file that are not blank, trimmed, without byte order mark, numbered from 1.

    Raises:
        DatasetError: the file cannot be read.
    """
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                text = (line.removeprefix(codecs.BOM_UTF8) if number == 1 else line).strip()
                if text:
                    yield number, text
    except OSError as error:
        raise _unreadable(path, error) from error


def object_of(line: bytes) -> dict[str, object]:
    """The JSON object that a line holds.

    Raises:
        UnusableError: it holds something else.
    """
    try:
        row = json.loads(line.decode("utf-8"))
    except _NOT_JSON as error:
        reason = f"not JSON ({_reason(error)}); write one object a line"
    else:
        if isinstance(row, dict):
            return row
        reason = "not an object; write {'product': ..., 'scene': ..., 'bbox': ...}"
    raise UnusableError(ProblemKind.MALFORMED, shown(line.decode("utf-8", errors="replace")), reason)


class JsonObject:
    """A file that holds one JSON object with an entry per id.

    Raises:
        DatasetError: the file cannot be read, or does not hold one object.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._text = path.read_text(encoding="utf-8-sig")
        except OSError as error:
            raise _unreadable(path, error) from error
        except UnicodeDecodeError as error:
            raise DatasetError(f"{path}: not UTF-8 ({_reason(error)}); save it as UTF-8") from error
        self._entries: list[tuple[str, object]] = []
        try:
            whole = json.loads(self._text, object_pairs_hook=self._take)
        except _NOT_JSON as error:
            raise DatasetError(f"{path}: not JSON ({_reason(error)}); mend or replace the file") from error
        if not isinstance(whole, dict):
            raise DatasetError(f"{path}: holds {shown(whole)}; it must be one object with an entry per id")
        self.entries: dict[str, object] = whole

    def _take(self, entries: list[tuple[str, object]]) -> dict[str, object]:
        self._entries = entries  # the outermost object closes last
        return dict(entries)

    def where(self, key: str) -> str:
        """The file and the line of an entry (of its last one, which is the one that counts)."""
        return f"{self.path}:{self._lines.get(key, 1)}"

    def duplicates(self) -> Iterator[Problem]:
        """One problem for every entry that a later one of the same id replaces."""
        if len(self._entries) == len(self.entries):
            return
        seen: dict[str, object] = {}
        for key, value in self._entries:
            if key in seen:
                reason = (
                    f"the id stands here twice, with {shown(seen[key])} and {shown(value)}; the last counts"
                )
                yield Problem(self.where(key), key, reason, ProblemKind.DUPLICATE_ID)
            seen[key] = value

    @cached_property
    def _lines(self) -> dict[str, int]:
        lines: dict[str, int] = {}
        line, position = 1, 0
        for key in re.finditer(r'"((?:[^"\\]|\\.)*)"\s*:', self._text):
            line += self._text.count("\n", position, key.start())
            position = key.start()
            name = key[1] if "\\" not in key[1] else json.loads(f'"{key[1]}"')
            lines[name] = line
        return lines


def _unreadable(path: Path, error: OSError) -> DatasetError:
    return DatasetError(f"{path}: cannot be read ({error.strerror}); check the path and the disk")


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        place = f"line {error.lineno}, column" if error.doc.count("\n") else "column"
        return f"{error.msg} at {place} {error.colno}"
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)
