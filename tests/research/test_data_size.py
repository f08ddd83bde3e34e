"""The data-size study on a drawn set: measured, reported, resumed."""

import json
import sys

import numpy as np
import pytest

import data_size
from data_size import Study, in_child, main, peak_bytes, run_study
from drawn import drawn_set
from perfectlook.errors import MissingExtraError, PerfectLookError, TrainingError, UsageError
from perfectlook.training.config import TrainingConfig, read_config
from units import parse_duration
from work import allocate, kill_itself, miss_an_extra, misuse

CONFIG = """
[model]
backbone = "tiny"
dimension = 8
hidden = 16
memory = 0

[training]
epochs = 1
"""


pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def studied(tmp_path_factory):
    """A finished study of a small set, made by the command; returns its folder."""
    folder = tmp_path_factory.mktemp("studied")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERFECTLOOK_CACHE", str(folder / "cache"))
        drawn_set(folder / "set", scenes=60)
        (folder / "config.toml").write_text(CONFIG)
        assert main(arguments_of(folder, "--budget", "2h")) == 0
    return folder


def arguments_of(folder, *more: str) -> list[str]:
    arguments = [str(folder / "set"), "--out", str(folder / "out"), "--shares", "1", "0.4"]
    return [*arguments, "--config", str(folder / "config.toml"), "--seeds", "1", "--workers", "1", *more]


def test_every_step_is_measured_and_reported(studied):
    found = json.loads((studied / "out" / "study.json").read_text())
    smaller, larger = found["subsets"]
    assert (smaller["share"], larger["share"]) == (0.4, 1.0)
    assert smaller["scenes"] < larger["scenes"]
    for each in found["subsets"]:
        low, high = each["accuracy"]["ci95"]
        assert low <= each["accuracy"]["value"] <= high
        assert each["by_seed"] == [pytest.approx(each["accuracy"]["value"])]
        assert each["peak_bytes"] is None or each["peak_bytes"] > 2**20
    assert [each["products"] for each in found["search"]] == [1000, 3000, 10000, 38111, 41306]
    assert set(found["growth"]) == {"extraction", "training", "search"}
    assert {each["name"]: each["pairs"] for each in found["releases"]} == {
        "STL-Fashion": 72198,
        "STL-Home": 93274,
    }
    assert found["advice"]["budget_seconds"] == 7200
    assert found["advice"]["seconds"] <= 7200
    text = (studied / "out" / "study.md").read_text()
    assert f"{larger['accuracy']['value']:.3f}" in text
    assert "use all 60 scenes" in text
    assert (studied / "out" / "study.png").read_bytes().startswith(b"\x89PNG")


def test_a_second_run_measures_nothing_again(studied, monkeypatch, capsys):
    monkeypatch.setenv("PERFECTLOOK_CACHE", str(studied / "cache"))
    before = (studied / "out" / "study.jsonl").read_bytes()
    assert main(arguments_of(studied, "--budget", "2h")) == 0
    assert (studied / "out" / "study.jsonl").read_bytes() == before
    said = capsys.readouterr().err
    assert "training on" in said
    assert all("already measured" in line for line in said.splitlines() if line.startswith("training on"))


def test_a_budget_too_small_names_the_smallest_that_works(studied, monkeypatch, capsys):
    monkeypatch.setenv("PERFECTLOOK_CACHE", str(studied / "cache"))
    assert main(arguments_of(studied, "--budget", "0.001s")) == 2
    said = capsys.readouterr().err
    least = said.rsplit("--budget ", 1)[1].strip().removesuffix(".")
    assert parse_duration(least) > 0
    assert main(arguments_of(studied, "--budget", least)) == 0
    assert "use " in capsys.readouterr().out


def test_wrong_use_fails_before_anything_is_measured(studied, tmp_path, capsys):
    rest = [str(studied / "set"), "--out", str(tmp_path / "out")]
    assert main([*rest, "--budget", "soon"]) == 2
    assert "Write it like 2h, 90m or 45s" in capsys.readouterr().err
    assert main([*rest, "--shares", "1.5"]) == 2
    assert "--shares 1.5: must be above 0" in capsys.readouterr().err
    assert main([str(tmp_path / "absent"), "--out", str(tmp_path / "out")]) == 1
    assert "absent" in capsys.readouterr().err
    assert main([*rest, "--seeds", "0"]) == 2
    assert "--seeds 0: must be at least 1." in capsys.readouterr().err


def studied_again(studied, **settings) -> Study:
    """The same set and folder with other shares or seeds: only new combinations are measured."""
    config = TrainingConfig().replaced(read_config(studied / "config.toml"))
    return run_study(studied / "set", studied / "out", config=config, workers=1, **settings)


def test_a_share_too_small_to_train_on_is_skipped_and_reported(studied, monkeypatch):
    monkeypatch.setenv("PERFECTLOOK_CACHE", str(studied / "cache"))
    found = studied_again(studied, shares=(0.001, 1.0), seeds=1)
    assert [each.share for each in found.subsets] == [1.0]
    (skipped,) = found.skipped
    assert skipped.startswith("0.1 % (1 scenes): ")
    with pytest.raises(TrainingError):
        studied_again(studied, shares=(0.001,), seeds=1)


def test_seeds_are_averaged_pair_by_pair(studied, monkeypatch):
    monkeypatch.setenv("PERFECTLOOK_CACHE", str(studied / "cache"))
    said: list[str] = []
    (subset,) = studied_again(studied, shares=(0.4,), seeds=2, products=(1000,), say=said.append).subsets
    assert len(subset.by_seed) == len(subset.seconds) == 2
    assert subset.accuracy.value == pytest.approx(sum(subset.by_seed) / 2)
    assert [line.endswith("already measured") for line in said if line.startswith("training")] == [
        True,
        False,
    ]


def test_the_peak_is_that_of_the_child_process():
    """Even if this process had a higher peak, which children inherit on Linux."""
    held = np.ones(100 * 2**17)  # 100 MiB
    small, large = (in_child(allocate, megabytes)["peak"] for megabytes in (1, 60))
    assert held.nbytes == 100 * 2**20
    if small is not None:
        assert 50 * 2**20 < large - small < 70 * 2**20
        assert small < peak_bytes()


def test_failures_come_back_as_they_are():
    with pytest.raises(UsageError, match="misused"):
        in_child(misuse)
    with pytest.raises(PerfectLookError, match=r"perfectlook\[train\]") as caught:
        in_child(miss_an_extra)
    assert not isinstance(caught.value, MissingExtraError)


@pytest.mark.skipif(sys.platform == "win32", reason="no signals")
def test_a_killed_process_is_named():
    with pytest.raises(PerfectLookError, match="kill_itself: the process was killed"):
        in_child(kill_itself)


def test_an_incomplete_line_is_skipped(studied, tmp_path):
    lines = (studied / "out" / "study.jsonl").read_text()
    torn = tmp_path / "study.jsonl"
    torn.write_text(lines + '{"settings": {"a": 2}, "meas')
    assert data_size._read_measurements(torn) == data_size._read_measurements(studied / "out" / "study.jsonl")
