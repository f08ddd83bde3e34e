"""A study as tables, JSON and a chart."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from perfectlook.errors import UsageError
from perfectlook.evaluation.tables import markdown_table, new_figure, plain_table, save_chart, with_bounds
from perfectlook.model.files import write_file
from perfectlook.study.durations import duration_argument, spoken, spoken_bytes
from perfectlook.study.growth import Growth
from perfectlook.study.projection import RELEASES, Advice, Cost, advise, fewest_scenes
from perfectlook.study.study import Study, Subset

JSON, MARKDOWN, CHART = "study.json", "study.md", "study.png"

Table = tuple[str, list[str], list[list[str]]]
"""Title, header and rows."""


def answer(study: Study, budget: float) -> Advice:
    """How many scenes a budget of seconds is enough for.

    Raises:
        UsageError: not even for the smallest subset studied; the least budget that is enough is named.
    """
    fewest = fewest_scenes(study.costs, study.subsets[0].share)
    found = advise(study.costs, budget, fewest)
    if found is None:
        least = duration_argument(study.costs.of_scenes(fewest).seconds)
        raise UsageError(
            f"budget {duration_argument(budget)}: too small for the smallest share studied, a set of "
            f"{fewest:,} scenes; the least that works is --budget {least}"
        )
    return found


def tables(study: Study) -> list[Table]:
    """What the study shows, table by table."""
    return [
        ("Accuracy by training scenes", *_accuracy(study)),
        ("Extraction", *_extraction(study)),
        (f"Search: one query, {study.costs.shape.products:,} products repeated with noise", *_search(study)),
        ("Growth of the time: seconds ≈ constant · size ^ exponent", *_growth(study)),
        ("The whole releases on this machine", *_releases(study)),
    ]


def notes(study: Study, advice: Advice | None) -> list[str]:
    """What the tables do not say."""
    lines = [
        f"Machine: {study.machine}. Backbone: {study.backbone}. Seeds: {study.seeds}.",
        f"Set: {study.costs.shape.scenes:,} scenes, {study.costs.shape.pairs:,} pairs, "
        f"{study.costs.shape.products:,} products; test split: {study.costs.shape.test_pairs:,} pairs.",
    ]
    if study.gain is not None:
        lines.append(
            f"Doubling the training scenes changed the accuracy by {study.gain:+.3f} (least squares)."
        )
    lines += [f"Skipped: {each}" for each in study.skipped]
    if advice is not None:
        lines.append(said(advice))
    return lines


def said(advice: Advice) -> str:
    """The answer to a budget, in words."""
    steps = (
        f"extraction {spoken(advice.cost.extraction)}, training {spoken(advice.cost.training)}, "
        f"evaluation {spoken(advice.cost.evaluation)}"
    )
    within = f"Budget {duration_argument(advice.budget)}:"
    if advice.scenes >= advice.of:
        more = (
            f"; the budget would do for about {_rounded(advice.scenes)} such scenes"
            if advice.scenes > advice.of
            else ""
        )
        return f"{within} use all {advice.of:,} scenes ({steps}){more}."
    return f"{within} use {advice.scenes:,} scenes of {advice.of:,} ({steps})."


def to_text(study: Study, advice: Advice | None = None) -> str:
    """The report on a terminal."""
    parts = [f"{title}\n{plain_table(header, rows)}\n" for title, header, rows in tables(study)]
    return "\n".join([*parts, *notes(study, advice)])


def to_markdown(study: Study, advice: Advice | None = None) -> str:
    """The report as Markdown."""
    parts = [f"### {title}\n\n{markdown_table(header, rows)}" for title, header, rows in tables(study)]
    return "\n\n".join([*parts, *notes(study, advice)]) + "\n"


def to_json(study: Study, advice: Advice | None = None) -> dict[str, Any]:
    """The report as JSON."""
    costs = study.costs
    return {
        "set": study.set_name,
        "machine": study.machine,
        "backbone": study.backbone,
        "seeds": study.seeds,
        "shape": asdict(costs.shape),
        "subsets": [_subset(each) for each in study.subsets],
        "skipped": list(study.skipped),
        "gain_per_doubling": study.gain,
        "extraction": list(study.extraction),
        "search": list(study.searches),
        "growth": {name: asdict(growth) for name, _, growth in _grown(study)},
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


def write_report(study: Study, folder: Path, advice: Advice | None = None) -> None:
    """Write `study.json`, `study.md` and `study.png` into a folder.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    write_file(folder / JSON, (json.dumps(to_json(study, advice), indent=2) + "\n").encode())
    write_file(folder / MARKDOWN, to_markdown(study, advice).encode())
    draw(study, folder / CHART)


