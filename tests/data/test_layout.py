from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drawn import FASHION, HOME, drawn_set
from perfectlook.data import Dataset, load_set
from perfectlook.errors import DatasetError
from perfectlook.types import Box, Pair, Product, Scene
from written import row, written_set

CHAIRS, SHOES = "Furniture|Chairs", "Apparel & Accessories|Shoes"


def read(folder: Path, *rows: object, **changes: object) -> Dataset:
    """Read a set with scenes s and t, products p and q, their pictures, and these rows."""
    content = {
        "categories": {"p": CHAIRS, "q": CHAIRS},
        "scenes": ["s.jpg", "t.jpg"],
        "products": ["p.jpg", "q.jpg"],
    } | changes
    return load_set(written_set(folder / "set", rows=rows, **content))  # type: ignore[arg-type]


def problems(dataset: Dataset) -> list[tuple[str, str, str]]:
    """Return file and line, item and kind of every problem."""
    return [(Path(each.where).name, each.item, each.kind) for each in dataset.problems]


def test_a_set_is_read_as_it_is_written(tmp_path: Path) -> None:
    dataset = read(tmp_path, row("t", "q", [0.1, 0.2, 0.3, 0.4]), row("s", "p"), row("s", "q", [0, 0, 1, 1]))
    root = tmp_path / "set"
    assert dataset.name == "set"
    assert dataset.root == root
    assert dataset.scenes == {
        "t": Scene("t", root / "scenes" / "t.jpg"),
        "s": Scene("s", root / "scenes" / "s.jpg"),
    }
    assert list(dataset.scenes) == ["t", "s"]
    assert dataset.products["p"] == Product("p", CHAIRS, root / "products" / "p.jpg")
    assert dataset.pairs == [
        Pair("t", "q", Box(0.1, 0.2, 0.3, 0.4)),
        Pair("s", "p"),
        Pair("s", "q", Box(0.0, 0.0, 1.0, 1.0)),
    ]
    assert dataset.positives == {"t": {"q"}, "s": {"p", "q"}}
    assert dataset.categories == {CHAIRS: ["p", "q"]}
    assert dataset.n_rows == 3
    assert not dataset.problems


def test_categories_and_their_products_are_sorted(tmp_path: Path) -> None:
    dataset = read(
        tmp_path, categories={"q": SHOES, "r": CHAIRS, "p": SHOES}, products=["p.jpg", "q.jpg", "r.jpg"]
    )
    assert list(dataset.products) == ["q", "r", "p"]
    assert list(dataset.categories.items()) == [(SHOES, ["p", "q"]), (CHAIRS, ["r"])]


def test_a_set_is_fashion_if_its_categories_have_words_of_clothes(tmp_path: Path) -> None:
    def is_fashion(name: str, *categories: str) -> bool:
        listed = dict(zip("pq", categories, strict=False))
        return read(tmp_path / name, categories=listed).is_fashion

    assert is_fashion("fashion", SHOES, "Apparel & Accessories")
    assert not is_fashion("mixed", SHOES, CHAIRS)
    assert not is_fashion("empty")
    assert is_fashion("german", "Damen|Kleider", "Herren|Schuhe")
    assert is_fashion("plain", "Clothing", "shoes")
    assert is_fashion("own names", "Women’s Clothing|Tops", "Mens > Jeans")
    assert is_fashion("with bags", "Kids|Dresses", "Accessories|Bags")
    assert not is_fashion("bags", "Accessories|Bags")
    assert not is_fashion("cushions", "Kids|Cushions", "Sale|Rugs")
    assert not is_fashion("rooms", "Damen|Kleider", "Furniture|Chairs")


def test_a_set_may_name_its_crop_rule(tmp_path: Path) -> None:
    folder = written_set(tmp_path, rows=[], categories={"p": CHAIRS})
    about = folder / "set.json"
    assert not load_set(folder).is_fashion
    about.write_text('{"crop": "fashion"}')
    assert load_set(folder).is_fashion
    about.write_text('{"crop": "sideways"}')
    with pytest.raises(DatasetError, match=r"unknown crop 'sideways'\. Choose one of: fashion, any"):
        load_set(folder)


