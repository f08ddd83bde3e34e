"""Fit a mixture: a style prior and ridge regressions for each backbone, weighed by cross-validation.

- The **prior** needs no pairs. Scenes, and products less their categories' centres, are standardised, each by
  the mean and deviation of its own kind. A product fits a scene if it differs from other products as the
  scene differs from other scenes: the match is the cosine. The scenes of another origin have other
  statistics, so the prior answers well for a shop after `adapt`.
- A **ridge** regression predicts the principal components of the products from the scenes of the pairs
  (Hoerl & Kennard 1970). Three read all features, the style statistics, and the global vector.

Cross-validation is over scenes and over products: half of the products in the held-out pairs are in no
training pair of that fold. The settings with the highest mean of the two accuracies win. With few pairs this
choice is uncertain, so the weights start at the prior and move with the number of pairs.
"""

import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

import numpy as np
import torch

from perfectlook.errors import TrainingError
from perfectlook.evaluation.protocol import Interval, paired_difference, training_indices
from perfectlook.model.config import less_centres
from perfectlook.model.distances import DistanceFunction, unit_rows
from perfectlook.model.mixture import Mixture, Term
from perfectlook.model.networks import Standardise
from perfectlook.progress import ProgressOf, counted, no_progress
from perfectlook.training.checkpoint import NO_PAIRS
from perfectlook.training.config import TrainingConfig
from perfectlook.training.data import TrainingData
from perfectlook.training.log import Learned
from perfectlook.training.ridge import principal_components, ridge_path
from perfectlook.training.validation import (
    BY_FOLDS,
    HeldOut,
    HeldOutPairs,
    Round,
    folds,
    held_out,
    learning_pairs,
    shares_of,
    worth,
)
from perfectlook.types import BoolArray, Float32Array, Float64Array, IntArray

