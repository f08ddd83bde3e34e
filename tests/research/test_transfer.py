"""The tool that measures models on a set that they have not seen."""

import json
from pathlib import Path

import pytest

import perfectlook as pl
import transfer
from drawn import drawn_set
from perfectlook.data import load_set
from perfectlook.features.set_features import set_features


def test_photos_are_neither_held_out_nor_copies_of_held_out_scenes(tmp_path: Path) -> None:
    features = set_features(load_set(drawn_set(tmp_path / "set", scenes=12)), "tiny", workers=1)
    scenes = sorted(features.dataset.scenes)
    features.twins.update({scenes[5]: frozenset({scenes[0]}), scenes[0]: frozenset({scenes[5]})})
    chosen = transfer.chosen_photos(features, set(scenes[:3]), 99, 0, tmp_path / "photos")
    assert {each.stem for each in chosen.iterdir()} == set(scenes) - set(scenes[:3]) - {scenes[5]}


def test_a_model_is_measured_as_it_is_and_adapted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pl.train(
        drawn_set(tmp_path / "own", scenes=20),
        tmp_path / "model",
        baseline="prior",
        backbone="tiny",
        workers=1,
    )
    other = drawn_set(tmp_path / "other", scenes=20, styles=3, seed=4)
    arguments = [str(tmp_path / "model"), str(other), "--photos", "6", "--json", str(tmp_path / "found.json")]
    monkeypatch.setattr("sys.argv", ["transfer.py", *arguments])
    transfer.main()
    found = json.loads((tmp_path / "found.json").read_text())
    plain = pl.evaluate(tmp_path / "model", other, split="all", workers=1).overall
    assert found["as_it_is"]["value"] == pytest.approx(plain.binary_accuracy.value)
    assert found["n_pairs"] == plain.n_pairs
    gained = found["adapted"]["value"] - found["as_it_is"]["value"]
    assert found["difference"]["value"] == pytest.approx(gained)
    assert f"adapted     {found['adapted']['value']:.3f}" in capsys.readouterr().out
