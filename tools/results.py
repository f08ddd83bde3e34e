"""Train every variant and every baseline on every set, compare them on the test split, write docs/results.*.

    make results    (or: .venv/bin/python tools/results.py [--sets NAME ...] [--only NAME ...])
    .venv/bin/python tools/results.py --cross-validate    (writes docs/cross-validation.*)
    .venv/bin/python tools/results.py --render            (writes docs/results.md from docs/results.json)

PERFECTLOOK_DATA names the folder of the sets. A model that was trained with the same settings on the same set
is not trained again; after a change of the code, pass --fresh. A stopped run continues when you start it
again. Models, settings and logs are in the work folder (out/results). The command prints the page that it
writes.

With --cross-validate, sets of any size make their choices by five-fold cross-validation. Its figures cover
all scenes but the test ones, nine times as many as the test split has, so they show smaller differences.
"""

import argparse
import datetime
import json
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from perfectlook import __version__
from perfectlook.data import load_set
from perfectlook.errors import DatasetError, PerfectLookError, TrainingError, UsageError
from perfectlook.evaluation.comparison import Comparison, compare
from perfectlook.evaluation.protocol import Interval, paired_difference
from perfectlook.evaluation.tables import markdown_table, with_bounds
from perfectlook.features.set_features import set_features
from perfectlook.files import data_folder, worker_count
from perfectlook.model.config import ModelConfig
from perfectlook.model.files import ModelRecord
from perfectlook.progress import ProgressLine
from perfectlook.training.config import TrainingConfig
from perfectlook.training.validation import HeldOut
from trainings import Recipe, Settings, Training
from units import describe_machine, spoken

DEFAULT = "default"
AT = "@"
SETS = ("stl-fashion", "ccp-looks", "ikea-rooms")

VARIANTS: dict[str, Settings] = {
    DEFAULT: {},
    "global": {"mode": "global"},
    "local": {"mode": "local"},
    **{
        f"published{AT}{rate}": asdict(ModelConfig.published())
        | {"negatives": 1, "averaging": 0.0, "learning_rate": rate, "attention_learning_rate": rate}
        for rate in (0.001, 0.003)
    },
    "no-mixture": {"mixture": False},
}
"""The variants: name to the settings that differ from the defaults (`TrainingConfig.replaced`).

Of variants with the same name before the @, only the one that is best on held-out scenes gets into the page.
Variants that taught nothing more are left out, so that a run takes under 90 minutes on two idle cores: no
memory, a random start, another number of dimensions, Lite0 instead of Lite2 or together with it, the
feature map of the head, plain norms, every feature of equal weight, an autoencoder, a recurrent encoder, a
learned mixing for each category, the last weights instead of their average, and a network over Lite2 with
DINOv2 (`mixture-dinov2` has both). docs/explanation/experiments.md has their last figures.
"""

BASELINES: dict[str, tuple[str, Settings]] = {
    "popularity": ("popularity", {}),
    "visual": ("visual", {}),
    "prior": ("prior", {}),
    "mixture": ("mixture", {}),
    "mixture-dinov2": ("mixture", {"backbone": "efficientnet-lite2+dinov2-small"}),
    "ridge-head": ("ridge", {"global_features": "head"}),
    "ridge-style": ("ridge", {"global_features": "style"}),
    "ridge": ("ridge", {}),
    "ibr": ("ibr", {}),
    "siamese": ("siamese", {}),
    "bpr-dae": ("bpr-dae", {}),
}
"""The baselines: name to `--baseline` and its settings."""

CLOSEST = (DEFAULT, "ridge-style", "ridge", "ibr")
"""The models of --cross-validate without --only: the default and the baselines closest to it."""

ROOT = Path(__file__).parents[1]


