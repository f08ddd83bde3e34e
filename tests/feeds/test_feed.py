"""The products of a feed, and the problems of the rows that cannot be used."""

import gzip
import json
from pathlib import Path

import pytest

from dirty import CLEAN, DIRTY, IN_XML
from perfectlook.errors import FeedError, UsageError
from perfectlook.feeds import Feed, PictureCache
from perfectlook.feeds.packed import open_feed
from perfectlook.feeds.readers import format_of
from perfectlook.types import Product

CHAIR = {
    "id": "1",
    "title": "A  chair",
    "image_link": "1.jpg",
    "product_type": "Furniture > Chairs",
    "price": "49,9 €",
    "sale_price": "39.90 EUR",
    "availability": "in stock",
    "brand": "Ikea",
    "gender": "Unisex",
    "item_group_id": "g1",
    "link": "https://shop.example/1",
    "Colour": "red",
}


def feed_of(folder: Path, *rows: dict[str, str | None], **options: object) -> Feed:
    """Return a feed of JSON lines. Each row is the chair with some values changed."""
    lines = [json.dumps({**CHAIR, "id": str(number), **row}) for number, row in enumerate(rows, 1)]
    (folder / "feed.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return Feed(folder / "feed.jsonl", PictureCache(folder / "cache"), **options)  # type: ignore[arg-type]


def products(feed: Feed) -> list[Product]:
    return list(feed.products())


def problems(feed: Feed) -> list[tuple[str, str, str]]:
    """Return row, id and kind of every problem."""
    return [(each.where.rpartition(" ")[2], each.item, str(each.kind)) for each in feed.problems]


def test_a_row_becomes_a_product(tmp_path: Path) -> None:
    feed = feed_of(tmp_path, {})
    (product,) = products(feed)
    assert [product] == [
        Product(
            id="1",
            category="Furniture|Chairs",
            title="A chair",
            picture=tmp_path / "1.jpg",
            fields={
                "price": "49.90 EUR",
                "sale_price": "39.90 EUR",
                "availability": "in_stock",
                "brand": "Ikea",
                "gender": "unisex",
                "item_group_id": "g1",
                "link": "https://shop.example/1",
                "colour": "red",
            },
        )
    ]
    assert (feed.problems, feed.unavailable) == ([], frozenset())


def digests(feed: Feed) -> list[str]:
    return [product.digest for product in feed.products()]


def test_a_digest_depends_on_everything_in_a_row(tmp_path: Path) -> None:
    (digest,) = digests(feed_of(tmp_path, {}))
    assert digests(feed_of(tmp_path, {"id": "0"}, {"id": "1"}))[1] == digest
    for other in ({"price": "48 EUR"}, {"Colour": "blue"}, {"Colour": None}, {"size": "L"}):
        assert digests(feed_of(tmp_path, {"id": "0"}, {"id": "1", **other}))[1] != digest
    for options in ({"currency": "SEK"}, {"fields": {"brand": "Colour"}}):
        assert digests(feed_of(tmp_path, {}, **options)) != [digest]


def test_a_row_with_problems_has_no_digest(tmp_path: Path) -> None:
    (product,) = products(feed_of(tmp_path, {"price": "cheap"}))
    assert product.digest == ""


def test_unchanged_rows_are_skipped(tmp_path: Path) -> None:
    feed = feed_of(tmp_path, {}, {"price": "cheap"}, {"id": "1", "title": "again"})
    known = {product.id: product.digest for product in feed.products()}
    asked: list[tuple[str, str]] = []

    def is_unchanged(id_: str, picture: str, digest: str) -> bool:
        asked.append((id_, picture))
        return known.get(id_) == digest

    assert [product.id for product in feed.products(is_unchanged)] == ["2"]  # its problem is reported again
    assert asked == [("1", str(tmp_path / "1.jpg")), ("2", str(tmp_path / "1.jpg"))]
    assert problems(feed) == [("2", "2", "unusable field"), ("3", "1", "repeated id")]


def test_the_category_is_the_first_path(tmp_path: Path) -> None:
    feed = feed_of(
        tmp_path,
        {"category": "A|B", "google_product_category": "C > D"},
        {"google_product_category": "C>D"},
        {"google_product_category": "9999999"},
        {"google_product_category": "9999999", "product_type": None},
        {"product_type": " > "},
    )
    found = products(feed)
    assert [product.category for product in found] == ["A|B", "C|D", "Furniture|Chairs"]
    assert found[1].fields["product_type"] == "Furniture > Chairs"  # the other paths stay fields
    assert [problem.reason.split(".")[0] for problem in feed.problems] == [
        "its google_product_category '9999999' is not in the taxonomy",
        "has no category",
    ]
    assert feed.unavailable == {"4", "5"}


def test_unusable_fields_are_left_out(tmp_path: Path) -> None:
    unusable = {
        "price": "cheap",
        "sale_price": "1 XXX",
        "link": "javascript:alert(1)",
    }
    feed = feed_of(tmp_path, unusable)
    (product,) = products(feed)
    assert not product.fields.keys() & unusable.keys()
    assert problems(feed) == [("1", "1", "unusable field")] * 3
    assert feed.problems[1].reason == ("price is left out: 'cheap' is not a price. Write it as '49.90 EUR'.")


def test_prices_without_currency_use_the_currency_of_the_feed(tmp_path: Path) -> None:
    (product,) = products(feed_of(tmp_path, {"price": "49"}, currency="SEK"))
    assert product.fields["price"] == "49.00 SEK"
    with pytest.raises(UsageError, match="--currency sek: unknown currency"):
        feed_of(tmp_path, {}, currency="sek")


def test_other_amounts_are_read_like_prices_and_words_stay(tmp_path: Path) -> None:
    given = {"price": "49 EUR", "regular_price": "1.419,00 €", "cost_price": "12.5", "show_price": "no"}
    (product, other) = products(
        feed := feed_of(tmp_path, given, {"price": "49 EUR", "unit_price": "1.299 EUR"})
    )
    assert product.fields["regular_price"] == "1419.00 EUR"
    assert product.fields["cost_price"] == "12.50 EUR"
    assert product.fields["show_price"] == "no"
    assert "unit_price" not in other.fields
    assert [each.reason[:40] for each in feed.problems] == ["unit_price is left out: '1.299 EUR' is a"]


def test_a_sale_that_cannot_count_is_left_out_and_reported(tmp_path: Path) -> None:
    dates = "sale_price_effective_date"
    feed = feed_of(
        tmp_path,
        {dates: "2026-01-01/2026-01-31"},
        {"sale_price": "0"},
        {"sale_price": "50 EUR"},
        {dates: "next week"},
        {dates: "2026-01-01/2026-01-31", "sale_price": ""},
        currency="EUR",
    )
    kept, *others = [product.fields for product in feed.products()]
    assert (kept["sale_price"], kept[dates]) == ("39.90 EUR", "2026-01-01T00:00:00Z/2026-02-01T00:00:00Z")
    assert [each.keys() & {"sale_price", dates} for each in others] == [set()] * 4
    assert [each.item for each in feed.problems] == ["2", "3", "4"]
    assert feed.problems[0].reason == (
        "sale_price is left out: '0.00 EUR' is zero. Correct it, or leave it empty."
    )


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "id;image_link;category\n1;1.jpg;Sofas\n;;;;\n   \n;;\n"),
        ("a.csv", 'id,image_link,category\n1,1.jpg,Sofas\n"","",""\n\n;;;;\n'),
        ("a.csv", ";;;;\nid;image_link;category\n1;1.jpg;Sofas\n,,,,\n"),
        ("a.txt", "id\timage_link\tcategory\n1\t1.jpg\tSofas\n\t\t\n"),
        ("a.jsonl", '{}\n{"id": "1", "image_link": "1.jpg", "category": "Sofas"}\n{"id": " ", "x": null}\n'),
        (
            "a.xml",
            "<r><item/><item><id>1</id><image_link>1.jpg</image_link><category>Sofas</category></item>"
            "<item><id> </id></item></r>",
        ),
    ],
)
def test_empty_rows_are_passed_over(name: str, content: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    feed = Feed(tmp_path / name, PictureCache(tmp_path / "cache"))
    assert [product.id for product in feed.products()] == ["1"]
    assert (feed.problems, feed.unavailable) == ([], frozenset())


def test_of_repeated_ids_the_first_row_is_used(tmp_path: Path) -> None:
    feed = feed_of(tmp_path, {"id": "a"}, {"id": "a", "title": "again"}, {"id": "b"})
    assert [(product.id, product.title) for product in products(feed)] == [("a", "A chair"), ("b", "A chair")]
    assert problems(feed) == [("2", "a", "repeated id")]
    assert feed.unavailable == frozenset()


def test_unusable_rows_are_reported_and_their_products_kept(tmp_path: Path) -> None:
    feed = feed_of(
        tmp_path, {"image_link": None}, {"image_link": "x" * 3000}, {"category": "|", "product_type": ""}, {}
    )
    assert [product.id for product in products(feed)] == ["4"]
    assert problems(feed) == [
        ("1", "1", "row without picture"),
        ("2", "2", "row without picture"),
        ("3", "3", "row without category"),
    ]
    assert feed.unavailable == {"1", "2", "3"}


@pytest.mark.parametrize("id_", [None, "  ", "x" * 201, "a\0b", "a\nb"])
def test_a_row_with_an_unknown_id_makes_the_feed_incomplete(id_: str | None, tmp_path: Path) -> None:
    feed = feed_of(tmp_path, {}, {"id": id_})
    assert len(products(feed)) == 1
    assert [problem.item for problem in feed.problems] == ["?"]
    assert feed.unavailable is None


def test_very_long_texts_are_cut_and_reported(tmp_path: Path) -> None:
    feed = feed_of(tmp_path, {"title": "x" * 100_000, "description": "y" * 100_000})
    (product,) = products(feed)
    assert product.title == "x" * 1_000
    assert product.fields["description"] == "y" * 10_000
    assert [problem.reason for problem in feed.problems] == [
        "its title of 100,000 characters is cut to 1,000. Shorten it.",
        "its description of 100,000 characters is cut to 10,000. Shorten it.",
    ]


def row_of(product: Product) -> tuple[str | None, str, str, str]:
    return product.title, product.category, product.fields["brand"], product.fields["description"]


DIRTY_ROW = {"title": DIRTY, "category": f"A > {DIRTY}", "brand": DIRTY, "description": DIRTY}


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "xml"])
def test_control_characters_are_removed_in_every_format(suffix: str, tmp_path: Path) -> None:
    row = {"id": "1", "image_link": "1.jpg", "link": "https://s.example/1", **DIRTY_ROW}
    if suffix == "xml":
        row |= {name: text.replace(">", "&gt;").replace(DIRTY, IN_XML) for name, text in DIRTY_ROW.items()}
        cells = "".join(f"<{name}>{text}</{name}>" for name, text in row.items())
        content = f"<rss><channel><item>{cells}</item></channel></rss>"
    elif suffix == "jsonl":
        content = json.dumps(row)
    else:
        delimiter = "," if suffix == "csv" else "\t"
        content = "\n".join(delimiter.join(f'"{text}"' for text in line) for line in (row, row.values()))
    (tmp_path / f"feed.{suffix}").write_text(content, encoding="utf-8")
    feed = Feed(tmp_path / f"feed.{suffix}", PictureCache(tmp_path / "cache"))
    clean = "abcd" if suffix == "xml" else CLEAN
    assert [row_of(product) for product in products(feed)] == [(clean, f"A|{clean}", clean, clean)]
    assert feed.problems == []


