"""What a study has measured so far: one JSON object a line, there at once, found again by its settings."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from perfectlook.errors import PerfectLookError

Settings = Mapping[str, Any]
Measured = dict[str, Any]


class Measurements:
    """The measurements of a file; of two with the same settings the later counts.

    Raises:
        PerfectLookError: the file cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found: dict[str, Measured] = {}
        if not path.exists():
            return
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise PerfectLookError(f"{path}: cannot be read ({error}); name another folder") from error
        for line in lines:
            try:
                entry = json.loads(line)
                self._found[_key(entry["settings"])] = dict(entry["measured"])
            except (ValueError, KeyError, TypeError):  # the last line of a run that was killed
                continue

    def get(self, settings: Settings) -> Measured | None:
        """What was measured with exactly these settings, if it was."""
        return self._found.get(_key(settings))

    def forget(self, settings: Settings) -> None:
        """Let `get` find nothing for these settings until they are measured again."""
        self._found.pop(_key(settings), None)

    def add(self, settings: Settings, measured: Measured) -> None:
        """Write a measurement; it is on the disk when this returns.

        Raises:
            PerfectLookError: it cannot be written.
        """
        line = json.dumps({"settings": dict(settings), "measured": measured}) + "\n"
        try:
            with self._path.open("a+b") as file:
                end = file.seek(0, os.SEEK_END)
                file.seek(max(0, end - 1))
                torn = end > 0 and file.read(1) != b"\n"
                file.write((("\n" if torn else "") + line).encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise PerfectLookError(
                f"{self._path}: cannot be written ({error.strerror}); free some space, and run the same "
                "command again: it goes on where it stood"
            ) from error
        self._found[_key(settings)] = measured


def _key(settings: Settings) -> str:
    return json.dumps(settings, sort_keys=True)
