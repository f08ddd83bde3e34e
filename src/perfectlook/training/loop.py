"""One fit of a model: the epoch loop, seen from outside as a sequence of epochs."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from perfectlook.errors import TrainingError
from perfectlook.evaluation.protocol import Candidates, place_pair
from perfectlook.model.networks import Compatibility, triplet_hinge
from perfectlook.training.config import TrainingConfig
from perfectlook.training.data import NegativeSampler, TrainingData, batches
from perfectlook.training.log import Epoch, best_of, is_over
from perfectlook.training.ridge_start import ClosedForm, closed_form, start_network
from perfectlook.training.validation import Measured
from perfectlook.types import IntArray

MEMORY_WEIGHTS = (0.0, 0.15, 0.3, 0.45, 0.6)
"""What the memory may weigh beside the first style space; which of them is chosen with the epoch."""


class Fit:
    """A network, its optimiser and its random state; `run` trains it epoch by epoch.

    Seeds give the same numbers twice, also over a stop: `state` holds everything an epoch depends on.

    Args:
        data: the sets.
        training: pairs to train on.
        validation: pairs to measure on after each epoch; may be empty.
        config: the settings.
        form: the closed form to start from; by default it is made from the training pairs.
        weights: of a network to go on from, instead of a start; training is drawn back to them.

    Raises:
        TrainingError: there is no pair to train on.
    """

    def __init__(
        self,
        data: TrainingData,
        training: IntArray,
        validation: IntArray,
        config: TrainingConfig,
        *,
        form: ClosedForm | None = None,
        weights: Mapping[str, Tensor] | None = None,
    ) -> None:
        self.data = data
        self.config = config
        self.validation = validation
        self._sampler = NegativeSampler(data.features, training)
        self.without_negatives = self._sampler.without_negatives
        self.training = np.setdiff1d(training, self.without_negatives)
        if len(self.training) < 2:
            raise TrainingError(
                f"{data.features.dataset.name}: {len(self.training)} pairs to train on; at least 2 are "
                "needed, each in a category with a product that does not belong to its scene: add pairs or "
                "products"
            )
        if form is None and weights is None:
            form = closed_form(data, self.training, config)
        torch.manual_seed(config.seed)
        self.network = start_network(data, self.training, config, form)
        self._anchors: dict[str, Tensor] = {}
        if weights is not None:
            self.network.load_state_dict(weights)
            parameters = self.network.named_parameters()
            self._anchors = {name: each.detach().clone() for name, each in parameters}
        decay = config.weight_decay if weights is None else 0.0  # drawn back to those weights, not to zero
        self.optimiser = _optimiser(self.network, config, decay)
        average = get_ema_multi_avg_fn(config.averaging)  # type: ignore[no-untyped-call]
        self._averaged = AveragedModel(self.network, multi_avg_fn=average, use_buffers=True)
        self.weights = MEMORY_WEIGHTS if config.model.remembers and weights is None else (None,)
        self.history: list[Epoch] = []
        self.shares: list[Tensor] = []
        self._best: dict[str, Tensor] = {}

    def run(self, epochs: int, *, patience: int | None = None) -> Iterator[Epoch]:
        """Train until `epochs` are done or, with patience, the accuracy has not risen for that many.

        Yields every new epoch, the first time with epoch 0; between two of them the fit may be stopped and
        later taken up again from its `state`.
        """
        if not self.history:
            yield self._note(0, None, time.perf_counter())
        while not is_over(self.history, epochs, patience):
            started = time.perf_counter()
            number = len(self.history)
            yield self._note(number, self._train_epoch(number), started)

    @property
    def averaged(self) -> Compatibility:
        """The network whose weights are the running average over the steps: what is measured and kept."""
        network = self._averaged.module
        assert isinstance(network, Compatibility)
        return network

    @property
    def best_epoch(self) -> int:
        """The epoch whose weights are kept."""
        return best_of(self.history)

    @property
    def state(self) -> dict[str, Any]:
        """All that the next epoch depends on, as tensors and plain values."""
        return {
            "network": self.network.state_dict(),
            "averaged": self._averaged.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "random": torch.get_rng_state(),
            "best": self._best,
            **self.measurements,
        }

    @property
    def measurements(self) -> dict[str, Any]:
        """What was measured after each epoch: the part of `state` that says how good the fit was."""
        return {"history": [asdict(epoch) for epoch in self.history], "shares": self.shares}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a fit where `state` was taken; from `measurements` alone, one that is over."""
        self.history = [Epoch(**epoch) for epoch in state["history"]]
        self.shares = state["shares"]
        if "network" not in state:
            return
        self.network.load_state_dict(state["network"])
        self._averaged.load_state_dict(state["averaged"])
        self.optimiser.load_state_dict(state["optimiser"])
        torch.set_rng_state(state["random"])
        self._best = state["best"]

    def keep_best(self) -> Compatibility:
        """The network as it was at its best epoch."""
        self.network.load_state_dict(self._best)
        return remembering(self.network, self.history[self.best_epoch].memory)

    @cached_property
    def placed_scenes(self) -> list[str]:
        """The scene of every validation pair that can be placed, in the order of each epoch's `shares`."""
        pairs = [self.data.features.pairs[index] for index in self.validation]
        rows = self.data.features.pair_products[self.validation]
        categories = [self.data.features.product_categories[row] for row in rows]
        return [
            pair.scene
            for pair, category in zip(pairs, categories, strict=True)
            if self._candidates.mask(pair.scene, category).any()
        ]

    @cached_property
    def _candidates(self) -> Candidates:
        return Candidates(self.data.features)

    def _note(self, number: int, loss: float | None, started: float) -> Epoch:
        shares = self._place(number) if len(self.validation) else torch.empty(len(self.weights), 0)
        accuracy, weight = _best_of(shares, self.weights)
        averaged = self.averaged
        temperature = averaged.attention.temperature if self.config.model.uses_regions else None
        seconds = time.perf_counter() - started
        self.history.append(Epoch(number, loss, accuracy, temperature, seconds, weight))
        self.shares.append(shares)
        if self.best_epoch == number:
            self._best = {name: tensor.clone() for name, tensor in averaged.state_dict().items()}
        return self.history[-1]

    def _place(self, number: int) -> Tensor:
        """Shares of the validation pairs, a row for each weight of the memory."""
        measured = Measured(self.averaged, self.data, self.validation)
        ways = [measured.distances(weight) for weight in self.weights]
        try:
            placed = (
                place_pair(self.data.features, self._candidates, index, ways) for index in self.validation
            )
            shares = [[result.share for result in results] for results in placed if results]
        except ValueError as error:
            raise TrainingError(
                f"epoch {number}: {error}: the weights have gone astray; lower learning_rate "
                f"(now {self.config.learning_rate})"
            ) from error
        return torch.tensor(shares, dtype=torch.float32).reshape(-1, len(ways)).T

    def _train_epoch(self, number: int) -> float:
        self.network.train()
        generator = np.random.default_rng([self.config.seed, number])
        order = generator.permutation(self.training)
        total = 0.0
        for batch in batches(order, self.config.batch_size):
            loss = self._loss(batch, generator)
            if not torch.isfinite(loss):
                raise TrainingError(
                    f"epoch {number}: the loss is {loss.item()}; lower learning_rate "
                    f"(now {self.config.learning_rate})"
                )
            self.optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimiser.step()
            self._averaged.update_parameters(self.network)
            total += loss.item() * len(batch)
        return total / len(order)

    def _loss(self, pairs: IntArray, generator: np.random.Generator) -> Tensor:
        true = self.data.features.pair_products[pairs]
        negatives = self._sampler.draw(pairs, self.config.negatives, generator)
        rows = np.concatenate([true[:, None], negatives], axis=1)
        unique, places = np.unique(rows, return_inverse=True)
        scenes, (features, centres) = self.data.distinct_scenes(pairs), self.data.products(unique)
        located = torch.from_numpy(places.reshape(rows.shape))
        products = self.network.product_style(features, centres)[located]
        found = self.network.style_distances(scenes, self.data.pair_category(pairs), products).total
        loss = triplet_hinge(found[:, 0], found[:, 1:], margin=self.config.margin)
        if self.config.model.remembers:
            memory = self.network.memory
            around = scenes.asked(memory.members(scenes.whole))
            loss = loss + memory.loss(around, features, located, self.config.margin)
        if self.config.model.encoder == "autoencoder":
            error = self.network.reconstruction_error(scenes, features, centres)
            loss = loss + self.config.reconstruction * error
        return loss + self.config.anchor * self._drift() if self._anchors else loss

    def _drift(self) -> Tensor:
        """Squared distance of the weights from those that training went on from (L2-SP, Li et al. 2018)."""
        moved = [
            (each - self._anchors[name]).square().sum() for name, each in self.network.named_parameters()
        ]
        return torch.stack(moved).sum()


