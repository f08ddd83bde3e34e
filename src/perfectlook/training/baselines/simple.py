"""The two baselines that train nothing: popularity and visual similarity.

Popularity orders products by the number of training pairs they are in, whatever the scene: a baseline of
Kang et al. 2019, section 4. It says how much of a figure needs no picture at all.

Visual similarity orders them by the cosine of the features as the frozen backbone gives them. With both
kinds, head vector and style statistics are each brought to unit length first, so that the cosine is the mean
of the two.
"""

from collections import Counter
from collections.abc import Collection
from dataclasses import replace

import torch
from torch import Tensor

from perfectlook.model.config import ModelConfig
from perfectlook.model.networks import GlobalNetwork, Widths, unit
from perfectlook.training.checkpoint import NO_PAIRS
from perfectlook.training.config import TrainingConfig
from perfectlook.training.data import TrainingData
from perfectlook.training.log import Learned
from perfectlook.training.validation import learning_pairs


def count_pairs(data: TrainingData, config: TrainingConfig, _given: Collection[str]) -> Learned:
    """Count the pairs of every product; there is nothing to choose.

    Raises:
        TrainingError: there is no pair to count.
    """
    training = learning_pairs(data.features, config)
    counts = Counter(data.features.pairs[i].product for i in training)
    return Learned(counts, training)


def look_alike(data: TrainingData, config: TrainingConfig, _given: Collection[str]) -> Learned:
    """Take the features as they are."""
    network = Visual(config.model, data.widths)
    return Learned(network, NO_PAIRS)


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
