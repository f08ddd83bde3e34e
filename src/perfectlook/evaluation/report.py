"""Report on a model and a set as one HTML file: figures, and a closer look at some answers.

The page comes from the templates next to this file: `page.html` (sections), `case.html` (an answer),
`parts.html` (figures and charts), `words.html` (sentences) and `page.css` (style).
"""

from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image

from perfectlook import __version__
from perfectlook.data import Dataset
from perfectlook.data.scenes import scene_rectangle
from perfectlook.evaluation.evaluate import Evaluation, evaluate_on_features
from perfectlook.evaluation.overlay import attended
from perfectlook.evaluation.protocol import (
    TOP_K,
    Candidates,
    EvaluatedSplit,
    Figures,
    Interval,
    PairResult,
    figures,
)
from perfectlook.features.set_features import SceneShown, SetFeatures
from perfectlook.images import encode_jpeg, open_picture
from perfectlook.model.runtime import Model, Popularity, SceneEmbedding, features_for, open_model
from perfectlook.progress import ProgressOf
from perfectlook.progress import counted as plain_counted
from perfectlook.taxonomy import split_path
from perfectlook.types import REGIONS, Box, Float32Array, Pair, Product, View

Kind = Literal["best", "worst", "random"]

FEW = 20
"""A group or category with fewer pairs has an interval that is too wide."""
LISTED = 4
"""Largest number of categories in a finding."""
GUESSING = 0.5
"""Binary accuracy of a guess."""
SHOWN = 24
"""Default number of answers in a report."""
NEAREST = 5
"""Number of nearest products in a case."""
BINS = 20
"""Number of bins that the histogram divides each ranking into."""
ROOM = 1.03
"""Length of a full bar, relative to the longest one."""
SCENE, PRODUCT, WHOLE = 460, 200, 150
"""Longer sides in pixels: the scene as the model sees it, a product, the small whole picture."""
SCENE_QUALITY, PRODUCT_QUALITY = 78, 80


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
) -> "Report":
    """Evaluate a model on a split of a set, and show its best, its worst and some random answers.

    Args:
        model: a model, its folder, or the name of a model that comes with the package.
        dataset: a set, its folder, or "showroom".
        split: split by scene: train, val, test, or all.
        scene: "crop" shows the scenes without the product, "full" shows whole pictures.
        shown: total number of answers to show.
        strict: fail if anything is wrong in the set.
        workers: number of processes that extract features.
        progress: shows the progress of the extraction.

    Raises:
        ModelError: the model cannot be opened, or its backbone is not the one it was trained on.
        DatasetError: the set cannot be read, or the split has no pair to evaluate.
    """
    opened = open_model(model) if isinstance(model, Path | str) else model
    features = features_for(opened, dataset, scene=scene, strict=strict, workers=workers, progress=progress)
    evaluation = evaluate_on_features(opened, features, split=split, scene=scene)
    results = evaluation.results
    sections = choose(results, shown, twins=features.twins)
    cases = iter(cases_of(opened, features, [each for section in sections.values() for each in section]))
    return Report(
        evaluation=evaluation,
        guess=guess_over(results),
        cases={kind: [next(cases) for _ in section] for kind, section in sections.items()},
        findings=findings(evaluation, features, opened.trained_on["products"]),
        n_cut=sum(features.pairs[each.index].box is not None for each in results) if scene == "crop" else 0,
        model_identity=opened.identity,
        licence=features.dataset.licence,
        library=__version__,
    )


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of a model on a set, and a closer look at some answers.

    Attributes:
        evaluation: the figures.
        guess: the expected figures of a guess.
        cases: the answers to show, by section.
        findings: weaknesses of the model.
        n_cut: pairs whose scene is shown without the product; other scenes are whole.
        model_identity: sha256 over everything that the model's distances depend on.
        licence: licence of the set's pictures, if the set states one.
        library: version of perfectlook.
    """

    evaluation: Evaluation
    guess: "Guess"
    cases: dict[Kind, list["Case"]]
    findings: "list[Finding]"
    n_cut: int
    model_identity: str
    licence: str | None
    library: str

    @property
    def too_little(self) -> str | None:
        """Why there are too few pairs and what to do; None with pairs of several scenes.

        All resamples of one scene are the same, so intervals would have no width and no meaning.
        """
        evaluation, overall = self.evaluation, self.evaluation.overall
        if overall.n_scenes > 1:
            return None
        pairs = "1 pair" if overall.n_pairs == 1 else f"{overall.n_pairs:,} pairs of 1 scene"
        where = "the set" if evaluation.split == "all" else f"split '{evaluation.split}'"
        other = "Add" if evaluation.split == "all" else "Choose the split 'all', or add"
        return f"{pairs} in {where}: too few to compare. {other} pairs to the set."

    @property
    def has_attention(self) -> bool:
        """Whether any case shows attention."""
        return any(case.attention is not None for cases in self.cases.values() for case in cases)

    @property
    def has_parts(self) -> bool:
        """Whether any distance has parts."""
        return any(case.true.parts is not None for cases in self.cases.values() for case in cases)


def page(report: Report) -> str:
    """Write a report as an HTML page. The same report gives the same page.

    Raises:
        PictureError: a picture can no longer be read.
    """
    return templates().get_template("page.html").render(report=report)


def choose(
    results: Sequence[PairResult],
    count: int,
    *,
    twins: Mapping[str, frozenset[str]] | None = None,
    seed: int = 0,
) -> dict[Kind, list[PairResult]]:
    """Choose at most `count` pairs, a third for each section.

    The best are the ranks that a guess reaches least often: first of 500 is better than first of 5. The worst
    are the ranks that a guess falls to least often. Best pairs are in the better half of their ranking, worst
    pairs in the worse half. If there are at most `count` pairs, or none is outside the middle, all remaining
    pairs are in the random section. A section shows a scene and its copies once, and the page shows a product
    once.

    Args:
        results: all evaluated pairs.
        count: number of pairs to choose, at least 1.
        twins: copies of each scene that has any.
        seed: seed for the random section.
    """
    products: set[str] = set()

    def first(number: int, ordered: Iterable[PairResult]) -> list[PairResult]:
        """The first pairs whose scene is new in the section and whose product is new on the page."""
        chosen: list[PairResult] = []
        scenes: set[str] = set()
        for each in ordered:
            if len(chosen) == number:
                break
            if each.scene not in scenes and each.product not in products:
                chosen.append(each)
                products.add(each.product)
                scenes |= {each.scene, *(twins or {}).get(each.scene, frozenset())}
        return chosen

    count = min(count, len(results))
    a_third, more = divmod(count, 3)
    by_id = sorted(results, key=lambda each: (each.scene, each.product))
    good = sorted((r for r in by_id if r.share > GUESSING), key=lambda each: each.chance_of_as_good)
    bad = sorted((r for r in by_id if r.share < GUESSING), key=lambda each: each.chance_of_as_bad)
    best, worst = first(a_third + (more > 0), good), first(a_third + (more > 1), bad)
    drawn = (results[row] for row in np.random.default_rng(seed).permutation(len(results)))
    left = count - len(best) - len(worst)
    random = first(left if count == len(results) or left == count else a_third, drawn)
    return {"best": best, "worst": worst, "random": random}


@dataclass(frozen=True, slots=True)
class Guess:
    """Expected figures of a guess, a random order; its binary accuracy is always one half.

    Attributes:
        top_k: expected share of pairs with a rank within the first K, by K.
        mrr: expected reciprocal rank.
    """

    top_k: dict[int, float]
    mrr: float


def guess_over(results: Sequence[PairResult]) -> Guess:
    """The expected figures of a guess over at least one pair: ranks 1 to n are equally likely.

    With n products, a rank within the first K has probability K / n. The expected reciprocal rank is
    (1 + 1/2 + … + 1/n) / n.
    """
    sizes = np.asarray([each.n_products for each in results], np.int64)
    harmonic = np.cumsum(1 / np.arange(1, sizes.max() + 1))
    return Guess(
        top_k={k: float(np.mean(np.minimum(k, sizes) / sizes)) for k in TOP_K},
        mrr=float(np.mean(harmonic[sizes - 1] / sizes)),
    )


@dataclass(frozen=True, slots=True)
class Finding:
    """A measured weakness, or its absence; the templates put it into words.

    Attributes:
        kind: the comparison: seen and unseen products, scenes with much and with little left, or categories
            and a guess.
        outcome: whether the first group is "higher" or "lower" than the second, or both are "alike". For
            categories, whether "some" or "none" are no better than a guess.
        groups: figures of the compared groups by name, first group first; for categories, the worst ones.
        counts: for categories: `all`, `weak`, and `few` (weak ones with too few pairs).
    """

    kind: Literal["unseen", "crop", "categories"]
    outcome: Literal["higher", "lower", "alike", "some", "none"]
    groups: dict[str, Figures]
    counts: dict[str, int] = field(default_factory=dict)


def findings(
    evaluation: Evaluation, features: SetFeatures, trained_products: frozenset[str]
) -> list[Finding]:
    """Everything that can be measured on the pairs of an evaluation, in the order of the page.

    Args:
        evaluation: the evaluation.
        features: the features it was made with.
        trained_products: products in the model's training pairs.
    """
    results = evaluation.results
    seen = [(each, each.product in trained_products) for each in results]
    found = [_compared("unseen", seen, "products seen in training", "products never seen")]
    if evaluation.scene == "crop":
        shares = ((each, scene_left(features, each.index)) for each in results)
        left = [(each, share >= 0.5) for each, share in shares if share is not None]
        found.append(_compared("crop", left, "half or more is left", "less than half is left"))
    return [each for each in (*found, _weak_categories(evaluation)) if each is not None]


def scene_left(features: SetFeatures, index: int) -> float | None:
    """The share of the scene's picture that the crop rule keeps for a pair, 0 to 1; None without a box."""
    left = _left(features, features.pairs[index])
    return (left.right - left.left) * (left.bottom - left.top) if left else None


