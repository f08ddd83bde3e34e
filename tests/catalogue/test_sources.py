"""Folders of pictures and sets as sources of products."""

import gzip
import json
from pathlib import Path

import pytest

from closed import closed_to
from dirty import CLEAN, DIRTY
from drawn import FASHION, drawn_set
from perfectlook.catalogue.sources import FolderSource, SetSource, Source, open_source
from perfectlook.errors import DatasetError, FeedError, PerfectLookError, UsageError
from perfectlook.feeds import Feed
from perfectlook.types import Product
from web import serve, web


def listing(folder: Path) -> dict[str, Product]:
    return {
        product.picture.relative_to(folder).as_posix(): product for product in FolderSource(folder).products()
    }


def put(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


def test_sub_folders_are_the_levels_of_the_category(tmp_path: Path) -> None:
    put(tmp_path, "Shoes/a.jpg", "Apparel & Accessories/Shoes/b.PNG", "Furniture/Chairs/old/c.webp")
    assert {name: product.category for name, product in listing(tmp_path).items()} == {
        "Shoes/a.jpg": "Shoes",
        "Apparel & Accessories/Shoes/b.PNG": "Apparel & Accessories|Shoes",
        "Furniture/Chairs/old/c.webp": "Furniture|Chairs|old",
    }


def test_the_title_is_the_file_name(tmp_path: Path) -> None:
    put(tmp_path, "Shoes/red_boot v1.2.jpg", "Shoes/Ærø-sko.jpg")
    assert [product.title for product in listing(tmp_path).values()] == ["red boot v1.2", "Ærø-sko"]


def test_a_folder_gives_texts_without_control_characters(tmp_path: Path) -> None:
    put(tmp_path, "Sh\x1boes/a\x1b[31m\u202eb\n.jpg")
    ((_, product),) = listing(tmp_path).items()
    assert (product.category, product.title) == ("Shoes", "a[31mb")


def test_a_set_gives_texts_without_control_characters(tmp_path: Path) -> None:
    folder = drawn_set(tmp_path / "set", scenes=1, products_per_category=1)
    ids = sorted(json.loads((folder / "categories.json").read_text(encoding="utf-8")))
    details = {"title": DIRTY, "brand": DIRTY, f"a{DIRTY}": "b", "link": f"javascript:{DIRTY}"}
    (folder / "categories.json").write_text(json.dumps(dict.fromkeys(ids, f"A|{DIRTY}")), encoding="utf-8")
    (folder / "products.json").write_text(json.dumps(dict.fromkeys(ids, details)), encoding="utf-8")
    source = open_source(folder)
    for product in source.products():
        assert (product.category, product.title) == (f"A|{CLEAN}", CLEAN)
        assert product.fields == {"brand": CLEAN, f"a{CLEAN}".lower(): "b"}
    assert {each.kind for each in source.problems} == {"unusable field"}


def test_fields_of_a_set_have_the_names_that_they_have_in_a_feed(tmp_path: Path) -> None:
    folder = drawn_set(tmp_path / "set", scenes=1, products_per_category=1)
    ids = sorted(json.loads((folder / "categories.json").read_text(encoding="utf-8")))
    details = {"Price": "9 EUR", "Sale Price": "7 EUR", "quantity": "0", "salePrice": ""}
    (folder / "products.json").write_text(json.dumps(dict.fromkeys(ids, details)), encoding="utf-8")
    for product in open_source(folder).products():
        assert product.fields == {
            **{"price": "9.00 EUR", "sale_price": "7.00 EUR"},
            **{"quantity": "0", "availability": "out_of_stock"},
        }


def test_ids_depend_only_on_the_path_below_the_folder(tmp_path: Path) -> None:
    here = listing(put(tmp_path / "here", "Shoes/a.jpg", "Shoes/b.jpg"))
    there = listing(put(tmp_path / "there", "Shoes/a.png"))
    assert here["Shoes/a.jpg"].id == there["Shoes/a.png"].id != here["Shoes/b.jpg"].id
    assert here["Shoes/a.jpg"].id == "32a9a0ca77dc49669ff3b54596f48533"
    assert len(here["Shoes/a.jpg"].id) == 32


def test_ids_do_not_depend_on_the_unicode_normalisation(tmp_path: Path) -> None:
    composed = listing(put(tmp_path / "linux", "Schuhe/sch\u00f6n.jpg"))
    decomposed = listing(put(tmp_path / "mac", "Schuhe/scho\u0308n.jpg"))
    assert [p.id for p in composed.values()] == [p.id for p in decomposed.values()]


def test_unusable_pictures_are_reported(tmp_path: Path) -> None:
    put(
        tmp_path,
        "loose.jpg",
        "Shoes/a.jpg",
        "Shoes/a.png",
        "Shoes/notes.txt",
        ".git/x.jpg",
        "Shoes/.hidden.jpg",
    )
    source = FolderSource(tmp_path)
    assert [product.picture.name for product in source.products()] == ["a.jpg"]
    assert [(problem.item, problem.reason.split(". ")[0]) for problem in source.problems] == [
        ("Shoes/a.png", "same name as a.jpg, which is used"),
        ("loose.jpg", "no category, because the file is not in a sub-folder"),
    ]


def test_an_unreadable_folder_is_reported_and_the_list_is_not_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "Shoes/a.jpg", "Bags/b.jpg")
    source = FolderSource(tmp_path)
    assert len(list(source.products())) == 2
    assert source.unavailable == frozenset()
    with monkeypatch.context() as patch:
        patch.setattr("os.scandir", closed_to(tmp_path / "Shoes"))
        assert [product.category for product in source.products()] == ["Bags"]
    assert source.unavailable is None
    assert [(problem.item, problem.reason) for problem in source.problems] == [
        ("Shoes", "cannot be read (Permission denied). Check its permissions and the disk.")
    ]
    assert len(list(source.products())) == 2
    assert source.unavailable == frozenset()


