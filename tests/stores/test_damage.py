"""Files of a catalogue that were damaged: each damage is named with a remedy, or changes no answer."""

import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from perfectlook.errors import CatalogueError
from perfectlook.stores import Point, Query
from perfectlook.stores.database import FILE_NAME, LOCK_NAME
from perfectlook.stores.filters import parse_filter
from perfectlook.stores.sqlite import EmbeddedStore

DIMENSION, COUNT = 24, 120
IDS = [f"{number:04}" for number in range(COUNT)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, draw = tmp_path_factory.mktemp("whole") / "catalogue", np.random.default_rng(0)
    vectors = draw.normal(size=(COUNT, DIMENSION)).astype(np.float32)
    with closing(EmbeddedStore.open(folder, create=True)) as store:
        store.create_collection("c", DIMENSION)
        store.write_manifest({"centres": "A" * 3_000}, active="c")
        store.upsert(
            [
                Point(id_, f"Category {i % 3}", vector, {"title": f"t{i}", "fields": {"price": f"{i} EUR"}})
                for i, (id_, vector) in enumerate(zip(IDS, vectors, strict=True))
            ]
        )
        store.delete(IDS[:5])
    return folder


def everything(folder: Path) -> object:
    """All that a store answers: a search with and without a filter, records by id, and the manifest."""
    with closing(EmbeddedStore.open(folder)) as store:
        answers = []
        for where in (None, parse_filter("price <= 60 EUR")):
            (hits,) = store.search([Query(np.ones(DIMENSION, np.float32), COUNT, where=where)])
            found = [(each.id, each.category, dict(each.payload)) for each in hits.products]
            answers.append((found, hits.distances.tolist(), hits.vectors.tolist()))
        points = sorted(store.get(IDS).items())
        known = [(id_, each.category, each.vector.tolist(), dict(each.payload)) for id_, each in points]
        return answers, known, (store.manifest() or {}).get("centres"), store.categories()


def answers_of(folder: Path) -> object:
    """All that a store answers, or the error of the damage that it names."""
    try:
        return everything(folder)
    except CatalogueError as error:
        assert str(error).startswith(f"{folder}: ")
        assert "`perfectlook catalogue sync`" in str(error)
        return "damaged"


def flipped(content: bytes, draw: random.Random) -> bytes:
    place = draw.randrange(len(content))
    return content[:place] + bytes([content[place] ^ (1 << draw.randrange(8))]) + content[place + 1 :]


def zeroed(content: bytes, draw: random.Random) -> bytes:
    start = 512 * draw.randrange(len(content) // 512)
    return content[:start] + bytes(512) + content[start + 512 :]


def swapped(content: bytes, draw: random.Random) -> bytes:
    one, other = sorted(draw.sample(range(len(content) // 4096), 2))
    pages = [content[start : start + 4096] for start in range(0, len(content), 4096)]
    pages[one], pages[other] = pages[other], pages[one]
    return b"".join(pages)


def truncated(content: bytes, draw: random.Random) -> bytes:
    return content[: draw.randrange(1, len(content))]


@pytest.mark.parametrize("damage", [flipped, zeroed, swapped, truncated])
def test_a_damaged_database_gives_the_same_answers_or_an_error(
    whole: Path, tmp_path: Path, damage: Callable[[bytes, random.Random], bytes]
) -> None:
    right, content, draw = everything(whole), (whole / FILE_NAME).read_bytes(), random.Random(damage.__name__)
    folder, named = tmp_path / "catalogue", 0
    folder.mkdir()
    for _ in range(60):
        (folder / FILE_NAME).write_bytes(damage(content, draw))
        found = answers_of(folder)
        assert found in (right, "damaged")
        named += found == "damaged"
        for left in folder.iterdir():
            left.unlink()
    assert named > 5


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("UPDATE vectors SET vector = zeroblob(96) WHERE row = 9", "the vector in row 9"),
        ("UPDATE vectors SET category = 3 - category WHERE row = 9", "the vector in row 9"),
        ("DELETE FROM vectors WHERE row = 9", "the numbers of vectors and of products differ"),
        ("UPDATE points SET payload = replace(payload, '8 EUR', '7 EUR')", "the record of product '0008'"),
        ("UPDATE points SET id = 'x' WHERE row = 9", "the record of product 'x'"),
        ("UPDATE categories SET name = 'Other' WHERE number = 1", "the record of product"),
        ("UPDATE state SET value = 'x' WHERE key = 'revision'", "the revision"),
        ("UPDATE state SET value = replace(value, 'AA', 'AB') WHERE key = 'manifest'", "the manifest"),
    ],
)
def test_each_kind_of_damage_is_named(whole: Path, tmp_path: Path, statement: str, what: str) -> None:
    folder = Path(shutil.copytree(whole, tmp_path / "catalogue"))
    with closing(sqlite3.connect(folder / FILE_NAME)) as connection, connection:
        connection.execute(statement)
    with pytest.raises(CatalogueError, match=rf"damaged \({what}.*make it again"):
        everything(folder)


def test_text_that_is_no_utf8_is_damage(whole: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(whole, tmp_path / "catalogue"))
    content = (folder / FILE_NAME).read_bytes()
    (folder / FILE_NAME).write_bytes(content.replace(b"CREATE TABLE ", b"CREATE \xacABLE "))
    assert answers_of(folder) == "damaged"


def test_a_change_does_not_renew_the_checksum_of_a_damaged_vector(whole: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(whole, tmp_path / "catalogue"))
    with closing(sqlite3.connect(folder / FILE_NAME)) as connection, connection:
        connection.execute("UPDATE vectors SET vector = zeroblob(96) WHERE row = 9")
    named = pytest.raises(CatalogueError, match="the vector of product '0008'")
    with closing(EmbeddedStore.open(folder)) as store, named:
        store.set_payloads({"0008": {"title": "new"}})


def test_a_catalogue_without_checksums_is_read_and_gets_them_as_it_changes(
    whole: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(whole, tmp_path / "catalogue"))
    with closing(sqlite3.connect(folder / FILE_NAME)) as connection, connection:
        connection.execute("DROP TABLE checks")
    assert everything(folder) == everything(whole)
    with closing(EmbeddedStore.open(folder)) as store:
        store.upsert([Point("new", "Category 1", np.ones(DIMENSION, np.float32), {})])
    with closing(sqlite3.connect(folder / FILE_NAME)) as connection, connection:
        connection.execute("UPDATE vectors SET vector = zeroblob(96) WHERE row = 121")
    with pytest.raises(CatalogueError, match="row 121"):
        everything(folder)


def test_a_damaged_lock_file_is_named(whole: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(whole, tmp_path / "catalogue"))
    (folder / LOCK_NAME).write_bytes(b"x" * 5_000)
    with closing(EmbeddedStore.open(folder)) as store:
        with (
            pytest.raises(CatalogueError, match=rf"{LOCK_NAME}: damaged .* Remove this file"),
            store.hold("a"),
        ):
            pass
        (folder / LOCK_NAME).unlink()
        with store.hold("a"):
            pass
