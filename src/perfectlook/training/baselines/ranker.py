"""What the baselines that are trained in epochs have in common: a network with a loss of its own."""

from abc import abstractmethod

from torch import Tensor

from perfectlook.model.global_network import GlobalNetwork


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
