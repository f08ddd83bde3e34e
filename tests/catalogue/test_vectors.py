"""A file of vectors has everything a sync needs, and is rejected if another model made it."""

import json
import os
import shutil
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dirty import CLEAN, DIRTY
from drawn import drawn_set
from memory_store import MemoryStore
from perfectlook.catalogue import Catalogue, EmbedReport, embed
from perfectlook.catalogue.manifest import ModelIdentity
from perfectlook.catalogue.vectors import VectorFile, write_vectors
from perfectlook.errors import CatalogueError, FeedError, UsageError
from perfectlook.feeds import PictureCache
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


def test_a_sync_from_the_file_equals_a_sync_from_the_pictures(
    source: Path, out: Path, catalogue: Catalogue
) -> None:
    report = embedded(source, out)
    assert (report.embedded, report.categories, report.failed) == (16, 2, [])
    direct = Catalogue(MemoryStore())
    direct.sync(source, MODEL)
    shutil.rmtree(source / "products")  # no picture is read again
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


def test_a_second_sync_from_the_file_or_its_source_changes_nothing(
    source: Path, out: Path, catalogue: Catalogue
) -> None:
    embedded(source, out)
    catalogue.sync(out, MODEL)
    for again in (out, source):
        report = catalogue.sync(again, MODEL)
        assert (report.unchanged, report.embedded, report.switched) == (16, 0, False)


def test_new_centres_fill_a_new_collection(source: Path, out: Path, catalogue: Catalogue) -> None:
    catalogue.sync(source, MODEL)
    before = catalogue.generation()
    gone = sorted((source / "products").iterdir())[0]
    gone.unlink()
    embedded(source, out)  # its centres are computed from 15 products
    report = catalogue.sync(out, MODEL)
    assert (report.deleted, report.embedded, report.switched) == (1, 15, True)
    assert catalogue.generation().collection != before.collection
    kept = {before.collection, catalogue.generation().collection}
    assert catalogue.store.collections().keys() == kept


def test_vectors_with_the_catalogues_centres_are_added_to_its_collection(
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


def test_vectors_of_another_model_are_rejected_with_both_names(
    source: Path, out: Path, catalogue: Catalogue
) -> None:
    embedded(source, out)
    with pytest.raises(CatalogueError, match=r"made with model 'toy-0'.* given is 'toy-1'"):
        catalogue.sync(out, OTHER)
    catalogue.sync(source, OTHER)
    with pytest.raises(CatalogueError, match=r"made with model 'toy-1'.* given is 'toy-0'"):
        embedded(source, out, catalogue=catalogue.generation())


def test_failed_products_are_reported_and_left_out(source: Path, out: Path) -> None:
    bad = sorted((source / "products").iterdir())[3]
    bad.write_bytes(b"no picture")
    report = embedded(source, out)
    assert report.embedded == 15
    assert [problem.item for problem in report.failed] == [bad.stem]


def test_a_source_without_a_usable_product_makes_no_file(source: Path, out: Path) -> None:
    for picture in (source / "products").iterdir():
        picture.write_bytes(b"no picture")
    with pytest.raises(
        CatalogueError, match=r"no product can be embedded\. Fix the products\. The first problem"
    ):
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


def test_the_first_of_two_products_with_the_same_id_is_used(
    source: Path, out: Path, catalogue: Catalogue
) -> None:
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
        f"{out}: {first[0].id}: the id occurs twice; the first one is used. Remove one of the two."
    ]
    assert catalogue.categories().keys() == {point.category for point in first}


def test_texts_of_the_file_are_cleaned(source: Path, out: Path, catalogue: Catalogue) -> None:
    embedded(source, out)
    file = opened(out)
    (batch,) = file.points(dict(file.records()), file.generation)
    texts = {"title": DIRTY, "fields": {DIRTY: DIRTY, "link": "javascript:1"}}
    dirty = [replace(each, payload={**each.payload, **texts}) for each in batch]
    dirty[0], dirty[1] = replace(dirty[0], id="a\x1b"), replace(dirty[1], category="A\x1b")
    write_vectors(out, file.generation, file.dimension, [dirty])
    report = catalogue.sync(out, MODEL)
    assert report.added == len(batch) - 2
    assert len([each for each in report.failed if each.kind == "unusable id in a feed"]) == 2
    for point in points(catalogue).values():
        assert (point.payload["title"], point.payload["fields"]) == (CLEAN, {CLEAN: CLEAN})


@pytest.mark.parametrize(
    "change",
    [
        *({"fields": [1]}, {"fields": {"a": 1}}, {"fields": None}, {"title": 5}, {"picture": None}),
        *({"dhash": "zz"}, {"dhash": ""}, {"dhash": "g" * 64}, {"picture_sha256": 5}),
        *({"picture_sha256": "a" * 62 + "\r\n"}, {"record_sha256": "a" * 64 + "\n"}),
        *({"width": "x"}, {"width": 0}, {"height": 1.5}, {"stamp": 1}, {"colours": []}),
    ],
)
def test_records_of_other_types_are_damage(
    source: Path, out: Path, catalogue: Catalogue, change: dict[str, object]
) -> None:
    embedded(source, out)
    records = [{**json.loads(text), **change} for text in pq.read_table(out)["record"].to_pylist()]
    rewritten(out, record=pa.array(map(json.dumps, records)))
    with pytest.raises(CatalogueError, match=r"damaged \(record of product '.*' that cannot be read\)"):
        catalogue.sync(out, MODEL)


