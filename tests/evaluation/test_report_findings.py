"""The pairs that a report shows, the figures of a guess, and the findings."""

import dataclasses
from itertools import permutations

import pytest

from perfectlook.evaluation.evaluate import Evaluation, evaluate_on_features
from perfectlook.evaluation.protocol import Figures, Interval, PairResult
from perfectlook.evaluation.report import choose, findings, guess_over, scene_left, templates
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


def test_seen_products_are_compared_with_unseen_ones(measured, evaluation):
    features = measured.features
    half = frozenset(sorted(features.product_ids)[::2])
    better = with_shares(evaluation, lambda each: 0.9 if each.product in half else 0.4, times=3)
    (found, *_) = findings(better, features, half)
    assert WORDS.finding_title(found) == "Has the model memorised products?"
    assert "Products seen in training do clearly better" in WORDS.finding_text(found)
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


def placed(scene: str, product: str, rank: float, n_candidates: int = 9) -> PairResult:
    share = (n_candidates + 1 - rank) / n_candidates
    return PairResult(scene, product, "Furniture|Chairs", share, rank, n_candidates, 0)


def names(section: list[PairResult]) -> list[str]:
    return [f"{each.scene}{each.product}" for each in section]


def test_first_of_many_is_better_than_first_of_few():
    few, many, fair = placed("a", "1", 1, 4), placed("b", "2", 1, 499), placed("c", "3", 3, 499)
    assert names(choose([few, many, fair], 7)["best"]) == ["b2"]
    assert names(choose([few, many, fair, *[placed("d", str(n), 250) for n in range(9)]], 9)["best"]) == [
        "b2",
        "c3",
        "a1",
    ]


def test_last_of_many_is_the_worst():
    few, many, nearly = placed("a", "1", 5, 4), placed("b", "2", 500, 499), placed("c", "3", 499, 499)
    rest = [placed("d", str(n), 1) for n in range(6)]
    assert names(choose([few, many, nearly, *rest], 9)["worst"]) == ["b2", "c3", "a1"]


def test_best_and_worst_are_in_their_half_of_the_ranking():
    good = [placed(f"s{n}", f"p{n}", 1 + n) for n in range(4)]  # shares 1 to 6/9
    found = choose(good, 12)
    assert found["worst"] == []
    assert all(each.share > 0.5 for each in found["best"])
    middle = placed("m", "m", 5.5)
    assert middle.share == 0.5
    assert names(choose([middle], 3)["best"] + choose([middle], 3)["worst"]) == []


def test_if_there_are_few_pairs_all_are_shown():
    (alone,) = [placed("a", "1", 7)]
    found = choose([alone], 24)
    assert (names(found["best"]), names(found["worst"]), names(found["random"])) == ([], [], ["a1"])
    bad = [placed(f"s{n}", f"p{n}", 9) for n in range(4)]
    found = choose(bad, 24)
    assert (names(found["best"]), len(found["worst"]), len(found["random"])) == ([], 1, 3)
    middle = [placed(f"s{n}", f"p{n}", 5.5) for n in range(9)]
    assert len(choose(middle, 6)["random"]) == 6


def test_a_page_repeats_no_product_and_a_section_no_scene():
    pairs = [
        placed("a", "1", 1),
        placed("a", "2", 1),
        placed("b", "3", 1),
        placed("c", "1", 1),
        placed("d", "4", 2),
    ]
    found = choose(pairs, 9, twins={"a": frozenset({"b"}), "b": frozenset({"a"})})
    assert names(found["best"]) == ["a1", "d4"]  # a2: the scene again; b3: its copy; c1: the product again
    assert set(names(found["random"])) <= {"a2", "b3"}
    assert len(found["random"]) == 1


def test_three_sections_share_the_count_and_the_draw_is_reproducible():
    pairs = [placed(f"s{n}", f"p{n}", 1 + n % 10) for n in range(60)]
    for count, sizes in ((24, (8, 8, 8)), (10, (4, 3, 3)), (8, (3, 3, 2)), (1, (1, 0, 0))):
        found = choose(pairs, count)
        assert (len(found["best"]), len(found["worst"]), len(found["random"])) == sizes
        shown = names(found["best"] + found["worst"] + found["random"])
        assert len(set(shown)) == count
    assert choose(pairs, 24) == choose(pairs, 24)
    assert choose(pairs, 24, seed=1)["random"] != choose(pairs, 24)["random"]


def test_the_figures_of_a_guess_are_the_mean_over_all_orders():
    sizes = (2, 3, 7)
    found = guess_over([PairResult("s", "p", "c", 1.0, 1.0, size - 1, 0) for size in sizes])
    ranks = [[order.index(0) + 1 for order in permutations(range(size))] for size in sizes]
    for k, share in found.top_k.items():
        hits = [sum(rank <= k for rank in each) / len(each) for each in ranks]
        assert share == pytest.approx(sum(hits) / 3)
    inverse = [sum(1 / rank for rank in each) / len(each) for each in ranks]
    assert found.mrr == pytest.approx(sum(inverse) / 3)
    assert found.top_k[1] == pytest.approx((1 / 2 + 1 / 3 + 1 / 7) / 3)
