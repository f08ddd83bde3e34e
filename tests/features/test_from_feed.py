"""A set is made from the packshots and lifestyle photos of a feed."""

import csv
import json
import re
import shutil
from pathlib import Path

import pytest
from PIL import Image

import perfectlook
from perfectlook.data import load_set
from perfectlook.errors import DatasetError, UsageError
from perfectlook.features.from_feed import CORRECTIONS, NO_PACKSHOT, PAGE, MadeFromFeed, make_from_feed

HEADER = ["id", "title", "product_type", "image_link", "additional_image_link", "lifestyle_image_link"]


class Shop:
    """Three packshots, two rooms, and a copy of the first room that was saved again."""

    def __init__(self, folder: Path) -> None:
        rooms = load_set("showroom")
        self.folder, self.set = folder / "shop", folder / "set"
        self.folder.mkdir()
        for name, product in zip("abc", rooms.products.values(), strict=False):
            shutil.copy(product.picture, self.folder / f"{name}.jpg")
        for name, scene in zip("rs", rooms.scenes.values(), strict=False):
            shutil.copy(scene.picture, self.folder / f"{name}.jpg")
        Image.open(self.folder / "r.jpg").save(self.folder / "copy.jpg", quality=60)

    def make(self, *rows: tuple[str, ...], **options: object) -> MadeFromFeed:
        with (self.folder / "feed.csv").open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows([HEADER, *rows])
        feed = self.folder / "feed.csv"
        return make_from_feed(feed, self.set, workers=1, **options)  # type: ignore[arg-type]

    def pairs(self) -> set[tuple[str, str]]:
        """Return product and place of the scene, 1 for the first one in the file of pairs."""
        made = load_set(self.set)
        places = {scene: place for place, scene in enumerate(made.scenes, 1)}
        return {(pair.product, str(places[pair.scene])) for pair in made.pairs}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The features of the pictures, which are the same in every test."""
    return tmp_path_factory.mktemp("features")


@pytest.fixture
def shop(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.setenv("PERFECTLOOK_CACHE", str(cache))
    return Shop(tmp_path)


def test_lifestyle_photos_are_scenes_of_all_products_that_cite_them(shop: Shop) -> None:
    made = shop.make(
        ("a", "Red chair", "Chairs", "r.jpg", "a.jpg, s.jpg", ""),  # the packshot may come later
        ("x/b", "Blue chair", "Chairs", "b.jpg", "copy.jpg", ""),
        ("c", "Rug", "Rugs", "c.jpg", "", ""),
        ("d", "Lamp", "Lamps", "s.jpg", "", ""),
        licence="our own",
    )
    assert (made.scenes, made.products, made.pairs) == (2, 3, 3)
    assert made.pictures == {"lifestyle": 3, "packshot": 3}
    assert [(each.item, each.kind) for each in made.problems] == [("d", NO_PACKSHOT)]
    found = load_set(shop.set)
    assert found.licence == "our own"
    (hashed,) = found.products.keys() - {"a", "c"}
    assert shop.pairs() == {("a", "1"), ("a", "2"), (hashed, "1")}  # a copy is the same scene
    assert found.products[hashed].fields["feed_id"] == "x/b"
    assert found.products["a"].title == "Red chair"
    assert found.products["a"].picture.read_bytes() == (shop.folder / "a.jpg").read_bytes()


def test_a_person_corrects_and_the_next_run_follows(shop: Shop) -> None:
    rows = (("a", "Chair", "Chairs", "a.jpg", "r.jpg, s.jpg", ""), ("c", "Rug", "Rugs", "c.jpg", "", "b.jpg"))
    assert shop.make(*rows).pairs == 3  # lifestyle_image_link is believed
    page = (shop.set / PAGE).read_text(encoding="utf-8")
    shown = re.findall(r'data-picture="(\w+)" data-kind="lifestyle" data-chosen=""', page)
    assert len(shown) == 3
    first = json.loads((shop.set / "pairs.jsonl").read_text().splitlines()[0])["scene"]
    (picture,) = (each for each in shown if each.startswith(first))
    (shop.set / CORRECTIONS).write_text(f"picture,kind\n{picture},neither\n", encoding="utf-8")
    made = shop.make(*rows)
    assert (made.pairs, made.corrected, made.pictures["neither"]) == (2, 1, 1)
    assert not list((shop.set / "scenes").glob(f"{first}*"))
    assert f'data-picture="{picture}" data-kind="neither" data-chosen="neither"' in (
        (shop.set / PAGE).read_text(encoding="utf-8")
    )
    (shop.set / CORRECTIONS).write_text(f"picture,kind\n{picture},scene\n", encoding="utf-8")
    with pytest.raises(
        UsageError, match=r"corrections\.csv: unknown kind 'scene' of picture .*Write lifestyle"
    ):
        shop.make(*rows)


def test_corrected_pictures_make_room_and_their_corrections_stay(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perfectlook.features.from_feed.MOST_SHOWN", 2)
    rows = (("a", "Chair", "Chairs", "a.jpg", "r.jpg, s.jpg", ""), ("c", "Rug", "Rugs", "c.jpg", "", "b.jpg"))

    def shown() -> list[str]:
        return re.findall(r'data-picture="(\w+)"', (shop.set / PAGE).read_text(encoding="utf-8"))

    shop.make(*rows)
    first = shown()
    assert len(first) == 2
    corrections = [f"{first[0]},lifestyle", f"{first[1]},neither", "gone<script>,packshot"]
    (shop.set / CORRECTIONS).write_text("\n".join(["picture,kind", *corrections]), encoding="utf-8")
    shop.make(*rows)
    assert len(set(shown()) - set(first)) == 1
    page = (shop.set / PAGE).read_text(encoding="utf-8")
    counts = json.loads(re.search(r"const counts = (.*);", page)[1])  # type: ignore[index]
    kept = [each for each in corrections if each.split(",")[0] not in shown()]
    assert (counts["shown"], counts["of"]) == (2, 3)
    assert [",".join(each) for each in counts["kept"]] == kept
    assert len(kept) == 2
    assert "gone<" not in page


@pytest.mark.long
def test_a_set_from_a_feed_trains_unchanged(shop: Shop) -> None:
    rooms = load_set("showroom")
    cited: dict[str, list[str]] = {}
    for pair in rooms.pairs[:60]:
        cited.setdefault(pair.product, []).append(str(rooms.scenes[pair.scene].picture))
    rows = [
        (
            id_,
            "A product",
            rooms.products[id_].category,
            str(rooms.products[id_].picture),
            ", ".join(photos),
            "",
        )
        for id_, photos in cited.items()
    ]
    made = shop.make(*rows, allow_outside=True)
    assert made.products >= 0.9 * len(rows)
    assert made.pairs >= 0.9 * 60
    model = perfectlook.train(shop.set, baseline="ridge", out=shop.folder / "model")
    found = perfectlook.evaluate(model, shop.set, split="all")
    assert len(found.results) > 0.8 * made.pairs
    assert found.overall.binary_accuracy.value > 0.5  # better than chance on the pairs that it learned


def test_a_feed_without_lifestyle_photos_makes_no_set(shop: Shop) -> None:
    with pytest.raises(
        DatasetError, match=r"no lifestyle photo belongs to a product \(0 lifestyle photos, 1 pack"
    ):
        shop.make(("a", "Chair", "Chairs", "a.jpg", "", ""))
    assert not shop.set.exists()
