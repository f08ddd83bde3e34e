"""Rules change a ranking exactly as their formula does, and the answer names what they moved."""

import numpy as np
import pytest

from perfectlook.catalogue import Record
from perfectlook.model.distances import Norm
from perfectlook.recommender.ranking import Ranking
from perfectlook.recommender.rules import Rules
from perfectlook.recommender.scope import search_filter
from perfectlook.stores import Point
from perfectlook.stores.filters import matches, parse_filter
from scenes import CATEGORY, D, by_definition, scene, store_of, unit

BRANDS = ("Acme", "Muji", "Odd & Sons")


def shop(n: int = 600) -> list[Point]:
    vectors = unit(np.random.default_rng(7).standard_normal((n, D)))
    return [
        Point(f"{i:05}", CATEGORY, vector, record(i, brand=BRANDS[i % 3], price=f"{i % 50}.00 EUR").payload())
        for i, vector in enumerate(vectors)
    ]


def record(number: int, **fields: str) -> Record:
    return Record(f"{number}", f"{number}", 9, 9, f"{number:064x}", f"{number * 7919:064x}", "", fields)


def ranking_of(norm: Norm, points: list[Point], k: int, rules: Rules, where: str | None = None) -> Ranking:
    store = store_of(points)
    by_id = {point.id: point for point in points}
    ranking = Ranking(
        scene(norm),
        CATEGORY,
        k,
        norm=norm,
        variety=False,
        where=search_filter(where, excluded=rules.excluded),
        rules=rules,
        pins=[(rule, by_id[rule.id]) for rule in rules.pins],
    )
    more = True
    while more:
        ranking.search.take(store.search(ranking.search.queries))
        more = ranking.update()
    return ranking


def shown(ranking: Ranking) -> list[str]:
    return ranking.measured.take(ranking.rows).ids


def weighed(norm: Norm, points: list[Point], rules: Rules) -> list[str]:
    """Return the ids of all products, sorted by distance after boost and bury rules."""
    fields = {point.id: point.payload["fields"] for point in points}
    found = []
    for distance, id_ in by_definition(scene(norm), np.stack([point.vector for point in points])):
        place, offset = distance, 0.0
        for rule in rules.weighing:
            if matches(rule.where, id_, CATEGORY, fields[id_]):
                place, offset = place * rule.factor, offset + rule.offset
        found.append((place + offset, id_))
    return [id_ for _, id_ in sorted(found)]


RULES = [
    {"action": "boost", "where": "brand = Acme", "factor": 0.9},
    {"action": "boost", "where": "price < 5", "factor": 0.8, "offset": 0.05},
    {"action": "bury", "where": "brand = Muji", "offset": 0.3},
    {"action": "bury", "where": "price > 40", "factor": 1.4},
]


@pytest.mark.parametrize("norm", ["l2", "squared_l2"])
@pytest.mark.parametrize("count", [1, 2, 4])
def test_the_ranking_sorts_the_distances_after_rules(norm: Norm, count: int) -> None:
    points, rules = shop(), Rules.of({"rule": RULES[:count]})
    for k in (3, 25):
        assert shown(ranking_of(norm, points, k, rules)) == weighed(norm, points, rules)[:k]


@pytest.mark.parametrize("norm", ["l2", "squared_l2"])
def test_a_moved_product_has_its_rules_and_its_rank_by_distance(norm: Norm) -> None:
    points, rules = shop(), Rules.of({"rule": RULES})
    ranking = ranking_of(norm, points, 12, rules)
    order = [id_ for _, id_ in by_definition(scene(norm), np.stack([point.vector for point in points]))]
    told = 0
    for row, id_ in zip(ranking.rows, shown(ranking), strict=True):
        fields = ranking.measured.record(row)["fields"]
        expected = [
            (rule, order.index(id_) + 1)
            for rule in rules.weighing
            if matches(rule.where, id_, CATEGORY, fields)
        ]
        assert ranking.moved(row) == expected
        told += len(expected)
    assert told > 5


def test_a_pinned_product_appears_only_at_its_rank() -> None:
    points = shop()
    order = weighed("squared_l2", points, Rules.of({}))
    pins = [(order[4], 1), (order[0], 3), (order[400], 3), (order[1], 99)]
    rules = Rules.of({"rule": [{"action": "pin", "id": id_, "rank": rank} for id_, rank in pins]})
    ranking = ranking_of("squared_l2", points, 6, rules)
    found = shown(ranking)
    # the second rule has rank 3, so the third gets rank 4; the last one is beyond the end
    assert found == [order[4], order[2], order[0], order[400], order[3], order[5]]
    moved = [ranking.moved(row) for row in ranking.rows]
    assert moved == [[(rules.rules[0], 5)], [], [(rules.rules[1], 1)], [(rules.rules[2], 401)], [], []]


def test_excluded_products_do_not_count_in_ranks() -> None:
    points = shop()
    rules = Rules.of({"rule": [{"action": "exclude", "where": "brand = Acme"}, RULES[2]]})
    ranking = ranking_of("l2", points, 300, rules)
    brands = {ranking.measured.record(row)["fields"]["brand"] for row in ranking.rows}
    assert brands == {"Muji", "Odd & Sons"}
    left = [point for point in points if point.payload["fields"]["brand"] != "Acme"]
    alone = ranking_of("l2", left, 400, Rules.of({}))
    rank_of = {id_: rank for rank, id_ in enumerate(shown(alone), 1)}
    moved = [(id_, ranking.moved(row)) for row, id_ in zip(ranking.rows, shown(ranking), strict=True)]
    assert all(rank == rank_of[id_] for id_, rules_ in moved for _, rank in rules_)


def test_a_rank_that_is_too_far_back_is_none() -> None:
    points = shop(4500)
    last = weighed("squared_l2", points, Rules.of({}))[-1]
    rules = Rules.of({"rule": [{"action": "pin", "id": last}]})
    ranking = ranking_of("squared_l2", points, 5, rules)
    assert shown(ranking)[0] == last
    assert ranking.moved(ranking.rows[0]) == [(rules.rules[0], None)]


def test_products_out_of_stock_are_shown_only_on_request() -> None:
    sold_out = search_filter(None)
    assert sold_out is not None
    assert not matches(sold_out, "1", "C", {"availability": "out_of_stock"})
    assert matches(sold_out, "1", "C", {"availability": "preorder"})
    assert matches(sold_out, "1", "C", {})
    assert search_filter(None, include_unavailable=True) is None
    asked = "not (brand = a or availability = in_stock)"
    assert search_filter(asked) == parse_filter(asked)  # it has its own condition on availability
    both = search_filter("price < 5")
    assert both is not None
    assert not matches(both, "1", "C", {"availability": "out_of_stock", "price": "4 EUR"})
