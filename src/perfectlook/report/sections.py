"""The sections of the page that hold figures and words."""

from html import escape
from typing import Literal

from perfectlook.metrics import Interval
from perfectlook.protocol import Figures
from perfectlook.report.charts import scale
from perfectlook.report.findings import FEW, Finding, Group
from perfectlook.report.report import Report
from perfectlook.report.words import bounds, counted, last_level, pairs, percent, spoken_path

SHOWN_SPLITS = {
    "train": "training scenes",
    "val": "validation scenes",
    "test": "test scenes",
    "all": "scenes of all splits",
}


def headline(report: Report) -> str:
    """The one figure that counts, as a sentence and as a scale."""
    evaluation, overall = report.evaluation, report.evaluation.overall
    accuracy = overall.binary_accuracy
    if report.too_little:
        return _nothing_to_compare(report, report.too_little)
    scenes = SHOWN_SPLITS[evaluation.split]
    return f"""<section class="hero" aria-labelledby="title">
<div><p class="eyebrow">{escape(evaluation.model)} on {escape(evaluation.set_name)}</p>
<h1 id="title">Of two products, it picks the right one {round(100 * accuracy.value)} times in 100.</h1>
<p class="lead">{pairs(overall.n_pairs)} of {overall.n_scenes:,} {scenes}. {_what_is_seen(report)}
A guess picks right 50 times.</p>
</div>
<div class="hero-figure"><p class="figure-name">binary accuracy</p>
<p class="figure-value">{percent(accuracy.value)}</p>{scale(accuracy)}
<p class="figure-note">{bounds(accuracy)} in 95 of 100 draws of the scenes; the mark is a guess</p></div>
</section>"""


def _nothing_to_compare(report: Report, why: str) -> str:
    """The headline of a page that can only show answers."""
    evaluation, overall = report.evaluation, report.evaluation.overall
    what, _, remedy = why.partition("; ")
    left_out = "".join(f" {each[0].upper()}{each[1:]}." for each in _left_out(report))
    return f"""<section class="hero" aria-labelledby="title">
<div><p class="eyebrow">{escape(evaluation.model)} on {escape(evaluation.set_name)}</p>
<h1 id="title">{escape(what[0].upper() + what[1:])}.</h1>
<p class="lead">One scene cannot tell how good a model is, and no interval can be drawn around it: this page
only shows what the model answered. To learn more, {escape(remedy)}.{escape(left_out)}</p>
</div>
<div class="hero-figure"><p class="figure-name">binary accuracy</p>
<p class="figure-value">{percent(overall.binary_accuracy.value)}</p>
<p class="figure-note">over {pairs(overall.n_pairs)} only, so there is no interval; a guess gets
{percent(0.5, 0)}</p></div>
</section>"""


def _left_out(report: Report) -> list[str]:
    """Which pairs of the split are not in the figures, and why."""
    evaluation, said = report.evaluation, []
    if evaluation.n_dropped:
        said.append(f"{pairs(evaluation.n_dropped)} dropped, too little of the scene left")
    if evaluation.n_without_candidates:
        said.append(f"{pairs(evaluation.n_without_candidates)} without another product in the category")
    if evaluation.problems:
        said.append(f"{counted(len(evaluation.problems), 'problem')} in the set")
    return said


_WITH_PRODUCT = "with the product in them: an easier task than without."


def _what_is_seen(report: Report) -> str:
    if report.evaluation.scene == "full":
        return f"Scenes are shown whole, {_WITH_PRODUCT}"
    if not report.n_cut:
        return f"The set has no boxes, so scenes are shown whole, {_WITH_PRODUCT}"
    if report.n_cut < len(report.placed):
        return (
            f"{percent(report.n_cut / len(report.placed), 0)} of them have a box, and are shown without the "
            "product; "
            "the others show it."
        )
    return "The product is cut away from each scene: nothing but style is left to go by."


def cautions(report: Report) -> str:
    """What flatters the figures or makes them narrower than they look; nothing where nothing does."""
    evaluation, said = report.evaluation, []
    if evaluation.n_trained_scenes:
        said.append(
            f"The model was trained on {evaluation.n_trained_scenes:,} of these scenes: the figures flatter "
            "it. "
            "Look at scenes it has never seen."
        )
    if evaluation.n_twin_scenes:
        said.append(
            f"{counted(evaluation.n_twin_scenes, 'scene')} {_has(evaluation.n_twin_scenes)} a copy outside "
            "this "
            "split, under another id. Training leaves such copies out; a model trained elsewhere may know "
            "them."
        )
    if 1 < evaluation.overall.n_scenes < 50:
        said.append(
            f"{counted(evaluation.overall.n_scenes, 'scene')} {_is(evaluation.overall.n_scenes)} few: read "
            "the "
            "intervals before the figures."
        )
    items = "".join(f"<li>{escape(each)}</li>" for each in said)
    return f'<ul class="cautions" aria-label="cautions">{items}</ul>' if items else ""


