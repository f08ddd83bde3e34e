"""What every network without regions offers, so that it can be written to a model folder."""

from abc import ABC, abstractmethod

from torch import Tensor, nn

from perfectlook.model.config import ModelConfig


class GlobalNetwork(nn.Module, ABC):
    """Two maps into one space, one for whole scenes and one for products; near is compatible.

    Vectors may have any length. `config.dimension` is their width, as stores see it.

    Args:
        config: with mode "global", and the norm that distances in this space are taken by.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config

    @abstractmethod
    def embed_scene(self, whole: Tensor) -> Tensor:
        """f_s: features of whole scenes [n, global width] to [n, d]."""

    @abstractmethod
    def embed_product(self, features: Tensor, centres: Tensor) -> Tensor:
        """f_p: features of products and their categories' centres, [n, global width] each, to [n, d]."""
