"""A drawn set with a model of random weights, and a popularity baseline."""

import json
from pathlib import Path
from typing import NamedTuple

import pytest

from drawn import drawn_set
from perfectlook.features.set_features import SetFeatures
from perfectlook.model.config import ModelConfig
from perfectlook.model.export import write_popularity
from perfectlook.model.runtime import features_for, open_model
from random_model import random_model

LICENCE = "drawn by <someone> & free"


class Measured(NamedTuple):
    """A set with drawn pictures, two models, and the features of the set."""

    source: Path
    model: Path
    popularity: Path
    features: SetFeatures


@pytest.fixture(scope="session")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    """Made once, so tests must not change it. Every fifth scene has a second product of a category."""
    folder = tmp_path_factory.mktemp("measured")
    source = drawn_set(folder / "set", scenes=20, products_per_category=9)
    (source / "set.json").write_text(json.dumps({"licence": LICENCE}), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERFECTLOOK_CACHE", str(folder / "cache"))
        model = random_model(source, folder / "model", temperature=0.05)
        features = features_for(open_model(model), source, workers=1)
    # Products 0 and 1 have two training pairs each; all others have none, so most products tie.
    counted = dict.fromkeys(features.product_ids[:2], 2)
    write_popularity(
        counted,
        folder / "popularity",
        config=ModelConfig(backbone="tiny"),
        backbone_identity="tiny",
        categories=list(features.dataset.categories),
    )
    return Measured(source, model, folder / "popularity", features)
