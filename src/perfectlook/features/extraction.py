"""Extracts features of many views, in several processes or on Ray: skips what is stored, names what fails."""

import hashlib
import logging
import os
import pickle
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from perfectlook.backbones import Backbone, open_backbone, runs_on_gpu
from perfectlook.data.fingerprints import forget
from perfectlook.errors import FeatureError, MissingExtraError, PictureError
from perfectlook.features.store import FeatureStore, ViewKey
from perfectlook.features.workers import WorkerDiedError, WorkerError, WorkerPool
from perfectlook.files import worker_count
from perfectlook.images import DEFAULT_LIMITS, open_picture
from perfectlook.progress import Progress
from perfectlook.types import Float16Array, Float32Array, View

VIEWS_PER_TASK = 8
VIEWS_PER_COMMIT = 64
VIEWS_WORTH_A_WORKER = 24
"""With fewer views per process than this, starting it (most of a second) takes longer than it saves."""
VIEWS_PER_RAY_BLOCK = 256
"""Views that travel together on a Ray cluster, and the least that is done again when a machine is lost."""
DEATHS_IN_A_ROW = 20
"""After this many dead workers without a single result between them, it is not the pictures."""
FLOAT16_MAX = float(np.finfo(np.float16).max)

CHANGED = "changed since its hash was taken; run again"
"""Why a picture fails whose file is not the one that the hash is of."""

Task = tuple[View, ViewKey]
"""A view to extract, and the key of its features; the key has the SHA-256 of the picture's file."""


class FeatureRow(NamedTuple):
    """The features of one view: vector [D + K], map [49, C] or None."""

    key: ViewKey
    vector: Float16Array
    map: Float16Array | None


class Extracted(NamedTuple):
    """What came of some views: rows of features, and why the others have none."""

    rows: list[FeatureRow]
    failures: dict[View, str]


@dataclass(slots=True)
class ExtractionReport:
    """What came of the views that were asked for: extracted, skipped or failed, one of the three.

    Attributes:
        extracted: views whose features were extracted and stored.
        skipped: views whose features were stored before.
        failures: views that have no features, and why.
    """

    extracted: int = 0
    skipped: int = 0
    failures: dict[View, str] = field(default_factory=dict)


def extract(
    keys: Mapping[View, ViewKey],
    backbone: str,
    store: FeatureStore,
    *,
    maps: bool,
    workers: int | None = None,
    progress: Progress | None = None,
    on_ray: bool = False,
) -> ExtractionReport:
    """Extract the features of views and store them; views whose features are stored already are skipped.

    An interrupted run can be started again and continues; at most the last few dozen views are lost. A view
    that fails (an unreadable picture, one that kills its worker twice) is reported, and the others go on.
    Memory holds the list of views and a few batches of features, however many views there are.

    Args:
        keys: pictures or parts of them, each with the key of its features.
        backbone: its name, with a precision if it has one ("efficientnet-lite2:bf16").
        store: where to, a store of this backbone.
        maps: whether feature maps are stored too (and extracted where only the map is missing).
        workers: single-threaded processes; by default one per processor, but one in all where a GPU runs the
            backbone. With one, and with few views, the work is done in this process.
        progress: told how many views are done, of how many, and how many failed.
        on_ray: use the Ray cluster that RAY_ADDRESS names, or Ray on this machine. Its workers read the
            pictures themselves: all machines must see them under the same paths, and have this package.

    Raises:
        FeatureError: the store cannot be written (a full disk), is another backbone's, or workers fail.
        BackboneError: the backbone is unknown or cannot be loaded.
        MissingExtraError: Ray is not installed.
    """
    missing = set(store.missing(keys.values(), maps=maps))
    tasks = [(view, key) for view, key in keys.items() if key in missing]
    tasks.sort(key=lambda task: task[0].picture)  # so that a picture with several views is read once
    report = ExtractionReport(skipped=len(keys) - len(tasks))
    rows: list[FeatureRow] = []

    def tell() -> None:
        if progress:
            failed = len(report.failures)
            progress(report.skipped + report.extracted + len(rows) + failed, len(keys), failed)

    def commit() -> None:
        taken = rows[:]
        rows.clear()
        if taken:
            vectors = np.stack([row.vector for row in taken])
            taken_maps = [row.map for row in taken if row.map is not None]
            store.append([row.key for row in taken], vectors, np.stack(taken_maps) if taken_maps else None)
            report.extracted += len(taken)

    tell()
    if tasks:
        start = partial(open_extractor, backbone, store.manifest.identity, maps=maps)
        try:
            with closing(_results(start, tasks, backbone, workers, on_ray=on_ray)) as results:
                for extracted in results:
                    rows += extracted.rows
                    report.failures |= extracted.failures
                    if len(rows) >= VIEWS_PER_COMMIT:
                        commit()
                    tell()
        finally:  # what was extracted is kept even where the run is interrupted
            commit()
    # with the same size and time as before, the next run would otherwise find the old hash again
    forget(view.picture for view, reason in report.failures.items() if reason == CHANGED)
    return report


