"""Make the report of a model on a set: evaluate it, choose answers, look at each of them."""

import re
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from typing import Literal

import numpy as np
from PIL import Image

from perfectlook import __version__
from perfectlook.data import Dataset
from perfectlook.data.crop import scene_rectangle
from perfectlook.evaluation.evaluate import Evaluation, evaluate_on_features
from perfectlook.evaluation.findings import (
    FEW,
    Finding,
    Group,
    Guess,
    Placed,
    findings,
    guess_over,
    placed_pairs,
)
from perfectlook.evaluation.metrics import Interval
from perfectlook.evaluation.overlay import attended
from perfectlook.evaluation.protocol import Candidates, EvaluatedSplit, Figures
from perfectlook.features.set_features import SceneShown, SetFeatures
from perfectlook.images import encode_jpeg, open_picture
from perfectlook.model.attribution import Attribution, attribute
from perfectlook.model.runtime import Model, Popularity, SceneEmbedding, features_for, open_model
from perfectlook.progress import ProgressOf
from perfectlook.taxonomy import split_path
from perfectlook.types import REGIONS, Box, Float32Array, Float64Array, IntArray, Pair, Product, View

Kind = Literal["best", "worst", "random"]


@dataclass(frozen=True, slots=True)
class Choice:
    """The pairs that are shown, each section in its order."""

    best: list[Placed]
    worst: list[Placed]
    random: list[Placed]


def choose(
    placed: Sequence[Placed], count: int, *, twins: Mapping[str, frozenset[str]] | None = None, seed: int = 0
) -> Choice:
    """Choose `count` pairs at most, a third for each section.

    Best are those whose rank a guess would least often reach: first of 500 is better than first of 5. Worst
    are those whose rank a guess would least often fall to. Neither goes past the middle. Where there
    are no more than `count` pairs, or all lie just in the middle, those left are all among the random ones.
    A scene, with all its copies, comes once in a section; a product once on the page.

    Args:
        placed: all evaluated pairs.
        count: how many to choose, at least 1.
        twins: the copies of every scene that has any.
        seed: of the pairs drawn at random.
    """
    shown = _Shown(twins or {})
    count = min(count, len(placed))
    a_third, more = divmod(count, 3)
    good = [each for each in placed if each.result.share > 0.5]
    bad = [each for each in placed if each.result.share < 0.5]
    best = shown.first(a_third + (more > 0), sorted(good, key=_order_of_best))
    worst = shown.first(a_third + (more > 1), sorted(bad, key=_order_of_worst))
    drawn = (placed[row] for row in np.random.default_rng(seed).permutation(len(placed)))
    left = count - len(best) - len(worst)
    return Choice(best, worst, shown.first(left if count == len(placed) or left == count else a_third, drawn))


def _order_of_best(each: Placed) -> tuple[float, str, str]:
    return each.chance_of_as_good, each.result.scene, each.result.product


def _order_of_worst(each: Placed) -> tuple[float, str, str]:
    return each.chance_of_as_bad, each.result.scene, each.result.product


class _Shown:
    """What stands on the page already."""

    def __init__(self, twins: Mapping[str, frozenset[str]]) -> None:
        self._twins = twins
        self._products: set[str] = set()

    def first(self, count: int, ordered: Iterable[Placed]) -> list[Placed]:
        """A section: the first `count` whose scene is new in it, and whose product is new on the page."""
        chosen: list[Placed] = []
        scenes: set[str] = set()
        for each in ordered:
            if len(chosen) == count:
                break
            scene, product = each.result.scene, each.result.product
            if scene in scenes or product in self._products:
                continue
            chosen.append(each)
            self._products.add(product)
            scenes |= {scene, *self._twins.get(scene, frozenset())}
        return chosen


NEAREST = 5


@dataclass(frozen=True, slots=True)
class Parts:
    """What a distance is the sum of."""

    whole: float
    regions: float


