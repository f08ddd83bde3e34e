"""Make the report of a model on a set: evaluate it, choose answers, look at each of them."""

from pathlib import Path

from perfectlook import __version__
from perfectlook.bundle import Model, features_for, open_model
from perfectlook.datasets import Dataset
from perfectlook.evaluation import evaluate_on_features
from perfectlook.features.setfeatures import SceneShown, SetFeatures
from perfectlook.model.popularity import Popularity
from perfectlook.progress import ProgressOf
from perfectlook.protocol import EvaluatedSplit
from perfectlook.report.case import Cases
from perfectlook.report.choice import Kind, choose
from perfectlook.report.findings import findings
from perfectlook.report.guess import guess_over
from perfectlook.report.placed import Placed, placed_pairs
from perfectlook.report.report import Report

SHOWN = 24
"""How many answers a report shows unless told otherwise."""


def make_report(
    model: Model | Popularity | Path | str,
    dataset: Dataset | Path | str,
    *,
    split: EvaluatedSplit = "test",
    scene: SceneShown = "crop",
    shown: int = SHOWN,
    strict: bool = False,
    workers: int | None = None,
    progress: ProgressOf | None = None,
) -> Report:
    """Evaluate a model on a split of a set and look at its best, its worst and some random answers.

    Args:
        model: a model, or its folder.
        dataset: a set, or its folder.
        split: by scene: train, val, test, or all.
        scene: "crop" shows the scenes without the product, "full" shows whole pictures.
        shown: how many answers to look at, in all.
        strict: fail when anything is wrong in the set.
        workers: processes that extract features.
        progress: shows the extraction.

    Raises:
        ModelError: the model cannot be opened, or its backbone is another than the one it was trained on.
        DatasetError: the set cannot be read, or the split holds no pair to evaluate.
    """
    opened = open_model(model) if isinstance(model, Path | str) else model
    features = features_for(opened, dataset, scene=scene, strict=strict, workers=workers, progress=progress)
    return report_on_features(opened, features, split=split, scene=scene, shown=shown)


def report_on_features(
    model: Model | Popularity,
    features: SetFeatures,
    *,
    split: EvaluatedSplit = "test",
    scene: SceneShown = "crop",
    shown: int = SHOWN,
) -> Report:
    """Report on a set whose features are at hand; see `make_report`."""
    evaluation = evaluate_on_features(model, features, split=split, scene=scene)
    placed = placed_pairs(features, evaluation)
    choice = choose(placed, shown, twins=features.twins)
    sections: dict[Kind, list[Placed]] = {"best": choice.best, "worst": choice.worst, "random": choice.random}
    cases = Cases(model, features, [each for section in sections.values() for each in section])
    return Report(
        evaluation=evaluation,
        placed=placed,
        guess=guess_over(placed),
        cases={kind: [cases.of(each) for each in section] for kind, section in sections.items()},
        findings=findings(evaluation, features, placed, model.trained_on["products"]),
        n_cut=sum(features.pairs[each.index].box is not None for each in placed) if scene == "crop" else 0,
        copied_scenes=frozenset(features.twins),
        trained_scenes=model.trained_on["scenes"],
        model_identity=model.identity,
        licence=features.dataset.licence,
        library=__version__,
    )
