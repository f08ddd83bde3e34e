"""Evaluate a model on a set by the protocol, and report it as JSON and as text."""

import json
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from perfectlook.data import Dataset
from perfectlook.data.crop import scene_rectangle
from perfectlook.errors import DatasetError
from perfectlook.evaluation.metrics import (
    Interval,
    average_precision,
    bootstrap_means,
    interval,
    paired_difference,
    recall_at,
)
from perfectlook.evaluation.protocol import (
    EvaluatedSplit,
    Figures,
    PairResult,
    figures,
    pairs_of,
    place_pairs,
    scenes_of_split,
    twin_scenes,
)
from perfectlook.features.set_features import SceneShown, SetFeatures
from perfectlook.model.categories import CategorySuggester, known_categories, scene_views
from perfectlook.model.runtime import Model, Popularity, features_for, open_model
from perfectlook.progress import ProgressOf
from perfectlook.types import BoolArray, Float64Array, IntArray, Problem

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


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How a model did on a split of a set.

    Attributes:
        set_name: the set.
        split: which of its splits.
        scene: what the model saw of each scene.
        model: name of the model.
        results: one per pair that has candidates.
        overall: the figures over all of them; None over no pair.
        unseen: over the pairs whose product was in no pair the model was trained on; None over no pair.
        per_category: category to its figures.
        n_without_candidates: pairs left out because nothing else is in their category.
        n_dropped: pairs of the split that the crop rule dropped.
        n_twin_scenes: scenes of the split with a copy outside it.
        n_trained_scenes: scenes of the split that the model was trained on: above 0 the figures flatter it.
        problems: everything wrong in the set.
    """

    set_name: str
    split: EvaluatedSplit
    scene: SceneShown
    model: str
    results: list[PairResult]
    overall: Figures
    unseen: Figures | None
    per_category: dict[str, Figures]
    n_without_candidates: int
    n_dropped: int
    n_twin_scenes: int
    n_trained_scenes: int
    problems: list[Problem] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """The report of the command-line contract."""
        overall = self.overall
        return {
            "set": self.set_name,
            "split": self.split,
            "scene": self.scene,
            "model": self.model,
            "n_pairs": overall.n_pairs,
            "n_scenes": overall.n_scenes,
            "n_dropped": self.n_dropped,
            "n_without_candidates": self.n_without_candidates,
            "n_twin_scenes": self.n_twin_scenes,
            "n_trained_scenes": self.n_trained_scenes,
            "n_problems": len(self.problems),
            "binary_accuracy": overall.binary_accuracy.value,
            "binary_accuracy_ci95": _bounds(overall.binary_accuracy),
            "binary_accuracy_unseen": _unseen(self.unseen),
            "top_k": {str(k): _with_bounds(figure) for k, figure in overall.top_k.items()},
            "mrr": _with_bounds(overall.mrr),
            "per_category": {category: _of_category(each) for category, each in self.per_category.items()},
        }

    def write_pairs(self, path: Path) -> None:
        """Write one JSON line per pair: scene, product, share, rank."""
        lines = [
            json.dumps({"scene": r.scene, "product": r.product, "share": r.share, "rank": r.rank})
            for r in self.results
        ]
        path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")

    def to_text(self) -> str:
        """The report a person reads."""
        overall = self.overall
        lines = [
            f"{self.model} on {self.set_name}, split {self.split}, scenes shown as {self.scene}: "
            f"{overall.n_pairs:,} pairs of {overall.n_scenes:,} scenes ({self.n_dropped:,} pairs dropped by "
            f"the crop rule; {self.n_twin_scenes:,} scenes have a copy outside the split)",
        ]
        if self.n_without_candidates:
            lines.append(f"note: {self.n_without_candidates:,} pairs have no other product in their category")
        if self.n_trained_scenes:
            lines.append(f"note: the model was trained on {self.n_trained_scenes:,} of these scenes")
        lines += ["", f"  {'binary accuracy':<18} {_text(overall.binary_accuracy)}"]
        if self.unseen:
            accuracy, count = self.unseen.binary_accuracy, self.unseen.n_pairs
            lines.append(f"  {'  unseen products':<18} {_text(accuracy)}   {count:,} pairs")
        lines += [f"  {f'top-{k}':<18} {_text(figure)}" for k, figure in overall.top_k.items()]
        lines += [
            f"  {'MRR':<18} {_text(overall.mrr)}",
            "",
            f"  {'pairs':>6}  binary accuracy            category",
        ]
        by_size = sorted(self.per_category.items(), key=lambda item: (-item[1].n_pairs, item[0]))
        lines += [
            f"  {each.n_pairs:>6,}  {_text(each.binary_accuracy)}   {category}" for category, each in by_size
        ]
        return "\n".join(lines)


def evaluate(
    model: Model | Popularity | Path | str,
    dataset: Dataset | Path | str,
    *,
    split: EvaluatedSplit = "test",
    scene: SceneShown = "crop",
    strict: bool = False,
    workers: int | None = None,
    progress: ProgressOf | None = None,
) -> Evaluation:
    """Evaluate a model on a split of a set by the protocol.

    Args:
        model: a model, or its folder.
        dataset: a set, or its folder.
        split: by scene: train, val, test, or all.
        scene: "crop" shows the scenes without the product, "full" shows whole pictures.
        strict: fail when anything is wrong in the set.
        workers: processes that extract features.
        progress: shows the extraction.

    Raises:
        ModelError: the model cannot be opened, or its backbone is another than the one it was trained on.
        DatasetError: the set cannot be read, or the split holds no pair to evaluate.
    """
    opened = open_model(model) if isinstance(model, Path | str) else model
    features = features_for(opened, dataset, scene=scene, strict=strict, workers=workers, progress=progress)
    return evaluate_on_features(opened, features, split=split, scene=scene)


def evaluate_on_features(
    model: Model | Popularity,
    features: SetFeatures,
    *,
    split: EvaluatedSplit = "test",
    scene: SceneShown = "crop",
) -> Evaluation:
    """Evaluate a model on a set whose features are at hand; see `evaluate`."""
    scenes = scenes_of_split(features, split)
    indices = pairs_of(features, scenes)
    results = place_pairs(features, indices, model.distances_over(features, indices))
    overall = figures(results)
    if overall is None:
        raise DatasetError(
            f"{features.dataset.name}: no pair of the split '{split}' can be evaluated ({len(indices)} pairs "
            "are usable, and a pair needs another product in its category); choose another --split, or add "
            "pairs"
        )
    seen = model.trained_on["products"]
    categories = sorted({result.category for result in results})
    of_category = {name: figures([r for r in results if r.category == name]) for name in categories}
    return Evaluation(
        set_name=features.dataset.name,
        split=split,
        scene=scene,
        model=model.name,
        results=results,
        overall=overall,
        unseen=figures([result for result in results if result.product not in seen]),
        per_category={name: each for name, each in of_category.items() if each is not None},
        n_without_candidates=len(indices) - len(results),
        n_dropped=_dropped(features.dataset, scenes) if scene == "crop" else 0,
        n_twin_scenes=len(twin_scenes(features, scenes)),
        n_trained_scenes=len(scenes & model.trained_on["scenes"]),
        problems=[*features.dataset.problems, *features.problems],
    )


def _dropped(dataset: Dataset, scenes: Collection[str]) -> int:
    """How many pairs of some scenes the crop rule drops."""
    boxes = [pair.box for pair in dataset.pairs if pair.scene in scenes and pair.box is not None]
    return sum(scene_rectangle(box, vertical_only=dataset.is_fashion) is None for box in boxes)


def _bounds(figure: Interval) -> list[float]:
    return [figure.low, figure.high]


def _with_bounds(figure: Interval) -> dict[str, Any]:
    return {"value": figure.value, "ci95": _bounds(figure)}


def _unseen(unseen: Figures | None) -> dict[str, Any]:
    if unseen is None:
        return {"value": None, "ci95": None, "n_pairs": 0}
    return _with_bounds(unseen.binary_accuracy) | {"n_pairs": unseen.n_pairs}


def _of_category(each: Figures) -> dict[str, Any]:
    return {
        "n_pairs": each.n_pairs,
        "binary_accuracy": each.binary_accuracy.value,
        "ci95": _bounds(each.binary_accuracy),
        "top_k": {str(k): figure.value for k, figure in each.top_k.items()},
        "mrr": each.mrr.value,
    }


def _text(figure: Interval) -> str:
    return f"{figure.value:.4f}  [{figure.low:.4f}, {figure.high:.4f}]"
