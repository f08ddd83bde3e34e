"""What a compatibility model is made of: the choices that are stored with it."""

from dataclasses import dataclass
from typing import Any, Literal, get_args

from perfectlook.errors import UsageError
from perfectlook.model.distances import Norm

Mode = Literal["hybrid", "global", "local"]
EncoderKind = Literal["feedforward", "autoencoder", "recurrent"]
Scaling = Literal["features", "stages"]
GlobalFeatures = Literal["head", "style", "both"]
LinearPath = Literal["none", "random", "ridge"]

_CHOICES: dict[str, Any] = {
    "mode": Mode,
    "encoder": EncoderKind,
    "distance": Norm,
    "global_features": GlobalFeatures,
    "scaling": Scaling,
    "linear_path": LinearPath,
}

MARGIN = 0.2
"""α of Kang et al. 2019, section 3.4."""


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """The shape of a compatibility model. `ModelConfig.published()` is the method as published.

    Attributes:
        backbone: name of the frozen backbone, with its precision if that is not fp32.
        mode: which distances count: the whole scene's, the regions', or both.
        encoder: `feedforward`; `autoencoder`, the same with a decoder, which learns to reconstruct too; or
            `recurrent`, which sweeps over the feature map of scenes and products instead of seeing a vector
            of the whole picture.
        distance: `l2` as written in the paper, or `squared_l2`, which squares every norm.
        dimension: of the style embeddings.
        hidden: width of an encoder's hidden layer.
        dropout: share of hidden units dropped in training.
        input_dropout: share of standardised features dropped in training.
        tied: one encoder for scenes and products (θ_s = θ_p).
        global_features: what stands for a whole picture: the backbone's pooled head vector, its style
            statistics, or both. A recurrent encoder reads the feature map instead.
        scaling: what has equal weight in them: every feature, or the head vector and every stage.
        centring: subtract from every product its category's mean.
        linear_path: a linear map beside each global encoder: none, randomly initialised, or started from the
            closed-form ridge solution.
        mixing: w, the weight of the global distance in a hybrid one, the initial one when it is learned.
        learn_mixing: whether training learns a w for each category.
        temperature: τ of the attention, the initial one when it is learned.
        learn_temperature: whether training adjusts τ.
        memory: networks of a second style space, which remembers pairs; 0 for none. It needs whole
            scenes and squared norms: without them there is none.
        memory_dimension: of each of these networks' vectors.
    """

    backbone: str = "efficientnet-lite2"
    mode: Mode = "hybrid"
    encoder: EncoderKind = "feedforward"
    distance: Norm = "squared_l2"
    dimension: int = 256
    hidden: int = 256
    dropout: float = 0.5
    input_dropout: float = 0.5
    tied: bool = False
    global_features: GlobalFeatures = "both"
    scaling: Scaling = "stages"
    centring: bool = True
    linear_path: LinearPath = "ridge"
    mixing: float = 0.7
    learn_mixing: bool = False
    temperature: float = 0.2
    learn_temperature: bool = True
    memory: int = 3
    memory_dimension: int = 64

    def __post_init__(self) -> None:
        for name, kind in _CHOICES.items():
            value, choices = getattr(self, name), get_args(kind)
            _check(value in choices, name, value, "one of " + ", ".join(choices))
        if self.tied and self.linear_path == "ridge":
            raise UsageError(
                "tied = true with linear_path = 'ridge': tied encoders have one linear path, and the closed "
                "form needs two; set linear_path to 'random' or 'none'"
            )
        for name, least in (("dimension", 1), ("hidden", 1), ("memory", 0), ("memory_dimension", 1)):
            _check(getattr(self, name) >= least, name, getattr(self, name), f"at least {least}")
        for name in ("dropout", "input_dropout"):
            _check(0 <= getattr(self, name) < 1, name, getattr(self, name), "from 0 to below 1")
        _check(0 <= self.mixing <= 1, "mixing", self.mixing, "from 0 to 1")
        if self.learn_mixing:
            _check(0 < self.mixing < 1, "mixing", self.mixing, "above 0 and below 1 where it is learned")
        _check(self.temperature > 0, "temperature", self.temperature, "above 0")

    @classmethod
    def published(cls, backbone: str = "efficientnet-lite2") -> "ModelConfig":
        """The method as published: tied encoders, τ = 1, w = ½; no centring, style statistics, memory."""
        return cls(
            backbone=backbone,
            distance="l2",
            dimension=128,
            tied=True,
            global_features="head",
            scaling="features",
            centring=False,
            input_dropout=0.0,
            linear_path="none",
            mixing=0.5,
            temperature=1.0,
            learn_temperature=False,
            memory=0,
        )

    @property
    def uses_regions(self) -> bool:
        """Whether the regions of a scene count."""
        return self.mode != "global"

    @property
    def learns_mixing(self) -> bool:
        """Whether every category has a w of its own."""
        return self.learn_mixing and self.mode == "hybrid"

    @property
    def needs_product_maps(self) -> bool:
        """Whether products are seen by their feature maps."""
        return self.encoder == "recurrent"

    @property
    def remembers(self) -> bool:
        """Whether there is a second style space beside the first."""
        return self.memory > 0 and self.mode != "local" and self.distance == "squared_l2"

    @property
    def vector_dimension(self) -> int:
        """Of the vectors that stores hold: of both style spaces together."""
        return self.dimension + (self.memory * self.memory_dimension if self.remembers else 0)

    @property
    def effective_mixing(self) -> float:
        """w as the mode sets it: 1 for global, 0 for local, else `mixing`."""
        return {"global": 1.0, "local": 0.0, "hybrid": self.mixing}[self.mode]


def _check(holds: bool, name: str, value: object, wanted: str) -> None:
    if not holds:
        raise UsageError(f"{name} = {value!r}: must be {wanted}")
