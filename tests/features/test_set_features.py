import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import drawn
from perfectlook.backbones import open_backbone
from perfectlook.data import load_set
from perfectlook.data.scenes import scene_rectangle, to_pixels
from perfectlook.features.set_features import SetFeatures, set_features
from perfectlook.images import open_picture
from perfectlook.types import Box, View

TINY = open_backbone("tiny")


def features_of(picture: Path, crop=None):
    """Compute global vector, style statistics and map of one view, as stored."""
    features = TINY.extract(TINY.prepare(open_picture(picture, crop=crop, fit=28))[None])
    return [part[0].astype(np.float16) for part in features]


def check(found: SetFeatures, *, scene: str, product_maps: bool) -> None:
    """Compare every pair and every product with the definition."""
    dataset = found.dataset
    for row, (pair, at_scene, at_product) in enumerate(
        zip(found.pairs, found.pair_scenes, found.pair_products, strict=True)
    ):
        picture = dataset.scenes[pair.scene].picture
        crop = None
        if scene == "crop" and pair.box:
            rectangle = scene_rectangle(pair.box, vertical_only=dataset.is_fashion)
            assert rectangle is not None
            with Image.open(picture) as opened:
                crop = to_pixels(rectangle, *opened.size)
        assert found.scene_views[at_scene] == View(picture, crop)
        if row % 7 == 0:
            expected = features_of(picture, crop)
            np.testing.assert_array_equal(found.scenes.global_vectors[at_scene], expected[0])
            np.testing.assert_array_equal(found.scenes.style_statistics[at_scene], expected[1])
            np.testing.assert_array_equal(found.scenes.feature_maps[at_scene], expected[2])
        assert found.product_ids[at_product] == pair.product
    for row, (product, category) in enumerate(zip(found.product_ids, found.product_categories, strict=True)):
        assert dataset.products[product].category == category
        expected = features_of(dataset.products[product].picture)
        np.testing.assert_array_equal(found.products.global_vectors[row], expected[0])
        np.testing.assert_array_equal(found.products.style_statistics[row], expected[1])
        if product_maps:
            np.testing.assert_array_equal(found.products.feature_maps[row], expected[2])
    assert len(found.scenes) == len(found.scene_views) == len(set(found.scene_views))
    assert set(found.pair_scenes) == set(range(len(found.scenes)))


@pytest.mark.parametrize("categories", [drawn.FASHION, drawn.HOME])
@pytest.mark.parametrize("scene", ["crop", "full"])
def test_a_drawn_set_agrees_with_a_plain_loop(tmp_path: Path, scene, categories):
    dataset = load_set(drawn.drawn_set(tmp_path / "set", scenes=12, categories=categories))
    found = set_features(dataset, "tiny", scene=scene, workers=1)
    assert found.pairs == dataset.pairs
    assert found.product_ids == list(dataset.products)
    assert (found.n_dropped, found.problems) == (0, [])
    assert found.products.feature_maps is None
    check(found, scene=scene, product_maps=False)


def test_scenes_without_boxes_are_whole_and_products_can_have_maps(tmp_path: Path):
    dataset = load_set(drawn.drawn_set(tmp_path / "set", scenes=8, boxes=False))
    found = set_features(dataset, "tiny", product_maps=True, workers=1)
    assert found.pairs == dataset.pairs
    assert len(found.scenes) == 8
    check(found, scene="crop", product_maps=True)


@pytest.fixture
def dataset(tmp_path: Path):
    return load_set(drawn.drawn_set(tmp_path / "set", scenes=12))


def with_box(dataset, row: int, box: Box):
    pairs = list(dataset.pairs)
    pairs[row] = dataclasses.replace(pairs[row], box=box)
    return dataclasses.replace(dataset, pairs=pairs)


def test_pairs_with_too_small_a_crop_are_dropped_and_counted(dataset):
    dataset = with_box(dataset, 2, Box(0.0, 0.1, 1.0, 0.9))
    found = set_features(dataset, "tiny", workers=1)
    assert found.n_dropped == 1
    assert found.pairs == [*dataset.pairs[:2], *dataset.pairs[3:]]
    assert found.problems == []
    check(found, scene="crop", product_maps=False)
    found = set_features(dataset, "tiny", scene="full", workers=1)
    assert (found.n_dropped, found.pairs) == (0, dataset.pairs)


def test_pairs_with_the_same_box_share_a_row(dataset):
    first = dataset.pairs[0]
    (other,) = (row for row, pair in enumerate(dataset.pairs[1:], 1) if pair.scene == first.scene)
    found = set_features(with_box(dataset, other, first.box), "tiny", workers=1)
    assert found.pair_scenes[0] == found.pair_scenes[other]
    check(found, scene="crop", product_maps=False)


