"""Databases that are deleted, replaced or not writable while a store is open."""

import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from perfectlook.errors import CatalogueError
from perfectlook.stores import Point, Query
from perfectlook.stores.database import FILE_NAME
from perfectlook.stores.sqlite import EmbeddedStore


def filled(folder: Path, *ids: str) -> Path:
    with closing(EmbeddedStore.open(folder, create=True)) as store:
        store.create_collection("c", 2)
        store.write_manifest({}, active="c")
        store.upsert([Point(id_, "Shoes", np.zeros(2, np.float32), {"id": id_}) for id_ in ids])
    return folder


def found(store: EmbeddedStore) -> list[object]:
    (hits,) = store.search([Query(np.zeros(2, np.float32), 10)])
    return [(product.id, product.payload["id"]) for product in hits.products]


def test_a_replaced_database_is_opened(tmp_path: Path) -> None:
    one, other = filled(tmp_path / "one", "a", "b"), filled(tmp_path / "other", "x", "y")
    with closing(EmbeddedStore.open(one)) as store:
        assert found(store) == [("a", "a"), ("b", "b")]
        (other / FILE_NAME).replace(one / FILE_NAME)  # the same collection, rows and revision
        assert found(store) == [("x", "x"), ("y", "y")]
        store.delete(["x"])
        assert found(store) == [("y", "y")]


def test_writes_to_a_deleted_database_are_errors(tmp_path: Path) -> None:
    folder = filled(tmp_path / "shop", "a")
    with closing(EmbeddedStore.open(folder)) as store:
        (folder / FILE_NAME).unlink()
        for use in (lambda: store.delete(["a"]), lambda: found(store)):
            with pytest.raises(CatalogueError, match="is missing"):
                use()


def test_the_own_files_of_a_service_do_not_keep_a_folder_from_a_sync(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "feedback.sqlite").write_text("")
    EmbeddedStore.open(tmp_path, create=True).close()


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="needs root, to become another user")
def test_a_catalogue_that_is_not_writable_can_be_read() -> None:
    folder = Path(tempfile.mkdtemp())  # tmp_path is closed to other users
    try:
        folder.chmod(0o755)
        shop = filled(folder / "shop", "a", "b")
        code = (
            "import os, sys, numpy as np\n"
            "from pathlib import Path\n"
            "from perfectlook.stores import Query\n"
            "from perfectlook.stores.sqlite import EmbeddedStore\n"
            "os.setgid(65534); os.setuid(65534)\n"
            "store = EmbeddedStore.open(Path(sys.argv[1]))\n"
            "[hits] = store.search([Query(np.zeros(2, np.float32), 10)])\n"
            "print(*(each.id for each in hits.products))\n"
            "try: store.delete(['a'])\n"
            "except Exception as error: print(type(error).__name__)\n"
        )
        ran = subprocess.run(
            [sys.executable, "-c", code, str(shop)], capture_output=True, text=True, timeout=60, check=False
        )
        assert ran.stdout.split() == ["a", "b", "CatalogueError"], ran.stderr
    finally:
        shutil.rmtree(folder)
