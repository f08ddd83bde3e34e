"""`perfectlook train`."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perfectlook.cli.numbers import natural, positive

if TYPE_CHECKING:
    from perfectlook.features.setfeatures import SceneShown, SetFeatures
    from perfectlook.model.record import ModelRecord
    from perfectlook.training.history import Epoch

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
    from perfectlook.cli.extras import require_training
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
    from perfectlook.training.begun import Begun
    from perfectlook.training.config import TrainingConfig
    from perfectlook.training.trainer import train_on_features

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
    from perfectlook.cli.reporting import print_problems
    from perfectlook.progress import ProgressLine
    from perfectlook.training.sets import load_sets

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
