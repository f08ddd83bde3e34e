"""A canvas with coordinates relative to its sides, and with smooth edges."""

import random
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from showroom.textures import Picture

SCALE = 3
"""The canvas is drawn larger by this factor and then reduced, for smooth edges."""


class Canvas:
    """A picture to draw on with coordinates in 0..1, x to the right and y downwards."""

    def __init__(self, width: int, height: int, ground: str) -> None:
        self.size = (width * SCALE, height * SCALE)
        self.image = Image.new("RGB", self.size, ground)
        self.pen = ImageDraw.Draw(self.image)

    def at(self, points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
        """Convert points to pixels."""
        return [(x * self.size[0], y * self.size[1]) for x, y in points]

    def polygon(self, points: Sequence[tuple[float, float]], colour: str) -> None:
        """Draw a filled polygon."""
        self.pen.polygon(self.at(points), fill=colour)

    def rectangle(self, x0: float, y0: float, x1: float, y1: float, colour: str) -> None:
        """Draw a filled rectangle."""
        self.polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], colour)

    def disc(self, x: float, y: float, radius: float, colour: str, *, ring: float = 0.0) -> None:
        """Draw a disc, or a ring if a width is given; the radius is relative to the shorter side."""
        unit = min(self.size)
        cx, cy, r = x * self.size[0], y * self.size[1], radius * unit
        box = (cx - r, cy - r, cx + r, cy + r)
        if ring:
            self.pen.ellipse(box, outline=colour, width=max(1, round(ring * unit)))
        else:
            self.pen.ellipse(box, fill=colour)

    def line(self, points: Sequence[tuple[float, float]], colour: str, width: float) -> None:
        """Draw a line; the width is relative to the shorter side."""
        self.pen.line(
            self.at(points), fill=colour, width=max(1, round(width * min(self.size))), joint="curve"
        )

    def soften(self, by: float) -> None:
        """Blur the canvas."""
        self.image = self.image.filter(ImageFilter.GaussianBlur(by * min(self.size)))
        self.pen = ImageDraw.Draw(self.image)

    def done(self) -> Picture:
        """Return the picture in linear light."""
        small = self.image.resize((self.size[0] // SCALE, self.size[1] // SCALE), Image.Resampling.LANCZOS)
        values = np.asarray(small, np.float32) / 255
        return np.asarray(
            np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4), np.float32
        )


Drawing = Callable[[Canvas, list[str], random.Random], None]
"""A function that draws on a canvas in the given colours."""
