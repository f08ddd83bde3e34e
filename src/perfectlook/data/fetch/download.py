"""Brings files from a place into a set's folder: several at once, each once, none twice."""

import hashlib
import json
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Literal, NamedTuple, Protocol, TypedDict
from urllib.parse import quote, urlsplit

from perfectlook.data.layout import ABOUT, PAIRS, JsonObject, lines_of
from perfectlook.errors import DatasetError, FetchError, PictureError, UsageError
from perfectlook.fetching import DEFAULT_LIMITS, Fetcher, FetchLimits, addresses_of, is_public
from perfectlook.files import Closable, write_file
from perfectlook.images import open_picture
from perfectlook.progress import Progress
from perfectlook.retry import Retry
from perfectlook.types import Problem


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
        write_file(self.file, json.dumps({**self._entries, "files": self._files}, indent=1) + "\n")


@dataclass(frozen=True, slots=True)
class Manners:
    """How servers are asked.

    Attributes:
        at_once: files asked of one server at the same time.
        tries: how often a file is asked for in all, where trying again may help.
        first_pause: seconds before a file is asked for again; each further time twice as long.
        longest_pause: of these pauses.
        patience: the longest wait a server may ask for; one that asks for more is left alone for this run.
        given_up_after: so many files in a row that a server cannot give for passing reasons, or all of which
            it refuses before it has given any: the run ends.
        seconds: the longest one file may take.
        max_bytes: the largest file accepted.
    """

    at_once: int = 6
    tries: int = 4
    first_pause: float = 1.0
    longest_pause: float = 30.0
    patience: float = 300.0
    given_up_after: int = 20
    seconds: float = 120.0
    max_bytes: int = DEFAULT_LIMITS.max_bytes


class UnwillingError(FetchError):
    """A server that does not answer, or asks to be left alone: there is no use in going on now."""


class _Host:
    """What is known of one server."""

    def __init__(self, at_once: int) -> None:
        self.room = threading.BoundedSemaphore(at_once)
        self.not_before = 0.0
        self.failures = 0
        self.refusals = 0
        self.has_given = False


class Hosts(Closable):
    """Fetches from several servers and threads; a context manager that breaks off what is still under way."""

    def __init__(self, manners: Manners, *, allow_private: bool = False) -> None:
        """Prepare; nothing is sent yet. `allow_private`: whether private addresses may be asked."""
        self._manners = manners
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._hosts: dict[str, _Host] = {}
        limits = FetchLimits(
            max_bytes=manners.max_bytes,
            seconds=manners.seconds,
            tries=1,
            connections=4 * manners.at_once,
            allow_private=allow_private,
        )
        self._fetcher = Fetcher(limits)

    def get(self, url: str) -> bytes:
        """Return what lies at a URL.

        Raises:
            UnwillingError: its server does not answer any more, refuses everything, or asks for a long wait.
            FetchError: it cannot be had; `passing` says whether it may be at another time.
        """
        name = urlsplit(url).netloc
        with self._lock:
            host = self._hosts.setdefault(name, _Host(self._manners.at_once))
        manners = self._manners
        retry = Retry(manners.tries, manners.first_pause, manners.longest_pause)
        while True:
            with host.room:  # kept while waiting, so that not all rush in after
                self._sleep(host.not_before - time.monotonic(), url)
                try:
                    content = self._fetcher.fetch(url).content
                except FetchError as error:
                    pause = retry.pause() if error.passing else None
                    self._note(host, name, error, last=pause is None)
                    if pause is None:
                        raise
                else:
                    host.failures, host.has_given = 0, True
                    assert content is not None  # asked without validators
                    return content
            self._sleep(pause, url)

    def _release(self) -> None:
        self._closed.set()
        self._fetcher.close()

    def _sleep(self, seconds: float, url: str) -> None:
        if self._closed.wait(max(seconds, 0.0)) or self._closed.is_set():
            raise FetchError(f"{url}: the fetch was broken off", passing=True)

    def _note(self, host: _Host, name: str, error: FetchError, *, last: bool) -> None:
        """Learn from a failure; raises where there is no use in asking the server for anything else."""
        again = "run the same command again later: it goes on where it stopped"
        with self._lock:
            if error.passing:
                host.not_before = max(
                    host.not_before, time.monotonic() + min(error.pause, self._manners.patience)
                )
                host.failures += last
            elif error.status in (401, 403) and not host.has_given:
                host.refusals += 1
        if error.pause > self._manners.patience:
            raise UnwillingError(
                f"{name} asks to wait {error.pause:,.0f} seconds; {again}", passing=True
            ) from error
        if host.failures >= self._manners.given_up_after:
            raise UnwillingError(f"{name} does not answer ({error}); {again}", passing=True) from error
        if host.refusals >= self._manners.given_up_after:
            raise UnwillingError(f"{name} refuses everything ({error}); use a mirror (--from)") from error


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
        write_file(self.file, "".join(json.dumps(entry) + "\n" for entry in left))

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


