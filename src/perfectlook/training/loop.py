"""The training loop, shared by the compatibility model and the baselines that are networks."""

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from perfectlook.errors import TrainingError
from perfectlook.evaluation.protocol import Candidates, place_pair
from perfectlook.model.distances import DistanceFunction, squared_l2
from perfectlook.model.export import Network
from perfectlook.model.networks import Compatibility, triplet_hinge
from perfectlook.training.config import TrainingConfig
from perfectlook.training.data import NegativeSampler, TrainingData, batches
from perfectlook.training.log import Epoch, best_of
from perfectlook.training.ridge import ClosedForm, start_network
from perfectlook.training.validation import EmbeddedSet, Round, placeable, worth
from perfectlook.types import BoolArray, IntArray

MEMORY_WEIGHTS = (0.0, 0.15, 0.3, 0.45, 0.6)
"""Weights of the memory, relative to the first style space, that are tried when choosing the epoch."""
CLOSED_WEIGHTS = (0.0, 0.1, 0.2, 0.4, 0.8)
"""Weights of the closed forms that are tried when choosing the epoch."""


class Weights(NamedTuple):
    """Weights of the parts of a model against the first style space; None for a part that it lacks.

    Attributes:
        memory: of the memory.
        closed: of the closed forms; infinite for the closed forms alone.
    """

    memory: float | None = None
    closed: float | None = None


