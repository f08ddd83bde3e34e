"""Beds with their bedding."""

from showroom.drawn.joinery import legs, piece, soft
from showroom.geometry import Part, box


def _bedding(w: float, low: float, d: float) -> list[Part]:
    """A mattress with a blanket over it and two pillows; the head is at -z."""
    parts = [
        soft("linen", (-w / 2 + 0.04, low, -d / 2 + 0.08), (w / 2 - 0.04, low + 0.2, d / 2 - 0.04), 0.05)
    ]
    parts.append(
        soft(
            "cover",
            (-w / 2 + 0.015, low + 0.03, -d / 2 + 0.62),
            (w / 2 - 0.015, low + 0.235, d / 2 - 0.015),
            0.06,
        )
    )
    for i, role in ((-1, "linen"), (1, "linen"), (-1, "accent"), (1, "accent")):
        x = i * w / 4
        front = 0.0 if role == "linen" else 0.24
        half = w / 5 if role == "linen" else w / 6.5
        low_corner = (x - half, low + 0.185, -d / 2 + 0.12 + front)
        parts.append(soft(role, low_corner, (x + half, low + 0.36 - front / 3, -d / 2 + 0.42 + front), 0.09))
    return parts


@piece("bed-ownpanel", 1.68, 0.95, 2.1)
def _bed_panel(w: float, h: float, d: float) -> list[Part]:
    head = box("wood", (-w / 2, 0, -d / 2), (w / 2, h, -d / 2 + 0.045))
    frame = box("wood", (-w / 2, 0.12, -d / 2 + 0.045), (w / 2, 0.3, d / 2))
    feet = legs("wood", w, 0.12, d, 0.07, 0.05)
    return [head, frame, *feet, *_bedding(w, 0.28, d)]


@piece("bed-ownpadded", 1.72, 1.1, 2.14)
def _bed_padded(w: float, h: float, d: float) -> list[Part]:
    parts = [soft("fabric", (-w / 2, 0.06, -d / 2), (w / 2, 0.32, d / 2), 0.03)]
    columns = 6
    for i in range(columns):
        x0 = -w / 2 + i * w / columns
        parts.append(soft("fabric", (x0, 0.25, -d / 2), (x0 + w / columns, h, -d / 2 + 0.13), 0.05))
    return [*parts, *legs("wood", w, 0.08, d, 0.06, 0.06), *_bedding(w, 0.28, d)]
