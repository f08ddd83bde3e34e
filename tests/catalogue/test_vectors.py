"""A file of vectors carries everything a sync needs, and is refused where its vectors do not belong."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from drawn import drawn_set
from memory_store import MemoryStore
from perfectlook.catalogue import Catalogue, EmbedReport, embed
from perfectlook.catalogue.manifest import ModelIdentity
from perfectlook.catalogue.vectors import VectorFile, write_vectors
from perfectlook.errors import CatalogueError, FeedError, UsageError
from perfectlook.stores import Point
from toy_model import ToyModel

pa = pytest.importorskip("pyarrow", reason="the extra 'parquet' is not installed")
pq = pytest.importorskip("pyarrow.parquet", reason="the extra 'parquet' is not installed")

MODEL, OTHER = ToyModel(), ToyModel(seed=1)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A set of eight shoes and eight bags."""
    return drawn_set(tmp_path / "set", scenes=1, products_per_category=8)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "vectors.parquet"


@pytest.fixture
def catalogue() -> Iterator[Catalogue]:
    with Catalogue(MemoryStore()) as catalogue:
        yield catalogue


def embedded(source: Path, out: Path, model: ToyModel = MODEL, **options: object) -> EmbedReport:
    return embed(source, model, out, **options)  # type: ignore[arg-type]


def opened(path: Path) -> VectorFile:
    file = VectorFile.open(path)
    assert file is not None
    return file


def points(catalogue: Catalogue) -> dict[str, Point]:
    collection = catalogue.generation().collection
    return {p.id: p for batch in catalogue.store.scroll(collection=collection) for p in batch}


def test_a_catalogue_synced_from_the_file_is_the_one_synced_from_the_pictures(
    source: Path, out: Path, catalogue: Catalogue
) -> None:
    report = embedded(source, out)
    assert (report.embedded, report.categories, report.failed) == (16, 2, [])
    direct = Catalogue(MemoryStore())
    direct.sync(source, MODEL)
    shutil.rmtree(source / "products")  # nobody looks at pictures again
    assert catalogue.sync(out, MODEL).added == 16
    one, other = points(direct), points(catalogue)
    assert one.keys() == other.keys()
    for id_, point in one.items():
        np.testing.assert_array_equal(point.vector, other[id_].vector)
        assert (point.category, point.payload) == (other[id_].category, other[id_].payload)
    mine, theirs = direct.generation(), catalogue.generation()
    assert mine.model == theirs.model
    assert mine.overall is not None
    np.testing.assert_array_equal(mine.overall, theirs.overall)
    for name, centre in mine.centres.items():
        np.testing.assert_array_equal(centre, theirs.centres[name])


def test_a_second_sync_of_the_file_or_of_its_source_changes_nothing(
    source: Path, out: Path, catalogue: Catalogue
) -> None:
    embedded(source, out)
    catalogue.sync(out, MODEL)
    for again in (out, source):
        report = catalogue.sync(again, MODEL)
        assert (report.unchanged, report.embedded, report.switched) == (16, 0, False)


def test_new_centres_are_built_beside_the_old_and_switched_to(
    source: Path, out: Path, catalogue: Catalogue
) -> None:
    catalogue.sync(source, MODEL)
    before = catalogue.generation()
    gone = sorted((source / "products").iterdir())[0]
    gone.unlink()
    embedded(source, out)  # its centres are those of 15 products
    report = catalogue.sync(out, MODEL)
    assert (report.deleted, report.embedded, report.switched) == (1, 15, True)
    assert catalogue.generation().collection != before.collection
    assert list(catalogue.store.collections()) == [catalogue.generation().collection]


def test_around_a_catalogues_centres_vectors_are_taken_in_place(
    source: Path, out: Path, catalogue: Catalogue
) -> None:
    catalogue.sync(source, MODEL)
    before = catalogue.generation()
    gone = sorted((source / "products").iterdir())[0]
    gone.unlink()
    embedded(source, out, catalogue=before)
    report = catalogue.sync(out, MODEL)
    assert (report.deleted, report.unchanged, report.embedded, report.switched) == (1, 15, 0, False)
    assert catalogue.generation().collection == before.collection


def test_vectors_of_another_model_are_refused_by_name(source: Path, out: Path, catalogue: Catalogue) -> None:
    embedded(source, out)
    with pytest.raises(CatalogueError, match=r"holds the vectors of model 'toy-0'.*, not of 'toy-1'"):
        catalogue.sync(out, OTHER)
    catalogue.sync(source, OTHER)
    with pytest.raises(CatalogueError, match=r"holds the vectors of model 'toy-1'.*, not of 'toy-0'"):
        embedded(source, out, catalogue=catalogue.generation())


