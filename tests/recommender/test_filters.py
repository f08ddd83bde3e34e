"""An answer short of products names the fields of its filter that no product has."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from drawn import drawn_set
from memory_store import MemoryStore
from perfectlook.catalogue import Catalogue
from perfectlook.recommender import Recommender
from perfectlook.recommender.scope import FilterHints
from perfectlook.stores import open_store
from perfectlook.stores.filters import parse_filter
from perfectlook.types import Product
from priced import PricedSet
from toy_model import SHOES, ToyModel

MODEL = ToyModel()


class Coloured(PricedSet):
    """The priced set: its shoes have a colour, and its bags have a sale price but no price."""

    def products(self) -> Iterator[Product]:
        for product in super().products():
            fields = dict(product.fields)
            if product.category == SHOES:
                fields["color"] = "red"
            else:
                fields["sale_price"] = fields.pop("price")
            yield replace(product, fields=fields)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawn_set(tmp_path_factory.mktemp("drawn") / "set", scenes=2, products_per_category=9)


@pytest.fixture(scope="module", params=["memory", "embedded"])
def catalogue(
    request: pytest.FixtureRequest, source: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Catalogue]:
    folder = tmp_path_factory.mktemp("shop") / "catalogue"
    store = MemoryStore() if request.param == "memory" else open_store(folder, create=True)
    with Catalogue(store) as opened:
        opened.sync(Coloured(source), MODEL, workers=1)
        yield opened


@pytest.fixture
def photo(source: Path) -> Path:
    return sorted((source / "scenes").iterdir())[0]


@pytest.mark.parametrize(
    ("where", "said"),
    [
        (None, []),
        ("color = blue and brand = absent and price < 1 and sale_price < 1", []),
        ("id = absent or category = Nothing or category under Nothing", []),
        ("colour = red", ["'colour'. Did you mean color?"]),
        (
            "not (Brands in (Acme) or has prise)",
            ["'brands'. Did you mean brand?", "'prise'. Did you mean price"],
        ),
        ("categry = Shoes", ["'categry'. Did you mean category?"]),
        (
            "size = 42",
            ["'size'. Choose one of: category, id, title, availability, brand, color, price, sale_price."],
        ),
    ],
)
def test_fields_that_no_product_has_are_named(
    catalogue: Catalogue, where: str | None, said: list[str]
) -> None:
    notes = FilterHints(catalogue, MODEL).on(where)  # type: ignore[arg-type]
    assert len(notes) == len(said)
    for note, what in zip(notes, said, strict=True):
        assert note.startswith(f"no product of the catalogue has the field {what}")


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("price <= 200 EUR and sale_price > 1 eur and price in (2, 1 EUR)", []),
        ("price <= 200 USD", ["price' in USD. Write the amount in EUR."]),
        ("not price in (5, 10 CHF) or prise < 5 USD", ["prise'. Did you mean price", "price' in CHF. Write"]),
        ("sale_price > 1 USD", ["sale_price' in USD. Write the amount in EUR."]),
        ("brand <= 1 USD", ["brand' in USD. Leave out the currency."]),
    ],
)
def test_currencies_that_no_product_has_are_named(catalogue: Catalogue, where: str, said: list[str]) -> None:
    notes = FilterHints(catalogue, MODEL).on(where)  # type: ignore[arg-type]
    assert len(notes) == len(said)
    for note, what in zip(notes, said, strict=True):
        assert note.startswith(f"no product of the catalogue has the field '{what}")


def test_a_hint_names_every_currency_of_the_catalogue(source: Path) -> None:
    class Abroad(PricedSet):
        def products(self) -> Iterator[Product]:
            for number, product in enumerate(super().products()):
                yield replace(product, fields={"price": ("5.00 GBP", "1.00 EUR", "7.00 JPY")[number % 3]})

    catalogue = Catalogue(MemoryStore())
    catalogue.sync(Abroad(source), MODEL)  # type: ignore[arg-type]
    (note,) = FilterHints(catalogue, MODEL).on("price < 9 USD")  # type: ignore[arg-type]
    assert note.endswith("has the field 'price' in USD. Write the amount in EUR or GBP or JPY.")


def test_a_budget_in_a_currency_that_no_product_has_gives_a_note(catalogue: Catalogue, photo: Path) -> None:
    recommender = Recommender(catalogue, MODEL)  # type: ignore[arg-type]
    note = "no product of the catalogue has the field 'price' in USD. Write the amount in EUR."
    look = recommender.look(photo, budget="50 USD")
    assert (look.slots, look.notes) == ([], [note])
    assert recommender.look(photo, where="price < 5 USD", budget="50 USD").notes == [note]
    assert recommender.look(photo, where="color = red", budget="500 EUR").notes == []


def test_an_empty_catalogue_gives_no_hints(source: Path) -> None:
    catalogue = Catalogue(MemoryStore())
    catalogue.sync(source, MODEL)
    catalogue.store.delete([id_ for id_, *_ in catalogue.store.excerpts() if id_])
    assert FilterHints(catalogue, MODEL).on("colour = red") == ()  # type: ignore[arg-type]


def test_a_found_field_is_remembered(catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    notes = FilterHints(catalogue, MODEL)  # type: ignore[arg-type]
    assert notes.on("color = green") == ()
    monkeypatch.setattr(catalogue, "search", None)
    assert notes.on(parse_filter("color = blue")) == ()


def test_only_short_answers_have_notes(catalogue: Catalogue, photo: Path) -> None:
    recommender = Recommender(catalogue, MODEL)  # type: ignore[arg-type]
    note = "no product of the catalogue has the field 'colour'. Did you mean color?"
    short, whole = "colour = red", "colour != red"
    shoe = next(id_ for id_, category in catalogue.store.excerpts() if category == SHOES)
    assert shoe is not None
    assert recommender.complete(photo, where=short).notes == [note]
    assert recommender.complete(photo, k=1, where=whole).notes == []
    assert recommender.complete(photo, k=99).notes == []
    assert recommender.similar(shoe, where=short).to_dict()["notes"] == [note]
    assert "notes" not in recommender.similar(shoe, k=1, where=whole).to_dict()
    look = recommender.look(photo, where=short)
    assert (look.slots, look.to_dict()["notes"]) == ([], [note])
    assert recommender.look(photo, where=whole, alternatives=1).notes == []
