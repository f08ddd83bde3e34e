"""Make a set from a shop's feed: its lifestyle photos are scenes, paired with the products that cite them."""

import base64
import csv
import hashlib
import html
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

from PIL import Image

from perfectlook.data.fingerprints import Fingerprint, fingerprints, groups_within, hashes_of
from perfectlook.data.layout import SetContent, UnusableError, checked_id
from perfectlook.data.make import write_set
from perfectlook.data.scenes import TWIN_BITS
from perfectlook.errors import DatasetError, UsageError
from perfectlook.features.lifestyle import DOUBTFUL, margins
from perfectlook.feeds import Feed, FeedOptions, PictureCache
from perfectlook.feeds.packed import open_feed
from perfectlook.fetching import FetchLimits
from perfectlook.files import write_file
from perfectlook.images import SUFFIXES, encode_jpeg, open_picture
from perfectlook.progress import ProgressOf, no_progress
from perfectlook.types import Problem, Product

LIFESTYLE, PACKSHOT, DOUBT, NEITHER = "lifestyle", "packshot", "doubtful", "neither"
CORRECTIONS, PAGE = "corrections.csv", "pictures.html"
SURELY = "lifestyle_image_link"
"""The field of pictures that a shop says are lifestyle photos."""
FIELDS = ("additional_image_link", SURELY)
"""The fields with further pictures of a product."""
MOST_SHOWN = 500
"""How many pictures the page shows."""
NO_PACKSHOT = "product without packshot"


@dataclass(frozen=True)
class MadeFromFeed:
    """The result of `make_from_feed`.

    Attributes:
        scenes: the number of scenes, with copies counted once.
        products: the number of products, with and without a pair.
        pairs: the number of pairs.
        pictures: the number of distinct pictures of each kind: lifestyle, packshot, doubtful and neither.
        corrected: how many of them `corrections.csv` decided.
        problems: the rows, pictures and products that were left out.
    """

    scenes: int
    products: int
    pairs: int
    pictures: dict[str, int]
    corrected: int
    problems: list[Problem]


def make_from_feed(
    feed: Path | str,
    folder: Path,
    *,
    licence: str | None = None,
    crop: str | None = None,
    force: bool = False,
    workers: int | None = None,
    progress: ProgressOf | None = None,
    **options: Unpack[FeedOptions],
) -> MadeFromFeed:
    """Make a set from the pictures of a feed: `image_link`, `additional_image_link`, `lifestyle_image_link`.

    A product's picture is its first packshot; without one, its first doubtful picture. A lifestyle photo is a
    scene, paired with each product that cites it or a copy of it. `pictures.html` in the folder shows the
    doubtful pictures and the scenes. It saves what a person decides as `corrections.csv`; move this file into
    the folder, and the next run follows it.

    Args:
        feed: the path or URL of a feed.
        folder: the folder of the set. A set that was made from a feed is made again.
        licence: the licence of the pictures, which model cards repeat.
        crop: the crop rule, "fashion" or "any"; by default, it is guessed from the categories.
        force: replace another set in the folder.
        workers: how many processes extract features, by default one for each processor.
        progress: makes the progress of each part of the work.
        options: how to read the feed.

    Raises:
        UsageError: there is another set in the folder, or corrections or options are invalid.
        FeedError: the feed cannot be read.
        FetchError: the feed cannot be fetched.
        DatasetError: there is no pair.
        FeatureError: features cannot be stored.
    """
    progress_of = progress or no_progress
    private, connections = options.get("allow_private", False), options.get("connections", 8)
    cache = PictureCache.of("cache://feeds", FetchLimits(allow_private=private, connections=connections))
    options.setdefault("unknown_availability", "in_stock")  # pairs do not depend on it
    source = open_feed(str(feed) if "://" in str(feed) else Path(feed), cache, options)
    corrections = _read_corrections(folder / CORRECTIONS)
    products = {product.id: product for product in source.products()}
    surely = {each for product in products.values() for each in source.linked(product, SURELY)}
    shown = {
        id_: [product.picture, *(each for name in FIELDS for each in source.linked(product, name))]
        for id_, product in products.items()
    }
    pictures = dict.fromkeys(picture for some in shown.values() for picture in some)
    failed = cache.fetch(pictures, progress=progress_of("fetching pictures"))
    there = (picture for picture in pictures if picture not in failed)
    prints, unreadable = fingerprints(there, workers=workers, progress=progress_of("reading pictures"))
    found, unusable = margins(prints, workers=workers, progress=progress)
    told = source.problems + [
        Problem(source.name, str(picture), reason)
        for picture, reason in {**failed, **unreadable, **unusable}.items()
    ]
    kinds = {
        picture: corrections.get(prints[picture].sha256)
        or (LIFESTYLE if picture in surely or margin >= DOUBTFUL else "")
        or (PACKSHOT if margin <= -DOUBTFUL else DOUBT)
        for picture, margin in found.items()
    }
    made, content, files = _paired(source, products, shown, kinds, prints)
    if not content.rows:
        counts = Counter(kinds.values())
        raise DatasetError(
            f"{source.name}: no lifestyle photo belongs to a product ({counts[LIFESTYLE]:,} lifestyle "
            f"photos, {counts[PACKSHOT]:,} packshots, {counts[DOUBT]:,} doubtful). Add photos of rooms or "
            "outfits as additional_image_link."
        )
    force = force or (folder / PAGE).exists()
    write_set(folder, content, files, licence=licence, crop=crop, force=force)
    _write_page(folder / PAGE, kinds, prints, shown, corrections)
    distinct = {prints[picture].sha256: kind for picture, kind in kinds.items()}
    return MadeFromFeed(
        scenes=len({row["scene"] for row in content.rows}),
        products=len(content.categories),
        pairs=len(content.rows),
        pictures=dict(Counter(distinct.values())),
        corrected=len(corrections.keys() & distinct.keys()),
        problems=[*told, *made],
    )


