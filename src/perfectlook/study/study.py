"""The whole study: measures what was not measured before, then puts it together."""

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from perfectlook import __version__
from perfectlook.errors import DatasetError, TrainingError, UsageError
from perfectlook.evaluation.metrics import Interval, bootstrap_means, interval
from perfectlook.study.child import in_child
from perfectlook.study.growth import Growth, Line, gain_per_doubling
from perfectlook.study.machine import describe_machine
from perfectlook.study.points import Measured, Measurements
from perfectlook.study.projection import RELEASES, Costs, Shape
from perfectlook.study.steps import (
    measure_extraction,
    measure_search,
    measure_training,
    survey,
    write_vectors,
)
from perfectlook.study.subsets import first_share
from perfectlook.training.config import TrainingConfig
from perfectlook.types import Problem

SHARES = (0.01, 0.03, 0.1, 0.3, 1.0)
SEEDS = 3
PICTURES = (60, 180, 540)
"""About so many pictures are extracted to measure how long that takes."""
PRODUCTS = (1_000, 3_000, 10_000, *(release.products for release in RELEASES))
"""Catalogues that are searched."""

POINTS, MODELS, RESULTS = "study.jsonl", "models", "pairs"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Subset:
    """A share of the training scenes, and how the models trained on it did on the test split.

    Attributes:
        share: of the training scenes.
        scenes: how many those are.
        pairs: training pairs, on average over the seeds.
        by_seed: binary accuracy of each seed's model.
        accuracy: the mean over the seeds, with its interval over resampled test scenes.
        seconds: of each training.
        peak_bytes: the most memory of any of the trainings; None where the system does not tell.
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
    """All that a study found.

    Attributes:
        set_name: of the set.
        machine: that it ran on, in words.
        backbone: identity of the backbone.
        seeds: how many trainings of each subset.
        subsets: the smallest first.
        skipped: what was too small to train on, and why.
        extraction: measurements of extraction.
        searches: measurements of search.
        costs: what sets of this shape cost.
        search: growth of a query's seconds with the products searched.
        gain: accuracy gained when the scenes double; None for one subset.
        problems: everything wrong in the set.
    """

    set_name: str
    machine: str
    backbone: str
    seeds: int
    subsets: tuple[Subset, ...]
    skipped: tuple[str, ...]
    extraction: tuple[Measured, ...]
    searches: tuple[Measured, ...]
    costs: Costs
    search: Growth
    gain: float | None
    problems: tuple[Problem, ...] = ()


def run_study(
    dataset: Path,
    out: Path,
    *,
    config: TrainingConfig | None = None,
    shares: Sequence[float] = SHARES,
    seeds: int = SEEDS,
    pictures: Sequence[int] = PICTURES,
    products: Sequence[int] = PRODUCTS,
    workers: int | None = None,
    say: Say | None = None,
) -> Study:
    """Study how accuracy and cost grow with a set.

    Every measurement is written into `out` when it is made, and taken from there by the next run with the
    same settings on the same machine.

    Args:
        dataset: folder of the set.
        out: folder of the study; made if missing.
        config: how models are trained; seeds count from its seed.
        shares: parts of the training scenes, each above 0 and at most 1.
        seeds: trainings of each.
        pictures: how many are extracted to measure the extraction.
        products: how many are searched to measure the search.
        workers: processes that extract features.
        say: told of every step before it starts.

    Raises:
        UsageError: a share is out of range, or there are none.
        DatasetError: the set cannot be read, or nothing of it can be trained on.
        TrainingError: no subset is large enough to train on.
    """
    checked = _checked(shares)
    for folder in (out, out / MODELS, out / RESULTS):
        folder.mkdir(parents=True, exist_ok=True)
    run = _Run(dataset, out, config or TrainingConfig(), workers, say or _nobody)
    extraction = run.extraction(pictures)
    subsets = run.subsets(checked, seeds)
    searches = run.search(products, subsets[-1].scenes)
    shape = Shape(
        scenes=run.about["scenes"],
        pairs=run.about["pairs"],
        products=run.about["products"],
        views=run.about["views"],
        # of all training scenes, also where the largest share studied is less
        training_pairs=max(1, round(subsets[-1].pairs * len(run.pool) / subsets[-1].scenes)),
        test_pairs=run.trained[-1]["test_pairs"],
    )
    return Study(
        set_name=run.about["set"],
        machine=run.machine,
        backbone=run.about["backbone"],
        seeds=seeds,
        subsets=tuple(subsets),
        skipped=tuple(run.skipped),
        extraction=tuple(extraction),
        searches=tuple(searches),
        costs=Costs(
            shape=shape,
            extraction=Growth.fit([(each["pictures"], each["seconds"]) for each in extraction]),
            training=Growth.fit([(each["pairs"], each["seconds"]) for each in run.trained]),
            memory=_line([(each["pictures"], each["peak_bytes"]) for each in run.trained]),
            evaluation_seconds=float(np.median([each["evaluation_seconds"] for each in run.trained])),
        ),
        search=Growth.fit([(each["products"], each["seconds"]) for each in searches]),
        gain=gain_per_doubling([(each.scenes, each.accuracy.value) for each in subsets]),
        problems=tuple(run.about["problems"]),
    )


class _Run:
    """The set, what was measured of it before, and the steps that measure the rest."""

    def __init__(
        self, dataset: Path, out: Path, config: TrainingConfig, workers: int | None, say: Say
    ) -> None:
        self._dataset = dataset
        self._out = out
        self._config = config
        self._workers = workers
        self._say = say
        self._measurements = Measurements(out / POINTS)
        self.machine = describe_machine()
        self.about = in_child(survey, dataset, config.model, workers)
        self.pool: list[str] = self.about["pool"]
        self.trained: list[Measured] = []
        self.skipped: list[str] = []
        if not self.pool:
            raise DatasetError(
                f"{dataset}: no scene can be trained on (their pairs are unusable, or all are in the "
                "test split or have copies there); add scenes with pairs"
            )

    def extraction(self, pictures: Sequence[int]) -> list[Measured]:
        """Extract more and more scenes."""
        of_scene = (self.about["views"] + self.about["paired_products"]) / self.about["scenes"]
        counts = {min(len(self.pool), max(1, round(count / of_scene))) for count in pictures}
        return [self._extraction(count) for count in sorted(counts)]

    def subsets(self, shares: Sequence[float], seeds: int) -> list[Subset]:
        """Train on each share with each seed; those that are too small to train on are skipped."""
        counts = {len(first_share(self.pool, share)): share for share in shares}
        found: list[Subset] = []
        failure: TrainingError | None = None
        for scenes, share in counts.items():
            try:
                trained = [self._training(scenes, n) for n in range(seeds)]
            except TrainingError as error:
                failure = error
                self.skipped.append(f"{100 * share:g} % ({scenes:,} scenes): {error}")
                continue
            self.trained += trained
            found.append(self._subset(share, scenes, trained))
        if failure is not None and not found:
            raise failure
        return found

    def search(self, products: Sequence[int], scenes: int) -> list[Measured]:
        """Search more and more products, with the vectors of the first model trained on so many scenes."""
        model = self._out / MODELS / self._name(scenes, 0)
        vectors = model.with_suffix(".npz")
        settings = {count: self._settings("search", scenes=scenes, products=count) for count in products}
        if any(self._measurements.get(each) is None for each in settings.values()) and not vectors.exists():
            self._say("embedding the products that searches are measured on")
            in_child(write_vectors, self._dataset, model, vectors)
        return [
            self._measured(each, f"searching {count:,} products", measure_search, vectors, count)
            for count, each in settings.items()
        ]

    def _extraction(self, scenes: int) -> Measured:
        return self._measured(
            self._settings("extraction", scenes=scenes, workers=self._workers),
            f"extracting {scenes:,} scenes with their products into a fresh store",
            measure_extraction,
            self._dataset,
            self._config.model,
            frozenset(self.pool[:scenes]),
            self._workers,
        )

    def _training(self, scenes: int, number: int) -> Measured:
        name = self._name(scenes, number)
        model, results = self._out / MODELS / name, self._out / RESULTS / f"{name}.jsonl"
        settings = self._settings("training", scenes=scenes, number=number)
        if not (results.exists() and (number > 0 or model.exists())):  # somebody has tidied up
            self._measurements.forget(settings)
        measured = self._measured(
            settings,
            f"training on {scenes:,} of {len(self.pool):,} scenes, {number + 1}",
            measure_training,
            self._dataset,
            dataclasses.replace(self._config, seed=self._config.seed + number),
            frozenset(self.pool[scenes:]),
            model,
            results,
        )
        if number > 0:  # the first of each share stays: searches are measured with its vectors
            shutil.rmtree(model, ignore_errors=True)
        return measured

    def _name(self, scenes: int, number: int) -> str:
        """What the files of a training are called: no two settings share a name."""
        digest = hashlib.sha256(json.dumps(self._settings("training"), sort_keys=True).encode())
        return f"{digest.hexdigest()[:8]}-{scenes}-{number}"

    def _measured(
        self, settings: dict[str, Any], what: str, work: Callable[..., Measured], *arguments: Any
    ) -> Measured:
        known = self._measurements.get(settings)
        if known is not None:
            self._say(f"{what}: measured before")
            return known
        self._say(what)
        measured = in_child(work, *arguments)
        self._measurements.add(settings, measured)
        return measured

    def _settings(self, step: str, **own: Any) -> dict[str, Any]:
        """All that a measurement depends on."""
        return {
            "step": step,
            "digest": self.about["digest"],
            "backbone": self.about["backbone"],
            "library": __version__,
            "machine": self.machine,
            "config": asdict(self._config),
        } | own

    def _subset(self, share: float, scenes: int, trained: Sequence[Measured]) -> Subset:
        files = [self._out / RESULTS / f"{self._name(scenes, n)}.jsonl" for n in range(len(trained))]
        results = [_read_results(file) for file in files]
        shares = np.mean([[row["share"] for row in rows] for rows in results], axis=0)
        names = [row["scene"] for row in results[0]]
        peaks = [each["peak_bytes"] for each in trained if each["peak_bytes"] is not None]
        return Subset(
            share=share,
            scenes=scenes,
            pairs=float(np.mean([each["pairs"] for each in trained])),
            by_seed=tuple(each["binary_accuracy"] for each in trained),
            accuracy=interval(shares, bootstrap_means({"share": shares}, names)["share"]),
            seconds=tuple(each["seconds"] for each in trained),
            peak_bytes=max(peaks, default=None),
        )


def _checked(shares: Sequence[float]) -> list[float]:
    for share in shares:
        if not 0 < share <= 1:
            raise UsageError(f"share {share:g}: must be above 0 and at most 1 (1 is all training scenes)")
    if not shares:
        raise UsageError("no share to study; name one or more, such as 0.1 0.3 1")
    return sorted(set(shares))


def _line(points: Sequence[tuple[float, float | None]]) -> Line | None:
    known = [(size, cost) for size, cost in points if cost is not None]
    return Line.fit(known) if known else None


def _read_results(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _nobody(_: str) -> None:
    """The listener of a study that nobody watches."""
