"""The exports of Shopify and WooCommerce, and Google's taxonomy."""

from pathlib import Path

import pytest

from perfectlook.errors import FeedError
from perfectlook.feeds import Feed, PictureCache
from perfectlook.feeds.platforms import taxonomy
from perfectlook.types import Product

SHOPIFY = """\
Handle,Title,Body (HTML),Vendor,Product Category,Type,Published,Option1 Name,Option1 Value,\
Variant Inventory Qty,Variant Inventory Policy,Variant Price,Variant Compare At Price,\
Image Src,Image Position,Status
oslo,Oslo sofa,"<p>Soft,
deep</p>",Fjell,Furniture > Sofas,Sofas,true,Colour,Red,0,deny,1299.00,,https://cdn.example/2.jpg,2,active
oslo,,,,,,,,Blue,3,deny,1199.00,1499.00,https://cdn.example/1.jpg,1,
oslo,,,,,,,,,,,,,https://cdn.example/3.jpg,3,
draft,Draft,,,Furniture > Sofas,,true,Title,Default Title,1,deny,10.00,,https://cdn.example/4.jpg,1,draft
hidden,Hidden,,,Furniture > Sofas,,false,Title,Default Title,1,deny,10.00,,https://cdn.example/4.jpg,1,active
gone,Sold out,,,Uncategorized,Rugs > Round,true,Title,Default Title,0,deny,49.00,,https://cdn.example/5.jpg,1,active
"""
WOOCOMMERCE = """\
ID,Type,SKU,Name,Published,"In stock?","Regular price","Sale price","Date sale price starts",\
"Date sale price ends",Categories,Images,Parent,"Attribute 1 name","Attribute 1 value(s)"
11,simple,SOFA-1,Sofa,1,1,1299,,,,"Sale, Furniture > Sofas","http://a.example/s1.jpg, http://a.example/s2.jpg",,,
12,simple,,Sofa two,1,0,899,799,2026-01-01,2026-01-31,Furniture > Sofas,"s2.jpg, s3.jpg",,,
13,variable,RUG,Rug,1,,,,,,Decor > Rugs,r1.jpg,,Size,"S, L"
14,variation,RUG-S,Rug - S,1,0,99,,,,,,RUG,Size,S
15,variation,RUG-L,Rug - L,1,1,199,,,,,r2.jpg,id:13,Size,L
16,simple,DRAFT,Draft,-1,1,10,,,,Decor > Rugs,r3.jpg,,,
"""


def products(folder: Path, content: str, name: str = "export.csv", **options: object) -> list[Product]:
    (folder / name).write_text(content, encoding="utf-8")
    feed = Feed(folder / name, PictureCache(folder / "cache"), currency="EUR", **options)  # type: ignore[arg-type]
    found = list(feed.products())
    assert feed.problems == []
    assert feed.unavailable == frozenset()
    return found


@pytest.mark.parametrize("options", [{}, {"format": "auto"}, {"format": "shopify"}])
def test_the_rows_of_a_handle_are_one_product(tmp_path: Path, options: dict[str, str]) -> None:
    oslo, gone = products(tmp_path, SHOPIFY, **options)
    assert (oslo.id, oslo.title, oslo.category) == ("oslo", "Oslo sofa", "Furniture|Sofas")
    cache = PictureCache(tmp_path / "cache")
    assert str(oslo.picture) == cache.locate("https://cdn.example/1.jpg")
    assert oslo.fields == {
        "colour": "Red, Blue",
        "product_type": "Sofas",
        "price": "1499.00 EUR",
        "sale_price": "1199.00 EUR",
        "availability": "in_stock",
        "brand": "Fjell",
        "description": "<p>Soft,\ndeep</p>",
        "image_link": "https://cdn.example/1.jpg",
        "additional_image_link": "https://cdn.example/2.jpg, https://cdn.example/3.jpg",
    }
    assert (gone.id, gone.category, gone.fields["availability"]) == ("gone", "Rugs|Round", "out_of_stock")


