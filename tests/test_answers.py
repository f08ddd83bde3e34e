"""Answers: JSON, tables, data frames, drawing and saving."""

import json
import sys

import pytest
from PIL import Image

from perfectlook.answers import (
    Answer,
    AppliedRule,
    Attention,
    CatalogueProduct,
    Contribution,
    DrawableAnswer,
    ExplainedProduct,
    Explanation,
    Look,
    RankedProduct,
    Resolved,
    Section,
    Similar,
    SimilarSection,
    Slot,
    details_of,
)
from perfectlook.errors import PerfectLookError, UsageError

CHAIRS = "Furniture|Chairs"


def product(rank: int = 1, **changed: object) -> RankedProduct:
    given = {"title": "Oak <chair>", "picture": "chair.jpg", "price": "49.90 EUR"} | changed
    parts = {"distance": 1.23456789, "distance_global": 1.0, "distance_local": 0.23456789}
    return RankedProduct(rank=rank, id=f"id-{rank}", **parts, **given)  # type: ignore[arg-type]


def answer(*products: RankedProduct, **more: object) -> Answer:
    section = Section(
        category=CHAIRS,
        resolved=Resolved(category=None, how="unknown"),
        proven_exact=True,
        products=[*products],
        attention=Attention(rows=7, columns=7, weights=[1 / 49] * 49),
    )
    return Answer(photo="room.jpg", model="m", categories=[section], **more)  # type: ignore[arg-type]


def look() -> Look:
    slot = Slot(
        category=CHAIRS,
        resolved=Resolved(category=CHAIRS, how="exact"),
        locked=False,
        product=product(),
        alternatives=[],
    )
    return Look(
        photo="room.jpg",
        model="m",
        objective=1.23456789,
        distance=1.23456789,
        apart=0.0,
        weight=0.5,
        proven_exact=True,
        lower_bound=1.0,
        price=None,
        budget=None,
        slots=[slot],
        missing=[],
    )


def test_the_dict_has_known_fields_and_rounded_numbers() -> None:
    found = answer(product(rules=[AppliedRule(rule=2, action="boost", from_rank=None)])).to_dict()
    assert found.keys() == {"photo", "model", "categories"}
    assert found["categories"][0].keys() == {
        "category",
        "resolved",
        "proven_exact",
        "products",
        "attention",
    }
    assert found["categories"][0]["resolved"] == {"category": None, "how": "unknown"}
    assert found["categories"][0]["attention"]["weights"][0] == 0.020408
    assert found["categories"][0]["products"][0] == {
        "rank": 1,
        "id": "id-1",
        "distance": 1.234568,
        "distance_global": 1.0,
        "distance_local": 0.234568,
        "title": "Oak <chair>",
        "picture": "chair.jpg",
        "price": "49.90 EUR",
        "rules": [{"rule": 2, "action": "boost", "from_rank": None}],
    }


def test_all_digits_are_kept_on_request() -> None:
    found = answer(product()).to_dict(digits=None)["categories"][0]
    assert found["products"][0]["distance"] == 1.23456789
    assert found["attention"]["weights"][0] == 1 / 49


def explanation() -> Explanation:
    shares = {"distance": 0.1, "distance_global": 0.1, "distance_local": 0.0, "regions": [0.0]}
    explained = ExplainedProduct(
        **product().model_dump(exclude_unset=True), regions=[0.23456789], relative=Contribution(**shares)
    )
    return Explanation(
        photo="room.jpg",
        model="m",
        category=CHAIRS,
        resolved=Resolved(category=CHAIRS, how="exact"),
        n_products=1,
        mean_distance=1.1,
        has_regions=True,
        rows=1,
        columns=1,
        attention=[1.0],
        products=[explained],
    )


@pytest.mark.parametrize(
    "given",
    [
        answer(product(), notes=["a note"]),
        answer(product(), look=look().model_copy(update={"photo": "", "model": ""})),
        Similar(product=CatalogueProduct(id="a", category="A", picture="a"), model="m", categories=[]),
        look(),
        look().model_copy(update={"notes": ["a note"]}),
        explanation(),
    ],
    ids=["answer", "answer-with-look", "similar", "look", "look-with-notes", "explanation"],
)
def test_json_is_read_back(given: DrawableAnswer) -> None:
    again = type(given).model_validate_json(given.to_json(digits=None))
    assert again == given
    assert again.to_json() == given.to_json()
    assert type(given).model_validate(given.to_dict(digits=None)) == given
    assert json.loads(given.to_json(indent=2)) == given.to_dict()


