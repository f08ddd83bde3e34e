"""The torch networks: encoders, attention, memory, and the compatibility model that combines them.

Kang et al. 2019 define three distances. The global distance is between the whole scene and a
product. The local distance is between the scene's regions and the product, weighted by category-aware
attention. The hybrid distance mixes the two. An encoder is a two-layer network
(Linear-BatchNorm-ReLU-Dropout-Linear-L2). An added linear path starts from the closed-form solution, so the
network only has to learn the non-linear part.
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
    """The widths of the backbone's outputs.

    Attributes:
        head: width of the global vector.
        stages: width of the style statistics of each stage.
        regions: width of one region of the feature map.
    """

    head: int
    stages: tuple[int, ...]
    regions: int

    @property
    def style(self) -> int:
        """Width of the style statistics."""
        return sum(self.stages)

    def blocks(self, config: ModelConfig) -> tuple[int, ...]:
        """Widths of the blocks of the global features: global vector, stages, or a region."""
        if config.encoder == "recurrent":
            return (self.regions,)
        parts = {"head": (self.head,), "style": self.stages, "both": (self.head, *self.stages)}
        return parts[config.global_features]

    def global_width(self, config: ModelConfig) -> int:
        """Width of the global features, or of one region if the encoder reads maps."""
        return sum(self.blocks(config))

    def memory_width(self, config: ModelConfig) -> int:
        """How many global features the memory reads: those of the global vector, if the model has one."""
        reads_head = config.encoder != "recurrent" and config.global_features != "style"
        return self.head if reads_head else self.global_width(config)


@dataclass(slots=True)
class SceneBatch:
    """The features of n scenes, as the backbone returns them.

    Attributes:
        whole: [n, global width], or maps [n, R, map width] for a recurrent encoder.
        regions: [n, R, map width]; None if the model uses no regions.
        rows: the scene of each of q questions, [q]; None for one question per scene, in order.
    """

    whole: Tensor
    regions: Tensor | None
    rows: Tensor | None = None

    def per_question(self, embedded: Tensor) -> Tensor:
        """Expand a result per scene [n, ...] to a result per question [q, ...]."""
        return embedded if self.rows is None else embedded[self.rows]


class GlobalNetwork(nn.Module, ABC):
    """Two maps into one space, one for whole scenes and one for products; near means compatible.

    Vectors may have any length. `config.dimension` is the dimension of the vectors in a store.

    Args:
        config: has mode "global", and the norm for distances in this space.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config

    @abstractmethod
    def embed_scene(self, whole: Tensor) -> Tensor:
        """f_s: map the features of whole scenes [n, global width] to [n, d]."""

    def embed_product(self, features: Tensor, centres: Tensor) -> Tensor:
        """f_p: map products and their categories' centres, [n, global width] each, to [n, d].

        By default, the product minus its centre is embedded like a scene.
        """
        return self.embed_scene(features - centres)


