"""`perfectlook complete` with filters, rules, spread and whole looks, run as a user runs it."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from perfectlook.catalogue import Catalogue
from perfectlook.cli.main import main
from perfectlook.model.runtime import Model
from priced import PricedSet

if TYPE_CHECKING:
    from conftest import Shop

SHOES, BAGS = "Apparel & Accessories|Shoes", "Apparel & Accessories|Handbags, Wallets & Cases|Handbags"


@pytest.fixture(scope="module")
def catalogue(shop: "Shop", tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("choosing") / "catalogue"
    with pytest.MonkeyPatch.context() as patch, Catalogue.open(folder, create=True) as opened:
        patch.setenv("PERFECTLOOK_CACHE", str(folder.with_name("cache")))
        opened.sync(PricedSet(shop.source), Model.open(shop.model))
    return folder


@pytest.fixture
def complete(shop: "Shop", catalogue: Path):
    def run(*arguments: str | Path) -> int:
        photo = ["complete", shop.photos[0], "--model", shop.model, "--catalogue", catalogue]
        return main([str(argument) for argument in (*photo, *arguments)])

    return run


@pytest.fixture
def answer(complete, capsys: pytest.CaptureFixture[str]):
    def run(*arguments: str | Path) -> dict:
        assert complete(*arguments, "--json", "-") == 0
        return json.loads(capsys.readouterr().out)

    return run


def products(answer: dict, category: str) -> list[dict]:
    (section,) = (each for each in answer["categories"] if each["category"] == category)
    return section["products"]


def test_a_filter_and_availability_limit_the_products(answer) -> None:
    whole = products(answer("--all", "-k", "99"), SHOES)
    assert len(whole) == 9
    cheap = [each["id"] for each in whole if float(each["price"].split()[0]) < 40]
    in_stock = [each["id"] for each in whole if each["availability"] == "in_stock"]
    assert [each["id"] for each in products(answer("-k", "99"), SHOES)] == in_stock
    found = products(answer("-k", "99", "--where", "price < 40 EUR"), SHOES)
    assert [each["id"] for each in found] == [id_ for id_ in in_stock if id_ in cheap]
    found = products(answer("-k", "99", "--where", "price < 40 EUR", "--include-unavailable"), SHOES)
    assert [each["id"] for each in found] == cheap


def test_a_malformed_filter_is_wrong_use_and_names_the_column(complete, capsys) -> None:
    assert complete("--where", "price <=") == 2
    assert "where: column 9: expected a value" in capsys.readouterr().err


def test_a_field_that_no_product_has_gives_one_note(
    complete, shop: "Shop", catalogue: Path, tmp_path: Path, capsys
) -> None:
    note = "note: no product of the catalogue has the field 'brnd'. Did you mean brand?\n"
    for more in ([], ["--look"], ["--json", tmp_path / "found.json"]):
        assert complete("--where", "brnd = Acme", *more) == 0
        assert capsys.readouterr().err == note
    place = ["--model", str(shop.model), "--catalogue", str(catalogue)]
    assert main(["complete", *map(str, shop.photos[:2]), *place, "--where", "brnd = Acme"]) == 0
    assert capsys.readouterr().err == note
    assert json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))["notes"] == [note[6:-1]]
    assert complete("--where", "brand = absent") == 0
    assert complete("--where", "brnd != Acme", "-k", "1") == 0
    assert "note" not in capsys.readouterr().err


def test_prices_are_printed(complete, answer, capsys) -> None:
    costs = {each["id"]: each["price"] for each in products(answer(), SHOES)}
    for more in ([], ["--look"]):
        assert complete(*more) == 0
        lines = [line.split() for line in capsys.readouterr().out.splitlines()]
        printed = {line[2]: " ".join(line[3:5]) for line in lines if len(line) > 4 and line[2] in costs}
        assert printed and printed.items() <= costs.items()


def test_rules_move_products_and_the_answer_names_them(answer, complete, tmp_path: Path, capsys) -> None:
    bare = products(answer("--all", "-k", "99"), SHOES)
    pinned, boosted = bare[-1]["id"], bare[3]["brand"]
    rules = tmp_path / "rules.toml"
    rules.write_text(
        f'[[rule]]\naction = "pin"\nid = "{pinned}"\nrank = 2\n'
        f'[[rule]]\naction = "boost"\nname = "sale"\nwhere = \'brand = "{boosted}"\'\noffset = 9\n'
        '[[rule]]\naction = "pin"\nid = "absent"\n',
        encoding="utf-8",
    )
    found = answer("--rules", rules, "--include-unavailable", "-k", "9")
    shoes = products(found, SHOES)
    assert shoes[1]["id"] == pinned
    assert shoes[1]["rules"][-1] == {"rule": 1, "action": "pin", "from_rank": len(bare)}
    rank_of = {each["id"]: each["rank"] for each in bare}
    for each in shoes:
        if each["brand"] == boosted:
            assert each["rules"][0] == {
                "rule": 2,
                "name": "sale",
                "action": "boost",
                "from_rank": rank_of[each["id"]],
            }
        elif each["id"] != pinned:
            assert "rules" not in each
    assert found["unused_rules"] == [
        {"rule": 3, "action": "pin", "reason": "product 'absent': not in the catalogue. Check the id."}
    ]
    assert complete("--rules", rules, "--include-unavailable") == 0
    printed = capsys.readouterr().out
    assert f"rule 1: pin from rank {len(bare)}]" in printed
    assert "rule 2 'sale': boost from rank" in printed
    assert "rule 3 (pin) is not applied: product 'absent': not in the catalogue. Check the id." in printed


def test_a_spread_list_begins_with_the_nearest(answer) -> None:
    near, spread = (products(answer("-k", "3", "--spread", each), SHOES) for each in ("0", "1"))
    assert near[0]["id"] == spread[0]["id"]
    assert [each["distance"] for each in near] == sorted(each["distance"] for each in near)
    assert sum(each["distance"] for each in spread) > sum(each["distance"] for each in near)


def test_a_whole_look_is_printed_written_and_drawn(answer, complete, tmp_path: Path, capsys) -> None:
    found = answer("--look", "--budget", "120 EUR", "-k", "2", "--sheet", tmp_path / "look.png")
    look = found["look"]
    assert {slot["category"] for slot in look["slots"]} == {SHOES, BAGS}
    prices = [float(slot["product"]["price"].split()[0]) for slot in look["slots"]]
    assert sum(prices) <= 120
    assert look["price"] == f"{sum(prices):.2f} EUR"
    assert [len(slot["alternatives"]) for slot in look["slots"]] == [2, 2]
    with Image.open(tmp_path / "look.png") as sheet:
        assert sheet.height > 1000
    assert complete("--look", "--weight", "2") == 0
    printed = capsys.readouterr().out
    assert " + 2 x " in printed
    assert "(the best look there is)" in printed
    assert complete("--look", "--where", "price < 0 EUR") == 0
    printed = capsys.readouterr().out
    assert "no product is left for any category" in printed
    assert "is better" not in printed
    locked = products(answer("--all", "-k", "99"), SHOES)[-1]["id"]
    slots = answer("--look", "--lock", f"{SHOES}={locked}")["look"]["slots"]
    assert {slot["category"]: slot["product"]["id"] for slot in slots}[SHOES] == locked
    assert complete("--look", "--lock", f"{SHOES}={locked}") == 0
    assert "(locked)" in capsys.readouterr().out


def test_quantities_other_looks_and_exclusions_are_printed(answer, complete, tmp_path: Path, capsys) -> None:
    slots = tmp_path / "slots.toml"
    slots.write_text(f"[[quantity]]\ncategory = '{SHOES}'\ncount = 2\n", encoding="utf-8")
    look = answer("--look", "--slots", slots, "--alternatives", "2", "-k", "1")["look"]
    assert {slot["category"]: slot["quantity"] for slot in look["slots"]} == {SHOES: 2, BAGS: 1}
    assert len(look["alternatives"]) == 2
    assert complete("--look", "--slots", slots, "--alternatives", "2", "-k", "1") == 0
    printed = capsys.readouterr().out
    assert f"  {SHOES}  2 pieces" in printed
    for number, other in enumerate(look["alternatives"], 2):
        assert f"  look {number}: distances {other['distance']:.3f}" in printed
        assert f"(the best look that differs); {other['price']}" in printed
        assert all(f"{slot['product']['id']}  " in printed for slot in other["slots"])
    slots.write_text(f"[[either]]\ngroups = [['{SHOES}'], ['{BAGS}']]\n", encoding="utf-8")
    look = answer("--look", "--slots", slots)["look"]
    (slot,) = look["slots"]
    assert {slot["category"], *look["excluded"]} == {SHOES, BAGS}
    assert complete("--look", "--slots", slots) == 0
    name = look["excluded"][0].split("|")[-1]
    assert f"  without {name}: they exclude another slot of the look\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--all", "--rules", "r.toml"], "--all and --rules exclude each other. Leave one of them out."),
        (["--all", "--spread", "0.5"], "--all and --spread exclude each other."),
        (["--all", "--look"], "--all and --look exclude each other. Leave one of them out."),
        (["--look", "--spread", "0.5"], "Use --weight with --look instead."),
        (["--budget", "5"], "--budget requires --look. Add --look, or leave out --budget."),
        (["--weight", "0"], "--weight requires --look"),
        (["--lock", "a=b"], "--lock requires --look"),
        (["--slots", "s.toml"], "--slots requires --look. Add --look, or leave out --slots."),
        (["--look", "--slots", "s.toml"], "s.toml: no such file. Check the path."),
        (["--alternatives", "2"], "--alternatives requires --look"),
        (["--look", "--alternatives", "6"], "must be from 1 to 5."),
        (["--look", "--lock", "b"], "--lock b: expected CATEGORY=ID"),
        (["--look", "--budget", "x"], "budget 'x': expected an amount"),
        (["--look", "--budget", "1"], "Raise the budget to 21.80 EUR, or ask for fewer categories."),
        (["--rules", "nowhere.toml"], "nowhere.toml: no such file"),
    ],
)
def test_wrong_use_exits_with_2(arguments: list[str], said: str, complete, capsys) -> None:
    assert complete(*arguments) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--spread", "1.5"], ["--spread", "x"], ["--weight", "-1"]])
def test_numbers_out_of_range_exit_with_2(arguments: list[str], complete, capsys) -> None:
    assert complete(*arguments) == 2
    assert "--" in capsys.readouterr().err
