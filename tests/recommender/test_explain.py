"""An explanation gives the parts of each product's distance."""

import json
from pathlib import Path

import numpy as np
import pytest

from drawn import drawn_set
from memory_store import MemoryStore
from perfectlook.catalogue import Catalogue
from perfectlook.errors import UsageError
from perfectlook.recommender import Recommender
from toy_model import BAGS, SHOES, ToyModel

MODELS = {norm: ToyModel(norm) for norm in ("l2", "squared_l2")}  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawn_set(tmp_path_factory.mktemp("drawn") / "set", scenes=4, products_per_category=15)


@pytest.fixture
def photo(source: Path) -> Path:
    return sorted((source / "scenes").iterdir())[0]


@pytest.fixture(scope="module", params=MODELS)
def recommender(request: pytest.FixtureRequest, source: Path) -> Recommender:
    catalogue = Catalogue(MemoryStore())
    catalogue.sync(source, MODELS[request.param])
    return Recommender.open(catalogue, MODELS[request.param])


def test_it_explains_the_ranking_by_distance(recommender: Recommender, photo: Path) -> None:
    section = recommender.complete(photo, [SHOES], k=4, variety=False).categories[0]
    found = recommender.explain(photo, "Shoes", 4)
    assert found.category == SHOES
    for answered, each in zip(section.products, found.products, strict=True):
        assert (each.id, each.rank) == (answered.id, answered.rank)
        assert each.distance == pytest.approx(answered.distance)
        assert each.distance_global == pytest.approx(answered.distance_global)
        assert each.distance_global + sum(each.regions) == pytest.approx(answered.distance)
    assert found.attention == pytest.approx(section.attention.weights)


def test_the_average_product_is_the_mean_over_the_whole_category(
    recommender: Recommender, photo: Path
) -> None:
    section = recommender.complete(photo, [BAGS], k=99, variety=False).categories[0]
    distances = [product.distance for product in section.products]
    found = recommender.explain(photo, BAGS, 99)
    assert found.n_products == len(distances) == len(found.products)
    assert found.mean_distance == pytest.approx(np.mean(distances))
    differences = [each.relative.distance for each in found.products]
    assert differences == pytest.approx([each - np.mean(distances) for each in distances], abs=1e-5)
    assert np.sum([each.relative.regions for each in found.products], axis=0) == pytest.approx(
        np.zeros(49), abs=1e-6
    )


def test_named_products_are_explained_with_their_ranks(recommender: Recommender, photo: Path) -> None:
    ranking = recommender.explain(photo, SHOES, 15).products
    wanted = [ranking[11].id, ranking[2].id]
    found = recommender.explain(photo, SHOES, products=wanted).products
    assert [each.id for each in found] == wanted
    assert [each.rank for each in found] == [12, 3]


def test_the_parts_in_the_json_sum_to_the_distance(recommender: Recommender, photo: Path) -> None:
    found = json.loads(json.dumps(recommender.explain(photo, SHOES, 2).to_dict(None)))
    assert found["n_products"] == 15
    for each in found["products"]:
        assert each["distance"] == pytest.approx(each["distance_global"] + sum(each["regions"]))
        assert len(each["regions"]) == len(each["relative"]["regions"]) == 49
        relative = each["relative"]
        assert relative["distance"] == pytest.approx(each["distance"] - found["mean_distance"])
        assert relative["distance_local"] == pytest.approx(sum(relative["regions"]), abs=1e-9)
        assert relative["distance"] == pytest.approx(
            relative["distance_global"] + relative["distance_local"], abs=1e-9
        )


def test_invalid_requests_are_rejected(recommender: Recommender, photo: Path) -> None:
    with pytest.raises(UsageError, match="matches 2 categories"):
        recommender.explain(photo, "Apparel & Accessories")
    with pytest.raises(UsageError, match=r"'Shows'\. Did you mean"):
        recommender.explain(photo, "Shows")
    bag = recommender.explain(photo, BAGS, 1).products[0].id
    with pytest.raises(UsageError, match=f"product '{bag}': not in the category {SHOES.replace('|', '.')}"):
        recommender.explain(photo, SHOES, products=[bag])
    with pytest.raises(UsageError, match="k 0: must be a whole number of at least 1"):
        recommender.explain(photo, SHOES, 0)


def test_a_whole_path_names_its_category_and_not_those_below_it(
    source: Path, photo: Path, tmp_path: Path
) -> None:
    below = f"{SHOES}|Boots"
    for category in (SHOES, below):
        folder = tmp_path.joinpath(*category.split("|"))
        folder.mkdir(parents=True, exist_ok=True)
        for number, picture in enumerate(sorted((source / "products").iterdir())[:3]):
            (folder / f"{number}{picture.suffix}").write_bytes(picture.read_bytes())
    with Catalogue(MemoryStore()) as catalogue:
        catalogue.sync(tmp_path, MODELS["squared_l2"])
        recommender = Recommender.open(catalogue, MODELS["squared_l2"])
        assert recommender.explain(photo, SHOES).category == SHOES
        assert recommender.explain(photo, "Boots").category == below
        with pytest.raises(UsageError, match="matches 2 categories"):
            recommender.explain(photo, "Shoes")
