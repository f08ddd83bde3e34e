"""Which pairs a report shows."""

from perfectlook.evaluation.findings import choose
from perfectlook.evaluation.protocol import PairResult


def placed(scene: str, product: str, rank: float, n_candidates: int = 9) -> PairResult:
    share = (n_candidates + 1 - rank) / n_candidates
    return PairResult(scene, product, "Furniture|Chairs", share, rank, n_candidates, 0)


def names(section: list[PairResult]) -> list[str]:
    return [f"{each.scene}{each.product}" for each in section]


def test_first_of_many_comes_before_first_of_few():
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


def test_best_and_worst_keep_to_their_side_of_the_middle():
    good = [placed(f"s{n}", f"p{n}", 1 + n) for n in range(4)]  # shares 1 to 6/9
    found = choose(good, 12)
    assert found["worst"] == []
    assert all(each.share > 0.5 for each in found["best"])
    middle = placed("m", "m", 5.5)
    assert middle.share == 0.5
    assert names(choose([middle], 3)["best"] + choose([middle], 3)["worst"]) == []


def test_where_there_are_no_more_pairs_than_asked_for_none_is_left_out():
    (alone,) = [placed("a", "1", 7)]
    found = choose([alone], 24)
    assert (names(found["best"]), names(found["worst"]), names(found["random"])) == ([], [], ["a1"])
    bad = [placed(f"s{n}", f"p{n}", 9) for n in range(4)]
    found = choose(bad, 24)
    assert (names(found["best"]), len(found["worst"]), len(found["random"])) == ([], 1, 3)
    middle = [placed(f"s{n}", f"p{n}", 5.5) for n in range(9)]
    assert len(choose(middle, 6)["random"]) == 6


def test_a_product_comes_once_and_a_scene_with_its_copies_once_in_a_section():
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


def test_three_sections_share_what_is_asked_for_and_the_draw_is_the_same_again():
    pairs = [placed(f"s{n}", f"p{n}", 1 + n % 10) for n in range(60)]
    for count, sizes in ((24, (8, 8, 8)), (10, (4, 3, 3)), (8, (3, 3, 2)), (1, (1, 0, 0))):
        found = choose(pairs, count)
        assert (len(found["best"]), len(found["worst"]), len(found["random"])) == sizes
        shown = names(found["best"] + found["worst"] + found["random"])
        assert len(set(shown)) == count
    assert choose(pairs, 24) == choose(pairs, 24)
    assert choose(pairs, 24, seed=1)["random"] != choose(pairs, 24)["random"]
