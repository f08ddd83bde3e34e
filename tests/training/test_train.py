"""Training on a set with learnable styles: its accuracy, its reports and its errors."""

import dataclasses
import errno
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from perfectlook.data.scenes import split_of
from perfectlook.errors import ModelError, TrainingError, UsageError
from perfectlook.evaluation.evaluate import evaluate_on_features
from perfectlook.model.config import ModelConfig
from perfectlook.model.runtime import Model
from perfectlook.training import loop
from perfectlook.training.config import TrainingConfig
from perfectlook.training.data import TrainingData
from perfectlook.training.ridge import start_network
from perfectlook.training.train import train_on_features
from perfectlook.training.validation import HeldOut
from styled import styled_set

SMALL = TrainingConfig(
    model=ModelConfig(backbone="tiny", dimension=8, hidden=16), epochs=3, batch_size=128, learning_rate=1e-3
)
BIG_SET = {"scenes": 510, "products": 24, "noise": 0.3, "categories": ("Furniture|Chairs",)}
"""At least 500 scenes, so the set has its own validation split."""


def with_model(config: TrainingConfig, **changes) -> TrainingConfig:
    return dataclasses.replace(config, model=dataclasses.replace(config.model, **changes))


@pytest.mark.parametrize(
    ("mode", "distance"), [("hybrid", "squared_l2"), ("global", "squared_l2"), ("local", "l2")]
)
def test_every_mode_learns_the_matching_styles(mode: str, distance: str, tmp_path):
    features = styled_set(**BIG_SET)
    config = with_model(SMALL, mode=mode, distance=distance, linear_path="none")
    longer = dataclasses.replace(config, epochs=12, patience=12, batch_size=64, learning_rate=3e-3)
    train_on_features(features, tmp_path / "m", longer)
    found = evaluate_on_features(Model.open(tmp_path / "m"), features).overall.binary_accuracy
    # A quarter of the products share the true product's style and are equally good, so 7/8 is perfect.
    assert found.low > 0.80


def test_the_closed_form_is_a_better_start_than_random(tmp_path):
    features = styled_set(**BIG_SET)
    say = []
    quick = dataclasses.replace(SMALL, epochs=0)
    train_on_features(features, tmp_path / "m", quick, on_epoch=lambda stage, epoch: say.append(epoch))
    assert say[0].epoch == 0
    assert say[0].binary_accuracy > 0.8


