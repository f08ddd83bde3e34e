"""Measures an epoch from stored features against the same epoch with the frozen backbone in the loop.

    python benchmarks/train.py [--set FOLDER] [--sample 24] [--most 100000] [--quick] [--json FILE]

Both sides use two threads. Without photos, the set is drawn, and the figures say so.

- ours: one hybrid epoch of the default model over the set's training pairs, from features in memory.
- backbone in the loop: in the same epoch, every step first runs the frozen backbone forward on the scene, the
  true product and a negative. It is measured on a sample of pairs: with torch eager and batches of 16, as in
  training scripts (`vs_backbone_in_loop`), and with this package's fastest engine (`vs_engine_in_loop`).

Growth: the set's pairs and their features are repeated to 1,000 ... 100,000 pairs. `growth_exponent` is the
slope of log time over log pairs; 1 means that time is linear.
"""

import argparse
import dataclasses
import math
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from machine import add_json_option, add_quick_option, report
from perfectlook.backbones import open_backbone
from perfectlook.data import Dataset, load_set
from perfectlook.evaluation.protocol import scenes_of_split, training_indices
from perfectlook.features.set_features import SetFeatures, set_features
from perfectlook.features.store import FeatureArrays
from perfectlook.files import data_folder
from perfectlook.images import open_picture
from perfectlook.progress import ProgressLine
from perfectlook.training.config import TrainingConfig
from perfectlook.training.data import TrainingData
from perfectlook.training.loop import CompatibilityFit
from perfectlook.training.validation import Round
from perfectlook.types import IntArray, View

THREADS = 2
REPEATS = 3
FIRST_PAIRS = 1000
QUICK_SCENES, QUICK_SAMPLE, QUICK_PAIRS, QUICK_MOST = 16, 2, 20, 60


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--set", type=Path, metavar="FOLDER", help="default: stl-fashion, or a drawn set")
    parser.add_argument("--sample", type=int, default=24, metavar="N", help="pairs for the slow side")
    parser.add_argument("--most", type=int, default=100_000, metavar="N", help="pairs to grow to")
    add_quick_option(parser)
    add_json_option(parser)
    arguments = parser.parse_args()
    first = FIRST_PAIRS
    if arguments.quick:
        first, arguments.sample, arguments.most = QUICK_PAIRS, QUICK_SAMPLE, QUICK_MOST
    torch.set_num_threads(THREADS)
    with tempfile.TemporaryDirectory() as scratch:
        dataset = load_set(arguments.set or _default_set(Path(scratch), quick=arguments.quick))
        features = set_features(dataset, progress=ProgressLine)
        held_out = scenes_of_split(features, "val") | scenes_of_split(features, "test")
        training = training_indices(features, held_out)
        repeats = 1 if arguments.quick else REPEATS
        ours = min(_epoch_seconds(features, training) for _ in range(repeats)) / len(training)
        sample = _sampled_views(dataset, features, training, arguments.sample)
        in_loop = {name: _seconds(run, sample) for name, run in _backbones().items()}
    growth = _growth(features, training, first, arguments.most)
    peak = _peak_megabytes()
    report(
        "train",
        {
            "vs_backbone_in_loop": (in_loop["torch"] + ours) / ours,
            "vs_engine_in_loop": (in_loop["engine"] + ours) / ours,
        },
        {
            "set": dataset.name,
            "pairs": len(training),
            "epoch_seconds": ours * len(training),
            "milliseconds_per_pair": ours * 1e3,
            "backbone_milliseconds_per_pair_torch": in_loop["torch"] * 1e3,
            "backbone_milliseconds_per_pair_engine": in_loop["engine"] * 1e3,
            "sampled_pairs": len(sample),
            "growth_seconds": {str(pairs): round(seconds, 3) for pairs, seconds in growth.items()},
            "growth_exponent": _exponent(growth),
            "peak_megabytes": peak,
        },
        arguments.json,
    )


def _default_set(scratch: Path, *, quick: bool) -> Path:
    folder = data_folder()
    if folder is not None and not quick:
        return folder / "stl-fashion"
    print("without real photos (--quick, or PERFECTLOOK_DATA is unset): a drawn set", file=sys.stderr)
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from drawn import drawn_set  # type: ignore[import-not-found,unused-ignore]

    drawn: Path = drawn_set(scratch / "drawn", scenes=QUICK_SCENES if quick else 520)
    return drawn


