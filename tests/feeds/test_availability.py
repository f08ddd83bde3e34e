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
        ("in_stock", [">10", "10+", "12 Stück", "3 left", "skladem", "В наличии", "在庫あり"]),
        ("in_stock", ["Finns i lager", "em estoque", "lagernd", "dostępny"]),
        (
            "out_of_stock",
            ["0 Stück", "není skladem", "нет в наличии", "在庫なし", "esgotado", "fuera de stock"],
        ),
        ("preorder", ["preorder", "Pre-Order", "schema.org/PreOrder"]),
        ("backorder", ["backorder", "on backorder", "https://schema.org/BackOrder"]),
    ],
)
def test_words_addresses_and_quantities_are_understood(word: str, texts: list[str]) -> None:
    assert {text: canonical_availability(text) for text in texts} == dict.fromkeys(texts, word)


@pytest.mark.parametrize("text", ["soon", "in 3 days", "NaN", "", "2026-01-01"])
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
