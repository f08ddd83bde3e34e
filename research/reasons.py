"""How often the colours in reasons are right, on the showroom, whose products and rooms have known colours.

    PYTHONPATH=tools python research/reasons.py [--json FILE]

The tools of the showroom say which material each visible part of a product has, and which products, walls
and floors a room has. A named colour is right if a known colour has this name. It is near if a known colour
is within 20 in CIELAB (ΔE 1976): light and shade make about this difference. Printed are:

- products, scenes: the share of the colours certain enough for a reason that are right, that are near, and by
  chance: the same names with the colours of another product or room. For products also the recall: of the
  certain known colours that cover a fifth of a product, the share that is named.
- reasons: how many of the products of a room have one, and how many random products, also by tone alone; the
  share of colours in them that are right or near for both the product and the room; and for another product
  and another room.
"""

import argparse
import json
import math
import random
from collections.abc import Iterable
from pathlib import Path

import numpy as np

import perfectlook as pl
from perfectlook import colours
from perfectlook.colours import Swatch
from perfectlook.images import open_picture
from perfectlook.recommender.reasons import Reasons, nameable
from showroom.layout import plan
from showroom.library import visible_roles
from showroom.products import Product, catalogue
from showroom.styles import materials, styles

NEAR = 20.0
LEAST, LARGE_PART = 0.05, 0.2
FIXED = {"black": "#1c1b1b"}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the figures to a file")
    given = parser.parse_args()
    rooms, pick = pl.load_set("showroom"), random.Random(0)
    known = {id_: known_of(each) for id_, each in catalogue().items() if id_ in rooms.products}
    known = {id_: found for id_, found in known.items() if found}
    seen = {id_: certain(rooms.products[id_].picture) for id_ in known}
    parts = {id_: known_of(catalogue()[id_], LARGE_PART) for id_ in known}
    there = {scene: known_of_room(scene) for scene in rooms.scenes}
    photos = {scene: colours.swatches(open_picture(each.picture)) for scene, each in rooms.scenes.items()}
    views = {scene: nameable(photo) for scene, photo in photos.items()}
    ids, scenes = sorted(known), sorted(there)
    named = sum(each.name in names(seen[i]) for i in ids for each in parts[i] if each.is_certain)
    wanted = sum(each.is_certain for i in ids for each in parts[i])
    found = {
        "products": {**right(seen, known, pick), "recall": named / wanted, "n_wanted": wanted},
        "scenes": right(views, there, pick),
    }
    toned = random_toned = own = random_ones = n = shown = exact = near = by_chance = near_by_chance = 0
    for pair in rooms.pairs:
        if pair.product not in known:
            continue
        n += 1
        reasons = Reasons(photos[pair.scene])
        other = pick.choice(ids)
        at_random = reasons.of(record(rooms.products[other].picture))
        random_ones += at_random is not None
        random_toned += at_random is not None and at_random.tone is not None
        reason = reasons.of(record(rooms.products[pair.product].picture))
        if reason is None:
            continue
        own += 1
        toned += reason.tone is not None
        room, product = pick.choice(scenes), pick.choice(ids)
        for name in reason.colours:
            shown += 1
            mine = next(each for each in seen[pair.product] if each.name == name)
            exact += is_right(mine, known[pair.product]) and is_right(mine, there[pair.scene])
            near += is_near(mine, known[pair.product]) and is_near(mine, there[pair.scene])
            by_chance += is_right(mine, known[product]) and is_right(mine, there[room])
            near_by_chance += is_near(mine, known[product]) and is_near(mine, there[room])
    found["reasons"] = {
        "n_pairs": n,
        "of_own_products": own / n,
        "of_random_products": random_ones / n,
        "of_own_products_by_tone": toned / n,
        "of_random_products_by_tone": random_toned / n,
        "n_colours": shown,
        "right": exact / shown,
        "near": near / shown,
        "right_by_chance": by_chance / shown,
        "near_by_chance": near_by_chance / shown,
    }
    print(json.dumps(found, indent=2))
    if given.json:
        given.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def certain(picture: Path) -> list[Swatch]:
    """The colours of a product's picture that a reason may name."""
    return nameable(colours.read(_text(picture)), product=True)


