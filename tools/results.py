"""Train every variant and every baseline on every set, compare them on the test split, write docs/results.*.

    make results    (or: .venv/bin/python tools/results.py [--sets NAME ...] [--only NAME ...])
    .venv/bin/python tools/results.py --cross-validate    (docs/cross-validation.*)

The sets are read from the folder that PERFECTLOOK_DATA names. What is trained with the same settings on the
same set is not trained again (after a change of the code: --fresh), and a training that was stopped goes on:
a run that was broken off is simply repeated. Models, settings and logs lie in the work folder (out/results).
docs/results.md is what this prints.

With --cross-validate, sets of any size are chosen on by five-fold cross-validation: the figures are then over
all scenes but the test ones, nine times as many as the test split has, so that smaller leads show.
"""

import argparse
import datetime
import json
import sys
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from perfectlook import __version__
from perfectlook.data import Dataset, load_set
from perfectlook.data.scenes import is_small
from perfectlook.errors import DatasetError, PerfectLookError, TrainingError, UsageError
from perfectlook.evaluation.comparison import Comparison, compare
from perfectlook.evaluation.protocol import Interval, paired_difference
from perfectlook.evaluation.tables import markdown_table, with_bounds
from perfectlook.features.set_features import set_features
from perfectlook.files import data_folder, worker_count
from perfectlook.model.config import ModelConfig
from perfectlook.model.files import ModelRecord
from perfectlook.progress import ProgressLine
from perfectlook.training.validation import HeldOut
from trainings import Entrant, Settings, Training
from units import describe_machine

DEFAULT = "default"
SETS = ("stl-fashion", "ccp-looks", "ikea-rooms")

VARIANTS: dict[str, Settings] = {
    DEFAULT: {},
    "global": {"mode": "global"},
    "local": {"mode": "local"},
    "published": asdict(ModelConfig.published()) | {"negatives": 1, "averaging": 0.0},
    "no-memory": {"memory": 0},
    "l2": {"distance": "l2"},
    "autoencoder": {"encoder": "autoencoder"},
    "recurrent": {"encoder": "recurrent"},
    "mixing-per-category": {"learn_mixing": True},
    "dimension-128": {"dimension": 128},
    "equal-features": {"scaling": "features"},
    "last-weights": {"averaging": 0.0},
    "no-closed-form": {"linear_path": "none"},
    "lite0": {"backbone": "efficientnet-lite0"},
    "lite0+lite2": {"backbone": "efficientnet-lite0+efficientnet-lite2"},
    "head-map": {"backbone": "efficientnet-lite2-head"},
}
"""What is trained: name to the settings that differ from the defaults (`TrainingConfig.replaced`)."""

BASELINES: dict[str, tuple[str, Settings]] = {
    "popularity": ("popularity", {}),
    "visual": ("visual", {}),
    "ridge-head": ("ridge", {"global_features": "head"}),
    "ridge-style": ("ridge", {"global_features": "style"}),
    "ridge": ("ridge", {}),
    "ridge-start": ("ridge", {"scaling": "stages", "ridge_choose": True}),
    "ibr": ("ibr", {}),
    "siamese": ("siamese", {}),
    "bpr-dae": ("bpr-dae", {}),
}
"""What they are compared with: name to `--baseline` and its settings."""

CLOSEST = (DEFAULT, "ridge-style", "ridge", "ibr")
"""What is cross-validated unless others are named: the default, and the baselines nearest to it."""

ROOT = Path(__file__).parents[1]


