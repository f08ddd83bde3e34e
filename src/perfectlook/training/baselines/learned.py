"""The baselines that are networks: IBR, a Siamese network and BPR-DAE, each from its source.

The backbone is frozen, as for every model here, and negatives are always of the true product's category, as
in the test. Each class says what else differs from its paper.
"""

from dataclasses import replace
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from perfectlook.model.distances import l2, squared_l2
from perfectlook.model.networks import Dropout, Standardise
from perfectlook.training.baselines.base import InnerProduct, Ranker, fitted, scene_and_product_rows
from perfectlook.training.config import TrainingConfig
from perfectlook.training.data import TrainingData
from perfectlook.types import IntArray

THRESHOLD = 2.0
"""c before training: the squared distance of unrelated unit vectors, which standardised features are like."""
RECONSTRUCTION = 1.0
"""μ."""


class StyleSpace(Ranker):
    """IBR, image-based recommendations: a low-rank Mahalanobis distance between features, the *style space*.

    McAuley, Targett, Shi & van den Hengel, "Image-based Recommendations on Styles and Substitutes", SIGIR
    2015, section 3:

        d_Y(i, j) = ‖(x_i - x_j) Y‖²,    P(i and j are linked) = σ(c - d_Y(i, j))

    Y and c maximise the likelihood of the links and of as many random non-links.

    Choices: features are z-scored over scenes and products together, one yardstick as the distance needs, and
    divided by √width; non-links are drawn anew every epoch, of the linked product's category (in the paper
    anywhere); Adam with weight decay and early stopping instead of L-BFGS; K = 100, the paper's larger rank.

    Args:
        config: its model's dimension is the rank of Y.
        standardise: of scenes and products.
    """

    def __init__(self, config: TrainingConfig, standardise: Standardise) -> None:
        super().__init__(config, standardise)
        self.standardise = standardise
        dimension = config.model.dimension
        self.projection = nn.Linear(len(standardise.mean), dimension, bias=False)
        nn.init.normal_(self.projection.weight, std=dimension**-0.5)  # keeps lengths, on average
        self.threshold = nn.Parameter(torch.tensor(THRESHOLD))

    def embed_scene(self, whole: Tensor) -> Tensor:
        """f_s: [n, global width] to [n, d]; products the same."""
        projected: Tensor = self.projection(self.standardise(whole))
        return projected

    def loss(self, scenes: Tensor, products: Tensor, places: Tensor) -> Tensor:
        """Minus the mean log-likelihood of links and non-links; see `Ranker.loss`."""
        vectors = self.embed_scene(products)[places]
        margin: Tensor = self.threshold - squared_l2(self.embed_scene(scenes)[:, None, :], vectors)
        linked, unlinked = softplus(-margin[:, :1]), softplus(margin[:, 1:])
        return torch.cat([linked, unlinked], dim=1).mean()


class Siamese(Ranker):
    """Siamese network: one encoder for scenes and products, trained by a contrastive loss.

    Veit, Kovacs, Bell, McAuley, Bala & Belongie, "Learning Visual Clothing Style with Heterogeneous Dyadic
    Co-occurrences", ICCV 2015, with the loss of Hadsell, Chopra & LeCun, CVPR 2006:

        L = Σ d(i, j)² over compatible dyads + Σ max(0, m - d(i, j))² over incompatible ones

    Dyads are heterogeneous: a scene and a product, as there two items of different categories; 16
    incompatible ones to a compatible one; a style space of 256 dimensions.

    Choices: a two-layer network (Linear-ReLU-Dropout-Linear) upon the features of the frozen backbone takes
    the place of the fine-tuned convolutional network; features are z-scored over scenes and products together
    and divided by √width (without that it overfits at once); vectors are not normalised and the margin m is
    1, both unpublished.

    Args:
        config: its margin is m; its model's hidden width, dropout and dimension are the encoder's.
        standardise: of scenes and products.
    """

    def __init__(self, config: TrainingConfig, standardise: Standardise) -> None:
        super().__init__(config, standardise)
        self._margin = config.margin
        shape = config.model
        self.encoder = nn.Sequential(
            standardise,
            nn.Linear(len(standardise.mean), shape.hidden),
            nn.ReLU(),
            Dropout(shape.dropout),
            nn.Linear(shape.hidden, shape.dimension),
        )

    def embed_scene(self, whole: Tensor) -> Tensor:
        """f_s: [n, global width] to [n, d]; products the same."""
        encoded: Tensor = self.encoder(whole)
        return encoded

    def loss(self, scenes: Tensor, products: Tensor, places: Tensor) -> Tensor:
        """The mean contrastive loss over all dyads; see `Ranker.loss`."""
        vectors = self.embed_scene(products)[places]
        around = self.embed_scene(scenes)[:, None, :]
        together: Tensor = squared_l2(around, vectors[:, :1])
        apart = (self._margin - l2(around, vectors[:, 1:])).clamp_min(0.0).square()
        return torch.cat([together, apart], dim=1).mean()


