"""Syncs that are asked for over HTTP: one after the other, in a thread of their own, watched from outside."""

import json
import logging
import os
import secrets
import shutil
import sqlite3
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from perfectlook.catalogue import Shelf, SyncReport, open_source
from perfectlook.errors import PerfectLookError, UsageError
from perfectlook.fetching import Fetcher, FetchLimits
from perfectlook.progress import Progress
from perfectlook.recommender import Recommender
from perfectlook.service.errors import Refusal
from perfectlook.service.metrics import LOGGER

_WANTED, _LOCK, _BEGUN = "wanted.json", "lock.sqlite", "begun"
_SLOTS = 100
_TRIES = 3
"""A sync that was begun so often and never ended is what ended its servers."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A sync that was accepted: its folder, where nothing else lies, and where its feed comes from.

    `url` is None where the feed itself was sent; it lies at `feed` then.
    """

    folder: Path
    id: str
    suffix: str
    url: str | None

    @property
    def feed(self) -> Path:
        """Where the feed lies, or is to be fetched to."""
        return self.folder / f"feed{self.suffix}"

    def begin(self) -> None:
        """Note that it is begun."""
        with (self.folder / _BEGUN).open("ab") as stream:
            stream.write(b".")

    @property
    def tries(self) -> int:
        """How often it was begun."""
        file = self.folder / _BEGUN
        return file.stat().st_size if file.exists() else 0

    def done(self) -> None:
        """Forget it."""
        shutil.rmtree(self.folder, ignore_errors=True)


class Backlog:
    """The accepted syncs of one server, in a folder that several servers of a machine may share.

    Each takes a slot of its own for as long as it lives; what another has left undone, the next that starts
    takes over.
    """

    def __init__(self, folder: Path) -> None:
        """Take the first free slot in the folder, which is made where there is none.

        Raises:
            UsageError: the folder cannot be written.
        """
        self._folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._slot, self._lock = next(_free(folder))
        except (OSError, sqlite3.Error, StopIteration) as error:
            raise UsageError(f"{folder}: accepted syncs cannot be kept there ({error})") from error

    def keep(self, id_: str, suffix: str, *, content: bytes | None = None, url: str | None = None) -> Wanted:
        """Keep a sync; it is on the disk when this returns.

        Raises:
            OSError: it cannot be written.
        """
        place = self._slot / f"{time.time_ns():020d}-{id_}"
        wanted = Wanted(place.with_name(f".{place.name}"), id_, suffix, url)
        wanted.folder.mkdir(mode=0o700)
        try:
            if content is not None:
                _write(wanted.feed, content)
            _write(wanted.folder / _WANTED, json.dumps({"id": id_, "suffix": suffix, "url": url}).encode())
            wanted.folder.rename(place)  # under its name only when it is whole
        except OSError:
            wanted.done()
            raise
        return Wanted(place, id_, suffix, url)

    def left(self) -> list[Wanted]:
        """What earlier servers have accepted and not done, the oldest first; it is this one's now.

        A sync that was begun three times is given up.
        """
        for slot, lock in _free(self._folder, existing=True):
            for each in slot.glob("[0-9]*-*"):
                each.rename(self._slot / each.name)
            lock.close()
        for half in self._slot.glob(".*-*"):
            shutil.rmtree(half, ignore_errors=True)
        left = []
        for wanted in filter(None, map(_read, sorted(self._slot.glob("[0-9]*-*")))):
            if wanted.tries < _TRIES:
                left.append(wanted)
            else:
                LOGGER.error("a sync is given up", extra={"job": wanted.id, "tries": wanted.tries})
                wanted.done()
        return left

    def close(self) -> None:
        """Give the slot back."""
        self._lock.close()


def _free(folder: Path, *, existing: bool = False) -> Iterator[tuple[Path, sqlite3.Connection]]:
    """Slots that no living server has, each locked."""
    for number in range(_SLOTS):
        slot = folder / str(number)
        if existing and not slot.exists():
            return
        slot.mkdir(mode=0o700, exist_ok=True)
        lock = sqlite3.connect(slot / _LOCK, timeout=0, isolation_level=None, check_same_thread=False)
        try:
            lock.execute("BEGIN EXCLUSIVE")  # the system lets go when this process ends, however it ends
        except sqlite3.OperationalError:
            lock.close()
        else:
            yield slot, lock


def _write(file: Path, content: bytes) -> None:
    with file.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _read(folder: Path) -> Wanted | None:
    with suppress(OSError, ValueError, KeyError, TypeError):
        said = json.loads((folder / _WANTED).read_text(encoding="utf-8"))
        return Wanted(folder, str(said["id"]), str(said["suffix"]), said["url"])
    return None


REMEMBERED = 200
WAITING = 8
PROBLEMS_SHOWN = 50
SYNC_WAIT = 600.0
"""Seconds that a job waits for a sync of another process."""
FEED_SECONDS = 600.0