def _left(features: SetFeatures, pair: Pair) -> Box | None:
    """The part of the scene's picture that the crop rule keeps for a pair; None without a box."""
    return scene_rectangle(pair.box, vertical_only=features.dataset.is_fashion) if pair.box else None


def _compared(
    kind: Literal["unseen", "crop"], pairs: Sequence[tuple[PairResult, bool]], first: str, second: str
) -> Finding | None:
    """Compare the pairs of the `first` group with the others; None if one group has too few pairs."""
    sides = {first: [each for each, is_first in pairs if is_first]}
    sides[second] = [each for each, is_first in pairs if not is_first]
    if min(map(len, sides.values())) < FEW:
        return None
    groups = {name: found for name, side in sides.items() if (found := figures(side)) is not None}
    one, other = (each.binary_accuracy for each in groups.values())
    if one.low > other.high:
        return Finding(kind, "higher", groups)
    return Finding(kind, "lower" if other.low > one.high else "alike", groups)


def _weak_categories(evaluation: Evaluation) -> Finding | None:
    """The categories whose interval includes a guess; None with fewer than two categories."""
    of_category = {name: each for name, each in evaluation.per_category.items() if each.n_scenes > 1}
    if len(of_category) < 2:
        return None
    weak = {name: each for name, each in of_category.items() if each.binary_accuracy.low <= GUESSING}
    worst_first = sorted(weak.items(), key=lambda item: (item[1].binary_accuracy.value, item[0]))[:LISTED]
    few = sum(each.n_pairs < FEW for each in weak.values())
    counts = {"all": len(of_category), "weak": len(weak), "few": few}
    return Finding("categories", "some" if weak else "none", dict(worst_first), counts)


