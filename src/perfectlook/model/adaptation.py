"""Adapt a model to the photos of a shop, without pairs and without torch.

Photos from another source have other light and other cameras. Their features have other means and deviations
than the scenes that a model was trained on. An adapted model standardises the features of a scene by the
statistics of the shop's own photos, and then gives them the mean and deviation of its training scenes. Whole
photos and parts of photos (what the crop rule leaves of them) have separate statistics. The known scenes of
an adapted model are the shop's photos, so photos like them are not far.
"""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from perfectlook.backbones import FeatureBatch, open_backbone
from perfectlook.data.fingerprints import fingerprints
from perfectlook.data.scenes import random_part
from perfectlook.errors import DatasetError, ModelError
from perfectlook.features.extraction import extract
from perfectlook.features.set_features import NO_FEATURES
from perfectlook.features.store import FeatureArrays, ViewKey, open_store
from perfectlook.files import model_folder
from perfectlook.images import SUFFIXES
from perfectlook.model.files import (
    CARD,
    CONFIG,
    RUNTIME_FILES,
    SCENES,
    TRAIN_AGAIN,
    ModelRecord,
    identity_of,
    read_arrays,
    readable,
    start_folder,
    write_arrays,
    write_model_file,
)
from perfectlook.model.known import KnownScenes
from perfectlook.progress import ProgressOf, no_progress
from perfectlook.taxonomy import is_fashion
from perfectlook.types import BoolArray, Float32Array, IntArray, Problem, View

ENOUGH = 16
"""With fewer scenes, the statistics are mixed with those of the model's training scenes."""
PARTS = 3
"""Random parts of each scene."""
SMALLEST = 1e-3
"""The smallest deviation, as a share of the mean deviation, so that constant features stay small."""


class Moments(NamedTuple):
    """Mean and standard deviation of the features of scenes: [head + style] each."""

    mean: Float32Array
    deviation: Float32Array

    @classmethod
    def of(cls, scenes: FeatureArrays) -> Self:
        """The moments of some scenes, each feature by itself."""
        parts = (scenes.global_vectors, scenes.style_statistics)
        means = np.concatenate([part.mean(axis=0, dtype=np.float64) for part in parts])
        deviations = np.concatenate([part.std(axis=0, dtype=np.float64) for part in parts])
        return cls(means.astype(np.float32), deviations.astype(np.float32))

    def shrunk_to(self, prior: "Moments", count: int) -> "Moments":
        """Mix with `prior`, which fills up what `count` scenes lack to `ENOUGH`; variances are mixed too."""
        share = min(1.0, count / ENOUGH)
        mean = share * self.mean + (1 - share) * prior.mean
        # the variance of the mixture holds the distance of the means too
        between = share * (1 - share) * (self.mean - prior.mean) ** 2
        deviation = np.sqrt(share * self.deviation**2 + (1 - share) * prior.deviation**2 + between)
        return Moments(mean.astype(np.float32), deviation.astype(np.float32))