def more_figures(report: Report) -> str:
    """The other headline figures, each with what a guess gets."""
    overall, guess = report.evaluation.overall, report.guess
    several = overall.n_scenes > 1
    tiles = [
        _tile(
            f"in the first {k}" if k > 1 else "first",
            percent(figure.value),
            several and bounds(figure),
            f"a guess: {percent(guess.top_k[k])}",
        )
        for k, figure in overall.top_k.items()
    ]
    between = several and f"{overall.mrr.low:.3f} to {overall.mrr.high:.3f}"
    tiles.append(
        _tile("mean reciprocal rank", f"{overall.mrr.value:.3f}", between, f"a guess: {guess.mrr:.3f}")
    )
    if unseen := report.evaluation.unseen:
        accuracy = unseen.binary_accuracy
        between = unseen.n_scenes > 1 and bounds(accuracy)
        of = _of_unseen(report, unseen)
        tiles.insert(0, _tile("never-seen products", percent(accuracy.value), between, of))
    return f'<ul class="figures">{"".join(tiles)}</ul>'


def _of_unseen(report: Report, unseen: Figures) -> str:
    if unseen.n_pairs == report.evaluation.overall.n_pairs:
        return "every pair: none was in training"
    return f"binary accuracy over {pairs(unseen.n_pairs)}"


def _tile(name: str, shown: str, between: str | Literal[False], note: str) -> str:
    """A figure with its interval, if it has one, and a note."""
    notes = "".join(f'<span class="figure-note">{escape(each)}</span>' for each in (between, note) if each)
    return (
        f'<li><span class="figure-name">{escape(name)}</span>'
        f'<span class="figure-value">{shown}</span>{notes}</li>'
    )


def categories(report: Report) -> str:
    """A strip for every category, those with most pairs first; the rare ones behind a fold."""
    by_size = sorted(report.evaluation.per_category.items(), key=lambda item: (-item[1].n_pairs, item[0]))
    rare = [item for item in by_size if item[1].n_pairs < FEW // 4]
    common = by_size[: len(by_size) - len(rare)]
    if not common:
        common, rare = by_size, []
    folded = ""
    if rare:
        what = counted(len(rare), "category", "categories")
        folded = (
            f"<details><summary>{what} with fewer than {FEW // 4} pairs</summary>"
            f'<ul class="strips">{_strips(rare)}</ul></details>'
        )
    return f'<ul class="strips">{_strips(common)}</ul>{folded}'


def _strips(of_category: list[tuple[str, Figures]]) -> str:
    return "".join(
        f'<li title="{escape(spoken_path(name))}">'
        f"{_strip(last_level(name), each.n_pairs, each.binary_accuracy, has_interval=each.n_scenes > 1)}</li>"
        for name, each in of_category
    )


def _strip(name: str, n_pairs: int, accuracy: Interval, *, has_interval: bool = True) -> str:
    return (
        f'<span class="strip-name">{escape(name)}</span><span class="strip-pairs">{pairs(n_pairs)}</span>'
        f"{scale(accuracy, has_interval=has_interval)}"
        f'<span class="strip-value">{percent(accuracy.value)}</span>'
        f'<span class="strip-bounds">{bounds(accuracy) if has_interval else "one scene"}</span>'
    )


def measured(report: Report) -> str:
    """What the figures say about where the model is weak."""
    return "".join(f'<div class="finding">{_finding(each)}</div>' for each in report.findings)


def _finding(finding: Finding) -> str:
    groups = "".join(f"<li>{_group(each)}</li>" for each in finding.groups)
    strips = f'<ul class="strips">{groups}</ul>' if groups else ""
    return f"<h3>{escape(finding.title)}</h3><p>{escape(finding.text)}</p>{strips}"


def _group(group: Group) -> str:
    return _strip(last_level(group.name), group.n_pairs, group.accuracy)


def colophon(report: Report) -> str:
    """How the page came about, and what licence the pictures in it have."""
    evaluation = report.evaluation
    n_pictures = sum(bool(cases) for cases in report.cases.values())
    licence = (
        f"The set {escape(evaluation.set_name)} says of its pictures: <b>{escape(report.licence)}</b>."
        if report.licence
        else f"The set {escape(evaluation.set_name)} does not say what licence its pictures have (no licence "
        "in its "
        "set.json): <b>take them as other people's pictures, not yours to publish</b>."
    )
    warning = (
        f'<div class="licence" role="note"><h2>Before you pass this page on</h2><p>{licence} They are inside '
        "this file: to send it, print it or put it on a server is to pass the pictures on. Keep to their "
        "licence.</p></div>"
        if n_pictures
        else ""
    )
    counts = [
        f"{pairs(evaluation.overall.n_pairs)} of {counted(evaluation.overall.n_scenes, 'scene')}, split "
        f"{evaluation.split}, "
        f"scenes shown as {evaluation.scene}",
        *_left_out(report),
    ]
    intervals = "" if report.too_little else " Intervals are 95 %, over 1,000 draws of\nthe scenes."
    return f"""{warning}<div class="made"><p>{escape("; ".join(counts))}.</p>
<p>A pair's candidates are all products of its category in the set, but for the scene's other known ones. Rank
is one more than the candidates that lie nearer, ties counting half.{intervals}</p>
<p>Model {escape(evaluation.model)} <code>{escape(report.model_identity[:12])}</code>, perfectlook
{escape(report.library)}.</p></div>"""


def _has(count: int) -> str:
    return "has" if count == 1 else "have"


def _is(count: int) -> str:
    return "is" if count == 1 else "are"
