"""Measures extraction, from JPEG files to stored features, against the usual script on the same photos.

    python benchmarks/extract.py [--n 600] [--photos FOLDER] [--quick] [--json FILE]

Every side uses two threads and computes the same features: global vector, style statistics and 7×7 map.

- ours: `extract()` with two workers into an empty store. The time includes hashing the photos, finding the
  missing features, starting the workers, loading the engines, and sending and writing the features. Starting
  takes about a second, so n is large.
- the usual script: `usual_script.py`, one process with two torch threads. Loading the network is not timed.
- bare: two processes that only decode their half of the photos and run the engine. Loading is not timed. The
  figure is the sum of their seconds, divided by two.

`vs_torch_eager` is the usual script's time over ours in fp32, and `vs_torch_eager_bf16` over ours in bf16.
`over_bare` is ours over bare in fp32. All are medians over `--rounds`. The sides take turns in each round.
The figures include processor time, which depends little on other work of the machine.

If the processor has no bf16 instructions, OpenVINO emulates them. The bf16 ratio is then measured on fewer
photos, and does not hold for processors with these instructions (`figures.bf16_native`).
"""

import argparse
import logging
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from machine import add_json_option, add_quick_option, has_bf16, report
from perfectlook.backbones import open_backbone
from perfectlook.features.extraction import extract
from perfectlook.features.store import ViewKey, open_store
from perfectlook.files import data_folder
from perfectlook.images import open_picture
from perfectlook.types import View

if TYPE_CHECKING:
    from multiprocessing.queues import SimpleQueue
    from multiprocessing.synchronize import Barrier

    from usual_script import UsualScript

BACKBONE = "efficientnet-lite2"
PROCESSES = 2
EMULATED_PHOTOS = 64
QUICK_PHOTOS = 8


class Cost(NamedTuple):
    """The cost of a photo: wall-clock seconds and processor seconds."""

    seconds: float
    processor: float


def main() -> int:
    options = _options()
    with tempfile.TemporaryDirectory() as scratch:
        if options.quick:
            photos, source, options.rounds = _drawn(QUICK_PHOTOS, Path(scratch) / "drawn"), "drawn", 1
        else:
            photos, source = _photos(options.photos, options.n, Path(scratch))
        print(f"{len(photos)} photos ({source}), {options.rounds} rounds")
        _measure(photos, source, options.rounds, options.json, Path(scratch))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--n", type=int, default=600, help="photos (default %(default)s)")
    parser.add_argument(
        "--photos", type=Path, help="folder of photos (default: stl-fashion in PERFECTLOOK_DATA)"
    )
    parser.add_argument(
        "--rounds", type=int, default=2, help="rounds; the median counts (default %(default)s)"
    )
    add_quick_option(parser)
    add_json_option(parser)
    return parser.parse_args()


def _measure(photos: list[Path], source: str, rounds: int, json: Path | None, scratch: Path) -> None:
    from usual_script import UsualScript  # imports torch, which the workers must not

    usual_script = UsualScript(PROCESSES)
    usual_script.run(photos[:16], scratch)  # warm
    bf16_photos = photos if has_bf16() else photos[:EMULATED_PHOTOS]
    sides: dict[str, Callable[[], Cost]] = {
        "usual": lambda: _cost(lambda: usual_script.run(photos, scratch), len(photos)),
        "ours": lambda: _ours(photos, BACKBONE),
        "bare": lambda: _bare(photos),
    }
    if find_spec("openvino"):
        sides["ours_bf16"] = lambda: _ours(bf16_photos, f"{BACKBONE}:bf16")
    costs: dict[str, list[Cost]] = {name: [] for name in sides}
    for number in range(1, rounds + 1):
        for name, side in sides.items():
            costs[name].append(side())
            print(f"round {number}: {name} {1 / costs[name][-1].seconds:.1f} photos a second", flush=True)
    figures: dict[str, object] = {"photos": len(photos), "source": source, "rounds": rounds}
    figures["bf16_native"] = has_bf16()
    for name, each in costs.items():
        figures[f"photos_per_second_{name}"] = 1 / median(cost.seconds for cost in each)
        figures[f"processor_ms_per_photo_{name}"] = 1000 * median(cost.processor for cost in each)
    figures["median_cosine_to_usual"] = _agreement(photos[:32], usual_script)
    ratios = {
        "vs_torch_eager": _ratio(costs["usual"], costs["ours"]),
        "over_bare": _ratio(costs["ours"], costs["bare"]),
    }
    if "ours_bf16" in costs:
        ratios["vs_torch_eager_bf16"] = _ratio(costs["usual"], costs["ours_bf16"])
    report("extract", ratios, figures, json)


def _ratio(one: Sequence[Cost], other: Sequence[Cost]) -> float:
    return median(mine.seconds / theirs.seconds for mine, theirs in zip(one, other, strict=True))


