"""Plans of rooms. The id of a room determines everything."""

import hashlib
import random

from showroom.furnisher import Furnisher
from showroom.furnishing import FURNISH
from showroom.plan import Room, Window, Zone
from showroom.styles import styles

KINDS = tuple(FURNISH)
LETTERS = [a + b for a in ("", *"abcdefgh") for b in "abcdefghijklmnopqrstuvwxyz"]


def plan(room_id: str) -> Room:
    """Plan a room by its id, `room-STYLE-KIND-NUMBER` or `room-STYLE-STYLE-KIND-KIND-NUMBER`."""
    rng = random.Random(f"plan {room_id}")
    words = room_id.split("-")[1:-1]
    named, kinds = words[: len(words) // 2], words[len(words) // 2 :]
    two = len(named) == 2
    width = rng.uniform(5.6, 6.4) if two else rng.uniform(3.9, 4.9)
    depth, height = rng.uniform(4.3, 5.2), rng.choice((2.5, 2.6, 2.7, 2.8))
    edges = [0.0, width * rng.uniform(0.46, 0.54), width] if two else [0.0, width]
    zones = [
        Zone(kind, style, rng.randrange(len(styles()[style].palettes)), left, right)
        for style, kind, left, right in zip(named, kinds, edges[:-1], edges[1:], strict=True)
    ]
    evening = rng.random() < 0.3
    sun = None if evening or rng.random() < 0.45 else (rng.uniform(25, 40), rng.uniform(-35, 35))
    room = Room(room_id, width, depth, height, zones, evening, sun)
    for zone in zones:
        FURNISH[zone.kind](Furnisher(room, zone, rng))
    _cut_windows(room, rng)
    _aim(room, rng)
    return room


def _cut_windows(room: Room, rng: random.Random) -> None:
    """Place windows away from tall pieces: in side walls, in the back wall if free, and behind the camera."""
    room.windows.append(Window("front", room.width / 2 - 1.1, room.width / 2 + 1.1, 0.7, 2.2))
    sides = ["left", "right"] if rng.random() < 0.5 else ["right", "left"]
    for wall in sides[: rng.choice((1, 1, 2))]:
        tall = [
            (s.z - s.half_width - 0.1, s.z + s.half_width + 0.1)
            for p in room.placed
            for s in p.solids
            if s.high > 0.95 and (s.x < 0.6 if wall == "left" else s.x > room.width - 0.6)
        ]
        gap = _widest(tall, 0.55, room.depth - 0.5)
        if gap[1] - gap[0] > 1.0:
            size = min(gap[1] - gap[0] - 0.2, rng.uniform(1.1, 2.0))
            start = rng.uniform(gap[0] + 0.1, gap[1] - 0.1 - size)
            room.windows.append(Window(wall, start, start + size, rng.choice((0.2, 0.85, 0.85)), 2.2))
    tall = [
        (s.x - s.half_width - 0.2, s.x + s.half_width + 0.2)
        for p in room.placed
        for s in p.solids
        if s.high > 1.0 and s.z < 0.7 and p.piece.kind not in ("plant", "floorlamp")
    ]
    tall += [
        (p.x - p.piece.size[0] / 2 - 0.15, p.x + p.piece.size[0] / 2 + 0.15)
        for p in room.placed
        if p.piece.kind == "art"
    ]
    gap = _widest(tall, 0.3, room.width - 0.3)
    if gap[1] - gap[0] > 1.25 and rng.random() < 0.6:
        size = min(gap[1] - gap[0] - 0.3, rng.uniform(0.9, 1.7))
        start = (gap[0] + gap[1] - size) / 2
        room.windows.append(Window("back", start, start + size, 1.0, 2.2))


def _widest(taken: list[tuple[float, float]], start: float, end: float) -> tuple[float, float]:
    """Return the widest gap between intervals."""
    best, at = (start, start), start
    for low, high in [*sorted(taken), (end, end)]:
        if min(low, end) - at > best[1] - best[0]:
            best = (at, min(low, end))
        at = max(at, high)
    return best


def _aim(room: Room, rng: random.Random) -> None:
    """Place the camera at the front of the room, at eye height or slightly above, slightly off-centre."""
    two = len(room.zones) == 2
    aside = rng.uniform(-0.22, 0.22) if two else rng.uniform(-0.32, 0.32)
    room.eye = (room.width * (0.5 + aside), rng.uniform(1.25, 1.75), room.depth - 0.12)
    main = [p for p in room.placed if p.piece.kind in ("sofa", "bed", "diningtable", "desk")]
    middle = sum(p.x for p in main) / len(main) if main else room.width / 2
    room.target = (
        (middle + room.width) / 3 + rng.uniform(-0.15, 0.15),
        rng.uniform(0.75, 0.95),
        rng.uniform(0.6, 1.1),
    )
    room.field_of_view = rng.uniform(66, 72) if two else rng.uniform(56, 66)


def room_ids(count: int) -> list[str]:
    """Return the ids of the rooms: styles and kinds in turn, about one in seven with two zones.

    The split goes by a hash of the id, so a letter at its end is chosen that puts one in ten of every style
    into the test and another one into the validation.
    """
    names = list(styles())
    ids = []
    for i in range(count):
        style, kind = names[i % 6], KINDS[(i // 6) % 4]
        start = f"room-{style}-{kind}-{i:03d}"
        if i % 7 == 3:
            other = names[(i + 1 + (i // 6) % 5) % 6]
            second = KINDS[(KINDS.index(kind) + 1 + (i // 24) % 3) % 4]
            start = f"room-{style}-{other}-{kind}-{second}-{i:03d}"
        wanted = {9: (9,), 8: (8,)}.get((i // 6 + i % 6) % 10, range(8))
        ids.append(next(start + letter for letter in LETTERS if _fold(start + letter) in wanted))
    return ids


def _fold(scene: str) -> int:
    """Return the tenth of the split that a scene falls into."""
    return int(hashlib.md5(scene.encode(), usedforsecurity=False).hexdigest()[:8], 16) % 10
