"""`perfectlook compare`, as a user runs it."""

import json
import shutil

import pytest

from perfectlook.cli.main import main


def test_the_comparison_is_printed_written_and_drawn(shop, tmp_path, capsys):
    files = {kind: tmp_path / f"report.{kind}" for kind in ("json", "md", "png")}
    arguments = ["compare", str(shop.model), str(shop.other_model), str(shop.source), "--split", "all"]
    arguments += ["--json", str(files["json"]), "--markdown", str(files["md"]), "--chart", str(files["png"])]
    assert main([*arguments, "--workers", "1"]) == 0
    said = capsys.readouterr().out
    found = json.loads(files["json"].read_text())
    best, other = found["models"]
    assert {best["model"], other["model"]} == {"model", "other"}
    assert best["binary_accuracy"] >= other["binary_accuracy"]
    assert other["difference"]["value"] == pytest.approx(best["binary_accuracy"] - other["binary_accuracy"])
    assert best["n_pairs"] == other["n_pairs"] == found["n_pairs"]
    assert f"{best['binary_accuracy']:.3f}" in said
    assert f"{best['model']} minus this" in said
    assert "| model | binary accuracy |" in files["md"].read_text()
    assert files["png"].read_bytes().startswith(b"\x89PNG")


def test_the_figures_are_those_of_evaluate(shop, tmp_path):
    one, both = tmp_path / "one.json", tmp_path / "both.json"
    rest = [str(shop.source), "--split", "all", "--scene", "full", "--workers", "1", "--json"]
    assert main(["evaluate", str(shop.model), *rest, str(one)]) == 0
    assert main(["compare", str(shop.model), str(shop.other_model), *rest, str(both)]) == 0
    alone = json.loads(one.read_text())
    (compared,) = (each for each in json.loads(both.read_text())["models"] if each["model"] == "model")
    assert compared | {"difference": None} == alone | {"difference": None}


def test_models_with_the_same_name_are_shown_with_their_paths(shop, tmp_path, capsys):
    shutil.copytree(shop.model, tmp_path / "model")
    arguments = ["compare", str(shop.model), str(tmp_path / "model"), str(shop.source), "--split", "all"]
    assert main([*arguments, "--workers", "1"]) == 0
    assert str(tmp_path / "model") in capsys.readouterr().out


def test_wrong_use_and_failures_give_errors(shop, foreign_model, tmp_path, capsys):
    assert main(["compare", str(shop.model), str(shop.model), str(shop.source)]) == 2
    assert "named more than once" in capsys.readouterr().err
    assert main(["compare", str(shop.model), str(shop.source), "--chart", "a.gif"]) == 2
    assert "a chart is a PNG or SVG picture" in capsys.readouterr().err
    assert main(["compare", str(shop.model), str(foreign_model), str(shop.source)]) == 1
    assert "tiny-fp32-000000000000" in capsys.readouterr().err
    assert main(["compare", str(tmp_path / "absent"), str(shop.source)]) == 1
    assert "no such model folder" in capsys.readouterr().err
    assert main(["compare", str(shop.model)]) == 2
