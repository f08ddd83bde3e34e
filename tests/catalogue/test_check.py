"""`check_feed` and `perfectlook catalogue check`: what a sync would do, without pictures."""

import json
from pathlib import Path

import pytest

from perfectlook.catalogue import check_feed
from perfectlook.catalogue.check import EXAMPLES, CategoryCheck, PriceCheck
from perfectlook.cli.main import main
from perfectlook.errors import UsageError

HEADER = "id,title,image_link,Category,price,sale_price,sale_price_effective_date,availability,item_group_id"


def feed_of(folder: Path, *rows: str) -> Path:
    feed = folder / "feed.csv"
    feed.write_text("\n".join([HEADER, *rows]) + "\n", encoding="utf-8")
    return feed


def test_a_clean_feed_is_ok(tmp_path: Path) -> None:
    feed = feed_of(
        tmp_path,
        "1,Chair,https://shop.example/1.jpg,Furniture > Chairs,49.90 EUR,,,in stock,g",
        "2,Chair,https://shop.example/1.jpg,Furniture > Chairs,9.90 EUR,,,in stock,g",
    )
    check = check_feed(feed)
    assert check.severity == "ok"
    assert (check.products, check.same_picture, check.groups) == (2, 1, 1)
    assert check.prices == {"EUR": PriceCheck(2, "9.90", "49.90", 0)}
    assert check.availability == {"in_stock": 2}
    assert check.categories == {"Furniture|Chairs": CategoryCheck(2)}
    assert check.columns["category"] == "Category"
    assert check.problems == check.errors == []


def test_products_that_a_shop_does_not_show_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    header = "Handle,Title,Type,Variant Price,Image Src,Variant Inventory Qty,Status"
    rows = [f"{n},A,Chairs,9 EUR,https://shop.example/1.jpg,1,{n}" for n in ("active", "draft", "unlisted")]
    (tmp_path / "export.csv").write_text("\n".join([header, *rows]), encoding="utf-8")
    assert check_feed(tmp_path / "export.csv").not_shown == {"draft": 1, "unlisted": 1}
    assert main(["catalogue", "check", str(tmp_path / "export.csv")]) == 0
    assert "not shown in the shop, and left out: draft 1, unlisted 1" in capsys.readouterr().out


def test_a_sale_counts_at_the_time_of_the_check(tmp_path: Path) -> None:
    dates = "2026-01-01T00:00Z/2026-02-01T00:00Z"
    feed = feed_of(tmp_path, f"1,Chair,1.jpg,Furniture > Chairs,49.90 EUR,9.90 EUR,{dates},in stock,")
    during = check_feed(feed, at=1_768_435_200.0)  # 15 January 2026
    after = check_feed(feed, at=1_774_000_000.0)
    assert during.prices == {"EUR": PriceCheck(1, "9.90", "9.90", 1)}
    assert after.prices == {"EUR": PriceCheck(1, "49.90", "49.90", 0)}


def test_problems_are_grouped_and_only_the_first_are_kept(tmp_path: Path) -> None:
    feed = feed_of(tmp_path, "1,a,1.jpg,Furniture,1 EUR,,,,", *[f"n{i},a,,Furniture,,,,," for i in range(9)])
    check = check_feed(feed)
    (group,) = check.problems
    assert (group.kind, group.count, group.kept) == ("row without picture", 9, False)
    assert len(group.examples) == EXAMPLES
    assert group.examples[0] == f"{feed}, line 3: n0: has no picture. Add its image_link."
    assert check.severity == "warning"


def test_what_stops_a_sync_is_an_error(tmp_path: Path) -> None:
    feed = feed_of(tmp_path, *[f"{i},a,{i}.jpg,Furniture,1 EUR,,,maybe," for i in range(9)])
    check = check_feed(feed)
    assert check.severity == "error"
    assert check.errors[0].startswith(f"{feed}: 9 of 9 availabilities not understood: 'maybe' (9).")
    assert main(["catalogue", "check", str(feed)]) == 1


def test_categories_are_compared_with_a_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    known = "Furniture|Sofas"
    feed = feed_of(tmp_path, f"1,a,1.jpg,{known},,,,,", "2,a,2.jpg,Grocery,,,,,")
    check = check_feed(feed, "showroom")
    assert check.categories == {
        known: CategoryCheck(1, known, "exact", 1.0),
        "Grocery": CategoryCheck(1, None, "unknown", 0.0),
    }
    assert check.severity == "warning"
    assert main(["catalogue", "check", str(feed), "--model", "showroom"]) == 3
    said = capsys.readouterr().out
    unknown = (
        "1 unknown, with 1 product. They are never suggested. Map them: --write-map writes the map to edit."
    )
    assert f"  categories: 2, compared with model rooms; {unknown}\n" in said


def test_a_map_to_an_unknown_category_loses_products(tmp_path: Path) -> None:
    (tmp_path / "map.csv").write_text("name,category\nGrocery,Furniture|Sofaz\n", encoding="utf-8")
    feed = feed_of(tmp_path, "1,a,1.jpg,Grocery,,,,,")
    check = check_feed(feed, "showroom", categories=str(tmp_path / "map.csv"))
    assert check.categories == {"Grocery": CategoryCheck(1, "Furniture|Sofaz", "map", 0.0)}
    assert check.severity == "warning"


def test_products_without_a_title_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "feed.csv").write_text(
        "id,Warenname,image_link,category\n1,a,1.jpg,Sofas\n2,b,2.jpg,Sofas\n", encoding="utf-8"
    )
    assert main(["catalogue", "check", str(tmp_path / "feed.csv")]) == 0
    assert "  without title: 2\n" in capsys.readouterr().out


def test_the_command_prints_or_writes_json_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    feed = feed_of(
        tmp_path, "1,Chair,1.jpg,Furniture > Chairs,49.90 EUR,,,in stock,", ",,2.jpg,Furniture,,,,,"
    )
    assert main(["catalogue", "check", str(feed), "--json", "-"]) == 3
    written = json.loads(capsys.readouterr().out)
    assert written["severity"] == "warning"
    assert written["prices"]["EUR"] == {"products": 1, "least": "49.90", "most": "49.90", "on_sale": 0}
    assert main(["catalogue", "check", str(feed)]) == 3
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{feed}: 1 product, 1 row left out"
    assert "  unusable id in a feed: 1 (the row is left out)" in lines


@pytest.mark.parametrize(("name", "content"), [("a.csv", "id,image_link,category\n"), ("a.xml", "<rss/>")])
def test_a_feed_without_rows_is_an_error_of_its_own(name: str, content: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    assert check_feed(tmp_path / name).errors == [f"{tmp_path / name}: has no rows. Export it again."]


def test_a_set_is_not_a_feed() -> None:
    with pytest.raises(UsageError, match=r"showroom: not a feed\."):
        check_feed("showroom")
