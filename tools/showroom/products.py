"""The products: pieces in a finish of one style, with their shop data."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

from showroom.library import Piece, pieces, visible_roles
from showroom.styles import Material, Palette, Style, materials, styles

CATEGORIES = {
    "sofa": "Furniture|Sofas",
    "armchair": "Furniture|Chairs|Arm Chairs, Recliners & Sleeper Chairs",
    "chair": "Furniture|Chairs|Kitchen & Dining Room Chairs",
    "coffeetable": "Furniture|Tables|Accent Tables|Coffee Tables",
    "diningtable": "Furniture|Tables|Kitchen & Dining Room Tables",
    "bed": "Furniture|Beds & Accessories|Beds & Bed Frames",
    "nightstand": "Furniture|Tables|Nightstands",
    "sideboard": "Furniture|Cabinets & Storage|Buffets & Sideboards",
    "shelf": "Furniture|Shelving|Bookcases & Standing Shelves",
    "desk": "Furniture|Office Furniture|Desks",
    "floorlamp": "Home & Garden|Lighting|Lamps|Floor Lamps",
    "tablelamp": "Home & Garden|Lighting|Lamps|Table Lamps",
    "pendant": "Home & Garden|Lighting|Lighting Fixtures|Ceiling Light Fixtures",
    "rug": "Home & Garden|Decor|Rugs",
    "plant": "Home & Garden|Plants|Indoor & Outdoor Plants",
    "art": "Home & Garden|Decor|Artwork|Posters, Prints, & Visual Artwork",
}
"""The path of each kind of product in the Google product taxonomy."""

PER_STYLE = {
    "sofa": 6,
    "armchair": 5,
    "rug": 6,
    "art": 5,
    "nightstand": 4,
    "desk": 4,
    "floorlamp": 4,
    "pendant": 3,
    "plant": 4,
    "tablelamp": 4,
}
USUAL_PER_STYLE = 4
PRICES = {
    "sofa": (749, 1890),
    "armchair": (249, 890),
    "chair": (69, 249),
    "coffeetable": (129, 449),
    "diningtable": (349, 1190),
    "bed": (399, 1390),
    "nightstand": (69, 249),
    "sideboard": (299, 1090),
    "shelf": (149, 790),
    "desk": (189, 790),
    "floorlamp": (89, 349),
    "tablelamp": (35, 159),
    "pendant": (49, 289),
    "rug": (89, 690),
    "plant": (19, 119),
    "art": (29, 149),
}
TOLD = ("fabric", "cover", "wood", "paint", "metal", "pot", "shade")
"""The roles that a title names, most distinctive first."""
APART, TRIES = 4, 40
"""The least difference between two finishes of a piece, in steps of 0..255, and the number of attempts."""


@dataclass(frozen=True)
class Product:
    """A piece in a finish.

    Attributes:
        id: `sofa-burlap-nordic-1`.
        palette: the number of the style's palette that its finish is from.
        finish: the name of a material by role.
        drawing: the subject of its rug or print, and the random seed.
    """

    id: str
    piece: Piece
    style: str
    palette: int
    finish: dict[str, str]
    drawing: tuple[str, int] = ("", 0)
    fields: dict[str, str] = field(default_factory=dict)

    @property
    def category(self) -> str:
        """Its path in the taxonomy."""
        return CATEGORIES[self.piece.kind]


def finish_of(style: Style, palette: Palette, rng: random.Random) -> dict[str, str]:
    """Choose a material for each role from a palette."""
    paints = rng.sample(palette.paint, 2)
    fabric = rng.choice(palette.fabric)
    accents = [name for name in palette.accent if name != fabric] or list(palette.accent)
    rng.shuffle(accents)
    wood = rng.choice(palette.wood)
    return {
        "wood": wood,
        "wood2": wood if rng.random() < 0.7 else rng.choice(palette.wood),
        "fabric": fabric,
        "accent": accents[0],
        "accent2": accents[-1],
        "metal": rng.choice(palette.metal),
        "paint": paints[0],
        "accentpaint": paints[1],
        "cover": rng.choice(palette.cover),
        "linen": "cream linen" if style.name in ("classic", "midcentury", "industrial") else "white cotton",
        "pot": rng.choice(palette.pot),
        "shade": rng.choice(palette.shade),
        "stone": "concrete" if style.name == "industrial" else "white marble",
        "frame": rng.choice(style.frame),
    }


@cache
def catalogue() -> dict[str, Product]:
    """Return every product by its id. Each style has its pieces in finishes of its palettes, spread evenly.

    Two products of a piece look different if their palettes allow it.
    """
    found: dict[str, Product] = {}
    for style in styles().values():
        for kind in CATEGORIES:
            sold = [
                piece for piece in pieces().values() if piece.kind == kind and style.initial in piece.styles
            ]
            count = PER_STYLE.get(kind, USUAL_PER_STYLE)
            for k in range(count):
                piece = sold[k % len(sold)]
                palette = (k + k // len(sold)) % len(style.palettes)
                key = f"{piece.id}-{style.name}-{k // len(sold) + 1}"
                others = [product.finish for product in found.values() if product.piece is piece]
                found[key] = _product(key, piece, style, palette, others)
    return found


def apart(piece: Piece, finish: dict[str, str], other: dict[str, str]) -> float:
    """Return how different two finishes look: steps between materials, weighted by share of the photo."""
    seen = visible_roles()[piece.id]
    return sum(
        share * _step(materials()[finish[role]], materials()[other[role]])
        for role, share in seen.items()
        if role in finish
    )


def _step(one: Material, other: Material) -> int:
    """Return the largest difference in a channel."""
    if one.pattern != other.pattern:
        return 255
    return max(abs(a - b) for a, b in zip(_channels(one), _channels(other), strict=True))


def _channels(material: Material) -> bytes:
    return bytes.fromhex(material.colour[1:] + (material.other or material.colour)[1:])


def _product(key: str, piece: Piece, style: Style, palette: int, others: Sequence[dict[str, str]]) -> Product:
    rng = random.Random(f"product {key}")
    finish = finish_of(style, style.palettes[palette], rng)
    if piece.kind not in ("rug", "art"):
        seeds = [random.Random(f"{key} {k}") for k in range(TRIES)]
        again = [finish_of(style, style.palettes[palette], seed) for seed in seeds]

        def own(each: dict[str, str]) -> float:
            return min([APART, *(apart(piece, each, other) for other in others)])

        finish = max([finish, *again], key=own)
    drawing = ("", 0)
    if piece.kind == "rug":
        patterns = (
            [name for name in style.rugs if name != "braid"] if "round" in piece.id else list(style.rugs)
        )
        drawing = (rng.choice(patterns), rng.randrange(10**6))
    if piece.kind == "art":
        drawing = (rng.choice(style.prints), rng.randrange(10**6))
    fields = _fields(piece, style, finish, drawing[0], rng)
    return Product(key, piece, style.name, palette, finish, drawing, fields)


def _fields(
    piece: Piece, style: Style, finish: dict[str, str], drawing: str, rng: random.Random
) -> dict[str, str]:
    low, high = PRICES[piece.kind]
    price = low + (high - low) * rng.random() ** 1.4 * (1.15 if style.name == "classic" else 1.0)
    price = max(round(price / 10) * 10 - 1, low)
    fields = {
        "title": f"{rng.choice(style.names)} {piece.noun}, {_told(piece, finish, drawing)}",
        "price": f"{price:.2f} EUR",
        "brand": rng.choice(style.brands),
        "availability": "out_of_stock" if rng.random() < 0.1 else "in_stock",
        "style": style.name,
    }
    if rng.random() < 0.12:
        fields["sale_price"] = f"{max(round(price * rng.choice((0.7, 0.75, 0.8))), 9) - 0.05:.2f} EUR"
    return fields


def _told(piece: Piece, finish: dict[str, str], drawing: str) -> str:
    if drawing:
        return drawing if piece.kind == "rug" else f"{drawing}, {finish['frame']} frame"
    told = [finish[role] for role in TOLD if role in visible_roles()[piece.id]]
    return " and ".join(list(dict.fromkeys(told))[:2]) or "natural"
