"""From picture files to rows of features: what every worker does."""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from perfectlook.backbones import Backbone, open_backbone
from perfectlook.errors import FeatureError, PictureError
from perfectlook.features.store import ViewKey
from perfectlook.images import DEFAULT_LIMITS, open_picture
from perfectlook.types import Float16Array, Float32Array, Rectangle, View

FLOAT16_MAX = float(np.finfo(np.float16).max)
CHANGED = "changed since it was last looked at; run again"
"""Why a picture fails whose file is not the one that the hash is of."""


class PictureTask(NamedTuple):
    """A picture, the SHA-256 of its file, and which parts of it are wanted (None is all of it)."""

    picture: Path
    sha256: str
    crops: tuple[Rectangle | None, ...]


class Failure(NamedTuple):
    """A view that has no features, and why."""

    view: View
    reason: str


class Row(NamedTuple):
    """The features of one view: vector [D + K], map [49, C] or None."""

    key: ViewKey
    vector: Float16Array
    map: Float16Array | None


class Prepared(NamedTuple):
    """A view decoded: the backbone's input, float32 [3, S, S]."""

    view: View
    key: ViewKey
    pixels: Float32Array


class Extracted(NamedTuple):
    """What came of some pictures' views."""

    rows: list[Row]
    failures: list[Failure]


class Content(NamedTuple):
    """The bytes of a picture's file, and what is wanted of it."""

    task: PictureTask
    data: bytes


class Extractor:
    """Reads pictures and runs a backbone on their views; what fails is named, and the rest goes on."""

    def __init__(self, backbone: Backbone, *, maps: bool) -> None:
        self._backbone = backbone
        self._maps = maps

    def __call__(self, tasks: Sequence[PictureTask]) -> Extracted:
        """Extract the features of all views of some pictures, as one batch."""
        contents: list[Content] = []
        failures: list[Failure] = []
        for task in tasks:
            found = _read(task)
            if isinstance(found, Content):
                contents.append(found)
            else:
                failures += (Failure(View(task.picture, crop), found) for crop in task.crops)
        extracted = features_of(self._backbone, contents, maps=self._maps)
        return Extracted(extracted.rows, failures + extracted.failures)


def features_of(backbone: Backbone, contents: Iterable[Content], *, maps: bool) -> Extracted:
    """From bytes to features: depends on nothing but what it is given, wherever it runs.

    Every view is decoded on its own, at the scale that suits it: its features never depend on what else is
    extracted with it.
    """
    extracted = Extracted([], [])
    prepared: list[Prepared] = []
    for task, data in contents:
        for crop in task.crops:
            view = View(task.picture, crop)
            pixels = _decode(backbone, data, crop)
            if isinstance(pixels, str):
                extracted.failures.append(Failure(view, pixels))
            else:
                prepared.append(Prepared(view, ViewKey.of(task.sha256, crop), pixels))
    if prepared:
        _run(backbone, prepared, extracted, maps=maps)
    return extracted


def _read(task: PictureTask) -> Content | str:
    """The bytes of a picture, or why there are none; too large a one is cut, and the decoder refuses it."""
    try:
        with task.picture.open("rb") as file:
            data = file.read(DEFAULT_LIMITS.max_bytes + 1)
    except OSError as error:
        return f"cannot be read ({error.strerror}); check the path and the disk"
    if len(data) <= DEFAULT_LIMITS.max_bytes and hashlib.sha256(data).hexdigest() != task.sha256:
        return CHANGED
    return Content(task, data)


def _decode(backbone: Backbone, data: bytes, crop: Rectangle | None) -> Float32Array | str:
    try:
        picture = open_picture(data, crop=crop, fit=backbone.description.input_size)
        return backbone.prepare(picture)
    except PictureError as error:
        return str(error).removeprefix("<bytes>: ")
    except (
        Exception
    ) as error:  # out of memory, or a decoder's own fault: one picture's problem, not the run's
        return f"cannot be prepared ({type(error).__name__}: {error})"


def _run(backbone: Backbone, views: Sequence[Prepared], extracted: Extracted, *, maps: bool) -> None:
    try:
        batch = backbone.extract(np.stack([view.pixels for view in views]))
    except Exception as error:  # as above: find the one
        if len(views) > 1:
            for view in views:
                _run(backbone, [view], extracted, maps=maps)
        else:
            reason = f"the backbone failed on it ({type(error).__name__}: {error})"
            extracted.failures.append(Failure(views[0].view, reason))
        return
    for place, each in enumerate(views):
        vector = np.concatenate([batch.global_vectors[place], batch.style_statistics[place]])
        feature_map = batch.feature_maps[place] if maps else None
        if np.isfinite(vector).all() and (feature_map is None or np.isfinite(feature_map).all()):
            half_map = None if feature_map is None else to_float16(feature_map)
            extracted.rows.append(Row(each.key, to_float16(vector), half_map))
        else:
            extracted.failures.append(
                Failure(each.view, "the backbone's features of it are not finite numbers")
            )


def open_extractor(backbone: str, identity: str, *, maps: bool) -> Extractor:
    """An extractor with a backbone of its own, on one thread.

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
    return Extractor(opened, maps=maps)


def to_float16(values: Float32Array) -> Float16Array:
    """Finite values as float16; those beyond its range, ±65504, become its largest, never infinite."""
    return values.clip(-FLOAT16_MAX, FLOAT16_MAX).astype(np.float16)
