"""`/v1/similar`: similar products of a product and of a photo."""

from serving import Running, Store


def test_similar_products_of_a_product(shop: Running, store: Store):
    found = shop.client.post("/v1/similar", json={"id": store.product, "k": 4}).json()
    assert len(found["products"]) == 4
    assert [each["rank"] for each in found["products"]] == [1, 2, 3, 4]
    distances = [each["distance"] for each in found["products"]]
    assert distances == sorted(distances)
    assert store.product not in [each["id"] for each in found["products"]]
    assert set(found["timings"]) == {"search", "total"}
    (section,) = found["categories"]
    assert section["proven_exact"]
    assert [{"category": section["category"], **each} for each in section["products"]] == found["products"]


def test_a_field_that_no_product_has_is_named(shop: Running, store: Store):
    found = shop.client.post("/v1/similar", json={"id": store.product, "where": "colour = red"}).json()
    assert found["products"] == []
    assert found["notes"] == [
        "no product of the catalogue has the field 'colour'. Choose one of: category, id, title."
    ]
    assert shop.client.post("/v1/similar", json={"id": store.product, "k": 4}).json()["notes"] == []


def test_the_picture_of_a_product_finds_the_product(shop: Running, store: Store):
    picture = shop.client.get(f"/v1/products/{store.product}/picture").content
    found = shop.client.post("/v1/similar", files={"photo": picture}).json()
    assert found["products"][0]["id"] == store.product
    shown = [each["distance"] for section in found["categories"] for each in section["products"]]
    assert [each["distance"] for each in found["products"]] == sorted(shown)[:10]


def test_unknown_products_and_missing_photos_are_refused(shop: Running):
    assert shop.client.post("/v1/similar", json={"id": "nobody"}).status_code == 404
    assert shop.client.post("/v1/similar", json={"id": "/etc/passwd"}).status_code == 404
    assert shop.client.post("/v1/similar", json={}).json()["error"]["code"] == "no_photo"