def test_the_rows_of_a_handle_may_be_anywhere(tmp_path: Path) -> None:
    header, first, *others = SHOPIFY.replace("Soft,\ndeep", "Soft").splitlines(keepends=True)
    unsorted = "".join([header, *reversed(others), first])
    one, other = products(tmp_path, unsorted, "sorted.csv"), products(tmp_path, SHOPIFY)
    for each in (*one, *other):
        each.fields.pop("description", None)
    parts = [
        sorted((p.id, p.title, p.picture, *(p.fields[n] for n in ("price", "availability"))) for p in some)
        for some in (one, other)
    ]
    assert parts[0] == parts[1]


def test_variations_are_part_of_their_product(tmp_path: Path) -> None:
    sofa, second, rug = products(tmp_path, WOOCOMMERCE)
    assert (sofa.id, sofa.category) == ("SOFA-1", "Furniture|Sofas")
    assert sofa.fields["additional_image_link"] == "http://a.example/s2.jpg"
    assert (second.id, second.picture) == ("12", tmp_path / "s2.jpg")
    assert second.fields == {
        "price": "899.00 EUR",
        "sale_price": "799.00 EUR",
        "sale_price_effective_date": "2026-01-01T00:00:00Z/2026-02-01T00:00:00Z",
        "availability": "out_of_stock",
        "additional_image_link": "s3.jpg",
    }
    assert (rug.id, rug.title, rug.picture) == ("RUG", "Rug", tmp_path / "r1.jpg")
    assert rug.fields == {
        "size": "S, L",
        "price": "99.00 EUR",
        "availability": "in_stock",
        "additional_image_link": "r2.jpg",
    }


WOOCOMMERCE_IN_GERMAN = """\
ID,Typ,Artikelnummer,Name,Veröffentlicht,"Sichtbarkeit im Katalog","Vorrätig?",Angebotspreis,\
"Regulärer Preis",Kategorien,Bilder
11,simple,SOFA-1,Sofa,1,visible,0,,"1.299,00","Möbel > Sofas, Sale","s1.jpg, s2.jpg"
12,simple,SOFA-2,Sofa,1,hidden,1,,"99,00",Möbel > Sofas,s1.jpg
"""


def test_a_german_export_of_woocommerce_is_recognised_and_hidden_products_are_left_out(
    tmp_path: Path,
) -> None:
    (sofa,) = products(tmp_path, WOOCOMMERCE_IN_GERMAN)
    assert (sofa.id, sofa.category, sofa.picture.name) == ("SOFA-1", "Möbel|Sofas", "s1.jpg")
    assert sofa.fields == {
        "price": "1299.00 EUR",
        "availability": "out_of_stock",
        "additional_image_link": "s2.jpg",
    }


SHOPIFY_OF_2025 = """\
Title,URL handle,Vendor,Product category,Published on online store,Status,Option1 name,Option1 value,Price,\
Compare-at price,Inventory tracker,Inventory quantity,Continue selling when out of stock,Product image URL,\
Image position
Oslo sofa,oslo,Fjell,Furniture > Sofas,TRUE,active,Colour,Red,1299.00,,shopify,0,DENY,https://cdn.example/2.jpg,2
,oslo,,,,,,Blue,"1,199.00",1499.00,shopify,0,DENY,https://cdn.example/1.jpg,1
Rug,rug,,Rugs,TRUE,active,,,99,,,0,DENY,https://cdn.example/r.jpg,1
"""


def test_shopifys_newer_columns_are_read_and_untracked_stock_is_in_stock(tmp_path: Path) -> None:
    oslo, rug = products(tmp_path, SHOPIFY_OF_2025)
    assert (oslo.id, oslo.title, oslo.category) == ("oslo", "Oslo sofa", "Furniture|Sofas")
    assert oslo.fields == {
        "colour": "Red, Blue",
        "price": "1499.00 EUR",
        "sale_price": "1199.00 EUR",
        "availability": "out_of_stock",
        "brand": "Fjell",
        "image_link": "https://cdn.example/1.jpg",
        "additional_image_link": "https://cdn.example/2.jpg",
    }
    assert rug.fields["availability"] == "in_stock"


