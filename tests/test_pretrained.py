"""The models that come with the package open by their names, whole, small, and with an honest card."""

from pathlib import Path

import pytest

from perfectlook.bundle import Model, open_model
from perfectlook.errors import ModelError
from perfectlook.pretrained import FOLDER, model_folder, shipped_models


@pytest.mark.parametrize("name", shipped_models())
def test_a_shipped_model_opens_by_its_name(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert Model.open(name).name == name
    assert open_model(name).name == name
    assert sum(each.stat().st_size for each in (FOLDER / name).iterdir()) < 15 * 2**20


@pytest.mark.parametrize("name", shipped_models())
def test_its_card_says_what_it_is_made_of_and_not_for(name: str):
    card = (FOLDER / name / "MODEL_CARD.md").read_text(encoding="utf-8")
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
