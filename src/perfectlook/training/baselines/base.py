"""What the baselines have in common: standardisation, inner products as distances, and their training."""

from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from perfectlook.model.distances import DistanceFunction, squared_l2
from perfectlook.model.networks import GlobalNetwork, Standardise
from perfectlook.training.checkpoint import Stages
from perfectlook.training.checkpoint import learn as learn_network
from perfectlook.training.config import TrainingConfig
from perfectlook.training.data import TrainingData, parts
from perfectlook.training.log import Epoch, Learned
from perfectlook.training.loop import Fit
from perfectlook.training.validation import Round
from perfectlook.types import Float64Array, IntArray


class Ranker(GlobalNetwork):
    """A network that learns from pairs and, for each of them, products that do not belong to its scene.

    Args:
        config: of the training; the shape of the network is its model's.
        standardise: of scenes and products together; None where each has its own.
    """

    def __init__(self, config: TrainingConfig, standardise: Standardise | None = None) -> None:  # noqa: ARG002
        super().__init__(config.model)

    @classmethod
    def start(cls, data: TrainingData, training: IntArray, config: TrainingConfig) -> Self:
        """The network before the first epoch, from torch's generator.

        Args:
            data: the sets.
            training: the pairs to train on.
            config: the settings.
        """
        return cls(config, fitted(data, torch.cat(scene_and_product_rows(data, training))))

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

Learn = Callable[[TrainingData, TrainingConfig, Collection[str]], Learned]
"""(sets, settings, names of the settings that were given) -> what was learned."""


def in_epochs(kind: type[Ranker]) -> Learn:
    """The training of a baseline that is a network, by the loop that a model is trained by."""

    def learn(data: TrainingData, config: TrainingConfig, _given: Collection[str]) -> Learned:
        return learn_network(
            data.features, config, lambda part: RankerFit(data, part, config, kind), Stages(None)
        )

    return learn


class RankerFit(Fit):
    """A baseline's network in training.

    Args:
        data: the sets.
        part: as for `Fit`.
        config: the settings.
        kind: of network.
    """

    network: Ranker

    def __init__(self, data: TrainingData, part: Round, config: TrainingConfig, kind: type[Ranker]) -> None:
        self._kind = kind
        super().__init__(data, part, config)

    def _start(self) -> Ranker:
        return self._kind.start(self.data, self.training, self.config)

    def _make_optimiser(self) -> torch.optim.Optimizer:
        config = self.config
        return torch.optim.AdamW(
            self.network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )

    def _batches(self, order: IntArray) -> Iterator[IntArray]:
        return parts(order, self.config.batch_size)

    def _loss(self, pairs: IntArray, products: IntArray, places: Tensor) -> Tensor:
        features, centres = self.data.products(products)
        return self.network.loss(self.data.whole(pairs), features - centres, places)

    @torch.no_grad()
    def _note(self, number: int, loss: float | None, started: float) -> Epoch:
        self.network.eval()
        self.network.settle(*self.data.products())
        return super()._note(number, loss, started)

    @torch.no_grad()
    def _distances(self) -> list[DistanceFunction]:
        products = (self.data.products(rows) for rows in parts(self.data.every_product, ROWS_AT_ONCE))
        vectors = np.concatenate([self.network.embed_product(*part).numpy() for part in products])
        scenes: dict[int, Float64Array] = {}
        for pairs in parts(self.validation, ROWS_AT_ONCE):
            embedded = self.network.embed_scene(self.data.whole(pairs)).numpy()
            scenes |= dict(zip(self.data.features.pair_scenes[pairs].tolist(), embedded, strict=True))

        def distances(scene_row: int, _category: str, rows: IntArray) -> Float64Array:
            return np.asarray(squared_l2(scenes[scene_row], vectors[rows]), np.float64)

        return [distances]


def fitted(data: TrainingData, rows: Tensor, *, length: float = 1.0) -> Standardise:
    """A z-score of every feature, divided by √width; by `scaling`, head vector and stages count the same.

    Args:
        data: says which features the rows are made of.
        rows: what the means and deviations are taken from, [n, global width].
        length: the usual one of standardised rows.
    """
    standardise = Standardise(rows.shape[1])
    blocks = data.widths.blocks(data.config) if data.config.scaling == "stages" else None
    with torch.no_grad():
        standardise.fit(rows.mean(dim=0), rows.std(dim=0, correction=0), blocks)
        standardise.scale *= length
    return standardise


def scene_and_product_rows(data: TrainingData, training: IntArray) -> tuple[Tensor, Tensor]:
    """What constants are fitted to: the training pairs' scenes and the catalogue's centred products.

    [pairs, global width] and [products, global width].
    """
    products, centres = data.products()
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
