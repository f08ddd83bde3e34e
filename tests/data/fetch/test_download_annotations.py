"""Annotation files that are truncated, differ from the list, or cannot be verified."""

import json
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from mirrors import ccp_mirror, ikea_mirror, publish, stl_mirror
from perfectlook.data.fetch import PUBLIC_SETS, get
from perfectlook.data.fetch.download import Annotations, FetchPolicy, FolderPlace
from perfectlook.data.fetch.stl import STL_FASHION
from perfectlook.errors import DatasetError, FetchError, PerfectLookError
from perfectlook.types import Problem
from web import Web, fail, first, serve

POLICY = FetchPolicy(tries=1, first_pause=0.01, seconds=5)

MIRRORS: dict[str, Callable[[Path], Path]] = {
    "stl-fashion": stl_mirror,
    "stl-home": lambda folder: stl_mirror(folder, part="home"),
    "ikea-rooms": ikea_mirror,
    "ccp-looks": ccp_mirror,
}
READ = {
    "stl-fashion": ("fashion.json", "fashion-cat.json"),
    "stl-home": ("home.json", "home-cat.json"),
    "ikea-rooms": ("text_data/products_dict.p", "text_data/item_to_room.p"),
    "ccp-looks": ("label_list.mat",),
}
EVERY_FILE = [(name, path) for name, paths in READ.items() for path in paths]
OF_STL = [(name, path) for name, path in EVERY_FILE if name.startswith("stl-")]
LISTINGS = [(name, "tree.json") for name in PUBLIC_SETS]


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    (tmp_path / "mirror").mkdir()
    return tmp_path / "mirror"