@dataclass(frozen=True, slots=True)
class Answer:
    """A product and how far it lies.

    Attributes:
        product: of the set.
        distance: to the scene.
        parts: of the distance; None for a model that looks at no picture.
        is_true: whether it is the pair's product.
    """

    product: Product
    distance: float
    parts: Parts | None
    is_true: bool


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One pair as a page shows it.

    Attributes:
        placed: the pair and its rank.
        pair: with its box.
        view: the scene as the model sees it.
        beside: the rectangle of `view` in the whole picture, normalised; None for the whole picture.
        attention: over the regions of `view`, [49]; None for a model without.
        known_category: what stands in for the product's category; None when the model knows none.
        true: the pair's product.
        nearest: the nearest products among the candidates and the true one, nearest first.
        n_nearer: candidates nearer than the true product.
        n_as_near: candidates at the same distance.
        mean_distance: over the candidates and the true product.
        mean_parts: of that.
        seen_in_training: whether the product was in a pair that the model was trained on.
    """

    placed: Placed
    pair: Pair
    view: View
    beside: Box | None
    attention: Float32Array | None
    known_category: str | None
    true: Answer
    nearest: tuple[Answer, ...]
    n_nearer: int
    n_as_near: int
    mean_distance: float
    mean_parts: Parts | None
    seen_in_training: bool

    @property
    def category(self) -> str:
        """Of the product."""
        return self.placed.result.category


class Cases:
    """Looks closer at pairs of a set, with the distances and candidates that they were evaluated by."""

    def __init__(self, model: Model | Popularity, features: SetFeatures, placed: Sequence[Placed]) -> None:
        """Embed what the given pairs need; only these can be looked at."""
        indices = np.asarray([each.index for each in placed], np.int64)
        self._model = model
        self._features = features
        self._candidates = Candidates(features)
        self._distances = model.distances_over(features, indices)
        self._scenes: dict[int, SceneEmbedding] = {}
        self._vectors: Float32Array | None = None
        if isinstance(model, Model):
            self._scenes = model.scene_embeddings(features, indices)
            self._vectors = model.product_vectors(features)

    def of(self, placed: Placed) -> Case:
        """Look at one pair."""
        features, index = self._features, placed.index
        pair, scene_row = features.pairs[index], int(features.pair_scenes[index])
        true_row, category = int(features.pair_products[index]), placed.result.category
        in_category = self._candidates.category_rows(category)
        is_candidate = self._candidates.mask(pair.scene, category)
        rows = in_category[is_candidate | (in_category == true_row)]
        distances = self._distances(scene_row, category, rows)
        (place,) = np.flatnonzero(rows == true_row)
        found = _Found(features, rows, distances, int(place), self._attribution(scene_row, category, rows))
        others = np.delete(distances, place)
        view = features.scene_views[scene_row]
        return Case(
            placed=placed,
            pair=pair,
            view=view,
            beside=self._beside(pair, view),
            attention=self._attention(scene_row, category),
            known_category=self._known(category),
            true=found.answer(int(place)),
            nearest=tuple(found.answer(int(row)) for row in np.argsort(distances, kind="stable")[:NEAREST]),
            n_nearer=int(np.count_nonzero(others < distances[place])),
            n_as_near=int(np.count_nonzero(others == distances[place])),
            mean_distance=float(distances.mean()),
            mean_parts=found.mean_parts(),
            seen_in_training=pair.product in self._model.trained_on["products"],
        )

    def _attribution(self, scene_row: int, category: str, rows: IntArray) -> Attribution | None:
        if self._vectors is None:
            return None
        return attribute(self._scenes[scene_row], category, self._vectors[rows])

    def _attention(self, scene_row: int, category: str) -> Float32Array | None:
        scene = self._scenes.get(scene_row)
        return None if scene is None or scene.regions is None else scene.attention(category)

    def _known(self, category: str) -> str | None:
        return self._model.resolve(category).category if isinstance(self._model, Model) else category

    def _beside(self, pair: Pair, view: View) -> Box | None:
        if view.crop is None or pair.box is None:
            return None
        return scene_rectangle(pair.box, vertical_only=self._features.dataset.is_fashion)


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """The distances of a pair's candidates and its true product, and what they are made of."""

    features: SetFeatures
    rows: IntArray
    distances: Float64Array
    true_place: int
    attribution: Attribution | None

    def answer(self, place: int) -> Answer:
        product = self.features.dataset.products[self.features.product_ids[self.rows[place]]]
        parts = None if self.attribution is None else _parts(self.attribution.row(place))
        return Answer(product, float(self.distances[place]), parts, place == self.true_place)

    def mean_parts(self) -> Parts | None:
        return None if self.attribution is None else _parts(self.attribution.mean)


