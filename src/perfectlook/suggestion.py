"""Which categories complete a scene: one logit per category, linear in what stands for the whole scene.

Part of a model folder as `suggestion.npz`; fitted by `training.suggestion`; run by numpy alone.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self, get_args
from zipfile import BadZipFile

import numpy as np

from perfectlook.backbones.registry import FeatureBatch
from perfectlook.errors import ModelError
from perfectlook.features.setfeatures import SetFeatures
from perfectlook.metrics import (
    Interval,
    average_precision,
    bootstrap_means,
    interval,
    paired_difference,
    recall_at,
)
from perfectlook.model.config import GlobalFeatures
from perfectlook.model.record import SUGGESTION, write_file
from perfectlook.types import BoolArray, Float32Array, Float64Array, IntArray

FORMAT = 1
FIRST = 3
"""How many categories the recall counts."""


@dataclass(frozen=True, slots=True, eq=False)
class CategorySuggester:
    """A linear map from the standardised global features of a scene to the log-odds of every category.

    With no weights at all it is the popularity of the categories, which is what a large penalty leaves.

    Attributes:
        categories: that it knows, C.
        features: what stands for a whole scene: the head vector, the style statistics or both.
        mean: of the features over the training scenes, [width].
        scale: what standardises them, [width].
        weights: [C, width].
        bias: the logit of the mean scene, [C].
        prior: the log-odds of each category over the training scenes, whatever the scene, [C].
    """

    categories: tuple[str, ...]
    features: GlobalFeatures
    mean: Float32Array
    scale: Float32Array
    weights: Float32Array
    bias: Float32Array
    prior: Float32Array

    @classmethod
    def open(cls, folder: Path | str) -> Self | None:
        """Read the suggester of a model folder; None when the model has none.

        Raises:
            ModelError: the file cannot be read, is of a newer format, or its parts do not fit together.
        """
        path = Path(folder) / SUGGESTION
        if not path.exists():
            return None
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                content = {name: stored[name] for name in stored.files}
            suggester = cls._from(content)
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            raise ModelError(
                f"{path}: cannot be read ({error}); train the model again, or remove the file to have "
                "categories ordered by their size"
            ) from error
        return suggester

    def write(self, folder: Path) -> None:
        """Write it into a model folder, in one step.

        Raises:
            ModelError: it cannot be written.
        """
        write_file(folder / SUGGESTION, self.content())

    def content(self) -> bytes:
        """What the file in a model folder holds."""
        content = io.BytesIO()
        np.savez(
            content,
            format=np.int64(FORMAT),
            categories=np.asarray(self.categories, np.str_),
            features=np.str_(self.features),
            **{name: getattr(self, name) for name in _ARRAYS},
        )
        return content.getvalue()

    def probabilities(self, batch: FeatureBatch) -> Float64Array:
        """The probability of each category for n scenes, [n, C]; each for itself, they do not sum to one.

        Raises:
            ModelError: the features are of another width than those it was trained on.
        """
        inputs = global_inputs(batch, self.features)
        if inputs.shape[1] != len(self.mean):
            raise ModelError(
                f"{SUGGESTION} takes {len(self.mean)} features of a scene, not {inputs.shape[1]}: it was "
                "trained on another backbone; train the model again"
            )
        logits = (inputs - self.mean) * self.scale @ self.weights.T + self.bias
        return sigmoid(np.asarray(logits, np.float64))

    def rank(self, batch: FeatureBatch) -> list[tuple[str, float]]:
        """The categories with their probabilities for one scene, from a batch of one, likeliest first."""
        return _ranked(self.categories, self.probabilities(batch)[0])

    @property
    def popularity(self) -> list[tuple[str, float]]:
        """The categories with their shares of the training scenes, most frequent first."""
        return _ranked(self.categories, sigmoid(np.asarray(self.prior, np.float64)))

    @classmethod
    def _from(cls, content: Mapping[str, Any]) -> Self:
        if int(content["format"]) != FORMAT:
            raise ValueError(f"format {content['format']}, and this perfectlook reads format {FORMAT}")
        arrays = {name: content[name].astype(np.float32) for name in _ARRAYS}
        suggester = cls(tuple(map(str, content["categories"])), str(content["features"]), **arrays)  # type: ignore[arg-type]
        known, width = len(suggester.categories), len(suggester.mean)
        shapes = {"mean": (width,), "scale": (width,), "weights": (known, width)}
        shapes |= {"bias": (known,), "prior": (known,)}
        for name, shape in shapes.items():
            if arrays[name].shape != shape:
                raise ValueError(f"{name} is of shape {arrays[name].shape}, not {shape}")
        if suggester.features not in get_args(GlobalFeatures):
            raise ValueError(f"unknown features {suggester.features!r}")
        return suggester


_ARRAYS = ("mean", "scale", "weights", "bias", "prior")


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


def scene_views(features: SetFeatures, indices: IntArray) -> tuple[IntArray, list[str]]:
    """The distinct views that some pairs show of their scenes: rows of `features.scenes`, scene of each."""
    rows, first = np.unique(features.pair_scenes[indices], return_index=True)
    return rows, [features.pairs[indices[place]].scene for place in first]


def known_categories(features: SetFeatures, scenes: list[str], categories: tuple[str, ...]) -> BoolArray:
    """Which categories the known products of each scene are of, [scenes, C]."""
    column = {name: place for place, name in enumerate(categories)}
    products, positives = features.dataset.products, features.dataset.positives
    known = np.zeros((len(scenes), len(categories)), np.bool_)
    for row, scene in enumerate(scenes):
        names = {products[product].category for product in positives[scene] if product in products}
        known[row, [column[name] for name in names if name in column]] = True
    return known


def global_inputs(batch: FeatureBatch, features: GlobalFeatures) -> Float32Array:
    """What stands for whole pictures, [n, width]."""
    if features == "both":
        return np.concatenate([batch.global_vectors, batch.style_statistics], axis=1)
    return batch.global_vectors if features == "head" else batch.style_statistics


def sigmoid(logits: Float64Array) -> Float64Array:
    """Log-odds to probabilities, without overflow."""
    probabilities: Float64Array = 0.5 * (1 + np.tanh(0.5 * logits))
    return probabilities


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


def _ranked(categories: tuple[str, ...], probabilities: Float64Array) -> list[tuple[str, float]]:
    order = np.argsort(-probabilities, kind="stable")
    return [(categories[place], float(probabilities[place])) for place in order]
