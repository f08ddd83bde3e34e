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
"sku=S-RED,color=Red|sku=S-BLUE,color=Blue","size=""L"",material=""Oak, oiled"",style=Nordic, plain"
SOFA,de,,,,Sofa auf Deutsch,,,,,,,,,,,
OFF,,Default,simple,Default Category/Rugs,Off,2,"Catalog, Search",10,,,,/r.jpg,,1,,
RUG,,Default,simple,"Default Category/Living, Dining/Rugs",Rug,1,"Catalog, Search",10,,,,/r.jpg,,0,,
"""


def test_magentos_variants_are_part_of_their_product(tmp_path: Path) -> None:
    sofa, rug = products(tmp_path, MAGENTO)
    assert (sofa.id, sofa.title, sofa.category) == ("SOFA", "Sofa", "Furniture|Sofas")
    assert sofa.picture == tmp_path / "s" / "1.jpg"
    assert sofa.fields == {
        "material": "Oak, oiled",
        "style": "Nordic, plain",
        "size": "L",
        "price": "1199.00 EUR",
        "sale_price": "999.00 EUR",
        "sale_price_effective_date": "2026-01-01T00:00:00Z/2026-02-01T00:00:00Z",
        "availability": "in_stock",
        "additional_image_link": "s/2.jpg, s/3.jpg",
    }
    assert (rug.category, rug.fields["availability"]) == ("Living, Dining|Rugs", "out_of_stock")


def test_a_product_without_category_names_the_columns_of_the_platform(tmp_path: Path) -> None:
    (tmp_path / "export.csv").write_text(SHOPIFY.replace("Rugs > Round", ""), encoding="utf-8")
    feed = Feed(tmp_path / "export.csv", PictureCache(tmp_path / "cache"), currency="EUR")
    assert [product.id for product in feed.products()] == ["oslo"]
    (problem,) = feed.problems
    assert str(problem).endswith("line 8: gone: has no category. Add its Product Category, Type.")


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
    found = feed.called
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


WOOCOMMERCE_HEADERS = {
    "Spanish": "ID,Tipo,SKU,Nombre,Publicado,Visibilidad en el catálogo,Día en que empieza el precio "
    "rebajado,Día en que termina el precio rebajado,¿Existencias?,Inventario,Precio rebajado,Precio "
    "normal,Categorías,Imágenes,Superior",
    "French": "ID,Type,UGS,Nom,Publié,Visibilité dans le catalogue,Date de début de promo,Date de fin "
    "de promo,En stock ?,Stock,Tarif promo,Tarif régulier,Catégories,Images,Parent",
    "Italian": "ID,Tipo,SKU,Nome,Pubblicato,Visibilità nel catalogo,Data di inizio dell'offerta,"
    "Data di fine dell'offerta,In stock?,Magazzino,Prezzo in offerta,Prezzo di listino,Categorie,Immagini,"
    "Genitore",
    "Dutch": "ID,Type,SKU,Naam,Gepubliceerd,Zichtbaarheid in catalogus,Startdatum actieprijs,"
    "Einddatum actieprijs,Op voorraad?,Voorraad,Actieprijs,Reguliere prijs,Categorieën,Afbeeldingen,Hoofd",
    "German": 'ID,Typ,Artikelnummer,Name,Veröffentlicht,Sichtbarkeit im Katalog,"Datum, an dem Angebotspreis '
    'beginnt","Datum, an dem Angebotspreis endet",Vorrätig?,Lager,Angebotspreis,Regulärer Preis,Kategorien,'
    "Bilder,Übergeordnetes Produkt",
    "Italian, with COD": "ID,Tipo,COD,Nome,Pubblicato,Visibilità nel catalogo,Data di inizio dell'offerta,"
    "Data di fine dell'offerta,In stock?,Magazzino,Prezzo in offerta,Prezzo di listino,Categorie,Immagini,"
    "Genitore",
    "Portuguese": "ID,Tipo,SKU,Nome,Publicado,Visibilidade no catálogo,Data de preço promocional começa em,"
    "Data de preço promocional termina em,Em estoque?,Estoque,Preço promocional,Preço,Categorias,Imagens,"
    "Ascendente",
    "Polish": "ID,Rodzaj,SKU,Nazwa,Opublikowano,Widoczność w katalogu,Data rozpoczęcia promocji,Data "
    "zakończenia promocji,Na stanie?,Zapasy,Cena promocyjna,Cena,Kategorie,Obrazki,Nadrzędny",
    "Swedish": "ID,Typ,Artikelnummer,Namn,Publicerad,Synlighet i katalog,Datum då reapris börjar,Datum då "
    "reapris slutar,I lager?,Lager,Reapris,Ordinarie pris,Kategorier,Bilder,Överordnad",
}


@pytest.mark.parametrize("language", WOOCOMMERCE_HEADERS)
def test_exports_of_woocommerce_in_other_languages_are_understood_as_a_whole(
    language: str, tmp_path: Path
) -> None:
    rows = """
