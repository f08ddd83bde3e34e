"""A sync makes a catalogue equal to its source, does only what is needed, and can be interrupted anywhere."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from closed import closed_to
from drawn import FASHION, drawn_set
from memory_store import MemoryStore
from perfectlook.backbones import open_backbone
from perfectlook.catalogue import Catalogue, SyncReport
from perfectlook.catalogue.manifest import Record
from perfectlook.errors import CatalogueError, ModelError
from perfectlook.images import open_picture
from perfectlook.stores import Point
from perfectlook.types import Float32Array, Problem, Product
from toy_model import BAGS, SHOES, ToyModel

MODEL, OTHER = ToyModel(), ToyModel(seed=1)


class ListSource:
    """Products from a list."""

    name = "a list"

    def __init__(self, products: list[Product], problems: list[Problem] | None = None) -> None:
        self._products = products
        self.problems = problems or []
        self.unavailable: frozenset[str] | None = frozenset()

    def products(self) -> Iterator[Product]:
        yield from self._products


@pytest.fixture
def products(tmp_path: Path) -> list[Product]:
    """Eight shoes and eight bags, with generated pictures."""
    folder = drawn_set(tmp_path / "set", scenes=1, products_per_category=8)
    listed = json.loads((folder / "categories.json").read_text(encoding="utf-8"))
    return [
        Product(id_, category, folder / "products" / f"{id_}.jpg", f"title {i}", {"price": f"{i}.00 EUR"})
        for i, (id_, category) in enumerate(sorted(listed.items()))
    ]


@pytest.fixture
def catalogue() -> Catalogue:
    return Catalogue(MemoryStore())


def counts(report: SyncReport) -> tuple[int, int, int, int, int]:
    return report.added, report.changed, report.deleted, report.unchanged, report.embedded


def points(catalogue: Catalogue) -> dict[str, Point]:
    collection = catalogue.generation().collection
    return {point.id: point for batch in catalogue.store.scroll(collection=collection) for point in batch}


def features(pictures: list[Path]) -> Float32Array:
    """Return the inputs [n, D] of centres in float16, as the feature store keeps them."""
    backbone = open_backbone("tiny")
    batch = backbone.extract(np.stack([backbone.prepare(open_picture(path, fit=28)) for path in pictures]))
    return MODEL.product_inputs(batch).astype(np.float16).astype(np.float32)


def spoil(product: Product) -> None:
    product.picture.write_bytes(b"no picture")


def test_the_first_sync_adds_everything(catalogue: Catalogue, products: list[Product]) -> None:
    report = catalogue.sync(ListSource(products), MODEL)
    assert counts(report) == (16, 0, 0, 0, 16)
    assert (report.failed, report.switched) == ([], True)
    assert catalogue.count() == 16
    assert catalogue.categories() == {BAGS: 8, SHOES: 8}
    record = Record.from_payload("", points(catalogue)[products[3].id].payload)
    assert (record.title, record.fields) == ("title 3", {"price": "3.00 EUR"})
    assert (record.picture, record.width, record.height) == (str(products[3].picture), 96, 96)


def test_vectors_are_embedded_with_shrunk_centres(catalogue: Catalogue, products: list[Product]) -> None:
    catalogue.sync(ListSource(products), MODEL)
    generation = catalogue.generation()
    for category in FASHION:
        members = [product for product in products if product.category == category]
        inputs = features([product.picture for product in members])
        centre = (8 * inputs.mean(axis=0, dtype=np.float64) + 20 * MODEL.centres[category]) / (8 + 20)
        np.testing.assert_allclose(generation.centres[category], centre, atol=1e-5)
        expected = (inputs - centre) @ MODEL._to_product
        expected /= np.linalg.norm(expected, axis=1, keepdims=True)
        stored = np.stack([points(catalogue)[product.id].vector for product in members])
        np.testing.assert_allclose(stored, expected, atol=1e-5)
    everything = features([product.picture for product in products]).mean(axis=0, dtype=np.float64)
    np.testing.assert_allclose(
        generation.overall, (16 * everything + 20 * MODEL.overall_centre) / 36, atol=1e-5
    )


def test_an_unknown_category_is_shrunk_to_the_category_that_represents_it(
    catalogue: Catalogue, products: list[Product]
) -> None:
    for category, prior in (
        ("Sports|Shoes", MODEL.centres[SHOES]),
        ("Garden|Sheds", MODEL.overall_centre),
    ):
        source = ListSource([replace(product, category=category) for product in products])
        catalogue.sync(source, MODEL)
        mean = features([product.picture for product in products]).mean(axis=0, dtype=np.float64)
        centre = catalogue.generation().centres[category]
        np.testing.assert_allclose(centre, (16 * mean + 20 * prior) / 36, atol=1e-5)


def test_the_report_counts_products_of_unknown_categories(
    catalogue: Catalogue, products: list[Product]
) -> None:
    names = ["Garden|Sheds", "Garden|Sheds", "", "Sports|Shoes", f"{BAGS}|Clutches"]
    changed = [replace(each, category=name) for each, name in zip(products, names, strict=False)]
    report = catalogue.sync(ListSource([*changed, *products[5:]]), MODEL)
    assert report.unknown_categories == {"": 1, "Garden|Sheds": 2}
    spoil(changed[0])  # keeps its stored state
    again = catalogue.sync(ListSource([replace(changed[0], category=SHOES), *products[1:]]), MODEL)
    assert again.unknown_categories == {"Garden|Sheds": 1}
    assert catalogue.sync(ListSource(products[1:]), MODEL).unknown_categories == {}


def test_a_second_sync_does_nothing(catalogue: Catalogue, products: list[Product]) -> None:
    catalogue.sync(ListSource(products), MODEL)
    before = points(catalogue)
    report = catalogue.sync(ListSource(products[::-1]), MODEL)
    assert counts(report) == (0, 0, 0, 16, 0)
    assert not report.switched
    assert all(points(catalogue)[id_].vector is before[id_].vector for id_ in before)


def test_a_changed_record_is_updated_and_not_embedded(catalogue: Catalogue, products: list[Product]) -> None:
    catalogue.sync(ListSource(products), MODEL)
    before = points(catalogue)[products[0].id].vector
    products[0] = replace(products[0], title="sale!", fields={"price": "0.99 EUR"})
    assert counts(catalogue.sync(ListSource(products), MODEL)) == (0, 1, 0, 15, 0)
    point = points(catalogue)[products[0].id]
    assert point.vector is before
    assert (point.payload["title"], point.payload["fields"]) == ("sale!", {"price": "0.99 EUR"})


def test_a_changed_picture_is_embedded_again(catalogue: Catalogue, products: list[Product]) -> None:
    catalogue.sync(ListSource(products), MODEL)
    shutil.copy(products[1].picture, products[0].picture)
    assert counts(catalogue.sync(ListSource(products), MODEL)) == (0, 1, 0, 15, 1)
    point, other = (points(catalogue)[product.id] for product in products[:2])
    assert point.payload["picture_sha256"] == other.payload["picture_sha256"]
    if point.category == other.category:
        np.testing.assert_allclose(point.vector, other.vector, atol=1e-6)


def test_a_changed_category_is_embedded_with_its_centre(
    catalogue: Catalogue, products: list[Product]
) -> None:
    catalogue.sync(ListSource(products), MODEL)
    place = next(i for i, product in enumerate(products) if product.category == SHOES)
    before = points(catalogue)[products[place].id].vector
    products[place] = replace(products[place], category=BAGS)
    assert counts(catalogue.sync(ListSource(products), MODEL)) == (0, 1, 0, 15, 1)
    assert catalogue.categories() == {BAGS: 9, SHOES: 7}
    assert not np.allclose(points(catalogue)[products[place].id].vector, before, atol=1e-3)


def test_products_missing_from_the_source_are_deleted(catalogue: Catalogue, products: list[Product]) -> None:
    catalogue.sync(ListSource(products), MODEL)
    assert counts(catalogue.sync(ListSource(products[2:]), MODEL)) == (0, 0, 2, 14, 0)
    assert points(catalogue).keys() == {product.id for product in products[2:]}


def test_centres_do_not_change_and_a_new_category_gets_its_own(
    catalogue: Catalogue, products: list[Product]
) -> None:
    shoes = [product for product in products if product.category == SHOES]
    bags = [product for product in products if product.category == BAGS]
    catalogue.sync(ListSource(shoes[:3]), MODEL)
    first = catalogue.generation()
    catalogue.sync(ListSource([*shoes, *bags]), MODEL)
    second = catalogue.generation()
    assert first.centres.keys() == {SHOES}
    assert second.centres[SHOES].tolist() == first.centres[SHOES].tolist()
    inputs = features([product.picture for product in bags]).mean(axis=0, dtype=np.float64)
    np.testing.assert_allclose(second.centres[BAGS], (8 * inputs + 20 * MODEL.centres[BAGS]) / 28, atol=1e-5)
    assert first.overall is not None
    assert second.overall is not None
    assert second.overall.tolist() == first.overall.tolist()


def test_an_empty_source_is_rejected_unless_allowed(catalogue: Catalogue, products: list[Product]) -> None:
    with pytest.raises(CatalogueError, match="a list: no products"):
        catalogue.sync(ListSource([]), MODEL)
    catalogue.sync(ListSource(products), MODEL)
    with pytest.raises(CatalogueError, match="all 16 products of memory:// would be deleted"):
        catalogue.sync(ListSource([]), MODEL)
    assert catalogue.count() == 16
    assert counts(catalogue.sync(ListSource([]), MODEL, allow_empty=True)) == (0, 0, 16, 0, 0)
    assert catalogue.count() == 0


def test_unreadable_pictures_are_reported_and_the_others_are_synced(
    catalogue: Catalogue, products: list[Product]
) -> None:
    spoil(products[4])
    products[5].picture.unlink()
    earlier = Problem("a list", "line 7", "no id")
    report = catalogue.sync(ListSource(products, [earlier]), MODEL)
    assert counts(report) == (14, 0, 0, 0, 14)
    assert report.failed[0] is earlier
    assert [problem.item for problem in report.failed[1:]] == [products[4].id, products[5].id]
    assert str(products[4].picture) in str(report.failed[1])


def test_a_source_without_usable_products_is_rejected(catalogue: Catalogue, products: list[Product]) -> None:
    for product in products:
        spoil(product)
    with pytest.raises(CatalogueError, match=r"\(16 problems\)\. Fix them\. The first problem: a list: "):
        catalogue.sync(ListSource(products), MODEL)


def test_a_product_with_an_unreadable_picture_stays(catalogue: Catalogue, products: list[Product]) -> None:
    catalogue.sync(ListSource(products), MODEL)
    spoil(products[4])
    report = catalogue.sync(ListSource(products), MODEL)
    assert counts(report) == (0, 0, 0, 16, 0)
    assert len(report.failed) == 1
    report = catalogue.sync(ListSource(products), OTHER)  # its features are in the feature store
    assert counts(report) == (0, 0, 0, 16, 16)
    assert len(report.failed) == 1
    assert products[4].id in points(catalogue)


def test_a_listed_product_with_a_missing_picture_stays(catalogue: Catalogue, tmp_path: Path) -> None:
    folder = drawn_set(tmp_path / "shop", scenes=1, products_per_category=4)
    catalogue.sync(folder, MODEL)
    gone = sorted((folder / "products").iterdir())[0]
    gone.unlink()
    for model, embedded in ((MODEL, 0), (OTHER, 8)):
        report = catalogue.sync(folder, model)
        assert counts(report) == (0, 0, 0, 8, embedded)
        assert (report.kept, report.is_whole) == (1, True)
        assert [problem.item for problem in report.failed] == [gone.stem]
        assert gone.stem in points(catalogue)
    listed = json.loads((folder / "categories.json").read_text(encoding="utf-8"))
    del listed[gone.stem]
    (folder / "categories.json").write_text(json.dumps(listed), encoding="utf-8")
    report = catalogue.sync(folder, OTHER)
    assert (counts(report), report.kept) == ((0, 0, 1, 7, 0), 0)


def test_nothing_is_deleted_while_a_sub_folder_cannot_be_read(
    catalogue: Catalogue, products: list[Product], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "pictures"
    for product in products:
        place = folder / ("Shoes" if product.category == SHOES else "Bags") / product.picture.name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(product.picture, place)
    catalogue.sync(folder, MODEL)
    removed = sorted((folder / "Bags").iterdir())[0]
    removed.unlink()  # it could now be in the unreadable folder
    with monkeypatch.context() as patch:
        patch.setattr("os.scandir", closed_to(folder / "Shoes"))
        for model, embedded in ((MODEL, 0), (OTHER, 16)):
            report = catalogue.sync(folder, model)
            assert counts(report) == (0, 0, 0, 16, embedded)
            assert (report.kept, report.is_whole) == (9, False)
            assert "cannot be read (Permission denied)" in report.failed[0].reason
    report = catalogue.sync(folder, OTHER)
    assert (counts(report), report.kept, report.is_whole) == ((0, 0, 1, 15, 0), 0, True)


def test_duplicate_ids_of_a_set_are_reported_and_the_last_is_used(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    folder = drawn_set(tmp_path / "shop", scenes=1, products_per_category=4)
    id_ = sorted((folder / "products").iterdir())[0].stem
    listed = (folder / "categories.json").read_text(encoding="utf-8").rstrip().removesuffix("}")
    (folder / "categories.json").write_text(f'{listed}, "{id_}": "Sports|Shoes"}}', encoding="utf-8")
    report = catalogue.sync(folder, MODEL)
    assert counts(report) == (8, 0, 0, 0, 8)
    assert [(problem.item, str(problem.kind)) for problem in report.failed] == [(id_, "duplicate id")]
    assert points(catalogue)[id_].category == "Sports|Shoes"


def test_invalid_unicode_is_reported_and_the_others_are_synced(
    catalogue: Catalogue, products: list[Product]
) -> None:
    products[1] = replace(products[1], title="caf\udce9")
    products[2] = replace(products[2], category="Caf\udce9s")
    report = catalogue.sync(ListSource(products), MODEL)
    assert counts(report) == (14, 0, 0, 0, 14)
    assert [problem.item for problem in report.failed] == [products[1].id, products[2].id]
    assert all("not valid Unicode" in problem.reason for problem in report.failed)


def test_a_model_of_another_backbone_is_rejected(catalogue: Catalogue, products: list[Product]) -> None:
    model = ToyModel()
    model.backbone_identity = "tiny-fp32-000000000000"
    with pytest.raises(ModelError, match="tiny-fp32-000000000000"):
        catalogue.sync(ListSource(products), model)
    assert catalogue.manifest().active is None


def test_the_first_of_two_products_with_the_same_id_is_used(
    catalogue: Catalogue, products: list[Product]
) -> None:
    twice = replace(products[0], title="again")
    nameless = replace(products[0], id="")
    report = catalogue.sync(ListSource([*products, twice, nameless]), MODEL)
    assert catalogue.count() == 16
    assert points(catalogue)[products[0].id].payload["title"] == "title 0"
    assert [problem.reason.split(".")[0] for problem in report.failed] == [
        "the id occurs twice; the first one is used",
        "no id",
    ]


def test_products_that_share_a_picture_all_get_vectors(catalogue: Catalogue, products: list[Product]) -> None:
    shared = [replace(product, picture=products[0].picture) for product in products]
    report = catalogue.sync(ListSource(shared), MODEL)
    assert counts(report) == (16, 0, 0, 0, 16)
    shoes = np.stack([p.vector for p in points(catalogue).values() if p.category == SHOES])
    np.testing.assert_allclose(shoes, np.broadcast_to(shoes[0], shoes.shape), atol=1e-6)


def test_another_model_embeds_everything_without_the_backbone(
    catalogue: Catalogue, products: list[Product], monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue.sync(ListSource(products), MODEL)
    old = catalogue.generation()

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the backbone was opened")

    monkeypatch.setattr("perfectlook.features.extraction.open_backbone", refuse)
    report = catalogue.sync(ListSource(products), OTHER)
    assert counts(report) == (0, 0, 0, 16, 16)
    assert report.switched
    new = catalogue.generation()
    assert (new.model.name, new.model.identity) == (OTHER.name, OTHER.identity)
    assert new.collection != old.collection
    assert catalogue.store.collections().keys() == {old.collection, new.collection}
    catalogue.check(OTHER)  # type: ignore[arg-type]
    with pytest.raises(CatalogueError, match=r"'toy-1' .* given is 'toy-0'"):
        catalogue.check(MODEL)  # type: ignore[arg-type]


class UnpluggedError(Exception):
    """A simulated power cut."""


class FlakyStore(MemoryStore):
    """A store that fails after a number of writes."""

    writes_left = 10**9

    def upsert(self, points, **options):  # type: ignore[no-untyped-def]
        self._write()
        super().upsert(points, **options)

    def write_manifest(self, document, **options):  # type: ignore[no-untyped-def]
        self._write()
        super().write_manifest(document, **options)

    def create_collection(self, name: str, dimension: int) -> None:
        self._write()
        super().create_collection(name, dimension)

    def drop_collection(self, name: str) -> None:
        self._write()
        super().drop_collection(name)

    def _write(self) -> None:
        if self.writes_left == 0:
            raise UnpluggedError
        self.writes_left -= 1


def test_an_interrupted_change_of_model_leaves_a_working_catalogue(
    products: list[Product], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perfectlook.catalogue.embedding.BATCH", 5)
    whole = Catalogue(MemoryStore())
    whole.sync(ListSource(products), OTHER)
    expected = {id_: point.vector for id_, point in points(whole).items()}
    for writes in range(12):
        store = FlakyStore()
        catalogue = Catalogue(store)
        catalogue.sync(ListSource(products), MODEL)
        store.writes_left = writes
        try:
            catalogue.sync(ListSource(products), OTHER)
        except UnpluggedError:
            switched = catalogue.generation().model.identity == OTHER.identity
            assert catalogue.count() == 16
            assert switched == (writes >= 8)  # collection, manifest, centres, 4 batches and the switch
        store.writes_left = 10**9
        report = catalogue.sync(ListSource(products), OTHER)
        assert report.embedded <= 16
        assert store.collections().keys() == known(catalogue)
        assert catalogue.manifest().pending is None
        assert points(catalogue).keys() == expected.keys()
        for id_, point in points(catalogue).items():
            np.testing.assert_allclose(point.vector, expected[id_], atol=1e-6)


def test_an_interrupted_change_of_model_resumes_and_a_third_model_starts_over(
    products: list[Product], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perfectlook.catalogue.embedding.BATCH", 5)
    store = FlakyStore()
    catalogue = Catalogue(store)
    catalogue.sync(ListSource(products), MODEL)

    def break_off() -> None:
        store.writes_left = 5  # collection, manifest, centres and 2 of 5 batches
        with pytest.raises(UnpluggedError):
            catalogue.sync(ListSource(products), OTHER)
        store.writes_left = 10**9

    break_off()
    assert catalogue.sync(ListSource(products), OTHER).embedded == 6
    catalogue.sync(ListSource(products), MODEL)
    break_off()
    assert catalogue.sync(ListSource(products), ToyModel(seed=2)).embedded == 16
    catalogue.sync(ListSource(products), MODEL)
    break_off()
    store.writes_left = 2  # the interrupted collection is dropped, and its successor does not exist yet
    with pytest.raises(UnpluggedError):
        catalogue.sync(ListSource(products), ToyModel(seed=2))
    store.writes_left = 10**9
    assert catalogue.sync(ListSource(products), OTHER).embedded == 16
    catalogue.sync(ListSource(products), MODEL)
    break_off()
    assert catalogue.sync(ListSource(products), MODEL).embedded == 0
    assert store.collections().keys() == known(catalogue)


def known(catalogue: Catalogue) -> set[str]:
    """Return the collections of the active and the previous vectors: all that a finished sync leaves."""
    manifest = catalogue.manifest()
    return {each.collection for each in (manifest.active, manifest.previous) if each}


def test_the_previous_vectors_are_kept_until_told(catalogue: Catalogue, products: list[Product]) -> None:
    catalogue.sync(ListSource(products), MODEL)
    with pytest.raises(CatalogueError, match=r"no previous vectors\. Sync with the earlier model"):
        catalogue.switch(back=True)
    before, vectors = catalogue.generation(), points(catalogue)
    catalogue.sync(ListSource(products), OTHER)
    catalogue.sync(ListSource(products[:-1]), OTHER, max_delete=1.0)
    assert catalogue.count() == 15
    assert catalogue.switch(back=True) == before.model
    assert catalogue.generation().collection == before.collection
    assert points(catalogue).keys() == vectors.keys()  # until the next sync
    assert catalogue.switch(back=True).identity == OTHER.identity
    catalogue.drop_previous()
    assert list(catalogue.store.collections()) == [catalogue.generation().collection]
    with pytest.raises(CatalogueError, match="no previous vectors"):
        catalogue.switch(back=True)


def test_a_second_sync_fails_and_names_the_first(catalogue: Catalogue, products: list[Product]) -> None:
    with (
        catalogue.store.hold("catalogue sync, another sync"),
        pytest.raises(CatalogueError, match="another sync"),
    ):
        catalogue.sync(ListSource(products), MODEL)
