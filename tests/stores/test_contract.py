"""The contract of every store. To test a new store, add one line to STORES."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memory_store import MemoryStore
from milvus_of_run import emptied, new_catalogue
from perfectlook.errors import CatalogueError, PerfectLookError, UsageError
from perfectlook.prices import SALE_DATES
from perfectlook.stores import Hits, Point, Query, Store, open_store
from perfectlook.stores.filters import matches, parse_filter

STORES: dict[str, Callable[[Path], Store]] = {
    "embedded": lambda folder: open_store(folder / "catalogue", create=True),
    "memory": lambda _folder: MemoryStore(),
    "milvus": lambda _folder: open_store(new_catalogue("?partitions=1"), create=True),
}
"""How to open an empty store of each kind, given an empty folder."""


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "milvus":
        store = request.getfixturevalue("on_milvus")
        emptied(store, {"model": "a"}, "first", 3)
        yield store
    else:
        store = fresh(request.param, tmp_path)
        yield store
        store.close()


@pytest.fixture(scope="module")
def on_milvus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """One catalogue for all tests, because making a collection on Milvus takes seconds."""
    store = fresh("milvus", tmp_path_factory.mktemp("milvus"))
    yield store
    store.close()


def fresh(kind: str, folder: Path, dimension: int = 3) -> Store:
    store = STORES[kind](folder)
    store.create_collection("first", dimension)
    store.write_manifest({"model": "a"}, active="first")
    return store


def point(id_: str, vector: list[float], category: str = "Shoes", **payload: object) -> Point:
    return Point(id_, category, np.array(vector, np.float32), payload)


def ids(hits: Hits) -> list[str]:
    return [product.id for product in hits.products]


def ask(store: Store, vector: list[float], k: int = 10, **options: object) -> Hits:
    return store.search([Query(np.array(vector, np.float32), k, **options)])[0]  # type: ignore[arg-type]


LINE = [point("a", [0, 0, 0]), point("b", [3, 4, 0], "Bags"), point("c", [1, 0, 0]), point("d", [0, 0, 9])]


DATES = "2026-03-01T00:00:00Z/2026-03-02T00:00:00Z"
MARCH = 1772323200.0  # 2026-03-01 in UTC
SALES = [
    point("dated", [0, 0, 0], fields={"price": "9 EUR", "sale_price": "4 EUR", SALE_DATES: DATES}),
    point("always", [1, 0, 0], fields={"price": "9 EUR", "sale_price": "3 EUR"}),
    point("never", [2, 0, 0], fields={"price": "9 EUR"}),
]


def test_filters_see_the_price_of_the_moment(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.upsert(SALES)
    expected = {
        "price <= 5 EUR": (["dated", "always"], ["always"]),
        "price > 5 EUR": (["never"], ["dated", "never"]),
        "not price <= 5": (["never"], ["dated", "never"]),
        "price != 9": (["dated", "always"], ["always"]),
        "has sale_price": (["dated", "always"], ["always"]),
        "price in (3 EUR, 9 EUR)": (["always", "never"], ["dated", "always", "never"]),
    }
    for at, during in ((MARCH - 1, 1), (MARCH, 0), (MARCH + 86_399, 0), (MARCH + 86_400, 1), (MARCH + 5, 0)):
        monkeypatch.setattr("perfectlook.stores.filters.now", lambda at=at: at)
        for where, answers in expected.items():
            assert ids(ask(store, [0, 0, 0], where=parse_filter(where))) == answers[during], (where, at)


def test_a_new_product_with_a_sale_is_seen_on_time(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [MARCH - 1]
    monkeypatch.setattr("perfectlook.stores.filters.now", lambda: clock[0])
    cheap = parse_filter("price <= 5 EUR")
    store.upsert(SALES[1:])
    assert ids(ask(store, [0, 0, 0], where=cheap)) == ["always"]
    store.upsert(SALES[:1])
    assert ids(ask(store, [0, 0, 0], where=cheap)) == ["always"]
    clock[0] = MARCH
    assert ids(ask(store, [0, 0, 0], where=cheap)) == ["dated", "always"]


def test_a_search_returns_the_nearest_points_in_order(store: Store) -> None:
    store.upsert(LINE)
    hits = ask(store, [0, 0, 0], k=3)
    assert (ids(hits), hits.distances.tolist()) == (["a", "c", "b"], [0.0, 1.0, 5.0])
    assert hits.products[2].category == "Bags"
    assert hits.vectors[2].tolist() == [3, 4, 0]


def test_a_search_returns_all_points_if_k_is_larger(store: Store) -> None:
    store.upsert(LINE)
    assert ids(ask(store, [0, 0, 0], k=99)) == ["a", "c", "b", "d"]


def test_a_search_is_limited_to_its_categories(store: Store) -> None:
    store.upsert([*LINE, point("e", [7, 0, 0], "Hats")])
    assert ids(ask(store, [0, 0, 0], categories=frozenset({"Bags"}))) == ["b"]
    assert ids(ask(store, [0, 0, 0], categories=frozenset({"Bags", "Hats"}))) == ["b", "e"]
    assert ids(ask(store, [0, 0, 0], categories=frozenset({"Nothing"}))) == []
    assert ids(ask(store, [0, 0, 0], categories=frozenset())) == []


def test_a_search_leaves_out_ids(store: Store) -> None:
    store.upsert(LINE)
    others = parse_filter("id not in (a, d, unheard-of)")
    assert ids(ask(store, [0, 0, 0], k=2, where=others)) == ["c", "b"]
    assert ids(ask(store, [0, 0, 0], where=parse_filter("id not in (a, b, c, d)"))) == []


def test_a_search_answers_in_columns(store: Store) -> None:
    store.upsert(LINE)
    (found,) = store.search([Query(np.zeros(3, np.float32), 3)])
    assert [product.id for product in found.products] == ["a", "c", "b"]
    assert [product.category for product in found.products] == ["Shoes", "Shoes", "Bags"]
    assert found.distances.tolist() == [0.0, 1.0, 5.0]
    assert found.vectors.tolist() == [[0, 0, 0], [1, 0, 0], [3, 4, 0]]
    assert len(store.search([Query(np.zeros(3, np.float32), 3, frozenset())])[0]) == 0


PRICED = [
    point("a", [0, 0, 0], fields={"price": "80.00 EUR", "sale_price": "20.00 EUR", "brand": "Hay"}),
    point("b", [1, 0, 0], "Bags|Totes", fields={"price": "30.00 EUR", "brand": "HAY"}),
    point("c", [2, 0, 0], fields={"price": "30.00 USD", "brand": "Muji", 'a "b"\nc': "x"}),
    point("d", [3, 0, 0], "Bags", fields={"brand": "Muji", "price": "", "size": "42"}),
    point("e", [4, 0, 0], "Bags"),
    point("f", [5, 0, 0], "Bags", fields={"price": 30, "brand": ["Hay"], "size": None}),
    point("g", [6, 0, 0], "Bags", fields="none"),
]


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("price <= 30", "abc"),
        ("price <= 30 EUR", "ab"),
        ("price < 30 EUR", "a"),
        ("price != 30 EUR", "acdefg"),
        ("brand = hay", "ab"),
        ("brand in (hay, muji) and not has price", "d"),
        ("brand >= I", "cd"),
        ("has brand", "abcd"),
        ("size = 42", "d"),
        ("size = 42 or brand = hay", "abd"),
        ("id not in (a, c, e)", "bdfg"),
        ("id = A", ""),
        ("category under Bags", "bdefg"),
        ("category = bags", "defg"),
        ("not category under Totes and has price", "ac"),
        (r'"a \"b\"nc" = x', ""),
        ('"a \\"b\\"\nc" = x', "c"),
    ],
)
def test_a_search_is_limited_to_its_filter(store: Store, where: str, found: str) -> None:
    store.upsert(PRICED)
    assert "".join(ids(ask(store, [0, 0, 0], where=parse_filter(where)))) == found
    assert "".join(ids(ask(store, [0, 0, 0], k=2, where=parse_filter(where)))) == found[:2]


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("title contains OAK", "ab"),
        ('title contains "oak c"', "a"),
        ("title contains oak and not title contains table", "a"),
        ("not title contains oak", "cd"),
        ("title = 'Oak chair'", "a"),
        ("has title", "abc"),
        ("brand contains a", "bd"),
        ("title contains ''", "abc"),
    ],
)
def test_titles_and_fields_are_searched_for_words(store: Store, where: str, found: str) -> None:
    store.upsert(
        [
            point("a", [1, 0, 0], title="Oak chair", fields={"brand": "Hey"}),
            point("b", [2, 0, 0], title="Table, soaked", fields={"brand": "HAY"}),
            point("c", [3, 0, 0], title="Pine bench"),
            point("d", [4, 0, 0], title=7, fields={"brand": "Ikea"}),
        ]
    )

    assert "".join(ids(ask(store, [0, 0, 0], where=parse_filter(where)))) == found


def test_each_query_of_a_batch_has_its_own_filter(store: Store) -> None:
    store.upsert(PRICED)
    origin = np.zeros(3, np.float32)
    hay, shoes = parse_filter("brand = hay"), frozenset({"Shoes"})
    batch = [
        Query(origin, 9, where=hay),
        Query(origin, 2),
        Query(origin, 9, shoes, where=hay),
        Query(origin, 9, where=parse_filter("brand = hay and id != a")),
    ]
    assert ["".join(ids(hits)) for hits in store.search(batch)] == ["ab", "ab", "a", "b"]


def test_filters_see_changes(store: Store) -> None:
    store.upsert(PRICED)
    hay = parse_filter("brand = hay")
    assert ids(ask(store, [0, 0, 0], where=hay)) == ["a", "b"]
    store.set_payloads({"a": {"fields": {"brand": "Muji"}}, "e": {"fields": {"brand": "Hay"}}})
    assert ids(ask(store, [0, 0, 0], where=hay)) == ["b", "e"]
    store.upsert([point("b", [9, 0, 0], fields={"brand": "Hay"}), point("z", [8, 0, 0])])
    store.delete(["e"])
    assert ids(ask(store, [0, 0, 0], where=hay)) == ["b"]
    assert ids(ask(store, [0, 0, 0], where=parse_filter("not has brand"))) == ["f", "g", "z"]


def test_queries_of_a_batch_do_not_disturb_each_other(store: Store) -> None:
    store.upsert(LINE)
    origin = np.zeros(3, np.float32)
    batch = [
        Query(origin, 1),
        Query(np.array([0, 0, 9], np.float32), 2),
        Query(origin, 4, frozenset({"Bags"})),
        Query(origin, 2, where=parse_filter("id != a")),
    ]
    assert [ids(hits) for hits in store.search(batch)] == [["a"], ["d", "a"], ["b"], ["c", "b"]]
    assert store.search([]) == []


def test_equal_distances_are_ordered_by_id_also_where_k_cuts(store: Store) -> None:
    corners = [point(id_, vector) for id_, vector in zip("hbgdcafe", _signs(), strict=True)]
    store.upsert([*corners, point("z", [0, 0, 0])])
    assert ids(ask(store, [0, 0, 0], k=9)) == ["z", *"abcdefgh"]
    assert ids(ask(store, [0, 0, 0], k=4)) == ["z", "a", "b", "c"]


def _signs() -> list[list[float]]:
    return [[x, y, z] for x in (-1.0, 1.0) for y in (-1.0, 1.0) for z in (-1.0, 1.0)]


def test_distances_far_from_the_origin_do_not_cancel(store: Store) -> None:
    # ‖x‖² is 3e8, where the spacing of float32 is 32, so ‖x‖² - 2x·q + ‖q‖² would be noise.
    store.upsert([point(f"{i:02}", [10_000, 10_000 + i * 2.0**-7, 10_000]) for i in range(40)])
    hits = ask(store, [10_000, 10_000 + 2.0**-7 * 17.25, 10_000], k=3)
    assert ids(hits) == ["17", "18", "16"]
    assert hits.distances.tolist() == [0.25 * 2.0**-7, 0.75 * 2.0**-7, 1.25 * 2.0**-7]


def test_a_point_is_returned_as_it_was_given(store: Store) -> None:
    payload = {"title": "Schuh 👟\x00 ‖", "price": "12.50", "fields": {"sizes": [1, 2.5, None, True]}}
    given_point = Point("ü/1", "Kleidung & Schuhe|Schuhe", np.array([0.1, -2, 1e-9], np.float32), payload)
    store.upsert([given_point])
    hits = ask(store, [0, 0, 0])
    hit = replace(hits.products[0], vector=hits.vectors[0])
    for found in (store.get(["ü/1"])["ü/1"], next(iter(store.scroll()))[0], hit):
        assert (found.id, found.category, found.payload) == (given_point.id, given_point.category, payload)
        assert found.vector.dtype == np.float32
        assert found.vector.tolist() == given_point.vector.tolist()


def test_get_returns_existing_points(store: Store) -> None:
    store.upsert(LINE)
    assert set(store.get(["a", "nobody", "d"])) == {"a", "d"}
    assert store.get([]) == {}


def test_upsert_replaces_vector_category_and_payload(store: Store) -> None:
    store.upsert(LINE)
    store.upsert([point("a", [0, 0, 10], "Bags", title="new")])
    assert ids(ask(store, [0, 0, 0], categories=frozenset({"Shoes"}))) == ["c", "d"]
    assert ids(ask(store, [0, 0, 10])) == ["a", "d", "c", "b"]
    assert store.get(["a"])["a"].payload == {"title": "new"}
    assert store.count() == 4


def test_the_last_of_two_points_with_the_same_id_is_used(store: Store) -> None:
    store.upsert([point("a", [1, 0, 0]), point("a", [2, 0, 0], "Bags")])
    assert [(p.id, p.category, p.vector[0]) for p in store.get(["a"]).values()] == [("a", "Bags", 2)]
    assert store.count() == 1


def test_payloads_change_without_vectors(store: Store) -> None:
    store.upsert(LINE)
    store.set_payloads({"a": {"title": "new"}, "nobody": {"title": "?"}})
    assert ask(store, [0, 0, 0], k=1).products[0].payload == {"title": "new"}
    assert store.get(["a"])["a"].vector.tolist() == [0, 0, 0]
    store.set_payloads({})
    assert store.count() == 4


def test_reads_and_writes_together(store: Store) -> None:
    store.upsert(LINE)
    with store.together():
        store.set_payloads({"a": {"title": "new"}})
        assert store.get(["a"])["a"].payload == {"title": "new"}
        store.delete(["b"])
    assert (store.get(["a"])["a"].payload, store.count()) == ({"title": "new"}, 3)
    assert ids(ask(store, [0, 0, 0])) == ["a", "c", "d"]


def test_points_can_be_deleted_and_added_again(store: Store) -> None:
    store.upsert(LINE)
    assert ids(ask(store, [0, 0, 0])) == ["a", "c", "b", "d"]
    store.delete(["a", "b", "nobody"])
    assert ids(ask(store, [0, 0, 0])) == ["c", "d"]
    assert store.categories() == {"Shoes": 2}
    store.upsert([point("a", [5, 0, 0])])
    assert ids(ask(store, [0, 0, 0])) == ["c", "a", "d"]


def test_counts(store: Store) -> None:
    assert (store.count(), store.categories()) == (0, {})
    store.upsert(LINE)
    assert (store.count(), store.count("Shoes"), store.count("Hats")) == (4, 3, 0)
    assert list(store.categories().items()) == [("Bags", 1), ("Shoes", 3)]


def test_excerpts_have_the_named_entries_of_every_point(store: Store) -> None:
    store.upsert([point("ü 1", [0, 0, 1], "A", x="é", y="2", z={"x": "q"}), point("2", [0, 1, 0], "B|C")])
    assert sorted(store.excerpts("y", "x")) == [("2", "B|C", None, None), ("ü 1", "A", "2", "é")]
    assert sorted(store.excerpts("z.x", "x.z")) == [("2", "B|C", None, None), ("ü 1", "A", "q", None)]
    assert sorted(store.excerpts()) == [("2", "B|C"), ("ü 1", "A")]


def test_scroll_yields_every_point_once(store: Store) -> None:
    store.upsert([point(f"{i}", [i, 0, 0]) for i in range(25)])
    batches = list(store.scroll(10))
    assert [len(batch) for batch in batches] == [10, 10, 5]
    assert sorted(p.id for batch in batches for p in batch) == sorted(f"{i}" for i in range(25))
    records = [p for batch in store.scroll(10, vectors=False) for p in batch]
    assert {len(p.vector) for p in records} == {0}
    assert len(records) == 25


def test_a_second_collection_is_filled_and_made_active(store: Store) -> None:
    store.upsert(LINE)
    store.create_collection("second", 2)
    store.upsert([Point("n", "Shoes", np.array([1, 1], np.float32))], collection="second")
    assert ids(ask(store, [0, 0, 0])) == ["a", "c", "b", "d"]
    assert store.collections() == {"first": 3, "second": 2}
    assert store.count(collection="second") == 1
    store.write_manifest({"model": "b"}, active="second")
    assert (store.active(), store.manifest()) == ("second", {"model": "b"})
    assert ids(ask(store, [0, 0])) == ["n"]
    store.drop_collection("first")
    assert store.collections() == {"second": 2}
    assert store.count() == 1


def test_collections_cannot_be_replaced_or_dropped_while_active(store: Store) -> None:
    for refused in (
        lambda: store.drop_collection("first"),
        lambda: store.drop_collection("nothing"),
        lambda: store.create_collection("first", 9),
        lambda: store.write_manifest({}, active="nothing"),
        lambda: store.count(collection="nothing"),
    ):
        with pytest.raises(CatalogueError, match=r"first|nothing"):
            refused()
    assert store.manifest() == {"model": "a"}


def test_a_search_without_an_active_collection_has_a_remedy(store: Store) -> None:
    store.write_manifest({}, active=None)
    with pytest.raises(CatalogueError, match="catalogue sync"):
        ask(store, [0, 0, 0])


@pytest.mark.parametrize("bad", [[1, 2], [1, 2, float("nan")], [1, 2, float("inf")], [1e30, 0, 0]])
def test_an_invalid_vector_is_rejected_with_its_batch(store: Store, bad: list[float]) -> None:
    store.upsert(LINE)
    with pytest.raises(UsageError, match="culprit"):
        store.upsert([point("a", [9, 9, 9]), point("culprit", bad)])
    assert ids(ask(store, [0, 0, 0], k=1)) == ["a"]
    assert store.count() == 4
    with pytest.raises(UsageError, match="query"):
        ask(store, bad)


def test_a_query_for_no_products_is_rejected(store: Store) -> None:
    with pytest.raises(UsageError, match="k 0: must be at least 1"):
        ask(store, [0, 0, 0], k=0)


def test_a_store_has_one_holder(store: Store) -> None:
    with store.hold("a first sync"):
        with pytest.raises(CatalogueError, match="a first sync"), store.hold("a second sync"):
            pass
        store.upsert(LINE)
    with store.hold("a third sync"):
        assert store.count() == 4


def test_a_manifest_is_read_as_it_was_written(store: Store) -> None:
    document = {"centres": {"Stühle": "AAAA"}, "numbers": [1, 2.5], "nothing": None}
    store.write_manifest(document, active="first")
    assert store.manifest() == document


def test_readers_see_whole_batches_while_a_writer_works(store: Store) -> None:
    # Each batch moves all points to one place, so a search that sees half of a batch sees two places.
    if store.location.startswith("milvus+"):
        pytest.skip("a batch on Milvus becomes visible part by part, as docs/how-to/milvus.md says")

    def everywhere(place: float) -> list[Point]:
        return [point(f"{i}", [place, 0, 0], "Shoes" if i % 2 else "Bags", place=place) for i in range(30)]

    store.upsert(everywhere(0))
    done, wrong = threading.Event(), []

    def read() -> None:
        while not done.is_set():
            for hits in store.search([Query(np.zeros(3, np.float32), 40)] * 2):
                places = [product.payload["place"] for product in hits.products]
                seen = set(zip(hits.distances.tolist(), places, strict=True))
                if len(hits) != 30 or len(seen) != 1 or any(d != p for d, p in seen):
                    wrong.append(seen)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for place in range(1, 25):
        store.upsert(everywhere(place))
    done.set()
    for reader in readers:
        reader.join()
    assert wrong == []


ids_of_few = st.sampled_from("abcdefghijklmnop")
values = st.lists(st.integers(-3, 3), min_size=3, max_size=3)
categories = st.sampled_from(["Shoes", "Bags", "Hats"])
prices = st.sampled_from(["", "5.00 EUR", "10.00 EUR", "10.00 USD", "12345678901234567890.1 EUR", "7"])
filters = st.sampled_from(
    [
        *("price <= 10", "price > 5 EUR", "price != 10.0 USD", "price in (5, 10 USD)"),
        *("price < 12345678901234567890.2", "price >= 12345678901234567890.2", "not price = 7"),
        *("id > e", "has price and category under Bags"),
        "id in (a, b, c) or category = hats or price = 7",
        *("id not in (a, e, i, m)", "id not in (a, b, c, d) and price <= 10"),
    ]
).map(parse_filter)
actions = st.one_of(
    st.tuples(st.just("upsert"), st.lists(st.tuples(ids_of_few, values, categories, prices), max_size=12)),
    st.tuples(st.just("reprice"), st.dictionaries(ids_of_few, prices, max_size=6)),
    st.tuples(st.just("delete"), st.lists(ids_of_few, max_size=6)),
    st.tuples(
        st.just("search"),
        st.tuples(
            values,
            st.integers(1, 20),
            st.none() | st.frozensets(categories),
            st.none() | filters,
        ),
    ),
)


@pytest.mark.parametrize("examples", [20, pytest.param(100, marks=pytest.mark.long)])
@pytest.mark.parametrize("kind", ["embedded", "memory"])
def test_any_history_answers_like_brute_force(
    kind: str, examples: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    @given(history=st.lists(actions, max_size=14))
    @settings(deadline=None, max_examples=examples, suppress_health_check=list(HealthCheck), database=None)
    def check(history: list[tuple[str, object]]) -> None:
        store = fresh(kind, tmp_path_factory.mktemp("history"))
        check_history(store, history)
        store.close()

    check()


@pytest.mark.parametrize("examples", [6, pytest.param(40, marks=pytest.mark.long)])
def test_any_history_on_milvus_answers_like_brute_force(on_milvus: Store, examples: int) -> None:
    store = on_milvus
    emptied(store, {"model": "a"}, "first", 3)

    @given(history=st.lists(actions, max_size=14))
    @settings(deadline=None, max_examples=examples, suppress_health_check=list(HealthCheck), database=None)
    def check(history: list[tuple[str, object]]) -> None:
        store.delete("abcdefghijklmnop")
        check_history(store, history)

    check()


def check_history(store: Store, history: list[tuple[str, object]]) -> None:
    # Integer coordinates give exact distances in any arithmetic, and many ties.
    truth: dict[str, tuple[list[int], str, str]] = {}
    everything = ("search", ([0, 0, 0], 20, None, parse_filter("price <= 10")))
    for action, argument in [*history, everything]:
        if action == "upsert":
            store.upsert([point(i, v, c, fields={"price": price}) for i, v, c, price in argument])  # type: ignore[attr-defined]
            truth |= {id_: tuple(rest) for id_, *rest in argument}  # type: ignore[attr-defined, misc]
        elif action == "reprice":
            known = {id_: price for id_, price in argument.items() if id_ in truth}  # type: ignore[attr-defined]
            payloads = {id_: {"fields": {"price": price}} for id_, price in argument.items()}  # type: ignore[attr-defined]
            store.set_payloads(payloads)
            truth |= {id_: (*truth[id_][:2], price) for id_, price in known.items()}
        elif action == "delete":
            store.delete(argument)  # type: ignore[arg-type]
            truth = {id_: value for id_, value in truth.items() if id_ not in argument}  # type: ignore[operator]
        else:
            target, k, within, where = argument  # type: ignore[misc]
            found = ask(store, target, k, categories=within, where=where)
            assert (
                list(zip(found.distances.tolist(), ids(found), strict=True))
                == sorted(
                    (sum((a - b) ** 2 for a, b in zip(vector, target, strict=True)) ** 0.5, id_)
                    for id_, (vector, category, price) in truth.items()
                    if within is None or category in within
                    if where is None or matches(where, id_, category, {"price": price})
                )[:k]
            )


def test_an_unknown_scheme_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"ftp://.*milvus\+http://"):
        open_store("ftp://host/catalogue")
    assert issubclass(UsageError, PerfectLookError)


@pytest.mark.parametrize("url", ["memory://", "memory://shop", "milvus+memory://shop"])
def test_a_catalogue_in_memory_is_rejected_with_a_remedy(url: str) -> None:
    with pytest.raises(UsageError, match=r"in memory are not supported\. Use a folder"):
        open_store(url, create=True)