1,simple,S1,Sofa,1,visible,2099-01-01,2099-02-01,0,5,49,99,Sofas,a.jpg,
2,simple,S2,Hidden,1,hidden,,,1,5,,99,Sofas,a.jpg,
3,variable,S3,Two,1,visible,,,1,,,,Sofas,a.jpg,
4,variation,S4,Two,1,visible,,,,3,,79,,b.jpg,S3
5,variation,S5,Two,1,visible,,,0,,,59,,b.jpg,id:3
"""
    sofa, two = products(tmp_path, WOOCOMMERCE_HEADERS[language] + rows)
    assert sofa.fields == {
        "price": "99.00 EUR",
        "sale_price": "49.00 EUR",
        "sale_price_effective_date": "2099-01-01T00:00:00Z/2099-02-02T00:00:00Z",
        "availability": "out_of_stock",
    }
    assert (two.id, two.fields["price"], two.fields["availability"]) == ("S3", "59.00 EUR", "in_stock")
    assert two.fields["additional_image_link"] == "b.jpg"


@pytest.mark.parametrize("yes", ["1", "1.0", "TRUE", "wahr", "yes", ""])
def test_what_spreadsheets_make_of_a_yes_does_not_hide_a_product(yes: str, tmp_path: Path) -> None:
    row = "11,simple,S1,Sofa,1,1,9,,,,Sofas,a.jpg,,,"
    (sofa,) = products(tmp_path, HEADER + row.replace("Sofa,1,", f"Sofa,{yes},"))
    assert sofa.id == "S1"


@pytest.mark.parametrize(
    ("content", "texts"),
    [
        (
            HEADER + "1,simple,A,A,-1,1,9,,,,Sofas,a.jpg,,,\n2,simple,B,B,0.0,1,9,,,,Sofas,a.jpg,,,",
            {"published is -1": 1, "published is 0.0": 1},
        ),
        (SHOPIFY, {"draft": 1, "published is false": 1}),
        (SHOPIFY.replace("1,draft", "1,unlisted"), {"unlisted": 1, "published is false": 1}),
        (MAGENTO, {"not visible individually": 2, "product_online is 2": 1}),
    ],
)
def test_products_that_the_platform_does_not_show_are_counted(
    content: str, texts: dict[str, int], tmp_path: Path
) -> None:
    (tmp_path / "export.csv").write_text(content, encoding="utf-8")
    feed = Feed(tmp_path / "export.csv", PictureCache(tmp_path / "cache"), currency="EUR")
    assert not {"A", "B", "draft", "hidden", "OFF"} & {each.id for each in feed.products()}
    assert feed.not_shown == texts


def test_of_variants_one_is_in_stock_however_it_is_written(tmp_path: Path) -> None:
    rows = (
        woocommerce("100,,,", "90,,,", "80,,,")
        .replace("V,1,1,90", "V,1,1.0,90")
        .replace("V,1,1,", "V,1,0.0,")
    )
    (rug,) = products(tmp_path, rows)
    assert rug.fields["availability"] == "in_stock"
    with pytest.raises(FeedError, match=r"not understood: 'ask us' \(1\)"):
        products(
            tmp_path,
            woocommerce("100,,,", "90,,,").replace("V,1,1,100", "V,1,ask us,100").replace("V,1,1,", "V,1,0,"),
        )


@pytest.mark.parametrize(
    ("content", "availability"),
    [
        ("ID,SKU,Name,Regular price,Stock,Categories,Images\n1,A,A,9,0,Sofas,a.jpg", "out_of_stock"),
        ("sku,attribute_set_code,product_type,categories,name,price,base_image,qty\n"
         "A,D,simple,Default Category/Bags,A,9,a.jpg,0.0000", "out_of_stock"),
        ("sku,attribute_set_code,product_type,categories,name,price,base_image,qty,configurable_variations,"
         "visibility\nA,D,configurable,Bags,A,,a.jpg,0.0000,sku=B,\n"
         "B,D,simple,Bags,B,9,a.jpg,4.0000,,Not Visible Individually", "in_stock"),
    ],
)  # fmt: skip
def test_without_the_column_of_the_stock_quantities_count(
    content: str, availability: str, tmp_path: Path
) -> None:
    (product,) = products(tmp_path, content)
    assert product.fields["availability"] == availability


def test_stock_that_shopify_did_not_export_is_not_in_stock(tmp_path: Path) -> None:
    header = "Handle,Title,Type,Variant Inventory Tracker,Variant Inventory Policy,Variant Price,Image Src\n"
    tracked, untracked = (
        "a,A,Sofas,shopify,deny,9,https://cdn.example/1.jpg",
        "b,B,Sofas,,deny,9,https://cdn.example/1.jpg",
    )
    (b,) = products(tmp_path, header + untracked)
    assert b.fields["availability"] == "in_stock"
    with pytest.raises(FeedError, match=r"'not exported' \(1\)\..*, or pass --unknown-availability in_stock"):
        read(tmp_path, header + tracked)
    (a,), _, _ = read(tmp_path, header + tracked, unknown_availability="in_stock")
    assert a.fields["availability"] == "in_stock"


@pytest.mark.parametrize("end", ["2026-11-30 00:00:00", "2026-11-30T00:00:00", "2026-11-30"])
def test_a_sale_of_a_platform_ends_after_its_last_day(end: str, tmp_path: Path) -> None:
    (sofa,) = products(tmp_path, magento(f"100,80,2026-11-01 00:00:00,{end},"))
    assert sofa.fields["sale_price_effective_date"] == "2026-11-01T00:00:00Z/2026-12-01T00:00:00Z"


def test_magentos_word_for_no_picture_is_skipped(tmp_path: Path) -> None:
    (rug,) = products(
        tmp_path, MAGENTO.splitlines()[0] + "\nRUG,,D,simple,Rugs,R,1,,10,,,,no_selection,/m/a.jpg,1,,"
    )
    assert rug.picture == tmp_path / "m" / "a.jpg"
