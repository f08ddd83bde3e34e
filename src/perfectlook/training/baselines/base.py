"""The epoch loop of the baselines that are trained, and the choice of the epoch."""

import time
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from perfectlook.errors import TrainingError
from perfectlook.evaluation.protocol import PairResult, binary_accuracy, place_pairs
from perfectlook.model.distances import DistanceFunction, squared_l2
from perfectlook.model.networks import GlobalNetwork, Standardise
from perfectlook.training.config import TrainingConfig
from perfectlook.training.data import NegativeSampler, TrainingData
from perfectlook.training.log import Epoch, best_of, is_over
from perfectlook.training.validation import (
    BY_FOLDS,
    BY_VALIDATION,
    HeldOut,
    Round,
    folds,
    learning_pairs,
    validation_round,
)
from perfectlook.types import Float64Array, IntArray


def fitted(data: TrainingData, rows: Tensor) -> Standardise:
    """A z-score of every feature, divided by √width; by `scaling`, head vector and stages count the same.

    Args:
        data: says which features the rows are made of.
        rows: what the means and deviations are taken from, [n, global width].
    """
    standardise = Standardise(rows.shape[1])
    blocks = data.widths.blocks(data.config) if data.config.scaling == "stages" else None
    with torch.no_grad():
        standardise.fit(rows.mean(dim=0), rows.std(dim=0, correction=0), blocks)
    return standardise


def z_scores(data: TrainingData, rows: Tensor) -> Standardise:
    """The same without the division by √width: what networks with the usual initial weights expect."""
    standardise = fitted(data, rows)
    with torch.no_grad():
        standardise.scale *= rows.shape[1] ** 0.5
    return standardise


NO_PAIRS: IntArray = np.empty(0, np.int64)

Counts = Mapping[str, int]
"""Product id to the number of training pairs it is in."""


@dataclass(frozen=True, slots=True)
class Learned:
    """What a baseline learned, and how well it did on scenes it had not seen.

    Attributes:
        result: a network, or counts of products.
        training: the pairs it learned from.
        found: settings that it chose itself, by name.
        epoch: the one kept; None where nothing was trained in epochs.
        chosen_on: which scenes choices were made by; None where nothing was chosen.
        held_out: how well it did on those scenes.
        without_negatives: pairs left out because nothing else is in their category.
        history: the epochs of every stage.
    """

    result: GlobalNetwork | Counts
    training: IntArray
    found: Mapping[str, Any] = field(default_factory=dict)
    epoch: int | None = None
    chosen_on: str | None = None
    held_out: HeldOut | None = None
    without_negatives: int = 0
    history: Mapping[str, Sequence[Epoch]] = field(default_factory=dict)


SAFETY = 1.5
"""M is this times the longest product of the training catalogue: later ones may be longer."""


class InnerProduct(nn.Module):
    """Extends vectors by one coordinate; a product longer than M gets 0 and seems farther than it is."""

    longest: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("longest", torch.ones(()))

    def fit(self, products: Tensor) -> None:
        """Choose M for a catalogue, f_p [n, d]."""
        self.longest.copy_(SAFETY * products.norm(dim=-1).max().clamp_min(1e-6))

    def extend_products(self, products: Tensor) -> Tensor:
        """f_p [n, d] to [n, d + 1]."""
        room = self.longest.square() - products.square().sum(dim=-1, keepdim=True)
        return torch.cat([products, room.clamp_min(0.0).sqrt()], dim=-1)

    def extend_scenes(self, scenes: Tensor) -> Tensor:
        """f_s [n, d] to [n, d + 1]."""
        return torch.cat([scenes, torch.zeros_like(scenes[:, :1])], dim=-1)


class Ranker(GlobalNetwork):
    """A network that learns from pairs and, for each of them, products that do not belong to its scene."""

    @abstractmethod
    def loss(self, scenes: Tensor, products: Tensor, places: Tensor) -> Tensor:
        """The loss of n pairs, a scalar.

        Args:
            scenes: features of the pairs' scenes, [n, global width].
            products: features of the distinct products among the pairs' and the negatives, [m, global width].
            places: rows of `products`, [n, 1 + negatives]: the pair's own product first.
        """

    def settle(self, features: Tensor, centres: Tensor) -> None:
        """Take from the catalogue what embeddings need and the loss does not: here nothing.

        Called before every measurement, with the catalogue's features and centres, [N, global width] each.
        """


