"""Columns in the spellings and languages of shops."""

import json
from pathlib import Path

import pytest

from perfectlook.feeds import Feed, PictureCache
from perfectlook.feeds.columns import column_name, field_names


@pytest.mark.parametrize(
    ("name", "normal"),
    [
        ("g:ID", "id"),
        (" Image Link ", "image_link"),
        ("g:image_link", "image_link"),
        ("imageLink", "image_link"),
        ("sale-price", "sale_price"),
        ("Bildlink", "image_link"),
        ("lien image", "image_link"),
        ("Verfügbarkeit", "availability"),
        ("disponibilité", "availability"),
        ("Prix soldé", "sale_price"),
        ("Regulärer Preis", "regular_price"),
        ("Google Produktkategorie", "google_product_category"),
        ("Bezeichnung", "name"),
        ("Libellé", "name"),
        ("Größe", "größe"),
        ("in_stock", "in_stock"),
    ],
)
def test_names_of_columns_have_a_normal_form(name: str, normal: str) -> None:
    assert column_name(name) == normal
    assert column_name(normal) == normal


EXPORTS = {  # their other columns are fields
    "prestashop.csv": """\
Product ID;Image;Name;Reference;Category;Price (tax excl.);Price (tax incl.);Quantity
1;1.jpg;Sofa;S-1;Sofas;100;119;3
""",
    "shopware.csv": """\
id;product_number;active;stock;name;price_net;price_gross;cover_media_url;manufacturer_name;category
1;S-1;1;3;Sofa;100;119;1.jpg;Fjell;Sofas
""",
}


