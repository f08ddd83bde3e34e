"""Dropout that does not cost more than the layers around it."""

import torch
from torch import Tensor, nn

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