def _cost(work: Callable[[], object], photos: int) -> Cost:
    """The cost of a photo in this process and its child processes."""
    before, started = sum(os.times()[:4]), time.perf_counter()
    work()
    return Cost((time.perf_counter() - started) / photos, (sum(os.times()[:4]) - before) / photos)


def _photos(folder: Path | None, count: int, scratch: Path) -> tuple[list[Path], str]:
    """`count` JPEG files from the folder, the real sets, or drawn; and their source."""
    data = data_folder()
    if folder is None and data is not None and (data / "stl-fashion" / "scenes").is_dir():
        folder = data / "stl-fashion" / "scenes"
    if folder is None:
        print(
            "PERFECTLOOK_DATA names no folder with stl-fashion: drawing pictures of similar size",
            file=sys.stderr,
        )
        return _drawn(count, scratch / "drawn"), "drawn"
    photos = sorted(path for path in folder.iterdir() if path.suffix.lower() in {".jpg", ".jpeg"})[:count]
    if not photos:
        raise SystemExit(f"{folder}: no JPEG files; name a folder that has some")
    return photos, "/".join(folder.parts[-2:])


def _drawn(count: int, folder: Path) -> list[Path]:
    """Clouds of colour with grain, 282×352 pixels at about 20 kB, like the photos of stl-fashion."""
    folder.mkdir()
    random = np.random.default_rng(0)
    paths = []
    for number in range(count):
        small = random.integers(0, 256, (16, 13, 3), np.uint8)
        clouds = np.asarray(Image.fromarray(small).resize((282, 352), Image.Resampling.BICUBIC), np.float32)
        grain = random.normal(0, 7, clouds.shape)
        paths.append(folder / f"{number:05d}.jpg")
        Image.fromarray(np.clip(clouds + grain, 0, 255).astype(np.uint8)).save(paths[-1], quality=80)
    return paths


def _ours(photos: Sequence[Path], backbone: str) -> Cost:
    def run() -> None:
        with open_store(backbone) as store:
            done = extract(_keys(photos), backbone, store, maps=True, workers=PROCESSES)
        if done.extracted != len(photos):
            raise SystemExit(f"only {done.extracted} of {len(photos)} photos done: {done.failures}")

    with tempfile.TemporaryDirectory() as cache:
        os.environ["PERFECTLOOK_CACHE"] = cache
        return _cost(run, len(photos))


def _keys(photos: Sequence[Path]) -> dict[View, ViewKey]:
    return {View(photo): ViewKey.of(sha256(photo.read_bytes()).hexdigest(), None) for photo in photos}


def _bare(photos: Sequence[Path]) -> Cost:
    context = multiprocessing.get_context("spawn")
    together, answers = context.Barrier(PROCESSES), context.SimpleQueue()
    parts = [photos[start::PROCESSES] for start in range(PROCESSES)]
    processes = [context.Process(target=_bare_part, args=(part, together, answers)) for part in parts]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        if process.exitcode:
            raise SystemExit(f"measuring the bare engine ended with exit code {process.exitcode}")
    seconds, processor = zip(*(answers.get() for _ in processes), strict=True)
    return Cost(sum(seconds) / PROCESSES / len(photos), sum(processor) / len(photos))


def _bare_part(photos: Sequence[Path], together: "Barrier", answers: "SimpleQueue[Cost]") -> None:
    """Decode photos and run the engine on them; send back the seconds for all photos."""
    backbone = open_backbone(BACKBONE, threads=1)
    size = backbone.description.input_size

    def run(photo: Path) -> None:
        backbone.extract(backbone.prepare(open_picture(photo, fit=size))[None])

    def run_all() -> None:
        for photo in photos:
            run(photo)

    run(photos[0])  # warm
    together.wait()
    answers.put(_cost(run_all, 1))


def _agreement(photos: Sequence[Path], usual_script: "UsualScript") -> float:
    """The median cosine between the features of both sides, to check that they do the same work."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["PERFECTLOOK_CACHE"] = folder
        usual_script.run(photos, Path(folder))
        theirs = np.load(Path(folder) / "vectors.npy").astype(np.float32)
        keys = _keys(photos)
        with open_store(BACKBONE) as store:
            extract(keys, BACKBONE, store, maps=True, workers=1)
            found = store.read(list(keys.values()), maps=False)
    mine = np.concatenate([found.global_vectors, found.style_statistics], axis=1).astype(np.float32)
    norms = np.linalg.norm(mine, axis=1) * np.linalg.norm(theirs, axis=1)
    return float(np.median((mine * theirs).sum(axis=1) / norms))


if __name__ == "__main__":
    logging.basicConfig(format="%(message)s")
    sys.exit(main())