def _epoch_seconds(features: SetFeatures, training: IntArray) -> float:
    """The seconds of one epoch of training; constants, start and validation are not part of it."""
    config = TrainingConfig()
    config = dataclasses.replace(config, model=dataclasses.replace(config.model, linear_path="random"))
    part = Round("fit", training, np.empty(0, np.int64))
    fit = CompatibilityFit(TrainingData(features, config.model), part, config)
    _before, epoch = list(fit.run(1))
    return epoch.seconds


def _sampled_views(
    dataset: Dataset, features: SetFeatures, training: IntArray, count: int
) -> list[tuple[View, View, View]]:
    """Scene, true product and negative of some training pairs."""
    draw = np.random.default_rng(0)
    chosen = draw.choice(training, min(count, len(training)), replace=False)
    views = []
    for index in chosen:
        pair = features.pairs[index]
        category = dataset.products[pair.product].category
        negative = str(draw.choice(dataset.categories[category]))
        products = (View(dataset.products[each].picture) for each in (pair.product, negative))
        views.append((features.scene_views[features.pair_scenes[index]], *products))
    return [(scene, true, other) for scene, true, other in views]


def _backbones() -> dict[str, Callable[[Sequence[View]], None]]:
    """The two ways to run the backbone: as training scripts do, and as this package does."""
    from usual_script import UsualScript

    usual = UsualScript(THREADS)
    backbone = open_backbone(TrainingConfig().model.backbone, threads=THREADS)

    def opened(views: Sequence[View]) -> list[np.ndarray]:
        size = backbone.description.input_size
        return [backbone.prepare(open_picture(view.picture, crop=view.crop, fit=size)) for view in views]

    def by_torch(views: Sequence[View]) -> None:
        usual.features([torch.from_numpy(picture) for picture in opened(views)])

    def by_engine(views: Sequence[View]) -> None:
        backbone.extract(np.stack(opened(views)))

    return {"torch": by_torch, "engine": by_engine}


def _seconds(run: Callable[[Sequence[View]], None], sample: Sequence[tuple[View, View, View]]) -> float:
    """Seconds per pair; the batches are of 16 pictures."""
    views = [view for views in sample for view in views]
    run(views[:16])
    started = time.perf_counter()
    for first in range(0, len(views), 16):
        run(views[first : first + 16])
    return (time.perf_counter() - started) / len(sample)


def _growth(features: SetFeatures, training: IntArray, first: int, most: int) -> dict[int, float]:
    """Seconds of an epoch over more and more pairs."""
    sizes = [first * 10**step for step in range(round(math.log10(most / first)) + 1)]
    sizes = sorted({*sizes, *(3 * size for size in sizes if 3 * size <= most)})
    return {size: _epoch_seconds(*_tiled(features, training, size)) for size in sizes}


def _tiled(features: SetFeatures, training: IntArray, size: int) -> tuple[SetFeatures, IntArray]:
    """The training pairs repeated to `size`, each with its own copy of its scene's features."""
    pairs = np.resize(training, size)
    rows = features.pair_scenes[pairs]
    scenes = features.scenes
    maps = scenes.feature_maps
    tiled = dataclasses.replace(
        features,
        pairs=[features.pairs[index] for index in pairs],
        pair_scenes=np.arange(size),
        pair_products=features.pair_products[pairs],
        scenes=FeatureArrays(
            scenes.global_vectors[rows], scenes.style_statistics[rows], None if maps is None else maps[rows]
        ),
        scene_views=[features.scene_views[row] for row in rows],
    )
    return tiled, np.arange(size)


def _exponent(growth: dict[int, float]) -> float:
    pairs, seconds = (np.log(list(values)) for values in (growth.keys(), growth.values()))
    return float(np.polyfit(pairs, seconds, 1)[0])


def _peak_megabytes() -> float:
    """The peak memory of the process."""
    import psutil

    memory = psutil.Process().memory_info()
    if hasattr(memory, "peak_wset"):
        return float(memory.peak_wset / 2**20)
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


if __name__ == "__main__":
    main()
