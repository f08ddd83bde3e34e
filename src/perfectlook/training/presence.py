"""Fit what tells what photos show: the presence of categories, products in the scene, and known scenes.

A model learns from the whole scenes of its training pairs, whose known products are there, and from the crops
of the crop rule, whose product is not. Limits and calibration come from held-out scenes: every fold is seen
by a fit to the other folds.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch.nn.functional import binary_cross_entropy_with_logits

from perfectlook.backbones import FeatureBatch
from perfectlook.data.scenes import fold_of, scene_rectangle
from perfectlook.features.set_features import SetFeatures
from perfectlook.model.distances import unit_rows
from perfectlook.model.files import write_model_file
from perfectlook.model.known import KnownScenes
from perfectlook.model.presence import Presence, all_windows, mean_log_odds
from perfectlook.model.runtime import Model
from perfectlook.types import BoolArray, Box, Float32Array, Float64Array, IntArray

FEWEST = 64
"""Fewer scenes cannot teach what photos show."""
MOST_VIEWS = 4000
"""The largest number of views that are learned from."""
VISIBLE, HIDDEN = 0.5, 0.05
"""A product is in a crop if it shows this share of its box, and is not in it below the second."""
COMPONENTS = 128
STEPS, BATCH, RATE = 400, 96, 0.02
DECAY = 0.2
"""Weight decay of the looks and places of windows."""
PENALTY = 1.0
"""Penalty on the squared weights of the whole photo, relative to the loss summed over views."""
RIDGE = 0.03
"""Penalty of the projection to product vectors, relative to the number of windows."""
GOOD_WINDOW = 0.8
"""A window stands for a box if its overlap is at least this share of the best window's."""
WRONGLY_MARKED = 0.018
"""At most this share of held-out products that were cut out of their scene is marked as in the scene."""
RIGHTLY_MARKED, FEWEST_RIGHT = 0.2, 20
"""At least this share of the marked products, and this many, are known to be in their held-out scenes."""
MOST_HELD_OUT = 400
"""The largest number of held-out scenes of a fold that the limit is chosen on."""


def add_sight(folder: Path, model: Model, cropped: SetFeatures, whole: SetFeatures) -> None:
    """Write `known.npz` and `presence.npz` into the folder of a trained model.

    Sets with few scenes or without pairs give no presence, and fewer than 16 scenes no known scenes.

    Args:
        folder: the folder of the model.
        model: the model.
        cropped: the training set with cropped scenes.
        whole: the same set with whole scenes.
    """
    learned = model.trained_on["scenes"]
    ids = whole.scene_ids()
    rows = np.array([row for row, scene in enumerate(ids) if scene in learned], np.int64)
    folds = np.array([fold_of(ids[row]) for row in rows], np.int64)
    known = KnownScenes.of(whole.scenes.global_vectors[rows], whole.scenes.style_statistics[rows], folds)
    presence = fit_presence(cropped, whole, model, learned)
    for found in (known, presence):
        if found:
            write_model_file(folder / found.FILE, found.content())


def fit_presence(
    cropped: SetFeatures, whole: SetFeatures, model: Model, learned: Collection[str]
) -> Presence | None:
    """Fit the presence of categories and the likeness of products; None with fewer than 64 scenes.

    Args:
        cropped: the set with cropped scenes.
        whole: the same set with whole scenes.
        model: the model whose product vectors are compared.
        learned: ids of the scenes to learn from.
    """
    views = Views.of(cropped, whole, model.categories, learned)
    if len(set(views.scenes)) < FEWEST:
        return None
    vectors = model.product_vectors(whole)
    space = _Space.of(views)
    calibrating, cut_out, whole_scenes = (
        list[tuple[Float64Array, Float64Array]](),
        list[float](),
        list[tuple[Float64Array, BoolArray]](),
    )
    for kept, held in views.folds(whole.twins):
        fitted = _fit(views, space, vectors, kept)
        calibrating.append(_evidence(fitted, views, held))
        cut_out += _cut_out(fitted, views, vectors, held)
        whole_scenes += _in_whole(fitted, views, vectors, held)
    evidence, shown = (np.concatenate(each) for each in zip(*calibrating, strict=True))
    calibration = _logistic(evidence, shown[:, None], np.ones((1, evidence.shape[1])))
    calibration = np.append(*(each[0] for each in calibration))
    likeness, known = (np.concatenate(each) for each in zip(*whole_scenes, strict=True))
    limit = choose_limit(cut_out, likeness, known)
    fitted = _fit(views, space, vectors, np.ones(len(views.scenes), np.bool_))
    return replace(fitted, calibration=_single(calibration), limit=_single(limit))


