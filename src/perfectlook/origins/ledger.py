"""Addresses that are dead: kept in a file beside the set, so that nobody is asked for them again."""

import json
import threading
from datetime import UTC, datetime
from pathlib import Path

from perfectlook.datasets.jsonfiles import lines_of
from perfectlook.origins.manifest import write_whole

LEDGER = "dead.jsonl"
REFUSED = (401, 403)
"""A server says this of what it does not have, but also to those whom it does not like."""


class Ledger:
    """A file of {"url", "status", "when"}, one a line; used from several threads at once."""

    def __init__(self, file: Path, *, ask_again: bool = False) -> None:
        """Read it, where it is there; with `ask_again`, none of what stands in it counts as dead.

        Raises:
            DatasetError: it cannot be read.
        """
        self.file = file
        self._ask_again = ask_again
        self._known = _read(file) if file.exists() else {}
        self._whole = not file.exists() or file.read_bytes()[-1:] in (b"", b"\n")
        self._held: list[tuple[str, int | None]] = []
        self._alive: set[str] = set()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._known)

    def reason(self, url: str) -> str | None:
        """Why an address is not to be asked; None where it may be."""
        entry = None if self._ask_again else self._known.get(url)
        return f"answered {entry['status'] or 'nothing usable'} on {entry['when']}" if entry else None

    def bury(self, url: str, status: int | None) -> None:
        """Note that an address is dead.

        A refusal (401, 403) is noted once the server has given anything: until then it may be us whom it
        refuses, and not the file.
        """
        with self._lock:
            if status in REFUSED:
                self._held.append((url, status))
            else:
                self._write(url, status)

    def trust(self) -> None:
        """The server gives others: what it has refused is dead."""
        if not self._held:
            return
        with self._lock:
            for url, status in self._held:
                self._write(url, status)
            self._held.clear()

    def revive(self, url: str) -> None:
        """Note that an address which stood here has given what was asked for."""
        if self._ask_again and url in self._known:
            with self._lock:
                self._alive.add(url)

    def close(self) -> None:
        """Write the file anew without those that turned out to be alive."""
        if not self._alive:
            return
        left = [entry for url, entry in self._known.items() if url not in self._alive]
        write_whole(self.file, "".join(json.dumps(entry) + "\n" for entry in left))

    def _write(self, url: str, status: int | None) -> None:
        entry: dict[str, object] = {
            "url": url,
            "status": status,
            "when": datetime.now(UTC).strftime("%Y-%m-%d"),
        }
        start = "" if self._whole else "\n"  # a run that was killed may have left half a line
        with self.file.open("a", encoding="utf-8") as lines:
            lines.write(f"{start}{json.dumps(entry)}\n")
        self._whole = True
        self._known[url] = entry


def _read(file: Path) -> dict[str, dict[str, object]]:
    entries: dict[str, dict[str, object]] = {}
    for _, line in lines_of(file):
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if (
            isinstance(entry, dict)
            and isinstance(entry.get("url"), str)
            and {"status", "when"} <= entry.keys()
        ):
            entries[entry["url"]] = entry
    return entries
