"""The style prior: a model that is made without pairs.

The features of scenes and of products, less their categories' centres, are standardised, each by the mean and
deviation of its own kind. The global vector and the style statistics get equal weight. Products are ranked by
the cosine: what has the style of the scene, compared with other scenes, as the product has it, compared with
other products of its category. The principal components of the products keep the vectors short.

The scenes of another origin have other statistics. So the prior answers well for a shop after `adapt`.
"""

from collections.abc import Collection
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from perfectlook.errors import TrainingError
from perfectlook.model.config import ModelConfig
from perfectlook.model.networks import GlobalNetwork, Standardise, unit
from perfectlook.progress import counted
from perfectlook.training.baselines.learned import InnerProduct, fitted
from perfectlook.training.checkpoint import NO_PAIRS
from perfectlook.training.config import TrainingConfig
from perfectlook.training.data import TrainingData
from perfectlook.training.log import Learned
from perfectlook.training.ridge import principal_components
from perfectlook.training.validation import learning_pairs
from perfectlook.types import IntArray

PRIOR = "prior"
"""The name of the prior among the baselines."""


class StylePrior(GlobalNetwork):
    """Standardise scenes and products, and compare them by their cosine.

    Args:
        config: its dimension is the largest number of components; vectors have one more coordinate.
        standardise: standardises scenes, and centred products.
        products: centred products, [N, width]; their principal components span the space.
    """

    def __init__(
        self, config: ModelConfig, standardise: tuple[Standardise, Standardise], products: Tensor
    ) -> None:
        with torch.no_grad():
            styles = unit(standardise[1](products))
            directions, _ = principal_components(styles.double().numpy(), config.dimension)
            super().__init__(replace(config, dimension=len(directions) + 1))
            self.standardise_scene, self.standardise_product = standardise
            self.components = nn.Linear(products.shape[1], len(directions), bias=False)
            self.components.weight.copy_(torch.from_numpy(directions))
            self.inner_product = InnerProduct()
            self.inner_product.fit(self.components(styles))

    def embed_scene(self, whole: Tensor) -> Tensor:
        """f_s: [n, global width] to [n, dimension]."""
        return self.inner_product.extend_scenes(self.components(unit(self.standardise_scene(whole))))

    def embed_product(self, features: Tensor, centres: Tensor) -> Tensor:
        """f_p: features minus their categories' centres, [n, global width] each, to [n, dimension]."""
        styles = unit(self.standardise_product(features - centres))
        return self.inner_product.extend_products(self.components(styles))


def learn(data: TrainingData, config: TrainingConfig, _given: Collection[str]) -> Learned:
    """Make the style prior: measure the scenes that training may use, and all products. No pair is used.

    Raises:
        TrainingError: there are fewer than two scenes or products.
    """
    rows = scene_rows(data, config)
    products, centres = data.products()
    if min(len(rows), len(products)) < 2:
        raise TrainingError(
            f"{data.features.dataset.name}: {counted(len(rows), 'scene')} and "
            f"{counted(len(products), 'product')} with features; the prior needs two of each. Add pictures."
        )
    centred = products - centres
    scenes = data.scene_features(rows)
    # the global vector and the style statistics of all stages together get equal weight
    blocks = replace(data.widths, stages=(data.widths.style,)).blocks(data.config)
    standardise = fitted(data, scenes, blocks=blocks), fitted(data, centred, blocks=blocks)
    network = StylePrior(config.model, standardise, centred)
    return Learned(network, NO_PAIRS, scenes=rows)


def scene_rows(data: TrainingData, config: TrainingConfig) -> IntArray:
    """Rows of the scenes that the prior may measure: those of the training pairs, or all without pairs."""
    features = data.features
    if not features.dataset.pairs:
        return np.arange(len(features.scene_views))
    return np.unique(features.pair_scenes[learning_pairs(features, config)])
