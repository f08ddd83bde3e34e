"""Samples are named after their files. A leading number only orders them."""

from pathlib import Path

import pytest

from perfectlook.catalogue import Record
from perfectlook.data.fingerprints import fingerprints
from perfectlook.errors import PictureError, UsageError
from perfectlook.service.errors import Refusal
from perfectlook.service.thumbnails import Samples, Thumbnails
from perfectlook.types import Product
from pictures import drawn, encoded


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


def test_the_larger_copy_of_a_set_is_shown(tmp_path: Path):
    (tmp_path / "products").mkdir()
    (tmp_path / "display" / "products").mkdir(parents=True)
    file, copy = tmp_path / "products" / "a.jpg", tmp_path / "display" / "products" / "a.webp"
    file.write_bytes(encoded(drawn(), "JPEG"))
    record = Record.of(Product("a", "Chairs", file, "a", {}), fingerprints([file])[0][file], "")
    thumbnails = Thumbnails(None)  # type: ignore[arg-type]
    assert thumbnails.picture(record, None) == (file.read_bytes(), "image/jpeg")
    copy.write_bytes(encoded(drawn(), "WEBP"))
    assert thumbnails.picture(record, None) == (copy.read_bytes(), "image/webp")


def test_a_full_size_picture_is_made_once(tmp_path: Path):
    file = tmp_path / "a.gif"
    file.write_bytes(encoded(drawn(), "GIF"))
    made: list[int | None] = []

    class Counting:
        def jpeg(self, content: bytes, side: int | None) -> bytes:
            made.append(side)
            return b"made"

    thumbnails = Thumbnails(Counting())  # type: ignore[arg-type]
    product = Product("a", "Chairs", file, "a", {})
    record = Record.of(product, fingerprints([file])[0][file], "")
    answers = {thumbnails.picture(record, None) for _ in range(3)}
    assert answers == {(b"made", "image/jpeg")}
    assert made == [None]


def test_a_picture_that_cannot_be_made_is_tried_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = tmp_path / "a.gif"
    file.write_bytes(encoded(drawn(), "GIF"))
    tried: list[int | None] = []

    class Slow:
        def jpeg(self, content: bytes, side: int | None) -> bytes:
            tried.append(side)
            raise PictureError("takes more than 3 s to decode.")

    thumbnails = Thumbnails(Slow())  # type: ignore[arg-type]
    record = Record.of(Product("a", "Chairs", file, "a", {}), fingerprints([file])[0][file], "")
    for _ in range(3):
        for size in (None, 64, 60):
            with pytest.raises(Refusal, match="404"):
                thumbnails.picture(record, size)
    assert tried == [None, 64]
    monkeypatch.setattr("perfectlook.service.thumbnails.FAILED_SECONDS", 0.0)
    with pytest.raises(Refusal):
        thumbnails.picture(record, 64)
    assert tried == [None, 64, 64]
