"""Arguments of the commands that measure models on a split of a set."""

import argparse
from pathlib import Path

from perfectlook.cli.numbers import positive


def add_set(parser: argparse.ArgumentParser) -> None:
    """Add the set, its split, and what the model is shown of its scenes."""
    parser.add_argument("set", type=Path, metavar="SET", help="folder of the set")
    parser.add_argument(
        "--split",
        choices=("train", "val", "test", "all"),
        default="test",
        help="which scenes to measure on (default: test)",
    )
    parser.add_argument(
        "--scene",
        choices=("crop", "full"),
        default="crop",
        help="scenes without the product, or whole pictures",
    )


def add_reading(parser: argparse.ArgumentParser) -> None:
    """Add how the set is read."""
    parser.add_argument("--workers", type=positive, metavar="N", help="processes that extract features")
    parser.add_argument("--strict", action="store_true", help="fail when anything is wrong in the set")