class Compatibility(nn.Module):
    """A compatibility model over features of a frozen backbone.

    Args:
        config: its configuration.
        widths: widths of the backbone's outputs.
        categories: number of known categories.
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
        if config.has_memory:
            self.memory = Memory(config, widths.memory_width(config))
        if config.learns_mixing:
            self.mixing_logits = nn.Embedding(categories, 1)
            nn.init.constant_(self.mixing_logits.weight, math.log(config.mixing / (1 - config.mixing)))

    def embed_scene(self, whole: Tensor) -> Tensor:
        """f_s in both style spaces: [n, global width], or maps [n, R, width], to [n, d]."""
        return self._with_memory(self.scene_style(whole), whole)

    def embed_product(self, features: Tensor, centres: Tensor) -> Tensor:
        """f_p in both style spaces: features [n, global width] or maps, and centres, to [n, d]."""
        return self._with_memory(self.product_style(features, centres), features)

    def embed_regions(self, regions: Tensor) -> Tensor:
        """f_i: [n, R, width] to [n, R, d], with zeros in the memory, so equally far from every product."""
        styles = self.region_style(regions)
        if not self.config.has_memory:
            return styles
        missing = self.config.style_dimension - self.config.dimension
        return nn.functional.pad((1 - self.memory.weight).sqrt() * styles, (0, missing))

    def scene_style(self, whole: Tensor) -> Tensor:
        """f_s in the first style space only, [n, dimension]."""
        embedded: Tensor = self.scene_encoder(self.drop(self.standardise_scene(whole)))
        return embedded

    def product_style(self, features: Tensor, centres: Tensor) -> Tensor:
        """f_p in the first style space only, [n, dimension]."""
        embedded: Tensor = self.product_encoder(self.drop(self.standardised_product(features, centres)))
        return embedded

    def standardised_product(self, features: Tensor, centres: Tensor) -> Tensor:
        """The input of the product encoder: products minus their categories' centres, standardised."""
        standardised: Tensor = self.standardise_product(less_centres(features, centres))
        return standardised

    def region_style(self, regions: Tensor) -> Tensor:
        """f_i in the first style space, the only one for regions, [n, R, dimension]."""
        embedded: Tensor = self.local_encoder(self.drop(self.standardise_regions(regions)))
        return embedded

    def attention_logits(self, regions: Tensor, category: Tensor | None = None) -> Tensor:
        """Logits of the attention for one category per scene [n, R], or for all [n, categories, R]."""
        logits: Tensor = self.attention(self.drop(self.standardise_regions(regions)), category)
        return logits

    def distances(
        self, scenes: SceneBatch, category: Tensor, products: Tensor, *, with_memory: bool = True
    ) -> HybridDistances:
        """Distances of n questions to m embedded products each; a question is about one scene.

        Args:
            scenes: the scenes.
            category: index of the products' category for each question, [n].
            products: f_p from `embed_product`, [n, m, d].
            with_memory: False to use the first style space only, with products from `product_style`.

        Returns:
            The distance and its two weighted parts, each [n, m].
        """
        of_scene, of_regions = self.embed_scene, self.embed_regions
        if not with_memory:
            of_scene, of_regions = self.scene_style, self.region_style
        norm = self.config.distance
        if scenes.regions is None or not self.config.uses_regions:
            whole = distance(scenes.per_question(of_scene(scenes.whole))[:, None, :], products, norm)
            return HybridDistances(whole, whole, torch.zeros_like(whole))
        local = scenes.per_question(of_regions(scenes.regions))
        # Embed the regions of each scene once, for all its questions.
        embedded = self.attention.encoder(self.drop(self.standardise_regions(scenes.regions)))
        attention = attention_weights(self.attention.logits(scenes.per_question(embedded), category))
        uses_whole = self.config.effective_mixing > 0
        whole = scenes.per_question(of_scene(scenes.whole)) if uses_whole else local[:, 0, :]
        return hybrid(whole, local, attention, products, mixing=self.mixing(category), norm=norm)

    def query_points(self, scenes: SceneBatch, category: Tensor) -> Tensor:
        """The query point of each question in the first style space, [q, d]; for squared norms only.

        Squared distances to it differ from `distances` by a constant per question, so their differences and
        their gradients are the same, for much less work: no distance to every region is needed.
        """
        if scenes.regions is None or not self.config.uses_regions:
            return scenes.per_question(self.scene_style(scenes.whole))
        rows = torch.arange(len(category)) if scenes.rows is None else scenes.rows
        table, slots = questions_by_scene(rows, category, len(scenes.regions))
        attention = attention_weights(self.attention_logits(scenes.regions, table))
        local: Tensor = (attention @ self.region_style(scenes.regions))[rows, slots]
        if not self.config.effective_mixing:
            return local
        w = self.mixing(category)
        point: Tensor = w * scenes.per_question(self.scene_style(scenes.whole)) + (1 - w) * local
        return point

    def _with_memory(self, styles: Tensor, whole: Tensor) -> Tensor:
        """Join both style spaces: the squared distance is the weighted sum of the two squared distances."""
        if not self.config.has_memory:
            return styles
        weight = self.memory.weight
        return torch.cat([(1 - weight).sqrt() * styles, weight.sqrt() * self.memory(whole)], dim=-1)

    def mixing(self, category: Tensor) -> Tensor | float:
        """w for the category of each of n scenes: a number, or [n, 1] if each category has its own w."""
        if not self.config.learns_mixing:
            return self.config.effective_mixing
        learned: Tensor = torch.sigmoid(self.mixing_logits(category))
        return learned

    def without_memory(self) -> "Compatibility":
        """The same network with the first style space only."""
        alone = Compatibility(replace(self.config, memory=0), self.widths, self.categories)
        kept = {name: each for name, each in self.state_dict().items() if not name.startswith("memory.")}
        alone.load_state_dict(kept)
        return alone.train(self.training)

    def reconstruction_error(self, scenes: SceneBatch, products: Tensor, centres: Tensor) -> Tensor:
        """Sum of the reconstruction errors of all encoders (autoencoders only)."""
        inputs = [(self.scene_encoder, self.standardise_scene(scenes.whole))]
        inputs.append((self.product_encoder, self.standardised_product(products, centres)))
        if scenes.regions is not None:
            inputs.append((self.local_encoder, self.standardise_regions(scenes.regions)))
        return torch.stack([each.reconstruction_error(x, self.drop(x)) for each, x in inputs]).sum()


