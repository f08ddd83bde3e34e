"""`perfectlook report`, as a user runs it."""

import inspect
import json
import shutil
from pathlib import Path

from perfectlook.cli.main import main
from perfectlook.cli.models import report
from perfectlook.data.scenes import split_of
from perfectlook.evaluation.report import SHOWN


def test_a_page_with_the_figures_of_evaluate(shop, tmp_path, capsys):
    out, figures = tmp_path / "page.html", tmp_path / "figures.json"
    on = [str(shop.model), str(shop.source), "--split", "all", "--workers", "1"]
    assert main(["report", *on, "--out", str(out), "-n", "6"]) == 0
    said = capsys.readouterr().out
    assert main(["evaluate", *on, "--json", str(figures)]) == 0
    found = json.loads(figures.read_text())
    page = out.read_text(encoding="utf-8")
    assert f"{100 * found['binary_accuracy']:.1f}\u00a0%" in page
    assert f"{found['binary_accuracy']:.4f}" in said
    assert 0 < page.count("<article") <= 6
    assert f"wrote {out}: {page.count('<article')} answers" in said
    assert "their licence: not stated by the set" in said


def test_the_page_is_named_after_the_model_and_the_set(shop, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert (
        main(["report", str(shop.model), str(shop.source), "--split", "all", "--scene", "full", "-n", "3"])
        == 0
    )
    assert [each.name for each in tmp_path.iterdir()] == ["report-model-set.html"]


def test_a_split_of_one_pair_is_too_small(shop, tmp_path, capsys):
    source = Path(shutil.copytree(shop.source, tmp_path / "set"))
    first, *_ = (source / "pairs.jsonl").read_text(encoding="utf-8").splitlines()
    (source / "pairs.jsonl").write_text(first + "\n", encoding="utf-8")
    split = split_of(json.loads(first)["scene"])
    on = [str(shop.model), str(source), "--split", split, "--workers", "1"]
    assert main(["report", *on, "--out", str(tmp_path / "page.html")]) == 0
    said = f"1 pair in split '{split}': too few to compare. Choose the split 'all', or add pairs to the set."
    out = capsys.readouterr().out
    assert "model on set: binary accuracy " in out and said in out


def test_wrong_use_and_failures_give_errors(shop, foreign_model, tmp_path, capsys):
    assert main(["report", str(shop.model), str(shop.source), "--out", "page.pdf"]) == 2
    assert "a report is an HTML page" in capsys.readouterr().err
    assert main(["report", str(shop.model), str(shop.source), "--out", str(tmp_path / "no" / "a.html")]) == 2
    assert "does not exist. Make it" in capsys.readouterr().err
    assert main(["report", str(foreign_model), str(shop.source), "--out", str(tmp_path / "a.html")]) == 1
    assert "tiny-fp32-000000000000" in capsys.readouterr().err
    assert main(["report", str(tmp_path / "absent"), str(shop.source)]) == 1
    assert "no such model folder" in capsys.readouterr().err


def test_the_command_and_the_library_have_the_same_default():
    assert inspect.signature(report).parameters["n"].default == SHOWN
