"""Every baseline by name: its settings, and its results on a set with learnable styles."""

import dataclasses
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from perfectlook.errors import TrainingError, UsageError
from perfectlook.evaluation.evaluate import evaluate_on_features
from perfectlook.evaluation.protocol import scenes_of_split
from perfectlook.features.set_features import SetFeatures
from perfectlook.model.files import ModelRecord
from perfectlook.model.runtime import Model, open_model
from perfectlook.training.baselines.registry import BASELINES, baseline, train_baseline_on_features
from perfectlook.training.data import TrainingData
from perfectlook.training.log import Learned
from styled import styled_set


@pytest.mark.parametrize(
    ("asked", "near"), [("rigde", "ridge"), ("BPR_DAE", "bpr-dae"), ("popular", "popularity")]
)
def test_an_unknown_name_suggests_the_nearest(asked: str, near: str):
    with pytest.raises(UsageError, match=rf"unknown baseline '{asked}'\. Did you mean '{near}'"):
        baseline(asked)


@pytest.mark.parametrize("name", BASELINES)
def test_every_baseline_has_its_own_configuration(name: str):
    config = baseline(name).config({"seed": 4, "backbone": "tiny"}, name=name)
    assert (config.seed, config.model.backbone) == (4, "tiny")
    assert config.model.mode == "global"
    assert config.model.distance == "squared_l2"
    assert config.model.centring == (name in ("ridge", "prior", "mixture"))


def test_given_settings_override_the_baselines_defaults():
    config = baseline("siamese").config({"margin": 0.3, "global_features": "style"}, name="siamese")
    assert (config.margin, config.model.global_features, config.model.dimension) == (0.3, "style", 256)


@pytest.mark.parametrize(
    ("name", "given", "says"),
    [
        (
            "popularity",
            {"global_features": "style"},
            "unknown setting 'global_features' for the baseline 'popularity'",
        ),
        ("ridge", {"epochs": 3}, "unknown setting 'epochs' for the baseline 'ridge'"),
        ("ibr", {"ephocs": 3}, "unknown setting 'ephocs'. Did you mean 'epochs'"),
        ("ibr", {"epochs": -3}, "epochs -3: must be at least 0"),
    ],
)
def test_errors_name_the_wrong_setting(name: str, given: dict[str, object], says: str):
    with pytest.raises(UsageError, match=says):
        baseline(name).config(given, name=name)


BIG_SET = {"scenes": 510, "products": 24, "noise": 0.3, "categories": ("Furniture|Chairs",)}
"""At least 500 scenes, so the set has its own validation split."""
QUICK = {
    "popularity": {},
    "visual": {},
    "prior": {"dimension": 8},
    "mixture": {"dimension": 8},
    "ridge": {"dimension": 8},
    "ibr": {"dimension": 8, "epochs": 6, "learning_rate": 0.02, "batch_size": 64},
    "siamese": {"dimension": 8, "hidden": 16, "epochs": 6, "learning_rate": 0.02, "batch_size": 64},
    "bpr-dae": {"dimension": 16, "epochs": 8, "learning_rate": 0.02, "batch_size": 64},
}
"""Settings for a small set of few features."""
WITH_VECTORS = [name for name in BASELINES if name != "popularity"]
WIDTHS = {"visual": 12, "prior": 9, "mixture": 9, "ridge": 9, "ibr": 8, "siamese": 8, "bpr-dae": 17}
"""Inner products need one more coordinate to become distances."""


def long(name: str):  # a `ParameterSet`, which pytest does not export
    return pytest.param(name, marks=pytest.mark.long)


def settings(name: str) -> dict[str, object]:
    return {"backbone": "tiny", **QUICK[name]}


def learned(name: str, features) -> tuple[Learned, TrainingData]:
    config = baseline(name).config(settings(name), name=name)
    data = TrainingData(features, config.model)
    return baseline(name).learn(data, config, settings(name).keys()), data


@pytest.fixture(scope="module")
def features() -> SetFeatures:
    """A set in which one scene to train on is a copy of a scene to test on."""
    found = styled_set(**BIG_SET)
    copy, original = (sorted(scenes_of_split(found, split))[0] for split in ("train", "test"))
    twins = {copy: frozenset({original}), original: frozenset({copy})}
    return dataclasses.replace(found, twins=twins)


@pytest.fixture(scope="module")
def trained(
    features: SetFeatures, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], tuple[ModelRecord, Path]]:
    """Returns the record and the folder of a baseline, which is trained once."""

    @cache
    def found(name: str) -> tuple[ModelRecord, Path]:
        folder = tmp_path_factory.mktemp(name) / "m"
        return train_baseline_on_features(features, folder, name, settings(name)), folder

    return found


@pytest.mark.parametrize("name", WITH_VECTORS)
def test_every_baseline_learns_the_matching_styles(name: str, features, trained):
    found = evaluate_on_features(open_model(trained(name)[1]), features).overall.binary_accuracy
    # A quarter of the products share the true product's style and are equally good, so 7/8 is perfect.
    assert found.low > 0.78


