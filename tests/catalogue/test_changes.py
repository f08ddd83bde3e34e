"""Live changes: they show immediately, survive a running sync, and end with the next sync."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from perfectlook.catalogue import Catalogue, Record
from perfectlook.data import load_set
from perfectlook.types import Problem, Product
from serving import Store, small_store

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERFECTLOOK_CACHE", str(folder / "cache"))
        return small_store(folder)


@pytest.fixture
def catalogue(store: Store, tmp_path: Path) -> Iterator[Catalogue]:
    folder = Path(shutil.copytree(store.catalogue, tmp_path / "catalogue"))
    with Catalogue.open(folder, store.model) as opened:
        yield opened


@dataclass
class Products:
    """A source of the set's products with a price. `between` runs while it is read."""

    source: Path
    price: str
    between: "Callable[[], object]" = lambda: None
    name: str = "products"
    problems: list[Problem] = field(default_factory=list)
    unavailable: frozenset[str] | None = frozenset()

    def products(self) -> Iterator[Product]:
        for each in load_set(self.source).products.values():
            yield Product(each.id, each.category, each.picture, each.title, {"price": self.price})
        self.between()


def fields(catalogue: Catalogue, id_: str) -> dict[str, str]:
    model = catalogue._model
    assert model is not None
    return dict(Record.from_payload(id_, catalogue.get([id_], model)[id_].payload).fields)


def test_a_change_shows_in_other_connections(catalogue: Catalogue, store: Store) -> None:
    with Catalogue.open(catalogue.location, store.model) as other:
        assert "availability" not in fields(other, store.product)
        assert catalogue.change({store.product: {"price": "12,5 €", "availability": "sold out"}}) == {}
        found = fields(other, store.product)
        assert (found["price"], found["availability"]) == ("12.50 EUR", "out_of_stock")
        assert catalogue.change({store.product: {"availability": None}}) == {}
        assert "availability" not in fields(other, store.product)


def test_a_change_that_cannot_be_made_says_why(catalogue: Catalogue, store: Store) -> None:
    id_ = store.product
    reasons = catalogue.change({id_: {"price": "1.234"}, "nobody": {"price": "1 EUR"}})
    assert "1.234" in reasons[id_]
    assert reasons["nobody"] == "product 'nobody': not in the catalogue. Check the id."
    assert "maybe" in catalogue.change({id_: {"availability": "maybe"}})[id_]
    assert "above the price" in catalogue.change({id_: {"price": "5 EUR", "sale_price": "6 EUR"}})[id_]
    assert catalogue.change({id_: {"title": "x"}})[id_].startswith("title: cannot be changed alone.")


def test_the_next_sync_restores_what_the_source_says(catalogue: Catalogue, store: Store) -> None:
    source = Products(store.source, "10 EUR")
    catalogue.sync(source, workers=1)
    catalogue.change({store.product: {"price": "7 EUR"}})
    report = catalogue.sync(source, workers=1)
    assert (report.changed, report.embedded) == (1, 0)
    assert fields(catalogue, store.product)["price"] == "10 EUR"


@pytest.mark.parametrize("recentre", [False, True], ids=["same vectors", "second collection"])
def test_a_change_during_a_sync_stays(catalogue: Catalogue, store: Store, recentre: bool) -> None:
    catalogue.sync(Products(store.source, "10 EUR"), workers=1)

    def sell_out() -> None:
        assert catalogue.change({store.product: {"availability": "out_of_stock"}}) == {}

    catalogue.sync(Products(store.source, "20 EUR", sell_out), workers=1, recentre=recentre)
    assert fields(catalogue, store.product)["availability"] == "out_of_stock"
    others = [id_ for id_, *_ in catalogue.store.excerpts() if id_ != store.product]
    assert fields(catalogue, str(others[0])) == {"price": "20 EUR"}
