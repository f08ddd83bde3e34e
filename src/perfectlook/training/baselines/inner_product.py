"""An inner product as a distance, so that stores, which know distances only, can search by it.

With every product extended by √(M² - ‖f_p‖²) and every scene by 0,

    ‖f_s - f_p‖² = ‖f_s‖² + M² - 2 f_s · f_p,

which orders products as f_s · f_p does, the largest first (Bachrach et al., RecSys 2014, section 3).
"""

import torch
from torch import Tensor, nn

SAFETY = 1.5
"""M is this times the longest product of the training catalogue: later ones may be longer."""


class InnerProduct(nn.Module):
    """Extends vectors by one coordinate; a product longer than M gets 0 and seems farther than it is."""

    longest: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("longest", torch.ones(()))

    def fit(self, products: Tensor) -> None:
        """Choose M for a catalogue, f_p [n, d]."""
        self.longest.copy_(SAFETY * products.norm(dim=-1).max().clamp_min(1e-6))

    def extend_products(self, products: Tensor) -> Tensor:
        """f_p [n, d] to [n, d + 1]."""
        room = self.longest.square() - products.square().sum(dim=-1, keepdim=True)
        return torch.cat([products, room.clamp_min(0.0).sqrt()], dim=-1)

    def extend_scenes(self, scenes: Tensor) -> Tensor:
        """f_s [n, d] to [n, d + 1]."""
        return torch.cat([scenes, torch.zeros_like(scenes[:, :1])], dim=-1)
