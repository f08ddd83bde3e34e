"""The closed form's settings are chosen by what each of them would place."""

import numpy as np
import pytest

from perfectlook.evaluation.protocol import Candidates, place_pairs
from perfectlook.training import ridge_start as start
from perfectlook.types import Float64Array, IntArray
from styled import styled_set

CATEGORIES = ("Furniture|Chairs", "Decor|Rugs")


def test_forms_are_scored_together_as_each_by_itself():
    features = styled_set(scenes=60, products=24, categories=CATEGORIES)
    pairs = np.arange(len(features.pairs))
    random = np.random.default_rng(0)
    by_scene = random.standard_normal((3, len(features.scenes), 5))
    targets = random.standard_normal((len(features.product_ids), 5))

    together = start._correct(
        features, Candidates(features), pairs, by_scene[:, features.pair_scenes[pairs]], targets
    )

    def alone(form: int) -> float:
        def distances(scene: int, _category: str, rows: IntArray) -> Float64Array:
            point = by_scene[form, scene]
            lengths = np.linalg.norm(targets[rows], axis=1) * np.linalg.norm(point)
            return -(targets[rows] @ point) / lengths

        return sum(result.share for result in place_pairs(features, pairs, distances))

    assert together.tolist() == pytest.approx([alone(form) for form in range(3)])
    assert len(set(together.tolist())) == 3
