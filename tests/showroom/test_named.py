"""The showroom opens by its name, as shipped models do, unless something here has that name."""

from pathlib import Path

import pytest

from perfectlook.catalogue import open_source
from perfectlook.data import load_set
from perfectlook.errors import DatasetError
from perfectlook.files import SHOWROOM, set_folder


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_is_a_set_and_a_source():
    assert load_set("showroom").root == SHOWROOM
    assert open_source("showroom").name == str(SHOWROOM)


def test_a_folder_of_that_name_comes_first(elsewhere: Path):
    (elsewhere / "showroom").mkdir()
    assert set_folder("showroom") == Path("showroom")
    with pytest.raises(DatasetError, match="not a set"):
        load_set("showroom")


def test_other_names_are_paths():
    assert set_folder("shop/showroom") == Path("shop/showroom")
    assert set_folder(Path("nothing")) == Path("nothing")
