"""`/v1/products`: list, read, put and delete products; writing requires a key."""

import base64
import io
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from dirty import CLEAN, DIRTY
from drawn import FASHION
from perfectlook.service.decoding import Decoded, Decoder
from pictures import drawn, encoded
from serving import Running, Store, running


def png(width: int = 96) -> bytes:
    buffer = io.BytesIO()
    drawn(width, 96).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def written(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server whose products tests may change: each asserts only on what it has put or changed itself."""
    folder = tmp_path_factory.mktemp("written")
    own = store._replace(catalogue=Path(shutil.copytree(store.catalogue, folder / "catalogue")))
    with running(own, folder) as found:
        yield found


def test_the_pages_list_every_product_once(shop: Running):
    seen, after = [], None
    while True:
        page = shop.client.get(
            "/v1/products", params={"limit": 5, **({"after": after} if after else {})}
        ).json()
        seen += [each["id"] for each in page["products"]]
        after = page["next"]
        if after is None:
            break
    counts = shop.client.get("/v1/categories").json()["categories"]
    assert counts == [{"category": name, "products": 9} for name in sorted(FASHION)]
    assert len(seen) == len(set(seen)) == 18
    assert seen == sorted(seen)
    for named in (FASHION[0], FASHION[0].split("|")[-1].lower()):
        some = shop.client.get("/v1/products", params={"category": named}).json()["products"]
        assert {each["category"] for each in some} == {FASHION[0]}
    everything = shop.client.get("/v1/products", params={"category": FASHION[0].split("|")[0]}).json()
    assert len(everything["products"]) == 18


def test_a_picture_in_full_size_and_as_a_thumbnail(shop: Running, store: Store):
    place = f"/v1/products/{store.product}/picture"
    whole = shop.client.get(place)
    assert whole.content == (store.source / "products" / f"{store.product}.jpg").read_bytes()
    small = shop.client.get(place, params={"size": 60})
    assert Image.open(io.BytesIO(small.content)).size == (64, 64)
    again = shop.client.get(place, params={"size": 60}, headers={"If-None-Match": small.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert small.headers["etag"] != whole.headers["etag"]
    assert shop.client.get(place, params={"size": 100_000}).status_code == 422
    assert shop.client.get("/v1/products/nobody/picture").status_code == 404


@pytest.mark.parametrize("id_", ["../../keys", "..%2F..%2Fkeys", "%00", "a/../b", "' OR 1=1 --", "🪑"])
def test_ids_are_never_used_as_paths(shop: Running, id_: str):
    assert shop.client.get(f"/v1/products/{id_}").status_code == 404


def test_writing_requires_a_key(shop: Running):
    for method, place in (("PUT", "/v1/products/x"), ("DELETE", "/v1/products/x")):
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic x"}):
            answer = shop.client.request(method, place, headers=headers)
            assert answer.status_code == 401, (method, place)
            assert answer.headers["www-authenticate"] == "Bearer"


def test_a_put_product_is_found_and_a_deleted_one_is_not(own_shop: Running):
    product = {"category": FASHION[0], "title": "Mine", "fields": {"price": "12.00 EUR", "Brand": "Own"}}
    coded = base64.b64encode(png()).decode()
    put = own_shop.keyed.put("/v1/products/mine%2F1", json={**product, "picture_base64": coded})
    assert put.status_code == 200, put.text
    assert (put.json()["title"], put.json()["price"], put.json()["brand"]) == ("Mine", "12.00 EUR", "Own")
    assert own_shop.client.get(put.json()["picture"]).content == png()
    like = own_shop.client.post("/v1/similar", files={"photo": png()}, data={"category": "Shoes"}).json()
    assert like["products"][0]["id"] == "mine/1"
    assert own_shop.client.get("/v1/categories").json()["categories"][0]["products"] == 10

    changed = own_shop.keyed.put("/v1/products/mine%2F1", json={**product, "title": "Renamed"})
    assert changed.json()["title"] == "Renamed"
    assert own_shop.client.get(put.json()["picture"]).content == png()

    assert own_shop.keyed.delete("/v1/products/mine%2F1").json() == {"deleted": "mine/1"}
    assert own_shop.keyed.delete("/v1/products/mine%2F1").status_code == 404
    assert own_shop.client.get(put.json()["picture"]).status_code == 404


def test_the_picture_of_a_put_product_goes_with_it_alone(own_shop: Running, own_store: Store):
    def stored() -> int:
        return len(list((own_store.catalogue / "pictures" / "put").iterdir()))

    def put(id_: str, picture: bytes) -> str:
        body = {"category": FASHION[0], "picture_base64": base64.b64encode(picture).decode()}
        return own_shop.keyed.put(f"/v1/products/{id_}", json=body).json()["picture"]

    first, second = put("a", png()), put("b", png())
    own_shop.keyed.delete("/v1/products/a")
    assert own_shop.client.get(first).status_code == 404
    assert own_shop.client.get(second).content == png()
    assert stored() == 1

    other = encoded(drawn(), "PNG")
    put("b", other)
    assert own_shop.client.get(second).content == other
    assert stored() == 1

    catalogue, model = own_shop.service.recommender.catalogue, own_shop.service.recommender.model
    catalogue.sync(own_store.source, model, workers=1)  # the set does not have it
    assert own_shop.client.get("/v1/products/b").status_code == 404
    assert stored() == 0


def test_a_worker_decodes_a_picture_as_the_sync_does_before_it(
    written: Running, monkeypatch: pytest.MonkeyPatch
):
    decode, sizes = Decoder.decode, []

    def noted(decoder: Decoder, content: bytes, *, fit: int) -> Decoded:
        sizes.append(fit)
        return decode(decoder, content, fit=fit)

    monkeypatch.setattr(Decoder, "decode", noted)
    body = {"category": FASHION[0], "picture_base64": base64.b64encode(png()).decode()}
    assert written.keyed.put("/v1/products/a", json=body).status_code == 200
    assert sizes == [written.service.recommender.backbone.description.input_size]


@pytest.mark.parametrize("text", ["out of stock", "Sold Out", "https://schema.org/OutOfStock", "0"])
def test_fields_are_cleaned_as_in_a_feed(written: Running, text: str):
    fields = {"availability": text, "price": "1.299,00 €", "sale_price": "0"}
    product = {"category": FASHION[0], "picture_base64": base64.b64encode(png()).decode()}
    refused = written.keyed.put("/v1/products/sold", json={**product, "fields": fields})
    assert (refused.status_code, "fields.sale_price: '" in refused.text) == (422, True)
    del fields["sale_price"]
    put = written.keyed.put("/v1/products/sold", json={**product, "fields": fields}).json()
    assert (put["availability"], put["price"]) == ("out_of_stock", "1299.00 EUR")
    asked = {"category": "Shoes", "k": 20}
    found = written.client.post("/v1/complete", files={"photo": png()}, data=asked).json()
    assert "sold" not in [each["id"] for each in found["categories"][0]["products"]]
    asked |= {"where": "price > 1000 EUR", "include_unavailable": "true"}
    found = written.client.post("/v1/complete", files={"photo": png()}, data=asked).json()
    assert [each["id"] for each in found["categories"][0]["products"]] == ["sold"]


def test_an_invalid_product_is_refused(written: Running):
    put = written.keyed.put
    assert put("/v1/products/x", json={"category": FASHION[0]}).status_code == 422  # no picture
    assert put("/v1/products/x", json={"category": "|", "picture_base64": "AAAA"}).status_code == 422
    assert put("/v1/products/x", json={"category": "A", "picture_base64": "*"}).status_code == 422
    assert put("/v1/products/x", json={"category": "A", "picture_base64": "AAAA"}).status_code == 415
    private = {"category": "A", "picture_url": "http://127.0.0.1/a.jpg"}
    assert put("/v1/products/x", json=private).json()["error"]["code"] == "bad_url"
    assert put("/v1/products/x", content=b"x").status_code == 415
    assert written.client.get("/v1/products/x").status_code == 404


def test_a_form_with_the_picture(written: Running):
    answer = written.keyed.put(
        "/v1/products/new", data={"product": '{"category": "Furniture|Chairs"}'}, files={"picture": png(64)}
    )
    assert answer.json()["category"] == "Furniture|Chairs"
    found = written.client.post("/v1/complete", files={"photo": png()}, data={"category": "Chairs"}).json()
    assert [each["id"] for each in found["categories"][0]["products"]] == ["new"]


@pytest.mark.parametrize("id_", ["a%00b", "b6a5%2Fpicture", "x" * 201, "%E2%80%AEabc", "%20"])
def test_ids_that_a_feed_may_not_have_are_refused(written: Running, id_: str):
    body = {"category": FASHION[0], "picture_base64": base64.b64encode(png()).decode()}
    answer = written.keyed.put(f"/v1/products/{id_}", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid")


def test_control_characters_are_removed_as_in_a_feed(written: Running):
    texts = {"title": DIRTY, "category": f"A|{DIRTY}", "fields": {"brand": DIRTY, f"a{DIRTY}": DIRTY}}
    body = {**texts, "picture_base64": base64.b64encode(png()).decode()}
    put = written.keyed.put("/v1/products/dirty", json=body).json()
    assert (put["title"], put["category"], put["brand"]) == (CLEAN, f"A|{CLEAN}", CLEAN)
    assert put["fields"] == {f"a{CLEAN}".lower(): CLEAN}
    asked = {"price": "2\x1b0 EUR\u202e", "availability": "sold\0 out"}
    patched = written.keyed.patch("/v1/products/dirty", json=asked).json()
    assert (patched["price"], patched["availability"]) == ("20.00 EUR", "out_of_stock")


@pytest.mark.parametrize("name", ["link", "image_link", "mobile_link"])
def test_links_that_could_run_a_script_are_refused(written: Running, name: str):
    body = {"category": "A", "picture_base64": base64.b64encode(png()).decode()}
    for link in ("javascript:alert(1)", "java\tscript:alert(1)", " \x01javascript:alert(1)"):
        answer = written.keyed.put("/v1/products/x", json={**body, "fields": {name: link}})
        assert (answer.status_code, f"fields.{name}: '" in answer.text) == (422, True)


def test_a_product_with_a_nul_in_its_id_can_be_deleted(written: Running):
    catalogue = written.service.recommender.catalogue
    (point,) = catalogue.get(
        [written.client.get("/v1/products").json()["products"][0]["id"]], model_of(written)
    ).values()
    catalogue.store.upsert([replace(point, id="a\0b")])  # an earlier version stored such ids
    assert written.client.get("/v1/products/a%00b").status_code == 200
    assert written.keyed.delete("/v1/products/a%00b").status_code == 200
    assert written.client.get("/v1/products/a%00b").status_code == 404


@pytest.mark.parametrize("kind", ["pipe", "device", "text"])
def test_a_picture_is_a_regular_file_with_a_picture(written: Running, tmp_path: Path, kind: str):
    catalogue = written.service.recommender.catalogue
    id_ = written.client.get("/v1/products").json()["products"][1]["id"]
    (point,) = catalogue.get([id_], model_of(written)).values()
    place = tmp_path / "picture.jpg"
    if kind == "pipe":
        os.mkfifo(place)
    elif kind == "device":
        place = Path("/dev/zero")
    else:
        place.write_text("secret")
    catalogue.store.set_payloads({id_: {**point.payload, "picture": str(place), "picture_sha256": kind * 16}})
    for size in ("", "?size=64"):
        assert written.client.get(f"/v1/products/{id_}/picture{size}").status_code == 404


def model_of(shop: Running):
    return shop.service.recommender.model


def test_a_patched_product_changes_without_its_picture(written: Running, store: Store):
    place = f"/v1/products/{store.product}"
    picture = written.client.get(f"{place}/picture").content
    answer = written.keyed.patch(place, json={"price": "20 EUR", "sale_price": "15 EUR"})
    assert answer.status_code == 200, answer.text
    assert (answer.json()["price"], answer.json()["sale_price"]) == ("20.00 EUR", "15.00 EUR")
    assert written.client.get(f"{place}/picture").content == picture
    written.keyed.patch(place, json={"sale_price": None, "availability": "sold out"})
    after = written.client.get(place).json()
    assert (after["price"], after["availability"]) == ("20.00 EUR", "out_of_stock")
    assert after["sale_price"] is None
    like = written.client.post("/v1/similar", json={"id": store.product}).json()
    assert store.product not in [each["id"] for each in like["products"]]


def test_a_patch_that_cannot_be_made_is_refused(written: Running, store: Store):
    place = f"/v1/products/{store.product}"
    assert written.client.patch(place, json={"price": "1 EUR"}).status_code == 401
    assert written.keyed.patch("/v1/products/nobody", json={"price": "1 EUR"}).status_code == 404
    for wrong, message in (
        (
            {"price": "1.234 EUR"},
            "price: '1.234 EUR' is ambiguous (1.234 or 1234). Write it with two decimals.",
        ),
        ({"availability": "maybe"}, "availability: unknown availability 'maybe'. Choose one of: in_stock, "),
        ({"title": "Mine"}, "body.title: unknown option. Leave it out."),
        ({"price": ["7"]}, "body.price: must be a valid string."),
        ([], "body: must be an object."),
    ):
        answer = written.keyed.patch(place, json=wrong)
        assert (answer.status_code, answer.json()["error"]["message"][: len(message)]) == (422, message)
        assert not re.search("left out|Until then|--", answer.text)


def test_numbers_and_booleans_are_read_as_in_a_feed_of_json(written: Running, store: Store):
    place, body = f"/v1/products/{store.product}", {"category": FASHION[0]}
    fields = {"price": 49.9, "currency": "EUR", "quantity": 0}
    put = written.keyed.put(place, json={**body, "fields": fields}).json()
    assert (put["price"], put["availability"]) == ("49.90 EUR", "out_of_stock")
    for asked, price, availability in (
        ({"price": 7, "availability": 12}, "7.00 EUR", "in_stock"),
        ({"price": 1299.5, "availability": False}, "1299.50 EUR", "out_of_stock"),
        ({"availability": True}, "1299.50 EUR", "in_stock"),
        ({"availability": 0}, "1299.50 EUR", "out_of_stock"),
    ):
        patched = written.keyed.patch(place, json=asked).json()
        assert (patched["price"], patched["availability"]) == (price, availability)
    refused = written.keyed.put(place, json={**body, "fields": {"price": 49}})
    message = "fields.price: '49' has no currency. Write it as '49.90 EUR'."
    assert (refused.status_code, refused.json()["error"]["message"]) == (422, message)


def test_many_products_are_patched_and_each_is_answered(written: Running, store: Store):
    asked = [{"id": store.product, "price": "3 EUR"}, {"id": "nobody", "price": "3 EUR"}]
    answer = written.keyed.patch("/v1/products", json={"products": asked}).json()
    assert answer == {
        "changed": 1,
        "products": [
            {"id": store.product},
            {"id": "nobody", "error": "product 'nobody': not in the catalogue. Check the id."},
        ],
    }
    assert written.client.get(f"/v1/products/{store.product}").json()["price"] == "3.00 EUR"
    many = [{"id": str(number), "price": "3 EUR"} for number in range(1_001)]
    assert written.keyed.patch("/v1/products", json={"products": many}).status_code == 422
    large = {"products": [{"id": "x", "price": "1" * 9_000}] * 130}
    assert written.keyed.patch("/v1/products", json=large).status_code == 413


def test_every_spelling_of_an_id_names_the_same_product(written: Running):
    composed, decomposed = "/v1/products/caf%c3%a9", "/v1/products/cafe%cc%81"
    body = {"category": FASHION[0], "picture_base64": base64.b64encode(png()).decode()}
    assert written.keyed.put(decomposed, json=body).json()["id"] == "caf\u00e9"
    for path in (composed, decomposed, f"{decomposed}/picture"):
        assert written.client.get(path).status_code == 200
    assert written.keyed.delete(decomposed).status_code == 200
    assert written.client.get(composed).status_code == 404


@pytest.mark.parametrize(
    "price", ["Sale Price", " sale_price ", "g:sale_price", "salePrice", "special price"]
)
def test_fields_have_the_names_that_they_have_in_a_feed(written: Running, price: str):
    body = {"category": FASHION[0], "picture_base64": base64.b64encode(png()).decode()}
    fields = {" Price": "10.00 EUR", price: "12 EUR", "quantity": "0", "Colour Temp": "warm"}
    refused = written.keyed.put("/v1/products/named", json={**body, "fields": fields})
    assert (refused.status_code, "fields.sale_price: '" in refused.text) == (422, True)
    fields[price] = "8 EUR"
    put = written.keyed.put("/v1/products/named", json={**body, "fields": fields}).json()
    assert (put["price"], put["sale_price"], put["availability"]) == ("10.00 EUR", "8.00 EUR", "out_of_stock")
    assert put["fields"] == {"quantity": "0", "colour_temp": "warm"}