def test_fields_of_servers_are_absent_elsewhere() -> None:
    stated = json.loads(answer(product()).model_dump_json())
    assert (stated["look"], stated["unused_rules"], stated["notes"]) == (None, [], [])
    assert not {"request_id", "timings", "photo_size"} & stated.keys()
    shown = stated["categories"][0]["products"][0]
    assert (shown["brand"], shown["rules"]) == (None, [])
    assert not {"why", "category"} & shown.keys()
    alike = RankedProduct(rank=1, id="a", distance=1.0, picture="a")
    assert "distance_global" not in json.loads(alike.model_dump_json())


def test_a_look_has_its_photo_alone_but_not_as_part_of_an_answer() -> None:
    alone = look().to_dict()
    assert (alone.keys(), alone["photo"]) == ({"photo", "model", "look"}, "room.jpg")
    assert (alone["look"]["price"], alone["look"]["objective"]) == (None, 1.234568)
    assert alone["look"]["slots"][0].keys() == {"category", "resolved", "locked", "product", "alternatives"}
    within = answer(product(), look=look()).to_dict()
    assert within["look"] == alone["look"]


def test_texts_that_are_not_unicode_are_kept() -> None:
    found = answer(product(title="chair \ud800")).to_json()
    assert json.loads(found)["categories"][0]["products"][0]["title"] == "chair \ud800"


def test_iterating_gives_sections_and_slots() -> None:
    given = answer(product(), product(2))
    assert [section.category for section in given] == [CHAIRS]
    assert [each.current_price for section in given for each in section.products] == ["49.90 EUR"] * 2
    assert product(sale_price="39 EUR").current_price == "39 EUR"
    assert (product(sale_price="39 EUR").old_price, product().old_price) == ("49.90 EUR", "")
    alike = SimilarSection(category=CHAIRS, proven_exact=True, products=[product()])
    similar = Similar(photo="a.jpg", model="m", categories=[alike])
    assert (len(given), len(similar), list(similar)) == (1, 1, [alike])


def test_details_have_the_sale_price_only_while_the_sale_lasts():
    fields = {"price": "9 EUR", "sale_price": "4 EUR"}
    over = {"sale_price_effective_date": "2020-01-01T00:00:00Z/2020-02-01T00:00:00Z"}
    assert details_of(None, "a.jpg", fields)["sale_price"] == "4 EUR"
    assert "sale_price" not in details_of(None, "a.jpg", fields | over)
    assert [slot.product.title for slot in look()] == ["Oak <chair>"]


def test_answers_have_a_short_repr_and_are_tables_in_notebooks() -> None:
    assert repr(answer(product())) == "<Answer for 'room.jpg' by model 'm': 1 category, 1 product>"
    assert str(look()) == "<Look for 'room.jpg': 1 slot; the best look there is>"
    table = answer(product(), product(2))._repr_html_()
    assert table.count("<tr>") == 3
    assert "<td>Oak &lt;chair&gt;</td><td>49.90 EUR</td><td>1.235</td>" in table


def test_a_frame_has_one_row_for_each_product() -> None:
    pytest.importorskip("pandas")
    frame = answer(product(), product(2)).to_frame()
    assert list(frame["rank"]) == [1, 2]
    assert list(frame["category"]) == [CHAIRS] * 2
    assert frame["distance"][0] == 1.23456789


def test_a_frame_without_pandas_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UsageError, match="pip install pandas"):
        answer(product()).to_frame()


def test_an_answer_is_drawn_and_saved(tmp_path) -> None:
    drawn = answer(product()).drawn_by(lambda given: Image.new("RGB", (9, len(given.photo))))
    drawn.save(tmp_path / "look.png")
    with Image.open(tmp_path / "look.png") as found:
        assert found.size == (9, 8)
    for file in (tmp_path / "look.xyz", tmp_path / "nowhere" / "look.png"):
        with pytest.raises(PerfectLookError, match="cannot be written"):
            drawn.save(file)
    with pytest.raises(UsageError, match="comes from a server, from JSON"):
        Answer.model_validate_json(drawn.to_json()).save(tmp_path / "look.png")


def test_answers_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        answer().photo = "another.jpg"  # type: ignore[misc]