def test_scenes_without_pairs_are_not_scenes_of_the_set(tmp_path: Path) -> None:
    dataset = read(tmp_path, row("s", "p"))
    assert list(dataset.scenes) == ["s"]
    others = {each.stem for each in (tmp_path / "set" / "scenes").iterdir()} - {"s"}
    assert dataset.unpaired.keys() == others != set()


def test_byte_order_mark_crlf_and_blank_lines_are_accepted(tmp_path: Path) -> None:
    first, second = (f'{{"product": "p", "scene": "{scene}", "bbox": null}}\r' for scene in "st")
    dataset = read(
        tmp_path, b"\xef\xbb\xbf" + first.encode(), "\r", "", second, categories='\ufeff{"p": "A|B"}\r\n'
    )
    assert [pair.scene for pair in dataset.pairs] == ["s", "t"]
    assert dataset.n_rows == 2
    assert not dataset.problems


def test_categories_are_normalised(tmp_path: Path) -> None:
    dataset = read(tmp_path, categories={"p": " Furniture > Chairs", "q": "Furniture|Chairs|"})
    assert dataset.categories == {CHAIRS: ["p", "q"]}


def test_malformed_rows_are_reported_by_line(tmp_path: Path) -> None:
    dataset = read(
        tmp_path, row("s", "p"), '{"product": "p"', "[1, 2]", {"scene": "s"}, {"product": "p"}, row("t", "q")
    )
    assert [(pair.scene, pair.product) for pair in dataset.pairs] == [("s", "p"), ("t", "q")]
    assert dataset.n_rows == 6
    assert [(where, kind) for where, _, kind in problems(dataset)] == [
        (f"pairs.jsonl, line {line}", "malformed row") for line in (2, 3, 4, 5)
    ]
    assert dataset.problems[2].reason == "no 'product' in the row. Add it."
    assert dataset.problems[3].reason == "no 'scene' in the row. Add it."
    assert str(dataset.problems[0]).startswith(f"{tmp_path / 'set' / 'pairs.jsonl'}, line 2: ")


@pytest.mark.parametrize(
    "unusable", [7, None, True, ["s"], "", ".", "..", "../s", "a/b", "a\\b", "C:s", "/s", "a\0", "a\nb"]
)
def test_ids_that_could_leave_the_folder_are_refused(tmp_path: Path, unusable: object) -> None:
    dataset = read(tmp_path, row("s", "p") | {"scene": unusable}, row("s", "p") | {"product": unusable})
    assert not dataset.pairs
    assert [(where, kind) for where, _, kind in problems(dataset)] == [
        ("pairs.jsonl, line 1", "unusable id"),
        ("pairs.jsonl, line 2", "unusable id"),
    ]


@pytest.mark.parametrize("usable", ["s.1", "a..b", "s 1", "é", "-"])
def test_other_ids_are_accepted(tmp_path: Path, usable: str) -> None:
    dataset = read(tmp_path, row(usable, "p"), scenes=[f"{usable}.jpg"])
    assert list(dataset.scenes) == [usable]
    assert not dataset.problems


def test_a_product_that_no_category_lists_is_unknown(tmp_path: Path) -> None:
    dataset = read(tmp_path, row("s", "p"), row("s", "x"))
    assert problems(dataset) == [("pairs.jsonl, line 2", "x", "unknown product")]
    assert len(dataset.pairs) == 1


def test_repeated_rows_are_reported_and_kept(tmp_path: Path) -> None:
    box = [0.1, 0.2, 0.3, 0.4]
    dataset = read(
        tmp_path,
        row("s", "p", box),
        row("s", "p"),
        row("t", "p", box),
        row("s", "p", box),
        row("s", "p", box),
    )
    assert len(dataset.pairs) == 5
    assert problems(dataset) == [
        ("pairs.jsonl, line 4", "s", "duplicate row"),
        ("pairs.jsonl, line 5", "s", "duplicate row"),
    ]
    assert "line 1" in dataset.problems[1].reason


def test_of_repeated_products_the_last_is_used(tmp_path: Path) -> None:
    dataset = read(tmp_path, categories=f'{{\n"p": "{CHAIRS}",\n"q": "{CHAIRS}",\n"p": "{SHOES}"\n}}')
    assert dataset.products["p"].category == SHOES
    assert problems(dataset) == [("categories.json, line 4", "p", "duplicate id")]


