"""Download the files of a public set: with limits for each server, verified, and resumable."""

import hashlib
import json
import threading
import time
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias, TypeVar
from urllib.parse import quote, urlsplit

from perfectlook.data.layout import ABOUT, PAIRS, JsonObject, SetContent, lines_of
from perfectlook.errors import DatasetError, FetchError, UsageError
from perfectlook.fetching import Fetcher, FetchLimits, Retry, addresses_of, is_public
from perfectlook.files import Closable, write_file
from perfectlook.images import picture_problem
from perfectlook.progress import Progress
from perfectlook.types import Problem

# the subfolder of a set for its annotation files
ANNOTATIONS = "source"
# the list of the files of a repository, from GitHub's API; a mirror on the web has it under this name
LISTING = "tree.json"
LEDGER = "dead.jsonl"
# the remedy for a file that cannot be used; an error that says more replaces it
FETCH_AGAIN = "Fetch it again."
WORKERS = 12
# a server answers this for files that it does not have, or to clients that it blocks
REFUSED = (401, 403)

Outcome = Literal["fetched", "there", "dead", "failed"]
Read = TypeVar("Read")


class Blob(NamedTuple):
    """The size of a file in bytes and its git hash, from a list of files."""

    size: int
    sha: str


class Wanted(NamedTuple):
    """A file to fetch: its path at the source, its path in the set, and its listed size and hash."""

    path: str
    target: str
    blob: Blob | None = None
    is_picture: bool = True


# the files of a set in order of importance, and a function that makes the set from the fetched targets
SetPlan: TypeAlias = tuple[list[Wanted], Callable[[set[str]], SetContent]]


@dataclass(frozen=True)
class PublicSet:
    """A public set, described in `sets.toml`.

    Attributes:
        name: its name on the command line.
        what: a short description.
        home: the URL of its page.
        size: the amount of data to fetch.
        licence: the licence of its pictures in a few words, which model cards repeat.
        terms: the terms that you accept when you fetch it.
        roots: the URLs of its files: path prefix → URL. The longest matching prefix is used.
        plan: reads the annotations, of all scenes or of a limited number.
        entries: the number of entries of the whole release, by file.
        categories: the labels or keywords of the source, by category.
        needs: a module that must be installed, and its extra.
    """

    name: str
    what: str
    home: str
    size: str
    licence: str
    terms: str
    roots: dict[str, str]
    plan: Callable[["Annotations", int | None], SetPlan]
    entries: dict[str, int] = field(default_factory=dict)
    categories: dict[str, list[str]] = field(default_factory=dict)
    needs: tuple[str, str] | None = None


def public_set(name: str, plan: Callable[["Annotations", int | None], SetPlan], **more: Any) -> PublicSet:
    """Return a public set that is described in `sets.toml`."""
    described = tomllib.loads(Path(__file__).with_name("sets.toml").read_text(encoding="utf-8"))[name]
    return PublicSet(name=name, plan=plan, **described, **more)


