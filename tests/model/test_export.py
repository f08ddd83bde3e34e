"""Model folders: torch and the exported graphs compute the same."""

import dataclasses
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from perfectlook.errors import ModelError
from perfectlook.model.config import ModelConfig, whole_picture
from perfectlook.model.export import write_model
from perfectlook.model.files import ModelRecord, identity_of
from perfectlook.model.networks import Compatibility, SceneBatch
from perfectlook.model.runtime import Model, open_model
from perfectlook.training.data import TrainingData
from styled import styled_set

CONFIGS = {
    "default": ModelConfig(dimension=8, hidden=7, linear_path="random"),
    "published": ModelConfig.published(),
    "global": ModelConfig(mode="global", dimension=8, linear_path="none"),
    "local": ModelConfig(
        mode="local", distance="l2", dimension=8, linear_path="random", global_features="style"
    ),
    "recurrent": ModelConfig(encoder="recurrent", dimension=8, hidden=6, linear_path="random"),
    "autoencoder": ModelConfig(encoder="autoencoder", dimension=8, hidden=6, linear_path="none"),
    "mixing per category": ModelConfig(learn_mixing=True, dimension=8, hidden=6, linear_path="random"),
}


def a_model(folder, config: ModelConfig):
    """A network with random weights and constants, and its model folder."""
    torch.manual_seed(3)
    data = TrainingData(styled_set(), config)
    network = Compatibility(config, data.widths, len(data.categories))
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    scenes = data.scenes(np.arange(50))
    rows = scenes.whole.reshape(-1, scenes.whole.shape[-1])
    network.standardise_scene.fit(rows.mean(0), rows.std(0))
    if config.learns_mixing:
        network.mixing_logits.weight.data.normal_()
    write_model(
        network,
        folder,
        widths=data.widths,
        backbone_identity="tiny-fp32-0",
        categories=data.categories,
        centres=data.centres,
        overall_centre=data.overall_centre,
    )
    return network.eval(), data