def test_what_fails_is_reported_and_left_out(source: Path, out: Path) -> None:
    bad = sorted((source / "products").iterdir())[3]
    bad.write_bytes(b"no picture")
    report = embedded(source, out)
    assert report.embedded == 15
    assert [problem.item for problem in report.failed] == [bad.stem]


def test_a_source_without_a_usable_product_makes_no_file(source: Path, out: Path) -> None:
    for picture in (source / "products").iterdir():
        picture.write_bytes(b"no picture")
    with pytest.raises(CatalogueError, match="no product that can be embedded; the first problem"):
        embedded(source, out)
    assert not out.exists()


def test_other_tools_can_read_the_file(source: Path, out: Path) -> None:
    embedded(source, out)
    table = pq.read_table(out)
    assert table.column_names == ["id", "category", "title", "picture", "record", "vector"]
    assert table.schema.field("vector").type == pa.list_(pa.float32(), MODEL.dimension)
    file = opened(out)
    assert (file.count, file.dimension) == (16, MODEL.dimension)
    assert {product.id for product in file.products()} == set(table["id"].to_pylist())


def test_of_two_products_with_one_id_the_first_counts(source: Path, out: Path, catalogue: Catalogue) -> None:
    embedded(source, out)
    file = opened(out)
    items = dict(file.records())
    first, *others = (batch for batch in file.points(items, file.generation))
    assert not others
    again = [replace(first[0], category="Elsewhere")]
    write_vectors(out, file.generation, file.dimension, [first, again])
    report = catalogue.sync(out, MODEL)
    assert report.added == 16
    assert [str(problem) for problem in report.failed] == [
        f"{out}: {first[0].id}: comes twice; the first one counts"
    ] or len(report.failed) == 1
    assert catalogue.categories().keys() == {point.category for point in first}


def test_files_that_are_none_are_told_apart(source: Path, out: Path, tmp_path: Path) -> None:
    assert VectorFile.open(out) is None
    pq.write_table(pa.table({"id": ["1"]}), out)
    assert VectorFile.open(out) is None
    (tmp_path / "feed.csv").write_text("id,title\n", encoding="utf-8")
    assert VectorFile.open(tmp_path / "feed.csv") is None
    out.write_bytes(b"PAR1 and no more")
    with pytest.raises(CatalogueError, match="damaged"):
        VectorFile.open(out)
    embedded(source, out)
    whole = out.read_bytes()
    out.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CatalogueError, match="damaged"):
        VectorFile.open(out)


def test_sources_that_are_no_vectors_are_refused(tmp_path: Path, out: Path, catalogue: Catalogue) -> None:
    assert VectorFile.open(tmp_path / "absent.parquet") is None
    with pytest.raises(UsageError, match="no such file"):
        catalogue.sync(tmp_path / "absent.parquet", MODEL)  # type: ignore[arg-type]
    pq.write_table(pa.table({"id": ["1"]}), out)
    with pytest.raises(FeedError, match="no column 'image_link'"):  # it may be a feed
        catalogue.sync(out, MODEL)  # type: ignore[arg-type]


@pytest.mark.parametrize("metadata", [b"no JSON", b"[1]", b'{"format": 1}', b'{"format": 1, "made": null}'])
def test_metadata_that_are_not_readable_are_damage(metadata: bytes, out: Path) -> None:
    schema = pa.schema({"id": pa.string()}, metadata={b"perfectlook": metadata})
    pq.write_table(pa.table({"id": ["1"]}, schema=schema), out)
    with pytest.raises(CatalogueError, match="damaged"):
        VectorFile.open(out)


def test_a_newer_format_asks_for_an_upgrade(out: Path) -> None:
    schema = pa.schema({"id": pa.string()}, metadata={b"perfectlook": b'{"format": 99}'})
    pq.write_table(pa.table({"id": ["1"]}, schema=schema), out)
    with pytest.raises(CatalogueError, match=r"format 99.*upgrade"):
        VectorFile.open(out)


def test_a_place_that_cannot_be_written_says_so(source: Path, tmp_path: Path) -> None:
    (tmp_path / "a file").touch()
    with pytest.raises(CatalogueError, match="cannot be written"):
        embedded(source, tmp_path / "a file" / "vectors.parquet")


def test_the_model_in_the_file_is_the_one_that_made_it(source: Path, out: Path) -> None:
    embedded(source, out)
    made = opened(out).generation.model
    assert made == ModelIdentity("toy-0", MODEL.identity, MODEL.backbone_identity)