def _parts(one: Attribution) -> Parts:
    return Parts(float(one.whole[0]), float(one.regions.sum()))


THIN = "\u00a0"


def percent(share: float, digits: int = 1) -> str:
    """A share as a percentage: 67.6 %."""
    return f"{100 * share:.{digits}f}{THIN}%"


def bounds(figure: Interval) -> str:
    """The interval of a share: 64.8 to 70.2 %."""
    return f"{100 * figure.low:.1f} to {percent(figure.high)}"


def pairs(count: int) -> str:
    """A number of pairs."""
    return counted(count, "pair")


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """A number of things."""
    return f"{count:,}{THIN}{noun if count == 1 else plural or noun + 's'}"


def last_level(category: str) -> str:
    """What a category is called where there is little room: its last level."""
    levels = split_path(category)
    return levels[-1] if levels else "no category"


def spoken_path(category: str) -> str:
    """All levels of a category: Furniture › Chairs."""
    return " › ".join(split_path(category)) or "no category"


def name_of(product: Product) -> str:
    """What a product is called by those who cannot see it: its title, or its id."""
    return product.title or f"product {product.id}"


def rank_of(case: Case) -> str:
    """Where the true product came: 3 of 547."""
    return f"{case.placed.result.rank:,g} of {case.placed.n_products:,}"


def why_listed(case: Case, kind: Kind) -> str:
    """The sentence that says why a case is on the page."""
    if kind == "best":
        return f"{_nearer(case)} {_as_often(case.placed.chance_of_as_good, 'well')}"
    if kind == "worst":
        return f"{_nearer(case)} {_as_often(case.placed.chance_of_as_bad, 'badly')}"
    share = case.placed.result.share
    return (
        f"Drawn at random. {_nearer(case)} So the true product comes before {percent(share, 0)} of them; a "
        f"guess, before {percent(0.5, 0)} on average."
    )


def _nearer(case: Case) -> str:
    count, nearer = case.placed.n_candidates, case.n_nearer
    ties = f", and {case.n_as_near:,} as near" if case.n_as_near else ""
    if count == 1:
        return f"The only other product of the category lies {'nearer' if nearer else 'no nearer'}{ties}."
    if not nearer:
        return f"None of the {count:,} other products lies nearer{ties}."
    if nearer == count:
        return f"All {count:,} other products lie nearer."
    return f"{nearer:,} of the {count:,} other products {'lies' if nearer == 1 else 'lie'} nearer{ties}."


def _as_often(chance: float, how: str) -> str:
    if chance > 0.4:
        return f"A guess does as {how} nearly every other time."
    return f"A guess does as {how} once in {round(1 / chance):,} times."


def what_made_it(case: Case) -> str:
    """What the true product's distance is made of, against the category's mean; empty without parts."""
    if case.true.parts is None or case.mean_parts is None:
        return ""
    against = "Against the average product of the category, the whole scene"
    whole = case.true.parts.whole - case.mean_parts.whole
    if case.attention is None:
        return f"{against} {_moves(whole)}."
    regions = case.true.parts.regions - case.mean_parts.regions
    if (whole <= 0) == (regions <= 0):
        return f"{against} {_moves(whole)} and the regions {abs(regions):.2f}."
    return f"{against} {_moves(whole)}, and the regions {_move(regions)}."


def _moves(difference: float) -> str:
    size = f"{abs(difference):.2f}"
    return f"pulls it {size} nearer" if difference <= 0 else f"pushes it {size} away"


def _move(difference: float) -> str:
    size = f"{abs(difference):.2f}"
    return f"pull it {size} nearer" if difference <= 0 else f"push it {size} away"


