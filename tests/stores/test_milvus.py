"""What only the store on Milvus does. What all stores do is in test_contract.py."""

import os
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from milvus_of_run import SERVER, emptied, milvus_url, need_milvus, new_catalogue
from perfectlook.errors import CatalogueError, CatalogueInUseError, UsageError
from perfectlook.stores import Hits, Point, Query, open_store
from perfectlook.stores import milvus as module
from perfectlook.stores.milvus import MilvusStore
from perfectlook.stores.milvus_connection import MilvusConnection, parse_address
from serving import eventually


@pytest.fixture(scope="module")
def url() -> str:
    """One catalogue for all tests with `store`, because making a collection on Milvus takes seconds."""
    return new_catalogue()


@pytest.fixture
def store(url: str) -> Iterator[MilvusStore]:
    with MilvusStore(url, create=True) as store:
        emptied(store, {"model": "m"}, "c", 2)
        store.upsert([product(id_, place) for place, id_ in enumerate("abcde")])
        yield store


def product(id_: str, place: float, category: str = "Shoes", **payload: object) -> Point:
    return Point(id_, category, np.array([place, 0], np.float32), payload)


def near(store: MilvusStore, k: int = 10, **options: object) -> str:
    query = Query(np.zeros(2, np.float32), k, **options)  # type: ignore[arg-type]
    return "".join(point.id for point in store.search([query])[0].products)


def test_a_product_that_changes_its_category_leaves_no_copy(store: MilvusStore) -> None:
    for category in ("Bags", "Hats", "Shoes", "Bags"):
        store.upsert([product("c", 2, category)])
        assert near(store, categories=frozenset({category}))[-1 if category == "Bags" else 0]
        assert near(store) == "abcde"
        assert store.count() == 5
    assert near(store, categories=frozenset({"Bags"})) == "c"
    assert near(store, categories=frozenset({"Shoes"})) == "abde"
    assert near(store, categories=frozenset({"Hats"})) == ""
    assert store.categories() == {"Bags": 1, "Shoes": 4}


def test_a_product_is_there_while_it_is_replaced(store: MilvusStore, monkeypatch: pytest.MonkeyPatch) -> None:
    client, seen = store._connection._client, []
    assert client is not None
    insert = client.insert

    def watched(*given: Any, **options: Any) -> None:
        seen.append(near(store))
        insert(*given, **options)
        seen.append(near(store))

    with monkeypatch.context() as patch, store.hold("catalogue sync"):
        patch.setattr(client, "insert", watched)
        store.upsert([product("b", 1, "Bags"), product("c", 2)])
    assert seen == ["abcde", "abcde"]
    assert store.categories() == {"Bags": 1, "Shoes": 4}


def test_copies_that_a_dead_writer_left_are_one_product_until_a_sync_deletes_them(store: MilvusStore) -> None:
    client = store._connection._client
    assert client is not None
    for each in (product("b", 1, "Bags", title="late"), product("b", 7, title="later")):
        client.insert(store._of("c"), [store._row(each, store._look("c"))])
    eventually(lambda: store.count() == 7)
    assert near(store) == "acdeb"
    assert store.get("abcde").keys() == set("abcde")
    assert store.get("b")["b"].payload == {"title": "later"}
    with store.hold("catalogue sync"):
        assert sorted(id_ for id_, _ in store.excerpts() if id_) == list("abcde")
        assert store.count() == 5
    assert store.get("b")["b"].payload == {"title": "later"}


def test_changes_of_several_machines_are_made_one_after_another(store: MilvusStore, url: str) -> None:
    def count(machine: MilvusStore) -> None:
        for _ in range(4):
            with machine.together():
                (known,) = machine.get("a").values()
                machine.set_payloads({"a": {"count": int(str(known.payload.get("count", 0))) + 1}})

    with MilvusStore(url) as other, ThreadPoolExecutor(2) as pool:
        list(pool.map(count, [store, other]))
    assert store.get("a")["a"].payload == {"count": 8}
    assert store.count() == 5
    assert not store._look("c", again=True).writers


def test_the_alias_stands_for_the_active_collection(store: MilvusStore) -> None:
    name = store.location.rpartition("/")[2]
    store.create_collection("other-1", 3)
    with store._connection.asking("a test") as client:
        assert client.describe_collection(name)["collection_name"] == f"{name}__c"
        store.write_manifest({"model": "n"}, active="other-1")
        assert client.describe_collection(name)["collection_name"] == f"{name}__other_1"
    assert store.collections() == {"c": 2, "other-1": 3}  # the old one stays until it is dropped
    store.write_manifest({"model": "m"}, active="c")
    assert (store.active(), store.manifest(), near(store)) == ("c", {"model": "m"}, "abcde")