MAGENTO = """\
sku,store_view_code,attribute_set_code,product_type,categories,name,product_online,visibility,price,\
special_price,special_price_from_date,special_price_to_date,base_image,additional_images,is_in_stock,\
configurable_variations,additional_attributes
S-RED,,Default,simple,Default Category/Sofas,Red,1,Not Visible Individually,1299.0000,,,,/s/1.jpg,,0,,
S-BLUE,,Default,simple,Default Category/Furniture/Sofas,Blue,1,Not Visible Individually,1199.0000,999.0000,\
2026-01-01,2026-01-31,/s/2.jpg,,1,,
SOFA,,Default,configurable,"Default Category/Furniture,Default Category/Furniture/Sofas",Sofa,1,Catalog,\
,,,,/s/1.jpg,"/s/2.jpg,/s/3.jpg",1,\
"sku=S-RED,color=Red|sku=S-BLUE,color=Blue","material=Oak,style=Nordic"
SOFA,de,,,,Sofa auf Deutsch,,,,,,,,,,,
OFF,,Default,simple,Default Category/Rugs,Off,2,"Catalog, Search",10,,,,/r.jpg,,1,,
RUG,,Default,simple,"Default Category/Living, Dining/Rugs",Rug,1,"Catalog, Search",10,,,,/r.jpg,,0,,
"""


def test_magentos_variants_are_part_of_their_product(tmp_path: Path) -> None:
    sofa, rug = products(tmp_path, MAGENTO)
    assert (sofa.id, sofa.title, sofa.category) == ("SOFA", "Sofa", "Furniture|Sofas")
    assert sofa.picture == tmp_path / "s" / "1.jpg"
    assert sofa.fields == {
        "material": "Oak",
        "style": "Nordic",
        "price": "1199.00 EUR",
        "sale_price": "999.00 EUR",
        "sale_price_effective_date": "2026-01-01T00:00:00Z/2026-02-01T00:00:00Z",
        "availability": "in_stock",
        "additional_image_link": "s/2.jpg, s/3.jpg",
    }
    assert (rug.category, rug.fields["availability"]) == ("Living, Dining|Rugs", "out_of_stock")


@pytest.mark.parametrize(
    ("platform", "needed"), [("shopify", "Handle"), ("woocommerce", "Images"), ("magento", "sku")]
)
def test_a_file_that_is_no_export_of_the_platform_is_refused_once(
    platform: str, needed: str, tmp_path: Path
) -> None:
    content = "ID,Foto,Categories\n1,1.jpg,A\n2,2.jpg,B\n"
    with pytest.raises(
        FeedError,
        match=rf"export\.csv: no column '{needed}', which an export of {platform} has "
        rf"\(it has ID, Foto, Categories\)\. Name the columns with --field, without --format {platform}\.",
    ):
        products(tmp_path, content, format=platform)


@pytest.mark.parametrize(
    ("content", "columns"),
    [
        (
            SHOPIFY,
            {"id": "Handle", "category": "Product Category, Type", "availability": "Variant Inventory Qty"},
        ),
        (WOOCOMMERCE, {"id": "SKU, ID", "price": "Regular price", "availability": "In stock?"}),
        (
            WOOCOMMERCE_IN_GERMAN,
            {"id": "Artikelnummer, ID", "image_link": "Bilder", "price": "Regulärer Preis"},
        ),
        (MAGENTO, {"id": "sku", "image_link": "base_image, additional_images", "title": "name"}),
    ],
)
def test_fields_of_a_platform_have_the_columns_of_the_file(
    content: str, columns: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "export.csv").write_text(content, encoding="utf-8")
    feed = Feed(tmp_path / "export.csv", PictureCache(tmp_path / "cache"), currency="EUR")
    list(feed.products())
    found = feed.recognised()
    assert {name: found[name] for name in columns} == columns
    header = content.replace("\\\n", "").splitlines()[0].replace('"', "").split(",")
    assert {column for text in found.values() for column in text.split(", ")} <= set(header)


def test_columns_named_with_field_are_read_as_they_are(tmp_path: Path) -> None:
    named = {"id": "ID", "title": "Name", "image_link": "Images", "category": "Categories"}
    rows = WOOCOMMERCE.splitlines()
    found = products(tmp_path, "\n".join(rows[:1] + rows[2:3]), fields=named)
    assert [(each.id, each.picture) for each in found] == [("12", tmp_path / "s2.jpg")]