MIXTURE: Final = "mixture"
PRIOR: Final = "prior"
"""Names among the baselines."""
COMPONENTS = 512
"""Principal components of the products in each part."""
RANK = 191
"""Largest dimension of the mixture's space, without the coordinate for the length."""
PENALTIES = (3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
SPACES = ((128, 0.75), (COMPONENTS, 0.5), (COMPONENTS, 0.75))
"""Values to try: λ of the ridge, and components with the power of their standard deviations."""
STEPS = 10
"""Steps of the search for weights; each adds 1/10."""
FEWEST = 10
"""Halves of a fold with fewer pairs do not tell what more pairs bring."""
TRUST = 100
"""With this number of pairs, the weights that cross-validation finds count as much as the prior's."""


class _Setting(NamedTuple):
    penalty: float = 0.0
    components: int = COMPONENTS
    whitening: float = 0.0


class _Part:
    """One part: the columns that it reads, and its products.

    Args:
        data: the sets.
        blocks: the columns of each block of features; every block gets equal weight.
        learns: whether it is a ridge; otherwise it is a prior.
    """

    def __init__(self, data: TrainingData, blocks: Sequence[IntArray], *, learns: bool) -> None:
        self._data, self.learns = data, learns
        self._blocks = blocks
        self.columns = np.concatenate(blocks)
        self.centred = less_centres(*data.products()).numpy()[:, self.columns]
        self.product_moments = self._moments(self.centred)
        rows = self._standardised(self.centred, self.product_moments)
        rows = rows if learns else unit_rows(rows)
        directions, deviations = principal_components(rows.astype(np.float64), COMPONENTS)
        self.directions, self.deviations = directions.astype(np.float32), deviations.astype(np.float32)
        self.products: Float32Array = rows @ self.directions.T

    def scene_inputs(self, rows: IntArray, measured: IntArray) -> Float32Array:
        """Standardised features of some scenes, by the statistics of the measured scenes."""
        found = self._standardised(self._scenes(rows), self.scene_moments(measured))
        return found if self.learns else unit_rows(found)

    def scene_moments(self, measured: IntArray) -> tuple[Float32Array, Float32Array]:
        """Mean and scale of the features of the measured scenes."""
        return self._moments(self._scenes(measured))

    def solve(self, training: IntArray, measured: IntArray, penalties: Sequence[float]) -> list[Float32Array]:
        """Maps from scene inputs to the components, [width, components], for each penalty."""
        if not self.learns:
            return [self.directions.T]
        features = self._data.features
        inputs = self.scene_inputs(features.pair_scenes[training], measured).astype(np.float64)
        targets = self.products[features.pair_products[training]].astype(np.float64)
        return [
            found.astype(np.float32) for found in ridge_path(inputs - inputs.mean(axis=0), targets, penalties)
        ]

    def weigh(self, solved: Float32Array, setting: _Setting) -> Float32Array:
        """A map to the components that count, each with its factor in an inner product."""
        factors: Float32Array = self.deviations[: setting.components] ** (-2 * setting.whitening)
        return solved[:, : setting.components] * factors

    def term(self, moments: tuple[Float32Array, Float32Array], weights: Float32Array) -> Term:
        """A map of features, [dimension, width of the part], as a module over all global features."""
        width = self._data.centres.shape[1]
        standardise = Standardise(width)
        every = np.zeros((len(weights), width), np.float32)
        every[:, self.columns] = weights
        with torch.no_grad():
            standardise.mean.zero_()
            standardise.scale.zero_()
            standardise.mean[self.columns] = torch.from_numpy(moments[0])
            standardise.scale[self.columns] = torch.from_numpy(moments[1])
        return Term(standardise, torch.from_numpy(every), normalise=not self.learns)

    def _scenes(self, rows: IntArray) -> Float32Array:
        features: Float32Array = self._data.scene_features(rows).numpy()[:, self.columns]
        return features

    def _moments(self, rows: Float32Array) -> tuple[Float32Array, Float32Array]:
        deviation = rows.std(axis=0, dtype=np.float64)
        usable = deviation > 1e-6 * deviation.max()
        weight = np.concatenate(
            [np.full(len(each), (len(each) * len(self._blocks)) ** -0.5) for each in self._blocks]
        )
        scale = np.where(usable, weight / deviation.clip(1e-12), 0.0)
        return rows.mean(axis=0, dtype=np.float64).astype(np.float32), scale.astype(np.float32)

    @staticmethod
    def _standardised(rows: Float32Array, moments: tuple[Float32Array, Float32Array]) -> Float32Array:
        return (rows - moments[0]) * moments[1]


@dataclass(frozen=True, slots=True)
class ClosedForms:
    """The parts with their settings and weights, chosen for some sets.

    Attributes:
        parts: the parts.
        settings: of each part.
        weights: of each part's inner products, divided by their deviation.
        proportions: how much the inner products of each part count in the sum; they add up to 1.
        held_out: the share of every held-out pair.
        is_new: whether its product was in no training pair of its fold.
    """

    parts: Sequence[_Part]
    settings: Sequence[_Setting]
    weights: Sequence[float]
    proportions: Sequence[float] = ()
    held_out: HeldOut = field(default_factory=lambda: HeldOut([], np.empty(0)))
    is_new: BoolArray = field(default_factory=lambda: np.empty(0, bool))

    @property
    def columns(self) -> torch.Tensor | None:
        """The global features of the first of several backbones, which a network reads; None for all."""
        several = sum(not part.learns for part in self.parts) > 1
        return torch.from_numpy(self.parts[0].columns) if several else None

    def queries(
        self, scenes: IntArray, training: IntArray, measured: IntArray
    ) -> tuple[Float32Array, Float32Array]:
        """Vectors of some scenes [n, d] and of all products [N, d], after training on some pairs."""
        return _joined(self._maps(training, measured), scenes, measured)

    def network(
        self,
        data: TrainingData,
        config: TrainingConfig,
        training: IntArray,
        measured: IntArray,
        rank: int = RANK,
    ) -> Mixture:
        """The mixture, after training on some pairs.

        Args:
            data: the sets.
            config: the settings.
            training: the pairs.
            measured: rows of the scenes whose mean and deviation standardise scenes.
            rank: largest dimension of the vectors, without the coordinate for their length.
        """
        maps = self._maps(training, measured)
        of_scene, of_product = _low_rank(*_joined(maps, measured, measured), rank)
        terms: tuple[list[Term], list[Term]] = ([], [])
        start = 0
        for part, solved in maps:
            stop = start + solved.shape[1]
            weights = (solved @ of_scene[start:stop]).T
            terms[0].append(part.term(part.scene_moments(measured), np.ascontiguousarray(weights)))
            weights = (part.directions[: stop - start].T @ of_product[start:stop]).T
            terms[1].append(part.term(part.product_moments, np.ascontiguousarray(weights)))
            start = stop
        return Mixture(config.model, *terms, less_centres(*data.products()))

    def distances(self, data: TrainingData, part: Round) -> DistanceFunction:
        """Distances from the scenes of held-out pairs to products, after training on the pairs of a round."""
        scenes = np.unique(data.features.pair_scenes[part.validation])
        measured = data.features.measured(part.training)
        queries, products = self.queries(scenes, part.training, measured)
        row_of = {int(scene): row for row, scene in enumerate(scenes)}

        def distances(scene_row: int, _category: str, chosen: IntArray) -> Float64Array:
            return np.asarray(-(products[chosen] @ queries[row_of[scene_row]]), np.float64)

        return distances

    def _maps(self, training: IntArray, measured: IntArray) -> list[tuple[_Part, Float32Array]]:
        """The parts that count, each with its weighted map from scene inputs to the components."""
        return [
            (part, weight * part.weigh(solved, setting))
            for part, setting, weight in zip(self.parts, self.settings, self.weights, strict=True)
            if weight
            for solved in part.solve(training, measured, [setting.penalty])
        ]

    def report(self) -> dict[str, Any]:
        """What was chosen, for the training report: the weights, and the settings of each regression."""
        settings = [
            each._asdict() for part, each in zip(self.parts, self.settings, strict=True) if part.learns
        ]
        pieces = zip(self.parts, self.proportions, strict=True)
        prior = sum(each for part, each in pieces if not part.learns)
        return {
            "weights": [round(each, 4) for each in self.weights],
            "ridge": settings,
            "shares": {"prior": round(prior, 4), "regression": round(1 - prior, 4)},
        }


def choose(
    data: TrainingData, config: TrainingConfig, *, learns: bool = True, progress: ProgressOf | None = None
) -> ClosedForms:
    """Choose the settings and the weights of a mixture.

    Args:
        data: the sets.
        config: the settings.
        learns: whether to learn from pairs; otherwise the mixture is the prior alone.
        progress: shows how many of the parts are tried.
    """
    priors = [_Part(data, blocks, learns=False) for blocks in _blocks(data, config, learns=False)]
    default = [1 / len(priors)] * len(priors)
    nothing = _Setting()
    if not learns:
        return ClosedForms(priors, [nothing] * len(priors), default, default)
    parts = [*priors, *(_Part(data, blocks, learns=True) for blocks in _blocks(data, config, learns=True))]
    rounds = folds(data.features, config)
    held = [HeldOutPairs(data, each) for each in rounds]
    is_new = np.concatenate([each.is_new for each in held])
    if not len(is_new):  # there is nothing to choose by
        return ClosedForms(priors, [nothing] * len(priors), default, default)
    show = (progress or no_progress)("closed forms", "parts")
    settings, matches = [], []
    for number, part in enumerate(parts):
        show(number, len(parts), 0)
        found = _tried(part, data, rounds, held)
        best = max(found, key=lambda setting: float(worth(shares_of(found[setting]), is_new)))
        settings.append(best)
        matches.append(found[best])
    show(len(parts), len(parts), 0)
    n_pairs = len(learning_pairs(data.features, config))
    weights, proportions, shares = weigh(matches, is_new, n_pairs, len(priors), config.prior_share)
    scenes = [data.features.pairs[index].scene for each in held for index in each.pairs]
    return ClosedForms(parts, settings, weights, proportions, HeldOut(scenes, shares), is_new)


def weigh(
    matches: Sequence[Sequence[Float32Array]],
    is_new: BoolArray,
    n_pairs: int,
    n_priors: int,
    prior_share: float,
) -> tuple[list[float], list[float], Float64Array]:
    """Choose the weights of parts by their matches of held-out pairs; the priors come first.

    Args:
        matches: of every part, the matches of every pair with its own product, then its candidates.
        is_new: whether the product of each pair is in no training pair.
        n_pairs: number of pairs to train on; with few, the weights stay near the priors'.
        n_priors: number of priors among the parts.
        prior_share: smallest share of the priors.

    Returns:
        The weights, the proportions of the parts, and the share of every pair.
    """
    deviations = [float(np.sqrt(np.mean([each.var() for each in found]))) or 1.0 for found in matches]
    matches = [
        [each / deviation for each in found] for found, deviation in zip(matches, deviations, strict=True)
    ]
    chosen = _search(matches, is_new)
    start = np.asarray([*[1 / n_priors] * n_priors, *[0.0] * (len(matches) - n_priors)])
    weights = (n_pairs * chosen + TRUST * start) / (n_pairs + TRUST)
    if (share := float(weights[:n_priors].sum())) < prior_share:
        weights = weights * (1 - prior_share) / (1 - share)
        weights[:n_priors] = prior_share / n_priors
    mixed = _mixed(matches, weights)
    scale = float(np.sqrt(np.mean([each.var() for each in mixed])))
    found = [float(w / scale / d) for w, d in zip(weights, deviations, strict=True)]
    return found, (weights / weights.sum()).tolist(), shares_of(mixed)


def learn(data: TrainingData, config: TrainingConfig, _given: Collection[str]) -> Learned:
    """Choose and fit a mixture.

    Raises:
        TrainingError: training may use no pair.
    """
    forms = choose(data, config)
    found = learned(forms, data, config, config.model.dimension)
    return replace(found, last_doubling=last_doubling(forms, data, config))


def learned(forms: ClosedForms, data: TrainingData, config: TrainingConfig, rank: int = RANK) -> Learned:
    """Fit closed forms whose settings are chosen."""
    training = learning_pairs(data.features, config)
    network = forms.network(data, config, training, measured_scenes(data, config), rank)
    return Learned(
        network,
        training,
        mixture=forms.report(),
        chosen_on=BY_FOLDS,
        held_out=forms.held_out,
        is_new=forms.is_new,
    )


def last_doubling(forms: ClosedForms, data: TrainingData, config: TrainingConfig) -> Interval | None:
    """The accuracy of closed forms on held-out pairs, less that with half of the pairs to train on.

    The training scenes of every fold are split into two halves, by a hash of their ids. Each half fits the
    regressions with the same settings and chooses its weights. Their mean accuracy counts.

    Returns:
        The mean difference with its interval over scenes; None if there are too few pairs to tell.
    """
    features, rounds = data.features, folds(data.features, config)
    ids = np.asarray([zlib.crc32(pair.scene.encode()) % 2 for pair in features.pairs])
    held = [HeldOutPairs(data, each) for each in rounds]
    halves = []
    for half in (0, 1):
        parts = [each.training[ids[each.training] == half] for each in rounds]
        if not forms.is_new.size or min(len(each) for each in parts) < FEWEST:
            return None
        matches: list[list[Float32Array]] = [[] for _ in forms.parts]
        for training, pairs in zip(parts, held, strict=True):
            measured = features.measured(training)
            for found, part, setting in zip(matches, forms.parts, forms.settings, strict=True):
                (solved,) = part.solve(training, measured, [setting.penalty])
                inputs = part.scene_inputs(features.pair_scenes[pairs.pairs], measured)
                found.extend(_matches(part, setting, inputs, solved, pairs))
        n_priors = sum(not part.learns for part in forms.parts)
        n_pairs = len(learning_pairs(features, config)) // 2
        halves.append(weigh(matches, forms.is_new, n_pairs, n_priors, config.prior_share)[2])
    return paired_difference(forms.held_out.shares, np.mean(halves, axis=0), forms.held_out.scenes)


def learn_prior(data: TrainingData, config: TrainingConfig, _given: Collection[str]) -> Learned:
    """Make the style prior: measure the scenes that training may use, and all products. No pair is used.

    Raises:
        TrainingError: there are fewer than two scenes or products.
    """
    rows = measured_scenes(data, config)
    if min(len(rows), len(data.product_category)) < 2:
        raise TrainingError(
            f"{data.features.dataset.name}: {counted(len(rows), 'scene')} and "
            f"{counted(len(data.product_category), 'product')} with features; the prior needs two of each. "
            "Add pictures."
        )
    network = choose(data, config, learns=False).network(data, config, NO_PAIRS, rows, config.model.dimension)
    return Learned(network, NO_PAIRS, scenes=rows)


def measured_scenes(data: TrainingData, config: TrainingConfig) -> IntArray:
    """Rows of the scenes that training may measure: those of the training pairs, and those without pairs."""
    features = data.features
    return features.measured(training_indices(features, held_out(features, config)))


def _blocks(data: TrainingData, config: TrainingConfig, *, learns: bool) -> list[list[IntArray]]:
    """The blocks of columns of each part: of one prior for each backbone, or of the regressions."""
    kind = config.model.global_features
    head, style = 0, data.widths.head if kind == "both" else 0
    found: list[list[IntArray]] = []
    for member in data.members:
        vector, statistics = np.arange(head, head + member.head), np.arange(style, style + member.style)
        head, style = head + member.head, style + member.style
        stages = np.split(statistics, np.cumsum(member.stages)[:-1]) if learns else [statistics]
        blocks = {"both": [vector, *stages], "style": stages, "head": [vector]}
        found += blocks.values() if learns and kind == "both" else [blocks[kind]]
    return found


def _joined(
    maps: Sequence[tuple[_Part, Float32Array]], scenes: IntArray, measured: IntArray
) -> tuple[Float32Array, Float32Array]:
    """Vectors of some scenes [n, d] and of all products [N, d], the parts side by side."""
    queries = [part.scene_inputs(scenes, measured) @ solved for part, solved in maps]
    products = [part.products[:, : solved.shape[1]] for part, solved in maps]
    return np.concatenate(queries, axis=1), np.concatenate(products, axis=1)


def _tried(
    part: _Part, data: TrainingData, rounds: Sequence[Round], held: Sequence[HeldOutPairs]
) -> dict[_Setting, list[Float32Array]]:
    """The matches of all held-out pairs under every setting."""
    penalties, spaces = (PENALTIES, SPACES) if part.learns else ((0.0,), ((COMPONENTS, 0.0),))
    found: dict[_Setting, list[Float32Array]] = {}
    for each, pairs in zip(rounds, held, strict=True):
        measured = data.features.measured(each.training)
        inputs = part.scene_inputs(data.features.pair_scenes[pairs.pairs], measured)
        maps = part.solve(each.training, measured, penalties)
        for penalty, solved in zip(penalties, maps, strict=True):
            for space in spaces:
                setting = _Setting(penalty, *space)
                found.setdefault(setting, []).extend(_matches(part, setting, inputs, solved, pairs))
    return found


def _matches(
    part: _Part, setting: _Setting, inputs: Float32Array, solved: Float32Array, pairs: HeldOutPairs
) -> list[Float32Array]:
    """The matches of held-out pairs, from their scene inputs and a map of these to the components."""
    queries = inputs @ part.weigh(solved, setting)
    return pairs.matches(queries, part.products[:, : setting.components])


def _mixed(matches: Sequence[Sequence[Float32Array]], weights: Any) -> list[Float32Array]:
    used = [(weight, found) for weight, found in zip(weights, matches, strict=True) if weight]
    return [sum(weight * found[at] for weight, found in used) for at in range(len(matches[0]))]


def _search(matches: Sequence[Sequence[Float32Array]], is_new: BoolArray) -> Any:
    """Add 1/10 to the weight that helps most, ten times."""
    weights = np.zeros(len(matches))
    for _ in range(STEPS):
        tried = [weights + np.eye(len(matches))[at] / STEPS for at in range(len(matches))]
        weights = max(tried, key=lambda each: float(worth(shares_of(_mixed(matches, each)), is_new)))
    return weights


SHARED = 0.3
"""Share of the products' own covariance in the covariance of the queries, which few scenes leave singular."""


def _low_rank(scenes: Float32Array, products: Float32Array, rank: int) -> tuple[Float32Array, Float32Array]:
    """Maps of scene and product vectors, [d, rank] each, whose inner products are nearest to the full ones.

    The error is the expected squared difference over the scenes and the products.
    """
    of_scenes, of_products = (each.T.astype(np.float64) @ each / len(each) for each in (scenes, products))
    share = np.trace(of_scenes) / max(np.trace(of_products), 1e-12)
    of_scenes = (1 - SHARED) * of_scenes + SHARED * share * of_products
    (scene_root, scene_inverse), (product_root, product_inverse) = _root(of_scenes), _root(of_products)
    left, sizes, right = np.linalg.svd(scene_root @ product_root)
    kept = sizes[:rank] > 1e-9 * sizes[0]
    size, left, right = np.sqrt(sizes[:rank][kept]), left[:, :rank][:, kept], right[:rank][kept]
    return (scene_inverse @ left * size).astype(np.float32), (product_inverse @ right.T * size).astype(
        np.float32
    )


def _root(covariance: Any) -> tuple[Any, Any]:
    """The symmetric square root of a matrix, and its pseudo-inverse."""
    values, vectors = np.linalg.eigh(covariance)
    kept = values > 1e-10 * values[-1]
    roots, vectors = np.sqrt(values[kept]), vectors[:, kept]
    return vectors * roots @ vectors.T, vectors / roots @ vectors.T
