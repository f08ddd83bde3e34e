"""A photo gets an answer in the documented shape."""

import io
import json
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from drawn import drawn_set
from memory_store import MemoryStore
from perfectlook.answers import Answer
from perfectlook.backbones import open_backbone
from perfectlook.catalogue import Catalogue
from perfectlook.errors import CatalogueError, ModelError, PictureError, UsageError
from perfectlook.images import open_picture
from perfectlook.model.categories import CategorySuggester
from perfectlook.recommender import Recommender
from toy_model import BAGS, SHOES, ToyModel

MODELS = {norm: ToyModel(norm) for norm in ("l2", "squared_l2")}  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawn_set(tmp_path_factory.mktemp("drawn") / "set", scenes=6, products_per_category=15)


@pytest.fixture
def photo(source: Path) -> Path:
    return sorted((source / "scenes").iterdir())[0]


@pytest.fixture(scope="module", params=MODELS)
def recommender(request: pytest.FixtureRequest, source: Path) -> Recommender:
    model = MODELS[request.param]
    catalogue = Catalogue(MemoryStore())
    catalogue.sync(source, model)
    return Recommender.open(catalogue, model)


def ids(answer: Answer) -> dict[str, list[str]]:
    return {section.category: [p.id for p in section.products] for section in answer.categories}


def test_an_answer_has_the_documented_shape(recommender: Recommender, photo: Path) -> None:
    answer = json.loads(json.dumps(recommender.complete(photo, k=3).to_dict()))
    assert answer.keys() == {"photo", "model", "categories"}
    assert (answer["photo"], answer["model"]) == (str(photo), "toy-0")
    assert [section["category"] for section in answer["categories"]] == [BAGS, SHOES]
    for section in answer["categories"]:
        assert section.keys() == {"category", "resolved", "proven_exact", "products", "attention"}
        assert section["resolved"] == {"category": section["category"], "how": "exact"}
        assert section["proven_exact"] is True
        assert [product["rank"] for product in section["products"]] == [1, 2, 3]
        for product in section["products"]:
            assert product.keys() >= {
                "id",
                "distance",
                "distance_global",
                "distance_local",
                "title",
                "picture",
            }
            assert product["distance"] == round(product["distance"], 6)
            parts = product["distance_global"] + product["distance_local"]
            assert product["distance"] == pytest.approx(parts, abs=2e-6)
        assert (section["attention"]["rows"], section["attention"]["columns"]) == (7, 7)
        assert len(section["attention"]["weights"]) == 49
        assert sum(section["attention"]["weights"]) == pytest.approx(1, abs=1e-4)


def test_an_answer_keeps_full_precision(recommender: Recommender, photo: Path) -> None:
    product = recommender.complete(photo, k=1).to_dict(None)["categories"][0]["products"][0]
    assert product["distance"] != round(product["distance"], 6)


def test_products_are_in_the_order_of_the_models_distances(recommender: Recommender, photo: Path) -> None:
    backbone = open_backbone("tiny")
    picture = open_picture(photo, fit=28)
    scene = recommender.model.embed_scene(backbone.extract(backbone.prepare(picture)[None]))
    points = [point for batch in recommender.catalogue.store.scroll() for point in batch]
    for category, found in ids(recommender.complete(photo, k=99, variety=False)).items():
        members = [point for point in points if point.category == category]
        totals = scene.distances(category, np.stack([point.vector for point in members])).total
        expected = sorted(zip(totals.tolist(), [point.id for point in members], strict=True))
        assert found == [id_ for _, id_ in expected]


def test_a_photo_can_be_a_path_bytes_a_stream_or_a_picture(
    recommender: Recommender, photo: Path, tmp_path: Path
) -> None:
    Image.open(photo).save(
        tmp_path / "photo.png"
    )  # PNG, because a JPEG file may be decoded at a smaller size
    photo = tmp_path / "photo.png"
    expected = recommender.complete(photo)
    with photo.open("rb") as stream:
        ways = [str(photo), photo.read_bytes(), io.BytesIO(photo.read_bytes()), stream, Image.open(photo)]
        answers = [recommender.complete(way) for way in ways]
    assert all(ids(answer) == ids(expected) for answer in answers)
    names = [answer.photo for answer in answers]
    assert names == [str(photo), "<bytes>", "<picture>", str(photo), str(photo)]