ROWS_AT_ONCE = 4096

Start = Callable[[TrainingData, IntArray, TrainingConfig], Ranker]
"""(sets, pairs to train on, settings) -> the network before the first epoch, from torch's generator."""


class Fitting:
    """A baseline's network in training; the same seed gives the same numbers.

    Args:
        data: the sets.
        each: the pairs to train on and to measure on; the latter may be none.
        config: the settings.
        start: makes the network.

    Raises:
        TrainingError: there is no pair with a negative to train on.
    """

    def __init__(self, data: TrainingData, each: Round, config: TrainingConfig, start: Start) -> None:
        self.data = data
        self.config = config
        self.validation = each.validation
        self._sampler = NegativeSampler(data.features, each.training)
        self.without_negatives = len(self._sampler.without_negatives)
        self.training = np.setdiff1d(each.training, self._sampler.without_negatives)
        if not len(self.training):
            raise TrainingError(
                f"{data.features.dataset.name}: no pair to train on has a product beside it in its category "
                "that does not belong to its scene: add pairs or products"
            )
        torch.manual_seed(config.seed)
        self.network = start(data, self.training, config)
        self._optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        self.history: list[Epoch] = []
        self.placed: list[list[PairResult]] = []
        self._best: dict[str, Tensor] = {}

    def run(self, epochs: int, *, patience: int | None = None) -> Iterator[Epoch]:
        """Train for `epochs`, or until the accuracy has not risen for `patience` of them; yields each."""
        yield self._measured(0, None, time.perf_counter())
        while not is_over(self.history, epochs, patience):
            started, number = time.perf_counter(), len(self.history)
            yield self._measured(number, self._train_epoch(number), started)

    @property
    def best_epoch(self) -> int:
        """The epoch whose weights are kept."""
        return best_of(self.history)

    def keep_best(self) -> Ranker:
        """The network as it was at its best epoch."""
        self.network.load_state_dict(self._best)
        return self.network

    def _measured(self, number: int, loss: float | None, started: float) -> Epoch:
        self._settle()
        placed = self._place(number) if len(self.validation) else []
        accuracy = binary_accuracy(placed) if placed else None
        seconds = time.perf_counter() - started
        self.history.append(
            Epoch(epoch=number, loss=loss, binary_accuracy=accuracy, temperature=None, seconds=seconds)
        )
        self.placed.append(placed)
        if self.best_epoch == number:
            self._best = {name: tensor.clone() for name, tensor in self.network.state_dict().items()}
        return self.history[-1]

    def _train_epoch(self, number: int) -> float:
        self.network.train()
        generator = np.random.default_rng([self.config.seed, number])
        order = generator.permutation(self.training)
        total = 0.0
        for start in range(0, len(order), self.config.batch_size):
            batch = order[start : start + self.config.batch_size]
            loss = self._loss(batch, generator)
            if not torch.isfinite(loss):
                raise self._astray(number, f"the loss is {loss.item()}")
            self._optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self._optimiser.step()
            total += loss.item() * len(batch)
        return total / len(order)

    def _loss(self, pairs: IntArray, generator: np.random.Generator) -> Tensor:
        true = self.data.features.pair_products[pairs]
        negatives = self._sampler.draw(pairs, self.config.negatives, generator)
        rows = np.concatenate([true[:, None], negatives], axis=1)
        unique, places = np.unique(rows, return_inverse=True)
        products, centres = self.data.products(unique)
        located = torch.from_numpy(places.reshape(rows.shape))
        return self.network.loss(self.data.whole(pairs), products - centres, located)

    @torch.no_grad()
    def _settle(self) -> None:
        self.network.eval()
        self.network.settle(*self.data.products(np.arange(len(self.data.product_category))))

    def _place(self, number: int) -> list[PairResult]:
        try:
            return place_pairs(self.data.features, self.validation, self._distances())
        except ValueError as error:
            raise self._astray(number, str(error)) from error

    def _astray(self, number: int, what: str) -> TrainingError:
        return TrainingError(f"epoch {number}: {what}; lower learning_rate (now {self.config.learning_rate})")

    @torch.no_grad()
    def _distances(self) -> DistanceFunction:
        rows = np.arange(len(self.data.product_category))
        vectors = np.concatenate(
            [
                self.network.embed_product(*self.data.products(rows[start : start + ROWS_AT_ONCE])).numpy()
                for start in range(0, len(rows), ROWS_AT_ONCE)
            ]
        )
        scenes: dict[int, Float64Array] = {}
        for start in range(0, len(self.validation), ROWS_AT_ONCE):
            pairs = self.validation[start : start + ROWS_AT_ONCE]
            embedded = self.network.embed_scene(self.data.whole(pairs)).numpy()
            scenes |= dict(zip(self.data.features.pair_scenes[pairs].tolist(), embedded, strict=True))

        def distances(scene_row: int, _category: str, rows: IntArray) -> Float64Array:
            return np.asarray(squared_l2(scenes[scene_row], vectors[rows]), np.float64)

        return distances


