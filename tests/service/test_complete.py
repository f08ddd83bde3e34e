"""`/v1/complete`: every way to send a photo, and answers equal to the recommender's."""

import io
import json
from itertools import combinations
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from drawn import FASHION
from perfectlook.catalogue import Catalogue
from perfectlook.model.runtime import Model
from perfectlook.recommender import Recommender
from pictures import drawn
from priced import PricedSet
from serving import Running, Store, running
from web import serve, web


def test_the_answer_equals_the_recommenders(shop: Running, store: Store):
    answer = shop.photo(store.photos[0], k="3")
    assert answer.status_code == 200
    found = answer.json()
    with Recommender.open(store.catalogue, store.model) as recommender:
        own = recommender.complete(store.photos[0], k=3, limit=8)
    assert [each["category"] for each in found["categories"]] == [each.category for each in own.categories]
    for section, expected in zip(found["categories"], own.categories, strict=True):
        assert [each["id"] for each in section["products"]] == [each.id for each in expected.products]
        assert [each["distance"] for each in section["products"]] == pytest.approx(
            [each.distance for each in expected.products], abs=1e-5
        )
    with Image.open(store.photos[0]) as photo:
        assert (found["photo_size"]["width"], found["photo_size"]["height"]) == photo.size
    assert found["model"] == "model"
    assert found["request_id"] == answer.headers["x-request-id"]
    assert set(found["timings"]) == {"decode", "features", "embed", "search", "total"}


def test_every_product_has_the_fields_that_a_page_needs(shop: Running, store: Store):
    product = shop.photo(store.photos[0]).json()["categories"][0]["products"][0]
    assert {"rank", "id", "title", "price", "sale_price", "brand", "availability", "link", "rules"} <= set(
        product
    )
    assert product["picture"] == f"/v1/products/{product['id']}/picture"
    assert shop.client.get(product["picture"]).headers["content-type"] == "image/jpeg"
    why = product["why"]
    assert why == {"whole": 0, "regions": 0} or why["whole"] + why["regions"] == pytest.approx(1)


def test_every_way_to_send_a_photo_gives_the_same_answer(shop: Running):
    content = (shop.client.get("/v1/samples/living-room/picture")).content
    form = shop.client.post("/v1/complete", files={"photo": content}, data={"k": "2"})
    raw = shop.client.post(
        "/v1/complete", params={"k": 2}, content=content, headers={"Content-Type": "image/jpeg"}
    )
    sample = shop.client.post("/v1/complete", json={"sample": "living-room", "k": 2})
    assert form.json()["categories"] == raw.json()["categories"] == sample.json()["categories"]
    assert len(form.json()["categories"][0]["products"]) == 2


@pytest.mark.parametrize("path", ["/v1/complete", "/v1/similar"])
def test_the_answer_repeats_the_name_of_the_photo(store: Store, tmp_path: Path, path: str, samples: Path):
    content = store.photos[0].read_bytes()
    with running(store, tmp_path, samples=str(samples), allow_private=True) as own, web() as host:

        def called(**body: Any) -> str:
            answer = own.client.post(path, **body)
            assert answer.status_code == 200, answer.text
            return str(answer.json()["photo"])

        host.answers["/a/room.jpg?key=1"] = serve(content)
        address = f"127.0.0.1:{host.server_address[1]}/a/room.jpg"
        assert called(json={"url": f"http://{address}?key=1"}) == address
        assert called(json={"sample": "living-room"}) == "living-room"
        for sent in ("room é.jpg", "/home/me/room é.jpg", r"C:\me\room é.jpg"):
            assert called(files={"photo": (sent, content)}) == "room é.jpg"
        assert called(content=content, headers={"Content-Type": "image/jpeg"}) == "photo"


