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
def test_its_card_says_what_it_is_made_of_and_not_for(name: str):
    card = (MODELS / name / "MODEL_CARD.md").read_text(encoding="utf-8")
    for said in ("## Data", "## Figures", "On test scenes", "## Licence", "## Not for", "Made by `"):
        assert said in card
    assert "not stated" not in card


def test_a_folder_of_that_name_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fashion-ccp").mkdir()
    assert model_folder("fashion-ccp") == Path("fashion-ccp")
    with pytest.raises(ModelError):
        Model.open("fashion-ccp")


def test_other_names_are_folders():
    assert model_folder("models/shoes") == Path("models/shoes")
    assert model_folder(Path("nothing")) == Path("nothing")


def accuracy_of_the_card(name: str) -> float:
    card = (MODELS / name / "MODEL_CARD.md").read_text(encoding="utf-8")
    found = re.search(r"On test scenes.*?binary\s+accuracy (0\.\d+)", card, re.DOTALL)
    assert found
    return float(found[1])


@pytest.mark.long
def test_the_showrooms_model_has_the_figures_of_its_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PERFECTLOOK_CACHE", str(tmp_path))
    found = evaluate(Model.open("showroom"), SHOWROOM).overall.binary_accuracy
    assert found.value == pytest.approx(
        accuracy_of_the_card("showroom"), abs=0.002
    )  # engines differ a little


@pytest.mark.long
@pytest.mark.photos
def test_the_looks_model_has_the_figures_of_its_card(photos: Path):
    found = evaluate(Model.open("fashion-ccp"), photos / "ccp-looks").overall.binary_accuracy
    assert found.value == pytest.approx(accuracy_of_the_card("fashion-ccp"), abs=0.002)


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
