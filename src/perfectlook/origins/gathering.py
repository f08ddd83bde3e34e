"""Brings files from a place into a set's folder: several at once, each once, none twice."""

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Literal, NamedTuple

from perfectlook.errors import FetchError, PictureError
from perfectlook.images import open_picture
from perfectlook.origins.hosts import UnwillingError
from perfectlook.origins.ledger import Ledger
from perfectlook.origins.manifest import write_whole
from perfectlook.origins.place import Blob, Place, blob_sha
from perfectlook.progress import Progress
from perfectlook.types import Problem

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
                write_whole(target, content)
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