def test_an_unreadable_scene_is_reported_and_its_pairs_left_out(dataset):
    broken = dataset.scenes[dataset.pairs[0].scene]
    broken.picture.write_bytes(b"")
    theirs = [pair for pair in dataset.pairs if pair.scene == broken.id]
    found = set_features(dataset, "tiny", workers=1)
    assert found.pairs == [pair for pair in dataset.pairs if pair.scene != broken.id]
    (problem,) = found.problems
    assert (problem.where, problem.item) == (str(broken.picture), broken.id)
    assert "empty" in problem.reason
    assert f"Left out: {len(theirs)} pairs." in problem.reason
    check(found, scene="crop", product_maps=False)


def test_an_unreadable_product_is_reported_and_left_out_with_its_pairs(dataset):
    broken = dataset.products[dataset.pairs[0].product]
    broken.picture.write_text("no picture")
    found = set_features(dataset, "tiny", workers=1)
    assert found.product_ids == [product for product in dataset.products if product != broken.id]
    assert found.pairs == [pair for pair in dataset.pairs if pair.product != broken.id]
    (problem,) = found.problems
    assert (problem.where, problem.item) == (str(broken.picture), broken.id)
    assert "Left out: the product and" in problem.reason
    check(found, scene="crop", product_maps=False)


def test_a_dropped_pair_of_an_unreadable_scene_counts_as_dropped(dataset):
    broken = dataset.scenes[dataset.pairs[0].scene]
    broken.picture.write_bytes(b"")
    dataset = with_box(dataset, 0, Box(0.0, 0.1, 1.0, 0.9))
    found = set_features(dataset, "tiny", workers=1)
    assert found.n_dropped == 1
    assert "Left out: 1 pair." in found.problems[0].reason


def test_copies_of_a_scene_are_twins(dataset):
    one, other = list(dataset.scenes.values())[:2]
    with Image.open(one.picture) as picture:
        picture.save(other.picture, quality=70)
    found = set_features(dataset, "tiny", workers=1)
    assert found.twins[one.id] == {other.id}
    assert found.twins[other.id] == {one.id}


def test_stored_features_are_not_extracted_again(dataset, monkeypatch):
    first = set_features(dataset, "tiny", workers=1)
    monkeypatch.setattr("perfectlook.features.extraction.open_extractor", None)
    again = set_features(dataset, "tiny", workers=1)
    np.testing.assert_array_equal(first.scenes.feature_maps, again.scenes.feature_maps)
    np.testing.assert_array_equal(first.products.global_vectors, again.products.global_vectors)


def test_every_part_reports_progress(dataset):
    told: dict[str, tuple[int, int, int]] = {}

    def progress(part: str):
        return lambda *state: told.__setitem__(part, state)

    found = set_features(dataset, "tiny", workers=1, progress=progress)
    assert list(told) == ["reading pictures", "products", "scenes"]
    assert told["products"] == (24, 24, 0)
    assert told["scenes"] == (len(found.scenes), len(found.scenes), 0)


def test_batches_are_the_requested_rows_as_float32(dataset):
    found = set_features(dataset, "tiny", workers=1)
    batch = found.scenes.batch([3, 0, 3])
    assert {part.dtype for part in batch} == {np.dtype(np.float32)}
    np.testing.assert_array_equal(batch.feature_maps, found.scenes.feature_maps[[3, 0, 3]].astype(np.float32))
    np.testing.assert_array_equal(
        found.scenes.batch(slice(2, 4)).global_vectors, found.scenes.global_vectors[2:4]
    )
    assert found.products.batch(np.arange(5)).feature_maps.shape == (5, 0, 0)
    assert len(found.products.batch([]).global_vectors) == 0


def test_a_set_without_usable_pairs_has_no_rows(dataset):
    for scene in dataset.scenes.values():
        scene.picture.write_bytes(b"")
    found = set_features(dataset, "tiny", workers=1)
    assert (found.pairs, len(found.scenes), len(found.products)) == ([], 0, 24)
    assert found.scenes.feature_maps.shape == (0, 49, 8)
    assert len(found.problems) == 12


@pytest.mark.photos
def test_real_photos_agree_with_a_plain_loop(photos: Path):
    dataset = load_set(photos / "ikea-rooms")
    few = dataclasses.replace(
        dataset, pairs=dataset.pairs[:40], scenes=dict(list(dataset.scenes.items())[:10])
    )
    known = {pair.product for pair in few.pairs}
    few.products = {product: each for product, each in dataset.products.items() if product in known}
    few.pairs = [pair for pair in few.pairs if pair.scene in few.scenes]
    found = set_features(few, "tiny", workers=1)
    assert found.pairs == few.pairs
    check(found, scene="crop", product_maps=False)
