"""Syncs that are asked for over HTTP: one after the other, in a thread of their own, watched from outside."""

import logging
import secrets
import shutil
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from perfectlook.catalogue import Shelf, SyncReport, open_source
from perfectlook.errors import PerfectLookError
from perfectlook.fetch import Fetcher, FetchLimits
from perfectlook.progress import Progress
from perfectlook.recommender import Recommender
from perfectlook.service.logs import LOGGER
from perfectlook.service.refusal import Refusal

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
    """The jobs of a service. What was accepted is done, also when the service is asked to stop."""

    def __init__(
        self, recommender: Recommender, changed: Callable[[], None], *, allow_private: bool = False
    ) -> None:
        """Take the recommender whose catalogue is synced, and what to call after each."""
        self._recommender = recommender
        self._changed = changed
        self._allow_private = allow_private
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="sync")
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._futures: set[Future[None]] = set()
        self._lock = threading.Lock()

    @property
    def unfinished(self) -> int:
        """How many run or wait."""
        return len(self._futures)

    def get(self, id_: str) -> Job | None:
        """Return a job, None where it is not known or long done."""
        return self._jobs.get(id_)

    def sync_url(self, url: str, suffix: str) -> Job:
        """Accept a sync from the feed at a URL; the suffix says its format."""

        def fetch(feed: Path) -> None:
            limits = FetchLimits(max_bytes=2**31, seconds=FEED_SECONDS, allow_private=self._allow_private)
            with Fetcher(limits) as fetcher:
                content = fetcher.fetch(url).content
            feed.write_bytes(content or b"")

        return self._accept(fetch, suffix)

    def sync_feed(self, content: bytes, suffix: str) -> Job:
        """Accept a sync from the bytes of a feed."""
        return self._accept(lambda feed: feed.write_bytes(content), suffix)

    def close(self, seconds: float) -> None:
        """Wait so long for what was accepted; a sync that is broken off is finished by the next one."""
        with self._lock:
            futures = set(self._futures)
        left = wait(futures, seconds).not_done
        if left:
            LOGGER.warning("stopped before all syncs were done", extra={"jobs": len(left)})
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _accept(self, write: Callable[[Path], object], suffix: str) -> Job:
        with self._lock:
            if len(self._futures) >= WAITING:
                raise Refusal(503, "busy", "too many syncs wait; try again later", retry_after=60)
            job = Job(secrets.token_hex(12))
            self._jobs[job.id] = job
            while len(self._jobs) > REMEMBERED:
                self._jobs.popitem(last=False)
            future = self._pool.submit(self._run, job, write, suffix)
            self._futures.add(future)
        future.add_done_callback(self._forget)
        return job

    def _forget(self, future: Future[None]) -> None:
        with self._lock:
            self._futures.discard(future)

    def _run(self, job: Job, write: Callable[[Path], object], suffix: str) -> None:
        job.state = "running"
        folder = Path(tempfile.mkdtemp(prefix="perfectlook-feed-"))  # alone in it: no file is beside the feed
        try:
            feed = folder / f"feed{suffix}"
            job.progress = {"part": "fetching the feed"}
            write(feed)
            catalogue = self._recommender.catalogue
            limits = FetchLimits(allow_private=self._allow_private)
            source = open_source(feed, shelf=Shelf.of(catalogue.location, limits))
            report = catalogue.sync(
                source, self._recommender.model, wait=SYNC_WAIT, progress=_telling(job), workers=1
            )
            job.report = _report_json(report, str(folder))
            job.state = "done"
            self._changed()
        except PerfectLookError as error:
            job.error, job.state = str(error).replace(f"{folder}/", ""), "failed"
        except Exception as error:  # a job that fails in whatever way must say so
            LOGGER.exception("sync failed", extra={"job": job.id})
            job.error, job.state = f"failed inside ({type(error).__name__})", "failed"
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            LOGGER.log(
                logging.INFO if job.state == "done" else logging.WARNING,
                "sync",
                extra={"job": job.id, "state": job.state, "error": job.error},
            )


def _telling(job: Job) -> Callable[..., Progress]:
    def begin(what: str, unit: str = "pictures") -> Progress:
        def tell(done: int, total: int, failed: int) -> None:
            job.progress = {"part": what, "unit": unit, "done": done, "total": total, "failed": failed}

        return tell

    return begin


def _report_json(report: SyncReport, folder: str) -> dict[str, object]:
    names = ("added", "changed", "deleted", "unchanged", "embedded", "kept", "is_whole", "switched")
    problems = [
        {"item": each.item, "reason": each.reason.replace(f"{folder}/", ""), "kind": each.kind}
        for each in report.failed[:PROBLEMS_SHOWN]
    ]
    return {
        **{name: getattr(report, name) for name in names},
        "failed": len(report.failed),
        "problems": problems,
    }