def remembering(network: Compatibility, weight: float | None) -> Compatibility:
    """A network with a weight for its memory; without the memory where it is zero."""
    if weight is None:
        return network
    if weight > 0:
        network.memory.weight.fill_(weight)
        return network
    return network.without_memory()


def _best_of(shares: Tensor, weights: Sequence[float | None]) -> tuple[float | None, float | None]:
    """The highest mean share of any weight [weights, pairs], and that weight; the least of equals."""
    if not shares.shape[1]:
        return None, None
    means = shares.double().mean(dim=1)
    best = int(means.argmax())
    return float(means[best]), weights[best]


_OF_ATTENTION = ("attention.", "mixing_logits.")
_OF_MEMORY = "memory."


def _optimiser(network: Compatibility, config: TrainingConfig, decay: float) -> torch.optim.Optimizer:
    named = list(network.named_parameters())
    attention = [parameter for name, parameter in named if name.startswith(_OF_ATTENTION)]
    memory = [parameter for name, parameter in named if name.startswith(_OF_MEMORY)]
    others = [parameter for name, parameter in named if not name.startswith((*_OF_ATTENTION, _OF_MEMORY))]
    groups: list[dict[str, Any]] = [
        {"params": others},
        {"params": attention, "lr": config.attention_learning_rate},
    ]
    if memory:
        decays = min(decay, config.memory_weight_decay)
        groups.append({"params": memory, "lr": config.memory_learning_rate, "weight_decay": decays})
    return torch.optim.AdamW(groups, lr=config.learning_rate, weight_decay=decay, fused=True)