def remarks(case: Case, *, has_copy: bool, is_trained: bool) -> list[str]:
    """What to bear in mind about a case, a few words each."""
    said = []
    if is_trained:
        said.append("the model was trained on this scene")
    if has_copy:
        said.append("the scene has a copy under another id")
    if case.seen_in_training:
        said.append("product seen in training")
    if case.beside is not None:
        left = (case.beside.right - case.beside.left) * (case.beside.bottom - case.beside.top)
        said.append(f"{percent(left, 0)} of the picture is left beside the product")
    if case.known_category is None:
        said.append("the model does not know this category")
    elif case.known_category != case.category:
        said.append(f"taken as {last_level(case.known_category)}")
    if case.attention is not None and case.known_category is not None:
        strongest = float(case.attention.max()) * REGIONS
        said.append(f"its strongest region has {strongest:.1f} times an even share of the attention")
    if case.placed.n_candidates < 10:
        said.append("few candidates: luck counts for much")
    return said


SCENE, PRODUCT, WHOLE = 460, 200, 150
"""The longer sides, in pixels: the scene as seen, a product, the whole picture beside it."""
SCENE_QUALITY, PRODUCT_QUALITY = 78, 80


@dataclass(frozen=True, slots=True)
class Inlined:
    """A picture in a page: its data address, and its size in pixels."""

    address: str
    width: int
    height: int

    @classmethod
    def of(cls, picture: Image.Image, quality: int) -> "Inlined":
        """Encode a picture."""
        content = b64encode(encode_jpeg(picture, quality)).decode("ascii")
        return cls(f"data:image/jpeg;base64,{content}", *picture.size)


@dataclass(frozen=True, slots=True)
class ScenePictures:
    """The pictures of a case's scene.

    Attributes:
        plain: the scene as the model sees it.
        looked: the same with the attention over it; None where there is no attention.
        whole: the whole picture; None where that is what the model sees.
    """

    plain: Inlined
    looked: Inlined | None
    whole: Inlined | None


def scene_pictures(case: Case) -> ScenePictures:
    """Draw the scene of a case.

    Raises:
        PictureError: it cannot be read any more.
    """
    seen = _small(case.view, SCENE)
    looked = None if case.attention is None else attended(seen, case.attention)
    whole = None if case.beside is None else _small(View(case.view.picture), WHOLE)
    return ScenePictures(
        Inlined.of(seen, SCENE_QUALITY),
        None if looked is None else Inlined.of(looked, SCENE_QUALITY),
        None if whole is None else Inlined.of(whole, SCENE_QUALITY),
    )


def product_picture(product: Product) -> Inlined:
    """Draw a product.

    Raises:
        PictureError: its picture cannot be read any more.
    """
    return Inlined.of(_small(View(product.picture), PRODUCT), PRODUCT_QUALITY)


def _small(view: View, side: int) -> Image.Image:
    picture = open_picture(view.picture, crop=view.crop, fit=2 * side)
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    return picture


BINS = 20


def scale(figure: Interval, *, has_interval: bool = True) -> str:
    """A track from 0 to 100 %: filled up to the value, with its interval and a mark where a guess comes.

    What it shows stands beside it in words, so it is hidden from those who listen.
    """
    interval = '<span class="scale-interval"></span>' if has_interval else ""
    return (
        f'<span class="scale" aria-hidden="true" style="--value:{100 * figure.value:.2f}%;'
        f'--low:{100 * figure.low:.2f}%;--high:{100 * figure.high:.2f}%">'
        f'<span class="scale-fill"></span>{interval}<span class="scale-guess"></span></span>'
    )


def place_counts(placed: Sequence[Placed], bins: int = BINS) -> list[int]:
    """How many true products came in each part of their ranking, nearest first.

    The place of a pair is 1 - share: 0 where the true product is nearest of all, 1 where it is farthest.
    """
    counts = [0] * bins
    for each in placed:
        counts[min(int((1 - each.result.share) * bins + 1e-9), bins - 1)] += 1
    return counts


