"""Popularity models on disk."""

import json

import pytest

from perfectlook.errors import ModelError
from perfectlook.evaluation.protocol import pair_indices
from perfectlook.model.config import ModelConfig
from perfectlook.model.export import write_popularity
from perfectlook.model.runtime import Model, Popularity, open_model
from styled import an_id, styled_set

CHAIR, STOOL, BENCH = (an_id("product", number) for number in range(3))


@pytest.fixture
def folder(tmp_path):
    write_popularity(
        {CHAIR: 5, STOOL: 2},
        tmp_path / "m",
        config=ModelConfig(mode="global", backbone="tiny"),
        backbone_identity="tiny-fp32-0",
        categories=["Furniture|Chairs"],
        scenes=["a scene"],
        training={},
        card="# counted",
    )
    return tmp_path / "m"


def test_the_most_popular_product_is_nearest_and_unknown_products_have_popularity_0(folder):
    model = open_model(folder)
    assert isinstance(model, Popularity)
    assert model.distances([STOOL, BENCH, CHAIR]).tolist() == [-2, 0, -5]
    features = styled_set(scenes=30)
    distances = model.distances_over(features, pair_indices(features, "all"))
    assert distances(7, "Furniture|Chairs", [0, 1, 2]).tolist() == [-5, -2, 0]


def test_a_popularity_model_describes_itself(folder):
    model = open_model(folder)
    assert model.name == "m"
    assert model.backbone == "tiny"
    assert model.trained_on == {"scenes": {"a scene"}, "products": {CHAIR, STOOL}}
    assert model.identity == model.record.identity
    model.check_backbone("any other")  # it reads no features


def test_a_set_without_counted_products_is_an_error(folder):
    features = styled_set(scenes=30)
    for place, product in enumerate(features.product_ids):
        features.product_ids[place] = f"other {product}"
    says = "its 2 counted products include none of the 120 products of"
    with pytest.raises(ModelError, match=f"model 'm': {says} styled"):
        open_model(folder).distances_over(features, pair_indices(features, "all"))


def test_opening_it_as_a_model_with_vectors_is_an_error(folder):
    with pytest.raises(ModelError, match="the baseline 'popularity' has no product vectors"):
        Model.open(folder)


@pytest.mark.parametrize("content", ["{", "[]", '{"p": "many"}'])
def test_the_error_for_damaged_counts_names_the_file(folder, content: str):
    (folder / "counts.json").write_text(content)
    with pytest.raises(ModelError, match="its files have changed"):
        open_model(folder)
    with pytest.raises(ModelError, match=r"counts\.json: cannot be read"):
        Popularity(folder, open_record(folder))


def open_record(folder):
    from perfectlook.model.files import ModelRecord

    return ModelRecord.read(folder)


def test_a_model_with_missing_graphs_is_an_error(folder):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"baseline": None}))
    with pytest.raises(ModelError, match=r"scene\.onnx: cannot be read"):
        open_model(folder)