@pytest.mark.parametrize("name", WITH_VECTORS)
def test_the_model_on_disk_equals_the_network(name: str, features, trained):
    result, data = learned(name, features)
    network = result.network.eval()
    model = Model.open(trained(name)[1])
    with torch.no_grad():
        products = network.embed_product(*data.products(np.arange(24))).numpy()
        scenes = network.embed_scene(data.whole(np.arange(30))).numpy()
    centres = np.stack([model.centre("Furniture|Chairs")] * 24)
    vectors = model.embed_products(features.products.batch(slice(None)), centres)
    assert vectors == pytest.approx(products, abs=1e-4)
    assert vectors.shape[1] == model.dimension == WIDTHS[name]
    batch = features.scenes.batch(features.pair_scenes[:30])
    for row, scene in enumerate(model.embed_scenes(batch)):
        assert scene.query_point("Furniture|Chairs") == pytest.approx(scenes[row], abs=1e-4)
        expected = np.sum((products - scenes[row]) ** 2, axis=1)
        assert scene.distances("Furniture|Chairs", vectors).total == pytest.approx(
            expected, rel=1e-3, abs=1e-4
        )


@pytest.mark.parametrize("name", BASELINES)
def test_record_and_card_name_the_baseline(name: str, trained):
    record, folder = trained(name)
    assert ModelRecord.read(folder) == record
    assert record.baseline == name
    assert record.name == open_model(folder).name == "m"
    used = BASELINES[name].settings | {"seed"}
    assert set(record.training["settings"]) == used | ({"intercept"} if name == "ridge" else set())
    card = (folder / "MODEL_CARD.md").read_text()
    assert f"The baseline `{name}`" in card
    assert f"dimension: {record.config.dimension}" in card


@pytest.mark.parametrize("name", BASELINES)
def test_a_baseline_does_not_depend_on_the_callers_random_state(name: str, tmp_path):
    small = styled_set(scenes=30, products=8)
    given = settings(name) | {"seed": 3} | ({"epochs": 1} if "epochs" in QUICK[name] else {})
    identities = set()
    for folder in ("one", "two"):
        torch.manual_seed(np.random.default_rng().integers(1000))
        record = train_baseline_on_features(small, tmp_path / folder, name, given)
        identities.add(record.identity)
    assert len(identities) == 1


@pytest.mark.parametrize("name", BASELINES)
def test_held_out_scenes_and_their_copies_are_not_trained_on(name: str, features, trained):
    scenes = open_model(trained(name)[1]).trained_on["scenes"]
    expected = scenes_of_split(features, "train") - features.twins.keys() if name != "visual" else set()
    assert scenes == expected


@pytest.mark.parametrize("name", ["ibr", "siamese", "bpr-dae"])
def test_the_reported_accuracy_is_that_of_the_model_on_disk(name: str, features, trained):
    record, folder = trained(name)
    found = evaluate_on_features(Model.open(folder), features, split="val").overall.binary_accuracy
    assert record.training["binary_accuracy"]["value"] == pytest.approx(found.value, abs=2e-3)
    assert record.training["chosen_on"] == "validation scenes"
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    kept = lines[record.training["epoch"]]["binary_accuracy"]
    assert kept == max(line["binary_accuracy"] for line in lines)


@pytest.mark.parametrize("name", ["ibr", long("siamese"), long("bpr-dae"), "ridge"])
@pytest.mark.usefixtures("plots")
def test_small_sets_are_cross_validated_and_then_trained_on_all_but_test(name: str, tmp_path):
    small = styled_set(scenes=100, products=24, noise=0.3)
    record = train_baseline_on_features(small, tmp_path / "m", name, settings(name))
    assert record.training["chosen_on"] == "5-fold cross-validation"
    assert record.training["binary_accuracy"]["value"] > 0.7
    trained_on = open_model(tmp_path / "m").trained_on["scenes"]
    assert trained_on == scenes_of_split(small, "all") - scenes_of_split(small, "test")
    if name != "ridge":  # it has no epochs
        assert (tmp_path / "m" / "training.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", WITH_VECTORS)
@pytest.mark.parametrize("kind", [long("head"), "style", long("both")])
def test_every_kind_of_global_features_works(name: str, kind: str, tmp_path):
    small = styled_set(scenes=30, products=8)
    given = settings(name) | {"global_features": kind} | ({"epochs": 1} if "epochs" in QUICK[name] else {})
    train_baseline_on_features(small, tmp_path / "m", name, given)
    model = Model.open(tmp_path / "m")
    assert model.overall_centre.shape == ({"head": 12, "style": 10, "both": 22}[kind],)
    assert evaluate_on_features(model, small, split="all").overall.n_pairs > 0


@pytest.mark.parametrize("name", ["popularity", "ridge", "ibr"])
def test_a_set_without_training_pairs_is_an_error(name: str, tmp_path):
    lonely = styled_set(scenes=520, products=1, styles=1)
    if name != "ibr":
        test = sorted(scenes_of_split(lonely, "test"))
        everything = frozenset(scenes_of_split(lonely, "all"))
        lonely = dataclasses.replace(lonely, twins={test[0]: everything})
    with pytest.raises(TrainingError, match=r"(no pair to train on|to train on, got 0)"):
        train_baseline_on_features(lonely, tmp_path / "m", name, settings(name))


def test_settings_that_a_baseline_does_not_use_are_refused(tmp_path):
    features = styled_set(scenes=20, products=4)
    with pytest.raises(
        UsageError, match=r"unknown setting 'mode' for the baseline 'ibr'. Choose one of: back"
    ):
        train_baseline_on_features(features, tmp_path / "m", "ibr", {"mode": "local"})
    assert not (tmp_path / "m").exists()
