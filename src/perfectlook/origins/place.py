"""Where a source's files are asked for: their public addresses, a mirror on the web, or a folder."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Protocol
from urllib.parse import quote, urlsplit

from perfectlook.errors import DatasetError, FetchError, UsageError
from perfectlook.fetch.addresses import addresses_of, is_public
from perfectlook.origins.hosts import Hosts, Manners

LISTING = "tree.json"
"""The list of a repository's files as GitHub's API gives it; a mirror on the web has it under this name."""


class Blob(NamedTuple):
    """What a listing says of a file: its size in bytes, and its git hash."""

    size: int
    sha: str


class Place(Protocol):
    """Files by their path at the source."""

    is_local: bool

    def address(self, path: str) -> str:
        """The URL of a file, or its path here."""

    def read(self, path: str) -> bytes:
        """The content of a file.

        Raises:
            FetchError: it cannot be had.
        """

    def close(self) -> None:
        """Break off whatever is still being read."""


class WebPlace:
    """Files by URL: the longest start of a path that `roots` names decides where its URL begins."""

    is_local = False

    def __init__(self, roots: Mapping[str, str], manners: Manners, *, allow_private: bool = False) -> None:
        """Prepare; nothing is asked yet."""
        self._roots = sorted(roots.items(), key=lambda root: -len(root[0]))
        self._hosts = Hosts(manners, allow_private=allow_private)

    def address(self, path: str) -> str:
        """The URL of a file; a root that is a whole path is the URL itself."""
        root, url = next(each for each in self._roots if path.startswith(each[0]))
        return url if path == root else url + quote(path)

    def read(self, path: str) -> bytes:
        """The content of a file; see `Hosts.get`."""
        return self._hosts.get(self.address(path))

    def close(self) -> None:
        """Break off whatever is still being fetched."""
        self._hosts.close()


class FolderPlace:
    """Files in a folder, under the same paths as at the source (a clone of its repository, say)."""

    is_local = True

    def __init__(self, folder: Path) -> None:
        """Name the folder.

        Raises:
            UsageError: there is none.
        """
        if not folder.is_dir():
            raise UsageError(f"--from {folder}: no such folder; name a folder or an http(s):// address")
        self._folder = folder

    def address(self, path: str) -> str:
        """Where a file is."""
        return str(self._folder / path)

    def read(self, path: str) -> bytes:
        """The content of a file."""
        file = self._folder / path
        try:
            if path == LISTING and not file.exists():
                return json.dumps({"tree": list(_walk(self._folder))}).encode()
            return file.read_bytes()
        except FileNotFoundError as error:
            raise FetchError(f"{file}: no such file; the mirror does not have it", status=404) from error
        except OSError as error:
            raise FetchError(f"{file}: cannot be read ({error.strerror}); check the mirror") from error

    def close(self) -> None:
        """Nothing is under way."""


def place_of(mirror: str | None, roots: Mapping[str, str], manners: Manners) -> Place:
    """The place that `--from` names; without it, the public one.

    A private address is asked only where the mirror named is one itself.

    Raises:
        UsageError: the mirror is neither a folder nor an http(s):// address.
        FetchError: its name has no address.
    """
    if mirror is None:
        return WebPlace(roots, manners)
    if "://" not in mirror:
        return FolderPlace(Path(mirror))
    parts = urlsplit(mirror)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise UsageError(f"--from {mirror}: name a folder, or an http:// or https:// address without ? and #")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    addresses = addresses_of(parts.hostname, port, allow_private=True)
    private = not all(map(is_public, addresses))
    return WebPlace({"": mirror.rstrip("/") + "/"}, manners, allow_private=private)


def read_listing(file: Path) -> dict[str, Blob]:
    """The files of a repository, by path, from the answer of GitHub's API (`git/trees/…?recursive=1`).

    Raises:
        DatasetError: it is none, or GitHub has cut it off.
    """
    try:
        tree = json.loads(file.read_bytes())
        if tree.get("truncated"):
            raise DatasetError(
                f"{file}: GitHub has cut the list off; use a clone of the repository with --from"
            )
        return {
            str(entry["path"]): Blob(int(entry["size"]), str(entry["sha"]))
            for entry in tree["tree"]
            if entry.get("type", "blob") == "blob" and "size" in entry
        }
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DatasetError(f"{file}: no list of files as GitHub's API gives it ({error!r})") from error


def blob_sha(content: bytes) -> str:
    """The git hash of a file's content, by which a listing tells whether it is whole."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _walk(folder: Path) -> list[dict[str, object]]:
    """What GitHub's API would say of a folder."""
    found: list[dict[str, object]] = []
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for file in sorted(files):
            path = Path(parent, file)
            if not file.startswith(".") and path.is_file():
                content = path.read_bytes()
                name = path.relative_to(folder).as_posix()
                found.append({"path": name, "size": len(content), "sha": blob_sha(content)})
    return found
