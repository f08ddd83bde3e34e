"""Encoders: features in, style embeddings out, always of unit length.

Kang et al. 2019, section 3.2: "a two-layer feed-forward network" (Linear-BatchNorm-ReLU-Dropout-Linear-L2).
A linear path beside it starts from the closed-form solution and leaves the network only what is not linear.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn


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

    def fit(self, mean: Tensor, deviation: Tensor) -> None:
        """Take the training data's mean and standard deviation per feature; a constant feature becomes 0."""
        width = len(mean)
        usable = deviation > 1e-6 * deviation.max()
        self.mean.copy_(mean)
        self.scale.copy_(torch.where(usable, 1 / (deviation.clamp_min(1e-12) * width**0.5), 0.0))

    def forward(self, features: Tensor) -> Tensor:
        """Standardise features [..., width]."""
        return (features - self.mean) * self.scale


class FeedForward(nn.Module):
    """Linear-BatchNorm-ReLU-Dropout-Linear; [..., width] to [..., dimension], not yet of unit length."""

    def __init__(self, width: int, *, hidden: int, dimension: int, dropout: float) -> None:
        super().__init__()
        self.first = nn.Linear(width, hidden)
        self.norm = nn.BatchNorm1d(hidden)
        self.dropout = nn.Dropout(dropout)
        self.second = nn.Linear(hidden, dimension)

    def start_at_zero(self) -> None:
        """Make the output zero until training says otherwise."""
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)

    def forward(self, inputs: Tensor) -> Tensor:
        """Encode standardised features [..., width]; all leading axes are one batch."""
        flat = inputs.reshape(-1, inputs.shape[-1])
        hidden = self.dropout(torch.relu(self.norm(self.first(flat))))
        encoded: Tensor = self.second(hidden)
        return encoded.reshape(*inputs.shape[:-1], encoded.shape[-1])


class Encoder(nn.Module):
    """One encoder of the method: a network, optionally beside a linear path, then L2 normalisation.

    Args:
        width: of the standardised input.
        dimension: of the style embedding.
        network: makes the non-linear part.
        linear: whether to add a linear path.
    """

    def __init__(
        self, width: int, dimension: int, network: Callable[[int], FeedForward], *, linear: bool
    ) -> None:
        super().__init__()
        self.network = network(width)
        self.linear = nn.Linear(width, dimension, bias=False) if linear else None

    def start_at_linear_path(self) -> None:
        """Leave everything to the linear path until training says otherwise."""
        self.network.start_at_zero()

    def forward(self, inputs: Tensor) -> Tensor:
        """Embed [..., width] as unit vectors [..., dimension]."""
        encoded: Tensor = self.network(inputs)
        return unit(encoded if self.linear is None else encoded + self.linear(inputs))


def unit(vectors: Tensor) -> Tensor:
    """Vectors [..., d] divided by their length."""
    lengths: Tensor = vectors.norm(dim=-1, keepdim=True)
    return vectors / lengths.clamp_min(1e-12)
