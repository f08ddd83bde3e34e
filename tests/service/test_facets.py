"""`/v1/facets`: the values of fields, counted over the whole catalogue and kept for a while."""

import base64
import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from drawn import FASHION
from perfectlook.catalogue import Catalogue
from perfectlook.model.runtime import Model
from perfectlook.types import Product
from pictures import drawn
from priced import PricedSet
from serving import Running, Store, running


class Spelled(PricedSet):
    """A priced set in which one product spells its brand in another way, and one has a colour."""

    def products(self) -> Iterator[Product]:
        for number, each in enumerate(super().products()):
            each.fields.update({6: {"brand": "ACME"}, 1: {"color": "Oak"}}.get(number, {}))
            yield each


@pytest.fixture
def own(store: Store, tmp_path: Path) -> Iterator[Running]:
    catalogue = tmp_path / "catalogue"
    with Catalogue.open(catalogue, create=True) as opened:
        opened.sync(Spelled(store.source), Model.open(store.model), workers=1)
    with running(store._replace(catalogue=catalogue), tmp_path) as found:
        yield found


def facets(shop: Running) -> dict[str, dict[str, int]]:
    found = shop.client.get("/v1/facets").json()["facets"]
    return {each["field"]: {one["value"]: one["products"] for one in each["values"]} for each in found}


def test_it_counts_all_products_and_ignores_case(own: Running):
    found = facets(own)

    assert list(found) == ["availability", "brand", "color"]  # no product has a material
    assert found["brand"] == {
        "Acme": 6,
        "Muji": 6,
        "Odd & Sons": 6,
    }
    assert found["availability"] == {"in_stock": 16, "out_of_stock": 2}
    assert found["color"] == {"Oak": 1}


def test_it_counts_again_after_the_number_of_products_has_changed(
    own: Running, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("perfectlook.service.facets.SHARE", 0.0)
    facets(own)
    product = {"category": FASHION[0], "fields": {"brand": "New"}}
    picture = io.BytesIO()
    drawn(96, 96).save(picture, "PNG")
    coded = base64.b64encode(picture.getvalue()).decode()
    put = own.keyed.put("/v1/products/new", json={**product, "picture_base64": coded})
    assert put.status_code == 200, put.text

    assert facets(own)["brand"]["New"] == 1


def test_it_counts_once(own: Running, monkeypatch: pytest.MonkeyPatch):
    facets(own)
    monkeypatch.setattr(Catalogue, "facets", None)

    assert facets(own)["brand"]["Muji"] == 6


def test_a_field_has_at_most_50_values(own: Running):
    catalogue = own.service.recommender.catalogue
    assert catalogue.facets("brand", most=2) == {"brand": {"Acme": 6, "Muji": 6}}
    assert len(catalogue.facets("price")["price"]) == 9