def draw(study: Study, path: Path) -> None:
    """Draw accuracy against scenes, and training time against pairs with the fit.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figure = new_figure(10, 4)
    left, right = figure.subplots(1, 2)
    scenes = [each.scenes for each in study.subsets]
    values = [each.accuracy.value for each in study.subsets]
    below = [max(0.0, each.accuracy.value - each.accuracy.low) for each in study.subsets]
    above = [max(0.0, each.accuracy.high - each.accuracy.value) for each in study.subsets]
    left.errorbar(scenes, values, yerr=[below, above], fmt="o-", capsize=3, label="mean, 95 % over scenes")
    for each in study.subsets:
        left.plot([each.scenes] * len(each.by_seed), each.by_seed, "_", color="0.4", zorder=0)
    left.axhline(0.5, color="0.7", linestyle=":", zorder=0)
    left.set_xscale("log")
    left.set_xlabel("training scenes (dashes: single seeds)")
    left.set_ylabel("binary accuracy, test split")
    left.legend(frameon=False, fontsize="small")
    for each in study.subsets:
        right.plot([each.pairs] * len(each.seconds), each.seconds, ".", color="tab:blue")
    growth, last = study.costs.training, max(release.pairs for release in RELEASES)
    curve = [growth.sizes[0] * (last / growth.sizes[0]) ** (step / 60) for step in range(61)]
    right.plot(curve, [growth.constant * size**growth.exponent for size in curve], color="0.5", label="fit")
    right.plot(curve, [growth.at(size) for size in curve], color="tab:orange", label="what is planned with")
    right.legend(frameon=False, fontsize="small")
    right.set_xscale("log")
    right.set_yscale("log")
    right.set_xlabel("training pairs")
    right.set_ylabel("training, seconds")
    for axes in (left, right):
        axes.grid(alpha=0.3)
    figure.suptitle(study.set_name, fontsize="medium")
    save_chart(figure, path)


def _accuracy(study: Study) -> tuple[list[str], list[list[str]]]:
    header = [
        "share",
        "scenes",
        "pairs",
        "binary accuracy",
        "seeds, least to most",
        "training",
        "peak memory",
    ]
    rows = [
        [
            f"{100 * each.share:g} %",
            f"{each.scenes:,}",
            f"{each.pairs:,.0f}",
            with_bounds(each.accuracy),
            f"{min(each.by_seed):.3f} to {max(each.by_seed):.3f}",
            spoken(sum(each.seconds) / len(each.seconds)),
            spoken_bytes(each.peak_bytes),
        ]
        for each in study.subsets
    ]
    return header, rows


def _extraction(study: Study) -> tuple[list[str], list[list[str]]]:
    rows = [
        [
            f"{each['pictures']:,}",
            spoken(each["seconds"]),
            f"{each['pictures'] / each['seconds']:.1f}",
            spoken_bytes(each["peak_bytes"]),
        ]
        for each in study.extraction
    ]
    return ["pictures", "time", "pictures a second", "peak memory, all processes"], rows


def _search(study: Study) -> tuple[list[str], list[list[str]]]:
    rows = [
        [f"{each['products']:,}", spoken(each["seconds"]), spoken_bytes(each["peak_bytes"])]
        for each in study.searches
    ]
    return ["products", "one query", "peak memory"], rows


def _growth(study: Study) -> tuple[list[str], list[list[str]]]:
    rows = [
        [name, f"{growth.exponent:.2f}", f"{growth.constant:.3g}", what, f"{growth.sizes[-1]:,.0f}"]
        for name, what, growth in _grown(study)
    ]
    return ["step", "exponent", "constant", "size", "measured up to"], rows


def _releases(study: Study) -> tuple[list[str], list[list[str]]]:
    header = [
        "release",
        "pairs",
        "products",
        "extraction",
        "training",
        "evaluation",
        "all",
        "memory",
        "query",
    ]
    rows = []
    for release in RELEASES:
        cost = study.costs.of(release.pairs, release.products)
        times = [spoken(each) for each in (cost.extraction, cost.training, cost.evaluation, cost.seconds)]
        sizes = [f"{release.pairs:,}", f"{release.products:,}"]
        query = spoken(study.search.at(release.products))
        rows.append([release.name, *sizes, *times, spoken_bytes(cost.memory), query])
    return header, rows


def _grown(study: Study) -> list[tuple[str, str, Growth]]:
    return [
        ("extraction", "pictures", study.costs.extraction),
        ("training", "training pairs", study.costs.training),
        ("search", "products", study.search),
    ]


def _subset(each: Subset) -> dict[str, Any]:
    value, low, high = each.accuracy
    return asdict(each) | {"accuracy": {"value": value, "ci95": [low, high]}}


def _cost(cost: Cost) -> dict[str, Any]:
    return {
        "extraction_seconds": cost.extraction,
        "training_seconds": cost.training,
        "evaluation_seconds": cost.evaluation,
        "seconds": cost.seconds,
        "memory_bytes": cost.memory,
    }


def _rounded(number: int) -> str:
    """Two leading digits of a number: more would be false precision."""
    return f"{float(f'{number:.2g}'):,.0f}"