def test_categories_filters_and_attention(shop: Running, store: Store):
    one = shop.photo(store.photos[1], category="Shoes", attention="true").json()
    assert [each["category"] for each in one["categories"]] == [FASHION[0]]
    assert sum(one["categories"][0]["attention"]["weights"]) == pytest.approx(1, abs=1e-4)
    both = shop.photo(store.photos[1], category=["Shoes", "Handbags"], where="price <= 5 EUR").json()
    assert [each["products"] for each in both["categories"]] == [[], []]
    assert (one["notes"], both["notes"]) == (
        [],
        ["no product of the catalogue has the field 'price'. Choose one of: category, id, title."],
    )
    assert "attention" not in both["categories"][0]
    assert len(shop.photo(store.photos[1], limit_categories="1").json()["categories"]) == 1


@pytest.mark.parametrize("look", ["true", "false"])
def test_a_category_that_ran_empty_does_not_refuse_the_others(shop: Running, store: Store, look: str):
    answer = shop.photo(store.photos[1], category=["Shoes", "Lamps"], look=look)
    assert answer.status_code == 200, answer.text
    assert [each["category"] for each in answer.json()["categories"]] == [FASHION[0]]
    assert answer.json()["notes"] == ["no category of the catalogue matches 'Lamps'. It is left out."]
    similar = {"id": store.product, "category": ["Lamps", "Shoes"]}
    assert shop.client.post("/v1/similar", json=similar).json()["notes"] == answer.json()["notes"]
    refused = shop.photo(store.photos[1], category=["Lamps", "Rugs"], look=look)
    assert refused.status_code == 400
    assert "no category of the catalogue matches 'Lamps'" in refused.text


def test_rules_move_products_and_unused_rules_are_listed(store: Store, tmp_path: Path):
    rules = tmp_path / "rules.toml"
    rules.write_text(
        f'[[rule]]\naction = "pin"\nid = "{store.product}"\n[[rule]]\naction = "pin"\nid = "absent"\n',
        "utf-8",
    )
    with running(store, tmp_path, rules=str(rules)) as shop:
        found = shop.photo(store.photos[1]).json()

    first = [each["products"][0] for each in found["categories"]]
    [pinned] = [each for each in first if each["id"] == store.product]
    assert [rule["action"] for rule in pinned["rules"]] == ["pin"]
    assert found["unused_rules"] == [
        {"rule": 2, "action": "pin", "reason": "product 'absent': not in the catalogue. Check the id."}
    ]


def test_a_box_gives_the_answer_of_the_cropped_photo(shop: Running):
    photo = drawn(160, 120)
    parts = []
    for picture in (photo, photo.crop((40, 30, 120, 90))):
        buffer = io.BytesIO()
        picture.save(buffer, "PNG")
        parts.append(buffer.getvalue())
    whole, part = parts
    boxed = shop.client.post(
        "/v1/complete", files={"photo": whole}, data={"box": "0.25,0.25,0.75,0.75"}
    ).json()
    alone = shop.client.post("/v1/complete", files={"photo": part}).json()
    assert boxed["categories"] == alone["categories"]
    assert boxed["photo_size"] == {"width": 160, "height": 120}


def test_a_whole_look_with_a_locked_slot(shop: Running, store: Store):
    found = shop.photo(store.photos[2], look="true").json()["look"]
    assert [each["category"] for each in found["slots"]]
    other = found["slots"][0]["alternatives"][0]["id"]
    category = found["slots"][0]["category"]
    locked = shop.photo(store.photos[2], look="true", locked=f"{category}={other}").json()["look"]
    slot = next(each for each in locked["slots"] if each["category"] == category)
    assert slot["locked"]
    assert slot["product"]["id"] == other
    assert slot["product"]["picture"].startswith("/v1/products/")


