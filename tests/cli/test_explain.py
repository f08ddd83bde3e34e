"""`perfectlook explain` and `evaluate --explain`, run as a user runs them."""

import json
import shutil
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from perfectlook.cli.main import main
from perfectlook.model.categories import CategorySuggester
from perfectlook.model.files import ModelRecord
from perfectlook.model.runtime import Model
from random_model import random_model

if TYPE_CHECKING:
    from conftest import Shop

SHOES, BAGS = "Apparel & Accessories|Shoes", "Apparel & Accessories|Handbags, Wallets & Cases|Handbags"


@pytest.fixture
def explain(run, shop: "Shop"):
    return partial(run, "explain", shop.photos[0])


def test_the_explanation_is_printed(explain, shop: "Shop", capsys: pytest.CaptureFixture[str]) -> None:
    assert explain("--category", "Shoes", "-k", "2") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == str(shop.photos[0])
    assert lines[2].startswith(f"  {SHOES}: 9 products, mean distance ")
    products = [line.split() for line in lines if line[:6].strip().isdigit()]
    assert [product[0] for product in products] == ["1", "2"]
    shares = [line for line in lines if "nearer than usual by: whole scene" in line]
    assert 1 <= len(shares) <= 2
    assert sum(float(word.strip("%,")) for word in shares[0].split() if "%" in word) == pytest.approx(100)
    assert sum("row " in line and "column " in line for line in lines) >= 4
    assert sum("than the average product by" in line for line in lines) == 2


def test_the_explanation_is_written_as_json_and_drawn(explain, shop: "Shop", tmp_path: Path, capsys) -> None:
    files = ["--json", tmp_path / "why.json", "--sheet", tmp_path / "why.png"]
    assert explain("--category", SHOES, *files) == 0
    assert capsys.readouterr().out == ""
    found = json.loads((tmp_path / "why.json").read_text(encoding="utf-8"))
    assert (found["photo"], found["model"], found["category"]) == (str(shop.photos[0]), "model", SHOES)
    assert [product["rank"] for product in found["products"]] == [1, 2, 3]
    with Image.open(tmp_path / "why.png") as sheet:
        assert sheet.width > 1000
    last = found["products"][2]["id"]
    assert explain("--category", SHOES, "--product", last, "--json", "-") == 0
    (product,) = json.loads(capsys.readouterr().out)["products"]
    assert (product["id"], product["rank"]) == (last, 3)


