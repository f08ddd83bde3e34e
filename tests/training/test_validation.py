"""The pairs that training uses, and the figures on held-out pairs."""

import dataclasses
import zlib

import numpy as np
import pytest

from perfectlook.errors import ModelError
from perfectlook.evaluation.protocol import scenes_of_split
from perfectlook.training.config import TrainingConfig
from perfectlook.training.validation import (
    HELD_OUT,
    HeldOut,
    folds,
    held_out,
    learning_pairs,
    validation_round,
    worth,
)
from styled import styled_set

CONFIG = TrainingConfig()


def scenes(features, indices) -> set[str]:
    return {features.pairs[i].scene for i in indices}


def test_large_sets_hold_out_validation_and_test():
    features = styled_set(scenes=510, products=8, categories=("Furniture|Chairs",))
    assert scenes(features, learning_pairs(features, CONFIG)) == scenes_of_split(features, "train")
    found = validation_round(features, CONFIG)
    assert scenes(features, found.training) == scenes_of_split(features, "train")
    assert scenes(features, found.validation) == scenes_of_split(features, "val")


def test_small_sets_hold_out_the_test_split_only():
    features = styled_set(scenes=100, products=8)
    assert held_out(features, CONFIG) == scenes_of_split(features, "test")
    assert scenes(features, learning_pairs(features, CONFIG)) == scenes_of_split(
        features, "train"
    ) | scenes_of_split(features, "val")


def test_large_sets_with_cross_validation_hold_out_the_test_split_only():
    features = styled_set(scenes=510, products=8, categories=("Furniture|Chairs",))
    asked = TrainingConfig(cross_validate=True)
    assert held_out(features, asked) == scenes_of_split(features, "test")
    measured = [scenes(features, each.validation) for each in folds(features, asked)]
    assert set().union(*measured) == scenes(features, learning_pairs(features, asked))


def test_each_learned_scene_is_validated_in_one_fold():
    for count in (100, 510):
        features = styled_set(scenes=count, products=8, categories=("Furniture|Chairs",))
        rounds = folds(features, CONFIG)
        measured = [scenes(features, each.validation) for each in rounds]
        assert len(rounds) == 5
        assert set().union(*measured) == scenes(features, learning_pairs(features, CONFIG))
        assert sum(len(each) for each in measured) == len(set().union(*measured))
        for each, part in zip(rounds, measured, strict=True):
            assert scenes(features, each.training) <= set().union(*measured) - part


def test_half_of_the_held_out_products_are_in_no_training_pair_of_their_fold():
    features = styled_set(scenes=100, products=40)
    for each in folds(features, CONFIG):
        held_out = np.unique(features.pair_products[each.validation])
        is_new = ~np.isin(held_out, features.pair_products[each.training])
        assert 0.25 < is_new.mean() < 0.75
        assert {features.product_ids[row] for row in held_out[is_new]} >= {
            features.product_ids[row]
            for row in held_out
            if zlib.crc32(features.product_ids[row].encode()) % 2
        }


def test_new_and_known_products_count_alike():
    shares, is_new = np.array([[1.0, 0.0, 0.5, 0.5]]), np.array([True, False, False, False])
    assert worth(shares, is_new) == pytest.approx((1.0 + 1 / 3) / 2)
    assert worth(shares, np.ones(4, bool)) == pytest.approx(0.5)


def test_copies_of_validated_scenes_are_not_trained_on():
    features = styled_set(scenes=100, products=8, categories=("Furniture|Chairs",))
    one = folds(features, CONFIG)[0]
    measured, copy = features.pairs[one.validation[0]].scene, features.pairs[one.training[0]].scene
    features = dataclasses.replace(features, twins={measured: frozenset({copy}), copy: frozenset({measured})})
    assert copy not in scenes(features, folds(features, CONFIG)[0].training)
    assert copy in scenes(features, learning_pairs(features, CONFIG))


ONE = HeldOut(["a", "a", "b"], np.array([1.0, 0.5, 0.0]))


def test_the_accuracy_is_the_mean_over_pairs():
    assert ONE.accuracy.value == pytest.approx(0.5)
    assert HeldOut([], np.empty(0)).accuracy is None


def test_held_out_shares_are_read_back_unchanged(tmp_path):
    ONE.write(tmp_path)
    found = HeldOut.read(tmp_path)
    assert list(found.scenes) == ["a", "a", "b"]
    assert found.shares.tolist() == [1.0, 0.5, 0.0]
    assert HeldOut.read(tmp_path / "elsewhere") is None
    (tmp_path / HELD_OUT).write_text("[1")
    with pytest.raises(ModelError, match="cannot be read"):
        HeldOut.read(tmp_path)
