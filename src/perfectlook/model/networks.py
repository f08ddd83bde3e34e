"""The networks: encoders, attention, memory, and the compatibility model that they make up.

Kang et al. 2019, section 3: a global distance between the whole scene and a product, a local one between its
regions and the product weighted by category-aware attention, and the hybrid of the two. An encoder is "a
two-layer feed-forward network" (section 3.2: Linear-BatchNorm-ReLU-Dropout-Linear-L2). A linear path beside
it starts from the closed-form solution and leaves the network only what is not linear.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn

from perfectlook.model.config import MARGIN, ModelConfig, less_centres, pooled
from perfectlook.model.distances import (
    HybridDistances,
    attention_weights,
    distance,
    hybrid,
    pairwise,
    squared_l2,
)
from perfectlook.types import REGIONS


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


class GlobalNetwork(nn.Module, ABC):
    """Two maps into one space, one for whole scenes and one for products; near is compatible.

    Vectors may have any length. `config.dimension` is their width, as stores see it.

    Args:
        config: with mode "global", and the norm that distances in this space are taken by.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config

    @abstractmethod
    def embed_scene(self, whole: Tensor) -> Tensor:
        """f_s: features of whole scenes [n, global width] to [n, d]."""

    def embed_product(self, features: Tensor, centres: Tensor) -> Tensor:
        """f_p: features of products and their categories' centres, [n, global width] each, to [n, d].

        By default a product less the centre is embedded as a scene is.
        """
        return self.embed_scene(features - centres)


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
        encoder = partial(Encoder, config, linear=config.linear_path != "none", decodes=True)
        self.drop = Dropout(config.input_dropout)
        self.standardise_scene = Standardise(width)
        self.standardise_product = Standardise(width)
        self.product_encoder = encoder(width, sweeps=True)
        self.scene_encoder = self.product_encoder if config.tied else encoder(width, sweeps=True)
        if config.uses_regions:
            self.standardise_regions = Standardise(widths.regions)
            self.local_encoder = encoder(widths.regions, sweeps=False)
            self.attention = CategoryAttention(config, widths.regions, categories)
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

    def distances(
        self, scenes: SceneBatch, category: Tensor, products: Tensor, *, remembering: bool = True
    ) -> HybridDistances:
        """Distances of n questions, each about a scene, to m embedded products each.

        Args:
            scenes: the scenes.
            category: index of the products' category per question, [n].
            products: f_p of `embed_product`, [n, m, d].
            remembering: false for the first style space alone, with products of `product_style`.

        Returns:
            The distance and its two weighted parts, each [n, m].
        """
        of_scene, of_regions = self.embed_scene, self.embed_regions
        if not remembering:
            of_scene, of_regions = self.scene_style, self.region_style
        norm = self.config.distance
        if scenes.regions is None or not self.config.uses_regions:
            whole = distance(scenes.asked(of_scene(scenes.whole))[:, None, :], products, norm)
            return HybridDistances(whole, whole, torch.zeros_like(whole))
        local = scenes.asked(of_regions(scenes.regions))
        # each scene's regions are embedded once, for all of its questions
        embedded = self.attention.encoder(self.drop(self.standardise_regions(scenes.regions)))
        attention = attention_weights(self.attention.logits(scenes.asked(embedded), category))
        uses_whole = self.config.effective_mixing > 0
        whole = scenes.asked(of_scene(scenes.whole)) if uses_whole else local[:, 0, :]
        return hybrid(whole, local, attention, products, mixing=self.mixing(category), norm=norm)

    def _remembering(self, styles: Tensor, whole: Tensor) -> Tensor:
        """Vectors whose squared distance is the weighted sum of those in the two style spaces."""
        if not self.config.remembers:
            return styles
        weight = self.memory.weight
        return torch.cat([(1 - weight).sqrt() * styles, weight.sqrt() * self.memory(whole)], dim=-1)

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


def triplet_hinge(positive: Tensor, negatives: Tensor, *, margin: float = MARGIN) -> Tensor:
    """Mean of max(0, d(s, p⁺) - d(s, p⁻) + α) over all triplets (Kang et al. 2019, section 3.4).

    Args:
        positive: d(s, p⁺), [n].
        negatives: d(s, p⁻), [n, m].
        margin: α.
    """
    return (positive[:, None] - negatives + margin).clamp_min(0).mean()