def test_an_answer_after_a_sync_has_all_of_it(store: MilvusStore, url: str) -> None:
    with MilvusStore(url) as reader:
        for number in range(5):
            with store.hold("catalogue sync"):
                store.upsert([product("f", 10 + number)])
            assert reader.active() == "c"
            assert near(reader) == "abcdef"
            (hits,) = reader.search([Query(np.zeros(2, np.float32), 10)])
            assert hits.distances[-1] == 10 + number
        assert reader.exact


def test_changed_payloads_are_seen_and_nothing_is_counted_again(
    store: MilvusStore, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with MilvusStore(url) as reader:
        assert reader.categories() == {"Shoes": 5}
        with monkeypatch.context() as patch:
            patch.setattr(reader, "count", lambda *_, **__: pytest.fail("counted again"))
            for number in range(5):
                store.set_payloads({"b": {"title": f"{number}"}})
                assert reader.categories() == {"Shoes": 5}
                (hits,) = reader.search([Query(np.zeros(2, np.float32), 2)])
                assert hits.products[1].payload == {"title": f"{number}"}
        store.upsert([product("f", 9, "Bags")])
        assert reader.categories() == {"Bags": 1, "Shoes": 5}
        store.delete(["a"])
        assert reader.categories() == {"Bags": 1, "Shoes": 4}


def test_counts_that_were_taken_during_a_write_are_taken_again(
    store: MilvusStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1000.0]  # of the store alone: the event loops of servers in other threads use time.monotonic too
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    client = store._connection._client
    assert client is not None
    store._mark("c", "token")
    client.delete(store._of("c"), filter='id == "b"')
    eventually(lambda: store.count() == 4)
    store._counts.clear()
    assert store.categories() == {"Shoes": 4}
    with store._connection.asking("a test"):
        client.insert(store._of("c"), [store._row(product("b", 1), store._look("c"))])
    eventually(lambda: store.count() == 5)
    store._mark("c", drop={"token"}, counts=False)
    assert store.categories() == {"Shoes": 4}
    clock[0] += module.RECOUNT_SECONDS
    assert store.categories() == {"Shoes": 5}


def test_an_answer_is_exact_unless_something_was_written_meanwhile(
    store: MilvusStore, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with MilvusStore(url) as reader:

        def exact() -> bool:
            near(reader)
            return reader.exact

        with store.hold("catalogue sync"):
            store.upsert([product("f", 9)])
            assert not exact()
        assert exact()
        assert not exact_elsewhere(reader)  # nothing was searched there
        with store.hold("a sync that changes nothing"):
            assert exact()
        store.set_payloads({"f": {"title": "new"}})  # a live change
        assert exact()
        answer = reader._answer

        def changed_meanwhile(*asked: Any) -> Hits:
            store.set_payloads({"f": {"title": "newer"}})
            return answer(*asked)

        with monkeypatch.context() as patch:
            patch.setattr(reader, "_answer", changed_meanwhile)
            assert not exact()
        assert exact()


def exact_elsewhere(store: MilvusStore) -> bool:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: store.exact).result()


@pytest.mark.parametrize("is_sync", [True, False])
def test_after_a_killed_writer_answers_are_exact_from_the_next_whole_sync_on(
    store: MilvusStore, monkeypatch: pytest.MonkeyPatch, is_sync: bool
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    def exact() -> bool:
        near(store)
        return store.exact

    with store.hold("catalogue sync"):
        store.upsert([product("f", 9)])
    assert exact()
    with (
        monkeypatch.context() as patch,
        pytest.raises(KeyboardInterrupt),
        store.hold("catalogue sync") if is_sync else nullcontext(),
    ):
        patch.setattr(store._connection._client, "insert", killed)
        store.upsert([product("f", 10)])
    assert not exact()
    assert near(store) == "abcdef"  # the old product stays until the new one is there
    with store.hold("PUT of another product"):
        store.upsert([product("g", 10)])
    store.set_payloads({"g": {"title": "new"}})
    assert not exact()
    with store.hold("catalogue sync"):
        store.upsert([product("f", 10)])
        store.mark_complete("c")
    assert (near(store), store.exact) == ("abcdefg", True)


def test_only_flat_collections_are_exact() -> None:
    url = new_catalogue("?partitions=1")
    with MilvusStore(f"{url}&index=HNSW", create=True) as store:
        store.create_collection("c", 2)
        store.write_manifest({}, active="c")
        with store.hold("catalogue sync"):
            store.upsert([product(id_, place) for place, id_ in enumerate("abcde")])
        assert near(store, k=3) == "abc"
        assert not store.exact
    with MilvusStore(url) as again:  # the collection says it, not the URL
        assert near(again) == "abcde"
        assert not again.exact


@pytest.mark.parametrize(
    "query",
    [
        "index=IVF_SQ8&candidates=64&mmap=true&shards=2&partitions=3",
        pytest.param("index=DISKANN", marks=pytest.mark.long),
    ],
)
def test_a_collection_has_the_layout_of_the_settings(query: str) -> None:
    url = new_catalogue()
    with MilvusStore(f"{url}?timeout=30&{query}", create=True) as store:
        store.create_collection("c", 32)
        store.write_manifest({}, active="c")
        vectors = np.eye(32, dtype=np.float32) * np.arange(1, 33, dtype=np.float32)
        store.upsert([Point(f"p{place}", "Shoes", vector) for place, vector in enumerate(vectors)])
        (hits,) = store.search([Query(np.zeros(32, np.float32), 3)])
        assert [point.id for point in hits.products] == ["p0", "p1", "p2"]
        with store._connection.asking("a test") as client:
            made = client.describe_collection(store._of("c"))
            index = client.describe_index(store._of("c"), "vector")
    wanted = parse_address(f"{url}?{query}")[2]
    assert (made["num_shards"], made["num_partitions"]) == (wanted.shards, wanted.partitions)
    assert ("mmap.enabled" in made["properties"]) == wanted.mmap
    assert index["index_type"] == wanted.index


def test_more_replicas_than_the_server_has_nodes() -> None:
    if os.environ.get(SERVER):
        pytest.skip("another server may have the nodes")
    too_few = r"too few query nodes: .*Lower \?replicas=, or add query nodes"
    url = new_catalogue("?replicas=2&partitions=1")
    with MilvusStore(url, create=True) as store, pytest.raises(CatalogueError, match=too_few):
        store.create_collection("c", 2)


def test_more_products_than_milvus_returns(store: MilvusStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.upsert([product(f"p{number:03}", 10 + number) for number in range(50)])
    everything = near(store, k=60)
    monkeypatch.setattr(module, "MOST", 20)
    monkeypatch.setattr(module, "READ_TOGETHER", 7)
    assert near(store, k=60) == everything
    assert near(store, k=15) == "abcde" + "".join(f"p{number:03}" for number in range(10))


def test_long_records_are_compressed(store: MilvusStore) -> None:
    text = "Ein schöner Schuh. " * 5000
    store.upsert([product("z", 9, description=text)])
    assert store.get(["z"])["z"].payload == {"description": text}
    noise = np.random.default_rng(0).bytes(100_000).hex()
    with pytest.raises(UsageError, match="z: the record is longer than Milvus stores"):
        store.upsert([product("z", 9, description=noise)])


def test_a_manifest_larger_than_a_text_is_written_in_parts(
    store: MilvusStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PART", 1000)
    document = {"centres": {str(i): "Ü" * 10 for i in range(100)}}
    for _ in range(2):
        store.write_manifest(document, active="c")
        assert store.manifest() == document
    assert len(store._connection.read_rows("part")) < 20  # the parts of earlier manifests are deleted


def test_a_killed_writer_of_a_manifest_leaves_the_old_one(
    store: MilvusStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PART", 10)
    store.create_collection("d", 3)
    write, done, writes = store._connection.write_rows, 0, 0

    def killed(texts: dict[str, str], what: str = "") -> None:
        nonlocal done
        if done == writes:
            raise KeyboardInterrupt
        done += 1
        write(texts)

    monkeypatch.setattr(store._connection, "write_rows", killed)
    for allowed in (0, 1, 3):
        done, writes = 0, allowed
        with pytest.raises(KeyboardInterrupt):
            store.write_manifest({"model": "another one, with a long name"}, active="d")
        assert (store.manifest(), store.active()) == ({"model": "m"}, "c")


def test_damaged_rows_are_named(store: MilvusStore) -> None:
    earlier = '{"format": 1, "version": "", "parts": 0}'
    for head in ("{", "{}", '{"format": 2, "parts": "x"}', earlier):
        store._connection.write_rows({"head/c": head})
        with pytest.raises(CatalogueError, match=r"head of (the|its) manifest.* Delete its collections"):
            store.manifest()
    store.write_manifest({"model": "m"}, active="c")


def test_a_second_machine_gets_an_error_that_names_the_first(store: MilvusStore, url: str) -> None:
    with MilvusStore(url) as other:
        who = rf"catalogue sync, process {os.getpid()} on {socket.gethostname()}\. Wait"
        with (
            store.hold("catalogue sync"),
            pytest.raises(CatalogueInUseError, match=who),
            other.hold("another"),
        ):
            pass
        with other.hold("another"):
            pass


def test_the_lease_of_a_dead_holder_expires(store: MilvusStore, url: str) -> None:
    now = [1000.0]
    store.lease.clock = lambda: now[0]
    store.lease._renewed("lease/of-the-dead", "catalogue sync")
    with MilvusStore(url) as other:
        other.lease.clock = lambda: now[0]
        with pytest.raises(CatalogueInUseError, match="its lease expires in 60 s"), other.hold("mine"):
            pass
        now[0] += 60
        with other.hold("mine"):
            pass
        assert other._connection.read_rows("lease") == {}


def test_a_lease_is_renewed_while_it_is_held(store: MilvusStore, url: str) -> None:
    now = [1000.0]
    store.lease._seconds, store.lease.clock = 0.6, lambda: now[0]
    with MilvusStore(url) as other, store.hold("a long sync"):
        other.lease.clock = store.lease.clock
        now[0] += 0.5
        eventually(lambda: (store.lease._good_until or 0) > 1001)
        now[0] += 0.5  # the first claim has expired
        store.upsert([product("n", 9)])
        with pytest.raises(CatalogueInUseError, match="a long sync"), other.hold("mine"):
            pass


def test_a_holder_with_an_expired_lease_cannot_write(store: MilvusStore, url: str) -> None:
    late = [0.0]
    store.lease.clock = lambda: time.time() + late[0]
    with MilvusStore(url) as other:
        other.lease.clock = store.lease.clock
        with pytest.raises(CatalogueError, match="the write lease expired"), store.hold("one that slept"):
            late[0] = 61
            with other.hold("the one that came after"):
                store.upsert([product("n", 9)])
        assert store.count() == 5
        with other.hold("the late one did not give back another's lease"):
            pass


def test_no_catalogue_and_a_closed_store_have_a_remedy(store: MilvusStore) -> None:
    with pytest.raises(CatalogueError, match=r"no catalogue here\. Make one with `perfectlook"):
        open_store(new_catalogue())
    store.close()
    with pytest.raises(CatalogueError, match="the catalogue is closed"):
        store.count()


def test_a_server_that_is_away_or_something_else_is_named() -> None:
    need_milvus()
    with socket.socket() as silent:  # accepts connections, and never answers
        silent.bind(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        with pytest.raises(
            CatalogueError, match=r"connecting failed \(no connection: .*refused.*Check the URL"
        ):
            open_store(f"milvus+http://127.0.0.1:{port}/shop")
        silent.listen()
        began = time.monotonic()
        with pytest.raises(CatalogueError, match="connecting failed"):
            open_store(f"milvus+http://127.0.0.1:{port}/shop?timeout=1")
        assert time.monotonic() - began < 30


def test_a_server_that_is_too_old_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"milvus+{milvus_url()}/shop"
    from pymilvus import MilvusClient

    monkeypatch.setattr(MilvusClient, "get_server_version", lambda *_, **__: "v2.2.16")
    with pytest.raises(CatalogueError, match=r"the server is Milvus v2\.2\.16, not 2\.3 or later"):
        open_store(url, create=True)


def test_a_client_that_is_too_old_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    pymilvus = pytest.importorskip("pymilvus", reason="the extra 'cluster' is not installed")
    monkeypatch.setattr(pymilvus, "__version__", "2.5.16")
    with pytest.raises(CatalogueError, match=r"the client is pymilvus 2\.5\.16, not 2\.6 or later"):
        open_store("milvus+http://127.0.0.1:1/shop", create=True)


@pytest.fixture(scope="module")
def connection() -> Iterator[MilvusConnection]:
    with MilvusConnection(new_catalogue(), create=True) as connection:
        yield connection


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        ("quota exceeded[reason=disk quota exceeded]", "the server is full"),
        ("auth check failure, please check username and password", "PERFECTLOOK_MILVUS_TOKEN"),
        ("service unavailable: internal: Milvus is not ready", "the server is starting"),
        ("unknown method RunAnalyzer: UNIMPLEMENTED", "pymilvus does not fit the server"),
        ("Deadline Exceeded: DEADLINE_EXCEEDED", "it timed out.*load, or set a longer"),
    ],
)
def test_errors_of_the_server_have_a_remedy(connection: MilvusConnection, raised: str, said: str) -> None:
    from pymilvus import MilvusException

    with pytest.raises(CatalogueError, match=said) as failure, connection.asking("a test"):
        error = MilvusException(code=1, message=raised)
        raise error from error  # as pymilvus does
    assert failure.value.__cause__ is error
    assert error.__cause__ is None  # the chain of causes has an end