def test_numbers_of_googles_taxonomy_are_categories(tmp_path: Path) -> None:
    assert len(taxonomy()) == 5_595
    content = (
        "id,image_link,google_product_category,product_type\n1,1.jpg,460,Home > X\n2,2.jpg,9999999,A > B\n"
    )
    assert [each.category for each in products(tmp_path, content)] == ["Furniture|Sofas", "A|B"]
    (tmp_path / "own.txt").write_text("# version\n460 - Possu > Sohvat\n", encoding="utf-8")
    (first, _) = products(tmp_path, content, taxonomy=tmp_path / "own.txt")
    assert first.category == "Possu|Sohvat"
    with pytest.raises(FeedError, match=r"has no line of a number and a path\. Check --taxonomy\."):
        products(tmp_path, content, taxonomy=tmp_path / "export.csv")


def read(
    folder: Path, content: str, **options: object
) -> tuple[list[Product], list[str], frozenset[str] | None]:
    """Return the products of an export, the problems, and the ids of the products that stay as they were."""
    (folder / "export.csv").write_text(content, encoding="utf-8")
    feed = Feed(folder / "export.csv", PictureCache(folder / "cache"), **{"currency": "EUR", **options})  # type: ignore[arg-type]
    return list(feed.products()), [f"{each.item}: {each.reason}" for each in feed.problems], feed.unavailable


HEADER = WOOCOMMERCE.partition("\n")[0] + "\n"


def woocommerce(*variations: str) -> str:
    rows = [f"{20 + n},variation,V{n},V,1,1,{each},,,RUG,," for n, each in enumerate(variations)]
    return HEADER + "\n".join(["13,variable,RUG,Rug,1,,,,,,Rugs,r1.jpg,,,", *rows])


@pytest.mark.parametrize(
    ("variations", "fields"),
    [
        (["100,10,,2020-01-31", "50,,,"], {"price": "50.00 EUR"}),
        (
            ["100,80,,2099-01-31", "90,,,"],
            {
                "price": "90.00 EUR",
                "sale_price": "80.00 EUR",
                "sale_price_effective_date": "/2099-02-01T00:00:00Z",
            },
        ),
        ([",,,", "90,,,"], {"price": "90.00 EUR"}),
    ],
)
def test_the_sale_of_one_variation_does_not_hide_the_price_of_another(
    tmp_path: Path, variations: list[str], fields: dict[str, str]
) -> None:
    (rug,) = products(tmp_path, woocommerce(*variations))
    assert rug.fields == {**fields, "availability": "in_stock"}


def test_an_unreadable_variation_is_reported_and_the_others_count(tmp_path: Path) -> None:
    (rug,), problems, _ = read(tmp_path, woocommerce("100,0.00,,", "1o0,,,", "50,,,"))
    assert rug.fields["price"] == "50.00 EUR"
    assert "sale_price" not in rug.fields
    assert problems == [
        "RUG: variant 'V0': sale_price is left out: '0.00 EUR' is zero. Correct it, or leave it empty.",
        "RUG: variant 'V1': price is left out: '1o0' is not a price. Write it as '49.90 EUR'.",
    ]
    assert rug.digest == ""  # so the next sync reports it again


def test_dollars_are_compared_as_dollars(tmp_path: Path) -> None:
    (rug,), problems, _ = read(tmp_path, woocommerce("$90.00,,,", "$20.00,,,"), currency="USD")
    assert (rug.fields["price"], problems) == ("20.00 USD", [])
    row = "a,A,,,Sofas,,true,,,1,deny,12.990,15.990,https://cdn.example/1.jpg,1,active"
    shopify = "\n".join([SHOPIFY.partition("\n")[0], row])
    (chair,), problems, _ = read(tmp_path, shopify, currency="CLP")
    assert (chair.fields["price"], chair.fields["sale_price"], problems) == ("15990 CLP", "12990 CLP", [])


