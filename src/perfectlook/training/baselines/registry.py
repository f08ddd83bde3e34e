"""The baselines by name: their description, their settings and their training function."""

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
from perfectlook.model.runtime import Model
from perfectlook.training import mixture
from perfectlook.training.baselines import ridge
from perfectlook.training.baselines.learned import DualAutoEncoder, Learn, Siamese, StyleSpace, in_epochs
from perfectlook.training.categories import suggestion_file
from perfectlook.training.checkpoint import NO_PAIRS
from perfectlook.training.complements import add_complements
from perfectlook.training.config import TrainingConfig
from perfectlook.training.data import TrainingData, training_data
from perfectlook.training.log import Learned, write_learned
from perfectlook.training.presence import add_sight
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
"""Settings of every baseline, unless its own defaults differ."""
SUGGEST = frozenset({mixture.MIXTURE, "ridge"})
"""Baselines that are good enough for use, so they suggest categories too."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """One baseline.

    Attributes:
        description: what it is, with its source.
        learn: trains it.
        settings: the settings it uses, in addition to `EVERYWHERE`; others are refused.
        defaults: its own default values of settings.
    """

    description: str
    learn: Learn
    settings: frozenset[str] = frozenset()
    defaults: Mapping[str, Any] = field(default_factory=dict)

    def config(self, given: Mapping[str, Any], *, name: str, source: str = "settings") -> TrainingConfig:
        """Return the settings of a training.

        Raises:
            UsageError: a given setting is unknown, has the wrong type, or does not apply to this baseline.
        """
        config = TrainingConfig().replaced({**SHAPE, **self.defaults}).replaced(given, source=source)
        used = sorted(self.settings | EVERYWHERE)
        unused = [key for key in given if key not in used]
        if unused:
            raise UsageError(
                f"unknown setting '{unused[0]}' for the baseline '{name}'. Choose one of: {', '.join(used)}."
            )
        return config


def count_pairs(data: TrainingData, config: TrainingConfig, _given: Collection[str]) -> Learned:
    """Popularity: count the training pairs of every product. The order is the same for every scene.

    A baseline of Kang et al. 2019. It shows how much of a figure needs no picture.

    Raises:
        TrainingError: there is no pair to count.
    """
    training = learning_pairs(data.features, config)
    return Learned(Counter(data.features.pairs[i].product for i in training), training)


def untrained_features(data: TrainingData, config: TrainingConfig, _given: Collection[str]) -> Learned:
    """Visual similarity: use the features without training."""
    return Learned(Visual(config.model, data.widths), NO_PAIRS)


class Visual(GlobalNetwork):
    """The features themselves, normalised: the order of distances is that of the cosine.

    With both global vector and style statistics, each is normalised first, so the cosine is the mean of the
    two cosines.
    """

    def __init__(self, config: ModelConfig, widths: Widths) -> None:
        super().__init__(replace(config, dimension=widths.global_width(config)))
        self._head = widths.head if config.global_features == "both" else 0

    def embed_scene(self, whole: Tensor) -> Tensor:
        """f_s: [n, global width], normalised; products are embedded in the same way."""
        if not self._head:
            return unit(whole)
        parts = whole[..., : self._head], whole[..., self._head :]
        return unit(torch.cat([unit(part) for part in parts], dim=-1))


BASELINES: Mapping[str, Baseline] = {
    POPULARITY: Baseline("products with the most training pairs first", count_pairs),
    "visual": Baseline(
        "cosine of the backbone's features",
        untrained_features,
        frozenset({"global_features"}),
        {"global_features": "head"},
    ),
    mixture.PRIOR: Baseline(
        "cosine of standardised features of style; uses no pairs",
        mixture.learn_prior,
        frozenset({"dimension", "global_features"}),
        {"global_features": "both", "centring": True, "dimension": mixture.RANK},
    ),
    mixture.MIXTURE: Baseline(
        "the prior and closed-form ridge regression, weighed by cross-validation",
        mixture.learn,
        frozenset({"dimension", "global_features", "prior_share"}),
        {"global_features": "both", "centring": True, "dimension": mixture.RANK},
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
    """Return the baseline of this name.

    Raises:
        UsageError: the name is unknown; the message suggests the nearest name.
    """
    if name not in BASELINES:
        near = difflib.get_close_matches(name.casefold(), BASELINES, n=1, cutoff=0.0)[0]
        raise UsageError(
            f"unknown baseline '{name}'. Did you mean '{near}'? Choose one of: {', '.join(BASELINES)}."
        )
    return BASELINES[name]


def train_baseline_on_features(
    features: SetFeatures,
    out: Path,
    name: str,
    settings: Mapping[str, Any] | None = None,
    *,
    whole: SetFeatures | None = None,
) -> ModelRecord:
    """Train a baseline on a set with features.

    It takes seconds to a minute, so a stopped training starts over instead of resuming.

    Args:
        features: the set with cropped scenes, by the crop rule.
        out: folder of the model, created if it is missing. A finished model in it is replaced at the end.
        name: name of the baseline, one of `BASELINES`.
        settings: settings of `TrainingConfig` and its model that the baseline uses.
        whole: the same set with whole scenes; without it, the model does not see what photos show, and the
            mixture and the ridge suggest no categories.

    Raises:
        UsageError: the baseline or a setting is unknown, or a setting does not apply to the baseline.
        TrainingError: there are too few pairs, or the loss is not finite.
    """
    given, chosen = settings or {}, baseline(name)
    config = chosen.config(given, name=name)
    out.mkdir(parents=True, exist_ok=True)
    backbone = open_backbone(config.model.backbone)
    data = training_data(features, config.model, backbone.description)
    learned = chosen.learn(data, config, given.keys())
    values = asdict(config)
    values |= values.pop("model")
    used = {key: values[key] for key in sorted(chosen.settings | {"seed"})}
    suggestion = None
    if whole and name in SUGGEST:
        scenes = learned.scene_ids(features)
        kind = config.model.global_features
        suggestion = suggestion_file(whole, scenes, data.categories, global_features=kind)

    def complete(model: Model) -> None:
        if len(learned.training):
            add_complements(out, model, features, learned.scene_ids(features))
        if whole:
            add_sight(out, model, features, whole)

    return write_learned(
        learned,
        data,
        out,
        settings=used,
        backbone_identity=backbone.identity,
        baseline=name,
        suggestion=suggestion,
        complete=complete,
    )
