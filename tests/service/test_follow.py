"""A model is staged next to the active one, and a server follows the switch without a failed request."""

import shutil
import threading
from pathlib import Path

import pytest

from perfectlook.catalogue import Catalogue
from perfectlook.errors import CatalogueError
from perfectlook.model.runtime import Model
from serving import Store, eventually, running


def test_a_staged_model_waits_for_the_switch(own_store: Store, other_model: Path):
    other = Model.open(other_model)
    with Catalogue.open(own_store.catalogue, own_store.model) as catalogue:
        before = catalogue.generation()
        with pytest.raises(CatalogueError, match="nothing is staged"):
            catalogue.switch()
        report = catalogue.sync(own_store.source, other, stage=True, workers=1)
        assert (report.switched, report.embedded) == (False, 18)
        assert catalogue.model == before.model
        catalogue.sync(own_store.source, workers=1)  # the staged vectors stay
        assert catalogue.sync(own_store.source, other, stage=True, workers=1).embedded == 0
        assert len(catalogue.store.collections()) == 2
        assert catalogue.switch().identity == other.identity
        assert catalogue.model.identity == other.identity
        assert catalogue.switch(back=True).identity == before.model.identity
        with pytest.raises(CatalogueError, match="nothing is staged"):
            catalogue.switch()
        assert catalogue.switch(back=True).identity == other.identity
        catalogue.drop_previous()
        assert list(catalogue.store.collections()) == [catalogue.generation().collection]


@pytest.mark.parametrize("told", [False, True])
def test_a_server_under_load_follows_without_a_failed_request(
    own_store: Store, other_model: Path, tmp_path: Path, told: bool
):
    models = tmp_path / "models"
    other = Path(shutil.copytree(other_model, models / "other"))
    follow = {} if told else {"follow_model": str(models)}
    if told:
        own_store = own_store._replace(model=Path(shutil.copytree(own_store.model, tmp_path / "model")))
    with running(own_store, tmp_path, **follow) as own:
        statuses: list[int] = []
        stop = threading.Event()

        def ask() -> None:
            while not stop.is_set():
                statuses.append(own.photo(own_store.photos[0]).status_code)
                statuses.append(own.client.get("/ready").status_code)

        asking = threading.Thread(target=ask)
        asking.start()
        with Catalogue.open(own_store.catalogue) as catalogue:
            catalogue.sync(own_store.source, other, stage=True, workers=1)
            if told:  # what SIGHUP does
                own_store.model.rename(tmp_path / "old")
                other.rename(own_store.model)
                own.service.look_again()
            before = len(statuses)
            identity = catalogue.switch().identity
        eventually(lambda: len(statuses) >= before + 10)
        stop.set()
        asking.join()
        assert set(statuses) == {200}
        assert own.service.recommender.model.identity == identity


def test_a_server_that_follows_a_folder_returns_to_its_own_model(
    own_store: Store, other_model: Path, tmp_path: Path
):
    with (
        running(own_store, tmp_path, follow_model=str(other_model.parent)) as own,
        Catalogue.open(own_store.catalogue) as catalogue,
    ):
        catalogue.sync(own_store.source, Model.open(other_model), stage=True, workers=1)
        for back in (False, True):
            identity = catalogue.switch(back=back).identity
            assert own.photo(own_store.photos[0]).status_code == 200
            assert own.client.get("/ready").status_code == 200
            assert own.service.recommender.model.identity == identity


def test_a_server_of_another_model_is_not_ready(own_store: Store, other_model: Path, tmp_path: Path):
    with running(own_store, tmp_path) as own, Catalogue.open(own_store.catalogue) as catalogue:
        catalogue.sync(own_store.source, Model.open(other_model), workers=1)
        answer = own.client.get("/ready")
        assert answer.status_code == 503
        assert "another model" in answer.json()["error"]["message"]
        assert own.keyed.put(f"/v1/products/{own_store.product}", json={"category": "A"}).status_code == 503
        assert catalogue.model.identity == Model.open(other_model).identity
