"""`perfectlook evaluate`."""

import argparse
from pathlib import Path

from perfectlook.cli.numbers import positive


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "evaluate",
        help="evaluate a model on a set",
        description="Evaluate a model on a split of a set, with 95 % intervals over scenes.",
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="folder of the model")
    parser.add_argument("set", type=Path, metavar="SET", help="folder of the set")
    parser.add_argument("--split", choices=("train", "val", "test", "all"), default="test")
    parser.add_argument(
        "--scene",
        choices=("crop", "full"),
        default="crop",
        help="scenes without the product, or whole pictures",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report as JSON")
    parser.add_argument("--pairs", type=Path, metavar="FILE", help="write one JSON line per pair")
    parser.add_argument(
        "--explain",
        action="store_true",
        help="test whether attention explains the ranking: mask the most attended regions, and random ones",
    )
    parser.add_argument("--workers", type=positive, metavar="N", help="processes that extract features")
    parser.add_argument("--strict", action="store_true", help="fail when anything is wrong in the set")
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    """Evaluate, print the report, write what was asked for."""
    from perfectlook.bundle import open_model
    from perfectlook.cli.jsonfile import write_json
    from perfectlook.cli.reporting import print_problems
    from perfectlook.datasets import open_dataset
    from perfectlook.deletion import deletion_test, require_attention
    from perfectlook.evaluation import evaluate
    from perfectlook.progress import ProgressLine

    model = open_model(arguments.model)
    if arguments.explain:
        require_attention(model)
    dataset = open_dataset(arguments.set, strict=arguments.strict)
    evaluation = evaluate(
        model,
        dataset,
        split=arguments.split,
        scene=arguments.scene,
        strict=arguments.strict,
        workers=arguments.workers,
        progress=ProgressLine,
    )
    print_problems(evaluation.problems, evaluation.set_name)
    print(evaluation.to_text())
    report = evaluation.to_json()
    if arguments.explain:
        test = deletion_test(
            model,
            dataset,
            split=arguments.split,
            scene=arguments.scene,
            workers=arguments.workers,
            progress=ProgressLine,
        )
        print("", test.to_text(), sep="\n")
        report["explain"] = test.to_json()
    if arguments.json:
        write_json(arguments.json, report)
    if arguments.pairs:
        evaluation.write_pairs(arguments.pairs)
    return 0
