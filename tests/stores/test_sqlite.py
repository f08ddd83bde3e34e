"""The embedded store beyond the contract: other processes, killed processes and errors."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from perfectlook.errors import CatalogueError
from perfectlook.stores import Hits, Point, Query
from perfectlook.stores import database as rows
from perfectlook.stores.database import FILE_NAME, FORMAT
from perfectlook.stores.filters import parse_filter
from perfectlook.stores.sqlite import EmbeddedStore


def point(number: int, category: str = "Shoes", dimension: int = 4) -> Point:
    return Point(
        f"{number:04}", category, np.full(dimension, number, np.float32), {"title": f"number {number}"}
    )


def nearest(store: EmbeddedStore, number: float = 0, k: int = 1000) -> Hits:
    return store.search([Query(np.full(4, number, np.float32), k)])[0]


def look(folder: Path) -> Hits:
    with closing(EmbeddedStore.open(folder)) as store:
        return nearest(store)


def ids(hits: Hits) -> list[str]:
    return [product.id for product in hits.products]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A catalogue of ten shoes and five bags, closed."""
    store = EmbeddedStore.open(tmp_path / "catalogue", create=True)
    store.create_collection("c", 4)
    store.write_manifest({"model": "m"}, active="c")
    store.upsert([point(i, "Bags" if i % 3 == 0 else "Shoes") for i in range(15)])
    store.close()
    return tmp_path / "catalogue"


@pytest.fixture
def store(folder: Path) -> Iterator[EmbeddedStore]:
    store = EmbeddedStore.open(folder)
    yield store
    store.close()


def run_python(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )


def test_a_closed_store_can_be_opened_again(store: EmbeddedStore) -> None:
    assert ids(nearest(store)) == [f"{i:04}" for i in range(15)]
    assert store.manifest() == {"model": "m"}
    assert store.categories() == {"Bags": 5, "Shoes": 10}


def test_an_open_store_sees_what_another_process_commits(folder: Path, store: EmbeddedStore) -> None:
    assert len(nearest(store)) == 15
    run_python(
        """
        import sys, numpy as np
        from perfectlook.stores import Point, open_store
        store = open_store(sys.argv[1])
        store.upsert([Point("0003", "Hats", np.full(4, 100, np.float32)), Point("new", "Hats", np.zeros(4))])
        store.delete(["0001"])
        store.set_payloads({"0002": {"title": "renamed"}})
        """,
        folder,
    )
    hits = nearest(store)
    assert ids(hits) == ["0000", "new", "0002", *(f"{i:04}" for i in range(4, 15)), "0003"]
    assert hits.products[2].payload == {"title": "renamed"}
    assert store.count("Hats") == 2


def test_catching_up_reads_only_what_is_new(folder: Path, store: EmbeddedStore) -> None:
    nearest(store)
    before = store._cache
    other = EmbeddedStore.open(folder)
    other.upsert([point(99, "Hats")])
    other.delete(["0003"])
    nearest(store)
    after = store._cache
    assert before is not None
    assert after is not None
    assert after.blocks["Shoes"] is before.blocks["Shoes"]
    assert after.blocks["Bags"] is not before.blocks["Bags"]
    other.set_payloads({"0001": {"title": "number 1"}, "0006": {"title": "new"}})
    nearest(store)
    last = store._cache
    assert last is not None
    assert last.blocks["Shoes"] is after.blocks["Shoes"]
    assert last.blocks["Bags"] is not after.blocks["Bags"]
    other.close()


def test_a_reader_that_missed_deleted_removals_reads_everything(
    folder: Path, store: EmbeddedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "_REMOVED_KEPT", 2)
    nearest(store)
    other = EmbeddedStore.open(folder)
    for number in range(6):
        other.delete([f"{number:04}"])
    assert ids(nearest(store)) == [f"{i:04}" for i in range(6, 15)]
    other.upsert([point(0)])
    assert ids(nearest(store))[0] == "0000"
    other.close()