def test_names_of_columns_have_no_control_characters(tmp_path: Path) -> None:
    (product,) = products(feed_of(tmp_path, {"a\x1bb": "x", "\0": "y"}))
    assert (product.fields["ab"], "y" in product.fields.values()) == ("x", False)


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("link", "javascript:alert(1)"),
        ("link", "java\x01script:alert(1)"),
        ("link", "/chairs/1"),
        ("mobile_link", "java\nscript:alert(1)"),
        ("video_url", "javascript:alert(1)"),
        ("additional_image_link", "https://s.example/1.jpg, data:text/html,x"),
        ("additional_image_link", '["https://s.example/1.jpg", "javascript:alert(1)"]'),
    ],
)
def test_links_that_could_run_a_script_are_left_out(field: str, text: str, tmp_path: Path) -> None:
    feed = feed_of(tmp_path, {field: text})
    (product,) = products(feed)
    assert field not in product.fields
    assert problems(feed) == [("1", "1", "unusable field")]


def test_formulas_are_text(tmp_path: Path) -> None:
    (product,) = products(feed_of(tmp_path, {"title": "=HYPERLINK(1)", "brand": "@SUM(1)", "Colour": "+1"}))
    assert (product.title, product.fields["brand"], product.fields["colour"]) == (
        "=HYPERLINK(1)",
        "@SUM(1)",
        "+1",
    )