def histogram(placed: Sequence[Placed]) -> str:
    """Where the true products came in their rankings, against the even spread of a guess."""
    counts = place_counts(placed)
    even, most = len(placed) / BINS, max(counts)
    top = max(most, even)
    step = 100 // BINS
    bars = "".join(
        f'<span class="bar{" better" if count > even else ""}" style="--height:{100 * count / top:.1f}%" '
        f'title="{_part(number, step)}: {pairs(count)}"></span>'
        for number, count in enumerate(counts)
    )
    rows = "".join(
        f'<tr><th scope="row">{_part(number, step)}</th><td>{count:,}</td></tr>'
        for number, count in enumerate(counts)
    )
    first = sum(counts[:2])
    said = (
        f"{counted(first, 'true product')} of {len(placed):,} came within the nearest {2 * step} % of their "
        f"category: {percent(first / len(placed), 0)}, where a guess gets {2 * step} %."
    )
    return f"""<figure class="histogram">
<div class="bars" role="img" aria-label="{escape(said)}" style="--even:{100 * even / top:.1f}%">{bars}
<span class="even"><span>a guess: {even:,.1f} each</span></span></div>
<div class="axis" aria-hidden="true"><span>nearest of all</span><span>middle</span><span>farthest</span></div>
<figcaption>{escape(said)}</figcaption>
<details class="numbers"><summary>The numbers</summary>
<table><thead><tr><th scope="col">place in the ranking</th><th scope="col">pairs</th></tr></thead>
<tbody>{rows}</tbody></table></details>
</figure>"""


def _part(number: int, step: int) -> str:
    return f"{number * step} to {percent((number + 1) * step / 100, 0)}"


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of a model on a set, and answers looked at closer.

    Attributes:
        evaluation: the figures.
        placed: its pairs.
        guess: what a guess would get on them.
        cases: the answers shown, by section.
        findings: where the model is weak.
        n_cut: pairs whose scene was seen without the product; the others' scenes are whole.
        copied_scenes: the scenes of the set that have a copy under another id.
        trained_scenes: that the model was trained on.
        model_identity: sha256 over all that the model's distances depend on.
        licence: of the set's pictures, as far as the set says.
        library: version of perfectlook.
    """

    evaluation: Evaluation
    placed: list[Placed]
    guess: Guess
    cases: dict[Kind, list[Case]]
    findings: list[Finding]
    n_cut: int
    copied_scenes: frozenset[str]
    trained_scenes: frozenset[str]
    model_identity: str
    licence: str | None
    library: str

    @property
    def too_little(self) -> str | None:
        """Why there is nothing to compare, and what to do; None where there are pairs of several scenes.

        All draws of one scene are the same: intervals over them would have no width, and mean nothing.
        """
        evaluation, overall = self.evaluation, self.evaluation.overall
        if overall.n_scenes > 1:
            return None
        pairs = "1 pair" if overall.n_pairs == 1 else f"{overall.n_pairs:,} pairs of 1 scene"
        where = "the set" if evaluation.split == "all" else f"split '{evaluation.split}'"
        other = "" if evaluation.split == "all" else "use --split all, or "
        return f"{pairs} in {where}: nothing to compare; {other}add pairs to the set"

    @property
    def has_attention(self) -> bool:
        """Whether the model looks at regions in any of the answers shown."""
        return any(case.attention is not None for cases in self.cases.values() for case in cases)


def advice(report: Report) -> str:
    """A list of questions, for the pictures to answer."""
    asked = [_FIVE, _PAIR, _BOX if report.n_cut else _NO_BOX, _PICTURE, _TWINS]
    if report.has_attention:
        asked.append(_LOOKS)
    return "".join(f"<li><h3>{escape(title)}</h3><p>{_with_code(text)}</p></li>" for title, text in asked)


_FIVE = (
    "Would the five have done as well?",
    "Then the answer is not bad: the set counts one right product, and a scene has room for several. Many "
    "such "
    "cases say that the model is better than its figure.",
)
_PAIR = (
    "Is the pair right?",
    "A product that is not in the scene, or stands in the wrong category, can only be guessed. Take such "
    "rows out "
    "of `pairs.jsonl`, or mend `categories.json`.",
)
_BOX = (
    "Is the box right?",
    "A box that misses the product leaves it in view, which flatters; one that is too large leaves nothing "
    "to go "
    "by. The small picture beside the scene shows the box (dashed) and what is left.",
)
_NO_BOX = (
    "Does the scene show the product?",
    "A scene that is shown whole gives away the colour and the cut of its own product. Boxes in "
    "`pairs.jsonl` and "
    "`--scene crop` take it away.",
)
_PICTURE = (
    "What does the product's picture show?",
    "On white, alone and whole is best. A person, a room or a collage around it is what the model compares "
    "instead.",
)
_LOOKS = (
    "Where does it look?",
    "Attention on a watermark, a border or a face is a hint that pictures of one source share it. "
    "`evaluate --explain` measures whether the attention matters at all.",
)
_TWINS = (
    "Are there twins in the catalogue?",
    "The same product under several ids pushes the true one down its own ranking: nearest products that look "
    "the "
    "same are the sign.",
)


def _with_code(text: str) -> str:
    """Escape a text; what stands between backquotes becomes code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


