"""Download the files of a public set: politely, each once, checked, going on where an earlier run stopped."""

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

# the folder, in the set's, of the files that say what belongs together
ANNOTATIONS = "source"
# the list of a repository's files as GitHub's API gives it; a mirror on the web has it under this name
LISTING = "tree.json"
LEDGER = "dead.jsonl"
WORKERS = 12
# a server answers this for files it does not have, and also to clients it does not like
REFUSED = (401, 403)

Outcome = Literal["fetched", "there", "dead", "failed"]
Read = TypeVar("Read")


class Blob(NamedTuple):
    """What a listing says of a file: its size in bytes, and its git hash."""

    size: int
    sha: str


class Wanted(NamedTuple):
    """One file to fetch: its path at the source, where it goes in the set's folder, what is known of it."""

    path: str
    target: str
    blob: Blob | None = None
    is_picture: bool = True


# the files of a set, the most useful first, and what makes the set of the targets that are there
SetPlan: TypeAlias = tuple[list[Wanted], Callable[[set[str]], SetContent]]


@dataclass(frozen=True)
class PublicSet:
    """A public set; what it is and where it lies stand in `sets.toml`.

    Attributes:
        name: its name on the command line.
        what: it is, in a few words.
        home: the page about it.
        size: how much there is to fetch.
        licence: of its pictures, in a few words, as models' cards repeat it.
        terms: what anyone who fetches it agrees to.
        roots: where its files are: the URL for what begins with a path; the longest that fits counts.
        plan: reads its annotations, of the first scenes, this many, or of all.
        entries: how many entries the whole release has in a file.
        categories: what the source names, by category.
        needs: a module that must be installed, and the extra that has it.
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
    """Return the public set of a name that stands in `sets.toml`."""
    said = tomllib.loads(Path(__file__).with_name("sets.toml").read_text(encoding="utf-8"))[name]
    return PublicSet(name=name, plan=plan, **said, **more)


class Annotations:
    """The annotation files of a set: fetched, checked, and noted in `set.json`.

    A file is checked by its git hash in the repository's list of files, where there is one, and in a later
    run by what `set.json` notes of it.

    Attributes:
        folder: of the set.
        is_release: whether the files come from their public place; a mirror may hold a part of the release.
        renewed: files that were not as noted, and were fetched again.
        unchecked: files fetched now that no list could check, and why.
    """

    def __init__(self, folder: Path, place: "Place", source: PublicSet, *, is_release: bool) -> None:
        """Read `set.json` of a folder, or begin it.

        Raises:
            UsageError: the folder holds another set.
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
            raise UsageError(f"{folder}: holds {what}; name another folder with --out")
        files = self._about.get("files")
        self._files: dict[str, Any] = files if isinstance(files, dict) else {}
        self._about |= {"licence": source.licence, "source": source.name, "files": self._files}
        self._write_about()
        self._blobs: dict[str, Blob] | None = None
        self._no_listing = ""
        # a folder without a list would say of every file that it is as it is
        self._is_own_list = isinstance(place, FolderPlace) and not Path(place.address(LISTING)).exists()

    def read(self, path: str, reader: Callable[[Path], Read]) -> Read:
        """Return what a reader makes of a file, which is fetched if it is missing or damaged.

        Raises:
            FetchError: it cannot be fetched, or is not the one that is listed.
            DatasetError: it cannot be read; it is removed, so that the next run fetches it again.
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
            raise DatasetError(
                f"{error}; it may have been cut short on its way, so it has been removed here: run the same "
                f"command again, which fetches it from {self._place.address(path)}, and if that gives the "
                "same, use another mirror (--from)"
            ) from error

    def listing(self) -> dict[str, Blob]:
        """Return the repository's files by path; errors are those of `read`."""
        return self.read(LISTING, read_listing)

    def forget(self, path: str) -> None:
        """Remove a file, so that the next run fetches it again."""
        (self.folder / ANNOTATIONS / path).unlink(missing_ok=True)
        if self._files.pop(path, None) is not None:
            self._write_about()

    def _fetched(self, path: str) -> bytes:
        """The content of a file as it is listed; asked for twice, the second time with a new list."""
        content = self._place.read(path)
        if not self._is_listed(path, content):  # the list of an earlier run may be older than the file
            self.forget(LISTING)
            self._blobs = None
            content = self._place.read(path)
        address, listing = self._place.address(path), self._place.address(LISTING)
        if not self._is_listed(path, content):
            self.forget(LISTING)
            raise FetchError(
                f"{address}: is not the file that {listing} lists ({len(content):,} bytes of "
                f"{self._listed()[path].size:,}), cut short on its way or changed there, and not kept; run "
                "the same command again later, or use another mirror (--from)",
                passing=True,
            )
        if path not in self._listed() and isinstance(self._place, WebPlace):
            self.unchecked[path] = self._no_listing or f"{listing} does not list it"
        return content

    def _is_listed(self, path: str, content: bytes) -> bool:
        """Whether a file is the one that is listed, or none of its name is."""
        blob = self._listed().get(path)
        return blob is None or blob_sha(content) == blob.sha

    def _listed(self) -> dict[str, Blob]:
        """The list of files, where there is one to check by; asked for once."""
        if self._blobs is None:
            self._blobs = {}
            try:
                self._blobs = {} if self._is_own_list else self.read(LISTING, read_listing)
            except FetchError as error:  # the list helps, but the set can be had without it
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
    """Fetch those of the files that are missing or damaged.

    Returns:
        The targets that are in the folder now, how many files had which outcome, and why some are missing.

    Raises:
        UnwillingError: a server does not answer any more; what was fetched stays.
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
        place.close()  # or an interrupt would wait for slow servers
        raise
    finally:
        pool.shutdown(cancel_futures=True)
    return targets, counts, sorted(problems, key=lambda problem: problem.where)


def _bring(wanted: Wanted, folder: Path, place: "Place", ledger: "Ledger") -> tuple[Outcome, str | None]:
    """Fetch one file; returns what came of it, and why it is missing if it is."""
    target = folder / wanted.target
    if target.is_file() and _wrong_with(target, wanted) is None:
        return "there", None
    address = place.address(wanted.path)
    if dead := ledger.reason(address):
        return "dead", dead
    for _ in range(2):
        try:
            content = place.read(wanted.path)
        except UnwillingError:
            raise
        except FetchError as error:
            reason = str(error).removeprefix(f"{address}: ")
            if error.status is None or not 400 <= error.status < 500 or error.passing:
                return "failed", reason  # a server that does not answer, or fails, may still have it
            if isinstance(place, WebPlace):  # a folder can be looked at again for nothing
                ledger.bury(address, error.status)
            return "dead", reason
        ledger.trust()
        problem = _wrong_with(content, wanted)
        if problem is None:
            write_file(target, content)
            return "fetched", None
    return "failed", problem


def _wrong_with(file: Path | bytes, wanted: Wanted) -> str | None:
    """Why a file is not the one that is listed, or not a picture; None if it is right."""
    if wanted.blob:
        content = file if isinstance(file, bytes) else file.read_bytes()
        if blob_sha(content) != wanted.blob.sha:
            sizes = f"{len(content):,} bytes of {wanted.blob.size:,}"
            return f"is not the file that is listed ({sizes}); try again later"
        if isinstance(file, Path):  # it was opened when it was fetched
            return None
    return picture_problem(file) if wanted.is_picture else None


class Ledger:
    """Addresses that are dead: a file of {"url", "status", "when"}, one a line; for several threads."""

    def __init__(self, file: Path, *, ask_again: bool = False) -> None:
        """Read it, if it exists; with `ask_again`, begin it anew.

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
            with suppress(ValueError, TypeError, KeyError):  # half a line that a killed run left
                entry = json.loads(line)
                self.entries[entry["url"]] = {name: entry[name] for name in ("url", "status", "when")}
        self._begin = "" if not file.exists() or file.read_bytes()[-1:] in (b"", b"\n") else "\n"

    def reason(self, url: str) -> str | None:
        """Return why an address is not to be asked; None if it may be."""
        entry = self.entries.get(url)
        return f"answered {entry['status'] or 'nothing usable'} on {entry['when']}" if entry else None

    def bury(self, url: str, status: int | None) -> None:
        """Note that an address is dead.

        A refusal (401, 403) is noted once the server has given anything: until then it may refuse the client,
        not the file.
        """
        with self._lock:
            if status in REFUSED:
                self._refused.append((url, status))
            else:
                self._write(url, status)

    def trust(self) -> None:
        """The server gives other files: what it has refused is dead."""
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
class Manners:
    """How servers are asked.

    Attributes:
        at_once: files asked of one server at the same time.
        tries: how often a file is asked for in all, where trying again may help.
        first_pause, longest_pause: seconds between tries, see `Retry`.
        patience: the longest wait a server may ask for; one that asks for more is left alone for this run.
        given_up_after: this many files in a row that a server cannot give for passing reasons, or all of
            which it refuses before it has given any, end the run.
        seconds: the longest one file may take.
    """

    at_once: int = 6
    tries: int = 4
    first_pause: float = 1.0
    longest_pause: float = 30.0
    patience: float = 300.0
    given_up_after: int = 20
    seconds: float = 120.0