class Annotations:
    """The annotation files of a set. They are fetched, verified and recorded in `set.json`.

    A new file is verified with its git hash in the list of files of the repository, if there is a list. In a
    later run it is verified with the hash in `set.json`.

    Attributes:
        folder: the folder of the set.
        is_release: whether the files come from the original source. A mirror may have a part of the release.
        renewed: files that did not match `set.json` and were fetched again.
        unchecked: files that no list could verify, with the reasons.
    """

    def __init__(self, folder: Path, place: "Place", source: PublicSet, *, is_release: bool) -> None:
        """Read `set.json` of a folder, or create it.

        Raises:
            UsageError: the folder contains another set.
            DatasetError: the file cannot be read.
        """
        self.folder = folder
        self.source = source
        self.is_release = is_release
        self.renewed: list[str] = []
        self.unchecked: dict[str, str] = {}
        self._place = place
        about = folder / ABOUT
        self._about = JsonObject(about).entries if about.exists() else {}
        there = self._about.get("source")
        if there != source.name and (there is not None or (folder / PAIRS).exists()):
            what = f"the set '{there}'" if there else "another set"
            raise UsageError(f"{folder}: contains {what}. Choose another folder with --out.")
        files = self._about.get("files")
        self._files: dict[str, Any] = files if isinstance(files, dict) else {}
        self._about |= {"licence": source.licence, "source": source.name, "files": self._files}
        self._write_about()
        self._blobs: dict[str, Blob] | None = None
        self._no_listing = ""
        # a list that is made from the folder itself cannot verify its files
        self._is_own_list = isinstance(place, FolderPlace) and not Path(place.address(LISTING)).exists()

    def read(self, path: str, reader: Callable[[Path], Read]) -> Read:
        """Read a file with a reader. The file is fetched first if it is missing or damaged.

        Raises:
            FetchError: it cannot be fetched, or does not match the list of files.
            DatasetError: it cannot be read. It is removed, so that the next run fetches it again.
        """
        file = self.folder / ANNOTATIONS / path
        content = file.read_bytes() if file.is_file() else b""
        noted = self._files.get(path)
        is_as_noted = isinstance(noted, dict) and noted.get("sha256") == hashlib.sha256(content).hexdigest()
        if path == LISTING:
            if not is_as_noted or self._is_own_list:
                self._keep(path, file, self._place.read(path))
        elif not is_as_noted or not self._is_listed(path, content):
            self._keep(path, file, self._fetched(path))
        try:
            return reader(file)
        except DatasetError as error:
            self.forget(path)
            address = self._place.address(path)
            reason = str(error).removesuffix(FETCH_AGAIN).rstrip(" .")
            raise DatasetError(
                f"{reason}. The file was removed, because it may be truncated. Run the same command again to "
                f"fetch it from {address}, or use another mirror with --from."
            ) from error

    def listing(self) -> dict[str, Blob]:
        """Return the files of the repository by path. Raises the errors of `read`."""
        return self.read(LISTING, read_listing)

    def forget(self, path: str) -> None:
        """Remove a file, so that the next run fetches it again."""
        (self.folder / ANNOTATIONS / path).unlink(missing_ok=True)
        if self._files.pop(path, None) is not None:
            self._write_about()

    def _fetched(self, path: str) -> bytes:
        """Return the content of a file that matches the list. The second try uses a new list."""
        content = self._place.read(path)
        if not self._is_listed(path, content):  # the list may come from an earlier run
            self.forget(LISTING)
            self._blobs = None
            content = self._place.read(path)
        address, listing = self._place.address(path), self._place.address(LISTING)
        if not self._is_listed(path, content):
            self.forget(LISTING)
            raise FetchError(
                f"{address}: does not match the list {listing} ({len(content):,} bytes of "
                f"{self._listed()[path].size:,}); it was truncated or has changed. "
                "Run the same command again later, or use another mirror with --from.",
                passing=True,
            )
        if path not in self._listed() and isinstance(self._place, WebPlace):
            self.unchecked[path] = self._no_listing or f"{listing} does not list it"
        return content

    def _is_listed(self, path: str, content: bytes) -> bool:
        """Return whether a file matches the list, or is not in it."""
        blob = self._listed().get(path)
        return blob is None or blob_sha(content) == blob.sha

    def _listed(self) -> dict[str, Blob]:
        """Return the list of files; empty if there is none. It is requested once."""
        if self._blobs is None:
            self._blobs = {}
            try:
                self._blobs = {} if self._is_own_list else self.read(LISTING, read_listing)
            except FetchError as error:  # the set can be fetched without the list
                self._no_listing = str(error)
        return self._blobs

    def _keep(self, path: str, file: Path, content: bytes) -> None:
        was_there, before, sha256 = file.exists(), self._files.get(path), hashlib.sha256(content).hexdigest()
        write_file(file, content)
        self._files[path] = {"url": self._place.address(path), "bytes": len(content), "sha256": sha256}
        self._write_about()
        is_new = isinstance(before, dict) and before.get("sha256") != sha256
        if (was_there or is_new) and not (path == LISTING and self._is_own_list):
            self.renewed.append(path)

    def _write_about(self) -> None:
        write_file(self.folder / ABOUT, json.dumps(self._about, indent=1) + "\n")


