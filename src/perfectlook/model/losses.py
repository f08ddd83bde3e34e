"""Losses over distances: free functions of the distances to the true product and to the negatives."""

from torch import Tensor

from perfectlook.model.config import MARGIN


def triplet_hinge(positive: Tensor, negatives: Tensor, *, margin: float = MARGIN) -> Tensor:
    """Mean of max(0, d(s, p⁺) - d(s, p⁻) + α) over all triplets (Kang et al. 2019, section 3.4).

    Args:
        positive: d(s, p⁺), [n].
        negatives: d(s, p⁻), [n, m].
        margin: α.
    """
    return (positive[:, None] - negatives + margin).clamp_min(0).mean()
