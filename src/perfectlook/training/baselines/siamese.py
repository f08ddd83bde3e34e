"""Siamese network: one encoder for scenes and products, trained by a contrastive loss.

Veit, Kovacs, Bell, McAuley, Bala & Belongie, "Learning Visual Clothing Style with Heterogeneous Dyadic Co-
occurrences", ICCV 2015, with the loss of Hadsell, Chopra & LeCun, CVPR 2006:

    L = Σ d(i, j)² over compatible dyads + Σ max(0, m - d(i, j))² over incompatible ones

Dyads are heterogeneous: a scene and a product, as there two items of different categories; 16 incompatible
ones to a compatible one; a style space of 256 dimensions.

Choices: the backbone is frozen, as for every model here, so a two-layer network (Linear-ReLU-Dropout-
Linear) upon its features takes the place of the fine-tuned convolutional network; features are z-scored
over scenes and products together and divided by √width (without that it overfits at once); vectors are
not normalised and the margin m is 1, both unpublished; incompatible products are of the compatible one's
category.
"""

import torch
from torch import Tensor, nn

from perfectlook.model.config import ModelConfig
from perfectlook.model.distances import l2, squared_l2
from perfectlook.model.networks import Dropout, Standardise
from perfectlook.training.baselines.base import (
    Ranker,
    fitted,
    scene_and_product_rows,
)
from perfectlook.training.config import TrainingConfig
from perfectlook.training.data import TrainingData
from perfectlook.types import IntArray


class Siamese(Ranker):
    """One encoder for both sides.

    Args:
        config: its hidden width, dropout and dimension are the encoder's.
        standardise: of scenes and products.
        width: of the features.
        margin: m.
    """

    def __init__(self, config: ModelConfig, standardise: Standardise, width: int, margin: float) -> None:
        super().__init__(config)
        self._margin = margin
        self.encoder = nn.Sequential(
            standardise,
            nn.Linear(width, config.hidden),
            nn.ReLU(),
            Dropout(config.dropout),
            nn.Linear(config.hidden, config.dimension),
        )

    def embed_scene(self, whole: Tensor) -> Tensor:
        """f_s: [n, global width] to [n, d]."""
        encoded: Tensor = self.encoder(whole)
        return encoded

    def embed_product(self, features: Tensor, centres: Tensor) -> Tensor:
        """f_p: [n, global width] to [n, d]."""
        return self.embed_scene(features - centres)

    def loss(self, scenes: Tensor, products: Tensor, places: Tensor) -> Tensor:
        """The mean contrastive loss over all dyads; see `Ranker.loss`."""
        vectors = self.embed_scene(products)[places]
        around = self.embed_scene(scenes)[:, None, :]
        together: Tensor = squared_l2(around, vectors[:, :1])
        apart = (self._margin - l2(around, vectors[:, 1:])).clamp_min(0.0).square()
        return torch.cat([together, apart], dim=1).mean()


def start(data: TrainingData, training: IntArray, config: TrainingConfig) -> Siamese:
    """The network before training."""
    rows = torch.cat(scene_and_product_rows(data, training))
    return Siamese(config.model, fitted(data, rows), rows.shape[1], config.margin)
