"""The style prior ranks by the cosine of standardised features, and uses no pair."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

import perfectlook as pl
from drawn import HOME, drawn_set
from perfectlook.data import load_set
from perfectlook.data.scenes import split_of
from perfectlook.errors import TrainingError
from perfectlook.features.set_features import SetFeatures, set_features
from perfectlook.model.runtime import Model, open_model
from perfectlook.training.baselines.registry import baseline, train_baseline_on_features
from perfectlook.training.data import TrainingData
from perfectlook.training.mixture import measured_scenes
from styled import styled_set

SETTINGS = {"backbone": "tiny", "dimension": 512}
"""More components than the drawn products span."""


def made_from(features: SetFeatures, folder: Path) -> Model:
    train_baseline_on_features(features, folder, "prior", SETTINGS)
    return open_model(folder)


def standardised(head: np.ndarray, style: np.ndarray, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
    """Both blocks z-scored by some rows, with equal weight, and each picture of length 1."""
    blocks = []
    for block in (head.astype(np.float64), style.astype(np.float64)):
        deviation = block[rows].std(axis=0)
        usable = deviation > 1e-6 * max(head[rows].std(axis=0).max(), style[rows].std(axis=0).max())
        scale = np.where(usable, 1 / np.where(usable, deviation, 1), 0) / np.sqrt(block.shape[1])
        blocks.append((block - block[rows].mean(axis=0)) * scale)
    joined = np.concatenate(blocks, axis=1)
    return joined / np.linalg.norm(joined, axis=1, keepdims=True)


def test_distances_are_in_the_order_of_the_cosine(tmp_path: Path) -> None:
    features = styled_set(scenes=60, products=24)
    model = made_from(features, tmp_path / "m")
    known = np.array([i for i, pair in enumerate(features.pairs) if split_of(pair.scene) != "test"])
    rows = np.unique(features.pair_scenes[known])
    scenes = standardised(features.scenes.global_vectors, features.scenes.style_statistics, rows)
    categories = np.asarray(features.product_categories)
    centred = []
    for stored in (features.products.global_vectors, features.products.style_statistics):
        block = stored.astype(np.float64)
        for name in set(categories):
            block[categories == name] -= block[categories == name].mean(axis=0)
        centred.append(block)
    products = standardised(*centred)
    distances = model.distances_over(features, np.arange(len(features.pairs)))
    for row in (0, 7, 30):
        for name in sorted(set(categories)):
            of_category = np.flatnonzero(categories == name)
            found = distances(row, name, of_category)
            cosines = products[of_category] @ scenes[row]
            assert np.corrcoef(found, -cosines)[0, 1] > 0.999
            assert found.argmin() == cosines.argmax()


def test_pairs_change_nothing(tmp_path: Path) -> None:
    features = styled_set(scenes=60, products=24)
    shuffled = dataclasses.replace(
        features, pair_products=np.random.default_rng(1).permutation(features.pair_products)
    )
    vectors = [
        made_from(each, tmp_path / str(i)).product_vectors(features)
        for i, each in enumerate((features, shuffled))
    ]
    assert np.array_equal(*vectors)


def test_a_set_without_pairs_trains_the_prior(tmp_path: Path) -> None:
    folder = drawn_set(tmp_path / "set", categories=HOME, scenes=20)
    (folder / "pairs.jsonl").unlink()
    dataset = load_set(folder)
    assert (len(dataset.scenes), len(dataset.pairs), len(dataset.products)) == (20, 0, 24)
    model = pl.train(folder, tmp_path / "m", backbone="tiny", workers=1)
    assert (model.record.baseline, model.training["n_pairs"], model.training["n_scenes"]) == ("prior", 0, 20)
    scene, product = sorted((folder / "scenes").iterdir())[0], sorted((folder / "products").iterdir())[0]
    assert model.distance(scene, product, "Chairs") > 0


@pytest.mark.parametrize("rows", [1, 2])
def test_with_too_few_pairs_to_learn_from_the_model_is_that_without_pairs(tmp_path: Path, rows: int) -> None:
    folder = drawn_set(tmp_path / "set", scenes=20, boxes=False)
    lines = (folder / "pairs.jsonl").read_text().splitlines()
    first = json.loads(lines[0])["scene"]
    few = [line for line in lines if json.loads(line)["scene"] == first][:rows]
    (folder / "pairs.jsonl").write_text("".join(f"{line}\n" for line in few))
    told: list[str] = []
    models = [
        pl.train(
            folder,
            tmp_path / "few",
            backbone="tiny",
            workers=1,
            on_problems=lambda problems, _: told.extend(map(str, problems)),
        )
    ]
    assert any("too few to learn from, so the model is made from pictures alone" in each for each in told)
    (folder / "pairs.jsonl").unlink()
    models.append(pl.train(folder, tmp_path / "none", backbone="tiny", workers=1))
    assert [each.record.baseline for each in models] == ["prior", "prior"]
    held_out = split_of(first) == "test"
    assert [each.training["n_scenes"] for each in models] == [20 - held_out, 20]


def test_scenes_without_pairs_are_measured_too(tmp_path: Path) -> None:
    folder = drawn_set(tmp_path / "set", categories=HOME, scenes=20)
    lines = (folder / "pairs.jsonl").read_text().splitlines()
    scenes = sorted({json.loads(line)["scene"] for line in lines})[:12]
    kept = [line for line in lines if json.loads(line)["scene"] in scenes]
    (folder / "pairs.jsonl").write_text("".join(f"{line}\n" for line in kept))
    features = set_features(load_set(folder), "tiny", unpaired=True, workers=1)
    views = [features.scene_views[row] for row in features.unpaired]
    assert {view.picture.stem for view in views} == {each.stem for each in (folder / "scenes").iterdir()} - {
        *scenes
    }
    assert all(view.crop for view in views)  # like the scenes of the pairs, which have boxes
    config = baseline("prior").config({"backbone": "tiny"}, name="prior")
    measured = measured_scenes(TrainingData(features, config.model), config)
    assert set(features.unpaired) < set(measured)
    assert not len(set_features(load_set(folder), "tiny", workers=1).unpaired)


def test_one_scene_is_too_few(tmp_path: Path) -> None:
    folder = drawn_set(tmp_path / "set", scenes=1)
    (folder / "pairs.jsonl").unlink()
    with pytest.raises(TrainingError, match="1 scene and 24 products"):
        pl.train(folder, tmp_path / "m", backbone="tiny", workers=1)


def test_other_trainings_need_pairs(tmp_path: Path) -> None:
    folder = drawn_set(tmp_path / "set", scenes=6)
    (folder / "pairs.jsonl").unlink()
    features = set_features(load_set(folder), "tiny", workers=1)
    with pytest.raises(TrainingError):
        train_baseline_on_features(features, tmp_path / "m", "ridge", {"backbone": "tiny"})