@pytest.mark.parametrize("empty", ["", " | ", None, 3, ["A"]])
def test_a_product_without_category_is_left_out_with_its_rows(tmp_path: Path, empty: object) -> None:
    dataset = read(tmp_path, row("s", "q"), row("s", "p"), categories={"p": CHAIRS, "q": empty})
    assert list(dataset.products) == ["p"]
    assert dataset.pairs == [Pair("s", "p")]
    assert problems(dataset) == [
        ("categories.json, line 3", "q", "product without category"),
        ("pairs.jsonl, line 1", "q", "product without category"),
    ]


def test_pairs_without_pictures_are_left_out(tmp_path: Path) -> None:
    dataset = read(
        tmp_path, row("s", "p"), row("s", "q"), row("t", "p"), scenes=["s.jpg"], products=["p.jpg"]
    )
    assert dataset.pairs == [Pair("s", "p")]
    assert list(dataset.products) == ["p"]
    assert list(dataset.scenes) == ["s"]
    assert problems(dataset) == [
        ("categories.json, line 3", "q", "missing product picture"),
        ("pairs.jsonl, line 2", "q", "missing product picture"),
        ("pairs.jsonl, line 3", "t", "missing scene picture"),
    ]


@pytest.mark.parametrize(
    "box",
    [
        "[0.1, 0.2, NaN, 0.4]",
        "[0.1, 0.2, Infinity, 0.4]",
        "[0.1, 0.2, 1e999, 0.4]",
        f"[0.1, 0.2, 1{'0' * 400}, 0.4]",
        "[0.1, 0.2, 0.3]",
        "[0.1, 0.2, 0.3, 0.4, 0.5]",
        '[0.1, 0.2, 0.3, "0.4"]',
        "[0.1, 0.2, 0.3, true]",
        "[]",
        "0.5",
        '{"left": 0.1}',
        "[0.3, 0.2, 0.1, 0.4]",
        "[0.1, 0.4, 0.3, 0.2]",
        "[0.1, 0.2, 0.1, 0.4]",
        f"{'[' * 500}{']' * 500}",
    ],
)
def test_a_pair_with_an_unusable_box_is_left_out(tmp_path: Path, box: str) -> None:
    dataset = read(tmp_path, row("t", "q"), f'{{"scene": "s", "product": "p", "bbox": {box}}}')
    assert [pair.scene for pair in dataset.pairs] == ["t"]
    assert problems(dataset) == [("pairs.jsonl, line 2", "s", "unusable box")]


@pytest.mark.parametrize(
    ("box", "clipped"),
    [
        ([-0.1, 0.2, 0.3, 0.4], Box(0, 0.2, 0.3, 0.4)),
        ([0.1, 0.2, 1.0000001, 0.4], Box(0.1, 0.2, 1, 0.4)),
        ([-5, -5, 5, 5], Box(0, 0, 1, 1)),
        ([120, 80, 300, 200], None),  # pixels
        ([-0.5, 0.1, 0, 0.4], None),
    ],
)
def test_boxes_are_clipped_to_the_picture(tmp_path: Path, box: list[float], clipped: Box | None) -> None:
    dataset = read(tmp_path, row("s", "p", box))
    assert dataset.pairs == ([Pair("s", "p", clipped)] if clipped else [])
    assert problems(dataset) == [("pairs.jsonl, line 1", "s", "box outside 0..1")]


@pytest.mark.parametrize("box", ["[0.3, 0.2, 0.1, 0.4]", "[NaN, 0, 1, 1]", "[2, 2, 3, 3]", '"here"'])
def test_a_product_with_an_unusable_box_is_still_a_positive(tmp_path: Path, box: str) -> None:
    dataset = read(tmp_path, row("s", "q"), f'{{"scene": "s", "product": "p", "bbox": {box}}}')
    assert dataset.pairs == [Pair("s", "q")]
    assert dataset.known == [("s", "q"), ("s", "p")]
    assert dataset.positives == {"s": {"p", "q"}}


def test_only_scenes_and_products_of_the_set_are_positives(tmp_path: Path) -> None:
    reversed_box = [0.3, 0.2, 0.1, 0.4]
    dataset = read(tmp_path, row("s", "p"), row("s", "nobody"), row("t", "q", reversed_box), row("gone", "p"))
    assert dataset.positives == {"s": {"p"}}