ROOM = 1.03
"""How much longer a bar can be than the longest one."""


def case_card(case: Case, kind: Kind, number: int, *, has_copy: bool, is_trained: bool) -> str:
    """The article of a case: its scene, its true product and the nearest ones."""
    key = f"{kind}-{number}"
    farthest = ROOM * max(
        case.true.distance, case.mean_distance, *(each.distance for each in case.nearest), 0.0
    )
    notes = remarks(case, has_copy=has_copy, is_trained=is_trained)
    said = " ".join(filter(None, (why_listed(case, kind), what_made_it(case))))
    nearest = "".join(_answer(each, place, case, farthest) for place, each in enumerate(case.nearest, 1))
    chips = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f"""<article class="case {kind}" id="{key}" aria-labelledby="{key}-title">
{_scene(case)}
<div class="case-words">
<p class="rank"><span>rank</span> {rank_of(case)}</p>
<h3 id="{key}-title" title="{escape(spoken_path(case.category))}">{escape(last_level(case.category))}</h3>
<p class="why">{escape(said)}</p>
{f'<ul class="chips">{chips}</ul>' if chips else ""}
</div>
<div class="answers">
<div class="truth"><p class="label">belongs here</p>
{_answer(case.true, None, case, farthest)}</div>
<div class="nearest"><p class="label">the model's nearest</p>
<ol>{nearest}</ol></div>
</div>
<p class="ids">scene {escape(case.pair.scene)} · product {escape(case.pair.product)}</p>
</article>"""


def _scene(case: Case) -> str:
    drawn = scene_pictures(case)
    category = escape(last_level(case.category))
    what = "the scene without the product" if drawn.whole else "the scene"
    plain = _picture(drawn.plain, f"{what}, as the model sees it for {category}", "plain")
    looked = _picture(drawn.looked, "", "looked") if drawn.looked else ""
    size = f"--ratio:{drawn.plain.width / drawn.plain.height:.4f}"
    whole = _whole(case, drawn.whole) if drawn.whole else ""
    return f'<div class="scene"><span class="seen-as" style="{size}">{plain}{looked}</span>{whole}</div>'


def _whole(case: Case, drawn: Inlined) -> str:
    """The whole picture with marks: what of it is seen, and the product's box."""
    marks = "".join(
        _mark(box, kind) for box, kind in ((case.beside, "seen"), (case.pair.box, "box")) if box is not None
    )
    return f"""<span class="whole">{_picture(drawn, "the whole picture", "")}
<svg viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true">{marks}</svg></span>
<p class="whole-words">The whole picture: in orange what the model sees, dashed the product.</p>"""


def _mark(box: Box, kind: str) -> str:
    width, height = 100 * (box.right - box.left), 100 * (box.bottom - box.top)
    return (
        f'<rect class="{kind}" x="{100 * box.left:.2f}" y="{100 * box.top:.2f}" width="{width:.2f}" '
        f'height="{height:.2f}" vector-effect="non-scaling-stroke" />'
    )


