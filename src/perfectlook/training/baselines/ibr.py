"""IBR, image-based recommendations: a low-rank Mahalanobis distance between features, the *style space*.

McAuley, Targett, Shi & van den Hengel, "Image-based Recommendations on Styles and Substitutes", SIGIR 2015,
section 3:

    d_Y(i, j) = ‖(x_i - x_j) Y‖²,    P(i and j are linked) = σ(c - d_Y(i, j))

Y and c maximise the likelihood of the links and of as many random non-links.

Choices: features are z-scored over scenes and products together, one yardstick as the distance needs, and
divided by √width; non-links are drawn anew every epoch, of the linked product's category (in the paper
anywhere; the test is within a category); Adam with weight decay and early stopping instead of L-BFGS; K =
100, the paper's larger rank.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from perfectlook.model.config import ModelConfig
from perfectlook.model.distances import squared_l2
from perfectlook.model.networks import Standardise
from perfectlook.training.baselines.base import (
    Ranker,
    fitted,
    scene_and_product_rows,
)
from perfectlook.training.config import TrainingConfig
from perfectlook.training.data import TrainingData
from perfectlook.types import IntArray

THRESHOLD = 2.0
"""c before training: the squared distance of unrelated unit vectors, which standardised features are like."""


class StyleSpace(Ranker):
    """x Y for scenes and products alike.

    Args:
        config: its dimension is the rank of Y.
        standardise: of scenes and products.
        width: of the features.
    """

    def __init__(self, config: ModelConfig, standardise: Standardise, width: int) -> None:
        super().__init__(config)
        self.standardise = standardise
        self.projection = nn.Linear(width, config.dimension, bias=False)
        nn.init.normal_(self.projection.weight, std=config.dimension**-0.5)  # keeps lengths, on average
        self.threshold = nn.Parameter(torch.tensor(THRESHOLD))

    def embed_scene(self, whole: Tensor) -> Tensor:
        """f_s: [n, global width] to [n, d]."""
        projected: Tensor = self.projection(self.standardise(whole))
        return projected

    def embed_product(self, features: Tensor, centres: Tensor) -> Tensor:
        """f_p: [n, global width] to [n, d]."""
        return self.embed_scene(features - centres)

    def loss(self, scenes: Tensor, products: Tensor, places: Tensor) -> Tensor:
        """Minus the mean log-likelihood of links and non-links; see `Ranker.loss`."""
        vectors = self.embed_scene(products)[places]
        margin: Tensor = self.threshold - squared_l2(self.embed_scene(scenes)[:, None, :], vectors)
        linked, unlinked = softplus(-margin[:, :1]), softplus(margin[:, 1:])
        return torch.cat([linked, unlinked], dim=1).mean()


def start(data: TrainingData, training: IntArray, config: TrainingConfig) -> StyleSpace:
    """The network before training."""
    rows = torch.cat(scene_and_product_rows(data, training))
    return StyleSpace(config.model, fitted(data, rows), rows.shape[1])
