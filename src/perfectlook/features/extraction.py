"""Extracts the features of many views in several processes: skips what is stored, names what fails."""

import hashlib
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from perfectlook.backbones import runs_on_gpu
from perfectlook.data.fingerprints import forget
from perfectlook.features.extractor import CHANGED, Extracted, Failure, PictureTask, Row, open_extractor
from perfectlook.features.store import FeatureStore, ViewKey, open_store
from perfectlook.features.workers import Died, Done, InProcess, WorkerError, WorkerPool
from perfectlook.files import worker_count
from perfectlook.progress import Progress
from perfectlook.types import Problem, Rectangle, View

VIEWS_PER_TASK = 8
VIEWS_PER_COMMIT = 64
VIEWS_WORTH_A_WORKER = 24
"""With fewer views per process than this, starting it (most of a second) takes longer than it saves."""
PICTURES_HASHED_AT_ONCE = 1024
DEATHS_IN_A_ROW = 20
"""So many workers dead without a single result between them: it is not the pictures."""

NO_FEATURES = "picture without features"
"""The kind of the problems reported here."""

Batch = tuple[PictureTask, ...]


@dataclass(slots=True)
class ExtractionReport:
    """What came of the distinct views that were asked for: extracted, skipped or failed, one of the three.

    Attributes:
        extracted: views whose features were extracted and stored.
        skipped: views whose features were stored before.
        failures: views that have no features, and why.
        seconds: what it took, the start of the workers included.
    """

    extracted: int = 0
    skipped: int = 0
    failures: list[Failure] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def failed(self) -> list[Problem]:
        """The failures as problems to report."""
        return [_problem(failure) for failure in self.failures]