class DualAutoEncoder(Ranker):
    """BPR-DAE: a dual auto-encoder whose codes are ranked by their inner product.

    Song, Feng, Liu, Li, Nie & Ma, "NeuroStylist: Neural Compatibility Modeling for Clothing Matching", ACM MM
    2017, section 4; tops are the scenes here and bottoms the products, each with an auto-encoder of its own:

        f = s(W x + b),    x̂ = Ŵ f + b̂,    m_ij = f_i · f_j                        s: sigmoid
        L = Σ -ln σ(m_ij - m_ik) + μ Σ ½‖x̂ - x‖² + λ/2 ‖Θ‖²

    Choices: pictures only, so the paper's second modality, text, and the term that ties the two fall away;
    one hidden layer of 256 units; the input is z-scored, scenes and products each on their own, and since
    that has no bounds the decoder's last layer is linear; the reconstruction error is the mean over features,
    so that μ = 1 does not depend on the backbone; λ is Adam's decoupled weight decay. The inner product
    becomes a distance by one more coordinate (`base.InnerProduct`).

    Args:
        config: its model's dimension is that of the codes; the vectors are one wider.
        scenes: standardises scenes.
        products: standardises products.
    """

    def __init__(self, config: TrainingConfig, scenes: Standardise, products: Standardise) -> None:
        dimension = config.model.dimension
        super().__init__(replace(config, model=replace(config.model, dimension=dimension + 1)))
        self.scenes, self.products = AutoEncoder(scenes, dimension), AutoEncoder(products, dimension)
        self.inner_product = InnerProduct()

    @classmethod
    def start(cls, data: TrainingData, training: IntArray, config: TrainingConfig) -> Self:
        """The network before training. Its z-scores are not divided by √width: common initial weights fit."""
        rows = scene_and_product_rows(data, training)
        return cls(config, *(fitted(data, each, length=each.shape[1] ** 0.5) for each in rows))

    def embed_scene(self, whole: Tensor) -> Tensor:
        """f_s: [n, global width] to [n, d + 1]."""
        return self.inner_product.extend_scenes(self.scenes(whole))

    def embed_product(self, features: Tensor, centres: Tensor) -> Tensor:
        """f_p: [n, global width] to [n, d + 1]."""
        return self.inner_product.extend_products(self.products(features - centres))

    def settle(self, features: Tensor, centres: Tensor) -> None:
        """Choose M for the catalogue."""
        self.inner_product.fit(self.products(features - centres))

    def loss(self, scenes: Tensor, products: Tensor, places: Tensor) -> Tensor:
        """The mean ranking loss and the mean reconstruction errors of both sides; see `Ranker.loss`."""
        of_scenes, of_products = self.scenes(scenes), self.products(products)
        matches = (of_scenes[:, None, :] * of_products[places]).sum(dim=-1)
        ranking = softplus(matches[:, 1:] - matches[:, :1]).mean()
        errors = self.scenes.error(scenes, of_scenes) + self.products.error(products, of_products)
        return ranking + RECONSTRUCTION * errors


class AutoEncoder(nn.Module):
    """Features [n, width] to codes [n, dimension] and back."""

    def __init__(self, standardise: Standardise, dimension: int) -> None:
        super().__init__()
        width = len(standardise.mean)
        self.standardise = standardise
        self.encoder = nn.Linear(width, dimension)
        self.decoder = nn.Linear(dimension, width)

    def forward(self, features: Tensor) -> Tensor:
        """The codes."""
        codes: Tensor = self.encoder(self.standardise(features)).sigmoid()
        return codes

    def error(self, features: Tensor, codes: Tensor) -> Tensor:
        """Half of the squared error of the reconstruction, as a mean over rows and features."""
        wrong: Tensor = self.decoder(codes) - self.standardise(features)
        return (wrong.square().mean(dim=-1) / 2).mean()