def test_all_products_of_a_set_are_taken(tmp_path: Path) -> None:
    folder = drawn_set(tmp_path, scenes=2, products_per_category=3)
    source = open_source(folder)
    assert isinstance(source, SetSource)
    products = list(source.products())
    assert len(products) == 6
    assert {product.category for product in products} == set(FASHION)
    assert source.problems == []


def test_only_a_sets_problems_with_products_are_reported(tmp_path: Path) -> None:
    folder = drawn_set(tmp_path, scenes=2, products_per_category=3)
    gone = sorted((folder / "products").iterdir())[0]
    gone.unlink()
    with (folder / "pairs.jsonl").open("a") as file:
        file.write('{"product": "absent", "scene": "nowhere", "bbox": null}\n')
    source = open_source(folder)
    assert [problem.item for problem in source.problems] == [gone.stem]
    assert len(list(source.products())) == 5
    assert source.unavailable == {gone.stem}  # still listed, so not deleted


def test_every_problem_of_a_sets_products_is_reported(tmp_path: Path) -> None:
    folder = drawn_set(tmp_path, scenes=2, products_per_category=3)
    first, second = (path.stem for path in sorted((folder / "products").iterdir())[:2])
    (folder / "products" / f"{second}.png").write_bytes(b"")
    listed = (folder / "categories.json").read_text(encoding="utf-8").rstrip().removesuffix("}")
    more = f', "{first}": "Furniture|Chairs", "../x": "Furniture|Chairs"}}'
    (folder / "categories.json").write_text(listed + more, encoding="utf-8")
    assert {(problem.item, str(problem.kind)) for problem in open_source(folder).problems} == {
        (second, "two pictures of one id"),
        (first, "duplicate id"),
        ("'../x'", "unusable id"),
    }


def test_sets_and_folders_are_distinguished(tmp_path: Path) -> None:
    assert isinstance(open_source(put(tmp_path / "folder", "Shoes/a.jpg")), FolderSource)
    with pytest.raises(DatasetError, match=r"pairs\.jsonl"):
        open_source(put(tmp_path / "half a set", "categories.json", "products/a.jpg"))
    with pytest.raises(UsageError, match="no such file or folder"):
        open_source(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="a set, a folder of pictures, or a feed"):
        open_source(put(tmp_path, "feed.doc") / "feed.doc")


def test_a_folder_with_a_feed_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "feed.csv").write_text("id,image_link,category\n")
    with pytest.raises(UsageError, match=r"looks like a feed\. Name .*feed\.csv to"):
        open_source(tmp_path)
    (tmp_path / "feed.csv").rename(tmp_path / "._feed.csv")  # macOS writes one for each file on other disks
    assert isinstance(open_source(tmp_path), FolderSource)


def test_a_feed_is_recognised_by_its_name_or_its_format(tmp_path: Path) -> None:
    (tmp_path / "feed.csv").write_text("id,title,image_link,category\n0,T,1.jpg,Chairs", encoding="utf-8")
    assert isinstance(open_source(tmp_path / "feed.csv"), Feed)
    (tmp_path / "feed.csv").rename(tmp_path / "feed.export")
    opened = open_source(tmp_path / "feed.export", format="csv")
    assert list(opened.products()) == [Product("0", "Chairs", tmp_path / "1.jpg", "T")]


def test_a_feed_at_a_url_may_be_packed(tmp_path: Path) -> None:
    rows = b"id,image_link,category\n1,1.jpg,Sofas\n"
    with web() as server:
        server.answers["/feed.csv.gz"] = serve(gzip.compress(rows))
        server.answers["/large.csv.gz"] = serve(gzip.compress(rows + b"\n" * 10_000))
        server.answers["/broken.csv.gz"] = serve(gzip.compress(rows)[:-9])

        def opened(name: str) -> Source:
            return open_source(server.url(name), tmp_path, allow_private=True, max_feed=1_000)

        assert [product.id for product in opened("/feed.csv.gz").products()] == ["1"]
        with pytest.raises(FeedError, match=r"unpacks to more than 1,000 bytes\. Pass a larger --max-feed\."):
            opened("/large.csv.gz")
        with pytest.raises(FeedError, match=r"damaged gzip file .* Export the feed again\."):
            opened("/broken.csv.gz")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("shop.xlsx", b"PK\x03\x04rest", "is a zip file or an Excel workbook. Unpack it, or save it as CSV."),
        ("shop.xls", b"\xd0\xcf\x11\xe0rest", "is a zip file or an Excel workbook."),
        ("shop.json", b'[{"id": 1}]', "is one JSON list. Write one object on each line"),
        ("shop.pdf", b"%PDF-1.7", "is a PDF, not a feed. Export it as CSV."),
        ("shop.bin", b"\x00\x01", "unknown file format. If it is a feed, pass --format."),
    ],
)
def test_files_of_other_formats_are_refused_by_name(
    name: str, content: bytes, said: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(PerfectLookError) as caught:
        open_source(tmp_path / name)
    assert f"{name}: {said}" in str(caught.value)
