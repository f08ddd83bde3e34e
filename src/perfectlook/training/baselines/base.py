"""What the baselines have in common: standardisation, inner products as distances, and their training."""

from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator

import numpy as np
import torch
from torch import Tensor, nn

from perfectlook.model.distances import DistanceFunction, squared_l2
from perfectlook.model.networks import GlobalNetwork, Standardise
from perfectlook.training.checkpoint import Stages
from perfectlook.training.checkpoint import learn as learn_network
from perfectlook.training.config import TrainingConfig
from perfectlook.training.data import TrainingData
from perfectlook.training.log import Epoch, Learned
from perfectlook.training.loop import Fit
from perfectlook.training.validation import Round
from perfectlook.types import Float64Array, IntArray


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

Learn = Callable[[TrainingData, TrainingConfig, Collection[str]], Learned]
"""(sets, settings, names of the settings that were given) -> what was learned."""


def in_epochs(start: Start) -> Learn:
    """The training of a baseline that is a network, by the loop that a model is trained by."""

    def learn(data: TrainingData, config: TrainingConfig, _given: Collection[str]) -> Learned:
        def fit(part: Round) -> Fit:
            return RankerFit(data, part, config, start)

        return learn_network(data.features, config, fit, Stages(None))

    return learn


class RankerFit(Fit):
    """A baseline's network in training.

    Args:
        data: the sets.
        part: as for `Fit`.
        config: the settings.
        start: makes the network.
    """

    network: Ranker

    def __init__(self, data: TrainingData, part: Round, config: TrainingConfig, start: Start) -> None:
        self._make = start
        super().__init__(data, part, config)

    def _start(self) -> Ranker:
        return self._make(self.data, self.training, self.config)

    def _make_optimiser(self) -> torch.optim.Optimizer:
        config = self.config
        return torch.optim.AdamW(
            self.network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )

    def _batches(self, order: IntArray) -> Iterator[IntArray]:
        return _parts(order, self.config.batch_size)

    def _loss(self, pairs: IntArray, products: IntArray, places: Tensor) -> Tensor:
        features, centres = self.data.products(products)
        return self.network.loss(self.data.whole(pairs), features - centres, places)

    @torch.no_grad()
    def _note(self, number: int, loss: float | None, started: float) -> Epoch:
        self.network.eval()
        self.network.settle(*self.data.products(np.arange(len(self.data.product_category))))
        return super()._note(number, loss, started)

    @torch.no_grad()
    def _distances(self) -> list[DistanceFunction]:
        every = np.arange(len(self.data.product_category))
        parts = (self.data.products(rows) for rows in _parts(every, ROWS_AT_ONCE))
        vectors = np.concatenate([self.network.embed_product(*part).numpy() for part in parts])
        scenes: dict[int, Float64Array] = {}
        for pairs in _parts(self.validation, ROWS_AT_ONCE):
            embedded = self.network.embed_scene(self.data.whole(pairs)).numpy()
            scenes |= dict(zip(self.data.features.pair_scenes[pairs].tolist(), embedded, strict=True))

        def distances(scene_row: int, _category: str, rows: IntArray) -> Float64Array:
            return np.asarray(squared_l2(scenes[scene_row], vectors[rows]), np.float64)

        return [distances]


def _parts(rows: IntArray, size: int) -> Iterator[IntArray]:
    return (rows[start : start + size] for start in range(0, len(rows), size))


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


def scene_and_product_rows(data: TrainingData, training: IntArray) -> tuple[Tensor, Tensor]:
    """What constants are fitted to: the training pairs' scenes and the catalogue's centred products.

    [pairs, global width] and [products, global width].
    """
    products, centres = data.products(np.arange(len(data.product_category)))
    return data.whole(training), products - centres


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
