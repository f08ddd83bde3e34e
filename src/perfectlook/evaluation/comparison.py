"""Compare several models on the same pairs of a set: their figures, and whether one is better."""

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from perfectlook.backbones import open_backbone
from perfectlook.data import Dataset, load_set
from perfectlook.errors import DatasetError, UsageError
from perfectlook.evaluation.evaluate import Evaluation, evaluate_on_features
from perfectlook.evaluation.protocol import (
    TOP_K,
    EvaluatedSplit,
    Interval,
    PairResult,
    columns,
    figures,
    figures_by_category,
    paired_difference,
)
from perfectlook.evaluation.tables import (
    Tabulated,
    markdown_table,
    new_figure,
    plain_table,
    save_chart,
    with_bounds,
)
from perfectlook.features.set_features import SceneShown, set_features
from perfectlook.files import model_folder
from perfectlook.model.runtime import Model, Popularity, open_model
from perfectlook.progress import ProgressOf, counted


def compare(
    models: Sequence[Model | Popularity | Path | str],
    dataset: Dataset | Path | str,
    *,
    reference: str | None = None,
    split: EvaluatedSplit = "test",
    scene: SceneShown = "crop",
    strict: bool = False,
    workers: int | None = None,
    progress: ProgressOf | None = None,
) -> "Comparison":
    """Evaluate several models on the same pairs of a set and compare them.

    Models with the same backbone share their features, which are read once.

    Args:
        models: open models, folders of models, or names of models that come with the package.
        dataset: a set, its folder, or "showroom".
        reference: label of the model to compare the others with; by default the most accurate one.
        split: split by scene: train, val, test, or all.
        scene: "crop" shows the scenes without the product, "full" shows whole pictures.
        strict: fail if anything is wrong in the set.
        workers: number of processes that extract features.
        progress: shows the progress of the extraction.

    Raises:
        UsageError: there is no model, a model is named twice, or the reference is not one of the models.
        ModelError: a model cannot be opened, or its backbone is not the one it was trained on.
        DatasetError: the set cannot be read, or no pair can be evaluated with all models.
    """
    if isinstance(models, Path | str):
        models = [models]
    opened = {label: _open(model) for label, model in _labelled(models).items()}
    chosen = dataset if isinstance(dataset, Dataset) else load_set(dataset, strict=strict)
    evaluations: dict[str, Evaluation] = {}
    for backbone in dict.fromkeys(model.backbone for model in opened.values()):
        sharing = {label: model for label, model in opened.items() if model.backbone == backbone}
        features = set_features(
            chosen,
            backbone,
            scene=scene,
            product_maps=any(model.needs_product_maps for model in sharing.values()),
            workers=workers,
            progress=progress,
            strict=strict,
        )
        for label, model in sharing.items():
            evaluations[label] = evaluate_on_features(model, features, split=split, scene=scene)
    return comparison_of({label: evaluations[label] for label in opened}, reference=reference)


CHANCE = 0.5


@dataclass(frozen=True, slots=True)
class Compared:
    """One model of a comparison.

    Attributes:
        label: its name in the comparison.
        evaluation: its figures over the pairs that all models share. The figures on unseen products cover its
            own pairs.
        difference: binary accuracy of the reference minus that of this model, from a paired bootstrap over
            scenes; None for the reference.
    """

    label: str
    evaluation: Evaluation
    difference: Interval | None

    @property
    def unseen_accuracy(self) -> Interval | None:
        """Binary accuracy over products that the model was not trained on."""
        unseen = self.evaluation.unseen
        return unseen.binary_accuracy if unseen else None

    @property
    def is_surely_worse(self) -> bool:
        """Whether the 95 % interval of the difference is above 0."""
        return self.difference is not None and self.difference.low > 0

    def to_dict(self) -> dict[str, Any]:
        """The evaluation's `to_dict`, with the label and the difference."""
        lead = None
        if self.difference is not None:
            lead = self.difference.to_dict() | {"above_zero": self.is_surely_worse}
        return self.evaluation.to_dict() | {"model": self.label, "difference": lead}


