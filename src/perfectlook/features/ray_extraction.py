"""Extraction on a Ray cluster: the same features by the same function, in workers on other machines."""

import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from perfectlook.errors import FeatureError, MissingExtraError
from perfectlook.features.extraction import ExtractionReport, missing_tasks
from perfectlook.features.extractor import Failure, PictureTask, open_extractor
from perfectlook.features.store import FeatureStore, ViewKey
from perfectlook.files import worker_count
from perfectlook.progress import Progress
from perfectlook.types import REGIONS, Rectangle, View

PICTURES_PER_BLOCK = 256
"""Pictures whose names travel together, and the least that is done again when a machine is lost."""
PICTURES_PER_BATCH = 32
ROWS_PER_COMMIT = 256


def extract_on_ray(
    views: Iterable[View],
    backbone: str,
    store: FeatureStore,
    *,
    maps: bool,
    workers: int | None = None,
    progress: Progress | None = None,
    hashes: Mapping[Path, str] | None = None,
) -> ExtractionReport:
    """Do what `extract` does, by Ray Data's `map_batches`; features come back into this machine's store.

    Joins the cluster that RAY_ADDRESS names, or starts Ray on this machine. Workers read the pictures
    themselves: all machines must see them under the same paths, and have this package and its backbone.

    Raises:
        MissingExtraError: Ray is not installed.
        FeatureError: workers fail, none of the pictures can be read there, or the store cannot be written.
    """
    try:
        import pyarrow as pa
        import ray.data
    except ImportError as error:
        raise MissingExtraError("embedding on a Ray cluster", "ray") from error
    report = ExtractionReport()
    distinct = dict.fromkeys(views)
    tasks = missing_tasks(distinct, store, report, maps=maps, hashes=hashes or {})
    if not tasks:
        return report
    count = workers or worker_count()
    with _ray(count):
        dataset = ray.data.from_arrow([pa.table(block) for block in _blocks(tasks, count)]).map_batches(
            RayExtractor,
            fn_constructor_kwargs={
                "backbone": backbone,
                "identity": store.manifest.identity,
                "maps": maps,
            },
            batch_size=PICTURES_PER_BATCH,
            batch_format="pyarrow",
            compute=ray.data.ActorPoolStrategy(size=count),
            num_cpus=1,
        )
        try:
            for batch in dataset.iter_batches(batch_size=ROWS_PER_COMMIT, batch_format="pyarrow"):
                _store(batch.to_pydict(), store, report, maps=maps)
                if progress:
                    failed = len(report.failures)
                    progress(report.skipped + report.extracted + failed, len(distinct), failed)
        except ray.exceptions.RayError as error:
            raise FeatureError(
                f"Ray workers failed ({str(error).strip().splitlines()[-1]}); what was extracted is kept: "
                "mend the cluster and run again"
            ) from error
    if report.failures and not report.extracted:
        first = report.failures[0]
        raise FeatureError(
            f"no picture could be read by the Ray workers, the first being {first.view.picture}: "
            f"{first.reason}. They must see the pictures under the same paths as this machine does"
        )
    return report


class RayExtractor:
    """What a Ray worker does: it opens the backbone once, and then turns pictures into features."""

    def __init__(self, backbone: str, identity: str, maps: bool) -> None:
        """Open the backbone."""
        self._extract = open_extractor(backbone, identity, maps=maps)

    def __call__(self, block: Any) -> Any:
        """Return, for a block of pictures, their features as bytes, or the reasons why there are none."""
        import pyarrow as pa

        extracted = self._extract(_tasks(block.to_pydict()))
        rows = [
            {
                "picture": "",
                "sha256": row.key.picture,
                "crop": row.key.crop,
                "vector": row.vector.tobytes(),
                "map": b"" if row.map is None else row.map.tobytes(),
                "reason": "",
            }
            for row in extracted.rows
        ]
        rows += [
            {
                "picture": os.fsencode(failure.view.picture).hex(),
                "sha256": "",
                "crop": _crop_text(failure.view.crop),
                "vector": b"",
                "map": b"",
                "reason": failure.reason,
            }
            for failure in extracted.failures
        ]
        return pa.Table.from_pylist(rows, schema=_schema())


def _schema() -> Any:
    import pyarrow as pa

    texts = {name: pa.string() for name in ("picture", "sha256", "crop", "reason")}
    return pa.schema({**texts, "vector": pa.binary(), "map": pa.binary()})


def _blocks(tasks: Sequence[PictureTask], workers: int) -> Iterator[dict[str, list[str]]]:
    """Tasks as columns, a view a row, some for every worker; file names may be any bytes."""
    size = min(PICTURES_PER_BLOCK, max(1, len(tasks) // (2 * workers)))
    for start in range(0, len(tasks), size):
        rows = [(task, crop) for task in tasks[start : start + size] for crop in task.crops]
        yield {
            "picture": [os.fsencode(task.picture).hex() for task, _ in rows],
            "sha256": [task.sha256 for task, _ in rows],
            "crop": [_crop_text(crop) for _, crop in rows],
        }


def _tasks(block: Mapping[str, list[str]]) -> list[PictureTask]:
    return [
        PictureTask(_path(picture), sha256, (_crop(crop),))
        for picture, sha256, crop in zip(block["picture"], block["sha256"], block["crop"], strict=True)
    ]


def _path(text: str) -> Path:
    return Path(os.fsdecode(bytes.fromhex(text)))


def _crop_text(crop: Rectangle | None) -> str:
    return ",".join(map(str, crop)) if crop else ""


def _crop(text: str) -> Rectangle | None:
    return Rectangle(*map(int, text.split(","))) if text else None


def _store(
    rows: Mapping[str, list[Any]], store: FeatureStore, report: ExtractionReport, *, maps: bool
) -> None:
    good = [place for place, reason in enumerate(rows["reason"]) if not reason]
    report.failures += (
        Failure(View(_path(rows["picture"][place]), _crop(rows["crop"][place])), reason)
        for place, reason in enumerate(rows["reason"])
        if reason
    )
    if not good:
        return
    keys = [ViewKey(rows["sha256"][place], rows["crop"][place]) for place in good]
    vectors = np.stack([np.frombuffer(rows["vector"][place], np.float16) for place in good])
    feature_maps = None
    if maps:
        shape = (REGIONS, store.manifest.map_channels)
        feature_maps = np.stack(
            [np.frombuffer(rows["map"][place], np.float16).reshape(shape) for place in good]
        )
    store.append(keys, vectors, feature_maps)
    report.extracted += len(good)


@contextmanager
def _ray(workers: int) -> Iterator[None]:
    """Have Ray while the context lasts: quiet, telling nobody of its use, left running if it ran before."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray
    import ray.data

    ours = not ray.is_initialized()
    if ours:
        joins = bool(os.environ.get("RAY_ADDRESS"))
        ray.init(
            num_cpus=None if joins else workers + 1,
            include_dashboard=None if joins else False,
            log_to_driver=False,
            logging_level="WARNING",
        )
    try:
        ray.data.DataContext.get_current().enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        yield
    finally:
        if ours:
            ray.shutdown()