class Visible(NamedTuple):
    """A product that a whole view shows: row of the view, row of the product, its box if it is known."""

    view: int
    product: int
    box: Box | None


@dataclass(frozen=True, slots=True, eq=False)
class Views:
    """Views of scenes: n of them, whole or cropped.

    Attributes:
        scenes: the scene id of each view.
        cropped: whether each view is a crop, [n].
        batch: the features of the views.
        shown: whether each view shows each category, [n, C].
        counted: false where this is unclear, because a crop shows a small part of a product, [n, C].
        visible: the known products of whole views.
        cut: the products that are cut out of crops: row of the view, row of the product.
        categories: the C categories.
        places: the place of each product's category among these, -1 if it is another, [products].
    """

    scenes: list[str]
    cropped: BoolArray
    batch: FeatureBatch
    shown: BoolArray
    counted: BoolArray
    visible: list[Visible]
    cut: list[tuple[int, int]]
    categories: tuple[str, ...]
    places: IntArray

    @classmethod
    def of(
        cls, cropped: SetFeatures, whole: SetFeatures, categories: Sequence[str], learned: Collection[str]
    ) -> Self:
        """The views of the scenes with these ids, of a set with cropped and with whole scenes."""
        column = {name: place for place, name in enumerate(categories)}
        places = np.array([column.get(name, -1) for name in whole.product_categories], np.int64)
        row_of = {product: row for row, product in enumerate(whole.product_ids)}
        known: dict[str, dict[int, Box | None]] = {}
        for pair in whole.pairs:
            known.setdefault(pair.scene, {})[row_of[pair.product]] = pair.box
        crops: dict[int, tuple[Box, list[int]]] = {}
        vertical_only = cropped.dataset.is_fashion
        for pair, row in zip(cropped.pairs, cropped.pair_scenes.tolist(), strict=True):
            if pair.box and (crop := scene_rectangle(pair.box, vertical_only=vertical_only)):
                crops.setdefault(row, (crop, []))[1].append(row_of[pair.product])
        usable = set(learned) & known.keys()
        ids = whole.scene_ids(), cropped.scene_ids()
        wholes = [row for row, scene in enumerate(ids[0]) if scene in usable]
        wholes = wholes[:: 1 + len(wholes) // MOST_VIEWS]
        cuts = [row for row in crops if ids[1][row] in usable]
        cuts = cuts[:: 1 + len(cuts) // MOST_VIEWS]
        scenes = [ids[0][row] for row in wholes] + [ids[1][row] for row in cuts]
        shown = np.zeros((len(scenes), len(categories)), np.bool_)
        counted = np.ones_like(shown)
        for view, scene in enumerate(scenes):
            crop = crops[cuts[view - len(wholes)]][0] if view >= len(wholes) else None
            for product, box in known[scene].items():
                share = _visible(box, crop) if box and crop else 1.0
                if (place := places[product]) >= 0:
                    shown[view, place] |= share >= VISIBLE
                    counted[view, place] &= not HIDDEN < share < VISIBLE
        both = whole.scenes.batch(wholes), cropped.scenes.batch(cuts)
        batch = both[0] if not cuts else FeatureBatch(*map(np.concatenate, zip(*both, strict=True)))
        return cls(
            scenes,
            np.arange(len(scenes)) >= len(wholes),
            batch,
            shown,
            counted | shown,
            [
                Visible(view, product, box)
                for view in range(len(wholes))
                for product, box in known[scenes[view]].items()
                if places[product] >= 0
            ],
            [
                (len(wholes) + at, product)
                for at, row in enumerate(cuts)
                for product in crops[row][1]
                if places[product] >= 0
            ],
            tuple(categories),
            places,
        )

    def take(self, rows: IntArray | list[int]) -> FeatureBatch:
        """The features of some views."""
        return FeatureBatch(*(part[rows] for part in self.batch))

    def folds(self, twins: Mapping[str, frozenset[str]]) -> Iterator[tuple[BoolArray, BoolArray]]:
        """Yield for each fold of scenes the views to learn from and the held-out views, both [n].

        Copies of held-out scenes are in neither.
        """
        folds = np.array([fold_of(scene) for scene in self.scenes])
        for fold in np.unique(folds):
            out = {scene for scene, its in zip(self.scenes, folds, strict=True) if its == fold}
            out |= {copy for scene in out for copy in twins.get(scene, ())}
            kept = np.array([scene not in out for scene in self.scenes], np.bool_)
            if kept.any():
                yield kept, folds == fold


def _visible(box: Box, crop: Box) -> float:
    """The share of a box that is inside a crop."""
    wide = max(0.0, min(box.right, crop.right) - max(box.left, crop.left))
    high = max(0.0, min(box.bottom, crop.bottom) - max(box.top, crop.top))
    return wide * high / max((box.right - box.left) * (box.bottom - box.top), 1e-12)


class _Space(NamedTuple):
    """The principal components of the views' global features, and their standardised regions."""

    mean: Float32Array
    scale: Float32Array
    directions: Float32Array
    inputs: Float32Array
    cell_mean: Float32Array
    cell_scale: Float32Array
    cells: Float32Array

    @classmethod
    def of(cls, views: Views) -> Self:
        parts = views.batch.global_vectors, views.batch.style_statistics
        features = np.concatenate(parts, axis=1).astype(np.float64)
        mean, deviation = features.mean(axis=0), features.std(axis=0)
        widths = [each.shape[1] for each in parts]
        scale = np.where(deviation > 1e-6 * deviation.max(), 1 / np.maximum(deviation, 1e-12), 0.0)
        scale = scale / np.sqrt(np.repeat(widths, widths))
        standardised = (features - mean) * scale
        directions, spreads = _first_components(standardised, COMPONENTS)
        directions = directions / spreads.mean()  # inputs of about unit size, for the optimiser
        maps = views.batch.feature_maps
        cell_mean, cell_scale = maps.mean(axis=(0, 1)), 1 / np.maximum(maps.std(axis=(0, 1)), 1e-6)
        arrays = (mean, scale, directions, standardised @ directions.T, cell_mean, cell_scale)
        cells = (maps - cell_mean) * cell_scale
        return cls._make(map(_single, (*arrays, cells)))


def _first_components(rows: Float64Array, count: int) -> tuple[Float64Array, Float64Array]:
    """Nearly the first principal directions of centred rows, and the standard deviations along them.

    `principal_components` finds all of them exactly, which takes minutes for the features of two backbones.
    """
    count = min(count, *rows.shape)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        _, lengths, directions = torch.svd_lowrank(
            torch.from_numpy(rows), q=min(count + 32, *rows.shape), niter=4
        )
    spreads = lengths[:count].numpy() / np.sqrt(len(rows))
    spanned = spreads**2 > 1e-9 * spreads[0] ** 2
    return directions[:, :count].numpy().T[spanned], spreads[spanned]


def _fit(views: Views, space: _Space, vectors: Float32Array, kept: BoolArray) -> Presence:
    """Fit to some views; calibration and limit are left open."""
    rows, known = np.flatnonzero(kept), len(views.categories)
    weights, bias, looks, places, level = _heads(views, space, rows)
    wholes = rows[~views.cropped[rows]]
    shown = views.shown[wholes].astype(np.float64)
    belonging, belonging_bias = _logistic(shown, shown, 1 - np.eye(known))
    usable = [each for each in views.visible if kept[each.view]]
    products = np.array([each.product for each in usable])
    own = views.places[products]
    pairs = Counter(zip([each.view for each in usable], own.tolist(), strict=True))
    once, twice = (np.bincount([c for (_, c), n in pairs.items() if n >= k], minlength=known) for k in (1, 2))
    windows = np.stack(
        [
            _windows_of(each.box)
            if each.box
            else _softmax(all_windows().shares @ (space.cells[each.view] @ looks[place]) + places[place])
            for each, place in zip(usable, own, strict=True)
        ]
    )
    seen = np.einsum(
        "nr,nrc->nc", windows @ all_windows().shares, space.cells[[each.view for each in usable]]
    )
    centres, middles = np.zeros((known, seen.shape[1])), np.zeros((known, vectors.shape[1]))
    for place in range(known):
        centres[place] = (seen[own == place] if (own == place).any() else seen).mean(axis=0)
        if (mine := views.places == place).any():
            middles[place] = vectors[mine].mean(axis=0)
    inputs, targets = seen - centres[own], unit_rows(vectors[products] - middles[own])
    gram = inputs.T @ inputs + RIDGE * len(inputs) * np.eye(inputs.shape[1])
    return Presence(
        views.categories,
        space.mean,
        space.scale,
        _single(weights @ space.directions),
        bias,
        space.cell_mean,
        space.cell_scale,
        looks,
        places,
        level,
        calibration=_single([0.5, 0.5, 0.0]),
        belonging=_single(belonging),
        belonging_bias=_single(belonging_bias),
        repeats=_single((twice + 0.5) / (once + 1)),
        centres=_single(centres),
        projection=_single(np.linalg.solve(gram, inputs.T @ targets)),
        middles=_single(middles),
        limit=_single(np.inf),
    )


def _heads(views: Views, space: _Space, rows: IntArray) -> list[Float32Array]:
    """Learn log-odds from the global features, and from windows: what shows a category has one such window.

    Returns:
        Weights of the global features [C, k] and a bias [C]; looks [C, channels], places [C, windows] and a
        level [C] of windows.
    """
    shares = torch.from_numpy(all_windows().shares)
    inputs, cells = torch.from_numpy(space.inputs), torch.from_numpy(space.cells)
    shown = torch.from_numpy(views.shown.astype(np.float32))
    counted = torch.from_numpy(views.counted.astype(np.float32))
    boxes = all_windows().boxes
    sizes = boxes[:, 2:] - boxes[:, :2]
    about = np.concatenate([boxes, sizes, boxes**2, sizes**2, sizes.prod(axis=1, keepdims=True)], axis=1)
    shape = torch.from_numpy(_single((about - about.mean(axis=0)) / np.maximum(about.std(axis=0), 1e-6)))
    known = len(views.categories)
    start = torch.from_numpy(_single(_prior(views.shown[rows])))
    weights, looks = torch.zeros(inputs.shape[1], known), torch.zeros(cells.shape[2], known)
    places, bias, level = torch.zeros(shape.shape[1], known), start.clone(), start.clone()
    for each in (weights, bias, looks, places, level):
        each.requires_grad_()
    optimiser = torch.optim.AdamW(
        [
            {"params": [weights, bias, level], "weight_decay": 0.0},
            {"params": [looks, places], "weight_decay": DECAY},
        ],
        lr=RATE,
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=STEPS)
    generator = np.random.default_rng(0)
    for _ in range(STEPS):
        some = generator.choice(rows, min(BATCH, len(rows)), replace=False)
        windows = shares @ (cells[some] @ looks) + shape @ places
        most = windows.detach().amax(dim=1, keepdim=True)  # torch's own logsumexp is several times slower
        joined = (windows - most).exp().mean(dim=1).log() + most[:, 0] + level
        whole = inputs[some] @ weights + bias
        losses = sum(
            binary_cross_entropy_with_logits(each, shown[some], weight=counted[some], reduction="sum")
            for each in (whole, joined)
        )
        loss = losses / len(some) + PENALTY / 2 * weights.square().sum() / len(rows)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
    with torch.no_grad():
        return [
            each.numpy()
            for each in (
                weights.T.contiguous(),
                bias,
                looks.T.contiguous(),
                (shape @ places).T.contiguous(),
                level,
            )
        ]


def _evidence(fitted: Presence, views: Views, held: BoolArray) -> tuple[Float64Array, Float64Array]:
    """Both log-odds of every category of held-out whole scenes [m, 2], and whether they are shown [m]."""
    rows = np.flatnonzero(held & ~views.cropped)
    whole, windows, _ = fitted.log_odds(views.take(rows))
    evidence = np.stack([whole, mean_log_odds(windows) + fitted.level], axis=-1)
    return evidence.reshape(-1, 2), views.shown[rows].ravel().astype(np.float64)


def _likeness(fitted: Presence, views: Views, vectors: Float32Array, view: int) -> Float64Array:
    """The likeness of every product in one view, [products]; minus infinity for those it cannot show."""
    sight = fitted.look_at(views.take([view]))
    found = np.full(len(vectors), -np.inf)
    for place, name in enumerate(views.categories):
        rows = np.flatnonzero(views.places == place)
        if len(rows):
            found[rows], _ = fitted.likeness(sight, name, vectors[rows])
    return found


def _cut_out(fitted: Presence, views: Views, vectors: Float32Array, held: BoolArray) -> list[float]:
    """The likeness of the products that were cut out of held-out views."""
    cut: dict[int, list[int]] = {}
    for view, product in views.cut:
        if held[view]:
            cut.setdefault(view, []).append(product)
    kept = list(cut)[:: 1 + len(cut) // MOST_HELD_OUT]
    return [float(each) for view in kept for each in _likeness(fitted, views, vectors, view)[cut[view]]]


def _in_whole(
    fitted: Presence, views: Views, vectors: Float32Array, held: BoolArray
) -> list[tuple[Float64Array, BoolArray]]:
    """For held-out whole scenes, the likeness of all products, and whether they are known to be there."""
    rows = np.flatnonzero(held & ~views.cropped).tolist()
    found = []
    for view in rows[:: 1 + len(rows) // MOST_HELD_OUT]:
        known = np.zeros(len(vectors), np.bool_)
        known[[each.product for each in views.visible if each.view == view]] = True
        found.append((_likeness(fitted, views, vectors, view), known))
    return found


def choose_limit(cut_out: ArrayLike, likeness: Float64Array, known: BoolArray) -> float:
    """The limit above which products are marked as in the scene; infinity if too many would be wrong.

    Args:
        cut_out: likeness of products that were cut out of their scene; at most 2 % of them are marked.
        likeness: of products in whole scenes, [n].
        known: whether they are known to be there, [n]. A fifth of the marked products must be.
    """
    order = np.argsort(-likeness, kind="stable")
    right = known[order].cumsum()
    enough = np.flatnonzero(
        (right >= RIGHTLY_MARKED * np.arange(1, len(order) + 1)) & (right >= FEWEST_RIGHT)
    )
    if not len(enough):
        return np.inf
    least = float(likeness[order[enough[-1]]])
    wrong = np.asarray(cut_out, np.float64)
    return max(least, float(np.quantile(wrong, 1 - WRONGLY_MARKED))) if len(wrong) else least


def _windows_of(box: Box) -> Float64Array:
    """The weights of the windows that overlap best with a box, [windows]; they sum to 1."""
    boxes = all_windows().boxes.astype(np.float64)
    inside = np.minimum(boxes[:, 2:], box[2:]) - np.maximum(boxes[:, :2], box[:2])
    common = np.maximum(inside, 0.0).prod(axis=1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) + (box[2] - box[0]) * (box[3] - box[1])
    overlap = common / (areas - common)
    best = np.where(overlap >= GOOD_WINDOW * overlap.max(), overlap, 0.0)
    return np.asarray(best / best.sum(), np.float64)


def _prior(shown: BoolArray) -> Float64Array:
    """Log-odds of every category over views, with half a view added to each side."""
    odds: Float64Array = np.log((shown.sum(axis=0) + 0.5) / ((~shown).sum(axis=0) + 0.5))
    return odds


def _logistic(
    inputs: Float64Array, wanted: Float64Array, allowed: Float64Array
) -> tuple[Float64Array, Float64Array]:
    """Logistic regression of [n, C] on [n, k], lightly penalised: weights [C, k] where allowed, bias [C]."""
    given, targets, mask = (
        torch.from_numpy(np.ascontiguousarray(each)) for each in (inputs, wanted, allowed)
    )
    weights = torch.zeros(targets.shape[1], given.shape[1], dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(targets.shape[1], dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([weights, bias], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> float:
        optimiser.zero_grad()
        logits = given @ (weights * mask).T + bias
        loss = binary_cross_entropy_with_logits(logits, targets, reduction="sum")
        loss = (loss + (weights.square().sum() + 0.01 * bias.square().sum()) / 2) / len(given)
        loss.backward()  # type: ignore[no-untyped-call]
        return float(loss.detach())

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    return (weights * mask).detach().numpy(), bias.detach().numpy()


def _softmax(values: Float64Array) -> Float64Array:
    odds = np.exp(values - values.max())
    shares: Float64Array = odds / odds.sum()
    return shares


def _single(values: ArrayLike) -> Float32Array:
    return np.asarray(values, np.float32)
