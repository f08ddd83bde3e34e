"""Encoders: features in, style embeddings out, always of unit length.

Kang et al. 2019, section 3.2: "a two-layer feed-forward network" (Linear-BatchNorm-ReLU-Dropout-Linear-L2).
A linear path beside it starts from the closed-form solution and leaves the network only what is not linear.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from perfectlook.model.config import ModelConfig
from perfectlook.model.inputs import pooled
from perfectlook.types import REGIONS

STEPS = 256
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
        self.kept = max(1, round((1 - share) * STEPS))

    def forward(self, values: Tensor) -> Tensor:
        """Drop values of any shape; without training all are kept."""
        if not self.training or self.kept == STEPS:
            return values
        return values * kept_values(values, self.kept).mul_(STEPS / self.kept)


def kept_values(values: Tensor, kept: int) -> Tensor:
    """1 where a value stays and 0 where it does not, by the random generator of torch; shape as `values`."""
    words = torch.empty(-(-values.numel() // 8), dtype=torch.int64, device=values.device)
    drawn = words.random_(torch.iinfo(torch.int64).min, None).view(torch.uint8)  # every bit of every byte
    return (drawn[: values.numel()] < kept).view(values.shape).to(values.dtype)


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
        width: of the standardised input.
        dimension: of the style embedding.
        network: the non-linear part; one that takes maps [n, R, width] makes the encoder take maps.
        linear: whether to add a linear path; of a map it sees the mean over the regions.
        decoder: reconstructs the input from the embedding before it is normalised; None without one.
    """

    def __init__(
        self,
        width: int,
        dimension: int,
        network: FeedForward | Recurrent,
        *,
        linear: bool,
        decoder: FeedForward | None = None,
    ) -> None:
        super().__init__()
        self.network = network
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


def make_encoder(config: ModelConfig, width: int, *, sweeps: bool, linear: bool, decodes: bool) -> Encoder:
    """An encoder of the kind that a model is made of.

    Args:
        config: the shape of the model.
        width: of the standardised input.
        sweeps: whether the input is a whole map, which a recurrent encoder sweeps over.
        linear: whether to add a linear path.
        decodes: whether an autoencoder's decoder belongs to it.
    """
    kind = Recurrent if config.encoder == "recurrent" and sweeps else FeedForward
    network = kind(width, hidden=config.hidden, dimension=config.dimension, dropout=config.dropout)
    decoder = None
    if config.encoder == "autoencoder" and decodes:
        decoder = FeedForward(config.dimension, hidden=config.hidden, dimension=width, dropout=0.0)
    return Encoder(width, config.dimension, network, linear=linear, decoder=decoder)


def unit(vectors: Tensor) -> Tensor:
    """Vectors [..., d] divided by their length."""
    lengths: Tensor = vectors.norm(dim=-1, keepdim=True)
    return vectors / lengths.clamp_min(1e-12)