def gather(
    wanted: Sequence[Wanted], folder: Path, place: "Place", *, retry_dead: bool, progress: Progress | None
) -> tuple[set[str], Counter[Outcome], list[Problem]]:
    """Fetch the files that are missing or damaged.

    Returns:
        The targets in the folder, the number of files with each outcome, and the problems of missing files.

    Raises:
        HostUnavailableError: a server no longer responds. Fetched files are kept.
        OSError: a file cannot be written.
    """
    targets: set[str] = set()
    counts: Counter[Outcome] = Counter()
    problems: list[Problem] = []
    ledger = Ledger(folder / LEDGER, ask_again=retry_dead)
    pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="gather")
    try:
        futures = {pool.submit(_bring, each, folder, place, ledger): each for each in wanted}
        for done, future in enumerate(as_completed(futures), 1):
            outcome, reason = future.result()
            file = futures[future]
            counts[outcome] += 1
            if reason is None:
                targets.add(file.target)
            else:
                problems.append(Problem(place.address(file.path), Path(file.target).stem, reason, outcome))
            if progress:
                progress(done, len(wanted), len(problems))
    except BaseException:
        place.close()  # otherwise an interrupt waits for slow servers
        raise
    finally:
        pool.shutdown(cancel_futures=True)
    return targets, counts, sorted(problems, key=lambda problem: problem.where)


def _bring(wanted: Wanted, folder: Path, place: "Place", ledger: "Ledger") -> tuple[Outcome, str | None]:
    """Fetch one file. Return the outcome, and the reason if it is missing."""
    target = folder / wanted.target
    if target.is_file() and _wrong_with(target, wanted) is None:
        return "there", None
    address = place.address(wanted.path)
    if dead := ledger.reason(address):
        return "dead", dead
    for _ in range(2):
        try:
            content = place.read(wanted.path)
        except HostUnavailableError:
            raise
        except FetchError as error:
            reason = str(error).removeprefix(f"{address}: ")
            if error.status is None or not 400 <= error.status < 500 or error.passing:
                return "failed", reason  # the server may still have the file
            if isinstance(place, WebPlace):  # checking a folder again is cheap
                ledger.bury(address, error.status)
            return "dead", reason
        ledger.trust()
        problem = _wrong_with(content, wanted)
        if problem is None:
            write_file(target, content)
            return "fetched", None
    return "failed", problem


def _wrong_with(file: Path | bytes, wanted: Wanted) -> str | None:
    """Return why a file does not match the list or is not a picture; None if it is correct."""
    if wanted.blob:
        content = file if isinstance(file, bytes) else file.read_bytes()
        if blob_sha(content) != wanted.blob.sha:
            sizes = f"{len(content):,} bytes of {wanted.blob.size:,}"
            return f"does not match the list of files ({sizes}). Try again later."
        if isinstance(file, Path):  # it was decoded when it was fetched
            return None
    return picture_problem(file) if wanted.is_picture else None


class Ledger:
    """A file of dead URLs, with one {"url", "status", "when"} on each line. Safe for several threads."""

    def __init__(self, file: Path, *, ask_again: bool = False) -> None:
        """Read the file if it exists. With `ask_again`, delete it first.

        Raises:
            DatasetError: it cannot be read.
        """
        self.file = file
        self.entries: dict[str, dict[str, Any]] = {}
        self._refused: list[tuple[str, int]] = []
        self._lock = threading.Lock()
        if ask_again:
            file.unlink(missing_ok=True)
        for _, line in lines_of(file) if file.exists() else ():
            with suppress(ValueError, TypeError, KeyError):  # a partial line of a killed run
                entry = json.loads(line)
                self.entries[entry["url"]] = {name: entry[name] for name in ("url", "status", "when")}
        self._begin = "" if not file.exists() or file.read_bytes()[-1:] in (b"", b"\n") else "\n"

    def reason(self, url: str) -> str | None:
        """Return why a URL is dead; None if it is not."""
        entry = self.entries.get(url)
        if not entry:
            return None
        answered = f"answered {entry['status'] or 'nothing usable'} on {entry['when']}"
        return f"{answered}. Request it again with --retry-dead."

    def bury(self, url: str, status: int | None) -> None:
        """Record a dead URL.

        A refusal (401, 403) is recorded only after the server has delivered another file. Until then it may
        refuse the client, not the file.
        """
        with self._lock:
            if status in REFUSED:
                self._refused.append((url, status))
            else:
                self._write(url, status)

    def trust(self) -> None:
        """Record the refused URLs as dead, because the server delivers other files."""
        with self._lock:
            while self._refused:
                self._write(*self._refused.pop(0))

    def _write(self, url: str, status: int | None) -> None:
        entry = {"url": url, "status": status, "when": time.strftime("%Y-%m-%d", time.gmtime())}
        with self.file.open("a", encoding="utf-8") as lines:
            lines.write(f"{self._begin}{json.dumps(entry)}\n")
        self._begin = ""
        self.entries[url] = entry


