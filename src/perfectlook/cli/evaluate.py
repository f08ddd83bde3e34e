"""`perfectlook evaluate`."""

import argparse
import functools
from pathlib import Path
from typing import TYPE_CHECKING

from perfectlook.cli.measuring import add_reading, add_set

if TYPE_CHECKING:
    from perfectlook.bundle import Model
    from perfectlook.features.setfeatures import SetFeatures
    from perfectlook.model.popularity import Popularity
    from perfectlook.protocol import EvaluatedSplit
    from perfectlook.suggestion import CategorySuggester
    from perfectlook.suggestion_figures import SuggestionFigures


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "evaluate",
        help="evaluate a model on a set",
        description="Evaluate a model on a split of a set, with 95 % intervals over scenes.",
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="folder of the model")
    add_set(parser)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report as JSON")
    parser.add_argument("--pairs", type=Path, metavar="FILE", help="write one JSON line per pair")
    parser.add_argument(
        "--explain",
        action="store_true",
        help="test whether attention explains the ranking: mask the most attended regions, and random ones",
    )
    parser.add_argument(
        "--suggest",
        action="store_true",
        help="measure the categories that the model suggests for whole scenes, against the most popular ones",
    )
    add_reading(parser)
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    """Evaluate, print the report, write what was asked for."""
    from perfectlook.bundle import features_for, open_model
    from perfectlook.cli.jsonfile import write_json
    from perfectlook.cli.reporting import print_problems
    from perfectlook.datasets import open_dataset
    from perfectlook.deletion import deletion_test_on_features, require_attention
    from perfectlook.evaluation import evaluate_on_features
    from perfectlook.progress import ProgressLine

    model = open_model(arguments.model)
    if arguments.explain:
        require_attention(model)
    suggester = _suggester(model) if arguments.suggest else None
    dataset = open_dataset(arguments.set, strict=arguments.strict)
    read = functools.partial(
        features_for,
        model,
        dataset,
        strict=arguments.strict,
        workers=arguments.workers,
        progress=ProgressLine,
    )
    features = read(scene=arguments.scene)
    evaluation = evaluate_on_features(model, features, split=arguments.split, scene=arguments.scene)
    print_problems(evaluation.problems, evaluation.set_name)
    print(evaluation.to_text())
    report = evaluation.to_json()
    if arguments.explain:
        test = deletion_test_on_features(require_attention(model), features, arguments.split)
        print("", test.to_text(), sep="\n")
        report["explain"] = test.to_json()
    if suggester:
        found = _suggestion(suggester, read(scene="full"), arguments.split)
        print("", found.to_text(), sep="\n")
        report["suggestion"] = found.to_json()
    if arguments.json:
        write_json(arguments.json, report)
    if arguments.pairs:
        evaluation.write_pairs(arguments.pairs)
    return 0


def _suggester(model: "Model | Popularity") -> "CategorySuggester":
    from perfectlook.bundle import Model
    from perfectlook.errors import ModelError

    suggester = model.suggester if isinstance(model, Model) else None
    if suggester is None:
        raise ModelError(
            f"model {model.name!r} suggests no categories; leave --suggest out, or train one that does"
        )
    return suggester


def _suggestion(
    suggester: "CategorySuggester", features: "SetFeatures", split: "EvaluatedSplit"
) -> "SuggestionFigures":
    from perfectlook.errors import DatasetError
    from perfectlook.protocol import pair_indices
    from perfectlook.suggestion_figures import suggestion_figures

    found = suggestion_figures(suggester, features, pair_indices(features, split))
    if found is None:
        raise DatasetError(
            f"{features.dataset.name}: no scene of the split '{split}' has a product of a category that the "
            "model suggests; choose another --split"
        )
    return found