def record(picture: Path) -> dict[str, object]:
    """A record with nothing but colours."""
    return {"title": "", "fields": {}, "colours": _text(picture)}


_TEXTS: dict[Path, str] = {}


def _text(picture: Path) -> str:
    if picture not in _TEXTS:
        _TEXTS[picture] = colours.write(colours.swatches(open_picture(picture), product=True))
    return _TEXTS[picture]


def known_of(product: Product, least: float = LEAST) -> list[Swatch]:
    """The known colours of a product; none if a part keeps the colours of its model."""
    if product.piece.kind in ("rug", "art"):
        palette = list(styles()[product.style].palettes[product.palette].colours)
        frame = [materials()[product.finish["frame"]].colour] if product.piece.kind == "art" else []
        return swatches_of([*palette, *frame])
    return swatches_of(_finished(product.finish, visible_roles()[product.piece.id], least))


def known_of_room(scene: str) -> list[Swatch]:
    """The known colours of a room: of its pieces, walls, floors, ceiling, trims and curtains."""
    room = plan(scene)
    found: list[str] = []
    for zone in room.zones:
        style = styles()[zone.style]
        for text in (*style.palettes[zone.palette].wall, *style.palettes[zone.palette].floor):
            name = text.partition(" ")[2]
            found += [name] if name.startswith("#") else _of_material(name)
        found += [style.ceiling, style.skirting, *style.curtains]
    known = swatches_of(found)
    for item in room.placed:
        if item.product:
            known += known_of(item.product)
        else:
            known += swatches_of(_finished(item.finish, visible_roles().get(item.piece.id, {}), LEAST))
    return known


def _finished(finish: dict[str, str], roles: dict[str, float], least: float) -> list[str]:
    found: list[str] = []
    for role, share in roles.items():
        if share < least:
            continue
        if role in FIXED:
            found.append(FIXED[role])
        elif role in finish:
            found += _of_material(finish[role])
        else:
            return []
    return found


def _of_material(name: str) -> list[str]:
    one = materials()[name]
    return [colour for colour in (one.colour, one.dark, one.other) if colour]


def swatches_of(texts: Iterable[str]) -> list[Swatch]:
    """Colours like #27395c as swatches."""
    pixels = np.array([list(bytes.fromhex(text[1:])) for text in dict.fromkeys(texts)], np.uint8).reshape(
        -1, 3
    )
    return [Swatch(1.0, tuple(round(each) for each in lab)) for lab in colours.to_lab(pixels).tolist()]


def names(found: Iterable[Swatch]) -> set[str]:
    """The names of colours."""
    return {each.name for each in found}


def is_right(one: Swatch, known: Iterable[Swatch]) -> bool:
    """Whether a known colour has the same name."""
    return one.name in names(known)


def is_near(one: Swatch, known: Iterable[Swatch]) -> bool:
    """Whether a known colour has the same name or is near."""
    return any(one.name == each.name or math.dist(one.lab, each.lab) <= NEAR for each in known)


def right(
    seen: dict[str, list[Swatch]], known: dict[str, list[Swatch]], pick: random.Random
) -> dict[str, float]:
    """The shares of named colours that are right, near, and right by chance."""
    n = exact = near = by_chance = near_by_chance = 0
    for id_, found in seen.items():
        other = known[pick.choice(sorted(known))]
        for each in found:
            n += 1
            exact += is_right(each, known[id_])
            near += is_near(each, known[id_])
            by_chance += is_right(each, other)
            near_by_chance += is_near(each, other)
    shares = {"right": exact, "near": near, "right_by_chance": by_chance, "near_by_chance": near_by_chance}
    return {"n_colours": n} | {name: count / n for name, count in shares.items()}


if __name__ == "__main__":
    main()
