"""A second style space beside the first, which remembers: what has gone with what, and how often.

The first space starts from a regression and says what should go together, also for products that nobody
has paired yet. Networks that start at random and see the plain head vectors overfit, and that is of use: they
remember the products that recur and the scenes they recurred in. Several small ones, each with a loss of
its own, remember better than a large one (an ensemble). Their distances are squared, so they add up to one
distance between concatenated vectors, and a search still has one query point.
"""

import torch
from torch import Tensor, nn

from perfectlook.distances import squared_l2
from perfectlook.model.config import ModelConfig
from perfectlook.model.encoders import FeedForward, Standardise, unit
from perfectlook.model.losses import triplet_hinge
from perfectlook.model.whole import pooled


class Memory(nn.Module):
    """Several networks side by side, each one for both scenes and products (tied), none of them centred.

    Args:
        config: of the model.
        width: how many of a whole picture's features it reads, the first ones.
    """

    weight: Tensor

    def __init__(self, config: ModelConfig, width: int) -> None:
        super().__init__()
        self.width = width
        self.standardise = Standardise(width)
        self.networks = nn.ModuleList(
            FeedForward(
                width, hidden=config.hidden, dimension=config.memory_dimension, dropout=config.dropout
            )
            for _ in range(config.memory)
        )
        self.register_buffer("weight", torch.tensor(0.5))

    def forward(self, whole: Tensor) -> Tensor:
        """Embed whole pictures [n, at least `width`], or maps [n, R, width], as unit vectors [n, m · d]."""
        members = self.members(whole)
        joined: Tensor = members.flatten(1) * members.shape[1] ** -0.5
        return joined

    def members(self, whole: Tensor) -> Tensor:
        """The unit vector of every one of the m networks, [n, m, d]."""
        seen = self.standardise(self.seen(whole))
        return torch.stack([unit(network(seen)) for network in self.networks], dim=1)

    def seen(self, whole: Tensor) -> Tensor:
        """What it reads of whole pictures, [n, width]."""
        features: Tensor = pooled(whole)[:, : self.width]
        return features

    def loss(self, around: Tensor, products: Tensor, places: Tensor, margin: float) -> Tensor:
        """Sum over the networks of their triplet hinge losses.

        Args:
            around: the `members` of the scenes, one for each pair, [n, m, d].
            products: whole products, [p, ...].
            places: rows of `products`: each pair's own in the first column, then its negatives, [n, 1 + k].
            margin: α.
        """
        vectors = self.members(products)
        found = squared_l2(around[:, None], vectors[places])  # [n, 1 + k, m]
        losses = [triplet_hinge(each[:, 0], each[:, 1:], margin=margin) for each in found.unbind(dim=-1)]
        return torch.stack(losses).sum()