class CategoryAttention(nn.Module):
    """Embeds regions (h_i) and categories (e_c, unit length) and compares them.

    Args:
        config: of the model: its encoder, and τ, the initial one if it is learned.
        width: of a region.
        categories: how many.
    """

    log_temperature: Tensor

    def __init__(self, config: ModelConfig, width: int, categories: int) -> None:
        super().__init__()
        self.encoder = Encoder(config, width, sweeps=False, linear=False, decodes=False)
        self.categories = nn.Embedding(categories, config.dimension)
        start = torch.tensor(math.log(config.temperature))
        if config.learn_temperature:
            self.log_temperature = nn.Parameter(start)
        else:
            self.register_buffer("log_temperature", start)

    @property
    def temperature(self) -> float:
        """τ as it stands."""
        return math.exp(float(self.log_temperature.detach()))

    def forward(self, regions: Tensor, category: Tensor | None = None) -> Tensor:
        """Logits -‖h_i - e_c‖ / τ; the softmax over the regions is `distances.attention_weights`.

        Args:
            regions: standardised, [n, R, width].
            category: index of a category per scene, [n]; None for all of them.

        Returns:
            [n, R] for one category per scene, [n, categories, R] for all.
        """
        return self.logits(self.encoder(regions), category)

    def logits(self, embedded: Tensor, category: Tensor | None = None) -> Tensor:
        """The same from embedded regions h_i, [n, R, dimension]."""
        weight = self.categories.weight if category is None else self.categories(category)[:, None, :]
        logits: Tensor = -pairwise(unit(weight), embedded, "l2") / self.log_temperature.exp()
        return logits if category is None else logits[:, 0, :]


class Memory(nn.Module):
    """Several networks side by side, each one for both scenes and products (tied), none of them centred.

    Args:
        config: of the model.
        width: how many of a whole picture's features it reads, the first ones.
    """

    weight: Tensor

    def __init__(self, config: ModelConfig, width: int) -> None:
        super().__init__()
        self.width = width
        self.standardise = Standardise(width)
        self.networks = nn.ModuleList(
            FeedForward(
                width, hidden=config.hidden, dimension=config.memory_dimension, dropout=config.dropout
            )
            for _ in range(config.memory)
        )
        self.register_buffer("weight", torch.tensor(0.5))

    def forward(self, whole: Tensor) -> Tensor:
        """Embed whole pictures [n, at least `width`], or maps [n, R, width], as unit vectors [n, m · d]."""
        members = self.members(whole)
        joined: Tensor = members.flatten(1) * members.shape[1] ** -0.5
        return joined

    def members(self, whole: Tensor) -> Tensor:
        """The unit vector of every one of the m networks, [n, m, d]."""
        seen = self.standardise(self.seen(whole))
        return torch.stack([unit(network(seen)) for network in self.networks], dim=1)

    def seen(self, whole: Tensor) -> Tensor:
        """What it reads of whole pictures, [n, width]."""
        features: Tensor = pooled(whole)[:, : self.width]
        return features

    def loss(self, around: Tensor, products: Tensor, places: Tensor, margin: float) -> Tensor:
        """Sum over the networks of their triplet hinge losses.

        Args:
            around: the `members` of the scenes, one for each pair, [n, m, d].
            products: whole products, [p, ...].
            places: rows of `products`: each pair's own in the first column, then its negatives, [n, 1 + k].
            margin: α.
        """
        vectors = self.members(products)
        found = squared_l2(around[:, None], vectors[places])  # [n, 1 + k, m]
        losses = [triplet_hinge(each[:, 0], each[:, 1:], margin=margin) for each in found.unbind(dim=-1)]
        return torch.stack(losses).sum()


class FeedForward(nn.Module):
    """Linear-BatchNorm-ReLU-Dropout-Linear; [..., width] to [..., dimension], not yet of unit length."""

    def __init__(self, width: int, *, hidden: int, dimension: int, dropout: float) -> None:
        super().__init__()
        self.first = nn.Linear(width, hidden)
        self.norm = nn.BatchNorm1d(hidden)
        self.dropout = Dropout(dropout)
        self.second = nn.Linear(hidden, dimension)

    def forward(self, inputs: Tensor) -> Tensor:
        """Encode standardised features [..., width]; all leading axes are one batch."""
        flat = inputs.reshape(-1, inputs.shape[-1])
        hidden = self.dropout(torch.relu(self.norm(self.first(flat))))
        encoded: Tensor = self.second(hidden)
        return encoded.reshape(*inputs.shape[:-1], encoded.shape[-1])