def _answer(answer: Answer, place: int | None, case: Case, farthest: float) -> str:
    """One product with its distance: an entry of the list, or the true product on its own."""
    tag, product = ("div" if place is None else "li"), answer.product
    picture = _picture(product_picture(product), name_of(product), "")
    where = "" if place is None else f'<span class="place">{place}</span>'
    mine = '<span class="mine">belongs here</span>' if place is not None and answer.is_true else ""
    name = f'<span class="name">{escape(product.title)}</span>' if product.title else ""
    return f"""<{tag} class="answer{" true" if answer.is_true else ""}">
<span class="tile" title="{escape(name_of(product))}">{picture}{where}{mine}</span>{name}
{_distance(answer, case, farthest)}</{tag}>"""


def _distance(answer: Answer, case: Case, farthest: float) -> str:
    """A distance in figures and as a bar of its parts, with a mark where the category's mean is.

    A model that looks at no picture only orders: its distances have no parts and no bar.
    """
    parts = answer.parts
    if parts is None or farthest <= 0:
        return f'<span class="distance"><b>{answer.distance:.2f}</b></span>'
    lengths = {
        "whole": parts.whole / farthest,
        "regions": parts.regions / farthest,
        "mean": case.mean_distance / farthest,
    }
    style = ";".join(f"--{name}:{100 * max(length, 0.0):.1f}%" for name, length in lengths.items())
    of_both = f"{parts.whole:.2f} + {parts.regions:.2f}" if case.attention is not None else ""
    return f"""<span class="parts" aria-hidden="true" style="{style}"><span class="part-whole"></span>
<span class="part-regions"></span><span class="part-mean"></span></span>
<span class="distance"><b>{answer.distance:.2f}</b>
<span class="sum">{of_both}</span></span>"""


def _picture(picture: Inlined, says: str, kind: str) -> str:
    classes = f' class="{kind}"' if kind else ""
    return (
        f'<img{classes} src="{picture.address}" alt="{escape(says)}" width="{picture.width}" '
        f'height="{picture.height}" decoding="async" />'
    )


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


INTRODUCTIONS: dict[Kind, tuple[str, str]] = {
    "best": (
        "The best answers",
        "The ranks that a guess would least often reach: first of 500 is worth more than first of 5.",
    ),
    "worst": (
        "The worst answers",
        "The ranks that a guess would least often fall to. Not all of them are wrong: several products may "
        "go with a scene, and only one counts here.",
    ),
    "random": (
        "Answers at random",
        "Neither the best nor the worst: what an ordinary answer looks like, so that the extremes do not "
        "mislead.",
    ),
}


def page(report: Report) -> str:
    """Write a report as a page; the same report gives the same page.

    Raises:
        PictureError: a picture cannot be read any more.
    """
    evaluation = report.evaluation
    has_parts = any(case.true.parts is not None for cases in report.cases.values() for case in cases)
    links = "".join(
        f'<a href="#{kind}">{kind.capitalize()}</a>' for kind, cases in report.cases.items() if cases
    )
    return Template(_text("page.html")).substitute(
        title=escape(f"{evaluation.model} on {evaluation.set_name}: the best and the worst answers"),
        style=_text("page.css"),
        switch=_SWITCH if report.has_attention else "",
        links=links,
        headline=headline(report),
        cautions=cautions(report),
        figures=more_figures(report),
        histogram=_histogram(report),
        categories=categories(report),
        legend=_legend(report.has_attention, has_parts=has_parts),
        cases="".join(_section(report, kind) for kind in report.cases),
        measured=measured(report),
        advice=advice(report),
        colophon=colophon(report),
    )


def _histogram(report: Report) -> str:
    if report.too_little is None:
        return histogram(report.placed)
    return '<p class="nothing">One scene says nothing about where true products come.</p>'


