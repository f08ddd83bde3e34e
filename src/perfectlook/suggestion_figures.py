"""How well a model suggests categories for scenes."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from perfectlook.features.setfeatures import SetFeatures
from perfectlook.metrics import (
    Interval,
    average_precision,
    bootstrap_means,
    interval,
    paired_difference,
    recall_at,
)
from perfectlook.suggestion import CategorySuggester, known_categories, scene_views
from perfectlook.types import BoolArray, Float64Array, IntArray

FIRST = 3
"""How many categories the recall counts."""


@dataclass(frozen=True, slots=True)
class SuggestionFigures:
    """How well categories are suggested for scenes, against always suggesting the most popular ones.

    Attributes:
        n_scenes: that were asked about.
        average_precision: its mean over the scenes.
        recall: the share of a scene's categories that are among the first three.
        popular_average_precision: the same when categories are ordered by popularity.
        popular_recall: the same.
        gain_average_precision: of the suggester over popularity, paired over the same scenes.
        gain_recall: the same.
    """

    n_scenes: int
    average_precision: Interval
    recall: Interval
    popular_average_precision: Interval
    popular_recall: Interval
    gain_average_precision: Interval
    gain_recall: Interval

    def to_text(self) -> str:
        """The figures as a person reads them."""
        precision = (self.average_precision, self.popular_average_precision)
        recall = (self.recall, self.popular_recall)
        rows = [
            ["", "suggested", "by popularity", "gain"],
            ["average precision", *map(_bounded, precision), _bounded(self.gain_average_precision, "+")],
            ["among the first 3", *map(_bounded, recall), _bounded(self.gain_recall, "+")],
        ]
        lines = ["  " + "".join(f"{cell:<26}" for cell in row).rstrip() for row in rows]
        return "\n".join([f"categories suggested for {self.n_scenes:,} whole scenes", "", *lines])

    def to_json(self) -> dict[str, Any]:
        """The figures for a model's record."""
        figures = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "n_scenes"}
        return {"n_scenes": self.n_scenes} | {
            name: {"value": each.value, "ci95": [each.low, each.high]} for name, each in figures.items()
        }


def suggestion_figures(
    suggester: CategorySuggester, features: SetFeatures, indices: IntArray
) -> SuggestionFigures | None:
    """Measure a suggester on the scenes of some pairs of a set; None over no scene.

    A scene is right about the categories of all its known products. Where it is seen in several views (one
    for each product that the crop rule takes away) its figures are the means over them, so that every scene
    counts once.
    """
    rows, views = scene_views(features, indices)
    wanted = known_categories(features, views, suggester.categories)
    usable = np.flatnonzero(wanted.any(axis=1))
    if not usable.size:
        return None
    of_view = [views[place] for place in usable]
    found = suggester.probabilities(features.scenes.batch(rows[usable]))
    popular = np.broadcast_to(np.asarray(suggester.prior, np.float64), found.shape)
    scenes = sorted(set(of_view))
    ours, theirs = (_measured(each, wanted[usable], of_view) for each in (found, popular))

    def figure(values: Float64Array) -> Interval:
        return interval(values, bootstrap_means({"": values}, scenes)[""])

    return SuggestionFigures(
        n_scenes=len(scenes),
        average_precision=figure(ours.average_precision),
        recall=figure(ours.recall),
        popular_average_precision=figure(theirs.average_precision),
        popular_recall=figure(theirs.recall),
        gain_average_precision=paired_difference(ours.average_precision, theirs.average_precision, scenes),
        gain_recall=paired_difference(ours.recall, theirs.recall, scenes),
    )


class _PerScene(NamedTuple):
    """One number per scene, in the order of their ids."""

    average_precision: Float64Array
    recall: Float64Array


def _measured(scores: Float64Array, wanted: BoolArray, scenes: list[str]) -> _PerScene:
    """How the categories stand when ordered by score: means over the views of each scene."""
    order = np.argsort(-scores, axis=1, kind="stable")
    relevant = np.take_along_axis(wanted, order, axis=1)
    _, place, views = np.unique(np.asarray(scenes), return_inverse=True, return_counts=True)

    def mean(values: list[float]) -> Float64Array:
        return np.bincount(place, weights=values) / views

    return _PerScene(
        mean([average_precision(row) for row in relevant]), mean([recall_at(row, FIRST) for row in relevant])
    )


def _bounded(figure: Interval, sign: str = "") -> str:
    return f"{figure.value:{sign}.4f} [{figure.low:{sign}.4f}, {figure.high:{sign}.4f}]"
