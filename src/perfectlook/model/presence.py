"""See what a photo already shows: which categories, and which products of a catalogue.

A window is a rectangle of regions of the feature map. A category is present if a window looks like it, or if
the whole photo does: the mean of two log-odds, one from the windows and one from the global features. A
product is in the scene if its category is present, and if the vector that is predicted from a window is much
nearer to the product than to the other products of its category. No pairs of a shop are needed for this.

A model folder stores all of it as `presence.npz`. `training.presence` fits it, and numpy runs it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import ClassVar, NamedTuple

import numpy as np

from perfectlook.backbones import FeatureBatch
from perfectlook.model.categories import sigmoid
from perfectlook.model.distances import unit_rows
from perfectlook.model.files import PRESENCE, ArrayFile
from perfectlook.types import (
    REGION_COLUMNS,
    REGION_ROWS,
    BoolArray,
    Box,
    Float32Array,
    Float64Array,
    IntArray,
)

SIDES = (1, 2, 4, 7)
"""The sides of windows, in regions."""
WINDOWS_READ = 60
"""Products are compared with this many windows, those that look most like their category."""
SHARPNESS = 20.0
"""The factor of the cosine of a window's prediction and a product, as log-odds."""
MOST_EVIDENCE = 3.0
"""Log-odds of a category above this value do not make its products likelier."""
PRESENT = 0.5
"""A category is present if its probability is at least this."""


class Windows(NamedTuple):
    """All windows of the feature map: their boxes [n, 4] and the share of each region [n, regions]."""

    boxes: Float32Array
    shares: Float32Array