def main(argv: Sequence[str] | None = None) -> int:
    """Train what is missing, compare, write and print; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--sets", nargs="+", default=list(SETS), metavar="NAME", help="folders of PERFECTLOOK_DATA"
    )
    parser.add_argument("--only", nargs="+", metavar="NAME", help=f"these and '{DEFAULT}' alone")
    parser.add_argument("--work", type=Path, default=ROOT / "out" / "results", metavar="FOLDER")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", metavar="FOLDER")
    parser.add_argument("--jobs", type=int, default=worker_count(), metavar="N", help="trainings at once")
    parser.add_argument("--cross-validate", action="store_true", help=f"of {', '.join(CLOSEST)} or --only")
    training = parser.add_mutually_exclusive_group()
    training.add_argument("--fresh", action="store_true", help="train everything again")
    training.add_argument("--done", action="store_true", help="train nothing: compare what has been trained")
    arguments = parser.parse_args(argv)
    try:
        sets = find_sets(arguments.sets)
        by_folds = arguments.cross_validate
        chosen = entrants(arguments.only or (CLOSEST if by_folds else None), cross_validate=by_folds)
        page = "cross-validation" if by_folds else "results"
        trainings = [
            Training(entrant, dataset, arguments.work / page / dataset.name / entrant.name)
            for dataset in sets
            for entrant in chosen
        ]
        if not arguments.done:
            extract(sets, chosen)
            train(trainings, max(1, arguments.jobs), fresh=arguments.fresh)
        print(report(sets, trainings, arguments.docs, page), end="")
        return 1 if any(each.done is None for each in trainings) else 0
    except PerfectLookError as error:
        print(f"results: error: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1


def find_sets(names: Sequence[str]) -> list[Path]:
    """The folders of the sets.

    Raises:
        DatasetError: there is no folder of data, or a set is missing in it.
    """
    data = data_folder()
    if data is None:
        raise DatasetError(
            "no data: PERFECTLOOK_DATA names no folder; set it to the one that holds " + ", ".join(names)
        )
    missing = [name for name in names if not (data / name / "pairs.jsonl").is_file()]
    if missing:
        raise DatasetError(f"{data}: holds no set {' and no set '.join(missing)}; choose others with --sets")
    return [data / name for name in names]


def entrants(only: Sequence[str] | None = None, *, cross_validate: bool = False) -> list[Entrant]:
    """All that is trained, the default first; settings that cannot be used are found before any training.

    Args:
        only: names of those that are trained beside the default; by default all.
        cross_validate: whether to choose by cross-validation whatever the size of the set.

    Raises:
        UsageError: an unknown name, unknown settings or an unknown baseline.
    """
    more = {"cross_validate": True} if cross_validate else {}
    known = [Entrant(name, None, {**settings, **more}) for name, settings in VARIANTS.items()]
    known += [Entrant(name, kind, {**settings, **more}) for name, (kind, settings) in BASELINES.items()]
    names = [each.name for each in known]
    for name in only or ():
        if name not in names:
            raise UsageError(f"--only {name}: unknown; there are {', '.join(names)}")
    chosen = [each for each in known if only is None or each.name in (*only, DEFAULT)]
    for each in chosen:
        each.model  # noqa: B018 (raises what is wrong with the settings)
    return chosen


def extract(sets: Sequence[Path], chosen: Sequence[Entrant]) -> None:
    """Extract all features that trainings will read, so that they do not all do it at once."""
    models = [each.model for each in chosen]
    for dataset in map(load_set, sets):
        for backbone in dict.fromkeys(model.backbone for model in models):
            maps = any(model.needs_product_maps for model in models if model.backbone == backbone)
            set_features(dataset, backbone, product_maps=maps, progress=ProgressLine)


def train(trainings: Sequence[Training], jobs: int, *, fresh: bool) -> None:
    """Run the trainings that are not done, several at once; those that fail are told and left out."""
    missing = [each for each in trainings if fresh or each.done is None]
    tell(f"{len(trainings)} trainings, {len(trainings) - len(missing)} of them done before")
    threads = max(1, worker_count() // jobs)
    with ThreadPoolExecutor(jobs) as pool:
        running = {pool.submit(each.run, threads, fresh=fresh): each for each in missing}
        for place, future in enumerate(as_completed(running), 1):
            try:
                tell(f"[{place}/{len(missing)}] {running[future].label}: {future.result()}")
            except TrainingError as error:
                tell(f"[{place}/{len(missing)}] {error}")


def report(sets: Sequence[Path], trainings: Sequence[Training], docs: Path, page: str = "results") -> str:
    """Compare the models of every set, write docs/PAGE.json, .md and the charts; returns the Markdown.

    Args:
        sets: folders of the sets.
        trainings: those that were wanted; those that are not done are named.
        docs: the folder to write to.
        page: the name of the files.

    Raises:
        TrainingError: the default model of a set is not there.
    """
    found: dict[str, Any] = {}
    sections = []
    for folder in sets:
        wanted = [each for each in trainings if each.dataset == folder]
        of_set = [each for each in wanted if each.done]
        if DEFAULT not in {each.entrant.name for each in of_set}:
            raise TrainingError(
                f"{folder.name}: the model '{DEFAULT}' is not trained; a log beside it may say why"
            )
        dataset = load_set(folder)
        comparison = compare([each.folder for each in of_set], dataset, reference=DEFAULT)
        comparison.draw(docs / f"{page}-{folder.name}.svg")
        found[folder.name] = with_training(comparison, of_set)
        missing = [each.entrant.name for each in wanted if not each.done]
        sections.append(section(folder.name, dataset, comparison, of_set, page, missing))
    document = {"date": today(), "machine": describe_machine(), "library": __version__, "sets": found}
    (docs / f"{page}.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    top = heading() if page == "results" else heading_by_folds([folder.name for folder in sets])
    text = "\n".join([top, *sections, settings_section({each.entrant.name for each in trainings})])
    (docs / f"{page}.md").write_text(text, encoding="utf-8")
    return text


def heading() -> str:
    """What the page is, and how it is made again."""
    return f"""# Results

