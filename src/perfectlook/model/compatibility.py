"""The compatibility model: style embeddings of scenes, regions and products, and the distances between them.

Kang et al. 2019, section 3: a global distance between the whole scene and a product, a local one between its
regions and the product weighted by category-aware attention, and the hybrid of the two.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn

from perfectlook.distances import HybridDistances, attention_weights, distance, hybrid
from perfectlook.model.attention import CategoryAttention
from perfectlook.model.config import ModelConfig
from perfectlook.model.dropout import Dropout
from perfectlook.model.encoders import Standardise, make_encoder
from perfectlook.model.memory import Memory
from perfectlook.model.whole import less_centres

Embed = Callable[[Tensor], Tensor]
"""Features to vectors."""


@dataclass(frozen=True, slots=True)
class Widths:
    """How wide the backbone's outputs are.

    Attributes:
        head: the global vector.
        stages: the style statistics of each stage.
        regions: one region of the feature map.
    """

    head: int
    stages: tuple[int, ...]
    regions: int

    @property
    def style(self) -> int:
        """Width of the style statistics."""
        return sum(self.stages)

    def blocks(self, config: ModelConfig) -> tuple[int, ...]:
        """Widths of the parts of what stands for a whole picture: head vector, stages, or a region."""
        if config.encoder == "recurrent":
            return (self.regions,)
        parts = {"head": (self.head,), "style": self.stages, "both": (self.head, *self.stages)}
        return parts[config.global_features]

    def global_width(self, config: ModelConfig) -> int:
        """Width of the features that stand for a whole picture, of one region where those are maps."""
        return sum(self.blocks(config))

    def remembered(self, config: ModelConfig) -> int:
        """How many features of a whole picture the memory reads: the head vector, where there is one."""
        reads_head = config.encoder != "recurrent" and config.global_features != "style"
        return self.head if reads_head else self.global_width(config)


@dataclass(slots=True)
class SceneBatch:
    """What the model sees of n scenes, as the backbone gave it.

    `whole` is [n, global width], or maps [n, R, width of the map] for a recurrent encoder; `regions`
    [n, R, width of the map], None when regions do not count. Where several questions are about one scene,
    `rows` has the scene of each question; None where every scene has one, in order.
    """

    whole: Tensor
    regions: Tensor | None
    rows: Tensor | None = None

    def asked(self, embedded: Tensor) -> Tensor:
        """What was made of the scenes, [n, ...], for each of the questions, [q, ...]."""
        return embedded if self.rows is None else embedded[self.rows]


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
        self.widths = widths
        self.categories = categories
        width = widths.global_width(config)
        encoder = partial(make_encoder, config, linear=config.linear_path != "none", decodes=True)
        self.drop = Dropout(config.input_dropout)
        self.standardise_scene = Standardise(width)
        self.standardise_product = Standardise(width)
        self.product_encoder = encoder(width, sweeps=True)
        self.scene_encoder = self.product_encoder if config.tied else encoder(width, sweeps=True)
        if config.uses_regions:
            self.standardise_regions = Standardise(widths.regions)
            self.local_encoder = encoder(widths.regions, sweeps=False)
            self.attention = CategoryAttention(
                make_encoder(config, widths.regions, sweeps=False, linear=False, decodes=False),
                categories=categories,
                dimension=config.dimension,
                temperature=config.temperature,
                learned=config.learn_temperature,
            )
        if config.remembers:
            self.memory = Memory(config, widths.remembered(config))
        if config.learns_mixing:
            self.mixing_logits = nn.Embedding(categories, 1)
            nn.init.constant_(self.mixing_logits.weight, math.log(config.mixing / (1 - config.mixing)))

    def embed_scene(self, whole: Tensor) -> Tensor:
        """f_s: [n, global width], or maps [n, R, width], to [n, d], in both style spaces."""
        return self._remembering(self.scene_style(whole), whole)

    def embed_product(self, features: Tensor, centres: Tensor) -> Tensor:
        """f_p: features [n, global width], or maps [n, R, width], less centres [n, width], to [n, d]."""
        return self._remembering(self.product_style(features, centres), features)

    def embed_regions(self, regions: Tensor) -> Tensor:
        """f_i: [n, R, width] to [n, R, d]. A region has no place in the memory: zero, as far from all."""
        styles = self.region_style(regions)
        if not self.config.remembers:
            return styles
        missing = self.config.vector_dimension - self.config.dimension
        return nn.functional.pad((1 - self.memory.weight).sqrt() * styles, (0, missing))

    def scene_style(self, whole: Tensor) -> Tensor:
        """f_s in the first style space alone, [n, dimension]."""
        embedded: Tensor = self.scene_encoder(self.drop(self.standardise_scene(whole)))
        return embedded

    def product_style(self, features: Tensor, centres: Tensor) -> Tensor:
        """f_p in the first style space alone, [n, dimension]."""
        embedded: Tensor = self.product_encoder(self.drop(self.standardised_product(features, centres)))
        return embedded

    def standardised_product(self, features: Tensor, centres: Tensor) -> Tensor:
        """Products as their encoder sees them: less their categories' centres, standardised."""
        standardised: Tensor = self.standardise_product(less_centres(features, centres))
        return standardised

    def region_style(self, regions: Tensor) -> Tensor:
        """f_i in the first style space, which is the only one that regions have, [n, R, dimension]."""
        embedded: Tensor = self.local_encoder(self.drop(self.standardise_regions(regions)))
        return embedded

    def attention_logits(self, regions: Tensor, category: Tensor | None = None) -> Tensor:
        """Logits of the attention for one category per scene [n, R], or for all [n, categories, R]."""
        logits: Tensor = self.attention(self.drop(self.standardise_regions(regions)), category)
        return logits

    def distances(self, scenes: SceneBatch, category: Tensor, products: Tensor) -> HybridDistances:
        """Distances of n questions, each about a scene, to m embedded products each.

        Args:
            scenes: the scenes.
            category: index of the products' category per question, [n].
            products: f_p of `embed_product`, [n, m, d].

        Returns:
            The distance and its two weighted parts, each [n, m].
        """
        return self._distances(scenes, category, products, self.embed_scene, self.embed_regions)

    def style_distances(self, scenes: SceneBatch, category: Tensor, products: Tensor) -> HybridDistances:
        """`distances` in the first style space alone, for products of `product_style`."""
        return self._distances(scenes, category, products, self.scene_style, self.region_style)

    def _remembering(self, styles: Tensor, whole: Tensor) -> Tensor:
        """Vectors whose squared distance is the weighted sum of those in the two style spaces."""
        if not self.config.remembers:
            return styles
        weight = self.memory.weight
        return torch.cat([(1 - weight).sqrt() * styles, weight.sqrt() * self.memory(whole)], dim=-1)

    def _distances(
        self, scenes: SceneBatch, category: Tensor, products: Tensor, of_scene: Embed, of_regions: Embed
    ) -> HybridDistances:
        norm = self.config.distance
        if scenes.regions is None or not self.config.uses_regions:
            whole = distance(scenes.asked(of_scene(scenes.whole))[:, None, :], products, norm)
            return HybridDistances(whole, whole, torch.zeros_like(whole))
        local = scenes.asked(of_regions(scenes.regions))
        attention = attention_weights(self._attention(scenes, scenes.regions, category))
        uses_whole = self.config.effective_mixing > 0
        whole = scenes.asked(of_scene(scenes.whole)) if uses_whole else local[:, 0, :]
        return hybrid(whole, local, attention, products, mixing=self.mixing(category), norm=norm)

    def _attention(self, scenes: SceneBatch, regions: Tensor, category: Tensor) -> Tensor:
        """The logits for each question's category, [n, R]; each scene's regions are embedded once."""
        embedded = self.attention.encoder(self.drop(self.standardise_regions(regions)))
        return self.attention.logits(scenes.asked(embedded), category)

    def mixing(self, category: Tensor) -> Tensor | float:
        """w for the category of each of n scenes: a number, or [n, 1] where every category has its own."""
        if not self.config.learns_mixing:
            return self.config.effective_mixing
        learned: Tensor = torch.sigmoid(self.mixing_logits(category))
        return learned

    def without_memory(self) -> "Compatibility":
        """The same network with the first style space alone."""
        alone = Compatibility(replace(self.config, memory=0), self.widths, self.categories)
        kept = {name: each for name, each in self.state_dict().items() if not name.startswith("memory.")}
        alone.load_state_dict(kept)
        return alone.train(self.training)

    def reconstruction_error(self, scenes: SceneBatch, products: Tensor, centres: Tensor) -> Tensor:
        """Sum over the encoders of how badly they reconstruct their inputs (autoencoders only)."""
        inputs = [(self.scene_encoder, self.standardise_scene(scenes.whole))]
        inputs.append((self.product_encoder, self.standardised_product(products, centres)))
        if scenes.regions is not None:
            inputs.append((self.local_encoder, self.standardise_regions(scenes.regions)))
        return torch.stack([each.reconstruction_error(x, self.drop(x)) for each, x in inputs]).sum()
