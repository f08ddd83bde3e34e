"""The epoch loop of the baselines that are trained, and the choice of the epoch."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from perfectlook.distances import DistanceFunction, squared_l2
from perfectlook.errors import TrainingError
from perfectlook.protocol import PairResult, binary_accuracy, place_pairs
from perfectlook.training.baselines.learned import NO_PAIRS, Learned
from perfectlook.training.baselines.ranker import Ranker
from perfectlook.training.config import TrainingConfig
from perfectlook.training.data import TrainingData
from perfectlook.training.heldout import HeldOut
from perfectlook.training.history import Epoch, best_of, is_over
from perfectlook.training.rounds import (
    BY_FOLDS,
    BY_VALIDATION,
    Round,
    folds,
    learning_pairs,
    validation_round,
)
from perfectlook.training.sampling import NegativeSampler
from perfectlook.types import Float64Array, IntArray

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
