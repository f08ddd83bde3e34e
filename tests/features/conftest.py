"""Pictures for the tests of features: small, quick to draw, all different."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Draw = Callable[..., list[Path]]


@pytest.fixture(scope="session")
def draw_in() -> Draw:
    """Return a function that draws different JPEG pictures in a folder and returns their paths."""

    def draw_in(folder: Path, count: int, *, size: tuple[int, int] = (60, 40)) -> list[Path]:
        random = np.random.default_rng(count)
        folder.mkdir(exist_ok=True)
        paths = []
        for number in range(count):
            colours = Image.fromarray(random.integers(0, 256, (3, 4, 3), np.uint8))
            path = folder / f"{number:04d}.jpg"
            colours.resize(size, Image.Resampling.BICUBIC).save(path, quality=85)
            paths.append(path)
        return paths

    return draw_in


@pytest.fixture
def draw(draw_in: Draw, tmp_path: Path) -> Draw:
    """Return a function that draws them in a new folder."""
    return lambda count, folder="pictures", **options: draw_in(tmp_path / folder, count, **options)