def test_a_switch_to_a_second_collection_is_seen_immediately(folder: Path, store: EmbeddedStore) -> None:
    nearest(store)
    other = EmbeddedStore.open(folder)
    other.create_collection("d", 4)
    other.upsert([point(7), point(8)], collection="d")
    assert len(nearest(store)) == 15
    other.write_manifest({"model": "n"}, active="d")
    other.drop_collection("c")
    assert ids(nearest(store)) == ["0007", "0008"]
    other.upsert([point(9)])
    assert ids(nearest(store)) == ["0007", "0008", "0009"]
    other.close()


def test_a_killed_writer_loses_no_acknowledged_batch_and_leaves_no_partial_one(folder: Path) -> None:
    code = """
        import sys, numpy as np
        from perfectlook.stores import Point, open_store
        store = open_store(sys.argv[1])
        for batch in range(10_000):
            store.upsert([Point(f"{batch}-{i}", "Shoes", np.zeros(4)) for i in range(20)])
            print(batch, flush=True)
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    acknowledged = [int(next(process.stdout)) for _ in range(12)]
    process.send_signal(signal.SIGKILL if os.name == "posix" else signal.SIGTERM)
    acknowledged += [int(line) for line in process.stdout]
    process.wait(30)
    process.stdout.close()
    store = EmbeddedStore.open(folder)
    batches = {p.id.split("-")[0] for batch in store.scroll() for p in batch if "-" in p.id}
    assert {str(batch) for batch in acknowledged} <= batches
    assert store.count() == 15 + 20 * len(batches)
    assert len(nearest(store)) == min(1000, store.count())
    with store.hold("the dead hold nothing"):
        pass
    store.close()


def test_a_second_process_gets_an_error_that_names_the_first(folder: Path, store: EmbeddedStore) -> None:
    code = """
        import sys
        from perfectlook.errors import CatalogueError
        from perfectlook.stores import open_store
        try:
            with open_store(sys.argv[1]).hold("mine"):
                print("held")
        except CatalogueError as error:
            print(error)
    """
    with store.hold("catalogue sync"):
        said = run_python(code, folder).stdout
    assert f"catalogue sync, process {os.getpid()}" in said
    assert "Wait until" in said
    assert run_python(code, folder).stdout == "held\n"


def test_a_locked_database_gives_an_error(
    folder: Path, store: EmbeddedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perfectlook.stores.database.BUSY_SECONDS", 0.05)
    blocker = sqlite3.connect(folder / FILE_NAME, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    other = EmbeddedStore.open(folder)
    with pytest.raises(CatalogueError, match=r"catalogue: locked .* Wait until"):
        other.upsert([point(77)])
    assert len(nearest(other)) == 15
    blocker.close()
    other.upsert([point(77)])
    assert len(nearest(other)) == 16
    other.close()


def test_a_full_disk_gives_an_error_and_loses_nothing(folder: Path) -> None:
    store = EmbeddedStore.open(folder)
    with store._database.reading() as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + 4}")
    with pytest.raises(CatalogueError, match="disk is full"):
        store.upsert([point(i) for i in range(100, 2000)])
    assert ids(nearest(store)) == [f"{i:04}" for i in range(15)]
    store.upsert([point(16)])
    store.close()
    store = EmbeddedStore.open(folder)
    assert store.count() == 16
    store.close()


def test_missing_and_empty_folders_are_not_catalogues(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(
            CatalogueError, match=r"no catalogue here\. Make one with `perfectlook catalogue sync`"
        ):
            EmbeddedStore.open(place)
    assert not (tmp_path / "nowhere").exists()


def test_a_catalogue_is_not_made_among_other_files(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"")
    with pytest.raises(CatalogueError, match=r"not empty \(holiday.jpg"):
        EmbeddedStore.open(tmp_path, create=True)
    with pytest.raises(CatalogueError, match="cannot be made"):
        EmbeddedStore.open(tmp_path / "holiday.jpg" / "below", create=True)


def test_an_interrupted_creation_is_finished_by_the_next(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"")
    with pytest.raises(CatalogueError, match="empty catalogue"):
        EmbeddedStore.open(tmp_path)
    EmbeddedStore.open(tmp_path, create=True).close()
    EmbeddedStore.open(tmp_path).close()


def test_a_database_of_another_program_is_rejected(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / FILE_NAME)
    connection.execute("CREATE TABLE recipes (name)")
    connection.close()
    with pytest.raises(CatalogueError, match="but not a catalogue"):
        EmbeddedStore.open(tmp_path, create=True)


def test_a_newer_format_asks_for_an_upgrade(folder: Path) -> None:
    connection = sqlite3.connect(folder / FILE_NAME)
    connection.execute(f"PRAGMA user_version = {FORMAT + 1}")
    connection.close()
    with pytest.raises(CatalogueError, match=rf"format {FORMAT + 1}.* Upgrade"):
        EmbeddedStore.open(folder)


@pytest.mark.parametrize("start", [0, 4096])
def test_a_damaged_database_gives_an_error(folder: Path, start: int) -> None:
    whole = (folder / FILE_NAME).read_bytes()
    (folder / FILE_NAME).write_bytes(whole[:start] + b"\xee" * (len(whole) - start))
    with pytest.raises(CatalogueError, match="damaged"):
        look(folder)


def test_a_truncated_database_gives_an_error(folder: Path) -> None:
    whole = (folder / FILE_NAME).read_bytes()
    (folder / FILE_NAME).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CatalogueError, match="damaged"):
        look(folder)


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("UPDATE state SET value = '{\"mod' WHERE key = 'manifest'", "manifest"),
        ("UPDATE state SET value = '[1]' WHERE key = 'manifest'", "manifest"),
        ("UPDATE points SET payload = '{' WHERE id = '0003'", "product '0003'"),
        ("UPDATE vectors SET vector = x'00' WHERE row = 1", "dimension 4"),
        ("DROP TABLE vectors", "tables"),
    ],
)
def test_damaged_content_is_named(folder: Path, statement: str, what: str) -> None:
    connection = sqlite3.connect(folder / FILE_NAME)
    with connection:
        connection.execute(statement)
    connection.close()
    store = EmbeddedStore.open(folder)
    with pytest.raises(CatalogueError, match=what):
        (store.manifest(), [dict(product.payload) for product in nearest(store).products])
    store.close()


def test_a_closed_store_gives_an_error(folder: Path) -> None:
    store = EmbeddedStore.open(folder)
    store.close()
    with pytest.raises(CatalogueError, match="closed"):
        store.count()


@pytest.mark.parametrize("attempt", range(10))
def test_threads_can_open_the_same_new_folder(tmp_path: Path, attempt: int) -> None:
    stores: list[EmbeddedStore] = []
    start = threading.Barrier(4)

    def open_store() -> None:
        start.wait()
        stores.append(EmbeddedStore.open(tmp_path / "c", create=True))

    threads = [threading.Thread(target=open_store) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(stores) == 4
    stores[0].create_collection("x", 2)
    assert [store.collections() for store in stores] == [{"x": 2}] * 4
    for store in stores:
        store.close()


def test_a_manifest_larger_than_a_page_is_written_completely(store: EmbeddedStore) -> None:
    document = {"centres": {str(i): "A" * 1000 for i in range(500)}}
    store.write_manifest(document, active="c")
    assert json.dumps(store.manifest()) == json.dumps(document)


def test_made_up_fields_match_nothing_and_take_no_memory(store: EmbeddedStore) -> None:
    store.upsert([Point("new", "Bags", np.zeros(4, np.float32), {"fields": {"brand": "Hay"}})])

    def found(where: str) -> list[str]:
        return ids(
            store.search([Query(np.zeros(4, np.float32), 1, frozenset(["Bags"]), parse_filter(where))])[0]
        )

    for number in range(50):
        assert found(f"has made_up_{number}") == found(f"made_up_{number} = 1") == []
        assert found(f"not has made_up_{number}") == ["0000"]
    assert found("has brand") == found("brand = hay") == ["new"]
    cache = store._current(None)
    assert {field for _, field in cache.columns._kept} == {"brand"}
    store.upsert([Point("newer", "Bags", np.zeros(4, np.float32), {"fields": {"made_up_1": "1"}})])
    assert found("has made_up_1") == ["newer"]  # no longer made up