@pytest.mark.parametrize("name", EXPORTS)
def test_exports_of_other_shops_have_pictures_and_prices_with_tax(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(EXPORTS[name], encoding="utf-8")
    feed = Feed(tmp_path / name, PictureCache(tmp_path / "cache"), currency="EUR")
    (product,) = feed.products()
    assert (product.id, product.title, product.category) == ("1", "Sofa", "Sofas")
    assert (product.picture.name, product.fields["price"]) == ("1.jpg", "119.00 EUR")
    assert product.fields["availability"] == "in_stock"


CASES = {
    "de.tsv": """\
ID\tTitel\tBildlink\tVerfügbarkeit\tPreis\tSonderangebotspreis\tGoogle Produktkategorie\tMarke
1\tSofa\t1.jpg\tnicht auf Lager\t1.299,00 EUR\t999,00 EUR\t460 - Möbel > Sofas\tFjell
""",
    "fr.csv": """\
identifiant;titre;lien image;disponibilité;prix;prix soldé;catégorie de produits Google;marque
1;Sofa;1.jpg;rupture de stock;1 299,00 €;999,00 €;460;Fjell
""",
    "sheet.csv": """\
SKU,Product Name,Image URL,Category,Price,Special Price,Stock,Brand
1,Sofa,1.jpg,Furniture » Sofas,"1,299.00 EUR",999 EUR,0,Fjell
""",
    "content.jsonl": json.dumps(
        {
            "id": "1",
            "title": "Sofa",
            "imageLink": "1.jpg",
            "availability": "out of stock",
            "price": {"value": "1299.00", "currency": "EUR"},
            "salePrice": {"value": "999", "currency": "EUR"},
            "googleProductCategory": "460",
            "brand": "Fjell",
        }
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_each_spelling_gives_the_same_product(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(CASES[name], encoding="utf-8")
    feed = Feed(tmp_path / name, PictureCache(tmp_path / "cache"))
    (product,) = feed.products()
    assert feed.problems == []
    assert (product.id, product.title, product.category) == ("1", "Sofa", "Furniture|Sofas")
    assert product.picture == tmp_path / "1.jpg"
    assert {**product.fields, "stock": "0"} == {
        "price": "1299.00 EUR",
        "sale_price": "999.00 EUR",
        "availability": "out_of_stock",
        "brand": "Fjell",
        "stock": "0",
    }


def test_a_field_goes_before_its_other_names(tmp_path: Path) -> None:
    rows = "id,sku,image_link,category,availability,stock\n1,A,1.jpg,Sofas,in stock,0\n2,B,1.jpg,Sofas,,0\n"
    (tmp_path / "feed.csv").write_text(rows, encoding="utf-8")
    first, second = Feed(tmp_path / "feed.csv", PictureCache(tmp_path / "cache")).products()
    assert (first.id, first.fields) == ("1", {"sku": "A", "availability": "in_stock", "stock": "0"})
    assert second.fields["availability"] == "out_of_stock"


def test_a_quantity_that_is_not_understood_is_counted(tmp_path: Path) -> None:
    rows = [f"{n},1.jpg,Sofas,{'many' if n == 7 else n}" for n in range(40)]
    (tmp_path / "feed.csv").write_text("\n".join(["sku,image_link,category,stock", *rows]), encoding="utf-8")
    feed = Feed(tmp_path / "feed.csv", PictureCache(tmp_path / "cache"))
    found = {each.id: each.fields["availability"] for each in feed.products()}
    assert [found[str(n)] for n in (0, 1, 7)] == ["out_of_stock", "in_stock", "unknown"]
    assert feed.cleaning.summary() == "'many' (1)"


SALE = {"price": "99 EUR", "sale_price": "49 EUR"}


@pytest.mark.parametrize(
    "dates",
    [
        {"sale_price_start_date": "2099-01-01", "sale_price_end_date": "2099-02-01"},
        {"salePriceStartDate": "2099-01-01", "salePriceEndDate": "2099-02-01 00:00:00"},
        {"special_price_from_date": "2099-01-01", "special_price_to_date": "2099-02-01"},
        {"date_on_sale_from": "2099-01-01T00:00:00", "date_on_sale_to": "2099-02-01T00:00:00"},
        {"Sale start": "2099-01-01", "Sale end": "2099-02-01"},
        {"Angebot gültig ab": "2099-01-01", "Angebot gültig bis": "2099-02-01"},
        {"période de validité du prix soldé": "2099-01-01/2099-02-01"},
        {"campaign": "2099-01-01 / 2099-02-01"},
    ],
)
def test_a_sale_has_its_dates_from_any_columns(dates: dict[str, str], tmp_path: Path) -> None:
    row = {"id": "1", "category": "Sofas", "image_link": "1.jpg", **SALE, **dates}
    (tmp_path / "feed.jsonl").write_text(json.dumps(row), encoding="utf-8")
    (product,) = Feed(tmp_path / "feed.jsonl", PictureCache(tmp_path / "cache")).products()
    assert product.fields["sale_price_effective_date"] == "2099-01-01T00:00:00Z/2099-02-02T00:00:00Z"
    assert field_names({**SALE, **dates})["sale_price_effective_date"].startswith("2099-01-01")  # PUT, sets


def test_a_sale_whose_dates_are_no_dates_does_not_count(tmp_path: Path) -> None:
    row = {"id": "1", "category": "Sofas", "image_link": "1.jpg", **SALE, "sale_start": "soon"}
    (tmp_path / "feed.jsonl").write_text(json.dumps(row), encoding="utf-8")
    feed = Feed(tmp_path / "feed.jsonl", PictureCache(tmp_path / "cache"))
    assert "sale_price" not in next(feed.products()).fields
    assert ["'soon' is not a date" in each.reason for each in feed.problems] == [True]


@pytest.mark.parametrize(
    "name",
    [
        *("Recommended sale price", "wholesale_start", "vendor", "sale_price", "offer_valid"),
        *("offer_updated_date", "promo_fine_print", "special_edition_release_dates", "special_order_to"),
    ],
)
def test_other_columns_are_no_dates_of_a_sale(name: str) -> None:
    assert column_name(name) == name.lower().replace(" ", "_")


@pytest.mark.parametrize(
    "stock",
    [
        *({"stock_quantity": "0"}, {"inventory": "0"}, {"available": "false"}, {"Inventory quantity": "0"}),
        *({"availability": {"status": "sold out"}}, {"stock": {"quantity": 0}}),
    ],
)
def test_stock_under_other_names_is_understood(stock: dict[str, object], tmp_path: Path) -> None:
    row = {"id": "1", "category": "Sofas", "image_link": "1.jpg", **stock}
    (tmp_path / "feed.jsonl").write_text(json.dumps(row), encoding="utf-8")
    (product,) = Feed(tmp_path / "feed.jsonl", PictureCache(tmp_path / "cache")).products()
    assert product.fields["availability"] == "out_of_stock"


def test_repeated_columns_of_pictures_are_all_read(tmp_path: Path) -> None:
    header = (
        "id,category,image_link,additional_image_link,additional_image_link,image_3,additional_image_link_9"
    )
    (tmp_path / "feed.csv").write_text(f"{header}\n1,Sofas,1.jpg,2.jpg,3.jpg,4.jpg,5.jpg", encoding="utf-8")
    (product,) = Feed(tmp_path / "feed.csv", PictureCache(tmp_path / "cache")).products()
    assert product.fields == {"additional_image_link": "2.jpg, 3.jpg, 4.jpg, 5.jpg"}


def test_a_numbered_column_can_be_the_picture(tmp_path: Path) -> None:
    (tmp_path / "feed.csv").write_text("id,category,image_1,image_2\n1,Sofas,1.jpg,2.jpg", encoding="utf-8")
    feed = Feed(tmp_path / "feed.csv", PictureCache(tmp_path / "cache"), fields={"image_link": "image_2"})
    (product,) = feed.products()
    assert (product.picture.name, product.fields["additional_image_link"]) == ("2.jpg", "1.jpg")


def test_fields_of_further_pictures_can_be_named_and_need_no_space_between_files(tmp_path: Path) -> None:
    row = '1,Sofas,"a,b.jpg","rooms/1.jpg,rooms/2.PNG;3.webp"'
    (tmp_path / "feed.csv").write_text(f"id,category,image_link,Extra photos\n{row}", encoding="utf-8")
    (tmp_path / "a,b.jpg").write_bytes(b"")
    fields = {"additional_image_link": "Extra photos"}
    feed = Feed(tmp_path / "feed.csv", PictureCache(tmp_path / "cache"), fields=fields)
    (product,) = feed.products()
    assert product.picture.name == "a,b.jpg"
    assert [path.name for path in feed.linked(product, "additional_image_link")] == [
        "1.jpg",
        "2.PNG",
        "3.webp",
    ]


@pytest.mark.parametrize("name", ["delivery_window", "availability_date"])
def test_a_span_of_days_in_another_column_is_not_the_time_of_a_sale(name: str) -> None:
    assert "sale_price_effective_date" not in field_names({**SALE, name: "2020-12-10/2020-12-12"})


def test_the_main_picture_is_not_joined_with_numbered_ones(tmp_path: Path) -> None:
    (tmp_path / "feed.csv").write_text("id,category,image,image_2\n1,Sofas,a.jpg,-", encoding="utf-8")
    (product,) = Feed(tmp_path / "feed.csv", PictureCache(tmp_path / "cache")).products()
    assert product.picture.name == "a.jpg"


@pytest.mark.parametrize(
    ("field", "value", "read"),
    [
        ("price", {"discount": 20}, None),
        ("price", {"shipping": {"value": 4.9, "currency": "EUR"}}, None),
        ("price", {"value": 9.9, "currency": None}, "9.90 EUR"),
        ("price", {"amount": None, "currency": "EUR"}, None),
        ("price", [{"amount": "49", "currency": "EUR"}, {"amount": "52", "currency": "USD"}], "49.00 EUR"),
        ("brand", [{"name": "A"}, {"name": "B"}], "A"),
        ("brand", {"id": "7"}, None),
    ],
)
def test_an_object_gives_the_value_that_it_names(
    field: str, value: object, read: str | None, tmp_path: Path
) -> None:
    row = {"id": "1", "category": "Sofas", "image_link": "1.jpg", field: value}
    (tmp_path / "feed.jsonl").write_text(json.dumps(row), encoding="utf-8")
    feed = Feed(tmp_path / "feed.jsonl", PictureCache(tmp_path / "cache"), currency="EUR")
    (product,) = feed.products()
    assert product.fields.get(field) == read


def test_an_element_in_a_field_is_its_value_only_if_its_name_says_so(tmp_path: Path) -> None:
    inner = "<price><net>84</net></price><brand><name>Ox</name></brand>"
    item = f"<item><id>1</id><category>Sofas</category><image_link>1.jpg</image_link>{inner}</item>"
    (tmp_path / "feed.xml").write_text(f"<rss><channel>{item}</channel></rss>", encoding="utf-8")
    feed = Feed(tmp_path / "feed.xml", PictureCache(tmp_path / "cache"), currency="EUR")
    (product,) = feed.products()
    assert (product.fields.get("price"), product.fields["brand"]) == (None, "Ox")