def questions_by_scene(rows: Tensor, category: Tensor, scenes: int) -> tuple[Tensor, Tensor]:
    """Arrange questions by their scenes, so that one matrix product per scene answers all of its questions.

    Args:
        rows: the scene of each question, [q].
        category: the category of each question, [q].
        scenes: number of scenes.

    Returns:
        The categories that each scene is asked about, [scenes, most questions], filled up with category 0,
        and the column of each question, [q].
    """
    counts = torch.bincount(rows, minlength=scenes)
    order = torch.argsort(rows, stable=True)
    slots = torch.empty_like(rows)
    slots[order] = torch.arange(len(rows)) - (counts.cumsum(0) - counts)[rows[order]]
    table = category.new_zeros(scenes, int(counts.max()))
    table[rows, slots] = category
    return table, slots


def triplet_hinge(positive: Tensor, negatives: Tensor, *, margin: float = MARGIN) -> Tensor:
    """Mean of max(0, d(s, p⁺) - d(s, p⁻) + α) over all triplets (Kang et al. 2019).

    Args:
        positive: d(s, p⁺), [n].
        negatives: d(s, p⁻), [n, m].
        margin: α.
    """
    return (positive[:, None] - negatives + margin).clamp_min(0).mean()


class CategoryAttention(nn.Module):
    """Embed regions (h_i) and categories (e_c, unit length) and compare them.

    Args:
        config: configuration of the model: its encoder, and τ (initial value if it is learned).
        width: width of a region.
        categories: number of categories.
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
        """The current τ."""
        return math.exp(float(self.log_temperature.detach()))

    def forward(self, regions: Tensor, category: Tensor | None = None) -> Tensor:
        """Logits -‖h_i - e_c‖ / τ; `distances.attention_weights` takes their softmax over the regions.

        Args:
            regions: standardised regions, [n, R, width].
            category: index of one category per scene [n], or of k categories [n, k]; None for all.

        Returns:
            [n, R] for one category per scene, otherwise [n, k, R].
        """
        return self.logits(self.encoder(regions), category)

    def logits(self, embedded: Tensor, category: Tensor | None = None) -> Tensor:
        """Logits from embedded regions h_i, [n, R, dimension]; otherwise like `forward`."""
        is_single = category is not None and category.ndim == 1
        weight = self.categories.weight if category is None else self.categories(category)
        weight = weight[:, None, :] if is_single else weight
        logits: Tensor = -pairwise(unit(weight), embedded, "l2") / self.log_temperature.exp()
        return logits[:, 0, :] if is_single else logits


class Memory(nn.Module):
    """Several independent networks for the second style space.

    Each network embeds both scenes and products (tied encoders). None of them subtracts centres.

    Args:
        config: configuration of the model.
        width: the networks read the first `width` global features.
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
        """The unit vector from each of the m networks, [n, m, d]."""
        seen = self.standardise(self.seen(whole))
        return torch.stack([unit(network(seen)) for network in self.networks], dim=1)

    def seen(self, whole: Tensor) -> Tensor:
        """The features of whole pictures that the memory reads, [n, width]."""
        features: Tensor = pooled(whole)[:, : self.width]
        return features

    def loss(self, around: Tensor, products: Tensor, places: Tensor, margin: float) -> Tensor:
        """Sum of the triplet hinge losses of all networks.

        Args:
            around: `members` of the scenes, one for each pair, [n, m, d].
            products: whole products, [p, ...].
            places: rows of `products`, [n, 1 + k]: each pair's own product first, then its k negatives.
            margin: α.
        """
        vectors = self.members(products)
        found = squared_l2(around[:, None], vectors[places])  # [n, 1 + k, m]
        losses = [triplet_hinge(each[:, 0], each[:, 1:], margin=margin) for each in found.unbind(dim=-1)]
        return torch.stack(losses).sum()