def _worker_count(backbone: str) -> int:
    return 1 if runs_on_gpu(backbone) else worker_count()


Start = Callable[[], Callable[[Sequence[Task]], Extracted]]
"""Opens an extractor, wherever it is called."""
Results = Generator[Extracted, None, None]


def _results(start: Start, tasks: list[Task], backbone: str, workers: int | None, *, on_ray: bool) -> Results:
    batches = [tasks[first : first + VIEWS_PER_TASK] for first in range(0, len(tasks), VIEWS_PER_TASK)]
    processes = min(workers or _worker_count(backbone), len(tasks) // VIEWS_WORTH_A_WORKER)
    if on_ray:
        return _on_ray(start, workers or worker_count(), batches)
    if processes > 1:
        return _in_workers(start, processes, batches)
    extractor = start()
    return (extractor(batch) for batch in batches)


def _in_workers(start: Start, count: int, batches: Iterable[Sequence[Task]]) -> Results:
    """Every view of a batch whose worker died is tried once more, alone; a second death is its failure."""
    again: list[Sequence[Task]] = []
    deaths = 0
    with WorkerPool(start, count) as pool:
        for is_last_try in (False, True):
            for batch, future in pool.run(again if is_last_try else batches):
                try:
                    extracted = future.result()
                    deaths = 0
                except WorkerDiedError as died:
                    deaths += 1
                    if deaths > DEATHS_IN_A_ROW:
                        raise FeatureError(
                            f"{deaths} workers in a row died, the last {died}; use fewer workers, which need "
                            "less memory. What was extracted is kept: the next run continues from there"
                        ) from died
                    if not is_last_try:
                        again += ([task] for task in batch)
                        continue
                    reason = f"its worker died twice ({died}); check the picture"
                    extracted = Extracted([], {view: reason for view, _ in batch})
                except WorkerError as error:
                    raise FeatureError(f"{error}; what was extracted is kept") from error
                yield extracted


def _on_ray(start: Start, count: int, batches: Sequence[Sequence[Task]]) -> Results:
    """By `count` workers of Ray Data; all that travels is pickled. Ray is left running if it ran before."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray.data
    except ImportError as error:
        raise MissingExtraError("embedding on a Ray cluster", "ray") from error
    ours = not ray.is_initialized()
    if ours:
        size = {} if os.environ.get("RAY_ADDRESS") else {"num_cpus": count + 1, "include_dashboard": False}
        ray.init(log_to_driver=False, logging_level="WARNING", **size)
    try:
        ray.data.DataContext.get_current().enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        blocks = max(2 * count, len(batches) * VIEWS_PER_TASK // VIEWS_PER_RAY_BLOCK)
        items = [{"batch": pickle.dumps(batch)} for batch in batches]
        dataset = ray.data.from_items(items, override_num_blocks=min(blocks, len(items))).map(
            _RayExtractor,
            fn_constructor_args=(start,),
            compute=ray.data.ActorPoolStrategy(size=count),
            num_cpus=1,
        )
        failures: dict[View, str] = {}
        has_rows = False
        for row in dataset.iter_rows():
            extracted: Extracted = pickle.loads(row["extracted"])
            has_rows |= bool(extracted.rows)
            failures = failures or extracted.failures
            yield extracted
    except ray.exceptions.RayError as error:
        raise FeatureError(
            f"Ray workers failed ({str(error).strip().splitlines()[-1]}); what was extracted is kept: "
            "repair the cluster and run again"
        ) from error
    finally:
        if ours:
            ray.shutdown()
    if failures and not has_rows:
        view, reason = next(iter(failures.items()))
        raise FeatureError(
            f"no picture could be read by the Ray workers, the first being {view.picture}: {reason}. "
            "They must see the pictures under the same paths as this machine does"
        )


class _RayExtractor:
    """What a Ray worker does: it opens the backbone once, and then turns pictures into features."""

    def __init__(self, start: Start) -> None:
        self._extract = start()

    def __call__(self, row: dict[str, bytes]) -> dict[str, bytes]:
        return {"extracted": pickle.dumps(self._extract(pickle.loads(row["batch"])))}


def open_extractor(backbone: str, identity: str, *, maps: bool) -> Callable[[Sequence[Task]], Extracted]:
    """An extractor (see `features_of`) with a backbone of its own, on one thread.

    Raises:
        BackboneError: the backbone cannot be loaded.
        FeatureError: its features are not those of this identity.
    """
    opened = open_backbone(backbone, threads=1)
    if opened.identity != identity:
        raise FeatureError(
            f"the backbone '{backbone}' is {opened.identity}, but the feature store is of {identity}; "
            "features of two backbones never mix: open this backbone's own store"
        )
    return partial(features_of, opened, maps=maps)


def features_of(backbone: Backbone, tasks: Iterable[Task], *, maps: bool) -> Extracted:
    """Read pictures and extract some of their views as one batch; what fails is named, the rest goes on.

    Every view is decoded on its own, at the scale that suits it: its features never depend on what else is
    extracted with it.
    """
    prepared: list[_Prepared] = []
    extracted = Extracted([], {})
    data: tuple[Path, bytes] | None = None  # of the last picture: its views come one after another
    for view, key in tasks:
        try:
            if data is None or data[0] != view.picture:
                data = view.picture, _read(view.picture, key.picture)
            picture = open_picture(data[1], crop=view.crop, fit=backbone.description.input_size)
            prepared.append((view, key, backbone.prepare(picture)))
        except PictureError as error:
            extracted.failures[view] = str(error).removeprefix("<bytes>: ")
        except Exception as error:  # out of memory, or a decoder's own fault: this picture's problem only
            extracted.failures[view] = f"cannot be prepared ({type(error).__name__}: {error})"
    if prepared:
        _run(backbone, prepared, extracted, maps=maps)
    return extracted


_Prepared = tuple[View, ViewKey, Float32Array]
"""A view decoded: its key, and the backbone's input."""


def _read(path: Path, sha256: str) -> bytes:
    """The bytes of a picture; of one that is too large the beginning, and the decoder refuses it."""
    try:
        with path.open("rb") as file:
            data = file.read(DEFAULT_LIMITS.max_bytes + 1)
    except OSError as error:
        raise PictureError(f"cannot be read ({error.strerror}); check the path and the disk") from error
    if len(data) <= DEFAULT_LIMITS.max_bytes and hashlib.sha256(data).hexdigest() != sha256:
        raise PictureError(CHANGED)
    return data


def _run(backbone: Backbone, prepared: Sequence[_Prepared], extracted: Extracted, *, maps: bool) -> None:
    try:
        batch = backbone.extract(np.stack([pixels for _, _, pixels in prepared]))
    except Exception as error:  # as above: find the one
        if len(prepared) > 1:
            for each in prepared:
                _run(backbone, [each], extracted, maps=maps)
        else:
            extracted.failures[prepared[0][0]] = (
                f"the backbone failed on it ({type(error).__name__}: {error})"
            )
        return
    for place, (view, key, _) in enumerate(prepared):
        vector = np.concatenate([batch.global_vectors[place], batch.style_statistics[place]])
        feature_map = batch.feature_maps[place] if maps else None
        if np.isfinite(vector).all() and (feature_map is None or np.isfinite(feature_map).all()):
            half_map = None if feature_map is None else to_float16(feature_map)
            extracted.rows.append(FeatureRow(key, to_float16(vector), half_map))
        else:
            extracted.failures[view] = "the backbone's features of it are not finite numbers"


def to_float16(values: Float32Array) -> Float16Array:
    """Finite values as float16; those beyond its range, ±65504, become its largest, never infinite."""
    return values.clip(-FLOAT16_MAX, FLOAT16_MAX).astype(np.float16)