def _paired(
    source: Feed,
    products: Mapping[str, Product],
    shown: Mapping[str, Iterable[Path]],
    kinds: Mapping[Path, str],
    prints: Mapping[Path, Fingerprint],
) -> tuple[list[Problem], SetContent, dict[str, Path]]:
    """Return the products without a picture, the content of the set, and its pictures by their place."""
    scenes = _scenes([picture for picture, kind in kinds.items() if kind == LIFESTYLE], prints)
    content, files, problems = SetContent(), {}, []
    for id_, product in products.items():
        of_kind: defaultdict[str | None, list[Path]] = defaultdict(list)
        for picture in dict.fromkeys(shown[id_]):
            of_kind[kinds.get(picture)].append(picture)
        own = [*of_kind[PACKSHOT], *of_kind[DOUBT]]
        if not own:
            reason = f"none of its pictures is a packshot. Add one, or correct {PAGE}."
            problems.append(Problem(source.name, id_, reason, NO_PACKSHOT))
            continue
        name = _name_of(id_)
        content.categories[name] = product.category
        fields = {key: text for key, text in product.fields.items() if not key.endswith("image_link")}
        content.details[name] = {**fields, "title": product.title or "", "feed_id": id_}
        files[f"products/{name}{_suffix(own[0])}"] = own[0]
        for scene, picture in dict.fromkeys(scenes[picture] for picture in of_kind[LIFESTYLE]):
            content.rows.append({"product": name, "scene": scene, "bbox": None})
            files[f"scenes/{scene}{_suffix(picture)}"] = picture
    return problems, content, files


def _scenes(photos: list[Path], prints: Mapping[Path, Fingerprint]) -> dict[Path, tuple[str, Path]]:
    """Return the scene's id and picture of each photo. Copies of a photo are one scene."""
    first = {photo: photo for photo in photos}
    for group in groups_within(hashes_of([prints[photo] for photo in photos]), TWIN_BITS) if photos else ():
        first |= {photos[place]: photos[group[0]] for place in group}
    return {photo: (prints[one].sha256[:32], one) for photo, one in first.items()}


def _name_of(id_: str) -> str:
    """Return an id that can be a file name: the product's own, or a hash of it."""
    try:
        return checked_id(id_, "product")
    except UnusableError:
        return hashlib.sha256(id_.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _suffix(picture: Path) -> str:
    """Return a suffix for a picture, which is recognised by its content."""
    return picture.suffix.lower() if picture.suffix.lower() in SUFFIXES else ".jpg"


def _read_corrections(file: Path) -> dict[str, str]:
    """Return what a person decided, by the hash of the picture. UsageError for an unknown word."""
    if not file.exists():
        return {}
    with file.open(encoding="utf-8-sig", newline="") as stream:
        rows = {row.get("picture", ""): row.get("kind", "") for row in csv.DictReader(stream)}
    for picture, kind in rows.items():
        if kind not in (LIFESTYLE, PACKSHOT, NEITHER):
            expected = f"Write {LIFESTYLE}, {PACKSHOT} or {NEITHER}."
            raise UsageError(f"{file}: unknown kind {kind!r} of picture {picture!r}. {expected}")
    return rows


def _write_page(
    file: Path,
    kinds: Mapping[Path, str],
    prints: Mapping[Path, Fingerprint],
    shown: Mapping[str, Iterable[Path]],
    corrections: Mapping[str, str],
) -> None:
    """Write the page of doubtful pictures, of scenes and of corrected pictures, with thumbnails in it.

    It also saves the corrections of pictures that it does not show.
    """
    citing: defaultdict[Path, list[str]] = defaultdict(list)
    for id_, pictures in shown.items():
        for picture in dict.fromkeys(pictures):
            citing[picture].append(id_)
    order = {NEITHER: 0, PACKSHOT: 0, DOUBT: 1, LIFESTYLE: 2}
    listed = sorted(
        (prints[picture].sha256 in corrections, order[kind], str(picture), picture)
        for picture, kind in kinds.items()
        if kind in (DOUBT, LIFESTYLE) or prints[picture].sha256 in corrections
    )
    figures = {prints[picture].sha256: picture for *_, picture in listed}
    shown_here = list(figures)[:MOST_SHOWN]
    kept = [each for each in corrections.items() if each[0] not in shown_here]
    parts = [
        _FIGURE.format(
            picture=sha256,
            kind=kinds[picture],
            chosen=corrections.get(sha256, ""),
            thumbnail=base64.b64encode(_thumbnail(picture)).decode(),
            products=html.escape(", ".join(citing[picture][:5])[:200]),
        )
        for sha256 in shown_here
        for picture in [figures[sha256]]
    ]
    counts = json.dumps({"shown": len(parts), "of": len(figures), "kept": kept}).replace("<", "\\u003c")
    template = (Path(__file__).parent / "pictures.html").read_text(encoding="utf-8")
    write_file(file, template.replace("{{counts}}", counts).replace("{{figures}}", "\n".join(parts)))


_FIGURE = (
    '<figure data-picture="{picture}" data-kind="{kind}" data-chosen="{chosen}">'
    '<img loading="lazy" alt="" src="data:image/jpeg;base64,{thumbnail}">'
    "<figcaption>{products}</figcaption></figure>"
)


def _thumbnail(picture: Path) -> bytes:
    opened = open_picture(picture, fit=200)
    opened.thumbnail((200, 200), Image.Resampling.BOX)
    return encode_jpeg(opened, 70)
