"""The mixture of closed forms, and its blend with a compatibility model: several parts, one query point.

A part maps scenes and products into a space of its own, where a larger inner product is a better match. The
sum of the parts' inner products is again an inner product, of the concatenated vectors. A low-rank
factorisation of that sum keeps the vectors short. One more coordinate turns the inner product into a squared
distance, so every store searches a mixture like any other model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Self

import torch
from torch import Tensor, nn

from perfectlook.model.config import ModelConfig
from perfectlook.model.networks import Compatibility, GlobalNetwork, InnerProduct, Standardise, unit


class Term(nn.Module):
    """One part's map of scenes or of products: standardise, normalise if wanted, and map linearly.

    Args:
        standardise: standardises the global features; it sets those that the part does not read to zero.
        weights: [dimension, global width].
        normalise: whether to divide standardised features by their length, so that their angle counts.
    """

    normalise: Tensor

    def __init__(self, standardise: Standardise, weights: Tensor, *, normalise: bool) -> None:
        super().__init__()
        self.standardise = standardise
        self.register_buffer("normalise", torch.tensor(normalise))
        self.linear = nn.Linear(weights.shape[1], weights.shape[0], bias=False)
        with torch.no_grad():
            self.linear.weight.copy_(weights)

    def forward(self, features: Tensor) -> Tensor:
        """Map global features [n, global width] to [n, dimension]."""
        inputs = self.standardise(features)
        mapped: Tensor = self.linear(unit(inputs) if bool(self.normalise) else inputs)
        return mapped


class Mixture(GlobalNetwork):
    """The sum of several closed forms.

    Inner products have a deviation of about 1 over the products of a category.

    Args:
        config: configuration of the model; the vectors have one coordinate more than the terms.
        scenes: the parts' maps of scenes.
        products: the parts' maps of products, less their categories' centres.
        rows: centred products, [N, global width], for the length of the longest vector; None if it is known.
    """

    def __init__(
        self, config: ModelConfig, scenes: Sequence[Term], products: Sequence[Term], rows: Tensor | None
    ) -> None:
        dimension = scenes[0].linear.out_features + 1
        super().__init__(replace(config, dimension=dimension, mode="global", memory=0))
        self.scenes, self.products = nn.ModuleList(scenes), nn.ModuleList(products)
        self.inner_product = InnerProduct()
        if rows is not None:
            with torch.no_grad():
                self.inner_product.fit(self._sum(self.products, rows))

    @classmethod
    def restore(cls, config: ModelConfig, state: Mapping[str, Tensor]) -> Self:
        """The mixture with these weights, as `state_dict` gives them."""
        terms: dict[str, list[Term]] = {"scenes": [], "products": []}
        for side, found in terms.items():
            while (weights := state.get(f"{side}.{len(found)}.linear.weight")) is not None:
                normalise = bool(state[f"{side}.{len(found)}.normalise"])
                found.append(Term(Standardise(weights.shape[1]), weights, normalise=normalise))
        restored = cls(config, terms["scenes"], terms["products"], None)
        restored.load_state_dict(dict(state))
        return restored

    def embed_scene(self, whole: Tensor) -> Tensor:
        """f_s: [n, global width] to [n, dimension]."""
        return self.inner_product.extend_scenes(self._sum(self.scenes, whole))

    def embed_product(self, features: Tensor, centres: Tensor) -> Tensor:
        """f_p: features and their categories' centres, [n, global width] each, to [n, dimension]."""
        return self.inner_product.extend_products(self._sum(self.products, features - centres))

    @staticmethod
    def _sum(terms: nn.ModuleList, features: Tensor) -> Tensor:
        return torch.stack([term(features) for term in terms]).sum(dim=0)


class Blend(nn.Module):
    """A compatibility model and a mixture in one space: the sum of their squared distances.

    The mixture's part of a region is zero, which is equally far from every product. So the mixing weight w
    of the whole scene applies to the mixture too. The network may read the first of several backbones only.

    Args:
        network: the compatibility model, with squared norms and a mode other than `local`.
        mixture: the mixture.
        weight: weight of the mixture's inner products against the distances of the network.
        columns: the global features that the network reads; None for all. The mixture reads all.
    """

    weight: Tensor
    columns: Tensor | None

    def __init__(
        self, network: Compatibility, mixture: Mixture, weight: float, columns: Tensor | None = None
    ) -> None:
        super().__init__()
        self.network, self.mixture = network, mixture
        self.register_buffer("weight", torch.tensor(weight))
        self.register_buffer("columns", columns)
        self.config = replace(network.config, closed_form=mixture.config.dimension)

    def embed_scene(self, whole: Tensor) -> Tensor:
        """f_s: [n, global width] to [n, d]."""
        return self._joined(self.network.embed_scene(self._read(whole)), self.mixture.embed_scene(whole))

    def embed_product(self, features: Tensor, centres: Tensor) -> Tensor:
        """f_p: features and their categories' centres, [n, global width] each, to [n, d]."""
        styles = self.network.embed_product(self._read(features), self._read(centres))
        return self._joined(styles, self.mixture.embed_product(features, centres))

    def embed_regions(self, regions: Tensor) -> Tensor:
        """f_i: [n, R, map width] to [n, R, d]."""
        own = self.network.embed_regions(self._read(regions))
        return nn.functional.pad(own, (0, self.config.closed_form))

    def attention_logits(self, regions: Tensor, category: Tensor | None = None) -> Tensor:
        """Logits of the network's attention."""
        return self.network.attention_logits(self._read(regions), category)

    def _read(self, features: Tensor) -> Tensor:
        """What the network reads of global features [n, width] or of regions [n, R, width]."""
        own = self.columns if features.ndim == 2 else slice(self.network.widths.regions)
        return features if self.columns is None else features[..., own]

    def _joined(self, styles: Tensor, closed: Tensor) -> Tensor:
        # ‖a - b‖² = ‖a‖² + ‖b‖² - 2 aᵀb, so half the weight counts each inner product once
        return torch.cat([styles, (self.weight / 2).sqrt() * closed], dim=-1)
