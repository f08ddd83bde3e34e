"""Nested subsets: deterministic, by scene, and of training scenes only."""

import dataclasses
from hashlib import md5

from data_size import first_share, only_scenes, training_pool, without_scenes
from drawn import drawn_set
from perfectlook.data import load_set
from perfectlook.data.scenes import split_of
from perfectlook.evaluation.protocol import pair_indices
from perfectlook.features.set_features import set_features
from styled import styled_set


def test_the_pool_is_the_training_split_in_the_order_of_md5():
    features = styled_set(scenes=510, products=8, categories=("Furniture|Chairs",))
    pool = training_pool(features)
    assert set(pool) == {scene for scene in features.dataset.scenes if split_of(scene) == "train"}
    assert pool == sorted(pool, key=lambda scene: md5(scene.encode()).hexdigest())


def test_the_pool_of_a_small_set_includes_validation_scenes():
    features = styled_set(scenes=100, products=8, categories=("Furniture|Chairs",))
    assert {split_of(scene) for scene in training_pool(features)} == {"train", "val"}


def test_copies_of_held_out_scenes_are_in_no_subset():
    features = styled_set(scenes=510, products=8, categories=("Furniture|Chairs",))
    test = features.pairs[pair_indices(features, "test")[0]].scene
    train = training_pool(features)[0]
    twins = {test: frozenset({train}), train: frozenset({test})}
    assert train not in training_pool(dataclasses.replace(features, twins=twins))


def test_shares_are_nested_and_never_empty():
    pool = [f"s{number}" for number in range(100)]
    assert first_share(pool, 0.07) == pool[:7]
    assert first_share(pool, 0.001) == pool[:1]
    assert first_share(pool, 0.015) == pool[:2]
    assert first_share(pool, 1.0) == pool


def test_a_subset_has_all_features_except_those_of_the_scenes_left_out(tmp_path):
    dataset = load_set(drawn_set(tmp_path / "set", scenes=12, products_per_category=4))
    whole = set_features(dataset, "tiny", workers=1)
    gone = set(training_pool(whole)[2:])
    part = set_features(without_scenes(dataset, gone), "tiny", workers=1)
    kept = [index for index, pair in enumerate(whole.pairs) if pair.scene not in gone]
    assert part.pairs == [whole.pairs[index] for index in kept]
    assert part.product_ids == whole.product_ids
    assert len(part.dataset.scenes) == len(whole.dataset.scenes)
    found = part.scenes.global_vectors[part.pair_scenes]
    assert (found == whole.scenes.global_vectors[whole.pair_scenes[kept]]).all()
    assert {split_of(pair.scene) for pair in part.pairs} >= {split_of(p.scene) for p in whole.pairs} - {"val"}


def test_some_scenes_make_a_smaller_set(tmp_path):
    dataset = load_set(drawn_set(tmp_path / "set", scenes=6, products_per_category=8))
    chosen = dataset.pairs[0].scene
    alone = only_scenes(dataset, {chosen})
    assert list(alone.scenes) == [chosen]
    assert set(alone.products) == dataset.positives[chosen]