@pytest.mark.parametrize("distance", [pytest.param("l2", marks=pytest.mark.long), "squared_l2"])
@pytest.mark.usefixtures("plots")
def test_the_record_and_the_reports_agree(distance: str, tmp_path):
    features = styled_set(**BIG_SET)
    record = train_on_features(features, tmp_path / "m", with_model(SMALL, distance=distance))
    model = Model.open(tmp_path / "m")
    on_validation = evaluate_on_features(model, features, split="val")
    # The network in training and the exported graphs rank the validation pairs equally.
    assert record.training["binary_accuracy"]["value"] == pytest.approx(
        on_validation.overall.binary_accuracy.value, abs=2e-3
    )
    lines = [json.loads(line) for line in (tmp_path / "m" / "log.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == list(range(len(lines)))
    kept = lines[record.training["epoch"]]["binary_accuracy"]
    assert kept == max(line["binary_accuracy"] for line in lines)
    assert record.training["binary_accuracy"]["value"] == pytest.approx(kept, abs=1e-6)
    assert (tmp_path / "m" / "training.png").read_bytes().startswith(b"\x89PNG")
    card = (tmp_path / "m" / "MODEL_CARD.md").read_text()
    assert f"{kept:.4f}" in card
    assert "styled: its licence is not stated" in card
    assert not (tmp_path / "m" / "checkpoint.pt").exists()


def test_the_seed_alone_decides_the_random_numbers(tmp_path):
    features = styled_set(**BIG_SET)
    for name, seed in (("one", 1), ("two", 1), ("other", 2)):
        torch.manual_seed(np.random.default_rng().integers(1000))  # the caller's, which changes nothing
        train_on_features(features, tmp_path / name, dataclasses.replace(SMALL, epochs=1, seed=seed))
    one, two, other = (Model.open(tmp_path / name).identity for name in ("one", "two", "other"))
    assert one == two != other


class StoppedError(Exception):
    pass


@pytest.mark.parametrize("epoch", [pytest.param(0, marks=pytest.mark.long), 2])
@pytest.mark.parametrize(
    "scenes", [pytest.param(560, marks=pytest.mark.long), 60], ids=["validation", "cross-validation"]
)
def test_a_resumed_training_gives_the_same_model(scenes: int, epoch: int, tmp_path):
    features = styled_set(**(BIG_SET | {"scenes": scenes}))
    train_on_features(features, tmp_path / "straight", SMALL)

    def stop(stage, seen):
        if stage in ("fit", "fold 1") and seen.epoch == epoch:
            raise StoppedError

    with pytest.raises(StoppedError):
        train_on_features(features, tmp_path / "stopped", SMALL, on_epoch=stop)
    assert not (tmp_path / "stopped" / "config.json").exists()
    said = []
    train_on_features(features, tmp_path / "stopped", SMALL, on_epoch=lambda *each: said.append(each))
    assert Model.open(tmp_path / "stopped").identity == Model.open(tmp_path / "straight").identity
    seen = [(stage, each.epoch) for stage, each in said]
    assert ("fold 0" if scenes == 60 else "fit", epoch) not in seen


def test_a_checkpoint_with_other_settings_is_refused(tmp_path):
    features = styled_set(**BIG_SET)

    def stop(stage, seen):
        raise StoppedError

    with pytest.raises(StoppedError):
        train_on_features(features, tmp_path / "m", SMALL, on_epoch=stop)
    with pytest.raises(TrainingError, match="other pairs or settings"):
        train_on_features(features, tmp_path / "m", dataclasses.replace(SMALL, seed=5))


def test_the_error_for_a_damaged_checkpoint_names_it(tmp_path):
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "checkpoint.pt").write_bytes(b"rubbish")
    with pytest.raises(TrainingError, match=r"checkpoint\.pt"):
        train_on_features(styled_set(**BIG_SET), tmp_path / "m", SMALL)


def test_a_small_set_is_cross_validated_and_then_trained_on_all_but_test(tmp_path):
    features = styled_set(scenes=100, products=24, noise=0.3, categories=("Furniture|Chairs",))
    record = train_on_features(features, tmp_path / "m", SMALL)
    assert record.training["chosen_on"] == "5-fold cross-validation"
    assert record.training["binary_accuracy"]["value"] > 0.75
    found = evaluate_on_features(Model.open(tmp_path / "m"), features, split="test")
    assert found.n_trained_scenes == 0
    on_validation = evaluate_on_features(Model.open(tmp_path / "m"), features, split="val")
    assert on_validation.n_trained_scenes == on_validation.overall.n_scenes
    assert "trained on" in on_validation.to_text()


def test_a_large_set_is_cross_validated_on_request(tmp_path):
    features = styled_set(**BIG_SET)
    quick = dataclasses.replace(with_model(SMALL, mode="global"), cross_validate=True, epochs=1)
    record = train_on_features(features, tmp_path / "m", quick)
    assert record.training["chosen_on"] == "5-fold cross-validation"
    on_validation = evaluate_on_features(Model.open(tmp_path / "m"), features, split="val")
    assert on_validation.n_trained_scenes == on_validation.overall.n_scenes
    held_out = HeldOut.read(tmp_path / "m")
    assert held_out is not None
    tested = {pair.scene for pair in features.pairs if split_of(pair.scene) == "test"}
    assert set(held_out.scenes) == {pair.scene for pair in features.pairs} - tested


def test_twins_of_held_out_scenes_are_not_trained_on(tmp_path):
    features = styled_set(**BIG_SET)
    from perfectlook.evaluation.protocol import scenes_of_split

    copy = sorted(scenes_of_split(features, "train"))[0]
    original = sorted(scenes_of_split(features, "test"))[0]
    twins = {copy: frozenset({original}), original: frozenset({copy})}
    features = dataclasses.replace(features, twins=twins)
    train_on_features(features, tmp_path / "m", dataclasses.replace(SMALL, epochs=0))
    assert copy not in Model.open(tmp_path / "m").trained_on["scenes"]


def test_early_stopping_keeps_the_best_epoch(tmp_path):
    features = styled_set(**BIG_SET)
    config = dataclasses.replace(SMALL, epochs=30, patience=2, learning_rate=0.3)  # the accuracy falls
    said = []
    record = train_on_features(features, tmp_path / "m", config, on_epoch=lambda stage, e: said.append(e))
    assert len(said) == record.training["epoch"] + 3 < 31
    assert record.training["binary_accuracy"]["value"] == pytest.approx(
        max(epoch.binary_accuracy for epoch in said), abs=1e-6
    )


def test_a_loss_that_is_not_a_number_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "triplet_hinge", lambda *_, **__: torch.tensor(float("nan")))
    with pytest.raises(TrainingError, match=r"epoch 1: the loss is nan\. Lower learning_rate"):
        train_on_features(styled_set(**BIG_SET), tmp_path / "m", SMALL)


def test_a_set_without_negatives_is_an_error(tmp_path):
    with pytest.raises(TrainingError, match="expected at least 2 pairs to train on, got 0"):
        train_on_features(styled_set(scenes=520, products=1, styles=1), tmp_path / "m", SMALL)