WORKERS = 12
_AHEAD = 4 * WORKERS
"""Files that wait for a worker: enough that none is idle, few enough that an interrupt is quick."""

Outcome = Literal["fetched", "there", "dead", "failed"]


class Wanted(NamedTuple):
    """One file to bring: its path at the source, where it goes in the set's folder, what is known of it."""

    path: str
    target: str
    blob: Blob | None = None
    is_picture: bool = True


@dataclass
class Gathered:
    """What came of it.

    Attributes:
        targets: the files that are in the set's folder now.
        counts: how many were fetched, were there, are dead, have failed.
        problems: those that are dead or have failed, and why.
    """

    targets: set[str] = field(default_factory=set)
    counts: Counter[Outcome] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)


def gather(
    wanted: Sequence[Wanted], folder: Path, place: Place, ledger: Ledger, progress: Progress | None = None
) -> Gathered:
    """Bring those of the files that are not there, or not whole.

    Raises:
        UnwillingError: a server does not answer any more; what was fetched stays.
        OSError: a file cannot be written.
    """
    gathered = Gathered()
    visit = _Visit(folder, place, ledger)
    pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="gather")
    try:
        for done, (file, outcome, reason) in enumerate(_results(pool, visit, wanted), 1):
            gathered.counts[outcome] += 1
            if reason is None:
                gathered.targets.add(file.target)
            else:
                gathered.problems.append(
                    Problem(place.address(file.path), Path(file.target).stem, reason, outcome)
                )
            if progress:
                progress(done, len(wanted), len(gathered.problems))
    except BaseException:
        place.close()  # or an interrupt would wait for slow servers
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        ledger.close()
    gathered.problems.sort(key=lambda problem: problem.where)
    return gathered


def is_whole(file: Path, wanted: Wanted) -> bool:
    """Whether a file is there and what it should be: of the hash listed, or else a picture that opens."""
    if not file.is_file():
        return False
    if wanted.blob:
        return file.stat().st_size == wanted.blob.size and blob_sha(file.read_bytes()) == wanted.blob.sha
    return not wanted.is_picture or _picture_problem(file) is None


class _Visit:
    """Brings one file; works in several threads."""

    def __init__(self, folder: Path, place: Place, ledger: Ledger) -> None:
        self._folder = folder
        self._place = place
        self._ledger = ledger

    def __call__(self, wanted: Wanted) -> tuple[Wanted, Outcome, str | None]:
        target = self._folder / wanted.target
        if is_whole(target, wanted):
            return wanted, "there", None
        address = self._place.address(wanted.path)
        dead = None if self._place.is_local else self._ledger.reason(address)
        if dead:
            return wanted, "dead", dead
        for is_last in (False, True):
            try:
                content = self._place.read(wanted.path)
            except UnwillingError:
                raise
            except FetchError as error:
                reason = str(error).removeprefix(f"{address}: ")
                if error.status is None or not 400 <= error.status < 500 or error.passing:
                    return wanted, "failed", reason  # who does not answer, or fails, may have it all the same
                if not self._place.is_local:
                    self._ledger.bury(address, error.status)
                return wanted, "dead", reason
            self._ledger.trust()
            problem = _problem(content, wanted)
            if problem is None:
                write_file(target, content)
                self._ledger.revive(address)
                return wanted, "fetched", None
            if is_last or self._place.is_local:
                break
        return wanted, "failed", problem


def _results(
    pool: ThreadPoolExecutor, visit: _Visit, wanted: Sequence[Wanted]
) -> Iterator[tuple[Wanted, Outcome, str | None]]:
    """The result of every visit as it ends, with only a few begun ahead."""
    files = iter(wanted)
    under_way: set[Future[tuple[Wanted, Outcome, str | None]]] = set()
    while True:
        under_way |= {pool.submit(visit, file) for file in islice(files, _AHEAD - len(under_way))}
        if not under_way:
            return
        ended, under_way = wait(under_way, return_when=FIRST_COMPLETED)
        for future in ended:
            yield future.result()


def _problem(content: bytes, wanted: Wanted) -> str | None:
    """What is wrong with a file that was brought."""
    if wanted.blob and blob_sha(content) != wanted.blob.sha:
        sizes = f"{len(content):,} bytes of {wanted.blob.size:,}"
        return f"is not the file that is listed ({sizes}); try again later"
    return _picture_problem(content) if wanted.is_picture else None


def _picture_problem(picture: Path | bytes) -> str | None:
    try:
        open_picture(picture, fit=64)
    except PictureError as error:
        return str(error).removeprefix("<bytes>: ")
    return None