def rewritten(out: Path, **columns: object) -> None:
    """Replace columns of a file, or remove them with None."""
    table = pq.read_table(out)
    for name, values in columns.items():
        at = table.column_names.index(name)
        table = table.remove_column(at) if values is None else table.set_column(at, name, values)
    pq.write_table(table, out)


def test_a_file_that_unpacks_suspiciously_is_refused(source: Path, out: Path, catalogue: Catalogue) -> None:
    embedded(source, out)
    table = pq.read_table(out)
    more = table.append_column("more", pa.array([os.urandom(16).hex() + " " * 6 * 2**20] * 16))
    pq.write_table(more, out, compression="zstd", use_dictionary=False)
    with pytest.raises(FeedError, match=r"row group 1 unpacks from [\d,]+ to 1\d\d,\d{3},\d{3} bytes"):
        catalogue.sync(out, MODEL)


def test_records_that_the_file_repeats_are_read_one_by_one(source: Path, out: Path) -> None:
    embedded(source, out)
    table = pq.read_table(out)
    record = json.loads(table["record"][0].as_py())
    record["fields"] = {"description": "x" * 2**20}
    for count, is_fine in ((60, True), (70, False)):
        ids = [f"product {number}" for number in range(count)]
        many = table.take([0] * count).set_column(table.column_names.index("id"), "id", pa.array(ids))
        many = many.set_column(
            many.column_names.index("record"), "record", pa.array([json.dumps(record)] * count)
        )
        pq.write_table(many, out, compression="zstd")
        file = opened(out)
        tracemalloc.start()
        next(file.records())
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 16 * 2**20
        if is_fine:
            assert sum(1 for _ in file.records()) == count
        else:
            with pytest.raises(CatalogueError, match=r"damaged \(records that unpack to too much\)"):
                list(file.records())


def test_missing_columns_are_damage(source: Path, out: Path, catalogue: Catalogue) -> None:
    embedded(source, out)
    whole = out.read_bytes()
    for name in ("id", "category", "record", "vector"):
        rewritten(out, **{name: None})
        with pytest.raises(CatalogueError, match=f"damaged .no column '{name}' of the type"):
            catalogue.sync(out, MODEL)
        out.write_bytes(whole)
    rewritten(out, id=pa.array(range(16)))
    with pytest.raises(CatalogueError, match=r"damaged .no column 'id' of the type string"):
        catalogue.sync(out, MODEL)


def test_missing_values_are_problems_or_damage(source: Path, out: Path, catalogue: Catalogue) -> None:
    embedded(source, out)
    whole, kind = out.read_bytes(), pa.list_(pa.float32(), MODEL.dimension)
    damage = {"record": pa.nulls(16, pa.string()), "vector": pa.nulls(16, kind)}
    for name, values in damage.items():
        rewritten(out, **{name: values})
        with pytest.raises(CatalogueError, match=f"damaged .{name} of product '.*' that cannot be read"):
            catalogue.sync(out, MODEL)
        out.write_bytes(whole)
    rewritten(out, vector=pa.array([[float("nan")] * MODEL.dimension] * 16, kind))
    with pytest.raises(CatalogueError, match=r"damaged .vector of product '.*' that cannot be read"):
        catalogue.sync(out, MODEL)


def test_centres_that_are_missing_or_of_other_sizes_are_damage(
    source: Path, out: Path, catalogue: Catalogue
) -> None:
    embedded(source, out)
    file = opened(out)
    batches = list(file.points(dict(file.records()), file.generation))
    (first, centre), *_ = file.generation.centres.items()
    for centres, reason in (
        ({}, "no centre of the category"),
        (
            {**file.generation.centres, first: centre[:3]},
            "centres that are not finite, or of different sizes",
        ),
        ({**file.generation.centres, first: centre * np.nan}, "centres that are not finite"),
    ):
        write_vectors(out, replace(file.generation, centres=centres), file.dimension, batches)
        with pytest.raises(CatalogueError, match=f"damaged .{reason}"):
            catalogue.sync(out, MODEL)


def test_other_files_are_not_files_of_vectors(source: Path, out: Path, tmp_path: Path) -> None:
    assert VectorFile.open(out) is None
    pq.write_table(pa.table({"id": ["1"]}), out)
    assert VectorFile.open(out) is None
    (tmp_path / "feed.csv").write_text("id,title\n", encoding="utf-8")
    assert VectorFile.open(tmp_path / "feed.csv") is None
    out.write_bytes(b"PAR1 and no more")
    again = "If it is a feed, export it again; if it is from `perfectlook embed`, run that again."
    with pytest.raises(CatalogueError, match=rf"damaged \(.*\)\. {again}$"):
        VectorFile.open(out)
    embedded(source, out)
    whole = out.read_bytes()
    out.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CatalogueError, match="damaged"):
        VectorFile.open(out)