def main(argv: Sequence[str] | None = None) -> int:
    """Train what is missing, compare, write and print the page; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--sets", nargs="+", default=list(SETS), metavar="NAME", help="sets in the folder PERFECTLOOK_DATA"
    )
    parser.add_argument("--only", nargs="+", metavar="NAME", help=f"only '{DEFAULT}' and these models")
    parser.add_argument("--work", type=Path, default=ROOT / "out" / "results", metavar="FOLDER")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", metavar="FOLDER")
    parser.add_argument("--jobs", type=int, default=worker_count(), metavar="N", help="parallel trainings")
    parser.add_argument(
        "--cross-validate", action="store_true", help=f"cross-validate {', '.join(CLOSEST)}, or --only"
    )
    training = parser.add_mutually_exclusive_group()
    training.add_argument("--fresh", action="store_true", help="train everything again")
    training.add_argument("--done", action="store_true", help="train nothing; compare the models that exist")
    training.add_argument("--render", action="store_true", help="write the page from its JSON alone")
    arguments = parser.parse_args(argv)
    by_folds = arguments.cross_validate
    page = "cross-validation" if by_folds else "results"
    try:
        if arguments.render:
            print(render(arguments.docs, page), end="")
            return 0
        sets = find_sets(arguments.sets)
        chosen = recipes(arguments.only or (CLOSEST if by_folds else None), cross_validate=by_folds)
        trainings = [
            Training(recipe, dataset, arguments.work / page / dataset.name / recipe.name)
            for dataset in sets
            for recipe in chosen
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
    """Return the folders of the sets.

    Raises:
        DatasetError: PERFECTLOOK_DATA names no folder, or a set is missing in it.
    """
    data = data_folder()
    if data is None:
        raise DatasetError(
            f"PERFECTLOOK_DATA: names no folder. Set it to the folder that holds {', '.join(names)}."
        )
    missing = [name for name in names if not (data / name / "pairs.jsonl").is_file()]
    if missing:
        raise DatasetError(f"{data}: has no set {', '.join(missing)}. Choose other sets with --sets.")
    return [data / name for name in names]


def recipes(only: Sequence[str] | None = None, *, cross_validate: bool = False) -> list[Recipe]:
    """Return the models to train, the default first, and check their settings before any training.

    Args:
        only: names of the models to train in addition to the default; by default all.
        cross_validate: choose by cross-validation for sets of any size.

    Raises:
        UsageError: an unknown name, unknown settings or an unknown baseline.
    """
    more = {"cross_validate": True} if cross_validate else {}
    known = [Recipe(name, None, {**settings, **more}) for name, settings in VARIANTS.items()]
    known += [Recipe(name, kind, {**settings, **more}) for name, (kind, settings) in BASELINES.items()]
    names = [each.name for each in known]
    for name in only or ():
        if name not in names:
            raise UsageError(f"--only: unknown model '{name}'. Choose one of: {', '.join(names)}.")
    chosen = [each for each in known if only is None or each.name in (*only, DEFAULT)]
    for each in chosen:
        each.model  # noqa: B018 (checks the settings)
    return chosen


def extract(sets: Sequence[Path], chosen: Sequence[Recipe]) -> None:
    """Extract all features before the parallel trainings, so that each is extracted once."""
    models = [each.model for each in chosen]
    for dataset in map(load_set, sets):
        for backbone in dict.fromkeys(model.backbone for model in models):
            maps = any(model.needs_product_maps for model in models if model.backbone == backbone)
            set_features(dataset, backbone, product_maps=maps, progress=ProgressLine)


def train(trainings: Sequence[Training], jobs: int, *, fresh: bool) -> None:
    """Run the missing trainings in parallel; report those that fail and continue without them."""
    started = time.monotonic()
    missing = [each for each in trainings if fresh or each.done is None]
    tell(f"{len(trainings)} trainings, {len(trainings) - len(missing)} already done")
    threads = max(1, worker_count() // jobs)
    with ThreadPoolExecutor(jobs) as pool:
        running = {pool.submit(each.run, threads, fresh=fresh): each for each in missing}
        for place, future in enumerate(as_completed(running), 1):
            try:
                tell(f"[{place}/{len(missing)}] {running[future].label}: {future.result()}")
            except TrainingError as error:
                tell(f"[{place}/{len(missing)}] {error}")
    cpu = sum(each.done.get("cpu_seconds", 0) for each in trainings if each.done)
    tell(
        f"trained in {spoken(time.monotonic() - started)}; all trainings together: {spoken(cpu)} of CPU time"
    )


def report(sets: Sequence[Path], trainings: Sequence[Training], docs: Path, page: str = "results") -> str:
    """Compare the models of every set; write docs/PAGE.json, PAGE.md and the charts; return the Markdown.

    Args:
        sets: folders of the sets.
        trainings: all trainings that were asked for; the page names those that are not done.
        docs: the folder to write to.
        page: the name of the files.

    Raises:
        TrainingError: the default model of a set is not trained.
    """
    found: dict[str, Any] = {}
    for folder in sets:
        wanted = [each for each in trainings if each.dataset == folder]
        done = best_of_grids([each for each in wanted if each.done])
        if DEFAULT not in {each.recipe.name for each in done}:
            raise TrainingError(
                f"{folder.name}: the model '{DEFAULT}' is not trained. Read the log next to its folder, and "
                "run the command again without --done."
            )
        comparison = compare([each.folder for each in done], load_set(folder), reference=DEFAULT)
        comparison.draw(docs / f"{page}-{folder.name}.svg")
        found[folder.name] = as_json(comparison, done) | {
            "missing": [each.recipe.name for each in wanted if not each.done],
            "cpu_seconds": sum(each.done.get("cpu_seconds", 0) for each in wanted if each.done),
        }
    document = {"date": today(), "machine": describe_machine(), "library": __version__, "sets": found}
    (docs / f"{page}.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return render(docs, page)


def best_of_grids(trainings: Sequence[Training]) -> list[Training]:
    """Of the trainings with the same name before the @, the one with the best accuracy on held-out scenes."""
    groups: dict[str, list[Training]] = {}
    for each in trainings:
        groups.setdefault(each.recipe.name.partition(AT)[0], []).append(each)
    return [max(each, key=held_out_accuracy) if len(each) > 1 else each[0] for each in groups.values()]


def held_out_accuracy(training: Training) -> float:
    """The accuracy on the held-out scenes that a training made its choices on."""
    accuracy = ModelRecord.read(training.folder).training["binary_accuracy"]
    return float(accuracy["value"]) if accuracy else 0.0


def render(docs: Path, page: str = "results") -> str:
    """Write docs/PAGE.md from docs/PAGE.json alone; return the Markdown.

    Raises:
        DatasetError: there is no such JSON file.
    """
    file = docs / f"{page}.json"
    if not file.is_file():
        raise DatasetError(f"{file}: no such file. Run the command without --render to make it.")
    document = json.loads(file.read_text(encoding="utf-8"))
    sections = [section(found, page) for found in document["sets"].values()]
    settings = [settings_section(document["sets"].values())] if page == "results" else []
    text = "\n".join([heading(document, page), *sections, *settings])
    (docs / f"{page}.md").write_text(text, encoding="utf-8")
    return text


HEADINGS = {
    "results": """# Results