Written by `make results`, which trains and compares everything below and prints this page. {today()},
{describe_machine()}, perfectlook {__version__}.

Binary accuracy and the other figures are those of [the protocol](evaluation.md), on the test split, over
scenes without the product, with 95 % intervals over scenes. "{DEFAULT} minus this" is the difference in
binary accuracy by a paired bootstrap over the same scenes; "above 0" says whether its whole interval is.
Training times are wall time of trainings that ran side by side, whatever else the machine did
meanwhile. By hand:

    perfectlook train SET --out MODEL --config SETTINGS.toml
    perfectlook train SET --out MODEL --config SETTINGS.toml --baseline NAME
    perfectlook compare MODEL OTHER SET --split test
"""


def heading_by_folds(sets: Sequence[str]) -> str:
    """The same of the page of --cross-validate."""
    return f"""# Cross-validated results

Written by `python tools/results.py --cross-validate --sets {" ".join(sets)}`, which prints this page.
{today()}, {describe_machine()}, perfectlook {__version__}.

The default and the baselines nearest to it, each chosen by five-fold cross-validation by scene over all
scenes but the test ones, then trained on all of these (`cross_validate = true`). "cross-validated" is the
accuracy over the scenes of the five folds, each placed by a model that has not seen it. The number of epochs
and the other choices were made by that figure, for the model and the baselines alike: all are a little
optimistic. The other columns are those of [the results](results.md), on the test split. By hand:

    perfectlook train SET --out MODEL --config SETTINGS.toml
    perfectlook train SET --out MODEL --config SETTINGS.toml --baseline NAME
"""


def section(
    name: str,
    dataset: Dataset,
    comparison: Comparison,
    trainings: Sequence[Training],
    page: str,
    missing: Sequence[str] = (),
) -> str:
    """The page's part on one set."""
    header, rows = comparison.table()
    columns = list(more_columns(trainings))
    header = [*header, *(title for title, _ in columns)]
    rows = [[*row, *(column[row[0]] for _, column in columns)] for row in rows]
    best = next((each.label for each in comparison.models if each.label in BASELINES), None)
    parts = [f"## {name}", comparison.title() + ".", *comparison.notes()]
    if is_small(dataset):
        parts.append(
            "The set is small, and so is its test split: the figure to read is the cross-validated one, over "
            "all other scenes, by which the number of epochs was chosen too."
        )
    if missing:
        parts.append(f"Not trained on this set: {', '.join(missing)}.")
    parts += [markdown_table(header, rows), f"![binary accuracy of every model]({page}-{name}.svg)"]
    parts += [
        "By category:",
        markdown_table(*comparison.category_table([DEFAULT, *([best] if best else [])])),
    ]
    return "\n\n".join(parts) + "\n"


