"""`perfectlook train`, `evaluate`, `compare`, `report` and `backbones`: train models and measure them."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from perfectlook.cli.options import SEVERAL, JsonToo, Measuring, Natural, Positive, Strict, Workers
from perfectlook.cli.output import beside_json, check_file, print_problems, require, write_json
from perfectlook.errors import UsageError
from perfectlook.progress import counted

if TYPE_CHECKING:
    from perfectlook.backbones import BackboneDescription
    from perfectlook.training.log import Epoch

ModelFolder = Annotated[Path, Parameter(name="MODEL", help="folder or name of a model")]
SetFolder = Annotated[Path, Parameter(name="SET", help="folder of the set")]
HEADINGS = ("NAME", "INPUT", "GLOBAL", "STYLE", "MAP", "SIZE", "LICENCE", "DESCRIPTION")


def register(app: App) -> None:
    """Add the commands."""
    for command in (train, adapt, evaluate, compare, report, backbones):
        app.command(command)


def train(
    sets: Annotated[list[Path], SEVERAL, Parameter(name="SET")],
    /,
    *,
    out: Path,
    config: Path | None = None,
    baseline: str | None = None,
    mode: Literal["hybrid", "global", "local"] | None = None,
    encoder: Literal["feedforward", "autoencoder", "recurrent"] | None = None,
    distance: Literal["l2", "squared_l2"] | None = None,
    from_model: Annotated[Path | None, Parameter(name="--from")] = None,
    backbone: str | None = None,
    seed: Natural | None = None,
    epochs: Natural | None = None,
    workers: Workers = None,
    strict: Strict = False,
) -> int:
    """Train a compatibility model on one or more sets.

    To continue an interrupted training, run the same command again.

    Args:
        sets: folders of sets
        out: folder of the new model
        config: TOML file of settings; flags override it
        baseline: train a baseline instead: popularity, visual, prior, mixture, ridge, ibr, siamese or
            bpr-dae; it uses the backbone, the seed and the settings that apply to it
        mode: distances that the model uses
        encoder: kind of encoder
        distance: l2 is the norm, squared_l2 its square
        from_model: fine-tune this model on new pairs and categories; its shape and its backbone stay
        backbone: name of a backbone; `perfectlook backbones` lists them
        seed: random seed
        epochs: maximum number of epochs
        strict: fail if anything in a set is wrong

    Raises:
        PerfectLookError: the settings or the sets cannot be used, or training fails.
    """
    from perfectlook.progress import ProgressLine
    from perfectlook.training.train import train as train_model

    model = train_model(
        sets,
        out,
        baseline=baseline,
        config=config,
        from_model=from_model,
        mode=mode,
        encoder=encoder,
        distance=distance,
        backbone=backbone,
        seed=seed,
        epochs=epochs,
        strict=strict,
        workers=workers,
        progress=ProgressLine,
        on_epoch=_print_epoch,
        on_problems=print_problems,
    )
    _print(out, model.training)
    return 0


def adapt(
    model: ModelFolder, /, *, scenes: Path, out: Path, seed: Natural = 0, workers: Workers = None
) -> int:
    """Adapt a model to your own photos of scenes, without pairs.

    The new model has the statistics of these photos. 16 photos are enough; with fewer, the statistics are
    mixed with those of the scenes that the model was trained on.

    Args:
        scenes: folder of photos, with its subfolders
        out: folder of the new model
        seed: random seed of the parts of photos that are measured

    Raises:
        PerfectLookError: the model or the photos cannot be used.
    """
    from perfectlook.files import model_folder
    from perfectlook.model.adaptation import ENOUGH, adapt
    from perfectlook.progress import ProgressLine

    made = adapt(model_folder(model), scenes, out, seed=seed, workers=workers, progress=ProgressLine)
    print_problems(made.problems, str(scenes))
    print(f"{out}: adapted to {made.n_pictures:,} photos and {made.n_parts:,} parts of them")
    if made.n_pictures < ENOUGH:
        print(f"With {ENOUGH} photos or more, the statistics would be those of your photos alone.")
    print(f"Sync your catalogue with it: perfectlook catalogue sync FEED --model {out} --catalogue CATALOGUE")
    return 0


def _print(out: Path, report: Mapping[str, Any]) -> None:
    if lonely := report["n_without_negatives"]:
        print(f"{counted(lonely, 'pair')} left out: no other product in the category", file=sys.stderr)
    scenes = counted(report["n_scenes"], "scene")
    line = f"{out}: trained on {counted(report['n_pairs'], 'pair')} of {scenes}"
    if not report["n_pairs"] and report["n_scenes"]:
        line = f"{out}: made from {scenes}, without pairs"
    if report["epoch"] is not None:
        line += f", epoch {report['epoch']} kept"
    if accuracy := report["binary_accuracy"]:
        line += (
            f"; binary accuracy {accuracy['value']:.4f} [{accuracy['low']:.4f}, {accuracy['high']:.4f}] by "
            f"{report['chosen_on']}"
        )
    print(line, *report["summary"], sep="\n")


def _print_epoch(stage: str, epoch: "Epoch") -> None:
    from perfectlook.data.scenes import FOLDS

    kind, _, fold = stage.partition(" ")
    if fold:
        stage = f"{kind} {int(fold) + 1} of {FOLDS}"
    print(f"{stage}: {epoch}", file=sys.stderr, flush=True)


def evaluate(
    model: ModelFolder,
    dataset: SetFolder,
    /,
    *,
    measuring: Measuring = Measuring(),
    json: JsonToo = None,
    pairs: Path | None = None,
    explain: bool = False,
    keep: bool = False,
    suggest: bool = False,
    products: bool = False,
) -> int:
    """Evaluate a model on a split of a set, with 95 % intervals over scenes.

    Args:
        json: write the evaluation as JSON
        pairs: write one JSON line per pair
        explain: test whether attention explains the ranking: mask the most attended regions, then
            random ones
        keep: with --explain: write the result to the model's folder, so that pages show attention if it holds
        suggest: measure the categories that the model suggests for whole scenes, against the most popular
            categories
        products: measure the products that go with a product (`complete --product`), against similarity

    Raises:
        PerfectLookError: the model or the set cannot be used, or a file cannot be written.
    """
    from perfectlook.evaluation.evaluate import evaluate as evaluated
    from perfectlook.progress import ProgressLine

    if keep and not explain:
        raise UsageError("--keep requires --explain. Add --explain, or leave out --keep.")
    evaluation = evaluated(
        model,
        dataset,
        explain=explain,
        suggest=suggest,
        products=products,
        progress=ProgressLine,
        **asdict(measuring),
    )
    print_problems(evaluation.problems, evaluation.set_name)
    with beside_json(json):
        print(evaluation)
        print(f"\nTo see answers, and what to improve: perfectlook report {model} {dataset}")
    if json:
        write_json(json, evaluation.to_dict())
    if pairs:
        evaluation.write_pairs(pairs)
    if keep and evaluation.explain:
        from perfectlook.files import model_folder
        from perfectlook.model.files import ModelRecord

        folder = model_folder(model)
        replace(ModelRecord.read(folder), attention_holds=evaluation.explain.holds).write(folder)
    return 0


def compare(
    models: Annotated[list[Path], SEVERAL, Parameter(name="MODEL")],
    dataset: SetFolder,
    /,
    *,
    measuring: Measuring = Measuring(),
    json: JsonToo = None,
    markdown: Path | None = None,
    chart: Path | None = None,
) -> int:
    """Compare models on the same pairs of a set.

    The table shows each model's figures with 95 % intervals. A paired bootstrap over scenes tests whether the
    best model is better than each of the others.

    Args:
        models: folders of models
        json: write the comparison as JSON
        markdown: write its tables as Markdown
        chart: draw the accuracies as PNG or SVG

    Raises:
        PerfectLookError: a model or the set cannot be used, or a file cannot be written.
    """
    from perfectlook.evaluation.comparison import compare as compared
    from perfectlook.progress import ProgressLine

    check_file("--chart", chart, "a chart is a PNG or SVG picture", (".png", ".svg"))
    if chart:
        require("train", "a chart", "matplotlib")
    comparison = compared(models, dataset, progress=ProgressLine, **asdict(measuring))
    first = comparison.models[0].evaluation
    print_problems(first.problems, first.set_name)
    with beside_json(json):
        print(comparison)
    if json:
        write_json(json, comparison.to_dict())
    if markdown:
        markdown.write_text(comparison.to_markdown(), encoding="utf-8")
    if chart:
        comparison.draw(chart)
    return 0


def report(
    model: ModelFolder,
    dataset: SetFolder,
    /,
    *,
    measuring: Measuring = Measuring(),
    out: Path | None = None,
    n: Annotated[Positive, Parameter(name="-n")] = 24,
) -> int:
    """Write an HTML page with a model's figures on a set, and its best, worst and some random answers.

    The page is one file. It contains the set's pictures.

    Args:
        out: the file to write (default: report-MODEL-SET.html)
        n: number of answers to show (default: 24)

    Raises:
        PerfectLookError: the model or the set cannot be used, or the file cannot be written.
    """
    from perfectlook.evaluation.report import make_report, page
    from perfectlook.progress import ProgressLine

    check_file("--out", out, "a report is an HTML page", (".html", ".htm"))
    made = make_report(model, dataset, shown=n, progress=ProgressLine, **asdict(measuring))
    evaluation = made.evaluation
    print_problems(evaluation.problems, evaluation.set_name)
    content = page(made).encode("utf-8", "replace")  # an id from a file name may not be valid Unicode
    out = out or Path(f"report-{evaluation.model}-{evaluation.set_name}.html")
    out.write_bytes(content)
    accuracy = evaluation.overall.binary_accuracy
    shown = sum(len(cases) for cases in made.cases.values())
    on = f"{evaluation.model} on {evaluation.set_name}"
    if made.too_little:
        print(f"{on}: binary accuracy {accuracy.value:.4f}. {made.too_little}")
    else:
        print(f"{on}: binary accuracy {accuracy:.4f} over {counted(evaluation.overall.n_pairs, 'pair')}")
    print(f"wrote {out}: {counted(shown, 'answer')}, {len(content) / 1e6:.1f} MB; open it in a browser")
    print(f"the page contains the set's pictures; their licence: {made.licence or 'not stated by the set'}")
    return 0


def backbones() -> int:
    """List the backbones: the frozen networks that turn pictures into features.

    The table shows name, input size in pixels, dimensions of the global vector, of the style statistics and
    of the feature map's regions, size of the weights, and licence. Below it: the sources of the weights, and
    the engine that runs them.
    """
    from perfectlook.backbones import describe_backbones
    from perfectlook.backbones.engines import automatic_engine

    descriptions = describe_backbones()
    print(*_table([HEADINGS, *map(_cells, descriptions)]), sep="\n")
    print("\nWeights:")
    for each in descriptions:
        print(f"  {each.name}: {each.source}")
    print(
        f"\nEngine on this machine: {automatic_engine()} (fp32). NAME:bf16 runs in bf16 through OpenVINO."
        "\nModels from a hub: transformers:MODEL, timm:MODEL, open_clip:MODEL/PRETRAINED."
    )
    return 0


def _cells(description: "BackboneDescription") -> tuple[str, ...]:
    side = description.input_size
    return (
        description.name,
        f"{side}×{side}",
        str(description.global_dimension),
        str(description.style_dimension),
        f"7×7×{description.map_channels}",
        f"{description.megabytes:.1f} MB",
        description.licence,
        description.summary,
    )


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield rows with aligned columns."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