def test_a_pillow_picture_is_rotated_and_laid_on_white(recommender: Recommender, photo: Path) -> None:
    upright = Image.open(photo).convert("RGB")
    turned = upright.transpose(Image.Transpose.ROTATE_90)
    turned.getexif()[0x0112] = 6
    glass = upright.convert("RGBA")
    glass.putalpha(Image.new("L", glass.size, 0))
    assert ids(recommender.complete(turned)) == ids(recommender.complete(upright))
    white = Image.new("RGB", upright.size, "white")
    assert ids(recommender.complete(glass)) == ids(recommender.complete(white))


def test_categories_are_chosen_by_name(recommender: Recommender, photo: Path) -> None:
    assert list(ids(recommender.complete(photo, ["Shoes"]))) == [SHOES]
    with pytest.raises(UsageError, match=r"'Shows'\. Did you mean"):
        recommender.complete(photo, ["Shows"])


def test_invalid_requests_are_rejected(recommender: Recommender, photo: Path) -> None:
    with pytest.raises(UsageError, match="k 0: must be a whole number of at least 1"):
        recommender.complete(photo, k=0)
    with pytest.raises(UsageError, match=r"k '3': must be a whole number of at least 1"):
        recommender.complete(photo, k="3")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"where: column 9: expected a value"):
        recommender.complete(photo, where="price <=")
    for spread in (-0.1, 1.1, float("nan")):
        with pytest.raises(UsageError, match=r"spread .*: must be from 0 to 1"):
            recommender.complete(photo, spread=spread)
    with pytest.raises(PictureError, match="<bytes>"):
        recommender.complete(b"no picture")


def test_a_category_unknown_to_the_model_is_answered_and_marked(
    source: Path, photo: Path, tmp_path: Path
) -> None:
    model = ToyModel("squared_l2")
    for number, picture in enumerate(sorted((source / "products").iterdir())):
        place = tmp_path / ("Sports/Shoes" if number % 2 else "Sheds") / f"{number}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(picture.read_bytes())
    catalogue = Catalogue(MemoryStore())
    catalogue.sync(tmp_path, model)
    sheds, shoes = Recommender.open(catalogue, model).complete(photo).categories
    assert (sheds.category, sheds.resolved.category, sheds.resolved.how) == ("Sheds", None, "unknown")
    assert np.allclose(sheds.attention.weights, 1 / 49)
    assert (shoes.category, shoes.resolved.category) == ("Sports|Shoes", SHOES)
    assert shoes.resolved.how == "last_level"
    assert len(sheds.products) == len(shoes.products) == 10


def test_a_catalogue_of_another_model_is_rejected(recommender: Recommender) -> None:
    with pytest.raises(CatalogueError, match=r"'toy-0'.*'toy-9'"):
        Recommender.open(recommender.catalogue, ToyModel(seed=9))


