"""Measure how accuracy, time and memory grow with a set, and how many scenes a time budget allows.

    python research/data_size.py SET --out FOLDER [--shares 0.1 0.3 1] [--seeds 3] [--budget 2h]

Trains on nested shares of the set's training scenes and measures accuracy, time and memory. Writes
FOLDER/study.md, study.json and study.png. Every measurement is kept in FOLDER/study.jsonl as soon as it is
made, so a stopped run continues when it is started again. docs/explanation/data-size.md explains the figures.
"""

import argparse
import dataclasses
import hashlib
import json
import math
import os
import shutil
import sys
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field
from multiprocessing import get_context
from pathlib import Path
from statistics import fmean, median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from perfectlook import __version__
from perfectlook.backbones import open_backbone
from perfectlook.data import Dataset, load_set
from perfectlook.data.scenes import is_small
from perfectlook.errors import DatasetError, PerfectLookError, TrainingError, UsageError
from perfectlook.evaluation.evaluate import evaluate_on_features
from perfectlook.evaluation.protocol import (
    Interval,
    bootstrap_means,
    interval,
    pair_indices,
    scenes_of_split,
    training_indices,
)
from perfectlook.evaluation.tables import markdown_table, new_figure, plain_table, save_chart, with_bounds
from perfectlook.features.set_features import SetFeatures, set_features
from perfectlook.files import worker_count
from perfectlook.model.config import ModelConfig
from perfectlook.model.runtime import Model
from perfectlook.progress import ProgressLine
from perfectlook.stores.index import Block
from perfectlook.training.config import TrainingConfig, read_config
from perfectlook.types import Float32Array, Problem

sys.path.append(str(Path(__file__).parents[1] / "tools"))

from growth import (
    RELEASES,
    Advice,
    Cost,
    Costs,
    Growth,
    Line,
    Shape,
    advise,
    fewest_scenes,
    gain_per_doubling,
)
from units import describe_machine, duration_argument, parse_duration, spoken, spoken_bytes

SHARES = (0.01, 0.03, 0.1, 0.3, 1.0)
SEEDS = 3
PICTURES = (60, 180, 540)
"""Approximate numbers of pictures whose extraction is measured."""
PRODUCTS = (1_000, 3_000, 10_000, *(release.products for release in RELEASES))
"""Sizes of the catalogues that are searched."""
K = 10
"""Products that a measured search returns."""
QUERIES = 200
NOISE = 0.05
"""How much repeated vectors differ, as a share of each component's standard deviation."""
JSON, MARKDOWN, CHART, MEASURED = "study.json", "study.md", "study.png", "study.jsonl"

Measured = dict[str, Any]
Table = tuple[str, list[str], list[list[str]]]
"""Title, header and rows."""


@dataclass(frozen=True, slots=True)
class Subset:
    """A share of the training scenes, and how the models trained on it did on the test split.

    Attributes:
        share: of the training scenes.
        scenes: their number.
        pairs: training pairs, on average over the seeds.
        by_seed: binary accuracy of each seed's model.
        accuracy: the mean over the seeds, with its interval over resampled test scenes.
        seconds: of each training.
        peak_bytes: the most memory of any training; None where the system does not report it.
    """

    share: float
    scenes: int
    pairs: float
    by_seed: tuple[float, ...]
    accuracy: Interval
    seconds: tuple[float, ...]
    peak_bytes: int | None


