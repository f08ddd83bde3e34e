"""The figures of features without training, on features made by hand."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import backbone_quality
from drawn import drawn_set

CATEGORIES = ["Rugs", "Rugs", "Lamps", "Lamps"]


def features(**changes: Any) -> Any:
    """Two scenes with a pair each; scene 0 goes with product 0, scene 1 with product 3."""
    pairs = [SimpleNamespace(scene="a"), SimpleNamespace(scene="b")]
    whole = {
        "pairs": pairs,
        "pair_scenes": np.array([0, 1]),
        "pair_products": np.array([0, 3]),
        "product_ids": ["p0", "p1", "p2", "p3"],
        "product_categories": CATEGORIES,
        "dataset": SimpleNamespace(positives={"a": {"p0"}, "b": {"p3"}}),
    }
    return SimpleNamespace(**(whole | changes))


def test_pairs_are_ranked_within_their_category() -> None:
    scenes = {"global": np.array([[1.0, 0.0], [-1.0, 0.0]], np.float32)}
    products = {"global": np.array([[9, 1], [7, 2], [1, 1], [-1, 2]], np.float32)}
    (found,) = backbone_quality.quality(features(), scenes, products).values()
    assert found[0] == 1.0  # of the rugs p0 lies towards scene a, and of the lamps p3 towards scene b
    reversed_scenes = {"global": -scenes["global"]}
    (found,) = backbone_quality.quality(features(), reversed_scenes, products).values()
    assert found[0] == 0.0


def test_the_nearest_other_product_has_the_same_category() -> None:
    categories = np.array(CATEGORIES)
    apart = np.array([[1, 0], [1, 0.1], [-1, 0], [-1, 0.1]], np.float32)
    assert backbone_quality._category(categories, apart) == 1.0
    assert backbone_quality._category(categories, apart[[0, 2, 1, 3]]) == 0.0


def test_one_direction_has_the_whole_variance() -> None:
    line = np.outer([1, 2, 3, 4], [1, 2, 3]).astype(np.float32)
    assert backbone_quality._first(line) == pytest.approx(1)


def test_it_prints_the_parts_of_a_set(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    drawn_set(tmp_path / "set", scenes=12)
    assert backbone_quality.main([str(tmp_path / "set"), "--backbone", "tiny"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("tiny: ")
    for part in ("global", "stage 1", "stage 2", "styles"):
        assert f"  {part}" in printed