def test_a_catalogue_of_another_backbone_is_rejected(
    recommender: Recommender, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perfectlook.recommender.recommender.open_backbone", _other_backbone)
    opened = Recommender(recommender.catalogue, recommender.model)
    with pytest.raises(CatalogueError, match=r"tiny-fp32-.* this installation has tiny-other"):
        opened.complete(photo)


def test_a_model_of_another_backbone_is_rejected(source: Path, photo: Path) -> None:
    model = ToyModel()
    with Catalogue(MemoryStore()) as catalogue:
        catalogue.sync(source, model)
        model.backbone_identity = "tiny-fp32-000000000000"
        with pytest.raises(ModelError, match="tiny-fp32-000000000000"):
            Recommender.open(catalogue, model).complete(photo)


def _other_backbone(name: str, threads: int) -> object:
    backbone = open_backbone(name, threads=threads)
    backbone.identity = "tiny-other"  # type: ignore[misc]
    return backbone


def test_concurrent_threads_get_correct_answers(recommender: Recommender, source: Path) -> None:
    photos = sorted((source / "scenes").iterdir())
    alone = {photo: ids(recommender.complete(photo)) for photo in photos}
    together: dict[Path, dict[str, list[str]]] = {}
    threads = [
        threading.Thread(
            target=lambda photo=photo: together.update({photo: ids(recommender.complete(photo))})
        )
        for photo in photos
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == alone


def suggester(model: ToyModel, *, bags: float, shoes: float) -> CategorySuggester:
    """A suggester with the same log-odds for every scene."""
    logits = np.asarray([shoes, bags], np.float32)
    width = len(model.overall_centre)
    blank, scale = np.zeros(width, np.float32), np.ones(width, np.float32)
    return CategorySuggester(
        model.categories, "both", blank, scale, np.zeros((2, width), np.float32), logits, logits
    )


def test_categories_are_in_the_order_that_the_model_suggests(source: Path, photo: Path) -> None:
    model = ToyModel("squared_l2")
    with Catalogue(MemoryStore()) as catalogue:
        catalogue.sync(source, model)
        for bags, shoes, order in ((1.0, 0.0, [BAGS, SHOES]), (-1.0, 0.0, [SHOES, BAGS])):
            model.suggester = suggester(model, bags=bags, shoes=shoes)
            recommender = Recommender(catalogue, model)
            answer = json.loads(json.dumps(recommender.complete(photo, k=1).to_dict()))
            assert [section["category"] for section in answer["categories"]] == order
            found = {section["category"]: section["suggested"] for section in answer["categories"]}
            assert found == {SHOES: 0.5, BAGS: pytest.approx(1 / (1 + np.exp(-bags)), abs=1e-6)}
            asked = recommender.complete(photo, [BAGS, "Shoes"], k=1)
            assert list(ids(asked)) == [BAGS, SHOES]  # in the order of the request
            assert [section.suggested is None for section in asked.categories] == [False, False]


def test_a_missing_catalogue_is_made_and_filled(source: Path, photo: Path, tmp_path: Path) -> None:
    model = MODELS["l2"]
    with pytest.raises(CatalogueError):
        Recommender.open(tmp_path / "catalogue", model)
    with Recommender.open(tmp_path / "catalogue", model, create=True) as shop:
        assert repr(shop) == f"<Recommender of catalogue '{tmp_path / 'catalogue'}' by model 'toy-0'>"
        with pytest.raises(CatalogueError, match="no finished sync"):
            shop.complete(photo)
        assert shop.sync(source).added == 30
        expected = ids(shop.complete(photo))
    with Recommender.open(tmp_path / "catalogue", model, create=True) as again:
        assert ids(again.complete(photo)) == expected
    with pytest.raises(CatalogueError, match=r"'toy-0'.*'toy-9'"):
        Recommender.open(tmp_path / "catalogue", ToyModel(seed=9), create=True)


def test_every_answer_can_be_saved_as_a_picture(
    recommender: Recommender, photo: Path, tmp_path: Path
) -> None:
    embedded = recommender.embed(photo)
    shoe = recommender.complete(embedded, ["Shoes"], k=1).categories[0].products[0].id
    for number, answer in enumerate(
        (
            recommender.complete(photo, k=2),
            recommender.complete(embedded, k=2),
            recommender.complete(photo.read_bytes(), k=2),
            recommender.look(photo),
            recommender.similar(shoe),
            recommender.similar(photo),
            recommender.explain(photo, SHOES),
        )
    ):
        answer.save(tmp_path / f"{number}.png")
        with Image.open(tmp_path / f"{number}.png") as sheet:
            assert sheet.width > 800
    with photo.open("rb") as stream, pytest.raises(UsageError, match="no photo to draw"):
        recommender.complete(stream).save(tmp_path / "stream.png")
