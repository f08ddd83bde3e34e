"""`perfectlook train`."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perfectlook.cli.numbers import natural, positive

if TYPE_CHECKING:
    from perfectlook.training.fit import Epoch

SETTINGS = ("mode", "encoder", "distance", "backbone", "seed", "epochs")
"""Settings that have a flag of their own; `--config` knows all of them."""


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
    parser.add_argument("--mode", choices=("hybrid", "global", "local"), help="which distances count")
    parser.add_argument("--encoder", choices=("feedforward",), help="kind of encoder")
    parser.add_argument("--distance", choices=("l2", "squared_l2"), help="the norm")
    parser.add_argument("--backbone", metavar="NAME", help="see `perfectlook backbones`")
    parser.add_argument("--seed", type=natural, metavar="N", help="of everything random")
    parser.add_argument("--epochs", type=natural, metavar="N", help="at most this many")
    parser.add_argument("--workers", type=positive, metavar="N", help="processes that extract features")
    parser.add_argument("--strict", action="store_true", help="fail when anything is wrong in a set")
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    """Train and say how it went."""
    from perfectlook.cli.extras import require_training
    from perfectlook.cli.reporting import print_problems
    from perfectlook.progress import ProgressLine
    from perfectlook.training.config import TrainingConfig, read_config

    require_training()
    from perfectlook.training.sets import load_sets
    from perfectlook.training.trainer import train_on_features

    config = TrainingConfig()
    if arguments.config:
        config = config.replaced(read_config(arguments.config), source=str(arguments.config))
    flags: dict[str, Any] = {name: getattr(arguments, name) for name in SETTINGS}
    config = config.replaced({name: value for name, value in flags.items() if value is not None})
    features = load_sets(
        arguments.sets,
        config.model.backbone,
        strict=arguments.strict,
        workers=arguments.workers,
        progress=ProgressLine,
    )
    print_problems([*features.dataset.problems, *features.problems], features.dataset.name)
    record = train_on_features(features, arguments.out, config, say=_say)
    report = record.training
    accuracy = report["binary_accuracy"]
    measured = (
        f"; binary accuracy {accuracy['value']:.4f} [{accuracy['low']:.4f}, {accuracy['high']:.4f}] by "
        f"{report['chosen_on']}"
        if accuracy
        else ""
    )
    if report["n_without_negatives"]:
        print(
            f"{report['n_without_negatives']:,} pairs were left out: nothing else is in their category",
            file=sys.stderr,
        )
    print(
        f"{arguments.out}: trained on {report['n_pairs']:,} pairs of {report['n_scenes']:,} scenes, "
        f"epoch {report['epoch']} kept{measured}"
    )
    return 0


def _say(stage: str, epoch: "Epoch") -> None:
    parts = [f"{stage}: epoch {epoch.epoch}"]
    if epoch.loss is not None:
        parts.append(f"loss {epoch.loss:.4f}")
    if epoch.binary_accuracy is not None:
        parts.append(f"binary accuracy {epoch.binary_accuracy:.4f}")
    if epoch.temperature is not None:
        parts.append(f"τ {epoch.temperature:.3f}")
    print(", ".join(parts), f"({epoch.seconds:.1f} s)", file=sys.stderr, flush=True)
