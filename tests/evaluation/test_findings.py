"""What is measured about where a model is weak."""

import dataclasses

import pytest

from perfectlook.evaluation.evaluate import Evaluation, evaluate_on_features
from perfectlook.evaluation.findings import findings, scene_left
from perfectlook.evaluation.metrics import Interval
from perfectlook.evaluation.protocol import Figures
from perfectlook.evaluation.report import templates
from perfectlook.model.runtime import open_model
from perfectlook.types import Box, Pair

WORDS = templates().get_template("words.html").module


@pytest.fixture
def evaluation(measured) -> Evaluation:
    return evaluate_on_features(open_model(measured.model), measured.features, split="all")


def with_shares(evaluation: Evaluation, share_of, *, times: int = 1) -> Evaluation:
    results = [dataclasses.replace(each, share=share_of(each)) for each in evaluation.results]
    return dataclasses.replace(evaluation, results=results * times)


def figures_of(low: float, value: float, n_pairs: int = 50) -> Figures:
    return Figures(n_pairs, n_pairs, Interval(value, low, value + 0.1), {}, Interval(0, 0, 0))


def test_known_products_are_set_against_new_ones(measured, evaluation):
    features = measured.features
    half = frozenset(sorted(features.product_ids)[::2])
    better = with_shares(evaluation, lambda each: 0.9 if each.product in half else 0.4, times=3)
    (found, *_) = findings(better, features, half)
    assert WORDS.finding_title(found) == "Does it know the product, or the style?"
    assert "Products it met in training do clearly better" in WORDS.finding_text(found)
    assert [group.binary_accuracy.value for group in found.groups.values()] == pytest.approx([0.9, 0.4])
    assert sum(group.n_pairs for group in found.groups.values()) == 3 * len(evaluation.results)
    (found, *_) = findings(with_shares(evaluation, lambda _: 0.7, times=3), features, half)
    assert WORDS.finding_text(found).startswith("No clear difference")


def test_groups_too_small_to_compare_are_left_out(measured, evaluation):
    kinds = [each.kind for each in findings(evaluation, measured.features, frozenset())]
    assert "unseen" not in kinds


def test_how_much_of_the_scene_is_left_counts_boxes_only(measured, evaluation):
    features = measured.features
    index = evaluation.results[0].index
    box = Box(0.1, 0.6, 0.4, 0.9)  # 0.55 of the height is left above the widened box
    boxed = dataclasses.replace(
        features, pairs=[Pair(pair.scene, pair.product, box) for pair in features.pairs]
    )
    assert scene_left(boxed, index) == pytest.approx(0.55)
    unboxed = dataclasses.replace(features, pairs=[Pair(pair.scene, pair.product) for pair in features.pairs])
    assert scene_left(unboxed, index) is None


def test_weak_categories_are_named_worst_first(measured, evaluation):
    per_category = {
        "Furniture|Chairs": figures_of(0.4, 0.55),
        "Furniture|Sofas": figures_of(0.3, 0.45, n_pairs=5),
        "Decor|Rugs": figures_of(0.6, 0.7),
    }
    changed = dataclasses.replace(evaluation, per_category=per_category)
    found = findings(changed, measured.features, frozenset())[-1]
    assert list(found.groups) == ["Furniture|Sofas", "Furniture|Chairs"]
    assert found.counts == {"all": 3, "weak": 2, "few": 1}
    text = WORDS.finding_text(found)
    assert "2 of 3 categories" in text
    assert "1 has fewer than 20 pairs" in text
    assert text.endswith("is the category too broad, or mixed?")
    per_category |= {"Decor|Lamps": dataclasses.replace(figures_of(0.4, 0.4, n_pairs=3), n_scenes=1)}
    lone = dataclasses.replace(evaluation, per_category=per_category)
    assert findings(lone, measured.features, frozenset())[-1].counts["all"] == 3
    strong = dataclasses.replace(evaluation, per_category={name: figures_of(0.6, 0.7) for name in "ab"})
    found = findings(strong, measured.features, frozenset())[-1]
    assert WORDS.finding_text(found).startswith("None") and found.groups == {}