@dataclass(frozen=True, slots=True)
class SceneStatistics:
    """The content of a model's `scenes.npz`.

    Attributes:
        trained: moments of the training scenes, as training saw them.
        whole: moments of whole photos of a shop; None for a model that is not adapted.
        parts: moments of parts of these photos.
        ignored: directions of features, standardised by `trained`, that count for nothing: orthonormal rows,
            [k, head + style]; None if all count.
    """

    trained: Moments
    whole: Moments | None = None
    parts: Moments | None = None
    ignored: Float32Array | None = None

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read the statistics of a model.

        Raises:
            ModelError: the model has none, or they cannot be read.
        """
        path = folder / SCENES
        if not path.is_file():
            raise ModelError(
                f"{folder}: has no {SCENES}, the statistics of its training scenes (made by an earlier "
                f"version). {TRAIN_AGAIN}"
            )
        with readable(path):
            arrays = read_arrays(path.read_bytes())
            ignored = arrays.pop("ignored", None)
            moments = {name: Moments(*array.astype(np.float32)) for name, array in arrays.items()}
            return cls(**moments, ignored=ignored)

    def content(self) -> bytes:
        """The content of the file."""
        given = {"trained": self.trained, "whole": self.whole, "parts": self.parts}
        arrays = {name: np.stack(each) for name, each in given.items() if each is not None}
        return write_arrays(**arrays, **({} if self.ignored is None else {"ignored": self.ignored}))

    def align(self, batch: FeatureBatch, are_parts: BoolArray | None = None) -> FeatureBatch:
        """Give the features of a shop's scenes the mean and deviation of the training scenes.

        Args:
            batch: features of n scenes; their maps stay as they are.
            are_parts: whether each scene is a part of a photo, [n]; by default, all are whole photos.
        """
        if self.whole is None or self.parts is None:
            return batch
        whole, parts = (self._aligned(batch.features, each) for each in (self.whole, self.parts))
        return batch.with_features(whole if are_parts is None else np.where(are_parts[:, None], parts, whole))

    def without_ignored(self, batch: FeatureBatch) -> FeatureBatch:
        """Take the ignored directions out of the features of n aligned scenes."""
        if self.ignored is None:
            return batch
        deviation = usable(self.trained.deviation)
        features = batch.features
        standardised = (features - self.trained.mean) / deviation
        features -= standardised @ self.ignored.T @ self.ignored * deviation
        return batch.with_features(features)

    def _aligned(self, features: Float32Array, moments: Moments) -> Float32Array:
        scale = self.trained.deviation / usable(moments.deviation)
        return (features - moments.mean) * scale + self.trained.mean


@dataclass(frozen=True, slots=True)
class Adaptation:
    """What `adapt` made.

    Attributes:
        record: the record of the adapted model.
        n_pictures: pictures that the statistics are of.
        n_parts: random parts of them.
        problems: pictures without features.
    """

    record: ModelRecord
    n_pictures: int
    n_parts: int
    problems: list[Problem]


def adapt(
    folder: Path | str,
    scenes: Path | str,
    out: Path | str,
    *,
    seed: int = 0,
    workers: int | None = None,
    progress: ProgressOf | None = None,
) -> Adaptation:
    """Write a copy of a model that is adapted to the scenes in a folder.

    Product vectors stay the same, but the copy is another model: sync the catalogue again with it.

    Args:
        folder: the folder of the model, or the name of one that comes with the package. An adapted model is
            adapted again from its training scenes.
        scenes: a folder of photos of a shop's scenes, at best 16 or more. Subfolders are included.
        out: the folder of the adapted model. A model in it is replaced.
        seed: of the random parts.
        workers: number of processes that extract features.
        progress: shows the progress of the extraction.

    Raises:
        ModelError: the model cannot be read or has no statistics, reads feature maps only, or `out` cannot be
            written.
        DatasetError: the folder has no readable picture.
    """
    folder, scenes, out = model_folder(folder), Path(scenes), Path(out)
    record = ModelRecord.read(folder)
    if record.config.encoder == "recurrent":
        raise ModelError(
            f"model {record.name!r}: a recurrent encoder reads feature maps, which cannot be adapted. "
            "Train a model with --encoder feedforward."
        )
    before = SceneStatistics.read(folder)
    trained = before.trained
    if not scenes.is_dir():
        raise DatasetError(f"{scenes}: no such folder. Check the path.")
    pictures = sorted(
        each for each in scenes.rglob("*") if each.suffix.lower() in SUFFIXES and each.is_file()
    )
    told = progress or no_progress
    prints, unreadable = fingerprints(pictures, workers=workers, progress=told("reading pictures"))
    generator = np.random.default_rng(seed)
    vertical_only = is_fashion(record.categories)
    views = [View(picture) for picture in prints]
    for picture, found in prints.items():
        drawn = (
            random_part(found.width, found.height, generator, vertical_only=vertical_only)
            for _ in range(PARTS)
        )
        views += [View(picture, rectangle) for rectangle in drawn]
    backbone = record.config.backbone
    record.check_backbone(open_backbone(backbone).identity)
    keys = {view: ViewKey.of(prints[view.picture].sha256, view.crop) for view in views}
    with open_store(backbone) as store:
        report = extract(keys, backbone, store, maps=False, workers=workers, progress=told("scenes"))
        usable = [view for view in keys if view not in report.failures]
        read = {crop: [view for view in usable if (view.crop is not None) == crop] for crop in (False, True)}
        whole, parts = (store.read([keys[view] for view in read[crop]], maps=False) for crop in (False, True))
    failed = unreadable | {view.picture: why for view, why in report.failures.items()}
    problems = [Problem(str(scenes), str(each), why, NO_FEATURES) for each, why in failed.items()]
    if not len(whole) or not len(parts):
        raise DatasetError(
            f"{scenes}: no readable picture. Put photos of your scenes there, at best 16 or more."
        )
    statistics = replace(
        before,
        whole=Moments.of(whole).shrunk_to(trained, len(whole)),
        parts=Moments.of(parts).shrunk_to(trained, len(whole)),
    )
    seen = whole.batch(slice(None))
    known = KnownScenes.of(seen.global_vectors, seen.style_statistics)
    knows_raw = known is not None or record.knows_raw
    if known is None and (before_it := KnownScenes.open(folder)):  # too few photos to know them alone
        known = before_it.passing(seen if knows_raw else statistics.align(seen))
    adapted = {
        "model": record.name,
        "identity": record.identity,
        "n_pictures": len(whole),
        "knows_raw": knows_raw,
    }
    written = _write(folder, record, out, statistics, known, adapted)
    return Adaptation(written, len(whole), len(parts), problems)


def _write(
    folder: Path,
    record: ModelRecord,
    out: Path,
    statistics: SceneStatistics,
    known: KnownScenes | None,
    adapted: dict[str, Any],
) -> ModelRecord:
    """Copy a model with other statistics and known scenes; the record comes last."""
    if out.resolve() == folder.resolve():
        raise ModelError(f"{out}: is the folder of the model itself. Choose another folder with --out.")
    start_folder(out)
    for file in sorted(folder.iterdir()):
        if file.is_file() and file.name not in (CONFIG, SCENES):
            shutil.copyfile(file, out / file.name)
    if known:
        write_model_file(out / KnownScenes.FILE, known.content())
    if (out / CARD).exists():
        about = f"Adapted from `{record.name}` to {adapted['n_pictures']} photos. All below is of that model."
        card = f"# {out.resolve().name}\n\n{about}\n\n{(out / CARD).read_text('utf-8')}"
        write_model_file(out / CARD, card.encode())
    return write_statistics(replace(record, name=out.resolve().name, adapted=adapted), statistics, out)


def write_statistics(record: ModelRecord, statistics: SceneStatistics, folder: Path) -> ModelRecord:
    """Write statistics that inference reads, then the record with the identity that includes them."""
    write_model_file(folder / SCENES, statistics.content())
    identity = identity_of(folder, record.config, record.categories, (*RUNTIME_FILES, SCENES))
    written = replace(record, identity=identity)
    written.write(folder)
    return written


def usable(deviation: Float32Array) -> Float32Array:
    """Deviations that are large enough to divide by."""
    return deviation.clip(SMALLEST * float(deviation.mean()))


def scene_moments(scenes: FeatureArrays, rows: IntArray) -> Moments:
    """The moments of some rows of a set's scenes."""
    return Moments.of(FeatureArrays(scenes.global_vectors[rows], scenes.style_statistics[rows]))
