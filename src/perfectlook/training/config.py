"""The settings of a training run, and the TOML file that holds them."""

import dataclasses
import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from perfectlook.data.layout import Dataset
from perfectlook.data.scenes import is_small
from perfectlook.errors import UsageError
from perfectlook.files import read_toml
from perfectlook.model.config import MARGIN, ModelConfig, check_at_least, check_setting

_LEAST: dict[str, float] = {"epochs": 0, "patience": 1, "batch_size": 2, "negatives": 1, "seed": 0}
_LEAST |= dict.fromkeys(("margin", "weight_decay", "memory_weight_decay"), 0.0)
_LEAST |= dict.fromkeys(("reconstruction", "anchor", "ridge_whitening"), 0.0)


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """Settings of one training run.

    Attributes:
        model: configuration of the model.
        epochs: largest number of epochs.
        cross_validate: choose the epoch by five-fold cross-validation, then train on the validation scenes
            too. It takes six fits instead of one. Sets under 500 scenes always use it.
        patience: stop when the accuracy on held-out scenes has not risen for this many epochs. In
            cross-validation, the mean over all folds counts, and small sets wait until the running average of
            the weights has moved.
        batch_size: pairs per step.
        negatives: products drawn per pair and epoch.
        margin: α of the triplet hinge loss.
        learning_rate: learning rate of AdamW.
        attention_learning_rate: learning rate of the attention, its temperature and the learned mixing, which
            have no closed-form start.
        memory_learning_rate: learning rate of the memory, which starts from random weights.
        memory_weight_decay: weight decay of AdamW for the memory.
        weight_decay: weight decay of AdamW for all other weights; 0 in fine-tuning.
        averaging: decay per step of the running average of the weights; the average becomes the model.
        reconstruction: weight of an autoencoder's reconstruction error, relative to the ranking loss.
        anchor: penalty in fine-tuning on moving the weights away from those of the starting model.
        ridge_choose: choose λ and the intercept of the closed form by cross-validation over training scenes.
        ridge_penalty: λ of the closed-form solution that the linear path starts from, if it is not chosen.
        ridge_whitening: divide each component of the closed form by its standard deviation to this power.
        mixture: blend in the mixture of closed forms. It needs squared norms, centring, a mode other than
            `local` and an encoder that reads global features; otherwise it is left out.
        prior_share: smallest share of the style prior in the mixture. Models for sets that they never saw
            want a large share.
        seed: random seed.
    """

    model: ModelConfig = field(default_factory=ModelConfig)
    epochs: int = 25
    cross_validate: bool = False
    patience: int = 6
    batch_size: int = 256
    negatives: int = 4
    margin: float = MARGIN
    learning_rate: float = 1e-3
    attention_learning_rate: float = 1e-2
    memory_learning_rate: float = 3e-3
    memory_weight_decay: float = 0.01
    weight_decay: float = 0.1
    averaging: float = 0.98
    reconstruction: float = 0.1
    anchor: float = 1e-3
    ridge_choose: bool = True
    ridge_penalty: float = 20.0
    ridge_whitening: float = 0.75
    mixture: bool = True
    prior_share: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        check_at_least(self, _LEAST)
        check_setting(self, "averaging", lambda decay: 0 <= decay < 1, "at least 0 and below 1")
        check_setting(self, "prior_share", lambda share: 0 <= share <= 1, "between 0 and 1")
        for name in ("learning_rate", "attention_learning_rate", "memory_learning_rate", "ridge_penalty"):
            check_setting(self, name, lambda value: value > 0, "above 0")

    @classmethod
    def published(cls) -> "TrainingConfig":
        """The paper's formulas (`ModelConfig.published`), one negative, one rate, the weights as they are.

        The optimiser, the size of a batch, the rate and the choice of the epoch are ours. The rate is 0.001.
        The results have the better of 0.001 and 0.003 on validation, and their table of settings says which.
        """
        rate = cls().learning_rate
        return cls(ModelConfig.published(), negatives=1, averaging=0.0, attention_learning_rate=rate)

    @property
    def mixes(self) -> bool:
        """Whether the mixture of closed forms is part of the model."""
        shape = self.model
        usable = shape.distance == "squared_l2" and shape.mode != "local" and shape.encoder != "recurrent"
        return self.mixture and usable and shape.centring

    def chooses_by_folds(self, dataset: Dataset) -> bool:
        """Whether to choose the epoch for a set by cross-validation instead of its validation scenes."""
        return self.cross_validate or is_small(dataset)

    def replaced(self, changes: Mapping[str, Any], *, source: str = "settings") -> "TrainingConfig":
        """Return a copy with some settings changed; keys may also be settings of the model.

        Raises:
            UsageError: a key is unknown, or a value is of the wrong type or out of range.
        """
        own = {each.name: each for each in dataclasses.fields(self) if each.name != "model"}
        shape = {each.name: each for each in dataclasses.fields(ModelConfig)}
        for key, value in changes.items():
            if key not in own and key not in shape:
                near = difflib.get_close_matches(key, [*own, *shape], n=1)
                remedy = (
                    f"Did you mean '{near[0]}'?" if near else f"Choose one of: {', '.join([*own, *shape])}."
                )
                raise UsageError(f"{source}: unknown setting '{key}'. {remedy}")
            current = getattr(self if key in own else self.model, key)
            _check_type(key, value, current, source)
        try:
            model = dataclasses.replace(self.model, **{k: v for k, v in changes.items() if k in shape})
            return dataclasses.replace(self, model=model, **{k: v for k, v in changes.items() if k in own})
        except UsageError as error:
            raise UsageError(f"{source}: {error}") from error


def read_config(path: Path) -> dict[str, Any]:
    """Read settings from a TOML file: keys at the top level or in the tables [model] and [training].

    Raises:
        UsageError: the file is missing, cannot be read, is not TOML, or has an unknown table.
    """
    settings: dict[str, Any] = {}
    for key, value in read_toml(path).items():
        if isinstance(value, dict):
            if key not in ("model", "training"):
                raise UsageError(f"{path}: unknown table [{key}]. Choose one of: [model], [training].")
            settings |= value
        else:
            settings[key] = value
    return settings


def _check_type(key: str, value: object, current: object, source: str) -> None:
    wanted = type(current)
    numeric = wanted is float and isinstance(value, int) and not isinstance(value, bool)
    if not numeric and type(value) is not wanted:
        raise UsageError(
            f"{source}: expected {key} of type {wanted.__name__}, got {value!r}. Correct the value."
        )
