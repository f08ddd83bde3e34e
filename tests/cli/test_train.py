"""`perfectlook train` and `perfectlook evaluate` on a drawn set, as a user runs them."""

import json
import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from drawn import drawn_set
from perfectlook.cli.main import main
from perfectlook.cli.models import _print_epoch
from perfectlook.training.log import Epoch

CONFIG = """
[model]
backbone = "tiny"
dimension = 8
hidden = 16
memory = 0

[training]
epochs = 2
"""


@pytest.fixture(autouse=True, scope="module")
def _quick_training() -> Iterator[None]:
    """Few steps learn what photos show: `tests/training/test_presence.py` measures how well. And no plot."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("perfectlook.training.presence.STEPS", 20)
        patch.setattr("perfectlook.training.log.draw_plot", lambda *_: None)
        yield


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("features")


@pytest.fixture(autouse=True)
def _one_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The features of pictures are extracted once."""
    monkeypatch.setenv("PERFECTLOOK_CACHE", str(cache))


@pytest.fixture(scope="module")
def trained(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERFECTLOOK_CACHE", str(cache))
        drawn_set(folder / "set", scenes=80)
        (folder / "config.toml").write_text(CONFIG)
        arguments = ["train", str(folder / "set"), "--out", str(folder / "model"), "--workers", "1"]
        assert main([*arguments, "--config", str(folder / "config.toml")]) == 0
    return folder


def test_evaluate_writes_the_report_of_the_contract(trained, capsys):
    report, pairs = trained / "report.json", trained / "pairs.jsonl"
    arguments = ["evaluate", str(trained / "model"), str(trained / "set"), "--split", "all"]
    assert main([*arguments, "--json", str(report), "--pairs", str(pairs)]) == 0
    found = json.loads(report.read_text())
    assert found["set"] == "set"
    assert found["split"] == "all"
    assert found["scene"] == "crop"
    assert found["model"] == "model"
    low, high = found["binary_accuracy_ci95"]
    assert low <= found["binary_accuracy"] <= high
    assert set(found["top_k"]) == {"1", "5", "10", "20"}
    assert set(found["mrr"]) == {"value", "ci95"}
    assert set(found["binary_accuracy_unseen"]) == {"value", "ci95", "n_pairs"}
    assert set(found["per_category"]) and all(
        set(each) == {"n_pairs", "binary_accuracy", "ci95", "top_k", "mrr"}
        for each in found["per_category"].values()
    )
    lines = [json.loads(line) for line in pairs.read_text().splitlines()]
    assert len(lines) == found["n_pairs"] == sum(c["n_pairs"] for c in found["per_category"].values())
    assert len({line["scene"] for line in lines}) == found["n_scenes"]
    shares = math.fsum(line["share"] for line in lines) / len(lines)
    assert shares == pytest.approx(found["binary_accuracy"])
    assert set(lines[0]) == {"scene", "product", "share", "rank"}
    assert f"{found['binary_accuracy']:.4f}" in capsys.readouterr().out


def test_styles_learned_from_drawings_hold_on_unseen_scenes(trained):
    report = trained / "test.json"
    assert main(["evaluate", str(trained / "model"), str(trained / "set"), "--json", str(report)]) == 0
    found = json.loads(report.read_text())
    assert found["n_trained_scenes"] == 0
    assert found["binary_accuracy"] > 0.6


def test_full_scenes_drop_no_pair(trained):
    report = trained / "full.json"
    arguments = ["evaluate", str(trained / "model"), str(trained / "set"), "--split", "all"]
    assert main([*arguments, "--scene", "full", "--json", str(report)]) == 0
    found = json.loads(report.read_text())
    assert found["n_dropped"] == 0
    assert found["n_pairs"] == len((trained / "set" / "pairs.jsonl").read_text().splitlines())


def test_wrong_use_exits_with_2_and_failures_with_1(trained, capsys, tmp_path):
    assert main(["evaluate", str(tmp_path / "no-model"), str(trained / "set")]) == 1
    assert "no such model folder" in capsys.readouterr().err
    assert main(["evaluate", str(trained / "model"), str(tmp_path / "no-set")]) == 1
    assert "no-set" in capsys.readouterr().err
    (tmp_path / "c.toml").write_text("epoch = 3\n")
    arguments = ["train", str(trained / "set"), "--out", str(tmp_path / "m")]
    assert main([*arguments, "--config", str(tmp_path / "c.toml")]) == 2
    assert "unknown setting 'epoch'. Did you mean 'epochs'?" in capsys.readouterr().err
    assert main(["train", str(trained / "set")]) == 2


def test_a_model_of_another_backbone_is_refused(trained, tmp_path, capsys):
    import shutil

    other = tmp_path / "other"
    shutil.copytree(trained / "model", other)
    record = json.loads((other / "config.json").read_text())
    record["backbone_identity"] = "tiny-fp32-000000000000"
    (other / "config.json").write_text(json.dumps(record))
    assert main(["evaluate", str(other), str(trained / "set")]) == 1
    assert "tiny-fp32-000000000000" in capsys.readouterr().err


def test_a_bad_picture_is_reported_and_left_out(trained, tmp_path, capsys):
    drawn_set(tmp_path / "set", scenes=20)
    victim = sorted((tmp_path / "set" / "scenes").iterdir())[0]
    victim.write_bytes(b"")
    arguments = ["evaluate", str(trained / "model"), str(tmp_path / "set"), "--split", "all"]
    assert main(arguments) == 0
    assert victim.name in capsys.readouterr().err


def test_a_picture_that_train_cannot_use_is_named_and_strict_refuses_it(trained, tmp_path, capsys):
    drawn_set(tmp_path / "set", scenes=40)
    victim = sorted((tmp_path / "set" / "products").iterdir())[0]
    victim.write_bytes(victim.read_bytes()[:200])
    arguments = ["train", str(tmp_path / "set"), "--out", str(tmp_path / "m")]
    arguments += ["--config", str(trained / "config.toml"), "--epochs", "1"]
    assert main(arguments) == 0
    assert victim.name in capsys.readouterr().err
    assert json.loads((tmp_path / "m" / "config.json").read_text())["training"]["n_problems"] == 1
    assert main([*arguments, "--strict"]) == 1
    assert victim.name in capsys.readouterr().err
    assert main(["evaluate", str(tmp_path / "m"), str(tmp_path / "set"), "--strict"]) == 1


def test_a_set_named_twice_is_wrong_use(trained, tmp_path, capsys):
    arguments = ["train", str(trained / "set"), str(trained / "set"), "--out", str(tmp_path / "m")]
    assert main([*arguments, "--config", str(trained / "config.toml")]) == 2
    assert "named more than once" in capsys.readouterr().err


def test_several_sets_train_one_model(trained, tmp_path):
    drawn_set(tmp_path / "second", scenes=20, seed=5)
    arguments = ["train", str(trained / "set"), str(tmp_path / "second"), "--out", str(tmp_path / "m")]
    assert main([*arguments, "--config", str(trained / "config.toml"), "--epochs", "1"]) == 0
    record = json.loads((tmp_path / "m" / "config.json").read_text())
    assert record["training"]["sets"] == ["set", "second"]
    assert record["training"]["n_scenes"] > 80
    assert main(["evaluate", str(tmp_path / "m"), str(tmp_path / "second")]) == 0


@pytest.fixture(scope="module")
def baselines(trained: Path, cache: Path) -> Path:
    """A popularity model and a ridge, trained as a user does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERFECTLOOK_CACHE", str(cache))
        for name in ("popularity", "ridge"):
            arguments = ["train", str(trained / "set"), "--out", str(trained / name), "--baseline", name]
            assert main([*arguments, "--backbone", "tiny", "--seed", "1"]) == 0
    return trained


@pytest.mark.parametrize("name", ["popularity", "ridge"])
def test_a_baseline_is_trained_and_evaluated_like_a_model(baselines, name: str, capsys):
    report = baselines / f"{name}.json"
    assert main(["evaluate", str(baselines / name), str(baselines / "set"), "--json", str(report)]) == 0
    found = json.loads(report.read_text())
    assert found["model"] == name
    assert found["n_trained_scenes"] == 0
    assert json.loads((baselines / name / "config.json").read_text())["baseline"] == name


def test_a_baseline_with_vectors_completes_looks(baselines, tmp_path, capsys):
    model, catalogue = str(baselines / "ridge"), str(tmp_path / "catalogue")
    assert (
        main(["catalogue", "sync", str(baselines / "set"), "--model", model, "--catalogue", catalogue]) == 0
    )
    photo = str(sorted((baselines / "set" / "scenes").iterdir())[0])
    arguments = ["complete", photo, "--model", model, "--catalogue", catalogue, "-k", "3"]
    assert main([*arguments, "--json", str(tmp_path / "looks.json")]) == 0
    sections = json.loads((tmp_path / "looks.json").read_text())["categories"]
    for section in sections:
        distances = [product["distance"] for product in section["products"]]
        assert len(distances) == 3
        assert distances == sorted(distances)


def test_popularity_has_no_vectors_to_search_with(baselines, tmp_path, capsys):
    model, catalogue = str(baselines / "popularity"), str(tmp_path / "catalogue")
    assert (
        main(["catalogue", "sync", str(baselines / "set"), "--model", model, "--catalogue", catalogue]) == 1
    )
    assert "has no product vectors" in capsys.readouterr().err
    photo = str(sorted((baselines / "set" / "scenes").iterdir())[0])
    assert main(["complete", photo, "--model", model, "--catalogue", catalogue]) == 1
    assert "has no product vectors" in capsys.readouterr().err


def test_popularity_of_a_catalogue_it_never_saw_is_an_error(baselines, tmp_path, capsys):
    drawn_set(tmp_path / "other", scenes=30, seed=9)
    assert main(["evaluate", str(baselines / "popularity"), str(tmp_path / "other"), "--split", "all"]) == 1
    assert "counted products include none of the" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--baseline", "popularty"], "unknown baseline 'popularty'. Did you mean 'popularity'?"),
        (["--baseline", "ibr", "--mode", "local"], "unknown setting 'mode' for the baseline 'ibr'"),
        (["--baseline", "visual", "--epochs", "3"], "unknown setting 'epochs' for the baseline 'visual'"),
    ],
)
def test_wrong_use_of_baselines(trained, tmp_path, capsys, arguments: list[str], says: str):
    assert main(["train", str(trained / "set"), "--out", str(tmp_path / "m"), *arguments]) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "m").exists()


def test_the_help_names_every_baseline(capsys):
    from perfectlook.training.baselines.registry import BASELINES

    assert main(["train", "--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert all(name in said for name in BASELINES)


def test_adapt_writes_a_model_with_the_statistics_of_photos(trained, tmp_path, capsys):
    photos = drawn_set(tmp_path / "shop", scenes=3, seed=9) / "scenes"
    (photos / "broken.jpg").write_bytes(b"not a picture")
    arguments = ["adapt", str(trained / "model"), "--scenes", str(photos), "--out", str(tmp_path / "adapted")]
    assert main([*arguments, "--workers", "1"]) == 0
    printed = capsys.readouterr()
    assert "adapted to 3 photos" in printed.out
    assert "With 16 photos or more" in printed.out
    assert "catalogue sync FEED --model" in printed.out
    assert "broken.jpg" in printed.err
    assert main(["evaluate", str(tmp_path / "adapted"), str(trained / "set"), "--split", "all"]) == 0


def test_train_makes_the_prior_of_a_set_without_pairs(tmp_path, capsys):
    folder = drawn_set(tmp_path / "set", scenes=8)
    (folder / "pairs.jsonl").unlink()
    arguments = ["train", str(folder), "--out", str(tmp_path / "model"), "--backbone", "tiny"]
    assert main([*arguments, "--workers", "1"]) == 0
    assert "made from 8 scenes, without pairs" in capsys.readouterr().out
    assert main(["evaluate", str(tmp_path / "model"), str(folder)]) == 1
    assert "no pair" in capsys.readouterr().err


def test_the_progress_counts_folds_from_one(capsys):
    _print_epoch("fold 1", Epoch(3, 0.25, 0.5, None, 1.0))
    _print_epoch("all", Epoch(0, None, None, None, 1.0))
    _print_epoch("all", Epoch(1, 0.25, None, None, 1.0, seconds_left=125))
    assert capsys.readouterr().err.splitlines() == [
        "fold 2 of 5: epoch 3, loss 0.2500, binary accuracy 0.5000 (1.0 s)",
        "all: epoch 0 (1.0 s)",
        "all: epoch 1, loss 0.2500 (1.0 s, at most 2 min 05 s left)",
    ]