class Recurrent(nn.Module):
    """Bidirectional GRUs that sweep over the rows, then over the columns, of a square map.

    The sweeps of ReNet (Visin et al. 2015), one layer; then the mean over the positions, dropout and a linear
    map: [n, R, width] to [n, dimension], not yet of unit length. `hidden` is what both directions of a sweep
    give together.
    """

    def __init__(self, width: int, *, hidden: int, dimension: int, dropout: float) -> None:
        super().__init__()
        each = max(1, hidden // 2)
        self.rows = nn.GRU(width, each, batch_first=True, bidirectional=True)
        self.columns = nn.GRU(2 * each, each, batch_first=True, bidirectional=True)
        self.dropout = Dropout(dropout)
        self.second = nn.Linear(2 * each, dimension)

    def forward(self, inputs: Tensor) -> Tensor:
        """Encode standardised maps [n, R, width], regions row by row."""
        side, width = math.isqrt(REGIONS), self.rows.input_size
        swept, _ = self.rows(inputs.reshape(-1, side, width))
        width = self.columns.input_size
        across = swept.reshape(-1, side, side, width).transpose(1, 2)
        swept, _ = self.columns(across.reshape(-1, side, width))
        pooled_sweeps = swept.reshape(-1, REGIONS, width).mean(dim=1)
        encoded: Tensor = self.second(self.dropout(pooled_sweeps))
        return encoded


class Encoder(nn.Module):
    """One encoder of the method: a network, optionally beside a linear path, then L2 normalisation.

    Args:
        config: the shape of the model: the kind of network, its hidden width and dimension.
        width: of the standardised input.
        sweeps: whether the input is a whole map [n, R, width], which a recurrent encoder sweeps
            over.
        linear: whether to add a linear path; of a map it sees the mean over the regions.
        decodes: whether an autoencoder gets its decoder, which reconstructs the input from the embedding.
    """

    def __init__(self, config: ModelConfig, width: int, *, sweeps: bool, linear: bool, decodes: bool) -> None:
        super().__init__()
        dimension = config.dimension
        kind = Recurrent if config.encoder == "recurrent" and sweeps else FeedForward
        self.network = kind(width, hidden=config.hidden, dimension=dimension, dropout=config.dropout)
        decoder = None
        if config.encoder == "autoencoder" and decodes:
            decoder = FeedForward(dimension, hidden=config.hidden, dimension=width, dropout=0.0)
        self.linear = nn.Linear(width, dimension) if linear else None
        self.decoder = decoder
        if self.linear is not None:
            nn.init.zeros_(self.linear.bias)

    def start_at_linear_path(self) -> None:
        """Leave everything to the linear path until training says otherwise."""
        nn.init.zeros_(self.network.second.weight)
        nn.init.zeros_(self.network.second.bias)

    def forward(self, inputs: Tensor) -> Tensor:
        """Embed [..., width] as unit vectors [..., dimension]."""
        return unit(self.code(inputs))

    def code(self, inputs: Tensor) -> Tensor:
        """The embedding before it is normalised, [..., dimension]."""
        encoded: Tensor = self.network(inputs)
        if self.linear is None:
            return encoded
        seen = pooled(inputs) if isinstance(self.network, Recurrent) else inputs
        straight: Tensor = self.linear(seen)
        return encoded + straight

    def reconstruction_error(self, inputs: Tensor, dropped: Tensor) -> Tensor:
        """How badly `inputs` [..., width] are reconstructed from the code of `dropped`, a noisy copy of them.

        The mean over the batch of the squared error summed over features: inputs of about unit length make
        it about 1 before training, whatever the width.
        """
        assert self.decoder is not None
        error: Tensor = (self.decoder(self.code(dropped)) - inputs).square().sum(dim=-1).mean()
        return error


class Standardise(nn.Module):
    """z-score every feature and divide by √dimension, so that inputs of any width have about unit length.

    Input and output [..., width]. The constants are buffers: they are stored with the model and exported
    inside its graphs.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("scale", torch.full((width,), width**-0.5))

    def fit(self, mean: Tensor, deviation: Tensor, blocks: Sequence[int] | None = None) -> None:
        """Take the training data's mean and standard deviation per feature; a constant feature becomes 0.

        Args:
            mean: [width].
            deviation: [width].
            blocks: widths of parts that count the same however wide they are; by default every feature does.
        """
        usable = deviation > 1e-6 * deviation.max()
        parts = blocks or [len(mean)]
        weight = torch.cat([torch.full((width,), (width * len(parts)) ** -0.5) for width in parts])
        self.mean.copy_(mean)
        self.scale.copy_(torch.where(usable, weight / deviation.clamp_min(1e-12), 0.0))

    def forward(self, features: Tensor) -> Tensor:
        """Standardise features [..., width]."""
        return (features - self.mean) * self.scale


DROPOUT_STEPS = 256
"""A random byte decides about each value, so shares are multiples of 1 / 256."""


class Dropout(nn.Module):
    """Zero a share of all values in training and scale the others up, so that their mean stays.

    The same as `torch.nn.Dropout`, which on a CPU draws its values one by one in one thread and took a third
    of an epoch; here eight are drawn at a time. A share that is no multiple of 1 / 256 becomes the nearest.

    Args:
        share: of the values to drop, from 0 to below 1.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.kept = max(1, round((1 - share) * DROPOUT_STEPS))

    def forward(self, values: Tensor) -> Tensor:
        """Drop values of any shape; without training all are kept."""
        if not self.training or self.kept == DROPOUT_STEPS:
            return values
        return values * kept_values(values, self.kept).mul_(DROPOUT_STEPS / self.kept)


def kept_values(values: Tensor, kept: int) -> Tensor:
    """1 where a value stays and 0 where it does not, by the random generator of torch; shape as `values`."""
    words = torch.empty(-(-values.numel() // 8), dtype=torch.int64, device=values.device)
    drawn = words.random_(torch.iinfo(torch.int64).min, None).view(torch.uint8)  # every bit of every byte
    return (drawn[: values.numel()] < kept).view(values.shape).to(values.dtype)


def unit(vectors: Tensor) -> Tensor:
    """Vectors [..., d] divided by their length."""
    lengths: Tensor = vectors.norm(dim=-1, keepdim=True)
    return vectors / lengths.clamp_min(1e-12)
