"""A photo that has passed the backbone and the model once, for several questions about it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from perfectlook.backbones.registry import FeatureBatch
    from perfectlook.bundle import SceneEmbedding


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What is known of a photo: what answers call it, its features (a batch of one) and its scene."""

    name: str
    features: "FeatureBatch"
    scene: "SceneEmbedding"