def _section(report: Report, kind: Kind) -> str:
    cases, (title, introduction) = report.cases[kind], INTRODUCTIONS[kind]
    if not cases and (kind == "random" or report.too_little):
        return ""
    if len(report.placed) == 1:
        title, introduction = "The answer", "The only one there is."
    cards = "".join(
        case_card(
            case,
            kind,
            number,
            has_copy=case.pair.scene in report.copied_scenes,
            is_trained=case.pair.scene in report.trained_scenes,
        )
        for number, case in enumerate(cases, 1)
    )
    nothing = f'<p class="nothing">There is none: no rank is {_PAST_THE_MIDDLE[kind]} the middle.</p>'
    return f"""<section class="cases" id="{kind}" aria-labelledby="{kind}-title">
<header class="section-head"><h2 id="{kind}-title">{title}</h2><p>{introduction}</p></header>
{cards or nothing}</section>"""


_PAST_THE_MIDDLE = {"best": "before", "worst": "behind", "random": "at"}

_SWITCH = """<label class="switch"><input type="checkbox" id="attention" checked />
<span class="track" aria-hidden="true"></span><span>Attention</span></label>"""


def _legend(has_attention: bool, *, has_parts: bool) -> str:
    regions = '<span class="key regions"></span>the regions' if has_attention else ""
    attention = (
        " In colour, where the model looks for that category; faded, where it does not."
        if has_attention
        else ""
    )
    keys = f"""<p class="keys"><span class="key whole-scene"></span>the whole scene {regions}
<span class="key mean"></span>the average product of the category</p>"""
    return f"""<aside class="legend" aria-label="How to read a case">
<p>Each case shows the scene as the model sees it, the product that belongs there, and the five products that
the model puts nearest.{attention} Under a product stands its distance, lower is
nearer{", and what it is the sum of" if has_attention else ""}.</p>
{keys if has_parts else ""}</aside>"""


def _text(name: str) -> str:
    return resources.files("perfectlook.evaluation").joinpath("templates", name).read_text(encoding="utf-8")


SHOWN = 24
"""How many answers a report shows unless told otherwise."""


def make_report(
    model: Model | Popularity | Path | str,
    dataset: Dataset | Path | str,
    *,
    split: EvaluatedSplit = "test",
    scene: SceneShown = "crop",
    shown: int = SHOWN,
    strict: bool = False,
    workers: int | None = None,
    progress: ProgressOf | None = None,
) -> Report:
    """Evaluate a model on a split of a set and look at its best, its worst and some random answers.

    Args:
        model: a model, or its folder.
        dataset: a set, or its folder.
        split: by scene: train, val, test, or all.
        scene: "crop" shows the scenes without the product, "full" shows whole pictures.
        shown: how many answers to look at, in all.
        strict: fail when anything is wrong in the set.
        workers: processes that extract features.
        progress: shows the extraction.

    Raises:
        ModelError: the model cannot be opened, or its backbone is another than the one it was trained on.
        DatasetError: the set cannot be read, or the split holds no pair to evaluate.
    """
    opened = open_model(model) if isinstance(model, Path | str) else model
    features = features_for(opened, dataset, scene=scene, strict=strict, workers=workers, progress=progress)
    return report_on_features(opened, features, split=split, scene=scene, shown=shown)


def report_on_features(
    model: Model | Popularity,
    features: SetFeatures,
    *,
    split: EvaluatedSplit = "test",
    scene: SceneShown = "crop",
    shown: int = SHOWN,
) -> Report:
    """Report on a set whose features are at hand; see `make_report`."""
    evaluation = evaluate_on_features(model, features, split=split, scene=scene)
    placed = placed_pairs(features, evaluation)
    choice = choose(placed, shown, twins=features.twins)
    sections: dict[Kind, list[Placed]] = {"best": choice.best, "worst": choice.worst, "random": choice.random}
    cases = Cases(model, features, [each for section in sections.values() for each in section])
    return Report(
        evaluation=evaluation,
        placed=placed,
        guess=guess_over(placed),
        cases={kind: [cases.of(each) for each in section] for kind, section in sections.items()},
        findings=findings(evaluation, features, placed, model.trained_on["products"]),
        n_cut=sum(features.pairs[each.index].box is not None for each in placed) if scene == "crop" else 0,
        copied_scenes=frozenset(features.twins),
        trained_scenes=model.trained_on["scenes"],
        model_identity=model.identity,
        licence=features.dataset.licence,
        library=__version__,
    )
