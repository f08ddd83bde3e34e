"""Availability in the words of many shops."""

import json
from pathlib import Path

import pytest

from perfectlook.errors import FeedError, UsageError
from perfectlook.feeds import Feed, PictureCache
from perfectlook.feeds.availability import canonical_availability


@pytest.mark.parametrize(
    ("word", "texts"),
    [
        (
            "in_stock",
            ["in stock", "In Stock", "https://schema.org/InStock", "12", "3 in stock", "In stock (3)"],
        ),
        ("in_stock", ["true", "1", "0.5", "auf Lager", "En stock", "disponible"]),
        (
            "out_of_stock",
            ["out of stock", "Out Of Stock", "sold out", "http://schema.org/OutOfStock", "SoldOut"],
        ),
        (
            "out_of_stock",
            ["0", "0.0000", "-2", "0 in stock", "In stock: 0", "no", "épuisé", "nicht verfügbar"],
        ),
        ("in_stock", [">0", "> 0 in stock", "more than 0", "mehr als 0 Stück", "plus de 0 en stock", "WAHR"]),
        ("out_of_stock", ["≥0", "<1", "0+", "FALSCH"]),
        ("in_stock", [">10", "10+", "12 Stück", "3 left", "skladem", "В наличии", "在庫あり"]),
        ("in_stock", ["Finns i lager", "em estoque", "lagernd", "dostępny"]),
        (
            "out_of_stock",
            ["0 Stück", "není skladem", "нет в наличии", "在庫なし", "esgotado", "fuera de stock"],
        ),
        (
            "in_stock",
            ["In stock, 3 left", "Only 3 left in stock", "schema:InStock", "1 000", "<5", "Stock: 3"],
        ),
        (
            "in_stock",
            ["Lieferbar in 3 Tagen", "Auf Lager, Lieferzeit 1-3 Werktage", "Nur noch 3 Stück auf Lager"],
        ),
        ("in_stock", ["Plus que 3 en stock", "Quedan 3 en stock", "Solo 3 disponibili", "Nog 3 op voorraad"]),
        (
            "out_of_stock",
            ["not in stock", "0 left in stock", "no longer available", "In stock, 0 left", "<1"],
        ),
        ("out_of_stock", ["derzeit nicht lieferbar", "nicht mehr lieferbar", "NotInStock", "not_in_stock"]),
        (
            "out_of_stock",
            ["n'est plus disponible", "plus en stock", "ya no disponible", "niet meer leverbaar"],
        ),
        (
            "out_of_stock",
            ["non più disponibile", "Nicht auf Lager, Lieferzeit 3 Wochen", "noch nicht lieferbar"],
        ),
        ("preorder", ["preorder", "Pre-Order", "schema.org/PreOrder"]),
        ("backorder", ["Lieferbar in 3 Wochen", "backorder (0)"]),
        ("backorder", ["backorder", "on backorder", "https://schema.org/BackOrder"]),
    ],
)
def test_words_addresses_and_quantities_are_understood(word: str, texts: list[str]) -> None:
    assert {text: canonical_availability(text) for text in texts} == dict.fromkeys(texts, word)


@pytest.mark.parametrize(
    "text",
    [
        *("soon", "in 3 days", "NaN", "", "2026-01-01", "lieferbar ab 1.5.2026", "in stock in 3 days"),
        *("not out of stock", "In stock, not available online", "back in stock soon", "Lieferzeit 3 Tage"),
        *("3 of 5 available", "available in 3 sizes", "1 2"),
    ],
)
def test_other_texts_are_not_guessed(text: str) -> None:
    with pytest.raises(ValueError, match="unknown availability"):
        canonical_availability(text)


def feed_of(folder: Path, availabilities: list[str], **options: object) -> Feed:
    rows = [
        {"id": str(n), "category": "Sofas", "image_link": "1.jpg", "availability": text}
        for n, text in enumerate(availabilities)
    ]
    (folder / "feed.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return Feed(folder / "feed.jsonl", PictureCache(folder / "cache"), **options)  # type: ignore[arg-type]


def found(feed: Feed) -> list[str]:
    return [product.fields["availability"] for product in feed.products()]


def test_products_with_few_unknown_availabilities_are_not_recommended(tmp_path: Path) -> None:
    feed = feed_of(tmp_path, ["12"] * 19 + ["soon"])
    assert found(feed) == ["in_stock"] * 19 + ["unknown"]
    assert feed.cleaning.summary() == "'soon' (1)"
    assert [str(each.kind) for each in feed.problems] == ["unknown availability"]


def test_many_unknown_availabilities_stop_a_feed(tmp_path: Path) -> None:
    with pytest.raises(FeedError, match=r"3 of 20 .*: 'soon' \(2\), 'Lager 2' \(1\)\. .*'soon=in_stock'"):
        found(feed_of(tmp_path, ["12"] * 17 + ["soon", "Lager 2", "soon"]))


def test_a_shop_says_what_its_words_mean(tmp_path: Path) -> None:
    words = {"Lager 2": "in_stock", "soon": "preorder"}
    assert found(feed_of(tmp_path, ["lager 2", "soon", "0"], availability=words)) == [
        *("in_stock", "preorder", "out_of_stock")
    ]
    assert found(feed_of(tmp_path, ["soon"], unknown_availability="in_stock")) == ["in_stock"]
    with pytest.raises(UsageError, match="--availability soon=maybe: unknown availability"):
        feed_of(tmp_path, [], availability={"soon": "maybe"})
