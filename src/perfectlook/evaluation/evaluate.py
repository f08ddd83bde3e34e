"""Evaluate a model on a set by the protocol, with results as JSON, text and tables."""

import json
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from perfectlook.data import Dataset, load_set
from perfectlook.data.scenes import scene_rectangle
from perfectlook.errors import DatasetError, ModelError
from perfectlook.evaluation.attention import DeletionTest, deletion_test, require_attention
from perfectlook.evaluation.complements import ComplementFigures, complement_figures
from perfectlook.evaluation.protocol import (
    EvaluatedSplit,
    Figures,
    Interval,
    PairResult,
    figures,
    figures_by_category,
    mean_interval,
    pair_indices,
    paired_difference,
    pairs_of,
    place_pairs,
    scenes_of_split,
    twin_scenes,
)
from perfectlook.evaluation.tables import Tabulated, with_bounds
from perfectlook.features.set_features import SceneShown, SetFeatures
from perfectlook.model.categories import CategorySuggester, known_categories, scene_views
from perfectlook.model.runtime import Model, Popularity, features_for, open_model
from perfectlook.progress import ProgressOf, counted
from perfectlook.types import BoolArray, Float64Array, IntArray, Problem


def evaluate(
    model: Model | Popularity | Path | str,
    dataset: Dataset | Path | str,
    *,
    split: EvaluatedSplit = "test",
    scene: SceneShown = "crop",
    explain: bool = False,
    suggest: bool = False,
    products: bool = False,
    strict: bool = False,
    workers: int | None = None,
    progress: ProgressOf | None = None,
) -> "Evaluation":
    """Evaluate a model on a split of a set by the protocol.

    Args:
        model: a model, its folder, or the name of a model that comes with the package.
        dataset: a set, its folder, or "showroom".
        split: split by scene: train, val, test, or all.
        scene: "crop" shows the scenes without the product, "full" shows whole pictures.
        explain: test whether attention explains the ranking (`evaluation.attention`).
        suggest: measure the categories that the model suggests for whole scenes.
        products: measure the products that the model suggests for products, against the cosine of features.
        strict: fail if anything is wrong in the set.
        workers: number of processes that extract features.
        progress: shows the progress of the extraction.

    Raises:
        ModelError: the model cannot be opened, its backbone is not the one it was trained on, it has no
            attention to explain, it suggests no categories, or it has no complements.
        DatasetError: the set cannot be read, or the split has no pair to evaluate.
    """
    opened = open_model(model) if isinstance(model, Path | str) else model
    attentive = require_attention(opened) if explain else None
    suggester = _require_suggester(opened) if suggest else None
    complements = _require_complements(opened) if products else None
    chosen = dataset if isinstance(dataset, Dataset) else load_set(dataset, strict=strict)
    features = features_for(opened, chosen, scene=scene, strict=strict, workers=workers, progress=progress)
    evaluation = evaluate_on_features(opened, features, split=split, scene=scene)
    if attentive:
        evaluation = replace(evaluation, explain=deletion_test(attentive, features, split))
    if complements:
        evaluation = replace(evaluation, products=complement_figures(complements, features, split))
    if suggester:
        whole = features_for(opened, chosen, scene="full", strict=strict, workers=workers, progress=progress)
        found = suggestion_figures(suggester, whole, pair_indices(whole, split))
        if found is None:
            raise DatasetError(
                f"{chosen.name}: no scene of the split '{split}' has a product of a category that the model "
                "suggests. Choose another split."
            )
        evaluation = replace(evaluation, suggestion=found)
    return evaluation


def evaluate_on_features(
    model: Model | Popularity,
    features: SetFeatures,
    *,
    split: EvaluatedSplit = "test",
    scene: SceneShown = "crop",
) -> "Evaluation":
    """Evaluate a model on a set with features; see `evaluate`."""
    scenes = scenes_of_split(features, split)
    indices = pairs_of(features, scenes)
    results = place_pairs(features, indices, model.distances_over(features, indices))
    overall = figures(results)
    if overall is None:
        raise DatasetError(
            f"{features.dataset.name}: no pair of the split '{split}' can be evaluated ({len(indices)} pairs "
            "are usable, and a pair needs another product in its category). Choose another split, or add "
            "pairs."
        )
    seen = model.trained_on["products"]
    return Evaluation(
        set_name=features.dataset.name,
        split=split,
        scene=scene,
        model=model.name,
        results=results,
        overall=overall,
        unseen=figures([result for result in results if result.product not in seen]),
        per_category=figures_by_category(results),
        n_without_candidates=len(indices) - len(results),
        n_dropped=_dropped(features.dataset, scenes) if scene == "crop" else 0,
        n_twin_scenes=len(twin_scenes(features, scenes)),
        n_trained_scenes=len(scenes & model.trained_on["scenes"]),
        problems=[*features.dataset.problems, *features.problems],
    )