class Fit(ABC):
    """A network, its optimiser and its random state; `run` trains it epoch by epoch.

    The same seed gives the same numbers, even if training stops in between: `state` holds everything that an
    epoch depends on. A subclass defines the start of the network, its loss and its distances.

    Args:
        data: the sets.
        part: pairs to train on, and pairs to validate on after each epoch (may be empty).
        config: the settings.
        averaging: decay of the running average of the weights; 0 turns averaging off.

    Raises:
        TrainingError: there are too few pairs to train on.
    """

    network: Network
    weights: Sequence[Weights] = (Weights(),)
    """The weights of the parts that every epoch is validated with."""
    starts_trained = False
    """Whether the network of epoch 0 has learned, apart from its memory, which starts at random."""

    def __init__(
        self, data: TrainingData, part: Round, config: TrainingConfig, *, averaging: float = 0.0
    ) -> None:
        self.data = data
        self.config = config
        self.name = part.name
        self.validation = part.validation
        self._candidates = Candidates(data.features)
        self._sampler = NegativeSampler(data.features, part.training)
        self.without_negatives = self._sampler.without_negatives
        self.training = np.setdiff1d(part.training, self.without_negatives)
        if len(self.training) < 2:
            raise TrainingError(
                f"{data.features.dataset.name}: expected at least 2 pairs to train on, got "
                f"{len(self.training)} (a pair needs a product of its category that does not belong to its "
                "scene). Add pairs or products."
            )
        torch.manual_seed(config.seed)
        self.network = self._start()
        self._random = torch.get_rng_state()
        self.keeps_best = True
        self._optimiser = self._make_optimiser()
        self._average: AveragedModel | None = None
        if averaging:
            decay = get_ema_multi_avg_fn(averaging)  # type: ignore[no-untyped-call]
            self._average = AveragedModel(self.network, multi_avg_fn=decay, use_buffers=True)
        self.history: list[Epoch] = []
        self.shares: list[Tensor] = []
        self._best: dict[str, Tensor] = {}

    @abstractmethod
    def _start(self) -> Network:
        """Create the network before the first epoch, with torch's random generator."""

    @abstractmethod
    def _make_optimiser(self) -> torch.optim.Optimizer:
        """Create the optimiser of the network."""

    @abstractmethod
    def _loss(self, pairs: IntArray, products: IntArray, places: Tensor) -> Tensor:
        """The loss of n pairs, a scalar.

        Args:
            pairs: indices of the pairs.
            products: rows of the distinct products: the pairs' own products and their negatives, [m].
            places: positions in `products`, [n, 1 + k]: each pair's own product first, then its k negatives.
        """

    @abstractmethod
    def _distances(self) -> list[DistanceFunction]:
        """The distances of the averaged network for the validation pairs, one function per `weights`."""

    def run(self, epochs: int, *, patience: int | None = None) -> Iterator[Epoch]:
        """Train until `epochs` are done, or until the accuracy has not risen for `patience` epochs.

        Yields every new epoch, starting with epoch 0. You can stop the fit between two epochs and continue it
        later, also from its `state`. Each fit has its own random numbers, so fits may take turns.
        """
        if not self.history:
            yield self._note(0, None, time.perf_counter())
        while (number := len(self.history)) <= epochs:
            if patience is not None and number - 1 - self.best_epoch >= patience:
                break
            started = time.perf_counter()
            torch.set_rng_state(self._random)
            loss = self._train_epoch(number)
            self._random = torch.get_rng_state()
            yield self._note(number, loss, started)

    @property
    def averaged(self) -> Network:
        """The network to validate and keep; its weights are the running average, if averaging is on."""
        if self._average is None:
            return self.network
        network = self._average.module
        assert isinstance(network, type(self.network))
        return network

    @property
    def best_epoch(self) -> int:
        """The epoch whose weights are kept; never one before training, if there are others."""
        return best_of(self.history if self.starts_trained else self.history[1:] or self.history)

    def may_keep(self, epoch: int) -> BoolArray:
        """The `weights` that a model of some epoch may have.

        The closed forms alone have no epoch. Epoch 0 gives no weight to a part that was never trained.
        """
        with_network = np.asarray([each.closed != math.inf for each in self.weights])
        if epoch > 0:
            return with_network
        found: BoolArray = with_network & [self.starts_trained and not each.memory for each in self.weights]
        return found

    def keep_best(self) -> Network:
        """Return the network of its best epoch."""
        self.network.load_state_dict(self._best)
        return with_memory_weight(self.network, self.history[self.best_epoch].memory)

    def weights_of(self, epoch: int) -> int:
        """Position in `weights` of those that an epoch was best with."""
        noted = self.history[epoch]
        return self.weights.index(Weights(noted.memory, noted.closed))

    @property
    def state(self) -> dict[str, Any]:
        """Everything that the next epoch depends on, as tensors and plain values."""
        return {
            "network": self.network.state_dict(),
            "averaged": self._average.state_dict() if self._average else None,
            "optimiser": self._optimiser.state_dict(),
            "random": self._random,
            "best": self._best,
            **self.measurements,
        }

    @property
    def measurements(self) -> dict[str, Any]:
        """The validation results of each epoch, the part of `state` that `learn` chooses the epoch by."""
        return {"history": [asdict(epoch) for epoch in self.history], "shares": self.shares}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a `state`. With `measurements` alone, the fit is over."""
        self.history = [Epoch(**epoch) for epoch in state["history"]]
        self.shares = state["shares"]
        if "network" not in state:
            return
        self.network.load_state_dict(state["network"])
        if self._average:
            self._average.load_state_dict(state["averaged"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._random = state["random"]
        self._best = state["best"]

    @cached_property
    def placed_scenes(self) -> list[str]:
        """The scene of every validation pair with candidates, in the order of `shares`."""
        pairs = self.data.features.pairs
        return [pairs[index].scene for index in self._placed]

    @cached_property
    def is_new(self) -> BoolArray:
        """Whether the product of every such pair is in no training pair."""
        products = self.data.features.pair_products
        is_new: BoolArray = ~np.isin(products[self._placed], products[self.training])
        return is_new

    @cached_property
    def _placed(self) -> IntArray:
        places = placeable(self.data.features, self.validation)
        return self.validation[np.asarray([at for at, _, _ in places], np.int64)]

    def _note(self, number: int, loss: float | None, started: float) -> Epoch:
        shares = self._place(number) if len(self.validation) else torch.empty(len(self.weights), 0)
        accuracy, weights = None, Weights()
        if shares.shape[1]:
            means = worth(shares.double().numpy(), self.is_new)
            best = int(np.argmax(np.where(self.may_keep(number), means, 0.0)))  # the first of ties
            accuracy, weights = float(means[best]), self.weights[best]
        averaged = self.averaged
        temperature = None
        if isinstance(averaged, Compatibility) and averaged.config.uses_regions:
            temperature = averaged.attention.temperature
        seconds = time.perf_counter() - started
        self.history.append(Epoch(number, loss, accuracy, temperature, seconds, *weights))
        self.shares.append(shares)
        if self.keeps_best and self.best_epoch == number:
            self._best = {name: tensor.clone() for name, tensor in averaged.state_dict().items()}
        return self.history[-1]

    def _place(self, number: int) -> Tensor:
        """Shares of the validation pairs, one row per `weights`."""
        features, ways = self.data.features, self._distances()
        try:
            placed = (place_pair(features, self._candidates, index, ways) for index in self.validation)
            shares = [[result.share for result in results] for results in placed if results]
        except ValueError as error:
            raise self._diverged(number, str(error)) from error
        return torch.tensor(shares, dtype=torch.float32).reshape(-1, len(ways)).T

    def _train_epoch(self, number: int) -> float:
        self.network.train()
        generator = np.random.default_rng([self.config.seed, number])
        order = generator.permutation(self.training)
        total = 0.0
        for batch in batches(order, self.config.batch_size):
            true = self.data.features.pair_products[batch]
            negatives = self._sampler.draw(batch, self.config.negatives, generator)
            rows = np.concatenate([true[:, None], negatives], axis=1)
            unique, places = np.unique(rows, return_inverse=True)
            loss = self._loss(batch, unique, torch.from_numpy(places.reshape(rows.shape)))
            if not torch.isfinite(loss):
                raise self._diverged(number, f"the loss is {loss.item()}")
            self._optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self._optimiser.step()
            if self._average:
                self._average.update_parameters(self.network)
            total += loss.item() * len(batch)
        return total / len(order)

    def _diverged(self, number: int, what: str) -> TrainingError:
        rate = self.config.learning_rate
        return TrainingError(f"epoch {number}: {what}. Lower learning_rate (now {rate}).")


class CompatibilityFit(Fit):
    """The fit of a compatibility model.

    Args:
        data: the sets.
        part: as for `Fit`.
        config: the settings.
        form: the closed form that the linear paths start from; None for a random start.
        start: weights of the network to fine-tune; a penalty keeps training near them.
        closed: distances of the closed forms for the validation pairs, fitted to the pairs to train on.
    """

    network: Compatibility

    def __init__(
        self,
        data: TrainingData,
        part: Round,
        config: TrainingConfig,
        *,
        form: ClosedForm | None = None,
        start: Mapping[str, Tensor] | None = None,
        closed: DistanceFunction | None = None,
    ) -> None:
        self._form = form
        self._start_weights = start
        self._closed = closed
        self._anchors: dict[str, Tensor] = {}
        memory = MEMORY_WEIGHTS if config.model.has_memory and start is None else (None,)
        self.weights = [
            Weights(each, share) for each in memory for share in (CLOSED_WEIGHTS if closed else (None,))
        ]
        if closed:
            self.weights.append(Weights(None, math.inf))
        super().__init__(data, part, config, averaging=config.averaging)

    def _start(self) -> Compatibility:
        network = start_network(self.data, self.training, self.config, self._form)
        self.starts_trained = self._start_weights is not None or self._form is not None
        if self._start_weights is not None:
            network.load_state_dict(self._start_weights)
            self._anchors = {name: each.detach().clone() for name, each in network.named_parameters()}
        return network

    def _make_optimiser(self) -> torch.optim.Optimizer:
        config = self.config
        decay = 0.0 if self._anchors else config.weight_decay  # the anchor penalty replaces weight decay
        others: dict[str, Any] = {"params": []}
        attention: dict[str, Any] = {"params": [], "lr": config.attention_learning_rate}
        memory: dict[str, Any] = {"params": [], "lr": config.memory_learning_rate}
        memory["weight_decay"] = min(decay, config.memory_weight_decay)
        group_of = {"attention": attention, "mixing_logits": attention, "memory": memory}
        for name, parameter in self.network.named_parameters():
            group_of.get(name.partition(".")[0], others)["params"].append(parameter)
        groups = [others, attention, *([memory] if memory["params"] else [])]
        return torch.optim.AdamW(groups, lr=config.learning_rate, weight_decay=decay, fused=True)

    def _distances(self) -> list[DistanceFunction]:
        averaged = self.averaged
        assert isinstance(averaged, Compatibility)
        embedded = EmbeddedSet(averaged, self.data, self.validation, self._closed)
        return [embedded.distances(memory, closed or 0.0) for memory, closed in self.weights]

    def _loss(self, pairs: IntArray, products: IntArray, places: Tensor) -> Tensor:
        scenes, (features, centres) = self.data.distinct_scenes(pairs), self.data.products(products)
        vectors = self.network.product_style(features, centres)[places]
        category = self.data.pair_category(pairs)
        if self.config.model.distance == "squared_l2":
            found = squared_l2(self.network.query_points(scenes, category)[:, None, :], vectors)
        else:
            found = self.network.distances(scenes, category, vectors, with_memory=False).total
        loss = triplet_hinge(found[:, 0], found[:, 1:], margin=self.config.margin)
        if self.config.model.has_memory:
            memory = self.network.memory
            around = scenes.per_question(memory.members(scenes.whole))
            loss = loss + memory.loss(around, features, places, self.config.margin)
        if self.config.model.encoder == "autoencoder":
            error = self.network.reconstruction_error(scenes, features, centres)
            loss = loss + self.config.reconstruction * error
        return loss + self.config.anchor * self._drift() if self._anchors else loss

    def _drift(self) -> Tensor:
        """Squared distance of the weights from the starting weights (L2-SP, Li et al. 2018)."""
        moved = [
            (each - self._anchors[name]).square().sum() for name, each in self.network.named_parameters()
        ]
        return torch.stack(moved).sum()


def with_memory_weight(network: Network, weight: float | None) -> Network:
    """Set the weight of a network's memory; remove the memory for zero, change nothing for None."""
    if weight is None:
        return network
    assert isinstance(network, Compatibility)
    if weight == 0:
        return network.without_memory()
    network.memory.weight.fill_(weight)
    return network