def test_a_variation_without_its_product_is_reported(tmp_path: Path) -> None:
    found, problems, unavailable = read(
        tmp_path,
        HEADER + "15,variation,RUG-L,Rug - L,1,1,199,,,,,r2.jpg,RUG,,\n16,simple,A,A,1,1,5,,,,Rugs,r.jpg,,,",
    )
    assert [each.id for each in found] == ["A"]
    assert problems == ["RUG: the file lacks the product 'RUG' of the variation 'RUG-L'. Export both."]
    assert unavailable == {"RUG"}  # a sync does not delete it


def test_of_two_variable_products_with_one_sku_the_first_counts(tmp_path: Path) -> None:
    second = "30,variable,RUG,Other,1,,,,,,Rugs,r9.jpg,,,\n31,simple,RUG,Third,1,1,5,,,,Rugs,r9.jpg,,,"
    (rug,), problems, _ = read(tmp_path, f"{woocommerce('50,,,')}\n{second}")
    assert (rug.title, rug.fields["price"]) == ("Rug", "50.00 EUR")
    assert len(problems) == 2
    assert all("RUG: the id occurs twice, and the first row is used." in each for each in problems)


def test_a_product_whose_variations_are_all_unpublished_is_out_of_stock(tmp_path: Path) -> None:
    (rug,) = products(tmp_path, woocommerce("50,,,").replace("V0,V,1,1", "V0,V,0,1"))
    assert (rug.fields["price"], rug.fields["availability"]) == ("50.00 EUR", "out_of_stock")


MAGENTO_HEADER = (
    "sku,store_view_code,attribute_set_code,product_type,categories,name,product_online,visibility,price,"
    "special_price,special_price_from_date,special_price_to_date,updated_at,base_image,is_in_stock,"
    "configurable_variations\n"
)


def magento(*children: str, sold: str = "1", named: int = 0) -> str:
    rows = [
        f"C{n},,D,simple,Sofas,C,1,Not Visible Individually,{each},,1,\n" for n, each in enumerate(children)
    ]
    variations = "|".join(f"sku=C{n},color=x" for n in range(named or len(children)))
    return (
        MAGENTO_HEADER
        + "".join(rows)
        + f'SOFA,,D,configurable,Sofas,S,1,Catalog,,,,,,a.jpg,{sold},"{variations}"\n'
    )


def test_american_dates_of_magento_are_read_where_the_file_shows_their_order(tmp_path: Path) -> None:
    (sofa,) = products(tmp_path, magento("100,80,4/1/24,4/30/99,", "90,,,,"))
    assert sofa.fields["sale_price_effective_date"] == "2024-04-01T00:00:00Z/2099-05-01T00:00:00Z"
    (sofa,) = products(tmp_path, magento('100,80,4/1/24,,"3/26/24, 9:15 AM"'))
    assert sofa.fields["sale_price_effective_date"] == "2024-04-01T00:00:00Z/"


@pytest.mark.parametrize("other", ["", "26/3/24"])
def test_other_short_dates_of_magento_are_refused_as_they_stand(tmp_path: Path, other: str) -> None:
    (sofa,), problems, _ = read(tmp_path, magento(f"100,80,4/1/24,4/5/24,{other}"))
    assert sofa.fields["price"] == "100.00 EUR"
    assert "sale_price" not in sofa.fields
    assert ["'4/1/24' is not a date." in each for each in problems] == [True]


def test_repeated_and_missing_skus_of_magento_are_reported(tmp_path: Path) -> None:
    again = "C0,,D,simple,Sofas,C,1,Not Visible Individually,1,,,,,,1,\n"
    (sofa,), problems, _ = read(tmp_path, magento("50,,,,", named=2) + again)
    assert sofa.fields["price"] == "50.00 EUR"
    assert problems == [
        "C0: the SKU occurs twice, and the first row is used. Remove one of the two rows.",
        "SOFA: variant 'C1' is not in the file. Export it.",
    ]


def test_a_configurable_product_that_is_out_of_stock_is_so_with_all_its_variants(tmp_path: Path) -> None:
    (sofa,) = products(tmp_path, magento("50,,,,", "60,,,,", sold="0"))
    assert sofa.fields["availability"] == "out_of_stock"
    (sofa,) = products(tmp_path, magento("50,,,,").replace(",C,1,", ",C,2,"))
    assert sofa.fields["availability"] == "out_of_stock"
