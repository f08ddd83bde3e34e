from pathlib import Path

import pytest

from perfectlook.data.layout import list_pictures
from perfectlook.errors import DatasetError
from perfectlook.types import Problem


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def test_pictures_of_every_format_are_found_by_stem(tmp_path: Path) -> None:
    folder = touch(tmp_path, "a.jpg", "b.JPEG", "c.png", "d.webp", "e.heic", "with.dots.jpg")
    problems: list[Problem] = []
    found = list_pictures(folder, problems)
    assert list(found) == ["a", "b", "c", "d", "e", "with.dots"]
    assert found["b"] == folder / "b.JPEG"
    assert not problems


def test_other_files_and_folders_are_ignored(tmp_path: Path) -> None:
    folder = touch(tmp_path, "a.txt", ".DS_Store", "b.jpg.part", "c", "sub/d.jpg")
    (folder / "e.jpg").mkdir()
    assert list_pictures(folder, []) == {}


def test_nested_folders_are_read_on_request(tmp_path: Path) -> None:
    folder = touch(tmp_path, "ab/cd/ef/abcdef12.jpg", "a.jpg")
    found = list_pictures(folder, [], nested=True)
    assert found == {"a": folder / "a.jpg", "abcdef12": folder / "ab" / "cd" / "ef" / "abcdef12.jpg"}


def test_of_two_pictures_of_an_id_one_is_used_and_the_other_reported(tmp_path: Path) -> None:
    folder = touch(tmp_path, "a.png", "a.jpg")
    problems: list[Problem] = []
    assert list_pictures(folder, problems) == {"a": folder / "a.jpg"}
    (problem,) = problems
    assert problem.where == str(folder / "a.png")
    assert problem.item == "a"
    assert "a.jpg has the same id" in problem.reason


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="scenes: cannot be listed"):
        list_pictures(tmp_path / "scenes", [])


def test_ids_do_not_depend_on_how_the_system_spells_accents(tmp_path: Path) -> None:
    folder = touch(tmp_path, "scho\u0308n.jpg")
    assert list_pictures(folder, []) == {"sch\u00f6n": folder / "scho\u0308n.jpg"}