@dataclass(frozen=True, slots=True, repr=False)
class Evaluation(Tabulated):
    """The results of a model on a split of a set.

    Attributes:
        set_name: name of the set.
        split: the split.
        scene: whether scenes were cropped or whole.
        model: name of the model.
        results: one result per pair with candidates.
        overall: figures over all these pairs.
        unseen: figures over the pairs whose product was in no training pair; None without these pairs.
        per_category: figures of each category.
        n_without_candidates: pairs left out because their category has no other product.
        n_dropped: pairs of the split that the crop rule dropped.
        n_twin_scenes: scenes of the split with a copy outside it.
        n_trained_scenes: scenes of the split that the model was trained on; if any, the figures are too good.
        problems: everything wrong in the set.
        explain: the deletion test of the attention, if requested.
        suggestion: figures of the suggested categories, if requested.
        products: figures of the complements of products, if requested.
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
    explain: DeletionTest | None = None
    suggestion: "SuggestionFigures | None" = None
    products: ComplementFigures | None = None

    def to_dict(self) -> dict[str, Any]:
        """The content of `evaluate --json`."""
        overall, unseen = self.overall, self.unseen
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
            "binary_accuracy_ci95": list(overall.binary_accuracy[1:]),
            "binary_accuracy_unseen": {"value": None, "ci95": None, "n_pairs": 0}
            if unseen is None
            else unseen.binary_accuracy.to_dict() | {"n_pairs": unseen.n_pairs},
            "top_k": {str(k): figure.to_dict() for k, figure in overall.top_k.items()},
            "mrr": overall.mrr.to_dict(),
            "per_category": {
                category: {
                    "n_pairs": each.n_pairs,
                    "binary_accuracy": each.binary_accuracy.value,
                    "ci95": list(each.binary_accuracy[1:]),
                    "top_k": {str(k): figure.value for k, figure in each.top_k.items()},
                    "mrr": each.mrr.value,
                }
                for category, each in self.per_category.items()
            },
            **({"explain": self.explain.to_dict()} if self.explain else {}),
            **({"suggestion": self.suggestion.to_dict()} if self.suggestion else {}),
            **({"products": self.products.to_dict()} if self.products else {}),
        }

    def to_text(self) -> str:
        """The results as text for a terminal."""
        lines = [self.title(), *self._notes(), ""]
        lines += [f"  {name:<18} {_text(figure)}{more}" for name, figure, more in self._headline()]
        lines += ["", f"  {'pairs':>6}  binary accuracy            category"]
        lines += [
            f"  {each.n_pairs:>6,}  {_text(each.binary_accuracy)}   {category}"
            for category, each in self._by_size()
        ]
        more = [each.to_text() for each in (self.explain, self.suggestion, self.products) if each]
        return "\n\n".join(["\n".join(lines), *more])

    def title(self) -> str:
        """One sentence on what was evaluated."""
        return (
            f"{self.model} on {self.set_name}, split {self.split}, scenes shown as {self.scene}: "
            f"{counted(self.overall.n_pairs, 'pair')} of {counted(self.overall.n_scenes, 'scene')} "
            f"({counted(self.n_dropped, 'pair')} dropped by the crop rule; scenes with a copy outside the "
            f"split: {self.n_twin_scenes:,})"
        )

    def tables(self) -> list[tuple[str, list[str], list[list[str]]]]:
        """The figures, and binary accuracy by category."""
        figures = [[name.strip(), f"{figure:.4f}{more}"] for name, figure, more in self._headline()]
        of_category = [
            [name, f"{each.n_pairs:,}", with_bounds(each.binary_accuracy)] for name, each in self._by_size()
        ]
        return [
            (". ".join([self.title(), *self._notes()]), ["figure", "value [95 % interval]"], figures),
            ("By category", ["category", "pairs", "binary accuracy"], of_category),
        ]

    def records(self) -> list[dict[str, Any]]:
        """One row over all pairs, with the category "(all)", and one row per category."""
        every = {"(all)": self.overall} | self.per_category
        return [{"category": category} | each.record() for category, each in every.items()]

    def write_pairs(self, path: Path) -> None:
        """Write one JSON line per pair: scene, product, share, rank."""
        lines = [
            json.dumps({"scene": r.scene, "product": r.product, "share": r.share, "rank": r.rank})
            for r in self.results
        ]
        path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")

    def _notes(self) -> list[str]:
        notes = []
        if self.n_without_candidates:
            lonely = counted(self.n_without_candidates, "pair")
            notes.append(f"note: left out, because their category has no other product: {lonely}")
        if self.n_trained_scenes:
            notes.append(f"note: the model was trained on {self.n_trained_scenes:,} of these scenes")
        return notes

    def _headline(self) -> list[tuple[str, Interval, str]]:
        rows = [("binary accuracy", self.overall.binary_accuracy, "   chance: 0.5")]
        if self.unseen:
            of = f"   {counted(self.unseen.n_pairs, 'pair')}"
            rows.append(("  unseen products", self.unseen.binary_accuracy, of))
        rows += [(f"top-{k}", figure, "") for k, figure in self.overall.top_k.items()]
        return [*rows, ("MRR", self.overall.mrr, "")]

    def _by_size(self) -> list[tuple[str, Figures]]:
        return sorted(self.per_category.items(), key=lambda item: (-item[1].n_pairs, item[0]))


def _text(figure: Interval) -> str:
    """A figure as a column of text: the mean, two spaces, the bounds."""
    return f"{figure:.4f}".replace(" [", "  [")


def _dropped(dataset: Dataset, scenes: Collection[str]) -> int:
    """The number of pairs of some scenes that the crop rule drops."""
    boxes = [pair.box for pair in dataset.pairs if pair.scene in scenes and pair.box is not None]
    return sum(scene_rectangle(box, vertical_only=dataset.is_fashion) is None for box in boxes)


FIRST = 3
"""Number of suggested categories that recall is measured at."""


@dataclass(frozen=True, slots=True)
class SuggestionFigures:
    """The quality of suggested categories, compared with always suggesting the most popular ones.

    Attributes:
        n_scenes: number of evaluated scenes.
        average_precision: mean average precision over the scenes.
        recall: share of a scene's categories among the first three suggestions.
        popular_average_precision: average precision of the order by popularity.
        popular_recall: recall of the order by popularity.
        gain_average_precision: gain of the suggester over popularity, paired over the same scenes.
        gain_recall: gain in recall, paired over the same scenes.
    """

    n_scenes: int
    average_precision: Interval
    recall: Interval
    popular_average_precision: Interval
    popular_recall: Interval
    gain_average_precision: Interval
    gain_recall: Interval

    def to_text(self) -> str:
        """The figures as text for a terminal."""
        rows = [("", "suggested", "by popularity", "gain")]
        for title, name in (("average precision", "average_precision"), ("among the first 3", "recall")):
            ours, popular, gain = (getattr(self, f"{whose}{name}") for whose in ("", "popular_", "gain_"))
            rows.append((title, f"{ours:.4f}", f"{popular:.4f}", f"{gain:+.4f}"))
        lines = ["  " + "".join(f"{cell:<26}" for cell in row).rstrip() for row in rows]
        return "\n".join([f"categories suggested for {self.n_scenes:,} whole scenes", "", *lines])

    def to_dict(self) -> dict[str, Any]:
        """The content of "suggestion" in `evaluate --json`."""
        figures = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "n_scenes"}
        return {"n_scenes": self.n_scenes} | {name: each.to_dict() for name, each in figures.items()}


def suggestion_figures(
    suggester: CategorySuggester, features: SetFeatures, indices: IntArray
) -> SuggestionFigures | None:
    """Measure a suggester on the scenes of some pairs of a set; None without scenes.

    The relevant categories of a scene are those of all its known products. A scene may have several views,
    one for each product that the crop rule cuts away. Its figures are the means over its views, so that
    every scene counts once.
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
    measured: dict[str, Interval] = {}
    for name, values in ours.items():
        for whose, figure in (("", values), ("popular_", theirs[name])):
            measured[f"{whose}{name}"] = mean_interval(figure, scenes)
        measured[f"gain_{name}"] = paired_difference(values, theirs[name], scenes)
    return SuggestionFigures(n_scenes=len(scenes), **measured)