def more_columns(trainings: Sequence[Training]) -> Iterator[tuple[str, dict[str, str]]]:
    """What the comparison does not know: cross-validated accuracies where there are, and training times."""
    if any(cross_validated(each.folder) for each in trainings if each.entrant.name == DEFAULT):
        yield (
            "cross-validated",
            {each.entrant.name: with_bounds(cross_validated(each.folder)) for each in trainings},
        )
        leads = {each.entrant.name: cross_validated_lead(each, trainings) for each in trainings}
        yield (
            f"{DEFAULT} minus this, cross-validated",
            {n: with_bounds(x, signed=True) for n, x in leads.items()},
        )
        yield "above 0", {n: "–" if x is None else "yes" if x.low > 0 else "no" for n, x in leads.items()}
    yield "trained in", {each.entrant.name: each.took for each in trainings}


def cross_validated(folder: Path) -> Interval | None:
    """The cross-validated binary accuracy in a model's record, if it has one."""
    training = ModelRecord.read(folder).training
    accuracy = training.get("binary_accuracy")
    if not accuracy or "cross-validation" not in str(training.get("chosen_on")):
        return None
    return Interval(accuracy["value"], accuracy["low"], accuracy["high"])


def cross_validated_lead(training: Training, trainings: Sequence[Training]) -> Interval | None:
    """How much higher the default's cross-validated accuracy is, paired over the same scenes."""
    default = next(each for each in trainings if each.entrant.name == DEFAULT)
    if training is default or not cross_validated(training.folder):
        return None
    ours, theirs = HeldOut.read(default.folder), HeldOut.read(training.folder)
    return lead_over(ours, theirs) if ours and theirs else None


def lead_over(ours: HeldOut, theirs: HeldOut) -> Interval | None:
    """How much higher our accuracy is, paired over scenes; None where the pairs are not the same."""
    own, other = ours.by_scene(), theirs.by_scene()
    if {scene: len(each) for scene, each in own.items()} != {s: len(each) for s, each in other.items()}:
        return None
    scenes = [scene for scene in sorted(own) for _ in own[scene]]
    first, second = (
        np.asarray([share for scene in sorted(found) for share in found[scene]], np.float64)
        for found in (own, other)
    )
    return paired_difference(first, second, scenes) if scenes else None


def with_training(comparison: Comparison, trainings: Sequence[Training]) -> dict[str, Any]:
    """The comparison as JSON, with how each model was trained."""
    found = comparison.to_dict()
    by_name = {each.entrant.name: each for each in trainings}
    for model in found["models"]:
        training = by_name[model["model"]]
        accuracy = cross_validated(training.folder)
        lead = cross_validated_lead(training, trainings) if accuracy else None
        model["trained"] = {
            "baseline": training.entrant.baseline,
            "settings": dict(training.entrant.settings),
            "took": training.took,
            "cross_validated": accuracy._asdict() if accuracy else None,
            "default_minus_this_cross_validated": lead._asdict() if lead else None,
        }
    return found


def settings_section(names: Collection[str]) -> str:
    """Which settings each of some names stands for."""
    rows = [[name, "", said(settings)] for name, settings in VARIANTS.items()]
    rows += [[name, f"--baseline {kind}", said(settings)] for name, (kind, settings) in BASELINES.items()]
    rows = [row for row in rows if row[0] in names]
    return "## What the names stand for\n\n" + markdown_table(["name", "flag", "settings"], rows) + "\n"


def said(settings: Settings) -> str:
    """Settings in one line."""
    return ", ".join(f"{key} = {json.dumps(value)}" for key, value in settings.items()) or "the defaults"


def today() -> str:
    """The date, as the page shows it."""
    return datetime.datetime.now(datetime.UTC).date().isoformat()


def tell(line: str) -> None:
    """Say how it goes; standard output is the page's."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
