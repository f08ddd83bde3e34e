"""BPR-DAE: a dual auto-encoder whose codes are ranked by their inner product.

Song, Feng, Liu, Li, Nie & Ma, "NeuroStylist: Neural Compatibility Modeling for Clothing Matching", ACM MM
2017, section 4; tops are the scenes here and bottoms the products, each with an auto-encoder of its own:

    f = s(W x + b),    x̂ = Ŵ f + b̂,    m_ij = f_i · f_j                        s: sigmoid
    L = Σ -ln σ(m_ij - m_ik) + μ Σ ½‖x̂ - x‖² + λ/2 ‖Θ‖²

Choices: pictures only, so the paper's second modality, text, and the term that ties the two fall away; one
hidden layer of 256 units; the input is z-scored, scenes and products each on their own, and since that has
no bounds the decoder's last layer is linear; the reconstruction error is the mean over features, so that μ
= 1 does not depend on the backbone; λ is Adam's decoupled weight decay; negatives are of the true product's
category. The inner product becomes a distance by one more coordinate (`base.InnerProduct`).
"""

from dataclasses import replace

from torch import Tensor, nn
from torch.nn.functional import softplus

from perfectlook.model.config import ModelConfig
from perfectlook.model.networks import Standardise
from perfectlook.training.baselines.base import (
    InnerProduct,
    Ranker,
    scene_and_product_rows,
    z_scores,
)
from perfectlook.training.config import TrainingConfig
from perfectlook.training.data import TrainingData
from perfectlook.types import IntArray

RECONSTRUCTION = 1.0
"""μ."""


class AutoEncoder(nn.Module):
    """Features [n, width] to codes [n, d] and back.

    Args:
        standardise: of the features.
        width: of the features.
        dimension: of the codes.
    """

    def __init__(self, standardise: Standardise, width: int, dimension: int) -> None:
        super().__init__()
        self.standardise = standardise
        self.encoder = nn.Linear(width, dimension)
        self.decoder = nn.Linear(dimension, width)

    def forward(self, features: Tensor) -> Tensor:
        """The codes."""
        codes: Tensor = self.encoder(self.standardise(features)).sigmoid()
        return codes

    def reconstruction_error(self, features: Tensor, codes: Tensor) -> Tensor:
        """½ of the squared error, as a mean over features: [n]."""
        wrong: Tensor = self.decoder(codes) - self.standardise(features)
        return wrong.square().mean(dim=-1) / 2


class DualAutoEncoder(Ranker):
    """An auto-encoder of scenes and one of products, compared by inner product.

    Args:
        config: its dimension is that of the codes; the vectors are one wider.
        scenes: the auto-encoder of scenes.
        products: the auto-encoder of products.
    """

    def __init__(self, config: ModelConfig, scenes: AutoEncoder, products: AutoEncoder) -> None:
        super().__init__(replace(config, dimension=config.dimension + 1))
        self.scenes, self.products = scenes, products
        self.inner_product = InnerProduct()

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
        errors = (
            self.scenes.reconstruction_error(scenes, of_scenes).mean()
            + self.products.reconstruction_error(products, of_products).mean()
        )
        total: Tensor = ranking + RECONSTRUCTION * errors
        return total


def start(data: TrainingData, training: IntArray, config: TrainingConfig) -> DualAutoEncoder:
    """The network before training."""
    scenes, products = (
        AutoEncoder(z_scores(data, rows), rows.shape[1], config.model.dimension)
        for rows in scene_and_product_rows(data, training)
    )
    return DualAutoEncoder(config.model, scenes, products)