def test_ids_and_file_names_may_spell_accents_in_two_ways(tmp_path: Path) -> None:
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    dataset = read(
        tmp_path,
        row(decomposed, composed),
        categories={decomposed: CHAIRS},
        scenes=[f"{composed}.jpg"],
        products=[f"{decomposed}.jpg"],
        details={decomposed: {"title": "Chair"}},
    )
    assert dataset.pairs == [Pair(composed, composed)]
    assert dataset.products[composed].title == "Chair"
    assert not dataset.problems


def test_a_set_may_name_its_licence(tmp_path: Path) -> None:
    assert read(tmp_path).licence is None
    about = tmp_path / "set" / "set.json"
    about.write_text('{"licence": "CC BY 4.0", "maker": "a shop"}')
    assert load_set(tmp_path / "set").licence == "CC BY 4.0"
    about.write_text("{}")
    assert load_set(tmp_path / "set").licence is None
    about.write_text('{"licence": 4}')
    with pytest.raises(
        DatasetError, match=r"set\.json: expected text as licence, got 4\. Write it in quotes"
    ):
        load_set(tmp_path / "set")


def test_problems_of_the_catalogue_are_separate(tmp_path: Path) -> None:
    dataset = read(
        tmp_path,
        row("s", "q"),
        row("s", "../p"),
        "{",
        categories=f'{{"p": "{CHAIRS}",\n"p": "{CHAIRS}", "a/b": "{CHAIRS}", "q": "{CHAIRS}", "r": ""}}',
        scenes=["s.jpg", "s.png"],
        products=["p.jpg", "p.png"],
        details={"p": 3, "x": {}},
    )
    assert [(each.item, str(each.kind)) for each in dataset.product_problems] == [
        ("p", "two pictures of one id"),
        ("p", "duplicate id"),
        ("p", "unusable product details"),
        ("'x'", "unknown product"),
        ("'a/b'", "unusable id"),
        ("q", "missing product picture"),
        ("r", "product without category"),
    ]
    assert len(dataset.problems) == len(dataset.product_problems) + 4


def test_a_row_without_bbox_is_kept_and_reported(tmp_path: Path) -> None:
    dataset = read(tmp_path, {"scene": "s", "product": "p"})
    assert dataset.pairs == [Pair("s", "p")]
    assert problems(dataset) == [("pairs.jsonl, line 1", "s", "row without bbox")]


def test_details_give_titles_and_fields(tmp_path: Path) -> None:
    details = {
        "p": {"title": "POÄNG Armchair", "type": "Armchair", "price": 79.5, "new": True, "brand": None},
        "q": {"type": "Rug", "color": "Handmade,grey"},
    }
    dataset = read(tmp_path, details=details)
    assert dataset.products["p"].title == "POÄNG Armchair"
    assert dataset.products["p"].fields == {"type": "Armchair", "price": "79.5", "new": "true"}
    assert dataset.products["q"].title == "Rug, handmade, grey"
    assert not dataset.problems


@pytest.mark.parametrize(
    ("fields", "title"),
    [
        ({"type": "Rug", "color": "Grey"}, "Rug, grey"),
        ({"type": "Rug"}, "Rug"),
        ({"color": "White"}, "Chairs, white"),
        ({"price": 3}, None),
        ({"title": "", "type": "Rug"}, "Rug"),
        ({}, None),
    ],
)
def test_a_title_is_made_of_type_and_colour(tmp_path: Path, fields: object, title: str | None) -> None:
    assert read(tmp_path, details={"p": fields}).products["p"].title == title


def test_unusable_details_are_reported(tmp_path: Path) -> None:
    dataset = read(tmp_path, details={"p": "Armchair", "x": {"title": "Nobody's"}})
    assert problems(dataset) == [
        ("products.json, line 2", "p", "unusable product details"),
        ("products.json, line 3", "'x'", "unknown product"),
    ]


@pytest.mark.parametrize("missing", ["categories.json", "scenes", "products"])
def test_a_missing_part_is_named(tmp_path: Path, missing: str) -> None:
    folder = written_set(tmp_path, rows=[], categories={})
    if (folder / missing).is_dir():
        (folder / missing).rmdir()
    else:
        (folder / missing).unlink()
    with pytest.raises(DatasetError, match=missing):
        load_set(folder)