@cache
def all_windows() -> Windows:
    """Return the windows whose sides are in `SIDES`. Boxes are left, top, right and bottom from 0 to 1."""
    rows, columns = (
        [(start, start + side) for side in SIDES for start in range(count - side + 1)]
        for count in (REGION_ROWS, REGION_COLUMNS)
    )
    at = np.array([(left, top, right, bottom) for top, bottom in rows for left, right in columns])
    across, down = np.arange(REGION_COLUMNS)[None], np.arange(REGION_ROWS)[None]
    wide = (at[:, :1] <= across) & (across < at[:, 2:3])
    high = (at[:, 1:2] <= down) & (down < at[:, 3:])
    inside = (high[:, :, None] & wide[:, None, :]).reshape(len(at), -1)
    boxes = (at / np.array([REGION_COLUMNS, REGION_ROWS] * 2)).astype(np.float32)
    return Windows(boxes, (inside / inside.sum(axis=1, keepdims=True)).astype(np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """What one photo shows.

    Attributes:
        present: the probability that the photo shows each category.
        completing: the probability that a product of each category completes the photo: the category belongs
            there, and is not there yet or occurs more than once.
        evidence: log-odds of each category, before calibration, [C].
        windows: log-odds of each category in each window, [windows, C].
        cells: the standardised feature map, [regions, channels].
    """

    present: Mapping[str, float]
    completing: Mapping[str, float]
    evidence: Float64Array
    windows: Float64Array
    cells: Float32Array


@dataclass(frozen=True, slots=True, eq=False)
class Presence(ArrayFile):
    """Sees the categories and products of photos; C categories, `width` global features, `d` of a product.

    Attributes:
        categories: the C categories.
        mean: mean of the global features, [width].
        scale: factor that standardises them, [width].
        weights: from the standardised global features to log-odds, [C, width].
        bias: [C].
        cell_mean: mean of the feature map's channels, [channels].
        cell_scale: factor that standardises them, [channels].
        looks: from a standardised window to log-odds, [C, channels].
        places: log-odds that depend on the window's place and size, [C, windows].
        level: added to the log-odds of windows, [C].
        calibration: weights of both log-odds and a constant, which give the probability, [3].
        belonging: from the presence of the other categories to log-odds that a category belongs, [C, C].
        belonging_bias: [C].
        repeats: the probability that a scene with a category shows two of its products, [C].
        centres: the mean window of each category, [C, channels].
        projection: from a window less its category's centre to a product vector, [channels, d].
        middles: the mean product vector of each category, [C, d].
        limit: a product with a larger `likeness` is in the scene; infinite if no product is ever.
    """

    FILE: ClassVar[str] = PRESENCE
    categories: tuple[str, ...]
    mean: Float32Array
    scale: Float32Array
    weights: Float32Array
    bias: Float32Array
    cell_mean: Float32Array
    cell_scale: Float32Array
    looks: Float32Array
    places: Float32Array
    level: Float32Array
    calibration: Float32Array
    belonging: Float32Array
    belonging_bias: Float32Array
    repeats: Float32Array
    centres: Float32Array
    projection: Float32Array
    middles: Float32Array
    limit: Float32Array

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The expected shapes of arrays, by name."""
        known = len(self.categories)
        return {"places": (known, len(all_windows().shares)), "weights": (known, len(self.mean))}

    def look_at(self, batch: FeatureBatch) -> Sight:
        """See which categories a photo shows, from a batch of one.

        Raises:
            ModelError: the features have another width than those it was trained on.
        """
        whole, windows, cells = self.log_odds(batch)
        level = mean_log_odds(windows[0]) + self.level
        total = np.stack([whole[0], level, np.ones_like(level)], axis=1) @ self.calibration
        present = sigmoid(total.astype(np.float64))
        belongs = sigmoid(np.asarray(present @ self.belonging.T + self.belonging_bias, np.float64))
        completing = belongs * (1 - present * (1 - self.repeats))
        return Sight(
            dict(zip(self.categories, present.tolist(), strict=True)),
            dict(zip(self.categories, completing.tolist(), strict=True)),
            (whole[0] + level) / 2,
            windows[0],
            cells[0],
        )

    def log_odds(self, batch: FeatureBatch) -> tuple[Float64Array, Float64Array, Float32Array]:
        """Log-odds of n photos from their global features [n, C] and from each window [n, windows, C].

        The third array holds their standardised feature maps, [n, regions, channels].

        Raises:
            ModelError: the features have another width than those it was trained on.
        """
        features = batch.features
        self.check_width(features.shape[1], len(self.mean))
        self.check_width(batch.feature_maps.shape[2], len(self.cell_mean), "channels of a feature map")
        whole = (features - self.mean) * self.scale @ self.weights.T + self.bias
        cells = (batch.feature_maps - self.cell_mean) * self.cell_scale
        windows = all_windows().shares @ (cells @ self.looks.T) + self.places.T
        return whole.astype(np.float64), windows.astype(np.float64), cells

    def may_show(self, sight: Sight, category: str) -> bool:
        """Whether a product of this category can be in the scene at all."""
        if category not in self.categories:
            return False
        return bool(_capped(sight, self.categories.index(category)) > self.limit)

    def guess(self, sight: Sight, category: str) -> Float32Array:
        """The vector that a product of a category in the scene is expected near, [d]."""
        place = self.categories.index(category)
        odds = sight.windows[:, place]
        shares = np.exp(odds - np.logaddexp.reduce(odds)).astype(np.float32)
        looks = shares @ all_windows().shares @ sight.cells - self.centres[place]
        return np.asarray(looks @ self.projection + self.middles[place], np.float32)

    def likeness(self, sight: Sight, category: str, vectors: Float32Array) -> tuple[Float64Array, IntArray]:
        """How likely it is that products are in the scene, [n], and the window of each, [n].

        The likeness is the logarithm of each product's share among all of them, plus the log-odds that the
        photo shows the category, at most 3.

        Args:
            sight: what the photo shows.
            category: one of `categories`.
            vectors: the vectors f_p of n products of the category, at best of all, [n, d].
        """
        place = self.categories.index(category)
        read = np.argsort(-sight.windows[:, place], kind="stable")[:WINDOWS_READ]
        odds = sight.windows[read, place] - np.logaddexp.reduce(sight.windows[:, place])
        looks = all_windows().shares[read] @ sight.cells - self.centres[place]
        cosines = unit_rows(looks @ self.projection) @ unit_rows(vectors - self.middles[place]).T
        fits = odds[:, None] + SHARPNESS * cosines.astype(np.float64)
        shares = np.logaddexp.reduce(fits, axis=0)
        shares -= np.logaddexp.reduce(shares)
        return shares + _capped(sight, place), read[fits.argmax(axis=0)]

    def in_scene(self, sight: Sight, category: str, vectors: Float32Array) -> tuple[BoolArray, list[Box]]:
        """Whether each product of a category is in the scene, [n], and the part of the photo like it."""
        likeness, windows = self.likeness(sight, category, vectors)
        return likeness > self.limit, [Box(*map(float, all_windows().boxes[window])) for window in windows]


def mean_log_odds(windows: Float64Array) -> Float64Array:
    """Join the log-odds of windows [..., windows, C]: the logarithm of their mean odds, [..., C]."""
    joined: Float64Array = np.logaddexp.reduce(windows, axis=-2) - np.log(windows.shape[-2])
    return joined


def _capped(sight: Sight, place: int) -> float:
    return min(float(sight.evidence[place]), MOST_EVIDENCE)