@pytest.fixture(scope="module")
def default(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model. Tests must not change it."""
    folder = tmp_path_factory.mktemp("default") / "model"
    a_model(folder, CONFIGS["default"])
    return folder


@pytest.fixture
def copied(default: Path, tmp_path: Path) -> Path:
    """A copy of it, which a test may change."""
    return Path(shutil.copytree(default, tmp_path / "model"))


@pytest.mark.parametrize("name", CONFIGS)
def test_the_graphs_equal_the_torch_model(name: str, tmp_path):
    network, data = a_model(tmp_path / "model", CONFIGS[name])
    model = Model.open(tmp_path / "model")
    features = data.features
    products = np.arange(len(features.product_ids))
    with torch.no_grad():
        expected = network.embed_product(*data.products(products)).numpy()
    centres = np.stack([model.centre(category) for category in features.product_categories])
    vectors = model.embed_products(features.products.batch(products), centres)
    assert vectors == pytest.approx(expected, abs=1e-4)

    batch = features.scenes.batch(np.arange(7))
    scenes = SceneBatch(
        torch.from_numpy(whole_picture(network.config, *batch)),
        torch.from_numpy(batch.feature_maps),
    )
    for index, category in enumerate(model.categories):
        with torch.no_grad():
            expected_distances = network.distances(
                scenes, torch.full((7,), index), torch.from_numpy(vectors).expand(7, -1, -1)
            )
        for row, scene in enumerate(model.embed_scenes(batch)):
            found = scene.distances(category, vectors)
            assert found.total == pytest.approx(expected_distances.total[row].numpy(), abs=1e-4)
            assert found.from_local == pytest.approx(expected_distances.from_local[row].numpy(), abs=1e-4)
            assert scene.attention(category).sum() == pytest.approx(1.0, abs=1e-5)


def test_the_query_point_orders_products_as_the_hybrid_distance_does(default):
    features, model = styled_set(), Model.open(default)
    products = features.products.batch(slice(None))
    centres = np.stack([model.centre(name) for name in features.product_categories])
    vectors = model.embed_products(products, centres)
    scene = model.embed_scene(features.scenes.batch([0]))
    category = model.categories[1]
    distances = scene.distances(category, vectors).total
    to_point = np.sum((vectors - scene.query_point(category)) ** 2, axis=1)
    constant = distances - to_point
    assert constant == pytest.approx(np.full(len(vectors), constant.mean()), abs=1e-5)


def test_an_unknown_category_gets_the_overall_centre_and_even_attention(default):
    model = Model.open(default)
    data = styled_set()
    scene = model.embed_scene(data.scenes.batch([0]))
    assert model.resolve("Toys|Kites").how == "unknown"
    assert (model.centre("Toys|Kites") == model.overall_centre).all()
    assert scene.attention("Toys|Kites") == pytest.approx(np.full(49, 1 / 49))
    assert model.resolve("Home|Lamps").category == "Lighting|Lamps"
    assert (scene.attention("Home|Lamps") == scene.attention("Lighting|Lamps")).all()


def test_writing_twice_gives_the_same_identity(default, tmp_path):
    a_model(tmp_path / "again", CONFIGS["default"])
    assert Model.open(tmp_path / "again").identity == Model.open(default).identity


def damaged(folder: Path, name: str, content: bytes | None) -> None:
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("scene.onnx", b"of another model", "its files have changed"),
        ("centres.npz", b"of another model", "its files have changed"),
        ("config.json", None, "not a complete model"),
        ("config.json", b"{", "cannot be read"),
        ("config.json", b"[]", "expected a JSON object"),
        ("config.json", b'{"format": 99}', "Upgrade perfectlook"),
        ("config.json", b'{"format": 2, "config": {"mode": "psychic"}}', "psychic"),
        ("scene.onnx", None, "scene.onnx"),
    ],
)
def test_the_error_for_a_damaged_model_names_it(name: str, content: bytes | None, says: str, copied):
    damaged(copied, name, content)
    with pytest.raises(ModelError, match=says):
        Model.open(copied).embed_scene(styled_set().scenes.batch([0]))


@pytest.mark.parametrize("name", ["centres.npz", "scene.onnx"])
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04rubbish"])
def test_the_error_for_a_wrong_file_names_it(name: str, content: bytes, copied):
    damaged(copied, name, content)
    record = ModelRecord.read(copied)
    found = identity_of(copied, record.config, record.categories)
    dataclasses.replace(record, identity=found).write(copied)
    with pytest.raises(ModelError, match=name):
        Model.open(copied).embed_scene(styled_set().scenes.batch([0]))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes")
@pytest.mark.parametrize("name", ["config.json", "scene.onnx", "known.npz"])
def test_a_pipe_in_a_model_is_refused_unread(name: str, copied):
    (copied / name).unlink(missing_ok=True)
    os.mkfifo(copied / name)
    with pytest.raises(ModelError, match=rf"{name}: not a regular file"):
        Model.open(copied)


def test_an_edited_record_is_refused(copied):
    path = copied / "config.json"
    path.write_text(path.read_text().replace('"squared_l2"', '"l2"'))
    with pytest.raises(ModelError, match="its files have changed"):
        Model.open(copied)


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(ModelError, match="no such model folder"):
        Model.open(tmp_path / "nothing")


@pytest.mark.parametrize("opening", [Model.open, open_model])
def test_a_misspelt_model_of_the_package_is_suggested(opening):
    with pytest.raises(ModelError, match=r"showrom: no such model folder\. Did you mean 'showroom'\? Make"):
        opening("showrom")
    with pytest.raises(ModelError, match=r"zzz: no such model folder\. Make"):
        opening("zzz")


def test_features_of_another_backbone_are_refused(default):
    batch = styled_set().scenes.batch([0])
    wider = batch._replace(global_vectors=np.zeros((1, 99), np.float32))
    with pytest.raises(ModelError, match=r"global_vectors of shape \(12,\), got \(99,\)"):
        Model.open(default).embed_scene(wider)


def test_a_model_folder_may_be_moved(copied, tmp_path):
    before = Model.open(copied).identity
    shutil.move(copied, tmp_path / "elsewhere")
    assert Model.open(tmp_path / "elsewhere").identity == before
    assert json.loads((tmp_path / "elsewhere" / "config.json").read_text())["format"] == 2


def test_a_record_without_a_baseline_field_is_a_compatibility_model(copied):
    path = copied / "config.json"
    record = json.loads(path.read_text())
    assert record.pop("baseline") is None
    path.write_text(json.dumps(record))
    assert Model.open(copied).record.baseline is None