def learn_in_epochs(data: TrainingData, config: TrainingConfig, start: Start) -> Learned:
    """Train a baseline and choose its epoch as the trainer does for a model.

    By validation accuracy; for sets under 500 scenes and with `cross_validate` by five-fold cross-validation,
    and then on all scenes but the test ones.

    Raises:
        TrainingError: there is too little to train on, or the loss is not a number.
    """
    if config.chooses_by_folds(data.features.dataset):
        return _by_folds(data, config, start)
    fitting = Fitting(data, validation_round(data.features, config), config, start)
    _run(fitting, config.epochs, patience=config.patience)
    kept = fitting.best_epoch
    return _learned(
        fitting, fitting.keep_best(), kept, BY_VALIDATION, fitting.placed[kept], {"fit": fitting.history}
    )


def _by_folds(data: TrainingData, config: TrainingConfig, start: Start) -> Learned:
    history: dict[str, Sequence[Epoch]] = {}
    placed: list[list[PairResult]] = [[] for _ in range(config.epochs + 1)]
    for each in folds(data.features, config):
        fitting = Fitting(data, each, config, start)
        _run(fitting, config.epochs)
        history[each.name] = fitting.history
        for epoch, of_fold in enumerate(fitting.placed):
            placed[epoch] += of_fold
    chosen = int(np.argmax([binary_accuracy(epoch) for epoch in placed])) if placed[0] else config.epochs
    fitting = Fitting(data, Round("all", learning_pairs(data.features, config), NO_PAIRS), config, start)
    _run(fitting, chosen)
    history["all"] = fitting.history
    return _learned(fitting, fitting.network, chosen, BY_FOLDS, placed[chosen], history)


def _run(fitting: Fitting, epochs: int, *, patience: int | None = None) -> None:
    for _ in fitting.run(epochs, patience=patience):
        pass


def _learned(
    fitting: Fitting,
    network: Ranker,
    epoch: int,
    chosen_on: str,
    placed: Sequence[PairResult],
    history: Mapping[str, Sequence[Epoch]],
) -> Learned:
    shares = np.asarray([result.share for result in placed], np.float64)
    return Learned(
        network,
        fitting.training,
        epoch=epoch,
        chosen_on=chosen_on,
        held_out=HeldOut([result.scene for result in placed], shares),
        without_negatives=fitting.without_negatives,
        history=history,
    )


def scene_and_product_rows(data: TrainingData, training: IntArray) -> tuple[Tensor, Tensor]:
    """What constants are fitted to: the training pairs' scenes and the catalogue's centred products.

    [pairs, global width] and [products, global width].
    """
    products, centres = data.products(np.arange(len(data.product_category)))
    return data.whole(training), products - centres
