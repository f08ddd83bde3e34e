"""Every call of the client returns what the server answers."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from drawn import FASHION
from perfectlook import Client
from perfectlook.answers import FeedbackEvent
from perfectlook.client import ServerUsageError
from perfectlook.errors import PictureError, UsageError
from serving import Running, Store

SHOES = FASHION[0]


def bare(answer: Any) -> Any:
    """Return an answer without the parts that differ between calls."""
    document = answer if isinstance(answer, dict) else answer.model_dump()
    return {name: value for name, value in document.items() if name not in ("request_id", "timings")}


def test_the_answer_to_a_photo_is_complete(client: Client, shop: Running, store: Store):
    photo = store.photos[0]
    options = {"k": "3", "attention": "true", "look": "true"}
    said = bare(shop.photo(photo, **options).json())

    answer = client.complete(photo, k=3, attention=True, look=True)

    assert bare(answer) == said
    assert len(answer.request_id) == 24
    assert set(answer.timings) == {"decode", "features", "embed", "search", "total"}
    assert answer.look is not None
    assert answer.categories[0].attention is not None


def test_every_kind_of_photo_gives_the_same_answer(client: Client, shop: Running, store: Store):
    photo = store.photos[0]
    with photo.open("rb") as stream:
        answers = [
            client.complete(each, k=2)
            for each in (
                photo,
                str(photo),
                photo.read_bytes(),
                stream,
                f"{shop.url}/v1/samples/living-room/picture",
            )
        ]
    answers.append(client.complete(sample="living-room", k=2))
    at_url = f"{shop.url.removeprefix('http://')}/v1/samples/living-room/picture"
    names = [photo.name, photo.name, "photo", photo.name, at_url, "living-room"]
    assert [each.photo for each in answers] == names
    assert [bare(each) | {"photo": ""} for each in answers] == [bare(answers[0]) | {"photo": ""}] * 6


def test_a_pillow_picture_is_sent_without_loss(client: Client, store: Store, tmp_path: Path):
    with Image.open(store.photos[0]) as opened:
        opened.save(tmp_path / "photo.bmp")
        sent, saved = client.complete(opened, k=2), client.complete(tmp_path / "photo.bmp", k=2)
    assert (sent.photo, saved.photo) == (store.photos[0].name, "photo.bmp")
    assert bare(sent) | {"photo": ""} == bare(saved) | {"photo": ""}


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ({"categories": ["Shoes"]}, {"category": "Shoes"}),
        ({"categories": ["Shoes", "Handbags"], "k": 1}, {"category": ["Shoes", "Handbags"], "k": "1"}),
        ({"limit_categories": 1}, {"limit_categories": "1"}),
        ({"limit_categories": 0}, {"limit_categories": "0"}),
        ({"where": "price <= 30 EUR"}, {"where": "price <= 30 EUR"}),
        ({"include_unavailable": True, "k": 9}, {"include_unavailable": "true", "k": "9"}),
        ({"box": (0.25, 0.25, 0.75, 0.75)}, {"box": "0.25,0.25,0.75,0.75"}),
        ({"spread": 0.9, "k": 3}, {"spread": "0.9", "k": "3"}),
        ({"look": True, "weight": 3.5, "budget": 90}, {"look": "true", "weight": "3.5", "budget": "90"}),
    ],
)
def test_every_option_is_sent(
    asked: dict[str, Any], sent: dict[str, Any], client: Client, shop: Running, store: Store
):
    said = shop.photo(store.photos[1], **sent).json()
    answer = client.complete(store.photos[1], **asked)
    assert [each.category for each in answer.categories] == [each["category"] for each in said["categories"]]
    assert [product.model_dump() for each in answer.categories for product in each.products] == [
        product for each in said["categories"] for product in each["products"]
    ]
    if "look" in asked:
        assert answer.look is not None
        assert answer.look.weight == 3.5
        assert answer.look.budget == "90 EUR"
        assert [slot.product.id for slot in answer.look.slots] == [
            each["product"]["id"] for each in said["look"]["slots"]
        ]


def test_a_locked_product_keeps_its_slot(client: Client, store: Store):
    last = client.complete(store.photos[0], ["Shoes"], k=9).categories[0].products[-1]
    answer = client.complete(store.photos[0], look=True, locked={SHOES: last.id})
    assert answer.look is not None
    (slot,) = (each for each in answer.look.slots if each.category == SHOES)
    assert (slot.locked, slot.product.id) == (True, last.id)


def test_other_looks_are_read(client: Client, store: Store):
    look = client.complete(store.photos[0], look=True, alternatives=1).look
    assert look is not None
    (other,) = look.alternatives
    assert [slot.quantity for slot in other.slots] == [1] * len(look.slots)
    shared = {slot.product.id for slot in look} & {slot.product.id for slot in other}
    assert 2 * len(shared) <= len(look.slots)


def test_similar_products_of_a_product_and_of_a_photo(client: Client, shop: Running, store: Store):
    said = shop.client.post("/v1/similar", json={"id": store.product, "k": 4}).json()
    assert bare(client.similar(id=store.product, k=4)) == bare(said)
    picture = client.picture(store.product)
    first = client.similar(picture, ["Shoes", "Handbags"], k=1, include_unavailable=True).products[0]
    assert first.id == store.product


def test_the_catalogue(client: Client, shop: Running, store: Store):
    assert client.categories() == dict.fromkeys(sorted(FASHION), 9)
    page = client.products(SHOES, limit=5)
    assert [each.category for each in page.products] == [SHOES] * 5
    rest = client.products(SHOES, after=page.next)
    assert (len(rest.products), rest.next) == (4, None)
    product = client.product(store.product)
    assert product.model_dump() == shop.client.get(f"/v1/products/{store.product}").json()
    assert client.picture(store.product) == (store.source / "products" / f"{store.product}.jpg").read_bytes()
    assert len(client.picture(store.product, 64)) < len(client.picture(store.product))
    (sample,) = client.samples()
    assert (sample.name, sample.title) == ("living-room", "Living room")


def test_health_readiness_and_metrics(client: Client):
    client.health()
    ready = client.ready()
    assert (ready.model, ready.products) == ("model", 18)
    assert "perfectlook_request_seconds" in client.metrics()


def test_a_product_is_put_found_changed_and_deleted(own_client: Client, own_shop: Running, store: Store):
    with Image.new("RGB", (96, 96), "teal") as picture:
        put = own_client.put_product("mine/1", SHOES, title="Mine", fields={"Brand": "Own"}, picture=picture)
    assert (put.id, put.category, put.title, put.brand) == ("mine/1", SHOES, "Mine", "Own")
    alike = own_client.similar(own_client.picture("mine/1"), ["Shoes"], k=1).products
    assert [each.id for each in alike] == ["mine/1"]

    renamed = own_client.put_product("mine/1", SHOES, title="Renamed")
    assert (renamed.title, own_client.picture("mine/1")[:4]) == ("Renamed", b"\x89PNG")
    address = f"{own_shop.url}/v1/products/{store.product}/picture"
    own_client.put_product("mine/1", SHOES, picture=address)
    assert own_client.picture("mine/1") == own_client.picture(store.product)

    own_client.delete_product("mine/1")
    with pytest.raises(ServerUsageError) as gone:
        own_client.delete_product("mine/1")
    assert (gone.value.status, gone.value.code) == (404, "no_such_product")


def test_feedback_counts(own_client: Client, store: Store):
    answer = own_client.complete(store.photos[0], ["Shoes"], k=2)
    first, second = answer.categories[0].products
    events = [
        FeedbackEvent(product=each.id, category=SHOES, rank=each.rank, event=event)
        for each, event in ((first, "shown"), (second, "shown"), (first, "clicked"))
    ]
    for _ in range(2):
        assert own_client.feedback(answer, events) == 3
    (counted,) = own_client.stats().by_category
    assert (counted.category, counted.shown, counted.clicked, counted.click_through) == (SHOES, 2, 1, 0.5)
    assert [(each.rank, each.click_through) for each in own_client.stats().by_rank] == [(1, 1.0), (2, 0.0)]


def test_a_key_can_come_from_the_environment(own_shop: Running, monkeypatch: pytest.MonkeyPatch):
    with Client(own_shop.url) as client, pytest.raises(ServerUsageError) as refused:
        client.delete_product("nobody")
    assert (refused.value.status, refused.value.code) == (401, "no_key")
    assert "PERFECTLOOK_API_KEY" in str(refused.value)
    key = own_shop.keyed.headers["authorization"].removeprefix("Bearer ")
    monkeypatch.setenv("PERFECTLOOK_API_KEY", key)
    with Client(own_shop.url) as client, pytest.raises(ServerUsageError) as unknown:
        client.delete_product("nobody")
    assert unknown.value.code == "no_such_product"
    assert key not in repr(client)


def test_a_photo_that_cannot_be_read_is_not_sent(client: Client, tmp_path: Path):
    with pytest.raises(PictureError, match=r"nowhere\.jpg: no such file"):
        client.complete(tmp_path / "nowhere.jpg")


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://shop.example", "http://", "", "http://a:b:c"])
def test_an_invalid_address_is_refused(url: str):
    with pytest.raises(UsageError, match="invalid address"):
        Client(url)


@pytest.mark.parametrize("key", ["two\nlines", "schl\N{LATIN SMALL LETTER U WITH DIAERESIS}ssel"])
def test_an_invalid_key_is_refused_without_printing_it(key: str):
    with pytest.raises(UsageError, match="API key") as raised:
        Client("http://127.0.0.1:8000", key)
    assert key not in str(raised.value)
