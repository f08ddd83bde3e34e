"""Filters on Milvus answer like filters on SQLite."""

import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from filter_texts import print_filter
from milvus_of_run import new_catalogue
from perfectlook.prices import SALE_DATES
from perfectlook.stores import Point, Query, Store, open_store
from perfectlook.stores.filters import And, Filter, Not, Or, parse_filter
from perfectlook.stores.milvus_filters import COLUMNS, LONGEST, compile_filter, filter_entries, literal
from serving import eventually

LONG = "x" * (LONGEST + 40)
CATEGORIES = ["Furniture|Chairs", "Furniture|Chairs|Stools", "Furniture|Tables", "Shoes", "Küche & Bad"]
BRANDS = ["", "Hay", "HAY", "Muji", 'O"Neill', "Œuvre", "👟", "a\\b\nc", LONG, f"{LONG}y", "5"]
PRICES = ["", "5.00 EUR", "10.00 EUR", "10 USD", "9007199254740993 EUR", "9007199254740992 EUR", "free", "-3"]
SIZES = ["", "42", "42.0", "7", "M", "m", f"{LONG}1"]
TITLES = ["", "Oak chair", "Soaked in OAK oil", "Kaffeeküche", "oa", f"{LONG} oak", "👟 Œuvre"]
MARCH = 1772323200.0  # 2026-03-01 in UTC
DATES = ["", "2026-03-01/2026-03-02", "2026-03-02/", "/2026-03-02", "some day", "2026-02-01/2026-02-02"]
ON_SALE = "sale_from <= 1000000000.0 and sale_until > 1000000000.0"
OAK = zlib.crc32(b"oak") % 4096


def test_a_product_has_typed_columns_and_dynamic_entries() -> None:
    dates = "2026-03-01T00:00:00Z/2026-03-02T00:00:00Z"
    fields = {"price": "30 EUR", "sale_price": "20 EUR", SALE_DATES: dates, "brand": "HAY", "size": "42"}
    assert filter_entries("Furniture|Chairs", {**fields, "title": "Oak"}) == {
        "availability": "",
        "brand": "hay",
        "gender": "",
        "item_group_id": "",
        "price": 30.0,
        "currency": "EUR",
        "sale": 20.0,
        "sale_currency": "EUR",
        "sale_from": 1772323200.0,
        "sale_until": 1772409600.0,
        "title_trigrams": [OAK],
        "under": ["chairs", "furniture", "furniture|chairs"],
        "text_category": "furniture|chairs",
        "text_price": "30 eur",
        "text_sale_price": "20 eur",
        "text_sale_price_effective_date": dates.casefold(),
        "text_size": "42",
        "number_size": 42.0,
        "currency_size": "",
        "text_title": "oak",
    }


@pytest.mark.parametrize(
    ("where", "expression"),
    [
        ("brand = Hay", 'brand == "hay"'),
        ("width < 30", "(number_width <= 30.0) and (number_width > -1e+300)"),
        (
            "price < 30 EUR",
            f'(({ON_SALE}) and ((sale <= 30.0) and (sale > -1e+300) and (sale_currency == "EUR"))) or '
            f'((not ({ON_SALE})) and ((price <= 30.0) and (price > -1e+300) and (currency == "EUR")))',
        ),
        ("not sale_price < 30", f"not (({ON_SALE}) and ((sale < 30.0) and (sale > -1e+300)))"),
        ("has sale_price", f'({ON_SALE}) and (text_sale_price >= "")'),
        ("title contains OAK", f"array_contains_all(title_trigrams, [{OAK}])"),
        ("title contains oa", 'text_title >= ""'),
        ("brand contains oak", 'brand >= "" and brand != ""'),
        ("not title contains oak and id = a", '(not (id == "")) and (id == "a")'),
        ("id in (a, b)", '(id == "a") or (id == "b")'),
        ('size = "4\\"2"', 'text_size == "4\\U000000222"'),
        ("category under Chairs", 'array_contains(under, "chairs")'),
        ('"größe" = 7', "(numberX6772c3b6c39f65 == 7.0) and (numberX6772c3b6c39f65 > -1e+300)"),
    ],
)
def test_filters_become_expressions(where: str, expression: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perfectlook.stores.filters.now", lambda: 1e9)
    assert compile_filter(parse_filter(where)) == expression


def test_literals_are_ascii_and_escaped() -> None:
    assert literal('a"\\\né') == '"a\\U00000022\\U0000005c\\U0000000a\\U000000e9"'


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, Store]]:
    """A store in SQLite and one on Milvus with the same 1,300 products, most of them in indexed segments."""
    random = np.random.default_rng(0)

    def chosen(values: list[str]) -> str:
        return values[int(random.integers(len(values)))]

    points = []
    for number in range(1300):
        fields = {"brand": chosen(BRANDS), "price": chosen(PRICES), "size": chosen(SIZES)}
        fields |= {"sale_price": chosen(["4 EUR", "free", "10 USD"])} if number % 3 == 0 else {}
        fields |= {SALE_DATES: chosen(DATES)} if number % 2 == 0 else {}
        fields |= {'of "x"': "1"} if number % 5 == 0 else {}
        vector = random.integers(-3, 4, 3).astype(np.float32)
        payload = {"fields": fields, "title": chosen(TITLES)}
        points.append(Point(f"{number}", chosen(CATEGORIES), vector, payload))
    here: Path = tmp_path_factory.mktemp("filters")
    one, other = (
        open_store(here / "catalogue", create=True),
        open_store(new_catalogue("?partitions=1"), create=True),
    )
    for store in (one, other):
        store.create_collection("c", 3)
        store.write_manifest({}, active="c")
        store.upsert(points[:1100])
        if store is other:
            flush(other)
        store.upsert([*points[1000:], *points[:50]])
    yield one, other
    one.close()
    other.close()