@dataclass(frozen=True, slots=True)
class FetchPolicy:
    """Limits for requests to servers.

    Attributes:
        at_once: the number of files requested from one server at the same time.
        tries: the number of tries for one file, for errors that may pass.
        first_pause, longest_pause: seconds between tries; see `Retry`.
        longest_wait: the most seconds that a server may ask to wait. If it asks for more, the run ends.
        given_up_after: the run ends after this many failures in a row that may pass, or after this many
            refusals before the first file.
        seconds: the timeout for one file.
    """

    at_once: int = 6
    tries: int = 4
    first_pause: float = 1.0
    longest_pause: float = 30.0
    longest_wait: float = 300.0
    given_up_after: int = 20
    seconds: float = 120.0


class HostUnavailableError(FetchError):
    """A server does not respond, refuses all requests, or asks for a long wait. The run ends."""


class _Host:
    """The state of one server."""

    def __init__(self, at_once: int) -> None:
        self.room = threading.BoundedSemaphore(at_once)
        self.not_before = 0.0
        self.failures = 0
        self.refusals = 0
        self.has_given = False


class WebPlace(Closable):
    """Files by URL, from several servers. It can be used from several threads.

    The longest prefix of a path in `roots` gives the start of its URL. Closing it stops all fetches.
    """

    def __init__(self, roots: Mapping[str, str], policy: FetchPolicy, *, allow_private: bool = False) -> None:
        """Create the place. Nothing is requested yet. `allow_private` allows private addresses."""
        self._roots = sorted(roots.items(), key=lambda root: -len(root[0]))
        self._policy = policy
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._hosts: dict[str, _Host] = {}
        seconds, connections = policy.seconds, 4 * policy.at_once
        limits = FetchLimits(seconds=seconds, tries=1, connections=connections, allow_private=allow_private)
        self._fetcher = Fetcher(limits)

    def address(self, path: str) -> str:
        """Return the URL of a file. A root that equals the whole path is the URL itself."""
        root, url = next(each for each in self._roots if path.startswith(each[0]))
        return url if path == root else url + quote(path)

    def read(self, path: str) -> bytes:
        """Return the content of a file.

        Raises:
            HostUnavailableError: the server does not respond, refuses all requests, or asks for a long wait.
            FetchError: the file cannot be fetched. `passing` says whether trying again later may help.
        """
        url, policy = self.address(path), self._policy
        name = urlsplit(url).netloc
        with self._lock:
            host = self._hosts.setdefault(name, _Host(policy.at_once))
        retry = Retry(policy.tries, policy.first_pause, policy.longest_pause)
        while True:
            with host.room:  # held while waiting, so that the threads do not all continue together
                self._sleep(host.not_before - time.monotonic(), url)
                try:
                    content = self._fetcher.fetch(url).content
                except FetchError as error:
                    pause = retry.pause() if error.passing else None
                    self._learn(host, name, error, is_last=pause is None)
                    if pause is None:
                        raise
                else:
                    host.failures, host.has_given = 0, True
                    assert content is not None  # requested without validators
                    return content
            self._sleep(pause, url)

    def _release(self) -> None:
        self._stopped.set()
        self._fetcher.close()

    def _sleep(self, seconds: float, url: str) -> None:
        if self._stopped.wait(max(seconds, 0.0)):
            raise FetchError(f"{url}: the fetch was stopped. Run the same command again.", passing=True)

    def _learn(self, host: _Host, name: str, error: FetchError, *, is_last: bool) -> None:
        """Record a failure. Raise HostUnavailableError if further requests to the server are useless."""
        most, longest_wait = self._policy.given_up_after, self._policy.longest_wait
        with self._lock:
            if error.passing:
                host.not_before = max(host.not_before, time.monotonic() + min(error.pause, longest_wait))
                host.failures += is_last
            elif error.status in REFUSED and not host.has_given:
                host.refusals += 1
        if host.refusals >= most:
            raise HostUnavailableError(
                f"{name}: refused the first {most} files. Use a mirror with --from. The last error: {error}"
            ) from error
        wait = error.pause
        again = "Run the same command again later; it continues where it stopped."
        if wait > longest_wait:
            message = f"{name}: asks to wait {wait:,.0f} s. {again}"
            raise HostUnavailableError(message, passing=True) from error
        if host.failures >= most:
            message = f"{name}: does not respond. {again} The last error: {error}"
            raise HostUnavailableError(message, passing=True) from error


