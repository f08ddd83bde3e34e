"""Measures the time of a photo for each backbone, in the same run.

    python benchmarks/backbones.py [--n 60] [--rounds 3] [--photos FOLDER] [--quick] [--json FILE]

A photo is decoded, resized and run through the network, in one process with one thread, by the engine that
"auto" chooses. The backbones take turns in each round, so that other work of the machine slows all of them.
The ratios are medians over the rounds of the processor time, relative to efficientnet-lite2. Backbones of
installed packages, such as perfectlook-dinov2, are included. Loading the networks is not timed.
"""

import argparse
import logging
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image

from machine import add_json_option, add_quick_option, report
from perfectlook.backbones import Backbone, describe_backbones, open_backbone
from perfectlook.backbones.engines import automatic_engine
from perfectlook.files import data_folder
from perfectlook.images import open_picture

REFERENCE = "efficientnet-lite2"


def main() -> int:
    options = _options()
    with tempfile.TemporaryDirectory() as scratch:
        folder = None if options.quick else options.photos
        if folder is None:
            folder = Path(scratch)
            for number in range(4):
                pixels = np.random.default_rng(number).integers(0, 256, (480, 640, 3), np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.jpg")
        photos = sorted(path for path in folder.iterdir() if path.suffix.lower() in {".jpg", ".jpeg"})
        if not photos:
            raise SystemExit(f"{folder}: no JPEG files. Name a folder that has some.")
        _measure(photos[: options.n], 1 if options.quick else options.rounds, options.json)
    return 0


def _options() -> argparse.Namespace:
    data = data_folder()
    scenes = None if data is None else data / "ikea-rooms" / "scenes"
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--n", type=int, default=60, help="photos (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds (default %(default)s)")
    parser.add_argument(
        "--photos",
        type=Path,
        default=scenes if scenes is not None and scenes.is_dir() else None,
        help="folder of photos (default: ikea-rooms in PERFECTLOOK_DATA, otherwise drawn)",
    )
    add_quick_option(parser)
    add_json_option(parser)
    return parser.parse_args()


def _measure(photos: list[Path], rounds: int, json: Path | None) -> None:
    names = [each.name for each in describe_backbones() if each.name != "tiny"]
    opened = {name: open_backbone(name) for name in names}
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for backbone in opened.values():
        _cost(backbone, photos[:1])  # warm
    for _ in range(rounds):
        for name, backbone in opened.items():
            seconds[name].append(_cost(backbone, photos))
    ratios = {
        f"{name}_over_lite2": median(
            mine[1] / theirs[1] for mine, theirs in zip(seconds[name], seconds[REFERENCE], strict=True)
        )
        for name in names
    }
    figures: dict[str, object] = {"photos": len(photos), "rounds": rounds, "engine": automatic_engine()}
    for name in names:
        figures[f"ms_{name}"] = 1000 * median(wall for wall, _ in seconds[name])
        figures[f"processor_ms_{name}"] = 1000 * median(processor for _, processor in seconds[name])
    report("backbones", ratios, figures, json)


def _cost(backbone: Backbone, photos: list[Path]) -> tuple[float, float]:
    """Wall-clock and processor seconds of a photo."""
    size = backbone.description.input_size
    wall, processor = time.perf_counter(), time.process_time()
    for photo in photos:
        backbone.extract(backbone.prepare(open_picture(photo, fit=size))[None])
    return (time.perf_counter() - wall) / len(photos), (time.process_time() - processor) / len(photos)


if __name__ == "__main__":
    logging.basicConfig(format="%(message)s")
    sys.exit(main())
