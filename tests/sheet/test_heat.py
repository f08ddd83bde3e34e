"""The attention over a photo: attended regions keep their colour, and the strongest are outlined."""

import numpy as np
import pytest
from PIL import Image

from perfectlook.evaluation.overlay import LOCAL, attended, contributed, strongest
from perfectlook.types import Float32Array

BLUE = (20, 40, 200)


def attention(**regions: float) -> Float32Array:
    """Return weights by region (r2c4=0.5). The other regions share the rest evenly."""
    weights = np.zeros(49)
    for name, weight in regions.items():
        weights[int(name[1]) * 7 + int(name[3])] = weight
    weights[weights == 0] = (1 - weights.sum()) / (weights == 0).sum()
    return weights.astype(np.float32)


def saturation(colour: tuple[int, int, int]) -> int:
    return max(colour) - min(colour)


def test_even_attention_does_not_change_the_photo() -> None:
    photo = Image.new("RGB", (140, 210), BLUE)
    assert attended(photo, attention()).tobytes() == photo.tobytes()


def test_attended_regions_keep_their_colour_and_others_fade() -> None:
    shown = attended(Image.new("RGB", (140, 210), BLUE), attention(r1c5=0.7))
    assert shown.size == (140, 210)
    inside = shown.getpixel((110, 45))  # the middle of region (1, 5); a region has 20 × 30 pixels
    outside = shown.getpixel((30, 195))
    assert saturation(inside) > 2 * saturation(outside)
    assert min(outside) > 90


def test_uneven_attention_fades_more() -> None:
    photo = Image.new("RGB", (140, 140), BLUE)
    fades = [saturation(attended(photo, attention(r0c0=w)).getpixel((130, 130))) for w in (0.022, 0.03, 0.2)]
    assert saturation(BLUE) > fades[0] > fades[1] > fades[2]


def test_outlines_enclose_the_strongest_regions() -> None:
    shown = attended(Image.new("RGB", (140, 140), "white"), attention(r2c2=0.3, r2c3=0.3))

    def is_line(x: int, y: int) -> bool:
        return bool(np.abs(np.array(shown.getpixel((x, y))) - LOCAL).max() < 40)

    assert all(is_line(x, y) for x, y in [(50, 40), (70, 40), (50, 60), (40, 50), (80, 50)])
    assert not any(is_line(x, y) for x, y in [(60, 50), (50, 50), (100, 40), (40, 80)])


@pytest.mark.parametrize(
    ("weights", "count"),
    [
        (attention(), 0),
        (attention(r0c0=0.04), 0),
        (attention(r0c0=0.05, r6c6=0.06), 2),
        (attention(r3c3=1.0), 1),
    ],
)
def test_a_region_stands_out_with_twice_its_even_share(weights: Float32Array, count: int) -> None:
    assert strongest(weights).sum() == count


def test_no_more_than_eight_are_outlined() -> None:
    weights = np.full(49, 0.01, np.float32)
    weights[10:22] = (1 - 0.37) / 12
    assert strongest(weights).sum() == 8


def test_nearer_and_farther_regions_have_different_colours() -> None:
    photo = Image.new("RGB", (140, 210), (120, 120, 120))
    parts = np.zeros(49)
    parts[0], parts[48] = -0.2, 0.2
    shown = contributed(photo, parts, 0.2)
    nearer, neither, farther = (shown.getpixel(place) for place in ((5, 5), (70, 105), (135, 205)))
    assert nearer[0] > nearer[2] + 60  # orange
    assert farther[2] > farther[0] + 30  # blue
    assert saturation(neither) == 0


def test_smaller_contributions_have_less_colour_and_none_gives_a_grey_photo() -> None:
    photo = Image.new("RGB", (140, 210), BLUE)
    parts = np.zeros(49)
    parts[0] = -0.1
    full, half = (contributed(photo, parts, greatest).getpixel((5, 5)) for greatest in (0.1, 0.2))
    assert saturation(full) > saturation(half) > 0
    blank = contributed(photo, np.zeros(49), 0.0)
    assert {saturation(colour) for _, colour in blank.getcolors() or []} <= {0, 1}
