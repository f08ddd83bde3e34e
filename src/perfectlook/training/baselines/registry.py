"""The baselines by name: what each is, which settings it uses, what trains it."""

import difflib
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from perfectlook.backbones import open_backbone
from perfectlook.errors import UsageError
from perfectlook.features.set_features import SetFeatures
from perfectlook.model.config import ModelConfig
from perfectlook.model.files import POPULARITY, ModelRecord
from perfectlook.model.networks import GlobalNetwork, Widths, unit
from perfectlook.training.baselines import ridge
from perfectlook.training.baselines.learned import DualAutoEncoder, Learn, Siamese, StyleSpace, in_epochs
from perfectlook.training.checkpoint import NO_PAIRS
from perfectlook.training.config import TrainingConfig
from perfectlook.training.data import TrainingData, stage_widths
from perfectlook.training.log import Learned, write_learned
from perfectlook.training.validation import learning_pairs

EVERYWHERE = frozenset({"backbone", "cross_validate", "seed"})
FEATURES = frozenset({"global_features", "scaling", "dimension"})
IN_EPOCHS = FEATURES | {"epochs", "patience", "batch_size", "negatives", "learning_rate", "weight_decay"}
SHAPE: Mapping[str, Any] = {
    "mode": "global",
    "distance": "squared_l2",
    "linear_path": "none",
    "memory": 0,
    "centring": False,
    "dropout": 0.0,
    "input_dropout": 0.0,
    "scaling": "features",
    "ridge_choose": False,
}
"""What every baseline's configuration says, unless its own defaults say otherwise."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """One baseline.

    Attributes:
        description: what it is, and where it is from.
        learn: trains it.
        settings: those it uses beside those of `EVERYWHERE`; others are refused.
        defaults: its own values of settings.
    """

    description: str
    learn: Learn
    settings: frozenset[str] = frozenset()
    defaults: Mapping[str, Any] = field(default_factory=dict)

    def config(self, given: Mapping[str, Any], *, name: str) -> TrainingConfig:
        """The settings of a training.

        Raises:
            UsageError: a given setting is unknown, of the wrong type, or not one that this baseline uses.
        """
        config = TrainingConfig().replaced({**SHAPE, **self.defaults}).replaced(given)
        used = sorted(self.settings | EVERYWHERE)
        unused = [key for key in given if key not in used]
        if unused:
            raise UsageError(
                f"{unused[0]} = {given[unused[0]]!r}: the baseline '{name}' has no use for it; it takes "
                f"{', '.join(used)}"
            )
        return config


def count_pairs(data: TrainingData, config: TrainingConfig, _given: Collection[str]) -> Learned:
    """Popularity: count the training pairs of every product, to order them by that whatever the scene.

    A baseline of Kang et al. 2019, section 4. It says how much of a figure needs no picture at all.

    Raises:
        TrainingError: there is no pair to count.
    """
    training = learning_pairs(data.features, config)
    return Learned(Counter(data.features.pairs[i].product for i in training), training)


def look_alike(data: TrainingData, config: TrainingConfig, _given: Collection[str]) -> Learned:
    """Visual similarity: take the features as they are."""
    return Learned(Visual(config.model, data.widths), NO_PAIRS)


class Visual(GlobalNetwork):
    """The features themselves, of unit length: the order of their distances is that of their cosine.

    With both kinds, head vector and style statistics are each brought to unit length first, so that the
    cosine is the mean of the two.
    """

    def __init__(self, config: ModelConfig, widths: Widths) -> None:
        super().__init__(replace(config, dimension=widths.global_width(config)))
        self._head = widths.head if config.global_features == "both" else 0

    def embed_scene(self, whole: Tensor) -> Tensor:
        """f_s: [n, global width], of unit length; products the same."""
        if not self._head:
            return unit(whole)
        parts = whole[..., : self._head], whole[..., self._head :]
        return unit(torch.cat([unit(part) for part in parts], dim=-1))


BASELINES: Mapping[str, Baseline] = {
    POPULARITY: Baseline("products of many training pairs first", count_pairs),
    "visual": Baseline(
        "cosine of the backbone's features",
        look_alike,
        frozenset({"global_features"}),
        {"global_features": "head"},
    ),
    "ridge": Baseline(
        "closed-form ridge regression (Hoerl & Kennard 1970)",
        ridge.learn,
        FEATURES | {"ridge_penalty", "ridge_whitening", "ridge_choose"},
        {"global_features": "both", "centring": True},
    ),
    "ibr": Baseline(
        "image-based recommendations: a low-rank Mahalanobis style space (McAuley et al. 2015)",
        in_epochs(StyleSpace),
        IN_EPOCHS,
        {"global_features": "both", "dimension": 100, "negatives": 1, "epochs": 25, "learning_rate": 3e-3},
    ),
    "siamese": Baseline(
        "one encoder for both sides, contrastive loss (Veit et al. 2015)",
        in_epochs(Siamese),
        IN_EPOCHS | {"hidden", "dropout", "margin"},
        {
            "global_features": "both",
            "dimension": 256,
            "hidden": 512,
            "dropout": 0.5,
            "negatives": 16,
            "margin": 1.0,
            "epochs": 30,
        },
    ),
    "bpr-dae": Baseline(
        "dual auto-encoder ranked by inner products (Song et al. 2017)",
        in_epochs(DualAutoEncoder),
        IN_EPOCHS,
        {"global_features": "both", "dimension": 256, "negatives": 1, "epochs": 12},
    ),
}


def baseline(name: str) -> Baseline:
    """The baseline of that name.

    Raises:
        UsageError: there is none; the nearest name is named.
    """
    if name not in BASELINES:
        near = difflib.get_close_matches(name.casefold(), BASELINES, n=1, cutoff=0.0)[0]
        raise UsageError(
            f"unknown baseline '{name}'; did you mean '{near}'? There are {', '.join(BASELINES)}"
        )
    return BASELINES[name]


def train_baseline_on_features(
    features: SetFeatures, out: Path, name: str, settings: Mapping[str, Any] | None = None
) -> ModelRecord:
    """Train a baseline on a set whose features are at hand.

    It takes seconds to a minute, so there is nothing to resume: a training that was stopped starts over.

    Args:
        features: the set, as the crop rule shows it.
        out: folder of the model; made if missing. A finished model in it is replaced at the end.
        name: of the baseline, one of `BASELINES`.
        settings: those of `TrainingConfig` and its model that the baseline uses.

    Raises:
        UsageError: there is no such baseline, or a setting is unknown or not one that it uses.
        TrainingError: there is too little to train on, or the loss is not a number.
    """
    given, chosen = settings or {}, baseline(name)
    config = chosen.config(given, name=name)
    out.mkdir(parents=True, exist_ok=True)
    backbone = open_backbone(config.model.backbone)
    data = TrainingData(features, config.model, stage_widths(features, backbone.description))
    learned = chosen.learn(data, config, given.keys())
    values = asdict(config)
    values |= values.pop("model")
    used = {key: values[key] for key in sorted(chosen.settings | {"seed"})}
    identity = backbone.identity
    return write_learned(learned, data, out, settings=used, backbone_identity=identity, baseline=name)