def _require_suggester(model: Model | Popularity) -> CategorySuggester:
    suggester = model.suggester if isinstance(model, Model) else None
    if suggester is None:
        raise ModelError(
            f"model {model.name!r} suggests no categories. Leave out --suggest, or train a model that does."
        )
    return suggester


def _require_complements(model: Model | Popularity) -> Model:
    if not isinstance(model, Model):
        raise ModelError(
            f"model {model.name!r}: has no product vectors, so it has no complements. Leave out --products."
        )
    model.require_complements()
    return model


def _measured(scores: Float64Array, wanted: BoolArray, scenes: list[str]) -> dict[str, Float64Array]:
    """Average precision and recall of every scene, as means over its views, in the order of scene ids."""
    order = np.argsort(-scores, axis=1, kind="stable")
    relevant = np.take_along_axis(wanted, order, axis=1)
    _, place, views = np.unique(np.asarray(scenes), return_inverse=True, return_counts=True)
    of_view = {
        "average_precision": [average_precision(row) for row in relevant],
        "recall": [recall_at(row, FIRST) for row in relevant],
    }
    return {name: np.bincount(place, weights=values) / views for name, values in of_view.items()}


def average_precision(relevant: BoolArray) -> float:
    """The mean of the precision at each relevant entry of a ranking [n].

    Raises:
        ValueError: no entry is relevant.
    """
    places = _places(relevant)
    return float(np.mean(np.arange(1, len(places) + 1) / (places + 1)))


def recall_at(relevant: BoolArray, k: int) -> float:
    """The share of the relevant entries of a ranking [n] among its first k.

    Raises:
        ValueError: no entry is relevant.
    """
    return float(np.mean(_places(relevant) < k))


def _places(relevant: BoolArray) -> IntArray:
    """Positions of the relevant entries of a ranking, from 0."""
    places = np.flatnonzero(relevant)
    if not places.size:
        raise ValueError("expected at least one relevant entry, got none")
    return places
