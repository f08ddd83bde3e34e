"""The cluster store beyond the contract: filters, the write lease and errors."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("qdrant_client", reason="the extra 'cluster' is not installed")

from qdrant_client import QdrantClient

from perfectlook.errors import CatalogueError, CatalogueInUseError
from perfectlook.stores import Point, Query, cluster, cluster_layout, cluster_manifest, open_store
from perfectlook.stores.base import Hits
from perfectlook.stores.cluster import ClusterStore
from perfectlook.stores.cluster_connection import ClusterConnection
from perfectlook.stores.cluster_settings import ClusterSettings
from perfectlook.stores.filters import (
    And,
    Compare,
    Filter,
    Has,
    Money,
    Not,
    OneOf,
    Or,
    Under,
    matches,
    parse_filter,
)
from qdrant_over_http import Refusal, served


def product(id_: str, x: float, category: str = "Shoes", **fields: str) -> Point:
    return Point(id_, category, np.array([x, 0], np.float32), {"title": id_, "fields": fields})


def opened(client: QdrantClient, name: str = "shop", **changes: object) -> ClusterStore:
    connection = ClusterConnection(client, f"qdrant+memory://{name}", in_memory=True)
    return ClusterStore(connection, name, ClusterSettings(**changes), create=True)  # type: ignore[arg-type]


@pytest.fixture
def client() -> Iterator[QdrantClient]:
    with closing(QdrantClient(":memory:")) as client:
        yield client


@pytest.fixture
def store(client: QdrantClient) -> ClusterStore:
    return filled(opened(client))


def filled(store: ClusterStore, points: list[Point] | None = None) -> ClusterStore:
    store.create_collection("c", 2)
    store.write_manifest({"model": "m"}, active="c")
    store.upsert(PRODUCTS if points is None else points)
    return store


PRODUCTS = [
    product("a", 1, price="49.90 EUR", brand="Muji", availability="in_stock"),
    product("b", 2, price="60 EUR", sale_price="45.00 EUR", brand="IKEA"),
    product("c", 3, price="49.90 USD", brand="ikea"),
    product("d", 4, "Furniture|Chairs", weight="12 kg"),
    product("e", 5, "Furniture|Chairs|Stools", price="cheap", brand=""),
]


def found(store: ClusterStore, text: str, k: int = 10) -> str:
    (hits,) = store.search([Query(np.zeros(2, np.float32), k, where=parse_filter(text))])
    return "".join(product.id for product in hits.products)


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("price < 46", "b"),
        ("price <= 49.9", "abc"),
        ("price = 49.90", "ac"),
        ("price = 49.9 EUR", "a"),
        ("price < 100 EUR", "ab"),
        ("not price < 100 EUR", "cde"),
        ("brand = ikea", "bc"),
        ("brand != ikea", "ade"),
        ("brand in (Ikea, muji)", "abc"),
        ("brand > j", "a"),
        ("not brand > j", "bcde"),
        ("has brand", "abc"),
        ("not has price", "d"),
        ("id in (a, e, absent)", "ae"),
        ("id = A", ""),
        ("category under furniture", "de"),
        ("category under stools", "e"),
        ('category = "furniture|chairs"', "d"),
        ("weight >= 12", "d"),
        ("brand = ikea and price < 46 or has weight", "bd"),
    ],
)
def test_filters_match_as_in_other_stores(store: ClusterStore, text: str, ids: str) -> None:
    assert found(store, text) == ids


def test_a_filter_that_the_server_cannot_express_still_gives_k(client: QdrantClient) -> None:
    # The server has no order of texts, so it first returns nearer products, which do not match.
    many = [product(f"{i:03}", i, size="small") for i in range(200)]
    store = filled(opened(client), [*many, product("x", 900, size="tall"), product("y", 901, size="wide")])
    assert found(store, "size > t", k=2) == "xy"


names = st.sampled_from(["price", "sale_price", "brand", "colour", "Größe", "id", "category"])
texts = st.sampled_from(
    ["", "Ikea", "IKEA", "10", "10.0 EUR", "9.99 USD", "1e5", "1234567890123456789", "12 cm"]
)
asked = (
    st.sampled_from(["ikea", "Ikea", "a", "furniture", "m"])
    | st.sampled_from(["10", "9.99", "0", "1234567890123456788", "-3"]).map(Decimal)
    | st.builds(Money, st.sampled_from(["10", "9.99"]).map(Decimal), st.sampled_from(["EUR", "usd"]))
)
leaves = st.one_of(
    st.builds(Compare, names, st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), asked),
    st.builds(OneOf, names, st.lists(asked, min_size=1, max_size=3).map(tuple)),
    st.builds(Has, names),
    st.builds(Under, st.sampled_from(["Furniture", "Chairs", "Furniture|Chairs", "Shoes", "|"])),
)
trees = st.recursive(
    leaves,
    lambda part: st.one_of(
        st.builds(Not, part),
        st.builds(And, st.lists(part, min_size=1, max_size=3).map(tuple)),
        st.builds(Or, st.lists(part, min_size=1, max_size=3).map(tuple)),
    ),
    max_leaves=6,
)
records = st.lists(
    st.tuples(
        st.sampled_from(["Furniture|Chairs", "Furniture", "Shoes"]),
        st.dictionaries(names.filter(lambda name: name not in ("id", "category")), texts),
    ),
    min_size=1,
    max_size=12,
)


@given(tree=trees, records=records)
@settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))
def test_every_filter_finds_the_same_as_matches(
    tree: Filter, records: list[tuple[str, dict[str, str]]]
) -> None:
    with closing(QdrantClient(":memory:")) as client:
        points = [
            product("amkI"[i % 4] + f"{i}", i, category, **fields)
            for i, (category, fields) in enumerate(records)
        ]
        store = filled(opened(client), points)
        (hits,) = store.search([Query(np.zeros(2, np.float32), 3, where=tree)])
        wanted = [
            p.id
            for p in points
            if matches(tree, p.id, p.category, p.payload["fields"])  # type: ignore[arg-type]
        ]
        assert [product.id for product in hits.products] == wanted[:3]


def test_all_ties_with_the_last_place_are_compared(client: QdrantClient) -> None:
    points = [product(f"{i:03}", 7) for i in range(100)]
    store = filled(opened(client), points[::-1])
    assert [product.id for product in near(store, k=3).products] == ["000", "001", "002"]


def near(store: ClusterStore, k: int = 10) -> Hits:
    return store.search([Query(np.zeros(2, np.float32), k)])[0]


def test_catalogues_on_one_server_do_not_see_each_other(client: QdrantClient, store: ClusterStore) -> None:
    other = filled(opened(client, "other"), [product("z", 0)])
    assert other.collections() == store.collections() == {"c": 2}
    assert (store.count(), other.count()) == (5, 1)
    other.write_manifest({}, active=None)
    assert store.active() == "c"


def test_a_collection_keeps_the_indexed_fields_it_was_made_with(
    client: QdrantClient, store: ClusterStore
) -> None:
    later = opened(client, indexed=("weight",))
    assert found(later, "brand = ikea") == "bc"
    later.upsert([product("f", 6, brand="Ikea")])
    assert found(store, "brand = ikea") == "bcf"
    store.set_payloads({"a": {"fields": {"brand": "ikea"}}})
    assert found(later, "brand = ikea") == "abcf"


def test_a_manifest_larger_than_a_request_is_written_in_parts(
    client: QdrantClient, store: ClusterStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_manifest, "PART", 1000)
    document = {"centres": {str(i): "Ü" * 100 for i in range(100)}}
    for _ in range(3):
        store.write_manifest(document, active="c")
        assert store.manifest() == document
    assert client.count("shop.manifest").count < 20  # the parts of earlier manifests are deleted


def test_a_killed_writer_of_a_manifest_leaves_the_old_one(
    store: ClusterStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_manifest, "PART", 10)
    write, calls = store._manifest._write, []

    def killed(number: int | str, payload: dict[str, object]) -> None:
        if len(calls) == 4:
            raise KeyboardInterrupt
        calls.append(number)
        write(number, payload)

    monkeypatch.setattr(store._manifest, "_write", killed)
    with pytest.raises(KeyboardInterrupt):
        store.write_manifest({"model": "another one, with a long name"}, active=None)
    assert (store.manifest(), store.active()) == ({"model": "m"}, "c")


def test_a_damaged_record_or_manifest_gives_an_error(client: QdrantClient, store: ClusterStore) -> None:
    client.set_payload("shop.c", {"record": "{"}, points=cluster_ids(client))
    with pytest.raises(CatalogueError, match="record of product"):
        near(store)
    (head,) = client.retrieve("shop.manifest", [1])
    client.set_payload("shop.manifest", {"text": "{"}, points=head.payload["parts"])
    with pytest.raises(CatalogueError, match="the manifest"):
        store.manifest()


def cluster_ids(client: QdrantClient) -> list[object]:
    return [record.id for record in client.scroll("shop.c")[0]]


def test_a_newer_format_asks_for_an_upgrade(client: QdrantClient, store: ClusterStore) -> None:
    client.set_payload("shop.manifest", {"format": 99}, points=[1])
    with pytest.raises(CatalogueError, match=r"format 99.*Upgrade"):
        opened(client)


def test_a_second_machine_gets_an_error_that_names_the_first(
    client: QdrantClient, store: ClusterStore
) -> None:
    other = opened(client)
    who = rf"catalogue sync, process {os.getpid()} on {socket.gethostname()}\. Wait"
    with store.hold("catalogue sync"), pytest.raises(CatalogueInUseError, match=who), other.hold("another"):
        pass
    with other.hold("another"):
        pass


def test_the_lease_of_a_dead_holder_expires(client: QdrantClient) -> None:
    dead = opened(client, lease=3)
    now = [1000.0]
    dead._lease._clock = lambda: now[0]
    dead._lease._write("of the dead", "catalogue sync", now[0])
    other = opened(client, lease=3)
    other._lease._clock = lambda: now[0]
    with pytest.raises(CatalogueError, match="If it is dead, its lease expires in 3 s"), other.hold("mine"):
        pass
    now[0] += 3
    with other.hold("mine"):
        pass


def test_a_lease_is_renewed_while_it_is_held(client: QdrantClient) -> None:
    store, other = filled(opened(client, lease=3)), opened(client)
    store._lease._seconds = 0.3
    with store.hold("a long sync"):
        time.sleep(0.6)
        store.upsert([product("n", 9)])
        with pytest.raises(CatalogueError, match="a long sync"), other.hold("mine"):
            pass


def test_a_holder_with_an_expired_lease_cannot_write(client: QdrantClient) -> None:
    store, other = filled(opened(client)), opened(client)
    late = [0.0]
    store._lease._clock = lambda: time.time() + late[0]
    other._lease._clock = store._lease._clock
    with store.hold("a sync on a machine that slept"):
        late[0] = 61
        with other.hold("the one that came after"):
            with pytest.raises(CatalogueError, match="the write lease expired"):
                store.upsert([product("n", 9)])
            with pytest.raises(CatalogueError, match="the write lease expired"):
                store.write_manifest({}, active=None)
    assert store.count() == 5
    with other.hold("the lease of another was not given back by the late one"):
        pass


def test_the_store_works_over_the_network() -> None:
    with served() as url:
        with pytest.raises(
            CatalogueError, match=r"no catalogue here\. Make one with `perfectlook catalogue sync`"
        ):
            open_store(f"qdrant+{url}/shop")
        with closing(open_store(f"qdrant+{url}/shop?shards=2&timeout=5", create=True)) as store:
            filled(store)  # type: ignore[arg-type]
            assert store.location == f"qdrant+{url}/shop"
            assert found(store, "brand = ikea and not price > 50") == "bc"  # type: ignore[arg-type]
            assert store.set_payloads({"a": {"title": "new"}, "absent": {}}) == 1
            assert store.get(["a"])["a"].payload == {"title": "new"}
            assert store.delete(["b", "absent"]) == 1
            assert store.categories() == {
                "Furniture|Chairs": 1,
                "Furniture|Chairs|Stools": 1,
                "Shoes": 2,
            }
            assert store.count("Shoes") == 2
            assert [len(batch) for batch in store.scroll(3)] == [3, 1]
            with store.hold("catalogue sync"):
                other = open_store(f"qdrant+{url}/shop")
                with pytest.raises(CatalogueError, match="catalogue sync"), other.hold("mine"):
                    pass
            with other.hold("mine"):
                pass
            assert other.collections() == {"c": 2}
            store.create_collection("d", 3)
            store.write_manifest({"model": "n"}, active="d")
            store.drop_collection("c")
            assert (other.active(), other.manifest(), other.count()) == ("d", {"model": "n"}, 0)
            with pytest.raises(CatalogueError, match="no collection 'c'"):
                other.count(collection="c")
            other._known["c"] = cluster._Collection(2, ())  # type: ignore[attr-defined]
            with pytest.raises(CatalogueError, match="no longer exists"):
                other.search([Query(np.zeros(2, np.float32), 1)], collection="c")
            other.close()
        with pytest.raises(CatalogueError, match="closed"):
            store.count()


def test_a_stopped_server_is_named_with_the_remedy() -> None:
    with served() as url:
        store = filled(open_store(f"qdrant+{url}/shop", create=True))  # type: ignore[arg-type]
        gone = url
    with (
        closing(store),
        pytest.raises(CatalogueError, match=rf"qdrant\+{gone}/shop: .*no connection.*Check the URL"),
    ):
        store.count()
    with pytest.raises(CatalogueError, match=rf"qdrant\+{gone}/shop: connecting failed \(no connection"):
        open_store(f"qdrant+{gone}/shop")


def test_a_server_that_is_too_old_is_rejected() -> None:
    with (
        served(version="1.9.4") as url,
        pytest.raises(CatalogueError, match=r"Qdrant 1\.9\.4, but 1\.16 or later"),
    ):
        open_store(f"qdrant+{url}/shop", create=True)


def test_a_slow_server_times_out() -> None:
    done = threading.Event()
    try:
        with served(answer=lambda path: None if path == "/" else done.wait(20)) as url:
            with pytest.raises(CatalogueError, match=r"timed out.*timeout=SECONDS"):
                open_store(f"qdrant+{url}/shop?timeout=1")
            done.set()
    finally:
        done.set()


@pytest.mark.parametrize(
    ("code", "said"),
    [(401, "PERFECTLOOK_QDRANT_API_KEY"), (503, "Try again"), (507, "disk is full"), (400, "answered 400")],
)
def test_errors_of_the_server_have_a_remedy(code: int, said: str) -> None:
    def refuse(path: str) -> None:
        if path != "/":
            raise Refusal(str(code))

    with served(answer=refuse) as url, pytest.raises(CatalogueError, match=said):
        open_store(f"qdrant+{url}/shop", create=True)


def test_layouts_follow_the_settings() -> None:
    from qdrant_client import models

    exact = cluster_layout.layout(128, ClusterSettings(shards=6, replicas=2))
    assert (exact["shard_number"], exact["replication_factor"]) == (6, 2)
    assert exact["vectors_config"].distance == models.Distance.EUCLID
    assert exact["hnsw_config"].m == 0  # an exact search uses no graph
    graph = cluster_layout.layout(128, ClusterSettings(exact=False, quantisation="int8", on_disk=True))
    assert graph["hnsw_config"].m == 16
    assert graph["quantization_config"].scalar.always_ram
    assert graph["vectors_config"].on_disk
    assert cluster_layout.search_params(ClusterSettings()).exact
    approximate = cluster_layout.search_params(
        ClusterSettings(exact=False, quantisation="int8", oversampling=3.0)
    )
    assert approximate.quantization.oversampling == 3.0
    indexes = cluster_layout.indexes(ClusterSettings(numbers=("price", "Größe")))
    assert set(indexes) == {"category", "terms", "numbers.f_price", "numbers.h_4772c3b6c39f65"}
