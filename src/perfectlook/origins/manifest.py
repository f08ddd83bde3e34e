"""`set.json`: where a set came from, under which licence, and the hashes of the files it was made of."""

import hashlib
import json
from pathlib import Path
from typing import TypedDict

from perfectlook.datasets.jsonfiles import JsonObject
from perfectlook.datasets.layout import ABOUT, PAIRS
from perfectlook.errors import UsageError


class FileEntry(TypedDict):
    """One file of the source: its address, size, and sha256 in hex."""

    url: str
    bytes: int
    sha256: str


class Manifest:
    """What `set.json` says of a set that is fetched; written whole at every change."""

    def __init__(self, folder: Path, source: str, licence: str) -> None:
        """Read that of a folder, or begin it.

        Raises:
            UsageError: the folder holds another set.
            DatasetError: the file cannot be read.
        """
        self.file = folder / ABOUT
        entries = JsonObject(self.file).entries if self.file.exists() else {}
        there = entries.get("source")
        if there != source and (there is not None or (folder / PAIRS).exists()):
            what = f"the set '{there}'" if there else "another set"
            raise UsageError(f"{folder}: holds {what}; name another folder with --out")
        self._entries: dict[str, object] = {**entries, "licence": licence, "source": source}
        files = entries.get("files")
        self._files: dict[str, FileEntry] = files if isinstance(files, dict) else {}

    def is_as_noted(self, name: str, file: Path) -> bool:
        """Whether a file is there, of the size and the hash that were noted when it was fetched."""
        entry = self._files.get(name)
        if entry is None or not file.is_file() or file.stat().st_size != entry.get("bytes"):
            return False
        return hashlib.sha256(file.read_bytes()).hexdigest() == entry.get("sha256")

    def note(self, name: str, url: str, content: bytes) -> bool:
        """Note a file that was fetched; returns whether the source had another one the time before."""
        before = self._files.get(name)
        entry = FileEntry(url=url, bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
        self._files[name] = entry
        self.write()
        return before is not None and before.get("sha256") != entry["sha256"]

    def forget(self, name: str) -> None:
        """Note a file no more: it is fetched again by the next run."""
        if self._files.pop(name, None) is not None:
            self.write()

    def write(self) -> None:
        """Write the file in one step."""
        write_whole(self.file, json.dumps({**self._entries, "files": self._files}, indent=1) + "\n")


def write_whole(file: Path, content: str | bytes) -> None:
    """Write a file in one step, making its folder: whoever looks sees the old one, the new one or none."""
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_name(f"{file.name}.part")
    unfinished.write_bytes(content.encode() if isinstance(content, str) else content)
    unfinished.replace(file)
