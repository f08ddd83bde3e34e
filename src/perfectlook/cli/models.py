"""`perfectlook backbones`: the frozen networks that pictures can be described by."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perfectlook.cli.options import add_reading, add_set, natural, positive

if TYPE_CHECKING:
    from perfectlook.backbones import BackboneDescription
    from perfectlook.features.set_features import SceneShown, SetFeatures
    from perfectlook.model.files import ModelRecord
    from perfectlook.training.log import Epoch


SETTINGS = ("mode", "encoder", "distance", "backbone", "seed", "epochs")
"""Settings that have a flag of their own; `--config` knows all of them."""
ENCODERS = ("feedforward", "autoencoder", "recurrent")


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "train",
        help="train a model on one or several sets",
        description="Train a compatibility model. A training that was stopped goes on when called again.",
    )
    parser.add_argument("sets", nargs="+", type=Path, metavar="SET", help="folder of a set")
    parser.add_argument("--out", type=Path, required=True, metavar="MODEL", help="folder of the model")
    parser.add_argument("--config", type=Path, metavar="FILE.toml", help="settings; flags override them")
    parser.add_argument(
        "--baseline",
        metavar="NAME",
        help="train a baseline instead: popularity, visual, ridge, ibr, siamese or bpr-dae; it takes the "
        "backbone, the seed and those settings that it uses",
    )
    parser.add_argument("--mode", choices=("hybrid", "global", "local"), help="which distances count")
    parser.add_argument("--encoder", choices=ENCODERS, help="kind of encoder")
    parser.add_argument("--distance", choices=("l2", "squared_l2"), help="the norm")
    parser.add_argument(
        "--from",
        dest="continued",
        type=Path,
        metavar="MODEL",
        help="go on from this model on new pairs and categories; its shape and backbone stay",
    )
    parser.add_argument("--backbone", metavar="NAME", help="see `perfectlook backbones`")
    parser.add_argument("--seed", type=natural, metavar="N", help="of everything random")
    parser.add_argument("--epochs", type=natural, metavar="N", help="at most this many")
    parser.add_argument("--workers", type=positive, metavar="N", help="processes that extract features")
    parser.add_argument("--strict", action="store_true", help="fail when anything is wrong in a set")
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    """Train and say how it went.

    Raises:
        PerfectLookError: the settings or the sets cannot be used, or training fails.
    """
    from perfectlook.cli.output import require_training
    from perfectlook.training.config import read_config

    require_training()
    given = read_config(arguments.config) if arguments.config else {}
    flags: dict[str, Any] = {name: getattr(arguments, name) for name in SETTINGS}
    flags = {name: value for name, value in flags.items() if value is not None}
    record = (
        _train_baseline(arguments, given, flags)
        if arguments.baseline
        else _train_model(arguments, given, flags)
    )
    _print(arguments.out, record)
    return 0


def _train_model(
    arguments: argparse.Namespace, given: dict[str, Any], flags: dict[str, Any]
) -> "ModelRecord":
    from perfectlook.errors import UsageError
    from perfectlook.model.config import ModelConfig
    from perfectlook.training.config import TrainingConfig
    from perfectlook.training.finetune import Begun
    from perfectlook.training.train import train_on_features

    settings = given | flags
    config = TrainingConfig().replaced(given, source=str(arguments.config)).replaced(flags)
    if arguments.continued and (fixed := sorted(settings.keys() & ModelConfig.__dataclass_fields__)):
        raise UsageError(
            f"--from {arguments.continued}: the shape of that model stays, so {', '.join(fixed)} cannot be "
            "set; leave it out, or train a new model"
        )
    begun = Begun.read(arguments.continued) if arguments.continued else None
    shape = begun.record.config if begun else config.model
    features = _load(arguments, shape.backbone, product_maps=shape.needs_product_maps)
    whole = _load(arguments, shape.backbone, scene="full")
    return train_on_features(features, arguments.out, config, whole=whole, begun=begun, say=_say)


def _train_baseline(
    arguments: argparse.Namespace, given: dict[str, Any], flags: dict[str, Any]
) -> "ModelRecord":
    from perfectlook.errors import UsageError
    from perfectlook.training.baselines.registry import baseline
    from perfectlook.training.baselines.train import train_baseline_on_features

    if arguments.continued:
        raise UsageError("--from goes on from a compatibility model, --baseline trains another; choose one")
    settings = given | flags
    config = baseline(arguments.baseline).config(settings, name=arguments.baseline)
    features = _load(arguments, config.model.backbone)
    return train_baseline_on_features(features, arguments.out, arguments.baseline, settings)


def _load(
    arguments: argparse.Namespace,
    backbone: str,
    *,
    scene: "SceneShown" = "crop",
    product_maps: bool = False,
) -> "SetFeatures":
    from perfectlook.cli.output import print_problems
    from perfectlook.progress import ProgressLine
    from perfectlook.training.data import load_sets

    features = load_sets(
        arguments.sets,
        backbone,
        scene=scene,
        product_maps=product_maps,
        strict=arguments.strict,
        workers=arguments.workers,
        progress=ProgressLine,
    )
    if scene == "crop":
        print_problems([*features.dataset.problems, *features.problems], features.dataset.name)
    return features


def _print(out: Path, record: "ModelRecord") -> None:
    report = record.training
    if report["n_without_negatives"]:
        print(
            f"{report['n_without_negatives']:,} pairs were left out: nothing else is in their category",
            file=sys.stderr,
        )
    said = f"{out}: trained on {report['n_pairs']:,} pairs of {report['n_scenes']:,} scenes"
    if report["epoch"] is not None:
        said += f", epoch {report['epoch']} kept"
    if accuracy := report["binary_accuracy"]:
        said += (
            f"; binary accuracy {accuracy['value']:.4f} [{accuracy['low']:.4f}, {accuracy['high']:.4f}] by "
            f"{report['chosen_on']}"
        )
    print(said)


def _say(stage: str, epoch: "Epoch") -> None:
    parts = [f"{stage}: epoch {epoch.epoch}"]
    if epoch.loss is not None:
        parts.append(f"loss {epoch.loss:.4f}")
    if epoch.binary_accuracy is not None:
        parts.append(f"binary accuracy {epoch.binary_accuracy:.4f}")
    if epoch.temperature is not None:
        parts.append(f"τ {epoch.temperature:.3f}")
    print(", ".join(parts), f"({epoch.seconds:.1f} s)", file=sys.stderr, flush=True)


def add_parser_evaluate(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
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
    parser.set_defaults(func=run_evaluate)


def run_evaluate(arguments: argparse.Namespace) -> int:
    """Evaluate, print the report, write what was asked for."""
    from perfectlook.cli.output import print_problems, write_json
    from perfectlook.evaluation.evaluate import evaluate
    from perfectlook.progress import ProgressLine

    evaluation = evaluate(
        arguments.model,
        arguments.set,
        split=arguments.split,
        scene=arguments.scene,
        explain=arguments.explain,
        suggest=arguments.suggest,
        strict=arguments.strict,
        workers=arguments.workers,
        progress=ProgressLine,
    )
    print_problems(evaluation.problems, evaluation.set_name)
    print(evaluation)
    if arguments.json:
        write_json(arguments.json, evaluation.to_dict())
    if arguments.pairs:
        evaluation.write_pairs(arguments.pairs)
    return 0


def add_parser_compare(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "compare",
        help="compare models on a set",
        description="Evaluate models on the same pairs of a set: figures side by side with 95 % intervals, "
        "and by a paired bootstrap over scenes whether the best is better than each other.",
    )
    parser.add_argument("models", nargs="+", type=Path, metavar="MODEL", help="folder of a model")
    add_set(parser)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the comparison as JSON")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write its tables as Markdown")
    parser.add_argument("--chart", type=Path, metavar="FILE.png", help="draw the accuracies (PNG or SVG)")
    add_reading(parser)
    parser.set_defaults(func=run_compare)


def run_compare(arguments: argparse.Namespace) -> int:
    """Compare, print the tables, write what was asked for."""
    from perfectlook.cli.output import print_problems, write_json
    from perfectlook.evaluation.comparison import compare
    from perfectlook.evaluation.tables import check_chart
    from perfectlook.progress import ProgressLine

    if arguments.chart:
        check_chart(arguments.chart)
    comparison = compare(
        arguments.models,
        arguments.set,
        split=arguments.split,
        scene=arguments.scene,
        strict=arguments.strict,
        workers=arguments.workers,
        progress=ProgressLine,
    )
    first = comparison.models[0].evaluation
    print_problems(first.problems, first.set_name)
    print(comparison)
    if arguments.json:
        write_json(arguments.json, comparison.to_dict())
    if arguments.markdown:
        arguments.markdown.write_text(comparison.to_markdown(), encoding="utf-8")
    if arguments.chart:
        comparison.draw(arguments.chart)
    return 0


SUFFIXES = (".html", ".htm")


def add_parser_report(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "report",
        help="a page of a model's best and worst answers on a set",
        description="Write one HTML file that shows a model's figures on a split of a set, and its best, its "
        "worst and some random answers in pictures. The set's pictures are inside the file.",
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="folder of the model")
    add_set(parser)
    parser.add_argument(
        "--out", type=Path, metavar="FILE.html", help="the file to write (default: report-MODEL-SET.html)"
    )
    parser.add_argument(
        "-n", type=positive, default=24, metavar="N", help="answers to show, in all (default: 24)"
    )
    add_reading(parser)
    parser.set_defaults(func=run_report)


def run_report(arguments: argparse.Namespace) -> int:
    """Make the report and write its page."""
    from perfectlook.cli.output import print_problems
    from perfectlook.evaluation.report import make_report, page
    from perfectlook.progress import ProgressLine

    _check(arguments.out)
    report = make_report(
        arguments.model,
        arguments.set,
        split=arguments.split,
        scene=arguments.scene,
        shown=arguments.n,
        strict=arguments.strict,
        workers=arguments.workers,
        progress=ProgressLine,
    )
    evaluation = report.evaluation
    print_problems(evaluation.problems, evaluation.set_name)
    content = page(report).encode("utf-8", "replace")  # ids that come from names of files need not be text
    out = arguments.out or Path(f"report-{evaluation.model}-{evaluation.set_name}.html")
    out.write_bytes(content)
    accuracy = evaluation.overall.binary_accuracy
    shown = sum(len(cases) for cases in report.cases.values())
    on, over = f"{evaluation.model} on {evaluation.set_name}", evaluation.overall.n_pairs
    if report.too_little:
        print(f"{on}: {report.too_little} (binary accuracy {accuracy.value:.4f})")
    else:
        print(
            f"{on}: binary accuracy {accuracy.value:.4f} [{accuracy.low:.4f}, {accuracy.high:.4f}] over "
            f"{over:,} pairs"
        )
    print(f"wrote {out}: {shown} answers, {len(content) / 1e6:.1f} MB; open it in a browser")
    print(f"the set's pictures are inside it; their licence: {report.licence or 'the set does not say'}")
    return 0


def _check(out: Path | None) -> None:
    """Make sure, before any work is done, that the page can be written there."""
    from perfectlook.errors import UsageError

    if out is None:
        return
    if out.suffix.lower() not in SUFFIXES:
        raise UsageError(f"--out {out}: a report is a page; end its name with {' or '.join(SUFFIXES)}")
    if not out.parent.is_dir():
        raise UsageError(f"--out {out}: there is no folder {out.parent}; make it, or name another file")


HEADINGS = ("NAME", "INPUT", "GLOBAL", "STYLE", "MAP", "SIZE", "LICENCE", "WHAT IT IS")


def add_parser_backbones(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `backbones`."""
    parser = subparsers.add_parser(
        "backbones",
        help="list the backbones: the networks that turn pictures into features",
        description="List the backbones that come with the package: name, input size in pixels, dimensions "
        "of the global vector, the style statistics and the map's regions, size of the weights and licence.",
    )
    parser.set_defaults(func=run_backbones)


def run_backbones(arguments: argparse.Namespace) -> int:  # noqa: ARG001 - every command has this signature
    """Print the table of backbones, where their weights are from, and the engine that would run them here."""
    from perfectlook.backbones import describe_backbones
    from perfectlook.backbones.engines import automatic_engine

    descriptions = describe_backbones()
    print(*_table([HEADINGS, *map(_cells, descriptions)]), sep="\n")
    print("\nWeights:")
    for each in descriptions:
        print(f"  {each.name}: {each.source}")
    print(
        f"\nEngine here: {automatic_engine()} (fp32). NAME:bf16 runs in bf16 through OpenVINO."
        "\nModels of a hub: transformers:MODEL, timm:MODEL, open_clip:MODEL/PRETRAINED."
    )
    return 0


def _cells(description: "BackboneDescription") -> tuple[str, ...]:
    side = description.input_size
    return (
        description.name,
        f"{side}×{side}",
        str(description.global_dimension),
        str(description.style_dimension),
        f"7×7×{description.map_channels}",
        f"{description.megabytes:.1f} MB",
        description.licence,
        description.summary,
    )


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Rows with columns as wide as their widest cell."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
