"""Evaluating an exported model: its distances, its centres and its unseen products."""

import dataclasses
import json

import numpy as np
import pytest

from perfectlook.errors import DatasetError
from perfectlook.evaluation.evaluate import average_precision, evaluate_on_features, recall_at
from perfectlook.evaluation.protocol import pair_indices
from perfectlook.model.config import ModelConfig
from perfectlook.model.runtime import PRIOR_PRODUCTS, Model, catalogue_centres
from perfectlook.training.config import TrainingConfig
from perfectlook.training.train import train_on_features
from perfectlook.types import Box
from styled import styled_set


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    features = styled_set(scenes=510, products=24, categories=("Furniture|Chairs", "Decor|Rugs"))
    config = TrainingConfig(model=ModelConfig(backbone="tiny", dimension=8, hidden=16), epochs=1)
    folder = tmp_path_factory.mktemp("trained") / "m"
    train_on_features(features, folder, config)
    return Model.open(folder)


@pytest.fixture
def features():
    return styled_set(scenes=510, products=24, categories=("Furniture|Chairs", "Decor|Rugs"))


def test_centres_of_a_catalogue_are_shrunk_to_the_models(model, features):
    other = styled_set(scenes=1, products=5, seed=8, categories=("Furniture|Chairs", "Toys|Kites"))
    inputs = model.product_inputs(other.products.batch(slice(None)))
    found = catalogue_centres(model.centre, [(other.product_categories, inputs)])
    chairs = (inputs[:5].mean(axis=0) * 5 + PRIOR_PRODUCTS * model.centres["Furniture|Chairs"]) / 25
    kites = (inputs[5:].mean(axis=0) * 5 + PRIOR_PRODUCTS * model.overall_centre) / 25
    assert found["Furniture|Chairs"] == pytest.approx(chairs, abs=1e-5)
    assert found["Toys|Kites"] == pytest.approx(kites, abs=1e-5)


def test_evaluation_uses_the_distances_of_the_model(model, features):
    indices = pair_indices(features, "test")
    distances = model.distances_over(features, indices)
    inputs = model.product_inputs(features.products.batch(slice(None)))
    centres = catalogue_centres(model.centre, [(features.product_categories, inputs)])
    rows = np.arange(3, 20)
    vectors = model.embed_products(
        features.products.batch(rows), np.stack([centres["Furniture|Chairs"]] * len(rows))
    )
    scene_row = int(features.pair_scenes[indices[0]])
    scene = model.embed_scene(features.scenes.batch([scene_row]))
    expected = scene.distances("Furniture|Chairs", vectors).total
    assert distances(scene_row, "Furniture|Chairs", rows) == pytest.approx(expected, abs=1e-5)


def test_unseen_products_are_in_no_training_pair(model, features):
    test = pair_indices(features, "test")
    # Give three test pairs new products, which no training pair has.
    names = [f"new-{number}" for number in range(3)]
    rows = features.pair_products[test[:3]]
    ids = list(features.product_ids)
    for name, row in zip(names, rows, strict=True):
        old = ids[row]
        ids[row] = name
        features.dataset.products[name] = dataclasses.replace(features.dataset.products[old], id=name)
        for place, pair in enumerate(features.pairs):
            if pair.product == old:
                features.pairs[place] = dataclasses.replace(pair, product=name)
    features = dataclasses.replace(features, product_ids=ids)
    features.dataset.pairs[:] = features.pairs
    found = evaluate_on_features(model, features)
    assert found.unseen.n_pairs == sum(pair.product in names for pair in (features.pairs[i] for i in test))
    shares = [result.share for result in found.results if result.product in names]
    assert found.unseen.binary_accuracy.value == pytest.approx(np.mean(shares))
    assert found.to_dict()["binary_accuracy_unseen"]["n_pairs"] == len(shares) < found.overall.n_pairs


def test_copies_outside_the_split_and_pairs_without_candidates_are_counted(model, features):
    test = [features.pairs[i].scene for i in pair_indices(features, "test")]
    train = [features.pairs[i].scene for i in pair_indices(features, "train")]
    twins = {test[0]: frozenset({train[0]}), train[0]: frozenset({test[0]})}
    categories = list(features.product_categories)
    lonely = features.pair_products[pair_indices(features, "test")[0]]
    categories[lonely] = "Alone"
    report = evaluate_on_features(
        model, dataclasses.replace(features, twins=twins, product_categories=categories)
    ).to_dict()
    assert report["n_twin_scenes"] == 1
    of_lonely = features.pair_products[pair_indices(features, "test")] == lonely
    assert report["n_without_candidates"] == of_lonely.sum() >= 1
    assert report["n_pairs"] + report["n_without_candidates"] == len(test)


def test_pairs_that_the_crop_rule_drops_are_counted_for_the_split(model, features):
    full = Box(0.0, 0.0, 1.0, 1.0)  # nothing is left above or below it
    pairs = features.dataset.pairs
    test = {features.pairs[i].scene for i in pair_indices(features, "test")}
    dropped = [pair for pair in pairs if pair.scene in test][:3]
    features.dataset.pairs[:] = [
        dataclasses.replace(pair, box=full) if pair in dropped else pair for pair in pairs
    ]
    assert evaluate_on_features(model, features).n_dropped == 3
    assert evaluate_on_features(model, features, split="train").n_dropped == 0
    assert evaluate_on_features(model, features, scene="full").n_dropped == 0


def test_an_empty_split_is_an_error_that_names_it(model):
    lonely = styled_set(scenes=1)
    absent = next(split for split in ("test", "val", "train") if not len(pair_indices(lonely, split)))
    with pytest.raises(DatasetError, match=f"no pair of the split '{absent}'"):
        evaluate_on_features(model, lonely, split=absent)


def test_an_evaluation_prints_as_text_and_converts(model, features):
    pd = pytest.importorskip("pandas")
    found = evaluate_on_features(model, features)
    assert str(found) == repr(found) == found.to_text()
    assert json.loads(found.to_json())["binary_accuracy"] == found.overall.binary_accuracy.value
    assert found._repr_html_().count("<table>") == 2
    frame = found.to_frame()
    assert isinstance(frame, pd.DataFrame)
    assert list(frame["category"]) == ["(all)", *found.per_category]
    assert frame["n_pairs"].iloc[0] == found.overall.n_pairs == frame["n_pairs"].iloc[1:].sum()


def test_average_precision_by_hand():
    # Relevant at places 1, 3 and 4: precisions 1, 2/3 and 3/4.
    assert average_precision(np.array([1, 0, 1, 1, 0], bool)) == pytest.approx((1 + 2 / 3 + 3 / 4) / 3)
    assert average_precision(np.array([0, 0, 1], bool)) == pytest.approx(1 / 3)


def test_recall_by_hand():
    ranking = np.array([1, 0, 1, 1, 0], bool)
    assert [recall_at(ranking, k) for k in (1, 2, 3, 9)] == pytest.approx([1 / 3, 1 / 3, 2 / 3, 1])


def test_a_ranking_without_relevant_entries_is_an_error():
    for measure in (average_precision, lambda ranking: recall_at(ranking, 1)):
        with pytest.raises(ValueError, match="relevant"):
            measure(np.zeros(3, bool))