@dataclass(frozen=True, slots=True)
class Study:
    """All measurements, and the growth fitted to them.

    Attributes:
        set_name: name of the set.
        machine: description of the machine.
        backbone: identity of the backbone.
        seeds: trainings of each subset.
        subsets: the smallest first.
        skipped: subsets that were too small to train on, and why.
        extraction: measurements of extraction.
        searches: measurements of search.
        costs: estimated costs of sets of this shape.
        search: growth of the seconds of a query with the number of products.
        gain: change of the accuracy when the scenes double; None for one subset.
        problems: the problems of the set.
    """

    set_name: str
    machine: str
    backbone: str
    seeds: int
    subsets: list[Subset]
    skipped: list[str]
    extraction: list[Measured]
    searches: list[Measured]
    costs: Costs
    search: Growth
    gain: float | None
    problems: list[Problem] = field(default_factory=list)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure what is missing, write and print the tables; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("set", type=Path, metavar="SET", help="folder of the set")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="folder of the results")
    parser.add_argument("--backbone", metavar="NAME", help="see `perfectlook backbones`")
    parser.add_argument("--shares", nargs="+", type=float, default=SHARES, metavar="SHARE")
    parser.add_argument("--seeds", type=int, default=SEEDS, metavar="N", help="trainings of each share")
    parser.add_argument(
        "--budget", metavar="TIME", help="such as 2h, 90m or 45s: print how many scenes it allows"
    )
    parser.add_argument("--config", type=Path, metavar="FILE.toml", help="training settings")
    parser.add_argument("--workers", type=int, metavar="N", help="processes that extract features")
    arguments = parser.parse_args(argv)
    try:
        budget = parse_duration(arguments.budget) if arguments.budget else None
        config = TrainingConfig()
        if arguments.config:
            config = config.replaced(read_config(arguments.config), source=str(arguments.config))
        if arguments.backbone:
            config = config.replaced({"backbone": arguments.backbone})
        study = run_study(
            arguments.set,
            arguments.out,
            config=config,
            shares=arguments.shares,
            seeds=arguments.seeds,
            workers=arguments.workers,
            say=lambda step: print(step, file=sys.stderr, flush=True),
        )
        for problem in study.problems:
            print(f"problem: {problem}", file=sys.stderr)
        write_report(study, arguments.out)  # before `answer`, which fails if the budget is too small
        advice = None if budget is None else answer(study, budget)
        if advice is not None:
            write_report(study, arguments.out, advice)
        print(to_text(study, advice))
        print(f"Wrote {arguments.out / MARKDOWN}, {JSON} and {CHART}.")
    except PerfectLookError as error:
        print(f"data_size: error: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    return 0


def run_study(
    dataset: Path,
    out: Path,
    *,
    config: TrainingConfig | None = None,
    shares: Sequence[float] = SHARES,
    seeds: int = SEEDS,
    products: Sequence[int] = PRODUCTS,
    workers: int | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Study:
    """Measure how accuracy and cost grow with a set.

    Args:
        dataset: folder of the set.
        out: folder of the measurements; made if missing.
        config: training settings; the seeds count up from its seed.
        shares: shares of the training scenes, each above 0 and at most 1.
        seeds: trainings of each share, at least 1.
        products: sizes of the catalogues that are searched.
        workers: processes that extract features.
        say: called with every step before it starts.

    Raises:
        UsageError: a share or the number of seeds is out of range.
        DatasetError: the set cannot be read, or has no scene to train on.
        TrainingError: no subset is large enough to train on.
    """
    if seeds < 1:
        raise UsageError(f"--seeds {seeds}: must be at least 1.")
    for share in shares:
        if not 0 < share <= 1:
            raise UsageError(f"--shares {share:g}: must be above 0 and at most 1 (all training scenes).")
    for folder in (out, out / "models", out / "pairs"):
        folder.mkdir(parents=True, exist_ok=True)
    run = _Run(dataset, out, config or TrainingConfig(), workers, say)
    about, extraction = run.about, run.extraction()
    subsets, skipped, trained = run.subsets(sorted(set(shares)), seeds)
    searches = run.search(products, subsets[-1].scenes)
    memory = [(each["pictures"], each["peak_bytes"]) for each in trained if each["peak_bytes"] is not None]
    return Study(
        set_name=about["set"],
        machine=run.machine,
        backbone=about["backbone"],
        seeds=seeds,
        subsets=subsets,
        skipped=skipped,
        extraction=extraction,
        searches=searches,
        costs=Costs(
            shape=Shape(
                **{name: about[name] for name in ("scenes", "pairs", "products", "views")},
                # for all training scenes, even if the largest share measured is below 1
                training_pairs=max(1, round(subsets[-1].pairs * len(about["pool"]) / subsets[-1].scenes)),
                test_pairs=trained[-1]["test_pairs"],
            ),
            extraction=Growth.fit([(each["pictures"], each["seconds"]) for each in extraction]),
            training=Growth.fit([(each["pairs"], each["seconds"]) for each in trained]),
            memory=Line.fit(memory) if memory else None,
            evaluation_seconds=median(each["evaluation_seconds"] for each in trained),
        ),
        search=Growth.fit([(each["products"], each["seconds"]) for each in searches]),
        gain=gain_per_doubling([(each.scenes, each.accuracy.value) for each in subsets]),
        problems=about["problems"],
    )


class _Run:
    """The set, its earlier measurements, and the steps that measure the rest."""

    def __init__(
        self,
        dataset: Path,
        out: Path,
        config: TrainingConfig,
        workers: int | None,
        say: Callable[[str], None],
    ) -> None:
        self._dataset, self._out, self._config, self._workers, self._say = dataset, out, config, workers, say
        self.machine = describe_machine()
        self.about = in_child(survey, dataset, config.model, workers)
        self._pool: list[str] = self.about["pool"]
        self._known = _read_measurements(out / MEASURED)
        if not self._pool:
            raise DatasetError(
                f"{dataset}: has no scene to train on (all are unusable, in the test split, or copies of "
                "test scenes). Add scenes with pairs."
            )

    def extraction(self) -> list[Measured]:
        """Measure the extraction of increasing numbers of scenes."""
        of_scene = (self.about["views"] + self.about["paired_products"]) / self.about["scenes"]
        counts = {min(len(self._pool), max(1, round(count / of_scene))) for count in PICTURES}
        return [
            self._measured(
                self._settings("extraction", scenes=scenes, workers=self._workers),
                f"extracting {scenes:,} scenes with their products into an empty cache",
                measure_extraction,
                self._dataset,
                self._config.model,
                frozenset(self._pool[:scenes]),
                self._workers,
            )
            for scenes in sorted(counts)
        ]

    def subsets(self, shares: Sequence[float], seeds: int) -> tuple[list[Subset], list[str], list[Measured]]:
        """Train on each share with each seed; return the subsets, the skipped ones, and all trainings."""
        found: list[Subset] = []
        skipped: list[str] = []
        all_trained: list[Measured] = []
        failure: TrainingError | None = None
        for scenes, share in {len(first_share(self._pool, share)): share for share in shares}.items():
            try:
                trained = [self._training(scenes, number) for number in range(seeds)]
            except TrainingError as error:
                failure = error
                skipped.append(f"{100 * share:g} % ({scenes:,} scenes): {error}")
                continue
            all_trained += trained
            found.append(self._subset(share, scenes, trained))
        if failure is not None and not found:
            raise failure
        return found, skipped, all_trained

    def search(self, products: Sequence[int], scenes: int) -> list[Measured]:
        """Measure searches of increasing size, with vectors of the first model of that many scenes."""
        model = self._out / "models" / self._name(scenes, 0)
        vectors = model.with_suffix(".npz")
        settings = {count: self._settings("search", scenes=scenes, products=count) for count in products}
        if any(_key(each) not in self._known for each in settings.values()) and not vectors.exists():
            self._say("embedding the products for the searches")
            in_child(write_vectors, self._dataset, model, vectors)
        return [
            self._measured(each, f"searching {count:,} products", measure_search, vectors, count)
            for count, each in settings.items()
        ]

    def _training(self, scenes: int, number: int) -> Measured:
        name = self._name(scenes, number)
        model, results = self._out / "models" / name, self._out / "pairs" / f"{name}.jsonl"
        settings = self._settings("training", scenes=scenes, number=number)
        if not (results.exists() and (number > 0 or model.exists())):  # the files were deleted
            self._known.pop(_key(settings), None)
        measured = self._measured(
            settings,
            f"training on {scenes:,} of {len(self._pool):,} scenes, run {number + 1}",
            measure_training,
            self._dataset,
            dataclasses.replace(self._config, seed=self._config.seed + number),
            frozenset(self._pool[scenes:]),
            model,
            results,
        )
        if number > 0:  # the first model of each share is kept for the searches
            shutil.rmtree(model, ignore_errors=True)
        return measured

    def _measured(
        self, settings: Measured, what: str, work: Callable[..., Measured], *arguments: Any
    ) -> Measured:
        if (known := self._known.get(_key(settings))) is not None:
            self._say(f"{what}: already measured")
            return known
        self._say(what)
        measured = in_child(work, *arguments)
        with (self._out / MEASURED).open("a", encoding="utf-8") as file:
            # the newline before it ends a line that a killed run left incomplete
            file.write("\n" + json.dumps({"settings": settings, "measured": measured}) + "\n")
        self._known[_key(settings)] = measured
        return measured

    def _settings(self, step: str, **own: Any) -> Measured:
        """Everything that a measurement depends on."""
        return {
            "step": step,
            "digest": self.about["digest"],
            "backbone": self.about["backbone"],
            "library": __version__,
            "machine": self.machine,
            "config": asdict(self._config),
        } | own

    def _name(self, scenes: int, number: int) -> str:
        """The name of the files of a training, unique to its settings."""
        digest = hashlib.sha256(_key(self._settings("training")).encode())
        return f"{digest.hexdigest()[:8]}-{scenes}-{number}"

    def _subset(self, share: float, scenes: int, trained: Sequence[Measured]) -> Subset:
        files = [self._out / "pairs" / f"{self._name(scenes, n)}.jsonl" for n in range(len(trained))]
        results = [list(map(json.loads, file.read_text(encoding="utf-8").splitlines())) for file in files]
        shares = np.mean([[row["share"] for row in rows] for rows in results], axis=0)
        names = [row["scene"] for row in results[0]]
        return Subset(
            share=share,
            scenes=scenes,
            pairs=fmean(each["pairs"] for each in trained),
            by_seed=tuple(each["binary_accuracy"] for each in trained),
            accuracy=interval(shares, bootstrap_means({"share": shares}, names)["share"]),
            seconds=tuple(each["seconds"] for each in trained),
            peak_bytes=max((each["peak_bytes"] for each in trained if each["peak_bytes"]), default=None),
        )


def _read_measurements(path: Path) -> dict[str, Measured]:
    """The measurements of earlier runs by settings, without lines that a killed run left incomplete."""
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            entry = json.loads(line)
            found[_key(entry["settings"])] = dict(entry["measured"])
        except (ValueError, KeyError, TypeError):
            continue
    return found


def _key(settings: Measured) -> str:
    return json.dumps(settings, sort_keys=True)


# The measurements. Each runs in a separate process, so that its peak memory is measured alone.


def in_child(work: Callable[..., Measured], *arguments: Any) -> Measured:
    """Run `work(*arguments)` in a new process and return its result.

    Raises:
        PerfectLookError: the work raised it, or the process was killed.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        try:
            return pool.submit(_portable, work, arguments).result()
        except BrokenProcessPool:
            raise PerfectLookError(
                f"{work.__name__}: the process was killed, probably because memory ran out. Free some memory "
                "or use a smaller share, and run the same command again to continue."
            ) from None


def _portable(work: Callable[..., Measured], arguments: tuple[Any, ...]) -> Measured:
    """Run the work; replace errors that cannot be unpickled by a plain `PerfectLookError`."""
    try:
        return work(*arguments)
    except PerfectLookError as error:
        if type(error).__init__ is PerfectLookError.__init__:
            raise
        raise PerfectLookError(str(error)) from None


def peak_bytes() -> int | None:
    """Return the peak memory of this process; None where the system does not report it.

    On Linux, `ru_maxrss` starts from the parent's peak, so this reads the process's own peak instead.
    """
    try:
        text = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        return next(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        return _resource_peak("RUSAGE_SELF")


def _resource_peak(whose: str) -> int | None:
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak: int = resource.getrusage(getattr(resource, whose)).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024)


def survey(root: Path, config: ModelConfig, workers: int | None) -> Measured:
    """Count what is in a set, and extract the missing features into the cache."""
    dataset = load_set(root)
    features = set_features(
        dataset,
        config.backbone,
        product_maps=config.needs_product_maps,
        workers=workers,
        progress=ProgressLine,
    )
    rows = [[pair.scene, pair.product, pair.box] for pair in dataset.pairs]
    catalogue = [[product.id, product.category] for product in dataset.products.values()]
    return {
        "set": dataset.name,
        "digest": hashlib.sha256(json.dumps([rows, catalogue]).encode()).hexdigest()[:16],
        "backbone": open_backbone(config.backbone).identity,
        "scenes": len(dataset.scenes),
        "pairs": len(dataset.pairs),
        "products": len(features.product_ids),
        "views": len(features.scene_views),
        "paired_products": len({pair.product for pair in features.pairs}),
        "pool": training_pool(features),
        "problems": [*dataset.problems, *features.problems],
    }


def measure_extraction(
    root: Path, config: ModelConfig, scenes: Collection[str], workers: int | None
) -> Measured:
    """Fingerprint and extract some scenes and their products into an empty cache."""
    with TemporaryDirectory(prefix="perfectlook-study-") as cache:
        os.environ["PERFECTLOOK_CACHE"] = cache  # for this process and its workers
        sample = only_scenes(load_set(root), scenes)
        started = time.perf_counter()
        features = set_features(
            sample, config.backbone, product_maps=config.needs_product_maps, workers=workers
        )
        seconds = time.perf_counter() - started
    processes = workers or worker_count()
    own, child = peak_bytes(), _resource_peak("RUSAGE_CHILDREN")
    return {
        "pictures": len(features.scene_views) + len(features.product_ids),
        "seconds": seconds,
        "workers": processes,
        "peak_bytes": None if own is None or child is None else own + processes * child,
    }


def measure_training(
    root: Path, config: TrainingConfig, left_out: Collection[str], model: Path, pairs: Path
) -> Measured:
    """Train on a set without the pairs of some scenes, from stored features; evaluate on the test split.

    Args:
        root: the set.
        config: the training settings.
        left_out: training scenes to leave out.
        model: folder of the model; it is replaced.
        pairs: file for the result of every test pair.
    """
    from perfectlook.training.train import train_on_features

    shutil.rmtree(model, ignore_errors=True)
    dataset = without_scenes(load_set(root), left_out)
    features = set_features(dataset, config.model.backbone, product_maps=config.model.needs_product_maps)
    started = time.perf_counter()
    record = train_on_features(features, model, config)
    trained = time.perf_counter()
    evaluation = evaluate_on_features(Model.open(model), features)
    evaluated = time.perf_counter()
    evaluation.write_pairs(pairs)
    return {
        "pairs": record.training["n_pairs"],
        "pictures": len(features.scene_views) + len(features.product_ids),
        "epoch": record.training["epoch"],
        "test_pairs": len(evaluation.results),
        "binary_accuracy": evaluation.overall.binary_accuracy.value,
        "seconds": trained - started,
        "evaluation_seconds": evaluated - trained,
        "peak_bytes": peak_bytes(),
    }


def write_vectors(root: Path, model: Path, file: Path) -> Measured:
    """Write the vectors of a set's products, and query points of its test scenes, into a file (npz)."""
    opened = Model.open(model)
    features = set_features(load_set(root), opened.backbone, product_maps=opened.needs_product_maps)
    products = opened.product_vectors(features)
    chosen = pair_indices(features, "test")[:QUERIES]
    scenes = opened.scene_embeddings(features, chosen)
    queries = [
        scenes[int(features.pair_scenes[index])].query_point(
            features.product_categories[int(features.pair_products[index])]
        )
        for index in chosen
    ]
    with file.open("wb") as target:
        np.savez(target, products=products, queries=np.stack(queries))
    return {"products": len(products), "queries": len(queries)}


def measure_search(file: Path, count: int) -> Measured:
    """Search `count` products of one category exactly, one query at a time: the worst case."""
    with file.open("rb") as source, np.load(source, allow_pickle=False) as stored:
        vectors, queries = repeated(stored["products"], count), stored["queries"]
    block = Block.empty(vectors.shape[1]).extended(np.arange(count), vectors)
    del vectors
    block.nearest(queries[:1], [K])
    seconds = []
    for place in range(QUERIES):
        query = queries[place % len(queries)][None]
        started = time.perf_counter()
        block.nearest(query, [K])
        seconds.append(time.perf_counter() - started)
    return {"products": count, "seconds": median(seconds), "peak_bytes": peak_bytes()}


def repeated(vectors: Float32Array, count: int) -> Float32Array:
    """Return `count` vectors: the given ones, then repetitions with noise, so that no two are equal."""
    noise = np.random.default_rng(0).standard_normal((count, vectors.shape[1]), np.float32)
    noise *= np.float32(NOISE) * vectors.std(axis=0)
    noise[: len(vectors)] = 0
    noise += np.resize(vectors, (count, vectors.shape[1]))
    return noise


# Nested subsets of the training scenes.


def training_pool(features: SetFeatures) -> list[str]:
    """Return the scenes that a set's final model is trained on, in the order of the subsets.

    These are the scenes of the training split without a copy in validation or test. With fewer than 500
    scenes, cross-validation makes the choices, and the validation split is included. The order is that of the
    md5 of the ids, which does not depend on the file.
    """
    held_out = scenes_of_split(features, "test")
    if not is_small(features.dataset):
        held_out |= scenes_of_split(features, "val")
    scenes = {features.pairs[index].scene for index in training_indices(features, held_out)}
    return sorted(scenes, key=lambda scene: hashlib.md5(scene.encode(), usedforsecurity=False).hexdigest())


def first_share(pool: Sequence[str], share: float) -> list[str]:
    """Return the first part of the pool, at least one scene; each share contains all smaller ones."""
    count = math.ceil(round(share * len(pool), 9))  # 0.07 · 100 is a little more than 7 in floating point
    return list(pool[: max(1, count)])


def without_scenes(dataset: Dataset, scenes: Collection[str]) -> Dataset:
    """Return the set without the pairs of some scenes.

    All scenes and products stay, so the catalogue, the candidates and the choice of the epoch do not change.
    """
    return dataclasses.replace(dataset, pairs=[pair for pair in dataset.pairs if pair.scene not in scenes])


def only_scenes(dataset: Dataset, scenes: Collection[str]) -> Dataset:
    """Return a smaller set: some scenes and the products of their pairs."""
    pairs = [pair for pair in dataset.pairs if pair.scene in scenes]
    products = {pair.product for pair in pairs}
    return dataclasses.replace(
        dataset,
        scenes={key: scene for key, scene in dataset.scenes.items() if key in scenes},
        products={key: product for key, product in dataset.products.items() if key in products},
        pairs=pairs,
    )


# The report: tables, JSON and a chart.


def answer(study: Study, budget: float) -> Advice:
    """Return how many scenes a budget of seconds allows.

    Raises:
        UsageError: it is too small for the smallest subset; the message names the smallest budget.
    """
    fewest = fewest_scenes(study.costs, study.subsets[0].share)
    found = advise(study.costs, budget, fewest)
    if found is None:
        least = duration_argument(study.costs.of_scenes(fewest).seconds)
        raise UsageError(
            f"--budget {duration_argument(budget)}: too small for the smallest share, a set of {fewest:,} "
            f"scenes. Pass at least --budget {least}."
        )
    return found


def write_report(study: Study, folder: Path, advice: Advice | None = None) -> None:
    """Write `study.json`, `study.md` and `study.png` into a folder."""
    text = json.dumps(to_json(study, advice), indent=2) + "\n"
    (folder / JSON).write_text(text, encoding="utf-8")
    parts = [f"### {title}\n\n{markdown_table(header, rows)}" for title, header, rows in tables(study)]
    (folder / MARKDOWN).write_text("\n\n".join([*parts, *notes(study, advice)]) + "\n", encoding="utf-8")
    draw(study, folder / CHART)


def to_text(study: Study, advice: Advice | None = None) -> str:
    """Return the report for a terminal."""
    parts = [f"{title}\n{plain_table(header, rows)}\n" for title, header, rows in tables(study)]
    return "\n".join([*parts, *notes(study, advice)])


def to_json(study: Study, advice: Advice | None = None) -> dict[str, Any]:
    """Return the report as JSON."""
    costs = study.costs
    return {
        "set": study.set_name,
        "machine": study.machine,
        "backbone": study.backbone,
        "seeds": study.seeds,
        "shape": asdict(costs.shape),
        "subsets": [
            asdict(each) | {"accuracy": {"value": each.accuracy.value, "ci95": list(each.accuracy[1:])}}
            for each in study.subsets
        ],
        "skipped": study.skipped,
        "gain_per_doubling": study.gain,
        "extraction": study.extraction,
        "search": study.searches,
        "growth": {name: asdict(growth) for name, _, growth in _growths(study)},
        "training_memory": asdict(costs.memory) if costs.memory else None,
        "releases": [
            asdict(release)
            | _cost(costs.of(release.pairs, release.products))
            | {"query_seconds": study.search.at(release.products)}
            for release in RELEASES
        ],
        "advice": None
        if advice is None
        else {"budget_seconds": advice.budget, "scenes": advice.scenes, "of": advice.of} | _cost(advice.cost),
    }


def tables(study: Study) -> list[Table]:
    """Return the tables of measurements and estimates."""
    of_set = f"{study.costs.shape.products:,} products repeated with noise"
    return [
        (
            "Accuracy by training scenes",
            [
                "share",
                "scenes",
                "pairs",
                "binary accuracy",
                "seeds, lowest to highest",
                "training",
                "peak memory",
            ],
            [
                [
                    f"{100 * each.share:g} %",
                    f"{each.scenes:,}",
                    f"{each.pairs:,.0f}",
                    with_bounds(each.accuracy),
                    f"{min(each.by_seed):.3f} to {max(each.by_seed):.3f}",
                    spoken(fmean(each.seconds)),
                    spoken_bytes(each.peak_bytes),
                ]
                for each in study.subsets
            ],
        ),
        (
            "Extraction",
            ["pictures", "time", "pictures a second", "peak memory, all processes"],
            [
                [
                    f"{each['pictures']:,}",
                    spoken(each["seconds"]),
                    f"{each['pictures'] / each['seconds']:.1f}",
                    spoken_bytes(each["peak_bytes"]),
                ]
                for each in study.extraction
            ],
        ),
        (
            f"Search: one query, {of_set}",
            ["products", "one query", "peak memory"],
            [
                [f"{each['products']:,}", spoken(each["seconds"]), spoken_bytes(each["peak_bytes"])]
                for each in study.searches
            ],
        ),
        (
            "Growth of the time: seconds ≈ constant · size ^ exponent",
            ["step", "exponent", "constant", "size", "measured up to"],
            [
                [name, f"{growth.exponent:.2f}", f"{growth.constant:.3g}", what, f"{growth.sizes[-1]:,.0f}"]
                for name, what, growth in _growths(study)
            ],
        ),
        ("Estimates for the whole releases on this machine", *_releases(study)),
    ]


def _releases(study: Study) -> tuple[list[str], list[list[str]]]:
    times = ["extraction", "training", "evaluation", "all"]
    rows = []
    for release in RELEASES:
        cost = study.costs.of(release.pairs, release.products)
        rows.append(
            [
                *(release.name, f"{release.pairs:,}", f"{release.products:,}"),
                *map(spoken, (cost.extraction, cost.training, cost.evaluation, cost.seconds)),
                *(spoken_bytes(cost.memory), spoken(study.search.at(release.products))),
            ]
        )
    return ["release", "pairs", "products", *times, "memory", "query"], rows


def _growths(study: Study) -> list[tuple[str, str, Growth]]:
    return [
        ("extraction", "pictures", study.costs.extraction),
        ("training", "training pairs", study.costs.training),
        ("search", "products", study.search),
    ]


def notes(study: Study, advice: Advice | None) -> list[str]:
    """Return the lines below the tables."""
    lines = [
        f"Machine: {study.machine}. Backbone: {study.backbone}. Seeds: {study.seeds}.",
        f"Set: {study.costs.shape.scenes:,} scenes, {study.costs.shape.pairs:,} pairs, "
        f"{study.costs.shape.products:,} products; test split: {study.costs.shape.test_pairs:,} pairs.",
    ]
    if study.gain is not None:
        lines.append(
            f"Each doubling of the training scenes changes the accuracy by {study.gain:+.3f} (least squares)."
        )
    lines += [f"Skipped: {each}" for each in study.skipped]
    return lines if advice is None else [*lines, advice_text(advice)]


def advice_text(advice: Advice) -> str:
    """Return the answer to a budget as a sentence."""
    steps = (
        f"extraction {spoken(advice.cost.extraction)}, training {spoken(advice.cost.training)}, "
        f"evaluation {spoken(advice.cost.evaluation)}"
    )
    within = f"Budget {duration_argument(advice.budget)}:"
    if advice.scenes < advice.of:
        return f"{within} use {advice.scenes:,} scenes of {advice.of:,} ({steps})."
    # two significant digits: the estimate is not more precise
    about = f"{float(f'{advice.scenes:.2g}'):,.0f}"
    more = f"; the budget is enough for about {about} scenes like these" if advice.scenes > advice.of else ""
    return f"{within} use all {advice.of:,} scenes ({steps}){more}."


def draw(study: Study, path: Path) -> None:
    """Draw accuracy against scenes, and training time against pairs with the fit."""
    figure = new_figure(10, 4)
    left, right = figure.subplots(1, 2)
    scenes = [each.scenes for each in study.subsets]
    values = [each.accuracy.value for each in study.subsets]
    below = [max(0.0, each.accuracy.value - each.accuracy.low) for each in study.subsets]
    above = [max(0.0, each.accuracy.high - each.accuracy.value) for each in study.subsets]
    left.errorbar(scenes, values, yerr=[below, above], fmt="o-", capsize=3, label="mean, 95 % over scenes")
    for each in study.subsets:
        left.plot([each.scenes] * len(each.by_seed), each.by_seed, "_", color="0.4", zorder=0)
        right.plot([each.pairs] * len(each.seconds), each.seconds, ".", color="tab:blue")
    left.axhline(0.5, color="0.7", linestyle=":", zorder=0)
    left.set(
        xscale="log", xlabel="training scenes (dashes: single seeds)", ylabel="binary accuracy, test split"
    )
    growth, last = study.costs.training, max(release.pairs for release in RELEASES)
    curve = [growth.sizes[0] * (last / growth.sizes[0]) ** (step / 60) for step in range(61)]
    right.plot(curve, [growth.constant * size**growth.exponent for size in curve], color="0.5", label="fit")
    right.plot(curve, [growth.at(size) for size in curve], color="tab:orange", label="estimate")
    right.set(xscale="log", yscale="log", xlabel="training pairs", ylabel="training, seconds")
    for axes in (left, right):
        axes.legend(frameon=False, fontsize="small")
        axes.grid(alpha=0.3)
    figure.suptitle(study.set_name, fontsize="medium")
    save_chart(figure, path)


def _cost(cost: Cost) -> dict[str, Any]:
    return {
        "extraction_seconds": cost.extraction,
        "training_seconds": cost.training,
        "evaluation_seconds": cost.evaluation,
        "seconds": cost.seconds,
        "memory_bytes": cost.memory,
    }


if __name__ == "__main__":
    sys.exit(main())
