"""The category suggester: its probabilities, its file and its figures."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from perfectlook.backbones import FeatureBatch
from perfectlook.errors import ModelError
from perfectlook.evaluation.evaluate import suggestion_figures
from perfectlook.model.categories import SUGGESTION, CategorySuggester, scene_views
from styled import HEAD, STYLE, styled_set

SHOES, BAGS, HATS = "Apparel|Shoes", "Apparel|Bags", "Apparel|Hats"


def suggester(**changed: object) -> CategorySuggester:
    """Two features: the first suggests shoes, the second bags; hats are rare in every scene."""
    parts = {
        "categories": (BAGS, HATS, SHOES),
        "features": "head",
        "mean": [1.0, 1.0],
        "scale": [0.5, 2.0],
        "weights": [[0.0, 1.0], [0.0, 0.0], [4.0, 0.0]],
        "bias": [0.0, -2.0, 0.0],
        "prior": [0.1, -2.0, 0.3],
    } | changed
    arrays = ("mean", "scale", "weights", "bias", "prior")
    return CategorySuggester(
        **{name: np.asarray(part, np.float32) if name in arrays else part for name, part in parts.items()}  # type: ignore[arg-type]
    )


def write(folder: Path, **changes) -> None:
    (folder / SUGGESTION).write_bytes(suggester(**changes).content())


def batch(*rows: list[float]) -> FeatureBatch:
    head = np.asarray(rows, np.float32)
    return FeatureBatch(head, np.zeros((len(head), 1), np.float32), np.empty((len(head), 0, 0), np.float32))


def test_probabilities_by_hand():
    found = suggester().probabilities(batch([1, 1], [2, 0.5]))
    assert found[0] == pytest.approx([0.5, 1 / (1 + np.e**2), 0.5])
    assert found[1] == pytest.approx([1 / (1 + np.e), 1 / (1 + np.e**2), 1 / (1 + np.e**-2)])


def test_the_most_probable_categories_come_first():
    assert [name for name, _ in suggester().rank(batch([2, 0.5]))] == [SHOES, BAGS, HATS]
    assert [name for name, _ in suggester().rank(batch([0, 2]))] == [BAGS, HATS, SHOES]


def test_a_suggester_is_read_back_unchanged(tmp_path):
    write(tmp_path)
    found = CategorySuggester.open(tmp_path)
    assert found is not None
    assert found.categories == (BAGS, HATS, SHOES)
    one = batch([0.3, 0.7])
    assert found.probabilities(one).tolist() == suggester().probabilities(one).tolist()
    first = (tmp_path / SUGGESTION).read_bytes()
    write(tmp_path)
    assert (tmp_path / SUGGESTION).read_bytes() == first


def test_a_model_without_a_suggester_opens_none(tmp_path):
    assert CategorySuggester.open(tmp_path) is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b"nothing"),
        lambda path: path.write_bytes(path.read_bytes()[:300]),
        lambda path: write(path.parent, bias=[0.0]),
        lambda path: write(path.parent, features="smell"),
        lambda path: np.savez(path, format=np.int64(9)),
        lambda path: np.savez(path, categories=np.asarray(["a", {}], object)),
    ],
)
def test_the_error_for_a_damaged_file_names_it(tmp_path, damage):
    write(tmp_path)
    damage(tmp_path / SUGGESTION)
    with pytest.raises(ModelError, match=r"suggestion\.npz: cannot be read"):
        CategorySuggester.open(tmp_path)


def test_features_of_another_width_are_refused():
    with pytest.raises(ModelError, match="expected 2 features of a scene, got 3"):
        suggester().rank(batch([1, 2, 3]))


def test_figures_by_hand():
    """Two scenes: one has chairs, one has lamps; the suggester is right about the first scene only."""
    features = styled_set(scenes=2, products=4, categories=("Chairs", "Lamps", "Rugs"))
    chairs, lamps = features.pairs[0], features.pairs[4]
    dataset = dataclasses.replace(features.dataset, pairs=[chairs, lamps])
    features = dataclasses.replace(features, dataset=dataset)
    always = CategorySuggester(
        ("Chairs", "Lamps", "Rugs"),
        "both",
        np.zeros(HEAD + STYLE, np.float32),
        np.ones(HEAD + STYLE, np.float32),
        np.zeros((3, HEAD + STYLE), np.float32),
        bias=np.asarray([3, 1, 2], np.float32),  # chairs, rugs, lamps
        prior=np.asarray([1, 3, 2], np.float32),  # lamps, rugs, chairs
    )
    found = suggestion_figures(always, features, np.asarray([0, 4]))
    assert found is not None
    assert found.n_scenes == 2
    assert found.average_precision.value == pytest.approx((1 + 1 / 3) / 2)
    assert found.popular_average_precision.value == pytest.approx((1 / 3 + 1) / 2)
    assert found.gain_average_precision.value == pytest.approx(0)
    assert found.gain_average_precision.low == pytest.approx(-2 / 3)
    assert found.recall.value == found.popular_recall.value == 1
    assert found.to_dict()["average_precision"] == {"value": pytest.approx(2 / 3), "ci95": [1 / 3, 1]}


def test_without_scenes_there_are_no_figures():
    features = styled_set(scenes=2, products=4)
    assert suggestion_figures(suggester(), features, np.empty(0, np.int64)) is None
    assert suggestion_figures(suggester(), features, np.arange(2)) is None  # no known category


def test_a_scene_in_several_pairs_is_one_view():
    features = styled_set(scenes=3, products=4)
    rows, scenes = scene_views(features, np.asarray([7, 0, 6, 1]))
    assert rows.tolist() == [0, 2]
    assert scenes == [features.pairs[0].scene, features.pairs[6].scene]
