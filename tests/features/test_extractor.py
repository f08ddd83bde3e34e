import hashlib
from pathlib import Path

import numpy as np
import pytest

from perfectlook.backbones import FeatureBatch, open_backbone
from perfectlook.features.extraction import Task, features_of, open_extractor, to_float16
from perfectlook.features.store import ViewKey
from perfectlook.images import open_picture
from perfectlook.types import Rectangle, View

TINY = open_backbone("tiny").identity


def task(picture: Path, crop: Rectangle | None = None) -> Task:
    return View(picture, crop), ViewKey.of(hashlib.sha256(picture.read_bytes()).hexdigest(), crop)


class Spoilt:
    """The tiny backbone, with something done to the features of a picture, by its place in the run."""

    def __init__(self, spoil) -> None:
        self._backbone = open_backbone("tiny")
        self._spoil = spoil
        self.description, self.identity = self._backbone.description, "spoilt"

    def prepare(self, picture):
        return self._backbone.prepare(picture)

    def extract(self, batch) -> FeatureBatch:
        features = self._backbone.extract(batch)
        self._spoil(batch, features)
        return features


def test_rows_are_the_backbones_features_of_each_view(draw):
    pictures = draw(3, size=(200, 120))
    crop = Rectangle(20, 10, 120, 90)
    extracted = open_extractor("tiny", TINY, maps=True)(
        [task(pictures[0]), task(pictures[0], crop), task(pictures[1])]
    )
    assert not extracted.failures
    backbone = open_backbone("tiny")
    wanted = [(pictures[0], None), (pictures[0], crop), (pictures[1], None)]
    for row, (picture, rectangle) in zip(extracted.rows, wanted, strict=True):
        assert row.key == ViewKey.of(hashlib.sha256(picture.read_bytes()).hexdigest(), rectangle)
        seen = backbone.prepare(open_picture(picture, crop=rectangle, fit=28))
        direct = backbone.extract(seen[None])
        vector = np.concatenate([direct.global_vectors[0], direct.style_statistics[0]])
        np.testing.assert_array_equal(row.vector, vector.astype(np.float16))
        np.testing.assert_array_equal(row.map, direct.feature_maps[0].astype(np.float16))


def test_maps_are_left_out_where_nobody_wants_them(draw):
    (picture,) = draw(1)
    extracted = open_extractor("tiny", TINY, maps=False)([task(picture)])
    assert extracted.rows[0].map is None


def test_features_do_not_depend_on_what_is_extracted_with_them(draw):
    pictures = draw(5)
    extractor = open_extractor("tiny", TINY, maps=True)
    together = extractor([task(picture) for picture in pictures]).rows
    for picture, row in zip(pictures, together, strict=True):
        alone = extractor([task(picture)]).rows[0]
        assert (alone.key, alone.vector.tobytes(), alone.map.tobytes()) == (
            row.key, row.vector.tobytes(), row.map.tobytes()
        )  # fmt: skip


def test_a_crop_outside_its_picture_fails_alone(draw):
    (picture,) = draw(1, size=(60, 40))
    outside = Rectangle(0, 0, 61, 40)
    extracted = open_extractor("tiny", TINY, maps=False)([task(picture, outside), task(picture)])
    assert [row.key.crop for row in extracted.rows] == [""]
    ((view, reason),) = extracted.failures
    assert view == View(picture, outside)
    assert "not inside" in reason
    assert str(picture) not in reason  # whoever reports it says where


def test_a_file_that_changed_since_it_was_hashed_is_not_filed_under_the_old_hash(draw):
    one, other = draw(2)
    stale = task(one)
    one.write_bytes(other.read_bytes())
    extracted = open_extractor("tiny", TINY, maps=False)([stale])
    assert not extracted.rows
    assert "changed" in extracted.failures[0].reason


@pytest.mark.parametrize("field", FeatureBatch._fields)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_features_that_are_no_numbers_are_a_failure_and_the_rest_goes_on(draw, field: str, value: float):
    def spoil(batch, features):
        if len(batch) > 1:
            getattr(features, field)[1].flat[-1] = value

    pictures = draw(3)
    extracted = features_of(Spoilt(spoil), [task(picture) for picture in pictures], maps=True)
    assert [failure.view.picture for failure in extracted.failures] == [pictures[1]]
    assert "finite" in extracted.failures[0].reason
    assert len(extracted.rows) == 2


def test_a_backbone_that_fails_on_one_picture_fails_on_no_other(draw):
    pictures = draw(4)
    culprit = open_backbone("tiny").prepare(open_picture(pictures[2], fit=28))

    def spoil(batch, features):
        if any((each == culprit).all() for each in batch):
            raise RuntimeError("of bad shape")

    extracted = features_of(Spoilt(spoil), [task(picture) for picture in pictures], maps=True)
    assert [failure.view.picture for failure in extracted.failures] == [pictures[2]]
    assert "of bad shape" in extracted.failures[0].reason
    assert len(extracted.rows) == 3


def test_values_beyond_float16_become_its_largest_and_never_infinite():
    values = np.array([1e6, -1e6, 65504, 65519.99, 65520, 1e-9, 0.1], np.float32)
    expected = np.array([65504, -65504, 65504, 65504, 65504, 0, 0.1], np.float16)
    np.testing.assert_array_equal(to_float16(values), expected)
