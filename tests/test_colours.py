"""The colours of a picture have names, and a product's background does not count."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from perfectlook import colours
from perfectlook.colours import Swatch, palette, swatches, to_lab


def on_white(rgb: str, side: int = 200) -> Image.Image:
    """A square of a colour that covers a quarter of a white picture."""
    picture = Image.new("RGB", (side, side), "white")
    ImageDraw.Draw(picture).rectangle((side // 4, side // 4, 3 * side // 4 - 1, 3 * side // 4 - 1), rgb)
    return picture


@pytest.mark.parametrize("name", palette())
def test_a_picture_of_a_colour_of_the_palette_has_its_name(name: str) -> None:
    (only,) = swatches(Image.new("RGB", (100, 80), palette()[name]["rgb"]))
    assert (only.name, only.share) == (name, 1.0)


@pytest.mark.parametrize("name", ["navy", "sand", "burgundy", "black", "sage"])
def test_the_background_of_a_product_does_not_count(name: str) -> None:
    picture = on_white(palette()[name]["rgb"])
    (only,) = swatches(picture, product=True)
    assert (only.name, only.share) == (name, 1.0)
    assert {each.name: each.share for each in swatches(picture)} == {"white": 0.75, name: 0.25}


def test_a_soft_shadow_on_the_background_does_not_count() -> None:
    picture = on_white("#27395c")
    ImageDraw.Draw(picture).rectangle((40, 150, 160, 170), "#e6e6e6")
    assert [each.name for each in swatches(picture, product=True)] == ["navy"]


def test_a_white_product_on_white_keeps_its_colour() -> None:
    assert [each.name for each in swatches(on_white("#ffffff"), product=True)] == ["white"]


def test_colours_are_ordered_by_their_shares() -> None:
    picture = Image.new("RGB", (90, 90), "#27395c")
    picture.paste("#c2922f", (0, 0, 90, 30))
    found = swatches(picture)
    assert [each.name for each in found] == ["navy", "mustard"]
    assert found[1].share == pytest.approx(1 / 3, abs=0.01)


def test_lab_is_as_published() -> None:
    pixels = np.array([[255, 255, 255], [0, 0, 0], [255, 0, 0], [0, 0, 255]], np.uint8)
    expected = [[100, 0, 0], [0, 0, 0], [53.24, 80.09, 67.20], [32.30, 79.19, -107.86]]  # Lindbloom, D65
    assert to_lab(pixels) == pytest.approx(np.array(expected), abs=0.05)


def test_a_name_is_certain_unless_light_and_shade_make_it() -> None:
    assert Swatch(1.0, (24, 2, -24)).is_certain  # navy
    assert Swatch(1.0, (30, 0, 0)).is_certain  # charcoal
    assert not Swatch(1.0, (80, 0, 0)).is_certain  # light grey
    assert not Swatch(1.0, (70, -5, 6)).is_certain  # a greenish grey


def test_swatches_survive_a_record() -> None:
    found = swatches(on_white("#661d27"))
    assert colours.read(colours.write(found)) == tuple(found)
    assert colours.read("x 0.5:1,2 0.50:1,2,3") == (Swatch(0.5, (1, 2, 3)),)


def test_all_colours_have_names_in_all_languages() -> None:
    assert all(each["en"] and each["de"] for each in palette().values())
    assert Path(colours.__file__).with_name("colours.toml").exists()