def test_pairs_without_negatives_are_left_out_of_training(tmp_path):
    features = styled_set(**BIG_SET)
    lonely = features.pair_products[0]
    categories = list(features.product_categories)
    categories[lonely] = "Alone"
    features = dataclasses.replace(features, product_categories=categories)
    train_on_features(features, tmp_path / "m", dataclasses.replace(SMALL, epochs=1))
    trained = Model.open(tmp_path / "m").trained_on["products"]
    assert features.product_ids[lonely] not in trained
    assert len(trained) > 10


def test_settings_are_checked():
    config = TrainingConfig()
    with pytest.raises(UsageError, match=r"unknown setting 'lerning_rate'\. Did you mean 'learning_rate'"):
        config.replaced({"lerning_rate": 1.0})
    with pytest.raises(UsageError, match="epochs -1: must be at least 0"):
        config.replaced({"epochs": -1})
    with pytest.raises(UsageError, match=r"^fit\.toml: learning_rate -1\.0: must be above 0"):
        config.replaced({"learning_rate": -1.0}, source="fit.toml")
    with pytest.raises(UsageError, match=r"^fit\.toml: dimension 0: must be at least 1"):
        config.replaced({"dimension": 0}, source="fit.toml")
    with pytest.raises(UsageError, match=r"unknown mode 'both'\. Choose one of: hybrid, global, local"):
        config.replaced({"mode": "both"})
    with pytest.raises(UsageError, match="expected epochs of type int, got '3'"):
        config.replaced({"epochs": "3"})
    changed = config.replaced({"epochs": 3, "dropout": 0, "tied": True, "linear_path": "none"})
    assert (changed.epochs, changed.model.dropout, changed.model.tied) == (3, 0, True)


def test_a_full_disk_names_the_file_and_keeps_the_last_checkpoint(tmp_path, monkeypatch):
    features = styled_set(**BIG_SET)
    real, written = Path.write_bytes, []

    def full_after_three(self, content):
        if b"optimiser" in content:
            written.append(self)
            if len(written) == 3:
                raise OSError(errno.ENOSPC, "No space left on device")
        return real(self, content)

    monkeypatch.setattr(Path, "write_bytes", full_after_three)
    with pytest.raises(ModelError, match=r"checkpoint\.pt: cannot be written \(No space left on device\)"):
        train_on_features(features, tmp_path / "m", SMALL)
    assert not list((tmp_path / "m").glob("*.part"))
    said = []
    train_on_features(features, tmp_path / "m", SMALL, on_epoch=lambda stage, epoch: said.append(epoch.epoch))
    assert said[0] == 2


def test_after_diverged_weights_a_training_with_other_settings_can_start(tmp_path, monkeypatch):
    features = styled_set(**BIG_SET)
    with pytest.raises(TrainingError, match="Lower learning_rate"), monkeypatch.context() as patch:
        patch.setattr(
            loop.CompatibilityFit, "_make_optimiser", lambda fit: Wrecking(fit.network.parameters(), lr=1.0)
        )
        train_on_features(features, tmp_path / "m", SMALL)
    train_on_features(features, tmp_path / "m", dataclasses.replace(SMALL, epochs=1, learning_rate=1e-4))


class Wrecking(torch.optim.SGD):
    """An optimiser that sets every weight to NaN."""

    def step(self, closure=None):
        with torch.no_grad():
            for group in self.param_groups:
                for parameter in group["params"]:
                    parameter.fill_(float("nan"))


@pytest.mark.parametrize("what", ["category", "picture", "twin"])
def test_a_checkpoint_with_other_data_is_refused(what: str, tmp_path):
    features = styled_set(**BIG_SET)

    def stop(stage, seen):
        raise StoppedError

    with pytest.raises(StoppedError):
        train_on_features(features, tmp_path / "m", SMALL, on_epoch=stop)
    if what == "category":
        features.product_categories[3] = "Furniture|Stools"
    elif what == "picture":
        features.products.global_vectors[3] += 1
    else:
        one, two, *_ = features.dataset.scenes
        features.twins.update({one: frozenset({two}), two: frozenset({one})})
    with pytest.raises(TrainingError, match="other pairs or settings"):
        train_on_features(features, tmp_path / "m", SMALL)


def test_tied_encoders_cannot_start_from_the_closed_form():
    with pytest.raises(UsageError, match="tied = true and linear_path = 'ridge' exclude each other"):
        TrainingConfig().replaced({"tied": True})


def test_the_published_method_reads_features_as_they_are():
    features = styled_set(**BIG_SET)
    published = TrainingConfig.published()
    assert (published.negatives, published.averaging, published.model.dimension) == (1, 0.0, 128)
    assert published.attention_learning_rate == published.learning_rate
    shape = dataclasses.replace(published.model, backbone="tiny")
    data = TrainingData(features, shape)
    config = dataclasses.replace(published, model=shape)
    network = start_network(data, np.arange(len(features.pairs)), config, None)
    for each in (network.standardise_scene, network.standardise_regions, network.standardise_product):
        rows = torch.randn(3, len(each.mean))
        assert torch.equal(each(rows), rows)