def test_other_looks_have_the_shape_of_a_look(shop: Running, store: Store):
    look = shop.photo(store.photos[2], look="true", alternatives="2").json()["look"]
    shoes = [{slot["product"]["id"] for slot in each["slots"]} for each in (look, *look["alternatives"])]
    assert len(shoes) == 3
    for one, other in combinations(shoes, 2):
        assert 2 * len(one & other) <= len(one)
    for each in look["alternatives"]:
        assert each.keys() == look.keys() - {"alternatives"}
        for slot in each["slots"]:
            assert slot["quantity"] == 1
            assert slot["product"]["picture"] == f"/v1/products/{slot['product']['id']}/picture"
            assert slot["product"].keys() == look["slots"][0]["product"].keys()
    assert "alternatives" not in shop.photo(store.photos[2], look="true").json()["look"]


def test_the_servers_slots_have_quantities_and_its_error_the_cheapest_look(own_store: Store, tmp_path: Path):
    slots = tmp_path / "slots.toml"
    slots.write_text('[[quantity]]\ncategory = "Shoes"\ncount = 3\n', encoding="utf-8")
    with Catalogue.open(own_store.catalogue) as catalogue:
        catalogue.sync(PricedSet(own_store.source), Model.open(own_store.model), workers=1)
    with running(own_store, tmp_path, slots=str(slots)) as shop:
        look = shop.photo(own_store.photos[0], look="true", budget="60 EUR").json()["look"]
        refused = shop.photo(own_store.photos[0], look="true", budget="35 EUR")
    counts = {slot["category"]: slot["quantity"] for slot in look["slots"]}
    assert counts == {FASHION[0]: 3, FASHION[1]: 1}
    prices = [slot["quantity"] * float(slot["product"]["price"].split()[0]) for slot in look["slots"]]
    assert look["price"] == f"{sum(prices):.2f} EUR"
    assert refused.status_code == 400
    error = refused.json()["error"]
    assert error["code"] == "bad_request"
    assert error["message"].endswith("Drop Shoes or raise the budget to 43.60 EUR.")
    details = error["details"]
    assert details.keys() == {"problem", "budget", "cheapest", "dearest", "drop_suffices"}
    assert (details["problem"], details["budget"]) == ("over_budget", "35 EUR")
    assert (details["dearest"], details["drop_suffices"]) == (FASHION[0], True)
    assert details["cheapest"]["price"] == "43.60 EUR"
    assert {each["category"]: (each["quantity"], each["price"]) for each in details["cheapest"]["slots"]} == {
        FASHION[0]: (3, "32.70 EUR"),
        FASHION[1]: (1, "10.90 EUR"),
    }


@pytest.mark.parametrize(
    ("options", "status", "where"),
    [
        ({"k": "0"}, 422, "k: must be at least 1."),
        ({"k": "101"}, 422, "k: must be at most 100."),
        ({"k": "abc"}, 422, "k: must be a whole number."),
        ({"weight": "x"}, 422, "weight: must be a number."),
        ({"alternatives": "6"}, 422, "alternatives: must be at most 5."),
        ({"look": "x"}, 422, "look: must be true or false."),
        ({"colour": "red"}, 422, "colour"),
        ({"box": "0,0,2,1"}, 422, "box"),
        ({"box": "0.5,0,0.5,1"}, 422, "box"),
        ({"box": "0.5,0.5,0.5001,0.5001"}, 422, "box"),
        ({"locked": "no id"}, 422, "locked"),
        ({"where": "price <"}, 400, "where: column"),
        ({"category": "Spaceships"}, 400, "Spaceships"),
        ({"look": "true", "budget": "lots"}, 400, "budget"),
        ({"sample": "living-room"}, 400, "exclude each other"),
    ],
)
def test_wrong_use_is_refused_and_named(
    shop: Running, store: Store, options: dict[str, str], status: int, where: str
):
    answer = shop.photo(store.photos[0], **options)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert where in error["message"]
    assert error["request_id"] == answer.headers["x-request-id"]
    assert str(store.catalogue) not in answer.text


def test_the_name_of_a_file_in_place_of_the_file_is_explained(shop: Running):
    answer = shop.client.post("/v1/complete", files={"photo": (None, "room.jpg")})
    assert answer.status_code == 422
    assert answer.json()["error"]["message"] == (
        "photo: is text, not a file. Send the file; with curl, write -F photo=@FILE."
    )


