"""Live changes: they show immediately, survive a running sync, and end with the next sync."""

import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from milvus_of_run import new_catalogue
from perfectlook.catalogue import Catalogue, Record
from perfectlook.catalogue.changes import delete_products
from perfectlook.data import load_set
from perfectlook.stores import EmbeddedStore
from perfectlook.types import Problem, Product
from serving import Store, small_store
from toy_model import ToyModel

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
    without: str = ""

    def products(self) -> Iterator[Product]:
        for each in load_set(self.source).products.values():
            if each.id != self.without:
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


def test_an_amount_without_a_currency_is_in_that_of_the_price(catalogue: Catalogue, store: Store) -> None:
    assert "has no currency" in catalogue.change({store.product: {"price": "12.50"}})[store.product]
    assert catalogue.change({store.product: {"price": "899 kr SEK"}}) == {}
    assert catalogue.change({store.product: {"price": "799,50", "sale_price": "700 kr"}}) == {}
    found = fields(catalogue, store.product)
    assert (found["price"], found["sale_price"]) == ("799.50 SEK", "700.00 SEK")


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


MODEL, OTHER = ToyModel(), ToyModel(seed=1)


@pytest.fixture(params=["embedded", pytest.param("milvus", marks=pytest.mark.long)])
def staged(request: pytest.FixtureRequest, store: Store, tmp_path: Path) -> Iterator[Catalogue]:
    """A catalogue with vectors of another model that wait for the switch."""
    place = new_catalogue() if request.param == "milvus" else tmp_path / "staged"
    with Catalogue.open(place, create=True) as catalogue:
        source = Products(store.source, "10 EUR")
        catalogue.sync(source, MODEL, workers=1)
        catalogue.sync(source, OTHER, stage=True, workers=1)
        yield catalogue


def shown(catalogue: Catalogue) -> dict[str, dict[str, str]]:
    """Return the fields of the products that answers show."""
    ids = [str(id_) for id_, *_ in catalogue.store.excerpts()]
    return {
        id_: dict(Record.from_payload(id_, each.payload).fields)
        for id_, each in catalogue.store.get(ids).items()
    }


def test_what_changed_meanwhile_is_there_after_a_switch(staged: Catalogue, store: Store) -> None:
    """By a sync of the active model, and then by live changes and deletions."""
    staged.sync(Products(store.source, "20 EUR", without=store.product), MODEL, workers=1)
    changed, deleted, *_ = sorted(shown(staged))
    assert staged.change({changed: {"price": "7 EUR", "availability": "sold out"}}) == {}
    delete_products(staged.store, [deleted])
    before = shown(staged)
    assert staged.switch() == staged.model
    assert staged.model.identity == OTHER.identity
    assert shown(staged) == before
    assert before.pop(changed) == {"price": "7.00 EUR", "availability": "out_of_stock"}
    assert not {deleted, store.product} & before.keys()
    assert {each["price"] for each in before.values()} == {"20 EUR"}


def test_a_change_keeps_what_the_staged_products_alone_have(catalogue: Catalogue, store: Store) -> None:
    source = Products(store.source, "10 EUR")
    catalogue.sync(source, workers=1)
    catalogue.sync(Products(store.source, "8 EUR"), OTHER, stage=True, workers=1)
    catalogue.change({store.product: {"availability": "sold out"}})
    catalogue.change({store.product: {"sale_price": "9 EUR"}})  # more than the newer price
    catalogue.switch()
    assert shown(catalogue)[store.product] == {
        "price": "10 EUR",
        "sale_price": "9.00 EUR",
        "availability": "out_of_stock",
    }
    assert {each["price"] for id_, each in shown(catalogue).items() if id_ != store.product} == {"8 EUR"}


def store_fields(catalogue: Catalogue, id_: str, **fields: str) -> None:
    payload = catalogue.store.get([id_])[id_].payload
    catalogue.store.set_payloads({id_: {**payload, "fields": fields}})


PAST, FUTURE = "2020-01-01T00:00:00Z/2020-02-01T00:00:00Z", "2020-01-01T00:00:00Z/2999-02-01T00:00:00Z"


