"""Catalogues are opened, and read while they are synced."""

import json
from pathlib import Path

import numpy as np
import pytest

from drawn import drawn_set
from memory_store import MemoryStore
from perfectlook.catalogue import Catalogue, open_source
from perfectlook.errors import CatalogueError, UsageError
from perfectlook.stores import Query
from toy_model import BAGS, SHOES, ToyModel

MODEL, OTHER = ToyModel(), ToyModel(seed=1)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return drawn_set(tmp_path / "set", scenes=1, products_per_category=6)


@pytest.fixture
def folder(tmp_path: Path, source: Path) -> Path:
    with Catalogue.open(tmp_path / "catalogue", create=True) as catalogue:
        catalogue.sync(source, MODEL)
    return tmp_path / "catalogue"


def test_a_catalogue_can_be_reopened(folder: Path) -> None:
    with Catalogue.open(folder, MODEL) as catalogue:
        assert (catalogue.count(), catalogue.categories()) == (12, {BAGS: 6, SHOES: 6})
        assert catalogue.model.name == "toy-0"
        assert catalogue.model.backbone.startswith("tiny-fp32-")
        query = Query(np.zeros(12, np.float32), 20)
        assert len(catalogue.search([query], MODEL)[0]) == 12


def test_another_model_is_rejected_with_both_names(folder: Path) -> None:
    with pytest.raises(CatalogueError, match=r"model 'toy-0' .* given is 'toy-1' .* catalogue sync"):
        Catalogue.open(folder, OTHER)


def test_opening_makes_no_catalogue(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="no catalogue here"):
        Catalogue.open(tmp_path / "nowhere", MODEL)
    assert not (tmp_path / "nowhere").exists()


def test_a_catalogue_needs_a_finished_sync(tmp_path: Path) -> None:
    with Catalogue.open(tmp_path / "new", create=True) as catalogue:
        for read in (catalogue.count, catalogue.categories, lambda: catalogue.check(MODEL)):
            with pytest.raises(CatalogueError, match="no finished sync"):
                read()


def test_a_new_catalogue_is_synced_with_the_model_it_was_opened_with(tmp_path: Path, source: Path) -> None:
    for again in (False, True):
        with Catalogue.open(tmp_path / "new", MODEL, create=True) as catalogue:
            assert catalogue.sync(source).unchanged == 12 * again
            assert (
                repr(catalogue)
                == f"Catalogue('{tmp_path / 'new'}', products=12, categories=2, model='toy-0')"
            )
    with pytest.raises(CatalogueError, match=r"model 'toy-0' .* given is 'toy-1'"):
        Catalogue.open(tmp_path / "new", OTHER, create=True)
    with (
        Catalogue.open(tmp_path / "new") as catalogue,
        pytest.raises(UsageError, match=r"opened without a model\. Pass the model"),
    ):
        catalogue.sync(source)


def test_a_catalogue_without_a_sync_has_a_repr(tmp_path: Path) -> None:
    with Catalogue.open(tmp_path / "new", create=True) as catalogue:
        assert repr(catalogue) == f"Catalogue('{tmp_path / 'new'}')"


def test_unknown_and_unusable_options_are_rejected(tmp_path: Path, source: Path) -> None:
    with Catalogue.open(tmp_path / "new", MODEL, create=True) as catalogue:
        with pytest.raises(TypeError, match=r"expected options among .*, got curency"):
            catalogue.sync(source, curency="EUR")  # type: ignore[call-arg]
        with pytest.raises(UsageError, match="already open, so currency cannot apply"):
            catalogue.sync(open_source(source), currency="EUR")


def test_an_open_catalogue_sees_a_sync_by_another(folder: Path, source: Path) -> None:
    with Catalogue.open(folder, MODEL) as reader, Catalogue.open(folder) as writer:
        query = Query(np.zeros(12, np.float32), 20)
        assert len(reader.search([query], MODEL)[0]) == 12
        listed = json.loads((source / "categories.json").read_text(encoding="utf-8"))
        listed.popitem()
        (source / "categories.json").write_text(json.dumps(listed), encoding="utf-8")
        writer.sync(source, MODEL)
        assert len(reader.search([query], MODEL)[0]) == 11


def test_a_model_never_searches_the_vectors_of_another_model(folder: Path, source: Path) -> None:
    with Catalogue.open(folder, MODEL) as reader, Catalogue.open(folder) as writer:
        writer.sync(source, OTHER)
        with pytest.raises(CatalogueError, match=r"'toy-1'.*'toy-0'"):
            reader.search([Query(np.zeros(12, np.float32), 1)], MODEL)
        assert reader.count() == 12


def test_a_source_can_be_a_path(tmp_path: Path, source: Path) -> None:
    pictures = tmp_path / "pictures" / "Shoes"
    pictures.mkdir(parents=True)
    for number, picture in enumerate(sorted((source / "products").iterdir())):
        picture.rename(pictures / f"shoe {number}.jpg")
    with Catalogue(MemoryStore()) as catalogue:
        assert catalogue.sync(str(pictures.parent), MODEL).added == 12
        assert catalogue.categories() == {"Shoes": 12}
