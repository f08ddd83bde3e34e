"""From linear light to a picture: exposure, white balance and the tone curve."""

import numpy as np
import numpy.typing as npt

from showroom.geometry import Floats
from showroom.plan import Room

LEVEL = {
    "nordic": 1.55,
    "industrial": 0.95,
    "midcentury": 1.1,
    "coastal": 1.55,
    "classic": 1.05,
    "colourful": 1.2,
}
"""The brightness of rooms, by style."""
CLEAR, FADED = 4, 16
"""The width of the white border around a product, and of the zone where shadows fade. No piece reaches it."""
WIDE = 0.3
"""The zone where shadows fade in larger copies, as a share of the side."""

_INTO = np.array(
    [
        [0.842479062253094, 0.0784335999999992, 0.0792237451477643],
        [0.0423282422610123, 0.878468636469772, 0.0791661274605434],
        [0.0423756549057051, 0.0784336, 0.879142973793104],
    ]
)
_LOW, _HIGH = -12.47393, 4.026069


def agx(linear: Floats, *, saturation: float = 1.18, power: float = 1.06) -> Floats:
    """Apply the AgX tone curve: linear light to display values in 0..1, with soft highlights."""
    logged = np.log2(np.maximum(linear @ _INTO.T, 1e-10))
    x = np.clip((logged - _LOW) / (_HIGH - _LOW), 0, 1)
    curve = 15.5 * x**6 - 40.14 * x**5 + 31.96 * x**4 - 6.868 * x**3 + 0.4298 * x**2 + 0.1191 * x - 0.00232
    punched = np.maximum(curve, 0) ** power
    grey = punched @ np.array([0.2126, 0.7152, 0.0722])
    punched = grey[..., None] + saturation * (punched - grey[..., None])
    return np.asarray(np.clip(punched @ np.linalg.inv(_INTO).T, 0, 1), np.float32)


def srgb(linear: Floats) -> Floats:
    """Convert linear light to sRGB values in 0..1."""
    held = np.clip(linear, 0, 1)
    return np.asarray(
        np.where(held <= 0.0031308, held * 12.92, 1.055 * held ** (1 / 2.4) - 0.055), np.float32
    )


def bytes_of(values: Floats) -> npt.NDArray[np.uint8]:
    """Convert display values in 0..1 to bytes."""
    return np.asarray(np.round(np.clip(values, 0, 1) * 255), np.uint8)


def developed(linear: Floats, room: Room) -> npt.NDArray[np.uint8]:
    """Tone-map a room, exposed for the furniture, with about half of the colour cast removed."""
    grey = linear @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    inner = grey < np.percentile(grey, 94)
    key = float(np.exp(np.mean(np.log(grey[inner] + 1e-3))))
    level = LEVEL[room.zones[0].style] * (0.92 if room.evening else 1.0)
    mean = linear[inner].mean(0) / linear[inner].mean()
    exposed = linear * (0.34 * level / key) / mean ** (0.5 if room.evening else 0.4)
    return bytes_of(agx(exposed, saturation=1.15, power=1.32))


def faded(
    picture: npt.NDArray[np.uint8], piece: npt.NDArray[np.float64] | None = None
) -> npt.NDArray[np.uint8]:
    """Return the picture with white borders, into which shadows fade.

    With `piece`, the share of the piece in each pixel, the zone is wider and leaves the piece as it is.
    """
    zone = FADED if piece is None else round(WIDE * len(picture))
    rows, columns = (np.minimum(np.arange(n), np.arange(n)[::-1]) for n in picture.shape[:2])
    inwards = np.minimum(rows[:, None], columns[None, :])
    share = np.clip((inwards - (CLEAR - 1)) / (zone - CLEAR), 0, 1)
    share = share * share * (3 - 2 * share)
    if piece is not None:
        share = share + (1 - share) * piece
    return np.asarray(np.round(255 - (255 - picture.astype(np.float64)) * share[..., None]), np.uint8)
