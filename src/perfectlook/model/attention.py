"""Category-aware attention: which regions of a scene matter for a category.

Kang et al. 2019, section 3.3: a_i = softmax_i(-‖h_i - e_c‖). The temperature τ is this project's: with unit
vectors and τ = 1 the best of 49 regions can get at most 13 % of the attention.
"""

import math

import torch
from torch import Tensor, nn

from perfectlook.distances import pairwise
from perfectlook.model.encoders import unit


class CategoryAttention(nn.Module):
    """Embeds regions (h_i) and categories (e_c, unit length) and compares them.

    Args:
        encoder: regions [..., R, width] to unit vectors [..., R, dimension].
        categories: how many.
        dimension: of the category embedding.
        temperature: τ, the initial one if `learned`.
        learned: whether τ is a parameter.
    """

    log_temperature: Tensor

    def __init__(
        self, encoder: nn.Module, *, categories: int, dimension: int, temperature: float, learned: bool
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.categories = nn.Embedding(categories, dimension)
        start = torch.tensor(math.log(temperature))
        if learned:
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