class FeedForward(nn.Module):
    """Linear-BatchNorm-ReLU-Dropout-Linear; [..., width] to [..., dimension], not normalised."""

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

    One layer of the sweeps of ReNet (Visin et al. 2015), then the mean over the positions, dropout and a
    linear map: [n, R, width] to [n, dimension], not normalised. `hidden` is the width of both directions
    together.
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
    """One encoder of the method: a network, an optional linear path, and L2 normalisation.

    Args:
        config: configuration of the model: kind of network, hidden width and dimension.
        width: width of the standardised input.
        sweeps: whether the input is a whole map [n, R, width], which a recurrent encoder sweeps over.
        linear: whether to add a linear path; for maps, it reads the mean over the regions.
        decodes: whether an autoencoder gets a decoder, which reconstructs the input from the embedding.
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
        """Set the network's output to zero, so that training starts from the linear path."""
        nn.init.zeros_(self.network.second.weight)
        nn.init.zeros_(self.network.second.bias)

    def forward(self, inputs: Tensor) -> Tensor:
        """Embed [..., width] as unit vectors [..., dimension]."""
        return unit(self.code(inputs))

    def code(self, inputs: Tensor) -> Tensor:
        """The embedding before normalisation, [..., dimension]."""
        encoded: Tensor = self.network(inputs)
        if self.linear is None:
            return encoded
        seen = pooled(inputs) if isinstance(self.network, Recurrent) else inputs
        straight: Tensor = self.linear(seen)
        return encoded + straight

    def reconstruction_error(self, inputs: Tensor, dropped: Tensor) -> Tensor:
        """Reconstruction error of `inputs` [..., width] from the code of `dropped`, a noisy copy of them.

        The mean over the batch of the squared error summed over features. Inputs have a length of about 1,
        so the error is about 1 before training for every width.
        """
        assert self.decoder is not None
        error: Tensor = (self.decoder(self.code(dropped)) - inputs).square().sum(dim=-1).mean()
        return error


class Standardise(nn.Module):
    """Standardise every feature and divide by √width, so that inputs of any width have a length of about 1.

    Input and output are [..., width]. The constants are buffers: they are stored with the model and exported
    inside its graphs.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("scale", torch.full((width,), width**-0.5))

    def fit(self, mean: Tensor, deviation: Tensor, blocks: Sequence[int] | None = None) -> None:
        """Take the mean and standard deviation of each feature from training; a constant feature becomes 0.

        Args:
            mean: [width].
            deviation: [width].
            blocks: widths of blocks that get equal weight; by default, every feature gets equal weight.
        """
        usable = deviation > 1e-6 * deviation.max()
        parts = blocks or [len(mean)]
        weight = torch.cat([torch.full((width,), (width * len(parts)) ** -0.5) for width in parts])
        self.mean.copy_(mean)
        self.scale.copy_(torch.where(usable, weight / deviation.clamp_min(1e-12), 0.0))

    def forward(self, features: Tensor) -> Tensor:
        """Standardise features [..., width]."""
        return (features - self.mean) * self.scale


SAFETY = 1.5
"""M is this factor times the longest product vector in training, because later products may be longer."""


class InnerProduct(nn.Module):
    """Turn inner products into distances with one more coordinate, √(M² - ‖f_p‖²) or 0 beyond length M."""

    longest: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("longest", torch.ones(()))

    def fit(self, products: Tensor) -> None:
        """Choose M for product vectors f_p [n, d]."""
        self.longest.copy_(SAFETY * products.norm(dim=-1).max().clamp_min(1e-6))

    def extend_products(self, products: Tensor) -> Tensor:
        """f_p [n, d] to [n, d + 1]."""
        room = self.longest.square() - products.square().sum(dim=-1, keepdim=True)
        return torch.cat([products, room.clamp_min(0.0).sqrt()], dim=-1)

    def extend_scenes(self, scenes: Tensor) -> Tensor:
        """f_s [n, d] to [n, d + 1]."""
        return torch.cat([scenes, torch.zeros_like(scenes[:, :1])], dim=-1)


DROPOUT_STEPS = 256
"""One random byte decides about each value, so shares are multiples of 1 / 256."""


class Dropout(nn.Module):
    """Set a share of all values to zero in training and scale the others up to keep the mean.

    It replaces `torch.nn.Dropout`, which draws values one by one in one thread on a CPU and took a third of
    an epoch. This class draws eight at a time. Shares are rounded to the nearest multiple of 1 / 256.

    Args:
        share: share of the values to drop, at least 0 and below 1.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.kept = max(1, round((1 - share) * DROPOUT_STEPS))

    def forward(self, values: Tensor) -> Tensor:
        """Drop values of an array of any shape; outside training, keep all values."""
        if not self.training or self.kept == DROPOUT_STEPS:
            return values
        return values * kept_values(values, self.kept).mul_(DROPOUT_STEPS / self.kept)


def kept_values(values: Tensor, kept: int) -> Tensor:
    """Random mask with the shape of `values`: 1 with probability `kept` / 256, otherwise 0."""
    words = torch.empty(-(-values.numel() // 8), dtype=torch.int64, device=values.device)
    # `random_` with None as its upper bound draws all 64 bits.
    drawn = words.random_(torch.iinfo(torch.int64).min, None).view(torch.uint8)
    return (drawn[: values.numel()] < kept).view(values.shape).to(values.dtype)


def unit(vectors: Tensor) -> Tensor:
    """Vectors [..., d] divided by their length."""
    lengths: Tensor = vectors.norm(dim=-1, keepdim=True)
    return vectors / lengths.clamp_min(1e-12)
