"""Extract the features of many views, in several processes or on Ray.

Views that are stored already are skipped, and failures are reported.
"""

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
from perfectlook.errors import BackboneError, FeatureError, MissingExtraError, PictureError
from perfectlook.features.store import FeatureStore, ViewKey
from perfectlook.features.workers import WorkerDiedError, WorkerError, WorkerPool
from perfectlook.files import open_regular, worker_count
from perfectlook.images import DEFAULT_LIMITS, open_picture
from perfectlook.progress import Progress
from perfectlook.types import Float16Array, Float32Array, View

VIEWS_PER_TASK = 8
VIEWS_PER_COMMIT = 64
VIEWS_WORTH_A_WORKER = 24
"""The fewest views for which starting another process (almost a second) saves time."""
RAY_TRIES = 3
"""How often Ray repeats work whose worker died. A picture that kills every worker then ends the run."""
VIEWS_PER_RAY_BLOCK = 256
"""Views in one block of a Ray cluster. If a machine is lost, whole blocks are done again."""
DEATHS_IN_A_ROW = 20
"""Extraction stops after more dead workers in a row than this. The pictures are then not the cause."""
FLOAT16_MAX = float(np.finfo(np.float16).max)

CHANGED = "the file has changed since its hash was computed. Run the same command again."
"""The reason of a failure if the file does not match the hash."""

KEPT = "The features extracted so far are kept, and the next run continues from there."

Task = tuple[View, ViewKey]
"""A view to extract, and the key of its features, which contains the SHA-256 of the picture file."""


class FeatureRow(NamedTuple):
    """The features of one view: a vector [D + K], and a map [49, C] or None."""

    key: ViewKey
    vector: Float16Array
    map: Float16Array | None


class Extracted(NamedTuple):
    """The features of some views, and the reasons why the other views failed."""

    rows: list[FeatureRow]
    failures: dict[View, str]


@dataclass(slots=True)
class ExtractionReport:
    """The outcome of an extraction. Each view is extracted, skipped or failed.

    Attributes:
        extracted: the number of views whose features were extracted and stored.
        skipped: the number of views whose features were already stored.
        failures: the views without features, with the reasons.
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
    """Extract the features of views and store them. Views that are already stored are skipped.

    An interrupted run can be continued; at most the last few dozen views are lost. A view that fails is
    reported, and the others continue: an unreadable picture, or one that kills its worker twice. Memory holds
    the list of views and a few batches of features.

    Args:
        keys: the views, each with the key of its features.
        backbone: the name of the backbone, with an optional precision ("efficientnet-lite2:bf16").
        store: a store of this backbone.
        maps: store feature maps too, and extract them for stored views without a map.
        workers: the number of single-threaded processes, by default one for each processor, or one if a GPU
            runs the backbone. With one worker or few views, the work is done in this process.
        progress: called with the number of views done, in total, and failed.
        on_ray: use the Ray cluster at RAY_ADDRESS, or Ray on this machine. Its workers read the pictures, so
            all machines need the pictures under the same paths, and this package.

    Raises:
        FeatureError: the store cannot be written or has another backbone, or workers fail.
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
        finally:  # keep the extracted features if the run is interrupted
            commit()
    # if size and time of the file are the same, the next run would use the old hash again
    forget(view.picture for view, reason in report.failures.items() if reason == CHANGED)
    return report


def _worker_count(backbone: str) -> int:
    return 1 if runs_on_gpu(backbone) else worker_count()


Start = Callable[[], Callable[[Sequence[Task]], Extracted]]
"""Opens an extractor in the process that calls it."""
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
    """Extract in worker processes. If a worker dies, each view of its batch is tried again, alone."""
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
                            f"{deaths} workers in a row died (the last: {died}). "
                            f"Use fewer workers, which need less memory. {KEPT}"
                        ) from died
                    if not is_last_try:
                        again += ([task] for task in batch)
                        continue
                    reason = f"its worker died twice ({died}). Check the picture."
                    extracted = Extracted([], {view: reason for view, _ in batch})
                except WorkerError as error:
                    raise FeatureError(f"{str(error).removesuffix('.')}. {KEPT}") from error
                yield extracted