def csv_feed(folder: Path, header: str, *lines: str, **columns: str) -> Feed:
    (folder / "feed.csv").write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return Feed(folder / "feed.csv", PictureCache(folder / "cache"), fields=columns)


def test_columns_can_be_named_by_field(tmp_path: Path) -> None:
    feed = csv_feed(
        tmp_path,
        "Art. No,name,id,foto,Kategorie",
        "7,Stuhl,x,7.jpg,Möbel > Stühle",
        id="Art. No",
        image_link="foto",
        category="Kategorie",
    )
    (product,) = products(feed)
    assert product == Product("7", "Möbel|Stühle", tmp_path / "7.jpg", "Stuhl")
    assert product.fields == {}  # the feed's own `id` column is ignored


def test_common_column_names_are_recognised(tmp_path: Path) -> None:
    (product,) = products(csv_feed(tmp_path, "id,name,image,url,category", "1,A,1.jpg,http://s.example/,B"))
    assert (product.title, product.picture.name, product.fields) == (
        "A",
        "1.jpg",
        {"link": "http://s.example/"},
    )


def test_the_error_of_a_missing_column_lists_the_columns(tmp_path: Path) -> None:
    with pytest.raises(FeedError, match=r"no column 'id' \(it has key, name\)\. .* --field id=COLUMN"):
        products(csv_feed(tmp_path, "key,name", "1,A"))
    with pytest.raises(FeedError, match=r"no column 'nr' \(it has sku, name\)\. Correct --field id=nr"):
        products(csv_feed(tmp_path, "sku,name", "1,A", id="nr"))
    with pytest.raises(FeedError, match="no column 'category'"):
        products(csv_feed(tmp_path, "id,image", "1,A"))
    with pytest.raises(UsageError, match=r"--field colour=\.\.\.: unknown field\. Choose one of: id, title"):
        csv_feed(tmp_path, "id", "1", colour="Farbe")


