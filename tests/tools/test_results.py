"""The tool that makes docs/results.md: what it trains, compares and writes."""

import importlib
import json
import shutil
import tomllib
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import TextIO

import numpy as np
import psutil
import pytest

from drawn import HOME, drawn_set
from perfectlook.cli.main import main
from perfectlook.errors import TrainingError
from printed import DOCS

TOOLS = Path(__file__).parents[2] / "tools"
SMALL = {"backbone": "tiny", "dimension": 8, "hidden": 8, "epochs": 1}


@pytest.fixture(scope="module")
def tool() -> Iterator[ModuleType]:
    pytest.importorskip("torch", reason="training is not installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(TOOLS)
        yield importlib.import_module("results")


class InThisProcess:
    """A finished process: the command has run in this process instead."""

    def __init__(self, command: list[str], stdout: TextIO, **_: object) -> None:
        with redirect_stdout(stdout), redirect_stderr(stdout):
            self.returncode = main(command[3:])  # after `python -m perfectlook`

    def __enter__(self) -> "InThisProcess":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def poll(self) -> int:
        return self.returncode


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of data with one small set."""
    drawn_set(tmp_path / "data" / "rooms", scenes=50, categories=HOME)
    monkeypatch.setenv("PERFECTLOOK_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def test_all_settings_in_the_tables_are_valid(tool):
    found = tool.recipes()
    assert found[0].name == "default"
    assert {each.name for each in found} == {*tool.VARIANTS, *tool.BASELINES}
    assert [each.name for each in tool.recipes(["ridge"])] == ["default", "ridge"]


@pytest.mark.long
def test_the_best_of_a_grid_is_chosen_on_held_out_scenes(tool, data, tmp_path, monkeypatch, capsys):
    grid = {f"grid@{epochs}": SMALL | {"epochs": epochs} for epochs in (0, 1)}
    monkeypatch.setattr(tool, "VARIANTS", {"default": SMALL} | grid)
    monkeypatch.setattr(tool, "BASELINES", {})
    work, docs = tmp_path / "work", tmp_path / "docs"
    docs.mkdir()
    assert tool.main(["--sets", "rooms", "--work", str(work), "--docs", str(docs), "--jobs", "2"]) == 0
    assert " of CPU time" in capsys.readouterr().err
    found = json.loads((docs / "results.json").read_text())["sets"]["rooms"]
    assert {each["model"] for each in found["models"]} == {"default", "grid"}
    assert found["cpu_seconds"] > 0
    (kept,) = (each["trained"] for each in found["models"] if each["model"] == "grid")
    trained = [tool.cross_validated(work / "results" / "rooms" / name).value for name in grid]
    assert kept["cross_validated"]["value"] == max(trained)
    assert kept["settings"] == list(grid.values())[trained.index(max(trained))]


def test_settings_become_toml_and_back(tool):
    settings = {"mode": "hybrid", "dropout": 0.5, "tied": True, "dimension": 64}
    assert tomllib.loads(importlib.import_module("trainings").to_toml(settings)) == settings


def test_trains_compares_and_writes_the_page_it_prints(tool, data, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tool, "VARIANTS", {"default": SMALL})
    monkeypatch.setattr(tool, "BASELINES", {"popularity": ("popularity", {"backbone": "tiny"})})
    monkeypatch.setattr(psutil, "Popen", InThisProcess)
    work, docs = tmp_path / "work", tmp_path / "docs"
    docs.mkdir()
    arguments = ["--sets", "rooms", "--work", str(work), "--docs", str(docs), "--jobs", "1"]
    assert tool.main(arguments) == 0
    page, said = (docs / "results.md").read_text(), capsys.readouterr()
    assert said.out == page
    assert "2 trainings, 0 already done" in said.err
    found = json.loads((docs / "results.json").read_text())["sets"]["rooms"]
    assert found["reference"] == "default"
    assert {each["model"] for each in found["models"]} == {"default", "popularity"}
    default = next(each for each in found["models"] if each["model"] == "default")
    value = default["trained"]["cross_validated"]["value"]
    assert default["trained"]["settings"] == SMALL
    assert "| top-10 | default minus this | cross-validated | default minus this |" in page
    assert f"A random order gets a top-10 of {found['chance_top_10']:.3f}." in page
    assert f"{value:.3f} [" in page
    assert (docs / "results-rooms.svg").stat().st_size > 0
    assert "](results-rooms.svg)" in page

    (docs / "results.md").unlink()
    assert tool.main(["--render", "--docs", str(docs)]) == 0  # from the JSON file alone
    assert capsys.readouterr().out == page == (docs / "results.md").read_text()

    assert tool.main(arguments) == 0  # nothing is trained twice
    again = capsys.readouterr()
    assert "2 trainings, 2 already done" in again.err
    assert again.out == page

    monkeypatch.setitem(tool.BASELINES, "visual", ("visual", {"backbone": "tiny"}))
    assert tool.main([*arguments, "--done"]) == 1  # something is missing, and nothing is trained
    assert "Not trained on this set: visual." in capsys.readouterr().out
    monkeypatch.delitem(tool.BASELINES, "visual")

    folder = data / "rooms"
    done = [tool.Training(each, folder, work / "results" / "rooms" / each.name) for each in tool.recipes()]
    text = tool.report([folder], done, docs, "cross-validation")
    assert text == (docs / "cross-validation.md").read_text()
    assert "# Cross-validated results" in text
    assert "](cross-validation-rooms.svg)" in text


def test_the_committed_page_is_rendered_from_the_committed_json(tool, tmp_path):
    shutil.copy(DOCS / "results.json", tmp_path)
    assert tool.render(tmp_path, "results") == (DOCS / "results.md").read_text(encoding="utf-8")


def test_rendering_without_the_json_file_fails_clearly(tool, tmp_path, capsys):
    assert tool.main(["--render", "--docs", str(tmp_path)]) == 1
    assert (
        "results.json: no such file. Run the command without --render to make it." in capsys.readouterr().err
    )


def test_cross_validation_covers_the_default_and_the_closest_baselines(tool):
    found = tool.recipes(tool.CLOSEST, cross_validate=True)
    assert [each.name for each in found] == ["default", "ridge-style", "ridge", "ibr"]
    assert found[1].settings == {"global_features": "style", "cross_validate": True}
    assert all(each.settings["cross_validate"] for each in found)


def test_a_training_with_other_settings_or_on_another_set_is_not_done(tool, data, tmp_path):
    def training(**settings: object) -> object:
        return tool.Training(tool.Recipe("x", None, settings), data / "rooms", tmp_path / "work" / "x")

    first = training(epochs=1)
    first.folder.mkdir(parents=True)
    (first.folder / "config.json").write_text("{}")
    done = {"about": first.about, "seconds": 61.0, "resumed": True}
    (tmp_path / "work" / "x.done.json").write_text(json.dumps(done))
    assert training(epochs=1).done == done
    assert training(epochs=1).took == "1 min 01 s (resumed)"
    assert training(epochs=2).done is None
    pairs = data / "rooms" / "pairs.jsonl"
    pairs.write_text(pairs.read_text().split("\n", 1)[1])
    assert training(epochs=1).done is None


def test_a_failed_training_is_reported_and_the_others_continue(tool, data, tmp_path, monkeypatch, capsys):
    broken = data / "rooms"
    (broken / "categories.json").write_text("[]")
    training = tool.Training(tool.Recipe("x", None, SMALL), broken, tmp_path / "work" / "x")
    tool.train([training], 1, fresh=False)
    assert "rooms/x: training failed (exit code 1). Read " in capsys.readouterr().err
    assert training.done is None
    with pytest.raises(TrainingError, match="rooms: the model 'default' is not trained"):
        tool.report([broken], [], tmp_path)


def test_missing_data_and_wrong_names_fail_clearly(tool, data, monkeypatch, capsys):
    assert tool.main(["--sets", "rooms", "absent"]) == 1
    assert "has no set absent. Choose other sets with --sets." in capsys.readouterr().err
    assert tool.main(["--sets", "rooms", "--only", "rigde"]) == 2
    assert "--only: unknown model 'rigde'. Choose one of: default" in capsys.readouterr().err
    monkeypatch.delenv("PERFECTLOOK_DATA")
    assert tool.main([]) == 1
    assert "PERFECTLOOK_DATA: names no folder. Set it to the folder that holds" in capsys.readouterr().err
    monkeypatch.setenv("PERFECTLOOK_DATA", str(data))
    monkeypatch.setitem(tool.VARIANTS, "default", {"epoch": 3})
    assert tool.main(["--sets", "rooms"]) == 2
    assert "variant 'default': unknown setting 'epoch'. Did you mean 'epochs'?" in capsys.readouterr().err


def test_a_lead_is_paired_over_scenes_in_any_order(tool):
    one = tool.HeldOut(["a", "a", "b"], np.array([1.0, 0.5, 0.0]))
    other = tool.HeldOut(["b", "a", "a"], np.array([0.0, 0.8, 0.3]))
    lead = tool.lead_over(one, other)
    # Scene a leads by 0.2 on both pairs, scene b by nothing.
    assert lead.value == pytest.approx(0.4 / 3)
    assert 0 <= lead.low <= lead.value <= lead.high <= 0.2 + 1e-12


def test_different_pairs_cannot_be_compared(tool):
    one = tool.HeldOut(["a", "a", "b"], np.array([1.0, 0.5, 0.0]))
    assert tool.lead_over(one, tool.HeldOut(["a", "b", "b"], np.zeros(3))) is None
    assert tool.lead_over(one, tool.HeldOut(["a", "a", "c"], np.zeros(3))) is None