class Parts(NamedTuple):
    """The two parts of a distance."""

    whole: float
    regions: float


@dataclass(frozen=True, slots=True)
class ShownProduct:
    """A product of a case, with its distance to the scene.

    Attributes:
        product: the product.
        distance: its distance to the scene.
        parts: parts of the distance; None for a model that reads no pictures.
        is_true: whether it is the pair's product.
    """

    product: Product
    distance: float
    parts: Parts | None
    is_true: bool


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One pair on the page.

    Attributes:
        result: the rank of the true product.
        pair: the pair with its box.
        view: the scene as the model sees it.
        rectangle: the rectangle of `view` in the whole picture, normalised; None if `view` is all of it.
        attention: attention over the regions of `view`, [49]; None for a model without attention.
        known_category: the category that stands in for the product's category; None if there is none.
        true: the pair's product.
        nearest: the nearest of the candidates and the true product, nearest first.
        n_nearer: number of candidates nearer than the true product.
        n_as_near: number of candidates at the same distance.
        mean_distance: mean distance of the candidates and the true product.
        mean_parts: parts of the mean distance.
        seen_in_training: whether the product was in a training pair.
        is_trained: whether the model was trained on the scene.
        has_copy: whether the scene has a copy under another id.
    """

    result: PairResult
    pair: Pair
    view: View
    rectangle: Box | None
    attention: Float32Array | None
    known_category: str | None
    true: ShownProduct
    nearest: tuple[ShownProduct, ...]
    n_nearer: int
    n_as_near: int
    mean_distance: float
    mean_parts: Parts | None
    seen_in_training: bool
    is_trained: bool = False
    has_copy: bool = False

    @property
    def category(self) -> str:
        """The category of the product."""
        return self.result.category

    @property
    def farthest(self) -> float:
        """The distance that a bar of full length shows."""
        return ROOM * max(0.0, self.mean_distance, *(each.distance for each in (self.true, *self.nearest)))

    @property
    def strongest_region(self) -> float | None:
        """The largest attention of a region, as a multiple of the average attention."""
        if self.attention is None or self.known_category is None:
            return None
        return float(self.attention.max()) * REGIONS


def cases_of(model: Model | Popularity, features: SetFeatures, results: Sequence[PairResult]) -> list[Case]:
    """Collect the cases of some pairs, with the distances and candidates of their evaluation."""
    indices = np.asarray([each.index for each in results], np.int64)
    candidates = Candidates(features)
    scenes, vectors = {}, None
    if isinstance(model, Model):
        scenes, vectors = model.scene_embeddings(features, indices), model.product_vectors(features)
    of_pair = features.pair_scenes.tolist()
    return [
        _case(model, features, each, candidates, scenes.get(of_pair[each.index]), vectors) for each in results
    ]


def _case(
    model: Model | Popularity,
    features: SetFeatures,
    result: PairResult,
    candidates: Candidates,
    scene: SceneEmbedding | None,
    vectors: Float32Array | None,
) -> Case:
    pair, row = features.pairs[result.index], int(features.pair_scenes[result.index])
    true_row, category = int(features.pair_products[result.index]), result.category
    in_category = candidates.category_rows(category)
    rows = in_category[candidates.mask(pair.scene, category) | (in_category == true_row)]
    if scene is None or vectors is None:
        distances = model.distances_over(features, np.asarray([result.index]))(row, category, rows)
        parts = None
    else:
        found = scene.distances(category, vectors[rows])
        distances = np.asarray(found.total, np.float64)
        parts = np.asarray([found.from_global, found.from_local], np.float64)

    def shown(place: int) -> ShownProduct:
        product = features.dataset.products[features.product_ids[rows[place]]]
        of_product = None if parts is None else Parts(*map(float, parts[:, place]))
        return ShownProduct(product, float(distances[place]), of_product, bool(rows[place] == true_row))

    place = int(np.searchsorted(rows, true_row))
    others = np.delete(distances, place)
    view = features.scene_views[row]
    return Case(
        result=result,
        pair=pair,
        view=view,
        rectangle=_left(features, pair) if view.crop is not None else None,
        attention=None if scene is None or scene.regions is None else scene.attention(category),
        known_category=model.resolve(category).category if isinstance(model, Model) else category,
        true=shown(place),
        nearest=tuple(shown(int(each)) for each in np.argsort(distances, kind="stable")[:NEAREST]),
        n_nearer=int(np.count_nonzero(others < distances[place])),
        n_as_near=int(np.count_nonzero(others == distances[place])),
        mean_distance=float(distances.mean()),
        mean_parts=None if parts is None else Parts(*map(float, parts.mean(axis=1))),
        seen_in_training=pair.product in model.trained_on["products"],
        is_trained=pair.scene in model.trained_on["scenes"],
        has_copy=pair.scene in features.twins,
    )


@cache
def templates() -> Environment:
    """The templates of the page, with escaped text, and the functions and filters that they use."""
    environment = Environment(
        loader=PackageLoader("perfectlook.evaluation"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = (bounds, counted, grouped, last_level, name_of, percent, sentence, level_path)
    functions = (place_counts, scene_picture, whole_picture, product_picture)
    environment.filters |= {each.__name__: each for each in filters}
    environment.globals |= {"FEW": FEW, "BINS": BINS} | {each.__name__: each for each in functions}
    return environment


THIN = "\u00a0"


def percent(share: float, digits: int = 1) -> str:
    """A share as a percentage: 67.6 %."""
    return f"{100 * share:.{digits}f}{THIN}%"


def bounds(figure: Interval) -> str:
    """The interval of a share: 64.8 to 70.2 %."""
    return f"{100 * figure.low:.1f} to {percent(figure.high)}"


def grouped(number: float) -> str:
    """A number with thousands separators, and halves only if there are any: 1,200 and 2.5."""
    return f"{number:,}".removesuffix(".0")


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """A number of things that stays on one line: 1 pair, 1,200 pairs."""
    return plain_counted(count, noun, plural).replace(" ", THIN, 1)


def last_level(category: str) -> str:
    """The short name of a category: its last level."""
    levels = split_path(category)
    return levels[-1] if levels else "no category"


def level_path(category: str) -> str:
    """All levels of a category: Furniture › Chairs."""
    return " › ".join(split_path(category)) or "no category"


def name_of(product: Product) -> str:
    """The text alternative of a product: its title, or its id."""
    return product.title or f"product {product.id}"


def sentence(text: str) -> str:
    """The text with a capital letter at its start and a full stop."""
    return f"{text[:1].upper()}{text[1:]}."


def place_counts(results: Sequence[PairResult], bins: int = BINS) -> list[int]:
    """The number of true products in each bin of their ranking, nearest first.

    The place of a pair is 1 - share: 0 if the true product is the nearest, 1 if it is the farthest.
    """
    places = Counter(min(int((1 - each.share) * bins + 1e-9), bins - 1) for each in results)
    return [places[place] for place in range(bins)]


class InlinedPicture(NamedTuple):
    """A picture in a page: its data URL, and its size in pixels."""

    address: str
    width: int
    height: int


def scene_picture(case: Case, *, looked: bool = False) -> InlinedPicture:
    """The scene as the model sees it; with `looked`, the attention is drawn over it."""
    return _inlined(case.view, SCENE, SCENE_QUALITY, case.attention if looked else None)


def whole_picture(case: Case) -> InlinedPicture:
    """The whole picture that the scene of a case is cropped from."""
    return _inlined(View(case.view.picture), WHOLE, SCENE_QUALITY)


def product_picture(product: Product) -> InlinedPicture:
    """The picture of a product."""
    return _inlined(View(product.picture), PRODUCT, PRODUCT_QUALITY)


def _inlined(view: View, side: int, quality: int, attention: Float32Array | None = None) -> InlinedPicture:
    picture = open_picture(view.picture, crop=view.crop, fit=2 * side)
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    if attention is not None:
        picture = attended(picture, attention)
    content = b64encode(encode_jpeg(picture, quality)).decode("ascii")
    return InlinedPicture(f"data:image/jpeg;base64,{content}", *picture.size)
