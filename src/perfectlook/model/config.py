"""The configuration of a compatibility model, and which features of a picture the model reads."""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, get_args

from perfectlook.errors import UsageError
from perfectlook.model.distances import Norm, namespace_of

Mode = Literal["hybrid", "global", "local"]
EncoderKind = Literal["feedforward", "autoencoder", "recurrent"]
Scaling = Literal["features", "stages", "none"]
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
"""α of Kang et al. 2019."""


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """The configuration of a compatibility model. `ModelConfig.published()` is the method as published.

    Attributes:
        backbone: name of the frozen backbone, with its precision unless that is fp32.
        mode: the distances that count: `global` (whole scene), `local` (regions), or `hybrid` (both).
        encoder: `feedforward`, `autoencoder` or `recurrent`. An autoencoder adds a decoder, which learns to
            reconstruct the input. A recurrent encoder sweeps over the feature maps of scenes and products
            instead of reading global features.
        distance: `l2` as written in the paper, or `squared_l2`, which squares every norm.
        dimension: dimension of the style embeddings.
        hidden: width of an encoder's hidden layer.
        dropout: share of hidden units dropped in training.
        input_dropout: share of standardised features dropped in training.
        tied: use one encoder for scenes and products (θ_s = θ_p).
        global_features: the global features of a picture: the backbone's global vector (`head`), its style
            statistics (`style`), or `both`. A recurrent encoder reads the feature map instead.
        scaling: what gets equal weight in the global features: every feature (`features`), or the global
            vector and every stage (`stages`). With `none`, the model reads all features as they are.
        centring: subtract its category's centre from every product.
        linear_path: add a linear map to each global encoder: `none`, `random` (random initialisation), or
            `ridge` (start from the closed-form ridge solution).
        mixing: w, the weight of the global distance in the hybrid distance; its initial value if learned.
        learn_mixing: learn a w for each category.
        temperature: τ of the attention; its initial value if it is learned.
        learn_temperature: learn τ.
        memory: number of networks of the second style space, the memory, which can remember pairs; 0 turns it
            off. The memory needs a mode other than `local` and squared norms; otherwise there is no memory.
        memory_dimension: dimension of the vectors of each memory network.
        closed_form: dimension of the mixture of closed forms that is blended in; training sets it.
    """

    backbone: str = "efficientnet-lite2"
    mode: Mode = "hybrid"
    encoder: EncoderKind = "feedforward"
    distance: Norm = "squared_l2"
    dimension: int = 128
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
    closed_form: int = 0

    def __post_init__(self) -> None:
        for name, kind in _CHOICES.items():
            choices = get_args(kind)
            if getattr(self, name) not in choices:
                raise UsageError(
                    f"unknown {name} {getattr(self, name)!r}. Choose one of: {', '.join(choices)}."
                )
        if self.tied and self.linear_path == "ridge":
            raise UsageError(
                "tied = true and linear_path = 'ridge' exclude each other (tied encoders have one linear "
                "path, and the closed form needs two). Set linear_path to 'random' or 'none'."
            )
        check_at_least(
            self, {"dimension": 1, "hidden": 1, "memory": 0, "memory_dimension": 1, "closed_form": 0}
        )
        for name in ("dropout", "input_dropout"):
            check_setting(self, name, lambda share: 0 <= share < 1, "at least 0 and below 1")
        check_setting(self, "mixing", lambda w: 0 <= w <= 1, "between 0 and 1")
        if self.learn_mixing:
            check_setting(self, "mixing", lambda w: 0 < w < 1, "above 0 and below 1 if it is learned")
        check_setting(self, "temperature", lambda t: t > 0, "above 0")

    @classmethod
    def published(cls, backbone: str = "efficientnet-lite2") -> "ModelConfig":
        """The formulas of the paper, on features as they are; no centring, style statistics or memory.

        `TrainingConfig.published()` trains it with one negative and without averaging weights. The backbone
        and its 7×7 regions stay ours.
        """
        return cls(
            backbone=backbone,
            distance="l2",
            dimension=128,
            tied=True,
            global_features="head",
            scaling="none",
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
        """Whether the model uses the regions of a scene."""
        return self.mode != "global"

    @property
    def learns_mixing(self) -> bool:
        """Whether training learns a w for each category."""
        return self.learn_mixing and self.mode == "hybrid"

    @property
    def needs_product_maps(self) -> bool:
        """Whether the model reads the feature maps of products."""
        return self.encoder == "recurrent"

    @property
    def has_memory(self) -> bool:
        """Whether the model has a memory, the second style space."""
        return self.memory > 0 and self.mode != "local" and self.distance == "squared_l2"

    @property
    def vector_dimension(self) -> int:
        """Dimension of the vectors in a store: both style spaces and the closed forms together."""
        return self.style_dimension + self.closed_form

    @property
    def style_dimension(self) -> int:
        """Dimension of both style spaces together."""
        return self.dimension + (self.memory * self.memory_dimension if self.has_memory else 0)

    @property
    def effective_mixing(self) -> float:
        """w for this mode: 1 for global, 0 for local, `mixing` for hybrid."""
        return {"global": 1.0, "local": 0.0, "hybrid": self.mixing}[self.mode]


def check_setting(settings: object, name: str, holds: Callable[[Any], bool], wanted: str) -> None:
    """Check the value of a setting.

    Raises:
        UsageError: the value does not pass; the message says what is allowed.
    """
    value = getattr(settings, name)
    if not holds(value):
        raise UsageError(f"{name} {value!r}: must be {wanted}.")


def check_at_least(settings: object, least: Mapping[str, float]) -> None:
    """Check settings against their smallest allowed values, by name.

    Raises:
        UsageError: a setting is below its bound.
    """
    for name, bound in least.items():
        check_setting(settings, name, partial(operator.le, bound), f"at least {bound}")


def whole_picture(config: ModelConfig, head: Any, style: Any, maps: Any) -> Any:
    """Select the features of n whole pictures that a model reads, from numpy arrays or torch tensors.

    Args:
        config: the configuration of the model.
        head: global vectors, [n, D].
        style: style statistics, [n, K].
        maps: feature maps, [n, R, C]; only a recurrent encoder reads them.

    Returns:
        The maps for a recurrent encoder; otherwise [n, width]: global vectors, style statistics, or both.
    """
    if config.encoder == "recurrent":
        return maps
    return chosen_features(config.global_features, head, style)


def chosen_features(chosen: GlobalFeatures, head: Any, style: Any) -> Any:
    """Select global vectors [n, D], style statistics [n, K], or both joined: [n, width]."""
    if chosen == "both":
        return namespace_of(head).concat([head, style], axis=-1)
    return head if chosen == "head" else style


def less_centres(whole: Any, centres: Any) -> Any:
    """Subtract their categories' centres [n, width] from products [n, width] or from maps [n, R, width]."""
    return whole - (centres if whole.ndim == centres.ndim else centres[:, None, :])


def pooled(whole: Any) -> Any:
    """One vector per picture, [n, width]: the mean over the regions if given maps [n, R, C]."""
    if whole.ndim == 2:
        return whole
    return namespace_of(whole).mean(whole, axis=1)