def flush(store: Store) -> None:
    """Make the server write its data in memory into segments, with their indexes."""
    client, name = store._connection._client, store._of("c")  # type: ignore[attr-defined]
    client.flush(name)
    eventually(
        lambda: all(client.describe_index(name, each)["indexed_rows"] >= 1100 for each in COLUMNS.values())
    )


leaves = st.one_of(
    st.builds(
        lambda field, sign, value: f"{field} {sign} {value}",
        st.sampled_from(["brand", "size", "text", '"of \\"x\\""']),
        st.sampled_from(["=", "!=", "<", "<=", ">", ">="]),
        st.sampled_from(["hay", "m", "5", "42", '"👟"', '"o\\"neill"', '"a\\\\b\nc"', LONG, f"{LONG}y", "Ω"]),
    ),
    st.builds(
        lambda field, sign, value: f"{field} {sign} {value}",
        st.sampled_from(["price", "sale_price"]),
        st.sampled_from(["=", "!=", "<", "<=", ">", ">="]),
        st.sampled_from(["5", "10 EUR", "10 USD", "-3", "9007199254740993", "9007199254740992 EUR", "4 EUR"]),
    ),
    st.sampled_from(["brand", "price", "size", "none", "sale_price", "title"]).map("has {}".format),
    st.sampled_from(["oak", "OAK", "küc", "oa", "''", "'k o'", "xoak", "Œuv", '"👟"']).map(
        "title contains {}".format
    ),
    st.sampled_from(['brand contains "👟"', "size contains m"]),
    st.sampled_from(["chairs", "Furniture", '"furniture|chairs"', '"küche & bad"', "none"]).map(
        "category under {}".format
    ),
    st.sampled_from(
        ["brand in (hay, muji, 5)", "id in (3, 17, 1299, x)", 'category = "FURNITURE|TABLES"', "id > 7"]
    ),
).map(parse_filter)
trees = st.recursive(
    leaves,
    lambda parts: st.one_of(
        parts.map(Not),
        st.lists(parts, min_size=2, max_size=3).map(lambda some: And(tuple(some))),
        st.lists(parts, min_size=2, max_size=3).map(lambda some: Or(tuple(some))),
    ),
    max_leaves=5,
)


@pytest.mark.parametrize("examples", [20, pytest.param(200, marks=pytest.mark.long)])
def test_random_filters_answer_like_sqlite(
    stores: tuple[Store, Store], monkeypatch: pytest.MonkeyPatch, examples: int
) -> None:
    one, other = stores

    @given(
        tree=trees,
        k=st.integers(1, 60),
        within=st.none() | st.frozensets(st.sampled_from(CATEGORIES), min_size=1),
        at=st.sampled_from([MARCH - 1, MARCH, MARCH + 86_399, MARCH + 86_400]),
    )
    @settings(deadline=None, max_examples=examples, suppress_health_check=list(HealthCheck), database=None)
    @example(tree=parse_filter("not (price < 9007199254740993)"), k=1300, within=None, at=MARCH)
    @example(tree=parse_filter(f"not (brand = {LONG}y)"), k=1300, within=None, at=MARCH)
    @example(tree=parse_filter("sale_price != 4 EUR and not title contains oak"), k=99, within=None, at=MARCH)
    def check(tree: Filter, k: int, within: frozenset[str] | None, at: float) -> None:
        monkeypatch.setattr("perfectlook.stores.filters.now", lambda: at)
        query = Query(np.array([0.5, 0, 0], np.float32), k, within, tree)
        (mine,), (theirs,) = one.search([query]), other.search([query])
        assert [p.id for p in theirs.products] == [p.id for p in mine.products], print_filter(tree)
        assert theirs.distances.tolist() == mine.distances.tolist()

    check()


@pytest.mark.parametrize(
    "where",
    [
        " or ".join(f"brand = b{number}" for number in range(1000)) + " or brand = muji",
        " and ".join(f"size != {number}" for number in range(1000)),
        f"price in ({', '.join(f'{number} EUR' for number in range(200))})",
        f"id not in ({', '.join(f'{number}' for number in range(100, 1200))})",
    ],
)
def test_a_filter_with_many_values_answers_like_sqlite(stores: tuple[Store, Store], where: str) -> None:
    query = Query(np.zeros(3, np.float32), 20, None, parse_filter(where))
    (mine,), (theirs,) = (store.search([query]) for store in stores)
    assert len(mine) == 20
    assert [p.id for p in theirs.products] == [p.id for p in mine.products]


def test_both_stores_count_the_same(stores: tuple[Store, Store]) -> None:
    one, other = stores
    assert other.categories() == one.categories()
    assert sorted(other.excerpts()) == sorted(one.excerpts())
