"""Text in any script is shortened to fit."""

import pytest
from PIL import Image, ImageDraw, ImageOps

from perfectlook.sheet import fitted, readable, width_of, wrapped, write

LONG = "A remarkably comfortable armchair with a footstool, in dark green velvet"


def test_text_that_fits_does_not_change() -> None:
    assert fitted("Chair", 14, 200) == "Chair"
    assert wrapped("Chair", 14, 200, 2) == ["Chair"]
    assert wrapped("", 14, 200, 2) == []


@pytest.mark.parametrize("width", [20, 60, 133, 300])
def test_shortened_text_is_as_long_as_possible(width: int) -> None:
    cut = fitted(LONG, 14, width)
    assert cut.endswith("…")
    assert LONG.startswith(cut[:-1])
    assert width_of(cut, 14) <= width
    following = LONG[: len(cut.rstrip("…")) + 2]
    assert width_of(following + "…", 14) > width


def test_lines_break_between_words_and_lose_only_the_end() -> None:
    lines = wrapped(LONG, 14, 160, 9)
    assert " ".join(lines) == LONG
    assert all(width_of(line, 14) <= 160 for line in lines)
    two = wrapped(LONG, 14, 160, 2)
    assert two[0] == lines[0]
    assert two[1].endswith("…")
    assert width_of(two[1], 14) <= 160


def test_a_word_wider_than_a_line_is_broken() -> None:
    lines = wrapped("W" * 40, 14, 100, 9)
    assert "".join(lines) == "W" * 40
    assert all(width_of(line, 14) <= 100 for line in lines)


def test_larger_text_is_wider() -> None:
    assert width_of("Chair", 28) > 1.8 * width_of("Chair", 14) > 0


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("two\nlines\tand \x00 a zero", "two lines and a zero"),
        ("  Stühle   &  Ærø ", "Stühle & Ærø"),
        ("scho\u0308n", "schön"),
        ("no font has \U0010ffff or \ud800 this", "no font has or this"),
        ("\U0010fffd", ""),
    ],
)
def test_undrawable_characters_are_left_out(given: str, shown: str) -> None:
    assert readable(given) == shown


def test_a_very_long_title_takes_no_time() -> None:
    assert len(readable("a" * 100_000)) == 300


@pytest.mark.parametrize("text", ["Обувь", "ελληνικά", "سروال جينز", "日本語", "👟", "\ud800", ""])
def test_any_text_can_be_drawn(text: str) -> None:
    picture = Image.new("RGB", (200, 40), "white")
    width = write(ImageDraw.Draw(picture), (5, 30), readable(text), 20, (0, 0, 0), bold=True)
    assert width == width_of(readable(text), 20)
    assert (picture.getextrema()[0][0] < 255) == bool(readable(text))


def test_text_can_be_right_aligned() -> None:
    picture = Image.new("RGB", (200, 40), "white")
    width = write(ImageDraw.Draw(picture), (150, 30), "Chair", 20, (0, 0, 0), right=True)
    left, _, right, _ = ImageOps.invert(picture).getbbox() or (0, 0, 0, 0)
    assert 150 - width - 2 <= left < right <= 152