@pytest.mark.parametrize("group", ["0", "0.0", "null", "None", "NaN", "#N/A", "-", " "])
def test_what_exports_write_for_no_group_is_no_group(group: str, tmp_path: Path) -> None:
    (product,) = products(feed_of(tmp_path, {"item_group_id": group}))
    assert "item_group_id" not in product.fields


def test_one_broken_row_in_ten_leaves_the_other_nine(tmp_path: Path) -> None:
    rotten = ["{}", '{},"open,1.jpg,B', "{},a,b,1.jpg,B", "{},T,,B", "{},T,1.jpg,"]
    lines = [
        rotten[i // 10 % len(rotten)].format(i) if i % 10 == 0 else f"{i},Title {i},{i}.jpg,B"
        for i in range(1000)
    ]
    feed = csv_feed(tmp_path, "id,title,image_link,category", *lines)
    assert [product.id for product in products(feed)] == [str(i) for i in range(1000) if i % 10]
    assert feed.unavailable == {str(i) for i in range(0, 1000, 10)}
    assert len(feed.problems) == 100


def test_a_problem_names_the_line_of_a_text_file_and_the_row_of_xml(tmp_path: Path) -> None:
    item = "<item><id>a</id><image_link>a.jpg</image_link><category>1</category></item>"
    (tmp_path / "feed.xml").write_text(f"<rss>{item}<item><id>b", encoding="utf-8")
    feed = Feed(tmp_path / "feed.xml", PictureCache(tmp_path / "cache"))
    assert products(feed) == []
    no_category, broken = map(str, feed.problems)
    assert no_category.startswith(f"{tmp_path / 'feed.xml'}, row 1: a: has no category. ")
    assert broken.startswith(f"{tmp_path / 'feed.xml'}, row 2: not XML from here on (")  # without an id
    assert feed.problems[1].item == "?"
    feed = feed_of(tmp_path, {"image_link": ""})
    assert products(feed) == []
    assert (
        str(feed.problems[0]) == f"{tmp_path / 'feed.jsonl'}, line 1: 1: has no picture. Add its image_link."
    )


def feed_with_pictures(folder: Path, *images: str, **options: object) -> Feed:
    lines = ["id,title,image_link,category", *(f"{n},T,{image},Chairs" for n, image in enumerate(images))]
    (folder / "feed.csv").write_text("\n".join(lines), encoding="utf-8")
    return Feed(folder / "feed.csv", PictureCache(folder / "cache"), **options)  # type: ignore[arg-type]


def test_picture_paths_are_relative_to_the_folder_of_the_feed(tmp_path: Path) -> None:
    feed = feed_with_pictures(tmp_path, "1.jpg", "in/2.jpg", "in/../3.jpg", str(tmp_path / "4.jpg"))
    assert [product.picture for product in feed.products()] == [
        tmp_path / "1.jpg",
        tmp_path / "in" / "2.jpg",
        tmp_path / "3.jpg",
        tmp_path / "4.jpg",
    ]
    assert (feed.problems, feed.unavailable) == ([], frozenset())
    assert feed.pictures.absent([tmp_path / "1.jpg"]) == []


def test_pictures_outside_the_folder_need_permission(tmp_path: Path) -> None:
    folder = tmp_path / "feed"
    folder.mkdir()
    images = ["../secret.jpg", "/etc/passwd", "in/../../x.jpg", "../feed-other/x.jpg"]
    feed = feed_with_pictures(folder, *images)
    assert list(feed.products()) == []
    assert [problem.reason for problem in feed.problems] == [
        f"{image}: is outside the folder of the feed. Move it there, or pass --allow-outside."
        for image in images
    ]
    assert feed.unavailable == {"0", "1", "2", "3"}
    assert len(list(feed_with_pictures(folder, *images, allow_outside=True).products())) == 4


def test_links_to_pictures_outside_the_folder_need_permission(tmp_path: Path) -> None:
    folder = tmp_path / "feed"
    (folder / "pictures").mkdir(parents=True)
    for name in ("secret.jpg", "feed/pictures/1.jpg"):
        (tmp_path / name).touch()
    (folder / "out.jpg").symlink_to(tmp_path / "secret.jpg")
    (folder / "up").symlink_to(tmp_path)
    (folder / "loop").symlink_to(folder / "loop")
    (folder / "in.jpg").symlink_to(folder / "pictures" / "1.jpg")
    (folder / "also").symlink_to("pictures")
    images = ["out.jpg", "up/secret.jpg", "up/feed/../secret.jpg", "in.jpg", "also/1.jpg", "pictures/1.jpg"]
    feed = feed_with_pictures(folder, *images)
    assert [product.id for product in feed.products()] == ["3", "4", "5"]
    assert all("is outside the folder of the feed" in problem.reason for problem in feed.problems)
    assert len(list(feed_with_pictures(folder, *images, allow_outside=True).products())) == 6
    (tmp_path / "shop").symlink_to(folder)  # the folder of the feed may itself be a link
    assert len(list(feed_with_pictures(tmp_path / "shop", *images).products())) == 3


def test_pictures_with_urls_are_in_the_cache(tmp_path: Path) -> None:
    feed = feed_with_pictures(tmp_path, "https://shop.example/1.jpg", "HTTP://shop.example/2.jpg")
    pictures = [product.picture for product in feed.products()]
    assert all(picture.is_relative_to(tmp_path / "cache") for picture in pictures)
    assert feed.pictures.absent(pictures) == pictures


@pytest.mark.parametrize("image", ["ftp://shop.example/1.jpg", "file:///etc/passwd", "//cdn.example/1.jpg"])
def test_other_schemes_are_refused(image: str, tmp_path: Path) -> None:
    feed = feed_with_pictures(tmp_path, image)
    assert list(feed.products()) == []
    assert feed.problems[0].reason == f"{image}: not an http:// or https:// URL. Correct the link."
    assert feed.problems[0].where == f"{tmp_path / 'feed.csv'}, line 2"


def test_a_feed_that_unpacks_to_more_than_allowed_is_refused(tmp_path: Path) -> None:
    rows = [{"id": str(number), "title": "x" * 100} for number in range(10)]
    list(feed_of(tmp_path, *rows, max_feed=10_000).products())
    with pytest.raises(FeedError, match=r"feed\.jsonl: unpacks to more than 1,000 characters.*--max-feed"):
        list(feed_of(tmp_path, *rows, max_feed=1_000).products())


def test_titles_and_categories_are_plain_text(tmp_path: Path) -> None:
    feed = feed_of(
        tmp_path,
        {
            "title": "<b>Rug</b> &#8211; 120 &amp;amp; 180",
            "product_type": "Home &amp;amp; Garden &amp;gt; Rugs",
        },
        {"title": "Sofa < 2 m & > 1 m"},
    )
    (rug, sofa) = products(feed)
    assert (rug.title, rug.category) == ("Rug – 120 & 180", "Home & Garden|Rugs")
    assert sofa.title == "Sofa < 2 m & > 1 m"


def test_lists_of_levels_and_of_pictures(tmp_path: Path) -> None:
    rows = [
        {"id": "1", "category": ["Furniture", "Sofas"], "image": ["1.jpg", "2.jpg"], "price": float("nan")},
        {
            "id": "2",
            "category": [["Furniture", "Sofas"], ["Sale"]],
            "image": "1.jpg, https://a.example/2.png",
        },
        {"id": "3", "category": "Sofas", "image": "red, big.jpg"},
    ]
    (tmp_path / "feed.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    feed = Feed(tmp_path / "feed.jsonl", PictureCache(tmp_path / "cache"))
    first, second, third = products(feed)
    assert [each.category for each in (first, second, third)] == [
        "Furniture|Sofas",
        "Furniture|Sofas",
        "Sofas",
    ]
    assert (first.picture, first.fields) == (tmp_path / "1.jpg", {"additional_image_link": "2.jpg"})
    assert (second.picture.name, second.fields["additional_image_link"]) == (
        "1.jpg",
        "https://a.example/2.png",
    )
    assert (third.picture.name, third.fields, feed.problems) == ("red, big.jpg", {}, [])


def test_half_characters_and_decomposed_names(tmp_path: Path) -> None:
    decomposed = tmp_path / "gru\u0308n.jpg"
    decomposed.touch()
    feed = feed_of(tmp_path, {"title": "Sofa \ud83d", "image_link": "gr\u00fcn.jpg", "item_group_id": "0"})
    (product,) = products(feed)
    assert (product.title, product.picture) == ("Sofa \ufffd", decomposed)
    assert "item_group_id" not in product.fields


def test_names_of_picture_files_are_found_as_other_systems_write_them(tmp_path: Path) -> None:
    (tmp_path / "Bilder").mkdir()
    for name in ("Bilder/Sofa.JPG", "red e.jpg", "two.jpg", "TWO.jpg", "100%.jpg"):
        (tmp_path / name).write_bytes(b"")
    images = (r".\bilder\SOFA.jpg", "red%20e.jpg", "RED%20E.JPG", "Two.jpg", "100%.jpg", "%2e%2e/x.jpg")
    found = [product.picture for product in products(feed_with_pictures(tmp_path, *images))]
    names = ("Bilder/Sofa.JPG", "red e.jpg", "red e.jpg", "Two.jpg", "100%.jpg", "%2e%2e/x.jpg")
    assert found == [tmp_path / name for name in names]  # of two files, none is chosen


def test_a_packed_feed_is_named_and_has_its_pictures_where_the_file_is(tmp_path: Path) -> None:
    content = f"id,category,image_link,price\n1,Sofas,1.jpg,{'x' * 90}\n".encode()
    (tmp_path / "feed.csv.gz").write_bytes(gzip.compress(content))
    feed = open_feed(tmp_path / "feed.csv.gz", PictureCache(tmp_path / "cache"), {})
    assert [product.picture for product in products(feed)] == [tmp_path / "1.jpg"]
    assert [each.where for each in feed.problems] == [f"{tmp_path / 'feed.csv.gz'}, line 2"]
    with pytest.raises(FeedError, match=r"feed\.csv\.gz: unpacks to more than 20 bytes\. Pass a larger"):
        open_feed(tmp_path / "feed.csv.gz", PictureCache(tmp_path / "cache"), {"max_feed": 20})
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(content)[:-9])
    with pytest.raises(FeedError, match=r"cut\.csv\.gz: damaged gzip file .*\. Export the feed again\."):
        open_feed(tmp_path / "cut.csv.gz", PictureCache(tmp_path / "cache"), {})


@pytest.mark.parametrize("broken", ["[" * 5_000, "[" * 300, '["' * 5_000, "9" * 5_000])
@pytest.mark.parametrize("field", ["image_link", "category", "price", "id", "sale_price_effective_date"])
def test_no_value_of_a_row_ends_a_sync(field: str, broken: str, tmp_path: Path) -> None:
    feed = feed_of(tmp_path, {}, {field: broken, "product_type": None}, {})
    assert {"1", "3"} <= {product.id for product in products(feed)}


def test_an_unforeseen_error_is_reported_with_its_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = feed_of(tmp_path, {}, {"title": "bad"}, {})
    clean, errors = feed.cleaning.clean, iter([None, ZeroDivisionError("by zero"), None])

    def fail_once(fields: dict[str, str]) -> object:
        if error := next(errors):
            raise error
        return clean(fields)

    monkeypatch.setattr(feed.cleaning, "clean", fail_once)
    assert [product.id for product in products(feed)] == ["1", "3"]
    assert problems(feed) == [("2", "2", "unreadable row")]
    assert feed.problems[0].reason == "cannot be read (ZeroDivisionError: by zero). Correct the row."
    assert feed.unavailable == {"2"}

    def read(*_: object, **__: object) -> object:
        yield from format_of("a.jsonl").read(tmp_path / "feed.jsonl", "id")
        raise OverflowError

    monkeypatch.undo()
    monkeypatch.setattr(feed, "_format", feed._format._replace(read=read))
    assert len(products(feed)) == 3
    assert problems(feed) == [("4", "?", "unreadable row")]
    assert feed.unavailable is None


def test_lists_of_json_give_one_value_where_there_is_one(tmp_path: Path) -> None:
    feed = feed_of(
        tmp_path,
        {
            "id": ["5", None],  # type: ignore[dict-item]
            "category": [],  # type: ignore[dict-item]
            "google_product_category": "A > B",
            "product_type": [None],  # type: ignore[dict-item]
            "image_link": [float("nan"), "1.jpg", None, "2.jpg"],  # type: ignore[dict-item]
            "brand": ["Acme"],  # type: ignore[dict-item]
            "title": [],  # type: ignore[dict-item]
            "price": ["50 EUR"],  # type: ignore[dict-item]
            "availability": [None, "in stock"],  # type: ignore[dict-item]
        },
        {
            "categories": None,
            "category": [{"id": 9, "name": "Sofas"}, {"name": "Sale"}],  # type: ignore[dict-item]
            "image_link": [{"src": "1.jpg"}],  # type: ignore[dict-item]
            "brand": {"name": {"value": "Acme"}},  # type: ignore[dict-item]
            "price": [{}],  # type: ignore[dict-item]
        },
    )
    first, second = products(feed)
    assert (first.id, first.category, first.title) == ("5", "A|B", None)
    assert (first.picture, first.fields["additional_image_link"]) == (tmp_path / "1.jpg", "2.jpg")
    names = ("brand", "price", "availability")
    assert [first.fields[name] for name in names] == ["Acme", "50.00 EUR", "in_stock"]
    assert "product_type" not in first.fields
    assert (second.category, second.picture, second.fields["brand"]) == ("Sofas", tmp_path / "1.jpg", "Acme")
    assert "price" not in second.fields
    assert feed.problems == []


def test_texts_in_brackets_are_no_lists(tmp_path: Path) -> None:
    (product,) = products(
        feed_of(tmp_path, {"title": "[12]", "brand": "[Acme]", "product_type": "[Sale] Sofas"})
    )
    assert (product.title, product.fields["brand"], product.category) == ("[12]", "[Acme]", "[Sale] Sofas")


def test_messages_have_the_names_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(FeedError, match=r"no column 'Foto-Datei' \(it has Art-Nr, FotoX, Bild\)\."):
        products(csv_feed(tmp_path, "Art-Nr,FotoX,Bild", "1,2,3", image_link="Foto-Datei"))
    with pytest.raises(FeedError, match=r"no column 'category' \(it has ID, FotoX, Bild\)\."):
        products(csv_feed(tmp_path, "ID,FotoX,Bild", "1,2,3"))
    feed = csv_feed(tmp_path, "ID,Bild,Kategorie,Preis", "1,,A,1 EUR", "2,2.jpg,A,cheap")
    assert [product.id for product in products(feed)] == ["2"]
    assert [each.reason.partition(".")[0] for each in feed.problems] == [
        "has no picture",
        "Preis is left out: 'cheap' is not a price",
    ]
    assert feed.problems[0].reason == "has no picture. Add its Bild."
    assert feed.called == {
        "id": "ID",
        "image_link": "Bild",
        "category": "Kategorie",
        "price": "Preis",
    }


@pytest.mark.parametrize(
    ("price", "read"),
    [
        ({"amount": "99.90", "currencyCode": "USD"}, "99.90 USD"),
        ({"amountMicros": "99900000", "currencyCode": "USD"}, "99.90 USD"),
        ({"value": 99.9, "currency": "USD", "extra": 1}, "99.90 USD"),
        ({"@type": "Offer", "price": 99.9, "priceCurrency": "USD"}, "99.90 USD"),
        ({"USD": 99.9}, "99.90 USD"),
        ([99.9, "USD"], "99.90 USD"),
        ([{"value": 99.9, "currency": "USD"}], "99.90 USD"),
        ({"amount": "99.90"}, "99.90 EUR"),
        ({"EUR": 99.9, "USD": 110}, None),
        ({"centAmount": 9990, "currencyCode": "USD"}, None),
    ],
)
def test_an_object_is_the_price_that_it_says_or_is_reported(
    price: object, read: str | None, tmp_path: Path
) -> None:
    row = {"price": price, "sale_price": None}
    feed = feed_of(tmp_path, row, currency="EUR")  # type: ignore[arg-type]
    (product,) = products(feed)
    assert product.fields.get("price") == read
    assert ["price is left out" in each.reason for each in feed.problems] == [True] * (read is None)


def test_an_object_of_availability_that_is_not_understood_is_reported(tmp_path: Path) -> None:
    feed = feed_of(
        tmp_path,
        {"availability": {"warehouse": "B", "status": "maybe"}},  # type: ignore[dict-item]
        unknown_availability="out_of_stock",
    )
    (product,) = products(feed)
    assert product.fields["availability"] == "out_of_stock"
    assert not feed.problems  # the option has decided
    assert list(feed.cleaning.unknown.values()) == [1]


@pytest.mark.parametrize(
    ("texts", "price", "sale"),
    [
        ({"price": "1299", "sale_price": "999", "currency": "USD"}, "1299.00 USD", "999.00 USD"),
        ({"price": "1299", "sale_price": "999", "Währung": "US$"}, "1299.00 USD", "999.00 USD"),
        ({"price": "1299 SEK", "sale_price": "999 SEK", "currency": "SEK"}, "1299.00 SEK", "999.00 SEK"),
        ({"price": "1299", "sale_price": "999", "currency": ""}, "1299.00 EUR", "999.00 EUR"),
        ({"price": "1299", "sale_price": "999", "currency_code": "XYZ"}, None, None),
    ],
)
def test_the_currency_of_a_row_comes_before_the_one_of_the_feed(
    texts: dict[str, str | None], price: str | None, sale: str | None, tmp_path: Path
) -> None:
    feed = feed_of(tmp_path, texts, currency="EUR")
    (product,) = products(feed)
    assert (product.fields.get("price"), product.fields.get("sale_price")) == (price, sale)
    assert ["has the unknown currency 'XYZ'" in each.reason for each in feed.problems] == [True] * 2 * (
        not price
    )


@pytest.mark.parametrize("between", ["\n", "\r\n", ";", "; ", " ", ",", ", ", "|", " | "], ids=repr)
def test_addresses_of_pictures_have_any_separator(between: str, tmp_path: Path) -> None:
    one, other = "https://cdn.example/w_1,h_2/a.jpg", "https://cdn.example/b.jpg;v=2"
    feed = feed_of(tmp_path, {"image_link": f"{one}{between}{other}"})
    (product,) = products(feed)
    assert (product.fields["image_link"], product.fields["additional_image_link"]) == (one, other)


def test_an_xml_price_in_elements_of_its_own_keeps_its_currency(tmp_path: Path) -> None:
    items = (
        "<price><amount>49</amount><currency>USD</currency></price>",
        "<prices><price>49</price><currency>USD</currency></prices>",
        "<price>49</price><currency>USD</currency><stock><quantity>0</quantity></stock>",
        "<price>49 USD</price><availability><status>sold out</status></availability>",
    )
    rows = "".join(
        f"<item><id>{n}</id><category>Sofas</category><image_link>1.jpg</image_link>{each}</item>"
        for n, each in enumerate(items)
    )
    (tmp_path / "feed.xml").write_text(f"<rss>{rows}</rss>", encoding="utf-8")
    read = products(Feed(tmp_path / "feed.xml", PictureCache(tmp_path / "cache"), currency="EUR"))
    assert [each.fields["price"] for each in read] == ["49.00 USD"] * 4
    assert [each.fields["availability"] for each in read[2:]] == ["out_of_stock"] * 2
