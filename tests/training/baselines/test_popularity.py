"""Counting pairs."""

from collections import Counter

import numpy as np

from perfectlook.data.split import split_of
from perfectlook.evaluation.evaluate import evaluate_on_features
from perfectlook.model.runtime import open_model
from perfectlook.training.baselines.train import train_baseline_on_features
from styled import styled_set


def test_it_counts_the_training_pairs_of_every_product(tmp_path):
    features = styled_set(scenes=510, products=24)
    train_baseline_on_features(features, tmp_path / "m", "popularity", {"backbone": "tiny"})
    expected = Counter(pair.product for pair in features.pairs if split_of(pair.scene) == "train")
    assert open_model(tmp_path / "m").counts == expected


def test_evaluation_is_that_of_the_counts(tmp_path):
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
