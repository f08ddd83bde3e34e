"""Files are written atomically; objects are closed once."""

import errno
import os
import threading
from pathlib import Path

import pytest

from perfectlook.catalogue import Catalogue
from perfectlook.errors import CatalogueError
from perfectlook.features.store import FeatureStore
from perfectlook.fetching import Fetcher
from perfectlook.files import (
    MODELS,
    SHOWROOM,
    BoundedCache,
    Closable,
    model_folder,
    set_folder,
    shipped_models,
    write_file,
)
from perfectlook.recommender import Recommender
from perfectlook.service.errors import Refusal
from perfectlook.service.feedback import FeedbackStore
from perfectlook.service.service import Service, Workers
from perfectlook.stores.database import Database
from perfectlook.stores.index import ApproximateIndexes
from perfectlook.stores.milvus import MilvusStore
from perfectlook.stores.milvus_connection import MilvusConnection
from perfectlook.stores.sqlite import EmbeddedStore


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.rglob("*") if each.is_file())


def test_text_bytes_and_functions_are_written_and_folders_made(tmp_path: Path):
    write_file(tmp_path / "a" / "b" / "text", "é\n")
    write_file(tmp_path / "a" / "bytes", b"\xff", durable=True)
    write_file(tmp_path / "called", lambda path: path.write_text("by hand"))
    assert (tmp_path / "a" / "b" / "text").read_bytes() == b"\xc3\xa9\n"
    assert (tmp_path / "a" / "bytes").read_bytes() == b"\xff"
    assert (tmp_path / "called").read_text() == "by hand"
    assert names(tmp_path) == ["bytes", "called", "text"]


def test_an_old_file_is_replaced_in_one_step(tmp_path: Path):
    file = tmp_path / "file"
    file.write_text("old")

    def content(path: Path) -> None:
        path.write_text("new")
        assert file.read_text() == "old"

    write_file(file, content)
    assert file.read_text() == "new"


def test_durable_content_is_on_the_disk_before_the_name_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    done = []
    sync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: (done.append((tmp_path / "file").exists()), sync(file)))
    write_file(tmp_path / "file", b"x")
    assert done == []
    write_file(tmp_path / "other", b"x", durable=True)
    (tmp_path / "file").unlink()
    write_file(tmp_path / "file", b"x", durable=True)
    assert done == [True, False]


@pytest.mark.parametrize("interruption", [OSError(errno.ENOSPC, "No space left"), KeyboardInterrupt()])
def test_a_failed_write_keeps_the_old_file_and_leaves_nothing_else(
    tmp_path: Path, interruption: BaseException
):
    file = tmp_path / "file"
    file.write_text("old")

    def content(path: Path) -> None:
        path.write_text("half")
        raise interruption

    with pytest.raises(type(interruption)):
        write_file(file, content)
    assert file.read_text() == "old"
    assert names(tmp_path) == ["file"]


def test_the_requested_error_names_file_cause_and_remedy(tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CatalogueError, match=r"below: cannot be written \(.+\)\. Free some space") as raised:
        write_file(tmp_path / "file" / "below", "text", error=CatalogueError)
    assert isinstance(raised.value.__cause__, OSError)


def test_threads_write_the_same_file_without_mixing_their_contents(tmp_path: Path):
    contents = [bytes([each]) * 200_000 for each in range(8)]
    threads = [threading.Thread(target=write_file, args=(tmp_path / "file", each)) for each in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "file").read_bytes() in contents
    assert names(tmp_path) == ["file"]


class Door(Closable):
    def __init__(self) -> None:
        self.released = 0

    def _release(self) -> None:
        self.released += 1


def test_closing_twice_releases_once():
    with Door() as door:
        assert door.released == 0
        door.close()
    assert door.released == 1


def test_an_error_in_the_block_closes_and_is_raised():
    door = Door()
    with pytest.raises(ZeroDivisionError), door:
        _ = 1 / 0
    assert door.released == 1


def test_shipped_models_and_sets_are_found_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert "rooms" in shipped_models()
    assert model_folder("rooms") == MODELS / "rooms"
    assert set_folder("showroom") == SHOWROOM
    assert (SHOWROOM / "pairs.jsonl").is_file()


@pytest.mark.parametrize(
    "of",
    [
        ApproximateIndexes,
        Catalogue,
        Database,
        EmbeddedStore,
        FeatureStore,
        FeedbackStore,
        Fetcher,
        MilvusConnection,
        MilvusStore,
        Recommender,
        Service,
        Workers,
    ],
)
def test_every_class_that_opens_something_is_closable(of: type) -> None:
    assert issubclass(of, Closable)
    assert of.close is Closable.close


def test_closed_stores_cannot_be_used(tmp_path: Path) -> None:
    with FeedbackStore(tmp_path / "feedback.sqlite") as store:
        store.close()
    with pytest.raises(Refusal, match="Feedback cannot be stored"):
        store.add("0123456789", "m", [])
    with Database.open(tmp_path / "catalogue", create=True) as database:
        database.close()
    with pytest.raises(CatalogueError, match="is closed"):
        database.version()


def test_items_used_longest_ago_are_dropped() -> None:
    cache = BoundedCache[str, list[str]](20)
    first = ["a"]
    cache.keep("a", first, 10)
    cache.keep("b", ["b"], 10)
    assert cache.get("a") is first
    cache.keep("c", ["c"], 10)
    assert [cache.get(name) for name in "abc"] == [["a"], None, ["c"]]
    cache.keep("c", ["longer"], 9)
    assert (cache.get("c"), cache.bytes) == (["longer"], 19)
    cache.keep("d", ["larger than the cache"], 21)
    assert ([cache.get(name) for name in "acd"], cache.bytes) == ([None] * 3, 0)
