"""A catalogue on Milvus can be synced and searched, also after the server was killed in the middle."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from drawn import drawn_set
from milvus_of_run import need_milvus, new_catalogue
from milvus_server import MilvusServer
from perfectlook.catalogue import Catalogue, Record
from perfectlook.catalogue.manifest import RECORD_NAMES, Generation, ModelIdentity
from perfectlook.catalogue.vectors import write_vectors
from perfectlook.errors import CatalogueError
from perfectlook.progress import Progress
from perfectlook.stores import Point, Query
from perfectlook.stores.filters import parse_filter
from serving import eventually
from toy_model import BAGS, SHOES, ToyModel

MODEL, OTHER = ToyModel(), ToyModel(seed=1)


def test_sync_change_search_and_switch_over_the_network(tmp_path: Path) -> None:
    source = drawn_set(tmp_path / "set", scenes=1, products_per_category=6)
    embedded = tmp_path / "embedded"
    url = new_catalogue()
    with Catalogue.open(url, create=True) as catalogue:
        assert catalogue.sync(source, MODEL).added == 12
        again = catalogue.sync(source, MODEL)
        assert (again.unchanged, again.embedded) == (12, 0)
        with Catalogue.open(embedded, create=True) as local:
            local.sync(source, MODEL)
            vectors = [np.full(MODEL.dimension, 0.1 * i, np.float32) for i in range(4)]
            queries = [
                Query(vectors[0], 5),
                Query(vectors[1], 20, frozenset({SHOES})),
                Query(vectors[2], 3, where=parse_filter("category under handbags")),
            ]
            for mine, theirs in zip(
                local.search(queries, MODEL), catalogue.search(queries, MODEL), strict=True
            ):
                assert [each.id for each in mine.products] == [each.id for each in theirs.products]
                np.testing.assert_allclose(mine.distances, theirs.distances, rtol=1e-6)
        ids = sorted(hit.id for hit in catalogue.search([Query(vectors[0], 2)], MODEL)[0].products)
        with Catalogue.open(url, MODEL) as other:
            changes = {ids[0]: {"price": "9 EUR", "sale_price": "4 EUR", "availability": "sold out"}, "x": {}}
            assert catalogue.change(changes) == {"x": "product 'x': not in the catalogue. Check the id."}
            seen = other.get(ids, MODEL)
            changed = Record.from_payload(ids[0], seen[ids[0]].payload).fields
            assert (changed["sale_price"], changed["availability"]) == ("4.00 EUR", "out_of_stock")
            assert "price" not in Record.from_payload(ids[1], seen[ids[1]].payload).fields
            cheap = Query(vectors[0], 20, where=parse_filter("price <= 5 EUR"))
            assert [hit.id for hit in other.search([cheap], MODEL)[0].products] == ids[:1]
        assert catalogue.sync(source, MODEL).changed == 1  # the source has no price
        gone = sorted((source / "products").iterdir())[0]
        gone.unlink()
        listed = source / "categories.json"
        listed.write_text(listed.read_text(encoding="utf-8").replace(gone.stem, "0" * 32), encoding="utf-8")
        shutil.copy(sorted((source / "products").iterdir())[0], source / "products" / f"{'0' * 32}.jpg")
        report = catalogue.sync(source, MODEL)
        assert (report.added, report.deleted, report.unchanged) == (1, 1, 11)
        with Catalogue.open(url, MODEL) as reader:
            before = catalogue.model
            assert catalogue.sync(source, OTHER).switched
            with pytest.raises(CatalogueError, match="'toy-1'"):
                reader.search([Query(vectors[0], 5)], MODEL)
            assert len(reader.search([Query(vectors[0], 5)], OTHER)[0]) == 5
            assert catalogue.switch(back=True) == before
            assert len(reader.search([Query(vectors[0], 5)], MODEL)[0]) == 5
        catalogue.drop_previous()
        assert len(catalogue.store.collections()) == 1


PRODUCTS = 1500


def vectors_of(version: int, folder: Path) -> Path:
    """Write a file with a version of every product: each version has other pictures and other vectors."""
    random = np.random.default_rng(version)
    centres = {SHOES: np.zeros(3, np.float32), BAGS: np.ones(3, np.float32)}
    identity = ModelIdentity(MODEL.name, MODEL.identity, MODEL.backbone_identity)
    points = [
        Point(
            f"{number:05}",
            BAGS if (number + version) % 7 == 0 else SHOES,
            random.standard_normal(MODEL.dimension).astype(np.float32),
            {**dict.fromkeys(RECORD_NAMES, ""), "width": 9, "height": 9, "fields": {}, "title": f"{version}"}
            | {"picture_sha256": f"{version:032}{number:032}", "dhash": "0" * 64, "record_sha256": "0" * 64},
        )
        for number in range(PRODUCTS)
    ]
    file = folder / f"{version}.parquet"
    generation = Generation("", identity, centres, np.zeros(3, np.float32))
    write_vectors(file, generation, MODEL.dimension, [points])
    return file


def stored(url: str) -> dict[str, Point]:
    with Catalogue.open(url) as catalogue:
        (collection,) = catalogue.store.collections()
        return {p.id: p for batch in catalogue.store.scroll(collection=collection) for p in batch}


def stored_if_loaded(url: str) -> dict[str, Point]:
    try:
        return stored(url)
    except CatalogueError as error:
        assert "the server is starting" in str(error) or "it timed out" in str(error)
        return {}


def is_exact(url: str) -> bool:
    with Catalogue.open(url) as catalogue:
        catalogue.search([Query(np.zeros(MODEL.dimension, np.float32), 5)], MODEL)  # type: ignore[arg-type]
        return catalogue.store.exact


def killed_sync(server: MilvusServer, url: str, file: Path, after: int) -> int:
    """Sync, and kill the server after some products. Return how many products the server acknowledged."""
    acknowledged = 0

    def progress_of(what: str, unit: str = "") -> Progress:
        def progress(done: int, _total: int, _failed: int) -> None:
            nonlocal acknowledged
            if what == "embedding" and done and server.process is not None:
                acknowledged = done
                if done >= after:
                    server.kill()

        return progress

    stopped = "no connection|the write lease expired"  # on a machine that is too busy to renew it in time
    with Catalogue.open(url, create=True) as catalogue, pytest.raises(CatalogueError, match=stopped):
        catalogue.store._connection.slowly = 3  # type: ignore[attr-defined]  # the client would retry longer
        catalogue.sync(file, MODEL, progress=progress_of, wait=30)
    server.kill()
    return acknowledged


@pytest.mark.parametrize("kills", [2, pytest.param(10, marks=pytest.mark.long)])
def test_a_server_killed_in_the_middle_of_syncs_loses_nothing(tmp_path: Path, kills: int) -> None:
    need_milvus(local=True)
    pytest.importorskip("pyarrow", reason="the extra 'parquet' is not installed")
    server = MilvusServer(tmp_path / "milvus").start()
    url = f"milvus+{server.url}/shop?lease=10&timeout=3&partitions=1"
    try:
        for version in range(kills):
            file = vectors_of(version, tmp_path)
            acknowledged = killed_sync(server, url, file, after=300 * (1 + version % 3))
            assert 0 < acknowledged < PRODUCTS
            server.start()
            found = eventually(lambda: stored_if_loaded(url))
            new = {id_ for id_, point in found.items() if point.payload["title"] == f"{version}"}
            assert {f"{number:05}" for number in range(acknowledged)} <= new
            if version:  # products that were just being replaced are there too
                assert len(found) == PRODUCTS
                assert not is_exact(url)
            patient = url.replace("timeout=3", "timeout=30")  # the server has just started
            with Catalogue.open(patient, create=True) as catalogue:
                rows = catalogue.store._connection  # type: ignore[attr-defined]
                rows.delete_rows(rows.read_rows("lease"))  # how it expires has a test of its own
                catalogue.sync(file, MODEL, wait=30)
                again = catalogue.sync(file, MODEL)
                assert (again.unchanged, again.added, again.deleted, again.embedded) == (PRODUCTS, 0, 0, 0)
                assert catalogue.categories() == {BAGS: counted(version), SHOES: PRODUCTS - counted(version)}
            assert {point.payload["title"] for point in stored(url).values()} == {f"{version}"}
            assert is_exact(url)
    finally:
        server.kill()


def counted(version: int) -> int:
    return sum((number + version) % 7 == 0 for number in range(PRODUCTS))