def extract(
    views: Iterable[View],
    backbone: str,
    store: FeatureStore | None = None,
    *,
    maps: bool,
    workers: int | None = None,
    progress: Progress | None = None,
    hashes: Mapping[Path, str] | None = None,
) -> ExtractionReport:
    """Extract the features of views and store them; views whose features are stored already are skipped.

    Running again after an interruption goes on where it was; at most the last few dozen views are lost. A
    view that fails (an unreadable picture, one that kills its worker twice) is reported, the others go on.
    Memory holds the list of views and a few batches of features, however many views there are.

    Args:
        views: pictures or parts of them; repeated ones are extracted once.
        backbone: its name, with a precision if it has one ("efficientnet-lite2:bf16").
        store: where to; by default the backbone's store in the cache folder.
        maps: whether feature maps are stored too (and extracted where only the map is missing).
        workers: single-threaded processes; by default one per processor, but one in all where a GPU runs the
            backbone. With one, and with few views, the work is done in this process.
        progress: told how many views are done, of how many, and how many failed.
        hashes: the SHA-256 of pictures' files in hex, where it is known already (from their fingerprints).

    Raises:
        FeatureError: the store cannot be written (a full disk), is another backbone's, or workers do not run.
        BackboneError: the backbone is unknown or cannot be loaded.
    """
    if store is None:
        with open_store(backbone) as own:
            return extract(views, backbone, own, maps=maps, workers=workers, progress=progress, hashes=hashes)
    started = time.monotonic()
    report = ExtractionReport()
    distinct = dict.fromkeys(views)
    tasks = missing_tasks(distinct, store, report, maps=maps, hashes=hashes or {})
    missing = sum(len(task.crops) for task in tasks)
    if progress:
        progress(len(distinct) - missing, len(distinct), len(report.failures))
    if tasks:
        start = partial(open_extractor, backbone, store.manifest.identity, maps=maps)
        processes = min(workers or _worker_count(backbone), missing // VIEWS_WORTH_A_WORKER)
        with _pool(start, processes) as pool:
            _Extraction(pool, _batches(tasks), store, report, progress, len(distinct)).run()
        # with the same size and time as before, the next run would otherwise find the old hash again
        forget(failure.view.picture for failure in report.failures if failure.reason == CHANGED)
    report.seconds = time.monotonic() - started
    return report


class _Extraction:
    """The batches still to do, those to do again, and the rows that wait to be stored together."""

    def __init__(
        self,
        pool: "_Pool",
        batches: Iterator[Batch],
        store: FeatureStore,
        report: ExtractionReport,
        progress: Progress | None,
        total: int,
    ) -> None:
        self._pool = pool
        self._batches = batches
        self._store = store
        self._report = report
        self._progress = progress
        self._total = total
        self._again: deque[Batch] = deque()
        self._suspects: set[View] = set()
        self._deaths = 0
        self._rows: list[Row] = []

    def run(self) -> None:
        """Do all batches; what was extracted is stored even where the run is broken off."""
        try:
            while self._submit() or self._pool.in_flight:
                match self._pool.receive():
                    case Died(batch, how):
                        self._suspect(batch, how)
                    case Done(_, result):
                        self._take(result)
                self._tell()
        except (KeyboardInterrupt, WorkerError):
            self._store_rows()
            raise
        self._store_rows()

    def _submit(self) -> bool:
        """Hand out batches while there are any and workers have room; whether any was handed out."""
        submitted = False
        while self._pool.has_room:
            batch = self._again.popleft() if self._again else next(self._batches, None)
            if batch is None:
                break
            self._pool.submit(batch)
            submitted = True
        return submitted

    def _take(self, result: Extracted) -> None:
        self._deaths = 0
        self._rows += result.rows
        self._report.failures += result.failures
        if len(self._rows) >= VIEWS_PER_COMMIT:
            self._store_rows()

    def _suspect(self, batch: Batch, how: str) -> None:
        """A worker died over these views: each is tried once more, alone; a second death is its failure."""
        self._deaths += 1
        if self._deaths > DEATHS_IN_A_ROW:
            raise WorkerError(
                f"{self._deaths} workers in a row died, the last {how}; use fewer workers, which need less "
                "memory. What was extracted is kept: the next run goes on from there"
            )
        for task in batch:
            for crop in task.crops:
                view = View(task.picture, crop)
                if view in self._suspects:
                    reason = f"twice, the worker that was at it died ({how}); check the picture"
                    self._report.failures.append(Failure(view, reason))
                else:
                    self._suspects.add(view)
                    self._again.append((task._replace(crops=(crop,)),))

    def _store_rows(self) -> None:
        rows = self._rows
        if rows:
            keys = [row.key for row in rows]
            maps = [row.map for row in rows if row.map is not None]
            self._store.append(keys, np.stack([row.vector for row in rows]), np.stack(maps) if maps else None)
        self._report.extracted += len(rows)
        self._rows = []

    def _tell(self) -> None:
        if self._progress:
            failed = len(self._report.failures)
            done = self._report.skipped + self._report.extracted + len(self._rows) + failed
            self._progress(done, self._total, failed)


_Pool = WorkerPool[Batch, Extracted] | InProcess[Batch, Extracted]


def _worker_count(backbone: str) -> int:
    return 1 if runs_on_gpu(backbone) else worker_count()


def _pool(start: Callable[[], Callable[[Batch], Extracted]], processes: int) -> _Pool:
    return WorkerPool(start, processes) if processes > 1 else InProcess(start)


def missing_tasks(
    views: Iterable[View],
    store: FeatureStore,
    report: ExtractionReport,
    *,
    maps: bool,
    hashes: Mapping[Path, str],
) -> list[PictureTask]:
    """What is still to extract, all views of a picture together; the rest goes into the report."""
    crops: dict[Path, list[Rectangle | None]] = {}
    for view in views:
        crops.setdefault(view.picture, []).append(view.crop)
    tasks: list[PictureTask] = []
    for picture, sha256 in _hashed(list(crops), hashes):
        rectangles = crops[picture]
        if isinstance(sha256, _Unreadable):
            report.failures += (Failure(View(picture, crop), sha256.reason) for crop in rectangles)
            continue
        found = store.find(ViewKey.of(sha256, crop) for crop in rectangles)
        lacking = tuple(
            crop
            for crop, rows in zip(rectangles, found, strict=True)
            if rows is None or (maps and rows.map is None)
        )
        report.skipped += len(rectangles) - len(lacking)
        if lacking:
            tasks.append(PictureTask(picture, sha256, lacking))
    return tasks


def _hashed(
    pictures: Sequence[Path], known: Mapping[Path, str]
) -> Iterator[tuple[Path, "str | _Unreadable"]]:
    """Every picture with its hash, known or read by several threads, a bounded number at a time."""
    with ThreadPoolExecutor() as threads:
        for start in range(0, len(pictures), PICTURES_HASHED_AT_ONCE):
            some = pictures[start : start + PICTURES_HASHED_AT_ONCE]
            unknown = [picture for picture in some if picture not in known]
            read = dict(zip(unknown, threads.map(_sha256, unknown), strict=True))
            yield from ((picture, known.get(picture) or read[picture]) for picture in some)


def _batches(tasks: Iterable[PictureTask]) -> Iterator[Batch]:
    """Tasks of about `VIEWS_PER_TASK` views; a picture with more than that becomes several."""
    batch: list[PictureTask] = []
    room = VIEWS_PER_TASK
    for task in tasks:
        for start in range(0, len(task.crops), VIEWS_PER_TASK):
            part = task._replace(crops=task.crops[start : start + VIEWS_PER_TASK])
            if len(part.crops) > room:
                yield tuple(batch)
                batch, room = [], VIEWS_PER_TASK
            batch.append(part)
            room -= len(part.crops)
    if batch:
        yield tuple(batch)


class _Unreadable(NamedTuple):
    reason: str


def _sha256(picture: Path) -> str | _Unreadable:
    try:
        if not picture.is_file():
            what = "not a file" if picture.exists() else "no such file"
            return _Unreadable(f"{what}; check the path")
        with picture.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return _Unreadable(f"cannot be read ({error.strerror}); check the path and the disk")


def _problem(failure: Failure) -> Problem:
    picture, crop = failure.view
    part = f" (crop {','.join(map(str, crop))})" if crop else ""
    return Problem(str(picture), f"{picture.stem}{part}", failure.reason, NO_FEATURES)