class UnwillingError(FetchError):
    """A server does not answer, or asks to be left alone: going on now is no use."""


class _Host:
    """What is known of one server."""

    def __init__(self, at_once: int) -> None:
        self.room = threading.BoundedSemaphore(at_once)
        self.not_before = 0.0
        self.failures = 0
        self.refusals = 0
        self.has_given = False


class WebPlace(Closable):
    """Files by URL, from several servers and for several threads.

    The longest start of a path that `roots` names decides where its URL begins. Closing it stops what is
    still being fetched.
    """

    def __init__(self, roots: Mapping[str, str], manners: Manners, *, allow_private: bool = False) -> None:
        """Prepare; nothing is asked yet. `allow_private`: whether private addresses may be asked."""
        self._roots = sorted(roots.items(), key=lambda root: -len(root[0]))
        self._manners = manners
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._hosts: dict[str, _Host] = {}
        seconds, connections = manners.seconds, 4 * manners.at_once
        limits = FetchLimits(seconds=seconds, tries=1, connections=connections, allow_private=allow_private)
        self._fetcher = Fetcher(limits)

    def address(self, path: str) -> str:
        """Return the URL of a file; a root that is a whole path is the URL itself."""
        root, url = next(each for each in self._roots if path.startswith(each[0]))
        return url if path == root else url + quote(path)

    def read(self, path: str) -> bytes:
        """Return the content of a file.

        Raises:
            UnwillingError: its server does not answer any more, refuses everything, or asks for a long wait.
            FetchError: it cannot be had; `passing` says whether it may be at another time.
        """
        url, manners = self.address(path), self._manners
        name = urlsplit(url).netloc
        with self._lock:
            host = self._hosts.setdefault(name, _Host(manners.at_once))
        retry = Retry(manners.tries, manners.first_pause, manners.longest_pause)
        while True:
            with host.room:  # kept while waiting, so that not all rush in after
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
                    assert content is not None  # asked without validators
                    return content
            self._sleep(pause, url)

    def _release(self) -> None:
        self._stopped.set()
        self._fetcher.close()

    def _sleep(self, seconds: float, url: str) -> None:
        if self._stopped.wait(max(seconds, 0.0)):
            raise FetchError(f"{url}: the fetch was broken off", passing=True)

    def _learn(self, host: _Host, name: str, error: FetchError, *, is_last: bool) -> None:
        """Learn from a failure; raises where there is no use in asking the server for anything else."""
        most, patience = self._manners.given_up_after, self._manners.patience
        with self._lock:
            if error.passing:
                host.not_before = max(host.not_before, time.monotonic() + min(error.pause, patience))
                host.failures += is_last
            elif error.status in REFUSED and not host.has_given:
                host.refusals += 1
        if host.refusals >= most:
            raise UnwillingError(f"{name} refuses everything ({error}); use a mirror (--from)") from error
        wait = error.pause
        if wait > patience or host.failures >= most:
            why = f"asks to wait {wait:,.0f} seconds" if wait > patience else f"does not answer ({error})"
            again = "run the same command again later: it goes on where it stopped"
            raise UnwillingError(f"{name} {why}; {again}", passing=True) from error


