"""Samples are named after their files. A leading number only orders them."""

from pathlib import Path

import pytest

from perfectlook.errors import UsageError
from perfectlook.service.thumbnails import Samples


def listed(folder: Path, *files: str) -> list[tuple[str, str]]:
    for name in files:
        (folder / name).touch()
    return [(sample.name, sample.title) for sample in Samples(folder).listed()]


def test_samples_are_ordered_by_number_and_named_without_it(tmp_path: Path):
    found = listed(tmp_path, "02-attic.jpg", "01_living-room.PNG", "notes.txt", "2024.webp")
    assert found == [("living-room", "Living room"), ("attic", "Attic"), ("2024", "2024")]


def test_samples_with_the_same_name_keep_their_numbers(tmp_path: Path):
    found = listed(tmp_path, "1-attic.jpg", "2-attic.jpg", "3-cellar.jpg")
    assert found == [("1-attic", "1 attic"), ("2-attic", "2 attic"), ("cellar", "Cellar")]


def test_a_missing_folder_is_an_error(tmp_path: Path):
    with pytest.raises(UsageError, match=r"nowhere: cannot be listed .* Check --samples"):
        Samples(tmp_path / "nowhere")
    assert Samples(None).listed() == []
