"""The STL release from a mirror drawn by the test."""

import json
from pathlib import Path

import pytest

from mirrors import DRESSES, SHOES, signature, stl_mirror
from perfectlook.data import load_set
from perfectlook.data.fetch import PUBLIC_SETS, get
from perfectlook.data.fetch.stl import STL_FASHION, STL_HOME, picture_path
from perfectlook.errors import DatasetError, FetchError
from perfectlook.types import Box


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    (tmp_path / "mirror").mkdir()
    return stl_mirror(tmp_path / "mirror")


def test_picture_paths_follow_the_readme_of_the_release():
    name = "0027e30879ce3d87f82f699f148bff7e"
    assert picture_path(name) == "400x/00/27/e3/0027e30879ce3d87f82f699f148bff7e.jpg"


def test_the_set_is_the_release_in_the_set_layout(mirror: Path, tmp_path: Path):
    got = get(STL_FASHION, tmp_path / "set", mirror=str(mirror))
    assert (got.scenes, got.products, got.pairs) == (4, 8, 8)
    assert dict(got.counts) == {"fetched": 12}
    assert got.problems == []
    dataset = load_set(tmp_path / "set", strict=True)
    assert dataset.licence == "research, non-commercial"
    assert dataset.is_fashion
    assert [pair.scene for pair in dataset.pairs] == [signature("scene", each // 2) for each in range(8)]
    assert dataset.pairs[0].box == Box(0.25, 0.5, 0.75, 1.0)
    assert dataset.products[signature("product", 3)].category == DRESSES
    assert dataset.products[signature("product", 2)].category == SHOES
    picture = mirror / picture_path(signature("product", 3))
    assert dataset.products[signature("product", 3)].picture.read_bytes() == picture.read_bytes()


def test_home_is_the_other_part(tmp_path: Path):
    (tmp_path / "mirror").mkdir()
    stl_mirror(tmp_path / "mirror", part="home", scenes=1)
    assert get(STL_HOME, tmp_path / "set", mirror=str(tmp_path / "mirror")).pairs == 2


def test_a_limit_takes_the_first_scenes_and_a_later_run_the_others(mirror: Path, tmp_path: Path):
    got = get(STL_FASHION, tmp_path / "set", mirror=str(mirror), limit=2)
    assert (got.scenes, got.products, got.pairs) == (2, 4, 4)
    assert dict(got.counts) == {"fetched": 6}
    assert list(load_set(tmp_path / "set").scenes) == [signature("scene", 0), signature("scene", 1)]
    whole = get(STL_FASHION, tmp_path / "set", mirror=str(mirror))
    assert dict(whole.counts) == {"fetched": 6, "there": 6}
    assert whole.pairs == 8


def test_a_pair_needs_both_pictures(mirror: Path, tmp_path: Path):
    (mirror / picture_path(signature("scene", 0))).unlink()
    (mirror / picture_path(signature("product", 2))).unlink()
    got = get(STL_FASHION, tmp_path / "set", mirror=str(mirror))
    assert (got.scenes, got.pairs, got.counts["dead"]) == (3, 5, 2)
    assert {problem.item for problem in got.problems} == {signature("scene", 0), signature("product", 2)}
    assert not load_set(tmp_path / "set").problems
    assert not (tmp_path / "set" / "dead.jsonl").exists()  # checking a folder again is cheap


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", "expected a product, a scene and a bbox"),
        (b'{"product": "../../x", "scene": "a", "bbox": null}', "expected a product, a scene and a bbox"),
        (b'["product"]', "expected a product, a scene and a bbox"),
        (b'{"product": 1, "scene": 2, "bbox": null}', "expected a product, a scene and a bbox"),
        (json.dumps({"product": "f" * 32, "scene": "e" * 32, "bbox": None}).encode(), "no category"),
    ],
)
def test_malformed_rows_are_left_out_and_reported(mirror: Path, tmp_path: Path, line: bytes, reason: str):
    rows = mirror / "fashion.json"
    rows.write_bytes(line + b"\n" + rows.read_bytes())
    got = get(STL_FASHION, tmp_path / "set", mirror=str(mirror))
    assert got.pairs == 8
    (problem,) = got.problems
    assert problem.where == f"{tmp_path / 'set' / 'source' / 'fashion.json'}, line 1"
    assert reason in problem.reason


def test_without_its_annotations_there_is_no_set(mirror: Path, tmp_path: Path):
    (mirror / "fashion-cat.json").unlink()
    with pytest.raises(FetchError, match=r"cannot fetch the annotations .*fashion-cat\.json: no such file"):
        get(STL_FASHION, tmp_path / "set", mirror=str(mirror))


def test_without_any_pair_there_is_no_set(mirror: Path, tmp_path: Path):
    for picture in (mirror / "400x").rglob("*.jpg"):
        picture.unlink()
    with pytest.raises(DatasetError, match=r"no pair of stl-fashion has both pictures \(12 problems"):
        get(STL_FASHION, tmp_path / "set", mirror=str(mirror))
    assert not (tmp_path / "set" / "pairs.jsonl").exists()


def test_the_real_addresses():
    from perfectlook.data.fetch.download import FetchPolicy, WebPlace

    place = WebPlace(PUBLIC_SETS["stl-home"].roots, FetchPolicy())
    try:
        assert place.address("home.json") == (
            "https://raw.githubusercontent.com/kang205/STL-Dataset/HEAD/home.json"
        )
        assert place.address("400x/aa/bb/cc/x.jpg") == "https://i.pinimg.com/400x/aa/bb/cc/x.jpg"
    finally:
        place.close()


@pytest.mark.photos
def test_the_real_rows_are_read(photos: Path, tmp_path: Path):
    """Use the surviving part of the release as a mirror, and compare with the existing set."""
    real = photos / "stl-fashion"
    mirror = tmp_path / "mirror"
    dataset = load_set(real)
    wanted = list(dataset.scenes)[:20]
    (mirror / "400x").mkdir(parents=True)
    rows = [
        row for row in (real / "pairs.jsonl").read_text().splitlines() if json.loads(row)["scene"] in wanted
    ]
    (mirror / "fashion.json").write_text("\n".join(rows))
    (mirror / "fashion-cat.json").write_bytes((real / "fashion-cat.json").read_bytes())
    for pair in dataset.pairs:
        if pair.scene in wanted:
            for source in (dataset.scenes[pair.scene].picture, dataset.products[pair.product].picture):
                target = mirror / picture_path(source.stem)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(source.read_bytes())
    get(STL_FASHION, tmp_path / "set", mirror=str(mirror))
    made = load_set(tmp_path / "set")
    assert made.pairs == [pair for pair in dataset.pairs if pair.scene in wanted]
    assert all(made.products[each].category == dataset.products[each].category for each in made.products)