@dataclass(slots=True)
class Job:
    """A sync and how far it is."""

    id: str
    state: Literal["queued", "running", "done", "failed"] = "queued"
    progress: dict[str, object] = field(default_factory=dict)
    report: dict[str, object] | None = None
    error: str | None = None

    def as_json(self) -> dict[str, object]:
        """Return the job as the API says it."""
        return {
            "id": self.id,
            "state": self.state,
            "progress": dict(self.progress),
            "report": self.report,
            "error": self.error,
        }


class Jobs:
    """The jobs of a service. What was accepted is done, by the next server where this one is killed."""

    def __init__(
        self,
        recommender: Recommender,
        backlog: Backlog,
        changed: Callable[[], None],
        *,
        allow_private: bool = False,
    ) -> None:
        """Take the recommender whose catalogue is synced, where jobs are kept, what to call after each."""
        self._recommender = recommender
        self._backlog = backlog
        self._changed = changed
        self._allow_private = allow_private
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="sync")
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._futures: set[Future[None]] = set()
        self._lock = threading.Lock()
        for wanted in backlog.left():
            self._begin(wanted)

    @property
    def unfinished(self) -> int:
        """How many run or wait."""
        return len(self._futures)

    def get(self, id_: str) -> Job | None:
        """Return a job, None where it is not known or long done."""
        return self._jobs.get(id_)

    def sync(self, suffix: str, *, content: bytes | None = None, url: str | None = None) -> Job:
        """Accept a sync from the bytes of a feed or from the feed at a URL; the suffix says its format.

        Raises:
            Refusal: too many wait (503), or it cannot be kept (507).
        """
        if len(self._futures) >= WAITING:
            raise Refusal(503, "busy", "too many syncs wait; try again later", retry_after=60)
        try:
            wanted = self._backlog.keep(secrets.token_hex(12), suffix, content=content, url=url)
        except OSError as error:
            LOGGER.warning("a sync cannot be kept", extra={"error": error.strerror})
            raise Refusal(507, "not_stored", "the sync could not be stored; try again later") from error
        return self._begin(wanted)

    def close(self, seconds: float) -> None:
        """Wait so long for what was accepted; what is left then, the next server does."""
        with self._lock:
            futures = set(self._futures)
        left = wait(futures, seconds).not_done
        if left:
            LOGGER.warning("stopped before all syncs were done", extra={"jobs": len(left)})
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._backlog.close()

    def _begin(self, wanted: Wanted) -> Job:
        job = Job(wanted.id)
        with self._lock:
            self._jobs[job.id] = job
            while len(self._jobs) > REMEMBERED:
                self._jobs.popitem(last=False)
            future = self._pool.submit(self._run, job, wanted)
            self._futures.add(future)
        future.add_done_callback(self._forget)
        return job

    def _forget(self, future: Future[None]) -> None:
        with self._lock:
            self._futures.discard(future)

    def _run(self, job: Job, wanted: Wanted) -> None:
        job.state = "running"
        try:
            wanted.begin()
            self._fetch(job, wanted)
            catalogue = self._recommender.catalogue
            limits = FetchLimits(allow_private=self._allow_private)
            source = open_source(wanted.feed, shelf=Shelf.of(catalogue.location, limits))
            report = catalogue.sync(
                source, self._recommender.model, wait=SYNC_WAIT, progress=_telling(job), workers=1
            )
            job.report = _report_json(report, str(wanted.folder))
            job.state = "done"
            self._changed()
        except PerfectLookError as error:
            job.error, job.state = str(error).replace(f"{wanted.folder}/", ""), "failed"
        except Exception as error:  # a job that fails in whatever way must say so
            LOGGER.exception("sync failed", extra={"job": job.id})
            job.error, job.state = f"failed inside ({type(error).__name__})", "failed"
        finally:
            wanted.done()
            LOGGER.log(
                logging.INFO if job.state == "done" else logging.WARNING,
                "sync",
                extra={"job": job.id, "state": job.state, "error": job.error},
            )

    def _fetch(self, job: Job, wanted: Wanted) -> None:
        if wanted.url is None:
            return
        job.progress = {"part": "fetching the feed"}
        limits = FetchLimits(max_bytes=2**31, seconds=FEED_SECONDS, allow_private=self._allow_private)
        with Fetcher(limits) as fetcher:
            wanted.feed.write_bytes(fetcher.fetch(wanted.url).content or b"")


def _telling(job: Job) -> Callable[..., Progress]:
    def begin(what: str, unit: str = "pictures") -> Progress:
        def tell(done: int, total: int, failed: int) -> None:
            job.progress = {"part": what, "unit": unit, "done": done, "total": total, "failed": failed}

        return tell

    return begin


_REPORTED = (
    *("added", "changed", "deleted", "unchanged", "embedded", "kept", "is_whole", "switched"),
    *("unknown_categories", "warnings"),
)


def _report_json(report: SyncReport, folder: str) -> dict[str, object]:
    problems = [
        {"item": each.item, "reason": each.reason.replace(f"{folder}/", ""), "kind": each.kind}
        for each in report.failed[:PROBLEMS_SHOWN]
    ]
    return {
        **{name: getattr(report, name) for name in _REPORTED},
        "failed": len(report.failed),
        "problems": problems,
    }
