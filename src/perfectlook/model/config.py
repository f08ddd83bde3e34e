"""What a compatibility model is made of, the choices stored with it, and what it sees of pictures."""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, get_args

from perfectlook.errors import UsageError
from perfectlook.model.distances import Norm, namespace_of

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
            choices = get_args(kind)
            check_setting(self, name, choices.__contains__, "one of " + ", ".join(choices))
        if self.tied and self.linear_path == "ridge":
            raise UsageError(
                "tied = true with linear_path = 'ridge': tied encoders have one linear path, and the closed "
                "form needs two; set linear_path to 'random' or 'none'"
            )
        check_at_least(self, {"dimension": 1, "hidden": 1, "memory": 0, "memory_dimension": 1})
        for name in ("dropout", "input_dropout"):
            check_setting(self, name, lambda share: 0 <= share < 1, "from 0 to below 1")
        check_setting(self, "mixing", lambda w: 0 <= w <= 1, "from 0 to 1")
        if self.learn_mixing:
            check_setting(self, "mixing", lambda w: 0 < w < 1, "above 0 and below 1 where it is learned")
        check_setting(self, "temperature", lambda t: t > 0, "above 0")

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


def check_setting(settings: object, name: str, holds: Callable[[Any], bool], wanted: str) -> None:
    """Make sure that a setting has a value that it may have.

    Raises:
        UsageError: it has another; the message says what is wanted.
    """
    value = getattr(settings, name)
    if not holds(value):
        raise UsageError(f"{name} = {value!r}: must be {wanted}")


def check_at_least(settings: object, least: Mapping[str, float]) -> None:
    """Make sure that no setting is below the least value that it may have, by name.

    Raises:
        UsageError: one is.
    """
    for name, bound in least.items():
        check_setting(settings, name, partial(operator.le, bound), f"at least {bound}")


def whole_picture(config: ModelConfig, head: Any, style: Any, maps: Any) -> Any:
    """What a model sees of whole pictures, from numpy arrays or torch tensors of n pictures.

    Args:
        config: the shape of the model.
        head: global vectors, [n, D].
        style: style statistics, [n, K].
        maps: feature maps, [n, R, C]; anything where the encoder does not sweep over them.

    Returns:
        The maps for a recurrent encoder, else [n, width]: head vectors, style statistics, or both.
    """
    if config.encoder == "recurrent":
        return maps
    return chosen_features(config.global_features, head, style)


def chosen_features(chosen: GlobalFeatures, head: Any, style: Any) -> Any:
    """Head vectors [n, D], style statistics [n, K], or both side by side: [n, width]."""
    if chosen == "both":
        return namespace_of(head).concat([head, style], axis=-1)
    return head if chosen == "head" else style


def less_centres(whole: Any, centres: Any) -> Any:
    """Products [n, width], or maps [n, R, width], less their categories' centres [n, width]."""
    return whole - (centres if whole.ndim == centres.ndim else centres[:, None, :])


def pooled(whole: Any) -> Any:
    """One vector per picture, [n, width]: the mean over the regions where a model sees maps [n, R, C]."""
    if whole.ndim == 2:
        return whole
    return namespace_of(whole).mean(whole, axis=1)
