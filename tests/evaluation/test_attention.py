"""The deletion test: its masks, their effect on a scene, and its report."""

import numpy as np
import pytest

from perfectlook.errors import DatasetError
from perfectlook.evaluation.attention import (
    MaskedScenes,
    deletion_test,
    largest,
    random_mask,
    without_attention,
)
from perfectlook.evaluation.evaluate import evaluate_on_features
from perfectlook.evaluation.protocol import pair_indices
from perfectlook.model.config import ModelConfig
from perfectlook.model.distances import attention_weights
from perfectlook.model.runtime import Model, SceneEmbedding
from perfectlook.training.config import TrainingConfig
from perfectlook.training.train import train_on_features
from perfectlook.types import REGIONS
from styled import styled_set

CHAIRS, RUGS = "Furniture|Chairs", "Decor|Rugs"


@pytest.fixture(scope="module")
def features():
    return styled_set(scenes=510, products=12, categories=(CHAIRS, RUGS))


@pytest.fixture(scope="module")
def models(features, tmp_path_factory) -> dict[str, Model]:
    folder = tmp_path_factory.mktemp("trained")

    def trained(mode: str, **more: object) -> Model:
        shape = ModelConfig(backbone="tiny", mode=mode, dimension=8, hidden=16, **more)  # type: ignore[arg-type]
        train_on_features(features, folder / mode, TrainingConfig(model=shape, epochs=0))
        return Model.open(folder / mode)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("perfectlook.training.log.draw_plot", lambda *_: None)  # it takes as long as a training
        return {
            "hybrid": trained("hybrid", distance="l2"),
            "local": trained("local"),
            "global": trained("global"),
        }


def scene() -> SceneEmbedding:
    draw = np.random.default_rng(0)
    regions = draw.normal(size=(REGIONS, 4)).astype(np.float32)
    logits = draw.normal(size=(2, REGIONS)).astype(np.float32)
    return SceneEmbedding(regions[0], regions, logits, (CHAIRS, RUGS), 0.5, "squared_l2")


def test_the_largest_attention_is_chosen():
    one = scene()
    mask = largest(5)(one, 0, RUGS)
    assert mask.sum() == 5
    assert one.attention(RUGS)[mask].min() >= one.attention(RUGS)[~mask].max()


def test_random_regions_are_the_same_for_the_same_scene_and_seed():
    one = scene()
    chosen = random_mask(10, 0, 1)
    assert chosen(one, 3, RUGS).sum() == 10
    assert (chosen(one, 3, RUGS) == random_mask(10, 0, 1)(one, 3, RUGS)).all()
    others = [chosen(one, 4, RUGS), chosen(one, 3, CHAIRS), random_mask(10, 0, 2)(one, 3, RUGS)]
    assert all((chosen(one, 3, RUGS) != other).any() for other in others)
    often = np.mean([random_mask(10, 0, draw)(one, 0, RUGS) for draw in range(800)], axis=0)
    assert often == pytest.approx(np.full(REGIONS, 10 / REGIONS), abs=0.07)


def test_masked_attention_goes_to_the_other_regions_in_proportion():
    one = scene()
    mask = largest(10)(one, 0, RUGS)
    masked = without_attention(one, RUGS, mask)
    expected = np.where(mask, 0, attention_weights(one.attention_logits[1]))
    assert masked.attention(RUGS) == pytest.approx(expected / expected.sum(), abs=1e-6)
    assert masked.attention(CHAIRS).tolist() == one.attention(CHAIRS).tolist()


@pytest.mark.parametrize("mode", ["hybrid", "local"])
def test_the_report_measures_falls_from_the_models_own_accuracy(mode, models, features):
    found = deletion_test(models[mode], features, counts=(3, 40), draws=2)
    report = found.to_dict()
    expected = evaluate_on_features(models[mode], features).overall
    assert report["binary_accuracy"]["value"] == pytest.approx(expected.binary_accuracy.value)
    assert report["binary_accuracy"]["ci95"] == pytest.approx(expected.binary_accuracy[1:])
    assert (report["n_pairs"], report["n_scenes"]) == (expected.n_pairs, expected.n_scenes)
    assert [(each["how"], each["regions"]) for each in report["masked"]] == [
        ("attention", 3),
        ("attention", 40),
        ("features", 3),
        ("features", 40),
    ]
    for each in report["masked"]:
        difference = each["fall"]["value"] - each["fall_at_random"]["value"]
        assert each["difference"]["value"] == pytest.approx(difference)
        assert each["difference"]["ci95"][0] <= difference <= each["difference"]["ci95"][1]
        assert each["holds"] == (each["difference"]["ci95"][0] > 0)
        assert 3 / 49 < each["attention"] < 1
    text = found.to_text()
    assert f"{expected.n_pairs} pairs of {expected.n_scenes} scenes" in text
    assert "features of 40 regions" in text


def test_masked_shares_follow_the_definition(models, features):
    """The shares behind a fall, computed slowly for one pair."""
    model = models["hybrid"]
    indices = pair_indices(features, "test")[:1]
    pair, row = features.pairs[indices[0]], int(features.pair_scenes[indices[0]])
    only = [each for each in features.pairs if each.scene == pair.scene]
    category = features.product_categories[features.pair_products[indices[0]]]
    batch = features.scenes.batch([row])
    top = np.argsort(-model.embed_scene(batch).attention(category), kind="stable")[:10]
    maps = batch.feature_maps.copy()
    maps[0, top] = maps[0].mean(axis=0)
    masked = model.embed_scene(batch._replace(feature_maps=maps))
    vectors = model.product_vectors(features)
    rows = np.flatnonzero(np.asarray(features.product_categories) == category)
    distances = masked.distances(category, vectors[rows]).total
    known = {each.product for each in only}
    others = [features.product_ids[place] not in known for place in rows]
    true = distances[features.product_ids.index(pair.product) == rows]
    share = np.mean(distances[others] > true)
    assert MaskedScenes(model, features, indices).shares("features", largest(10)) == pytest.approx([share])


def test_unknown_categories_are_left_out_and_counted(models):
    strange = styled_set(scenes=510, products=12, categories=(CHAIRS, "Toys|Kites"))
    found = deletion_test(models["local"], strange, counts=(3,), draws=1)
    test = pair_indices(strange, "test")
    assert found.n_unknown == len(test) / 2 == found.n_pairs
    assert f"{found.n_unknown} pairs left out" in found.to_text()
    with pytest.raises(DatasetError, match="0 of them in known categories"):
        deletion_test(models["local"], styled_set(scenes=510, categories=("Toys|Kites",)))
