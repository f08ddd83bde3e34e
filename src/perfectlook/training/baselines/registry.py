"""The baselines by name: what each is, which settings it uses, what trains it."""

import difflib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from perfectlook.backbones import open_backbone
from perfectlook.errors import UsageError
from perfectlook.features.set_features import SetFeatures
from perfectlook.model.files import POPULARITY, ModelRecord
from perfectlook.training.baselines import bpr_dae, ibr, ridge, siamese, simple
from perfectlook.training.baselines.base import Learn, in_epochs
from perfectlook.training.config import TrainingConfig
from perfectlook.training.data import TrainingData, stage_widths
from perfectlook.training.log import write_learned

EVERYWHERE = frozenset({"backbone", "cross_validate", "seed"})
IN_EPOCHS = frozenset(
    [
        "global_features",
        "scaling",
        "dimension",
        "epochs",
        "patience",
        "batch_size",
        "negatives",
        "learning_rate",
        "weight_decay",
    ]
)
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


BASELINES: Mapping[str, Baseline] = {
    POPULARITY: Baseline("products of many training pairs first", simple.count_pairs),
    "visual": Baseline(
        "cosine of the backbone's features",
        simple.look_alike,
        frozenset({"global_features"}),
        {"global_features": "head"},
    ),
    "ridge": Baseline(
        "closed-form ridge regression (Hoerl & Kennard 1970)",
        ridge.learn,
        frozenset(
            ("global_features", "scaling", "dimension", "ridge_penalty", "ridge_whitening", "ridge_choose")
        ),
        {"global_features": "both", "centring": True},
    ),
    "ibr": Baseline(
        "image-based recommendations: a low-rank Mahalanobis style space (McAuley et al. 2015)",
        in_epochs(ibr.start),
        IN_EPOCHS,
        {"global_features": "both", "dimension": 100, "negatives": 1, "epochs": 25, "learning_rate": 3e-3},
    ),
    "siamese": Baseline(
        "one encoder for both sides, contrastive loss (Veit et al. 2015)",
        in_epochs(siamese.start),
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
        in_epochs(bpr_dae.start),
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
