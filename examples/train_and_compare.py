"""Train a model and a baseline on the same set, and compare them on its test scenes.

    python examples/train_and_compare.py SET [--out FOLDER] [--baseline NAME] [--epochs N]

On a small set, training the model takes minutes, the baseline seconds. A stopped training continues.
"""

import argparse
from pathlib import Path

from perfectlook.evaluation.comparison import compare
from perfectlook.progress import ProgressLine
from perfectlook.training.baselines.registry import BASELINES
from perfectlook.training.log import Epoch
from perfectlook.training.train import train


def say(stage: str, epoch: Epoch) -> None:
    if epoch.binary_accuracy is not None:
        print(f"{stage}, epoch {epoch.epoch}: binary accuracy {epoch.binary_accuracy:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("set", type=Path, help="folder of a set")
    parser.add_argument("--out", type=Path, default=Path("out/compare"), help="folder of the models")
    parser.add_argument("--baseline", choices=BASELINES, default="ridge")
    parser.add_argument("--backbone", default="efficientnet-lite2")
    parser.add_argument("--epochs", type=int, help="maximum number of epochs of the model")
    given = parser.parse_args()
    model, baseline = given.out / "model", given.out / given.baseline

    train(
        given.set,
        model,
        backbone=given.backbone,
        epochs=given.epochs,
        progress=ProgressLine,
        on_epoch=say,
    )
    train(given.set, baseline, baseline=given.baseline, backbone=given.backbone)

    comparison = compare([model, baseline], given.set, progress=ProgressLine)
    print(comparison)
    best, other = comparison.models
    if other.difference is not None and other.difference.low > 0:
        print(f"\n{best.label} is better than {other.label}: the 95 % interval of the difference is above 0.")
    else:
        print(f"\nThe 95 % interval of the difference between {best.label} and {other.label} includes 0.")


if __name__ == "__main__":
    main()