@pytest.mark.parametrize(
    ("stored", "change", "expected"),
    [
        (
            {"price": "49.90"},
            {"availability": "sold out"},
            {"price": "49.90", "availability": "out_of_stock"},
        ),
        (
            {"availability": "unknown", "price": "5.00 EUR"},
            {"price": "4 EUR"},
            {"availability": "unknown", "price": "4.00 EUR"},
        ),
        (
            {"price": "9.00 EUR", "sale_price": "8.00 EUR", "sale_price_effective_date": PAST},
            {"price": "7 EUR"},
            {"price": "7.00 EUR"},
        ),
        (
            {"price": "9.00 EUR", "sale_price": "8.00 EUR", "sale_price_effective_date": PAST},
            {"sale_price": "6 EUR"},
            {"price": "9.00 EUR", "sale_price": "6.00 EUR"},
        ),
        (
            {"price": "9.00 EUR", "sale_price": "8.00 EUR", "sale_price_effective_date": FUTURE},
            {"availability": "in stock", "sale_price_effective_date": None},
            {"price": "9.00 EUR", "sale_price": "8.00 EUR", "availability": "in_stock"},
        ),
        (
            {"price": "49.90", "sale_price": "39.90"},
            {"price": "45 EUR"},
            {"price": "45.00 EUR", "sale_price": "39.90"},
        ),
        ({"price": "on request"}, {"sale_price": "4 EUR"}, {"price": "on request", "sale_price": "4.00 EUR"}),
        (
            {"price": "9.00 EUR", "sale_price": "8.00 EUR", "sale_price_effective_date": PAST},
            {"sale_price_effective_date": FUTURE},
            {"price": "9.00 EUR", "sale_price": "8.00 EUR", "sale_price_effective_date": FUTURE},
        ),
    ],
)
def test_a_change_does_not_depend_on_other_fields(
    catalogue: Catalogue,
    store: Store,
    stored: dict[str, str],
    change: dict[str, str | None],
    expected: dict[str, str],
) -> None:
    store_fields(catalogue, store.product, **stored)
    assert catalogue.change({store.product: change}) == {}
    assert fields(catalogue, store.product) == expected


@pytest.mark.parametrize(
    ("stored", "change", "reason"),
    [
        (
            {"price": "9.00 EUR", "sale_price": "8.00 EUR"},
            {"price": "7 EUR"},
            "'8.00 EUR' is above the price",
        ),
        ({"price": "49.90"}, {"sale_price": "50 EUR"}, "'50.00 EUR' is above the price 49.90 EUR"),
        ({"price": "5.00 EUR"}, {"sale_price_effective_date": FUTURE}, "the product has no sale_price"),
        ({"price": "9.00 EUR"}, {"sale_price": "8 USD"}, "is in another currency"),
        ({}, {"sale_price": "0 EUR"}, "is zero"),
    ],
)
def test_a_sale_must_fit_the_price(
    catalogue: Catalogue, store: Store, stored: dict[str, str], change: dict[str, str], reason: str
) -> None:
    store_fields(catalogue, store.product, **stored)
    assert reason in catalogue.change({store.product: change})[store.product]
    assert fields(catalogue, store.product) == stored


def test_changes_of_one_product_by_two_processes_are_both_made(
    catalogue: Catalogue, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    get, others = EmbeddedStore.get, list[threading.Thread]()
    with Catalogue.open(catalogue.location, store.model) as other:

        def interrupted(self: EmbeddedStore, *ids: object, **options: object) -> object:
            found = get(self, *ids, **options)  # type: ignore[arg-type]
            if self is catalogue.store and not others:
                change = {store.product: {"availability": "sold out"}}
                others.append(threading.Thread(target=other.change, args=[change]))
                others[0].start()
                others[0].join(0.3)  # it must wait, or both would read the same
            return found

        monkeypatch.setattr(EmbeddedStore, "get", interrupted)
        catalogue.change({store.product: {"price": "7 EUR"}})
        others[0].join()
    assert fields(catalogue, store.product) == {"price": "7.00 EUR", "availability": "out_of_stock"}


@pytest.mark.parametrize("recentre", [False, True], ids=["same vectors", "second collection"])
def test_a_change_just_before_a_batch_is_written_stays(
    catalogue: Catalogue, store: Store, recentre: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue.sync(Products(store.source, "10 EUR"), workers=1)
    others = list[threading.Thread]()
    with Catalogue.open(catalogue.location, store.model) as other:
        for name in ("upsert", "set_payloads"):
            write = getattr(EmbeddedStore, name)

            def interrupted(
                self: EmbeddedStore, *args: object, write: "Callable" = write, **options: object
            ) -> object:
                if self is catalogue.store and not others:
                    change = {store.product: {"availability": "sold out"}}
                    others.append(threading.Thread(target=other.change, args=[change]))
                    others[0].start()
                    others[0].join(0.3)
                return write(self, *args, **options)

            monkeypatch.setattr(EmbeddedStore, name, interrupted)
        catalogue.sync(Products(store.source, "20 EUR"), workers=1, recentre=recentre)
        others[0].join()
    assert fields(catalogue, store.product) == {"price": "20 EUR", "availability": "out_of_stock"}