@dataclass(frozen=True, slots=True, repr=False)
class Comparison(Tabulated):
    """The results of several models on the same pairs of a split of a set.

    Attributes:
        reference: label of the model that the others are compared with.
        models: the models, highest binary accuracy first.
        n_left_out: pairs that not every model can be evaluated on; they are left out for all models.
    """

    reference: str
    models: tuple[Compared, ...]
    n_left_out: int

    def to_dict(self) -> dict[str, Any]:
        """The content of `compare --json`."""
        first = self.models[0].evaluation
        return {
            "set": first.set_name,
            "split": first.split,
            "scene": first.scene,
            "n_pairs": first.overall.n_pairs,
            "n_scenes": first.overall.n_scenes,
            "n_left_out": self.n_left_out,
            "reference": self.reference,
            "models": [each.to_dict() for each in self.models],
        }

    def title(self) -> str:
        """One sentence on what was compared."""
        first = self.models[0].evaluation
        text = (
            f"{len(self.models)} models on {first.set_name}, split {first.split}, scenes shown as "
            f"{first.scene}: {counted(first.overall.n_pairs, 'pair')} of "
            f"{counted(first.overall.n_scenes, 'scene')}"
        )
        if self.n_left_out:
            left_out = counted(self.n_left_out, "pair")
            text += f" ({left_out} left out, because not every model can be evaluated on them)"
        return text

    def notes(self) -> list[str]:
        """Notes on models that were trained on evaluated scenes."""
        return [
            f"note: {each.label} was trained on {each.evaluation.n_trained_scenes:,} of these scenes"
            for each in self.models
            if each.evaluation.n_trained_scenes
        ]

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Header and rows: one model per row, with 95 % intervals in brackets."""
        header = ["model", "binary accuracy", "unseen products", *(f"top-{k}" for k in TOP_K), "MRR"]
        if len(self.models) > 1:
            header += [f"{self.reference} minus this", "above 0"]
        return header, [self._row(each) for each in self.models]

    def category_table(self, labels: Sequence[str] | None = None) -> tuple[list[str], list[list[str]]]:
        """Header and rows: binary accuracy by category, largest category first, of all or some models."""
        chosen = [each for each in self.models if labels is None or each.label in labels]
        sizes = {name: each.n_pairs for name, each in self.models[0].evaluation.per_category.items()}
        rows = [
            [name, f"{size:,}"]
            + [with_bounds(each.evaluation.per_category[name].binary_accuracy) for each in chosen]
            for name, size in sorted(sizes.items(), key=lambda item: (-item[1], item[0]))
        ]
        return ["category", "pairs", *(each.label for each in chosen)], rows

    def to_text(self) -> str:
        """The results as text for a terminal."""
        parts = [self.title(), *self.notes(), "", plain_table(*self.table())]
        return "\n".join([*parts, "", plain_table(*self.category_table())])

    def to_markdown(self) -> str:
        """The results in Markdown."""
        parts = [self.title(), *self.notes(), markdown_table(*self.table())]
        return "\n\n".join([*parts, markdown_table(*self.category_table())]) + "\n"

    def tables(self) -> list[tuple[str, list[str], list[list[str]]]]:
        """One table with a model per row, and one with binary accuracy by category."""
        caption = ". ".join([self.title(), *self.notes()])
        return [(caption, *self.table()), ("By category", *self.category_table())]

    def records(self) -> list[dict[str, Any]]:
        """One row per model, highest binary accuracy first."""
        return [
            {"model": each.label}
            | each.evaluation.overall.record()
            | columns("binary_accuracy_unseen", each.unseen_accuracy)
            | columns("difference", each.difference)
            for each in self.models
        ]

    def draw(self, path: Path) -> None:
        """Draw the binary accuracies with their intervals to a PNG or SVG file.

        Raises:
            MissingExtraError: matplotlib is not installed.
        """
        figure = new_figure(7.5, 1.2 + 0.32 * len(self.models))
        axes = figure.subplots()
        for place, each in enumerate(reversed(self.models)):
            value, low, high = each.evaluation.overall.binary_accuracy
            of_reference = each.label == self.reference
            colour = "tab:blue" if of_reference else "0.65" if each.is_surely_worse else "0.25"
            bounds = [[max(0.0, value - low)], [max(0.0, high - value)]]
            axes.errorbar(value, place, xerr=bounds, fmt="o", color=colour, capsize=3)
        axes.set_yticks(range(len(self.models)), [each.label for each in reversed(self.models)])
        axes.set_ylim(-0.6, len(self.models) - 0.4)
        axes.axvline(CHANCE, color="0.7", linestyle=":", zorder=0)
        first = self.models[0].evaluation
        axes.set_xlabel("binary accuracy, 95 % interval over scenes (dotted: chance)")
        axes.set_title(f"{first.set_name}, split {first.split}", fontsize="medium")
        axes.grid(axis="x", alpha=0.3)
        save_chart(figure, path)

    def _row(self, each: Compared) -> list[str]:
        overall = each.evaluation.overall
        figures = (overall.binary_accuracy, each.unseen_accuracy, *overall.top_k.values(), overall.mrr)
        row = [each.label, *map(with_bounds, figures)]
        if len(self.models) > 1:
            row.append(with_bounds(each.difference, signed=True))
            row.append("–" if each.difference is None else "yes" if each.is_surely_worse else "no")
        return row


def comparison_of(evaluations: Mapping[str, Evaluation], *, reference: str | None = None) -> Comparison:
    """Compare models by their evaluations on the same split of a set; see `compare`."""
    if reference is not None and reference not in evaluations:
        raise UsageError(f"unknown reference '{reference}'. Choose one of: {', '.join(evaluations)}.")
    shared, n_left_out = common_pairs([each.results for each in evaluations.values()])
    if not shared[0]:
        raise DatasetError(
            f"{next(iter(evaluations.values())).set_name}: no pair can be evaluated with all of "
            f"{', '.join(evaluations)}. Check the problems of the set, or compare fewer models."
        )
    measured = {
        label: _over(evaluation, results)
        for (label, evaluation), results in zip(evaluations.items(), shared, strict=True)
    }
    ranking = sorted(measured, key=lambda label: -measured[label].overall.binary_accuracy.value)
    first = reference or ranking[0]
    shares = {label: np.asarray([r.share for r in each.results]) for label, each in measured.items()}
    scenes = [result.scene for result in measured[first].results]
    return Comparison(
        reference=first,
        models=tuple(
            Compared(
                label,
                measured[label],
                None if label == first else paired_difference(shares[first], shares[label], scenes),
            )
            for label in ranking
        ),
        n_left_out=n_left_out,
    )


def common_pairs(results: Sequence[Sequence[PairResult]]) -> tuple[list[list[PairResult]], int]:
    """Keep the results of pairs that all models share; also return how many pairs are left out.

    Repeated rows of a scene and a product stay only if all models have all of them.
    """
    counts = [Counter((result.scene, result.product) for result in each) for each in results]
    shared = {pair for pair, count in counts[0].items() if all(other[pair] == count for other in counts)}
    known: Counter[tuple[str, str]] = Counter()
    for each in counts:
        known |= each
    kept = [[result for result in each if (result.scene, result.product) in shared] for each in results]
    return kept, known.total() - len(kept[0])


def _over(evaluation: Evaluation, results: list[PairResult]) -> Evaluation:
    """An evaluation over some of its pairs."""
    overall = figures(results)
    if overall is None or len(results) == len(evaluation.results):
        return evaluation
    of_category = figures_by_category(results)
    return dataclasses.replace(evaluation, results=results, overall=overall, per_category=of_category)


def _labelled(
    models: Sequence[Model | Popularity | Path | str],
) -> dict[str, Model | Popularity | Path | str]:
    """Models by name; a repeated name becomes the folder's path, or the name with the model's identity."""
    if not models:
        raise UsageError("no model to compare. Name the folders of one or more models.")
    names: list[str] = []
    places: list[str] = []
    for model in models:
        if isinstance(model, Path | str):
            folder = model_folder(model).resolve()
            name, place = folder.name, str(folder)
        else:
            name, place = model.name, model.identity
        if place in places:
            raise UsageError(f"{_long_name(model)}: the model is named more than once. Name each model once.")
        places.append(place)
        names.append(name)
    return {
        (name if names.count(name) == 1 else _long_name(model)): model
        for name, model in zip(names, models, strict=True)
    }


def _long_name(model: Model | Popularity | Path | str) -> str:
    return str(model) if isinstance(model, Path | str) else f"{model.name} ({model.identity[:8]})"


def _open(model: Model | Popularity | Path | str) -> Model | Popularity:
    """Open a model and check that its backbone is the one it was trained on."""
    opened = open_model(model) if isinstance(model, Path | str) else model
    opened.check_backbone(open_backbone(opened.backbone).identity)
    return opened