def test_other_sources_without_vectors_are_rejected(tmp_path: Path, out: Path, catalogue: Catalogue) -> None:
    assert VectorFile.open(tmp_path / "absent.parquet") is None
    with pytest.raises(UsageError, match="no such file"):
        catalogue.sync(tmp_path / "absent.parquet", MODEL)  # type: ignore[arg-type]
    pq.write_table(pa.table({"id": ["1"]}), out)
    with pytest.raises(FeedError, match="no column 'image_link'"):  # it is read as a feed
        catalogue.sync(out, MODEL)  # type: ignore[arg-type]


@pytest.mark.parametrize("metadata", [b"no JSON", b"[1]", b'{"format": 1}', b'{"format": 1, "made": null}'])
def test_invalid_metadata_are_reported_as_damage(metadata: bytes, out: Path) -> None:
    schema = pa.schema({"id": pa.string()}, metadata={b"perfectlook": metadata})
    pq.write_table(pa.table({"id": ["1"]}, schema=schema), out)
    with pytest.raises(CatalogueError, match="damaged"):
        VectorFile.open(out)


def test_a_newer_format_asks_for_an_upgrade(out: Path) -> None:
    schema = pa.schema({"id": pa.string()}, metadata={b"perfectlook": b'{"format": 99}'})
    pq.write_table(pa.table({"id": ["1"]}, schema=schema), out)
    with pytest.raises(CatalogueError, match=r"format 99.*Upgrade"):
        VectorFile.open(out)


def test_a_file_that_cannot_be_written_gives_an_error(source: Path, tmp_path: Path) -> None:
    (tmp_path / "a file").touch()
    with pytest.raises(CatalogueError, match="cannot be written"):
        embedded(source, tmp_path / "a file" / "vectors.parquet")


def test_the_file_names_the_model_that_made_it(source: Path, out: Path) -> None:
    embedded(source, out)
    made = opened(out).generation.model
    assert made == ModelIdentity("toy-0", MODEL.identity, MODEL.backbone_identity)


def test_pictures_outside_the_folder_of_the_file_are_left_out(
    source: Path, out: Path, catalogue: Catalogue, tmp_path: Path
) -> None:
    embedded(source, out)
    elsewhere = tmp_path / "elsewhere" / "vectors.parquet"
    elsewhere.parent.mkdir()
    shutil.move(out, elsewhere)
    report = catalogue.sync(elsewhere, MODEL)
    assert report.added == 16
    assert "is outside the folder of the file" in report.failed[0].reason
    assert {each.payload["picture"] for each in points(catalogue).values()} == {""}
    assert catalogue.sync(elsewhere, MODEL, allow_outside=True).changed == 16
    assert "" not in {each.payload["picture"] for each in points(catalogue).values()}


def test_a_link_to_another_folder_is_outside(source: Path, out: Path, catalogue: Catalogue) -> None:
    embedded(source, out)
    place = out.parent / "inner"
    place.mkdir()
    shutil.move(out, place / out.name)
    (place / "set").symlink_to(source)
    assert len(catalogue.sync(place / out.name, MODEL).failed) == 16


def test_a_picture_that_its_new_record_still_names_stays(source: Path, tmp_path: Path) -> None:
    place = tmp_path / "catalogue"
    with Catalogue.open(place, create=True) as catalogue:
        cached = Path(PictureCache.of(place).locate("https://shop.example/a.jpg"))
        cached.parent.mkdir(parents=True)
        shutil.copy(next((source / "products").iterdir()), cached)
        shutil.copy(next((source / "products").iterdir()), tmp_path / "b.jpg")
        for price in ("1.00 EUR", "2.00 EUR"):
            rows = [("a", cached), ("b", tmp_path / "b.jpg")]
            listed = [
                {"id": id_, "category": "Shoes", "image_link": str(picture), "price": price}
                for id_, picture in rows
            ]
            (tmp_path / "feed.jsonl").write_text("\n".join(map(json.dumps, listed)), encoding="utf-8")
            embedded(tmp_path / "feed.jsonl", tmp_path / "vectors.parquet")
            report = catalogue.sync(tmp_path / "vectors.parquet", MODEL)
        assert report.changes.changed == {"a": ["record"], "b": ["record"]}
        assert cached.exists()


def test_texts_that_are_not_utf_8_are_damage(source: Path, out: Path, catalogue: Catalogue) -> None:
    embedded(source, out)
    rewritten(out, record=pa.array([b"\xff"] * 16, pa.binary()).view(pa.string()))
    with pytest.raises(CatalogueError, match=r"damaged \('utf-8' codec can't decode byte 0xff"):
        catalogue.sync(out, MODEL)