After this page you know how accurate each variant and each baseline is on three public sets, and which
differences are certain.

`make results` trains and compares these models and writes this page. {made}.

- **binary accuracy**: the share of a category's products that the model ranks behind the true product.
  Chance is 0.5.
- **unseen products**: the same over pairs whose product was in no training pair.
- **top-10**: the share of pairs whose true product is among the first 10.
- **default minus this**: the difference in binary accuracy, paired over the same scenes. Bold means that its
  interval is above 0: the default is better.

Figures are on the test split, with 95 % intervals over scenes in brackets. The product is cropped out of the
scene; ikea-rooms has no boxes, so its scenes show the product. About a third of the boxes of stl-fashion do
not cover it.
[Evaluation](explanation/evaluation.md) has the protocol. `docs/results.json` also has the other top-K, mean
reciprocal ranks, every category and training times.
""",
    "cross-validation": """# Cross-validated results

After this page you know how the default compares with the closest baselines when more scenes are used.

`python tools/results.py --cross-validate --sets {sets}` writes this page. {made}.

Each model made its choices by five-fold cross-validation by scene, over all scenes but the test ones
(`cross_validate = true`). It was then trained on all of these scenes. **cross-validated** is the binary
accuracy over the five folds: in each fold, a model ranks products for scenes that it was not trained on. This
figure also chose the number of epochs, for the model and the baselines alike, so it is a little optimistic.
[Results](results.md) explains the names and the other columns.
""",
}


def heading(document: Mapping[str, Any], page: str) -> str:
    """The beginning of a page: what it shows, and when and where it was measured."""
    made = f"{document['date']}, {document['machine']}, perfectlook {document['library']}"
    return HEADINGS[page].replace("{made}", made).replace("{sets}", " ".join(document["sets"]))


def section(found: Mapping[str, Any], page: str) -> str:
    """The part of a page about one set, from its JSON."""
    models, lead_of = found["models"], f"{found['reference']} minus this"
    reference = next(each for each in models if each["model"] == found["reference"])
    by_folds = reference["trained"]["cross_validated"] is not None
    all_unseen = all(each["binary_accuracy_unseen"]["n_pairs"] == each["n_pairs"] for each in models)
    header = ["model", "binary accuracy", *([] if all_unseen else ["unseen products"]), "top-10", lead_of]
    header += ["cross-validated", lead_of] if by_folds else []
    rows = []
    for each in models:
        accuracy = Interval(each["binary_accuracy"], *each["binary_accuracy_ci95"])
        row = [each["model"], with_bounds(accuracy)]
        row += [] if all_unseen else [with_bounds(figure(each["binary_accuracy_unseen"]))]
        row += [f"{each['top_k']['10']['value']:.3f}", emphasised(figure(each["difference"]))]
        if by_folds:
            trained = each["trained"]
            row.append(with_bounds(figure(trained["cross_validated"])))
            row.append(emphasised(figure(trained["default_minus_this_cross_validated"])))
        rows.append(row)
    size = f"{found['n_pairs']:,} test pairs of {found['n_scenes']:,} scenes."
    parts = [f"## {found['set']}", size + chance(found) + took(reference)]
    if all_unseen:
        parts.append("No test pair has a product of a training pair: all products are unseen.")
    if page == "results" and by_folds:
        parts.append(
            "The test split is small. Read the cross-validated figure: it covers all other scenes. It also "
            "chose the number of epochs."
        )
    if found.get("missing"):
        parts.append(f"Not trained on this set: {', '.join(found['missing'])}.")
    parts += [markdown_table(header, rows), f"![Binary accuracy of every model]({page}-{found['set']}.svg)"]
    return "\n\n".join(parts) + "\n"


def figure(found: Mapping[str, Any] | None) -> Interval | None:
    """A figure of the JSON as an interval; None where the JSON has none."""
    if found is None or found["value"] is None:
        return None
    low, high = found["ci95"] if "ci95" in found else (found["low"], found["high"])
    return Interval(found["value"], low, high)


def emphasised(lead: Interval | None) -> str:
    """A difference with its interval, in bold where the interval is above 0."""
    text = with_bounds(lead, signed=True)
    return f"**{text}**" if lead and lead.low > 0 else text


def chance(found: Mapping[str, Any]) -> str:
    """The top-10 that a random order of the products would get."""
    return f" A random order gets a top-10 of {found['chance_top_10']:.3f}."


def took(model: Mapping[str, Any]) -> str:
    """How long the training of a model took."""
    return f" Training the {model['model']} took {model['trained']['took']}."


def cross_validated(folder: Path) -> Interval | None:
    """Return the cross-validated binary accuracy in a model's record, or None."""
    training = ModelRecord.read(folder).training
    accuracy = training.get("binary_accuracy")
    if not accuracy or "cross-validation" not in str(training.get("chosen_on")):
        return None
    return Interval(accuracy["value"], accuracy["low"], accuracy["high"])