def half(content: bytes) -> bytes:
    """Return the first half. In a drawn STL mirror all rows have the same length, so no row is damaged."""
    return content[: len(content) // 2]


def less_than_half(content: bytes) -> bytes:
    """Return less than half, with a truncated last line."""
    return content[: len(content) // 2 - 7]


def assert_heals(name: str, folder: Path, mirror: str, path: str, whole: bytes) -> None:
    """Check that the next run makes the set after a truncated file."""
    got = get(PUBLIC_SETS[name], folder, mirror=mirror, policy=POLICY)
    assert got.problems == [] or name == "ikea-rooms"
    assert got.pairs == (8 if name.startswith("stl-") else 3)
    assert (folder / "source" / path).read_bytes() == whole
    noted = json.loads((folder / "set.json").read_text())["files"][path]
    assert noted["sha256"] == sha256(whole).hexdigest()


def test_every_public_set_is_tested():
    assert MIRRORS.keys() == READ.keys() == PUBLIC_SETS.keys()


@pytest.mark.parametrize(("name", "path"), EVERY_FILE)
def test_a_truncated_file_does_not_match_the_list(
    server: Web, mirror: Path, tmp_path: Path, name: str, path: str
):
    url = publish(server, MIRRORS[name](mirror))
    whole = (mirror / path).read_bytes()
    server.answers[f"/m/{path}"] = serve(half(whole))
    sizes = f"{len(half(whole)):,} bytes of {len(whole):,}"
    with pytest.raises(FetchError, match="cannot fetch the annotations") as raised:
        get(PUBLIC_SETS[name], tmp_path / "set", mirror=url, policy=POLICY)
    message = str(raised.value)
    assert f"{url}/{path}: does not match the list {url}/tree.json ({sizes})" in message
    assert "Run the same command again later" in message
    assert not (tmp_path / "set" / "source" / path).exists()
    server.answers[f"/m/{path}"] = serve(whole)
    assert_heals(name, tmp_path / "set", url, path, whole)


@pytest.mark.parametrize(("name", "path"), LISTINGS)
def test_a_truncated_list_of_files_is_refused(
    server: Web, mirror: Path, tmp_path: Path, name: str, path: str
):
    url = publish(server, MIRRORS[name](mirror))
    whole = server.answers[f"/m/{path}"]
    server.answers[f"/m/{path}"] = serve(b'{"tree": [{"path": "a", "si')
    with pytest.raises(DatasetError, match=r"tree\.json: not a list of files .*Run the same command again"):
        get(PUBLIC_SETS[name], tmp_path / "set", mirror=url, policy=POLICY)
    assert not (tmp_path / "set" / "source" / path).exists()
    server.answers[f"/m/{path}"] = whole
    file = mirror / READ[name][0]
    assert_heals(name, tmp_path / "set", url, READ[name][0], file.read_bytes())


@pytest.mark.parametrize(("name", "path"), OF_STL)
def test_without_a_list_an_unreadable_file_is_fetched_again(
    server: Web, mirror: Path, tmp_path: Path, name: str, path: str
):
    url = publish(server, MIRRORS[name](mirror), listing=False)
    whole = (mirror / path).read_bytes()
    server.answers[f"/m/{path}"] = serve(less_than_half(whole))
    with pytest.raises(DatasetError) as raised:
        get(PUBLIC_SETS[name], tmp_path / "set", mirror=url, policy=POLICY)
    assert str(tmp_path / "set" / "source" / path) in str(raised.value)
    assert f"Run the same command again to fetch it from {url}/{path}" in str(raised.value)
    server.answers[f"/m/{path}"] = serve(whole)
    assert_heals(name, tmp_path / "set", url, path, whole)


@pytest.mark.parametrize(("name", "path"), EVERY_FILE)
@pytest.mark.parametrize("has_list", [False, True])
def test_a_folder_with_a_truncated_file_can_be_repaired(
    mirror: Path, tmp_path: Path, name: str, path: str, has_list: bool
):
    MIRRORS[name](mirror)
    if has_list:
        entries = json.loads(FolderPlace(mirror).read("tree.json"))
        (mirror / "tree.json").write_text(json.dumps(entries))
    whole = (mirror / path).read_bytes()
    (mirror / path).write_bytes(less_than_half(whole))
    with pytest.raises(PerfectLookError) as raised:
        get(PUBLIC_SETS[name], tmp_path / "set", mirror=str(mirror))
    assert str(mirror / path) in str(raised.value)
    assert "Run the same command again" in str(raised.value)
    (mirror / path).write_bytes(whole)
    assert_heals(name, tmp_path / "set", str(mirror), path, whole)


def test_a_folder_is_listed_in_every_run(mirror: Path, tmp_path: Path):
    picture = ikea_mirror(mirror) / "images/bed/001.626.34.jpg"
    whole = picture.read_bytes()
    picture.write_bytes(half(whole)[:60])
    assert get(PUBLIC_SETS["ikea-rooms"], tmp_path / "set", mirror=str(mirror)).counts["failed"] == 1
    picture.write_bytes(whole)
    got = get(PUBLIC_SETS["ikea-rooms"], tmp_path / "set", mirror=str(mirror))
    assert (got.pairs, got.counts["failed"], got.renewed) == (3, 0, [])


def test_a_truncated_file_is_requested_again_in_the_same_run(server: Web, mirror: Path, tmp_path: Path):
    url = publish(server, stl_mirror(mirror))
    whole = (mirror / "fashion.json").read_bytes()
    server.answers["/m/fashion.json"] = first(serve(half(whole)), serve(whole))
    got = get(STL_FASHION, tmp_path / "set", mirror=url, policy=POLICY)
    assert (got.pairs, got.problems, got.renewed, got.unchecked) == (8, [], [], {})


def test_a_truncated_file_recorded_as_complete_is_detected(server: Web, mirror: Path, tmp_path: Path):
    url = publish(server, stl_mirror(mirror), listing=False)
    whole = (mirror / "fashion.json").read_bytes()
    server.answers["/m/fashion.json"] = serve(half(whole))
    assert get(STL_FASHION, tmp_path / "set", mirror=url, policy=POLICY).pairs == 4
    publish(server, mirror)
    got = get(STL_FASHION, tmp_path / "set", mirror=url, policy=POLICY)
    assert (got.pairs, got.renewed) == (8, ["fashion.json"])


def test_a_changed_repository_is_listed_again(server: Web, mirror: Path, tmp_path: Path):
    url = publish(server, stl_mirror(mirror))
    get(STL_FASHION, tmp_path / "set", mirror=url, policy=POLICY)
    (tmp_path / "set" / "source" / "fashion.json").unlink()
    publish(server, stl_mirror(mirror, scenes=5))
    got = get(STL_FASHION, tmp_path / "set", mirror=url, policy=POLICY)
    assert (got.pairs, got.problems) == (10, [])
    assert set(got.renewed) == {"fashion.json", "fashion-cat.json"}


@pytest.mark.parametrize("status", [403, 404, 500])
def test_without_a_list_the_set_is_fetched_unchecked(server: Web, mirror: Path, tmp_path: Path, status: int):
    url = publish(server, stl_mirror(mirror))
    server.answers["/m/tree.json"] = fail(status)
    got = get(STL_FASHION, tmp_path / "set", mirror=url, policy=POLICY)
    assert (got.pairs, got.problems) == (8, [])
    assert got.unchecked.keys() == {"fashion.json", "fashion-cat.json"}
    assert all(f"{url}/tree.json: answered {status}" in reason for reason in got.unchecked.values())


def test_a_file_missing_in_the_list_is_reported_as_unchecked(server: Web, mirror: Path, tmp_path: Path):
    url = publish(server, stl_mirror(mirror))
    server.answers["/m/tree.json"] = serve(b'{"tree": []}')
    got = get(STL_FASHION, tmp_path / "set", mirror=url, policy=POLICY)
    assert got.unchecked["fashion.json"] == f"{url}/tree.json does not list it"


def problems_of(
    rows: int, categories: int, mirror: Path, folder: Path, *, is_release: bool = True
) -> list[Problem]:
    """Return the problems of a mirror with 8 rows and 8 categories, for a release of this size."""
    source = replace(STL_FASHION, entries={"fashion.json": rows, "fashion-cat.json": categories})
    files = Annotations(folder, FolderPlace(mirror), source, is_release=is_release)
    _, content = source.plan(files, None)
    return content(set()).problems


@pytest.mark.parametrize(
    ("rows", "categories", "named"),
    [
        (8, 8, []),
        (16, 8, ["fashion.json"]),
        (7, 9, ["fashion.json", "fashion-cat.json"]),
    ],
)
def test_files_of_the_release_must_be_complete(
    mirror: Path, tmp_path: Path, rows: int, categories: int, named: list[str]
):
    stl_mirror(mirror)
    problems = problems_of(rows, categories, mirror, tmp_path / "set")
    assert [problem.where for problem in problems] == named
    assert all("has 8 entries, but the release" in problem.reason for problem in problems)
    noted = json.loads((tmp_path / "set" / "set.json").read_text())["files"]
    assert noted.keys() == {"fashion.json", "fashion-cat.json"} - set(named)  # fetched again next time


def test_a_mirror_may_have_a_part_of_the_release(mirror: Path, tmp_path: Path):
    stl_mirror(mirror)
    assert problems_of(72_198, 38_111, mirror, tmp_path / "set", is_release=False) == []


def test_an_empty_file_of_rows_is_refused(mirror: Path, tmp_path: Path):
    (stl_mirror(mirror) / "fashion.json").write_bytes(b"\n")
    with pytest.raises(DatasetError, match=r"fashion\.json: empty \(0 rows\)"):
        get(STL_FASHION, tmp_path / "set", mirror=str(mirror))