@pytest.mark.parametrize("is_there", [True, False])
def test_a_set_may_lack_pairs(tmp_path: Path, is_there: bool) -> None:
    folder = written_set(tmp_path, rows=[], categories={"p": "Chairs"})
    if is_there:
        (folder / "pairs.jsonl").write_text("\n")
    else:
        (folder / "pairs.jsonl").unlink()
    dataset = load_set(folder)
    assert dataset.pairs == []
    assert dataset.scenes.keys() == {each.stem for each in (folder / "scenes").iterdir()}


def test_a_path_without_a_set_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no such file or folder"):
        load_set(tmp_path / "none")
    with pytest.raises(DatasetError, match=r"not a set\. Name a folder with pairs\.jsonl"):
        load_set(tmp_path)
    (tmp_path / "file.json").touch()
    with pytest.raises(DatasetError, match=r"not a set\. Name the folder of a set"):
        load_set(str(tmp_path / "file.json"))


def test_strict_raises_on_problems(tmp_path: Path) -> None:
    good = written_set(
        tmp_path / "good",
        rows=[row("s", "p")],
        categories={"p": CHAIRS},
        scenes=["s.jpg"],
        products=["p.jpg"],
    )
    assert len(load_set(good, strict=True).pairs) == 1
    (good / "pairs.jsonl").write_text("{\n" * 7)
    with pytest.raises(DatasetError, match="7 problems") as raised:
        load_set(good, strict=True)
    assert f"{good / 'pairs.jsonl'}, line 5: " in str(raised.value)
    assert "and 2 more" in str(raised.value)


@pytest.mark.parametrize(("categories", "is_fashion"), [(FASHION, True), (HOME, False)])
def test_a_drawn_set_has_no_problems(tmp_path: Path, categories: tuple[str, ...], is_fashion: bool) -> None:
    drawn = drawn_set(tmp_path, scenes=10, products_per_category=4, categories=categories)
    dataset = load_set(drawn, strict=True)
    assert len(dataset.scenes) == 10
    assert len(dataset.products) == 8
    assert len(dataset.pairs) == dataset.n_rows
    assert dataset.is_fashion is is_fashion


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5) | st.sampled_from("stpq"),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
any_rows = st.fixed_dictionaries(
    {},
    optional={
        "scene": st.sampled_from("stx") | json_values,
        "product": st.sampled_from("pqx") | json_values,
        "bbox": st.lists(st.floats(-1, 2), min_size=4, max_size=4) | json_values,
    },
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(any_rows | st.binary(max_size=20).map(lambda line: line.replace(b"\n", b"")), max_size=8))
def test_every_row_becomes_a_pair_or_a_problem(tmp_path: Path, rows: list[object]) -> None:
    dataset = read(tmp_path, *rows)
    reported = {each.where for each in dataset.problems}
    assert len(dataset.pairs) + len(reported) >= dataset.n_rows
    for pair in dataset.pairs:
        assert pair.scene in dataset.scenes
        assert pair.product in dataset.products
        assert pair.box is None or (
            0 <= pair.box.left < pair.box.right <= 1 and 0 <= pair.box.top < pair.box.bottom <= 1
        )


@pytest.mark.photos
@pytest.mark.parametrize(
    ("name", "scenes", "products", "pairs", "categories", "is_fashion"),
    [
        ("stl-fashion", 2_816, 6_283, 3_364, 10, True),
        ("ikea-rooms", 156, 2_066, 1_988, 26, False),
        ("ccp-looks", 786, 3_651, 3_651, 15, True),
    ],
)
def test_the_real_sets_are_read_whole(
    photos: Path, name: str, scenes: int, products: int, pairs: int, categories: int, is_fashion: bool
) -> None:
    dataset = load_set(photos / name, strict=True)
    assert (len(dataset.scenes), len(dataset.products), len(dataset.pairs)) == (scenes, products, pairs)
    assert len(dataset.categories) == categories
    assert dataset.is_fashion is is_fashion


def test_the_repr_has_the_counts():
    rooms = load_set("showroom")
    assert repr(rooms).startswith("<Dataset 'showroom': 240 scenes, 414 products, ")
    assert repr(rooms).endswith(f" pairs, {len(rooms.categories)} categories>")
