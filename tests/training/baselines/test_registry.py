"""Finding a baseline, and the settings it takes."""

import pytest

from perfectlook.errors import UsageError
from perfectlook.training.baselines.registry import BASELINES, baseline


@pytest.mark.parametrize(
    ("asked", "near"), [("rigde", "ridge"), ("BPR_DAE", "bpr-dae"), ("popular", "popularity")]
)
def test_an_unknown_name_leads_to_the_nearest(asked: str, near: str):
    with pytest.raises(UsageError, match=f"unknown baseline '{asked}'; did you mean '{near}'"):
        baseline(asked)


@pytest.mark.parametrize("name", BASELINES)
def test_every_baseline_has_a_configuration_of_its_own(name: str):
    config = baseline(name).config({"seed": 4, "backbone": "tiny"}, name=name)
    assert (config.seed, config.model.backbone) == (4, "tiny")
    assert config.model.mode == "global"
    assert config.model.distance == "squared_l2"
    assert config.model.centring == (name == "ridge")


def test_given_settings_win_over_the_baselines_own():
    config = baseline("siamese").config({"margin": 0.3, "global_features": "style"}, name="siamese")
    assert (config.margin, config.model.global_features, config.model.dimension) == (0.3, "style", 256)


@pytest.mark.parametrize(
    ("name", "given", "says"),
    [
        ("popularity", {"global_features": "style"}, "global_features = 'style': the baseline 'popularity'"),
        ("ridge", {"epochs": 3}, "epochs = 3: the baseline 'ridge' has no use for it"),
        ("ibr", {"ephocs": 3}, "unknown setting 'ephocs'; did you mean 'epochs'"),
        ("ibr", {"epochs": -3}, "epochs = -3: must be at least 0"),
    ],
)
def test_wrong_settings_are_named(name: str, given: dict[str, object], says: str):
    with pytest.raises(UsageError, match=says):
        baseline(name).config(given, name=name)
