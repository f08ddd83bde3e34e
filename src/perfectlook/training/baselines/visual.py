"""Visual similarity: the products that look most like the scene to the frozen backbone.

Cosine of the features as the backbone gives them. With both kinds, head vector and style statistics are
each brought to unit length first, so that the cosine is the mean of the two. Nothing is learned.
"""

from collections.abc import Collection
from dataclasses import replace

import torch
from torch import Tensor

from perfectlook.model.config import ModelConfig
from perfectlook.model.networks import GlobalNetwork, Widths, unit
from perfectlook.training.baselines.base import NO_PAIRS, Learned
from perfectlook.training.config import TrainingConfig
from perfectlook.training.data import TrainingData


class Visual(GlobalNetwork):
    """The features themselves, of unit length: the order of their distances is that of their cosine."""

    def __init__(self, config: ModelConfig, widths: Widths) -> None:
        super().__init__(replace(config, dimension=widths.global_width(config)))
        self._head = widths.head if config.global_features == "both" else 0

    def embed_scene(self, whole: Tensor) -> Tensor:
        """f_s: [n, global width], of unit length."""
        if not self._head:
            return unit(whole)
        parts = whole[..., : self._head], whole[..., self._head :]
        return unit(torch.cat([unit(part) for part in parts], dim=-1))

    def embed_product(self, features: Tensor, centres: Tensor) -> Tensor:
        """f_p: [n, global width], of unit length."""
        return self.embed_scene(features - centres)


def learn(data: TrainingData, config: TrainingConfig, _given: Collection[str]) -> Learned:
    """Take the features as they are."""
    return Learned(Visual(config.model, data.widths), NO_PAIRS)