def cross_validated_lead(training: Training, trainings: Sequence[Training]) -> Interval | None:
    """Return the default's lead in cross-validated accuracy, paired over the same scenes."""
    default = next(each for each in trainings if each.recipe.name == DEFAULT)
    if training is default or not cross_validated(training.folder):
        return None
    ours, theirs = HeldOut.read(default.folder), HeldOut.read(training.folder)
    return lead_over(ours, theirs) if ours and theirs else None


def lead_over(ours: HeldOut, theirs: HeldOut) -> Interval | None:
    """Return how much higher our accuracy is, paired over scenes; None where the pairs differ."""
    own, other = ours.by_scene(), theirs.by_scene()
    if {scene: len(each) for scene, each in own.items()} != {s: len(each) for s, each in other.items()}:
        return None
    scenes = [scene for scene in sorted(own) for _ in own[scene]]
    first, second = (
        np.asarray([share for scene in sorted(found) for share in found[scene]], np.float64)
        for found in (own, other)
    )
    return paired_difference(first, second, scenes) if scenes else None


def as_json(comparison: Comparison, trainings: Sequence[Training]) -> dict[str, Any]:
    """The comparison as JSON, with the top-10 of a random order and how each model was trained."""
    found = comparison.to_dict()
    results = comparison.models[0].evaluation.results
    found["chance_top_10"] = fmean(min(1.0, 10 / each.n_products) for each in results)
    by_name = {each.recipe.name: each for each in trainings}
    for model in found["models"]:
        training = by_name[model["model"]]
        model["model"] = training.recipe.name.partition(AT)[0]
        accuracy = cross_validated(training.folder)
        lead = cross_validated_lead(training, trainings) if accuracy else None
        model["trained"] = {
            "baseline": training.recipe.baseline,
            "settings": dict(training.recipe.settings),
            "took": training.took,
            "cross_validated": accuracy._asdict() if accuracy else None,
            "default_minus_this_cross_validated": lead._asdict() if lead else None,
        }
    return found


def settings_section(sets: Collection[Mapping[str, Any]]) -> str:
    """A table of the settings that differ from the defaults, from the JSON of the sets."""
    trained = {each["model"]: each["trained"] for found in sets for each in found["models"]}
    rows = [
        [name, f"--baseline {about['baseline']}" if about["baseline"] else "", settings]
        for name, about in sorted(trained.items(), key=lambda item: (item[1]["baseline"] or "", item[0]))
        if (settings := differing(about["settings"], about["baseline"]))
    ]
    parts = ["## Settings", "Models that are not in this table have the default settings."]
    return (
        "\n\n".join([*parts, *([markdown_table(["name", "flag", "settings"], rows)] if rows else [])]) + "\n"
    )


def differing(settings: Settings, kind: str | None) -> str:
    """Settings in one line; those of a variant without the ones that are defaults."""
    config = TrainingConfig()
    defaults = {} if kind else asdict(config) | asdict(config.model)
    return ", ".join(f"{k} = {json.dumps(v)}" for k, v in settings.items() if defaults.get(k, ...) != v)


def today() -> str:
    """Return the date as the page shows it."""
    return datetime.datetime.now(datetime.UTC).date().isoformat()


def tell(line: str) -> None:
    """Print progress to standard error; standard output is for the page."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
