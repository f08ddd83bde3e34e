"""The baselines without training: popularity counts pairs, visual similarity is the cosine."""

import dataclasses
from collections import Counter

import numpy as np
import pytest
import torch

from perfectlook.data.scenes import split_of
from perfectlook.evaluation.evaluate import evaluate_on_features
from perfectlook.model.config import ModelConfig
from perfectlook.model.networks import Widths
from perfectlook.model.runtime import open_model
from perfectlook.training.baselines.registry import Visual, train_baseline_on_features
from styled import styled_set


def test_popularity_counts_the_training_pairs_of_every_product(tmp_path):
    features = styled_set(scenes=510, products=24)
    train_baseline_on_features(features, tmp_path / "m", "popularity", {"backbone": "tiny"})
    expected = Counter(pair.product for pair in features.pairs if split_of(pair.scene) == "train")
    assert open_model(tmp_path / "m").counts == expected


def test_the_evaluation_of_popularity_follows_the_counts(tmp_path):
    features = styled_set(scenes=510, products=24)
    train_baseline_on_features(features, tmp_path / "m", "popularity", {"backbone": "tiny"})
    model = open_model(tmp_path / "m")
    found = evaluate_on_features(model, features)
    category = dict(zip(features.product_ids, features.product_categories, strict=True))
    for result in found.results[:20]:
        own = model.counts.get(result.product, 0)
        known = features.dataset.positives[result.scene]
        others = np.array(
            [
                model.counts.get(each, 0)
                for each in features.product_ids
                if category[each] == result.category and each not in known
            ]
        )
        assert result.share == ((others < own).sum() + (others == own).sum() / 2) / len(others)


HEAD, STYLE = 3, 2


def embedded(kind: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    torch.manual_seed(0)
    network = Visual(ModelConfig(mode="global", global_features=kind), Widths(HEAD, (STYLE,), 1))
    width = network.config.dimension
    scene, products = torch.randn(1, width), torch.randn(9, width)
    f_s, f_p = network.embed_scene(scene), network.embed_product(products, torch.zeros(9, width))
    return scene.numpy()[0], products.numpy(), f_s.numpy()[0], f_p.numpy()


def cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (b @ a) / np.linalg.norm(a) / np.linalg.norm(b, axis=1)


@pytest.mark.parametrize("kind", ["head", "style"])
def test_the_squared_distance_is_two_minus_two_cosines(kind: str):
    scene, products, f_s, f_p = embedded(kind)
    assert np.sum((f_s - f_p) ** 2, axis=1) == pytest.approx(2 - 2 * cosine(scene, products), abs=1e-6)


def test_global_vector_and_style_statistics_have_equal_weight():
    scene, products, f_s, f_p = embedded("both")
    halves = cosine(scene[:HEAD], products[:, :HEAD]), cosine(scene[HEAD:], products[:, HEAD:])
    assert np.sum((f_s - f_p) ** 2, axis=1) == pytest.approx(2 - sum(halves), abs=1e-6)


def test_vectors_have_the_width_of_the_features():
    config = ModelConfig(mode="global", global_features="both")
    assert Visual(config, Widths(HEAD, (STYLE,), 1)).config == dataclasses.replace(config, dimension=5)
