"""The compatibility model: style embeddings of scenes, regions and products, and the distances between them.

Kang et al. 2019, section 3: a global distance between the whole scene and a product, a local one between its
regions and the product weighted by category-aware attention, and the hybrid of the two.
"""

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from perfectlook.distances import HybridDistances, attention_weights, distance, hybrid
from perfectlook.model.attention import CategoryAttention
from perfectlook.model.config import ModelConfig
from perfectlook.model.encoders import Encoder, FeedForward, Standardise


@dataclass(frozen=True, slots=True)
class Widths:
    """How wide the backbone's outputs are."""

    head: int
    style: int
    regions: int

    def global_width(self, config: ModelConfig) -> int:
        """Width of the features that stand for a whole picture."""
        return {"head": self.head, "style": self.style, "both": self.head + self.style}[
            config.global_features
        ]


@dataclass(slots=True)
class SceneBatch:
    """What the model sees of n scenes, as the backbone gave it.

    `whole` is [n, global width]; `regions` [n, R, width of the map], None when regions do not count.
    """

    whole: Tensor
    regions: Tensor | None


def select_global(head: Tensor, style: Tensor, config: ModelConfig) -> Tensor:
    """The features that stand for a whole picture: head vector [n, D], style statistics [n, K] or both."""
    if config.global_features == "both":
        return torch.cat([head, style], dim=-1)
    return head if config.global_features == "head" else style


class Compatibility(nn.Module):
    """A compatibility model over features of a frozen backbone.

    Args:
        config: its shape.
        widths: of the backbone's outputs.
        categories: how many categories it knows.
    """

    def __init__(self, config: ModelConfig, widths: Widths, categories: int) -> None:
        super().__init__()
        self.config = config
        width = widths.global_width(config)
        network = partial(
            FeedForward, hidden=config.hidden, dimension=config.dimension, dropout=config.dropout
        )
        linear = config.linear_path != "none"
        self.drop = nn.Dropout(config.input_dropout)
        self.standardise_scene = Standardise(width)
        self.standardise_product = Standardise(width)
        self.product_encoder = Encoder(width, config.dimension, network, linear=linear)
        self.scene_encoder = (
            self.product_encoder if config.tied else Encoder(width, config.dimension, network, linear=linear)
        )
        if config.uses_regions:
            self.standardise_regions = Standardise(widths.regions)
            self.local_encoder = Encoder(widths.regions, config.dimension, network, linear=linear)
            self.attention = CategoryAttention(
                Encoder(widths.regions, config.dimension, network, linear=False),
                categories=categories,
                dimension=config.dimension,
                temperature=config.temperature,
                learned=config.learn_temperature,
            )

    def embed_scene(self, whole: Tensor) -> Tensor:
        """f_s: [n, global width] to [n, d]."""
        embedded: Tensor = self.scene_encoder(self.drop(self.standardise_scene(whole)))
        return embedded

    def embed_product(self, features: Tensor, centres: Tensor) -> Tensor:
        """f_p: features [..., global width] less their categories' centres (alike) to [..., d]."""
        embedded: Tensor = self.product_encoder(self.drop(self.standardise_product(features - centres)))
        return embedded

    def embed_regions(self, regions: Tensor) -> Tensor:
        """f_i: [n, R, width] to [n, R, d]."""
        embedded: Tensor = self.local_encoder(self.drop(self.standardise_regions(regions)))
        return embedded

    def attention_logits(self, regions: Tensor, category: Tensor | None = None) -> Tensor:
        """Logits of the attention for one category per scene [n, R], or for all [n, categories, R]."""
        logits: Tensor = self.attention(self.drop(self.standardise_regions(regions)), category)
        return logits

    def distances(self, scenes: SceneBatch, category: Tensor, products: Tensor) -> HybridDistances:
        """Distances of n scenes to m embedded products each.

        Args:
            scenes: n scenes.
            category: index of the products' category per scene, [n].
            products: f_p, [n, m, d].

        Returns:
            The distance and its two weighted parts, each [n, m].
        """
        norm, mixing = self.config.distance, self.config.effective_mixing
        if scenes.regions is None or not self.config.uses_regions:
            whole = distance(self.embed_scene(scenes.whole)[:, None, :], products, norm)
            return HybridDistances(whole, whole, torch.zeros_like(whole))
        local = self.embed_regions(scenes.regions)
        attention = attention_weights(self.attention_logits(scenes.regions, category))
        whole = self.embed_scene(scenes.whole) if mixing > 0 else local[:, 0, :]
        return hybrid(whole, local, attention, products, mixing=mixing, norm=norm)
