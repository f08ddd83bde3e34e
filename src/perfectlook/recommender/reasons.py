"""Say what a product shares with a photo or with another product, in a sentence that is true of both.

A colour is shared if both pictures have a swatch of its name, the two are near each other, and people would
agree on the name (`Swatch.is_certain`). `research/reasons.py` measures how often this is right. Materials
cannot be seen, so they are taken from the records of two products. If no colour and no material is shared, a
tone can be: both are light and quiet, or both have strong colours.
"""

import functools
import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from perfectlook import colours
from perfectlook.answers import Reason, Tone
from perfectlook.colours import Swatch

LARGE, SEEN, NEAR = 0.10, 0.02, 14.0
"""The least share of a shared colour in a product and in a photo, and its greatest distance (ΔE, CIELAB)."""
WHITE, WHITE_SEEN = 0.3, 0.05
"""The same shares of white, which is in most photos."""
LIGHT, LIGHT_PRODUCT, QUIET, STRONG = 60, 65, 20.0, 45.0
"""The least lightness of light colours in a photo, and on a product, which has better light; the chroma below
which colours are quiet, and that from which on they are strong (CIELAB)."""
_TONES: dict[Tone, tuple[float, float]] = {"light": (0.85, 0.65), "strong": (0.20, 0.05)}
"""The least shares of a product and of a photo."""
MOST = 2
"""The largest number of colours, and of materials, in a sentence."""


class Reasons:
    """Finds what products share with one photo or one product."""

    def __init__(
        self, found: Sequence[Swatch] = (), *, record: Mapping[str, Any] | None = None, locale: str = "en"
    ) -> None:
        """Use the swatches of a photo, or the record of a product.

        Args:
            found: the photo's swatches.
            record: the product's record.
            locale: the language of the sentence, such as "de" or "de-AT". Unknown languages get English.
        """
        self._is_product = record is not None
        self._materials = set() if record is None else materials_of(record)
        self._swatches, self._tones = (
            (nameable(found), tones(found)) if record is None else _of_record(record)
        )
        language = re.split("[-_]", locale.lower())[0]
        self._language = language if language in _words() and language != "materials" else "en"

    def of(self, record: Mapping[str, Any]) -> Reason | None:
        """Return what the product of a record shares; None if nothing is certain."""
        own, own_tones = _of_record(record)
        # Two swatches can have means of one name.
        shared = list(dict.fromkeys(x.name for x in own if any(_same(x, y) for y in self._swatches)))[:MOST]
        both = sorted(materials_of(record) & self._materials)[:MOST] if self._materials else []
        words, asked = _words()[self._language], "product" if self._is_product else "photo"
        if not shared and not both:
            tone = next((each for each in own_tones if each in self._tones), None)
            return Reason(text=words[f"{asked}-{tone}"], tone=tone) if tone else None
        names = [colours.palette()[name][self._language] for name in shared]
        names += [_words()["materials"][name][self._language] for name in both]
        listed = f" {words['and']} ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)
        text = words[asked].format(names=listed)
        return Reason(text=text, colours=shared, materials=both)


def nameable(found: Sequence[Swatch], *, product: bool = False) -> list[Swatch]:
    """Return the swatches of a photo, or of a product, that a reason may name."""
    least, white = (LARGE, WHITE) if product else (SEEN, WHITE_SEEN)
    return [
        each
        for each in found
        if (each.share >= white if each.name == "white" else each.share >= least and each.is_certain)
    ]


def tones(found: Sequence[Swatch], *, product: bool = False) -> list[Tone]:
    """Return what is true of a photo or a product: most colours are light and quiet, or some are strong."""
    shares: dict[Tone, float] = dict.fromkeys(_TONES, 0.0)
    for each in found:
        chroma = math.hypot(*each.lab[1:])
        if chroma >= STRONG:
            shares["strong"] += each.share
        elif chroma < QUIET and each.lab[0] >= (LIGHT_PRODUCT if product else LIGHT):
            shares["light"] += each.share
    whole = sum(each.share for each in found)
    return [tone for tone, least in _TONES.items() if whole and shares[tone] >= least[not product] * whole]


def _of_record(record: Mapping[str, Any]) -> tuple[list[Swatch], list[Tone]]:
    found = colours.read(str(record.get("colours", "")))
    return nameable(found, product=True), tones(found, product=True)


def materials_of(record: Mapping[str, Any]) -> set[str]:
    """Return the materials that the record of a product names, in English or German, without imitations."""
    field = str(record["fields"].get("material", ""))
    title = str(record["title"] or "")
    return {
        name
        for name, (pattern, is_ambiguous) in _patterns().items()
        if pattern.search(field) or (not is_ambiguous and pattern.search(title))
    }


def _same(one: Swatch, other: Swatch) -> bool:
    return one.name == other.name and math.dist(one.lab, other.lab) <= NEAR


@functools.cache
def _words() -> dict[str, Any]:
    path = Path(__file__).with_name("reasons.toml")
    return tomllib.loads(path.read_text(encoding="utf-8"))


_IMITATION = r"(?<!faux )(?<!vegan )(?<!imitation )\b(?:{})\b(?![- ](?:look|effect|style|optik|imitat))"


@functools.cache
def _patterns() -> dict[str, tuple[re.Pattern[str], bool]]:
    return {
        name: (
            re.compile(
                _IMITATION.format("|".join([about["en"], about["de"], *about.get("words", [])])),
                re.IGNORECASE,
            ),
            about.get("field", False),
        )
        for name, about in _words()["materials"].items()
    }
