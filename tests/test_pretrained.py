"""The shipped models open by name, are small, and have the figures of their cards."""

import re
from pathlib import Path

import pytest

from perfectlook.errors import ModelError
from perfectlook.evaluation.evaluate import evaluate
from perfectlook.files import MODELS, SHOWROOM, model_folder, shipped_models
from perfectlook.model.config import ModelConfig
from perfectlook.model.runtime import Model, open_model
from perfectlook.training.config import TrainingConfig
from perfectlook.training.train import train


@pytest.mark.parametrize("name", shipped_models())
def test_a_shipped_model_opens_by_its_name(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert Model.open(name).name == name
    assert open_model(name).name == name
    assert sum(each.stat().st_size for each in (MODELS / name).iterdir()) < 24 * 2**20


@pytest.mark.parametrize("name", shipped_models())
def test_looks_follow_the_photo_more_than_each_other(name: str):
    assert Model.open(name).require_complements().weight == pytest.approx(0.1)


@pytest.mark.parametrize("name", shipped_models())
def test_its_card_says_what_it_is_made_of_and_not_for(name: str):
    card = (MODELS / name / "MODEL_CARD.md").read_text(encoding="utf-8")
    for said in ("## Data", "on test scenes", "## Licence", "## Not for", "Made by `make models`"):
        assert said in card
    assert re.search(r"^## (.*)$", card, re.MULTILINE)[1] == "Photos of sets that it has not seen"
    assert "not stated" not in card


@pytest.mark.parametrize("file", ["config.json", "checkpoint.pt"])
def test_a_model_of_that_name_comes_first(file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "outfits").mkdir()
    (tmp_path / "outfits" / file).touch()
    assert model_folder("outfits") == Path("outfits")
    with pytest.raises(ModelError):
        Model.open("outfits")


def test_photos_of_that_name_do_not_hide_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rooms").mkdir()
    (tmp_path / "rooms" / "photo.jpg").touch()
    assert Model.open("rooms").name == "rooms"


def test_earlier_names_open_the_models_that_follow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert model_folder("showroom") == MODELS / "rooms"
    assert model_folder(Path("fashion-ccp")) == MODELS / "outfits"
    assert Model.open("showroom").identity == Model.open("rooms").identity


def test_other_names_are_folders():
    assert model_folder("models/shoes") == Path("models/shoes")
    assert model_folder(Path("nothing")) == Path("nothing")


def accuracy_of_the_card(name: str) -> float:
    card = (MODELS / name / "MODEL_CARD.md").read_text(encoding="utf-8")
    found = re.search(r"Binary accuracy on test scenes.*?: (\d\d\.\d) \[", card)
    assert found
    return float(found[1]) / 100


@pytest.mark.long
def test_the_showrooms_model_has_the_figures_of_its_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PERFECTLOOK_CACHE", str(tmp_path))
    found = evaluate(Model.open("rooms"), SHOWROOM).overall.binary_accuracy
    assert found.value == pytest.approx(accuracy_of_the_card("rooms"), abs=0.002)  # engines differ a little


@pytest.mark.long
@pytest.mark.photos
def test_the_looks_model_has_the_figures_of_its_card(photos: Path):
    found = evaluate(Model.open("outfits"), photos / "ccp-looks").overall.binary_accuracy
    assert found.value == pytest.approx(accuracy_of_the_card("outfits"), abs=0.002)


@pytest.mark.long
def test_a_small_model_of_the_showroom_trained_again_has_like_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PERFECTLOOK_CACHE", str(tmp_path / "cache"))
    shape = ModelConfig(backbone="tiny", dimension=32, hidden=32, memory=0)
    model = train("showroom", config=TrainingConfig(model=shape, epochs=3))
    chosen_by = model.training["binary_accuracy"]
    assert isinstance(chosen_by, dict)
    assert chosen_by["value"] == pytest.approx(0.611, abs=0.02)
    found = evaluate(model, "showroom").overall.binary_accuracy
    assert found.value == pytest.approx(0.633, abs=0.02)
