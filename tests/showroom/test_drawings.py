"""What is drawn for the products: rugs, and the white around a product."""

from types import ModuleType

import numpy as np
import pytest


@pytest.mark.parametrize("pattern", ["stripes", "dots", "diamonds", "patchwork", "blocks"])
def test_a_round_rug_ends_in_a_ring_of_one_colour(maker: ModuleType, pattern: str) -> None:
    colours = ["#000000", "#ffffff", "#ff0000", "#00ff00"]
    orders = set()
    for seed in range(4):
        picture = maker.rugs.rug(pattern, colours, seed, round_one=True)
        side = picture.shape[0]
        angles = np.linspace(0, 2 * np.pi, 200)
        for radius in (0.47, 0.485, 0.497):
            x, y = (np.int64((0.5 + radius * f(angles)) * side) for f in (np.cos, np.sin))
            rim = picture[y, x].reshape(-1, 3) > 0.3
            assert (rim == rim[0]).all(), (pattern, seed, radius)
            orders.add((seed, *rim[0].tolist()))
    assert len(orders) == 4  # one colour for each rug, at every radius


def test_borders_fade_to_white_and_the_middle_stays(maker: ModuleType) -> None:
    grey = np.full((256, 256, 3), 100, np.uint8)
    faded = maker.development.faded(grey)
    clear, full = maker.development.CLEAR, maker.development.FADED
    border = np.ones((256, 256), bool)
    border[clear:-clear, clear:-clear] = False
    assert (faded[border] == 255).all()
    assert (faded[full:-full, full:-full] == 100).all()
    across = faded[128, :128, 0].astype(int)
    assert (np.diff(across) <= 0).all()
    # Half-way between pixels 3 and 15 the curve 3 t² - 2 t³ is at one half: 255 - 155 / 2 = 177.5.
    assert across[9] in (177, 178)