def test_wrong_use_exits_with_2(explain, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, said in (
        (["--category", "Shows"], "Did you mean Apparel & Accessories|Shoes"),
        (["--category", "Apparel & Accessories"], "matches 2 categories"),
        (["--category", SHOES, "--product", "nothing"], "product 'nothing': not in the category"),
        (["--category", SHOES, "--sheet", "why.doc"], "why.doc"),
        (["--category", SHOES, "--sheet", "nowhere/why.png"], "the folder nowhere does not exist"),
    ):
        assert explain(*arguments) == 2
        assert said in capsys.readouterr().err
    assert explain("--category", SHOES, "-k", "2", "--product", "x") == 2
    (tmp_path / "why.png").mkdir()
    assert explain("--category", SHOES, "--sheet", tmp_path / "why.png") == 1
    assert "cannot be written" in capsys.readouterr().err


def test_a_global_model_is_explained_without_regions(shop: "Shop", tmp_path: Path, capsys) -> None:
    model = random_model(shop.source, tmp_path / "global", mode="global")
    place = ["--model", str(model), "--catalogue", str(tmp_path / "catalogue")]
    assert main(["catalogue", "sync", str(shop.source), *place]) == 0
    capsys.readouterr()
    assert main(["explain", str(shop.photos[0]), "--category", "Shoes", *place]) == 0
    said = capsys.readouterr().out
    assert "the model uses the whole scene only" in said
    assert "row " not in said
    assert main(["evaluate", str(model), str(shop.source), "--explain"]) == 1
    assert "has no attention to explain" in capsys.readouterr().err


def test_evaluate_reports_the_deletion_test(shop: "Shop", tmp_path: Path, capsys) -> None:
    arguments = ["evaluate", str(shop.model), str(shop.source), "--split", "all", "--explain"]
    assert main([*arguments, "--json", str(tmp_path / "report.json")]) == 0
    assert "deletion test over" in capsys.readouterr().out
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert report["explain"]["n_pairs"] == report["n_pairs"]
    assert report["explain"]["binary_accuracy"]["value"] == pytest.approx(report["binary_accuracy"])
    assert {each["regions"] for each in report["explain"]["masked"]} == {5, 10}


def test_the_result_of_the_deletion_test_is_kept_in_the_model(shop: "Shop", tmp_path: Path, capsys) -> None:
    model = tmp_path / "model"
    shutil.copytree(shop.model, model)
    assert ModelRecord.read(model).attention_holds is None
    arguments = ["evaluate", str(model), str(shop.source), "--split", "all", "--keep"]
    assert main(arguments) == 2
    assert "--keep requires --explain" in capsys.readouterr().err
    assert main([*arguments, "--explain", "--json", str(tmp_path / "report.json")]) == 0
    masked = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["explain"]["masked"]
    (holds,) = (each["holds"] for each in masked if each["how"] == "attention" and each["regions"] == 10)
    assert ModelRecord.read(model).attention_holds is holds
    Model.open(model)  # the flag is no part of the model's identity


def test_evaluate_measures_the_suggested_categories(shop: "Shop", tmp_path: Path, capsys) -> None:
    model = tmp_path / "model"
    shutil.copytree(shop.model, model)
    (model / "suggestion.npz").unlink(missing_ok=True)
    arguments = ["evaluate", str(model), str(shop.source), "--split", "all", "--suggest"]
    assert main(arguments) == 1
    assert "suggests no categories. Leave out --suggest" in capsys.readouterr().err
    (model / "suggestion.npz").write_bytes(_suggester({BAGS: 0.0, SHOES: 2.0}).content())
    assert main([*arguments, "--json", str(tmp_path / "report.json")]) == 0
    figures = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["suggestion"]
    said = capsys.readouterr().out
    assert f"categories suggested for {figures['n_scenes']} whole scenes" in said
    assert f"average precision         {figures['average_precision']['value']:.4f} [" in said


def test_complete_orders_categories_as_the_model_suggests(
    shop: "Shop", catalogue: Path, tmp_path: Path, capsys
) -> None:
    model = tmp_path / "model"
    model.mkdir()
    for file in shop.model.iterdir():
        (model / file.name).write_bytes(file.read_bytes())
    arguments = ["complete", str(shop.photos[0]), "-k", "1", "--model", str(model)]
    arguments += ["--catalogue", str(catalogue)]
    for shoes, order in ((2.0, [SHOES, BAGS]), (-2.0, [BAGS, SHOES])):
        (model / "suggestion.npz").write_bytes(_suggester({BAGS: 0.0, SHOES: shoes}).content())
        assert main([*arguments, "--json", "-"]) == 0
        sections = json.loads(capsys.readouterr().out)["categories"]
        assert [section["category"] for section in sections] == order
        assert sections[order.index(BAGS)]["suggested"] == 0.5
        assert main(arguments) == 0
        assert f"{BAGS}  50%" in capsys.readouterr().out
    (model / "suggestion.npz").write_bytes(b"spoilt")
    assert main(arguments) == 1
    assert "suggestion.npz: cannot be read" in capsys.readouterr().err


def _suggester(logits: dict[str, float]) -> CategorySuggester:
    """Return a suggester that gives the same answer for every scene."""
    from perfectlook.backbones import describe_backbones

    width = next(each.global_dimension for each in describe_backbones() if each.name == "tiny")
    said = np.asarray([*logits.values()], np.float32)
    blank = np.zeros(width, np.float32)
    return CategorySuggester(
        tuple(logits), "head", blank, blank, np.zeros((len(said), width), np.float32), said, said
    )