def test_a_body_without_a_photo_is_refused(shop: Running):
    def asked(content: bytes, type_: str = "image/jpeg") -> httpx.Response:
        return shop.client.post("/v1/complete", content=content, headers={"Content-Type": type_})

    assert asked(b"hello").status_code == 415
    assert asked(b"hello").json()["error"]["code"] == "not_a_picture"
    assert asked(b"").status_code == 400
    assert asked(b"hello", "text/plain").status_code == 415
    assert asked(b"{", "application/json").status_code == 400
    assert asked(b"[]", "application/json").status_code == 400
    assert asked(b"{}", "application/json").json()["error"]["code"] == "no_photo"
    assert asked(b"x", "multipart/form-data").status_code == 400
    buffer = io.BytesIO()
    drawn().save(buffer, "JPEG")
    assert asked(buffer.getvalue()[:400]).json()["error"]["code"] == "bad_picture"


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded(shop: Running):
    buffer = io.BytesIO()
    Image.new("1", (9_000, 9_000)).save(buffer, "PNG")
    answer = shop.client.post("/v1/complete", files={"photo": buffer.getvalue()})
    assert answer.status_code == 413


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/a.jpg",
        "http://[::1]/",
        "http://169.254.169.254/latest",
        "file:///etc/passwd",
        "ftp://a/b.jpg",
    ],
)
def test_private_urls_are_refused(shop: Running, url: str):
    answer = shop.client.post("/v1/complete", json={"url": url})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "bad_url"
    assert "127.0.0.1" not in answer.json()["error"]["message"]


def test_a_photo_at_a_url(own_store: Store, tmp_path: Path, shop: Running):
    with running(own_store, tmp_path, allow_private=True) as own:
        place = f"{shop.url}/v1/samples/living-room/picture"
        found = own.client.post("/v1/complete", json={"url": place, "k": 1})
        assert found.status_code == 200, found.text
        gone = own.client.post("/v1/complete", json={"url": f"{shop.url}/nothing.jpg"})
        assert gone.json()["error"]["code"] == "bad_url"


def test_samples_are_listed_and_their_names_are_not_used_as_paths(shop: Running):
    (sample,) = shop.client.get("/v1/samples").json()
    assert sample == {
        "name": "living-room",
        "picture": "/v1/samples/living-room/picture",
        "title": "Living room",
    }
    for name in ("../keys", "..%2Fkeys", "/etc/passwd", "living-room.jpg"):
        assert shop.client.post("/v1/complete", json={"sample": name}).status_code == 404
        assert shop.client.get(f"/v1/samples/{name}/picture").status_code == 404


def test_the_answer_is_json_of_plain_numbers(shop: Running, store: Store):
    text = shop.photo(store.photos[3], look="true", attention="true").text
    assert "NaN" not in text
    assert "Infinity" not in text
    assert str(store.source) not in text
    json.loads(text)


def test_a_product_of_the_catalogue_is_completed(shop: Running, store: Store):
    found = shop.client.post("/v1/complete", json={"product": store.product, "k": 3, "look": True}).json()
    assert found["product"]["id"] == store.product
    assert "photo" not in found
    shown = [each["id"] for section in found["categories"] for each in section["products"]]
    assert shown
    assert store.product not in shown
    assert found["product"]["category"] not in [section["category"] for section in found["categories"]]
    assert len(found["look"]["slots"]) == len(found["categories"])
    assert found["categories"][0]["products"][0]["picture"].startswith("/v1/products/")


def test_an_unknown_product_and_a_second_question_are_refused(shop: Running, store: Store):
    answer = shop.client.post("/v1/complete", json={"product": "nobody"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "no_such_product")
    both = {"product": store.product, "url": "https://shop.example/room.jpg"}
    assert shop.client.post("/v1/complete", json=both).status_code == 400
