"""Fine-tuning learns new pairs and categories, and keeps the old ones."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from perfectlook.errors import ModelError
from perfectlook.evaluation.evaluate import evaluate_on_features
from perfectlook.model.config import ModelConfig
from perfectlook.model.runtime import Model
from perfectlook.training.baselines.registry import train_baseline_on_features
from perfectlook.training.config import TrainingConfig
from perfectlook.training.data import TrainingData
from perfectlook.training.finetune import StartingModel
from perfectlook.training.train import train_on_features
from styled import styled_set

SHAPE = ModelConfig(backbone="tiny", dimension=8, hidden=16, memory=0)
CONFIG = TrainingConfig(model=SHAPE, epochs=4, batch_size=64)
OLD = {"scenes": 80, "products": 16, "noise": 0.3, "categories": ("Furniture|Chairs", "Lighting|Lamps")}
NEW = {"scenes": 80, "products": 16, "noise": 0.3, "categories": ("Decor|Rugs", "Furniture|Chairs")}


def accuracy(model, features) -> float:
    return evaluate_on_features(Model.open(model), features, split="all").overall.binary_accuracy.value


def turned(features):
    """The same set with the features of its scenes in another order, so that the matches are new."""
    scenes = dataclasses.replace(
        features.scenes,
        global_vectors=features.scenes.global_vectors[:, ::-1].copy(),
        style_statistics=features.scenes.style_statistics[:, ::-1].copy(),
        feature_maps=features.scenes.feature_maps[:, :, ::-1].copy(),
    )
    return dataclasses.replace(features, scenes=scenes)


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    folder = tmp_path_factory.mktemp("begun") / "old"
    train_on_features(styled_set(**OLD), folder, CONFIG)
    return folder


def test_fine_tuning_keeps_the_old_accuracy_and_learns_the_new_pairs(old, tmp_path):
    before, new = styled_set(**OLD), turned(styled_set(**NEW))
    config = dataclasses.replace(CONFIG, epochs=4, learning_rate=6e-3)
    record = train_on_features(new, tmp_path / "on", config, start=StartingModel.read(old))
    untouched = train_on_features(
        new, tmp_path / "same", dataclasses.replace(CONFIG, epochs=0), start=StartingModel.read(old)
    )
    assert accuracy(tmp_path / "on", before) > accuracy(old, before) - 0.05
    assert accuracy(tmp_path / "on", new) > accuracy(tmp_path / "same", new) + 0.05
    assert record.categories == untouched.categories == ("Decor|Rugs", "Furniture|Chairs", "Lighting|Lamps")
    assert record.training["continued"]["model"] == "old"
    assert Model.open(old).trained_on["scenes"] <= Model.open(tmp_path / "on").trained_on["scenes"]


def test_fine_tuning_with_zero_epochs_keeps_the_old_distances(old, tmp_path):
    """New categories change nothing for the old ones: centres, attention and weights stay the same."""
    none = dataclasses.replace(CONFIG, epochs=0)
    train_on_features(styled_set(**NEW), tmp_path / "on", none, start=StartingModel.read(old))
    first, second = Model.open(old), Model.open(tmp_path / "on")
    batch = styled_set(**OLD).scenes.batch(slice(0, 5))
    for one, two in zip(first.embed_scenes(batch), second.embed_scenes(batch), strict=True):
        for category in first.categories:
            np.testing.assert_allclose(one.query_point(category), two.query_point(category), atol=1e-6)
            np.testing.assert_allclose(first.centre(category), second.centre(category), atol=1e-6)


def test_a_new_category_starts_from_the_known_one_that_stands_in_for_it(old):
    features = styled_set(categories=("Furniture|Chairs|Armchairs", "Decor|Rugs"))
    begun, data = StartingModel.read(old), TrainingData(features, SHAPE)
    begun.extend(data)
    assert data.categories == [
        "Decor|Rugs",
        "Furniture|Chairs",
        "Furniture|Chairs|Armchairs",
        "Lighting|Lamps",
    ]
    rows, stored = begun.weights(data)["attention.categories.weight"], begun.stored
    known = stored["attention.categories.weight"]
    assert torch.equal(rows[2], known[0])  # Armchairs start from Chairs
    assert torch.allclose(rows[0], known.mean(dim=0))  # Rugs start from the mean of all
    assert [data.categories[row] for row in data.product_category] == features.product_categories


def test_a_model_with_tied_encoders_can_be_fine_tuned(tmp_path):
    tied = dataclasses.replace(SHAPE, tied=True, linear_path="none", centring=False)
    config = dataclasses.replace(CONFIG, model=tied, epochs=1)
    train_on_features(styled_set(**OLD), tmp_path / "old", config)
    train_on_features(styled_set(**NEW), tmp_path / "on", config, start=StartingModel.read(tmp_path / "old"))
    assert Model.open(tmp_path / "on").record.config == tied


def test_models_that_cannot_be_fine_tuned_are_refused(old, tmp_path):
    train_baseline_on_features(styled_set(**OLD), tmp_path / "b", "visual", {"backbone": "tiny"})
    with pytest.raises(ModelError, match=r"--from rooms: models that come .*`perfectlook adapt rooms "):
        StartingModel.read(Path("rooms"))
    with pytest.raises(ModelError, match="--from showroom: models that come with the package"):
        StartingModel.read(Path("showroom"))
    with pytest.raises(ModelError, match="the baseline 'visual' cannot be fine-tuned"):
        StartingModel.read(tmp_path / "b")
    begun = StartingModel.read(old)
    with pytest.raises(ModelError, match="trained on the backbone"):
        begun.record.check_backbone("another-fp32-0")
    with pytest.raises(ModelError, match="weights do not fit"):
        StartingModel(
            begun.record, begun.config, begun.centres, {"x": torch.zeros(1)}, {}, begun.scenes, begun.products
        ).weights(TrainingData(styled_set(**OLD), SHAPE))


@pytest.mark.parametrize("content", [None, b"", b"rubbish"])
def test_the_error_for_unreadable_weights_names_the_file(old, tmp_path, content: bytes | None):
    damaged = tmp_path / "damaged"
    shutil.copytree(old, damaged)
    (damaged / "weights.safetensors").unlink()
    if content is not None:
        (damaged / "weights.safetensors").write_bytes(content)
    with pytest.raises(ModelError, match=r"weights\.safetensors: cannot be read"):
        StartingModel.read(damaged)
