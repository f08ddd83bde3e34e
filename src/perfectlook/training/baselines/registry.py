"""The baselines by name: what each is, which settings it uses, what trains it."""

import difflib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from perfectlook.errors import UsageError
from perfectlook.model.files import POPULARITY
from perfectlook.training.baselines import bpr_dae, closed_form, ibr, popularity, siamese, visual
from perfectlook.training.baselines.base import Learned
from perfectlook.training.config import TrainingConfig
from perfectlook.training.data import TrainingData

Learn = Callable[[TrainingData, TrainingConfig, Collection[str]], Learned]
"""(sets, settings, names of the settings that were given) -> what was learned."""

EVERYWHERE = frozenset({"backbone", "cross_validate", "seed"})
IN_EPOCHS = frozenset(
    {
        "global_features",
        "scaling",
        "dimension",
        "epochs",
        "patience",
        "batch_size",
        "negatives",
        "learning_rate",
        "weight_decay",
    }
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
    POPULARITY: Baseline("products of many training pairs first", popularity.learn),
    "visual": Baseline(
        "cosine of the backbone's features",
        visual.learn,
        frozenset({"global_features"}),
        {"global_features": "head"},
    ),
    "ridge": Baseline(
        "closed-form ridge regression (Hoerl & Kennard 1970)",
        closed_form.learn,
        frozenset(
            {
                "global_features",
                "scaling",
                "dimension",
                "ridge_penalty",
                "ridge_whitening",
                "ridge_choose",
            }
        ),
        {"global_features": "both", "centring": True},
    ),
    "ibr": Baseline(
        "image-based recommendations: a low-rank Mahalanobis style space (McAuley et al. 2015)",
        ibr.learn,
        IN_EPOCHS,
        {
            "global_features": "both",
            "dimension": 100,
            "negatives": 1,
            "epochs": 25,
            "learning_rate": 3e-3,
        },
    ),
    "siamese": Baseline(
        "one encoder for both sides, contrastive loss (Veit et al. 2015)",
        siamese.learn,
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
        bpr_dae.learn,
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
