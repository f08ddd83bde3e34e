"""A catalogue on a cluster can be synced and searched."""

import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("qdrant_client", reason="the extra 'cluster' is not installed")

from drawn import drawn_set
from perfectlook.catalogue import Catalogue
from perfectlook.errors import CatalogueError
from perfectlook.stores import Query
from perfectlook.stores.filters import parse_filter
from qdrant_over_http import served
from toy_model import SHOES, ToyModel

MODEL, OTHER = ToyModel(), ToyModel(seed=1)


def test_sync_change_search_and_switch_over_the_network(tmp_path: Path) -> None:
    source = drawn_set(tmp_path / "set", scenes=1, products_per_category=6)
    embedded = tmp_path / "embedded"
    with served() as url, Catalogue.open(f"qdrant+{url}/shop", create=True) as catalogue:
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
        gone = sorted((source / "products").iterdir())[0]
        gone.unlink()
        listed = source / "categories.json"
        listed.write_text(listed.read_text(encoding="utf-8").replace(gone.stem, "0" * 32), encoding="utf-8")
        shutil.copy(sorted((source / "products").iterdir())[0], source / "products" / f"{'0' * 32}.jpg")
        report = catalogue.sync(source, MODEL)
        assert (report.added, report.deleted, report.unchanged) == (1, 1, 11)
        with Catalogue.open(f"qdrant+{url}/shop", MODEL) as reader:
            assert catalogue.sync(source, OTHER).switched
            with pytest.raises(CatalogueError, match="'toy-1'"):
                reader.search([Query(vectors[0], 5)], MODEL)
            assert len(reader.search([Query(vectors[0], 5)], OTHER)[0]) == 5
        assert len(catalogue.store.collections()) == 1
