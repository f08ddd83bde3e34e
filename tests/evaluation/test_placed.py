"""Pairs with the number of products they were placed among, and how likely a guess is to place them so."""

from perfectlook.evaluation.evaluate import evaluate_on_features
from perfectlook.evaluation.protocol import PairResult
from perfectlook.model.runtime import open_model


def placed(rank: float, n_candidates: int) -> PairResult:
    share = (n_candidates + 1 - rank) / n_candidates
    return PairResult("s", "p", "c", share, rank, n_candidates, 0)


def test_the_chance_of_a_rank_is_that_of_a_draw():
    first = placed(1, 499)
    assert first.n_products == 500
    assert first.chance_of_as_good == 1 / 500
    assert first.chance_of_as_bad == 1
    last = placed(4, 3)
    assert (last.chance_of_as_good, last.chance_of_as_bad) == (1, 1 / 4)
    # a rank of 2 among 4: two of four draws are as good, three of four as bad
    assert (placed(2, 3).chance_of_as_good, placed(2, 3).chance_of_as_bad) == (2 / 4, 3 / 4)


def test_candidates_are_the_category_but_for_the_scenes_known_products(measured):
    features = measured.features
    evaluation = evaluate_on_features(open_model(measured.model), features, split="all")
    dataset = features.dataset
    for each in evaluation.results:
        pair = features.pairs[each.index]
        assert (pair.scene, pair.product) == (each.scene, each.product)
        members = set(dataset.categories[dataset.products[pair.product].category])
        assert each.n_candidates == len(members - dataset.positives[pair.scene])
    assert {each.n_candidates for each in evaluation.results} == {7, 8}
