"""Samples are named after their files; a number before a name only says its place."""

from pathlib import Path

import pytest

from perfectlook.errors import UsageError
from perfectlook.service.thumbnails import Samples


def listed(folder: Path, *files: str) -> list[tuple[str, str]]:
    for name in files:
        (folder / name).touch()
    return [(sample.name, sample.title) for sample in Samples(folder).listed()]


def test_names_are_those_of_files_in_the_order_of_their_numbers(tmp_path: Path):
    found = listed(tmp_path, "02-attic.jpg", "01_living-room.PNG", "notes.txt", "2024.webp")
    assert found == [("living-room", "Living room"), ("attic", "Attic"), ("2024", "2024")]


def test_two_of_one_name_keep_their_numbers(tmp_path: Path):
    found = listed(tmp_path, "1-attic.jpg", "2-attic.jpg", "3-cellar.jpg")
    assert found == [("1-attic", "1 attic"), ("2-attic", "2 attic"), ("cellar", "Cellar")]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(UsageError, match="nowhere: cannot be listed"):
        Samples(tmp_path / "nowhere")
    assert Samples(None).listed() == []
