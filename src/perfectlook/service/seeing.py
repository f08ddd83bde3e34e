"""From the bytes of a photo to what the model makes of it, with the time of each stage."""

import time
from dataclasses import dataclass, field

from perfectlook.images import PictureLimits, open_picture, upright_size
from perfectlook.recommender import Recommender, Seen
from perfectlook.service.refusal import Refusal
from perfectlook.types import Box, Rectangle

NAME = "photo"


@dataclass(slots=True)
class Stopwatch:
    """Milliseconds by stage; `stage` ends one, which began where the last one ended."""

    timings: dict[str, float] = field(default_factory=dict)
    began: float = field(default_factory=time.perf_counter)
    last: float = field(default_factory=time.perf_counter)

    def stage(self, name: str) -> None:
        """End a stage."""
        now = time.perf_counter()
        self.timings[name] = round(1000 * (now - self.last), 3)
        self.last = now

    def end(self) -> dict[str, float]:
        """Return all stages and the total."""
        return {**self.timings, "total": round(1000 * (time.perf_counter() - self.began), 3)}


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """A photo as it was seen, and its size: width and height of the upright picture in pixels."""

    seen: Seen
    width: int
    height: int


def see(
    recommender: Recommender, content: bytes, box: Box | None, limits: PictureLimits, watch: Stopwatch
) -> Sight:
    """Decode a photo, or the part of it in a box, and pass it through backbone and model.

    Raises:
        PictureError: it cannot be read.
        Refusal: the box holds no pixel (422).
    """
    watch.last = time.perf_counter()
    backbone = recommender.backbone
    width, height = upright_size(content, limits=limits)
    crop = None if box is None else _pixels(box, width, height)
    picture = open_picture(content, crop=crop, fit=backbone.description.input_size, limits=limits)
    pixels = backbone.prepare(picture)[None]
    watch.stage("decode")
    features = backbone.extract(pixels)
    watch.stage("features")
    scene = recommender.model.embed_scene(features)
    watch.stage("embed")
    return Sight(Seen(NAME, features, scene), width, height)


def _pixels(box: Box, width: int, height: int) -> Rectangle:
    found = Rectangle(
        int(box.left * width), int(box.top * height), round(box.right * width), round(box.bottom * height)
    )
    if found.right - found.left < 8 or found.bottom - found.top < 8:
        raise Refusal(422, "invalid", "box: it holds less than 8 by 8 pixels of the photo; draw a larger one")
    return found