def _on_ray(start: Start, count: int, batches: Sequence[Sequence[Task]]) -> Results:
    """Extract in `count` workers of Ray Data. Ray is stopped afterwards if it was started here."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray.data
    except ImportError as error:
        raise MissingExtraError("embedding on a Ray cluster", "ray") from error
    ours = not ray.is_initialized()
    if ours:
        size = {} if os.environ.get("RAY_ADDRESS") else {"num_cpus": count + 1, "include_dashboard": False}
        try:
            ray.init(log_to_driver=False, logging_level="WARNING", **size)
        except Exception as error:  # Ray has no class of its own for these
            why = " ".join(str(error).split())
            raise FeatureError(
                f"Ray did not start ({why}). Check RAY_ADDRESS and Ray's logs. {KEPT}"
            ) from error
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
            max_task_retries=RAY_TRIES,
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
            f"Ray workers failed ({str(error).strip().splitlines()[-1]}). Check the cluster and run again. "
            f"{KEPT}"
        ) from error
    finally:
        if ours:
            ray.shutdown()
    if failures and not has_rows:
        view, reason = next(iter(failures.items()))
        raise FeatureError(
            "the Ray workers cannot read the pictures. Make the pictures available on all machines under the "
            f"same paths. The first failure: {view.picture}: {reason}"
        )


class _RayExtractor:
    """The class of a Ray worker: it opens the backbone once and then extracts features."""

    def __init__(self, start: Start) -> None:
        self._extract = start()

    def __call__(self, row: dict[str, bytes]) -> dict[str, bytes]:
        return {"extracted": pickle.dumps(self._extract(pickle.loads(row["batch"])))}


def open_extractor(backbone: str, identity: str, *, maps: bool) -> Callable[[Sequence[Task]], Extracted]:
    """Return an extractor (see `features_of`) with its own backbone, on one thread.

    Raises:
        BackboneError: the backbone cannot be loaded.
        FeatureError: the backbone has another identity.
    """
    opened = open_backbone(backbone, threads=1)
    if opened.identity != identity:
        raise FeatureError(
            f"backbone '{backbone}' has identity {opened.identity}, but the feature store has {identity}. "
            "Open the store of this backbone."
        )
    return partial(features_of, opened, maps=maps)


def features_of(backbone: Backbone, tasks: Iterable[Task], *, maps: bool) -> Extracted:
    """Read pictures and extract their views as one batch. Failures are reported, and the others continue.

    Every view is decoded separately, at its own scale. Its features do not depend on the other views.
    """
    prepared: list[_Prepared] = []
    extracted = Extracted([], {})
    data: tuple[Path, bytes] | None = None  # of the last picture, because its views are adjacent
    for view, key in tasks:
        try:
            if data is None or data[0] != view.picture:
                data = view.picture, _read(view.picture, key.picture)
            picture = open_picture(data[1], crop=view.crop, fit=backbone.description.input_size)
            prepared.append((view, key, backbone.prepare(picture)))
        except PictureError as error:
            extracted.failures[view] = str(error).removeprefix("<bytes>: ")
        except Exception as error:  # out of memory, or a bug in a decoder; other pictures continue
            extracted.failures[view] = (
                f"cannot be decoded ({type(error).__name__}: {error}). Check the picture."
            )
    if prepared:
        _run(backbone, prepared, extracted, maps=maps)
    return extracted


_Prepared = tuple[View, ViewKey, Float32Array]
"""A decoded view: the view, its key, and the input of the backbone."""


def _read(path: Path, sha256: str) -> bytes:
    """Return the bytes of a picture. A file that is too large is truncated, and the decoder refuses it."""
    try:
        with open_regular(path) as file:
            data = file.read(DEFAULT_LIMITS.max_bytes + 1)
    except OSError as error:
        raise PictureError(
            f"cannot be read ({error.strerror}). Check its permissions and the disk."
        ) from error
    if len(data) <= DEFAULT_LIMITS.max_bytes and hashlib.sha256(data).hexdigest() != sha256:
        raise PictureError(CHANGED)
    return data


def _run(backbone: Backbone, prepared: Sequence[_Prepared], extracted: Extracted, *, maps: bool) -> None:
    try:
        batch = backbone.extract(np.stack([pixels for _, _, pixels in prepared]))
    except (BackboneError, ImportError):
        raise  # not an error of a picture
    except Exception as error:  # extract the pictures one by one to find the cause
        if len(prepared) > 1:
            for each in prepared:
                _run(backbone, [each], extracted, maps=maps)
        else:
            cause = f"{type(error).__name__}: {error}"
            extracted.failures[prepared[0][0]] = f"the backbone failed ({cause}). Check the picture."
        return
    for place, (view, key, _) in enumerate(prepared):
        vector = np.concatenate([batch.global_vectors[place], batch.style_statistics[place]])
        feature_map = batch.feature_maps[place] if maps else None
        if np.isfinite(vector).all() and (feature_map is None or np.isfinite(feature_map).all()):
            half_map = None if feature_map is None else to_float16(feature_map)
            extracted.rows.append(FeatureRow(key, to_float16(vector), half_map))
        else:
            extracted.failures[view] = "its features are not finite numbers. Check the picture."


def to_float16(values: Float32Array) -> Float16Array:
    """Return finite values as float16. Values outside ±65504 are clipped, so none becomes infinite."""
    return values.clip(-FLOAT16_MAX, FLOAT16_MAX).astype(np.float16)