class FolderPlace(Closable):
    """Files in a folder, under the same paths as at the source, such as a clone of its repository."""

    def __init__(self, folder: Path) -> None:
        """Use a folder.

        Raises:
            UsageError: it does not exist.
        """
        if not folder.is_dir():
            raise UsageError(f"--from {folder}: no such folder. Check the path, or name a URL.")
        self._folder = folder

    def address(self, path: str) -> str:
        """Return the path of a file."""
        return str(self._folder / path)

    def read(self, path: str) -> bytes:
        """Return the content of a file. A missing list of files is made from the folder.

        Raises:
            FetchError: it cannot be read.
        """
        file = self._folder / path
        try:
            if path == LISTING and not file.exists():
                return json.dumps({"tree": list(_walk(self._folder))}).encode()
            return file.read_bytes()
        except FileNotFoundError as error:
            raise FetchError(f"{file}: no such file. Check the mirror.", status=404) from error
        except OSError as error:
            raise FetchError(
                f"{file}: cannot be read ({error.strerror}). Check its permissions and the disk."
            ) from error


Place: TypeAlias = WebPlace | FolderPlace


def place_of(mirror: str | None, roots: Mapping[str, str], policy: FetchPolicy) -> Place:
    """Return the place that `--from` names; by default the original source.

    Private addresses are allowed only if the mirror itself has one.

    Raises:
        UsageError: the mirror is not a folder or an http:// or https:// URL.
        FetchError: there is no host with the name of the mirror.
    """
    if mirror is None:
        return WebPlace(roots, policy)
    if "://" not in mirror:
        return FolderPlace(Path(mirror))
    parts = urlsplit(mirror)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise UsageError(
            f"--from {mirror}: not a mirror. Name a folder, or an http:// or https:// URL without ? and #."
        )
    try:
        addresses = addresses_of(parts.hostname, parts.port or 80, allow_private=True)
    except FetchError as error:
        raise FetchError(f"--from {mirror}: {error}. Check the name.", passing=True) from error
    private = not all(map(is_public, addresses))
    return WebPlace({"": mirror.rstrip("/") + "/"}, policy, allow_private=private)


def read_listing(file: Path) -> dict[str, Blob]:
    """Return the files of a repository by path, from GitHub's API (`git/trees/…?recursive=1`).

    Raises:
        DatasetError: the file has another content, or GitHub has truncated the list.
    """
    try:
        tree = json.loads(file.read_bytes())
        if tree.get("truncated"):
            raise DatasetError(
                f"{file}: GitHub has truncated the list. Use a clone of the repository with --from."
            )
        return {
            str(entry["path"]): Blob(int(entry["size"]), str(entry["sha"]))
            for entry in tree["tree"]
            if entry.get("type", "blob") == "blob" and "size" in entry
        }
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DatasetError(
            f"{file}: not a list of files of GitHub's API ({error!r}). {FETCH_AGAIN}"
        ) from error


def blob_sha(content: bytes) -> str:
    """Return the git hash of a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _walk(folder: Path) -> Iterator[dict[str, object]]:
    """Yield the entries that GitHub's API would list for a folder."""
    for file in sorted(folder.rglob("*")):
        path = file.relative_to(folder)
        if file.is_file() and not any(part.startswith(".") for part in path.parts):
            content = file.read_bytes()
            yield {"path": path.as_posix(), "size": len(content), "sha": blob_sha(content)}