class FolderPlace(Closable):
    """Files in a folder, under the same paths as at the source (a clone of its repository, for example)."""

    def __init__(self, folder: Path) -> None:
        """Name the folder.

        Raises:
            UsageError: it does not exist.
        """
        if not folder.is_dir():
            raise UsageError(f"--from {folder}: no such folder; name a folder or an http(s):// address")
        self._folder = folder

    def address(self, path: str) -> str:
        """Return where a file is."""
        return str(self._folder / path)

    def read(self, path: str) -> bytes:
        """Return the content of a file; a folder without a list of files is listed as it is.

        Raises:
            FetchError: it cannot be read.
        """
        file = self._folder / path
        try:
            if path == LISTING and not file.exists():
                return json.dumps({"tree": list(_walk(self._folder))}).encode()
            return file.read_bytes()
        except FileNotFoundError as error:
            raise FetchError(f"{file}: no such file; the mirror does not have it", status=404) from error
        except OSError as error:
            raise FetchError(f"{file}: cannot be read ({error.strerror}); check the mirror") from error


Place: TypeAlias = WebPlace | FolderPlace


def place_of(mirror: str | None, roots: Mapping[str, str], manners: Manners) -> Place:
    """Return the place that `--from` names; without it, the public one.

    A private address is asked only if the mirror named is one itself.

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
    addresses = addresses_of(parts.hostname, parts.port or 80, allow_private=True)
    private = not all(map(is_public, addresses))
    return WebPlace({"": mirror.rstrip("/") + "/"}, manners, allow_private=private)


def read_listing(file: Path) -> dict[str, Blob]:
    """Return the files of a repository by path, from GitHub's API (`git/trees/…?recursive=1`).

    Raises:
        DatasetError: the file holds something else, or GitHub has cut it off.
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
    """Return the git hash of a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _walk(folder: Path) -> Iterator[dict[str, object]]:
    """What GitHub's API would say of a folder."""
    for file in sorted(folder.rglob("*")):
        path = file.relative_to(folder)
        if file.is_file() and not any(part.startswith(".") for part in path.parts):
            content = file.read_bytes()
            yield {"path": path.as_posix(), "size": len(content), "sha": blob_sha(content)}
