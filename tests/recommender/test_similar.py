"""Similar products are those with the nearest vectors, for a product and for a photo."""

import json
from pathlib import Path

import numpy as np
import pytest

from drawn import drawn_set
from memory_store import MemoryStore
from perfectlook.backbones import FeatureBatch, open_backbone
from perfectlook.catalogue import Catalogue
from perfectlook.catalogue.manifest import Generation, ModelIdentity
from perfectlook.errors import PictureError, UsageError
from perfectlook.recommender import Recommender, Rules
from perfectlook.recommender.scope import nearest_categories
from perfectlook.stores import Point
from priced import PricedSet
from toy_model import BAGS, SHOES, ToyModel


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawn_set(tmp_path_factory.mktemp("drawn") / "set", scenes=3, products_per_category=15)


@pytest.fixture(scope="module", params=["l2", "squared_l2"])
def recommender(request: pytest.FixtureRequest, source: Path) -> Recommender:
    model, catalogue = ToyModel(request.param), Catalogue(MemoryStore())
    catalogue.sync(PricedSet(source), model)
    return Recommender.open(catalogue, model)


def members(recommender: Recommender, category: str) -> list[Point]:
    points = [point for batch in recommender.catalogue.store.scroll() for point in batch]
    return sorted((point for point in points if point.category == category), key=lambda point: point.id)


def nearest(vector: np.ndarray, points: list[Point]) -> list[tuple[float, str]]:
    return sorted((float(np.linalg.norm(vector - point.vector)), point.id) for point in points)


def test_a_product_gets_its_nearest_neighbours(recommender: Recommender) -> None:
    shoes = members(recommender, SHOES)
    asked, others = shoes[3], [*shoes[:3], *shoes[4:]]
    found = recommender.similar(asked.id, k=99, variety=False, include_unavailable=True)
    (section,) = found.categories
    expected = nearest(asked.vector, others)
    assert [product.id for product in section.products] == [id_ for _, id_ in expected]
    assert [product.distance for product in section.products] == pytest.approx(
        [distance for distance, _ in expected], abs=1e-5
    )
    assert found.product is not None
    assert (found.product.id, found.asked, section.category, section.proven_exact) == (
        *(asked.id, asked.id),
        *(SHOES, True),
    )


def test_other_categories_and_filters_can_be_given(recommender: Recommender) -> None:
    asked = members(recommender, SHOES)[0]
    (section,) = recommender.similar(asked.id, [BAGS], 4, "brand = Muji").categories
    muji = [
        point
        for point in members(recommender, BAGS)
        if point.payload["fields"]["brand"] == "Muji"  # type: ignore[index]
        and point.payload["fields"]["availability"] == "in_stock"  # type: ignore[index]
    ]
    assert [product.id for product in section.products] == [id_ for _, id_ in nearest(asked.vector, muji)][:4]
    excluding = Rules.of({"rule": [{"action": "exclude", "where": "brand = Muji"}]})
    (section,) = recommender.similar(asked.id, [BAGS], 40, rules=excluding).categories
    assert {product.brand for product in section.products} == {"Acme", "Odd & Sons"}


def test_a_products_own_picture_finds_the_product(recommender: Recommender) -> None:
    for category in (SHOES, BAGS):
        asked = members(recommender, category)[0]
        photo = Path(str(asked.payload["picture"]))
        (section,) = recommender.similar(photo, [category], 3).categories
        assert section.products[0].id == asked.id
        assert section.products[0].distance == pytest.approx(0, abs=1e-3)
        expected = nearest(asked.vector, members(recommender, category))
        distances = [product.distance for product in section.products]
        assert distances == sorted(distances)
        assert distances[1] >= expected[1][0] - 1e-3


def test_a_photo_without_categories_gets_the_most_similar_categories(recommender: Recommender) -> None:
    photo = str(members(recommender, SHOES)[0].payload["picture"])
    found = recommender.similar(photo, k=1)
    features = recommender.embed(photo).features
    counts = recommender.catalogue.categories()
    expected = nearest_categories(features, recommender.model, recommender.catalogue.generation(), counts)
    assert found.product is None
    assert [section.category for section in found.categories] == expected
    assert sorted(expected) == sorted([SHOES, BAGS])


def test_the_nearest_category_does_not_depend_on_the_scale_of_features() -> None:
    model = ToyModel()
    width = len(model.overall_centre)
    near, wide = np.zeros(width, np.float32), np.zeros(width, np.float32)
    near[0], wide[1] = 1, 1000  # the features that identify shoes and bags
    rug = near + wide
    centres = {SHOES: near, BAGS: wide, "Rugs": rug, "Sheds": np.zeros(width, np.float32)}
    generation = Generation("c", ModelIdentity("m", "i", "b"), centres, model.overall_centre)

    def chosen(features: np.ndarray) -> list[str]:
        head = open_backbone("tiny").description.global_dimension
        batch = FeatureBatch(features[None, :head], features[None, head:], np.zeros((1, 49, 1), np.float32))
        return nearest_categories(batch, model, generation, dict.fromkeys(centres, 1))

    assert chosen(near + 0.3 * wide)[0] == SHOES
    assert chosen(0.3 * near + wide)[0] == BAGS
    assert chosen(rug * 0.9)[0] == "Rugs"
    assert chosen(rug * 0.1) == ["Sheds", SHOES, BAGS]  # 3 of 4 categories


def test_copies_of_the_product_are_skipped(source: Path, tmp_path: Path) -> None:
    folder = tmp_path / "Shoes"
    folder.mkdir()
    pictures = sorted((source / "products").iterdir())[:4]
    for name, picture in zip("abcd", pictures, strict=True):
        (folder / f"{name}.jpg").write_bytes(picture.read_bytes())
    (folder / "copy of a.jpg").write_bytes(pictures[0].read_bytes())
    model, catalogue = ToyModel(), Catalogue(MemoryStore())
    catalogue.sync(tmp_path, model)
    recommender = Recommender.open(catalogue, model)
    a = next(each for each in members(recommender, "Shoes") if each.payload["title"] == "a")
    titles = [product.title for product in recommender.similar(a.id).categories[0].products]
    assert sorted(title or "" for title in titles) == ["b", "c", "d"]
    all_of_them = recommender.similar(a.id, variety=False).categories[0].products
    assert all_of_them[0].title == "copy of a"
    assert len(all_of_them) == 4


def test_the_json_has_the_documented_shape(recommender: Recommender) -> None:
    asked = members(recommender, SHOES)[0]
    found = json.loads(json.dumps(recommender.similar(asked.id, k=2).to_dict()))
    assert found.keys() == {"product", "model", "categories"}
    assert found["product"]["id"] == asked.id
    (section,) = found["categories"]
    assert section.keys() == {"category", "proven_exact", "products"}
    assert [each["rank"] for each in section["products"]] == [1, 2]
    assert not any("distance_global" in each for each in section["products"])
    photo = str(asked.payload["picture"])
    assert json.loads(json.dumps(recommender.similar(photo, k=1).to_dict()))["photo"] == photo


def test_invalid_requests_are_rejected(recommender: Recommender, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'absent': neither a product of memory:// nor a file"):
        recommender.similar("absent")
    with pytest.raises(PictureError, match="absent"):
        recommender.similar(tmp_path / "absent.jpg")
    with pytest.raises(UsageError, match="k 0: must be a whole number of at least 1"):
        recommender.similar("absent", k=0)
    with pytest.raises(UsageError, match="column 3"):
        recommender.similar("absent", where="a ?")
