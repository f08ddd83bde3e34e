"""An open model: its description, and the distance of one product."""

from pathlib import Path

import numpy as np
import pytest

from drawn import drawn_set
from perfectlook.backbones import FeatureBatch, open_backbone
from perfectlook.errors import ModelError, PictureError
from perfectlook.images import open_picture
from perfectlook.model.runtime import Model
from random_model import random_model


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> tuple[Model, Path, Path]:
    """A model, a photo and the picture of a product."""
    folder = tmp_path_factory.mktemp("runtime")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERFECTLOOK_CACHE", str(folder / "cache"))
        source = drawn_set(folder / "set", scenes=4)
        model = Model.open(random_model(source, folder / "model"))
    photo, product = (sorted((source / kind).glob("*"))[0] for kind in ("scenes", "products"))
    return model, photo, product


def features_of(picture: Path) -> FeatureBatch:
    backbone = open_backbone("tiny")
    opened = open_picture(picture, fit=backbone.description.input_size)
    return backbone.extract(backbone.prepare(opened)[None])


def test_a_model_describes_itself(opened):
    model, _, _ = opened
    about = f"{model.dimension} dimensions, squared_l2, {len(model.categories)} categories, tiny"
    assert repr(model) == f"<Model 'model': hybrid, {about}>"


def test_the_distance_of_a_product_uses_the_models_centres(opened):
    model, photo, product = opened
    category = model.categories[0]
    vector = model.embed_products(features_of(product), model.centres[category][None])
    expected = float(model.embed_scene(features_of(photo)).distances(category, vector).total[0])
    assert model.distance(photo, product, category) == pytest.approx(expected)
    assert model.distance(str(photo), product.read_bytes(), category) == pytest.approx(expected)
    assert model.distance(features_of(photo), features_of(product), category) == pytest.approx(expected)
    by_pillow = open_picture(photo), open_picture(product)
    assert model.distance(*by_pillow, category) == pytest.approx(expected, rel=0.1)  # decoded at another size


def test_a_category_can_be_given_by_its_last_level(opened):
    model, photo, product = opened
    category = model.categories[0]
    last = category.split("|")[-1]
    assert model.distance(photo, product, category=last) == model.distance(photo, product, category)


def test_a_missing_picture_or_wrong_features_are_errors(opened, tmp_path):
    model, photo, product = opened
    with pytest.raises(PictureError, match=r"none\.jpg"):
        model.distance(tmp_path / "none.jpg", product, model.categories[0])
    features = features_of(photo)
    wider = features._replace(global_vectors=np.zeros((1, 999), np.float32))
    with pytest.raises(ModelError, match="global_vectors of shape"):
        model.distance(wider, features, model.categories[0])
